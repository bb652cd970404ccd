"""A printer in Home Assistant, from set-up to removal, through each tunnel and with each version of OctoPrint."""

import json
from pathlib import Path
import time

from freezegun.api import FrozenDateTimeFactory
import pytest
from pytest_homeassistant_custom_component.common import MockConfigEntry

from custom_components.octoprint_tunnel.const import DOMAIN
from homeassistant.config_entries import ConfigEntryState
from homeassistant.core import HomeAssistant
from homeassistant.helpers import device_registry as dr
from homeassistant.util import dt as dt_util

from .home import entities, log_lines, press, settle, state, states, wait
from .octoprint import printing
from .octoprint.server import OctoPrintServer
from .relay.octoeverywhere import AppConnection
from .relay.server import Relay

BOTH_VERSIONS = pytest.mark.parametrize("octoprint_version", ["1.11", "2.0"])
BOTH_TUNNELS = pytest.mark.parametrize("provider", ["octoeverywhere", "obico"])

OF_ANY_PRINTER = {
    "octoprint_online",
    "tunnel_status",
    "active_route",
    "printer_connected",
    "printer_state",
    "port",
    "baudrate",
    "printer_profile",
    "printing",
    "paused",
    "error",
    "print_progress",
    "print_file",
    "print_file_size",
    "print_time_elapsed",
    "print_time_left",
    "print_finish",
    "print_started",
    "print_failing",
    "pause",
    "resume",
    "cancel",
    "connect",
    "disconnect",
    "repair",
}
OF_OCTOEVERYWHERE = {
    "last_connected",
    "last_disconnected",
    "max_download_size",
    "max_upload_size",
    "max_webcam_stream",
    "gadget_state",
    "gadget_rating",
    "gadget_status",
    "notification",
}
OF_OBICO = {"tunnel_usage", "tunnel_usage_cap", "tunnel_usage_reset", "failure_probability"}


@pytest.fixture
def provider() -> str:
    """Return the service to go through; parametrize it to go through others."""
    return "octoeverywhere"


@pytest.fixture
async def set_up(
    hass: HomeAssistant, provider: str, entry: MockConfigEntry, obico_entry: MockConfigEntry
) -> MockConfigEntry:
    """Set the printer up through the service."""
    chosen = entry if provider == "octoeverywhere" else obico_entry
    chosen.add_to_hass(hass)
    assert await hass.config_entries.async_setup(chosen.entry_id)
    await settle(hass)
    return chosen


async def until(hass: HomeAssistant, freezer: FrozenDateTimeFactory, entry: MockConfigEntry, expected: str) -> None:
    """Let the follow-ups of a command be done until the printer's state is the expected one."""
    for _ in range(600):
        if state(hass, entry, "printer_state").state == expected:
            return
        await hass.async_add_executor_job(time.sleep, 0.1)  # OctoPrint's clock is not the frozen one
        await wait(hass, freezer, 20)
    pytest.fail(f"The printer did not become {expected}: {state(hass, entry, 'printer_state').state}")


async def with_heaters(hass: HomeAssistant, freezer: FrozenDateTimeFactory, entry: MockConfigEntry) -> None:
    """Connect the printer, and wait until it has told its temperatures."""
    await press(hass, entry, "connect")
    await until(hass, freezer, entry, "operational")
    for _ in range(100):
        if "bed_actual_temperature" in entities(hass, entry):
            return
        await hass.async_add_executor_job(time.sleep, 0.1)
        await wait(hass, freezer, 62)
    pytest.fail("The printer has told no temperatures")


