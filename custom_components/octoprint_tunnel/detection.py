"""Failure detection: what the service reports about a print. The service is asked only while there is a print."""

from datetime import timedelta
from enum import Enum, auto
import time
from typing import Final, override

from homeassistant.config_entries import ConfigEntry
from homeassistant.core import HomeAssistant, callback
from homeassistant.helpers.update_coordinator import UpdateFailed

from .api.errors import OctoPrintTunnelError, Problem, Remedy
from .api.octoprint.connection import PrinterState
from .api.tunnels.base import FailureDetection
from .api.tunnels.models import Detection, DetectionState
from .const import WAIT_INTERVAL
from .coordinator import PrinterCoordinator
from .polling import Outage, OutageCoordinator

INTERVAL: Final = timedelta(seconds=30)  # the services allow a request in 10 s
TIMER_TOLERANCE: Final = 1  # second; Home Assistant counts intervals from the last full second


class Phase(Enum):
    """Whether there is a print that can fail."""

    NONE = auto()
    PRINTING = auto()
    PAUSED = auto()


class DetectionCoordinator(OutageCoordinator[Detection | None]):
    """Asks the service about a print until it ends; the data is None without a print.

    A paused print is asked about once: the failure detection may have paused it. The time between two requests does not
    depend on how often prints begin and end. An account without failure detection is no outage.
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
        self._phase = Phase.NONE
        self._next_at: float = 0

    @override
    async def _async_fetch(self) -> Detection | None:
        if self._phase is Phase.NONE:
            return None
        if self._wait > 0:
            if self.problem is not None:
                raise self.problem.error()
            return self.data
        self._wait_for(INTERVAL)
        try:
            detection = await self._service.read()
        except OctoPrintTunnelError:
            if self._has_print():
                raise
            return None
        if not self._has_print():  # the print has ended meanwhile
            return None
        if detection.state is DetectionState.DISABLED:
            self._wait_for(WAIT_INTERVAL)
        self.update_interval = self._interval_after(detection)
        return detection

    def _interval_after(self, detection: Detection) -> timedelta | None:
        """Return the time until the next request about this print, None if there is none."""
        if detection.state is DetectionState.DISABLED_FOR_PRINT or self._phase is Phase.PAUSED:
            return None
        # After it has paused the print, the end of the pause is the time to ask again.
        is_watching = detection.state not in (DetectionState.DISABLED, DetectionState.PAUSED)
        return INTERVAL if is_watching else WAIT_INTERVAL

    def _has_print(self) -> bool:
        return self._phase is not Phase.NONE

    def _wait_for(self, time_between: timedelta) -> None:
        self._next_at = time.monotonic() + time_between.total_seconds() - TIMER_TOLERANCE

    @property
    def _wait(self) -> float:
        """Return for how many seconds the service must not be asked yet."""
        return self._next_at - time.monotonic()

    @override
    def _note_failure(self, failure: UpdateFailed, problem: Problem) -> None:
        if problem.remedy is not Remedy.LIMIT:
            self.outage.note(self.name, f"failure detection: {failure}")

    @override
    def _retry_after_seconds(self, problem: Problem) -> float | None:
        if problem.remedy is Remedy.RETRY:
            return None
        self._wait_for(WAIT_INTERVAL)
        return WAIT_INTERVAL.total_seconds()

    @callback
    def async_follow_printer(self) -> None:
        """Begin when a print begins, ask once when it is paused, and end when it ends."""
        phase, before = self._printer_phase, self._phase
        if phase is before:
            return
        self._phase = phase
        if phase is Phase.NONE:
            self._end()
        elif before is Phase.NONE or not self._is_off_for_print:
            self._ask_soon()

    @property
    def _printer_phase(self) -> Phase:
        printer = self._printer
        if not printer.last_update_success or printer.data is None or not printer.data.state.is_active:
            return Phase.NONE
        return Phase.PAUSED if printer.data.state is PrinterState.PAUSED else Phase.PRINTING

    @property
    def _is_off_for_print(self) -> bool:
        return self.data is not None and self.data.state is DetectionState.DISABLED_FOR_PRINT

    @callback
    def _ask_soon(self) -> None:
        if self._wait > 0:
            self._set_update_interval(timedelta(seconds=self._wait + TIMER_TOLERANCE))
        else:
            self.update_interval = INTERVAL
            self.config_entry.async_create_background_task(self.hass, self.async_refresh(), name=f"{self.name} refresh")

    @callback
    def _end(self) -> None:
        self.update_interval = self.problem = None
        self.outage.note(self.name, None)
        self.async_set_updated_data(None)
