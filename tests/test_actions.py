"""Actions, as an automation uses them: what arrives in a real OctoPrint, and what is refused before that."""

from collections.abc import Callable, Iterator
from functools import partial
import json
import logging
import os
from pathlib import Path
import re
from typing import Any
from unittest.mock import Mock
from urllib.parse import quote

import pytest
from pytest_homeassistant_custom_component.common import MockConfigEntry, MockUser
import voluptuous as vol

from custom_components.octoprint_tunnel import services
from custom_components.octoprint_tunnel.api.octoprint.files import MAX_FORM
from custom_components.octoprint_tunnel.api.tunnels.obico import MAX_BODY
from custom_components.octoprint_tunnel.const import DOMAIN
from homeassistant.core import Context, HomeAssistant
from homeassistant.exceptions import HomeAssistantError, ServiceValidationError, Unauthorized, UnknownUser
from homeassistant.helpers import config_validation as cv, device_registry as dr, entity_registry as er, template
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


@pytest.fixture
def preferred(octoprint: OctoPrintServer) -> Iterator[str]:
    """Return a printer profile that OctoPrint prefers, and leave it with the preferences of before."""
    profile = {"id": "second", "name": "Second", "model": "Second"}
    octoprint.request("POST", "/api/printerprofiles", {"profile": profile, "basedOn": "_default"})
    octoprint.request("PATCH", "/api/printerprofiles/second", {"profile": {"default": True}})
    yield "second"
    octoprint.request("POST", CONNECTION, {"command": "disconnect"})
    values = {"port": "VIRTUAL", "baudrate": 115200, "printerProfile": "_default", "save": True, "autoconnect": False}
    octoprint.request("POST", CONNECTION, {"command": "connect", **values})
    octoprint.request("POST", CONNECTION, {"command": "disconnect"})
    octoprint.request("DELETE", "/api/printerprofiles/second")


def preferences(octoprint: OctoPrintServer) -> tuple[Any, ...]:
    """Return port, baud rate and printer profile as OctoPrint prefers them, and whether it connects at start-up."""
    options = json.loads(octoprint.request("GET", CONNECTION)[1])["options"]
    config = (octoprint.basedir / "config.yaml").read_text()
    autoconnect = re.search(r"autoconnect: (true|false)", config)
    return (
        options["portPreference"],
        options["baudratePreference"],
        options["printerProfilePreference"],
        bool(autoconnect and autoconnect[1] == "true"),
    )


@BOTH
@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        ({}, ("VIRTUAL", 115200, "second", False)),
        ({"port": "VIRTUAL"}, ("VIRTUAL", 115200, "second", False)),
        ({"baudrate": 250000}, ("VIRTUAL", 250000, "second", False)),
        ({"parameters": {"baudrate": 250000}}, ("VIRTUAL", 250000, "second", False)),
        ({"printer_profile": "_default"}, ("VIRTUAL", 115200, "_default", False)),
        ({"autoconnect": True}, ("VIRTUAL", 115200, "second", True)),
    ],
)
async def test_what_is_not_given_stays_preferred(
    hass: HomeAssistant,
    printer_entry: MockConfigEntry,
    octoprint: OctoPrintServer,
    preferred: str,
    fields: dict[str, object],
    expected: tuple[Any, ...],
) -> None:
    """OctoPrint would store what is left out as none."""
    assert await hass.async_add_executor_job(preferences, octoprint) == ("VIRTUAL", 115200, preferred, False)
    await call(hass, printer_entry, "connect", save=True, **fields)
    assert await hass.async_add_executor_job(preferences, octoprint) == expected


@BOTH
async def test_autoconnect_alone(
    hass: HomeAssistant, printer_entry: MockConfigEntry, octoprint: OctoPrintServer, preferred: str
) -> None:
    """It is stored whether or not this OctoPrint needs `save` for that, and no other preference changes."""
    for wish in (True, False):
        await call(hass, printer_entry, "connect", autoconnect=wish)
        stored = await hass.async_add_executor_job(preferences, octoprint)
        assert stored == ("VIRTUAL", 115200, preferred, wish)


@pytest.mark.parametrize("fields", [{"port": "VIRTUAL"}, {"save": False}])
async def test_autoconnect_with_values_that_are_not_to_be_saved(
    hass: HomeAssistant, printer_entry: MockConfigEntry, relay: Relay, fields: dict[str, object]
) -> None:
    """OctoPrint 2.0 would ignore it."""
    error = await refusal(hass, printer_entry, "connect", autoconnect=True, **fields)
    assert error.translation_key == "autoconnect_needs_save"
    assert not relay.seen(method="POST")


