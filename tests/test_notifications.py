"""OctoEverywhere's notifications: who is asked to send them, and what becomes of what arrives."""

from collections.abc import AsyncGenerator
from http import HTTPStatus
from types import SimpleNamespace
from typing import Any
from unittest.mock import AsyncMock, patch

from aiohttp.test_utils import TestClient
from freezegun.api import FrozenDateTimeFactory
import pytest
from pytest_homeassistant_custom_component.common import MockConfigEntry
from pytest_homeassistant_custom_component.typing import ClientSessionGenerator

from custom_components.octoprint_tunnel.diagnostics import async_get_config_entry_diagnostics
from homeassistant.config_entries import ConfigEntryState
from homeassistant.core import HomeAssistant
from homeassistant.exceptions import HomeAssistantError
from homeassistant.setup import async_setup_component

from .home import log_lines, settle, state, wait
from .relay.octoeverywhere import AppConnection
from .relay.server import Relay

SET = "/api/appconnection/SetNotificationWebhook"
DELETE = "/api/appconnection/DeleteNotificationWebhook"
DAY = 24 * 3600
DELIVERY = {
    "PrinterId": "x",
    "PrintId": "print-1",
    "EventType": 6,
    "PrinterName": "Kitchen",
    "SnapshotUrl": "https://octoeverywhere.com/snapshot/1",
    "FileName": "part.gcode",
    "DurationSec": 60,
    "Progress": 42,
    "TimeRemainingSec": 90,
    "ZOffsetMM": 1.2,
    "CurrentLayer": 6,
    "TotalLayers": 100,
    "Error": None,
    "PlatformErrorCode": None,
    "SecretKey": None,
}

type Browser = TestClient[Any, Any]


@pytest.fixture
async def reachable(hass: HomeAssistant) -> None:
    """Let Home Assistant have an address from outside."""
    assert await async_setup_component(hass, "webhook", {})
    hass.config.external_url = "https://home.example.com"


@pytest.fixture
async def registered(
    hass: HomeAssistant, freezer: FrozenDateTimeFactory, reachable: None, entry: MockConfigEntry
) -> AsyncGenerator[MockConfigEntry]:
    """Return a printer whose notifications come here."""
    entry.add_to_hass(hass)
    assert await hass.config_entries.async_setup(entry.entry_id)
    await settle(hass)
    await wait(hass, freezer, 31)
    yield entry
    if entry.state is ConfigEntryState.LOADED:
        await hass.config_entries.async_unload(entry.entry_id)


@pytest.fixture
async def service(
    hass: HomeAssistant, registered: MockConfigEntry, hass_client_no_auth: ClientSessionGenerator
) -> Browser:
    """Return who delivers."""
    return await hass_client_no_auth()


def path_of(entry: MockConfigEntry) -> str:
    """Return where deliveries go."""
    return f"/api/webhook/{entry.data['webhook_id']}"


async def test_registration(
    hass: HomeAssistant,
    freezer: FrozenDateTimeFactory,
    relay: Relay,
    registered: MockConfigEntry,
    connection: AppConnection,
) -> None:
    """The service is asked once, and again long before it forgets."""
    assert connection.apis.webhook_url == f"https://home.example.com{path_of(registered)}"
    assert len(relay.seen(path=SET)) == 1
    await wait(hass, freezer, 29 * DAY)
    assert len(relay.seen(path=SET)) == 1
    await wait(hass, freezer, 1 * DAY + 60)
    assert len(relay.seen(path=SET)) == 2


async def test_failed_registration_is_tried_again(
    hass: HomeAssistant,
    freezer: FrozenDateTimeFactory,
    relay: Relay,
    reachable: None,
    entry: MockConfigEntry,
    connection: AppConnection,
    caplog: pytest.LogCaptureFixture,
) -> None:
    """A service that has a fault is asked every hour, without a word in the log."""
    relay.fail("octoeverywhere_api", 600, path=SET)
    entry.add_to_hass(hass)
    assert await hass.config_entries.async_setup(entry.entry_id)
    await wait(hass, freezer, 31)
    assert [request.status for request in relay.seen(path=SET)] == [600]
    relay.heal()
    await wait(hass, freezer, 3601)
    assert connection.apis.webhook_url
    assert not log_lines(caplog)
    await hass.config_entries.async_unload(entry.entry_id)


@pytest.mark.parametrize("url", [None, "http://home.example.com", "https://192.168.1.5:8123"])
async def test_no_address_from_outside(
    hass: HomeAssistant, freezer: FrozenDateTimeFactory, relay: Relay, loaded: MockConfigEntry, url: str | None
) -> None:
    """Where the service cannot reach Home Assistant by https, nothing is asked of it."""
    hass.config.external_url = url
    await wait(hass, freezer, 31)
    await wait(hass, freezer, 3601)
    assert not relay.seen(path=SET)
    assert "webhook_id" not in loaded.data


