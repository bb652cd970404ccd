"""What OctoPrint says of its connection to the printer, in both shapes, complete or not.

The documented answers are the examples of OctoPrint's REST API, "Get connection settings"; the recorded ones come from
the versions that their names say.
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
        "baudrates": [250000, 230400, 115200, 57600, 38400, 19200, 9600],
        "printerProfiles": [{"name": "Default", "id": "_default"}],
        "portPreference": "/dev/ttyACM0",
        "baudratePreference": 250000,
        "printerProfilePreference": "_default",
        "autoconnect": True,
    },
}
DOCUMENTED_WITH_CONNECTORS: dict[str, Any] = {
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
            {"connector": "bambu", "name": "Bambu (local)", "parameters": {}},
        ],
        "profiles": [{"id": "_default", "name": "Default Profile"}],
        "preferredConnector": {"connector": "serial", "parameters": {"port": "/dev/ttyACM0", "baudrate": 115200}},
        "preferredProfile": "_default",
    },
}
BOTH = pytest.mark.parametrize("documented", [DOCUMENTED, DOCUMENTED_WITH_CONNECTORS], ids=["old", "connectors"])


def read(response: object) -> Connection:
    """Read an answer as it comes over the network."""
    return Connection.from_json(JsonObject.parse(json.dumps(response).encode()))


def recorded(name: str) -> Connection:
    """Read an answer that was recorded from a real OctoPrint."""
    return Connection.from_json(JsonObject.parse((RECORDED / f"connection_{name}.json").read_bytes()))


# the two shapes


def test_the_documented_answer_is_read() -> None:
    """OctoPrint before 2.0."""
    assert read(DOCUMENTED) == Connection(
        state=PrinterState.OPERATIONAL,
        state_text="Operational",
        port="/dev/ttyACM0",
        baudrate=250000,
        connector=None,
        profile="_default",
        options=ConnectionOptions(
            ports=("/dev/ttyACM0", "VIRTUAL"),
            baudrates=(250000, 230400, 115200, 57600, 38400, 19200, 9600),
            profiles={"_default": "Default"},
            connectors=None,
            preferred_port="/dev/ttyACM0",
            preferred_baudrate=250000,
            preferred_profile="_default",
            preferred_parameters={},
            autoconnect=True,
        ),
    )


def test_the_documented_answer_with_connectors_is_read() -> None:
    """OctoPrint 2.0 and later, where the request asks for it."""
    serial = Connector(
        connector="serial",
        name="Serial Connection",
        parameters={"port": ["VIRTUAL", "/dev/ttyACM0"], "baudrate": [115200, 250000]},
    )
    assert read(DOCUMENTED_WITH_CONNECTORS) == Connection(
        state=PrinterState.OPERATIONAL,
        state_text="Operational",
        port="/dev/ttyACM0",
        baudrate=115200,
        connector="serial",
        profile="_default",
        options=ConnectionOptions(
            profiles={"_default": "Default Profile"},
            connectors=(
                serial,
                Connector(connector="moonraker", name="Klipper (Moonraker)", parameters={}),
                Connector(connector="bambu", name="Bambu (local)", parameters={}),
            ),
            preferred_profile="_default",
            preferred_connector="serial",
            preferred_parameters={"port": "/dev/ttyACM0", "baudrate": 115200},
        ),
    )


@pytest.mark.parametrize("version", ["1.11", "2.0_no_header", "2.0"])
def test_a_recorded_connection_is_read_alike_in_every_shape(version: str) -> None:
    """Connected by the same port, at the same speed, with the same profile."""
    connection = recorded(f"{version}_connected")
    assert (connection.state, connection.port, connection.baudrate) == (PrinterState.OPERATIONAL, "VIRTUAL", 115200)
    assert (connection.profile, connection.profile_name) == ("_default", "Default")
    assert connection.connector == ("serial" if version == "2.0" else None)
    assert connection.has_connectors == (version == "2.0")


@pytest.mark.parametrize(
    ("version", "profile"),
    [("1.11", "_default"), ("2.0_no_header", None), ("2.0", None)],
    ids=["1.11", "2.0 old", "2.0"],
)
def test_without_a_printer_almost_every_value_is_none(version: str, profile: str | None) -> None:
    """What can be connected with is known all the same."""
    connection = recorded(f"{version}_disconnected")
    assert connection.state is PrinterState.OFFLINE
    assert (connection.port, connection.baudrate, connection.connector) == (None, None, None)
    assert connection.profile == profile
    assert connection.profile_name == (profile and "Default")
    assert connection.options.profiles == {"_default": "Default"}
    if connection.options.connectors is None:
        assert "VIRTUAL" in connection.options.ports
    else:
        [serial] = connection.options.connectors
        assert "VIRTUAL" in serial.parameters["port"]
        assert connection.options.preferred_connector == "serial"


def test_a_port_that_is_being_detected_is_none() -> None:
    """OctoPrint 2.0 names the parameters then, without values."""
    current = {"state": "Detecting serial connection", "connector": "serial", "parameters": {"port": None}}
    connection = read({**DOCUMENTED_WITH_CONNECTORS, "current": current})
    assert (connection.state, connection.port, connection.baudrate) == (PrinterState.DETECTING, None, None)


def test_connectors_without_a_serial_port_have_neither_port_nor_speed() -> None:
    """A printer in the network; its parameters are handed back as they came."""
    response = deepcopy(DOCUMENTED_WITH_CONNECTORS)
    response["current"] |= {"connector": "moonraker", "parameters": {"host": "192.168.1.7", "secure": False}}
    response["options"]["preferredConnector"] = {"connector": "moonraker", "parameters": {"host": "192.168.1.7"}}
    connection = read(response)
    assert (connection.connector, connection.port, connection.baudrate) == ("moonraker", None, None)
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
def test_the_shape_is_told_by_its_keys(response: dict[str, Any], has_connectors: bool) -> None:
    """Never by a version, and never by a value: those can be null."""
    assert read(response).has_connectors is has_connectors


# what is not as documented


@BOTH
def test_nulls_everywhere_are_no_printer_and_no_choice(documented: dict[str, Any]) -> None:
    """Whatever OctoPrint does not know is None or empty."""
    nothing = {part: dict.fromkeys(fields) for part, fields in documented.items()}
    connection = read(nothing)
    assert (connection.state, connection.state_text) == (PrinterState.UNKNOWN_STATE, None)
    assert (connection.port, connection.baudrate, connection.profile, connection.profile_name) == (None,) * 4
    options = connection.options
    assert (options.ports, options.baudrates, options.profiles, options.connectors or ()) == ((), (), {}, ())
    assert (options.preferred_port, options.preferred_baudrate, options.preferred_profile) == (None, None, None)
    assert (options.preferred_connector, options.preferred_parameters, options.autoconnect) == (None, {}, None)


@BOTH
@pytest.mark.parametrize("part", ["current", "options"])
def test_every_field_can_be_missing(documented: dict[str, Any], part: str) -> None:
    """One missing field leaves the others as they are."""
    complete = read(documented)
    for name in documented[part]:
        response = deepcopy(documented)
        del response[part][name]
        connection = read(response)
        assert connection.profile == (None if name in ("profile", "printerProfile") else complete.profile)
        assert connection.state == (PrinterState.UNKNOWN_STATE if name == "state" else complete.state)
        assert connection.has_connectors == complete.has_connectors


@BOTH
@pytest.mark.parametrize("value", [None, True, 7, -1.5, 10**400, "text", "", [], [None, 1, "a", {}, []], {}, {"id": 1}])
@pytest.mark.parametrize("part", ["current", "options"])
def test_a_field_of_any_other_type_is_no_trouble(documented: dict[str, Any], part: str, value: object) -> None:
    """Plugins put their hands on OctoPrint's answers; a name of a wrong type never ends in anything but None."""
    for name in documented[part]:
        response = deepcopy(documented)
        response[part][name] = value
        connection = read(response)
        assert isinstance(connection.state, PrinterState)
        assert connection.port is None or isinstance(connection.port, str)
        assert connection.baudrate is None or isinstance(connection.baudrate, int)
        assert all(isinstance(text, str) for pair in connection.options.profiles.items() for text in pair)


