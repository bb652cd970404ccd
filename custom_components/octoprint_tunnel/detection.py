"""Failure detection: what the service reports about a print. The service is asked only while there is a print."""

from datetime import timedelta
import time
from typing import Final, override

from homeassistant.config_entries import ConfigEntry
from homeassistant.core import HomeAssistant, callback
from homeassistant.helpers.update_coordinator import UpdateFailed

from .api.errors import OctoPrintTunnelError, Problem, Remedy
from .api.tunnels.base import FailureDetection
from .api.tunnels.models import Detection
from .const import WAIT_INTERVAL
from .coordinator import PrinterCoordinator
from .polling import Outage, OutageCoordinator

INTERVAL: Final = timedelta(seconds=30)


class DetectionCoordinator(OutageCoordinator[Detection | None]):
    """Asks the service about a print until it ends; the data is None without a print.

    An account without failure detection is no outage.
    """

    def __init__(
        self,
        hass: HomeAssistant,
        entry: ConfigEntry,
        outage: Outage,
        service: FailureDetection,
        printer: PrinterCoordinator,
    ) -> None:
        """Prepare to ask `service`."""
        super().__init__(hass, entry, "failure detection", outage)
        self.data = None
        self._service = service
        self._printer = printer
        self._follows = False
        self._asked_at: float | None = None

    @override
    async def _async_fetch(self) -> Detection | None:
        if not self._has_print():
            return None
        if self._wait > 0:
            if self.problem is not None:
                raise self.problem.error()
            return self.data
        self._asked_at = time.monotonic()
        try:
            detection = await self._service.read()
        except OctoPrintTunnelError:
            if self._has_print():
                raise
            return None
        if not self._has_print():  # the print has ended meanwhile
            return None
        self.update_interval = INTERVAL if detection.is_watching else WAIT_INTERVAL
        return detection

    def _has_print(self) -> bool:
        return self._follows

    @property
    def _wait(self) -> float:
        """Return for how many seconds the service must not be asked yet."""
        if self._asked_at is None:
            return 0
        return self._asked_at + self._service.min_interval.total_seconds() - time.monotonic()

    @override
    def _note_failure(self, failure: UpdateFailed, problem: Problem) -> None:
        if problem.remedy is not Remedy.LIMIT:
            self.outage.note(self.name, f"failure detection: {failure}")

    @override
    def _retry_after_seconds(self, problem: Problem) -> float | None:
        return None if problem.remedy is Remedy.RETRY else WAIT_INTERVAL.total_seconds()

    @callback
    def async_follow_printer(self) -> None:
        """Begin when a print begins, and end when it ends."""
        printer = self._printer
        prints = printer.last_update_success and printer.data is not None and printer.data.state.is_active
        if prints is self._follows:
            return
        self._follows = prints
        if not prints:
            self._end()
        elif self._wait > 0:
            # One second more: Home Assistant counts from the last full second.
            self._set_update_interval(timedelta(seconds=self._wait + 1))
        else:
            self.update_interval = INTERVAL
            self.config_entry.async_create_background_task(self.hass, self.async_refresh(), name=f"{self.name} refresh")

    @callback
    def _end(self) -> None:
        self.update_interval = self.problem = None
        self.outage.note(self.name, None)
        self.async_set_updated_data(None)
