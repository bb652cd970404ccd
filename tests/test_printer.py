"""A printer in Home Assistant, from set-up to removal, through each tunnel and with each version of OctoPrint."""

from collections.abc import Callable
from datetime import timedelta
import json
from pathlib import Path
import time

import pytest

from custom_components.octoprint_tunnel.api.tunnels import TUNNELS
from homeassistant.config_entries import ConfigEntryState
from homeassistant.helpers import device_registry as dr
from homeassistant.util import dt as dt_util

from .faults import SITE
from .home import Home, entities, log_lines
from .octoprint import printing
from .octoprint.server import OctoPrintServer
from .relay.octoeverywhere import AppConnection
from .relay.server import Relay

BOTH_VERSIONS = pytest.mark.parametrize("octoprint_version", ["1.11", "2.0"])
ALL_TUNNELS = pytest.mark.parametrize("provider", TUNNELS)
OBICO = pytest.mark.parametrize("provider", ["obico"])
SYSTEM = {"system_restart", "system_reboot"}


async def until(home: Home, condition: Callable[[], object]) -> None:
    """Let polls come until a condition is met; OctoPrint's clock is not the one that the test moves."""
    for _ in range(600):
        if condition():
            return
        await home.hass.async_add_executor_job(time.sleep, 0.1)
        await home.wait(20)
    pytest.fail(f"The printer is {home.state('printer_state').state}")


async def until_state(home: Home, expected: str) -> None:
    """Let polls come until the printer has this state."""
    await until(home, lambda: home.state("printer_state").state == expected)


async def connect(home: Home) -> None:
    """Connect the printer, and wait until it has reported its temperatures."""
    await home.press("connect")
    await until_state(home, "operational")
    await until(home, lambda: "bed_actual_temperature" in home.keys)


def device_of(home: Home) -> dr.DeviceEntry:
    """Return the printer's device."""
    [device] = dr.async_entries_for_config_entry(dr.async_get(home.hass), home.entry.entry_id)
    return device


@BOTH_VERSIONS
@ALL_TUNNELS
@pytest.mark.usefixtures("all_enabled")
async def test_connect_and_disconnect(home: Home, octoprint_version: str, provider: str) -> None:
    """The buttons do in the printer what they say."""
    assert home.states("octoprint_online", "tunnel_status", "active_route") == ("on", "ok", "tunnel")
    assert home.states("printer_connected", "printer_state", "port") == ("off", "offline", "unknown")
    assert ("connector" in home.keys) is (octoprint_version == "2.0")

    assert home.states("connect", "disconnect", "repair") == ("unknown", "unavailable", "unavailable")
    await home.press("connect")
    await until_state(home, "operational")
    assert home.states("connect", "disconnect", "repair") == ("unavailable", "unknown", "unknown")
    assert home.states("printer_connected", "port", "printer_profile") == ("on", "VIRTUAL", "Default")
    assert int(home.state("baudrate").state) > 0
    assert octoprint_version == "1.11" or home.state("connector").state == "serial"
    assert b"Operational" in home.octoprint.request("GET", "/api/connection")[1]

    home.relay.clear()
    await home.press("repair")
    [command] = home.relay.seen("tunnel", method="POST", path="/api/connection")
    assert command.json() == {"command": "repair" if octoprint_version == "2.0" else "fake_ack"}
    assert command.status == 204

    await home.press("disconnect")
    await until_state(home, "offline")
    assert home.state("printer_connected").state == "off"
    assert provider == "octoeverywhere" or not home.relay.obico.violations


@pytest.mark.usefixtures("all_enabled")
async def test_values_that_the_service_does_not_report(home: Home, connection: AppConnection) -> None:
    """They are unknown, and no error."""
    assert home.states("last_connected", "max_webcam_stream") == ("2026-11-20T09:51:17+00:00", "10.0")
    connection.info = {"PrinterLimits": None, "LastConnectionTimeUtc": "soon", "PrinterName": 7}
    await home.wait(61)
    assert home.states("last_connected", "max_webcam_stream", "max_download_size") == ("unknown",) * 3
    assert home.states("tunnel_status", "octoprint_online") == ("ok", "on")


@OBICO
async def test_usage(home: Home) -> None:
    """The month's data, its cap and its end; an unlimited cap is unknown and has an attribute that says why."""
    assert home.freezer
    next_year = dt_util.utcnow().year + 1
    home.freezer.move_to(f"{next_year}-12-31T23:00:00+00:00")
    home.relay.obico.used_bytes = 15 * 1024 * 1024
    await home.wait(61)
    assert float(home.state("tunnel_usage").state) == pytest.approx(15, abs=0.1)
    assert home.states("tunnel_usage_cap", "tunnel_usage_reset") == (
        "300.0",
        f"{next_year + 1}-01-01T00:00:00+00:00",
    )
    assert home.state("tunnel_usage_cap").attributes["unlimited"] is False
    home.relay.obico.monthly_cap = -1
    await home.wait(61)
    assert home.state("tunnel_usage_cap").state == "unknown"
    assert home.state("tunnel_usage_cap").attributes["unlimited"] is True


