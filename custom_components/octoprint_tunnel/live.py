"""Live updates: OctoPrint's push socket on the way that works now, as long as it can be trusted."""

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
from .api.octoprint.push import CONNECTION_CHANGED, ERROR, SETTINGS_UPDATED, STATE_CHANGED, Event, PushSocket
from .api.octoprint.status import PrinterStatus
from .api.transport.router import PinnedRoute, Way
from .attempts import Attempts, result_or_error
from .const import LOGGER
from .coordinator import PrinterCoordinator
from .webcams import Webcams

START_DELAY: Final = 5  # seconds; what sets the printer up goes first, and at a start of Home Assistant everything does
FIRST_RETRY: Final = 5  # seconds, doubling
LONGEST_RETRY: Final = 300
FIRST_LOOK: Final = 0.1  # seconds from an event to the reading; what belongs together comes within less
QUIET: Final = 1  # seconds between two readings that events ask for, doubling where the first shows nothing new
LONGEST_QUIET: Final = 60
PATIENCE: Final = 5  # seconds that an event may come later than the poll that shows the same
CHECK_INTERVAL: Final = timedelta(seconds=60)


class LiveUpdates:
    """Keeps a printer's readings current by what OctoPrint says without being polled.

    A socket only makes things faster and cheaper. One that seems wrong is closed, and polls go on as without it.
    """

    def __init__(self, hass: HomeAssistant, entry: ConfigEntry, printer: PrinterCoordinator, webcams: Webcams) -> None:
        """Prepare for the printer of an entry."""
        self.since: datetime | None = None
        """When the socket that is in use was opened; None without one."""
        self.failure: str | None = None
        """Why the last one ended, or could not be opened."""
        self._hass = hass
        self._entry = entry
        self._printer = printer
        self._webcams = webcams
        self._backoff = Backoff(FIRST_RETRY, LONGEST_RETRY)
        self._polls_work = asyncio.Event()
        self._attempts = Attempts(f"{entry.title}: live updates")

    async def async_run(self) -> None:
        """Keep a socket open until cancelled."""

        @callback
        def poll_came() -> None:
            if self._printer.last_update_success:
                self._polls_work.set()
            else:
                self._polls_work.clear()

        stop_listening = self._printer.async_add_listener(poll_came)
        poll_came()
        try:
            await asyncio.sleep(START_DELAY)
            while True:
                # A socket costs more than a poll: where polls fail, opening one would fail, too.
                await self._polls_work.wait()
                if not await self._async_attempt():
                    await asyncio.sleep(self._backoff.next())
        finally:
            stop_listening()

    async def _async_attempt(self) -> bool:
        """Open a socket as `_async_listen` does; an unexpected error only ends this attempt."""
        moves = await result_or_error(self._async_listen())
        if isinstance(moves, BaseException):
            self.failure = type(moves).__name__
            self._attempts.note(moves)
            return False
        self._attempts.note(None)
        return moves

    async def _async_listen(self) -> bool:
        """Open a socket and follow it to its end; tells whether it ended only to be opened again on another way."""
        moves = False
        try:
            way, route = await self._printer.router.choose()
            pinned = PinnedRoute(self._printer.router, way, route)
            async with PushSocket.open(route, self._entry.data[CONF_API_KEY], pinned) as socket:
                watch = _Watch(self._hass, self._entry, self._printer, self._webcams, socket, way)
                with self._trusting() as first_poll, watch.watching():
                    if first_poll:
                        first_poll.add_done_callback(watch.begin)
                    async for event in socket.events():
                        watch.take(event)
                moves = watch.moves
                self.failure = socket.end
        except OctoPrintTunnelError as error:
            self.failure = error.problem.summary
        LOGGER.debug("%s: push socket: %s", self._entry.title, self.failure)
        return moves

    @contextmanager
    def _trusting(self) -> Generator[asyncio.Task[None] | None]:
        """Let polls be few for the time being, after one that is handed out."""
        self.since = opened = dt_util.utcnow()
        first_poll = self._printer.async_set_live(True)
        try:
            yield first_poll
        finally:
            self.since = None
            if dt_util.utcnow() - opened > timedelta(seconds=LONGEST_RETRY):
                self._backoff.reset()
            self._printer.async_set_live(False)


