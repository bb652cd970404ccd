"""A print from its start to each of its ends, and everything that can be done to it meanwhile."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
import json

from freezegun.api import FrozenDateTimeFactory
import pytest
from pytest_homeassistant_custom_component.common import MockConfigEntry
import voluptuous as vol

from custom_components.octoprint_tunnel import coordinator, detection
from homeassistant.core import HomeAssistant
from homeassistant.exceptions import HomeAssistantError
from homeassistant.helpers import device_registry as dr, entity_registry as er
from homeassistant.helpers.entity import Entity

from .home import entities, listening, log_lines, press, settle, state, states, unload, until, until_state, wait
from .octoprint import printing
from .octoprint.server import OctoPrintServer
from .relay.octoeverywhere import AppConnection
from .relay.server import Relay

BOTH = pytest.mark.parametrize("octoprint_version", ["1.11", "2.0"])


@pytest.fixture(autouse=True)
def _often(hurried: None, monkeypatch: pytest.MonkeyPatch) -> None:
    """Ask more often than is due: a test's print lasts seconds."""
    monkeypatch.setattr(coordinator, "PRINT_INTERVAL", timedelta(seconds=0.3))
    monkeypatch.setattr(detection, "INTERVAL", timedelta(seconds=0.3))


@pytest.fixture
def all_enabled(monkeypatch: pytest.MonkeyPatch) -> None:
    """Switch on what is off at first, too."""
    monkeypatch.setattr(Entity, "entity_registry_enabled_default", True)


async def connected(hass: HomeAssistant, entry: MockConfigEntry) -> None:
    """Set the printer up, and connect it."""
    await listening(hass, entry)
    await press(hass, entry, "connect")
    await until_state(hass, entry, "operational")
    await until(lambda: "bed_actual_temperature" in entities(hass, entry))
    await settle(hass)


async def begin(hass: HomeAssistant, octoprint: OctoPrintServer, moves: int = 600) -> None:
    """Begin a print in OctoPrint."""
    await hass.async_add_executor_job(lambda: printing.start(octoprint, moves))


def number(hass: HomeAssistant, entry: MockConfigEntry, key: str) -> float:
    """Return a state as a number, -1 where it is none."""
    try:
        return float(state(hass, entry, key).state)
    except ValueError:
        return -1


@BOTH
@pytest.mark.usefixtures("all_enabled")
async def test_print_to_its_end(hass: HomeAssistant, chosen: MockConfigEntry, octoprint: OctoPrintServer) -> None:
    """File, progress and times show while it prints, and stay as they were when it is done."""
    await connected(hass, chosen)
    assert states(hass, chosen, "printing", "print_progress", "print_file") == ("off", "unknown", "unknown")
    await begin(hass, octoprint, 40)
    await until_state(hass, chosen, "printing")
    await until_state(hass, chosen, "on", "printing")
    await until(lambda: 0 < number(hass, chosen, "print_progress") < 100)
    assert states(hass, chosen, "print_file", "error", "paused") == ("part.gcode", "off", "off")
    assert number(hass, chosen, "print_file_size") > 0
    started = state(hass, chosen, "print_started").state
    assert abs(datetime.now(UTC) - datetime.fromisoformat(started)) < timedelta(minutes=2)
    await until_state(hass, chosen, "operational")
    await until(lambda: number(hass, chosen, "print_progress") == 100)
    assert states(hass, chosen, "printing", "print_file", "print_started") == ("off", "part.gcode", started)
    assert number(hass, chosen, "print_time_elapsed") > 0
    await unload(hass, chosen)


@BOTH
async def test_pause_resume_and_cancel(
    hass: HomeAssistant, chosen: MockConfigEntry, octoprint: OctoPrintServer
) -> None:
    """Each button can be pressed when it makes sense, and does what it says."""
    await connected(hass, chosen)
    assert states(hass, chosen, "pause", "resume", "cancel") == ("unavailable",) * 3
    await begin(hass, octoprint)
    await until_state(hass, chosen, "printing")
    await until(lambda: number(hass, chosen, "print_progress") > 0)
    assert states(hass, chosen, "pause", "resume", "cancel") == ("unknown", "unavailable", "unknown")

    await press(hass, chosen, "pause")
    await until_state(hass, chosen, "paused")
    assert states(hass, chosen, "paused", "printing", "pause") == ("on", "on", "unavailable")
    await press(hass, chosen, "resume")
    await until_state(hass, chosen, "printing")
    assert state(hass, chosen, "paused").state == "off"
    progress = number(hass, chosen, "print_progress")

    await press(hass, chosen, "cancel")
    await until_state(hass, chosen, "operational")
    await settle(hass)
    assert states(hass, chosen, "printing", "print_file") == ("off", "part.gcode")
    assert number(hass, chosen, "print_progress") >= progress
    assert state(hass, chosen, "cancel").state == "unavailable"
    await unload(hass, chosen)


