"""The device of a printer."""

from homeassistant.core import HomeAssistant, callback
from homeassistant.helpers import device_registry as dr
from homeassistant.helpers.typing import UNDEFINED
from homeassistant.util import slugify

from .const import DOMAIN
from .runtime import OctoPrintTunnelConfigEntry, RuntimeData

MANUFACTURER = "OctoPrint"
MAX_IN_ENTITY_ID = 115  # characters of the printer, and as many of the entity, in at most 255


def short_enough(name: str) -> str:
    """Return a name, cut off where it would make an entity id too long: a character may be written with sixteen.

    Home Assistant cuts ids itself and then refuses those that a "_" ends.
    """
    while (length := len(slugify(name))) > MAX_IN_ENTITY_ID:
        name = name[: len(name) * MAX_IN_ENTITY_ID // length].rstrip()
    return name


def _device_name(runtime: RuntimeData) -> str | None:
    return runtime.tunnel.data.status.name or runtime.tunnel.tunnel.name


def _printer_page(runtime: RuntimeData) -> str | None:
    return runtime.tunnel.data.status.printer_page or runtime.tunnel.tunnel.printer_page


@callback
def async_update_device(hass: HomeAssistant, entry: OctoPrintTunnelConfigEntry) -> None:
    """Register the device, and take over what the service and OctoPrint have told of it since."""
    registry, identifier, runtime = dr.async_get(hass), (DOMAIN, str(entry.unique_id)), entry.runtime_data
    is_new = registry.async_get_device_by_identifier(identifier, entry.entry_id) is None
    registry.async_get_or_create(
        config_entry_id=entry.entry_id,
        identifiers={identifier},
        manufacturer=MANUFACTURER,
        name=short_enough(name) if (name := _device_name(runtime) or (is_new and entry.title)) else UNDEFINED,
        configuration_url=_printer_page(runtime) or UNDEFINED,
        sw_version=(runtime.printer.data and runtime.printer.data.version) or UNDEFINED,
    )
