"""How long webcams may still stream through a tunnel: the account's time in a window, and in one stream."""

from collections import deque
from dataclasses import dataclass
from typing import Final

from .models import Limits

MAX_STREAMS: Final = 1000  # that are remembered; the oldest are forgotten first
SHORTEST: Final = 5  # seconds; a shorter stream is of no use


@dataclass(kw_only=True, slots=True, eq=False)
class GrantedTime:
    """The time of one stream, in monotonic seconds. It ends earlier when the stream is closed."""

    begin: float
    end: float | None
    """None without a limit."""

    def seconds_within(self, since: float, now: float) -> float:
        """Return how much of it counts since then: all that was granted, as long as the stream is open."""
        end = now if self.end is None else self.end
        return max(0.0, end - max(self.begin, since))


class StreamTime:
    """Counts the streams of one printer through its tunnel. Streams of other apps are not known here."""

    def __init__(self) -> None:
        """Begin without limits."""
        self.limits = Limits()
        self._granted: deque[GrantedTime] = deque(maxlen=MAX_STREAMS)

    def grant(self, now: float) -> GrantedTime | None:
        """Return the time of a stream that begins now; None if the account has too little left in this window."""
        left = self.left(now)
        if left is not None and left < SHORTEST:
            return None
        seconds = min((limit for limit in (left, self.limits.max_webcam_stream) if limit is not None), default=None)
        granted = GrantedTime(begin=now, end=None if seconds is None else now + seconds)
        self._granted.append(granted)
        return granted

    def release(self, granted: GrantedTime, now: float) -> None:
        """Give back what is left of a stream that has ended."""
        if granted.end is None or now < granted.end:
            granted.end = now

    def left(self, now: float) -> float | None:
        """Return the seconds that may still be streamed in the window that ends now; None without a limit."""
        if self.limits.max_webcam_time is None or self.limits.webcam_window is None:
            return None
        since = now - self.limits.webcam_window
        return self.limits.max_webcam_time - sum(granted.seconds_within(since, now) for granted in self._granted)
