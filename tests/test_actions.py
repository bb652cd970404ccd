"""Actions: what arrives in a real OctoPrint, and what is refused before that."""

from collections.abc import Callable, Iterator
from functools import partial
import json
import logging
import os
from pathlib import Path
import re
from typing import Any, override
from unittest.mock import Mock
from urllib.parse import quote

import pytest
from pytest_homeassistant_custom_component.common import MockConfigEntry, MockUser
import voluptuous as vol

from custom_components.octoprint_tunnel import services
from custom_components.octoprint_tunnel.api.octoprint.files import MAX_FORM
from custom_components.octoprint_tunnel.api.tunnels import TUNNELS
from custom_components.octoprint_tunnel.api.tunnels.obico import MAX_BODY
from custom_components.octoprint_tunnel.const import DOMAIN
from homeassistant.core import Context, HomeAssistant
from homeassistant.exceptions import HomeAssistantError, ServiceValidationError, Unauthorized, UnknownUser
from homeassistant.helpers import device_registry as dr, entity_registry as er

from .home import Home, log_lines, settle, until
from .octoprint import printing
from .octoprint.server import OctoPrintServer
from .relay.octoeverywhere import AppConnection
from .relay.server import Relay

ALL_SERVICES = pytest.mark.parametrize("provider", TUNNELS)
OBICO = pytest.mark.parametrize("provider", ["obico"])
BOTH = pytest.mark.parametrize("octoprint_version", ["1.11", "2.0"])
CONNECTION = "/api/connection"
UPLOAD = "/api/files/local"
LIVE_LINK = "/api/live/createfromappconnection"
PART = printing.gcode(20) + b"; padding\n" * 60_000  # bytes; sent in several pieces


class ActionHome(Home):
    """Home Assistant with one printer, whose actions are called."""

    @property
    def device_id(self) -> str:
        """Return the id of the printer's device."""
        [device] = dr.async_entries_for_config_entry(dr.async_get(self.hass), self.entry.entry_id)
        return device.id

    @property
    def sent(self) -> list[Any]:
        """Return the commands about the connection that arrived."""
        return [request.json() for request in self.relay.seen("tunnel", method="POST", path=CONNECTION)]

    @override
    async def set_up(self, **options: object) -> None:
        await super().set_up(**options)
        self.relay.clear()

    @override
    async def call(self, action: str, **data: object) -> Any:
        return await self.call_as(None, action, **data)

    async def call_as(self, user_id: str | None, action: str, **data: object) -> Any:
        """Call one of the integration's actions as a user, or as an automation, and return the response."""
        response = await self.hass.services.async_call(
            DOMAIN,
            action,
            {"device_id": self.device_id, **data},
            blocking=True,
            return_response=action in ("create_live_link", "upload_file"),
            context=Context(user_id=user_id),
        )
        await settle(self.hass)
        return response

    async def refusal(self, action: str, **data: object) -> HomeAssistantError:
        """Call an action that fails, and return its error."""
        with pytest.raises(HomeAssistantError) as caught:
            await self.call(action, **data)
        assert caught.value.translation_domain == DOMAIN
        return caught.value

    async def ask(self, path: str) -> Any:
        """Return OctoPrint's own response, without any tunnel."""
        status, body = await self.hass.async_add_executor_job(self.octoprint.request, "GET", path)
        return json.loads(body) if status == 200 else None

    async def operational(self) -> None:
        """Connect the printer, and wait until it can be used."""
        await self.call("connect")
        await self.in_octoprint(_until_operational)


@pytest.fixture
async def new_home(
    hass: HomeAssistant,
    relay: Relay,
    octoprint: OctoPrintServer,
    provider: str,
    entries: dict[str, MockConfigEntry],
) -> ActionHome:
    """Return Home Assistant in which the printer is not set up yet."""
    chosen = entries[provider]
    return ActionHome(hass=hass, relay=relay, octoprint=octoprint, entry=chosen)


@pytest.fixture
async def home(new_home: ActionHome) -> ActionHome:
    """Return Home Assistant with a printer that is set up and not connected."""
    await new_home.set_up()
    return new_home