@BOTH
def test_unknown_fields_are_passed_over(documented: dict[str, Any]) -> None:
    """A later OctoPrint may say more."""
    response = deepcopy(documented)
    for part in ("current", "options"):
        response[part]["news"] = {"deep": [1, 2, {"deeper": None}]}
    assert read({**response, "news": []}) == read(documented)


@pytest.mark.parametrize("response", [{}, {"options": DOCUMENTED["options"]}, {"error": "no"}, {"Current": {}}])
def test_an_answer_without_a_current_connection_is_invalid(response: dict[str, Any]) -> None:
    """It comes from something else than OctoPrint."""
    with pytest.raises(InvalidResponse, match="no current connection"):
        read(response)


def test_what_has_no_name_is_called_by_its_id_and_what_has_no_id_is_left_out() -> None:
    """An id is what a command needs."""
    things: list[dict[str, Any]] = [
        {"id": "a"},
        {"id": "b", "name": None},
        {"name": "Nobody"},
        {"id": "", "name": "Empty"},
        {"id": 7},
    ]
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
def test_every_state_text_has_its_state(text: str, state: PrinterState) -> None:
    """In any letter case, and with white space around it."""
    assert PrinterState.from_text(text) is state
    assert PrinterState.from_text(f" {text.upper()}\n") is state
    assert read({"current": {"state": text}}).state_text == text


