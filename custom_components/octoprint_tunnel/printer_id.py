"""The service's own id of a printer, with which its page opens on that printer when the user signs in again."""

from datetime import datetime

from homeassistant.config_entries import ConfigEntry
from homeassistant.core import HomeAssistant, callback
from homeassistant.helpers.event import async_call_later

from .api.errors import OctoPrintTunnelError
from .api.tunnels.base import Service
from .const import CONF_PRINTER_ID, LOGGER, SETTLED_DELAY
from .coordinator import PrinterCoordinator


@callback
def async_learn_printer_id(
    hass: HomeAssistant, entry: ConfigEntry, service: Service, printer: PrinterCoordinator
) -> None:
    """Ask for the id some time after the set-up, and store it. Once it is stored, it is not asked for."""
    if service.tunnel.printer_id:
        return

    async def ask() -> None:
        try:
            printer_id = await service.find_printer_id(printer.octoprint)
        except OctoPrintTunnelError as error:
            # The next start asks again; until then the page shows all printers.
            LOGGER.debug("%s: printer id: %s", entry.title, error)
            return
        if printer_id:
            hass.config_entries.async_update_entry(entry, data={**entry.data, CONF_PRINTER_ID: printer_id})

    @callback
    def ask_if_reached(_now: datetime) -> None:
        if printer.last_update_success:
            entry.async_create_background_task(hass, ask(), name=f"{entry.title} printer id")

    entry.async_on_unload(async_call_later(hass, SETTLED_DELAY, ask_if_reached))