async def test_cloud(
    hass: HomeAssistant, freezer: FrozenDateTimeFactory, entry: MockConfigEntry, connection: AppConnection
) -> None:
    """A subscription of Home Assistant Cloud has an address from outside; it goes with the printer."""
    entry.add_to_hass(hass)
    assert await hass.config_entries.async_setup(entry.entry_id)
    cloud = SimpleNamespace(
        CloudNotAvailable=HomeAssistantError,
        async_active_subscription=lambda _: True,
        async_get_or_create_cloudhook=AsyncMock(return_value="https://hooks.nabu.casa/abc"),
        async_delete_cloudhook=AsyncMock(),
    )
    hass.config.components.add("cloud")
    with patch("homeassistant.components.cloud", cloud, create=True):
        await wait(hass, freezer, 31)
        assert connection.apis.webhook_url == "https://hooks.nabu.casa/abc"
        await hass.config_entries.async_remove(entry.entry_id)
    cloud.async_delete_cloudhook.assert_awaited_once()


async def test_delivery(
    hass: HomeAssistant,
    freezer: FrozenDateTimeFactory,
    relay: Relay,
    registered: MockConfigEntry,
    service: Browser,
) -> None:
    """What is delivered is an event, and brings a reading forward."""
    assert state(hass, registered, "notification").state == "unknown"
    relay.clear()
    response = await service.post(path_of(registered), json=DELIVERY)
    assert response.status == HTTPStatus.OK
    await settle(hass)
    told = state(hass, registered, "notification").attributes
    assert {name: told[name] for name in ("event_type", "file", "progress", "layer", "layers", "time_left")} == {
        "event_type": "progress",
        "file": "part.gcode",
        "progress": 42,
        "layer": 6,
        "layers": 100,
        "time_left": 90,
    }
    assert told["snapshot_url"] == "https://octoeverywhere.com/snapshot/1"
    assert "error" not in told
    assert relay.seen("tunnel")


@pytest.mark.parametrize(
    ("number", "kind"),
    [
        (1, "started"),
        (2, "complete"),
        (7, "gadget_possible_failure"),
        (16, "test"),
        (17, "unknown"),
        (0, "unknown"),
        (-3, "unknown"),
    ],
)
async def test_types(
    hass: HomeAssistant, registered: MockConfigEntry, service: Browser, number: int, kind: str
) -> None:
    """Numbers have names; a new one is unknown."""
    await service.post(path_of(registered), json={"EventType": number, "NewField": [1]})
    await settle(hass)
    assert state(hass, registered, "notification").attributes["event_type"] == kind


@pytest.mark.parametrize(
    ("method", "body"),
    [
        ("GET", b'{"EventType": 2}'),
        ("PUT", b'{"EventType": 2}'),
        ("POST", b""),
        ("POST", b"not JSON"),
        ("POST", b"\xff\xfe"),
        ("POST", b"[2]"),
        ("POST", b'{"Event": 2}'),
        ("POST", b'{"EventType": null}'),
        ("POST", b'{"EventType": "2"}'),
        ("POST", b'{"EventType": 2, "Error": "' + b"x" * 70_000 + b'"}'),
    ],
)
async def test_refused(
    hass: HomeAssistant,
    relay: Relay,
    registered: MockConfigEntry,
    service: Browser,
    caplog: pytest.LogCaptureFixture,
    method: str,
    body: bytes,
) -> None:
    """What is no notification has no effect."""
    relay.clear()
    response = await service.request(method, path_of(registered), data=body)
    assert response.status != HTTPStatus.OK or method != "POST"
    await settle(hass)
    assert state(hass, registered, "notification").state == "unknown"
    assert not relay.requests
    assert not log_lines(caplog)


async def test_another_id(hass: HomeAssistant, relay: Relay, registered: MockConfigEntry, service: Browser) -> None:
    """Nobody who guesses is heard."""
    relay.clear()
    await service.post("/api/webhook/" + "0" * 64, json=DELIVERY)
    await settle(hass)
    assert state(hass, registered, "notification").state == "unknown"
    assert not relay.requests


async def test_unloaded(hass: HomeAssistant, registered: MockConfigEntry, service: Browser, relay: Relay) -> None:
    """A printer that is not loaded takes none."""
    await hass.config_entries.async_unload(registered.entry_id)
    relay.clear()
    await service.post(path_of(registered), json=DELIVERY)
    await settle(hass)
    assert not relay.requests


@pytest.mark.parametrize("trouble", [False, True])
async def test_removal(
    hass: HomeAssistant, relay: Relay, registered: MockConfigEntry, connection: AppConnection, trouble: bool
) -> None:
    """The service is told that nobody listens any more, as far as it can be reached."""
    if trouble:
        relay.drop("octoeverywhere_api")
    await hass.config_entries.async_remove(registered.entry_id)
    assert len(relay.seen(path=DELETE)) >= 1
    assert trouble or connection.apis.webhook_url is None


async def test_id_is_a_secret(
    hass: HomeAssistant, registered: MockConfigEntry, caplog: pytest.LogCaptureFixture
) -> None:
    """Whoever knows it can send events."""
    secret = registered.data["webhook_id"]
    assert secret not in str(await async_get_config_entry_diagnostics(hass, registered))
    assert secret not in str(hass.states.async_all())
    assert not [
        record for record in caplog.records if "octoprint_tunnel" in record.name and secret in record.getMessage()
    ]
