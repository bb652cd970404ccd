"""Actions, as an automation uses them: what arrives in a real OctoPrint, and what is refused before that."""

from collections.abc import Callable
from functools import partial
import json
import logging
import os
from pathlib import Path
import re
from typing import Any

import pytest
from pytest_homeassistant_custom_component.common import MockConfigEntry
import voluptuous as vol

from custom_components.octoprint_tunnel.const import DOMAIN
from homeassistant.core import HomeAssistant
from homeassistant.exceptions import HomeAssistantError, ServiceValidationError
from homeassistant.helpers import config_validation as cv, device_registry as dr, template
from homeassistant.util.yaml import parse_yaml

from .home import log_lines, settle, until
from .octoprint import printing
from .octoprint.server import OctoPrintServer
from .relay.octoeverywhere import AppConnection
from .relay.server import Relay

DOCS = Path(__file__).parents[1] / "docs"
BOTH = pytest.mark.parametrize("octoprint_version", ["1.11", "2.0"])
CONNECTION = "/api/connection"
UPLOAD = "/api/files/local"
LIVE_LINK = "/api/live/createfromappconnection"
PART = printing.gcode(20) + b"; padding\n" * 60_000  # bytes; sent in several pieces


def device_of(hass: HomeAssistant, entry: MockConfigEntry) -> str:
    """Return the id of the printer's device."""
    [device] = dr.async_entries_for_config_entry(dr.async_get(hass), entry.entry_id)
    return device.id


async def call(hass: HomeAssistant, entry: MockConfigEntry, action: str, **fields: object) -> Any:
    """Use an action, and return what it answers."""
    data = {"device_id": device_of(hass, entry), **fields}
    returns = action in ("create_live_link", "upload_file")
    answer = await hass.services.async_call(DOMAIN, action, data, blocking=True, return_response=returns)
    await settle(hass)
    return answer


async def refusal(hass: HomeAssistant, entry: MockConfigEntry, action: str, **fields: object) -> HomeAssistantError:
    """Use an action that fails, and return with which words."""
    with pytest.raises(HomeAssistantError) as caught:
        await call(hass, entry, action, **fields)
    assert caught.value.translation_domain == DOMAIN
    return caught.value


def sent(relay: Relay) -> list[Any]:
    """Return the commands about the connection that arrived."""
    return [request.json() for request in relay.seen("tunnel", method="POST", path=CONNECTION)]


async def ask(hass: HomeAssistant, octoprint: OctoPrintServer, path: str) -> Any:
    """Return what OctoPrint says itself, past every tunnel."""
    status, body = await hass.async_add_executor_job(octoprint.request, "GET", path)
    return json.loads(body) if status == 200 else None


@pytest.fixture
async def ready(hass: HomeAssistant, relay: Relay, chosen: MockConfigEntry) -> MockConfigEntry:
    """Return a printer behind each service that is set up and not connected."""
    return await set_up(hass, relay, chosen)


@pytest.fixture
async def printer_entry(hass: HomeAssistant, relay: Relay, entry: MockConfigEntry) -> MockConfigEntry:
    """Return the same behind OctoEverywhere alone."""
    return await set_up(hass, relay, entry)


async def set_up(hass: HomeAssistant, relay: Relay, entry: MockConfigEntry) -> MockConfigEntry:
    """Set a printer up, and forget what that took."""
    entry.add_to_hass(hass)
    assert await hass.config_entries.async_setup(entry.entry_id)
    await settle(hass)
    relay.clear()
    return entry


async def operational(hass: HomeAssistant, entry: MockConfigEntry, octoprint: OctoPrintServer) -> None:
    """Connect the printer, and wait until it can be used."""
    await call(hass, entry, "connect")
    await hass.async_add_executor_job(_until_operational, octoprint)


def _until_operational(octoprint: OctoPrintServer) -> None:
    while b'"Operational"' not in octoprint.request("GET", CONNECTION)[1]:
        pass