def _until_operational(octoprint: OctoPrintServer) -> None:
    while b'"Operational"' not in octoprint.request("GET", CONNECTION)[1]:
        pass


# the connection


@ALL_SERVICES
@BOTH
async def test_connect_and_disconnect(home: ActionHome) -> None:
    """The options are sent as given; a profile is found by its name in any case."""
    await home.call("connect", port="VIRTUAL", baudrate=115200, printer_profile="DEFAULT", save=True)
    await home.in_octoprint(_until_operational)
    [command] = home.sent
    assert (command["command"], command["printerProfile"], command["save"]) == ("connect", "_default", True)
    given = command["parameters"] if home.octoprint.version == "2.0" else command
    assert (given["port"], given["baudrate"]) == ("VIRTUAL", 115200)
    home.relay.clear()
    await home.call("disconnect")
    assert home.sent == [{"command": "disconnect"}]
    assert (await home.ask(CONNECTION))["current"]["state"] in ("Closed", "Offline")


async def test_connect_with_a_connector(home: ActionHome) -> None:
    """Its parameters are sent as given, also those that mean automatic."""
    parameters = {"port": "VIRTUAL", "baudrate": 0}
    await home.call("connect", connector="serial", parameters=parameters, printer_profile="_default")
    [command] = home.sent
    assert (command["connector"], command["parameters"]) == ("serial", parameters)
    await home.in_octoprint(_until_operational)


async def test_autoconnect_with_save(home: ActionHome) -> None:
    """Both are sent."""
    await home.call("connect", save=True, autoconnect=False)
    [command] = home.sent
    assert (command["save"], command["autoconnect"]) == (True, False)
    await home.in_octoprint(_until_operational)


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
async def test_save_keeps_other_preferences(
    home: ActionHome, preferred: str, fields: dict[str, object], expected: tuple[Any, ...]
) -> None:
    """OctoPrint alone would delete those that are left out."""
    assert await home.hass.async_add_executor_job(preferences, home.octoprint) == ("VIRTUAL", 115200, preferred, False)
    await home.call("connect", save=True, **fields)
    assert await home.hass.async_add_executor_job(preferences, home.octoprint) == expected


@BOTH
async def test_autoconnect_alone(home: ActionHome, preferred: str) -> None:
    """It is saved, and no other preference changes."""
    for wish in (True, False):
        await home.call("connect", autoconnect=wish)
        stored = await home.hass.async_add_executor_job(preferences, home.octoprint)
        assert stored == ("VIRTUAL", 115200, preferred, wish)


@pytest.mark.parametrize("fields", [{"port": "VIRTUAL"}, {"save": False}])
async def test_autoconnect_without_save(home: ActionHome, fields: dict[str, object]) -> None:
    """It is refused with other options: OctoPrint 2.0 would ignore it."""
    error = await home.refusal("connect", autoconnect=True, **fields)
    assert error.translation_key == "autoconnect_needs_save"
    assert not home.relay.seen(method="POST")


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
async def test_options_that_octoprint_does_not_offer(
    home: ActionHome, fields: dict[str, object], key: str, value: str
) -> None:
    """They are refused with a message that contains the value."""
    error = await home.refusal("connect", **fields)
    assert isinstance(error, ServiceValidationError)
    assert error.translation_key == key
    assert (error.translation_placeholders or {}).get("value") == value
    assert not home.relay.seen(method="POST")


@pytest.mark.parametrize(("octoprint_version", "key"), [("1.11", "no_connectors"), ("2.0", "not_offered")])
async def test_unknown_connectors(home: ActionHome, key: str) -> None:
    """They are refused, and so is any connector before OctoPrint 2.0."""
    error = await home.refusal("connect", connector="telepathy")
    assert error.translation_key == key
    assert not home.relay.seen(method="POST")


@ALL_SERVICES
@BOTH
async def test_repair(home: ActionHome) -> None:
    """The command is the one of this version of OctoPrint."""
    await home.call("repair")
    assert home.sent == [{"command": "repair" if home.octoprint.version == "2.0" else "fake_ack"}]


