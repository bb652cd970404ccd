"""When to poll next. No requests and no timers: the coordinators ask, and pass in the time."""

from datetime import UTC, datetime, timedelta
from typing import Final

from .api.backoff import Backoff
from .api.errors import Condition
from .api.octoprint.connection import PrinterState
from .api.octoprint.status import PrinterStatus
from .api.transport.router import Way
from .api.tunnels.snapshot import TunnelSnapshot
from .const import WAIT_INTERVAL

LIVE_INTERVAL: Final = timedelta(minutes=15)  # to check what the push socket reports
PRINT_INTERVAL: Final = timedelta(seconds=14)  # with a push socket, which does not report progress and temperatures
SLOWEST_POLL: Final = timedelta(minutes=5)  # to save data without a push socket; only the user can make it slower
READING: Final = 720  # bytes of job and temperatures; OctoPrint 2.0 sends some less
AFTER_RESET: Final = timedelta(seconds=5)  # after the month's end; clocks differ
STEADY_INTERVALS: Final = {Way.TUNNEL: timedelta(minutes=10), Way.LOCAL: timedelta(minutes=5)}
"""To ask the service while a push socket goes through its tunnel, or while the local network is used instead."""

FIRST_FOLLOW_UP: Final = 1  # seconds, doubling
COMMAND_TAKES: Final = 2  # seconds; OctoPrint acts on a command a moment after it has responded
HEATERS_TAKE: Final = 15  # seconds from a connection to the first temperatures; some printers report none


class Pace:
    """Decides when a printer is polled next: soon while it is about to change, rarely while OctoPrint reports changes.

    Times are monotonic seconds.
    """

    def __init__(self, poll_interval: timedelta) -> None:
        """Poll at `poll_interval` unless something else is called for."""
        self.live = False
        """Whether OctoPrint reports changes without being polled."""
        self.slowdown: float = 1
        """By which factor to poll less often through the tunnel, within the limits for changes of the state."""
        self.stretch: float = 1
        """The factor that the last interval really has."""
        self._poll_interval = poll_interval
        self._follow_up = Backoff(FIRST_FOLLOW_UP, poll_interval.total_seconds())
        self._command_at: float | None = None
        self._without_heaters_since: float | None = None

    @property
    def expects_change(self) -> bool:
        """Tell whether no reading shows yet what became of the last command."""
        return self._command_at is not None

    def expect_change(self, now: float) -> None:
        """Poll soon and often: a command was sent at `now`."""
        self._command_at = now
        self._follow_up.reset()

    def interval(self, status: PrinterStatus, read_at: float) -> timedelta:
        """Return the time until the next poll, after a reading that began at `read_at`."""
        if self._command_at is not None and (self.live or read_at - self._command_at >= COMMAND_TAKES):
            self._command_at = None
        is_settling = self.expects_change or (status.state.is_settling and not self.live)
        if self._awaits_heaters(status, read_at) or is_settling:
            return timedelta(seconds=self._follow_up.next())
        self._follow_up.reset()
        usual = self._settled_interval(status)
        interval = self._slowed(usual) if status.way is Way.TUNNEL else usual
        self.stretch = interval / usual
        return interval

    def print_needs(self, status: PrinterStatus) -> float:
        """Return the bytes that the readings of the print in progress need through the tunnel until its end."""
        if status.way is not Way.TUNNEL or not status.state.is_active or status.job is None or not status.job.left:
            return 0
        return status.job.left / self._settled_interval(status).total_seconds() * READING

    def _slowed(self, usual: timedelta) -> timedelta:
        return min(usual * self.slowdown, max(usual, LIVE_INTERVAL if self.live else SLOWEST_POLL))

    def _awaits_heaters(self, status: PrinterStatus, read_at: float) -> bool:
        if status.heaters or not status.state.is_connected:
            self._without_heaters_since = None
            return False
        if self._without_heaters_since is None:
            self._without_heaters_since = read_at
        return read_at - self._without_heaters_since < HEATERS_TAKE

    def _settled_interval(self, status: PrinterStatus) -> timedelta:
        if not self.live:
            return self._poll_interval
        if status.state.is_active and status.state is not PrinterState.PAUSED:
            return min(PRINT_INTERVAL, self._poll_interval)
        if status.state.is_active or status.state.is_settling or status.is_warm:
            return self._poll_interval
        return max(LIVE_INTERVAL, self._poll_interval)


def service_interval(
    tunnel: TunnelSnapshot, poll_interval: timedelta, now: datetime, *, steady: Way = Way.NONE
) -> timedelta:
    """Return the time until the service is asked again; `steady` is the way that is known to work.

    Long while the tunnel is closed, unless its end is known, and while OctoPrint is known to be online: from a push
    socket, or on the local network. A new day is counted from its beginning.
    """
    usage = tunnel.status.usage
    if usage is not None and usage.is_used_up:
        return max(AFTER_RESET, min(poll_interval, usage.reset - now + AFTER_RESET))
    if tunnel.route_problem is not None and tunnel.route_problem.waits:
        return WAIT_INTERVAL
    interval = STEADY_INTERVALS.get(steady)
    if interval is None or tunnel.condition is not Condition.OK or (tunnel.month and tunnel.month.slowdown > 1):
        return poll_interval
    begin = now.astimezone(UTC).replace(hour=0, minute=0, second=0, microsecond=0)
    tomorrow = begin + timedelta(days=1) + AFTER_RESET
    return min(max(interval, poll_interval), tomorrow - now)