@BOTH
@pytest.mark.parametrize(
    ("fields", "key", "value"),
    [
        ({"port": "/dev/nowhere"}, "not_offered", "/dev/nowhere"),
        ({"baudrate": 12345}, "not_offered", "12345"),
        ({"parameters": {"port": "/dev/nowhere"}}, "not_offered", "/dev/nowhere"),
        ({"parameters": {"colour": "red"}}, "not_offered", "colour"),
        ({"printer_profile": "nobody's"}, "not_offered", "nobody's"),
    ],
)
async def test_what_is_not_offered_is_not_sent(
    hass: HomeAssistant,
    printer_entry: MockConfigEntry,
    relay: Relay,
    fields: dict[str, object],
    key: str,
    value: str,
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


NAMES = (
    "Benchy 20 mm PLA.gcode",
    "Würfel für Anna.gcode",
    "立方体　测试.gcode",
    "100 % sure + more.gcode",
    "part (1) [v2] {x} #3 & 4;5=6,7.gcode",
    "Anna's part.gcode",
    "%20.gcode",
    "\U0001f5a8 cube.gcode",
    " two  spaces .gcode",
)


def upload_as_browser(octoprint: OctoPrintServer, name: str, folder: str) -> str:
    """Upload a file past every tunnel, with its name in UTF-8 as browsers have it, and return its path there."""
    boundary = "----WebKitFormBoundary0123456789"
    body = (
        f'--{boundary}\r\nContent-Disposition: form-data; name="path"\r\n\r\n{folder}\r\n'
        f'--{boundary}\r\nContent-Disposition: form-data; name="file"; filename="{name}"\r\n'
        f"Content-Type: application/octet-stream\r\n\r\nG28\r\n--{boundary}--\r\n"
    ).encode()
    status, answer = octoprint.send("POST", UPLOAD, body, f"multipart/form-data; boundary={boundary}")
    assert status == 201, answer
    parsed = json.loads(answer)
    return str((parsed.get("file") or parsed["files"]["local"])["path"])


@BOTH
async def test_names_are_those_that_a_browser_gives(
    hass: HomeAssistant, printer_entry: MockConfigEntry, octoprint: OctoPrintServer, folder: Path
) -> None:
    """Of the file and of its folder."""
    for name in NAMES:
        where = f"Ordner für {name.removesuffix('.gcode').strip()}"
        expected = await hass.async_add_executor_job(upload_as_browser, octoprint, name, where)
        assert "%20" not in expected or "%20" in name
        (folder / name).write_text("G28")
        answer = await call(hass, printer_entry, "upload_file", path=str(folder / name), folder=where)
        assert answer["path"] == expected


@pytest.mark.parametrize(
    "character", ["\n", "\r", "\t", "\x1b", "\x7f", "\x85", "\u2028", "\u202e", "\udcff", '"', "\\"]
)
async def test_names_that_no_form_can_carry(
    hass: HomeAssistant, printer_entry: MockConfigEntry, relay: Relay, folder: Path, part: Path, character: str
) -> None:
    """Refused with a message in one line; nothing arrives."""
    path = folder / f"a{character}b.gcode"
    path.write_text("G28")
    for fields in ({"path": str(path)}, {"path": str(part), "folder": f"a{character}b"}):
        error = await refusal(hass, printer_entry, "upload_file", **fields)
        assert error.translation_key == "name_not_usable"
        assert "\n" not in str((error.translation_placeholders or {})["name"])
    assert not relay.requests


async def test_folder_name_that_is_too_long(
    hass: HomeAssistant, printer_entry: MockConfigEntry, relay: Relay, part: Path
) -> None:
    """The message does not repeat all of it."""
    error = await refusal(hass, printer_entry, "upload_file", path=str(part), folder="x" * 1_000_000)
    assert error.translation_key == "name_not_usable"
    assert len(str(error.translation_placeholders)) < 2000
    assert not relay.requests


@pytest.mark.parametrize("turned", ["file", "folder"])
async def test_link_that_turns_while_the_file_is_opened(
    hass: HomeAssistant,
    printer_entry: MockConfigEntry,
    relay: Relay,
    folder: Path,
    monkeypatch: pytest.MonkeyPatch,
    turned: str,
) -> None:
    """What counts is where the open file is."""
    allowed, forbidden = folder / "allowed", folder / "forbidden"
    for path in (allowed, forbidden):
        path.mkdir()
        (path / "part.gcode").write_text("G28" if path is allowed else "forbidden words")
    hass.config.allowlist_external_dirs = {str(allowed)}
    link = allowed / "link"
    targets = [path if turned == "folder" else path / "part.gcode" for path in (allowed, forbidden)]
    link.symlink_to(targets[0])
    asked = link / "part.gcode" if turned == "folder" else link
    is_allowed_path = type(hass.config).is_allowed_path

    def turn_after_the_look(config: Any, path: str) -> bool:
        result = is_allowed_path(config, path)
        link.unlink()
        link.symlink_to(targets[1])
        return result

    monkeypatch.setattr(type(hass.config), "is_allowed_path", turn_after_the_look)
    error = await refusal(hass, printer_entry, "upload_file", path=str(asked))
    assert error.translation_key == "path_not_allowed"
    assert not relay.requests


async def test_upload_that_obico_does_not_carry(
    hass: HomeAssistant, relay: Relay, obico_entry: MockConfigEntry, folder: Path
) -> None:
    """Refused before its first byte is sent, with the limit."""
    await set_up(hass, relay, obico_entry)
    path = folder / "large.gcode"
    path.touch()
    os.truncate(path, 50 * 1024 * 1024)
    error = await refusal(hass, obico_entry, "upload_file", path=str(path))
    assert error.translation_key == "file_too_large"
    assert error.translation_placeholders == {"size": "52.4 MB", "limit": "52.4 MB"}
    assert not relay.requests


async def test_largest_upload_that_obico_carries(
    hass: HomeAssistant, relay: Relay, obico_entry: MockConfigEntry, folder: Path, octoprint: OctoPrintServer
) -> None:
    """With everything else that a form has in it."""
    await set_up(hass, relay, obico_entry)
    path = folder / f"{'large ' * 40}.gcode"
    path.touch()
    os.truncate(path, MAX_BODY - MAX_FORM)
    answer = await call(hass, obico_entry, "upload_file", path=str(path), folder="ü" * 100)
    assert answer["path"].startswith("ü" * 100)
    [request] = relay.seen("tunnel", path=UPLOAD)
    assert request.status == 201
    octoprint.request("DELETE", f"{UPLOAD}/{quote(answer['path'])}")


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
        ("connect", {"parameters": {"port": 2**64}}),
        ("connect", {"parameters": {"port": float("nan")}}),
        ("connect", {"parameters": {"port": float("-inf")}}),
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


@pytest.mark.parametrize(
    "commands", [["G28 " * 100_000_000], ["G28\n" * 30_000_000], ["G1 X1"] * 49_999], ids=["long", "lines", "many"]
)
async def test_commands_without_end(
    hass: HomeAssistant,
    printer_entry: MockConfigEntry,
    relay: Relay,
    monkeypatch: pytest.MonkeyPatch,
    commands: list[str],
) -> None:
    """They are refused before they are encoded."""
    encode = Mock()
    monkeypatch.setattr(services, "json_bytes", encode)
    error = await refusal(hass, printer_entry, "send_commands", commands=commands)
    assert error.translation_key == "commands_too_long"
    encode.assert_not_called()
    assert not relay.requests


# users


CALLS: tuple[tuple[str, dict[str, Any]], ...] = (
    ("connect", {}),
    ("disconnect", {}),
    ("repair", {}),
    ("create_live_link", {}),
    ("upload_file", {"path": "part.gcode"}),
    ("send_commands", {"commands": ["G28"]}),
)


async def call_as(
    hass: HomeAssistant, entry: MockConfigEntry, user_id: str | None, action: str, fields: dict[str, Any]
) -> None:
    """Use an action as a user."""
    await hass.services.async_call(
        DOMAIN,
        action,
        {"device_id": device_of(hass, entry), **fields},
        blocking=True,
        return_response=action in ("create_live_link", "upload_file"),
        context=Context(user_id=user_id),
    )


@pytest.mark.parametrize(
    "policy",
    [
        {},
        {"entities": {"all": {"read": True}}},
        {"entities": {"domains": {"sensor": True, "event": True}}},
        {"entities": {"entity_ids": {"button.kitchen_connect": True}}},
    ],
)
@pytest.mark.parametrize(("action", "fields"), CALLS)
async def test_user_who_may_not_control_the_printer(
    hass: HomeAssistant,
    printer_entry: MockConfigEntry,
    relay: Relay,
    hass_read_only_user: MockUser,
    policy: dict[str, Any],
    action: str,
    fields: dict[str, Any],
) -> None:
    """Nothing arrives."""
    hass_read_only_user.mock_policy(policy)
    with pytest.raises(Unauthorized):
        await call_as(hass, printer_entry, hass_read_only_user.id, action, fields)
    assert not relay.requests


@pytest.mark.parametrize(("action", "fields"), CALLS)
async def test_user_who_is_not_known(
    hass: HomeAssistant, printer_entry: MockConfigEntry, relay: Relay, action: str, fields: dict[str, Any]
) -> None:
    """Nothing arrives."""
    with pytest.raises(UnknownUser):
        await call_as(hass, printer_entry, "nobody", action, fields)
    assert not relay.requests


@pytest.mark.parametrize("kind", ["admin", "entities", "domains", "automation"])
async def test_user_who_may_control_the_printer(
    hass: HomeAssistant,
    printer_entry: MockConfigEntry,
    relay: Relay,
    hass_admin_user: MockUser,
    hass_read_only_user: MockUser,
    kind: str,
) -> None:
    """All of it, or all that commands it; an automation runs without a user."""
    user_id: str | None = hass_read_only_user.id
    match kind:
        case "admin":
            user_id = hass_admin_user.id
        case "automation":
            user_id = None
        case "entities":
            registered = er.async_entries_for_config_entry(er.async_get(hass), printer_entry.entry_id)
            allowed = {item.entity_id: True for item in registered if item.domain in ("button", "number")}
            hass_read_only_user.mock_policy({"entities": {"entity_ids": allowed}})
        case "domains":
            hass_read_only_user.mock_policy({"entities": {"domains": {"button": {"control": True}, "number": True}}})
    await call_as(hass, printer_entry, user_id, "disconnect", {})
    assert sent(relay) == [{"command": "disconnect"}]


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
