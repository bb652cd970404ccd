"""Cameras in Home Assistant: stills and live views over each route, and the webcams that OctoPrint has."""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
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
from custom_components.octoprint_tunnel.api.transport.router import Way
from custom_components.octoprint_tunnel.api.webcam import feed as webcam_feed
from custom_components.octoprint_tunnel.api.webcam.feed import WebcamFeed
from custom_components.octoprint_tunnel.const import DOMAIN
from custom_components.octoprint_tunnel.diagnostics import async_get_config_entry_diagnostics
from homeassistant.components.camera import img_util
from homeassistant.config_entries import ConfigEntryState
from homeassistant.const import STATE_UNAVAILABLE
from homeassistant.core import HomeAssistant
from homeassistant.helpers import entity_registry as er
from homeassistant.setup import async_setup_component

from .home import Home, entities, log_lines, settle, until, wait
from .octoprint.server import OctoPrintServer
from .relay.octoeverywhere import AppConnection
from .relay.server import Relay
from .relay.webcam import Fault

BOTH_VERSIONS = pytest.mark.parametrize("octoprint_version", ["1.11", "2.0"])
RELATIVE = {"snapshot": "/webcam/?action=snapshot", "stream": "/webcam/?action=stream"}
NO_WEBCAM = {"snapshot": "", "stream": "", "flipH": False, "flipV": False, "rotate90": False}

PART = re.compile(rb"--picture-[0-9a-f]{32}\r\nContent-Type: image/jpeg\r\n")

type Browser = TestClient[Any, Any]

OBICO = pytest.mark.parametrize("provider", ["obico"])


@dataclass(frozen=True, kw_only=True)
class CameraHome(Home):
    """Home Assistant with one printer that has a webcam, in a browser."""

    browser: Browser
    caplog: pytest.LogCaptureFixture

    @property
    def feed(self) -> WebcamFeed:
        """Return the pictures of the first webcam."""
        return self.runtime.webcams.data.feeds["webcam"]

    @property
    def log(self) -> list[str]:
        """Return the log lines of the integration from info up."""
        return log_lines(self.caplog)

    def options(self, route: str) -> dict[str, str]:
        """Return the options with which this route is used."""
        return {"local_url": self.relay.local.url} if route == "local" else {}

    def set_webcam(self, **settings: object) -> None:
        """Set up OctoPrint's webcam, as its user does."""
        status, _ = self.octoprint.request("POST", "/api/settings", {"plugins": {"classicwebcam": settings}})
        assert status == HTTPStatus.OK

    async def start(self, route: str = "tunnel", **webcam: object) -> None:
        """Set up OctoPrint's webcam with these settings, by default at relative addresses, and then the printer."""
        self.set_webcam(**{**RELATIVE, **webcam})
        await self.set_up(**self.options(route))

    def has_settings(self, body: str) -> None:
        """Respond as OctoPrint does with these settings."""
        self.relay.heal()
        self.relay.fail("octoeverywhere_tunnel", 200, body, path="/api/settings", content_type="application/json")

    async def still(self, query: str = "") -> bytes | None:
        """Return a picture as a browser gets it, None if there is none."""
        camera = entities(self.hass, self.entry)["webcam"]
        async with self.browser.get(f"/api/camera_proxy/{camera}{query}") as response:
            return await response.read() if response.status == HTTPStatus.OK else None

    @asynccontextmanager
    async def live(self) -> AsyncGenerator[ClientResponse]:
        """Open a live view as a browser does."""
        camera = entities(self.hass, self.entry)["webcam"]
        async with self.browser.get(f"/api/camera_proxy_stream/{camera}") as response:
            yield response


@pytest.fixture
async def cam(
    hass: HomeAssistant,
    relay: Relay,
    octoprint: OctoPrintServer,
    provider: str,
    entries: dict[str, MockConfigEntry],
    hass_client: ClientSessionGenerator,
    caplog: pytest.LogCaptureFixture,
) -> AsyncGenerator[CameraHome]:
    """Return Home Assistant in which the printer is not set up yet; afterwards OctoPrint has no webcam again."""
    # Before there is a browser: Home Assistant takes no further pages then.
    for component in ("camera", DOMAIN):
        assert await async_setup_component(hass, component, {})
    chosen = entries[provider]
    browser = await hass_client()
    cam = CameraHome(hass=hass, relay=relay, octoprint=octoprint, entry=chosen, browser=browser, caplog=caplog)
    yield cam
    if chosen.state is ConfigEntryState.LOADED:
        await hass.config_entries.async_unload(chosen.entry_id)
    if not octoprint.running:
        octoprint.start()
    cam.set_webcam(**NO_WEBCAM)


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


# routes


@BOTH_VERSIONS
@pytest.mark.parametrize("absolute", [False, True])
@pytest.mark.parametrize("route", ["tunnel", "local"])
async def test_still_and_live_view(cam: CameraHome, absolute: bool, route: str) -> None:
    """They work over each route, wherever the webcam is. The traffic of each viewer ends with the view."""
    own = {"snapshot": f"{cam.relay.webcam.url}/?action=snapshot", "stream": f"{cam.relay.webcam.url}/?action=stream"}
    await cam.start(route, **(own if absolute else RELATIVE))
    assert cam.state("active_route").state == route
    assert cam.state("webcam").state == "idle"
    assert cam.state("webcam").name == "Kitchen Webcam"
    cam.relay.clear()
    picture = shown(await cam.still())
    assert (picture.size, red_corner(picture)) == ((320, 240), "left upper")
    async with cam.live() as response:
        assert response.headers["Content-Type"].startswith("multipart/x-mixed-replace; boundary=picture-")
        assert response.headers["X-Content-Type-Options"] == "nosniff"
        assert PART.match(await first_bytes(response))
        assert cam.relay.webcam.open_streams == 1
    await until(lambda: cam.relay.webcam.open_streams == 0)
    tunnel, local, beside = (cam.relay.seen(where) for where in ("octoeverywhere_tunnel", "local", "webcam"))
    assert bool(tunnel) is (route == "tunnel")
    assert bool(beside) is (route == "local" and absolute)
    for request in (*tunnel, *local, *beside):
        assert "X-Api-Key" not in request.headers
        assert ("Authorization" in request.headers) is (request in tunnel)
    assert cam.log == []


