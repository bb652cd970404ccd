"""Counters of what a route has carried, for diagnostics."""

from dataclasses import dataclass
from datetime import UTC, datetime

from ..errors import Problem


@dataclass(slots=True)
class Traffic:
    """Counters of a route, and its last error."""

    requests: int = 0
    """Requests that were sent; opening a WebSocket is one."""
    bytes_received: int = 0
    """Bytes of bodies and of WebSocket messages."""
    last_error: str | None = None
    last_error_at: datetime | None = None

    def record_error(self, problem: Problem) -> None:
        """Record why a request failed."""
        self.last_error, self.last_error_at = problem.summary, datetime.now(UTC)
