"""OctoEverywhere's notifications: who is asked to send them, and what becomes of what arrives."""

import asyncio
from collections.abc import AsyncGenerator, Callable, Iterator
import gzip
from http import HTTPStatus
import json
import logging
from types import SimpleNamespace
from typing import Any
from unittest.mock import AsyncMock, patch

from aiohttp import ClientSession, web
from aiohttp.test_utils import RawTestServer, TestClient
from freezegun.api import FrozenDateTimeFactory
from hass_nabucasa.cloudhooks import Cloudhooks
import pytest
from pytest_homeassistant_custom_component.common import MockConfigEntry, async_fire_time_changed
from pytest_homeassistant_custom_component.typing import ClientSessionGenerator

from custom_components.octoprint_tunnel.diagnostics import async_get_config_entry_diagnostics
from custom_components.octoprint_tunnel.notifications import RENEW_INTERVAL, START_DELAY
from homeassistant.components.webhook import async_handle_webhook
from homeassistant.config_entries import ConfigEntryState
from homeassistant.core import HomeAssistant
from homeassistant.exceptions import HomeAssistantError
from homeassistant.helpers.json import json_bytes
from homeassistant.setup import async_setup_component
from homeassistant.util import dt as dt_util
from homeassistant.util.aiohttp import MockRequest

from .dialogs import choose, decide, paste, step
from .home import log_lines, settle, state, until, wait
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
async def known(hass: HomeAssistant, reachable: None, entry: MockConfigEntry) -> AsyncGenerator[MockConfigEntry]:
    """Return a printer whose notifications have come here before Home Assistant started; its clock runs."""
    entry.add_to_hass(hass)
    hass.config_entries.async_update_entry(entry, data={**entry.data, "webhook_id": "0123456789abcdef" * 4})
    assert await hass.config_entries.async_setup(entry.entry_id)
    await settle(hass)
    yield entry
    await hass.config_entries.async_unload(entry.entry_id)


@pytest.fixture
async def service(
    hass: HomeAssistant, registered: MockConfigEntry, hass_client_no_auth: ClientSessionGenerator
) -> Browser:
    """Return who delivers."""
    return await hass_client_no_auth()


def troubles(caplog: pytest.LogCaptureFixture) -> list[str]:
    """Return what the log tells somebody to look after, in Home Assistant's words too."""
    theirs = [record for record in caplog.records if record.name == "homeassistant.components.webhook"]
    return log_lines(caplog) + [record.getMessage() for record in theirs if record.levelno > logging.INFO]


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
    """A subscription of Home Assistant Cloud has an address from outside; it goes with the printer."""
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
        """Begin connected, with a subscription and without a webhook."""
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
        """Answer whoever asks for a webhook."""
        self.was_asked.set()
        await self.answering.wait()
        return self.answers()

    def async_active_subscription(self, _hass: HomeAssistant) -> bool:
        """Tell of a subscription."""
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
async def test_cloud_that_fails_is_asked_again(
    hass: HomeAssistant,
    freezer: FrozenDateTimeFactory,
    entry: MockConfigEntry,
    connection: AppConnection,
    real_cloud: Cloud,
    caplog: pytest.LogCaptureFixture,
    fails: Callable[[Cloud], None],
    kind: str,
) -> None:
    """Whatever the cloud raises, the registration is tried again every hour, and the log tells of the first failure."""
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
    lines = [line for line in log_lines(caplog) if "notifications" in line]
    assert lines == [f"Kitchen: no address for notifications from Home Assistant Cloud: {kind}"]
    assert "never retrieved" not in caplog.text
    real_cloud.url, real_cloud.answers = works
    real_cloud.answering.set()
    real_cloud.iot.connected = True
    await wait(hass, freezer, 3601)
    assert connection.apis.webhook_url == "https://hooks.nabu.casa/abc"
    await hass.config_entries.async_remove(entry.entry_id)
    await settle(hass)


async def test_cloud_after_a_move_to_another_service(
    hass: HomeAssistant, obico_entry: MockConfigEntry, cloud: SimpleNamespace
) -> None:
    """The address from outside goes with the printer, whichever service that has by now."""
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


@pytest.mark.parametrize(
    "headers", [{"Content-Type": "text/plain; charset=nonsense"}, {"Content-Type": 'a;b="c'}, {"Content-Type": ""}]
)
async def test_type_of_the_body(
    hass: HomeAssistant,
    registered: MockConfigEntry,
    service: Browser,
    caplog: pytest.LogCaptureFixture,
    headers: dict[str, str],
) -> None:
    """It is JSON, whatever its header says."""
    response = await service.post(path_of(registered), data=json.dumps(DELIVERY), headers=headers)
    assert response.status == HTTPStatus.OK
    await settle(hass)
    assert state(hass, registered, "notification").attributes["progress"] == 42
    assert not troubles(caplog)


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
async def test_body_that_is_none(
    hass: HomeAssistant,
    relay: Relay,
    known: MockConfigEntry,
    hass_client_no_auth: ClientSessionGenerator,
    caplog: pytest.LogCaptureFixture,
    head: str,
    body: bytes,
    answer: bytes | None,
) -> None:
    """No more is read than a notification has, and what never comes is no event."""
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
    assert not troubles(caplog)


async def test_delivery_through_the_cloud(
    hass: HomeAssistant, registered: MockConfigEntry, caplog: pytest.LogCaptureFixture
) -> None:
    """There is no connection then, only what the cloud says that came; its headers are anybody's."""
    for body, status in ((json.dumps(DELIVERY).encode(), HTTPStatus.OK), (b" " * 70_000, 413), (b"", 400)):
        request = MockRequest(body, "cloud", "POST", headers={"Content-Length": "many", "Content-Type": "a/b"})
        answer = await async_handle_webhook(hass, registered.data["webhook_id"], request)
        assert answer.status == status
    await settle(hass)
    assert state(hass, registered, "notification").attributes["progress"] == 42
    assert not troubles(caplog)


