"""What went over a route, counted as long as there is the route."""

from dataclasses import dataclass
from datetime import UTC, datetime

from ..errors import OctoPrintTunnelError


@dataclass(slots=True)
class Traffic:
    """Counters, and the last error of the way itself."""

    requests: int = 0
    """Requests that were sent; opening a WebSocket is one."""
    bytes_received: int = 0
    """Of bodies and of WebSocket messages."""
    last_error: str | None = None
    last_error_at: datetime | None = None

    def failed(self, error: OctoPrintTunnelError) -> None:
        """Record the error of a request."""
        self.last_error, self.last_error_at = error.summary, datetime.now(UTC)
