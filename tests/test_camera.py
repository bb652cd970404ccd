"""The webcam in Home Assistant: stills and live views over each way, and whatever can be wrong with them."""

import asyncio
from collections.abc import AsyncGenerator, Callable, Generator
from contextlib import asynccontextmanager
from http import HTTPStatus
import io
import time
from typing import Any

from aiohttp import ClientResponse
from aiohttp.test_utils import TestClient
from freezegun.api import FrozenDateTimeFactory
from PIL import Image as Picture, ImageOps
import pytest
from pytest_homeassistant_custom_component.common import MockConfigEntry
from pytest_homeassistant_custom_component.typing import ClientSessionGenerator

from custom_components.octoprint_tunnel import webcam_feed
from homeassistant.components.camera import img_util
from homeassistant.const import STATE_UNAVAILABLE
from homeassistant.core import HomeAssistant
from homeassistant.helpers import entity_registry as er
from homeassistant.setup import async_setup_component

from .home import entities, log_lines, settle, state, wait
from .octoprint.server import OctoPrintServer
from .relay.octoeverywhere import AppConnection
from .relay.server import Relay

BOTH_VERSIONS = pytest.mark.parametrize("octoprint_version", ["1.11", "2.0"])
RELATIVE = {"snapshot": "/webcam/?action=snapshot", "stream": "/webcam/?action=stream"}
NO_WEBCAM = {"snapshot": "", "stream": "", "flipH": False, "flipV": False, "rotate90": False}

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
    assert await async_setup_component(hass, "camera", {})

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


@BOTH_VERSIONS
async def test_smoke(
    hass: HomeAssistant, relay: Relay, entry: MockConfigEntry, set_webcam: SetWebcam, set_up: SetUp, browser: Browser
) -> None:
    set_webcam(**RELATIVE)
    await set_up(entry)
    assert state(hass, entry, "webcam").state == "idle"
    one = await still(browser, hass, entry)
    assert one and one.startswith(b"\xff\xd8")
    async with live(browser, hass, entry) as response:
        assert response.status == 200
        print(await first_bytes(response))
