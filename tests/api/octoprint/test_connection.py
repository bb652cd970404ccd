"""OctoPrint's connection to the printer, in both shapes, complete or not.

The documented responses are the examples of OctoPrint's REST API, "Get connection settings"; the recorded ones are of
the versions in their names.
"""

from copy import deepcopy
import json
from pathlib import Path
from typing import Any

import pytest

from custom_components.octoprint_tunnel.api.errors import InvalidResponse
from custom_components.octoprint_tunnel.api.json_object import JsonObject
from custom_components.octoprint_tunnel.api.octoprint.connection import (
    Connection,
    ConnectionOptions,
    Connector,
    PrinterState,
    error_in,
)

RECORDED = Path(__file__).parents[2] / "octoprint" / "recorded"

DOCUMENTED: dict[str, Any] = {
    "current": {"state": "Operational", "port": "/dev/ttyACM0", "baudrate": 250000, "printerProfile": "_default"},
    "options": {
        "ports": ["/dev/ttyACM0", "VIRTUAL"],
        "baudrates": [250000, 115200],
        "printerProfiles": [{"name": "Default", "id": "_default"}],
        "portPreference": "/dev/ttyACM0",
        "baudratePreference": 250000,
        "printerProfilePreference": "_default",
        "autoconnect": True,
    },
}
WITH_CONNECTORS: dict[str, Any] = {
    "current": {
        "state": "Operational",
        "connector": "serial",
        "parameters": {"port": "/dev/ttyACM0", "baudrate": 115200},
        "capabilities": {"job_on_hold": True, "temperature_offsets": True},
        "profile": "_default",
    },
    "options": {
        "connectors": [
            {
                "connector": "serial",
                "name": "Serial Connection",
                "parameters": {"port": ["VIRTUAL", "/dev/ttyACM0"], "baudrate": [115200, 250000]},
            },
            {"connector": "moonraker", "name": "Klipper (Moonraker)", "parameters": {}},
        ],
        "profiles": [{"id": "_default", "name": "Default Profile"}],
        "preferredConnector": {"connector": "serial", "parameters": {"port": "/dev/ttyACM0", "baudrate": 115200}},
        "preferredProfile": "_default",
    },
}
BOTH = pytest.mark.parametrize("documented", [DOCUMENTED, WITH_CONNECTORS], ids=["1.11", "2.0"])


def read(response: object) -> Connection:
    """Read a response as it arrives over the network."""
    return Connection.from_json(JsonObject.parse(json.dumps(response).encode()))


def recorded(name: str) -> Connection:
    """Read a response that was recorded from a real OctoPrint."""
    return Connection.from_json(JsonObject.parse((RECORDED / f"connection_{name}.json").read_bytes()))


# the two shapes


def test_the_documented_response_is_read() -> None:
    """Before OctoPrint 2.0."""
    assert read(DOCUMENTED) == Connection(
        state=PrinterState.OPERATIONAL,
        state_text="Operational",
        port="/dev/ttyACM0",
        baudrate=250000,
        connector=None,
        profile="_default",
        options=ConnectionOptions(
            ports=("/dev/ttyACM0", "VIRTUAL"),
            baudrates=(250000, 115200),
            profiles={"_default": "Default"},
            connectors=None,
            preferred_port="/dev/ttyACM0",
            preferred_baudrate=250000,
            preferred_profile="_default",
            preferred_parameters={},
            autoconnect=True,
        ),
    )


def test_the_documented_response_with_connectors_is_read() -> None:
    """OctoPrint 2.0."""
    parameters = {"port": ["VIRTUAL", "/dev/ttyACM0"], "baudrate": [115200, 250000]}
    assert read(WITH_CONNECTORS) == Connection(
        state=PrinterState.OPERATIONAL,
        state_text="Operational",
        port="/dev/ttyACM0",
        baudrate=115200,
        connector="serial",
        profile="_default",
        options=ConnectionOptions(
            profiles={"_default": "Default Profile"},
            connectors=(
                Connector(connector="serial", name="Serial Connection", parameters=parameters),
                Connector(connector="moonraker", name="Klipper (Moonraker)", parameters={}),
            ),
            preferred_profile="_default",
            preferred_connector="serial",
            preferred_parameters={"port": "/dev/ttyACM0", "baudrate": 115200},
        ),
    )


@pytest.mark.parametrize("version", ["1.11", "2.0_no_header", "2.0"])
def test_a_recorded_connection_reads_the_same_in_every_shape(version: str) -> None:
    """Port, baud rate and profile."""
    connection = recorded(f"{version}_connected")
    assert (connection.state, connection.port, connection.baudrate) == (PrinterState.OPERATIONAL, "VIRTUAL", 115200)
    assert (connection.profile, connection.profile_name) == ("_default", "Default")
    assert connection.connector == ("serial" if version == "2.0" else None)
    assert connection.has_connectors == (version == "2.0")