@BOTH_VERSIONS
@BOTH_TUNNELS
async def test_connect_and_disconnect(
    hass: HomeAssistant,
    freezer: FrozenDateTimeFactory,
    relay: Relay,
    octoprint: OctoPrintServer,
    octoprint_version: str,
    provider: str,
    set_up: MockConfigEntry,
) -> None:
    """The whole job: every entity is there, and the buttons do in the printer what they say."""
    expected = OF_ANY_PRINTER | (OF_OCTOEVERYWHERE if provider == "octoeverywhere" else OF_OBICO)
    if octoprint_version == "2.0":
        expected |= {"connector"}
    assert set(entities(hass, set_up)) == expected
    assert states(hass, set_up, "octoprint_online", "tunnel_status", "active_route") == ("on", "ok", "tunnel")
    assert states(hass, set_up, "printer_connected", "printer_state", "port") == ("off", "offline", "unknown")

    await press(hass, set_up, "connect")
    await until(hass, freezer, set_up, "operational")
    assert states(hass, set_up, "printer_connected", "port", "printer_profile") == ("on", "VIRTUAL", "Default")
    assert int(state(hass, set_up, "baudrate").state) > 0
    if octoprint_version == "2.0":
        assert state(hass, set_up, "connector").state == "serial"
    status, body = octoprint.request("GET", "/api/connection")
    assert status == 200
    assert b"Operational" in body

    relay.clear()
    await press(hass, set_up, "repair")
    [command] = relay.seen("tunnel", method="POST", path="/api/connection")
    assert command.json() == {"command": "repair" if octoprint_version == "2.0" else "fake_ack"}
    assert command.status == 204

    await press(hass, set_up, "disconnect")
    await until(hass, freezer, set_up, "offline")
    assert state(hass, set_up, "printer_connected").state == "off"
    if provider == "obico":
        assert not relay.obico.violations


async def test_values_of_octoeverywhere(
    hass: HomeAssistant, freezer: FrozenDateTimeFactory, set_up: MockConfigEntry, connection: AppConnection
) -> None:
    """What the Info API says is what the entities show; what it does not say is unknown."""
    assert state(hass, set_up, "last_connected").state == "2026-11-20T09:51:17+00:00"
    assert state(hass, set_up, "last_disconnected").state == "unknown"
    assert state(hass, set_up, "max_download_size").state == "104.8576"
    assert state(hass, set_up, "max_webcam_stream").state == "600"

    connection.info = {"PrinterLimits": None, "LastConnectionTimeUtc": "soon", "PrinterName": 7}
    await wait(hass, freezer, 61)
    for key in OF_OCTOEVERYWHERE:
        assert state(hass, set_up, key).state == "unknown", key
    assert states(hass, set_up, "tunnel_status", "octoprint_online") == ("ok", "on")


@pytest.mark.parametrize("provider", ["obico"])
async def test_values_of_obico(
    hass: HomeAssistant, freezer: FrozenDateTimeFactory, relay: Relay, set_up: MockConfigEntry
) -> None:
    """Usage, cap and reset; an unlimited cap is unknown and says so."""
    next_year = dt_util.utcnow().year + 1
    freezer.move_to(f"{next_year}-12-31T23:00:00+00:00")
    relay.obico.used_bytes = 1_500_000
    await wait(hass, freezer, 61)
    assert float(state(hass, set_up, "tunnel_usage").state) == pytest.approx(1.5, abs=0.1)
    assert state(hass, set_up, "tunnel_usage_cap").state == "314.5728"
    assert state(hass, set_up, "tunnel_usage_cap").attributes["unlimited"] is False
    assert state(hass, set_up, "tunnel_usage_reset").state == f"{next_year + 1}-01-01T00:00:00+00:00"

    relay.obico.monthly_cap = -1
    await wait(hass, freezer, 61)
    assert state(hass, set_up, "tunnel_usage_cap").state == "unknown"
    assert state(hass, set_up, "tunnel_usage_cap").attributes["unlimited"] is True


@BOTH_TUNNELS
async def test_device(hass: HomeAssistant, set_up: MockConfigEntry, provider: str) -> None:
    """One printer is one device, named as the service has it."""
    [device] = dr.async_entries_for_config_entry(dr.async_get(hass), set_up.entry_id)
    assert device.identifiers == {(DOMAIN, set_up.unique_id)}
    assert (device.name, device.manufacturer) == ("Kitchen", "OctoPrint")
    assert device.sw_version == "2.0.0rc7"
    page = "https://octoeverywhere.com/view/Kitchen" if provider == "octoeverywhere" else "https://app.obico.io"
    assert device.configuration_url == page


async def test_renamed_in_the_service(
    hass: HomeAssistant, freezer: FrozenDateTimeFactory, set_up: MockConfigEntry, connection: AppConnection
) -> None:
    """The device takes over a new name; entity ids stay."""
    before = entities(hass, set_up)
    connection.info = {"PrinterName": "Cellar"}
    await wait(hass, freezer, 61)
    [device] = dr.async_entries_for_config_entry(dr.async_get(hass), set_up.entry_id)
    assert device.name == "Cellar"
    assert before.items() <= entities(hass, set_up).items()


