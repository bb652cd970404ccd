"""Obico's notifications: one address for the printers of an account, and the deliveries to it."""

from collections.abc import Awaitable, Callable
from dataclasses import replace
from http import HTTPStatus
import json
from types import SimpleNamespace
from typing import Any
from unittest.mock import patch

from aiohttp import web
from aiohttp.test_utils import TestClient
import pytest
from pytest_homeassistant_custom_component.common import MockConfigEntry
from pytest_homeassistant_custom_component.typing import ClientSessionGenerator
from yarl import URL

from custom_components.octoprint_tunnel.account_webhook import async_account_webhook_address
from custom_components.octoprint_tunnel.api.tunnels import tunnel_from_data
from custom_components.octoprint_tunnel.api.tunnels.obico_notifications import ObicoNotifications
from custom_components.octoprint_tunnel.const import CONF_ACCOUNT_WEBHOOK_ID, CONF_PRINTER_ID, DOMAIN
from custom_components.octoprint_tunnel.diagnostics import async_get_config_entry_diagnostics
from custom_components.octoprint_tunnel.identity import kept_data
from homeassistant.core import HomeAssistant
from homeassistant.exceptions import HomeAssistantError
from homeassistant.helpers.aiohttp_client import async_get_clientsession
from homeassistant.setup import async_setup_component

from .dialogs import reconfigure, step
from .home import Home, log_lines, settle, state, system_information
from .test_notifications import cloud

__all__ = ["cloud"]

pytestmark = pytest.mark.parametrize("provider", ["obico"])
BOTH_VERSIONS = pytest.mark.parametrize("octoprint_version", ["1.11", "2.0"])
FAILURE = {"type": "PrintFailure", "is_warning": True, "print_paused": False}
PICTURE = "https://app.obico.io/media/tsd-pics/tagged/1.jpg"

type Deliver = Callable[..., Awaitable[HTTPStatus]]


def body(event: object = "PrintStarted", *, name: object = "Kitchen", number: object = 7, **values: object) -> Any:
    """Return what Obico sends about a printer."""
    kind = {"type": event} if isinstance(event, str) else event
    return {
        "event": kind,
        "printer": {"id": number, "name": name},
        "print": {"id": 5, "filename": "part.gcode"},
        **values,
    }


@pytest.fixture
async def service(hass: HomeAssistant, hass_client_no_auth: ClientSessionGenerator) -> TestClient[Any, Any]:
    """Return the client that delivers; Home Assistant has an address on the internet."""
    assert await async_setup_component(hass, "webhook", {})
    hass.config.external_url = "https://home.example.com"
    return await hass_client_no_auth()


async def ask_for_address(home: Home) -> Any:
    """Ask for the address in the options, and return what the page shows."""
    form = await home.hass.config_entries.options.async_init(home.entry.entry_id)
    schema = form["data_schema"]
    assert schema is not None
    entered = {**schema({}), "show_webhook": True}
    page = await home.hass.config_entries.options.async_configure(form["flow_id"], entered)
    assert page["step_id"] == "webhook"
    done = await home.hass.config_entries.options.async_configure(page["flow_id"], {})
    assert done["type"] == "create_entry"
    assert "show_webhook" not in home.entry.options
    await settle(home.hass)
    return page


@pytest.fixture
async def deliver(home: Home, service: TestClient[Any, Any]) -> Deliver:
    """Return a function that delivers to the address that the options show."""
    address = URL((await ask_for_address(home))["description_placeholders"]["address"])
    assert address.origin() == URL("https://home.example.com")

    async def deliver(delivery: Any) -> HTTPStatus:
        data = delivery if isinstance(delivery, bytes) else json.dumps(delivery).encode()
        response = await service.post(address.path, data=data)
        await settle(home.hass)
        return HTTPStatus(response.status)

    return deliver


async def add_second(home: Home, title: str) -> MockConfigEntry:
    """Add another printer of the account."""
    tunnel = await home.relay.obico.add_tunnel()
    data = {**home.entry.data, "url": tunnel.url, "username": tunnel.user, "password": tunnel.password}
    second = MockConfigEntry(domain=DOMAIN, title=title, unique_id=f"second-{title}", data=data)
    second.add_to_hass(home.hass)
    assert await home.hass.config_entries.async_setup(second.entry_id)
    await settle(home.hass)
    return second


def shown(home: Home, entry: MockConfigEntry | None = None) -> object:
    """Return what the last notification was about, None if there was none."""
    return state(home.hass, entry or home.entry, "notification").attributes.get("event_type")


# Deliveries