@OBICO
@BOTH_VERSIONS
async def test_obico_stills(cam: CameraHome, monkeypatch: pytest.MonkeyPatch) -> None:
    """A live view has one each ten seconds, without credentials and without metered traffic."""
    await cam.start()
    cam.relay.obico.watched = True
    used = cam.relay.obico.used_bytes
    assert shown(await cam.still()).size == (320, 240)
    feed = cam.feed
    assert feed.still_interval == 10
    monkeypatch.setattr(type(feed._pictures), "still_interval", 0.3)
    monkeypatch.setattr(type(feed._pictures), "min_interval", 0)
    async with cam.live() as response:
        body = b""
        while len(PART.findall(body)) < 5:
            body += await first_bytes(response, 1000)
    frames = PART.split(body)[1:5]
    assert len(set(frames)) == 4
    asked = cam.relay.seen("obico_site")
    assert len(asked) >= 4
    assert not [request for request in asked if "Authorization" in request.headers]
    await asyncio.sleep(0.6)
    assert len(cam.relay.seen("obico_site")) <= len(asked) + 1
    assert cam.relay.obico.used_bytes == used
    assert cam.log == []


@OBICO
@BOTH_VERSIONS
async def test_stills_of_an_obico_server_that_does_not_know_its_address(cam: CameraHome) -> None:
    """After a plain installation it signs addresses at localhost:3334."""
    cam.set_webcam(**RELATIVE)
    tunnel = await cam.relay.obico.add_tunnel(self_hosted=True)
    data = {"url": tunnel.url, "username": tunnel.user, "password": tunnel.password}
    cam.entry.add_to_hass(cam.hass)
    cam.hass.config_entries.async_update_entry(
        cam.entry, data={**cam.entry.data, **data, "server_url": cam.relay.obico.self_hosted_url}
    )
    await cam.set_up()
    cam.relay.obico.watched = True
    signed = {"snapshot": f"http://localhost:3334/media/tsd-pics/snapshot.jpg?digest={cam.relay.obico._signature}"}
    cam.relay.fail("obico_tsd", 200, json.dumps(signed), path="/_tsd_/webcam/0/")
    assert shown(await cam.still()).size == (320, 240)
    assert cam.log == []


@OBICO
async def test_obico_has_pictures_of_its_primary_webcam(cam: CameraHome) -> None:
    """It may be any in OctoPrint's list."""
    listed = json.loads(settings("classic", "nozzle cam"))
    listed["plugins"] = {"obico": {"webcams": [{"name": "nozzle cam", "is_primary_camera": True}]}}
    cam.relay.fail("obico_tunnel", 200, json.dumps(listed), path="/api/settings", content_type="application/json")
    await cam.set_up()
    cam.relay.obico.watched = True
    feeds = cam.runtime.webcams.data.feeds
    assert await feeds["webcam"].still() is None
    assert await feeds["webcam_nozzle_cam"].still()


@OBICO
async def test_last_picture_of_obico_stays(cam: CameraHome, freezer: FrozenDateTimeFactory) -> None:
    """Its age is shown, and nothing is logged."""
    await cam.start()
    assert await cam.still() is None
    await wait(cam.hass, freezer, 3)
    cam.relay.obico.watched = True
    picture = await cam.still()
    taken = cam.state("webcam").attributes.get("image_taken")
    cam.relay.obico.watched = False
    await wait(cam.hass, freezer, 40)
    assert picture
    assert await cam.still() == picture
    attributes = cam.state("webcam").attributes
    assert attributes["image_age"] == 40
    assert taken in (None, attributes["image_taken"])
    cam.relay.obico.watched = True
    await wait(cam.hass, freezer, 3)
    assert await cam.still() != picture
    assert cam.state("webcam").attributes["image_age"] == 0
    assert cam.log == []


@pytest.mark.parametrize("stream", ["webrtc://127.0.0.1/x", "http://127.0.0.1:1/webrtc", "{beside}/player"])
@pytest.mark.parametrize("route", ["tunnel", "local"])
async def test_other_streams_are_replaced_by_stills(cam: CameraHome, stream: str, route: str) -> None:
    """WebRTC is not requested, and a page with a player is detected."""
    await cam.start(route, snapshot=RELATIVE["snapshot"], stream=stream.format(beside="/webcam"))
    cam.relay.fail("octoeverywhere_tunnel", 200, "<html>", path="/webcam/player")
    cam.relay.fail("local", 200, "<html>", path="/webcam/player")
    async with cam.live() as response:
        assert PART.match(await first_bytes(response))
        assert cam.relay.webcam.open_streams == 0


async def test_stills_of_a_webcam_without_snapshots(cam: CameraHome) -> None:
    """They are the first picture of the stream."""
    await cam.start("local", snapshot="", stream=RELATIVE["stream"], flipH=True)
    assert red_corner(shown(await cam.still())) == "right upper"
    await until(lambda: cam.relay.webcam.open_streams == 0)


# webcams


