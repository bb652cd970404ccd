"""Faults of every kind in a random order that a seed fixes: afterwards all is right, and nothing is left over."""

import asyncio
from collections import Counter
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
import logging
from random import Random
import time

from aiohttp import ClientTimeout
from freezegun.api import FrozenDateTimeFactory
import pytest
from pytest_homeassistant_custom_component.common import MockConfigEntry

from custom_components.octoprint_tunnel import live
from custom_components.octoprint_tunnel.api.errors import RequestTimeout
from custom_components.octoprint_tunnel.api.transport import route
from custom_components.octoprint_tunnel.const import DOMAIN, WAIT_INTERVAL
from custom_components.octoprint_tunnel.runtime import RuntimeData
from homeassistant.core import HomeAssistant
from homeassistant.helpers import issue_registry as ir

from .faults import SITE, SLOW, faults_of
from .figures import FIGURES
from .home import log_lines, settle, states, unload, until, until_state, wait
from .leftovers import left_over, own_objects
from .octoprint.server import OctoPrintServer
from .relay.server import Relay

pytestmark = pytest.mark.long
POLL = 60  # seconds
EARLY = 5  # faults, after which what is kept for good is there
WORKS = ("ok", "on", "offline", "tunnel")
KEYS = ("tunnel_status", "octoprint_online", "printer_state", "active_route")


@asynccontextmanager
async def nothing_left(
    hass: HomeAssistant, caplog: pytest.LogCaptureFixture, entry: MockConfigEntry
) -> AsyncGenerator[None]:
    """See that what happens to an entry leaves no task, timer, listener or connection, and no traceback in the log.

    The entry is set up and unloaded once before: what Home Assistant itself loads with it stays.
    """
    entry.add_to_hass(hass)
    assert await hass.config_entries.async_setup(entry.entry_id)
    await unload(hass, entry)
    before = left_over(hass)
    assert not [found for found in before if not found.startswith("listeners")]
    yield
    data = entry.runtime_data
    await unload(hass, entry)
    assert left_over(hass, data.tunnel, data.printer, data.detection) == before
    assert not [record for record in caplog.records if record.exc_info and record.levelno > logging.DEBUG]


def told(caplog: pytest.LogCaptureFixture) -> bool:
    """Return whether the log tells of an outage: in one line, and of its end in another."""
    lines = [line for line in log_lines(caplog) if "only the first" not in line]
    assert len(lines) in (0, 2), lines
    if lines:
        assert lines[0].startswith("Kitchen: ")
        assert lines[1] == "Kitchen: works again"
    return bool(lines)


@asynccontextmanager
async def running(
    hass: HomeAssistant, caplog: pytest.LogCaptureFixture, entry: MockConfigEntry
) -> AsyncGenerator[None]:
    """Set the entry up, and see at the end that nothing is left of it."""
    async with nothing_left(hass, caplog, entry):
        assert await hass.config_entries.async_setup(entry.entry_id)
        await settle(hass)
        yield


async def two_polls(hass: HomeAssistant, freezer: FrozenDateTimeFactory) -> None:
    """Let two poll intervals pass."""
    for _ in range(4):
        await wait(hass, freezer, POLL / 2)


def assert_all_is_well(hass: HomeAssistant, entry: MockConfigEntry) -> None:
    """See that every reading is right, and that nobody is asked for anything."""
    assert states(hass, entry, *KEYS) == WORKS
    assert not [issue for issue in ir.async_get(hass).issues.values() if issue.domain == DOMAIN]
    assert not hass.config_entries.flow.async_progress()


