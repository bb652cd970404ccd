"""OctoEverywhere's notifications: the registration of the webhook, and the deliveries to it."""

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable, Iterator
from dataclasses import replace
from datetime import timedelta
import gzip
from http import HTTPStatus
import json
import logging
import random
from types import SimpleNamespace
from typing import Any
from unittest.mock import AsyncMock, patch

from aiohttp import ClientSession, web
from aiohttp.test_utils import RawTestServer, TestClient
from freezegun.api import FrozenDateTimeFactory
from hass_nabucasa.cloudhooks import CloudhookApiError, Cloudhooks
import pytest
from pytest_homeassistant_custom_component.common import MockConfigEntry, async_fire_time_changed
from pytest_homeassistant_custom_component.typing import ClientSessionGenerator
from yarl import URL

from custom_components.octoprint_tunnel.api.octoprint.print_event import PrintEvent, PrintEventType
from custom_components.octoprint_tunnel.coordinator import PrinterCoordinator, TunnelCoordinator
from custom_components.octoprint_tunnel.diagnostics import async_get_config_entry_diagnostics
from custom_components.octoprint_tunnel.notifications import RENEW_INTERVAL, START_DELAY
from homeassistant.components.webhook import async_handle_webhook
from homeassistant.config_entries import ConfigEntryState
from homeassistant.core import HomeAssistant
from homeassistant.exceptions import HomeAssistantError
from homeassistant.helpers.json import json_bytes
from homeassistant.helpers.update_coordinator import DataUpdateCoordinator
from homeassistant.setup import async_setup_component
from homeassistant.util import dt as dt_util
from homeassistant.util.aiohttp import MockRequest

from .dialogs import choose, decide, paste, step
from .home import NO_ADDRESS, log_lines, settle, state, system_information, unload, until, wait
from .relay.app_apis import AppApis
from .relay.octoeverywhere import AppConnection
from .relay.server import Relay

TEST = "/api/appconnection/TestWebhook"
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
    """Let Home Assistant have an address on the internet."""
    assert await async_setup_component(hass, "webhook", {})
    hass.config.external_url = "https://home.example.com"


type Deliver = Callable[[str, dict[str, Any]], Awaitable[None]]


@pytest.fixture
async def service(reachable: None, hass_client_no_auth: ClientSessionGenerator) -> Browser:
    """Return the client that delivers."""
    return await hass_client_no_auth()


@pytest.fixture
def deliver(service: Browser) -> Deliver:
    """Return a function that delivers to a webhook's address."""

    async def deliver(url: str, body: dict[str, Any]) -> None:
        assert (await service.post(URL(url).path, json=body)).status == HTTPStatus.OK

    return deliver


@pytest.fixture
async def registered(
    hass: HomeAssistant,
    freezer: FrozenDateTimeFactory,
    reachable: None,
    deliver: Deliver,
    connection: AppConnection,
    entry: MockConfigEntry,
) -> AsyncGenerator[MockConfigEntry]:
    """Return a printer whose webhook is registered and verified."""
    connection.apis.deliver = deliver
    entry.add_to_hass(hass)
    assert await hass.config_entries.async_setup(entry.entry_id)
    await settle(hass)
    await wait(hass, freezer, 31)
    await wait(hass, freezer, 121)
    yield entry
    if entry.state is ConfigEntryState.LOADED:
        await unload(hass, entry)


@pytest.fixture
async def known(hass: HomeAssistant, reachable: None, entry: MockConfigEntry) -> AsyncGenerator[MockConfigEntry]:
    """Return a printer whose webhook was registered before Home Assistant started. The clock is not frozen."""
    entry.add_to_hass(hass)
    hass.config_entries.async_update_entry(entry, data={**entry.data, "webhook_id": "0123456789abcdef" * 4})
    assert await hass.config_entries.async_setup(entry.entry_id)
    await settle(hass)
    yield entry
    await hass.config_entries.async_unload(entry.entry_id)


def warnings(caplog: pytest.LogCaptureFixture) -> list[str]:
    """Return the log lines from info up, and the warnings of Home Assistant's webhooks."""
    theirs = [record for record in caplog.records if record.name == "homeassistant.components.webhook"]
    return log_lines(caplog) + [record.getMessage() for record in theirs if record.levelno > logging.INFO]