@BOTH
@pytest.mark.parametrize("end", ["cancel", "reset"])
async def test_print_that_ends_as_soon_as_it_has_begun(
    hass: HomeAssistant,
    entry: MockConfigEntry,
    octoprint: OctoPrintServer,
    monkeypatch: pytest.MonkeyPatch,
    end: str,
) -> None:
    """It has come to nothing, which is not unknown."""
    monkeypatch.setattr(coordinator, "PRINT_INTERVAL", timedelta(minutes=1))
    await connected(hass, entry)
    await begin(hass, octoprint)
    await until_state(hass, entry, "printing")
    assert states(hass, entry, "print_progress", "print_time_elapsed") == ("0.0", "0.0")
    started = state(hass, entry, "print_started").state
    if end == "cancel":
        await press(hass, entry, "cancel")
    else:
        await hass.async_add_executor_job(lambda: printing.command(octoprint, "!!DEBUG:reset"))
    # OctoPrint sometimes loses a printer that is reset: the lines on their way no longer have the expected numbers.
    ends = {"operational"} if end == "cancel" else {"operational", "offline_after_error"}
    await until(lambda: state(hass, entry, "printer_state").state in ends)
    await settle(hass)
    assert states(hass, entry, "print_file", "print_progress", "print_started") == ("part.gcode", "0.0", started)
    assert states(hass, entry, "print_time_elapsed", "print_time_left") == ("0.0", "unknown")
    await unload(hass, entry)


@BOTH
async def test_print_that_fails(hass: HomeAssistant, entry: MockConfigEntry, octoprint: OctoPrintServer) -> None:
    """An error in a print shows, with OctoPrint's words, until the printer is connected again."""
    await connected(hass, entry)
    await begin(hass, octoprint)
    await until_state(hass, entry, "printing")
    await hass.async_add_executor_job(lambda: printing.command(octoprint, "!!DEBUG:trigger_fatal_error_marlin"))
    await until_state(hass, entry, "offline_after_error")
    await settle(hass)
    assert states(hass, entry, "error", "printing", "printer_connected") == ("on", "off", "off")
    assert "Thermal Runaway" in state(hass, entry, "printer_state").attributes["error"]
    assert state(hass, entry, "bed_actual_temperature").state == "unknown"
    assert state(hass, entry, "bed_target").state == "unavailable"
    await press(hass, entry, "connect")
    await until_state(hass, entry, "operational")
    await until_state(hass, entry, "off", "error")
    await unload(hass, entry)


async def test_what_few_want_is_off_at_first(hass: HomeAssistant, entry: MockConfigEntry) -> None:
    """It can be switched on."""
    await connected(hass, entry)
    found = er.async_entries_for_config_entry(er.async_get(hass), entry.entry_id)
    off = {item.unique_id.removeprefix(f"{entry.unique_id}_") for item in found if item.disabled}
    assert off == {"print_file_size", "tool0_target_temperature", "bed_target_temperature"}
    await unload(hass, entry)


@BOTH
@pytest.mark.usefixtures("all_enabled")
async def test_temperatures(
    hass: HomeAssistant, relay: Relay, chosen: MockConfigEntry, octoprint: OctoPrintServer
) -> None:
    """Heaters appear as the printer reports them, and can be set."""
    await connected(hass, chosen)
    assert number(hass, chosen, "tool0_actual_temperature") > 0
    assert states(hass, chosen, "tool0_target_temperature", "bed_target") == ("0.0", "0.0")
    assert "chamber_actual_temperature" not in entities(hass, chosen)
    for key, celsius in (("bed_target", 55), ("tool0_target", 70)):
        target = {"entity_id": entities(hass, chosen)[key], "value": celsius}
        await hass.services.async_call("number", "set_value", target, blocking=True)

    def targets() -> list[float]:
        temperature = json.loads(octoprint.request("GET", "/api/printer")[1])["temperature"]
        return [temperature["bed"]["target"], temperature["tool0"]["target"]]

    await until(lambda: targets() == [55, 70])
    await chosen.runtime_data.printer.async_refresh()
    assert states(hass, chosen, "bed_target", "tool0_target", "bed_target_temperature") == ("55.0", "70.0", "55.0")
    # What is warm is looked at as often as without live updates.
    assert chosen.runtime_data.printer.update_interval == timedelta(seconds=60)
    relay.clear()
    for absurd in (500, -1, "nan", float("nan"), "inf"):
        target = {"entity_id": entities(hass, chosen)["bed_target"], "value": absurd}
        with pytest.raises((HomeAssistantError, vol.Invalid)):
            await hass.services.async_call("number", "set_value", target, blocking=True)
    assert not relay.seen("tunnel", method="POST")
    await hass.async_add_executor_job(lambda: printing.command(octoprint, "M140 S0", "M104 S0"))
    await unload(hass, chosen)


