"""An address of the user's own: what can be entered, what is sent, and whose response it is."""

from collections.abc import Mapping
from dataclasses import replace
import json

from aiohttp import ClientSession, ClientTimeout, encode_basic_auth, web
from aiohttp.test_utils import RawTestServer
import pytest
from yarl import URL

from custom_components.octoprint_tunnel.api.errors import (
    Condition,
    NotOctoPrint,
    OctoPrintTunnelError,
    Remedy,
    UnexpectedStatus,
)
from custom_components.octoprint_tunnel.api.octoprint.client import OctoPrint
from custom_components.octoprint_tunnel.api.octoprint.webcam import Webcam
from custom_components.octoprint_tunnel.api.transport.message import Request
from custom_components.octoprint_tunnel.api.transport.route import Route
from custom_components.octoprint_tunnel.api.tunnels import tunnel_from_data
from custom_components.octoprint_tunnel.api.tunnels.base import AuthorizationError
from custom_components.octoprint_tunnel.api.tunnels.own_address import (
    AccessRefused,
    LoginPage,
    LoginRedirect,
    OwnAddress,
    PasswordNeeded,
    ProxyUploadLimit,
    ProxyWithoutOctoPrint,
    why_not_octoprint,
)

from ...octoprint.server import OctoPrintServer

ADDRESS = "https://printer.example/octoprint"
OWN = {"X-Clacks-Overhead": "GNU Terry Pratchett", "X-Robots-Tag": "noindex, nofollow, noimageindex"}
BASIC = {"WWW-Authenticate": 'Basic realm="Printer"'}
PAGE = {"Content-Type": "text/html; charset=utf-8"}
SHORT = ClientTimeout(total=5)
BOTH_VERSIONS = pytest.mark.parametrize("octoprint_version", ["1.11", "2.0"])


def read(**entered: object) -> OwnAddress:
    """Return what becomes of an entry in the form."""
    tunnel = OwnAddress.from_form({"address": ADDRESS, "verify_ssl": True, **entered}, "").tunnel
    assert isinstance(tunnel, OwnAddress)
    return tunnel


@pytest.mark.parametrize(
    ("typed", "url"),
    [
        (ADDRESS, ADDRESS),
        (" printer.example ", "https://printer.example"),
        ("https://Printer.Example:8443/a/b/?x=1#temp", "https://printer.example:8443/a/b"),
        ("https://[fd00::5]/", "https://[fd00::5]"),
    ],
)
def test_address(typed: str, url: str) -> None:
    """It may have a port and a path, and has its shortest form."""
    assert read(address=typed).url == url


@pytest.mark.parametrize(
    ("typed", "key"),
    [
        ("http://printer.example", "not_https"),
        ("", "invalid_address"),
        ("ftp://printer.example", "invalid_address"),
        ("https://user:secret@printer.example", "invalid_address"),
        ("https://printer.example/" + "a" * 5000, "invalid_address"),
        ("https://[::1]@", "invalid_address"),
    ],
)
def test_refused_address(typed: str, key: str) -> None:
    """Nothing but https, and no credentials in the address, where they would be shown."""
    with pytest.raises(AuthorizationError) as refused:
        read(address=typed)
    assert (refused.value.key, refused.value.field) == (key, "address")
    assert "secret" not in str(refused.value)


@pytest.mark.parametrize(
    ("entered", "headers"),
    [
        ({}, {}),
        ({"username": " ", "password": "", "bearer_token": "", "header_1": ""}, {}),
        ({"username": "me", "password": "päss word"}, {"Authorization": encode_basic_auth("me", "päss word")}),
        ({"bearer_token": "abc.def"}, {"Authorization": "Bearer abc.def"}),
        (
            {"header_1": "CF-Access-Client-Id: id.access", "header_2": "CF-Access-Client-Secret:s3cret"},
            {"CF-Access-Client-Id": "id.access", "CF-Access-Client-Secret": "s3cret"},
        ),
        (
            {"username": "me", "password": "secret", "header_3": "Cookie: a=b; c=d"},
            {"Authorization": encode_basic_auth("me", "secret"), "Cookie": "a=b; c=d"},
        ),
        ({"header_1": "Authorization: Token abc"}, {"Authorization": "Token abc"}),
    ],
)
async def test_headers(session: ClientSession, entered: dict[str, str], headers: Mapping[str, str]) -> None:
    """They are on the route, also after the tunnel was stored, and in no text of the tunnel."""
    tunnel = read(**entered)
    assert tunnel.route(session).headers == headers
    stored = tunnel_from_data(json.loads(json.dumps(tunnel.to_data())))
    assert stored == tunnel
    assert stored.connect(session).octoprint.headers == headers
    assert not [value for value in headers.values() if value in repr(tunnel) or value in repr(tunnel.to_form())]


