"""Where each picture is looked for, on each way, and with which credentials."""

from collections.abc import AsyncGenerator
from typing import Any

from aiohttp import ClientSession, DummyCookieJar
import pytest
from yarl import URL

from custom_components.octoprint_tunnel.errors import InvalidResponse, OctoPrintOffline, ServiceError
from custom_components.octoprint_tunnel.octoprint.webcam import Webcam
from custom_components.octoprint_tunnel.pictures import LocalPictures, Pictures
from custom_components.octoprint_tunnel.route import Route
from custom_components.octoprint_tunnel.tunnels.obico import Obico
from custom_components.octoprint_tunnel.tunnels.octoeverywhere import OctoEverywhere

from .relay.octoeverywhere import AppConnection
from .relay.server import Relay

BASE = "http://10.0.0.5/octoprint"
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
    route = app_connection.route(session)
    pictures = app_connection.pictures(route, webcam(address))
    commands = "/octoeverywhere-command-api/webcam"
    expected = [path and connection.url + path.format(commands=commands) for path in (still, stream)]
    assert await places(pictures) == expected
    place = await pictures.snapshot()
    assert place is not None
    assert place.route is route


async def test_the_plugins_list_is_asked_once(
    session: ClientSession, app_connection: OctoEverywhere, relay: Relay
) -> None:
    """And only when it is needed: a webcam is where its name is, or at its place in OctoPrint's list."""
    relay.octoeverywhere.webcams = ["nozzle", "Classic", "other"]
    route = app_connection.route(session)
    for named, index in ((webcam("http://x/"), 1), (webcam("http://x/", name="other"), 1)):
        pictures = app_connection.pictures(route, named)
        assert not relay.seen(path=LIST)
        assert {str(url).rpartition("=")[2] for _ in range(2) for url in await places(pictures)} == {str(index)}
        assert len(relay.seen(path=LIST)) == 1
        relay.clear()
    relay.octoeverywhere.webcams = ["x", "y", "z"]
    [still, _] = await places(app_connection.pictures(route, webcam("http://x/", position=2)))
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
        await app_connection.pictures(app_connection.route(session), webcam("http://x/")).snapshot()


@pytest.mark.parametrize(
    ("server", "signed", "is_fine"),
    [
        ("https://app.obico.io", "https://app.obico.io/media/x.jpg?digest=1", True),
        ("https://app.obico.io", "https://cdn.obico.io/x", True),
        ("https://app.obico.io", "http://app.obico.io/x", False),
        ("https://app.obico.io", "https://obico.io.example/x", False),
        ("https://app.obico.io", "https://127.0.0.1/x", False),
        ("https://app.obico.io", "/x", False),
        ("http://10.0.0.2:3334", "http://10.0.0.2:3334/x", True),
        ("http://10.0.0.2:3334", "https://10.0.0.2/x", True),
        ("http://10.0.0.2:3334", "http://10.0.0.3:3334/x", False),
        ("http://10.0.0.2:3334", "https://app.obico.io/x", False),
        ("https://obico.lan", "http://obico.lan/x", False),
    ],
)
async def test_obico_signs_an_address_of_its_own(
    session: ClientSession, relay: Relay, server: str, signed: str, is_fine: bool
) -> None:
    """Which is asked without the tunnel's credentials; any other is not asked."""
    issued = await relay.obico.add_tunnel()
    tunnel = Obico(url=issued.url, username=issued.user, password=issued.password, server_url=server)
    pictures = tunnel.pictures(tunnel.route(session), webcam("/webcam/"))
    relay.fail("obico_tsd", 200, f'{{"snapshot": "{signed}"}}', path="/_tsd_/webcam/0/")
    if not is_fine:
        with pytest.raises(InvalidResponse):
            await pictures.snapshot()
        return
    place = await pictures.snapshot()
    assert place is not None
    assert (str(place.url), dict(place.route.headers)) == (signed, {})
    assert signed not in repr(place)
    assert await pictures.stream() is None


@pytest.mark.parametrize("answer", ['{"snapshot": null}', "{}"])
async def test_obico_has_the_first_webcam_only_and_not_always(
    session: ClientSession, relay: Relay, answer: Any
) -> None:
    """Nothing is asked for the others."""
    issued = await relay.obico.add_tunnel()
    tunnel = Obico(url=issued.url, username=issued.user, password=issued.password)
    relay.fail("obico_tsd", 200, answer, path="/_tsd_/webcam/0/")
    assert await places(tunnel.pictures(tunnel.route(session), webcam("/webcam/"))) == [None, None]
    relay.clear()
    assert await places(tunnel.pictures(tunnel.route(session), webcam("/webcam/", position=1))) == [None, None]
    assert not relay.requests