@BOTH_VERSIONS
@pytest.mark.parametrize(
    ("event", "expected"),
    [
        ("PrintStarted", "started"),
        ("PrintDone", "complete"),
        ("PrintCancelled", "canceled"),
        ("PrintPaused", "paused"),
        ("PrintResumed", "resumed"),
        ("FilamentChange", "filament_change_required"),
        ("HeaterCooledDown", "heater_cooled_down"),
        ("HeaterTargetReached", "heater_target_reached"),
        (FAILURE, "possible_failure"),
        ({**FAILURE, "is_warning": False, "print_paused": True}, "failure_paused"),
        ("SomethingNew", "unknown"),
    ],
)
async def test_events(home: Home, deliver: Deliver, event: object, expected: str) -> None:
    """Each becomes the event of that printer, with the file and the picture."""
    assert await deliver(body(event, img_url=PICTURE)) == HTTPStatus.OK
    notification = home.state("notification").attributes
    assert (notification["event_type"], notification["file"]) == (expected, "part.gcode")
    assert (notification["snapshot_url"], notification["print_id"]) == (PICTURE, "5")


async def test_test(home: Home, deliver: Deliver) -> None:
    """Obico's test names no printer, so it is for all of them."""
    second = await add_second(home, "Cellar")
    assert await deliver({"event": "TestEvent"}) == HTTPStatus.OK
    assert (shown(home), shown(home, second)) == ("test", "test")


async def test_unavailable_before(home: Home, service: TestClient[Any, Any]) -> None:
    """Until the address was asked for, no notification can come, and nothing listens."""
    assert home.state("notification").state == "unavailable"
    assert CONF_ACCOUNT_WEBHOOK_ID not in home.entry.data
    await ask_for_address(home)
    assert home.state("notification").state == "unknown"


# Which printer


async def test_two_printers(home: Home, deliver: Deliver) -> None:
    """The name decides; from then on the id, also after a printer is renamed on either side."""
    second = await add_second(home, "Cellar")
    await deliver(body("PrintDone", name=" cellar ", number=8))
    assert (shown(home), shown(home, second)) == (None, "complete")
    assert second.data[CONF_PRINTER_ID] == "8"
    home.hass.config_entries.async_update_entry(second, title="Attic")
    await deliver(body("PrintPaused", name="Workshop", number=8))
    assert (shown(home), shown(home, second)) == (None, "paused")
    await deliver(body("PrintPaused", name="Attic", number=9))
    await deliver(body("PrintPaused", name="Cellar", number=9))
    assert shown(home) is None
    await deliver(body("PrintStarted"))
    assert (shown(home), shown(home, second)) == ("started", "paused")


@pytest.mark.parametrize("which", [{}, {"id": 99, "name": "Other"}, {"id": 99}, {"name": "Other"}, {"name": ""}])
async def test_unknown_printer(home: Home, deliver: Deliver, which: dict[str, object]) -> None:
    """A delivery for a printer that is not here changes nothing, and is counted."""
    assert await deliver({**body(), "printer": {"id": 99, **which}}) == HTTPStatus.OK
    assert shown(home) is None
    assert CONF_PRINTER_ID not in home.entry.data
    diagnostics = await async_get_config_entry_diagnostics(home.hass, home.entry)
    assert diagnostics["notifications"]["unknown_printers"] == 1


async def test_delivery_that_names_no_printer(home: Home, deliver: Deliver) -> None:
    """It is not about any, unless it is a test."""
    assert await deliver({"event": {"type": "PrintStarted"}}) == HTTPStatus.OK
    assert shown(home) is None


async def test_two_printers_with_one_name(home: Home, deliver: Deliver) -> None:
    """Neither of them is told."""
    second = await add_second(home, "Kitchen")
    await deliver(body())
    assert (shown(home), shown(home, second)) == (None, None)


async def test_namesake_that_is_not_loaded(home: Home, deliver: Deliver) -> None:
    """It counts, too: its id is not learned by the other one."""
    second = await add_second(home, "Kitchen")
    await home.hass.config_entries.async_unload(second.entry_id)
    await deliver(body())
    assert shown(home) is None
    assert CONF_PRINTER_ID not in home.entry.data


async def test_unloaded_while_a_delivery_arrives(
    home: Home, deliver: Deliver, hass: HomeAssistant, caplog: pytest.LogCaptureFixture
) -> None:
    """The delivery changes nothing, and nothing fails."""

    async def unload(request: web.Request) -> bytes:
        await hass.config_entries.async_unload(home.entry.entry_id)
        return json.dumps(body()).encode()

    with patch("custom_components.octoprint_tunnel.deliveries._read_body", unload):
        assert await deliver(body()) == HTTPStatus.OK
    assert "Error processing webhook" not in caplog.text