@BOTH
async def test_system_commands(hass: HomeAssistant, relay: Relay, entry: MockConfigEntry) -> None:
    """There is a button for what this server can do, and none for what it cannot."""
    await listening(hass, entry)
    await until(lambda: "system_restart" in entities(hass, entry))
    assert {"system_restart", "system_reboot"} <= set(entities(hass, entry))
    assert "system_shutdown" not in entities(hass, entry)
    relay.clear()
    await press(hass, entry, "system_reboot")
    assert relay.seen("tunnel", method="POST", path="/api/system/commands/core/reboot")
    await unload(hass, entry)


async def test_system_commands_of_a_key_that_may_not(
    hass: HomeAssistant, entry: MockConfigEntry, octoprint: OctoPrintServer, caplog: pytest.LogCaptureFixture
) -> None:
    """A key without the permission has no such buttons, and no trouble."""
    entry.add_to_hass(hass)
    hass.config_entries.async_update_entry(entry, data={**entry.data, "api_key": octoprint.limited_api_key})
    await listening(hass, entry)
    assert not [key for key in entities(hass, entry) if key.startswith("system_")]
    assert state(hass, entry, "printer_state").state == "offline"
    assert not log_lines(caplog)
    await unload(hass, entry)


async def test_action_before_octoprint_has_answered(hass: HomeAssistant, relay: Relay, entry: MockConfigEntry) -> None:
    """An action says what is in the way, also where nothing is known of the printer yet."""
    relay.printer.online = False
    entry.add_to_hass(hass)
    assert await hass.config_entries.async_setup(entry.entry_id)
    await settle(hass)
    [device] = dr.async_entries_for_config_entry(dr.async_get(hass), entry.entry_id)
    call = {"device_id": device.id, "commands": ["G28"]}
    with pytest.raises(HomeAssistantError) as caught:
        await hass.services.async_call("octoprint_tunnel", "send_commands", call, blocking=True)
    assert caught.value.translation_key == "octoprint_offline"
    assert not relay.seen("tunnel", method="POST")
    await unload(hass, entry)