def path_of(entry: MockConfigEntry) -> str:
    """Return the path of the webhook."""
    return f"/api/webhook/{entry.data['webhook_id']}"


async def test_registration(
    hass: HomeAssistant,
    freezer: FrozenDateTimeFactory,
    relay: Relay,
    registered: MockConfigEntry,
    connection: AppConnection,
) -> None:
    """The webhook is registered once, and again before the service forgets it."""
    assert connection.apis.webhook_url == f"https://home.example.com{path_of(registered)}"
    assert len(relay.seen(path=SET)) == 1
    await wait(hass, freezer, 29 * DAY)
    assert len(relay.seen(path=SET)) == 1
    await wait(hass, freezer, 1 * DAY + 60)
    assert len(relay.seen(path=SET)) == 2


async def test_failed_registration_is_retried(
    hass: HomeAssistant,
    freezer: FrozenDateTimeFactory,
    relay: Relay,
    reachable: None,
    entry: MockConfigEntry,
    connection: AppConnection,
    caplog: pytest.LogCaptureFixture,
) -> None:
    """It is retried every hour, without a log line."""
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


async def test_verification(
    hass: HomeAssistant, relay: Relay, registered: MockConfigEntry, connection: AppConnection, deliver: Deliver
) -> None:
    """The test that was requested is no event; one that the user requests is."""
    assert len(relay.seen(path=TEST)) == 1
    assert state(hass, registered, "notification").state == "unknown"
    shown = await diagnosed(hass, registered)
    assert (shown["failure"], shown["unreachable"]) == (None, None)
    assert shown["registered_at"] == shown["verified_at"] == shown["last_delivery_at"] is not None
    assert (await system_information(hass))["notifications"] == 1
    assert connection.apis.webhook_url
    await deliver(connection.apis.webhook_url, {"EventType": 16})
    await settle(hass)
    assert state(hass, registered, "notification").attributes["event_type"] == "test"


async def test_test_that_is_not_delivered(
    hass: HomeAssistant,
    freezer: FrozenDateTimeFactory,
    relay: Relay,
    deliver: Deliver,
    entry: MockConfigEntry,
    connection: AppConnection,
    caplog: pytest.LogCaptureFixture,
) -> None:
    """The webhook is registered again, at first after about an hour, then less often, without a log line."""
    entry.add_to_hass(hass)
    assert await hass.config_entries.async_setup(entry.entry_id)
    await wait(hass, freezer, 31)
    await wait(hass, freezer, 121)
    assert (await diagnosed(hass, entry))["failure"] == "not_delivered"
    assert (await system_information(hass))["notifications"] == 0
    for _ in range(2 * 24):
        await wait(hass, freezer, 3600)
    assert 4 <= len(relay.seen(path=SET)) <= 7
    connection.apis.deliver = deliver
    for _ in range(30):
        await wait(hass, freezer, 3600)
    shown = await diagnosed(hass, entry)
    assert shown["failure"] is None
    assert shown["verified_at"]
    assert not log_lines(caplog)
    await hass.config_entries.async_unload(entry.entry_id)


type Prints = Callable[[MockConfigEntry, PrintEventType], None]


@pytest.fixture
def prints(monkeypatch: pytest.MonkeyPatch) -> Prints:
    """Return a function that shows an event of a print; all polls return what is known from then on."""

    async def known[DataT](coordinator: DataUpdateCoordinator[DataT]) -> DataT:
        return coordinator.data

    def show(entry: MockConfigEntry, kind: PrintEventType) -> None:
        printer: PrinterCoordinator = entry.runtime_data.printer
        for coordinator in (PrinterCoordinator, TunnelCoordinator):
            monkeypatch.setattr(coordinator, "_async_fetch", known)
        printer.async_set_updated_data(replace(printer.data, events=(PrintEvent(type=kind),)))

    return show


