"""The webcams of a printer: read when OctoPrint comes back and when its settings change, never polled."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
import time
from typing import Final

from homeassistant.config_entries import ConfigEntry
from homeassistant.core import CALLBACK_TYPE, HomeAssistant, callback
from homeassistant.helpers.event import async_call_later
from homeassistant.helpers.update_coordinator import DataUpdateCoordinator

from .api.backoff import Backoff
from .api.errors import PermissionMissing
from .api.octoprint.webcam import MAX_WEBCAMS, Webcam, left_out, webcams_from_json
from .api.tunnels.base import Service
from .api.webcam.feed import WebcamFeed
from .attempts import Attempts, result_or_error
from .const import LOGGER
from .coordinator import PrinterCoordinator
from .exceptions import to_home_assistant_error
from .webcam_keys import WebcamKeys

FIRST_RETRY: Final = 60  # seconds
LONGEST_RETRY: Final = 3600
CHANGE_DELAY: Final = 5  # seconds; settings are saved in bursts
MIN_INTERVAL: Final = 900  # seconds; some plugins save settings all the time, and a response is 20 kB


@dataclass(frozen=True, kw_only=True, slots=True)
class WebcamsSnapshot:
    """The feeds of all webcams, by the keys of their entities.

    `is_current` tells whether they were read since OctoPrint was last away.
    """

    feeds: Mapping[str, WebcamFeed] = field(default_factory=dict)
    is_current: bool = False


class Webcams(DataUpdateCoordinator[WebcamsSnapshot]):
    """Keeps a feed for each webcam of OctoPrint, and decides itself when to read them."""

    config_entry: ConfigEntry

    def __init__(self, hass: HomeAssistant, entry: ConfigEntry, service: Service, printer: PrinterCoordinator) -> None:
        """Prepare for the printer of an entry."""
        super().__init__(hass, LOGGER, config_entry=entry, name=f"{entry.title} webcams")
        self.data = WebcamsSnapshot()
        self._service = service
        self._printer = printer
        self._keys = WebcamKeys(hass, entry)
        self._retry = Backoff(FIRST_RETRY, LONGEST_RETRY)
        self._attempts = Attempts(f"{entry.title}: webcams")
        self._read_at = float("-inf")
        self._planned: CALLBACK_TYPE | None = None
        self._lacks_permission = False
        self._left_out = 0

    async def async_start(self) -> None:
        """Read the webcams if OctoPrint is there, and each time it comes back."""
        if self._printer.last_update_success:
            await self.async_read()
        self.config_entry.async_on_unload(self._printer.async_add_listener(self._follow_printer))
        self.config_entry.async_on_unload(self._stop)

    async def async_read(self) -> None:
        """Read the webcams now; after any error they are read again later."""
        self._cancel_plan()
        self.data = replace(self.data, is_current=True)
        error = await result_or_error(self._async_read())
        self._attempts.note(error)
        if error is None:
            self._retry.reset()
            return
        LOGGER.debug("%s: %s", self.name, error)
        self.data = replace(self.data, is_current=False)
        if self._printer.last_update_success:
            self._plan(self._retry.next())

    async def _async_read(self) -> None:
        webcams: tuple[Webcam, ...] = ()
        problem = None
        try:
            settings = await self._printer.octoprint.settings()
            webcams = webcams_from_json(settings)
            self._log_left_out(left_out(settings))
        except PermissionMissing as error:
            problem = error.problem
            if not self._lacks_permission:
                LOGGER.warning("%s: no webcam: %s", self.config_entry.title, to_home_assistant_error(problem))
        self._lacks_permission = problem is not None
        self._read_at = time.monotonic()
        self._async_set_webcams(webcams)

    @callback
    def _async_set_webcams(self, webcams: tuple[Webcam, ...]) -> None:
        """Show these webcams: a known one keeps its feed, that of a removed one is closed."""
        before = dict(self.data.feeds)
        feeds: dict[str, WebcamFeed] = {}
        for key, webcam in self._keys.assign(webcams[:MAX_WEBCAMS]).items():
            feed = before.pop(key) if key in before else WebcamFeed(webcam, self._printer.router, self._service)
            feed.webcam = webcam
            feeds[key] = feed
        for gone in before.values():
            gone.close()
        self._keys.async_save()
        self.async_set_updated_data(replace(self.data, feeds=feeds))

    @callback
    def async_settings_changed(self) -> None:
        """Read the webcams soon: OctoPrint's settings were changed."""
        self._plan(max(CHANGE_DELAY, self._interval_left))

    @callback
    def async_save_names(self) -> None:
        """Keep the names of the webcams with their entities, once those are registered."""
        self._keys.async_save()

    def _log_left_out(self, count: int) -> None:
        if count and not self._left_out:
            LOGGER.warning(
                "%s: OctoPrint has too many webcams; only %s are shown", self.config_entry.title, MAX_WEBCAMS
            )
        self._left_out = count

    @callback
    def _follow_printer(self) -> None:
        if not self._printer.last_update_success:
            # OctoPrint may be set up again while it is away.
            self.data = replace(self.data, is_current=False)
            self._cancel_plan()
        elif not self.data.is_current and self._interval_left > 0:
            self._plan(self._interval_left)
        elif not self.data.is_current and self._planned is None:
            self._read_soon()

    @property
    def _interval_left(self) -> float:
        """Return the seconds until the webcams may be read again."""
        return self._read_at + MIN_INTERVAL * self._printer.slowdown - time.monotonic()

    @callback
    def _read_soon(self) -> None:
        # A task of the entry: unloading the entry cancels it.
        self.config_entry.async_create_background_task(self.hass, self.async_read(), name="read webcams")

    def _plan(self, seconds: float) -> None:
        @callback
        def read(_now: datetime) -> None:
            self._planned = None
            self._read_soon()

        if self._planned is None:
            self._planned = async_call_later(self.hass, seconds, read)

    def _cancel_plan(self) -> None:
        if self._planned:
            self._planned()
            self._planned = None

    @callback
    def _stop(self) -> None:
        self._cancel_plan()
        for feed in self.data.feeds.values():
            feed.close()
