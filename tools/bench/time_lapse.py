"""A clock that jumps from one timer of Home Assistant to the next, so that an hour passes in seconds.

Nothing is frozen and no timer is fired by hand: what becomes due runs in the real event loop, against real servers, in
real time; only the waits between are cut out. The wall clock stays as it is, as does that of OctoPrint.
"""

import asyncio
from collections.abc import Callable, Iterator
import contextlib
import math
import time
from typing import Any, Final
from unittest.mock import patch

from homeassistant.core import HomeAssistant

BREATH: Final = 0.003  # seconds of real time after each jump, for the responses on sockets

_real_time: Final = time.monotonic


class TimeLapse:
    """The monotonic clock of this process and of its event loop."""

    def __init__(self) -> None:
        """Start with the real time."""
        self.skipped = 0.0
        """Seconds that were skipped so far."""
        self.overhead = 0.0
        """Processor time in seconds that finding the jumps took."""

    @classmethod
    @contextlib.contextmanager
    def running(cls) -> Iterator[TimeLapse]:
        """Replace the real clock."""
        lapse = cls()
        # aiohttp measures the age of idle connections with the latter.
        with patch("time.monotonic", lapse.now), patch("aiohttp.connector.monotonic", lapse.now):
            yield lapse

    def now(self) -> float:
        """Return the time in seconds, including skipped ones."""
        return _real_time() + self.skipped

    async def pass_by(self, hass: HomeAssistant, seconds: float, *, until: Callable[[], bool] | None = None) -> None:
        """Let so many seconds pass, or fewer if `until` becomes true."""
        end = self.now() + seconds
        while (left := end - self.now()) > 0 and not (until and until()):
            with self._overhead():
                due = _next_timer(hass.loop)
                self.skipped += max(0.0, min(due - self.now(), left))
            await asyncio.sleep(BREATH)
            await self.settle(hass)

    async def settle(self, hass: HomeAssistant) -> None:
        """Wait until all tasks have ended, except live updates, which never end."""
        while True:
            with self._overhead():
                tasks = [task for task in hass._tasks | hass._background_tasks if not _goes_on(task)]
            if not tasks:
                return
            await asyncio.wait(tasks)

    @contextlib.contextmanager
    def _overhead(self) -> Iterator[None]:
        started = time.thread_time()
        yield
        self.overhead += time.thread_time() - started


def _next_timer(loop: asyncio.AbstractEventLoop) -> float:
    """Return the time of the loop's next timer, which is not public."""
    timers: list[asyncio.TimerHandle] = loop._scheduled  # type: ignore[attr-defined]
    return min((timer.when() for timer in timers if not timer.cancelled()), default=math.inf)


def _goes_on(future: asyncio.Future[Any]) -> bool:
    return isinstance(future, asyncio.Task) and future.get_name().endswith("live updates")