@pytest.mark.parametrize("page", ["actions.md", "automations.md"])
async def test_documented_examples(hass: HomeAssistant, printer_entry: MockConfigEntry, page: str) -> None:
    """They are steps of a script, with fields that the actions take; of each action there is one."""
    text = await hass.async_add_executor_job((DOCS / page).read_text)
    used = set()
    for example in re.findall(r"```yaml\n(.*?)```", text, re.DOTALL):
        parsed = parse_yaml(example)
        steps = parsed.get("actions", []) if isinstance(parsed, dict) else parsed
        for step in cv.SCRIPT_SCHEMA(steps):
            domain, _, action = step.get("action", "").partition(".")
            if domain == DOMAIN:
                used.add(action)
                schema = hass.services.async_services()[DOMAIN][action].schema
                assert schema is not None
                schema(template.render_complex(step["data"], limited=True))
    assert used == set(hass.services.async_services()[DOMAIN]) if page == "actions.md" else used


# the connection


@BOTH
async def test_connect_and_disconnect(
    hass: HomeAssistant, ready: MockConfigEntry, octoprint: OctoPrintServer, relay: Relay
) -> None:
    """With values that OctoPrint offers; the profile by its name in any case."""
    await call(hass, ready, "connect", port="VIRTUAL", baudrate=115200, printer_profile="DEFAULT", save=True)
    await hass.async_add_executor_job(_until_operational, octoprint)
    [command] = sent(relay)
    assert (command["command"], command["printerProfile"], command["save"]) == ("connect", "_default", True)
    given = command["parameters"] if octoprint.version == "2.0" else command
    assert (given["port"], given["baudrate"]) == ("VIRTUAL", 115200)
    relay.clear()
    await call(hass, ready, "disconnect")
    assert sent(relay) == [{"command": "disconnect"}]
    assert (await ask(hass, octoprint, CONNECTION))["current"]["state"] in ("Closed", "Offline")


async def test_connect_with_a_connector(
    hass: HomeAssistant, printer_entry: MockConfigEntry, octoprint: OctoPrintServer, relay: Relay
) -> None:
    """Parameters by their names, the profile by its id; AUTO and 0 stand for themselves."""
    parameters = {"port": "VIRTUAL", "baudrate": 0}
    await call(hass, printer_entry, "connect", connector="serial", parameters=parameters, printer_profile="_default")
    [command] = sent(relay)
    assert (command["connector"], command["parameters"]) == ("serial", parameters)
    await hass.async_add_executor_job(_until_operational, octoprint)


async def test_autoconnect_goes_with_save(
    hass: HomeAssistant, printer_entry: MockConfigEntry, octoprint: OctoPrintServer, relay: Relay
) -> None:
    """Both arrive as they were given."""
    await call(hass, printer_entry, "connect", save=True, autoconnect=False)
    [command] = sent(relay)
    assert (command["save"], command["autoconnect"]) == (True, False)
    await hass.async_add_executor_job(_until_operational, octoprint)


@BOTH
@pytest.mark.parametrize(
    ("fields", "key", "value"),
    [
        ({"port": "/dev/nowhere"}, "not_offered", "/dev/nowhere"),
        ({"baudrate": 12345}, "not_offered", "12345"),
        ({"parameters": {"port": "/dev/nowhere"}}, "not_offered", "/dev/nowhere"),
        ({"parameters": {"colour": "red"}}, "not_offered", "colour"),
        ({"printer_profile": "nobody's"}, "not_offered", "nobody's"),
        ({"autoconnect": True}, "autoconnect_needs_save", None),
        ({"autoconnect": True, "save": False}, "autoconnect_needs_save", None),
    ],
)
async def test_what_is_not_offered_is_not_sent(
    hass: HomeAssistant,
    printer_entry: MockConfigEntry,
    relay: Relay,
    fields: dict[str, object],
    key: str,
    value: str | None,
) -> None:
    """The message names the value, and nothing but a look at what is offered arrives."""
    error = await refusal(hass, printer_entry, "connect", **fields)
    assert isinstance(error, ServiceValidationError)
    assert error.translation_key == key
    assert (error.translation_placeholders or {}).get("value") == value
    assert not relay.seen(method="POST")