# What it costs


@BOTH_TUNNELS
async def test_requests_of_a_refresh(
    hass: HomeAssistant, freezer: FrozenDateTimeFactory, relay: Relay, set_up: MockConfigEntry
) -> None:
    """Two requests a minute; the first poll after set-up reads the system commands, too."""
    await wait(hass, freezer, 61)
    for _ in range(3):
        relay.clear()
        await wait(hass, freezer, 61)
        assert len(relay.requests) == 2, [request.path for request in relay.requests]
        assert len(relay.seen("tunnel")) == 1


async def test_requests_while_octoprint_is_off(
    hass: HomeAssistant, freezer: FrozenDateTimeFactory, relay: Relay, set_up: MockConfigEntry
) -> None:
    """What the service knows is not asked of the tunnel."""
    relay.printer.online = False
    relay.clear()
    await wait(hass, freezer, 61)
    for _ in range(3):
        relay.clear()
        await wait(hass, freezer, 61)
        assert [request.service for request in relay.requests] == ["octoeverywhere_api"]
    assert states(hass, set_up, "octoprint_online", "tunnel_status", "active_route") == ("off", "offline", "none")
    assert state(hass, set_up, "printer_state").state == "unavailable"
    relay.printer.online = None
    await wait(hass, freezer, 61)
    assert states(hass, set_up, "octoprint_online", "printer_state") == ("on", "offline")


async def test_follow_ups_end(
    hass: HomeAssistant, freezer: FrozenDateTimeFactory, relay: Relay, set_up: MockConfigEntry
) -> None:
    """After a command the state is read soon and often, and at the usual interval once it has settled."""
    await press(hass, set_up, "connect")
    relay.clear()
    await wait(hass, freezer, 3)
    assert relay.seen("tunnel", method="GET", path="/api/connection")
    await until(hass, freezer, set_up, "operational")
    for _ in range(6):  # until the printer has told its temperatures
        await wait(hass, freezer, 61)
    relay.clear()
    await wait(hass, freezer, 30)
    assert not relay.seen("tunnel")


# Comings and goings


async def test_octoprint_off_at_start(
    hass: HomeAssistant, freezer: FrozenDateTimeFactory, relay: Relay, entry: MockConfigEntry
) -> None:
    """Set-up succeeds while OctoPrint is off, and what only it knows comes later."""
    relay.printer.online = False
    entry.add_to_hass(hass)
    assert await hass.config_entries.async_setup(entry.entry_id)
    await settle(hass)
    assert entry.state is ConfigEntryState.LOADED
    assert "connector" not in entities(hass, entry)
    assert state(hass, entry, "connect").state == "unavailable"
    relay.printer.online = None
    await wait(hass, freezer, 61)
    assert state(hass, entry, "connector").state == "unknown"
    assert state(hass, entry, "connect").state == "unknown"
    [device] = dr.async_entries_for_config_entry(dr.async_get(hass), entry.entry_id)
    assert device.sw_version == "2.0.0rc7"


@BOTH_TUNNELS
async def test_unload_and_reload_leave_nothing_behind(
    hass: HomeAssistant, freezer: FrozenDateTimeFactory, relay: Relay, set_up: MockConfigEntry
) -> None:
    """Unloaded means silent; reloaded means as before."""
    before = entities(hass, set_up)
    assert await hass.config_entries.async_unload(set_up.entry_id)
    relay.clear()
    await wait(hass, freezer, 3600)
    assert not relay.requests
    assert await hass.config_entries.async_setup(set_up.entry_id)
    await settle(hass)
    assert before.items() <= entities(hass, set_up).items()
    assert states(hass, set_up, "tunnel_status", "printer_state") == ("ok", "offline")


async def test_removal(hass: HomeAssistant, set_up: MockConfigEntry) -> None:
    """A removed printer leaves no device and no entities."""
    await hass.config_entries.async_remove(set_up.entry_id)
    await settle(hass)
    assert not hass.states.async_entity_ids()
    assert not dr.async_get(hass).devices


