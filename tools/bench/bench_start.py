"""How much later Home Assistant has started with many printers, half of which do not respond.

The time is that in which the bootstrap sets up the integration with its config entries, and then waits for the tasks
that are left. What the integration depends on is set up before. The first start also loads the modules of platforms.
The printers are one OctoPrint under several tunnels. Half of them accept connections on the local network and through
the tunnel, and never send a response.
"""

from collections.abc import Iterator
from dataclasses import dataclass
import socket
from statistics import median
import time
from typing import Final

import pytest
from pytest_homeassistant_custom_component.common import MockConfigEntry
from yarl import URL

from custom_components.octoprint_tunnel.const import DOMAIN
from homeassistant.config_entries import ConfigEntryState
from homeassistant.const import STATE_UNAVAILABLE
from homeassistant.core import CoreState, HomeAssistant
from homeassistant.setup import async_setup_component
from tests.home import state, unload, until
from tests.octoprint.server import OctoPrintServer

from .remote import RemoteRelay, Stage
from .report import Report
from .time_lapse import TimeLapse
from .variants import VARIANTS

PRINTERS: Final = 20
STARTS: Final = 3
LATER: Final = 1  # second
SERVICES: Final = [variant for variant in VARIANTS if variant.live and not variant.local]


@dataclass(frozen=True, kw_only=True)
class Start:
    """The seconds since the beginning of one start."""

    set_up: float
    available: float | None
    """When all printers that work were available; None without printers."""


@pytest.fixture(scope="module")
def starts(report: Report) -> Iterator[dict[int, list[Start]]]:
    """Collect the starts by the number of printers, and report on them."""
    starts: dict[int, list[Start]] = {}
    yield starts
    table = report.table(
        f"Start of Home Assistant, half of the printers never respond, {STARTS} times: seconds until",
        *("printers", "set up, median", "at most", "the others are available, median", "at most"),
    )
    for number, found in starts.items():
        columns = [start.set_up for start in found], [start.available for start in found if start.available]
        cells = (f"{of(column):.2f}" if column else "" for column in columns for of in (median, max))
        table.rows.append((f"{number}", *cells))
    if starts.keys() == {0, PRINTERS}:
        without, with_printers = (median(start.set_up for start in found) for found in starts.values())
        report.at_most(f"start with {PRINTERS} printers, later by", with_printers - without, LATER, "s")


@pytest.fixture
def silent_url() -> Iterator[str]:
    """Return an address that accepts connections and never sends anything."""
    with socket.create_server(("127.0.0.1", 0), backlog=1024) as listener:
        yield f"http://127.0.0.1:{listener.getsockname()[1]}"


@pytest.mark.timeout(120)
@pytest.mark.parametrize("number", [0, PRINTERS])
@pytest.mark.parametrize("attempt", range(STARTS))
async def bench_start(
    hass: HomeAssistant,
    time_lapse: TimeLapse,
    remote: RemoteRelay,
    octoprint: OctoPrintServer,
    silent_url: str,
    starts: dict[int, list[Start]],
    number: int,
    attempt: int,
) -> None:
    """Start with no printer, or with many."""
    hass.set_state(CoreState.not_running)
    assert await async_setup_component(hass, "webhook", {})
    entries = [await SERVICES[each % 2].add(hass, remote, octoprint, each) for each in range(number)]
    silent, working = entries[: number // 2], entries[number // 2 :]
    for entry in silent:
        await remote.call_aside(Stage.hang, URL(entry.data["url"]).host)
        options = entry.options | {"local_access": True, "local_url": silent_url}
        hass.config_entries.async_update_entry(entry, options=options)
    began = time.perf_counter()
    assert await async_setup_component(hass, DOMAIN, {})
    await hass.async_block_till_done()
    set_up = time.perf_counter() - began
    assert all(entry.state is ConfigEntryState.LOADED for entry in entries)
    await until(lambda: all(_is_available(hass, entry) for entry in working))
    available = time.perf_counter() - began if working else None
    assert not any(_is_available(hass, entry) for entry in silent)
    starts.setdefault(number, []).append(Start(set_up=set_up, available=available))
    await remote.call_aside(Stage.heal)
    hass.set_state(CoreState.running)
    for entry in entries:
        await unload(hass, entry)


def _is_available(hass: HomeAssistant, entry: MockConfigEntry) -> bool:
    return state(hass, entry, "printer_state").state != STATE_UNAVAILABLE