@pytest.mark.parametrize(
    ("entered", "key", "field"),
    [
        ({"username": "me"}, "invalid_login", "username"),
        ({"password": "secret"}, "invalid_login", "username"),
        ({"username": "a:b", "password": "secret"}, "invalid_login", "username"),
        ({"username": "me", "password": "secret\nX: 1"}, "invalid_login", "username"),
        ({"username": "me", "password": "s" * 5000}, "invalid_login", "username"),
        ({"username": "me", "password": "secret", "bearer_token": "abc"}, "invalid_login", "username"),
        ({"bearer_token": "abc", "header_1": "authorization: Token abc"}, "invalid_login", "username"),
        ({"bearer_token": "a b"}, "invalid_login", "bearer_token"),
        ({"header_1": "no colon"}, "invalid_header", "header_1"),
        ({"header_2": "X-Empty:"}, "invalid_header", "header_2"),
        ({"header_2": "X Space: 1"}, "invalid_header", "header_2"),
        ({"header_3": "X-Text: ä"}, "invalid_header", "header_3"),
        ({"header_3": "X-Long: " + "a" * 5000}, "invalid_header", "header_3"),
        ({"header_1": "Host: elsewhere.example"}, "invalid_header", "header_1"),
        ({"header_1": "content-length: 5"}, "invalid_header", "header_1"),
        ({"header_1": "Sec-WebSocket-Key: x"}, "invalid_header", "header_1"),
        ({"header_1": "X-Api-Key: x"}, "invalid_header", "header_1"),
        ({"header_1": "X-Token: one", "header_2": "X-Token: two"}, "invalid_header", "header_2"),
        ({"header_1": "X-Token: one", "header_3": "x-token: two"}, "invalid_header", "header_3"),
    ],
)
def test_refused_credentials(entered: dict[str, str], key: str, field: str) -> None:
    """Each is refused at its field, before it is stored."""
    with pytest.raises(AuthorizationError) as refused:
        read(**entered)
    assert (refused.value.key, refused.value.field) == (key, field)


@pytest.mark.parametrize(
    ("status", "headers", "kind"),
    [
        (200, PAGE, LoginPage),
        (302, {"Location": "https://team.cloudflareaccess.example/login"}, LoginRedirect),
        (307, {}, LoginRedirect),
        (401, {}, AccessRefused),
        (401, BASIC, PasswordNeeded),
        (403, PAGE, AccessRefused),
        (403, {"Content-Type": "application/json"}, AccessRefused),
        (404, PAGE, NotOctoPrint),
        (407, {}, AccessRefused),
        (413, PAGE, ProxyUploadLimit),
    ],
)
def test_responses_of_others(status: int, headers: Mapping[str, str], kind: type[OctoPrintTunnelError]) -> None:
    """They are told apart from OctoPrint's own with the same status, which has its marks."""
    error = why_not_octoprint(status, headers)
    assert type(error) is kind
    assert error.code == status
    assert why_not_octoprint(status, {**headers, **OWN}) is None
    assert why_not_octoprint(status, {**headers, "X-Robots-Tag": OWN["X-Robots-Tag"]}) is None
    assert why_not_octoprint(status, {**headers, "X-Robots-Tag": "noindex"}) is not None


@pytest.mark.parametrize(
    ("status", "headers"),
    [
        (200, {}),
        (200, {"Content-Type": "application/json"}),
        (204, {}),
        (400, PAGE),
        (409, PAGE),
        (429, {}),
        (500, PAGE),
    ],
)
def test_responses_that_say_nothing_about_a_proxy(status: int, headers: Mapping[str, str]) -> None:
    """They are read as OctoPrint's."""
    assert why_not_octoprint(status, headers) is None


def test_a_password_that_is_refused() -> None:
    """It is not asked for as if there were none."""
    assert isinstance(why_not_octoprint(401, BASIC, sends_password=True), AccessRefused)


@pytest.mark.parametrize("status", [502, 503, 504, 520, 521, 530])
def test_proxies_without_octoprint(status: int) -> None:
    """Also Cloudflare's."""
    error = OwnAddress.codes.error(status)
    assert isinstance(error, ProxyWithoutOctoPrint)
    assert (error.remedy, error.condition) == (Remedy.RETRY, Condition.OFFLINE)