@pytest.mark.parametrize("provider", ["obico"])
async def test_glances_on_a_metered_line(
    hass: HomeAssistant,
    freezer: FrozenDateTimeFactory,
    relay: Relay,
    octoprint: OctoPrintServer,
    set_up: MockConfigEntry,
) -> None:
    """On a metered line a poll is a glance at the state; a change of the connection is read as a whole at once."""
    relay.clear()
    for _ in range(14):
        await wait(hass, freezer, 62)
    [_] = relay.seen("obico_tunnel", path="/api/system/commands")
    assert len(relay.seen("obico_tunnel", path="/api/printer")) == len(relay.seen("obico_tunnel")) - 1 == 14
    assert sum(request.response_bytes for request in relay.seen("obico_tunnel", path="/api/printer")) < 14 * 100
    await wait(hass, freezer, 62)
    assert relay.seen("obico_tunnel")[-1].path == "/api/connection"

    def connect() -> None:
        octoprint.request("POST", "/api/connection", {"command": "connect"})
        while b"Operational" not in octoprint.request("GET", "/api/connection")[1]:
            time.sleep(0.05)

    await hass.async_add_executor_job(connect)
    await wait(hass, freezer, 62)
    assert states(hass, set_up, "printer_state", "port") == ("operational", "VIRTUAL")
    relay.clear()
    await wait(hass, freezer, 62)
    [glance] = relay.seen("obico_tunnel")
    assert glance.path == "/api/printer"
    assert glance.response_bytes < 600
    assert state(hass, set_up, "printer_state").state == "operational"
    await hass.async_add_executor_job(octoprint.request, "POST", "/api/connection", {"command": "disconnect"})
    await wait(hass, freezer, 62)
    assert states(hass, set_up, "printer_state", "port") == ("offline", "unknown")


async def test_texts_longer_than_a_state_may_be(
    hass: HomeAssistant, caplog: pytest.LogCaptureFixture, relay: Relay, entry: MockConfigEntry
) -> None:
    """OctoPrint's plugins name things as they like; Home Assistant takes 255 characters and logs an error for more."""
    profiles = [{"id": "_default", "name": "P" * 300}]
    current = {"state": "Operational" + "x" * 300, "port": "/dev/" + "x" * 300, "printerProfile": "_default"}
    body = json.dumps({"current": current, "options": {"printerProfiles": profiles}})
    relay.fail("octoeverywhere_tunnel", 200, body, content_type="application/json", path="/api/connection")
    entry.add_to_hass(hass)
    assert await hass.config_entries.async_setup(entry.entry_id)
    await settle(hass)
    assert state(hass, entry, "printer_state").attributes["state_text"] == ("Operational" + "x" * 300)[:255]
    assert state(hass, entry, "port").state == "unknown"  # a part of it would be another port
    assert not [record for record in caplog.records if record.levelname == "ERROR"]


# Parts that fail


def answer(relay: Relay, path: str, body: object) -> None:
    """Answer this in OctoPrint's place."""
    relay.fail("octoeverywhere_tunnel", 200, json.dumps(body), path=path, content_type="application/json")


@BOTH_VERSIONS
@pytest.mark.parametrize(("status", "body"), [(500, "Internal Server Error"), (200, "<html>"), (409, "{}")])
@pytest.mark.parametrize("path", ["/api/job", "/api/connection"])
async def test_one_bad_part_takes_no_other(
    hass: HomeAssistant,
    freezer: FrozenDateTimeFactory,
    relay: Relay,
    set_up: MockConfigEntry,
    path: str,
    status: int,
    body: str,
) -> None:
    """State and temperatures are shown while the job, or the connection as a whole, cannot be read."""
    await with_heaters(hass, freezer, set_up)
    relay.fail("octoeverywhere_tunnel", status, body, path=path)
    for seconds in (61, 1000):
        await wait(hass, freezer, seconds)
        assert states(hass, set_up, "printer_state", "printer_connected", "port") == ("operational", "on", "VIRTUAL")
        assert float(state(hass, set_up, "bed_actual_temperature").state) > 0


async def test_temperatures_that_cannot_be_read(
    hass: HomeAssistant, freezer: FrozenDateTimeFactory, relay: Relay, set_up: MockConfigEntry
) -> None:
    """The rest is shown as it is."""
    await with_heaters(hass, freezer, set_up)
    relay.fail("octoeverywhere_tunnel", 500, path="/api/printer")
    for seconds in (61, 1000):
        await wait(hass, freezer, seconds)
        assert states(hass, set_up, "printer_state", "port") == ("operational", "VIRTUAL")