async def test_page_of_obico_opens_on_the_printer(home: Home, deliver: Deliver) -> None:
    """With the id that a delivery has told."""
    await deliver(body(number=42))
    page = await reconfigure(home.hass, home.entry, "obico", "obico_authorize")
    assert URL(page["url"]).query["printer_id"] == "42"


async def test_signing_in_again(home: Home, deliver: Deliver) -> None:
    """Obico's id of a printer that has another name there still counts when the tunnel is the same."""
    await deliver(body(number=42))
    stored = home.entry.data
    endpoint = str(URL(stored["url"]).with_user(stored["username"]).with_password(stored["password"]))
    form = await reconfigure(home.hass, home.entry, "obico", "obico_paste")
    result = await step(home.hass, form, {"tunnel_endpoint": endpoint})
    assert result["reason"] == "reconfigure_successful"
    await settle(home.hass)
    await deliver(body("PrintDone", name="Workshop", number=42))
    assert shown(home) == "complete"


# Harm


@pytest.mark.parametrize(
    ("delivery", "status"),
    [
        (b"", HTTPStatus.BAD_REQUEST),
        (b"[]", HTTPStatus.BAD_REQUEST),
        (b"{}", HTTPStatus.BAD_REQUEST),
        ({"event": 5}, HTTPStatus.BAD_REQUEST),
        ({"event": {"type": []}, "printer": "x"}, HTTPStatus.BAD_REQUEST),
        (b"x" * 65_537, HTTPStatus.REQUEST_ENTITY_TOO_LARGE),
        (b"[" * 60_000, HTTPStatus.BAD_REQUEST),
    ],
)
async def test_refused(
    home: Home, deliver: Deliver, caplog: pytest.LogCaptureFixture, delivery: object, status: HTTPStatus
) -> None:
    """Garbage changes nothing, and is not logged."""
    assert await deliver(delivery) == status
    assert shown(home) is None
    assert not [line for line in log_lines(caplog) if "notification" in line]


@pytest.mark.parametrize("number", [-1, 1e400, True, None, "7", [7]])
async def test_impossible_ids(home: Home, deliver: Deliver, number: object) -> None:
    """The name decides then, and nothing is learned."""
    await deliver(json.dumps(body(number=number)).encode())
    assert shown(home) == "started"
    assert CONF_PRINTER_ID not in home.entry.data


@pytest.mark.parametrize(
    ("server", "picture", "expected"),
    [
        ("https://app.obico.io", "http://app.obico.io/1.jpg", "https://app.obico.io/1.jpg"),
        ("https://app.obico.io", "https://user:secret@app.obico.io/1.jpg", None),
        ("https://app.obico.io", "javascript:alert(1)", None),
        ("http://192.168.1.9:3334", "http://192.168.1.9:3334/1.jpg", "http://192.168.1.9:3334/1.jpg"),
        ("http://192.168.1.9:3334", "http://192.168.1.9:22/1.jpg", "http://192.168.1.9:3334/1.jpg"),
        ("http://192.168.1.9:3334", "http://192.168.1.1/1.jpg", "http://192.168.1.9:3334/1.jpg"),
        ("http://192.168.1.9:3334", "http://localhost:3334/1.jpg?d=%2B", "http://192.168.1.9:3334/1.jpg?d=%2B"),
        ("https://obico.example.com", "https://127.0.0.1/1.jpg", "https://obico.example.com/1.jpg"),
        ("http://192.168.1.9:3334", "https://elsewhere.example/1.jpg", "https://elsewhere.example/1.jpg"),
    ],
)
def test_pictures(server: str, picture: str, expected: str | None, provider: str) -> None:
    """An https address stays; of any other, the path on the entered server counts."""
    assert ObicoNotifications(URL(server), is_cloud=False)._picture(picture) == expected


async def test_flood(home: Home, deliver: Deliver, caplog: pytest.LogCaptureFixture) -> None:
    """It is logged once, and the printer is read once."""
    for _ in range(30):
        assert await deliver(body()) == HTTPStatus.OK
    assert len([line for line in log_lines(caplog) if "too many notifications" in line]) == 1


# The address


async def test_one_address_for_an_account(home: Home, service: TestClient[Any, Any], hass: HomeAssistant) -> None:
    """A printer that is added later has it, too. It ends with the last printer, and it is a secret."""
    address = (await ask_for_address(home))["description_placeholders"]["address"]
    second = await add_second(home, "Cellar")
    pages = [await ask_for_address(replace(home, entry=entry)) for entry in (home.entry, second)]
    assert {page["description_placeholders"]["address"] for page in pages} == {address}
    secret = home.entry.data[CONF_ACCOUNT_WEBHOOK_ID]
    diagnostics = await async_get_config_entry_diagnostics(hass, home.entry)
    assert secret not in json.dumps(diagnostics, default=str)
    assert secret not in json.dumps(await system_information(hass), default=str)
    path = URL(address).path
    await hass.config_entries.async_remove(home.entry.entry_id)
    await service.post(path, data=json.dumps(body("PrintDone", name="Cellar")))
    await settle(hass)
    assert shown(home, second) == "complete"
    await hass.config_entries.async_remove(second.entry_id)
    await service.post(path, data=json.dumps(body("PrintDone", name="Cellar")))  # Home Assistant ignores it


