"""OctoPrint's files and timelapses in Home Assistant's media browser."""

from collections.abc import AsyncGenerator
from http import HTTPStatus

from aiohttp import ClientPayloadError, ClientResponse
import pytest
from pytest_homeassistant_custom_component.typing import ClientSessionGenerator, WebSocketGenerator

from custom_components.octoprint_tunnel import timelapse_view
from homeassistant.components.media_player import BrowseError, BrowseMedia
from homeassistant.components.media_source import Unresolvable, async_browse_media, async_resolve_media
from homeassistant.setup import async_setup_component

from .home import Home
from .octoprint import printing
from .relay.octoeverywhere import AppConnection

BOTH_VERSIONS = pytest.mark.parametrize("octoprint_version", ["1.11", "2.0"])
ROOT = "media-source://octoprint_tunnel"
VIDEO = bytes(range(256)) * 1000
NAME = "große (50%) #1.mp4"


@pytest.fixture
async def home(live_home: Home) -> AsyncGenerator[Home]:
    """Return a house with a timelapse and files in OctoPrint, and Home Assistant's media browser."""
    folder = live_home.octoprint.basedir / "timelapse"
    folder.mkdir(exist_ok=True)
    (folder / NAME).write_bytes(VIDEO)
    assert await async_setup_component(live_home.hass, "media_source", {})
    await live_home.in_octoprint(printing.make_folder, "media")
    await live_home.in_octoprint(lambda server: printing.upload(server, 5, "in it.gcode", folder="media"))
    yield live_home
    (folder / NAME).unlink()


async def children(home: Home, path: str = "") -> dict[str, BrowseMedia]:
    """Return what is in a folder of the media browser, by title."""
    shown = await async_browse_media(home.hass, f"{ROOT}/{path}" if path else ROOT)
    return {child.title: child for child in shown.children or ()}


async def url_of(home: Home, name: str) -> str:
    """Return the address at which a timelapse is played."""
    media = await async_resolve_media(home.hass, f"{ROOT}/{home.entry.entry_id}/timelapses/{name}", None)
    assert media.mime_type == "video/mp4"
    return media.url


async def read(response: ClientResponse) -> None:
    """Read a video, which has nothing else in it. Raises ClientPayloadError if it ends early."""
    received = b""
    while chunk := await response.content.readany():
        received += chunk
        assert received == VIDEO[: len(received)]


@BOTH_VERSIONS
async def test_browse(home: Home) -> None:
    """Printers, their files in folders, and their timelapses."""
    entry_id = home.entry.entry_id
    assert set(await children(home)) == {"Kitchen"}
    assert set(await children(home, entry_id)) == {"Files", "Timelapses"}
    files = await children(home, f"{entry_id}/files")
    assert files["media"].can_expand
    [file] = (await children(home, f"{entry_id}/files/media")).values()
    assert (file.title, file.can_play) in (("in it.gcode", False), ("in_it.gcode", False))
    assert (await children(home, f"{entry_id}/timelapses"))[NAME].can_play
    for wrong in ("nothing", f"{entry_id}/bogus", f"{entry_id}/files/nowhere", f"{entry_id}/files/../users.yaml"):
        with pytest.raises(BrowseError):
            await children(home, wrong)
    for wrong in (f"{entry_id}/timelapses/../a.mp4", f"{entry_id}/timelapses/a.jpg", f"{entry_id}/files/a.mp4", "x"):
        with pytest.raises(Unresolvable):
            await async_resolve_media(home.hass, f"{ROOT}/{wrong}", None)
    with pytest.raises(Unresolvable):
        await async_resolve_media(home.hass, ROOT, None)
    home.relay.fail("tunnel", 601 if "octoeverywhere" in home.tunnel else 482)
    with pytest.raises(BrowseError):
        await children(home, f"{entry_id}/timelapses")


@BOTH_VERSIONS
@pytest.mark.parametrize("is_local", [False, True])
async def test_play(new_live_home: Home, home: Home, hass_client: ClientSessionGenerator, is_local: bool) -> None:
    """A video arrives whole or in the part that the browser asks for."""
    if is_local:
        options = {**home.entry.options, "local_url": home.relay.local.url}
        home.hass.config_entries.async_update_entry(home.entry, options=options)
        await home.reload()
    home.relay.clear()
    browser = await hass_client()
    url = await url_of(home, NAME)
    response = await browser.get(url)
    assert (response.status, await response.read()) == (HTTPStatus.OK, VIDEO)
    assert response.headers["Content-Type"] == "video/mp4"
    part = await browser.get(url, headers={"Range": "bytes=1000-1999"})
    assert (part.status, await part.read()) == (HTTPStatus.PARTIAL_CONTENT, VIDEO[1000:2000])
    assert part.headers["Content-Range"] == f"bytes 1000-1999/{len(VIDEO)}"
    assert bool(home.relay.seen("tunnel")) is not is_local
    assert "X-Api-Key" not in response.headers