@pytest.mark.parametrize(("version", "profile"), [("1.11", "_default"), ("2.0_no_header", None), ("2.0", None)])
def test_a_recorded_response_without_a_printer(version: str, profile: str | None) -> None:
    """It has the options to connect with, and no values."""
    connection = recorded(f"{version}_disconnected")
    assert connection.state is PrinterState.OFFLINE
    assert (connection.port, connection.baudrate, connection.connector) == (None, None, None)
    assert (connection.profile, connection.profile_name) == (profile, profile and "Default")
    assert connection.options.profiles == {"_default": "Default"}
    if connection.options.connectors is None:
        assert "VIRTUAL" in connection.options.ports
    else:
        [serial] = connection.options.connectors
        assert "VIRTUAL" in serial.parameters["port"]
        assert connection.options.preferred_connector == "serial"


@pytest.mark.parametrize(
    "current",
    [
        {"state": "Detecting serial connection", "connector": "serial", "parameters": {"port": None, "baudrate": 0}},
        {"state": "Operational", "connector": "moonraker", "parameters": {"host": "192.168.1.7", "secure": False}},
    ],
)
def test_a_connector_may_have_neither_port_nor_baud_rate(current: dict[str, Any]) -> None:
    """While it detects them, and on the network. Other parameters are kept to send them back."""
    preferred = {"connector": "moonraker", "parameters": {"host": "192.168.1.7"}}
    connection = read({"current": current, "options": {"connectors": [], "preferredConnector": preferred}})
    assert (connection.connector, connection.port, connection.baudrate) == (current["connector"], None, None)
    assert connection.options.preferred_parameters == {"host": "192.168.1.7"}


@pytest.mark.parametrize(
    ("response", "has_connectors"),
    [
        ({"current": {}, "options": {"connectors": []}}, True),
        ({"current": {}, "options": {"connectors": None}}, True),
        ({"current": {"connector": None}}, True),
        ({"current": {}, "options": {"ports": []}}, False),
        ({"current": {}}, False),
    ],
)
def test_field_names_show_the_shape(response: dict[str, Any], has_connectors: bool) -> None:
    """Values may be null."""
    assert read(response).has_connectors is has_connectors


# undocumented responses


@BOTH
def test_nulls_read_as_none_or_empty(documented: dict[str, Any]) -> None:
    """In every field."""
    connection = read({part: dict.fromkeys(fields) for part, fields in documented.items()})
    assert (connection.state, connection.state_text) == (PrinterState.UNKNOWN_STATE, None)
    assert (connection.port, connection.baudrate, connection.profile, connection.profile_name) == (None,) * 4
    options = connection.options
    assert (options.ports, options.baudrates, options.profiles, options.connectors or ()) == ((), (), {}, ())
    assert (options.preferred_port, options.preferred_baudrate, options.preferred_profile) == (None, None, None)
    assert (options.preferred_connector, options.preferred_parameters, options.autoconnect) == (None, {}, None)


@BOTH
@pytest.mark.parametrize("value", [True, 7, -1.5, 10**400, "text", "", [None, 1, "a", {}, []], {"id": 1}])
@pytest.mark.parametrize("part", ["current", "options"])
def test_a_field_of_another_type_is_no_error(documented: dict[str, Any], part: str, value: object) -> None:
    """Plugins change responses."""
    for name in documented[part]:
        connection = read({**documented, part: {**documented[part], name: value}})
        assert isinstance(connection.state, PrinterState)
        assert connection.port is None or isinstance(connection.port, str)
        assert connection.baudrate is None or isinstance(connection.baudrate, int)
        assert all(isinstance(text, str) for pair in connection.options.profiles.items() for text in pair)


@BOTH
def test_unknown_fields_are_ignored(documented: dict[str, Any]) -> None:
    """A later OctoPrint may send more."""
    response = deepcopy(documented)
    for part in ("current", "options"):
        response[part]["news"] = {"deep": [1, 2, {"deeper": None}]}
    assert read({**response, "news": []}) == read(documented)


@pytest.mark.parametrize(
    "response",
    [{}, {"options": {}}, {"error": "no"}, {"Current": {}}, {"current": None}, {"current": []}],
)
def test_a_response_without_a_current_connection_is_invalid(response: dict[str, Any]) -> None:
    """It is not from OctoPrint."""
    with pytest.raises(InvalidResponse, match="no current connection"):
        read(response)


def test_an_id_stands_for_a_missing_name() -> None:
    """Without an id, a profile or a connector is ignored: commands need it."""
    things: list[dict[str, Any]] = [{"id": "a"}, {"id": "b", "name": None}, {"name": "c"}, {"id": ""}, {"id": 7}]
    connection = read({"current": {"printerProfile": "gone"}, "options": {"printerProfiles": things}})
    assert connection.options.profiles == {"a": "a", "b": "b"}
    assert connection.profile_name == "gone"
    connectors = [{"connector": thing.get("id"), "name": thing.get("name")} for thing in things]
    connection = read({"current": {}, "options": {"connectors": connectors}})
    assert [(item.connector, item.name) for item in connection.options.connectors or ()] == [("a", "a"), ("b", "b")]


# states


