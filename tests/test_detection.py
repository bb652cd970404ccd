"""The failure detection: how often its service is asked, and what the log tells of it."""

from collections.abc import AsyncGenerator
from dataclasses import replace

from freezegun.api import FrozenDateTimeFactory
import pytest
from pytest_homeassistant_custom_component.common import MockConfigEntry

from custom_components.octoprint_tunnel.api.octoprint.status import PrinterStatus
from custom_components.octoprint_tunnel.coordinator import PrinterCoordinator
from homeassistant.core import HomeAssistant

from .home import entities, log_lines, settle, state, unload, wait
from .relay.octoeverywhere import AppConnection
from .relay.server import Relay

PATH = {"octoeverywhere": "/api/gadget/GetStatusFromAppConnection", "obico": "/_tsd_/prediction/"}


@pytest.fixture
async def watched(
    hass: HomeAssistant, relay: Relay, chosen: MockConfigEntry, monkeypatch: pytest.MonkeyPatch
) -> AsyncGenerator[MockConfigEntry]:
    """Return a printer behind each service, whose polls find what the test shows."""

    async def known(printer: PrinterCoordinator) -> PrinterStatus:
        return printer.data

    chosen.add_to_hass(hass)
    assert await hass.config_entries.async_setup(chosen.entry_id)
    await settle(hass)
    monkeypatch.setattr(PrinterCoordinator, "_async_fetch", known)
    relay.clear()
    yield chosen
    await unload(hass, chosen)


def show(entry: MockConfigEntry, text: str) -> None:
    """Let OctoPrint tell a state."""
    printer: PrinterCoordinator = entry.runtime_data.printer
    printer.async_set_updated_data(replace(printer.data, connection=printer.data.connection.with_state(text)))


def asked(relay: Relay, entry: MockConfigEntry) -> int:
    """Return how often the service was asked."""
    return len(relay.seen(path=PATH[entry.data["provider"]]))


async def test_printer_that_begins_and_ends_prints_all_the_time(
    hass: HomeAssistant, freezer: FrozenDateTimeFactory, relay: Relay, watched: MockConfigEntry
) -> None:
    """The service is asked every ten seconds at the most, and the last print is followed."""
    for number in range(201):
        show(watched, ("Printing", "Operational")[number % 2])
        await settle(hass)
    assert asked(relay, watched) == 1
    for number in range(120):
        show(watched, ("Operational", "Printing")[number % 2])
        await wait(hass, freezer, 0.5)
    assert asked(relay, watched) <= 7
    before = asked(relay, watched)
    await wait(hass, freezer, 12)
    await wait(hass, freezer, 31)
    assert before < asked(relay, watched) <= before + 2
    assert state(hass, watched, "print_failing").state == "off"


async def test_updates_that_are_asked_for(hass: HomeAssistant, relay: Relay, watched: MockConfigEntry) -> None:
    """An automation that refreshes the entity all the time asks no more often, and shows what is known."""
    show(watched, "Printing")
    await settle(hass)
    for _ in range(20):
        await watched.runtime_data.detection.async_refresh()
    assert asked(relay, watched) == 1
    assert state(hass, watched, "print_failing").state == "off"


async def test_updates_that_are_asked_for_after_a_failure(
    hass: HomeAssistant, relay: Relay, watched: MockConfigEntry
) -> None:
    """They ask no more often either, and the entities stay unavailable."""
    relay.fail("obico_tsd", 600, path=PATH["obico"])
    relay.fail("octoeverywhere_api", 600, path=PATH["octoeverywhere"])
    show(watched, "Printing")
    await settle(hass)
    for _ in range(20):
        await watched.runtime_data.detection.async_refresh()
    assert asked(relay, watched) == 1
    assert state(hass, watched, "print_failing").state == "unavailable"


async def test_print_that_ends_while_the_service_is_asked(
    hass: HomeAssistant, relay: Relay, watched: MockConfigEntry
) -> None:
    """What it answers is not shown any more."""
    relay.delay("tunnel" if watched.data["provider"] == "obico" else "octoeverywhere_api", 0.3)
    relay.delay("obico_tsd", 0.3)
    show(watched, "Printing")
    await hass.async_block_till_done()
    show(watched, "Operational")
    await settle(hass)
    assert state(hass, watched, "print_failing").state == "unknown"


@pytest.mark.parametrize("gadget", [0, 1])
@pytest.mark.parametrize("chosen", ["octoeverywhere"], indirect=True)
async def test_gadget_that_is_switched_off(
    hass: HomeAssistant,
    freezer: FrozenDateTimeFactory,
    relay: Relay,
    watched: MockConfigEntry,
    connection: AppConnection,
    gadget: int,
) -> None:
    """It is asked seldom, as its service wants it, and at once with the next print."""
    connection.apis.gadget = {"State": gadget}
    show(watched, "Printing")
    await settle(hass)
    for _ in range(50):
        await wait(hass, freezer, 30)
    assert asked(relay, watched) == 1
    show(watched, "Operational")
    await settle(hass)
    show(watched, "Printing")
    await settle(hass)
    assert asked(relay, watched) == 2


@pytest.mark.parametrize("code", [600, 502])
async def test_failure_is_told_once(
    hass: HomeAssistant,
    freezer: FrozenDateTimeFactory,
    caplog: pytest.LogCaptureFixture,
    relay: Relay,
    watched: MockConfigEntry,
    code: int,
) -> None:
    """And its end once; the entities are unavailable meanwhile."""
    relay.fail("obico_tsd", code, path=PATH["obico"])
    relay.fail("octoeverywhere_api", code, path=PATH["octoeverywhere"])
    show(watched, "Printing")
    await settle(hass)
    for _ in range(5):
        await wait(hass, freezer, 31)
    assert state(hass, watched, "print_failing").state == "unavailable"
    [line] = log_lines(caplog)
    assert line.startswith("Kitchen: failure detection: ")
    relay.heal()
    await wait(hass, freezer, 31)
    assert state(hass, watched, "print_failing").state == "off"
    assert log_lines(caplog)[1:] == ["Kitchen: works again"]
    assert "print_failing" in entities(hass, watched)