@BOTH_VERSIONS
async def test_play_in_a_browser(
    home: Home, hass_ws_client: WebSocketGenerator, hass_client_no_auth: ClientSessionGenerator
) -> None:
    """The signed address is enough, with any characters in the name."""
    media = {"media_content_id": f"{ROOT}/{home.entry.entry_id}/timelapses/{NAME}"}
    socket = await hass_ws_client()
    await socket.send_json_auto_id({"type": "media_source/resolve_media", **media})
    url = (await socket.receive_json())["result"]["url"]
    response = await (await hass_client_no_auth()).get(url)
    assert (response.status, await response.read()) == (HTTPStatus.OK, VIDEO)


async def test_refused(home: Home, hass_client: ClientSessionGenerator, monkeypatch: pytest.MonkeyPatch) -> None:
    """What is no timelapse, too many at once, or cannot be reached."""
    browser = await hass_client()
    url = await url_of(home, NAME)
    for wrong in (
        timelapse_view.url_of(home.entry.entry_id, "a.jpg"),
        timelapse_view.url_of("nothing", "a.mp4"),
        f"{url}x",
    ):
        assert (await browser.get(wrong)).status == HTTPStatus.NOT_FOUND
    assert (await browser.get(await url_of(home, "missing.mp4"))).status == HTTPStatus.BAD_GATEWAY
    monkeypatch.setattr(timelapse_view, "MAX_VIEWERS", 0)
    assert (await browser.get(url)).status == HTTPStatus.SERVICE_UNAVAILABLE


@BOTH_VERSIONS
async def test_larger_than_the_account_allows(
    home: Home, hass_client: ClientSessionGenerator, connection: AppConnection
) -> None:
    """A video is refused before it is received, a part of it that is small enough is played."""
    connection.info = {"PrinterLimits": {"MaxDownloadFileSizeBytes": len(VIDEO) - 1}}
    await home.reload()
    browser = await hass_client()
    url = await url_of(home, NAME)
    assert (await browser.get(url)).status == HTTPStatus.REQUEST_ENTITY_TOO_LARGE
    part = await browser.get(url, headers={"Range": "bytes=1000-1999"})
    assert (part.status, await part.read()) == (HTTPStatus.PARTIAL_CONTENT, VIDEO[1000:2000])
    home.relay.fail("tunnel", 607, path="/downloads")
    assert (await browser.get(url)).status == HTTPStatus.REQUEST_ENTITY_TOO_LARGE


@pytest.mark.parametrize("provider", ["own_address"])
async def test_larger_than_any_video(
    home: Home, hass_client: ClientSessionGenerator, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Without a limit of an account, there is one all the same."""
    monkeypatch.setattr(timelapse_view, "MAX_SIZE", len(VIDEO) - 1)
    browser = await hass_client()
    assert (await browser.get(await url_of(home, NAME))).status == HTTPStatus.REQUEST_ENTITY_TOO_LARGE


@pytest.mark.parametrize("provider", ["obico"])
async def test_no_video_through_a_metered_tunnel(home: Home, hass_client: ClientSessionGenerator) -> None:
    """It would use up the month's data."""
    browser = await hass_client()
    home.relay.clear()
    assert (await browser.get(await url_of(home, NAME))).status == HTTPStatus.FORBIDDEN
    assert not [request for request in home.relay.seen() if "/downloads/" in request.path]


async def test_no_video_for_strangers(home: Home, hass_client_no_auth: ClientSessionGenerator) -> None:
    """A browser has to be signed in."""
    browser = await hass_client_no_auth()
    assert (await browser.get(await url_of(home, NAME))).status == HTTPStatus.UNAUTHORIZED


@pytest.mark.parametrize("provider", ["octoeverywhere", "own_address"])
async def test_video_that_ends_early(home: Home, hass_client: ClientSessionGenerator) -> None:
    """The connection ends as well: a second response in the rest of the video would be taken for a part of it."""
    browser = await hass_client()
    url = await url_of(home, NAME)
    home.relay.truncate("tunnel", 100_000, path="/downloads")
    response = await browser.get(url)
    assert response.status == HTTPStatus.OK
    with pytest.raises(ClientPayloadError):
        await read(response)
    home.relay.heal()
    assert await (await browser.get(url)).read() == VIDEO


@BOTH_VERSIONS
async def test_part_after_the_end(home: Home, hass_client: ClientSessionGenerator) -> None:
    """A player that asks for more than there is learns that it has all."""
    browser = await hass_client()
    response = await browser.get(await url_of(home, NAME), headers={"Range": f"bytes={len(VIDEO)}-"})
    assert response.status == HTTPStatus.REQUESTED_RANGE_NOT_SATISFIABLE


async def test_head(home: Home, hass_client: ClientSessionGenerator) -> None:
    """Some players ask for the size and the type of a video first."""
    browser = await hass_client()
    url = await url_of(home, NAME)
    response = await browser.head(url)
    assert (response.status, await response.read()) == (HTTPStatus.OK, b"")
    assert (response.headers["Content-Length"], response.headers["Content-Type"]) == (str(len(VIDEO)), "video/mp4")
    assert (await browser.head(f"{url}x")).status == HTTPStatus.NOT_FOUND
    assert await (await browser.get(url)).read() == VIDEO