async def test_print_without_notifications(
    hass: HomeAssistant,
    freezer: FrozenDateTimeFactory,
    relay: Relay,
    prints: Prints,
    registered: MockConfigEntry,
    connection: AppConnection,
    deliver: Deliver,
) -> None:
    """A webhook that the service has disabled is found out when a print has no notification, and set again."""
    url = connection.apis.webhook_url
    assert url
    # A print on the same day, and one with its notification, cause no request.
    prints(registered, PrintEventType.STARTED)
    await wait(hass, freezer, 121)
    await wait(hass, freezer, DAY)
    prints(registered, PrintEventType.STARTED)
    await deliver(url, DELIVERY | {"EventType": 1})
    await wait(hass, freezer, 121)
    assert (len(relay.seen(path=TEST)), len(relay.seen(path=SET))) == (1, 1)
    # An account whose notifications of this day are used up gets the test.
    await wait(hass, freezer, DAY)
    prints(registered, PrintEventType.DONE)
    await wait(hass, freezer, 121)
    await wait(hass, freezer, 121)
    assert (len(relay.seen(path=TEST)), len(relay.seen(path=SET))) == (2, 1)
    assert (await diagnosed(hass, registered))["failure"] is None
    connection.apis.disable_webhook()
    await wait(hass, freezer, DAY)
    prints(registered, PrintEventType.PAUSED)
    await wait(hass, freezer, 121)
    assert len(relay.seen(path=TEST)) == 2
    prints(registered, PrintEventType.STARTED)
    await wait(hass, freezer, 121)
    await wait(hass, freezer, 121)
    assert (await diagnosed(hass, registered))["failure"] == "not_delivered"
    await wait(hass, freezer, 4000)
    await wait(hass, freezer, 121)
    assert connection.apis.webhook_url == url
    assert (await diagnosed(hass, registered))["failure"] is None


class Trouble:
    """What can prevent notifications, at random."""

    def __init__(self, hass: HomeAssistant, relay: Relay, apis: AppApis, deliver: Deliver, cloud: Any) -> None:
        """Begin without trouble."""
        self._hass, self._relay, self._apis, self._deliver, self._cloud = hass, relay, apis, deliver, cloud
        self.chance = random.Random(19)
        self.heal()

    def heal(self) -> None:
        """End it, except that a webhook that the service has disabled stays so."""
        self._relay.heal()
        self._apis.deliver = self._deliver
        self._hass.config.external_url = "https://home.example.com"
        if self._cloud:
            self._cloud.async_get_or_create_cloudhook.side_effect = None

    def begin(self) -> None:
        """Begin one or two kinds of it."""
        codes = 400, 404, 500, 502, *range(600, 614)
        for _ in range(self.chance.randint(1, 2)):
            match self.chance.randint(0, 6):
                case 0:
                    self._apis.deliver = None
                case 1:
                    self._apis.disable_webhook()
                case 2:
                    self._hass.config.external_url = None
                case 3 if self._cloud:
                    errors = HomeAssistantError, TimeoutError, ValueError, CloudhookApiError
                    self._cloud.async_get_or_create_cloudhook.side_effect = self.chance.choice(errors)
                case 4:
                    self._relay.fail("octoeverywhere_api", self.chance.choice(codes), path=SET)
                case 5:
                    self._relay.fail("octoeverywhere_api", self.chance.choice(codes), path=TEST)
                case _:
                    self._relay.drop("octoeverywhere_api")


@pytest.mark.long
@pytest.mark.parametrize("is_cloud", [False, True])
async def test_200_days_of_failures(
    hass: HomeAssistant,
    freezer: FrozenDateTimeFactory,
    relay: Relay,
    prints: Prints,
    deliver: Deliver,
    request: pytest.FixtureRequest,
    entry: MockConfigEntry,
    connection: AppConnection,
    is_cloud: bool,
    caplog: pytest.LogCaptureFixture,
) -> None:
    """Each failure heals: two days with prints after the last one, notifications arrive."""
    cloud = request.getfixturevalue("cloud") if is_cloud else None
    entry.add_to_hass(hass)
    assert await hass.config_entries.async_setup(entry.entry_id)
    await wait(hass, freezer, 31)

    async def deliver_any(_url: str, body: dict[str, Any]) -> None:
        await deliver(path_of(entry), body)

    trouble = Trouble(hass, relay, connection.apis, deliver_any, cloud)
    for _ in range(50):  # of four days each
        trouble.begin()
        for hours in range(0, 96, 6):
            if hours == 42:
                trouble.heal()
            if hours % 12 == 0:
                prints(entry, trouble.chance.choice((PrintEventType.STARTED, PrintEventType.DONE)))
                if connection.apis.webhook_url and connection.apis.deliver:
                    await connection.apis.deliver(connection.apis.webhook_url, DELIVERY)
            for seconds in (150, 150, 6 * 3600 - 300):
                await wait(hass, freezer, seconds)
        shown = await diagnosed(hass, entry)
        assert (shown["failure"], shown["unreachable"]) == (None, None)
        assert connection.apis.webhook_url
        assert shown["verified_at"] > dt_util.utcnow() - timedelta(days=3)
    assert not [record for record in caplog.records if record.levelno >= logging.ERROR and "octoprint" in record.name]
    await hass.config_entries.async_unload(entry.entry_id)


