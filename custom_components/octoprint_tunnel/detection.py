"""Failure detection: what the service that watches a print thinks of it, asked for only while there is a print."""

from datetime import timedelta
from typing import Final, override

from homeassistant.core import HomeAssistant, callback
from homeassistant.helpers.update_coordinator import DataUpdateCoordinator, UpdateFailed

from .const import DOMAIN, WAIT_INTERVAL
from .coordinator import OctoPrintTunnelConfigEntry, PrinterCoordinator, TunnelCoordinator
from .errors import OctoPrintTunnelError, Remedy
from .polling import POLL_LOGGER
from .tunnels.tunnel import Detection

INTERVAL: Final = timedelta(seconds=30)


class DetectionCoordinator(DataUpdateCoordinator[Detection | None]):
    """Follows a print as long as it lasts; None without one.

    What goes wrong here is told by the tunnel's own condition, or is no fault: not everybody has failure detection.
    """

    config_entry: OctoPrintTunnelConfigEntry

    def __init__(
        self,
        hass: HomeAssistant,
        entry: OctoPrintTunnelConfigEntry,
        tunnel: TunnelCoordinator,
        printer: PrinterCoordinator,
    ) -> None:
        """Prepare to ask the tunnel's service."""
        super().__init__(
            hass, POLL_LOGGER, config_entry=entry, name=f"{entry.title} failure detection", always_update=False
        )
        self.data = None
        self._tunnel = tunnel
        self._printer = printer
        self._follows = False

    @override
    async def _async_update_data(self) -> Detection | None:
        if not self._follows:
            return None
        try:
            return await self._tunnel.tunnel.detection(self._tunnel.service)
        except OctoPrintTunnelError as error:
            raise UpdateFailed(
                translation_domain=DOMAIN,
                translation_key=error.key,
                translation_placeholders=error.placeholders,
                retry_after=None if error.remedy is Remedy.RETRY else WAIT_INTERVAL.total_seconds(),
            ) from error

    @callback
    def async_follow_printer(self) -> None:
        """Begin with a print, and end with it."""
        printer = self._printer
        prints = printer.last_update_success and printer.data is not None and printer.data.state.is_active
        if prints is self._follows:
            return
        self._follows = prints
        self.update_interval = INTERVAL if prints else None
        self.config_entry.async_create_background_task(self.hass, self.async_refresh(), name=f"{self.name} refresh")