@pytest.mark.parametrize(("octoprint_version", "key"), [("1.11", "no_connectors"), ("2.0", "not_offered")])
async def test_connectors_that_are_not_there(
    hass: HomeAssistant, printer_entry: MockConfigEntry, relay: Relay, key: str
) -> None:
    """Unknown ones, and any before OctoPrint 2.0."""
    error = await refusal(hass, printer_entry, "connect", connector="telepathy")
    assert error.translation_key == key
    assert not relay.seen(method="POST")


@BOTH
async def test_repair(hass: HomeAssistant, ready: MockConfigEntry, octoprint: OctoPrintServer, relay: Relay) -> None:
    """By the name that this OctoPrint has for it."""
    await call(hass, ready, "repair")
    assert sent(relay) == [{"command": "repair" if octoprint.version == "2.0" else "fake_ack"}]


# live links


async def test_live_link(
    hass: HomeAssistant, printer_entry: MockConfigEntry, connection: AppConnection, relay: Relay
) -> None:
    """For so many hours, and with the links for what comes next."""
    answer = await call(hass, printer_entry, "create_live_link", hours=48)
    [made] = connection.apis.live_links
    assert answer == {"live_id": made["LiveId"], "url": made["Url"], "short_url": made["ShortUrl"]}
    assert (made["ExpirationHours"], made["EndWhenCurrentPrintIsComplete"]) == (48, False)


async def test_live_link_until_the_print_ends(
    hass: HomeAssistant, printer_entry: MockConfigEntry, connection: AppConnection, relay: Relay
) -> None:
    """Refused by the service while nothing prints."""
    error = await refusal(hass, printer_entry, "create_live_link", until_print_ends=True)
    assert error.translation_key == "nothing_printing"
    connection.apis.printing = True
    answer = await call(hass, printer_entry, "create_live_link", until_print_ends=True)
    [made] = connection.apis.live_links
    assert answer["url"] == made["Url"]
    assert "ExpirationHours" not in made


@pytest.mark.parametrize("hours", [0, -1, 17521])
async def test_live_link_for_a_time_that_is_none(
    hass: HomeAssistant, printer_entry: MockConfigEntry, relay: Relay, hours: int
) -> None:
    """From an hour to two years."""
    with pytest.raises(vol.Invalid):
        await call(hass, printer_entry, "create_live_link", hours=hours)
    assert not relay.seen(path=LIVE_LINK)


async def test_obico_has_no_live_links(hass: HomeAssistant, relay: Relay, obico_entry: MockConfigEntry) -> None:
    """The message says which service has them."""
    await set_up(hass, relay, obico_entry)
    error = await refusal(hass, obico_entry, "create_live_link")
    assert error.translation_key == "only_octoeverywhere"
    assert not relay.requests


# files


@pytest.fixture
def folder(hass: HomeAssistant, tmp_path: Path) -> Path:
    """Return a folder that Home Assistant may read."""
    hass.config.allowlist_external_dirs = {str(tmp_path)}
    return tmp_path


@pytest.fixture
def part(folder: Path) -> Path:
    """Return a file to print."""
    path = folder / "cube.gcode"
    path.write_bytes(PART)
    return path


@BOTH
async def test_upload(
    hass: HomeAssistant,
    ready: MockConfigEntry,
    octoprint: OctoPrintServer,
    part: Path,
    caplog: pytest.LogCaptureFixture,
) -> None:
    """The file is in OctoPrint afterwards as it was here, and the log told how far it was."""
    caplog.set_level(logging.INFO)
    answer = await call(hass, ready, "upload_file", path=str(part), folder="automations")
    assert answer == {"path": "automations/cube.gcode", "selected": False, "printing": False}
    there = octoprint.basedir / "uploads" / "automations" / "cube.gcode"
    assert there.read_bytes() == PART
    assert log_lines(caplog) == [
        f"Kitchen: uploading cube.gcode ({len(PART)} bytes)",
        *(f"Kitchen: {percent} % of cube.gcode sent" for percent in (25, 50, 75)),
        "Kitchen: uploaded cube.gcode",
    ]


