"""Delays between retries, which double each time."""

from dataclasses import dataclass, field
from random import uniform

JITTER = 0.1  # of the delay, shorter or longer, so that many printers do not return to a service at once


@dataclass(slots=True)
class Backoff:
    """A series of delays in seconds, from `first`, doubling, up to `longest`."""

    first: float
    longest: float
    _next: float = field(init=False)

    def __post_init__(self) -> None:
        """Start with the first delay."""
        self.reset()

    def reset(self) -> None:
        """Start with the first delay again."""
        self._next = self.first

    def next(self) -> float:
        """Return the next delay."""
        delay = self._next
        self._next = min(delay * 2, self.longest)
        return delay * uniform(1 - JITTER, 1 + JITTER)  # noqa: S311 - not a secret