STATES = {
    "Closed": PrinterState.OFFLINE,
    "Offline": PrinterState.OFFLINE,
    "Offline after error": PrinterState.OFFLINE_AFTER_ERROR,
    "Offline (Error: Too many consecutive timeouts)": PrinterState.OFFLINE_AFTER_ERROR,
    "Error": PrinterState.ERROR,
    "Error: Printer halted. kill() called!": PrinterState.ERROR,
    "Opening serial connection": PrinterState.CONNECTING,
    "Opening serial port": PrinterState.CONNECTING,
    "Detecting serial connection": PrinterState.DETECTING,
    "Detecting serial port": PrinterState.DETECTING,
    "Detecting baudrate": PrinterState.DETECTING,
    "Detecting": PrinterState.DETECTING,
    "Connecting": PrinterState.CONNECTING,
    "Operational": PrinterState.OPERATIONAL,
    "Starting": PrinterState.STARTING,
    "Starting print from SD": PrinterState.STARTING,
    "Starting to send file to SD": PrinterState.STARTING,
    "Printing": PrinterState.PRINTING,
    "Printing from SD": PrinterState.PRINTING,
    "Sending file to SD": PrinterState.TRANSFERRING,
    "Pausing": PrinterState.PAUSING,
    "Paused": PrinterState.PAUSED,
    "Resuming": PrinterState.RESUMING,
    "Cancelling": PrinterState.CANCELLING,
    "Finishing": PrinterState.FINISHING,
    "Transferring file to SD": PrinterState.TRANSFERRING,
    "Transferring file to printer": PrinterState.TRANSFERRING,
    "Unknown State (19)": PrinterState.UNKNOWN_STATE,
}


@pytest.mark.parametrize(("text", "state"), STATES.items())
def test_every_state_string_has_a_state(text: str, state: PrinterState) -> None:
    """In any letter case, and with white space around it."""
    assert PrinterState.from_text(text) is state
    assert PrinterState.from_text(f" {text.upper()}\n") is state
    assert read({"current": {"state": text}}).state_text == text


@pytest.mark.parametrize("text", [None, "", " ", "Betriebsbereit", "Not printing", "\u2603"])
def test_any_other_string_is_an_unknown_state(text: str | None) -> None:
    """The string is kept."""
    connection = read({"current": {"state": text}})
    assert (connection.state, connection.state_text) == (PrinterState.UNKNOWN_STATE, (text or "").strip() or None)


@BOTH
def test_another_state_changes_nothing_else(documented: dict[str, Any]) -> None:
    """A reading may hold the state alone."""
    response = deepcopy(documented)
    response["current"]["state"] = "Error: Printer halted"
    connection = read(documented).with_state("Error: Printer halted")
    assert connection == read(response)
    assert (connection.state, connection.error) == (PrinterState.ERROR, "Printer halted")


def test_which_states_are_connected() -> None:
    """From Operational on; while the connection is being made it is neither connected nor lost."""
    assert {state for state in PrinterState if state.is_settling} == {PrinterState.DETECTING, PrinterState.CONNECTING}
    lost = {PrinterState.OFFLINE, PrinterState.OFFLINE_AFTER_ERROR, PrinterState.ERROR}
    assert {state for state in PrinterState if state.is_lost} == lost
    unconnected = lost | {PrinterState.DETECTING, PrinterState.CONNECTING, PrinterState.UNKNOWN_STATE}
    assert {state for state in PrinterState if not state.is_connected} == unconnected
    idle = unconnected | {PrinterState.OPERATIONAL}
    assert {state for state in PrinterState if not state.is_active} == idle
    assert {state for state in PrinterState if state.is_idle} == idle - {PrinterState.UNKNOWN_STATE}
    assert set(STATES.values()) == set(PrinterState)


@pytest.mark.parametrize(
    ("text", "error"),
    [
        ("Error: Printer halted. kill() called!", "Printer halted. kill() called!"),
        ("Offline (Error: Too many consecutive timeouts)", "Too many consecutive timeouts"),
        ("Offline (Error: Thermal runaway (E0))", "Thermal runaway (E0)"),
        (" Error: with white space ", "with white space"),
        *((text, None) for text in ("Error", "Error: ", "Offline after error", "Offline", "Operational", "", None)),
    ],
)
def test_older_versions_append_an_error_to_the_state(text: str | None, error: str | None) -> None:
    """It is shown to the user."""
    assert error_in(text) == error
    assert read({"current": {"state": text}}).error == error


@pytest.mark.parametrize("error", ["Printer halted", None])
def test_an_error_is_kept_until_the_printer_is_connected_again(error: str | None) -> None:
    """Also an unknown one."""
    lost = read({"current": {"state": "Operational"}}).with_state("Offline").lost_by(error)
    assert (lost.state, lost.error) == (PrinterState.OFFLINE_AFTER_ERROR, error)
    for text in ("Offline", "Closed", "Offline after error"):
        lost = lost.with_state(text)
        assert (lost.state, lost.error) == (PrinterState.OFFLINE_AFTER_ERROR, error)
    assert lost.with_state("Connecting").with_state("Offline").state is PrinterState.OFFLINE
    assert lost.with_state("Operational").error is None