@BOTH_VERSIONS
async def test_octoprints_own_responses(session: ClientSession, octoprint: OctoPrintServer) -> None:
    """A page, a redirect and a refusal of OctoPrint itself are none of a proxy."""
    route = replace(read(bearer_token="none-of-octoprints").route(session), base_url=URL(octoprint.url))
    for path, status in (("/", 302), ("/login/", 200), ("/api/connection", 403), ("/nothing", 404)):
        assert (await route.send(Request("GET", path))).status == status
    instance = await OctoPrint(route).instance()
    assert instance is not None
    assert instance.uuid == octoprint.uuid
    with pytest.raises(UnexpectedStatus) as refused:  # no upgrade
        await route.download(route.base_url / "sockjs/websocket", SHORT)
    assert refused.value.code == 400
    with pytest.raises(NotOctoPrint):
        await OctoPrint(replace(route, base_url=route.base_url / "octoprint")).instance()


async def test_nothing_goes_elsewhere(session: ClientSession) -> None:
    """A redirect is not followed, with the session of the integration or any other."""
    seen: list[str] = []

    async def respond(request: web.BaseRequest) -> web.StreamResponse:
        seen.append(request.path)
        return web.Response(status=302, headers={"Location": f"http://127.0.0.1:{request.url.port}/elsewhere"})

    async with RawTestServer(respond) as server:
        route = replace(read().route(session), base_url=server.make_url("/octoprint"))
        with pytest.raises(LoginRedirect):
            await route.send(Request("GET", "/api/version"))
    assert seen == ["/octoprint/api/version"]


# Webcams

SNAPSHOT, STREAM = "/webcam/?action=snapshot", "/webcam/?action=stream"


def webcam(snapshot: str | None, stream: str | None) -> Webcam:
    """Return a webcam with these addresses."""
    return Webcam(position=0, name="classic", display_name="Webcam", snapshot_url=snapshot, stream_url=stream)


@pytest.mark.parametrize(
    ("snapshot", "stream", "still", "live"),
    [
        (SNAPSHOT, STREAM, SNAPSHOT, STREAM),
        (f"http://127.0.0.1:8080{SNAPSHOT}", STREAM, SNAPSHOT, STREAM),
        ("http://127.0.0.1:8080/snap", "webcam/stream", None, "/octoprint/webcam/stream"),
        ("https://printer.example/snap", None, "/snap", None),
        ("https://printer.example:8443/snap", "http://printer.example/stream", None, None),
        ("https://user:secret@printer.example/snap", "https://elsewhere.example/stream", None, None),
        ("//elsewhere.example/snap", "webrtc://printer.example/stream", None, None),
        (None, None, None, None),
    ],
)
async def test_webcams(
    session: ClientSession, snapshot: str | None, stream: str | None, still: str | None, live: str | None
) -> None:
    """Only what is at the address itself, where a browser would find it, gets its credentials."""
    service = read(username="me", password="secret").connect(session)
    pictures = service.pictures(webcam(snapshot, stream))
    for resource, path in ((await pictures.snapshot(), still), (await pictures.stream(), live)):
        assert (str(resource.url) if resource else None) == (f"https://printer.example{path}" if path else None)
        assert resource is None or resource.route.headers == service.octoprint.headers
    assert await pictures.still(0) == await pictures.snapshot()
    assert await pictures.still(1) == await pictures.stream()


async def test_a_webcam_that_is_refused(session: ClientSession) -> None:
    """It says nothing about OctoPrint."""

    async def respond(_request: web.BaseRequest) -> web.StreamResponse:
        return web.Response(status=403)

    async with RawTestServer(respond) as server:
        address = replace(read(), url=str(server.make_url("")).rstrip("/"))
        resource = await address.connect(session).pictures(webcam("/webcam/", None)).snapshot()
        assert resource is not None
        assert isinstance(resource.route, Route)
        with pytest.raises(UnexpectedStatus):
            await resource.route.download(resource.url, SHORT)


async def test_what_is_known_of_it(session: ClientSession) -> None:
    """Its address is its page and its id. There is no service to ask."""
    tunnel = read(username="me", password="secret", verify_ssl=False)
    assert (tunnel.own_id, tunnel.printer_page, tunnel.server) == ("printer.example/octoprint", ADDRESS, ADDRESS)
    assert tunnel.help_url(Condition.REVOKED) == ADDRESS
    assert tunnel.to_form() == {"address": ADDRESS, "verify_ssl": False}
    assert not tunnel.route(session).verify_ssl
    service = tunnel.connect(session)
    status = await service.status()
    assert (status.online, status.usage, service.failure_detection, service.notifications) == (None, None, None, None)
    assert service.octoprint.traffic.requests == service.api.traffic.requests == 0
