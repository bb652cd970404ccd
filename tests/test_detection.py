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


@pytest.fixture(params=PATH)
def chosen(request: pytest.FixtureRequest, entries: dict[str, MockConfigEntry]) -> MockConfigEntry:
    """Return an entry of each service that has a failure detection."""
    return entries[request.param]


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


async def test_many_short_prints(
    hass: HomeAssistant, freezer: FrozenDateTimeFactory, relay: Relay, watched: MockConfigEntry
) -> None:
    """The service is asked at most every ten seconds, and the last print is followed."""
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


@pytest.mark.parametrize("gadget", [0, 1])
@pytest.mark.parametrize("chosen", ["octoeverywhere"], indirect=True)
async def test_disabled_gadget(
    hass: HomeAssistant,
    freezer: FrozenDateTimeFactory,
    relay: Relay,
    watched: MockConfigEntry,
    connection: AppConnection,
    gadget: int,
) -> None:
    """It is asked rarely, and again when the next print starts."""
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
