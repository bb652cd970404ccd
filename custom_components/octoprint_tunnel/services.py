"""Actions for what a printer's entities cannot do."""

from collections.abc import Awaitable, Callable, Coroutine
from pathlib import Path
from typing import Any, Final

import voluptuous as vol

from homeassistant.auth.permissions.const import POLICY_CONTROL
from homeassistant.const import ATTR_DEVICE_ID, Platform
from homeassistant.core import HomeAssistant, ServiceCall, ServiceResponse, SupportsResponse, callback
from homeassistant.exceptions import Unauthorized, UnknownUser
from homeassistant.helpers import config_validation as cv, entity_registry as er, service
from homeassistant.helpers.json import json_bytes

from .api.json_object import MAX_NUMBER
from .api.sizes import SizeUnit, format_size
from .connect_options import (
    ATTR_AUTOCONNECT,
    ATTR_BAUDRATE,
    ATTR_CONNECTOR,
    ATTR_PARAMETERS,
    ATTR_PORT,
    ATTR_PRINTER_PROFILE,
    ATTR_SAVE,
    checked_options,
)
from .const import DOMAIN
from .exceptions import translated_errors, validation_error
from .prompts import async_answer
from .runtime import OctoPrintTunnelConfigEntry
from .stored_files import DEFAULT_LIMIT, MAX_LIMIT, SORTS, async_list, async_print
from .upload import async_upload

ATTR_CHOICE: Final = "choice"
ATTR_COMMANDS: Final = "commands"
ATTR_FOLDER: Final = "folder"
ATTR_HOURS: Final = "hours"
ATTR_LIMIT: Final = "limit"
ATTR_PATH: Final = "path"
ATTR_PRINT: Final = "print"
ATTR_RECURSIVE: Final = "recursive"
ATTR_SEARCH: Final = "search"
ATTR_SELECT: Final = "select"
ATTR_SORT: Final = "sort"
ATTR_UNTIL_PRINT_ENDS: Final = "until_print_ends"

MAX_COMMANDS: Final = 100_000  # bytes; OctoPrint takes 100 KiB in any request but an upload, without a message beyond
MAX_LINES: Final = 50_000  # of G-code; more are longer than MAX_COMMANDS in any case
CONTROLS: Final = (Platform.BUTTON, Platform.NUMBER)
"""The platforms whose entities control a printer. A user who may control all of these may use the actions."""

PARAMETER: Final = vol.Any(str, bool, None, vol.All(vol.Any(int, float), vol.Range(min=-MAX_NUMBER, max=MAX_NUMBER)))
"""The value of a connector's parameter: what JSON can carry, with no number that is infinite, NaN or above 2^53."""

DEVICE = vol.Schema({vol.Required(ATTR_DEVICE_ID): vol.All(cv.ensure_list, vol.Length(min=1, max=1), [cv.string])})
CONNECT = DEVICE.extend(
    {
        vol.Optional(ATTR_CONNECTOR): cv.string,
        vol.Optional(ATTR_PARAMETERS): {cv.string: PARAMETER},
        vol.Optional(ATTR_PORT): cv.string,
        vol.Optional(ATTR_BAUDRATE): cv.positive_int,
        vol.Optional(ATTR_PRINTER_PROFILE): cv.string,
        vol.Optional(ATTR_SAVE): cv.boolean,
        vol.Optional(ATTR_AUTOCONNECT): cv.boolean,
    }
)
CREATE_LIVE_LINK = DEVICE.extend(
    {
        vol.Optional(ATTR_HOURS): vol.All(vol.Coerce(int), vol.Range(min=1, max=17520)),
        vol.Optional(ATTR_UNTIL_PRINT_ENDS, default=False): cv.boolean,
    }
)
UPLOAD_FILE = DEVICE.extend(
    {
        vol.Required(ATTR_PATH): cv.string,
        vol.Optional(ATTR_FOLDER): cv.string,
        vol.Optional(ATTR_SELECT, default=False): cv.boolean,
        vol.Optional(ATTR_PRINT, default=False): cv.boolean,
    }
)
SEND_COMMANDS = DEVICE.extend(
    {vol.Required(ATTR_COMMANDS): vol.All(cv.ensure_list, vol.Length(min=1, max=MAX_LINES), [cv.string])}
)

ANSWER_PROMPT = DEVICE.extend({vol.Required(ATTR_CHOICE): cv.string})

LIST_FILES = DEVICE.extend(
    {
        vol.Optional(ATTR_FOLDER): cv.string,
        vol.Optional(ATTR_RECURSIVE, default=False): cv.boolean,
        vol.Optional(ATTR_SEARCH): cv.string,
        vol.Optional(ATTR_SORT, default=SORTS[0]): vol.In(SORTS),
        vol.Optional(ATTR_LIMIT, default=DEFAULT_LIMIT): vol.All(vol.Coerce(int), vol.Range(min=1, max=MAX_LIMIT)),
    }
)
PRINT_FILE = DEVICE.extend({vol.Required(ATTR_PATH): cv.string})

type Handler = Callable[[OctoPrintTunnelConfigEntry, ServiceCall], Awaitable[ServiceResponse]]
type Action = Callable[[ServiceCall], Coroutine[Any, Any, ServiceResponse]]


