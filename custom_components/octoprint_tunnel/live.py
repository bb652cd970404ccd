"""Live updates: OctoPrint's push socket asks for a poll as soon as something changes.

A socket only makes things faster and cheaper. When it ends or seems wrong, polls go on as without it.
"""

import asyncio
from collections.abc import Generator
from contextlib import contextmanager
from datetime import datetime, timedelta
from typing import Final

from homeassistant.config_entries import ConfigEntry
from homeassistant.const import CONF_API_KEY
from homeassistant.core import CALLBACK_TYPE, HomeAssistant, callback
from homeassistant.helpers.event import async_call_later, async_track_time_interval
from homeassistant.util import dt as dt_util

from .api.backoff import Backoff
from .api.errors import OctoPrintTunnelError
from .api.octoprint.connection import MAX_STATE_TEXT, PrinterState
from .api.octoprint.print_event import PrintEvent
from .api.octoprint.printer_error import PrinterError
from .api.octoprint.prompt import PLUGIN as PROMPT_PLUGIN, Prompt
from .api.octoprint.push import (
    CONNECTION_CHANGED,
    ERROR,
    SETTINGS_UPDATED,
    STATE_CHANGED,
    UPDATE_FAILED,
    UPDATE_SUCCEEDED,
    Event,
    PushSocket,
)
from .api.token_bucket import TokenBucket
from .api.transport.router import PinnedRoute, Way
from .attempts import Attempts, result_or_error
from .const import LOGGER
from .coordinator import PrinterCoordinator
from .updates import UpdatesCoordinator
from .webcams import Webcams

START_DELAY: Final = 5  # seconds; the set-up of the printer, and of Home Assistant, goes first
FIRST_RETRY: Final = 5  # seconds, doubling
LONGEST_RETRY: Final = 300
SLOWEST_RETRY: Final = 3600  # seconds, to save data; a socket that does not last costs 11 kB each time
PING_INTERVAL: Final = timedelta(seconds=15)  # a socket whose other end is gone is noticed within twice that
CHECK_INTERVAL: Final = timedelta(seconds=60)

READ_DELAY: Final = 0.1  # seconds from an event to the poll; events of one change come within less
READ_INTERVAL: Final = 1  # seconds between two polls that events ask for
READS_AT_ONCE: Final = 20  # a print has a dozen events, a connection five
READS_PER_SECOND: Final = 1 / 15  # beyond that


class LiveUpdates:
    """Keeps a push socket open, on the way that requests go."""

    def __init__(
        self,
        hass: HomeAssistant,
        entry: ConfigEntry,
        printer: PrinterCoordinator,
        webcams: Webcams,
        updates: UpdatesCoordinator,
    ) -> None:
        """Prepare for the printer of an entry."""
        self.since: datetime | None = None
        """When the open socket was opened; None without one."""
        self.failure: str | None = None
        """Why the last socket ended, or could not be opened."""
        self._hass = hass
        self._entry = entry
        self._printer = printer
        self._webcams = webcams
        self._updates = updates
        self._backoff = Backoff(FIRST_RETRY, LONGEST_RETRY)
        self._polls_work = asyncio.Event()
        self._attempts = Attempts(f"{entry.title}: live updates")

    async def async_run(self) -> None:
        """Keep a socket open until cancelled."""

        @callback
        def poll_came() -> None:
            (self._polls_work.set if self._printer.last_update_success else self._polls_work.clear)()

        stop_listening = self._printer.async_add_listener(poll_came)
        poll_came()
        try:
            await asyncio.sleep(START_DELAY)
            while True:
                # A socket costs more than a poll. Where polls fail, opening one would fail, too.
                await self._polls_work.wait()
                await self._async_attempt()
                await asyncio.sleep(min(self._backoff.next() * self._printer.slowdown, SLOWEST_RETRY))
        finally:
            stop_listening()

    async def _async_attempt(self) -> None:
        """Open a socket and follow it to its end; no error is raised."""
        error = await result_or_error(self._async_listen())
        if error is not None:
            self.failure = error.problem.summary if isinstance(error, OctoPrintTunnelError) else type(error).__name__
        self._attempts.note(error)
        LOGGER.debug("%s: push socket: %s", self._entry.title, self.failure)

    async def _async_listen(self) -> None:
        way, route = await self._printer.router.choose()
        pinned = PinnedRoute(self._printer.router, way, route)
        async with PushSocket.open(route, self._entry.data[CONF_API_KEY], pinned) as socket:
            watch = _Watch(self._hass, self._entry, self._printer, self._webcams, self._updates, socket, way)
            with self._printer.router.following(route, socket), self._live(way), watch.watching():
                async for event in socket.events():
                    watch.take(event)
            self.failure = socket.end

    @contextmanager
    def _live(self, way: Way) -> Generator[None]:
        """Poll rarely while the socket is open."""
        self.since = opened = dt_util.utcnow()
        self._printer.async_set_live(True, way)
        try:
            yield
        finally:
            self.since = None
            if dt_util.utcnow() - opened > timedelta(seconds=LONGEST_RETRY):
                self._backoff.reset()
            self._printer.async_set_live(False, way)