# live links


async def test_live_link(home: ActionHome, connection: AppConnection) -> None:
    """It lasts the given hours, and its addresses are returned."""
    answer = await home.call("create_live_link", hours=48)
    [made] = connection.apis.live_links
    assert answer == {"live_id": made["LiveId"], "url": made["Url"], "short_url": made["ShortUrl"]}
    assert (made["ExpirationHours"], made["EndWhenCurrentPrintIsComplete"]) == (48, False)


async def test_live_link_until_the_print_ends(home: ActionHome, connection: AppConnection) -> None:
    """It fails while nothing prints."""
    error = await home.refusal("create_live_link", until_print_ends=True)
    assert error.translation_key == "nothing_printing"
    connection.apis.printing = True
    answer = await home.call("create_live_link", until_print_ends=True)
    [made] = connection.apis.live_links
    assert answer["url"] == made["Url"]
    assert "ExpirationHours" not in made


@OBICO
async def test_live_link_of_obico(new_home: ActionHome) -> None:
    """It fails with a message about the service that has live links."""
    await new_home.set_up()
    error = await new_home.refusal("create_live_link")
    assert error.translation_key == "only_octoeverywhere"
    assert not new_home.relay.requests


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


@ALL_SERVICES
@BOTH
async def test_upload(home: ActionHome, part: Path, caplog: pytest.LogCaptureFixture) -> None:
    """The file arrives in OctoPrint unchanged, and its progress is logged."""
    caplog.set_level(logging.INFO)
    answer = await home.call("upload_file", path=str(part), folder="automations")
    assert answer == {"path": "automations/cube.gcode", "selected": False, "printing": False}
    there = home.octoprint.basedir / "uploads" / "automations" / "cube.gcode"
    assert there.read_bytes() == PART
    assert log_lines(caplog) == [
        f"Kitchen: uploading cube.gcode ({len(PART)} bytes)",
        *(f"Kitchen: {percent} % of cube.gcode sent" for percent in (25, 50, 75)),
        "Kitchen: uploaded cube.gcode",
    ]


@BOTH
@pytest.mark.parametrize(("wish", "prints"), [({"select": True}, False), ({"print": True}, True)])
async def test_upload_and_print(home: ActionHome, part: Path, wish: dict[str, bool], prints: bool) -> None:
    """The file is selected or printed."""
    await home.operational()
    answer = await home.call("upload_file", path=str(part), **wish)
    assert answer == {"path": "cube.gcode", "selected": True, "printing": prints}
    job = await home.ask("/api/job")
    assert job["job"]["file"]["path"] == "cube.gcode"
    if prints:
        assert job["state"] in ("Starting", "Printing")
        await home.hass.async_add_executor_job(home.octoprint.request, "POST", "/api/job", {"command": "cancel"})
        await home.in_octoprint(_until_operational)


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
async def test_upload_names(home: ActionHome, folder: Path) -> None:
    """Files and folders have the same names as after an upload with a browser."""
    for name in NAMES:
        where = f"Ordner für {name.removesuffix('.gcode').strip()}"
        expected = await home.hass.async_add_executor_job(upload_as_browser, home.octoprint, name, where)
        assert "%20" not in expected or "%20" in name
        (folder / name).write_text("G28")
        answer = await home.call("upload_file", path=str(folder / name), folder=where)
        assert answer["path"] == expected


@pytest.mark.parametrize(
    "character", ["\n", "\r", "\t", "\x1b", "\x7f", "\x85", "\u2028", "\u202e", "\udcff", '"', "\\"]
)
async def test_names_that_no_form_can_carry(home: ActionHome, folder: Path, part: Path, character: str) -> None:
    """They are refused with a message of one line."""
    path = folder / f"a{character}b.gcode"
    path.write_text("G28")
    for fields in ({"path": str(path)}, {"path": str(part), "folder": f"a{character}b"}):
        error = await home.refusal("upload_file", **fields)
        assert error.translation_key == "name_not_usable"
        assert "\n" not in str((error.translation_placeholders or {})["name"])
    assert not home.relay.requests


