"""A print from its start to each of its ends, and everything that can be done to it meanwhile."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from functools import partial
import json

import pytest
import voluptuous as vol

from custom_components.octoprint_tunnel import detection, pace
from custom_components.octoprint_tunnel.api.tunnels import TUNNELS
from homeassistant.exceptions import HomeAssistantError, ServiceValidationError
from homeassistant.helpers import entity_registry as er

from .home import Home, entities, log_lines, settle, until
from .octoprint import printing
from .octoprint.server import OctoPrintServer
from .relay.octoeverywhere import AppConnection

BOTH_VERSIONS = pytest.mark.parametrize("octoprint_version", ["1.11", "2.0"])
ALL_TUNNELS = pytest.mark.parametrize("provider", TUNNELS)


@pytest.fixture(autouse=True)
def _often(monkeypatch: pytest.MonkeyPatch) -> None:
    """Poll more often than is due: a test's print lasts seconds."""
    monkeypatch.setattr(pace, "PRINT_INTERVAL", timedelta(seconds=0.3))
    monkeypatch.setattr(detection, "INTERVAL", timedelta(seconds=0.3))


@pytest.fixture
async def connected(live_home: Home) -> Home:
    """Return a house whose printer is connected and has reported its temperatures."""
    await live_home.press("connect")
    await live_home.until_state("operational")
    await until(lambda: "bed_actual_temperature" in live_home.keys)
    await settle(live_home.hass)
    return live_home


def number(home: Home, key: str) -> float:
    """Return a state as a number, -1 where it is none."""
    try:
        return float(home.state(key).state)
    except ValueError:
        return -1


def analyzed(octoprint: OctoPrintServer, name: str) -> bool:
    """Tell whether OctoPrint has analyzed a file."""
    return "filament" in json.loads(octoprint.request("GET", f"/api/files/local/{name}")[1]).get("gcodeAnalysis", {})


async def begin(home: Home, moves: int = 600) -> None:
    """Begin a print in OctoPrint, and wait until it shows."""
    await home.in_octoprint(printing.start, moves)
    await home.until_state("printing")


@BOTH_VERSIONS
@ALL_TUNNELS
@pytest.mark.usefixtures("all_enabled")
async def test_print_to_its_end(connected: Home) -> None:
    """File, progress and times are shown while it prints, and stay when it is done."""
    assert connected.states("printing", "print_progress", "print_file") == ("off", "unknown", "unknown")
    await begin(connected, 40)
    await until(lambda: 0 < number(connected, "print_progress") < 100)
    assert connected.states("printing", "print_file", "error", "paused") == ("on", "part.gcode", "off", "off")
    assert number(connected, "print_file_size") > 0
    started = connected.state("print_started").state
    assert abs(datetime.now(UTC) - datetime.fromisoformat(started)) < timedelta(minutes=2)
    await connected.until_state("operational")
    await until(lambda: number(connected, "print_progress") == 100)
    assert connected.states("printing", "print_file", "print_started") == ("off", "part.gcode", started)
    assert number(connected, "print_time_elapsed") > 0


