"""The webcam in Home Assistant: stills and live views over each way, and whatever can be wrong with them."""

import asyncio
from collections.abc import AsyncGenerator, Callable, Generator
from contextlib import AsyncExitStack, asynccontextmanager
from http import HTTPStatus
import io
import json
import random
import re
import time
from typing import Any

from aiohttp import BodyPartReader, ClientResponse, ClientTimeout, MultipartReader
from aiohttp.test_utils import TestClient
from freezegun.api import FrozenDateTimeFactory
from PIL import Image as Picture, ImageOps
import pytest
from pytest_homeassistant_custom_component.common import MockConfigEntry
from pytest_homeassistant_custom_component.typing import ClientSessionGenerator

from custom_components.octoprint_tunnel import live as live_updates, webcams
from custom_components.octoprint_tunnel.api.octoprint.webcam import MAX_WEBCAMS
from custom_components.octoprint_tunnel.api.webcam import feed as webcam_feed
from custom_components.octoprint_tunnel.const import DOMAIN
from custom_components.octoprint_tunnel.diagnostics import async_get_config_entry_diagnostics
from homeassistant.components.camera import img_util
from homeassistant.const import STATE_UNAVAILABLE
from homeassistant.core import HomeAssistant
from homeassistant.helpers import entity_registry as er
from homeassistant.setup import async_setup_component

from .home import entities, log_lines, settle, state, states, until, wait
from .octoprint.server import OctoPrintServer
from .relay.octoeverywhere import AppConnection
from .relay.server import Relay
from .relay.webcam import Fault

BOTH_VERSIONS = pytest.mark.parametrize("octoprint_version", ["1.11", "2.0"])
RELATIVE = {"snapshot": "/webcam/?action=snapshot", "stream": "/webcam/?action=stream"}
NO_WEBCAM = {"snapshot": "", "stream": "", "flipH": False, "flipV": False, "rotate90": False}

PART = re.compile(rb"--picture-[0-9a-f]{32}\r\nContent-Type: image/jpeg\r\n")

type Browser = TestClient[Any, Any]
type SetUp = Callable[..., Any]
type SetWebcam = Callable[..., None]


@pytest.fixture
def set_webcam(octoprint: OctoPrintServer) -> Generator[SetWebcam]:
    """Return what sets OctoPrint's webcam up, as its user does; afterwards there is none again."""

    def set_webcam(**settings: object) -> None:
        status, _ = octoprint.request("POST", "/api/settings", {"plugins": {"classicwebcam": settings}})
        assert status == HTTPStatus.OK

    yield set_webcam
    if not octoprint.running:
        octoprint.start()
    set_webcam(**NO_WEBCAM)


@pytest.fixture
async def set_up(hass: HomeAssistant) -> AsyncGenerator[SetUp]:
    """Return what sets the printer up."""
    added: list[MockConfigEntry] = []
    # Before there is a browser: Home Assistant takes no further pages then.
    for component in ("camera", DOMAIN):
        assert await async_setup_component(hass, component, {})

    async def set_up(entry: MockConfigEntry, **options: object) -> MockConfigEntry:
        entry.add_to_hass(hass)
        added.append(entry)
        hass.config_entries.async_update_entry(entry, options={"live_updates": False, **options})
        assert await hass.config_entries.async_setup(entry.entry_id)
        await settle(hass)
        return entry

    yield set_up
    for entry in added:
        await hass.config_entries.async_unload(entry.entry_id)


@pytest.fixture
async def browser(hass: HomeAssistant, set_up: SetUp, hass_client: ClientSessionGenerator) -> Browser:
    """Return what looks at Home Assistant."""
    return await hass_client()


async def still(browser: Browser, hass: HomeAssistant, entry: MockConfigEntry, query: str = "") -> bytes | None:
    """Return a picture as a browser gets it, None where there is none."""
    async with browser.get(f"/api/camera_proxy/{entities(hass, entry)['webcam']}{query}") as response:
        return await response.read() if response.status == HTTPStatus.OK else None


@asynccontextmanager
async def live(browser: Browser, hass: HomeAssistant, entry: MockConfigEntry) -> AsyncGenerator[ClientResponse]:
    """Open a live view as a browser does."""
    async with browser.get(f"/api/camera_proxy_stream/{entities(hass, entry)['webcam']}") as response:
        yield response


async def first_bytes(response: ClientResponse, size: int = 2000) -> bytes:
    """Return what a stream begins with."""
    async with asyncio.timeout(10):
        return await response.content.readexactly(size)


async def last_bytes(response: ClientResponse) -> bytes:
    """Return a stream to its end."""
    async with asyncio.timeout(10):
        return await response.content.read()


def shown(body: bytes | None) -> Picture.Image:
    """Return a picture as a browser shows it."""
    assert body is not None
    picture = ImageOps.exif_transpose(Picture.open(io.BytesIO(body)))
    assert picture is not None
    return picture


def red_corner(picture: Picture.Image) -> str:
    """Return where the corner is that is red as the webcam takes it."""
    width, height = picture.size
    corners = {"left upper": (8, 8), "right upper": (width - 8, 8), "left lower": (8, height - 8)}
    corners["right lower"] = (width - 8, height - 8)
    [found] = [name for name, at in corners.items() if picture.getpixel(at)[0] > 150]  # type: ignore[index]
    return found


def settings(*names: str) -> str:
    """Return OctoPrint's settings with webcams of these names."""
    webcams = [{"name": name, "displayName": name.title(), "compat": RELATIVE} for name in names]
    return json.dumps({"webcam": {"webcamEnabled": True, "webcams": webcams}})


def has_settings(relay: Relay, body: str) -> None:
    """Answer as OctoPrint with other settings would."""
    relay.heal()
    relay.fail("octoeverywhere_tunnel", 200, body, path="/api/settings", content_type="application/json")


# the ways


@BOTH_VERSIONS
@pytest.mark.parametrize("absolute", [False, True])
@pytest.mark.parametrize("route", ["tunnel", "local"])
async def test_still_and_live_view(
    hass: HomeAssistant,
    relay: Relay,
    entry: MockConfigEntry,
    set_webcam: SetWebcam,
    set_up: SetUp,
    browser: Browser,
    caplog: pytest.LogCaptureFixture,
    octoprint: OctoPrintServer,
    absolute: bool,
    route: str,
) -> None:
    """Over the tunnel and over the local network, wherever the webcam is; each viewer's traffic ends with the view."""
    own = {"snapshot": f"{relay.webcam.url}/?action=snapshot", "stream": f"{relay.webcam.url}/?action=stream"}
    set_webcam(**(own if absolute else RELATIVE))
    await set_up(entry, **({"local_url": relay.local.url} if route == "local" else {}))
    assert state(hass, entry, "active_route").state == route
    assert state(hass, entry, "webcam").state == "idle"
    assert state(hass, entry, "webcam").name == "Kitchen Webcam"
    relay.clear()
    picture = shown(await still(browser, hass, entry))
    assert (picture.size, red_corner(picture)) == ((320, 240), "left upper")
    async with live(browser, hass, entry) as response:
        assert response.headers["Content-Type"].startswith("multipart/x-mixed-replace; boundary=picture-")
        assert response.headers["X-Content-Type-Options"] == "nosniff"
        assert PART.match(await first_bytes(response))
        assert relay.webcam.open_streams == 1
    await until(lambda: relay.webcam.open_streams == 0)
    tunnel, local, beside = (relay.seen(where) for where in ("octoeverywhere_tunnel", "local", "webcam"))
    assert bool(tunnel) is (route == "tunnel")
    assert bool(beside) is (route == "local" and absolute)
    for request in (*tunnel, *local, *beside):
        assert "X-Api-Key" not in request.headers
        assert ("Authorization" in request.headers) is (request in tunnel)
    assert log_lines(caplog) == []


