"""Actions: what automations can do to a printer beyond its entities."""

from collections.abc import Awaitable, Callable, Coroutine
from errno import EPERM
from pathlib import Path
from typing import Any, Final

import voluptuous as vol

from homeassistant.auth.permissions.const import POLICY_CONTROL
from homeassistant.const import ATTR_DEVICE_ID, Platform
from homeassistant.core import HomeAssistant, ServiceCall, ServiceResponse, SupportsResponse, callback
from homeassistant.exceptions import ServiceValidationError, Unauthorized, UnknownUser
from homeassistant.helpers import config_validation as cv, entity_registry as er, service
from homeassistant.helpers.json import json_bytes

from .api.json_object import MAX_NUMBER
from .api.octoprint.connection import Connection
from .api.octoprint.file_progress import FileInProgress
from .api.octoprint.files import MAX_FORM, is_file_name, is_folder
from .api.remote_text import one_line
from .api.transport.router import Way
from .const import DOMAIN, LOGGER
from .coordinator import TunnelCoordinator
from .exceptions import translated_errors
from .runtime import OctoPrintTunnelConfigEntry

ATTR_AUTOCONNECT: Final = "autoconnect"
ATTR_BAUDRATE: Final = "baudrate"
ATTR_COMMANDS: Final = "commands"
ATTR_CONNECTOR: Final = "connector"
ATTR_FOLDER: Final = "folder"
ATTR_HOURS: Final = "hours"
ATTR_PARAMETERS: Final = "parameters"
ATTR_PATH: Final = "path"
ATTR_PORT: Final = "port"
ATTR_PRINT: Final = "print"
ATTR_PRINTER_PROFILE: Final = "printer_profile"
ATTR_SAVE: Final = "save"
ATTR_SELECT: Final = "select"
ATTR_UNTIL_PRINT_ENDS: Final = "until_print_ends"

MAX_COMMANDS: Final = 100_000  # bytes; OctoPrint takes 100 KiB in any request but an upload, and says nothing beyond
MAX_LINES: Final = 50_000  # of G-code; as JSON more are longer than that in any case
MAX_SHOWN: Final = 1000  # characters of a value in a message
CONTROLS: Final = (Platform.BUTTON, Platform.NUMBER)
"""The platforms whose entities command a printer: who may use all of these may use the actions."""
AUTO: Final = "AUTO"  # what OctoPrint takes for "find out", beside the ports that it lists

PARAMETER: Final = vol.Any(str, bool, None, vol.All(vol.Any(int, float), vol.Range(min=-MAX_NUMBER, max=MAX_NUMBER)))
"""The value of a connector's parameter, as JSON carries it: no number is infinite, none, or longer than 64 bits."""

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

type Handler = Callable[[OctoPrintTunnelConfigEntry, ServiceCall], Awaitable[ServiceResponse]]
type Action = Callable[[ServiceCall], Coroutine[Any, Any, ServiceResponse]]


def _refuse(key: str, **placeholders: str) -> ServiceValidationError:
    return ServiceValidationError(translation_domain=DOMAIN, translation_key=key, translation_placeholders=placeholders)


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
    ):
        hass.services.async_register(DOMAIN, name, _for_device(handler), schema, supports_response=response)


def _for_device(handler: Handler) -> Action:
    """Find the printer that a call is about, and let the action fail with a message for the user."""

    async def handle(call: ServiceCall) -> ServiceResponse:
        [device_id] = call.data[ATTR_DEVICE_ID]
        _, entry = service.async_get_device_and_config_entry(call.hass, DOMAIN, device_id)
        await _check_user(call, entry)
        with translated_errors(call.hass, entry):
            return await handler(entry, call)

    return handle