@BOTH
@pytest.mark.parametrize(("wish", "prints"), [({"select": True}, False), ({"print": True}, True)])
async def test_upload_to_print(
    hass: HomeAssistant,
    printer_entry: MockConfigEntry,
    octoprint: OctoPrintServer,
    part: Path,
    wish: dict[str, bool],
    prints: bool,
) -> None:
    """It is the next job, or printed at once."""
    await operational(hass, printer_entry, octoprint)
    answer = await call(hass, printer_entry, "upload_file", path=str(part), **wish)
    assert answer == {"path": "cube.gcode", "selected": True, "printing": prints}
    job = await ask(hass, octoprint, "/api/job")
    assert job["job"]["file"]["path"] == "cube.gcode"
    if prints:
        assert job["state"] in ("Starting", "Printing")
        await hass.async_add_executor_job(octoprint.request, "POST", "/api/job", {"command": "cancel"})
        await hass.async_add_executor_job(_until_operational, octoprint)


def _elsewhere(part: Path) -> Path:
    return Path("/etc/passwd")


def _missing(part: Path) -> Path:
    return part.with_name("nothing.gcode")


def _directory(part: Path) -> Path:
    return part.parent


def _pipe(part: Path) -> Path:
    path = part.with_name("pipe.gcode")
    os.mkfifo(path)
    return path


def _device(part: Path) -> Path:
    return Path("/dev/null")


def _link_elsewhere(part: Path) -> Path:
    path = part.with_name("link.gcode")
    path.symlink_to("/etc/passwd")
    return path


def _long_name(part: Path) -> Path:
    return part.with_name("x" * 5000)


def _long_path(part: Path) -> Path:
    return part.joinpath(*["x" * 200] * 200)


def _out_of_the_folder(part: Path) -> Path:
    return part.parent / ".." / ".." / ".." / ".." / ".." / "etc" / "passwd"


def _without_end(part: Path) -> Path:
    path = part.with_name("loop.gcode")
    path.symlink_to(path)
    return path


@pytest.mark.parametrize(
    ("choose", "key"),
    [
        (_elsewhere, "path_not_allowed"),
        (_out_of_the_folder, "path_not_allowed"),
        (_link_elsewhere, "path_not_allowed"),
        (_missing, "file_not_readable"),
        (_directory, "file_not_readable"),
        (_pipe, "file_not_readable"),
        (_device, "path_not_allowed"),
        (_long_name, "file_not_readable"),
        (_long_path, "file_not_readable"),
        (_without_end, "file_not_readable"),
    ],
)
async def test_upload_of_what_cannot_be_read(
    hass: HomeAssistant,
    printer_entry: MockConfigEntry,
    relay: Relay,
    part: Path,
    choose: Callable[[Path], Path],
    key: str,
) -> None:
    """Nothing arrives."""
    path = choose(part)
    error = await refusal(hass, printer_entry, "upload_file", path=str(path))
    assert isinstance(error, ServiceValidationError)
    assert error.translation_key == key
    assert (error.translation_placeholders or {})["path"] == str(path)
    assert not relay.requests


async def test_upload_of_a_device(hass: HomeAssistant, printer_entry: MockConfigEntry, relay: Relay) -> None:
    """Reading it would never end; not even where its folder is allowed."""
    hass.config.allowlist_external_dirs = {"/dev"}
    error = await refusal(hass, printer_entry, "upload_file", path="/dev/zero")
    assert error.translation_key == "file_not_readable"
    assert not relay.requests


async def test_upload_that_the_account_does_not_allow(
    hass: HomeAssistant, relay: Relay, entry: MockConfigEntry, connection: AppConnection, part: Path
) -> None:
    """Refused before its first byte is sent, with both sizes."""
    connection.info["PrinterLimits"] = {"MaxUploadFileSizeBytes": 100_000}
    await set_up(hass, relay, entry)
    error = await refusal(hass, entry, "upload_file", path=str(part))
    assert error.translation_key == "file_too_large"
    assert error.translation_placeholders == {"size": f"{len(PART) / 1e6:.1f} MB", "limit": "0.1 MB"}
    assert not relay.requests