async def diagnosed(hass: HomeAssistant, entry: MockConfigEntry) -> dict[str, Any]:
    """Return what diagnostics contain about notifications."""
    shown: dict[str, Any] = (await async_get_config_entry_diagnostics(hass, entry))["notifications"]
    return shown


@pytest.mark.parametrize("url", [None, "http://home.example.com", "https://192.168.1.5:8123"])
async def test_no_public_address(
    hass: HomeAssistant,
    freezer: FrozenDateTimeFactory,
    relay: Relay,
    entry: MockConfigEntry,
    caplog: pytest.LogCaptureFixture,
    url: str | None,
) -> None:
    """Nothing is registered without a public https address. The event is unavailable until there is one."""
    hass.config.external_url = url
    entry.add_to_hass(hass)
    assert await hass.config_entries.async_setup(entry.entry_id)
    assert state(hass, entry, "notification").state == "unavailable"
    for seconds in (31, 61, 3601):
        await wait(hass, freezer, seconds)
    assert not relay.seen(path=SET)
    assert "webhook_id" not in entry.data
    assert state(hass, entry, "notification").state == "unavailable"
    assert (await diagnosed(hass, entry))["unreachable"] == "no_https_address"
    assert caplog.messages.count(f"Kitchen: {NO_ADDRESS}") == 1

    hass.config.external_url = "https://home.example.com"
    await wait(hass, freezer, 61)
    assert len(relay.seen(path=SET)) == 1
    assert state(hass, entry, "notification").state == "unknown"
    assert (await diagnosed(hass, entry))["unreachable"] is None
    await hass.config_entries.async_unload(entry.entry_id)


@pytest.fixture
def cloud(hass: HomeAssistant) -> Iterator[SimpleNamespace]:
    """Return a subscription of Home Assistant Cloud."""
    cloud = SimpleNamespace(
        CloudNotAvailable=HomeAssistantError,
        async_active_subscription=lambda _: True,
        async_get_or_create_cloudhook=AsyncMock(return_value="https://hooks.nabu.casa/abc"),
        async_delete_cloudhook=AsyncMock(),
    )
    hass.config.components.add("cloud")
    with patch("homeassistant.components.cloud", cloud, create=True):
        yield cloud


async def test_cloud(
    hass: HomeAssistant,
    freezer: FrozenDateTimeFactory,
    entry: MockConfigEntry,
    connection: AppConnection,
    cloud: SimpleNamespace,
) -> None:
    """The webhook of Home Assistant Cloud is registered, and deleted with the printer."""
    entry.add_to_hass(hass)
    assert await hass.config_entries.async_setup(entry.entry_id)
    await wait(hass, freezer, 31)
    assert connection.apis.webhook_url == "https://hooks.nabu.casa/abc"
    await hass.config_entries.async_remove(entry.entry_id)
    cloud.async_delete_cloudhook.assert_awaited_once()