@pytest.mark.parametrize(("provider", "service"), [("octoeverywhere", "OctoEverywhere"), ("obico", "Obico")])
async def test_model(home: Home, service: str) -> None:
    """It names the service."""
    assert device_of(home).model == f"OctoPrint via {service}"


async def test_renamed_in_the_service(home: Home, connection: AppConnection) -> None:
    """The device takes over a new name; entity ids stay."""
    before = entities(home.hass, home.entry)
    connection.info = {"PrinterName": "Cellar"}
    await home.wait(61)
    assert device_of(home).name == "Cellar"
    assert before.items() <= entities(home.hass, home.entry).items()


# What it costs


@ALL_TUNNELS
async def test_requests_of_a_poll(home: Home) -> None:
    """In a minute one to OctoPrint, and one to the service. The first poll after set-up reads the system commands."""
    assert not SYSTEM & home.keys
    service = home.entry.data["provider"] in SITE
    for number in (2, 1, 1):
        home.relay.clear()
        await home.wait(61)
        assert len(home.relay.requests) == number + service, [request.path for request in home.relay.requests]
        assert len(home.relay.seen("tunnel")) == number
        assert home.keys >= SYSTEM


async def test_requests_while_octoprint_is_off(home: Home) -> None:
    """What the service knows is not asked of the tunnel."""
    home.relay.printer.online = False
    await home.wait(61)
    for _ in range(3):
        home.relay.clear()
        await home.wait(61)
        assert [request.service for request in home.relay.requests] == ["octoeverywhere_api"]
    assert home.states("octoprint_online", "tunnel_status", "active_route") == ("off", "offline", "none")
    assert home.state("printer_state").state == "unavailable"
    home.relay.printer.online = None
    await home.wait(61)
    assert home.states("octoprint_online", "printer_state") == ("on", "offline")


async def test_polls_after_a_command(home: Home) -> None:
    """They are soon and frequent, and at the usual interval once the state has settled."""
    await home.press("connect")
    home.relay.clear()
    await home.wait(3)
    assert home.relay.seen("tunnel", method="GET", path="/api/connection")
    await until_state(home, "operational")
    await home.wait(61, times=6)  # until the printer has reported its temperatures
    assert home.runtime.printer.update_interval == timedelta(seconds=60)


@OBICO
@pytest.mark.usefixtures("all_enabled")
async def test_polls_of_an_offline_printer_on_a_metered_line(home: Home) -> None:
    """A poll reads no more than the state; a change of the connection is read as a whole at once."""
    home.relay.clear()
    await home.wait(62, times=14)
    [_] = home.relay.seen("obico_tunnel", path="/api/system/commands")
    polls = home.relay.seen("obico_tunnel", path="/api/printer")
    assert len(polls) == len(home.relay.seen("obico_tunnel")) - 1 == 14
    assert sum(poll.response_bytes for poll in polls) < 14 * 100
    await home.wait(62)
    assert home.relay.seen("obico_tunnel")[-1].path == "/api/connection"

    await home.in_octoprint(printing.connect)
    await home.wait(62)
    assert home.states("printer_state", "port") == ("operational", "VIRTUAL")
    home.relay.clear()
    await home.wait(62)
    [poll] = home.relay.seen("obico_tunnel")
    assert poll.path == "/api/printer"
    assert poll.response_bytes < 600
    assert home.state("printer_state").state == "operational"
    await home.in_octoprint(OctoPrintServer.request, "POST", "/api/connection", {"command": "disconnect"})
    await home.wait(62)
    assert home.states("printer_state", "port") == ("offline", "unknown")


# Comings and goings


@pytest.mark.usefixtures("all_enabled")
async def test_octoprint_off_at_start(new_home: Home) -> None:
    """Set-up succeeds, and what only OctoPrint knows comes later."""
    new_home.relay.printer.online = False
    await new_home.set_up()
    assert new_home.entry.state is ConfigEntryState.LOADED
    assert "connector" not in new_home.keys
    assert new_home.state("connect").state == "unavailable"
    new_home.relay.printer.online = None
    await new_home.wait(61)
    assert new_home.states("connector", "connect") == ("unknown", "unknown")
    assert device_of(new_home).sw_version == "2.0.0rc7"


@ALL_TUNNELS
async def test_unload_reload_and_remove(home: Home) -> None:
    """Unloaded, nothing is asked; reloaded, all is as before; removed, nothing is left."""
    await home.wait(61)
    before = home.keys
    assert await home.hass.config_entries.async_unload(home.entry.entry_id)
    home.relay.clear()
    await home.wait(3600)
    assert not home.relay.requests
    await home.set_up()
    assert home.keys == before
    assert home.states("tunnel_status", "printer_state") == ("ok", "offline")
    await home.hass.config_entries.async_remove(home.entry.entry_id)
    await home.wait(0)
    assert not home.hass.states.async_entity_ids()
    assert not dr.async_get(home.hass).devices


# Odd responses, and parts that fail


