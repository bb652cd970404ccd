"""Where each picture is looked for, on each way, and with which credentials."""

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

BASE = "http://10.0.0.5/octoprint"
STREAM = "http://10.0.0.5/webcam/?action=stream"
LIST = "/octoeverywhere-command-api/webcam/list"


@pytest.fixture
async def session(socket_enabled: None) -> AsyncGenerator[ClientSession]:
    """Return a session as the integration makes them."""
    async with ClientSession(cookie_jar=DummyCookieJar()) as session:
        yield session


def webcam(address: str | None, *, name: str = "classic", position: int = 0) -> Webcam:
    """Return a webcam with this address for stills and streams."""
    return Webcam(position=position, name=name, display_name="Classic", snapshot_url=address, stream_url=address)


async def places(pictures: Pictures) -> list[str | None]:
    """Return where still and stream are."""
    return [str(place.url) if place else None for place in (await pictures.snapshot(), await pictures.stream())]


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
        ("webrtc://10.0.0.9/stream", None),
        ("http://10.0.0.9:8080/webrtc", None),
        ("/webcam/webrtc", None),
        ("/webcam/webrtc/stream?x", None),
        ("rtsp://10.0.0.9/s", None),
        ("file:///etc/passwd", None),
        ("http://", None),
        ("http://[", None),
        ("", None),
        (None, None),
    ],
)
async def test_local_pictures_are_where_a_browser_finds_them(
    session: ClientSession, address: str | None, expected: str | None
) -> None:
    """With loopback meaning OctoPrint's machine, and without any credentials of the way."""
    route = Route(session=session, base_url=URL(BASE), headers={"Authorization": "secret"})
    pictures = LocalPictures(route, webcam(address))
    assert await places(pictures) == [expected, expected]
    if place := await pictures.snapshot():
        assert not place.route.headers
        assert "pass" not in repr(place)


@pytest.mark.parametrize(
    ("snapshot", "stream", "expected"),
    [
        (
            "http://127.0.0.1:8080/?action=snapshot",
            "/webcam/?action=stream",
            ["http://10.0.0.5:8080/?action=snapshot", "http://10.0.0.5/webcam/?action=snapshot", STREAM],
        ),
        (
            "http://127.0.0.1:8081/?action=snapshot",
            "/webcam2/?action=stream",
            [
                "http://10.0.0.5:8081/?action=snapshot",
                "http://10.0.0.5/webcam2/?action=snapshot",
                "http://10.0.0.5/webcam2/?action=stream",
            ],
        ),
        (
            "http://localhost:8080/?action=snapshot",
            "/webcam/webrtc",
            ["http://10.0.0.5:8080/?action=snapshot", "http://10.0.0.5/webcam/?action=snapshot"],
        ),
        (
            "http://localhost:8080/snapshot",
            "http://10.0.0.9/stream",
            ["http://10.0.0.5:8080/snapshot", "http://10.0.0.5/webcam/?action=snapshot", "http://10.0.0.9/stream"],
        ),
        (
            "http://localhost:8080/?action=snapshot",
            "//cam.lan/a/?action=stream",
            [
                "http://10.0.0.5:8080/?action=snapshot",
                "http://10.0.0.5/webcam/?action=snapshot",
                "http://cam.lan/a/?action=snapshot",
                "http://cam.lan/a/?action=stream",
            ],
        ),
        ("http://10.0.0.9/s", None, ["http://10.0.0.9/s"]),
        (None, "/webcam/?action=stream", ["http://10.0.0.5/webcam/?action=snapshot", STREAM]),
        (None, None, []),
    ],
)
async def test_a_still_is_looked_for_where_a_person_would(
    session: ClientSession, snapshot: str | None, stream: str | None, expected: list[str]
) -> None:
    """The snapshot, the same through OctoPrint's proxy, the stream's still, the stream's first picture."""
    described = Webcam(position=0, name="x", display_name="X", snapshot_url=snapshot, stream_url=stream)
    pictures = LocalPictures(Route(session=session, base_url=URL("http://10.0.0.5")), described)
    looked_for = [await pictures.still(choice) for choice in range(pictures.choices)]
    assert list(dict.fromkeys(str(place.url) for place in looked_for if place)) == expected


