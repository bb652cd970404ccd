"""All that is known of a tunnel, as one value: the service's status, and the result of the last tunnel request."""

from dataclasses import dataclass, field, replace
from typing import Self

from ..errors import BadGateway, Condition, OctoPrintOffline, OverCap, Problem
from .models import TunnelStatus
from .monthly_usage import MonthlyUsage


@dataclass(frozen=True, kw_only=True, slots=True)
class TunnelRequest:
    """The result of a request through the tunnel.

    A request that reached OctoPrint has no problem, with any response. `closed_until` is when a closed tunnel is tried
    again, in monotonic seconds.
    """

    problem: Problem | None = None
    closed_until: float = field(default=0, compare=False)


@dataclass(frozen=True, kw_only=True, slots=True)
class TunnelSnapshot:
    """One tunnel at one moment.

    `status` is what the service said last, `service_problem` why it could not be asked since. `last_request` is None
    while no request has gone through the tunnel, and when requests go another way. `month` is None where no data is
    metered, or nothing limits it. `own` is what this integration used in the month, in bytes.
    """

    status: TunnelStatus = field(default_factory=TunnelStatus)
    service_problem: Problem | None = None
    last_request: TunnelRequest | None = None
    month: MonthlyUsage | None = None
    own: int | None = None

    def with_status(self, status: TunnelStatus, month: MonthlyUsage | None = None, own: int | None = None) -> Self:
        """Return the snapshot with a new status of the service."""
        new = replace(self, status=status, service_problem=None, month=month, own=own)
        if self.is_used_up and not new.is_used_up and self.route_problem and self.route_problem.kind is OverCap:
            # The month is over, or the cap is higher now, so the last tunnel error is stale.
            new = replace(new, last_request=None)
        return new

    @property
    def is_used_up(self) -> bool:
        """Tell whether the month's data is used up, as the service says, or but for what the user may need."""
        is_held_back = self.month is not None and self.month.is_held_back
        return is_held_back or (self.status.usage is not None and self.status.usage.is_used_up is True)

    @property
    def route_problem(self) -> Problem | None:
        """Return the problem of the last tunnel request."""
        return self.last_request.problem if self.last_request else None

    @property
    def problem(self) -> Problem | None:
        """Return the problem that stands in the way; what the service says itself comes first."""
        return self.service_problem or self._used_up or self.route_problem

    @property
    def condition(self) -> Condition:
        """Return the condition of the tunnel."""
        if self.problem is not None:
            return self.problem.condition or Condition.SERVICE_ERROR
        return Condition.OFFLINE if self.status.online is False else Condition.OK

    @property
    def online(self) -> bool | None:
        """Tell whether OctoPrint is connected to the service, None where nothing shows it."""
        if self.problem is not None and self.problem.condition is Condition.OFFLINE:
            return False
        if self.route_problem is not None and self.route_problem.kind is BadGateway:
            return True
        if self.service_problem is None and self.status.online is not None:
            return self.status.online
        arrived = self.last_request is not None and self.route_problem is None
        return True if arrived and self.blocked_by(0) is None else None

    def blocked_by(self, now: float) -> Problem | None:
        """Return the problem that any request through the tunnel would meet; `now` is in monotonic seconds."""
        if self.service_problem is not None and self.service_problem.closes:
            return self.service_problem
        if self._used_up:
            return self._used_up
        request = self.last_request
        if request and request.problem and request.problem.closes and now < request.closed_until:
            return request.problem
        return Problem(OctoPrintOffline) if self.service_problem is None and self.status.online is False else None

    @property
    def _used_up(self) -> Problem | None:
        return Problem(OverCap) if self.is_used_up else None