@BOTH_VERSIONS
async def test_no_webcam(cam: CameraHome) -> None:
    """A new OctoPrint has no camera."""
    await cam.set_up()
    assert "webcam" not in cam.keys


async def test_missing_permission(cam: CameraHome) -> None:
    """It is logged once, and everything else works."""
    cam.set_webcam(**RELATIVE)
    cam.relay.fail("octoeverywhere_tunnel", 403, path="/api/settings")
    await cam.set_up()
    await cam.runtime.webcams.async_read()
    assert "webcam" not in cam.keys
    assert cam.state("printer_state").state == "offline"
    [line] = cam.log
    assert "SETTINGS_READ" in line


@BOTH_VERSIONS
async def test_cameras_appear_with_octoprint(cam: CameraHome, monkeypatch: pytest.MonkeyPatch) -> None:
    """The webcams are read when OctoPrint starts, not with each poll."""

    async def poll() -> None:
        await cam.runtime.tunnel.async_refresh()
        await cam.runtime.printer.async_refresh()

    async def start() -> None:
        await cam.hass.async_add_executor_job(cam.octoprint.start)
        await until(lambda: cam.octoprint.request("GET", "/api/version")[0] == HTTPStatus.OK)
        await poll()

    cam.set_webcam(**RELATIVE)
    await cam.hass.async_add_executor_job(cam.octoprint.stop)
    await cam.set_up()
    assert "webcam" not in cam.keys
    await start()
    await until(lambda: "webcam" in cam.keys)
    assert cam.state("webcam").state == "idle"

    cam.relay.clear()
    cam.relay.fail("octoeverywhere_tunnel", 602, times=1)
    await poll()
    for _ in range(5):
        await poll()
    await settle(cam.hass)
    assert not cam.relay.seen(path="/api/settings")  # away for a moment only, soon after they were read
    monkeypatch.setattr(webcams, "MIN_INTERVAL", 0)
    await cam.hass.async_add_executor_job(cam.octoprint.stop)
    await poll()
    assert cam.state("webcam").state == STATE_UNAVAILABLE
    await start()
    await until(lambda: cam.relay.seen(path="/api/settings"))
    for _ in range(5):
        await poll()
    assert cam.state("webcam").state == "idle"
    assert len(cam.relay.seen(path="/api/settings")) == 1


async def test_several_webcams(cam: CameraHome) -> None:
    """A removed webcam is unavailable until the next set-up; a new one appears at once."""
    cam.has_settings(settings("classic", "nozzle cam", "door"))
    await cam.set_up()
    cameras = {"webcam", "webcam_nozzle_cam", "webcam_door"}
    assert cameras <= cam.keys
    assert cam.state("webcam_nozzle_cam").name == "Kitchen Webcam Nozzle Cam"
    cam.has_settings(settings("classic", "bed", "door"))
    await cam.runtime.webcams.async_read()
    await settle(cam.hass)
    assert cam.state("webcam_nozzle_cam").state == STATE_UNAVAILABLE
    assert cam.state("webcam_bed").state == cam.state("webcam_door").state == "idle"
    await cam.hass.config_entries.async_reload(cam.entry.entry_id)
    assert {key for key in entities(cam.hass, cam.entry) if "webcam_" in key} == {
        "webcam_bed",
        "webcam_door",
        "max_webcam_stream",
    }


def described(*webcams: tuple[str, str]) -> str:
    """Return OctoPrint's settings with webcams of these names, and of these names for people."""
    items = [{"name": name, "displayName": shown, "compat": RELATIVE} for name, shown in webcams]
    return json.dumps({"webcam": {"webcamEnabled": True, "webcams": items}})


async def shown_names(cam: CameraHome) -> dict[str, str]:
    """Read the settings, and return the name that each camera shows."""
    await cam.runtime.webcams.async_read()
    await settle(cam.hass)
    ids = entities(cam.hass, cam.entry)
    cameras = {key: cam.hass.states.get(entity) for key, entity in ids.items() if "camera." in entity}
    return {key: camera.name for key, camera in cameras.items() if camera and camera.state != STATE_UNAVAILABLE}


async def test_similar_names(cam: CameraHome) -> None:
    """Each webcam keeps its key, wherever it is listed and after a restart."""
    first, *others = [
        ("a", "First"),
        ("Cam 1", "Left"),
        ("cam-1", "Right"),
        ("\U0001f4f7", "Top"),
        ("\U0001f3a5", "Bed"),
    ]
    cam.has_settings(described(first, *others))
    await cam.set_up()
    keys = await shown_names(cam)
    assert sorted(keys.values()) == sorted(
        ["Kitchen Webcam", *(f"Kitchen Webcam {name}" for name in ("Left", "Right", "Top", "Bed"))]
    )
    cam.has_settings(described(*reversed(others), first))
    assert await shown_names(cam) == keys
    await cam.hass.config_entries.async_reload(cam.entry.entry_id)
    await settle(cam.hass)
    cam.has_settings(described(*reversed(others)))
    assert await shown_names(cam) == {key: name for key, name in keys.items() if key != "webcam"}
    cam.has_settings(described(("x" * 200, "One"), ("x" * 200 + "y", "Two")))
    assert len(await shown_names(cam)) == 2


async def test_cameras_of_version_0_1_0(cam: CameraHome) -> None:
    """It stored no names and gave the first webcam a key without one, but another webcam may be the first by now."""
    cam.entry.add_to_hass(cam.hass)
    registry = er.async_get(cam.hass)
    for key, name in (("webcam", "Classic"), ("webcam_nozzle_cam", "Nozzle"), ("webcam_door", "Door")):
        unique_id = f"{cam.entry.unique_id}_{key}"
        registry.async_get_or_create("camera", DOMAIN, unique_id, config_entry=cam.entry, suggested_object_id=name)
    before = entities(cam.hass, cam.entry)
    cam.has_settings(described(("door", "Door"), ("nozzle cam", "Nozzle"), ("classic", "Classic")))
    await cam.set_up()
    assert {key: feed.webcam.name for key, feed in cam.runtime.webcams.data.feeds.items()} == {
        "webcam_door": "door",
        "webcam_nozzle_cam": "nozzle cam",
        "webcam": "classic",
    }
    assert before.items() <= entities(cam.hass, cam.entry).items()


