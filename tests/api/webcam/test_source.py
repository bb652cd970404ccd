"""Where the pictures of a webcam are, on each way, and which credentials go there."""

from base64 import b64encode
from collections.abc import AsyncGenerator
from dataclasses import replace
import json
from typing import Any

from aiohttp import ClientSession, ClientTimeout, DummyCookieJar, TCPConnector, web
from aiohttp.abc import ResolveResult
from aiohttp.test_utils import RawTestServer
import pytest
from yarl import URL

from custom_components.octoprint_tunnel.api.errors import CannotConnect, InvalidResponse, OctoPrintOffline, ServiceError
from custom_components.octoprint_tunnel.api.octoprint.webcam import Webcam
from custom_components.octoprint_tunnel.api.transport.route import Route
from custom_components.octoprint_tunnel.api.tunnels.obico import Obico
from custom_components.octoprint_tunnel.api.tunnels.octoeverywhere import OctoEverywhere
from custom_components.octoprint_tunnel.api.webcam.source import LocalPictures, Pictures

from ...relay.octoeverywhere import AppConnection
from ...relay.server import Relay

BASE = "http://10.0.0.5"
STREAM = f"{BASE}/webcam/?action=stream"
COMMANDS = "/octoeverywhere-command-api/webcam"


@pytest.fixture
async def session(socket_enabled: None) -> AsyncGenerator[ClientSession]:
    """Return a session without cookies."""
    async with ClientSession(cookie_jar=DummyCookieJar()) as session:
        yield session


def webcam(address: str | None, **fields: Any) -> Webcam:
    """Return a webcam with one address for stills and streams."""
    known = {"position": 0, "name": "classic", "display_name": "Classic"}
    return Webcam(**{**known, "snapshot_url": address, "stream_url": address, **fields})


def local(session: ClientSession, webcam: Webcam, base: str = BASE) -> LocalPictures:
    """Return the local pictures of a webcam."""
    return LocalPictures(Route(session=session, base_url=URL(base), headers={"Authorization": "secret"}), webcam)


async def urls(pictures: Pictures) -> list[str | None]:
    """Return the URLs of still and stream."""
    found = (await pictures.snapshot(), await pictures.stream())
    return [str(resource.url) if resource else None for resource in found]


# on the local network


@pytest.mark.parametrize(
    ("address", "expected"),
    [
        ("/webcam/?action=stream", "http://10.0.0.5/webcam/?action=stream"),
        ("webcam/?action=stream", "http://10.0.0.5/octoprint/webcam/?action=stream"),
        ("?action=stream", "http://10.0.0.5/octoprint/?action=stream"),
        ("//cam.lan/s", "http://cam.lan/s"),
        ("http://127.0.0.1:8080/?action=stream", "http://10.0.0.5:8080/?action=stream"),
        ("http://localhost/webcam/", "http://10.0.0.5/webcam/"),
        ("https://[::1]:8443/x", "https://10.0.0.5:8443/x"),
        ("http://user:pass@cam.lan:81/s?a=%26", "http://user:pass@cam.lan:81/s?a=%26"),
        *((address, None) for address in ("webrtc://10.0.0.9/s", "/webcam/webrtc", "rtsp://10.0.0.9/s", "http://[")),
        *((f"http://{host}/x", None) for host in ("0.0.0.0", "[::]", "127.1", "0x7f000001", "[fe80::1%251]")),
        ("", None),
        (None, None),
    ],
)
async def test_addresses_mean_what_they_mean_to_a_browser(
    session: ClientSession, address: str | None, expected: str | None
) -> None:
    """A loopback address means OctoPrint's machine. Nothing gets the credentials of the route."""
    pictures = local(session, webcam(address), f"{BASE}/octoprint")
    assert await urls(pictures) == [expected, expected]
    if resource := await pictures.snapshot():
        assert not resource.route.headers
        assert "pass" not in repr(resource)


