"""Two coordinators: one asks the service about the tunnel, the other asks OctoPrint through it."""

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import suppress
from datetime import timedelta
import time
from typing import override

from aiohttp import ClientSession
from yarl import URL

from homeassistant.config_entries import ConfigEntry
from homeassistant.const import CONF_API_KEY, EVENT_STATE_REPORTED
from homeassistant.core import Event, EventStateReportedData, HomeAssistant, State, callback
from homeassistant.helpers import entity_registry as er
from homeassistant.util import dt as dt_util

from .api.backoff import Backoff
from .api.errors import (
    BadGateway,
    Condition,
    InvalidResponse,
    OctoPrintOffline,
    OctoPrintTunnelError,
    OverCap,
    Problem,
    Remedy,
    ServiceError,
    UnexpectedStatus,
)
from .api.octoprint.client import OctoPrint, instance_uuid
from .api.octoprint.connection import Connection, PrinterState
from .api.octoprint.heaters import MAX_HEATERS
from .api.octoprint.reader import Reader
from .api.octoprint.status import PrinterStatus
from .api.transport.addresses import private_addresses
from .api.transport.router import Router, Way
from .api.tunnels.base import Service
from .api.tunnels.models import TunnelStatus
from .const import CONF_DISCOVERED_URL, CONF_INSTANCE_UUID, LOGGER, WAIT_INTERVAL
from .identity import async_is_shared
from .options import Options
from .polling import Outage, RemedyCoordinator

FIRST_FOLLOW_UP = 1  # seconds
LOOKS_FOR_HEATERS = 4  # a printer reports its first temperatures a moment after it is connected, or has none
MEASURING = ("number", "sensor")  # domains whose states others may count and integrate
MIN_FOLLOW_UPS = 2  # after a command; OctoPrint acts on it a moment after it has answered

LIVE_INTERVAL = timedelta(minutes=15)  # to check what the push socket says, as long as that is open
PRINT_INTERVAL = timedelta(seconds=14)  # with a push socket, which is not told of progress and temperatures
AFTER_RESET = timedelta(seconds=5)  # after the month's end; clocks differ
CONNECTION_LASTS = timedelta(minutes=15).total_seconds()  # that the connection, once known, is not read as a whole
LIVE_CONNECTION_LASTS = timedelta(hours=4).total_seconds()  # where OctoPrint says when there is another one


