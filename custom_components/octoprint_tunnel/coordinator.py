"""Two coordinators: one asks the service about the tunnel, the other asks OctoPrint through it."""

from collections.abc import Awaitable, Callable
from dataclasses import replace
from datetime import datetime, timedelta
import time
from typing import Final, override

from aiohttp import ClientSession
from yarl import URL

from homeassistant.config_entries import ConfigEntry
from homeassistant.const import CONF_API_KEY
from homeassistant.core import CALLBACK_TYPE, HomeAssistant, callback
from homeassistant.helpers.event import async_call_later
from homeassistant.util import dt as dt_util

from .api.errors import BadGateway, OctoPrintOffline, OctoPrintTunnelError, OverCap, Problem, Remedy, ServiceError
from .api.octoprint.client import OctoPrint, instance_uuid
from .api.octoprint.connection import Connection, PrinterState
from .api.octoprint.layer_reader import LayerReader
from .api.octoprint.preview import Preview
from .api.octoprint.print_event import PrintEvent
from .api.octoprint.print_tracker import PrintTracker
from .api.octoprint.printer_error import PrinterError
from .api.octoprint.prompt import Prompt
from .api.octoprint.reader import Reader
from .api.octoprint.status import PrinterStatus
from .api.transport.addresses import private_addresses
from .api.transport.route import MAX_BODY
from .api.transport.router import PinnedRoute, Router, Way
from .api.tunnels.base import Service
from .api.tunnels.monthly_usage import MonthlyUsage
from .api.tunnels.snapshot import TunnelRequest, TunnelSnapshot
from .consistent_states import ConsistentStates
from .const import CONF_DISCOVERED_URL, CONF_INSTANCE_UUID, WAIT_INTERVAL
from .data_meter import DataMeter
from .exceptions import validation_error
from .identity import async_is_shared
from .options import Options
from .pace import Pace, service_interval
from .polling import Outage, RemedyCoordinator

REPORT_TAKES: Final = 2  # seconds from a change that a reading shows to OctoPrint's report of it


class TunnelCoordinator(RemedyCoordinator[TunnelSnapshot]):
    """Asks the service about the tunnel, and records the results of requests through it."""

    def __init__(
        self, hass: HomeAssistant, entry: ConfigEntry, outage: Outage, service: Service, meter: DataMeter | None
    ) -> None:
        """Prepare to ask `service` about its tunnel; without a `meter`, its data is not metered."""
        super().__init__(hass, entry, "tunnel", outage)
        self.service = service
        self.meter = meter
        self.data = TunnelSnapshot()
        self._steady = Way.NONE

    @property
    def blocked_by(self) -> Problem | None:
        """Return the problem that any request through the tunnel would meet now."""
        return self.data.blocked_by(time.monotonic())

    @property
    def slowdown(self) -> float:
        """Return by which factor to send less through the tunnel."""
        return self.data.month.slowdown if self.data.month else 1

    @override
    async def _async_fetch(self) -> TunnelSnapshot:
        try:
            status = await self.service.status()
        except BadGateway as error:
            # There is no OctoPrint behind the service's own address.
            raise ServiceError(code=error.code) from None
        now = dt_util.utcnow()
        month = self.meter.async_record(status.usage, now) if self.meter and status.usage else None
        own = self.meter.history.own(now) if self.meter else None
        data = self.data.with_status(status, month, own)
        self.update_interval = self._interval(data)
        return data

    def _interval(self, data: TunnelSnapshot) -> timedelta:
        return service_interval(data, self.poll_interval, dt_util.utcnow(), steady=self._steady)

    @callback
    def async_set_steady(self, way: Way) -> None:
        """Ask the service rarely while requests or a push socket go this way, and at once when that ends with NONE."""
        if way is not self._steady:
            self._steady = way
            if way is Way.NONE and self.data.route_problem is None:  # with which it was asked already
                self.async_refresh_soon()

    @override
    @callback
    def _async_set_problem(self, problem: Problem | None) -> None:
        super()._async_set_problem(problem)
        self.data = replace(self.data, service_problem=problem)

    @callback
    def async_report(self, problem: Problem | None) -> None:
        """Record the result of a tunnel request; None is success."""
        if problem is not None and problem.condition is None:
            problem = None  # the request reached OctoPrint
        # A little less than the poll interval of a closed tunnel, so that the poll after it tries the tunnel.
        closed_until = time.monotonic() + WAIT_INTERVAL.total_seconds() - 60
        has_failed = problem is not None and self.data.route_problem is None and self._steady is not Way.NONE
        if not self._async_set_last_request(TunnelRequest(problem=problem, closed_until=closed_until)):
            return
        was_closed = problem is None and self.problem is not None and not self.problem.needs_user
        is_used_up = problem is not None and problem.kind is OverCap and not self.data.is_used_up
        if was_closed or is_used_up or has_failed:
            # The service knows more then, and asking it costs nothing of the month's data.
            self.async_refresh_soon()

    @callback
    def async_clear_route_error(self) -> None:
        """Forget the last tunnel request. Requests go another way now, so its error is stale."""
        self._async_set_last_request(None)

    @callback
    def _async_set_last_request(self, request: TunnelRequest | None) -> bool:
        before, self.data = self.data, replace(self.data, last_request=request)
        if self.data == before:
            return False
        self._set_update_interval(self._interval(self.data))
        self.async_update_listeners()
        return True

    @property
    @override
    def _needs_user(self) -> bool:
        return super()._needs_user or (self.data.problem is not None and self.data.problem.needs_user)