@pytest.mark.parametrize(
    ("snapshot", "stream", "expected"),
    [
        (
            "http://127.0.0.1:8081/?action=snapshot",
            "/webcam2/?action=stream",
            [
                f"{BASE}:8081/?action=snapshot",
                f"{BASE}/webcam2/?action=snapshot",
                f"{BASE}/webcam2/?action=stream",
            ],
        ),
        (
            "http://localhost:8080/?action=snapshot",
            "/webcam/webrtc",
            [f"{BASE}:8080/?action=snapshot", f"{BASE}/webcam/?action=snapshot"],
        ),
        (
            "http://localhost:8080/snapshot",
            "//cam.lan/a/?action=stream",
            [
                f"{BASE}:8080/snapshot",
                f"{BASE}/webcam/?action=snapshot",
                "http://cam.lan/a/?action=snapshot",
                "http://cam.lan/a/?action=stream",
            ],
        ),
        ("http://10.0.0.9/s", None, ["http://10.0.0.9/s"]),
        (None, "/webcam/?action=stream", [f"{BASE}/webcam/?action=snapshot", STREAM]),
        (None, None, []),
    ],
)
async def test_a_still_has_several_sources(
    session: ClientSession, snapshot: str | None, stream: str | None, expected: list[str]
) -> None:
    """The snapshot, the same behind OctoPrint's proxy, a still of the streaming server, the stream itself."""
    pictures = local(session, webcam(None, snapshot_url=snapshot, stream_url=stream))
    resources = [await pictures.still(source) for source in range(pictures.still_sources)]
    assert list(dict.fromkeys(str(resource.url) for resource in resources if resource)) == expected


class Resolver(TCPConnector):
    """Connections that know one host name."""

    address = "127.0.0.1"

    async def async_resolve_host(self, host: str) -> list[ResolveResult]:
        """Return the address of the host name."""
        if host != "cam.lan":
            raise OSError
        return [{"hostname": host, "host": self.address, "port": 0, "family": 0, "proto": 0, "flags": 0}]


@pytest.mark.parametrize(
    ("address", "base", "expected"),
    [
        *((address, BASE, f"{BASE}:81/s") for address in ("127.0.0.1", "::1", "::ffff:127.0.0.1", "0.0.0.0")),
        *((address, BASE, "http://cam.lan:81/s") for address in ("10.0.0.9", "fe80::1%2")),
        ("127.0.0.1", "http://cam.lan:5000", "http://cam.lan:81/s"),
    ],
)
async def test_a_host_name_of_home_assistants_own_machine_means_octoprints(
    socket_enabled: None, address: str, base: str, expected: str
) -> None:
    """Unless OctoPrint runs on the same machine. An unknown host name stays as it is."""
    connector = Resolver()
    connector.address = address
    async with ClientSession(connector=connector) as session:
        assert (await urls(local(session, webcam("http://cam.lan:81/s"), base)))[0] == expected
        assert await urls(local(session, webcam("http://other.lan/s"), base)) == ["http://other.lan/s"] * 2


# OctoEverywhere


@pytest.fixture
def app_connection(relay: Relay, connection: AppConnection) -> OctoEverywhere:
    """Return the App Connection as the portal issued it."""
    tunnel = OctoEverywhere.from_link(relay.octoeverywhere.completion_url(connection), "").tunnel
    assert isinstance(tunnel, OctoEverywhere)
    return tunnel


@pytest.mark.parametrize(
    ("address", "still", "stream"),
    [
        ("/webcam/?action=x", "/webcam/?action=x", "/webcam/?action=x"),
        ("webcam/?action=x", "/webcam/?action=x", "/webcam/?action=x"),
        ("http://10.0.0.9/x", f"{COMMANDS}/snapshot?index=0", f"{COMMANDS}/stream?index=0"),
        ("//evil.example/x", f"{COMMANDS}/snapshot?index=0", f"{COMMANDS}/stream?index=0"),
        ("/webcam/webrtc", f"{COMMANDS}/snapshot?index=0", None),
        (None, f"{COMMANDS}/snapshot?index=0", None),
    ],
)
async def test_octoeverywhere_carries_all_pictures(
    session: ClientSession,
    app_connection: OctoEverywhere,
    connection: AppConnection,
    address: str | None,
    still: str,
    stream: str | None,
) -> None:
    """Relative addresses through the tunnel, the others as the plugin gets them; no other host is asked."""
    service = app_connection.connect(session)
    pictures = service.pictures(webcam(address))
    assert await urls(pictures) == [path and connection.url + path for path in (still, stream)]
    resource = await pictures.snapshot()
    assert resource is not None
    assert resource.route is service.octoprint


