"""The webcams of a printer: read when OctoPrint shows itself and when its settings change, never polled."""

from datetime import datetime
import time
from typing import Final

from homeassistant.core import CALLBACK_TYPE, HomeAssistant, callback
from homeassistant.helpers.event import async_call_later
from homeassistant.util import slugify

from .backoff import Backoff
from .const import LOGGER
from .coordinator import OctoPrintTunnelConfigEntry, PrinterCoordinator
from .entity import in_words
from .errors import OctoPrintTunnelError, PermissionMissing
from .octoprint.webcam import Webcam
from .tunnels.tunnel import Tunnel
from .webcam_feed import WebcamFeed

FIRST_WEBCAM: Final = "webcam"

FIRST_RETRY: Final = 60  # seconds
LONGEST_RETRY: Final = 3600
CHANGE_DELAY: Final = 5  # seconds; settings are saved in bursts
MIN_INTERVAL: Final = 900  # seconds; some plugins save settings all the time, and all of them are 20 kB


class Webcams:
    """Keeps a feed for each webcam that OctoPrint has."""

    def __init__(
        self, hass: HomeAssistant, entry: OctoPrintTunnelConfigEntry, tunnel: Tunnel, printer: PrinterCoordinator
    ) -> None:
        """Prepare for the printer of an entry."""
        self.feeds: dict[str, WebcamFeed] = {}
        """By the keys of their entities."""
        self.are_known = False
        """Whether OctoPrint has told them since it was last away."""
        self._hass = hass
        self._entry = entry
        self._tunnel = tunnel
        self._printer = printer
        self._retry = Backoff(FIRST_RETRY, LONGEST_RETRY)
        self._read_at = float("-inf")
        self._planned: CALLBACK_TYPE | None = None
        self._lacks_permission = False

    async def async_start(self) -> None:
        """Read the webcams if OctoPrint is there, and whenever it comes back."""
        if self._printer.last_update_success:
            await self.async_read()
        self._entry.async_on_unload(self._printer.async_add_listener(self._poll_came))
        self._entry.async_on_unload(self._stop)

    async def async_read(self) -> None:
        """Read the webcams, and have their entities follow."""
        self._forget_plan()
        self.are_known = True
        webcams: tuple[Webcam, ...] = ()
        try:
            webcams = await self._printer.octoprint.webcams()
        except PermissionMissing as error:
            if not self._lacks_permission:
                LOGGER.warning("%s: no webcam: %s", self._entry.title, in_words(error))
            self._lacks_permission = True
        except OctoPrintTunnelError as error:
            LOGGER.debug("%s: webcams: %s", self._entry.title, error)
            self.are_known = False
            if self._printer.last_update_success:
                self._plan(self._retry.next())
            return
        else:
            self._lacks_permission = False
        self._retry.reset()
        self._read_at = time.monotonic()
        self._follow(webcams)

    @callback
    def async_settings_changed(self) -> None:
        """Take note that OctoPrint's settings are not what they were."""
        self._plan(max(CHANGE_DELAY, self._interval_left))

    def _follow(self, webcams: tuple[Webcam, ...]) -> None:
        before = self.feeds
        self.feeds = {}
        for webcam in webcams:
            key = f"{FIRST_WEBCAM}_{slugify(webcam.name)}" if self.feeds else FIRST_WEBCAM
            feed = before.pop(key, None) or WebcamFeed(webcam, self._printer.router, self._tunnel)
            feed.webcam = webcam
            self.feeds[key] = feed
        for feed in before.values():
            feed.close()
        self._printer.async_update_listeners()

    @callback
    def _poll_came(self) -> None:
        if not self._printer.last_update_success:
            # It may be set up anew while it is away.
            self.are_known = False
            self._forget_plan()
        elif not self.are_known and self._interval_left > 0:
            self._plan(self._interval_left)
        elif not self.are_known and self._planned is None:
            self._read_soon()

    @property
    def _interval_left(self) -> float:
        """Return the seconds for which what was read last is new enough."""
        return self._read_at + MIN_INTERVAL - time.monotonic()

    @callback
    def _read_soon(self) -> None:
        # A task of the entry's: it ends with it, and does not plan another one afterwards.
        self._entry.async_create_background_task(self._hass, self.async_read(), name="read webcams")

    def _plan(self, seconds: float) -> None:
        @callback
        def read(_now: datetime) -> None:
            self._planned = None
            self._read_soon()

        if self._planned is None:
            self._planned = async_call_later(self._hass, seconds, read)

    def _forget_plan(self) -> None:
        if self._planned:
            self._planned()
            self._planned = None

    @callback
    def _stop(self) -> None:
        self._forget_plan()
        for feed in self.feeds.values():
            feed.close()