class PrinterCoordinator(RemedyCoordinator[PrinterStatus]):
    """Reads the printer from OctoPrint, and sends commands to it."""

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
        self.last_update_success = False  # nothing is shown before the first reading
        self.router = Router(
            tunnel.service.octoprint,
            local_session=local_session,
            instance_uuid=entry.data.get(CONF_INSTANCE_UUID),
            identify=instance_uuid,
            addresses=lambda: _local_addresses(hass, entry, tunnel),
            blocked_by=lambda: tunnel.blocked_by,
            report=tunnel.async_report,
        )
        self.octoprint = OctoPrint(self.router, entry.data[CONF_API_KEY], title=entry.title)
        self.preview = Preview(self._async_connect_for_picture)
        entry.async_on_unload(self.preview.close)
        self._tunnel = tunnel
        self._blocked_by: type[OctoPrintTunnelError] | None = None
        self._reader = Reader(self.octoprint, lambda: self.router.way, metered=tunnel.service.tunnel.metered)
        self.layers = LayerReader(self.octoprint, self.router)
        self._pace = Pace(self.poll_interval)
        self._socket = Way.NONE
        self._prints = PrintTracker()
        self._planned_catch_up: CALLBACK_TYPE | None = None
        self._is_refresh_queued = False
        self._states = ConsistentStates(hass, entry, super().async_update_listeners)

    @override
    @callback
    def async_update_listeners(self) -> None:
        self._states.async_write()

    @override
    async def _async_fetch(self) -> PrinterStatus:
        self._is_refresh_queued = False
        began_at, after_outage = time.monotonic(), not (self.last_update_success or self.is_first)
        self._prints.begin_reading()
        status = await self._reader.read(self.data, live=self._pace.live, after_command=self._pace.expects_change)
        status = replace(status, layer=await self.layers.read(status))
        if status.way is Way.LOCAL:
            self._tunnel.async_clear_route_error()
        self._tunnel.async_set_steady(status.way if status.way in (Way.LOCAL, self._socket) else Way.NONE)
        self._pace.slowdown = self._tunnel.slowdown
        self.update_interval = self._pace.interval(status, began_at)
        if self._tunnel.meter:
            self._tunnel.meter.follow(stretch=self._pace.stretch, print_needs=self._pace.print_needs(status))
        status = self._prints.end_reading(status, live=self._pace.live, outage=after_outage)
        self._plan_catch_up(status)
        self.preview.follow(status.file)
        return status

    @property
    def month(self) -> MonthlyUsage | None:
        """Return the month of a metered tunnel, None if nothing limits its data."""
        return self._tunnel.data.month

    @property
    def slowdown(self) -> float:
        """Return by which factor to ask less often, on the way that requests go now."""
        return 1 if self.router.way is Way.LOCAL else self._tunnel.slowdown

    async def _async_connect_for_picture(self) -> OctoPrint:
        """Return a client that stays on the way that requests go now: a missing file is no reason to leave it.

        Raises OverCap while a picture would be too much of what is left of the month's data.
        """
        way, route = await self.router.choose()
        if way is Way.TUNNEL and self.month is not None and not self.month.affords(MAX_BODY):
            raise OverCap
        return OctoPrint(PinnedRoute(self.router, way, route), self.config_entry.data[CONF_API_KEY])

    @callback
    def _plan_catch_up(self, status: PrinterStatus) -> None:
        """Give OctoPrint some time to report what a reading shows of a print. Without a report, the reading counts."""

        @callback
        def catch_up(_now: datetime) -> None:
            self._planned_catch_up = None
            caught_up = self._prints.catch_up(self.data)
            if caught_up is not self.data:
                self.data = caught_up
                self.async_update_listeners()

        if self._planned_catch_up is None and self._prints.lacks_report(status):
            self._planned_catch_up = async_call_later(self.hass, REPORT_TAKES, catch_up)

    @override
    async def async_shutdown(self) -> None:
        await super().async_shutdown()
        if self._planned_catch_up:
            self._planned_catch_up()

    @override
    def _retry_after_seconds(self, problem: Problem) -> float:
        # A closed tunnel is no reason to try the local network less often.
        if problem.closes and self.router.candidates:
            return self._retry.next()
        return super()._retry_after_seconds(problem)

    async def async_command(self, command: Callable[[OctoPrint, Connection], Awaitable[None]]) -> None:
        """Send OctoPrint a command. Its effect is read in the background, because OctoPrint may hang after it.

        Raises OctoPrintTunnelError; before the first reading, the problem of that.
        """
        if self.data is None:
            raise (self.problem or Problem(OctoPrintOffline)).error()
        try:
            await command(self.octoprint, self.data.connection)
        except OctoPrintTunnelError as error:
            if error.remedy is Remedy.RETRY:  # OctoPrint may have received it
                self.async_expect_change()
            raise
        self.async_expect_change()

    async def async_check_idle(self, octoprint: OctoPrint | None = None) -> None:
        """Raise ServiceValidationError while there is a print, also if the last poll is older than the print.

        `octoprint` is the client to ask with. Raises OctoPrintTunnelError, too.
        """
        job = await (octoprint or self.octoprint).job()
        if PrinterState.from_text(job.state_text).is_active:
            self.async_refresh_soon()
            raise validation_error("print_in_progress")

    @callback
    def async_expect_change(self) -> None:
        """Refresh soon and often until the effect of a command shows."""
        self._pace.expect_change(time.monotonic())
        self.async_refresh_soon()

    @override
    @callback
    def async_refresh_soon(self) -> None:
        # One refresh that begins after all requests for one is enough.
        if not self._is_refresh_queued:
            self._is_refresh_queued = True
            super().async_refresh_soon()

    @callback
    def async_update_layer(self) -> None:
        """Show the layer of a file that has become known."""
        if self.data is not None and (layer := self.layers.maps.layer_of(self.data.job)):
            self.data = replace(self.data, layer=layer)
            self.async_update_listeners()

    @callback
    def async_set_live(self, live: bool, way: Way) -> None:
        """Poll rarely while OctoPrint reports changes on this way, and once now."""
        self._pace.live = live
        self._socket = way if live else Way.NONE
        self._tunnel.async_set_steady(self._socket)
        self._reader.invalidate_connection()
        self._reader.expect_prompt()
        self.async_refresh_soon()

    @callback
    def async_invalidate_connection(self) -> None:
        """Read the whole connection with the next poll."""
        self._reader.invalidate_connection()

    @callback
    def async_report(self, event: PrintEvent) -> None:
        """Tell what OctoPrint reported of a print with the next poll."""
        self._prints.report(event)

    @callback
    def async_expect_prompt(self) -> None:
        """Read what the printer asks now: what is shown is old."""
        self._reader.expect_prompt()
        self.async_refresh_soon()

    @callback
    def async_set_prompt(self, prompt: Prompt | None) -> None:
        """Show what the printer asks, as OctoPrint reported it, with the next poll."""
        self._reader.set_prompt(prompt)

    @callback
    def async_state_changed(self, error: PrinterError | None = None) -> None:
        """Read the state with the next poll: OctoPrint reported a change, or an error."""
        self._reader.expect_state(error)

    @callback
    def async_follow_tunnel(self) -> None:
        """Refresh when the tunnel was blocked, or is no longer."""
        blocked_by = problem.kind if (problem := self._tunnel.blocked_by) else None
        if blocked_by is not self._blocked_by:
            self._blocked_by = blocked_by
            if self.last_update_success is bool(blocked_by):
                self.async_refresh_soon()


def _local_addresses(hass: HomeAssistant, entry: ConfigEntry, tunnel: TunnelCoordinator) -> list[URL]:
    """Return where OctoPrint may be on the local network: the user's address, else those of the service and OctoPrint.

    An announced address comes last: any device on the network can announce one in the name of this OctoPrint. Where
    another printer has the same instance id, only the user can tell which of them is at an address.
    """
    options = Options.from_entry(entry)
    if not options.local_access or CONF_INSTANCE_UUID not in entry.data:
        return []
    if options.local_url:
        return [options.local_url]
    if async_is_shared(hass, entry):
        return []
    discovered = entry.data.get(CONF_DISCOVERED_URL)
    local_ip = tunnel.data.status.local_ip or tunnel.service.tunnel.local_ip
    return [*private_addresses(local_ip), *([URL(discovered)] if discovered else [])]