async def test_long_folder_name(home: ActionHome, part: Path) -> None:
    """It is refused, and the message has a part of it."""
    error = await home.refusal("upload_file", path=str(part), folder="x" * 1_000_000)
    assert error.translation_key == "name_not_usable"
    assert len(str(error.translation_placeholders)) < 2000
    assert not home.relay.requests


@pytest.mark.parametrize("turned", ["file", "folder"])
async def test_link_that_changes_while_the_file_is_opened(
    home: ActionHome, folder: Path, monkeypatch: pytest.MonkeyPatch, turned: str
) -> None:
    """The location of the open file is checked."""
    allowed, forbidden = folder / "allowed", folder / "forbidden"
    for path in (allowed, forbidden):
        path.mkdir()
        (path / "part.gcode").write_text("G28" if path is allowed else "forbidden words")
    home.hass.config.allowlist_external_dirs = {str(allowed)}
    link = allowed / "link"
    targets = [path if turned == "folder" else path / "part.gcode" for path in (allowed, forbidden)]
    link.symlink_to(targets[0])
    asked = link / "part.gcode" if turned == "folder" else link
    is_allowed_path = type(home.hass.config).is_allowed_path

    def turn_after_the_look(config: Any, path: str) -> bool:
        result = is_allowed_path(config, path)
        link.unlink()
        link.symlink_to(targets[1])
        return result

    monkeypatch.setattr(type(home.hass.config), "is_allowed_path", turn_after_the_look)
    error = await home.refusal("upload_file", path=str(asked))
    assert error.translation_key == "path_not_allowed"
    assert not home.relay.requests


@OBICO
async def test_upload_that_obico_does_not_carry(new_home: ActionHome, folder: Path) -> None:
    """Refused before its first byte is sent, with the limit."""
    await new_home.set_up()
    path = folder / "large.gcode"
    path.touch()
    os.truncate(path, 50 * 1024 * 1024)
    error = await new_home.refusal("upload_file", path=str(path))
    assert error.translation_key == "file_too_large"
    assert error.translation_placeholders == {"size": "50.0 MiB", "limit": "50.0 MiB"}
    assert not new_home.relay.requests


@OBICO
async def test_largest_upload_through_obico(new_home: ActionHome, folder: Path) -> None:
    """The limit includes the other parts of the form."""
    await new_home.set_up()
    path = folder / f"{'large ' * 40}.gcode"
    path.touch()
    os.truncate(path, MAX_BODY - MAX_FORM)
    answer = await new_home.call("upload_file", path=str(path), folder="ü" * 100)
    assert answer["path"].startswith("ü" * 100)
    [request] = new_home.relay.seen("tunnel", path=UPLOAD)
    assert request.status == 201
    new_home.octoprint.request("DELETE", f"{UPLOAD}/{quote(answer['path'])}")


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
async def test_unreadable_files(home: ActionHome, part: Path, choose: Callable[[Path], Path], key: str) -> None:
    """They are refused with a message that contains the path."""
    path = choose(part)
    error = await home.refusal("upload_file", path=str(path))
    assert isinstance(error, ServiceValidationError)
    assert error.translation_key == key
    assert (error.translation_placeholders or {})["path"] == str(path)
    assert not home.relay.requests


async def test_upload_of_a_device(home: ActionHome) -> None:
    """It is refused even in an allowed folder."""
    home.hass.config.allowlist_external_dirs = {"/dev"}
    error = await home.refusal("upload_file", path="/dev/zero")
    assert error.translation_key == "file_not_readable"
    assert not home.relay.requests


async def test_upload_above_the_limit_of_the_account(
    new_home: ActionHome, connection: AppConnection, part: Path
) -> None:
    """It is refused before it is sent, with both sizes in the message."""
    connection.info["PrinterLimits"] = {"MaxUploadFileSizeBytes": 100_000}
    await new_home.set_up()
    error = await new_home.refusal("upload_file", path=str(part))
    assert error.translation_key == "file_too_large"
    assert error.translation_placeholders == {"size": f"{len(PART) / 1024**2:.1f} MiB", "limit": "0.1 MiB"}
    assert not new_home.relay.requests