class TunnelCoordinator(RemedyCoordinator[TunnelStatus]):
    """What the service says of the tunnel, and what requests through it have met."""

    def __init__(self, hass: HomeAssistant, entry: ConfigEntry, outage: Outage, service: Service) -> None:
        """Prepare to ask `service` about its tunnel."""
        super().__init__(hass, entry, "tunnel", outage)
        self.service = service
        self.data = TunnelStatus()
        self._used = False
        self._route_error: Problem | None = None
        self._closed_until = 0.0

    @override
    async def _async_fetch(self) -> TunnelStatus:
        try:
            status = await self.service.status()
        except BadGateway as error:
            # Behind the service's own address there is no OctoPrint that could be what does not answer.
            raise ServiceError(code=error.code) from None
        if _is_used_up(self.data) and not _is_used_up(status) and _is(self._route_error, OverCap):
            # The month is over, or the cap is higher now, so the last tunnel error is stale.
            self._used, self._route_error = False, None
        self.update_interval = self._interval(status)
        return status

    def _interval(self, status: TunnelStatus) -> timedelta:
        """Return when to ask the service again: seldom where the tunnel is closed, unless the service tells its end."""
        if status.usage is not None and status.usage.is_used_up:
            until_reset = status.usage.reset - dt_util.utcnow() + AFTER_RESET
            return max(AFTER_RESET, min(self.poll_interval, until_reset))
        waits = self._route_error is not None and self._route_error.waits
        return WAIT_INTERVAL if waits else self.poll_interval

    @callback
    def async_report(self, error: Problem | None) -> None:
        """Record the result of a tunnel request; None is success."""
        if error is not None and error.condition is None:
            error = None
        if error is not None and error.closes:
            # A little less than the interval, so that the poll after it finds the tunnel worth asking.
            self._closed_until = time.monotonic() + WAIT_INTERVAL.total_seconds() - 60
        changed = not self._used or _kind(error) is not _kind(self._route_error)
        self._used, self._route_error = True, error
        if not changed:
            return
        self._set_update_interval(self._interval(self.data))
        self.async_update_listeners()
        was_closed = error is None and self.error is not None and not self.error.needs_user
        is_used_up = _is(error, OverCap) and not _is_used_up(self.data)
        if was_closed or is_used_up:
            # What the service says of it is newer then, and costs nothing of the month's data.
            self.async_refresh_soon()

    @callback
    def async_forget_requests(self) -> None:
        """Forget the last result of a tunnel request: requests go another way now, so it is stale."""
        if self._used:
            self._used, self._route_error = False, None
            self._set_update_interval(self._interval(self.data))
            self.async_update_listeners()

    @property
    @override
    def _needs_user(self) -> bool:
        return super()._needs_user or (self.problem is not None and self.problem.needs_user)

    @property
    def problem(self) -> Problem | None:
        """Return the error that stands in the way, the service's own word first."""
        return self.error or self._told_over_cap or self._route_error

    @property
    def _told_over_cap(self) -> Problem | None:
        return Problem(OverCap) if _is_used_up(self.data) else None

    @property
    def condition(self) -> Condition:
        """Return the condition of the tunnel."""
        if self.problem is not None:
            return self.problem.condition or Condition.SERVICE_ERROR
        return Condition.OFFLINE if self.data.online is False else Condition.OK

    @property
    def online(self) -> bool | None:
        """Tell whether OctoPrint is connected to the service, None where nothing shows it."""
        if _is(self.problem, OctoPrintOffline):
            return False
        if _is(self._route_error, BadGateway):
            return True
        if self.error is None and self.data.online is not None:
            return self.data.online
        arrived = self._used and self._route_error is None
        return True if arrived and self.blocked_by is None else None

    @property
    def blocked_by(self) -> Problem | None:
        """Return the error that any request through the tunnel would meet, by what is known already."""
        if self.error is not None and self.error.closes:
            return self.error
        if told := self._told_over_cap:
            return told
        if self._route_error is not None and self._route_error.closes and time.monotonic() < self._closed_until:
            return self._route_error
        return Problem(OctoPrintOffline) if self.error is None and self.data.online is False else None


def _kind(problem: Problem | None) -> type[OctoPrintTunnelError] | None:
    return problem.kind if problem else None


def _is(problem: Problem | None, kind: type[OctoPrintTunnelError]) -> bool:
    return _kind(problem) is kind


def _is_used_up(status: TunnelStatus) -> bool:
    return status.usage is not None and status.usage.is_used_up is True


