"""A rate limit that allows a burst, and a steady rate after it."""

from dataclasses import dataclass, field
import time


@dataclass(kw_only=True, slots=True)
class TokenBucket:
    """Allows `burst` tokens at once, and `per_second` more each second."""

    burst: int
    per_second: float
    _tokens: float = field(init=False)
    _filled_at: float = field(init=False)

    def __post_init__(self) -> None:
        """Start with a full bucket."""
        self._tokens, self._filled_at = self.burst, time.monotonic()

    @property
    def is_full(self) -> bool:
        """Tell whether a whole burst is available."""
        self._fill()
        return self._tokens >= self.burst

    def take(self) -> bool:
        """Take one token; False if there is none."""
        self._fill()
        if self._tokens < 1:
            return False
        self._tokens -= 1
        return True

    def spend(self, tokens: float) -> float:
        """Take tokens even if there are too few, and return the seconds until they are available."""
        self._fill()
        self._tokens -= tokens
        return max(0.0, -self._tokens / self.per_second)

    def _fill(self) -> None:
        now = time.monotonic()
        self._tokens = min(self.burst, self._tokens + max(0, now - self._filled_at) * self.per_second)
        self._filled_at = now