async def test_more_heaters_than_any_printer_has(
    hass: HomeAssistant, caplog: pytest.LogCaptureFixture, relay: Relay, entry: MockConfigEntry
) -> None:
    """What is left out is said once."""
    answer(relay, "/api/connection", {"current": {"state": "Operational"}, "options": {}})
    heaters = {f"tool{number}": {"actual": 20, "target": 0} for number in range(30)}
    answer(
        relay, "/api/printer", {"state": {"text": "Operational"}, "temperature": heaters | {"tool٣": {"actual": 20}}}
    )
    entry.add_to_hass(hass)
    assert await hass.config_entries.async_setup(entry.entry_id)
    await settle(hass)
    await entry.runtime_data.printer.async_refresh()
    assert len([key for key in entities(hass, entry) if key.endswith("_target")]) == 20
    assert log_lines(caplog) == ["Kitchen: more than 20 heaters, the others are left out"]


# Errors


@BOTH_VERSIONS
@pytest.mark.parametrize("provider", ["octoeverywhere", "obico"])
async def test_lost_connection_without_live_updates(
    hass: HomeAssistant, freezer: FrozenDateTimeFactory, octoprint: OctoPrintServer, set_up: MockConfigEntry
) -> None:
    """A connection that was there and is lost is an error, until it is made again; also for who looks later."""
    await with_heaters(hass, freezer, set_up)

    def lose() -> None:
        printing.command(octoprint, "!!DEBUG:drop_connection", "M105")
        printing.wait_for(octoprint, "Offline after error")

    await hass.async_add_executor_job(lose)
    for _ in range(3):
        await wait(hass, freezer, 62)
        assert states(hass, set_up, "printer_state", "error", "port") == ("offline_after_error", "on", "unknown")
    assert await hass.config_entries.async_reload(set_up.entry_id)
    await settle(hass)
    assert states(hass, set_up, "printer_state", "error") == ("offline_after_error", "on")
    await press(hass, set_up, "connect")
    await until(hass, freezer, set_up, "operational")
    assert state(hass, set_up, "error").state == "off"
    await press(hass, set_up, "disconnect")
    await until(hass, freezer, set_up, "offline")
    assert state(hass, set_up, "error").state == "off"


# Commands


@pytest.mark.parametrize("command", ["button", "upload"])
async def test_octoprint_hangs_after_it_has_taken_a_command(
    hass: HomeAssistant,
    freezer: FrozenDateTimeFactory,
    relay: Relay,
    set_up: MockConfigEntry,
    tmp_path: Path,
    command: str,
) -> None:
    """An action ends when it is taken; what became of it is read in the background, once for all of them."""
    file = tmp_path / "part.gcode"
    await hass.async_add_executor_job(file.write_text, "G28")
    hass.config.allowlist_external_dirs = {str(tmp_path)}
    [device] = dr.async_entries_for_config_entry(dr.async_get(hass), set_up.entry_id)
    for _ in range(3):
        await wait(hass, freezer, 61)
    relay.delay("octoeverywhere_tunnel", 600, path="/api/connection")
    relay.clear()
    for _ in range(3):
        if command == "button":
            target = {"entity_id": entities(hass, set_up)["system_reboot"]}
            await hass.services.async_call("button", "press", target, blocking=True)
        else:
            call = {"device_id": device.id, "path": str(file)}
            await hass.services.async_call(DOMAIN, "upload_file", call, blocking=True, return_response=True)
    assert not [request for request in relay.seen("tunnel", path="/api/connection") if request.status]
    relay.heal()
    await settle(hass)
    assert len(relay.seen("tunnel", path="/api/connection")) == 2


# The last print


@BOTH_VERSIONS
async def test_last_print_after_a_restart(
    hass: HomeAssistant, freezer: FrozenDateTimeFactory, octoprint: OctoPrintServer, set_up: MockConfigEntry
) -> None:
    """After a restart of Home Assistant the last print is what OctoPrint still has."""

    def print_it() -> None:
        octoprint.request("POST", "/api/connection", {"command": "connect"})
        printing.wait_for(octoprint, "Operational")
        printing.start(octoprint, 1)
        printing.wait_until_done(octoprint)

    await hass.async_add_executor_job(print_it)
    assert await hass.config_entries.async_reload(set_up.entry_id)
    await settle(hass)
    shown = states(hass, set_up, "print_file", "print_progress", "printing", "print_started", "print_finish")
    assert shown == ("part.gcode", "100.0", "off", "unknown", "unknown")
