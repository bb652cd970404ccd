"""The start of Home Assistant does not wait for printers that respond late."""

from collections.abc import Iterator

import pytest

from custom_components import octoprint_tunnel
from custom_components.octoprint_tunnel.const import DOMAIN
from homeassistant.config_entries import ConfigEntryState
from homeassistant.core import CoreState
from homeassistant.setup import async_setup_component

from .home import Home, settle, until

pytestmark = pytest.mark.parametrize("provider", ["octoeverywhere"])


@pytest.fixture
def starting(new_live_home: Home, monkeypatch: pytest.MonkeyPatch) -> Iterator[Home]:
    """Return Home Assistant while it starts."""
    monkeypatch.setattr(octoprint_tunnel, "START_WAIT", 0.05)
    new_live_home.hass.set_state(CoreState.not_running)
    yield new_live_home
    new_live_home.relay.heal()
    new_live_home.hass.set_state(CoreState.running)


async def test_a_printer_that_does_not_respond(starting: Home) -> None:
    """It is set up while its requests still wait; its entities become available when it responds."""
    home = starting
    for where in ("tunnel", "octoeverywhere_api"):
        home.relay.delay(where, 60)
    assert await async_setup_component(home.hass, DOMAIN, {})
    assert home.entry.state is ConfigEntryState.LOADED
    assert None in [exchange.status for exchange in home.relay.requests]
    assert home.states("printer_state", "connect", "octoprint_online") == ("unavailable", "unavailable", "unknown")
    assert home.states("tunnel_status", "active_route") == ("unknown", "unknown")
    home.relay.heal()
    await home.until_state("offline")
    await until(lambda: home.runtime.webcams.data.is_current)
    await settle(home.hass)
    assert home.states("tunnel_status", "active_route", "octoprint_online") == ("ok", "tunnel", "on")


async def test_a_printer_that_responds_at_once(starting: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its entities are available from the beginning."""
    monkeypatch.setattr(octoprint_tunnel, "START_WAIT", 30)
    assert await async_setup_component(starting.hass, DOMAIN, {})
    assert starting.states("printer_state", "tunnel_status", "active_route") == ("offline", "ok", "tunnel")


async def test_unload_before_the_first_reading(starting: Home) -> None:
    """Nothing goes on."""
    starting.relay.delay("tunnel", 60)
    assert await async_setup_component(starting.hass, DOMAIN, {})
    assert await starting.hass.config_entries.async_unload(starting.entry.entry_id)
    assert not [task for task in starting.hass._background_tasks if "Kitchen" in repr(task)]


async def test_a_printer_that_is_added(new_live_home: Home) -> None:
    """Later, its set-up waits, so that the entities have their values when the dialog ends."""
    new_live_home.relay.delay("tunnel", 0.2)
    await new_live_home.set_up()
    assert new_live_home.state("printer_state").state == "offline"
    await until(lambda: not new_live_home.hass._tasks)