@pytest.mark.parametrize("seed", range(3))
async def test_polled(
    hass: HomeAssistant,
    freezer: FrozenDateTimeFactory,
    caplog: pytest.LogCaptureFixture,
    relay: Relay,
    chosen: MockConfigEntry,
    seed: int,
) -> None:
    """Faults come and go at any time; two poll intervals later all is right, and nothing has gathered."""
    random = Random(seed)
    faults = faults_of(chosen.data["provider"])
    random.shuffle(faults)
    objects: Counter[str] = Counter()
    # In debug mode a handshake that the client gives up is an error of the server.
    asyncio.get_running_loop().set_debug(False)
    async with running(hass, caplog, chosen):
        for number, fault in enumerate(faults):
            caplog.clear()
            fault.cause(relay, fault.where)
            FIGURES["faults injected"] += 1
            for _ in range(random.randint(1, 8)):
                await wait(hass, freezer, random.uniform(1, 2 * POLL))
            relay.heal()
            if not fault.passes:
                await wait(hass, freezer, WAIT_INTERVAL.total_seconds())
            await two_polls(hass, freezer)
            assert_all_is_well(hass, chosen)
            told(caplog)
            FIGURES["recoveries"] += 1
            if number in (EARLY, len(faults) - 1):
                await wait(hass, freezer, 10 * POLL)  # what is read less often is read as well
                objects, before = own_objects(), objects
                # Each coordinator keeps what it met last, and that keeps what it came of.
                assert number == EARLY or max((objects - before).values(), default=0) <= 2
                FIGURES[f"objects {'before' if number == EARLY else 'after'}"] += objects.total()


async def test_slow(
    hass: HomeAssistant,
    caplog: pytest.LogCaptureFixture,
    monkeypatch: pytest.MonkeyPatch,
    relay: Relay,
    chosen: MockConfigEntry,
) -> None:
    """Answers that are late, come bit by bit or never: each request ends in time, with an answer or without."""
    async with running(hass, caplog, chosen):
        data: RuntimeData = chosen.runtime_data
        for where, asks in (("tunnel", data.printer), (SITE[chosen.data["provider"]], data.tunnel)):
            for cause, too_late in SLOW:
                caplog.clear()
                monkeypatch.setattr(route, "TIMEOUT", ClientTimeout(total=1 if too_late else 60))
                cause(relay, where)
                FIGURES["faults injected"] += 1
                await asks.async_refresh()
                assert (asks.problem is not None and asks.problem.kind is RequestTimeout) is too_late
                relay.heal()
                for _ in range(2):
                    await data.tunnel.async_refresh()
                    await data.printer.async_refresh()
                await settle(hass)
                assert_all_is_well(hass, chosen)
                assert told(caplog) is too_late
                FIGURES["recoveries"] += 1


async def test_service_is_restarted(
    hass: HomeAssistant,
    freezer: FrozenDateTimeFactory,
    caplog: pytest.LogCaptureFixture,
    relay: Relay,
    chosen: MockConfigEntry,
) -> None:
    """Nobody listens for a while: that is one outage."""
    async with running(hass, caplog, chosen):
        caplog.clear()
        await relay.stop()
        FIGURES["faults injected"] += 1
        for _ in range(5):
            await wait(hass, freezer, 2 * POLL)
        assert states(hass, chosen, "tunnel_status", "printer_state") == ("service_error", "unavailable")
        await relay.start()
        await two_polls(hass, freezer)
        assert_all_is_well(hass, chosen)
        assert told(caplog)
        FIGURES["recoveries"] += 1


@pytest.mark.parametrize("outage", [False, True])
async def test_clock_jumps(
    hass: HomeAssistant,
    freezer: FrozenDateTimeFactory,
    caplog: pytest.LogCaptureFixture,
    monkeypatch: pytest.MonkeyPatch,
    relay: Relay,
    chosen: MockConfigEntry,
    outage: bool,
) -> None:
    """The wall clock is set forward and back by hours, as at a start without a battery: polls keep their pace."""
    jumped = 0.0
    frozen = time.monotonic
    monkeypatch.setattr(time, "monotonic", lambda: frozen() - jumped)
    async with running(hass, caplog, chosen):
        for hours in (5, -9, 30, -30):
            caplog.clear()
            if outage:
                relay.drop("tunnel")
                await wait(hass, freezer, POLL)
            jumped += hours * 3600
            freezer.tick(hours * 3600)
            FIGURES["faults injected"] += 1
            relay.heal()
            relay.clear()
            await two_polls(hass, freezer)
            assert_all_is_well(hass, chosen)
            assert told(caplog) is outage
            assert 1 <= len(relay.seen(SITE[chosen.data["provider"]])) <= 4
            FIGURES["recoveries"] += 1