@pytest.mark.parametrize(
    ("name", "position", "listed", "index"),
    [
        ("classic", 0, ["nozzle", "Classic", "other"], 1),
        ("other", 0, ["nozzle", "Classic", "other"], 1),
        ("x", 2, ["a", "b", "c"], 2),
    ],
)
async def test_the_plugins_webcam_is_found_by_name_or_position(
    session: ClientSession,
    app_connection: OctoEverywhere,
    relay: Relay,
    name: str,
    position: int,
    listed: list[str],
    index: int,
) -> None:
    """The list is read once, and only when it is needed."""
    relay.octoeverywhere.webcams = listed
    described = webcam("http://x/", name=name, position=position)
    pictures = app_connection.connect(session).pictures(described)
    assert not relay.seen(path=f"{COMMANDS}/list")
    assert {str(url).rpartition("=")[2] for _ in range(2) for url in await urls(pictures)} == {str(index)}
    assert len(relay.seen(path=f"{COMMANDS}/list")) == 1


@pytest.mark.parametrize(
    ("body", "error"),
    [
        ('{"Status": 750}', ServiceError),
        ('{"Status": 601}', OctoPrintOffline),
        ('{"Status": 999}', ServiceError),
        ("<html>", InvalidResponse),
    ],
)
async def test_the_plugin_reports_errors_in_a_body(
    session: ClientSession, app_connection: OctoEverywhere, relay: Relay, body: str, error: type[Exception]
) -> None:
    """The HTTP status is 200."""
    relay.fail("octoeverywhere_tunnel", 200, body, path=f"{COMMANDS}/list")
    with pytest.raises(error):
        await app_connection.connect(session).pictures(webcam("http://x/")).snapshot()


# Obico


@pytest.mark.parametrize(
    ("server", "signed", "expected"),
    [
        ("https://app.obico.io", "https://app.obico.io/x.jpg?digest=1", "https://app.obico.io/x.jpg?digest=1"),
        ("https://app.obico.io", "https://cdn.obico.io/x", "https://cdn.obico.io/x"),
        ("https://app.obico.io", "http://app.obico.io/x", None),
        ("https://app.obico.io", "https://obico.io.example/x", None),
        ("https://app.obico.io", "/x", None),
        ("http://10.0.0.2:3334", "http://localhost:3334/x?digest=a%2Bb", "http://10.0.0.2:3334/x?digest=a%2Bb"),
        ("http://10.0.0.2:3334", "https://10.0.0.2/x", "http://10.0.0.2:3334/x"),
        ("https://obico.lan", "/x?digest=1", "https://obico.lan/x?digest=1"),
        ("https://obico.lan", "http://user:pass@evil.example:81/x", "https://obico.lan/x"),
        ("https://obico.lan", "http://localhost//evil.example/x", "https://obico.lan//evil.example/x"),
        ("https://obico.lan", "http://localhost/@evil.example/x", "https://obico.lan/@evil.example/x"),
        ("https://obico.lan", "@evil.example/x", None),
        ("https://obico.lan", "ftp://obico.lan/x", None),
        ("https://obico.lan", "http://[]@", None),
    ],
)
async def test_obico_signs_an_address_on_its_server(
    session: ClientSession, relay: Relay, server: str, signed: str, expected: str | None
) -> None:
    """A self-hosted server may know itself by another address. No credentials of the tunnel go there."""
    pictures = await obico_pictures(session, relay, webcam("/webcam/"), server)
    relay.fail("obico_tsd", 200, json.dumps({"snapshot": signed}), path="/_tsd_/webcam/0/")
    if expected is None:
        with pytest.raises(InvalidResponse):
            await pictures.snapshot()
        return
    resource = await pictures.snapshot()
    assert resource is not None
    assert (str(resource.url), dict(resource.route.headers)) == (expected, {})
    assert expected not in repr(resource)
    assert await pictures.stream() is None