@callback
def async_setup_services(hass: HomeAssistant) -> None:
    """Register the actions."""
    for name, schema, handler, response in (
        ("connect", CONNECT, _connect, SupportsResponse.NONE),
        ("disconnect", DEVICE, _disconnect, SupportsResponse.NONE),
        ("repair", DEVICE, _repair, SupportsResponse.NONE),
        ("create_live_link", CREATE_LIVE_LINK, _create_live_link, SupportsResponse.ONLY),
        ("upload_file", UPLOAD_FILE, _upload_file, SupportsResponse.OPTIONAL),
        ("send_commands", SEND_COMMANDS, _send_commands, SupportsResponse.NONE),
        ("list_files", LIST_FILES, _list_files, SupportsResponse.ONLY),
        ("print_file", PRINT_FILE, _print_file, SupportsResponse.NONE),
        ("answer_prompt", ANSWER_PROMPT, _answer_prompt, SupportsResponse.NONE),
    ):
        hass.services.async_register(DOMAIN, name, _for_device(handler), schema, supports_response=response)


def _for_device(handler: Handler) -> Action:
    """Return the action that calls `handler` with the config entry of the given device."""

    async def handle(call: ServiceCall) -> ServiceResponse:
        [device_id] = call.data[ATTR_DEVICE_ID]
        _, entry = service.async_get_device_and_config_entry(call.hass, DOMAIN, device_id)
        await _check_user(call, entry)
        with translated_errors(call.hass, entry):
            return await handler(entry, call)

    return handle


async def _check_user(call: ServiceCall, entry: OctoPrintTunnelConfigEntry) -> None:
    """Check that the caller may control the printer's entities, as Home Assistant does for actions of an entity.

    An automation has no user and is allowed. Raises UnknownUser or Unauthorized.
    """
    if call.context.user_id is None:
        return
    user = await call.hass.auth.async_get_user(call.context.user_id)
    if user is None:
        raise UnknownUser(context=call.context)
    registered = er.async_entries_for_config_entry(er.async_get(call.hass), entry.entry_id)
    controls = [item.entity_id for item in registered if item.domain in CONTROLS]
    denied = [item for item in controls if not user.permissions.check_entity(item, POLICY_CONTROL)]
    if denied or not controls:
        raise Unauthorized(context=call.context, entity_id=denied[0] if denied else None, permission=POLICY_CONTROL)


async def _connect(entry: OctoPrintTunnelConfigEntry, call: ServiceCall) -> None:
    printer = entry.runtime_data.printer
    offered = await printer.octoprint.connection()
    options = checked_options(offered, {name: value for name, value in call.data.items() if name != ATTR_DEVICE_ID})
    await printer.async_command(lambda octoprint, _: octoprint.connect(offered, **options))


async def _disconnect(entry: OctoPrintTunnelConfigEntry, call: ServiceCall) -> None:
    await entry.runtime_data.printer.async_command(lambda octoprint, _: octoprint.disconnect())


async def _repair(entry: OctoPrintTunnelConfigEntry, call: ServiceCall) -> None:
    await entry.runtime_data.printer.async_command(lambda octoprint, connection: octoprint.repair(connection))


async def _create_live_link(entry: OctoPrintTunnelConfigEntry, call: ServiceCall) -> ServiceResponse:
    live_links = entry.runtime_data.tunnel.service.live_links
    if live_links is None:
        raise validation_error("only_octoeverywhere")
    link = await live_links.create(hours=call.data.get(ATTR_HOURS), until_print_ends=call.data[ATTR_UNTIL_PRINT_ENDS])
    return {"live_id": link.live_id, "url": link.url, "short_url": link.short_url}


async def _upload_file(entry: OctoPrintTunnelConfigEntry, call: ServiceCall) -> ServiceResponse:
    uploaded = await async_upload(
        call.hass,
        entry.runtime_data.tunnel,
        entry.runtime_data.printer,
        entry.runtime_data.layers,
        Path(call.data[ATTR_PATH]),
        folder=call.data.get(ATTR_FOLDER),
        select=call.data[ATTR_SELECT],
        print_=call.data[ATTR_PRINT],
    )
    return {"path": uploaded.path, "selected": uploaded.selected, "printing": uploaded.printing}


async def _send_commands(entry: OctoPrintTunnelConfigEntry, call: ServiceCall) -> None:
    lines = _checked_lines(call.data[ATTR_COMMANDS])
    await entry.runtime_data.printer.async_command(lambda octoprint, _: octoprint.send_commands(lines))


async def _list_files(entry: OctoPrintTunnelConfigEntry, call: ServiceCall) -> ServiceResponse:
    options = {name: value for name, value in call.data.items() if name != ATTR_DEVICE_ID}
    return await async_list(entry.runtime_data.printer, **options)


async def _print_file(entry: OctoPrintTunnelConfigEntry, call: ServiceCall) -> None:
    await async_print(entry.runtime_data.printer, call.data[ATTR_PATH])


async def _answer_prompt(entry: OctoPrintTunnelConfigEntry, call: ServiceCall) -> None:
    await async_answer(entry.runtime_data.printer, call.data[ATTR_CHOICE])


def _checked_lines(commands: list[str]) -> list[str]:
    """Return the lines of G-code. Raises ServiceValidationError if there are none or too many."""
    lines: list[str] = []
    if (size := sum(map(len, commands))) <= MAX_COMMANDS:  # longer ones are neither split nor encoded
        lines = [line.strip() for text in commands for line in text.splitlines() if line.strip()]
        if not lines:
            raise validation_error("no_commands")
        size = len(json_bytes(lines))
    if size > MAX_COMMANDS:
        raise validation_error(
            "commands_too_long",
            size=format_size(size, SizeUnit.KILOBYTES),
            limit=format_size(MAX_COMMANDS, SizeUnit.KILOBYTES),
        )
    return lines
