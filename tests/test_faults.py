"""Faults in a random order that a seed fixes: afterwards every entity is right, and no resource is left over."""

import asyncio
from collections import Counter
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
import logging
from random import Random
import time
from typing import Any

from aiohttp import ClientTimeout
from freezegun.api import FrozenDateTimeFactory
import pytest
from pytest_homeassistant_custom_component.common import MockConfigEntry

from custom_components.octoprint_tunnel import live
from custom_components.octoprint_tunnel.api.transport import route
from custom_components.octoprint_tunnel.const import DOMAIN, WAIT_INTERVAL
from custom_components.octoprint_tunnel.polling import RemedyCoordinator
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
WARM_UP = 5  # faults, after which every object that stays has been made
KEYS = ("tunnel_status", "octoprint_online", "printer_state", "active_route")
WORKING = ("ok", "on", "offline", "tunnel")


@asynccontextmanager
async def running(
    hass: HomeAssistant, caplog: pytest.LogCaptureFixture, entry: MockConfigEntry, *, live_updates: bool = False
) -> AsyncGenerator[RuntimeData]:
    """Set the entry up, and check at the end that no task, timer, listener, connection or traceback is left.

    The entry is set up and unloaded once before, because Home Assistant keeps what it loads with an integration.
    """
    entry.add_to_hass(hass)
    assert await hass.config_entries.async_setup(entry.entry_id)
    await unload(hass, entry)
    before = left_over(hass)
    assert not [found for found in before if not found.startswith("listeners")]
    hass.config_entries.async_update_entry(entry, options={**entry.options, "live_updates": live_updates})
    assert await hass.config_entries.async_setup(entry.entry_id)
    data: RuntimeData = entry.runtime_data
    if live_updates:
        await until(lambda: data.live.since)
    await settle(hass)
    yield data
    await unload(hass, entry)
    coordinators = [each for each in (data.tunnel, data.printer, data.detection) if each]
    assert left_over(hass, *coordinators) == before
    assert not [record for record in caplog.records if record.exc_info and record.levelno > logging.DEBUG]


@asynccontextmanager
async def recovered_from(
    hass: HomeAssistant, caplog: pytest.LogCaptureFixture, entry: MockConfigEntry, *, is_outage: bool | None = None
) -> AsyncGenerator[None]:
    """Check that everything works after the fault inside, and that an outage has one log line at its start and end."""
    caplog.clear()
    yield
    assert states(hass, entry, *KEYS) == WORKING
    assert not [issue for issue in ir.async_get(hass).issues.values() if issue.domain == DOMAIN]
    assert not hass.config_entries.flow.async_progress()
    lines = [line for line in log_lines(caplog) if "only the first" not in line]
    assert len(lines) in ((0, 2) if is_outage is None else (2,) if is_outage else (0,)), lines
    if lines:
        assert lines[0].startswith("Kitchen: ")
        assert lines[1] == "Kitchen: works again"
    FIGURES["faults injected"] += 1
    FIGURES["recoveries"] += 1


async def refresh(data: RuntimeData) -> None:
    """Poll the service and OctoPrint."""
    await data.tunnel.async_refresh()
    await data.printer.async_refresh()


async def two_polls(hass: HomeAssistant, freezer: FrozenDateTimeFactory) -> None:
    """Let two poll intervals pass."""
    for _ in range(4):
        await wait(hass, freezer, POLL / 2)


@pytest.mark.parametrize("seed", range(3))
async def test_polled(
    hass: HomeAssistant,
    freezer: FrozenDateTimeFactory,
    caplog: pytest.LogCaptureFixture,
    relay: Relay,
    chosen: MockConfigEntry,
    seed: int,
) -> None:
    """Two poll intervals after each fault every entity is right, and the number of objects does not grow."""
    random = Random(seed)
    faults = faults_of(chosen.data["provider"])
    random.shuffle(faults)
    objects: Counter[str] = Counter()
    # In debug mode, a TLS handshake that the client ends is an error of the server.
    asyncio.get_running_loop().set_debug(False)
    async with running(hass, caplog, chosen):
        for number, fault in enumerate(faults):
            async with recovered_from(hass, caplog, chosen):
                fault.cause(relay, fault.where)
                for _ in range(random.randint(1, 8)):
                    await wait(hass, freezer, random.uniform(1, 2 * POLL))
                relay.heal()
                if not fault.passes:
                    await wait(hass, freezer, WAIT_INTERVAL.total_seconds())
                await two_polls(hass, freezer)
            if number in (WARM_UP, len(faults) - 1):
                await wait(hass, freezer, 10 * POLL)  # for the readings with a longer interval
                objects, before = own_objects(), objects
                # A coordinator keeps its last problem.
                assert number == WARM_UP or max((objects - before).values(), default=0) <= 2
                FIGURES[f"objects {'before' if number == WARM_UP else 'after'}"] += objects.total()


