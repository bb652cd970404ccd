"""What the printer is connected with, its speed and flow, and OctoPrint's custom controls."""

from dataclasses import replace
import logging
from typing import Any

import pytest
from pytest_homeassistant_custom_component.common import async_mock_restore_state_shutdown_restart

from custom_components.octoprint_tunnel.api.json_object import JsonObject
from custom_components.octoprint_tunnel.api.octoprint.connection import Connection
from custom_components.octoprint_tunnel.api.octoprint.custom_controls import MAX_CONTROLS, CustomControl
from custom_components.octoprint_tunnel.connect_choices import MAX_CHOICES, ConnectChoices

from .home import Home, entities, settle
from .octoprint import printing
from .octoprint.server import OctoPrintServer

BOTH_VERSIONS = pytest.mark.parametrize("octoprint_version", ["1.11", "2.0"])
ALL_TUNNELS = pytest.mark.parametrize("provider", ["octoeverywhere", "obico", "own_address"])
CONNECTION = "/api/connection"

pytestmark = [pytest.mark.usefixtures("all_enabled")]


async def select(home: Home, key: str, option: str) -> None:
    """Choose an option."""
    data = {"entity_id": entities(home.hass, home.entry)[key], "option": option}
    await home.hass.services.async_call("select", "select_option", data, blocking=True)


async def set_number(home: Home, key: str, value: float) -> None:
    """Set a number."""
    data = {"entity_id": entities(home.hass, home.entry)[key], "value": value}
    await home.hass.services.async_call("number", "set_value", data, blocking=True)


def commands(home: Home) -> list[Any]:
    """Return the commands about the connection."""
    return [request.json() for request in home.relay.seen("tunnel", method="POST", path=CONNECTION)]


@BOTH_VERSIONS
@ALL_TUNNELS
async def test_connect_with_a_choice(live_home: Home, octoprint_version: str) -> None:
    """Connect uses what was chosen, and OctoPrint's preference for the rest."""
    home = live_home
    assert home.state("port_choice").attributes["options"] == ["preferred", "VIRTUAL"]
    assert "115200" in home.state("baudrate_choice").attributes["options"]
    assert ("connector_choice" in home.keys) is (octoprint_version == "2.0")
    assert home.states("port_choice", "baudrate_choice", "printer_profile_choice") == ("preferred",) * 3
    await select(home, "baudrate_choice", "250000")
    await select(home, "printer_profile_choice", home.state("printer_profile_choice").attributes["options"][1])
    await home.press("connect")
    await home.until_state("operational")
    assert home.states("baudrate", "baudrate_choice") == ("250000", "250000")
    [command] = commands(home)
    assert command["printerProfile"] == "_default"
    assert command.get("parameters", {}).get("port") == (None if octoprint_version == "1.11" else "VIRTUAL")
    await home.press("disconnect")
    await select(home, "baudrate_choice", "preferred")
    await home.press("connect")
    await home.until_state("operational")
    assert home.state("baudrate").state == "115200"


@BOTH_VERSIONS
async def test_choice_that_is_gone(new_home: Home, caplog: pytest.LogCaptureFixture) -> None:
    """It is kept over a restart, shown as missing while OctoPrint does not offer it, and not used then."""
    home = new_home
    await home.set_up()
    await select(home, "baudrate_choice", "250000")
    home.runtime.connect_choices.choose("port", "/dev/ttyUSB9")  # as before its cable was unplugged
    await async_mock_restore_state_shutdown_restart(home.hass)
    await home.reload()
    assert home.states("port_choice", "baudrate_choice") == ("preferred", "250000")
    assert home.state("port_choice").attributes["missing"] == "/dev/ttyUSB9"
    caplog.set_level(logging.INFO)
    await home.press("connect")
    assert "Kitchen: OctoPrint does not offer /dev/ttyUSB9 now, so its preference is used" in caplog.messages
    await home.in_octoprint(lambda server: printing.wait_for(server, "Operational"))
    await home.refresh()
    assert home.states("port", "baudrate") == ("VIRTUAL", "250000")


@BOTH_VERSIONS
async def test_choice_that_is_back(new_home: Home, octoprint_version: str, caplog: pytest.LogCaptureFixture) -> None:
    """It is used, also if the cable was plugged in since the last reading of the whole connection."""
    home = new_home
    await home.set_up()
    home.runtime.connect_choices.choose("port", "VIRTUAL")
    data = home.runtime.printer.data
    options = replace(data.connection.options, ports=(), connectors=() if octoprint_version == "2.0" else None)
    home.runtime.printer.data = replace(data, connection=replace(data.connection, options=options))
    await home.press("connect")
    assert "does not offer" not in caplog.text
    [command] = commands(home)
    assert "VIRTUAL" in (command.get("port"), command.get("parameters", {}).get("port"))


@BOTH_VERSIONS
async def test_choice_of_a_printer_that_is_off(new_home: Home, octoprint_version: str) -> None:
    """It is kept for longer than the week for which Home Assistant keeps that of an entity that is not there."""
    home = new_home
    await home.set_up()
    await select(home, "baudrate_choice", "250000")
    if octoprint_version == "2.0":
        await select(home, "connector_choice", home.state("connector_choice").attributes["options"][1])
    chosen = home.states("baudrate_choice", *{"connector_choice"} & home.keys)
    home.relay.fail(home.tunnel, 601)
    for _ in range(2):
        await home.reload()
        assert home.state("baudrate_choice").state == "unavailable"
        await home.wait(8 * 24 * 3600)
        await async_mock_restore_state_shutdown_restart(home.hass)
    home.relay.heal()
    await home.reload()
    assert home.states("baudrate_choice", *{"connector_choice"} & home.keys) == chosen