async def test_polls_of_a_print_without_live_updates(
    hass: HomeAssistant,
    freezer: FrozenDateTimeFactory,
    relay: Relay,
    octoprint: OctoPrintServer,
    loaded: MockConfigEntry,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Polls alone show the print too; each asks for job and temperatures, and for nothing else."""
    # The clock stands still here, and less than a second on it may be over at once, again and again.
    monkeypatch.setattr(detection, "INTERVAL", timedelta(seconds=30))

    def begin() -> None:
        octoprint.request("POST", "/api/connection", {"command": "connect"})
        printing.wait_for(octoprint, "Operational")
        printing.start(octoprint)
        printing.wait_for(octoprint, "Printing")

    await hass.async_add_executor_job(begin)
    await wait(hass, freezer, 62)
    assert states(hass, loaded, "printer_state", "print_file") == ("printing", "part.gcode")
    await wait(hass, freezer, 62)
    relay.clear()
    await wait(hass, freezer, 62)
    assert [request.path for request in relay.seen("tunnel")] == ["/api/job", "/api/printer"]
    assert relay.traffic("tunnel").received_bytes < 1000
    await hass.async_add_executor_job(octoprint.request, "POST", "/api/job", {"command": "cancel"})
    await hass.async_add_executor_job(lambda: printing.wait_for(octoprint, "Operational"))
    await wait(hass, freezer, 62)
    assert state(hass, loaded, "printer_state").state == "operational"


@BOTH
async def test_a_print_between_two_polls(
    hass: HomeAssistant, freezer: FrozenDateTimeFactory, octoprint: OctoPrintServer, loaded: MockConfigEntry
) -> None:
    """A print that no poll has met is shown with the next reading of the connection."""

    def act(moves: int) -> None:
        printing.start(octoprint, moves)
        printing.wait_for(octoprint, "Operational")

    await press(hass, loaded, "connect")
    await hass.async_add_executor_job(printing.wait_for, octoprint, "Operational")
    for _ in range(6):
        await wait(hass, freezer, 62)
    assert states(hass, loaded, "printer_state", "print_file") == ("operational", "unknown")
    await hass.async_add_executor_job(act, 0)
    await wait(hass, freezer, 16 * 60)
    assert states(hass, loaded, "printing", "print_file", "print_progress") == ("off", "part.gcode", "100.0")
    await unload(hass, loaded)


async def test_a_print_that_ends_while_its_job_cannot_be_read(
    hass: HomeAssistant,
    freezer: FrozenDateTimeFactory,
    relay: Relay,
    octoprint: OctoPrintServer,
    loaded: MockConfigEntry,
) -> None:
    """It has no time left when it is over, and its file is not taken for that of the next print."""
    await press(hass, loaded, "connect")
    await hass.async_add_executor_job(printing.wait_for, octoprint, "Operational")
    for _ in range(6):
        await wait(hass, freezer, 62)
    await hass.async_add_executor_job(printing.start, octoprint)
    await hass.async_add_executor_job(printing.wait_for, octoprint, "Printing")
    await wait(hass, freezer, 62)
    assert states(hass, loaded, "printing", "print_file") == ("on", "part.gcode")
    job = loaded.runtime_data.printer.data.job
    loaded.runtime_data.printer.data = replace(
        loaded.runtime_data.printer.data, job=replace(job, left=600, finishes_at=job.seen + timedelta(seconds=600))
    )
    relay.fail("tunnel", 500, path="/api/job")
    await hass.async_add_executor_job(octoprint.request, "POST", "/api/job", {"command": "cancel"})
    await hass.async_add_executor_job(printing.wait_for, octoprint, "Operational")
    await wait(hass, freezer, 62)
    assert states(hass, loaded, "printing", "print_time_left", "print_finish") == ("off", "unknown", "unknown")
    await hass.async_add_executor_job(printing.start, octoprint, 600, "other.gcode")
    await hass.async_add_executor_job(printing.wait_for, octoprint, "Printing")
    await wait(hass, freezer, 62)
    assert states(hass, loaded, "printing", "print_file") == ("on", "unknown")
    relay.heal()
    await hass.async_add_executor_job(octoprint.request, "POST", "/api/job", {"command": "cancel"})
    await unload(hass, loaded)


# What the service thinks of the print


async def test_gadget(
    hass: HomeAssistant, relay: Relay, entry: MockConfigEntry, connection: AppConnection, octoprint: OctoPrintServer
) -> None:
    """Gadget is asked while there is a print, and only then."""
    path = "/api/gadget/GetStatusFromAppConnection"
    await connected(hass, entry)
    assert states(hass, entry, "gadget_state", "gadget_rating", "print_failing") == ("unknown",) * 3
    assert not relay.seen(path=path)
    await begin(hass, octoprint)
    await until_state(hass, entry, "active", "gadget_state")
    assert states(hass, entry, "gadget_rating", "gadget_status", "print_failing") == ("10", "All good", "off")
    connection.apis.gadget = {"State": 4, "Status": "Spaghetti", "StatusColor": "r", "Rating": 1}
    await until_state(hass, entry, "on", "print_failing")
    assert states(hass, entry, "gadget_state", "gadget_rating") == ("paused", "1")
    await press(hass, entry, "cancel")
    await until_state(hass, entry, "unknown", "gadget_state")
    asked = len(relay.seen(path=path))
    await entry.runtime_data.detection.async_refresh()
    assert len(relay.seen(path=path)) == asked
    await unload(hass, entry)


@pytest.mark.parametrize(("code", "is_told"), [(600, True), (611, False)])
async def test_gadget_that_is_not_there(
    hass: HomeAssistant,
    relay: Relay,
    entry: MockConfigEntry,
    octoprint: OctoPrintServer,
    caplog: pytest.LogCaptureFixture,
    code: int,
    is_told: bool,
) -> None:
    """A fault is told once; that an account has no Gadget is none. The printer is read on."""
    relay.fail("octoeverywhere_api", code, path="/api/gadget")
    await connected(hass, entry)
    await begin(hass, octoprint)
    await until_state(hass, entry, "unavailable", "gadget_state")
    await until_state(hass, entry, "printing")
    assert state(hass, entry, "tunnel_status").state == "ok"
    await entry.runtime_data.detection.async_refresh()
    lines = log_lines(caplog)
    assert len(lines) == is_told
    assert not is_told or lines[0].startswith("Kitchen: failure detection: ")
    relay.heal()
    await press(hass, entry, "cancel")
    await until_state(hass, entry, "operational")
    assert log_lines(caplog)[1:] == ["Kitchen: works again"] * is_told
    await unload(hass, entry)


async def test_prediction(
    hass: HomeAssistant, relay: Relay, obico_entry: MockConfigEntry, octoprint: OctoPrintServer
) -> None:
    """Obico's prediction, which it does not count as usage."""
    await connected(hass, obico_entry)
    assert not relay.seen(path="/_tsd_/prediction/")
    relay.obico.prediction = 0.25
    await begin(hass, octoprint)
    await until_state(hass, obico_entry, "25.0", "failure_probability")
    assert state(hass, obico_entry, "print_failing").state == "off"
    relay.obico.prediction = 0.7
    await until_state(hass, obico_entry, "on", "print_failing")
    await press(hass, obico_entry, "cancel")
    await until_state(hass, obico_entry, "unknown", "failure_probability")
    await unload(hass, obico_entry)
