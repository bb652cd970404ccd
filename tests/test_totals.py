"""Totals of all prints, on real prints and over restarts."""

from dataclasses import replace
from functools import partial
import json
from typing import Any

import pytest
from pytest_homeassistant_custom_component.common import async_mock_restore_state_shutdown_restart

from custom_components.octoprint_tunnel.api.octoprint.print_event import PrintEvent, PrintEventType
from custom_components.octoprint_tunnel.totals import DESCRIPTIONS

from .home import Home, settle, until
from .octoprint import printing
from .octoprint.server import OctoPrintServer

BOTH_VERSIONS = pytest.mark.parametrize("octoprint_version", ["1.11", "2.0"])
KEYS = tuple(description.key for description in DESCRIPTIONS)


def totals(home: Home) -> list[float]:
    """Return prints, successful prints, hours and meters."""
    return [float(state) for state in home.states(*KEYS)]


def analyzed(octoprint: OctoPrintServer, name: str) -> bool:
    """Tell whether OctoPrint knows how much filament a file needs."""
    file: dict[str, Any] = json.loads(octoprint.request("GET", f"/api/files/local/{name}")[1])
    return "filament" in file.get("gcodeAnalysis", {})


@BOTH_VERSIONS
async def test_prints_are_counted_once(live_home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    """One that is done with all its filament, and one that is canceled with its share; also after a reload."""
    home = live_home
    assert totals(home) == [0, 0, 0, 0]
    short = printing.gcode

    def extruding(moves: int, **values: int) -> bytes:
        return b"M83\n" + short(moves, **values).replace(b" F3000", b" E10 F3000")

    monkeypatch.setattr(printing, "gcode", extruding)
    await home.press("connect")
    await home.until_state("operational")
    for name, moves in (("short.gcode", 20), ("long.gcode", 600)):
        await home.in_octoprint(printing.upload, moves, name)
        await until(partial(analyzed, home.octoprint, name))
    await home.in_octoprint(printing.begin, "short.gcode")
    await home.until_state("1", "total_prints")
    prints, successful, hours, meters = totals(home)
    assert (prints, successful, round(meters, 3)) == (1, 1, 0.2)
    assert 1 / 3600 <= hours < 60 / 3600

    await home.reload()
    assert totals(home) == [prints, successful, hours, meters]
    await until(lambda: home.runtime.live.since)
    await home.in_octoprint(printing.begin, "long.gcode")
    await home.until_state("printing")
    await until(lambda: float(home.state("print_progress").state) > 0)
    await home.press("cancel")
    await home.until_state("2", "total_prints")
    await home.refresh()
    _, successful, more_hours, more_meters = totals(home)
    assert (successful, more_hours > hours, meters < more_meters < meters + 6) == (1, True, True)
    await settle(home.hass)
    assert totals(home)[0] == 2


async def test_home_assistant_restarts(home: Home) -> None:
    """The totals go on from what Home Assistant has stored, also while OctoPrint cannot be reached."""
    printer = home.runtime.printer
    done = PrintEvent(type=PrintEventType.DONE, duration=5400, filament_length=2500)
    printer.async_set_updated_data(replace(printer.data, events=(done,)))
    assert totals(home) == [1, 1, 1.5, 2.5]
    home.relay.fail("octoeverywhere_tunnel", 601)
    await home.refresh()
    assert totals(home) == [1, 1, 1.5, 2.5]
    await async_mock_restore_state_shutdown_restart(home.hass)
    await home.reload()
    assert home.state("printing").state == "unavailable"
    assert totals(home) == [1, 1, 1.5, 2.5]


def test_amounts() -> None:
    """Hours and meters; what is not known adds nothing."""
    done = PrintEvent(type=PrintEventType.DONE, duration=1800, filament_length=2500)
    failed = PrintEvent(type=PrintEventType.FAILED)
    assert [description.amount_fn(done) for description in DESCRIPTIONS] == [1, 1, 0.5, 2.5]
    assert [description.amount_fn(failed) for description in DESCRIPTIONS] == [1, 0, 0, 0]
