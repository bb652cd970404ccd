"""Twenty printers in one Home Assistant, with real time, real servers and random faults.

The poll interval is 3 s instead of a minute, and all other intervals are shorter by the same factor, so that a minute
is like twenty. A round is up to three faults at once, for some seconds. It ends when every printer is right again.
"""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import timedelta
import time
from typing import override

from aiohttp import ClientTimeout
import pytest

from custom_components.octoprint_tunnel import coordinator, live, pace, polling
from custom_components.octoprint_tunnel.api.transport import route
from homeassistant.core import HomeAssistant
from tests.figures import FIGURES
from tests.home import settle, unload, until
from tests.leftovers import left_over, own_objects, resident_memory
from tests.octoprint.server import OctoPrintServer
from tests.relay.server import Relay

from .house import POLL, Home, build, truth_of
from .trouble import Trouble
from .watch import Lag, Log

PRINTERS = 20
WARM_UP = 0.25  # of the time, after which every object that stays has been made
PATIENCE = 60  # seconds of real time until every printer is right again, on a slow machine
REPORTS = 30  # seconds
GROWTH = 16  # MB; the number of open connections varies by thirty, and each has half a MB of buffers


@dataclass(kw_only=True)
class Course:
    """The events so far."""

    log: Log
    lag: Lag
    started: float = field(default_factory=time.monotonic)
    faults: int = 0
    recoveries: int = 0
    requests: int = 0
    memory: dict[str, float] = field(default_factory=dict)
    """Megabytes, before and after."""
    next_report: float = field(default_factory=lambda: time.monotonic() + REPORTS)

    @override
    def __str__(self) -> str:
        """Return a line."""
        return (
            f"{time.monotonic() - self.started:5.0f} s: {self.faults} faults injected, {self.recoveries} recoveries, "
            f"{self.requests} requests, {self.log.lines} lines and {len(self.log.errors)} errors in the log, "
            f"largest event-loop lag {self.lag.largest * 1e3:.0f} ms, {resident_memory():.0f} MB"
        )


@pytest.fixture
def _hurried_all(hurried: None, monkeypatch: pytest.MonkeyPatch) -> None:
    """Shorten all intervals."""
    monkeypatch.setattr(polling, "FIRST_RETRY", 1)
    for module in (coordinator, pace, polling):
        monkeypatch.setattr(module, "WAIT_INTERVAL", timedelta(seconds=2 * POLL))
    monkeypatch.setattr(pace, "LIVE_INTERVAL", timedelta(seconds=2 * POLL))
    monkeypatch.setattr(live, "LONGEST_RETRY", 2)
    monkeypatch.setattr(live, "CHECK_INTERVAL", timedelta(seconds=POLL))
    monkeypatch.setattr(route, "TIMEOUT", ClientTimeout(total=5))


async def all_right(hass: HomeAssistant, homes: list[Home], entities: list[dict[str, str]] | None = None) -> None:
    """Wait until every printer has the state of its OctoPrint, and entities these states; fails with the rest."""
    deadline = time.monotonic() + PATIENCE
    while True:
        truths = {home.octoprint: await asyncio.to_thread(truth_of, home.octoprint) for home in homes}
        wrong = [each for home in homes for each in home.wrong(hass, truths[home.octoprint] or "settled")]
        for home, right in zip(homes, entities or (), strict=bool(entities)):
            wrong += [f"{home.entry.title}: {each}" for each in home.readings(hass).items() ^ right.items()]
        if not wrong:
            return
        assert time.monotonic() < deadline, "\n".join(wrong)
        await asyncio.sleep(0.2)


