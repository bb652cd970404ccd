"""The device of a printer."""

from dataclasses import dataclass

from homeassistant.config_entries import ConfigEntry
from homeassistant.core import HomeAssistant, callback
from homeassistant.helpers import device_registry as dr
from homeassistant.helpers.typing import UNDEFINED
from homeassistant.util import slugify

from .const import DOMAIN
from .coordinator import PrinterCoordinator, TunnelCoordinator

MANUFACTURER = "OctoPrint"
MAX_IN_ENTITY_ID = 115  # characters for the device, and as many for the entity, of at most 255


def shorten_name(name: str) -> str:
    """Return a name whose part of an entity id is not too long: one character can become sixteen there.

    Home Assistant cuts off longer ids, and then refuses those that end with "_".
    """
    while (length := len(slugify(name))) > MAX_IN_ENTITY_ID:
        name = name[: len(name) * MAX_IN_ENTITY_ID // length].rstrip()
    return name


@dataclass(frozen=True, kw_only=True)
class _Device:
    """What the service and OctoPrint report about the device. What they do not report is None."""

    model: str
    name: str | None
    printer_page: str | None
    version: str | None


@callback
def async_track_device(
    hass: HomeAssistant, entry: ConfigEntry, tunnel: TunnelCoordinator, printer: PrinterCoordinator
) -> None:
    """Register the device, and update it when the service or OctoPrint reports something else about it."""
    registered: _Device | None = None

    @callback
    def update() -> None:
        nonlocal registered
        device = _Device(
            model=f"OctoPrint via {tunnel.service.tunnel.service_name}",
            name=tunnel.data.status.name or tunnel.service.tunnel.name,
            printer_page=tunnel.data.status.printer_page or tunnel.service.tunnel.printer_page,
            version=printer.data.version if printer.data else None,
        )
        if device != registered:
            registered = device
            _register(hass, entry, device)

    update()
    entry.async_on_unload(tunnel.async_add_listener(update))
    entry.async_on_unload(printer.async_add_listener(update))


@callback
def _register(hass: HomeAssistant, entry: ConfigEntry, device: _Device) -> None:
    registry, identifier = dr.async_get(hass), (DOMAIN, str(entry.unique_id))
    is_new = registry.async_get_device_by_identifier(identifier, entry.entry_id) is None
    name = device.name or (entry.title if is_new else None)
    registry.async_get_or_create(
        config_entry_id=entry.entry_id,
        identifiers={identifier},
        manufacturer=MANUFACTURER,
        model=device.model,
        name=shorten_name(name) if name else UNDEFINED,
        configuration_url=device.printer_page or UNDEFINED,
        sw_version=device.version or UNDEFINED,
    )