async def test_replaced_first_webcam(cam: CameraHome) -> None:
    """Its camera shows the new webcam; the other webcams keep their cameras."""
    cam.has_settings(described(("classic", "Classic"), ("door", "Door")))
    await cam.set_up()
    cam.has_settings(described(("door", "Door")))
    assert set(await shown_names(cam)) == {"webcam_door"}
    cam.has_settings(described(("new", "New"), ("door", "Door")))
    assert set(await shown_names(cam)) == {"webcam", "webcam_door"}
    cam.has_settings(described(("classic", "Classic"), ("new", "New"), ("door", "Door")))
    assert set(await shown_names(cam)) == {"webcam", "webcam_door", "webcam_classic"}
    assert cam.feed.webcam.name == "new"


async def test_renamed_webcam(cam: CameraHome) -> None:
    """Its camera is renamed at once, and the entity id stays."""
    cam.has_settings(described(("classic", "Classic"), ("door", "Door")))
    await cam.set_up()
    before = entities(cam.hass, cam.entry)["webcam_door"]
    cam.has_settings(described(("classic", "Classic"), ("door", "Front\n\x1b[31mdoor")))
    assert (await shown_names(cam))["webcam_door"] == "Kitchen Webcam Front (31mdoor"
    assert entities(cam.hass, cam.entry)["webcam_door"] == before
    registered = er.async_get(cam.hass).async_get(before)
    assert registered is not None
    assert registered.original_name == "Webcam Front (31mdoor"


async def test_too_many_webcams(cam: CameraHome) -> None:
    """The first ones are shown, and it is logged once that there are more."""
    cam.has_settings(described(*((f"w{number}", f"W{number}") for number in range(3000))))
    await cam.set_up()
    assert len(await shown_names(cam)) == MAX_WEBCAMS
    assert cam.log == ["Kitchen: OctoPrint has too many webcams; only 16 are shown"]


async def test_unreadable_settings(cam: CameraHome, freezer: FrozenDateTimeFactory) -> None:
    """Reading them is retried with back-off."""
    cam.set_webcam(**RELATIVE)
    cam.relay.fail("octoeverywhere_tunnel", 607, path="/api/settings")
    await cam.set_up()
    for _ in range(30):
        await wait(cam.hass, freezer, 61)
    assert 3 <= len(cam.relay.seen(path="/api/settings")) <= 6
    cam.relay.heal()
    for _ in range(35):
        await wait(cam.hass, freezer, 61)
    assert cam.state("webcam").state == "idle"
    assert cam.log == []


async def test_unload_while_settings_are_read(cam: CameraHome, monkeypatch: pytest.MonkeyPatch) -> None:
    """No retry is scheduled."""
    monkeypatch.setattr(webcams, "FIRST_RETRY", 0.2)
    cam.relay.fail("octoeverywhere_tunnel", 607, path="/api/settings")
    await cam.set_up()
    cam.relay.heal()
    cam.relay.hang("octoeverywhere_tunnel", path="/api/settings")
    await until(lambda: len(cam.relay.seen(path="/api/settings")) == 2)
    feeds = cam.runtime.webcams
    await cam.hass.config_entries.async_unload(cam.entry.entry_id)
    cam.relay.heal()
    await settle(cam.hass)
    assert feeds._planned is None


@BOTH_VERSIONS
async def test_changed_settings(cam: CameraHome, monkeypatch: pytest.MonkeyPatch) -> None:
    """OctoPrint reports them on its push socket. Several changes are read once."""
    monkeypatch.setattr(live_updates, "START_DELAY", 0)
    monkeypatch.setattr(webcams, "CHANGE_DELAY", 0.2)
    monkeypatch.setattr(webcams, "MIN_INTERVAL", 0)
    await cam.set_up(live_updates=True)
    await until(lambda: cam.runtime.live.since is not None)
    await settle(cam.hass)  # the poll comes after what the socket asked OctoPrint for, so that is known there by now
    cam.relay.clear()
    for flip in (True, False):
        cam.set_webcam(**RELATIVE, flipV=flip)
    await until(lambda: "webcam" in cam.keys)
    assert len(cam.relay.seen(path="/api/settings")) == 1
    monkeypatch.setattr(webcams, "MIN_INTERVAL", 900)
    cam.set_webcam(**NO_WEBCAM)
    await asyncio.sleep(0.5)
    assert len(cam.relay.seen(path="/api/settings")) == 1


# stills


async def test_viewers_share_a_still(cam: CameraHome, freezer: FrozenDateTimeFactory) -> None:
    """They share it for two seconds over the tunnel; without a viewer nothing is fetched."""
    await cam.start()
    for _ in range(5):
        await wait(cam.hass, freezer, 61)
    assert not cam.relay.seen(path="/webcam/")
    pictures = await asyncio.gather(*(cam.still() for _ in range(8)))
    assert len(set(pictures)) == 1
    freezer.tick(1.9)
    assert await cam.still() == pictures[0]
    assert len(cam.relay.seen(path="/webcam/")) == 1
    freezer.tick(0.2)
    assert await cam.still() != pictures[0]
    assert len(cam.relay.seen(path="/webcam/")) == 2