@pytest.mark.usefixtures("_hurried_all")
async def test_soak(
    hass: HomeAssistant,
    relay: Relay,
    octoprint: OctoPrintServer,
    octoprints: Callable[[str], OctoPrintServer],
    minutes: float,
    seed: int,
) -> None:
    """Afterwards every entity is right, nothing is left over, memory has not grown, and the log has no traceback."""
    servers = [octoprint, *(octoprints(version) for version in ("1.11",) if OctoPrintServer.installed(version))]
    homes = await build(relay, servers, PRINTERS)
    print(f"\n{PRINTERS} printers on {len(servers)} OctoPrints, polled every {POLL} s; seed {seed}")
    with Log.watched():  # Home Assistant keeps what it loads with the first entry
        await set_up(hass, homes)
        await end(hass, homes)
        before = left_over(hass)

    trouble = Trouble(relay, homes, seed)
    async with Lag.watched() as lag:
        with Log.watched() as log:
            course = Course(log=log, lag=lag)
            await set_up(hass, homes)
            await give(servers, "connect")
            await until(lambda: all("bed_actual_temperature" in home.readings(hass) for home in homes), PATIENCE)
            await give(servers, "disconnect")
            await all_right(hass, homes)
            readings = [home.readings(hass) for home in homes]
            objects = own_objects()
            for when, share in (("before", WARM_UP), ("after", 1 - WARM_UP)):
                await soak(hass, homes, course, trouble, share * minutes * 60)
                await give(servers, "disconnect")
                await all_right(hass, homes, readings)
                objects, grown = own_objects(), own_objects() - objects
                course.memory[when] = resident_memory()
            data = [home.entry.runtime_data for home in homes]
            await end(hass, homes)

    coordinators = [part for each in data for part in (each.tunnel, each.printer, each.detection)]
    assert left_over(hass, *coordinators) == before
    await until(lambda: not relay.open_sockets)
    FIGURES["soak: faults injected"] += course.faults
    FIGURES["soak: recoveries"] += course.recoveries
    FIGURES["soak: requests"] += course.requests
    FIGURES["soak: largest event-loop lag, ms"] += round(lag.largest * 1e3)
    for when, megabytes in course.memory.items():
        FIGURES[f"soak: memory {when}, MB"] += round(megabytes)
    assert not log.errors, "\n".join(log.errors)
    # Each of these coordinators of a printer keeps its last problem.
    assert max(grown.values(), default=0) <= len(coordinators), grown
    assert course.memory["after"] - course.memory["before"] < GROWTH
    in_memory = " and ".join(f"{megabytes:.0f} MB {when}" for when, megabytes in course.memory.items())
    print(f"{course}\nin memory {in_memory}; no entity is wrong, and nothing is left over")


async def soak(hass: HomeAssistant, homes: list[Home], course: Course, trouble: Trouble, seconds: float) -> None:
    """Run rounds for so many seconds."""
    end_at = time.monotonic() + seconds
    while time.monotonic() < end_at:
        number = await trouble.begin()
        course.faults += number
        await trouble.end()
        await all_right(hass, homes)
        course.recoveries += number
        course.requests += trouble.requests()
        if time.monotonic() > course.next_report:
            course.next_report += REPORTS
            print(course)


async def give(octoprints: list[OctoPrintServer], command: str) -> None:
    """Connect or disconnect the printers of all OctoPrints, and wait until that is done."""
    for octoprint in octoprints:
        await asyncio.to_thread(octoprint.request, "POST", "/api/connection", {"command": command})
    wanted = "operational" if command == "connect" else "offline"
    for octoprint in octoprints:
        while await asyncio.to_thread(truth_of, octoprint) != wanted:  # noqa: ASYNC110 - no event exists
            await asyncio.sleep(0.1)


async def set_up(hass: HomeAssistant, homes: list[Home]) -> None:
    """Set the printers up."""
    for home in homes:
        if hass.config_entries.async_get_entry(home.entry.entry_id) is None:
            home.entry.add_to_hass(hass)
        assert await hass.config_entries.async_setup(home.entry.entry_id)
    await settle(hass)


async def end(hass: HomeAssistant, homes: list[Home]) -> None:
    """Unload the printers."""
    for home in homes:
        await unload(hass, home.entry)