@pytest.mark.parametrize("octoprint_version", ["1.11", "2.0"])
async def test_octoprint_is_killed_and_restarted(
    hass: HomeAssistant, caplog: pytest.LogCaptureFixture, octoprint: OctoPrintServer, loaded: MockConfigEntry
) -> None:
    """A server that is gone is told of once, and found again."""
    caplog.clear()
    await hass.async_add_executor_job(octoprint.stop)
    FIGURES["faults injected"] += 1
    try:
        for _ in range(3):
            await loaded.runtime_data.printer.async_refresh()
        assert states(hass, loaded, "printer_state") == ("unavailable",)
        assert len(log_lines(caplog)) == 1
    finally:
        await hass.async_add_executor_job(octoprint.start)
    await loaded.runtime_data.printer.async_refresh()
    await settle(hass)
    assert states(hass, loaded, "printer_state", "active_route") == ("offline", "tunnel")
    assert told(caplog)
    FIGURES["recoveries"] += 1


@pytest.mark.usefixtures("hurried")
@pytest.mark.parametrize("octoprint_version", ["1.11", "2.0"])
async def test_octoprint_is_killed_while_it_is_listened_to(
    hass: HomeAssistant,
    caplog: pytest.LogCaptureFixture,
    relay: Relay,
    octoprint: OctoPrintServer,
    chosen: MockConfigEntry,
) -> None:
    """The end of the socket shows at once that OctoPrint is gone; when it is back, a new one is trusted."""
    async with nothing_left(hass, caplog, chosen):
        hass.config_entries.async_update_entry(chosen, options={**chosen.options, "live_updates": True})
        assert await hass.config_entries.async_setup(chosen.entry_id)
        data: RuntimeData = chosen.runtime_data
        await until(lambda: data.live.since)
        await settle(hass)
        caplog.clear()
        await hass.async_add_executor_job(octoprint.stop)
        FIGURES["faults injected"] += 1
        try:
            await until_state(hass, chosen, "unavailable")
            await until(lambda: data.live.since is None)
        finally:
            await hass.async_add_executor_job(octoprint.start)
        for _ in range(2):
            await data.tunnel.async_refresh()
            await data.printer.async_refresh()
        await until(lambda: data.live.since)
        await settle(hass)
        assert_all_is_well(hass, chosen)
        assert told(caplog)
        assert relay.open_sockets == 1
        FIGURES["recoveries"] += 1
    await until(lambda: not relay.open_sockets)


@pytest.mark.usefixtures("hurried")
async def test_live(
    hass: HomeAssistant,
    caplog: pytest.LogCaptureFixture,
    monkeypatch: pytest.MonkeyPatch,
    relay: Relay,
    entry: MockConfigEntry,
) -> None:
    """Sockets end, break and are refused while live updates are on: each time a new one is trusted."""
    monkeypatch.setattr(live, "LONGEST_RETRY", 0.5)
    random = Random(9)
    async with nothing_left(hass, caplog, entry):
        hass.config_entries.async_update_entry(entry, options={**entry.options, "live_updates": True})
        assert await hass.config_entries.async_setup(entry.entry_id)
        updates: live.LiveUpdates = entry.runtime_data.live
        await until(lambda: updates.since)
        for _ in range(8):
            refused = random.random() < 0.5
            if refused:
                relay.fail(
                    "octoeverywhere_tunnel", random.choice((600, 601, 602, 612, 655, 502)), path="/api/login", times=1
                )
            since = updates.since
            if random.random() < 0.5:
                relay.break_sockets()
            else:
                await relay.close_sockets(random.choice((1001, 1011, 3000)))
            FIGURES["faults injected"] += 1 + refused
            await until(lambda since=since: updates.since and updates.since != since)  # type: ignore[misc]
            await until_state(hass, entry, "offline")
            FIGURES["recoveries"] += 1
        assert relay.open_sockets == 1
    await until(lambda: not relay.open_sockets)
