"""The duration of a reading when the local network has failed, compared with a normal one."""

from collections.abc import Iterator
from statistics import median
import time

import pytest
from pytest_homeassistant_custom_component.common import MockConfigEntry

from homeassistant.core import HomeAssistant
from tests.home import settle, state
from tests.relay.server import Relay

TIMES = 10

type Rows = list[tuple[str, float]]


@pytest.fixture(scope="module")
def rows() -> Iterator[Rows]:
    """Collect the lines and print the table."""
    rows: Rows = []
    yield rows
    [usual] = [seconds for what, seconds in rows if what == "local network works"]
    print("\n\nOne reading of the printer, median of some\n\n| | ms | ratio |\n|---|--:|--:|")
    for what, seconds in rows:
        print(f"| {what} | {seconds * 1000:.0f} | {seconds / usual:.1f} |")


@pytest.mark.parametrize("trouble", [None, "drops connections", "answers nothing"])
async def bench_fail_over(
    hass: HomeAssistant, relay: Relay, entry: MockConfigEntry, rows: Rows, trouble: str | None
) -> None:
    """Cut the local network, and read."""
    entry.add_to_hass(hass)
    hass.config_entries.async_update_entry(entry, options={**entry.options, "local_url": relay.local.url})
    assert await hass.config_entries.async_setup(entry.entry_id)
    await settle(hass)
    printer = entry.runtime_data.printer
    seconds: list[float] = []
    for _ in range(TIMES if trouble != "answers nothing" else 1):
        # As after a minute: the address must be verified again, and no failure is known.
        printer.router.candidates.clear()
        await printer.async_refresh()
        assert state(hass, entry, "active_route").state == "local"
        printer.router.candidates[0].verified_at = None
        if trouble == "drops connections":
            relay.drop("local")
        elif trouble == "answers nothing":
            relay.delay("local", 60)
        started = time.perf_counter()
        await printer.async_refresh()
        seconds.append(time.perf_counter() - started)
        assert state(hass, entry, "active_route").state == ("tunnel" if trouble else "local")
        relay.heal()
    rows.append((f"local network {trouble}, tunnel takes over" if trouble else "local network works", median(seconds)))