async def test_upload_that_the_service_refuses(home: ActionHome, part: Path) -> None:
    """The action fails, and the printer stays available."""
    home.relay.fail("tunnel", 608, path=UPLOAD)
    error = await home.refusal("upload_file", path=str(part))
    assert error.translation_key == "upload_too_large"
    assert home.runtime.printer.last_update_success


@ALL_SERVICES
@BOTH
async def test_upload_that_octoprint_refuses(home: ActionHome, folder: Path, caplog: pytest.LogCaptureFixture) -> None:
    """The message contains OctoPrint's text."""
    path = folder / "letter.txt"
    path.write_text("Dear printer")
    error = await home.refusal("upload_file", path=str(path))
    assert isinstance(error, ServiceValidationError)
    assert error.translation_key == "rejected"
    assert "invalid type" in (error.translation_placeholders or {})["detail"]
    log_lines(caplog)


# commands


@ALL_SERVICES
@BOTH
async def test_send_commands(home: ActionHome) -> None:
    """They are sent line by line."""
    await home.operational()
    await home.call("send_commands", commands=["M140 S41\n\n  M105  ", " "])
    [request] = home.relay.seen("tunnel", path="/api/printer/command")
    assert request.json() == {"commands": ["M140 S41", "M105"]}

    def target() -> float:
        return float(json.loads(home.octoprint.request("GET", "/api/printer")[1])["temperature"]["bed"]["target"])

    await until(lambda: target() == 41)
    await home.hass.async_add_executor_job(partial(printing.command, home.octoprint, "M140 S0"))


@pytest.mark.parametrize("commands", [["  ", "\n"], [""]])
async def test_empty_commands(home: ActionHome, commands: list[str]) -> None:
    """They are refused."""
    assert (await home.refusal("send_commands", commands=commands)).translation_key == "no_commands"
    assert not home.relay.requests


@ALL_SERVICES
@BOTH
@pytest.mark.parametrize("commands", [["G1 X1"] * 20_000, ["G1 " + "X" * 100_000]], ids=["many", "long"])
async def test_too_many_commands(home: ActionHome, commands: list[str]) -> None:
    """They are refused with the limit in the message; almost as many are sent."""
    await home.operational()
    home.relay.clear()
    error = await home.refusal("send_commands", commands=commands)
    assert error.translation_key == "commands_too_long"
    assert (error.translation_placeholders or {})["limit"] == "100.0 kB"
    assert not home.relay.requests
    await home.call("send_commands", commands=["M117 " + "x" * 99_950])
    [request] = home.relay.seen("tunnel", path="/api/printer/command")
    assert request.status == 204


@BOTH
async def test_special_characters_in_commands(home: ActionHome) -> None:
    """They are sent as given, except for line breaks."""
    await home.operational()
    home.relay.clear()
    strange = ["M117 \x1b\0\x7f", "M117 \U0001f5a8\u202e", 'M117 "}]\\']
    await home.call("send_commands", commands=[*strange, "M117 a\r\nM117 b\u2028M117 c"])
    [request] = home.relay.seen("tunnel", path="/api/printer/command")
    assert request.json() == {"commands": [*strange, "M117 a", "M117 b", "M117 c"]}
    assert request.status == 204