class Cloud:
    """Home Assistant Cloud's own client, as far as webhooks go, with a server of the test's behind it.

    The `cloud` component cannot be imported without what it requires of others; what it does of these is one call.
    """

    CloudNotAvailable = HomeAssistantError

    def __init__(self, session: ClientSession) -> None:
        """Start connected, with a subscription and without a webhook."""
        self.answers: Callable[[], web.StreamResponse] = lambda: web.json_response(
            {"url": "https://hooks.nabu.casa/abc", "cloudhook_id": "abc"}
        )
        self.answering = asyncio.Event()
        self.answering.set()
        self.was_asked = asyncio.Event()
        self.url = ""
        self.websession = session
        self.id_token = "token"
        self.is_connected = self.subscription_expired = False
        self.iot = SimpleNamespace(connected=True, register_on_connect=lambda _: None)
        self.client = SimpleNamespace(cloudhooks={}, client_name="test", async_cloudhooks_update=AsyncMock())
        self.auth = SimpleNamespace(async_check_token=AsyncMock())
        self.service_discovery = SimpleNamespace(async_action_url=AsyncMock(side_effect=lambda action: self.url))
        self.events = SimpleNamespace(publish=AsyncMock())
        self.cloudhooks = Cloudhooks(self)  # type: ignore[arg-type]

    async def answer(self, _request: web.BaseRequest) -> web.StreamResponse:
        """Respond to a request for a webhook."""
        self.was_asked.set()
        await self.answering.wait()
        return self.answers()

    def async_active_subscription(self, _hass: HomeAssistant) -> bool:
        """Return that there is a subscription."""
        return True

    async def async_get_or_create_cloudhook(self, _hass: HomeAssistant, webhook_id: str) -> str:
        """Create a webhook as the component does."""
        return str((await self.cloudhooks.async_create(webhook_id, True))["cloudhook_url"])

    async def async_delete_cloudhook(self, _hass: HomeAssistant, webhook_id: str) -> None:
        """Delete a webhook as the component does."""
        await self.cloudhooks.async_delete(webhook_id)


@pytest.fixture
async def real_cloud(hass: HomeAssistant, socket_enabled: None) -> AsyncGenerator[Cloud]:
    """Return Home Assistant Cloud's own client."""
    async with ClientSession() as session:
        cloud = Cloud(session)
        async with RawTestServer(cloud.answer) as server:
            cloud.url = str(server.make_url("/webhook"))
            hass.config.components.add("cloud")
            with patch("homeassistant.components.cloud", cloud, create=True):
                yield cloud
            cloud.answering.set()


def _refuses(cloud: Cloud) -> None:
    cloud.answers = lambda: web.json_response({"message": "no"}, status=500)


def _answers_nonsense(cloud: Cloud) -> None:
    cloud.answers = lambda: web.Response(text="<html>")


def _hangs(cloud: Cloud) -> None:
    cloud.answering.clear()


def _is_not_connected(cloud: Cloud) -> None:
    cloud.iot.connected = False


def _is_away(cloud: Cloud) -> None:
    cloud.url = "http://127.0.0.1:1/"


@pytest.mark.parametrize(
    ("fails", "kind"),
    [
        (_refuses, "CloudhookApiError"),
        (_answers_nonsense, "CloudhookApiError"),
        (_hangs, "TimeoutError"),
        (_is_not_connected, "ValueError"),
        (_is_away, "CloudhookApiError"),
    ],
)
async def test_failing_cloud_is_retried(
    hass: HomeAssistant,
    freezer: FrozenDateTimeFactory,
    entry: MockConfigEntry,
    connection: AppConnection,
    real_cloud: Cloud,
    caplog: pytest.LogCaptureFixture,
    fails: Callable[[Cloud], None],
    kind: str,
) -> None:
    """The registration is retried every hour after any error, and the first failure is logged."""
    works = real_cloud.url, real_cloud.answers
    fails(real_cloud)
    entry.add_to_hass(hass)
    assert await hass.config_entries.async_setup(entry.entry_id)
    await settle(hass)
    for seconds in (31, 3601, 3601):
        freezer.tick(seconds)
        async_fire_time_changed(hass)
        if fails is _hangs:
            await real_cloud.was_asked.wait()
            real_cloud.was_asked.clear()
            await wait(hass, freezer, 11)
        await settle(hass)
        assert connection.apis.webhook_url is None
    assert state(hass, entry, "notification").state == "unavailable"
    assert (await diagnosed(hass, entry))["unreachable"] == "cloud_failed"
    lines = [line for line in log_lines(caplog) if "notifications" in line]
    assert lines == [f"Kitchen: no address for notifications from Home Assistant Cloud: {kind}"]
    assert "never retrieved" not in caplog.text
    real_cloud.url, real_cloud.answers = works
    real_cloud.answering.set()
    real_cloud.iot.connected = True
    await wait(hass, freezer, 3601)
    assert connection.apis.webhook_url == "https://hooks.nabu.casa/abc"
    assert state(hass, entry, "notification").state == "unknown"
    await hass.config_entries.async_remove(entry.entry_id)
    await settle(hass)


