"""The service's own id of a printer, with which its page opens on that printer when the user signs in again."""

from homeassistant.config_entries import ConfigEntry
from homeassistant.core import CALLBACK_TYPE, HomeAssistant, callback

from .api.errors import OctoPrintTunnelError
from .api.tunnels.base import Service
from .const import CONF_PRINTER_ID, LOGGER
from .coordinator import PrinterCoordinator


@callback
def async_learn_printer_id(
    hass: HomeAssistant, entry: ConfigEntry, service: Service, printer: PrinterCoordinator
) -> None:
    """Ask for the id after set-up, when OctoPrint is first reached, and store it. It is asked for once."""
    if service.tunnel.printer_id:
        return
    stop: CALLBACK_TYPE | None = None

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
    def ask_when_reached() -> None:
        nonlocal stop
        if printer.last_update_success and printer.data and stop:
            stop()
            stop = None
            entry.async_create_background_task(hass, ask(), name=f"{entry.title} printer id")

    @callback
    def stop_listening() -> None:
        if stop:
            stop()

    stop = printer.async_add_listener(ask_when_reached)
    entry.async_on_unload(stop_listening)