@pytest.mark.parametrize(
    ("action", "fields"),
    [
        *(("create_live_link", {"hours": hours}) for hours in (0, -1, 17521)),
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
async def test_invalid_fields(home: ActionHome, action: str, fields: dict[str, object]) -> None:
    """They are refused before anything is sent."""
    with pytest.raises(vol.Invalid):
        await home.call(action, **fields)
    assert not home.relay.requests


@ALL_SERVICES
@BOTH
async def test_commands_without_a_printer(home: ActionHome) -> None:
    """The message contains OctoPrint's text."""
    error = await home.refusal("send_commands", commands=["G28"])
    assert error.translation_key == "rejected"
    assert "not operational" in (error.translation_placeholders or {})["detail"]


@pytest.mark.parametrize(
    "commands", [["G28 " * 100_000_000], ["G28\n" * 30_000_000], ["G1 X1"] * 49_999], ids=["long", "lines", "many"]
)
async def test_endless_commands(home: ActionHome, monkeypatch: pytest.MonkeyPatch, commands: list[str]) -> None:
    """They are refused before they are encoded."""
    encode = Mock()
    monkeypatch.setattr(services, "json_bytes", encode)
    error = await home.refusal("send_commands", commands=commands)
    assert error.translation_key == "commands_too_long"
    encode.assert_not_called()
    assert not home.relay.requests


# users


CALLS: tuple[tuple[str, dict[str, Any]], ...] = (
    ("connect", {}),
    ("disconnect", {}),
    ("repair", {}),
    ("create_live_link", {}),
    ("upload_file", {"path": "part.gcode"}),
    ("send_commands", {"commands": ["G28"]}),
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
async def test_user_without_permission(
    home: ActionHome, hass_read_only_user: MockUser, policy: dict[str, Any], action: str, fields: dict[str, Any]
) -> None:
    """Nothing arrives, and neither does what an unknown user calls."""
    hass_read_only_user.mock_policy(policy)
    with pytest.raises(Unauthorized):
        await home.call_as(hass_read_only_user.id, action, **fields)
    with pytest.raises(UnknownUser):
        await home.call_as("nobody", action, **fields)
    assert not home.relay.requests


@pytest.mark.parametrize("kind", ["admin", "entities", "domains", "automation"])
async def test_user_with_permission(
    home: ActionHome, hass_admin_user: MockUser, hass_read_only_user: MockUser, kind: str
) -> None:
    """A user needs permission for all entities that control the printer; an automation has no user."""
    user_id: str | None = hass_read_only_user.id
    match kind:
        case "admin":
            user_id = hass_admin_user.id
        case "automation":
            user_id = None
        case "entities":
            registered = er.async_entries_for_config_entry(er.async_get(home.hass), home.entry.entry_id)
            allowed = {item.entity_id: True for item in registered if item.domain in ("button", "number")}
            hass_read_only_user.mock_policy({"entities": {"entity_ids": allowed}})
        case "domains":
            hass_read_only_user.mock_policy({"entities": {"domains": {"button": {"control": True}, "number": True}}})
    await home.call_as(user_id, "disconnect")
    assert home.sent == [{"command": "disconnect"}]


# devices


async def test_unknown_device(home: ActionHome) -> None:
    """The action fails."""
    with pytest.raises(ServiceValidationError) as caught:
        await home.call("disconnect", device_id="nobody")
    assert caught.value.translation_key == "service_device_not_found"
    assert not home.relay.requests


async def test_unloaded_printer(home: ActionHome) -> None:
    """The action exists and fails."""
    await home.hass.config_entries.async_unload(home.entry.entry_id)
    with pytest.raises(ServiceValidationError) as caught:
        await home.call("disconnect")
    assert caught.value.translation_key
    assert not home.relay.requests


async def test_api_key_without_permission(new_home: ActionHome, part: Path) -> None:
    """The message names the missing permission."""
    new_home.entry.add_to_hass(new_home.hass)
    new_home.hass.config_entries.async_update_entry(
        new_home.entry, data={**new_home.entry.data, "api_key": new_home.octoprint.limited_api_key}
    )
    assert await new_home.hass.config_entries.async_setup(new_home.entry.entry_id)
    await settle(new_home.hass)
    for action, fields, permission in (
        ("connect", {}, "CONNECTION"),
        ("upload_file", {"path": str(part)}, "FILES_UPLOAD"),
        ("send_commands", {"commands": ["G28"]}, "CONTROL"),
    ):
        error = await new_home.refusal(action, **fields)
        assert error.translation_key == "permission_missing"
        assert error.translation_placeholders is not None
        assert permission in error.translation_placeholders["detail"]
