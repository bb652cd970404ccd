"""The failure detection: how often it is asked, and what is logged."""

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
    """Return a printer of each service, whose polls return the state that the test sets."""

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
    """Set the state text of the printer."""
    printer: PrinterCoordinator = entry.runtime_data.printer
    printer.async_set_updated_data(replace(printer.data, connection=printer.data.connection.with_state(text)))


def asked(relay: Relay, entry: MockConfigEntry) -> int:
    """Return how often the failure detection was asked."""
    return len(relay.seen(path=PATH[entry.data["provider"]]))


async def test_flapping_printer(
    hass: HomeAssistant, freezer: FrozenDateTimeFactory, relay: Relay, watched: MockConfigEntry
) -> None:
    """It causes no more requests than a printer that prints all the time, and the last print is followed."""
    for number in range(201):
        show(watched, ("Printing", "Operational")[number % 2])
        await settle(hass)
    assert asked(relay, watched) == 1
    for number in range(240):
        show(watched, ("Operational", "Printing", "Paused")[number % 3])
        await wait(hass, freezer, 0.5)
    assert asked(relay, watched) <= 5
    show(watched, "Printing")
    before = asked(relay, watched)
    await wait(hass, freezer, 31)
    assert asked(relay, watched) == before + 1
    assert state(hass, watched, "print_failing").state == "off"


async def test_paused_print(
    hass: HomeAssistant, freezer: FrozenDateTimeFactory, relay: Relay, watched: MockConfigEntry
) -> None:
    """It is asked about once, and again when it is resumed."""
    show(watched, "Printing")
    await settle(hass)
    show(watched, "Paused")
    for _ in range(10):
        await wait(hass, freezer, 31)
    assert asked(relay, watched) == 2
    assert state(hass, watched, "print_failing").state == "off"
    show(watched, "Printing")
    await settle(hass)
    assert asked(relay, watched) == 3
    await wait(hass, freezer, 31)
    assert asked(relay, watched) == 4


@pytest.mark.parametrize(("code", "shown"), [(None, "off"), (600, "unavailable")])
async def test_requested_updates(
    hass: HomeAssistant, relay: Relay, watched: MockConfigEntry, code: int | None, shown: str
) -> None:
    """An automation that refreshes the entity all the time does not ask the service more often."""
    if code:
        relay.fail("obico_tsd", code, path=PATH["obico"])
        relay.fail("octoeverywhere_api", code, path=PATH["octoeverywhere"])
    show(watched, "Printing")
    await settle(hass)
    for _ in range(20):
        await watched.runtime_data.detection.async_refresh()
    assert asked(relay, watched) == 1
    assert state(hass, watched, "print_failing").state == shown


async def test_print_that_ends_during_a_request(hass: HomeAssistant, relay: Relay, watched: MockConfigEntry) -> None:
    """The response is not shown."""
    relay.delay("tunnel" if watched.data["provider"] == "obico" else "octoeverywhere_api", 0.3)
    relay.delay("obico_tsd", 0.3)
    show(watched, "Printing")
    await hass.async_block_till_done()
    show(watched, "Operational")
    await settle(hass)
    assert state(hass, watched, "print_failing").state == "unknown"


OCTOEVERYWHERE = pytest.mark.parametrize("chosen", ["octoeverywhere"], indirect=True)


async def print_again(hass: HomeAssistant, entry: MockConfigEntry) -> None:
    """End the print, and begin another one."""
    for text in ("Operational", "Printing"):
        show(entry, text)
        await settle(hass)


@OCTOEVERYWHERE
async def test_gadget_that_is_off_for_this_print(
    hass: HomeAssistant,
    freezer: FrozenDateTimeFactory,
    relay: Relay,
    watched: MockConfigEntry,
    connection: AppConnection,
) -> None:
    """It is not asked before the next print, also after a pause."""
    connection.apis.gadget = {"State": 1, "StatusColor": "r"}
    show(watched, "Printing")
    await settle(hass)
    for text in ("Printing", "Paused", "Printing"):
        show(watched, text)
        for _ in range(70):
            await wait(hass, freezer, 30)
    assert asked(relay, watched) == 1
    assert state(hass, watched, "print_failing").state == "off"
    await print_again(hass, watched)
    assert asked(relay, watched) == 2


@OCTOEVERYWHERE
@pytest.mark.parametrize("is_beta_only", [False, True])
async def test_gadget_that_is_off_for_the_account(
    hass: HomeAssistant,
    freezer: FrozenDateTimeFactory,
    relay: Relay,
    watched: MockConfigEntry,
    connection: AppConnection,
    is_beta_only: bool,
) -> None:
    """It is asked once in half an hour, with any number of prints."""
    connection.apis.gadget = {"State": 0}
    if is_beta_only:
        relay.fail("octoeverywhere_api", 611, path=PATH["octoeverywhere"])
    show(watched, "Printing")
    await settle(hass)
    for _ in range(29):
        await print_again(hass, watched)
        await wait(hass, freezer, 60)
    assert asked(relay, watched) == 1
    for _ in range(2):
        await wait(hass, freezer, 60)
    assert asked(relay, watched) == 2


@OCTOEVERYWHERE
async def test_gadget_that_has_paused_the_print(
    hass: HomeAssistant,
    freezer: FrozenDateTimeFactory,
    relay: Relay,
    watched: MockConfigEntry,
    connection: AppConnection,
) -> None:
    """That is a problem until the print goes on."""
    connection.apis.gadget = {"State": 4}
    show(watched, "Printing")
    await settle(hass)
    await wait(hass, freezer, 31)
    show(watched, "Paused")
    await settle(hass)
    for _ in range(10):
        await wait(hass, freezer, 31)
    assert asked(relay, watched) == 2
    assert state(hass, watched, "print_failing").state == "on"
    connection.apis.gadget = {"State": 3, "StatusColor": "g"}
    show(watched, "Printing")
    await settle(hass)
    assert state(hass, watched, "print_failing").state == "off"


@pytest.mark.parametrize("code", [600, 502])
async def test_failure_is_logged_once(
    hass: HomeAssistant,
    freezer: FrozenDateTimeFactory,
    caplog: pytest.LogCaptureFixture,
    relay: Relay,
    watched: MockConfigEntry,
    code: int,
) -> None:
    """So is its end. The entities are unavailable in between."""
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