async def test_slow(
    hass: HomeAssistant,
    caplog: pytest.LogCaptureFixture,
    monkeypatch: pytest.MonkeyPatch,
    relay: Relay,
    chosen: MockConfigEntry,
) -> None:
    """A response that is late, comes in pieces or never comes ends in a result or a time-out."""
    site = SITE.get(chosen.data["provider"])
    async with running(hass, caplog, chosen) as data:
        places: list[tuple[str, RemedyCoordinator[Any]]] = [("tunnel", data.printer)]
        for where, coordinator in places + ([(site, data.tunnel)] if site else []):
            for cause, is_outage in SLOW:
                monkeypatch.setattr(route, "TIMEOUT", ClientTimeout(total=1 if is_outage else 60))
                async with recovered_from(hass, caplog, chosen, is_outage=is_outage):
                    cause(relay, where)
                    await coordinator.async_refresh()
                    assert states(hass, chosen, "tunnel_status") == ("timed_out" if is_outage else "ok",)
                    relay.heal()
                    await refresh(data)
                    await refresh(data)
                    await settle(hass)


async def test_service_is_restarted(
    hass: HomeAssistant,
    freezer: FrozenDateTimeFactory,
    caplog: pytest.LogCaptureFixture,
    relay: Relay,
    chosen: MockConfigEntry,
) -> None:
    """A service that accepts no connection for ten minutes is one outage."""
    async with running(hass, caplog, chosen), recovered_from(hass, caplog, chosen, is_outage=True):
        await relay.stop()
        for _ in range(5):
            await wait(hass, freezer, 2 * POLL)
        assert states(hass, chosen, "tunnel_status", "printer_state") == ("service_error", "unavailable")
        await relay.start()
        await two_polls(hass, freezer)


@pytest.mark.parametrize("is_outage", [False, True])
async def test_clock_jumps(
    hass: HomeAssistant,
    freezer: FrozenDateTimeFactory,
    caplog: pytest.LogCaptureFixture,
    monkeypatch: pytest.MonkeyPatch,
    relay: Relay,
    chosen: MockConfigEntry,
    is_outage: bool,
) -> None:
    """Polls keep their interval when the wall clock is set forward or back by hours."""
    jumped = 0.0
    frozen = time.monotonic
    monkeypatch.setattr(time, "monotonic", lambda: frozen() - jumped)
    async with running(hass, caplog, chosen):
        for hours in (5, -9, 30, -30):
            async with recovered_from(hass, caplog, chosen, is_outage=is_outage):
                if is_outage:
                    relay.drop("tunnel")
                    await wait(hass, freezer, POLL)
                jumped += hours * 3600
                freezer.tick(hours * 3600)
                relay.heal()
                relay.clear()
                await two_polls(hass, freezer)
            site = SITE.get(chosen.data["provider"], "tunnel")
            path = None if site in SITE.values() else "/api/job"
            assert 1 <= len(relay.seen(site, path=path)) <= 4


@pytest.mark.usefixtures("hurried")
@pytest.mark.parametrize(("octoprint_version", "live_updates"), [("1.11", True), ("2.0", True), ("2.0", False)])
async def test_octoprint_is_killed_and_restarted(
    hass: HomeAssistant,
    caplog: pytest.LogCaptureFixture,
    relay: Relay,
    octoprint: OctoPrintServer,
    chosen: MockConfigEntry,
    live_updates: bool,
) -> None:
    """With live updates, the end of the socket shows it at once, and a new socket is opened."""
    async with running(hass, caplog, chosen, live_updates=live_updates) as data:
        async with recovered_from(hass, caplog, chosen, is_outage=True):
            await hass.async_add_executor_job(octoprint.stop)
            try:
                if not live_updates:
                    await data.printer.async_refresh()
                await until_state(hass, chosen, "unavailable")
                await until(lambda: data.live.since is None)
            finally:
                await hass.async_add_executor_job(octoprint.start)
            await refresh(data)
            await refresh(data)
            await until(lambda: bool(data.live.since) is live_updates)
            await settle(hass)
        assert relay.open_sockets == live_updates
    await until(lambda: not relay.open_sockets)


@pytest.mark.usefixtures("hurried")
async def test_live(
    hass: HomeAssistant,
    caplog: pytest.LogCaptureFixture,
    monkeypatch: pytest.MonkeyPatch,
    relay: Relay,
    entry: MockConfigEntry,
) -> None:
    """A new socket is opened each time that one is closed, breaks or is refused."""
    monkeypatch.setattr(live, "LONGEST_RETRY", 0.5)
    random = Random(9)
    async with running(hass, caplog, entry, live_updates=True) as data:
        for _ in range(8):
            since = data.live.since
            if random.random() < 0.5:
                code = random.choice((600, 601, 602, 612, 655, 502))
                relay.fail("octoeverywhere_tunnel", code, path="/api/login", times=1)
                FIGURES["faults injected"] += 1
            if random.random() < 0.5:
                relay.break_sockets()
            else:
                await relay.close_sockets(random.choice((1001, 1011, 3000)))
            await until(lambda since=since: data.live.since and data.live.since != since)  # type: ignore[misc]
            await until_state(hass, entry, "offline")
            FIGURES["faults injected"] += 1
            FIGURES["recoveries"] += 1
        assert relay.open_sockets == 1
    await until(lambda: not relay.open_sockets)