def test_choices_are_bounded() -> None:
    """Home Assistant's history takes some 16 kB with a state."""
    ports = [*(f"/dev/tty{number}" for number in range(5000)), "x" * 5000]
    connection = Connection.from_json(JsonObject({"current": {}, "options": {"ports": ports}}))
    assert len(ConnectChoices().offered(connection, "port")) <= MAX_CHOICES


def test_choices_with_one_name() -> None:
    """Their ids tell them apart, and what is called as the option for no choice is."""
    names = {"_default": "Default", "copy": "Default", "big": "Big", "odd": "preferred"}
    profiles = [{"id": key, "name": name} for key, name in names.items()]
    options = {"printerProfiles": profiles, "ports": ["VIRTUAL", "VIRTUAL"], "baudrates": [9600, 9600]}
    connection = Connection.from_json(JsonObject({"current": {}, "options": options}))
    choices = ConnectChoices()
    assert choices.offered(connection, "port") == {"VIRTUAL": "VIRTUAL"}
    assert choices.offered(connection, "baudrate") == {"9600": 9600}
    assert choices.offered(connection, "printer_profile") == {
        "Default (_default)": "_default",
        "Default (copy)": "copy",
        "Big": "big",
        "preferred (odd)": "odd",
    }


@BOTH_VERSIONS
@ALL_TUNNELS
async def test_speed_and_flow(live_home: Home) -> None:
    """The printer gets what is set, and begins with 100 % when it is connected again."""
    home = live_home
    assert home.states("speed", "flow") == ("unavailable", "unavailable")
    await home.in_octoprint(printing.connect)
    await home.until_state("operational")
    assert home.states("speed", "flow") == ("100", "100")
    assert home.state("speed").attributes["assumed_state"]
    await set_number(home, "speed", 150)
    await set_number(home, "flow", 90)
    assert home.states("speed", "flow") == ("150", "90")
    sent = [request.json() for request in home.relay.seen("tunnel", method="POST") if "printer/" in request.path]
    assert sent == [{"command": "feedrate", "factor": 150}, {"command": "flowrate", "factor": 90}]
    await home.press("disconnect")
    await home.in_octoprint(printing.connect)
    await home.until_state("operational")
    assert home.states("speed", "flow") == ("100", "100")


@BOTH_VERSIONS
@ALL_TUNNELS
async def test_custom_controls(live_home: Home) -> None:
    """Each one without input is a button, also in groups; they are read once."""
    home = live_home
    await home.in_octoprint(printing.connect)
    await home.until_state("operational")
    await home.refresh()
    controls = {key for key in home.keys if key.startswith("custom_control")}
    assert controls == {"custom_control_home_all", "custom_control_fan_on"}
    assert home.state("custom_control_fan_on").name == "Kitchen Fan on"
    for _ in range(2):
        await home.refresh()
    assert len(home.relay.seen(path="/api/printer/command/custom")) == 1
    await home.press("custom_control_fan_on")
    [sent] = home.relay.seen(path="/api/printer/command")
    assert sent.json() == {"commands": ["M106 S255", "M117 Fan"]}
    await home.in_octoprint(start)
    await home.until_state("printing")
    assert home.state("custom_control_fan_on").state == "unavailable"
    await home.press("cancel")


async def test_custom_controls_that_change(live_home: Home) -> None:
    """After a restart of OctoPrint, a button sends what its control has now, and nothing if the control is gone."""
    home, printer = live_home, live_home.runtime.printer
    await home.in_octoprint(printing.connect)
    await home.until_state("operational")
    await home.refresh()
    changed = CustomControl(name="Fan on", lines=("M106 S100",))
    printer.async_set_updated_data(replace(printer.data, custom_controls=(changed,)))
    assert home.states("custom_control_fan_on", "custom_control_home_all") == ("unknown", "unavailable")
    await home.press("custom_control_fan_on")
    [sent] = home.relay.seen(path="/api/printer/command")
    assert sent.json() == {"commands": ["M106 S100"]}


async def test_custom_controls_that_always_have_other_names(live_home: Home) -> None:
    """The buttons of controls that are gone are kept only as long as there are few."""
    home, printer = live_home, live_home.runtime.printer
    await home.in_octoprint(printing.connect)
    await home.until_state("operational")
    await home.refresh()
    await select(home, "port_choice", "VIRTUAL")
    for number in range(5):
        names = [f"Control {number} {letter}" for letter in "abcdefghijklmnopqrstuvwxyz"]
        controls = tuple(CustomControl(name=name, lines=("G28",)) for name in names)
        printer.async_set_updated_data(replace(printer.data, custom_controls=controls))
        await settle(home.hass)
        keys = {key for key in home.keys if key.startswith("custom_control")}
        assert {f"custom_control_control_{number}_{letter}" for letter in "az"} <= keys
        assert len(keys) <= 2 * MAX_CONTROLS
        assert ("custom_control_home_all" in keys) is (number <= 1)
    for unknown in (None, ()):
        printer.async_set_updated_data(replace(printer.data, custom_controls=unknown))
    await settle(home.hass)
    assert home.states("custom_control_control_4_a", "port_choice") == ("unavailable", "VIRTUAL")


def start(server: OctoPrintServer) -> None:
    """Begin a print."""
    printing.start(server)