async def test_cloud_after_a_move_to_another_service(
    hass: HomeAssistant, obico_entry: MockConfigEntry, cloud: SimpleNamespace
) -> None:
    """The cloud's webhook is deleted with a printer that has moved to Obico."""
    obico_entry.add_to_hass(hass)
    data = {**obico_entry.data, "webhook_id": "0123456789abcdef" * 4}
    hass.config_entries.async_update_entry(obico_entry, data=data)
    await hass.config_entries.async_remove(obico_entry.entry_id)
    cloud.async_delete_cloudhook.assert_awaited_once_with(hass, data["webhook_id"])


async def test_delivery(
    hass: HomeAssistant,
    freezer: FrozenDateTimeFactory,
    relay: Relay,
    registered: MockConfigEntry,
    service: Browser,
) -> None:
    """It becomes an event and refreshes the printer, as long as the printer is loaded."""
    assert state(hass, registered, "notification").state == "unknown"
    relay.clear()
    response = await service.post(path_of(registered), json=DELIVERY)
    assert response.status == HTTPStatus.OK
    await settle(hass)
    attributes = state(hass, registered, "notification").attributes
    shown = set(attributes) - {"event_types", "friendly_name"}
    assert {name: attributes[name] for name in shown} == {
        "event_type": "progress",
        "print_id": "print-1",
        "file": "part.gcode",
        "progress": 42,
        "duration": 60,
        "time_left": 90,
        "height": 1.2,
        "layer": 6,
        "layers": 100,
        "snapshot_url": "https://octoeverywhere.com/snapshot/1",
    }
    assert relay.seen("tunnel")
    await hass.config_entries.async_unload(registered.entry_id)
    relay.clear()
    await service.post(path_of(registered), json=DELIVERY)
    await settle(hass)
    assert not relay.requests


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
    """A request that is no notification has no effect."""
    relay.clear()
    response = await service.request(method, path_of(registered), data=body)
    assert response.status != HTTPStatus.OK or method != "POST"
    await settle(hass)
    assert state(hass, registered, "notification").state == "unknown"
    assert not relay.requests
    assert not log_lines(caplog)


@pytest.mark.parametrize(
    "headers", [{"Content-Type": "text/plain; charset=nonsense"}, {"Content-Type": 'a;b="c'}, {"Content-Type": ""}]
)
async def test_content_type_is_ignored(
    hass: HomeAssistant,
    registered: MockConfigEntry,
    service: Browser,
    caplog: pytest.LogCaptureFixture,
    headers: dict[str, str],
) -> None:
    """The body is JSON in any case."""
    response = await service.post(path_of(registered), data=json.dumps(DELIVERY), headers=headers)
    assert response.status == HTTPStatus.OK
    await settle(hass)
    assert state(hass, registered, "notification").attributes["progress"] == 42
    assert not warnings(caplog)


CHUNK = b"10000\r\n" + b" " * 0x10000 + b"\r\n"


@pytest.mark.parametrize(
    ("head", "body", "answer"),
    [
        ("Content-Length: 99999999", b" " * 70_000, b"413"),
        ("Transfer-Encoding: chunked", CHUNK * 3, b"413"),
        ("Content-Length: many", b"{}", b"400"),
        ("Content-Length: -1", b"{}", b"400"),
        ("Content-Length: 2\r\nContent-Length: 3", b"{}", b"400"),
        ("Transfer-Encoding: chunked", b"zz\r\n{}\r\n", b"400"),
        ("Content-Encoding: gzip\r\nContent-Length: 9", b"not gzip!", b"400"),
        ("Content-Encoding: gzip\r\nContent-Length: {}", gzip.compress(b" " * 20_000_000), b"413"),
        ("Content-Length: 400", b"{", None),
        ("Transfer-Encoding: chunked", b"400\r\n{", None),
    ],
    ids=[
        "too long",
        "too long in chunks",
        "no number",
        "negative",
        "two lengths",
        "no chunk",
        "no gzip",
        "unfolds without end",
        "cut off",
        "cut off in a chunk",
    ],
)
async def test_invalid_bodies(
    hass: HomeAssistant,
    relay: Relay,
    known: MockConfigEntry,
    hass_client_no_auth: ClientSessionGenerator,
    caplog: pytest.LogCaptureFixture,
    head: str,
    body: bytes,
    answer: bytes | None,
) -> None:
    """No more is read than the size limit, and an incomplete body is no event."""
    caplog.set_level(logging.DEBUG)
    relay.clear()
    browser = await hass_client_no_auth()
    reader, writer = await asyncio.open_connection("127.0.0.1", browser.port)
    lines = f"POST {path_of(known)} HTTP/1.1", "Host: home.example.com", head.format(len(body)), "", ""
    writer.write("\r\n".join(lines).encode() + body)
    if answer:
        assert (await reader.readline()).split()[1] == answer
    else:
        await until(lambda: "Handling webhook" in caplog.text)
    writer.close()
    if not answer:
        await until(lambda: "premature client disconnection" in caplog.text)
    await settle(hass)
    assert state(hass, known, "notification").state == "unknown"
    assert not relay.requests
    assert not warnings(caplog)