class Resolver(TCPConnector):
    """Connections that know one name, as Home Assistant's look names up."""

    address = "127.0.0.1"

    async def async_resolve_host(self, host: str) -> list[ResolveResult]:
        """Return where the name leads."""
        if host != "cam.lan":
            raise OSError
        return [{"hostname": host, "host": self.address, "port": 0, "family": 0, "proto": 0, "flags": 0}]


@pytest.mark.parametrize(
    ("address", "base", "expected"),
    [
        ("127.0.0.1", "http://10.0.0.5", "http://10.0.0.5:81/s"),
        ("::1", "http://10.0.0.5", "http://10.0.0.5:81/s"),
        ("::ffff:127.0.0.1", "http://10.0.0.5", "http://10.0.0.5:81/s"),
        ("0.0.0.0", "http://10.0.0.5", "http://10.0.0.5:81/s"),
        ("10.0.0.9", "http://10.0.0.5", "http://cam.lan:81/s"),
        ("fe80::1%2", "http://10.0.0.5", "http://cam.lan:81/s"),
        ("127.0.0.1", "http://cam.lan:5000", "http://cam.lan:81/s"),
    ],
)
async def test_a_name_that_leads_to_home_assistants_own_machine_means_octoprints(
    socket_enabled: None, address: str, base: str, expected: str
) -> None:
    """Unless OctoPrint is there, too; a name that is not known is left to the request."""
    connector = Resolver()
    connector.address = address
    async with ClientSession(connector=connector) as session:
        route = Route(session=session, base_url=URL(base))
        [still, _] = await places(LocalPictures(route, webcam("http://cam.lan:81/s")))
        assert still == expected
        assert await places(LocalPictures(route, webcam("http://other.lan/s"))) == ["http://other.lan/s"] * 2


@pytest.mark.parametrize(
    "host", ["0.0.0.0", "[::]", "[::ffff:0.0.0.0]", "127.1", "0x7f000001", "2130706433", "[fe80::1%251]"]
)
async def test_what_is_no_address_of_one_machine_is_not_asked(session: ClientSession, host: str) -> None:
    """Some resolvers take these for Home Assistant's own machine."""
    route = Route(session=session, base_url=URL("http://10.0.0.5"))
    assert await places(LocalPictures(route, webcam(f"http://{host}/x"))) == [None, None]


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
        ("http://10.0.0.9/x", "{commands}/snapshot?index=0", "{commands}/stream?index=0"),
        ("//evil.example/x", "{commands}/snapshot?index=0", "{commands}/stream?index=0"),
        ("webrtc://10.0.0.9/x", "{commands}/snapshot?index=0", None),
        ("/webcam/webrtc", "{commands}/snapshot?index=0", None),
        (None, "{commands}/snapshot?index=0", None),
    ],
)
async def test_octoeverywhere_brings_them(
    session: ClientSession,
    app_connection: OctoEverywhere,
    connection: AppConnection,
    address: str | None,
    still: str,
    stream: str | None,
) -> None:
    """Relative ones through the tunnel, the others as the plugin gets them; never another host."""
    service = app_connection.connect(session)
    pictures = service.pictures(webcam(address))
    commands = "/octoeverywhere-command-api/webcam"
    expected = [path and connection.url + path.format(commands=commands) for path in (still, stream)]
    assert await places(pictures) == expected
    place = await pictures.snapshot()
    assert place is not None
    assert place.route is service.octoprint


