"""Set an entry up, and measure an hour with it."""

import asyncio
from collections.abc import Iterator
import contextlib
from dataclasses import dataclass
import time
from typing import Any
from unittest.mock import patch

from pytest_homeassistant_custom_component.common import MockConfigEntry

from custom_components.octoprint_tunnel.live import START_DELAY
from homeassistant.const import EVENT_STATE_CHANGED, EVENT_STATE_REPORTED
from homeassistant.core import Event, EventStateChangedData, EventStateReportedData, HomeAssistant, callback
from homeassistant.helpers.update_coordinator import DataUpdateCoordinator

from .remote import Counts, RemoteRelay, Stage
from .time_lapse import TimeLapse
from .variants import Variant

HOUR = 3600
OPENING = 30  # seconds of real time for sockets to open
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
    """Refreshes of coordinators."""
    changes: int
    """Writes of states that differ from before."""
    reports: int
    """Writes of unchanged states."""

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


@dataclass(kw_only=True)
class Writes:
    """Writes to the state machine."""

    changes: int = 0
    reports: int = 0
    """Writes of an unchanged state."""


@contextlib.contextmanager
def _counted_writes(hass: HomeAssistant) -> Iterator[Writes]:
    """Count the writes to the state machine."""
    writes = Writes()

    # As filters that refuse everything, these cost little: no event is created for them.
    @callback
    def count_change(_data: EventStateChangedData) -> bool:
        writes.changes += 1
        return False

    @callback
    def count_report(_data: EventStateReportedData) -> bool:
        writes.reports += 1
        return False

    stop_changes = hass.bus.async_listen(EVENT_STATE_CHANGED, _ignore, count_change)
    stop_reports = hass.bus.async_listen(EVENT_STATE_REPORTED, _ignore, count_report)
    yield writes
    stop_changes()
    stop_reports()


@callback
def _ignore(_event: Event[Any]) -> None:
    """Listen to nothing."""


async def set_up(hass: HomeAssistant, time_lapse: TimeLapse, entry: MockConfigEntry) -> float:
    """Set an entry up and return the seconds that it took."""
    started = time.perf_counter()
    assert await hass.config_entries.async_setup(entry.entry_id)
    await time_lapse.settle(hass)
    return time.perf_counter() - started


async def sockets_open(hass: HomeAssistant, remote: RemoteRelay, time_lapse: TimeLapse, number: int) -> None:
    """Wait until so many sockets have been opened in all."""
    if number:
        await time_lapse.pass_by(hass, START_DELAY)
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
    with _counted_updates() as updates, _counted_writes(hass) as writes:
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
        changes=round(writes.changes * scale),
        reports=round(writes.reports * scale),
    )