@BOTH_VERSIONS
async def test_what_a_print_needs(live_home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    """Filament of each tool and the time of the whole print, by OctoPrint's analysis of the file."""
    short = printing.gcode

    def with_two_tools(moves: int, **values: int) -> bytes:
        return b"; filament_diameter = 1.75\nM83\nG1 X1 E150 F3000\nT1\nG1 X9 E50 F3000\nT0\n" + short(moves, **values)

    monkeypatch.setattr(printing, "gcode", with_two_tools)
    assert live_home.state("filament_length").state == "unknown"
    await live_home.press("connect")
    await live_home.until_state("operational")
    await live_home.in_octoprint(printing.upload, 100, "needs.gcode")
    await until(partial(analyzed, live_home.octoprint, "needs.gcode"))
    await live_home.in_octoprint(printing.begin, "needs.gcode")
    await live_home.until_state("printing")
    await until(lambda: live_home.state("print_time_left").attributes["based_on"])
    assert number(live_home, "filament_length") == 0.15
    assert live_home.state("print_time_left").attributes["estimated_print_time"] >= 10
    registry = er.async_get(live_home.hass)
    of_tools = ("filament_length", "filament_volume", "tool1_filament_length", "tool1_filament_volume")
    ids = entities(live_home.hass, live_home.entry)
    assert [registry.entities[ids[key]].disabled for key in of_tools] == [False, True, True, True]
    assert "filament_weight" not in live_home.keys


@BOTH_VERSIONS
@ALL_TUNNELS
async def test_pause_resume_and_cancel(connected: Home) -> None:
    """Each button is available when it can do something, and does what it says."""
    assert connected.states("pause", "resume", "cancel") == ("unavailable",) * 3
    await begin(connected)
    await until(lambda: number(connected, "print_progress") > 0)
    assert connected.states("pause", "resume", "cancel") == ("unknown", "unavailable", "unknown")

    await connected.press("pause")
    await connected.until_state("paused")
    assert connected.states("paused", "printing", "pause") == ("on", "on", "unavailable")
    await connected.press("resume")
    await connected.until_state("printing")
    assert connected.state("paused").state == "off"
    progress = number(connected, "print_progress")

    await connected.press("cancel")
    await connected.until_state("operational")
    await settle(connected.hass)
    assert connected.states("printing", "print_file", "cancel") == ("off", "part.gcode", "unavailable")
    assert number(connected, "print_progress") >= progress


@BOTH_VERSIONS
async def test_buttons_that_would_end_a_print(connected: Home) -> None:
    """They are unavailable during a print, also while it is paused."""
    buttons = ("connect", "disconnect", "system_restart", "system_reboot")
    assert connected.states(*buttons) == ("unavailable", "unknown", "unknown", "unknown")
    await begin(connected)
    assert connected.states(*buttons) == ("unavailable",) * 4
    await connected.press("pause")
    await connected.until_state("paused")
    assert connected.states(*buttons) == ("unavailable",) * 4
    await connected.press("cancel")
    await connected.until_state("operational")
    assert connected.states(*buttons) == ("unavailable", "unknown", "unknown", "unknown")


@BOTH_VERSIONS
@ALL_TUNNELS
@pytest.mark.parametrize("button", ["disconnect", "system_restart", "system_reboot"])
async def test_print_that_has_begun_since_the_last_poll(
    home: Home, monkeypatch: pytest.MonkeyPatch, button: str
) -> None:
    """A button that would end it is refused, and the print is shown."""
    # The clock stands still here, and less than a second on it may be over at once, again and again.
    monkeypatch.setattr(pace, "PRINT_INTERVAL", timedelta(seconds=30))
    monkeypatch.setattr(detection, "INTERVAL", timedelta(seconds=30))
    await home.in_octoprint(printing.connect)
    await home.wait(61)
    await home.in_octoprint(printing.start)
    assert home.states("printer_state", button) == ("operational", "unknown")
    with pytest.raises(ServiceValidationError) as raised:
        await home.press(button)
    assert raised.value.translation_key == "print_in_progress"
    assert not home.relay.seen("tunnel", method="POST")
    await settle(home.hass)
    assert home.states("printer_state", button) == ("printing", "unavailable")


async def test_deliberate_disconnection(connected: Home) -> None:
    """The action disconnects also during a print."""
    await begin(connected)
    await connected.call("disconnect")
    await connected.until_state("offline")


@BOTH_VERSIONS
@pytest.mark.parametrize("end", ["cancel", "reset"])
async def test_print_that_ends_as_soon_as_it_has_begun(
    connected: Home, monkeypatch: pytest.MonkeyPatch, end: str
) -> None:
    """Its progress is 0 %, not unknown."""
    monkeypatch.setattr(pace, "PRINT_INTERVAL", timedelta(minutes=1))
    await begin(connected)
    assert connected.states("print_progress", "print_time_elapsed") == ("0.0", "0.0")
    started = connected.state("print_started").state
    if end == "cancel":
        await connected.press("cancel")
    else:
        await connected.in_octoprint(printing.command, "!!DEBUG:reset")
    # OctoPrint sometimes loses a printer that is reset: the lines that follow no longer have the expected numbers.
    ends = {"operational"} if end == "cancel" else {"operational", "offline_after_error"}
    await until(lambda: connected.state("printer_state").state in ends)
    await settle(connected.hass)
    shown = connected.states("print_file", "print_progress", "print_started", "print_time_elapsed", "print_time_left")
    assert shown == ("part.gcode", "0.0", started, "0.0", "unknown")


@BOTH_VERSIONS
async def test_print_that_fails(connected: Home) -> None:
    """The error is shown, with OctoPrint's text, until the printer is connected again."""
    await begin(connected)
    await connected.in_octoprint(printing.command, "!!DEBUG:trigger_fatal_error_marlin")
    await connected.until_state("offline_after_error")
    await settle(connected.hass)
    assert connected.states("error", "printing", "printer_connected") == ("on", "off", "off")
    assert "Thermal Runaway" in connected.state("printer_state").attributes["error"]
    assert connected.states("bed_actual_temperature", "bed_target") == ("unknown", "unavailable")
    await connected.press("connect")
    await connected.until_state("operational")
    await connected.until_state("off", "error")


@pytest.mark.parametrize(
    ("provider", "of_the_service"),
    [
        (
            "octoeverywhere",
            {
                *("last_connected", "last_disconnected", "gadget_rating"),
                *("max_download_size", "max_upload_size", "max_webcam_stream"),
            },
        ),
        ("obico", {"tunnel_usage_own"}),
    ],
)
async def test_entities_that_are_off_by_default(connected: Home, of_the_service: set[str]) -> None:
    """Few users want them."""
    found = er.async_entries_for_config_entry(er.async_get(connected.hass), connected.entry.entry_id)
    off = {item.unique_id.removeprefix(f"{connected.entry.unique_id}_") for item in found if item.disabled}
    of_the_printer = {"port", "baudrate", "connector", "printer_profile", "print_file_size", "filament_volume"}
    choices = {"connector_choice", "port_choice", "baudrate_choice", "printer_profile_choice"}
    controls = {"emergency_stop", "prompt_choice_1", "prompt_choice_2", "speed", "flow"}
    off -= {key for key in off if key.startswith("custom_control_")}
    targets = {"tool0_target_temperature", "bed_target_temperature"}
    assert off == of_the_service | of_the_printer | choices | controls | targets


@BOTH_VERSIONS
@ALL_TUNNELS
@pytest.mark.usefixtures("all_enabled")
async def test_temperatures(connected: Home) -> None:
    """Heaters appear as the printer reports them, and can be set within limits."""
    assert number(connected, "tool0_actual_temperature") > 0
    assert connected.states("tool0_target_temperature", "bed_target") == ("0.0", "0.0")
    assert "chamber_actual_temperature" not in connected.keys

    async def set_target(key: str, value: object) -> None:
        target = {"entity_id": connected.state(key).entity_id, "value": value}
        await connected.hass.services.async_call("number", "set_value", target, blocking=True)

    def targets() -> list[float]:
        temperature = json.loads(connected.octoprint.request("GET", "/api/printer")[1])["temperature"]
        return [temperature["bed"]["target"], temperature["tool0"]["target"]]

    await set_target("bed_target", 55)
    await set_target("tool0_target", 70)
    await until(lambda: targets() == [55, 70])
    await connected.refresh()
    assert connected.states("bed_target", "tool0_target", "bed_target_temperature") == ("55.0", "70.0", "55.0")
    connected.relay.clear()
    for absurd in (500, -1, "nan", float("nan"), "inf"):
        with pytest.raises((HomeAssistantError, vol.Invalid)):
            await set_target("bed_target", absurd)
    assert not connected.relay.seen("tunnel", method="POST")
    await connected.in_octoprint(printing.command, "M140 S0", "M104 S0")


@BOTH_VERSIONS
async def test_system_commands(live_home: Home) -> None:
    """There is a button for each command that this server has, and for no other."""
    await until(lambda: "system_restart" in live_home.keys)
    assert {key for key in live_home.keys if key.startswith("system_")} == {"system_restart", "system_reboot"}
    live_home.relay.clear()
    await live_home.press("system_reboot")
    assert live_home.relay.seen("tunnel", method="POST", path="/api/system/commands/core/reboot")


async def test_system_commands_of_a_key_that_may_not(new_home: Home, caplog: pytest.LogCaptureFixture) -> None:
    """A key without the permission has no such buttons, and there is no error."""
    new_home.entry.add_to_hass(new_home.hass)
    data = {**new_home.entry.data, "api_key": new_home.octoprint.limited_api_key}
    new_home.hass.config_entries.async_update_entry(new_home.entry, data=data)
    await new_home.set_up()
    await new_home.wait(61)
    assert new_home.relay.seen(path="/api/system/commands")
    assert not [key for key in new_home.keys if key.startswith("system_")]
    assert new_home.state("printer_state").state == "offline"
    assert not log_lines(caplog)


async def test_action_before_octoprint_has_responded(new_home: Home) -> None:
    """It shows what is in the way, also where nothing is known of the printer yet."""
    new_home.relay.printer.online = False
    await new_home.set_up()
    with pytest.raises(HomeAssistantError) as caught:
        await new_home.call("send_commands", commands=["G28"])
    assert caught.value.translation_key == "octoprint_offline"
    assert not new_home.relay.seen("tunnel", method="POST")


# Without live updates


@pytest.fixture
async def polled(home: Home, monkeypatch: pytest.MonkeyPatch) -> Home:
    """Return a house whose printer is connected and polled once a minute."""
    # The clock stands still here, and less than a second on it may be over at once, again and again.
    monkeypatch.setattr(detection, "INTERVAL", timedelta(seconds=30))
    await home.in_octoprint(printing.connect)
    await home.wait(62, times=6)
    assert home.states("printer_state", "print_file") == ("operational", "unknown")
    return home


async def start(home: Home, moves: int = 600, name: str = printing.NAME) -> None:
    """Begin a print, and poll once."""
    await home.in_octoprint(printing.start, moves, name)
    await home.in_octoprint(printing.wait_for, "Printing")
    await home.wait(62)


async def cancel(home: Home) -> None:
    """Cancel the print in OctoPrint, and poll once."""
    await home.in_octoprint(OctoPrintServer.request, "POST", "/api/job", {"command": "cancel"})
    await home.in_octoprint(printing.wait_for, "Operational")
    await home.wait(62)


async def test_polls_of_a_print(polled: Home) -> None:
    """Each asks for the job and the temperatures, and for nothing else."""
    await start(polled)
    assert polled.states("printer_state", "print_file") == ("printing", "part.gcode")
    polled.relay.clear()
    await polled.wait(62)
    assert [request.path for request in polled.relay.seen("tunnel")] == ["/api/job", "/api/printer"]
    assert polled.relay.traffic("tunnel").received_bytes < 1000
    await cancel(polled)
    assert polled.state("printer_state").state == "operational"


@BOTH_VERSIONS
async def test_print_between_two_polls(polled: Home) -> None:
    """A print that no poll has met is shown with the next reading of the connection."""
    await polled.in_octoprint(printing.start, 0)
    await polled.in_octoprint(printing.wait_for, "Operational")
    await polled.wait(16 * 60)
    assert polled.states("printing", "print_file", "print_progress") == ("off", "part.gcode", "100.0")


async def test_print_that_ends_while_its_job_cannot_be_read(polled: Home) -> None:
    """It has no time left when it is over, and its file is not shown for the next print."""
    await start(polled)
    assert polled.states("printing", "print_file") == ("on", "part.gcode")
    printer = polled.runtime.printer
    job = printer.data.job
    assert job is not None
    assert job.read_at is not None
    printer.data = replace(printer.data, job=replace(job, left=600, finishes_at=job.read_at + timedelta(seconds=600)))
    polled.relay.fail("tunnel", 500, path="/api/job")
    await cancel(polled)
    assert polled.states("printing", "print_time_left", "print_finish") == ("off", "unknown", "unknown")
    await start(polled, 600, "other.gcode")
    assert polled.states("printing", "print_file") == ("on", "unknown")
    polled.relay.heal()
    await cancel(polled)


# Failure detection


@pytest.mark.usefixtures("all_enabled")
async def test_gadget(connected: Home, connection: AppConnection) -> None:
    """It is asked while there is a print, and only then."""
    path = "/api/gadget/GetStatusFromAppConnection"
    assert connected.states("gadget_state", "gadget_rating", "print_failing") == ("unknown",) * 3
    assert not connected.relay.seen(path=path)
    await begin(connected)
    await connected.until_state("active", "gadget_state")
    assert connected.states("gadget_rating", "gadget_status", "print_failing") == ("10", "All good", "off")
    connection.apis.gadget = {"State": 4, "Status": "Spaghetti", "StatusColor": "r", "Rating": 1}
    await connected.until_state("on", "print_failing")
    assert connected.states("gadget_state", "gadget_rating") == ("paused", "unknown")
    await connected.press("cancel")
    await connected.until_state("unknown", "gadget_state")
    asked = len(connected.relay.seen(path=path))
    assert connected.runtime.detection
    await connected.runtime.detection.async_refresh()
    assert len(connected.relay.seen(path=path)) == asked


@pytest.mark.parametrize(("code", "is_logged"), [(600, True), (611, False)])
async def test_gadget_that_fails(connected: Home, caplog: pytest.LogCaptureFixture, code: int, is_logged: bool) -> None:
    """An error is logged once; that an account has no Gadget is none. The printer is read on."""
    connected.relay.fail("octoeverywhere_api", code, path="/api/gadget")
    await begin(connected)
    await connected.until_state("unavailable", "gadget_state")
    assert connected.states("printer_state", "tunnel_status") == ("printing", "ok")
    assert connected.runtime.detection
    await connected.runtime.detection.async_refresh()
    lines = log_lines(caplog)
    assert len(lines) == is_logged
    assert not is_logged or lines[0].startswith("Kitchen: failure detection: ")
    connected.relay.heal()
    await connected.press("cancel")
    await connected.until_state("operational")
    assert log_lines(caplog)[1:] == ["Kitchen: works again"] * is_logged


@pytest.mark.parametrize("provider", ["obico"])
async def test_prediction(connected: Home) -> None:
    """Obico's failure probability of the print."""
    assert not connected.relay.seen(path="/_tsd_/prediction/")
    connected.relay.obico.prediction = 0.25781
    await begin(connected)
    await connected.until_state("25.8", "failure_probability")
    assert connected.state("print_failing").state == "off"
    connected.relay.obico.prediction = 0.7
    await connected.until_state("on", "print_failing")
    await connected.press("cancel")
    await connected.until_state("unknown", "failure_probability")