@pytest.mark.parametrize(("server", "is_kept"), [("https://app.obico.io", True), ("http://192.168.1.9:3334", False)])
async def test_new_connection(home: Home, deliver: Deliver, server: str, is_kept: bool) -> None:
    """The address stays when the user signs in again, because it is still entered at Obico; not at another server."""
    await deliver(body())
    data = {**home.entry.data, "url": "https://new.example.com", "server_url": server}
    kept = kept_data(home.entry, data, tunnel_from_data(data))
    assert (CONF_ACCOUNT_WEBHOOK_ID in kept) is is_kept
    assert CONF_PRINTER_ID not in kept
    kept = kept_data(home.entry, home.entry.data, tunnel_from_data(home.entry.data))
    assert (CONF_ACCOUNT_WEBHOOK_ID in kept, kept[CONF_PRINTER_ID]) == (True, "7")


async def test_another_server_is_another_account(home: Home, deliver: Deliver) -> None:
    """Its printers do not share the address."""
    data = {**home.entry.data, "server_url": "http://192.168.1.9:3334"}
    other = MockConfigEntry(domain=DOMAIN, title="Kitchen", unique_id="other", data=data)
    del data[CONF_ACCOUNT_WEBHOOK_ID]
    other = MockConfigEntry(domain=DOMAIN, title="Kitchen", unique_id="other", data=data)
    other.add_to_hass(home.hass)
    assert await home.hass.config_entries.async_setup(other.entry_id)
    await settle(home.hass)
    await deliver(body())
    assert (shown(home), shown(home, other)) == ("started", None)
    assert CONF_ACCOUNT_WEBHOOK_ID not in other.data


@pytest.mark.parametrize(
    ("server", "address"),
    [
        ("https://app.obico.io", None),
        ("https://obico.example.com", "http://192.168.1.2:8123/api/webhook/"),
        ("http://192.168.1.9:3334", "http://192.168.1.2:8123/api/webhook/"),
    ],
)
async def test_http_is_enough_on_the_local_network(home: Home, server: str, address: str | None) -> None:
    """Only for a server there; others get no address, and the page says so."""
    home.hass.config.external_url = None
    home.hass.config.internal_url = "http://192.168.1.2:8123"
    tunnel = tunnel_from_data({**home.entry.data, "server_url": server})
    service = tunnel.connect(async_get_clientsession(home.hass)).account_notifications
    assert service is not None
    found = await async_account_webhook_address(home.hass, home.entry, service)
    assert (found is None) is (address is None)
    assert found is None or found.startswith(address or "")


async def test_cloud(home: Home, cloud: SimpleNamespace) -> None:
    """The address of Home Assistant Cloud is shown, and deleted with the last printer."""
    page = await ask_for_address(home)
    assert page["description_placeholders"]["address"] == "https://hooks.nabu.casa/abc"
    await home.hass.config_entries.async_remove(home.entry.entry_id)
    cloud.async_delete_cloudhook.assert_awaited_once()


async def test_cloud_that_fails(home: Home, cloud: SimpleNamespace) -> None:
    """No address was shown, so no notification can come."""
    cloud.async_get_or_create_cloudhook.side_effect = HomeAssistantError
    page = await ask_for_address(home)
    assert page["errors"] == {"base": "no_webhook_address"}
    assert home.state("notification").state == "unavailable"
    assert CONF_ACCOUNT_WEBHOOK_ID not in home.entry.data


async def test_no_address(home: Home) -> None:
    """The page says why, the options are saved, and no notification can come."""
    home.hass.config.external_url = None
    page = await ask_for_address(home)
    assert page["errors"] == {"base": "no_webhook_address"}
    assert home.state("notification").state == "unavailable"


async def test_option(home: Home, entries: dict[str, MockConfigEntry]) -> None:
    """Obico's options have it, and it is off each time; other tunnels have no such address."""
    form = await home.hass.config_entries.options.async_init(home.entry.entry_id)
    schema = form["data_schema"]
    assert schema is not None
    assert schema({})["show_webhook"] is False
    others = [tunnel_from_data(entry.data) for provider, entry in entries.items() if provider != "obico"]
    assert others
    for tunnel in others:
        assert tunnel.connect(async_get_clientsession(home.hass)).account_notifications is None