async def obico_pictures(
    session: ClientSession, relay: Relay, webcam: Webcam, server: str = "https://app.obico.io"
) -> Pictures:
    """Return the pictures of a webcam through a tunnel of this server."""
    issued = await relay.obico.add_tunnel()
    tunnel = Obico(url=issued.url, username=issued.user, password=issued.password, server_url=server)
    return tunnel.connect(session).pictures(webcam)


@pytest.mark.parametrize("response", ['{"snapshot": null}', "{}"])
async def test_obico_may_have_no_picture_for_now(session: ClientSession, relay: Relay, response: str) -> None:
    """While the printer is neither printing nor watched."""
    relay.fail("obico_tsd", 200, response, path="/_tsd_/webcam/0/")
    assert await urls(await obico_pictures(session, relay, webcam("/webcam/"))) == [None, None]


async def test_obico_has_pictures_of_its_primary_webcam_alone(session: ClientSession, relay: Relay) -> None:
    """Its plugin's settings name it; without them it is the first one. No request is sent for the others."""
    for other in (webcam("/webcam/", position=1), replace(webcam("/webcam/"), is_primary=False)):
        assert await urls(await obico_pictures(session, relay, other)) == [None, None]
    assert not relay.seen("obico_tsd")
    relay.fail("obico_tsd", 200, '{"snapshot": "https://app.obico.io/x"}', path="/_tsd_/webcam/0/")
    primary = webcam("/webcam/", position=1, is_primary=True)
    assert await urls(await obico_pictures(session, relay, primary)) == ["https://app.obico.io/x", None]


# webcams with a password


class AskingWebcam:
    """A webcam that asks for a user and a password, and records the headers that it receives."""

    def __init__(self, challenge: str) -> None:
        """Ask with this challenge."""
        self.challenge = challenge
        self.authorizations: list[str] = []

    async def __call__(self, request: web.BaseRequest) -> web.Response:
        """Refuse a request without the right kind of credentials."""
        authorization = request.headers.get("Authorization", "")
        self.authorizations.append(authorization)
        if authorization.startswith(self.challenge.partition(" ")[0]):
            return web.Response(body=b"picture")
        return web.Response(status=401, headers={"WWW-Authenticate": self.challenge})


@pytest.mark.parametrize(
    "challenge", ['Basic realm="cam"', 'Digest realm="cam", nonce="abc", qop="auth", algorithm=MD5']
)
async def test_a_webcam_gets_the_password_in_its_address(session: ClientSession, challenge: str) -> None:
    """In any characters, and the way it asks for."""
    asking = AskingWebcam(challenge)
    async with RawTestServer(asking) as server:
        address = str(server.make_url("/s")).replace("://", "://anna:p%C3%A4ss%20%E4%BD%A0@")
        resource = await local(session, webcam(address), "http://127.0.0.1").snapshot()
        assert resource is not None
        download = await resource.route.download(resource.url, ClientTimeout(total=5))
        assert [chunk async for chunk in download.chunks()] == [b"picture"]
        download.close()
    assert asking.authorizations[0] == "Basic " + b64encode("anna:p\u00e4ss \u4f60".encode()).decode()
    assert "p\u00e4ss" not in repr(resource)
    assert "%C3" not in repr(resource)


@pytest.mark.parametrize(
    ("user", "challenge"),
    [
        ("a%3Ab", 'Basic realm="cam"'),
        ("anna", 'Digest realm="cam", nonce="abc", domain="http://["'),
        ("anna", 'Digest realm="cam", nonce="abc", domain="http://[]@"'),
        ("anna", 'Digest realm="cam", nonce="abc", algorithm=unknown'),
    ],
)
async def test_a_log_in_that_is_impossible_is_no_connection(session: ClientSession, user: str, challenge: str) -> None:
    """A colon in the user name, and challenges that cannot be read."""
    async with RawTestServer(AskingWebcam(challenge)) as server:
        address = str(server.make_url("/s")).replace("://", f"://{user}:secret@")
        resource = await local(session, webcam(address), "http://127.0.0.1").snapshot()
        assert resource is not None
        with pytest.raises(CannotConnect) as raised:
            await resource.route.download(resource.url, ClientTimeout(total=5))
    assert "secret" not in str(raised.value)
