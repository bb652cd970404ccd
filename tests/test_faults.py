"""Faults of every kind in a random order that a seed fixes: afterwards all is right, and nothing is left over."""

import asyncio
from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager
import logging
from random import Random
from typing import Any

from freezegun.api import FrozenDateTimeFactory
import pytest
from pytest_homeassistant_custom_component.common import MockConfigEntry

from custom_components.octoprint_tunnel import live
from custom_components.octoprint_tunnel.const import DOMAIN
from homeassistant.const import EVENT_HOMEASSISTANT_FINAL_WRITE
from homeassistant.core import HomeAssistant
from homeassistant.helpers import issue_registry as ir
from homeassistant.util.event_type import EventType

from .figures import FIGURES
from .home import log_lines, settle, states, unload, until, until_state, wait
from .octoprint.server import OctoPrintServer
from .relay.server import Relay

POLL = 60  # seconds
LONGEST_RETRY = 2100  # seconds; what only the owner can end is looked at every half an hour, more or less
WORKS = ("ok", "on", "offline", "tunnel")
KEYS = ("tunnel_status", "octoprint_online", "printer_state", "active_route")

CODES = {
    "octoeverywhere": (600, 601, 602, 605, 607, 608, 609, 610, 612, 655, 400, 404, 409, 429, 500, 502, 503, 504),
    "obico": (481, 482, 483, 489, 400, 404, 409, 429, 500, 502, 503, 504),
}
SITE = {"octoeverywhere": "octoeverywhere_api", "obico": "obico_tsd"}

type Fault = Callable[[Relay, str], None]

GARBAGE = (
    ("text/html", "<html><body>Sign in to the hotel's network</body></html>"),
    ("application/json", '{"current": null, "total": "x", "IsOnline": 7}'),
    ("application/json", '{"a":' * 500),
    ("application/json", "\x00" * 50),
)

ANSWERS: tuple[Fault, ...] = (
    lambda relay, where: relay.drop(where),
    lambda relay, where: relay.truncate(where, 7),
    lambda relay, where: relay.truncate(where, 0),
    lambda relay, where: relay.redirect(where, "https://elsewhere.example/"),
    lambda relay, where: relay.redirect(where, "http://127.0.0.1:5000/"),
    *(
        lambda relay, where, kind=kind, body=body: relay.fail(where, 200, body, content_type=kind)
        for kind, body in GARBAGE
    ),
)


def faults_of(provider: str) -> list[tuple[str, Fault]]:
    """Return what can go wrong, and where: in the tunnel, on the service's website or in both."""
    codes: list[Fault] = [lambda relay, where, code=code: relay.fail(where, code) for code in CODES[provider]]  # type: ignore[misc]
    return [(where, fault) for fault in (*codes, *ANSWERS) for where in ("tunnel", SITE[provider])]


def left_over(hass: HomeAssistant) -> tuple[set[str], dict[EventType[Any] | str, int]]:
    """Return the integration's tasks, and how many listen for what."""
    tasks = {repr(task) for task in asyncio.all_tasks() if DOMAIN in repr(task)}
    listeners = dict(hass.bus.async_listeners())
    listeners.pop(EVENT_HOMEASSISTANT_FINAL_WRITE, None)  # Home Assistant's own registries wait to be saved
    return tasks, listeners


@asynccontextmanager
async def nothing_left(
    hass: HomeAssistant, caplog: pytest.LogCaptureFixture, entry: MockConfigEntry
) -> AsyncGenerator[None]:
    """See that what happens to an entry leaves no task, no listener and no traceback in the log.

    The entry is set up and unloaded once before: what Home Assistant itself loads with it stays.
    """
    entry.add_to_hass(hass)
    assert await hass.config_entries.async_setup(entry.entry_id)
    await unload(hass, entry)
    before = left_over(hass)
    assert not before[0]
    yield
    await unload(hass, entry)
    assert left_over(hass) == before
    assert not [record for record in caplog.records if record.exc_info and record.levelno > logging.DEBUG]


@pytest.mark.parametrize("seed", range(3))
async def test_polled(
    hass: HomeAssistant,
    freezer: FrozenDateTimeFactory,
    caplog: pytest.LogCaptureFixture,
    relay: Relay,
    chosen: MockConfigEntry,
    seed: int,
) -> None:
    """Faults come and go at any time; each outage is a line in the log and its end another."""
    random = Random(seed)
    faults = faults_of(chosen.data["provider"])
    random.shuffle(faults)
    async with nothing_left(hass, caplog, chosen):
        assert await hass.config_entries.async_setup(chosen.entry_id)
        await settle(hass)
        for where, fault in faults:
            caplog.clear()
            fault(relay, where)
            FIGURES["faults injected"] += 1
            for _ in range(random.randint(1, 4)):
                await wait(hass, freezer, random.uniform(1, 2 * POLL))
            relay.heal()
            await wait(hass, freezer, LONGEST_RETRY)
            await wait(hass, freezer, 2 * POLL)
            assert states(hass, chosen, *KEYS) == WORKS
            assert not [issue for issue in ir.async_get(hass).issues.values() if issue.domain == DOMAIN]
            assert not hass.config_entries.flow.async_progress()
            lines = log_lines(caplog)
            assert len(lines) <= 4, lines
            assert len(lines) == len(set(lines))
            assert not lines or lines[-1].endswith("works again")
            FIGURES["recoveries"] += 1


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
    assert log_lines(caplog)[1:] == ["Kitchen: works again"]
    FIGURES["recoveries"] += 1


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