async def test_the_plugins_list_is_asked_once(
    session: ClientSession, app_connection: OctoEverywhere, relay: Relay
) -> None:
    """And only when it is needed: a webcam is where its name is, or at its place in OctoPrint's list."""
    relay.octoeverywhere.webcams = ["nozzle", "Classic", "other"]
    service = app_connection.connect(session)
    for named, index in ((webcam("http://x/"), 1), (webcam("http://x/", name="other"), 1)):
        pictures = service.pictures(named)
        assert not relay.seen(path=LIST)
        assert {str(url).rpartition("=")[2] for _ in range(2) for url in await places(pictures)} == {str(index)}
        assert len(relay.seen(path=LIST)) == 1
        relay.clear()
    relay.octoeverywhere.webcams = ["x", "y", "z"]
    [still, _] = await places(service.pictures(webcam("http://x/", position=2)))
    assert still
    assert still.endswith("index=2")


@pytest.mark.parametrize(
    ("body", "error"),
    [
        ('{"Status": 750}', ServiceError),
        ('{"Status": 789, "Result": null}', ServiceError),
        ('{"Status": 601}', OctoPrintOffline),
        ('{"Status": 999}', ServiceError),
        ("<html>", InvalidResponse),
    ],
)
async def test_a_command_says_in_its_body_how_it_went(
    session: ClientSession, app_connection: OctoEverywhere, relay: Relay, body: str, error: type[Exception]
) -> None:
    """With 200 as its status."""
    relay.fail("octoeverywhere_tunnel", 200, body, path=LIST)
    with pytest.raises(error):
        await app_connection.connect(session).pictures(webcam("http://x/")).snapshot()


@pytest.mark.parametrize(
    ("server", "signed", "is_fine"),
    [
        ("https://app.obico.io", "https://app.obico.io/media/x.jpg?digest=1", True),
        ("https://app.obico.io", "https://cdn.obico.io/x", True),
        ("https://app.obico.io", "http://app.obico.io/x", False),
        ("https://app.obico.io", "https://obico.io.example/x", False),
        ("https://app.obico.io", "https://127.0.0.1/x", False),
        ("https://app.obico.io", "/x", False),
    ],
)
async def test_obico_signs_an_address_of_its_own(
    session: ClientSession, relay: Relay, server: str, signed: str, is_fine: bool
) -> None:
    """Which is asked without the tunnel's credentials; any other is not asked."""
    pictures = await obico_pictures(session, relay, server)
    relay.fail("obico_tsd", 200, json.dumps({"snapshot": signed}), path="/_tsd_/webcam/0/")
    if not is_fine:
        with pytest.raises(InvalidResponse):
            await pictures.snapshot()
        return
    place = await pictures.snapshot()
    assert place is not None
    assert (str(place.url), dict(place.route.headers)) == (signed, {})
    assert signed not in repr(place)
    assert await pictures.stream() is None


@pytest.mark.parametrize(
    ("server", "signed", "expected"),
    [
        (
            "http://10.0.0.2:3334",
            "http://localhost:3334/media/x.jpg?digest=a%2Bb",
            "http://10.0.0.2:3334/media/x.jpg?digest=a%2Bb",
        ),
        ("http://10.0.0.2:3334", "https://10.0.0.2/x", "http://10.0.0.2:3334/x"),
        ("https://obico.lan", "http://example.com/x?digest=1", "https://obico.lan/x?digest=1"),
        ("https://obico.lan", "/x?digest=1", "https://obico.lan/x?digest=1"),
        ("https://obico.lan", "http://user:pass@evil.example:81/x", "https://obico.lan/x"),
        ("https://obico.lan", "http://localhost//evil.example/x", "https://obico.lan//evil.example/x"),
        ("https://obico.lan", "http://localhost/@evil.example/x", "https://obico.lan/@evil.example/x"),
        ("https://obico.lan", "@evil.example/x", None),
        ("https://obico.lan", "ftp://obico.lan/x", None),
        ("https://obico.lan", "http://[]@", None),
    ],
)
async def test_a_picture_is_on_the_obico_server_that_was_entered(
    session: ClientSession, relay: Relay, server: str, signed: str, expected: str | None
) -> None:
    """Whatever the server takes its own address for; path and signature are the server's."""
    pictures = await obico_pictures(session, relay, server)
    relay.fail("obico_tsd", 200, json.dumps({"snapshot": signed}), path="/_tsd_/webcam/0/")
    if expected is None:
        with pytest.raises(InvalidResponse):
            await pictures.snapshot()
        return
    place = await pictures.snapshot()
    assert place is not None
    assert (str(place.url), dict(place.route.headers)) == (expected, {})