@pytest.mark.parametrize("text", [None, "", " ", "Betriebsbereit", "Dancing", "Not printing", "\u2603", "0"])
def test_any_other_text_is_an_unknown_state(text: str | None) -> None:
    """It is kept as a text, where there is one."""
    assert PrinterState.from_text(text) is PrinterState.UNKNOWN_STATE
    connection = read({"current": {"state": text}})
    assert (connection.state, connection.state_text) == (PrinterState.UNKNOWN_STATE, (text or "").strip() or None)


@BOTH
def test_another_state_leaves_the_rest_of_a_connection_as_it_is(documented: dict[str, Any]) -> None:
    """For when only the state was asked for."""
    response = deepcopy(documented)
    response["current"]["state"] = "Error: Printer halted"
    connection = read(documented).with_state("Error: Printer halted")
    assert connection == read(response)
    assert (connection.state, connection.error) == (PrinterState.ERROR, "Printer halted")


def test_a_state_is_connected_settling_or_neither() -> None:
    """A printer counts as connected from Operational on, and while it settles neither so nor as offline."""
    assert {state for state in PrinterState if not state.is_connected} == {
        PrinterState.OFFLINE,
        PrinterState.OFFLINE_AFTER_ERROR,
        PrinterState.ERROR,
        PrinterState.DETECTING,
        PrinterState.CONNECTING,
        PrinterState.UNKNOWN_STATE,
    }
    assert {state for state in PrinterState if state.is_settling} == {PrinterState.DETECTING, PrinterState.CONNECTING}
    assert set(STATES.values()) == set(PrinterState)


@pytest.mark.parametrize(
    ("text", "error"),
    [
        ("Error: Printer halted. kill() called!", "Printer halted. kill() called!"),
        ("Offline (Error: Too many consecutive timeouts)", "Too many consecutive timeouts"),
        ("Offline (Error: Thermal runaway (E0))", "Thermal runaway (E0)"),
        (" Error: with white space ", "with white space"),
        ("Error", None),
        ("Error: ", None),
        ("Offline after error", None),
        ("Offline", None),
        ("Operational", None),
        ("", None),
        (None, None),
    ],
)
def test_the_error_that_older_versions_append_is_told(text: str | None, error: str | None) -> None:
    """Newer ones tell it elsewhere."""
    assert error_in(text) == error
    assert read({"current": {"state": text}}).error == error


@pytest.mark.parametrize("current", [None, "text", 7, []])
def test_without_a_current_connection_there_is_nothing_to_understand(current: Any) -> None:
    """Whatever else is in the answer."""
    with pytest.raises(InvalidResponse):
        Connection.from_json(JsonObject({"current": current, "options": {}}))


@pytest.mark.parametrize("error", ["Printer halted", None])
def test_an_error_is_remembered_until_the_printer_is_connected_again(error: str | None) -> None:
    """Also one that OctoPrint has no words for."""
    lost = read({"current": {"state": "Operational"}}).with_state("Offline").lost_by(error)
    assert (lost.state, lost.error) == (PrinterState.OFFLINE_AFTER_ERROR, error)
    for text in ("Offline", "Closed", "Offline after error"):
        lost = lost.with_state(text)
        assert (lost.state, lost.error) == (PrinterState.OFFLINE_AFTER_ERROR, error)
    assert lost.with_state("Connecting").with_state("Offline").state is PrinterState.OFFLINE
    assert lost.with_state("Operational").error is None