async def test_delivery_through_the_cloud(
    hass: HomeAssistant, registered: MockConfigEntry, caplog: pytest.LogCaptureFixture
) -> None:
    """Its request has no connection, and headers of any sender."""
    for body, status in ((json.dumps(DELIVERY).encode(), HTTPStatus.OK), (b" " * 70_000, 413), (b"", 400)):
        request = MockRequest(body, "cloud", "POST", headers={"Content-Length": "many", "Content-Type": "a/b"})
        answer = await async_handle_webhook(hass, registered.data["webhook_id"], request)
        assert answer.status == status
    await settle(hass)
    assert state(hass, registered, "notification").attributes["progress"] == 42
    assert not warnings(caplog)


async def test_flood(
    hass: HomeAssistant,
    freezer: FrozenDateTimeFactory,
    relay: Relay,
    registered: MockConfigEntry,
    service: Browser,
    caplog: pytest.LogCaptureFixture,
) -> None:
    """Ten deliveries at once become events, then one per second. The first dropped one is logged."""
    changes = []
    hass.bus.async_listen("state_changed", lambda event: changes.append(event.data["entity_id"]))
    relay.clear()
    for burst in range(4):
        bodies = ({**DELIVERY, "Progress": burst + number / 100} for number in range(50))
        answers = await asyncio.gather(*(service.post(path_of(registered), json=body) for body in bodies))
        assert {answer.status for answer in answers} == {HTTPStatus.OK}
    await settle(hass)
    assert changes.count("event.kitchen_notification") == 10
    assert 0 < len(relay.seen("tunnel")) <= 4
    relay.clear()
    await wait(hass, freezer, 10)
    assert 0 < len(relay.seen("tunnel")) <= 4
    assert warnings(caplog) == ["Kitchen: too many notifications at once, some are dropped"]
    for progress in (1, 2):
        await service.post(path_of(registered), json={**DELIVERY, "Progress": progress})
        await settle(hass)
        assert state(hass, registered, "notification").attributes["progress"] == progress


async def test_events_of_a_print_are_all_shown(
    hass: HomeAssistant, freezer: FrozenDateTimeFactory, registered: MockConfigEntry, service: Browser
) -> None:
    """Several events at once, as at the end of a print, and one each second after that."""
    shown = []
    hass.bus.async_listen(
        "state_changed", lambda event: shown.append(event.data["new_state"].attributes.get("progress"))
    )
    for progress in range(20):
        await service.post(path_of(registered), json={**DELIVERY, "Progress": progress})
        await settle(hass)
        freezer.tick(0 if progress < 9 else 1)
    assert [progress for progress in shown if progress is not None] == list(range(20))


async def test_steady_flood(
    hass: HomeAssistant,
    freezer: FrozenDateTimeFactory,
    registered: MockConfigEntry,
    service: Browser,
    caplog: pytest.LogCaptureFixture,
) -> None:
    """A flood is logged once however long it lasts, and so is the next one."""
    for _ in range(2):
        for _ in range(30):
            await service.post(path_of(registered), json=DELIVERY)
            await settle(hass)
            freezer.tick(0.5)
        freezer.tick(60)
    assert warnings(caplog) == ["Kitchen: too many notifications at once, some are dropped"] * 2