async def obico_pictures(session: ClientSession, relay: Relay, server: str) -> Pictures:
    """Return the first webcam's pictures through a tunnel of this server."""
    issued = await relay.obico.add_tunnel()
    tunnel = Obico(url=issued.url, username=issued.user, password=issued.password, server_url=server)
    return tunnel.connect(session).pictures(webcam("/webcam/"))


@pytest.mark.parametrize("response", ['{"snapshot": null}', "{}"])
async def test_obico_has_its_primary_webcam_only_and_not_always(
    session: ClientSession, relay: Relay, response: Any
) -> None:
    """Nothing is asked for the others."""
    issued = await relay.obico.add_tunnel()
    tunnel = Obico(url=issued.url, username=issued.user, password=issued.password)
    relay.fail("obico_tsd", 200, response, path="/_tsd_/webcam/0/")
    assert await places(tunnel.connect(session).pictures(webcam("/webcam/"))) == [None, None]
    relay.clear()
    for other in (webcam("/webcam/", position=1), replace(webcam("/webcam/"), is_primary=False)):
        assert await places(tunnel.connect(session).pictures(other)) == [None, None]
    assert not relay.requests
    relay.heal()
    primary = replace(webcam("/webcam/", position=1), is_primary=True)
    relay.fail("obico_tsd", 200, '{"snapshot": "https://app.obico.io/x"}', path="/_tsd_/webcam/0/")
    assert await places(tunnel.connect(session).pictures(primary)) == ["https://app.obico.io/x", None]


class AskingWebcam:
    """A webcam that asks for user and password, and keeps what it was told."""

    def __init__(self, challenge: str) -> None:
        """Ask in this way."""
        self.challenge = challenge
        self.authorizations: list[str] = []

    async def __call__(self, request: web.BaseRequest) -> web.Response:
        """Refuse what does not response the challenge."""
        authorization = request.headers.get("Authorization", "")
        self.authorizations.append(authorization)
        if authorization.startswith(self.challenge.partition(" ")[0]):
            return web.Response(body=b"picture")
        return web.Response(status=401, headers={"WWW-Authenticate": self.challenge})


@pytest.mark.parametrize(
    "challenge", ['Basic realm="cam"', 'Digest realm="cam", nonce="abc", qop="auth", algorithm=MD5']
)
async def test_a_webcam_that_asks_for_a_password_gets_it(session: ClientSession, challenge: str) -> None:
    """From its address, in any letters, as a browser would; and the address is not told on."""
    asking = AskingWebcam(challenge)
    async with RawTestServer(asking) as server:
        address = str(server.make_url("/s")).replace("://", "://anna:p%C3%A4ss%20%E4%BD%A0@")
        pictures = LocalPictures(Route(session=session, base_url=URL("http://127.0.0.1")), webcam(address))
        place = await pictures.snapshot()
        assert place is not None
        download = await place.route.download(place.url, ClientTimeout(total=5))
        assert [chunk async for chunk in download.chunks()] == [b"picture"]
        download.close()
    assert asking.authorizations[0] == "Basic " + b64encode("anna:p\u00e4ss \u4f60".encode()).decode()
    assert "p\u00e4ss" not in repr(place)
    assert "%C3" not in repr(place)


async def test_a_user_with_a_colon_is_no_error_of_ours(session: ClientSession) -> None:
    """Basic has no way to say it."""
    pictures = LocalPictures(
        Route(session=session, base_url=URL("http://127.0.0.1")), webcam("http://a%3Ab:secret@10.0.0.9/")
    )
    place = await pictures.snapshot()
    assert place is not None
    with pytest.raises(CannotConnect) as raised:
        await place.route.download(place.url, ClientTimeout(total=5))
    assert "secret" not in str(raised.value)