async def _check_user(call: ServiceCall, entry: OctoPrintTunnelConfigEntry) -> None:
    """Check that the caller may control the printer's entities, as Home Assistant does for actions of an entity.

    An automation has no user, and may.
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
    """Connect to the printer with values that OctoPrint offers."""
    printer = entry.runtime_data.printer
    given: dict[str, Any] = {name: value for name, value in call.data.items() if name != ATTR_DEVICE_ID}
    offered = await printer.octoprint.connection()
    if offered.has_connectors and given.get(ATTR_AUTOCONNECT) is not None and not given.get(ATTR_SAVE):
        # OctoPrint 2.0 would ignore it. Alone, it can be saved with the preferences as they are.
        if given.keys() != {ATTR_AUTOCONNECT}:
            raise _refuse("autoconnect_needs_save")
        given[ATTR_SAVE] = True
    if profile := given.get(ATTR_PRINTER_PROFILE):
        given[ATTR_PRINTER_PROFILE] = _offered_profile(offered, profile)
    _check_offered(offered, given)
    await printer.async_command(lambda octoprint, _: octoprint.connect(offered, **given))


def _offered_profile(offered: Connection, profile: str) -> str:
    """Return the id of a printer profile that was given by its id or its name."""
    profiles = offered.options.profiles
    if profile in profiles:
        return profile
    by_name = {name.casefold(): key for key, name in profiles.items()}
    if (key := by_name.get(profile.casefold())) is None:
        raise _not_offered(ATTR_PRINTER_PROFILE, profile, [*profiles, *profiles.values()])
    return key


def _check_offered(offered: Connection, given: dict[str, Any]) -> None:
    """Refuse what OctoPrint does not offer, before anything is sent."""
    options = offered.options
    parameters = {**given.get(ATTR_PARAMETERS, {})}
    parameters |= {name: given[name] for name in (ATTR_PORT, ATTR_BAUDRATE) if name in given}
    if options.connectors is None:
        if ATTR_CONNECTOR in given:
            raise _refuse("no_connectors")
        choices: dict[str, Any] = {ATTR_PORT: list(options.ports), ATTR_BAUDRATE: list(options.baudrates)}
    else:
        connectors = {connector.connector: connector for connector in options.connectors}
        chosen = given.get(ATTR_CONNECTOR) or options.preferred_connector or next(iter(connectors), None)
        if chosen not in connectors:
            raise _not_offered(ATTR_CONNECTOR, chosen, connectors)
        choices = dict(connectors[chosen].parameters)
    for name, value in parameters.items():
        if name not in choices:
            raise _not_offered(ATTR_PARAMETERS, name, choices)
        allowed = choices[name]
        automatic = (name == ATTR_PORT and value == AUTO) or (name == ATTR_BAUDRATE and value == 0)
        # Nothing to choose from means that anything goes: a host name, an access code.
        if isinstance(allowed, list) and allowed and value not in allowed and not automatic:
            raise _not_offered(name, value, allowed)


def _not_offered(what: str, value: object, offered: Any) -> ServiceValidationError:
    choices = ", ".join(str(item) for item in offered) or "-"
    return _refuse(
        "not_offered", what=what, value=one_line(str(value), MAX_SHOWN), offered=one_line(choices, MAX_SHOWN)
    )


async def _disconnect(entry: OctoPrintTunnelConfigEntry, call: ServiceCall) -> None:
    """Disconnect from the printer."""
    await entry.runtime_data.printer.async_command(lambda octoprint, _: octoprint.disconnect())


async def _repair(entry: OctoPrintTunnelConfigEntry, call: ServiceCall) -> None:
    """Get a stuck communication going."""
    await entry.runtime_data.printer.async_command(lambda octoprint, connection: octoprint.repair(connection))


async def _create_live_link(entry: OctoPrintTunnelConfigEntry, call: ServiceCall) -> ServiceResponse:
    """Make a link on which anyone can watch the printer for a time."""
    live_links = entry.runtime_data.tunnel.service.live_links
    if live_links is None:
        raise _refuse("only_octoeverywhere")
    link = await live_links.create(hours=call.data.get(ATTR_HOURS), until_print_ends=call.data[ATTR_UNTIL_PRINT_ENDS])
    return {"live_id": link.live_id, "url": link.url, "short_url": link.short_url}


async def _upload_file(entry: OctoPrintTunnelConfigEntry, call: ServiceCall) -> ServiceResponse:
    """Send a file of Home Assistant's to OctoPrint."""
    hass, printer = call.hass, entry.runtime_data.printer
    path, folder = Path(call.data[ATTR_PATH]), call.data.get(ATTR_FOLDER)
    if "\0" in str(path) or not await hass.async_add_executor_job(hass.config.is_allowed_path, str(path)):
        raise _refuse("path_not_allowed", path=str(path))
    if not is_file_name(path.name):
        raise _refuse("name_not_usable", name=one_line(path.name, MAX_SHOWN))
    if folder and not is_folder(folder):
        raise _refuse("name_not_usable", name=one_line(folder, MAX_SHOWN))

    def tell_percent(percent: int) -> None:
        LOGGER.info("%s: %d %% of %s sent", entry.title, percent, path.name)

    try:
        file = await hass.async_add_executor_job(FileInProgress, path, hass.config.is_allowed_path, tell_percent)
    except OSError as error:
        if error.errno == EPERM:
            raise _refuse("path_not_allowed", path=str(path)) from error
        raise _refuse("file_not_readable", path=str(path), reason=error.strerror or "-") from error
    try:
        way, _ = await printer.router.choose()
        most = _max_upload(entry.runtime_data.tunnel)
        if way is Way.TUNNEL and most is not None and file.size > most:
            raise _refuse("file_too_large", size=f"{file.size / 1e6:.1f} MB", limit=f"{most / 1e6:.1f} MB")
        LOGGER.info("%s: uploading %s (%d bytes)", entry.title, path.name, file.size)
        uploaded = await printer.octoprint.upload(
            path.name,
            file,
            folder=folder,
            select=call.data[ATTR_SELECT],
            print_=call.data[ATTR_PRINT],
        )
        LOGGER.info("%s: uploaded %s", entry.title, path.name)
    finally:
        await hass.async_add_executor_job(file.close)
    printer.async_expect_change()
    return {"path": uploaded.path, "selected": uploaded.selected, "printing": uploaded.printing}


def _max_upload(tunnel: TunnelCoordinator) -> int | None:
    """Return how many bytes a file may have to go through the tunnel: what the account allows, and what it carries."""
    max_body = tunnel.service.tunnel.max_body
    limits = [tunnel.data.status.limits.max_upload, max_body and max_body - MAX_FORM]
    return min((limit for limit in limits if limit is not None), default=None)


async def _send_commands(entry: OctoPrintTunnelConfigEntry, call: ServiceCall) -> None:
    """Send lines of G-code to the printer."""
    texts = call.data[ATTR_COMMANDS]
    if (size := sum(map(len, texts))) <= MAX_COMMANDS:  # else it is neither split nor encoded
        lines = [line.strip() for text in texts for line in text.splitlines() if line.strip()]
        if not lines:
            raise _refuse("no_commands")
        size = len(json_bytes(lines))
    if size > MAX_COMMANDS:
        raise _refuse("commands_too_long", size=f"{size / 1e3:.1f} kB", limit=f"{MAX_COMMANDS / 1e3:.1f} kB")
    await entry.runtime_data.printer.async_command(lambda octoprint, _: octoprint.send_commands(lines))