class PrinterCoordinator(RemedyCoordinator[PrinterStatus]):
    """The printer's connection, its job and its temperatures, as OctoPrint tells them."""

    def __init__(
        self,
        hass: HomeAssistant,
        entry: ConfigEntry,
        outage: Outage,
        tunnel: TunnelCoordinator,
        local_session: ClientSession,
    ) -> None:
        """Prepare to ask OctoPrint, over the local network or through the tunnel."""
        super().__init__(hass, entry, "printer", outage)
        self.router = Router(
            tunnel.service.octoprint,
            local_session=local_session,
            instance_uuid=entry.data.get(CONF_INSTANCE_UUID),
            identify=instance_uuid,
            addresses=self._local_addresses,
            blocked_by=lambda: tunnel.blocked_by,
            report=tunnel.async_report,
        )
        self.octoprint = OctoPrint(self.router, entry.data[CONF_API_KEY], title=entry.title)
        self.version: str | None = None
        self.system_commands: frozenset[str] | None = None
        """What can be done to OctoPrint and its machine; None until it is known."""
        self.live = False
        """Whether OctoPrint tells of changes without being polled."""
        self._polls_since_it_came = 0
        self._tunnel = tunnel
        self._blocked_by: type[OctoPrintTunnelError] | None = None
        self._shown_way = Way.NONE
        self._follow_ups = 0
        self._looks_for_heaters = LOOKS_FOR_HEATERS
        self._reader = Reader(self.octoprint)
        self._is_asked = False
        self._asked_refresh: asyncio.Task[None] | None = None
        self._warned_of_heaters = False
        self._settling = Backoff(FIRST_FOLLOW_UP, self.poll_interval.total_seconds())
        self._carrier: str | None = None
        entry.async_on_unload(hass.bus.async_listen(EVENT_STATE_REPORTED, self._write_all, self._is_carrier))

    @override
    @callback
    def async_update_listeners(self) -> None:
        """Write all entities before any automation runs.

        Home Assistant runs the automations on an entity's change while it is written, and what they read of the next
        entity is old. What is written from within an event, though, is told when all of it is written. So one entity
        reports the state that it has: that is an event which is not recorded and triggers no automation.
        """
        if carrier := self._state_to_report():
            self._carrier = carrier.entity_id
            self.hass.states.async_set(carrier.entity_id, carrier.state, carrier.attributes)
        else:
            super().async_update_listeners()

    def _state_to_report(self) -> State | None:
        """Return the state of an entity of this printer that measures nothing, None where there is none yet."""
        registry = er.async_get(self.hass)
        entries = er.async_entries_for_config_entry(registry, self.config_entry.entry_id)
        states = (self.hass.states.get(entry.entity_id) for entry in entries if entry.domain not in MEASURING)
        return next(filter(None, states), None)

    @callback
    def _is_carrier(self, data: EventStateReportedData) -> bool:
        return data["entity_id"] == self._carrier

    @callback
    def _write_all(self, _event: Event[EventStateReportedData]) -> None:
        self._carrier = None
        super().async_update_listeners()

    @override
    async def _async_fetch(self) -> PrinterStatus:
        self._is_asked = False
        known = self.data
        try:
            if known is not None and self._has_time_for_system_commands(known):
                await self._async_read_system_commands()
                self._polls_since_it_came += 1
                self.update_interval = timedelta(seconds=FIRST_FOLLOW_UP)  # with the state that this one leaves out
                return self.data
            status = await self._reader.read(known, whole=not self._knows_connection(known))
            if self._polls_since_it_came == 0:
                self.version = await self.octoprint.version()
            elif self.live and self.system_commands is None:
                await self._async_read_system_commands()
            self._polls_since_it_came += 1
        except OctoPrintTunnelError:
            # OctoPrint may be updated, or set up again, while it is away.
            self._polls_since_it_came, self.system_commands = 0, None
            self._reader.forget()
            raise
        if self.router.way is not self._shown_way:
            # The data may be the same as before; the way is not.
            self._shown_way = self.router.way
            self.async_update_listeners()
        if self.router.way is Way.LOCAL:
            self._tunnel.async_forget_requests()
        if self._reader.heaters_left_out and not self._warned_of_heaters:
            self._warned_of_heaters = True
            LOGGER.warning("%s: more than %d heaters, the others are left out", self.config_entry.title, MAX_HEATERS)
        self._pace(status)
        return status

    def _has_time_for_system_commands(self, known: PrinterStatus) -> bool:
        # They stay as they are while OctoPrint runs; set-up and the poll after it have others to read.
        urgent = self.live or self._follow_ups or known.state.is_settling
        return self.system_commands is None and self._polls_since_it_came >= 2 and not urgent

    async def _async_read_system_commands(self) -> None:
        self.system_commands = frozenset()
        with suppress(InvalidResponse, UnexpectedStatus):  # buttons to miss, no reason to miss the rest
            self.system_commands = await self.octoprint.system_commands()
        self.async_update_listeners()

    @override
    def _retry_after_seconds(self, problem: Problem) -> float:
        # What ails the tunnel must not keep the local network from being tried again soon.
        if problem.closes and self.router.candidates:
            return self._retry.next()
        return super()._retry_after_seconds(problem)

    def _local_addresses(self) -> list[URL]:
        """Return where OctoPrint may be on the local network: as the user typed it, else as the service or it says.

        An announced address comes last: any device on the network can announce one in the name of this OctoPrint.
        Where another printer has the same instance id, only the user can tell which of them is at an address.
        """
        options = Options.from_entry(self.config_entry)
        if not options.local_access or CONF_INSTANCE_UUID not in self.config_entry.data:
            return []
        if options.local_url:
            return [options.local_url]
        if async_is_shared(self.hass, self.config_entry):
            return []
        told = self._tunnel.data.local_ip or self._tunnel.service.tunnel.local_ip
        discovered = self.config_entry.data.get(CONF_DISCOVERED_URL)
        return [*private_addresses(told), *([URL(discovered)] if discovered else [])]

    def _knows_connection(self, known: PrinterStatus | None) -> bool:
        if known is None or self._follow_ups or known.state.is_settling:
            return False
        # Without a printer the whole answer is the only one that shows a connection in the making.
        metered = self._tunnel.service.tunnel.metered and self.router.way is Way.TUNNEL
        if not known.state.is_connected and not metered and not self.live:
            return False
        return self._reader.knows_connection(LIVE_CONNECTION_LASTS if self.live else CONNECTION_LASTS)

    def _pace(self, status: PrinterStatus) -> None:
        """Poll soon again while the printer's state is about to change, and seldom where OctoPrint says what does."""
        settling = status.state.is_settling
        if (self._follow_ups or settling) and not self.live:
            self._follow_ups = max(0, self._follow_ups - 1)
            self.update_interval = timedelta(seconds=self._settling.next())
            return
        if status.heaters or not status.state.is_connected:
            self._looks_for_heaters = LOOKS_FOR_HEATERS
        elif self._looks_for_heaters:
            self._looks_for_heaters -= 1
            self.update_interval = timedelta(seconds=self._settling.next())
            return
        self._follow_ups = 0
        self._settling.reset()
        self.update_interval = self.poll_interval
        if self.live and status.state.is_active and status.state is not PrinterState.PAUSED:
            self.update_interval = min(PRINT_INTERVAL, self.poll_interval)
        elif self.live and not settling and not status.state.is_active and not status.is_warm:
            self.update_interval = max(LIVE_INTERVAL, self.poll_interval)

    async def async_command(self, command: Callable[[OctoPrint, Connection], Awaitable[None]]) -> None:
        """Give OctoPrint a command, and have what becomes of it read until the state has settled.

        Raises OctoPrintTunnelError, the one in the way where OctoPrint has not answered yet.
        """
        if self.data is None:
            raise (self.error or Problem(OctoPrintOffline)).error()
        try:
            await command(self.octoprint, self.data.connection)
        except OctoPrintTunnelError as error:
            if error.remedy is Remedy.RETRY:  # it may have arrived all the same
                self.async_follow_up()
            raise
        self.async_follow_up()

    @callback
    def async_follow_up(self) -> None:
        """Have what became of a command read, in the background: OctoPrint may hang after it has taken it."""
        self._settling.reset()
        self._follow_ups = MIN_FOLLOW_UPS
        self.async_refresh_soon()

    @override
    @callback
    def async_refresh_soon(self) -> asyncio.Task[None] | None:
        # However many ask while OctoPrint hangs, one reading that begins after all of them is enough.
        if not self._is_asked or self._asked_refresh is None or self._asked_refresh.done():
            self._is_asked = True
            self._asked_refresh = super().async_refresh_soon()
        return self._asked_refresh

    @callback
    def async_set_live(self, live: bool) -> asyncio.Task[None] | None:
        """Poll seldom while OctoPrint tells of changes without being polled, beginning with a poll now.

        Returns that poll; None where Home Assistant stops.
        """
        self.live = live
        self._reader.forget_connection()
        return self.async_refresh_soon()

    @callback
    def async_doubt_connection(self) -> None:
        """Have the connection read as a whole with the next poll."""
        self._reader.forget_connection()

    @callback
    def async_expect_change(self, error: str | None = None) -> None:
        """Have the next poll look for another state of the printer, with what OctoPrint said of an error."""
        self._reader.expect_change(error)

    @callback
    def async_follow_tunnel(self) -> None:
        """Look at once whether OctoPrint is there when what the service says of that has changed."""
        blocked_by = _kind(self._tunnel.blocked_by)
        if blocked_by is not self._blocked_by:
            self._blocked_by = blocked_by
            if self.last_update_success is bool(blocked_by):
                self.async_refresh_soon()