class _Watch:
    """What comes of one open socket, and what speaks against trusting it any longer."""

    def __init__(
        self,
        hass: HomeAssistant,
        entry: ConfigEntry,
        printer: PrinterCoordinator,
        webcams: Webcams,
        socket: PushSocket,
        way: Way,
    ) -> None:
        """Prepare for a socket that goes this way."""
        self.moves = False
        """Whether the socket was ended because there is a better way now."""
        self._hass = hass
        self._entry = entry
        self._printer = printer
        self._webcams = webcams
        self._socket = socket
        self._way = way
        self._state: PrinterState | None = None
        """The state that the socket has to tell changes of; None until the first poll or event since it was opened."""
        self._quiet = Backoff(QUIET, LONGEST_QUIET)
        self._next_look_at = 0.0
        self._look: CALLBACK_TYPE | None = None
        self._doubt: CALLBACK_TYPE | None = None

    @contextmanager
    def watching(self) -> Generator[None]:
        """Watch until the socket has ended."""
        stop = (
            self._printer.async_add_listener(self._compare),
            async_track_time_interval(self._hass, self._check, CHECK_INTERVAL),
        )
        try:
            yield
        finally:
            for cancel in (*stop, self._look, self._doubt):
                if cancel:
                    cancel()

    @callback
    def begin(self, _poll: asyncio.Task[None]) -> None:
        """Expect to be told what changes from now on: what changed before the socket was open it could not tell."""
        self._state = self._state or self._printer.data.state

    @callback
    def take(self, event: Event) -> None:
        """Have read what an event is about.

        What an event says itself is not shown: the data that belongs to a state has to come with it.
        """
        if event.type == SETTINGS_UPDATED:
            self._webcams.async_settings_changed()
            # What it is made with by preference is a setting, too. No poll for each: some plugins save all the time.
            self._printer.async_doubt_connection()
            return
        text, error = event.payload.text("state_string", MAX_STATE_TEXT), event.payload.text("error")
        if event.type == STATE_CHANGED and text:
            self._state = PrinterState.from_text(text)
        if event.type in CONNECTION_CHANGED or self._is_another_connection():
            self._printer.async_doubt_connection()
        self._printer.async_expect_change(error if event.type == ERROR else None)
        self._look_soon()

    def _is_another_connection(self) -> bool:
        return self._state is not None and self._state.is_connected is not self._printer.data.state.is_connected

    @callback
    def _look_soon(self) -> None:
        if self._look is None:
            delay = max(FIRST_LOOK, self._next_look_at - self._hass.loop.time())
            self._look = async_call_later(self._hass, delay, self._read)

    @callback
    def _read(self, _now: datetime) -> None:
        """Read once for all events since the last reading."""
        self._look = None
        before = self._printer.data
        if reading := self._printer.async_refresh_soon():
            reading.add_done_callback(lambda _: self._read_after(before))

    @callback
    def _read_after(self, before: PrinterStatus) -> None:
        if self._printer.data != before:
            self._quiet.reset()
        self._next_look_at = self._hass.loop.time() + self._quiet.next()

    @callback
    def _compare(self) -> None:
        """Doubt a socket that did not say what a poll shows."""
        if not self._printer.last_update_success:
            self._close()
        elif not self._agrees() and self._doubt is None:
            self._doubt = async_call_later(self._hass, PATIENCE, self._compare_again)

    @callback
    def _compare_again(self, _now: datetime) -> None:
        self._doubt = None
        if not self._agrees():
            self._close()

    def _agrees(self) -> bool:
        told, read = self._state, self._printer.data.state
        # Only what is read tells whether it was an error that ended the connection.
        return told in (None, read) or (told is not None and told.is_lost and read.is_lost)

    async def _check(self, _now: datetime) -> None:
        """Look whether the other end still answers, and whether this is still the way to go."""
        try:
            if not await self._socket.is_alive():
                self._close()
            if self._way is Way.LOCAL:
                return  # there is no better one, and its end would not answer if it were gone
            way, _ = await self._printer.router.choose()
        except OctoPrintTunnelError:
            return
        if way is not self._way:
            self.moves = True
            self._close()

    @callback
    def _close(self) -> None:
        self._entry.async_create_background_task(self._hass, self._socket.close(), name="close push socket")