async def test_local_stills_are_always_new(cam: CameraHome) -> None:
    """Only those who request one at the same time share it."""
    await cam.start("local")
    cam.relay.delay("local", 0.2, path="/webcam/")
    assert len(set(await asyncio.gather(*(cam.still() for _ in range(8))))) == 1
    assert await cam.still() != await cam.still()
    assert len(cam.relay.seen("local", path="/webcam/")) == 3


async def test_viewer_leaves_during_a_request(cam: CameraHome) -> None:
    """The other viewers still get the picture."""
    await cam.start()
    cam.relay.delay("octoeverywhere_tunnel", 0.5, path="/webcam/")
    first = asyncio.create_task(cam.still())
    await until(lambda: bool(cam.relay.seen(path="/webcam/")))
    second = asyncio.create_task(cam.still())
    await asyncio.sleep(0.1)
    first.cancel()
    assert await second
    assert len(cam.relay.seen(path="/webcam/")) == 1


@pytest.mark.parametrize(
    ("settings", "corner", "size"),
    [
        ({"flipH": True}, "right upper", (320, 240)),
        ({"flipV": True}, "left lower", (320, 240)),
        ({"rotate90": True}, "left lower", (240, 320)),
        ({"flipH": True, "rotate90": True}, "left upper", (240, 320)),
    ],
)
async def test_orientation(
    cam: CameraHome, monkeypatch: pytest.MonkeyPatch, settings: dict[str, Any], corner: str, size: tuple[int, int]
) -> None:
    """Stills, scaled stills and each picture of a stream are turned."""
    await cam.start(**settings)
    picture = shown(await cam.still())
    assert (picture.size, red_corner(picture)) == (size, corner)

    monkeypatch.setattr(img_util.TurboJPEGSingleton, "instance", PillowAsTurboJpeg)
    small = shown(await cam.still("?width=40&height=30"))
    assert (small.size, red_corner(small)) == ((size[0] // 8, size[1] // 8), corner)

    async with cam.live() as response:
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
async def test_broken_webcam(
    cam: CameraHome, freezer: FrozenDateTimeFactory, monkeypatch: pytest.MonkeyPatch, trouble: str
) -> None:
    """It is logged once, and once when it works again. Other entities are not affected."""
    await cam.start()
    where, path = "octoeverywhere_tunnel", "/webcam/"
    match trouble:
        case "redirect":
            cam.relay.redirect(where, "/octoeverywhere-command-api/webcam/snapshot?index=0", path=path)
        case "html":
            cam.relay.fail(where, 200, "<html>", path=path)
        case "large":
            cam.relay.webcam.frame_size = 16_000_001
        case "drop":
            cam.relay.drop(where, path=path)
        case "cut":
            cam.relay.truncate(where, 1000, path=path)
        case "silent":
            monkeypatch.setattr(webcam_feed, "STILL_TIMEOUT", 0)
            cam.relay.delay(where, 60, path=path)
        case status:
            cam.relay.fail(where, int(status), path=path)
    for _ in range(3):
        assert await cam.still() is None
        await wait(cam.hass, freezer, 61)
    assert len(cam.log) == 1
    assert cam.states("tunnel_status", "octoprint_online", "printer_state", "webcam") == (
        "ok",
        "on",
        "offline",
        "idle",
    )
    assert not cam.relay.seen("webcam")
    monkeypatch.undo()
    cam.relay.heal()
    cam.relay.webcam.frame_size = None
    assert await cam.still()
    assert await cam.still()
    assert cam.log[1:] == ["Kitchen Classic Webcam: works again"]


@pytest.mark.parametrize(("code", "status"), [(605, "not_supporter"), (601, "offline")])
async def test_picture_meets_an_error_of_the_tunnel(
    cam: CameraHome, freezer: FrozenDateTimeFactory, code: int, status: str
) -> None:
    """The tunnel's entities show it, and no more pictures are requested."""
    await cam.start()
    cam.relay.fail("octoeverywhere_tunnel", code)
    assert await cam.still() is None
    assert cam.state("tunnel_status").state == status
    await wait(cam.hass, freezer, 61)
    assert cam.state("webcam").state == STATE_UNAVAILABLE
    cam.relay.clear()
    await wait(cam.hass, freezer, 3)
    assert await cam.still() is None
    assert not cam.relay.seen(path="/webcam/")
    assert len(cam.log) == 1


# sources of stills


async def test_local_stills_of_octopi(cam: CameraHome) -> None:
    """Its snapshot address works on its own machine only. The source that worked is asked first, until it fails."""
    await cam.start("local", snapshot="http://127.0.0.1:1/?action=snapshot", stream=RELATIVE["stream"])
    for _ in range(2):
        cam.relay.clear()
        assert shown(await cam.still()).size == (320, 240)
        assert [request.query["action"] for request in cam.relay.seen("local", path="/webcam/")] == ["snapshot"]
    assert list(cam.feed._still_source.values()) == [1]
    cam.relay.fail("local", 404, path="/webcam/", times=1)
    cam.relay.clear()
    assert await cam.still()  # its stream's first picture
    assert [request.query["action"] for request in cam.relay.seen("local", path="/webcam/")] == ["snapshot", "stream"]
    await until(lambda: cam.relay.webcam.open_streams == 0)
    assert cam.log == []


async def test_silent_source_of_stills(cam: CameraHome, monkeypatch: pytest.MonkeyPatch) -> None:
    """The next request starts with the source after it."""
    monkeypatch.setattr(webcam_feed, "STILL_TIMEOUT", 0.5)
    await cam.start("local", snapshot=f"{cam.relay.webcam.url}/?action=snapshot", stream=RELATIVE["stream"])
    cam.relay.hang("webcam")
    assert await cam.still() is None
    assert await cam.still()
    assert len(cam.relay.seen("webcam")) == 1


@pytest.mark.parametrize("route", ["tunnel", "local"])
async def test_snapshot_address_of_a_stream(cam: CameraHome, route: str) -> None:
    """Only the first picture is fetched."""
    await cam.start(route, snapshot=RELATIVE["stream"], stream="")
    assert shown(await cam.still()).size == (320, 240)
    await until(lambda: cam.relay.webcam.open_streams == 0)
    assert sum(request.response_bytes for request in cam.relay.seen(path="/webcam/")) < 50_000


async def test_download_of_no_picture_is_canceled(cam: CameraHome) -> None:
    """Its first bytes show that it is none."""
    await cam.start()
    cam.relay.webcam.picture = b"<html>" + bytes(12_000_000)
    assert await cam.still() is None
    [request] = cam.relay.seen(path="/webcam/")
    await until(lambda: request.response_bytes)
    assert cam.runtime.printer.router.traffic[Way.TUNNEL].bytes_received < 5_000_000


async def test_12_megapixels(cam: CameraHome) -> None:
    """A still of this size is shown even if it is hardly compressed."""
    await cam.start("local")
    body = io.BytesIO()
    Picture.frombytes("RGB", (4000, 3000), random.Random(0).randbytes(36_000_000)).save(body, "JPEG", quality=90)
    cam.relay.webcam.picture = body.getvalue()
    assert len(cam.relay.webcam.picture) > 10_000_000
    assert await cam.still() == cam.relay.webcam.picture


async def test_password_of_a_webcam(cam: CameraHome) -> None:
    """It is sent to the webcam only, and is in neither the debug log nor the diagnostics."""
    cam.caplog.set_level("DEBUG")
    address = cam.relay.webcam.url.replace("://", "://anna:hunter2@")
    await cam.start("local", snapshot=f"{address}/?action=snapshot", stream=f"{address}/?action=stream")
    assert await cam.still()
    async with cam.live() as response:
        await first_bytes(response)
    asked = cam.relay.seen("webcam")
    assert {request.headers["Authorization"] for request in asked} == {"Basic YW5uYTpodW50ZXIy"}
    for where in ("webcam", "local"):  # beside OctoPrint, and through the proxy before it
        cam.relay.drop(where, path="/webcam/" if where == "local" else None)
    assert await cam.still() is None
    cam.relay.heal()
    cam.relay.fail("webcam", 401)
    async with cam.live() as response:
        assert response.status == HTTPStatus.BAD_GATEWAY
    found = json.dumps(await async_get_config_entry_diagnostics(cam.hass, cam.entry), default=str)
    assert "hunter2" not in cam.caplog.text + found


# live views


@pytest.mark.parametrize("fault", ["silent", "stalls", "ends", "garbage"])
@pytest.mark.parametrize("route", ["tunnel", "local"])
async def test_broken_stream(cam: CameraHome, monkeypatch: pytest.MonkeyPatch, fault: Fault, route: str) -> None:
    """It ends within a fixed time, after its valid pictures. Other entities are not affected."""
    monkeypatch.setattr(webcam_feed, "STREAM_TIMEOUT", ClientTimeout(total=None, sock_read=0.5))
    await cam.start(route)
    cam.relay.webcam.fault = fault
    for _ in range(2):
        async with cam.live() as response:
            has_frames = fault in ("stalls", "ends")
            assert response.status == (HTTPStatus.OK if has_frames else HTTPStatus.BAD_GATEWAY)
            if has_frames:
                assert len(PART.findall(await last_bytes(response))) == 1
    assert len(cam.log) == {"silent": 1, "garbage": 1, "stalls": 3, "ends": 0}[fault]
    assert cam.states("active_route", "tunnel_status", "webcam") == (route, "ok", "idle")
    cam.relay.webcam.fault = None
    cam.caplog.clear()
    async with cam.live() as response:
        await first_bytes(response)
    assert len(cam.log) == (fault != "ends")


async def test_stream_that_is_cut_off(cam: CameraHome) -> None:
    """It ends; a stream that cannot be opened is an error."""
    await cam.start()
    cam.relay.truncate("octoeverywhere_tunnel", 5000, path="/webcam/")
    async with cam.live() as response:
        assert await last_bytes(response)
    cam.relay.heal()
    cam.relay.fail("octoeverywhere_tunnel", 404, path="/webcam/")
    async with cam.live() as response:
        assert response.status == HTTPStatus.BAD_GATEWAY
    assert len(cam.log) == 1


async def test_limit_of_a_stream(cam: CameraHome, connection: AppConnection) -> None:
    """The stream ends at the limit of the account, without an error and without a new request."""
    connection.info = {"PrinterLimits": {"MaxSingleWebcamStreamLengthSeconds": 1}}
    await cam.start()
    started = time.monotonic()
    async with cam.live() as response:
        assert len(await last_bytes(response)) > 2 * 3000
    assert 0.9 < time.monotonic() - started < 4
    await until(lambda: cam.relay.webcam.open_streams == 0)
    await asyncio.sleep(0.2)
    assert len(cam.relay.seen(path="/webcam/")) == 1
    assert cam.log == []


@pytest.mark.parametrize("window", [3600, "01:00:00", "1.00:00:00.0000000"])
async def test_time_of_all_streams(cam: CameraHome, connection: AppConnection, window: object) -> None:
    """When too little is left, live views consist of stills, and the service is not asked for a stream."""
    connection.info = {
        "PrinterLimits": {
            "MaxSingleWebcamStreamLengthSeconds": 1,
            "MaxTotalWebcamStreamTimePerTimeWindowSeconds": 6,
            "WebcamStreamTimeWindow": window,
        }
    }
    await cam.start(snapshot=RELATIVE["snapshot"], stream="/webcam/stream/?action=stream")
    for _ in range(2):
        async with cam.live() as response:
            assert await last_bytes(response)
    assert len(cam.relay.seen(path="/webcam/stream/")) == 2
    async with cam.live() as response:
        await first_bytes(response)
    assert len(cam.relay.seen(path="/webcam/stream/")) == 2
    [line] = cam.log
    assert "Limit: 0:00:06 / " in line


async def test_stream_that_fails_uses_no_time(cam: CameraHome, connection: AppConnection) -> None:
    """Only what was streamed counts."""
    connection.info = {
        "PrinterLimits": {"MaxTotalWebcamStreamTimePerTimeWindowSeconds": 6, "WebcamStreamTimeWindow": 3600}
    }
    await cam.start(snapshot=RELATIVE["snapshot"], stream="/webcam/stream/?action=stream")
    cam.relay.fail("octoeverywhere_tunnel", 404, path="/webcam/stream/", times=1)
    async with cam.live() as response:
        assert response.status == HTTPStatus.BAD_GATEWAY
    async with cam.live() as response:
        await first_bytes(response)
    assert len(cam.relay.seen(path="/webcam/stream/")) == 2


@pytest.mark.parametrize("window", ["x", "00:00:00", "24:00", -1, None, "9999.00:00:00", [], 1e400])
async def test_window_that_cannot_be_read(cam: CameraHome, connection: AppConnection, window: object) -> None:
    """Streams are not limited by what is not known."""
    connection.info = {
        "PrinterLimits": {"MaxTotalWebcamStreamTimePerTimeWindowSeconds": 1, "WebcamStreamTimeWindow": window}
    }
    await cam.start()
    assert cam.entry.runtime_data.tunnel.data.status.limits.webcam_window is None


async def test_limit_of_a_stream_without_reader(cam: CameraHome, connection: AppConnection) -> None:
    """The stream ends also if the viewer does not read."""
    connection.info = {"PrinterLimits": {"MaxSingleWebcamStreamLengthSeconds": 1}}
    await cam.start()
    cam.relay.webcam.interval, cam.relay.webcam.frame_size = 0, 500_000
    async with cam.live() as response:
        await first_bytes(response)
        await until(lambda: cam.relay.webcam.open_streams == 0)


async def test_slow_viewer(cam: CameraHome) -> None:
    """It slows down the source. Nothing is buffered except in the sockets."""
    await cam.start()
    cam.relay.webcam.interval, cam.relay.webcam.frame_size, cam.relay.webcam.frames = 0, 1_000_000, 200
    async with cam.live() as response:
        await first_bytes(response)
        [source] = cam.relay.seen(path="/webcam/")
        sent = -1
        while sent != source.response_bytes:
            sent = source.response_bytes
            await asyncio.sleep(0.5)
        assert sent < 40_000_000
        assert len(await last_bytes(response)) > 199_000_000


async def test_webcam_limit_of_live_views(cam: CameraHome, freezer: FrozenDateTimeFactory) -> None:
    """They show stills and it is logged once. Streams are retried with back-off."""
    await cam.start(snapshot=RELATIVE["snapshot"], stream="/webcam/stream/?action=stream")
    cam.relay.fail("octoeverywhere_tunnel", 609, path="/webcam/stream/")
    cam.relay.webcam.interval = 0

    async def is_live() -> bool:
        async with cam.live() as response:
            assert PART.match(await first_bytes(response))
            return cam.relay.webcam.open_streams == 1

    for tries, seconds in ((1, 0), (1, 10), (2, 25), (2, 25), (3, 50)):
        await wait(cam.hass, freezer, seconds)
        assert not await is_live()
        assert len(cam.relay.seen(path="/webcam/stream/")) == tries
    [line] = cam.log
    assert "no live view" in line
    assert cam.states("tunnel_status", "printer_state", "webcam") == ("ok", "offline", "idle")
    cam.relay.heal()
    await wait(cam.hass, freezer, 150)
    assert await is_live()
    assert cam.log[1:] == ["Kitchen Classic Webcam, no live view: works again"]


@pytest.mark.parametrize("code", [607, 609])
async def test_limits_of_stills(cam: CameraHome, freezer: FrozenDateTimeFactory, code: int) -> None:
    """There is no new image. It is retried with back-off, and the local route is not affected."""
    await cam.start()
    cam.relay.fail("octoeverywhere_tunnel", code, path="/webcam/")
    for _ in range(10):
        assert await cam.still() is None
        await wait(cam.hass, freezer, 3)
    assert len(cam.relay.seen(path="/webcam/")) == 1
    assert cam.states("tunnel_status", "printer_state", "webcam") == ("ok", "offline", "idle")
    assert len(cam.log) == 1
    cam.relay.heal()
    await wait(cam.hass, freezer, 61)
    picture = await cam.still()
    cam.relay.fail("octoeverywhere_tunnel", code, path="/webcam/")
    await wait(cam.hass, freezer, 10)
    assert await cam.still() == picture
    assert cam.state("webcam").attributes["image_age"] == 10
    assert len(cam.log) == 3
    cam.hass.config_entries.async_update_entry(
        cam.entry, options={"live_updates": False, "local_url": cam.relay.local.url}
    )
    await wait(cam.hass, freezer, 3)
    assert await cam.still() not in (None, picture)


async def test_unload_during_a_request(cam: CameraHome) -> None:
    """The request ends."""
    await cam.start()
    cam.relay.delay("octoeverywhere_tunnel", 5, path="/webcam/")
    looking = asyncio.create_task(cam.still())
    await until(lambda: bool(cam.relay.seen(path="/webcam/")))
    started = time.monotonic()
    assert await cam.hass.config_entries.async_unload(cam.entry.entry_id)
    assert await looking is None
    assert time.monotonic() - started < 3


# hostile webcams


PAGE = "--frame\r\nContent-Type: text/html\r\n\r\n<script>alert(1)</script>\r\n"


async def test_page_in_a_stream(cam: CameraHome) -> None:
    """It is not shown: it would have Home Assistant's own origin."""
    await cam.start()
    content_type = 'multipart/x-mixed-replace; boundary=frame; charset="x"'
    cam.relay.fail("octoeverywhere_tunnel", 200, PAGE * 5, path="/webcam/", content_type=content_type)
    async with cam.live() as response:
        assert response.status == HTTPStatus.BAD_GATEWAY
        assert b"script" not in await response.read()


@pytest.mark.parametrize("query", ["", "?interval=0.5"])
async def test_boundary_in_a_picture(cam: CameraHome, query: str) -> None:
    """A picture cannot contain the boundary of the response."""
    await cam.start("local", snapshot=RELATIVE["snapshot"], stream="")
    trap = "".join(PAGE.replace("--frame", f"\r\n--{name}") for name in ("frameboundary", "--frameboundary"))
    cam.relay.webcam.picture = b"\xff\xd8\xff\xe0" + trap.encode() + b"\xff\xd9"
    camera = entities(cam.hass, cam.entry)["webcam"]
    async with cam.browser.get(f"/api/camera_proxy_stream/{camera}{query}") as response:
        boundary = response.headers["Content-Type"].partition("boundary=")[2].encode()
        body = await first_bytes(response, 200)
    assert body.startswith(b"--" + boundary + b"\r\nContent-Type: image/jpeg\r\n")
    assert boundary not in cam.relay.webcam.picture


async def test_many_viewers(cam: CameraHome) -> None:
    """Some see the stream, the others stills. Polls continue."""
    await cam.start("local")
    async with AsyncExitStack() as viewers:
        responses = [await viewers.enter_async_context(cam.live()) for _ in range(12)]
        assert all([PART.match(await first_bytes(response)) for response in responses])
        assert cam.relay.webcam.open_streams == webcam_feed.MAX_STREAMS
        await cam.runtime.printer.async_refresh()
        assert cam.runtime.printer.last_update_success
    await until(lambda: cam.relay.webcam.open_streams == 0)
    async with cam.live() as response:
        await first_bytes(response)
        assert cam.relay.webcam.open_streams == 1
    assert cam.log == []


async def test_viewer_leaves_before_the_first_picture(cam: CameraHome) -> None:
    """The connection is closed."""
    await cam.start("local")
    cam.relay.drip("local", 0.05, path="/webcam/")
    for _ in range(webcam_feed.MAX_STREAMS + 1):
        looking = asyncio.create_task(still_of_stream(cam))
        await until(lambda: cam.relay.webcam.open_streams == 1)
        looking.cancel()
        await until(lambda: cam.relay.webcam.open_streams == 0)


async def still_of_stream(cam: CameraHome) -> bytes:
    """Open a live view, and return its first bytes."""
    async with cam.live() as response:
        return await first_bytes(response)


@pytest.mark.parametrize("where", ["header", "body"])
async def test_slow_stream(cam: CameraHome, monkeypatch: pytest.MonkeyPatch, where: str) -> None:
    """It ends, and its connection is closed, even if bytes keep coming."""
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
    await cam.start("local", snapshot="", stream=f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/stream")
    async with asyncio.timeout(10), cam.live() as response:
        assert response.status == HTTPStatus.BAD_GATEWAY
    async with asyncio.timeout(10):
        await ended.wait()
    server.close()
    assert len(cam.log) == 1


@pytest.mark.parametrize(
    "content_type", ["multipart/x-mixed-replace; boundary*" + "9" * 5000 + "=x", "multipart/x-mixed-replace; boundary="]
)
async def test_invalid_content_type(cam: CameraHome, content_type: str) -> None:
    """It is replaced by stills."""
    await cam.start("local", snapshot=RELATIVE["snapshot"], stream="/webcam/stream")
    cam.relay.fail("local", 200, "x" * 1000, path="/webcam/stream", content_type=content_type)
    async with cam.live() as response:
        assert PART.match(await first_bytes(response))
    assert cam.log == []


async def test_removed_camera_does_not_cancel_its_viewers(cam: CameraHome) -> None:
    """A request ends without a picture; a canceled viewer stays canceled."""
    await cam.start()
    cam.relay.hang("octoeverywhere_tunnel", path="/webcam/")
    feed = cam.feed
    one, other = asyncio.create_task(feed.still()), asyncio.create_task(feed.still())
    await until(lambda: cam.relay.seen(path="/webcam/"))
    other.cancel()
    await asyncio.wait((other,))
    assert other.cancelled()
    assert not one.done()
    feed.close()
    assert await one is None
    assert await feed.still() is None
    assert await feed.stream() is None


@pytest.mark.parametrize("stream", [RELATIVE["stream"], ""])
async def test_unload_during_a_live_view(cam: CameraHome, stream: str) -> None:
    """Streams and stills end without a log line."""
    await cam.start("local", snapshot=RELATIVE["snapshot"], stream=stream)
    async with cam.live() as response:
        await first_bytes(response)
        assert await cam.hass.config_entries.async_unload(cam.entry.entry_id)
        await last_bytes(response)
    await until(lambda: cam.relay.webcam.open_streams == 0)
    assert cam.log == []
