"""Set an entry up, and measure an hour with it."""

import asyncio
from collections.abc import Iterator
import contextlib
from dataclasses import dataclass
import time
from unittest.mock import patch

from pytest_homeassistant_custom_component.common import MockConfigEntry

from homeassistant.core import HomeAssistant
from homeassistant.helpers.update_coordinator import DataUpdateCoordinator

from .remote import Counts, RemoteRelay, Stage
from .time_lapse import TimeLapse
from .variants import Variant

HOUR = 3600
OPENING = 30  # seconds of real time for sockets to open after the set-up
SUBSCRIBING = 1.5  # seconds of real time until the poll after that
WINDOW = 8  # seconds of real time in which pushes are counted


@dataclass(frozen=True, kw_only=True)
class Hour:
    """The figures of an hour."""

    printer: Counts
    service: Counts
    cpu: float
    """Seconds."""
    updates: int

    @property
    def cpu_per_update(self) -> float:
        """Return the seconds of the event loop per update."""
        return self.cpu / self.updates


@contextlib.contextmanager
def _counted_updates() -> Iterator[list[int]]:
    """Count how often a coordinator refreshes."""
    refresh = DataUpdateCoordinator._async_refresh
    count = [0]

    async def counting(self: DataUpdateCoordinator[object], *args: bool, **kwargs: bool) -> None:
        count[0] += 1
        await refresh(self, *args, **kwargs)

    with patch.object(DataUpdateCoordinator, "_async_refresh", counting):
        yield count


async def set_up(hass: HomeAssistant, time_lapse: TimeLapse, entry: MockConfigEntry) -> float:
    """Set an entry up and return the seconds that it took."""
    started = time.perf_counter()
    assert await hass.config_entries.async_setup(entry.entry_id)
    await time_lapse.settle(hass)
    return time.perf_counter() - started


async def sockets_open(remote: RemoteRelay, number: int) -> None:
    """Wait in real time until so many sockets have been opened in all."""
    deadline = time.perf_counter() + OPENING
    while await remote.call_aside(Stage.opened_sockets) < number and time.perf_counter() < deadline:  # noqa: ASYNC110
        await asyncio.sleep(0.1)
    await asyncio.sleep(SUBSCRIBING)


async def measured(
    hass: HomeAssistant, remote: RemoteRelay, time_lapse: TimeLapse, variant: Variant, seconds: int = HOUR
) -> Hour:
    """Let time pass, and return the figures, scaled to an hour."""
    pushed = 0.0
    if variant.live:
        before, _ = await remote.call_aside(Stage.counts)
        await asyncio.sleep(WINDOW)
        after, _ = await remote.call_aside(Stage.counts)
        pushed = (after - before).socket_bytes * HOUR / WINDOW
    printer, service = await remote.call_aside(Stage.counts)
    with _counted_updates() as updates:
        cpu = time.thread_time() - time_lapse.overhead
        await time_lapse.pass_by(hass, seconds)
        cpu = time.thread_time() - time_lapse.overhead - cpu
    printer_after, service_after = await remote.call_aside(Stage.counts)
    scale = HOUR / seconds
    return Hour(
        printer=(printer_after - printer).scaled(scale) + Counts(bytes=round(pushed), socket_bytes=round(pushed)),
        service=(service_after - service).scaled(scale),
        cpu=cpu * scale,
        updates=round(updates[0] * scale),
    )