def respond(relay: Relay, path: str, body: object) -> None:
    """Respond with this in OctoPrint's place."""
    relay.fail("octoeverywhere_tunnel", 200, json.dumps(body), path=path, content_type="application/json")


@pytest.mark.usefixtures("all_enabled")
async def test_strings_longer_than_a_state_may_be(new_home: Home, caplog: pytest.LogCaptureFixture) -> None:
    """Home Assistant takes 255 characters and logs an error for more."""
    current = {"state": "Operational" + "x" * 300, "port": "/dev/" + "x" * 300, "printerProfile": "_default"}
    profiles = [{"id": "_default", "name": "P" * 300}]
    respond(new_home.relay, "/api/connection", {"current": current, "options": {"printerProfiles": profiles}})
    await new_home.set_up()
    assert new_home.state("printer_state").attributes["state_text"] == ("Operational" + "x" * 300)[:255]
    assert new_home.state("port").state == "unknown"  # a part of it would be another port
    assert not [record for record in caplog.records if record.levelname == "ERROR"]


@BOTH_VERSIONS
@pytest.mark.parametrize(("status", "body"), [(500, "Internal Server Error"), (200, "<html>"), (409, "{}")])
@pytest.mark.usefixtures("all_enabled")
async def test_one_bad_part_takes_no_other(home: Home, status: int, body: str) -> None:
    """State and temperatures are shown while the job, the connection as a whole or the temperatures cannot be read."""
    await connect(home)
    for path in ("/api/job", "/api/connection", "/api/printer"):
        home.relay.fail("octoeverywhere_tunnel", status, body, path=path)
        for seconds in (61, 1000):
            await home.wait(seconds)
            if (path, status) != ("/api/printer", 409):  # which says that there is no printer
                assert home.states("printer_state", "printer_connected", "port") == ("operational", "on", "VIRTUAL")
            assert path == "/api/printer" or float(home.state("bed_actual_temperature").state) > 0
        home.relay.heal()
        await home.wait(61)


async def test_more_heaters_than_any_printer_has(new_home: Home, caplog: pytest.LogCaptureFixture) -> None:
    """The others are left out, which is logged once."""
    respond(new_home.relay, "/api/connection", {"current": {"state": "Operational"}, "options": {}})
    heaters = {f"tool{number}": {"actual": 20, "target": 0} for number in range(30)} | {"tool٣": {"actual": 20}}
    respond(new_home.relay, "/api/printer", {"state": {"text": "Operational"}, "temperature": heaters})
    await new_home.set_up()
    await new_home.refresh()
    assert len([key for key in new_home.keys if key.endswith("_target")]) == 20
    assert log_lines(caplog) == ["Kitchen: more than 20 heaters, the others are left out"]


@BOTH_VERSIONS
@ALL_TUNNELS
@pytest.mark.usefixtures("all_enabled")
async def test_lost_connection_without_live_updates(home: Home) -> None:
    """It is an error until the connection is made again, also after a restart of Home Assistant."""
    await connect(home)
    await home.in_octoprint(printing.command, "!!DEBUG:drop_connection", "M105")
    await home.in_octoprint(printing.wait_for, "Offline after error")
    for _ in range(3):
        await home.wait(62)
        assert home.states("printer_state", "error", "port") == ("offline_after_error", "on", "unknown")
    await home.reload()
    assert home.states("printer_state", "error") == ("offline_after_error", "on")
    await home.press("connect")
    await until_state(home, "operational")
    assert home.state("error").state == "off"
    await home.press("disconnect")
    await until_state(home, "offline")
    assert home.state("error").state == "off"


# Commands


@pytest.mark.parametrize("command", ["button", "upload"])
async def test_octoprint_hangs_after_it_has_taken_a_command(home: Home, tmp_path: Path, command: str) -> None:
    """An action ends when it is taken; its effect is read in the background, once for all of them."""
    file = tmp_path / "part.gcode"
    await home.hass.async_add_executor_job(file.write_text, "G28")
    home.hass.config.allowlist_external_dirs = {str(tmp_path)}
    await home.wait(61)
    home.relay.delay("octoeverywhere_tunnel", 600, path="/api/connection")
    home.relay.clear()
    for _ in range(3):
        if command == "button":
            target = {"entity_id": home.state("system_reboot").entity_id}
            await home.hass.services.async_call("button", "press", target, blocking=True)
        else:
            await home.call("upload_file", path=str(file))
    assert not [request for request in home.relay.seen("tunnel", path="/api/connection") if request.status]
    home.relay.heal()
    await home.wait(0)
    assert len(home.relay.seen("tunnel", path="/api/connection")) == 2


@BOTH_VERSIONS
async def test_last_print_after_a_restart(home: Home) -> None:
    """After a restart of Home Assistant the last print is what OctoPrint still has."""
    await home.in_octoprint(printing.connect)
    await home.in_octoprint(printing.start, 1)
    await home.in_octoprint(printing.wait_until_done)
    await home.reload()
    shown = home.states("print_file", "print_progress", "printing", "print_started", "print_finish")
    assert shown == ("part.gcode", "100.0", "off", "unknown", "unknown")