@pytest.mark.parametrize("character", ["a", '"', "\\", "\u20ac", "\U0001f5a8", "%20"])
async def test_largest_delivery(
    hass: HomeAssistant, registered: MockConfigEntry, service: Browser, character: str
) -> None:
    """Its attributes stay below the 16 kB that Home Assistant's history takes."""
    url = "https://octoeverywhere.com/" + character * (4096 // len(character) - 30)
    texts = dict.fromkeys(("PrintId", "FileName", "Error", "PlatformErrorCode"), character * 1000)
    body = json.dumps({**DELIVERY, **texts, "SnapshotUrl": url}, ensure_ascii=False)
    assert (await service.post(path_of(registered), data=body.encode())).status == HTTPStatus.OK
    await settle(hass)
    attributes = state(hass, registered, "notification").attributes
    assert attributes["event_type"] == "progress"
    assert len(json_bytes(dict(attributes))) < 16_384


async def test_new_connection(
    hass: HomeAssistant,
    freezer: FrozenDateTimeFactory,
    relay: Relay,
    registered: MockConfigEntry,
    connection: AppConnection,
) -> None:
    """The same webhook is registered with a new App Connection, and deleted from the old one."""
    before = registered.data["webhook_id"]
    connection.revoked = True
    new = relay.octoeverywhere.add_connection()
    result = await registered.start_reauth_flow(hass)
    result = await choose(hass, await step(hass, result, {}), "octoeverywhere_paste")
    result = await step(hass, result, paste(relay, new, with_api_key=False))
    result = await decide(hass, result, "replace")
    assert result["reason"] == "reauth_successful"
    await settle(hass)
    await wait(hass, freezer, 31)
    assert registered.data["webhook_id"] == before
    assert [request.headers["AppToken"] for request in relay.seen(path=DELETE)] == [connection.app_token]
    assert new.apis.webhook_url == f"https://home.example.com{path_of(registered)}"
    assert len(hass.data["webhook"]) == 1


@pytest.mark.parametrize("trouble", [False, True])
async def test_webhook_of_a_replaced_connection(
    hass: HomeAssistant,
    relay: Relay,
    registered: MockConfigEntry,
    connection: AppConnection,
    obico_entry: MockConfigEntry,
    trouble: bool,
) -> None:
    """It is deleted once, also if the new connection is one of Obico."""
    assert connection.apis.webhook_url
    if trouble:
        relay.fail("octoeverywhere_api", 604, path=DELETE)
    relay.clear()
    data = {**obico_entry.data, "webhook_id": registered.data["webhook_id"]}
    hass.config_entries.async_update_entry(registered, data=data)
    await hass.config_entries.async_reload(registered.entry_id)
    await settle(hass)
    [request] = relay.seen(path=DELETE)
    assert request.headers["AppToken"] == connection.app_token
    assert trouble or connection.apis.webhook_url is None
    await hass.config_entries.async_reload(registered.entry_id)
    await settle(hass)
    assert len(relay.seen(path=DELETE)) == 1


async def test_webhook_after_a_reload(
    hass: HomeAssistant, relay: Relay, registered: MockConfigEntry, connection: AppConnection
) -> None:
    """A reload with other data of the same connection deletes nothing."""
    hass.config_entries.async_update_entry(registered, data={**registered.data, "printer_name": "Cellar"})
    await hass.config_entries.async_reload(registered.entry_id)
    await settle(hass)
    assert connection.apis.webhook_url
    assert not relay.seen(path=DELETE)


async def test_unloaded_while_registering(
    hass: HomeAssistant, relay: Relay, reachable: None, entry: MockConfigEntry
) -> None:
    """A printer that is unloaded while it registers is not registered again."""
    relay.hang("octoeverywhere_api", path=SET)
    entry.add_to_hass(hass)
    assert await hass.config_entries.async_setup(entry.entry_id)
    await settle(hass)
    async_fire_time_changed(hass, dt_util.utcnow() + START_DELAY)
    await until(lambda: relay.seen(path=SET))
    await hass.config_entries.async_unload(entry.entry_id)
    relay.heal()
    await settle(hass)
    async_fire_time_changed(hass, dt_util.utcnow() + RENEW_INTERVAL)
    await settle(hass)
    assert len(relay.seen(path=SET)) == 1


@pytest.mark.parametrize("trouble", [False, True])
async def test_removal(
    hass: HomeAssistant, relay: Relay, registered: MockConfigEntry, connection: AppConnection, trouble: bool
) -> None:
    """The webhook is deleted from the service if the service can be reached."""
    if trouble:
        relay.drop("octoeverywhere_api")
    await hass.config_entries.async_remove(registered.entry_id)
    assert len(relay.seen(path=DELETE)) >= 1
    assert trouble or connection.apis.webhook_url is None