class _Watch:
    """Asks for a poll when one open socket reports a change, and closes the socket when it is of no use."""

    def __init__(
        self,
        hass: HomeAssistant,
        entry: ConfigEntry,
        printer: PrinterCoordinator,
        webcams: Webcams,
        updates: UpdatesCoordinator,
        socket: PushSocket,
        way: Way,
    ) -> None:
        """Prepare for a socket that goes this way."""
        self._hass = hass
        self._entry = entry
        self._printer = printer
        self._webcams = webcams
        self._updates = updates
        self._socket = socket
        self._way = way
        self._state: PrinterState | None = None
        """The state that the socket reported last; the polled one of the first check where it has reported none."""
        self._reads = TokenBucket(burst=READS_AT_ONCE, per_second=READS_PER_SECOND)
        self._next_read_at = 0.0
        self._planned_read: CALLBACK_TYPE | None = None

    @contextmanager
    def watching(self) -> Generator[None]:
        """Watch until the socket has ended."""
        stop = (
            self._printer.async_add_listener(self._poll_came),
            async_track_time_interval(self._hass, self._ping, PING_INTERVAL),
            async_track_time_interval(self._hass, self._check, CHECK_INTERVAL),
        )
        try:
            yield
        finally:
            for cancel in (*stop, self._planned_read):
                if cancel:
                    cancel()

    @callback
    def take(self, event: Event) -> None:
        """Have read what an event is about. Its own data is not shown, because the rest of the reading is older.

        What happens to a print is told with that reading.
        """
        if event.type == SETTINGS_UPDATED:
            self._webcams.async_settings_changed()
            # The preferred connection is a setting, too. No poll for each: some plugins save settings all the time.
            self._printer.async_invalidate_connection()
            return
        if event.type in (UPDATE_SUCCEEDED, UPDATE_FAILED):
            succeeded = event.type == UPDATE_SUCCEEDED
            self._updates.async_installed(event.payload.exact("target"), succeeded=succeeded)
            return
        if print_event := PrintEvent.from_push(event.type, event.payload):
            self._printer.async_report(print_event)
        if event.type == PROMPT_PLUGIN:
            self._printer.async_set_prompt(Prompt.from_push(event.payload))
        text = event.payload.text("state_string", MAX_STATE_TEXT)
        if event.type == STATE_CHANGED and text:
            self._state = PrinterState.from_text(text)
        if event.type in CONNECTION_CHANGED or self._is_another_connection():
            self._printer.async_invalidate_connection()
        self._printer.async_state_changed(PrinterError.from_json(event.payload) if event.type == ERROR else None)
        self._read_soon()

    def _is_another_connection(self) -> bool:
        return self._state is not None and self._state.is_connected is not self._printer.data.state.is_connected

    @callback
    def _read_soon(self) -> None:
        """Poll once for all events since the last poll."""

        @callback
        def read(_now: datetime) -> None:
            self._planned_read = None
            self._next_read_at = self._hass.loop.time() + max(READ_INTERVAL, self._reads.spend(1))
            self._printer.async_refresh_soon()

        if self._planned_read is None:
            delay = max(READ_DELAY, self._next_read_at - self._hass.loop.time())
            self._planned_read = async_call_later(self._hass, delay, read)

    @callback
    def _poll_came(self) -> None:
        if not self._printer.last_update_success:
            self._close()

    @callback
    def _ping(self, _now: datetime) -> None:
        """Close a socket whose other end is gone."""

        async def close_if_dead() -> None:
            if not await self._socket.is_alive():
                await self._socket.close()

        self._entry.async_create_background_task(self._hass, close_if_dead(), name="ping push socket")

    async def _check(self, _now: datetime) -> None:
        """Close a socket that did not report a change, or that goes the worse way."""
        is_good = self._agrees()
        try:
            if is_good and self._way is Way.TUNNEL:  # the local network is preferred, and its failures end the socket
                way, _ = await self._printer.router.choose()
                is_good = way is self._way
        except OctoPrintTunnelError:
            return
        if not is_good:
            self._close()

    def _agrees(self) -> bool:
        """Tell whether the socket reported the state that polls show."""
        polled = self._printer.data.state
        if self._state is None:
            self._state = polled
        # Only a poll tells whether an error ended the connection.
        return self._state is polled or (self._state.is_lost and polled.is_lost)

    @callback
    def _close(self) -> None:
        self._entry.async_create_background_task(self._hass, self._socket.close(), name="close push socket")