@BOTH_VERSIONS
async def test_obico_has_stills(
    hass: HomeAssistant,
    relay: Relay,
    obico_entry: MockConfigEntry,
    set_webcam: SetWebcam,
    set_up: SetUp,
    browser: Browser,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    """One each ten seconds for a live view; without credentials, and without a byte of the month's."""
    set_webcam(**RELATIVE)
    entry = await set_up(obico_entry)
    relay.obico.watched = True
    used = relay.obico.used_bytes
    assert shown(await still(browser, hass, entry)).size == (320, 240)
    feed = entry.runtime_data.webcams.data.feeds["webcam"]
    assert feed.still_interval == 10
    monkeypatch.setattr(type(feed._pictures), "still_interval", 0.3)
    monkeypatch.setattr(type(feed._pictures), "min_interval", 0)
    async with live(browser, hass, entry) as response:
        body = b""
        while len(PART.findall(body)) < 5:
            body += await first_bytes(response, 1000)
    frames = PART.split(body)[1:5]
    assert len(set(frames)) == 4
    asked = relay.seen("obico_site")
    assert len(asked) >= 4
    assert not [request for request in asked if "Authorization" in request.headers]
    await asyncio.sleep(0.6)
    assert len(relay.seen("obico_site")) <= len(asked) + 1
    assert relay.obico.used_bytes == used
    assert log_lines(caplog) == []


@BOTH_VERSIONS
async def test_a_server_of_ones_own_that_is_called_otherwise_has_stills(
    hass: HomeAssistant,
    relay: Relay,
    obico_entry: MockConfigEntry,
    set_webcam: SetWebcam,
    set_up: SetUp,
    browser: Browser,
    caplog: pytest.LogCaptureFixture,
) -> None:
    """After a plain installation it takes itself for localhost:3334; path and signature hold where it was entered."""
    set_webcam(**RELATIVE)
    tunnel = await relay.obico.add_tunnel(self_hosted=True)
    data = {"url": tunnel.url, "username": tunnel.user, "password": tunnel.password}
    obico_entry.add_to_hass(hass)
    hass.config_entries.async_update_entry(
        obico_entry, data={**obico_entry.data, **data, "server_url": relay.obico.self_hosted_url}
    )
    hass.config_entries.async_update_entry(obico_entry, options={"live_updates": False})
    assert await hass.config_entries.async_setup(obico_entry.entry_id)
    relay.obico.watched = True
    signed = {"snapshot": f"http://localhost:3334/media/tsd-pics/snapshot.jpg?digest={relay.obico._signature}"}
    relay.fail("obico_tsd", 200, json.dumps(signed), path="/_tsd_/webcam/0/")
    assert shown(await still(browser, hass, obico_entry)).size == (320, 240)
    await hass.config_entries.async_unload(obico_entry.entry_id)
    assert log_lines(caplog) == []


async def test_obicos_picture_is_its_primary_webcams(
    hass: HomeAssistant, relay: Relay, obico_entry: MockConfigEntry, set_up: SetUp, browser: Browser
) -> None:
    """Wherever OctoPrint lists it."""
    listed = json.loads(settings("classic", "nozzle cam"))
    listed["plugins"] = {"obico": {"webcams": [{"name": "nozzle cam", "is_primary_camera": True}]}}
    relay.fail("obico_tunnel", 200, json.dumps(listed), path="/api/settings", content_type="application/json")
    entry = await set_up(obico_entry)
    relay.obico.watched = True
    feeds = entry.runtime_data.webcams.data.feeds
    assert await feeds["webcam"].still() is None
    assert await feeds["webcam_nozzle_cam"].still()


async def test_the_last_picture_stays_while_obico_has_none(
    hass: HomeAssistant,
    relay: Relay,
    obico_entry: MockConfigEntry,
    freezer: FrozenDateTimeFactory,
    set_webcam: SetWebcam,
    set_up: SetUp,
    browser: Browser,
    caplog: pytest.LogCaptureFixture,
) -> None:
    """Its age tells; nobody's fault, so nothing is logged."""
    set_webcam(**RELATIVE)
    entry = await set_up(obico_entry)
    assert await still(browser, hass, entry) is None
    await wait(hass, freezer, 3)
    relay.obico.watched = True
    picture = await still(browser, hass, entry)
    taken = state(hass, entry, "webcam").attributes.get("image_taken")
    relay.obico.watched = False
    await wait(hass, freezer, 40)
    assert picture
    assert await still(browser, hass, entry) == picture
    attributes = state(hass, entry, "webcam").attributes
    assert attributes["image_age"] == 40
    assert taken in (None, attributes["image_taken"])
    relay.obico.watched = True
    await wait(hass, freezer, 3)
    assert await still(browser, hass, entry) != picture
    assert state(hass, entry, "webcam").attributes["image_age"] == 0
    assert log_lines(caplog) == []


@pytest.mark.parametrize("stream", ["webrtc://127.0.0.1/x", "http://127.0.0.1:1/webrtc", "{beside}/player"])
@pytest.mark.parametrize("route", ["tunnel", "local"])
async def test_what_is_no_mjpeg_stream_is_shown_in_stills(
    hass: HomeAssistant,
    relay: Relay,
    entry: MockConfigEntry,
    set_webcam: SetWebcam,
    set_up: SetUp,
    browser: Browser,
    stream: str,
    route: str,
) -> None:
    """WebRTC is not tried at all, a page with a player is found out."""
    set_webcam(snapshot=RELATIVE["snapshot"], stream=stream.format(beside="/webcam"))
    await set_up(entry, **({"local_url": relay.local.url} if route == "local" else {}))
    relay.fail("octoeverywhere_tunnel", 200, "<html>", path="/webcam/player")
    relay.fail("local", 200, "<html>", path="/webcam/player")
    async with live(browser, hass, entry) as response:
        assert PART.match(await first_bytes(response))
        assert relay.webcam.open_streams == 0


async def test_a_webcam_with_a_stream_alone_has_stills_too(
    hass: HomeAssistant, relay: Relay, entry: MockConfigEntry, set_webcam: SetWebcam, set_up: SetUp, browser: Browser
) -> None:
    """What its stream begins with."""
    set_webcam(snapshot="", stream=RELATIVE["stream"], flipH=True)
    await set_up(entry, local_url=relay.local.url)
    assert red_corner(shown(await still(browser, hass, entry))) == "right upper"
    await until(lambda: relay.webcam.open_streams == 0)


# which webcams there are


@BOTH_VERSIONS
async def test_without_a_webcam_there_is_no_camera(
    hass: HomeAssistant, octoprint: OctoPrintServer, entry: MockConfigEntry, set_up: SetUp
) -> None:
    """As OctoPrint comes."""
    await set_up(entry)
    assert "webcam" not in entities(hass, entry)


async def test_without_the_permission_there_is_no_camera(
    hass: HomeAssistant,
    relay: Relay,
    entry: MockConfigEntry,
    set_webcam: SetWebcam,
    set_up: SetUp,
    caplog: pytest.LogCaptureFixture,
) -> None:
    """The log says so once, and everything else works."""
    set_webcam(**RELATIVE)
    relay.fail("octoeverywhere_tunnel", 403, path="/api/settings")
    await set_up(entry)
    await entry.runtime_data.webcams.async_read()
    assert "webcam" not in entities(hass, entry)
    assert state(hass, entry, "printer_state").state == "offline"
    [line] = log_lines(caplog)
    assert "SETTINGS_READ" in line


@BOTH_VERSIONS
async def test_cameras_come_with_octoprint(
    hass: HomeAssistant,
    relay: Relay,
    octoprint: OctoPrintServer,
    entry: MockConfigEntry,
    set_webcam: SetWebcam,
    set_up: SetUp,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """When it was off while the printer was set up, and again when it has been away; no poll asks for them."""

    async def poll() -> None:
        await entry.runtime_data.tunnel.async_refresh()
        await entry.runtime_data.printer.async_refresh()

    async def start() -> None:
        await hass.async_add_executor_job(octoprint.start)
        await until(lambda: octoprint.request("GET", "/api/version")[0] == HTTPStatus.OK)
        await poll()

    set_webcam(**RELATIVE)
    await hass.async_add_executor_job(octoprint.stop)
    await set_up(entry)
    assert "webcam" not in entities(hass, entry)
    await start()
    await until(lambda: "webcam" in entities(hass, entry))
    assert state(hass, entry, "webcam").state == "idle"

    relay.clear()
    relay.fail("octoeverywhere_tunnel", 602, times=1)
    await poll()
    for _ in range(5):
        await poll()
    await settle(hass)
    assert not relay.seen(path="/api/settings")  # away for a moment only, soon after they were read
    monkeypatch.setattr(webcams, "MIN_INTERVAL", 0)
    await hass.async_add_executor_job(octoprint.stop)
    await poll()
    assert state(hass, entry, "webcam").state == STATE_UNAVAILABLE
    await start()
    await until(lambda: relay.seen(path="/api/settings"))
    for _ in range(5):
        await poll()
    assert state(hass, entry, "webcam").state == "idle"
    assert len(relay.seen(path="/api/settings")) == 1


async def test_several_webcams(
    hass: HomeAssistant, relay: Relay, entry: MockConfigEntry, octoprint: OctoPrintServer, set_up: SetUp
) -> None:
    """One that goes is unavailable, and forgotten with the next set-up; one that comes is there."""
    has_settings(relay, settings("classic", "nozzle cam", "door"))
    await set_up(entry)
    cameras = {"webcam", "webcam_nozzle_cam", "webcam_door"}
    assert cameras <= set(entities(hass, entry))
    assert state(hass, entry, "webcam_nozzle_cam").name == "Kitchen Webcam Nozzle Cam"
    has_settings(relay, settings("classic", "bed", "door"))
    await entry.runtime_data.webcams.async_read()
    await settle(hass)
    assert state(hass, entry, "webcam_nozzle_cam").state == STATE_UNAVAILABLE
    assert state(hass, entry, "webcam_bed").state == state(hass, entry, "webcam_door").state == "idle"
    await hass.config_entries.async_reload(entry.entry_id)
    assert {key for key in entities(hass, entry) if "webcam_" in key} == {
        "webcam_bed",
        "webcam_door",
        "max_webcam_stream",
    }


def described(*webcams: tuple[str, str]) -> str:
    """Return OctoPrint's settings with webcams of these names, and of these names for people."""
    items = [{"name": name, "displayName": shown, "compat": RELATIVE} for name, shown in webcams]
    return json.dumps({"webcam": {"webcamEnabled": True, "webcams": items}})


async def shown_names(hass: HomeAssistant, entry: MockConfigEntry) -> dict[str, str]:
    """Read the settings, and return the name that each camera shows."""
    await entry.runtime_data.webcams.async_read()
    await settle(hass)
    cameras = {key: hass.states.get(entity) for key, entity in entities(hass, entry).items() if "camera." in entity}
    return {key: camera.name for key, camera in cameras.items() if camera and camera.state != STATE_UNAVAILABLE}


async def test_names_that_look_alike_give_a_camera_each(
    hass: HomeAssistant, relay: Relay, entry: MockConfigEntry, set_up: SetUp
) -> None:
    """Each keeps its key, wherever the webcam is listed and after a restart; equal names are told apart, too."""
    first, *others = [
        ("a", "First"),
        ("Cam 1", "Left"),
        ("cam-1", "Right"),
        ("\U0001f4f7", "Top"),
        ("\U0001f3a5", "Bed"),
    ]
    has_settings(relay, described(first, *others))
    await set_up(entry)
    keys = await shown_names(hass, entry)
    assert sorted(keys.values()) == sorted(
        ["Kitchen Webcam", *(f"Kitchen Webcam {name}" for name in ("Left", "Right", "Top", "Bed"))]
    )
    has_settings(relay, described(*reversed(others), first))
    assert await shown_names(hass, entry) == keys
    await hass.config_entries.async_reload(entry.entry_id)
    await settle(hass)
    has_settings(relay, described(*reversed(others)))
    assert await shown_names(hass, entry) == {key: name for key, name in keys.items() if key != "webcam"}
    has_settings(relay, described(("x" * 200, "One"), ("x" * 200 + "y", "Two")))
    assert len(await shown_names(hass, entry)) == 2


async def test_cameras_of_version_0_1_0_stay_with_their_webcams(
    hass: HomeAssistant, relay: Relay, entry: MockConfigEntry, set_up: SetUp
) -> None:
    """It kept no names, and gave the first webcam a key without one: by then another one may be listed first."""
    entry.add_to_hass(hass)
    registry = er.async_get(hass)
    for key, name in (("webcam", "Classic"), ("webcam_nozzle_cam", "Nozzle"), ("webcam_door", "Door")):
        unique_id = f"{entry.unique_id}_{key}"
        registry.async_get_or_create("camera", DOMAIN, unique_id, config_entry=entry, suggested_object_id=name)
    before = entities(hass, entry)
    has_settings(relay, described(("door", "Door"), ("nozzle cam", "Nozzle"), ("classic", "Classic")))
    hass.config_entries.async_update_entry(entry, options={"live_updates": False})
    assert await hass.config_entries.async_setup(entry.entry_id)
    await settle(hass)
    assert {key: feed.webcam.name for key, feed in entry.runtime_data.webcams.data.feeds.items()} == {
        "webcam_door": "door",
        "webcam_nozzle_cam": "nozzle cam",
        "webcam": "classic",
    }
    assert before.items() <= entities(hass, entry).items()
    await hass.config_entries.async_unload(entry.entry_id)


async def test_a_webcam_that_takes_the_place_of_the_first_one_keeps_its_camera(
    hass: HomeAssistant, relay: Relay, entry: MockConfigEntry, set_up: SetUp
) -> None:
    """It is one camera for its user, whose plugin is another now; a webcam that was there before keeps its own."""
    has_settings(relay, described(("classic", "Classic"), ("door", "Door")))
    await set_up(entry)
    has_settings(relay, described(("door", "Door")))
    assert set(await shown_names(hass, entry)) == {"webcam_door"}
    has_settings(relay, described(("new", "New"), ("door", "Door")))
    assert set(await shown_names(hass, entry)) == {"webcam", "webcam_door"}
    has_settings(relay, described(("classic", "Classic"), ("new", "New"), ("door", "Door")))
    assert set(await shown_names(hass, entry)) == {"webcam", "webcam_door", "webcam_classic"}
    assert entry.runtime_data.webcams.data.feeds["webcam"].webcam.name == "new"


async def test_a_webcam_that_is_renamed_renames_its_camera(
    hass: HomeAssistant, relay: Relay, entry: MockConfigEntry, set_up: SetUp
) -> None:
    """At once, and the entity id stays."""
    has_settings(relay, described(("classic", "Classic"), ("door", "Door")))
    await set_up(entry)
    before = entities(hass, entry)["webcam_door"]
    has_settings(relay, described(("classic", "Classic"), ("door", "Front\n\x1b[31mdoor")))
    assert (await shown_names(hass, entry))["webcam_door"] == "Kitchen Webcam Front (31mdoor"
    assert entities(hass, entry)["webcam_door"] == before
    registered = er.async_get(hass).async_get(before)
    assert registered is not None
    assert registered.original_name == "Webcam Front (31mdoor"


async def test_more_webcams_than_anyone_has(
    hass: HomeAssistant, relay: Relay, entry: MockConfigEntry, set_up: SetUp, caplog: pytest.LogCaptureFixture
) -> None:
    """The first ones are shown, and the log says once that there are more."""
    has_settings(relay, described(*((f"w{number}", f"W{number}") for number in range(3000))))
    await set_up(entry)
    assert len(await shown_names(hass, entry)) == MAX_WEBCAMS
    assert log_lines(caplog) == ["Kitchen: OctoPrint has too many webcams; only 16 are shown"]


async def test_settings_that_cannot_be_read_are_read_later(
    hass: HomeAssistant,
    relay: Relay,
    entry: MockConfigEntry,
    freezer: FrozenDateTimeFactory,
    set_webcam: SetWebcam,
    set_up: SetUp,
    caplog: pytest.LogCaptureFixture,
) -> None:
    """Less and less often, and without forgetting cameras that were there."""
    set_webcam(**RELATIVE)
    relay.fail("octoeverywhere_tunnel", 607, path="/api/settings")
    await set_up(entry)
    for _ in range(30):
        await wait(hass, freezer, 61)
    assert 3 <= len(relay.seen(path="/api/settings")) <= 6
    relay.heal()
    for _ in range(35):
        await wait(hass, freezer, 61)
    assert state(hass, entry, "webcam").state == "idle"
    assert log_lines(caplog) == []


async def test_a_printer_that_goes_while_its_settings_are_read(
    hass: HomeAssistant,
    relay: Relay,
    entry: MockConfigEntry,
    set_up: SetUp,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Nothing is planned for a printer that is not there any more."""
    monkeypatch.setattr(webcams, "FIRST_RETRY", 0.2)
    relay.fail("octoeverywhere_tunnel", 607, path="/api/settings")
    await set_up(entry)
    relay.heal()
    relay.hang("octoeverywhere_tunnel", path="/api/settings")
    await until(lambda: len(relay.seen(path="/api/settings")) == 2)
    feeds = entry.runtime_data.webcams
    await hass.config_entries.async_unload(entry.entry_id)
    relay.heal()
    await settle(hass)
    assert feeds._planned is None


@BOTH_VERSIONS
async def test_changed_settings_are_heard_of(
    hass: HomeAssistant,
    relay: Relay,
    entry: MockConfigEntry,
    monkeypatch: pytest.MonkeyPatch,
    set_webcam: SetWebcam,
    set_up: SetUp,
) -> None:
    """OctoPrint says so on its push socket; saved again and again, they are read again once."""
    monkeypatch.setattr(live_updates, "START_DELAY", 0)
    monkeypatch.setattr(webcams, "CHANGE_DELAY", 0.2)
    monkeypatch.setattr(webcams, "MIN_INTERVAL", 0)
    await set_up(entry, live_updates=True)
    await until(lambda: entry.runtime_data.live.since is not None)
    await settle(hass)  # the poll comes after what the socket asked OctoPrint for, so that is known there by now
    relay.clear()
    for flip in (True, False):
        set_webcam(**RELATIVE, flipV=flip)
    await until(lambda: "webcam" in entities(hass, entry))
    assert len(relay.seen(path="/api/settings")) == 1
    monkeypatch.setattr(webcams, "MIN_INTERVAL", 900)
    set_webcam(**NO_WEBCAM)
    await asyncio.sleep(0.5)
    assert len(relay.seen(path="/api/settings")) == 1


# stills


async def test_viewers_share_a_still(
    hass: HomeAssistant,
    relay: Relay,
    entry: MockConfigEntry,
    freezer: FrozenDateTimeFactory,
    set_webcam: SetWebcam,
    set_up: SetUp,
    browser: Browser,
) -> None:
    """At the same time, and over the tunnel for two seconds more; without a viewer nothing is fetched."""
    set_webcam(**RELATIVE)
    await set_up(entry)
    for _ in range(5):
        await wait(hass, freezer, 61)
    assert not relay.seen(path="/webcam/")
    pictures = await asyncio.gather(*(still(browser, hass, entry) for _ in range(8)))
    assert len(set(pictures)) == 1
    freezer.tick(1.9)
    assert await still(browser, hass, entry) == pictures[0]
    assert len(relay.seen(path="/webcam/")) == 1
    freezer.tick(0.2)
    assert await still(browser, hass, entry) != pictures[0]
    assert len(relay.seen(path="/webcam/")) == 2


async def test_a_local_still_is_always_new(
    hass: HomeAssistant, relay: Relay, entry: MockConfigEntry, set_webcam: SetWebcam, set_up: SetUp, browser: Browser
) -> None:
    """It costs nothing; those who ask at the same time share it all the same."""
    set_webcam(**RELATIVE)
    await set_up(entry, local_url=relay.local.url)
    relay.delay("local", 0.2, path="/webcam/")
    assert len(set(await asyncio.gather(*(still(browser, hass, entry) for _ in range(8))))) == 1
    assert await still(browser, hass, entry) != await still(browser, hass, entry)
    assert len(relay.seen("local", path="/webcam/")) == 3


async def test_who_goes_away_leaves_the_still_to_the_others(
    hass: HomeAssistant, relay: Relay, entry: MockConfigEntry, set_webcam: SetWebcam, set_up: SetUp, browser: Browser
) -> None:
    """The first to ask is the first to go."""
    set_webcam(**RELATIVE)
    await set_up(entry)
    relay.delay("octoeverywhere_tunnel", 0.5, path="/webcam/")
    first = asyncio.create_task(still(browser, hass, entry))
    await until(lambda: bool(relay.seen(path="/webcam/")))
    second = asyncio.create_task(still(browser, hass, entry))
    await asyncio.sleep(0.1)
    first.cancel()
    assert await second
    assert len(relay.seen(path="/webcam/")) == 1


@pytest.mark.parametrize(
    ("settings", "corner", "size"),
    [
        ({"flipH": True}, "right upper", (320, 240)),
        ({"flipV": True}, "left lower", (320, 240)),
        ({"rotate90": True}, "left lower", (240, 320)),
        ({"flipH": True, "rotate90": True}, "left upper", (240, 320)),
    ],
)
async def test_pictures_are_turned_as_octoprint_says(
    hass: HomeAssistant,
    relay: Relay,
    entry: MockConfigEntry,
    set_webcam: SetWebcam,
    set_up: SetUp,
    browser: Browser,
    monkeypatch: pytest.MonkeyPatch,
    settings: dict[str, bool],
    corner: str,
    size: tuple[int, int],
) -> None:
    """Stills, also when they are scaled, and each picture of a stream."""
    set_webcam(**RELATIVE, **settings)
    await set_up(entry)
    picture = shown(await still(browser, hass, entry))
    assert (picture.size, red_corner(picture)) == (size, corner)

    monkeypatch.setattr(img_util.TurboJPEGSingleton, "instance", PillowAsTurboJpeg)
    small = shown(await still(browser, hass, entry, "?width=40&height=30"))
    assert (small.size, red_corner(small)) == ((size[0] // 8, size[1] // 8), corner)

    async with live(browser, hass, entry) as response:
        reader = MultipartReader.from_response(response)
        for _ in range(2):
            part = await reader.next()
            assert isinstance(part, BodyPartReader)
            frame = shown(bytes(await part.read()))
            assert (frame.size, red_corner(frame)) == (size, corner)


class PillowAsTurboJpeg:
    """What Home Assistant scales with, where the machine does not have it."""

    def decode_header(self, body: bytes) -> tuple[int, int, int, int]:
        """Return width and height."""
        return (*Picture.open(io.BytesIO(body)).size, 0, 0)

    def scale_with_quality(self, body: bytes, scaling_factor: tuple[int, int], quality: int) -> bytes:
        """Scale, and lose what the picture says of itself."""
        picture = Picture.open(io.BytesIO(body))
        width, height = (side * scaling_factor[0] // scaling_factor[1] for side in picture.size)
        scaled = io.BytesIO()
        picture.resize((width, height)).save(scaled, "JPEG", quality=quality)
        return scaled.getvalue()


@pytest.mark.parametrize("trouble", ["redirect", "html", "large", "404", "drop", "cut", "silent", "502"])
async def test_no_image(
    hass: HomeAssistant,
    relay: Relay,
    entry: MockConfigEntry,
    freezer: FrozenDateTimeFactory,
    set_webcam: SetWebcam,
    set_up: SetUp,
    browser: Browser,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
    trouble: str,
) -> None:
    """A broken webcam is one line in the log, one more when it works again, and nobody else's trouble."""
    set_webcam(**RELATIVE)
    await set_up(entry)
    where, path = "octoeverywhere_tunnel", "/webcam/"
    match trouble:
        case "redirect":
            relay.redirect(where, "/octoeverywhere-command-api/webcam/snapshot?index=0", path=path)
        case "html":
            relay.fail(where, 200, "<html>", path=path)
        case "large":
            relay.webcam.frame_size = 16_000_001
        case "drop":
            relay.drop(where, path=path)
        case "cut":
            relay.truncate(where, 1000, path=path)
        case "silent":
            monkeypatch.setattr(webcam_feed, "STILL_TIMEOUT", 0)
            relay.delay(where, 60, path=path)
        case status:
            relay.fail(where, int(status), path=path)
    for _ in range(3):
        assert await still(browser, hass, entry) is None
        await wait(hass, freezer, 61)
    assert len(log_lines(caplog)) == 1
    assert states(hass, entry, "tunnel_status", "octoprint_online", "printer_state", "webcam") == (
        "ok",
        "on",
        "offline",
        "idle",
    )
    assert not relay.seen("webcam")
    monkeypatch.undo()
    relay.heal()
    relay.webcam.frame_size = None
    assert await still(browser, hass, entry)
    assert await still(browser, hass, entry)
    assert log_lines(caplog)[1:] == ["Kitchen Classic Webcam: works again"]


@pytest.mark.parametrize(("code", "status"), [(605, "not_supporter"), (601, "offline")])
async def test_what_concerns_everything_is_said_where_everything_is(
    hass: HomeAssistant,
    relay: Relay,
    entry: MockConfigEntry,
    freezer: FrozenDateTimeFactory,
    set_webcam: SetWebcam,
    set_up: SetUp,
    browser: Browser,
    caplog: pytest.LogCaptureFixture,
    code: int,
    status: str,
) -> None:
    """A picture can be the first to meet it; then none is asked for any more."""
    set_webcam(**RELATIVE)
    await set_up(entry)
    relay.fail("octoeverywhere_tunnel", code)
    assert await still(browser, hass, entry) is None
    assert state(hass, entry, "tunnel_status").state == status
    await wait(hass, freezer, 61)
    assert state(hass, entry, "webcam").state == STATE_UNAVAILABLE
    relay.clear()
    await wait(hass, freezer, 3)
    assert await still(browser, hass, entry) is None
    assert not relay.seen(path="/webcam/")
    assert len(log_lines(caplog)) == 1


# where stills are


async def test_octopi_as_it_comes_has_stills_at_home(
    hass: HomeAssistant,
    relay: Relay,
    entry: MockConfigEntry,
    set_webcam: SetWebcam,
    set_up: SetUp,
    browser: Browser,
    caplog: pytest.LogCaptureFixture,
) -> None:
    """Its snapshot address works on the machine alone; what worked is asked first, until it fails."""
    set_webcam(snapshot="http://127.0.0.1:1/?action=snapshot", stream=RELATIVE["stream"])
    await set_up(entry, local_url=relay.local.url)
    for _ in range(2):
        relay.clear()
        assert shown(await still(browser, hass, entry)).size == (320, 240)
        assert [request.query["action"] for request in relay.seen("local", path="/webcam/")] == ["snapshot"]
    feed = entry.runtime_data.webcams.data.feeds["webcam"]
    assert list(feed._still_source.values()) == [1]
    relay.fail("local", 404, path="/webcam/", times=1)
    relay.clear()
    assert await still(browser, hass, entry)  # its stream's first picture
    assert [request.query["action"] for request in relay.seen("local", path="/webcam/")] == ["snapshot", "stream"]
    await until(lambda: relay.webcam.open_streams == 0)
    assert log_lines(caplog) == []


async def test_a_place_that_says_nothing_does_not_keep_the_others_from_being_tried(
    hass: HomeAssistant,
    relay: Relay,
    entry: MockConfigEntry,
    set_webcam: SetWebcam,
    set_up: SetUp,
    browser: Browser,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The next look begins after it."""
    monkeypatch.setattr(webcam_feed, "STILL_TIMEOUT", 0.5)
    set_webcam(snapshot=f"{relay.webcam.url}/?action=snapshot", stream=RELATIVE["stream"])
    await set_up(entry, local_url=relay.local.url)
    relay.hang("webcam")
    assert await still(browser, hass, entry) is None
    assert await still(browser, hass, entry)
    assert len(relay.seen("webcam")) == 1


@pytest.mark.parametrize("route", ["tunnel", "local"])
async def test_a_snapshot_address_that_is_a_stream_gives_its_first_picture(
    hass: HomeAssistant,
    relay: Relay,
    entry: MockConfigEntry,
    set_webcam: SetWebcam,
    set_up: SetUp,
    browser: Browser,
    route: str,
) -> None:
    """And no more of it."""
    set_webcam(snapshot=RELATIVE["stream"], stream="")
    await set_up(entry, **({"local_url": relay.local.url} if route == "local" else {}))
    assert shown(await still(browser, hass, entry)).size == (320, 240)
    await until(lambda: relay.webcam.open_streams == 0)
    assert sum(request.response_bytes for request in relay.seen(path="/webcam/")) < 50_000


async def test_what_is_no_picture_is_not_fetched_whole(
    hass: HomeAssistant, relay: Relay, entry: MockConfigEntry, set_webcam: SetWebcam, set_up: SetUp, browser: Browser
) -> None:
    """Its first bytes tell."""
    set_webcam(**RELATIVE)
    await set_up(entry)
    relay.webcam.picture = b"<html>" + bytes(12_000_000)
    assert await still(browser, hass, entry) is None
    [request] = relay.seen(path="/webcam/")
    await until(lambda: request.response_bytes)
    assert entry.runtime_data.printer.router.traffic["tunnel"].bytes_received < 5_000_000


async def test_a_still_of_12_megapixels_is_shown(
    hass: HomeAssistant, relay: Relay, entry: MockConfigEntry, set_webcam: SetWebcam, set_up: SetUp, browser: Browser
) -> None:
    """Also one that can hardly be compressed."""
    set_webcam(**RELATIVE)
    await set_up(entry, local_url=relay.local.url)
    body = io.BytesIO()
    Picture.frombytes("RGB", (4000, 3000), random.Random(0).randbytes(36_000_000)).save(body, "JPEG", quality=90)
    relay.webcam.picture = body.getvalue()
    assert len(relay.webcam.picture) > 10_000_000
    assert await still(browser, hass, entry) == relay.webcam.picture


async def test_a_webcams_password_is_told_to_the_webcam_alone(
    hass: HomeAssistant,
    relay: Relay,
    entry: MockConfigEntry,
    set_webcam: SetWebcam,
    set_up: SetUp,
    browser: Browser,
    caplog: pytest.LogCaptureFixture,
) -> None:
    """Not to the log, not even where it is most detailed, and not to diagnostics."""
    caplog.set_level("DEBUG")
    address = relay.webcam.url.replace("://", "://anna:hunter2@")
    set_webcam(snapshot=f"{address}/?action=snapshot", stream=f"{address}/?action=stream")
    await set_up(entry, local_url=relay.local.url)
    assert await still(browser, hass, entry)
    async with live(browser, hass, entry) as response:
        await first_bytes(response)
    asked = relay.seen("webcam")
    assert {request.headers["Authorization"] for request in asked} == {"Basic YW5uYTpodW50ZXIy"}
    for where in ("webcam", "local"):  # beside OctoPrint, and through the proxy before it
        relay.drop(where, path="/webcam/" if where == "local" else None)
    assert await still(browser, hass, entry) is None
    relay.heal()
    relay.fail("webcam", 401)
    async with live(browser, hass, entry) as response:
        assert response.status == HTTPStatus.BAD_GATEWAY
    found = json.dumps(await async_get_config_entry_diagnostics(hass, entry), default=str)
    assert "hunter2" not in caplog.text + found


# live views


@pytest.mark.parametrize("fault", ["silent", "stalls", "ends", "garbage"])
@pytest.mark.parametrize("route", ["tunnel", "local"])
async def test_a_broken_stream_ends(
    hass: HomeAssistant,
    relay: Relay,
    entry: MockConfigEntry,
    set_webcam: SetWebcam,
    set_up: SetUp,
    browser: Browser,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
    fault: Fault,
    route: str,
) -> None:
    """Within a fixed time, with what was good of it; the entities never notice."""
    monkeypatch.setattr(webcam_feed, "STREAM_TIMEOUT", ClientTimeout(total=None, sock_read=0.5))
    set_webcam(**RELATIVE)
    await set_up(entry, **({"local_url": relay.local.url} if route == "local" else {}))
    relay.webcam.fault = fault
    for _ in range(2):
        async with live(browser, hass, entry) as response:
            has_frames = fault in ("stalls", "ends")
            assert response.status == (HTTPStatus.OK if has_frames else HTTPStatus.BAD_GATEWAY)
            if has_frames:
                assert len(PART.findall(await last_bytes(response))) == 1
    assert len(log_lines(caplog)) == {"silent": 1, "garbage": 1, "stalls": 3, "ends": 0}[fault]
    assert states(hass, entry, "active_route", "tunnel_status", "webcam") == (route, "ok", "idle")
    relay.webcam.fault = None
    caplog.clear()
    async with live(browser, hass, entry) as response:
        await first_bytes(response)
    assert len(log_lines(caplog)) == (fault != "ends")


async def test_a_stream_that_is_cut_off_ends(
    hass: HomeAssistant,
    relay: Relay,
    entry: MockConfigEntry,
    set_webcam: SetWebcam,
    set_up: SetUp,
    browser: Browser,
    caplog: pytest.LogCaptureFixture,
) -> None:
    """A stream that cannot be opened is no stream at all."""
    set_webcam(**RELATIVE)
    await set_up(entry)
    relay.truncate("octoeverywhere_tunnel", 5000, path="/webcam/")
    async with live(browser, hass, entry) as response:
        assert await last_bytes(response)
    relay.heal()
    relay.fail("octoeverywhere_tunnel", 404, path="/webcam/")
    async with live(browser, hass, entry) as response:
        assert response.status == HTTPStatus.BAD_GATEWAY
    assert len(log_lines(caplog)) == 1


async def test_a_stream_lasts_as_long_as_the_account_allows(
    hass: HomeAssistant,
    relay: Relay,
    connection: AppConnection,
    entry: MockConfigEntry,
    set_webcam: SetWebcam,
    set_up: SetUp,
    browser: Browser,
    caplog: pytest.LogCaptureFixture,
) -> None:
    """It ends cleanly then, and is not opened again by itself."""
    connection.info = {"PrinterLimits": {"MaxSingleWebcamStreamLengthSeconds": 1}}
    set_webcam(**RELATIVE)
    await set_up(entry)
    started = time.monotonic()
    async with live(browser, hass, entry) as response:
        assert len(await last_bytes(response)) > 2 * 3000
    assert 0.9 < time.monotonic() - started < 4
    await until(lambda: relay.webcam.open_streams == 0)
    await asyncio.sleep(0.2)
    assert len(relay.seen(path="/webcam/")) == 1
    assert log_lines(caplog) == []


async def test_the_limit_ends_a_view_that_nobody_takes(
    hass: HomeAssistant,
    relay: Relay,
    connection: AppConnection,
    entry: MockConfigEntry,
    set_webcam: SetWebcam,
    set_up: SetUp,
    browser: Browser,
) -> None:
    """A viewer that falls asleep does not hold the tunnel's line."""
    connection.info = {"PrinterLimits": {"MaxSingleWebcamStreamLengthSeconds": 1}}
    set_webcam(**RELATIVE)
    await set_up(entry)
    relay.webcam.interval, relay.webcam.frame_size = 0, 500_000
    async with live(browser, hass, entry) as response:
        await first_bytes(response)
        await until(lambda: relay.webcam.open_streams == 0)


async def test_a_slow_viewer_slows_the_source(
    hass: HomeAssistant, relay: Relay, entry: MockConfigEntry, set_webcam: SetWebcam, set_up: SetUp, browser: Browser
) -> None:
    """Nothing is stored on the way but what the sockets hold."""
    set_webcam(**RELATIVE)
    await set_up(entry)
    relay.webcam.interval, relay.webcam.frame_size, relay.webcam.frames = 0, 1_000_000, 200
    async with live(browser, hass, entry) as response:
        await first_bytes(response)
        [source] = relay.seen(path="/webcam/")
        sent = -1
        while sent != source.response_bytes:
            sent = source.response_bytes
            await asyncio.sleep(0.5)
        assert sent < 40_000_000
        assert len(await last_bytes(response)) > 199_000_000


async def test_the_webcam_limit_turns_live_views_into_stills(
    hass: HomeAssistant,
    relay: Relay,
    entry: MockConfigEntry,
    freezer: FrozenDateTimeFactory,
    set_webcam: SetWebcam,
    set_up: SetUp,
    browser: Browser,
    caplog: pytest.LogCaptureFixture,
) -> None:
    """Said once; streams are tried again less and less often, and come back by themselves."""
    set_webcam(snapshot=RELATIVE["snapshot"], stream="/webcam/stream/?action=stream")
    await set_up(entry)
    relay.fail("octoeverywhere_tunnel", 609, path="/webcam/stream/")
    relay.webcam.interval = 0

    async def is_live() -> bool:
        async with live(browser, hass, entry) as response:
            assert PART.match(await first_bytes(response))
            return relay.webcam.open_streams == 1

    for tries, seconds in ((1, 0), (1, 10), (2, 25), (2, 25), (3, 50)):
        await wait(hass, freezer, seconds)
        assert not await is_live()
        assert len(relay.seen(path="/webcam/stream/")) == tries
    [line] = log_lines(caplog)
    assert "no live view" in line
    assert states(hass, entry, "tunnel_status", "printer_state", "webcam") == ("ok", "offline", "idle")
    relay.heal()
    await wait(hass, freezer, 150)
    assert await is_live()
    assert log_lines(caplog)[1:] == ["Kitchen Classic Webcam, no live view: works again"]


@pytest.mark.parametrize("code", [607, 609])
async def test_a_limit_concerns_the_picture_alone(
    hass: HomeAssistant,
    relay: Relay,
    entry: MockConfigEntry,
    freezer: FrozenDateTimeFactory,
    set_webcam: SetWebcam,
    set_up: SetUp,
    browser: Browser,
    caplog: pytest.LogCaptureFixture,
    code: int,
) -> None:
    """No image, or the last one; asked for less and less often, but the local network is free of it."""
    set_webcam(**RELATIVE)
    await set_up(entry)
    relay.fail("octoeverywhere_tunnel", code, path="/webcam/")
    for _ in range(10):
        assert await still(browser, hass, entry) is None
        await wait(hass, freezer, 3)
    assert len(relay.seen(path="/webcam/")) == 1
    assert states(hass, entry, "tunnel_status", "printer_state", "webcam") == ("ok", "offline", "idle")
    assert len(log_lines(caplog)) == 1
    relay.heal()
    await wait(hass, freezer, 61)
    picture = await still(browser, hass, entry)
    relay.fail("octoeverywhere_tunnel", code, path="/webcam/")
    await wait(hass, freezer, 10)
    assert await still(browser, hass, entry) == picture
    assert state(hass, entry, "webcam").attributes["image_age"] == 10
    assert len(log_lines(caplog)) == 3
    hass.config_entries.async_update_entry(entry, options={"live_updates": False, "local_url": relay.local.url})
    await wait(hass, freezer, 3)
    assert await still(browser, hass, entry) not in (None, picture)


async def test_a_camera_that_goes_takes_its_viewers_along(
    hass: HomeAssistant, relay: Relay, entry: MockConfigEntry, set_webcam: SetWebcam, set_up: SetUp, browser: Browser
) -> None:
    """A still that is under way when the printer is unloaded ends with it."""
    set_webcam(**RELATIVE)
    await set_up(entry)
    relay.delay("octoeverywhere_tunnel", 5, path="/webcam/")
    looking = asyncio.create_task(still(browser, hass, entry))
    await until(lambda: bool(relay.seen(path="/webcam/")))
    started = time.monotonic()
    assert await hass.config_entries.async_unload(entry.entry_id)
    assert await looking is None
    assert time.monotonic() - started < 3


async def test_diagnostics_tell_of_webcams(
    hass: HomeAssistant, relay: Relay, entry: MockConfigEntry, set_webcam: SetWebcam, set_up: SetUp
) -> None:
    """What there is, and neither its addresses nor what may be in them."""
    set_webcam(snapshot="http://user:pass@10.0.0.9/s", stream="", rotate90=True)
    await set_up(entry)
    found = await async_get_config_entry_diagnostics(hass, entry)
    assert found["webcams"] == {"webcam": {"has_snapshot": True, "has_stream": False, "orientation": 8, "limit": None}}
    assert "10.0.0.9" not in json.dumps(found, default=str)


# what a webcam may do to Home Assistant


PAGE = "--frame\r\nContent-Type: text/html\r\n\r\n<script>alert(1)</script>\r\n"


async def test_a_page_in_a_stream_is_not_passed_on(
    hass: HomeAssistant, relay: Relay, entry: MockConfigEntry, set_webcam: SetWebcam, set_up: SetUp, browser: Browser
) -> None:
    """It would come from Home Assistant's own origin."""
    set_webcam(**RELATIVE)
    await set_up(entry)
    content_type = 'multipart/x-mixed-replace; boundary=frame; charset="x"'
    relay.fail("octoeverywhere_tunnel", 200, PAGE * 5, path="/webcam/", content_type=content_type)
    async with live(browser, hass, entry) as response:
        assert response.status == HTTPStatus.BAD_GATEWAY
        assert b"script" not in await response.read()


@pytest.mark.parametrize("query", ["", "?interval=0.5"])
async def test_a_picture_cannot_begin_a_part_of_its_own(
    hass: HomeAssistant,
    relay: Relay,
    entry: MockConfigEntry,
    set_webcam: SetWebcam,
    set_up: SetUp,
    browser: Browser,
    query: str,
) -> None:
    """Whichever boundary Home Assistant or a webcam is known to use."""
    set_webcam(snapshot=RELATIVE["snapshot"], stream="")
    await set_up(entry, local_url=relay.local.url)
    trap = "".join(PAGE.replace("--frame", f"\r\n--{name}") for name in ("frameboundary", "--frameboundary"))
    relay.webcam.picture = b"\xff\xd8\xff\xe0" + trap.encode() + b"\xff\xd9"
    camera = entities(hass, entry)["webcam"]
    async with browser.get(f"/api/camera_proxy_stream/{camera}{query}") as response:
        boundary = response.headers["Content-Type"].partition("boundary=")[2].encode()
        body = await first_bytes(response, 200)
    assert body.startswith(b"--" + boundary + b"\r\nContent-Type: image/jpeg\r\n")
    assert boundary not in relay.webcam.picture


async def test_many_viewers_leave_connections_for_everything_else(
    hass: HomeAssistant,
    relay: Relay,
    entry: MockConfigEntry,
    set_webcam: SetWebcam,
    set_up: SetUp,
    browser: Browser,
    caplog: pytest.LogCaptureFixture,
) -> None:
    """Some see the stream, the others stills; OctoPrint is polled as ever."""
    set_webcam(**RELATIVE)
    await set_up(entry, local_url=relay.local.url)
    async with AsyncExitStack() as viewers:
        responses = [await viewers.enter_async_context(live(browser, hass, entry)) for _ in range(12)]
        assert all([PART.match(await first_bytes(response)) for response in responses])
        assert relay.webcam.open_streams == webcam_feed.MAX_STREAMS
        await entry.runtime_data.printer.async_refresh()
        assert entry.runtime_data.printer.last_update_success
    await until(lambda: relay.webcam.open_streams == 0)
    async with live(browser, hass, entry) as response:
        await first_bytes(response)
        assert relay.webcam.open_streams == 1
    assert log_lines(caplog) == []


async def test_a_viewer_who_goes_before_the_first_picture_ends_the_connection(
    hass: HomeAssistant, relay: Relay, entry: MockConfigEntry, set_webcam: SetWebcam, set_up: SetUp, browser: Browser
) -> None:
    """Nobody looks any more."""
    set_webcam(**RELATIVE)
    await set_up(entry, local_url=relay.local.url)
    relay.drip("local", 0.05, path="/webcam/")
    for _ in range(webcam_feed.MAX_STREAMS + 1):
        looking = asyncio.create_task(still_of_stream(browser, hass, entry))
        await until(lambda: relay.webcam.open_streams == 1)
        looking.cancel()
        await until(lambda: relay.webcam.open_streams == 0)


async def still_of_stream(browser: Browser, hass: HomeAssistant, entry: MockConfigEntry) -> bytes:
    """Open a live view, and return what it begins with."""
    async with live(browser, hass, entry) as response:
        return await first_bytes(response)


@pytest.mark.parametrize("where", ["header", "body"])
async def test_a_stream_that_drips_ends(
    hass: HomeAssistant,
    relay: Relay,
    entry: MockConfigEntry,
    set_webcam: SetWebcam,
    set_up: SetUp,
    browser: Browser,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
    where: str,
) -> None:
    """However often it says something; and so does its connection."""
    monkeypatch.setattr(webcam_feed, "STILL_TIMEOUT" if where == "header" else "FRAME_TIMEOUT", 0.5)
    ended = asyncio.Event()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            await reader.readuntil(b"\r\n\r\n")
            writer.write(b"HTTP/1.1 200 OK\r\n")
            if where == "body":
                writer.write(b"Content-Type: multipart/x-mixed-replace; boundary=frame\r\n\r\n--frame\r\n")
            while not reader.at_eof():
                writer.write(b"x")
                await writer.drain()
                await asyncio.sleep(0.02)
        except ConnectionError:
            pass
        finally:
            ended.set()
            writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    set_webcam(snapshot="", stream=f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/stream")
    await set_up(entry, local_url=relay.local.url)
    async with asyncio.timeout(10), live(browser, hass, entry) as response:
        assert response.status == HTTPStatus.BAD_GATEWAY
    async with asyncio.timeout(10):
        await ended.wait()
    server.close()
    assert len(log_lines(caplog)) == 1


@pytest.mark.parametrize(
    "content_type", ["multipart/x-mixed-replace; boundary*" + "9" * 5000 + "=x", "multipart/x-mixed-replace; boundary="]
)
async def test_a_type_that_is_none_is_shown_in_stills(
    hass: HomeAssistant,
    relay: Relay,
    entry: MockConfigEntry,
    set_webcam: SetWebcam,
    set_up: SetUp,
    browser: Browser,
    caplog: pytest.LogCaptureFixture,
    content_type: str,
) -> None:
    """Without an error, and without a connection that stays."""
    set_webcam(snapshot=RELATIVE["snapshot"], stream="/webcam/stream")
    await set_up(entry, local_url=relay.local.url)
    relay.fail("local", 200, "x" * 1000, path="/webcam/stream", content_type=content_type)
    async with live(browser, hass, entry) as response:
        assert PART.match(await first_bytes(response))
    assert log_lines(caplog) == []


async def test_a_look_that_ends_with_its_camera_is_no_cancellation_of_those_who_look(
    hass: HomeAssistant, relay: Relay, entry: MockConfigEntry, set_webcam: SetWebcam, set_up: SetUp
) -> None:
    """An automation that takes a picture goes on; a viewer who is canceled stays canceled."""
    set_webcam(**RELATIVE)
    await set_up(entry)
    relay.hang("octoeverywhere_tunnel", path="/webcam/")
    feed = entry.runtime_data.webcams.data.feeds["webcam"]
    one, other = asyncio.create_task(feed.still()), asyncio.create_task(feed.still())
    await until(lambda: relay.seen(path="/webcam/"))
    other.cancel()
    await asyncio.wait((other,))
    assert other.cancelled()
    assert not one.done()
    feed.close()
    assert await one is None
    assert await feed.still() is None
    assert await feed.stream() is None


@pytest.mark.parametrize("stream", [RELATIVE["stream"], ""])
async def test_a_camera_that_goes_ends_its_live_views(
    hass: HomeAssistant,
    relay: Relay,
    entry: MockConfigEntry,
    set_webcam: SetWebcam,
    set_up: SetUp,
    browser: Browser,
    caplog: pytest.LogCaptureFixture,
    stream: str,
) -> None:
    """Streams and stills, without a line in the log."""
    set_webcam(snapshot=RELATIVE["snapshot"], stream=stream)
    await set_up(entry, local_url=relay.local.url)
    async with live(browser, hass, entry) as response:
        await first_bytes(response)
        assert await hass.config_entries.async_unload(entry.entry_id)
        await last_bytes(response)
    await until(lambda: relay.webcam.open_streams == 0)
    assert log_lines(caplog) == []