async def test_upload_that_the_service_refuses(
    hass: HomeAssistant, printer_entry: MockConfigEntry, relay: Relay, part: Path
) -> None:
    """A limit that was not known beforehand; the tunnel itself is none the worse."""
    relay.fail("tunnel", 608, path=UPLOAD)
    error = await refusal(hass, printer_entry, "upload_file", path=str(part))
    assert error.translation_key == "upload_too_large"
    assert printer_entry.runtime_data.printer.last_update_success


@BOTH
async def test_upload_of_what_octoprint_does_not_take(
    hass: HomeAssistant, ready: MockConfigEntry, folder: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """OctoPrint says why, in its own words."""
    path = folder / "letter.txt"
    path.write_text("Dear printer")
    error = await refusal(hass, ready, "upload_file", path=str(path))
    assert isinstance(error, ServiceValidationError)
    assert error.translation_key == "rejected"
    assert "invalid type" in (error.translation_placeholders or {})["detail"]
    log_lines(caplog)


# commands


@BOTH
async def test_send_commands(
    hass: HomeAssistant, ready: MockConfigEntry, octoprint: OctoPrintServer, relay: Relay
) -> None:
    """Line by line, and with an effect."""
    await operational(hass, ready, octoprint)
    await call(hass, ready, "send_commands", commands=["M140 S41\n\n  M105  ", " "])
    [request] = relay.seen("tunnel", path="/api/printer/command")
    assert request.json() == {"commands": ["M140 S41", "M105"]}

    def target() -> float:
        return float(json.loads(octoprint.request("GET", "/api/printer")[1])["temperature"]["bed"]["target"])

    await until(lambda: target() == 41)
    await hass.async_add_executor_job(partial(printing.command, octoprint, "M140 S0"))


@pytest.mark.parametrize("commands", [["  ", "\n"], [""]])
async def test_no_commands(
    hass: HomeAssistant, printer_entry: MockConfigEntry, relay: Relay, commands: list[str]
) -> None:
    """Empty lines are none."""
    assert (await refusal(hass, printer_entry, "send_commands", commands=commands)).translation_key == "no_commands"
    assert not relay.requests


@BOTH
@pytest.mark.parametrize("commands", [["G1 X1"] * 20_000, ["G1 " + "X" * 100_000]], ids=["many", "long"])
async def test_more_commands_than_octoprint_takes(
    hass: HomeAssistant, ready: MockConfigEntry, octoprint: OctoPrintServer, relay: Relay, commands: list[str]
) -> None:
    """Refused with both sizes; almost as many arrive."""
    await operational(hass, ready, octoprint)
    relay.clear()
    error = await refusal(hass, ready, "send_commands", commands=commands)
    assert error.translation_key == "commands_too_long"
    assert (error.translation_placeholders or {})["limit"] == "100.0 kB"
    assert not relay.requests
    await call(hass, ready, "send_commands", commands=["M117 " + "x" * 99_950])
    [request] = relay.seen("tunnel", path="/api/printer/command")
    assert request.status == 204


@BOTH
async def test_strange_commands(
    hass: HomeAssistant, printer_entry: MockConfigEntry, octoprint: OctoPrintServer, relay: Relay
) -> None:
    """What a printer makes of them is its own affair, but what is one line here is one there."""
    await operational(hass, printer_entry, octoprint)
    relay.clear()
    strange = ["M117 \x1b\0\x7f", "M117 \U0001f5a8\u202e", 'M117 "}]\\']
    await call(hass, printer_entry, "send_commands", commands=[*strange, "M117 a\r\nM117 b\u2028M117 c"])
    [request] = relay.seen("tunnel", path="/api/printer/command")
    assert request.json() == {"commands": [*strange, "M117 a", "M117 b", "M117 c"]}
    assert request.status == 204


@pytest.mark.parametrize(
    ("action", "fields"),
    [
        ("create_live_link", {"hours": float("inf")}),
        ("create_live_link", {"hours": float("nan")}),
        ("create_live_link", {"hours": -1e300}),
        ("create_live_link", {"hours": "1; DROP"}),
        ("create_live_link", {"until_print_ends": "perhaps"}),
        ("connect", {"baudrate": -1}),
        ("connect", {"baudrate": float("inf")}),
        ("connect", {"parameters": {"port": ["VIRTUAL"]}}),
        ("connect", {"parameters": "port"}),
        ("connect", {"save": "x" * 10_000}),
        ("upload_file", {"path": None}),
        ("upload_file", {"path": ["/etc/passwd"]}),
        ("send_commands", {"commands": []}),
        ("send_commands", {"commands": [{"command": "M112"}]}),
        ("send_commands", {"commands": None}),
        ("disconnect", {"device_id": ["a", "b"]}),
        ("disconnect", {"force": True}),
    ],
)
async def test_absurd_fields(
    hass: HomeAssistant, printer_entry: MockConfigEntry, relay: Relay, action: str, fields: dict[str, object]
) -> None:
    """Refused before anything is asked of anybody."""
    with pytest.raises(vol.Invalid):
        await call(hass, printer_entry, action, **fields)
    assert not relay.requests


@BOTH
async def test_commands_without_a_printer(hass: HomeAssistant, ready: MockConfigEntry) -> None:
    """OctoPrint's own words."""
    error = await refusal(hass, ready, "send_commands", commands=["G28"])
    assert error.translation_key == "rejected"
    assert "not operational" in (error.translation_placeholders or {})["detail"]


# devices


async def test_unknown_device(hass: HomeAssistant, printer_entry: MockConfigEntry, relay: Relay) -> None:
    """An id that no device has."""
    with pytest.raises(ServiceValidationError) as caught:
        await call(hass, printer_entry, "disconnect", device_id="nobody")
    assert caught.value.translation_key == "service_device_not_found"
    assert not relay.requests


async def test_device_of_another_integration(hass: HomeAssistant, printer_entry: MockConfigEntry, relay: Relay) -> None:
    """A lamp is no printer."""
    other = MockConfigEntry(domain="lamp")
    other.add_to_hass(hass)
    lamp = dr.async_get(hass).async_get_or_create(config_entry_id=other.entry_id, identifiers={("lamp", "1")})
    with pytest.raises(ServiceValidationError) as caught:
        await call(hass, printer_entry, "disconnect", device_id=lamp.id)
    assert caught.value.translation_key
    assert not relay.requests


async def test_printer_that_is_not_loaded(hass: HomeAssistant, printer_entry: MockConfigEntry, relay: Relay) -> None:
    """Its actions are there, and say that it is not."""
    await hass.config_entries.async_unload(printer_entry.entry_id)
    with pytest.raises(ServiceValidationError) as caught:
        await call(hass, printer_entry, "disconnect")
    assert caught.value.translation_key
    assert not relay.requests


async def test_key_without_the_permission(
    hass: HomeAssistant, relay: Relay, entry: MockConfigEntry, octoprint: OctoPrintServer, part: Path
) -> None:
    """The message names what is missing."""
    entry.add_to_hass(hass)
    hass.config_entries.async_update_entry(entry, data={**entry.data, "api_key": octoprint.limited_api_key})
    assert await hass.config_entries.async_setup(entry.entry_id)
    await settle(hass)
    for action, fields, permission in (
        ("connect", {}, "CONNECTION"),
        ("upload_file", {"path": str(part)}, "FILES_UPLOAD"),
        ("send_commands", {"commands": ["G28"]}, "CONTROL"),
    ):
        error = await refusal(hass, entry, action, **fields)
        assert error.translation_key == "permission_missing"
        assert error.translation_placeholders is not None
        assert permission in error.translation_placeholders["detail"]