async def test_flood(
    hass: HomeAssistant,
    freezer: FrozenDateTimeFactory,
    relay: Relay,
    registered: MockConfigEntry,
    service: Browser,
    caplog: pytest.LogCaptureFixture,
) -> None:
    """Of hundreds of deliveries ten become events, then one each second; the log tells once that some are dropped."""
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
    assert troubles(caplog) == ["Kitchen: too many notifications at once, some are dropped"]
    for progress in (1, 2):
        await service.post(path_of(registered), json={**DELIVERY, "Progress": progress})
        await settle(hass)
        assert state(hass, registered, "notification").attributes["progress"] == progress


async def test_events_of_a_print_are_all_shown(
    hass: HomeAssistant, freezer: FrozenDateTimeFactory, registered: MockConfigEntry, service: Browser
) -> None:
    """What happens at once, as at the end of a print, and what follows second by second."""
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
    """A flood that lasts is told of once, and the next one once again."""
    for _ in range(2):
        for _ in range(30):
            await service.post(path_of(registered), json=DELIVERY)
            await settle(hass)
            freezer.tick(0.5)
        freezer.tick(60)
    assert troubles(caplog) == ["Kitchen: too many notifications at once, some are dropped"] * 2


@pytest.mark.parametrize("character", ["a", '"', "\\", "\u20ac", "\U0001f5a8", "%20"])
async def test_largest_delivery(
    hass: HomeAssistant, registered: MockConfigEntry, service: Browser, character: str
) -> None:
    """Home Assistant's history drops attributes of 16 kB and more."""
    url = "https://octoeverywhere.com/" + character * (4096 // len(character) - 30)
    texts = dict.fromkeys(("PrintId", "FileName", "Error", "PlatformErrorCode"), character * 1000)
    body = json.dumps({**DELIVERY, **texts, "SnapshotUrl": url}, ensure_ascii=False)
    assert (await service.post(path_of(registered), data=body.encode())).status == HTTPStatus.OK
    await settle(hass)
    attributes = state(hass, registered, "notification").attributes
    assert attributes["event_type"] == "progress"
    assert len(json_bytes(dict(attributes))) < 16_384


@pytest.mark.parametrize(
    ("field", "name"),
    [
        ("Progress", "progress"),
        ("DurationSec", "duration"),
        ("TimeRemainingSec", "time_left"),
        ("ZOffsetMM", "height"),
        ("CurrentLayer", "layer"),
        ("TotalLayers", "layers"),
        ("PlatformErrorCode", "error_code"),
    ],
)
@pytest.mark.parametrize("number", ["1e20", "-1e20", "1e400", "NaN", "-Infinity", "9" * 5000, "true", "[1]", "{}"])
async def test_number_beyond_what_is_real(
    hass: HomeAssistant, registered: MockConfigEntry, service: Browser, field: str, name: str, number: str
) -> None:
    """It is left out, and takes no other field with it; everything can be written to Home Assistant's history."""
    body = json.dumps({**DELIVERY, field: None}).replace(f'"{field}": null', f'"{field}": {number}')
    assert (await service.post(path_of(registered), data=body)).status == HTTPStatus.OK
    await settle(hass)
    shown = state(hass, registered, "notification").attributes
    assert shown["file"] == "part.gcode"
    assert name not in shown or (name, shown[name]) == ("progress", 100)
    assert json_bytes([each.as_dict() for each in hass.states.async_all()])


async def test_long_texts(
    hass: HomeAssistant, registered: MockConfigEntry, service: Browser, caplog: pytest.LogCaptureFixture
) -> None:
    """What no printer says is cut off: Home Assistant's history takes no more with a state."""
    body = {**DELIVERY, **dict.fromkeys(("Error", "FileName", "PrintId", "PlatformErrorCode"), "x" * 15_000)}
    assert (await service.post(path_of(registered), json=body)).status == HTTPStatus.OK
    await settle(hass)
    told = state(hass, registered, "notification").attributes
    assert len(json.dumps(dict(told))) < 16_384
    assert told["error"].startswith("xxx")


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


async def test_new_connection(
    hass: HomeAssistant,
    freezer: FrozenDateTimeFactory,
    relay: Relay,
    registered: MockConfigEntry,
    connection: AppConnection,
) -> None:
    """The webhook outlives an App Connection that is replaced: it is Home Assistant's, and made public once."""
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
async def test_webhook_of_a_connection_that_is_replaced(
    hass: HomeAssistant,
    relay: Relay,
    registered: MockConfigEntry,
    connection: AppConnection,
    obico_entry: MockConfigEntry,
    trouble: bool,
) -> None:
    """The service is asked once to delete the webhook of the old connection, whichever service the new one is of."""
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


async def test_webhook_stays_with_its_connection(
    hass: HomeAssistant, relay: Relay, registered: MockConfigEntry, connection: AppConnection
) -> None:
    """A reload, or a new API key, deletes nothing."""
    hass.config_entries.async_update_entry(registered, data={**registered.data, "printer_name": "Cellar"})
    await hass.config_entries.async_reload(registered.entry_id)
    await settle(hass)
    assert connection.apis.webhook_url
    assert not relay.seen(path=DELETE)


async def test_unloaded_while_registering(
    hass: HomeAssistant, relay: Relay, reachable: None, entry: MockConfigEntry
) -> None:
    """A printer that goes while the service is asked is not registered again by anybody."""
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
