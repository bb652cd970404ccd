"""System information."""

import json
from pathlib import Path
from typing import Any

from pytest_homeassistant_custom_component.common import MockConfigEntry

from custom_components import octoprint_tunnel
from custom_components.octoprint_tunnel.const import DOMAIN
from homeassistant.components.system_health import get_info
from homeassistant.core import HomeAssistant
from homeassistant.setup import async_setup_component

from .home import listening, settle, unload
from .relay.server import Relay


async def information(hass: HomeAssistant) -> dict[str, Any]:
    """Return the system information of the integration."""
    assert await async_setup_component(hass, "system_health", {})
    assert await async_setup_component(hass, DOMAIN, {})
    return dict((await get_info(hass))[DOMAIN])


async def test_no_printer(hass: HomeAssistant, relay: Relay) -> None:
    """Without a printer no service is asked."""
    assert await information(hass) == {
        "printers": 0,
        "on_local_network": 0,
        "through_tunnel": 0,
        "live_updates": 0,
        "notifications": 0,
        "local_traffic": "0 requests, 0.000 MiB received",
        "tunnel_traffic": "0 requests, 0.000 MiB received",
        "last_error": "-",
    }
    assert not relay.requests


async def test_with_printers(
    hass: HomeAssistant, relay: Relay, entry: MockConfigEntry, obico_entry: MockConfigEntry
) -> None:
    """Printers, routes, live updates and traffic are counted."""
    obico_entry.add_to_hass(hass)
    assert await hass.config_entries.async_setup(obico_entry.entry_id)
    await listening(hass, entry)
    await settle(hass)
    found = await information(hass)
    texts = json.loads((Path(octoprint_tunnel.__file__).parent / "translations" / "en.json").read_text("utf-8"))
    assert found.keys() == texts["system_health"]["info"].keys()
    assert (found["reach_octoeverywhere"], found["reach_obico"]) == ("ok", "ok")
    assert (found["printers"], found["through_tunnel"], found["on_local_network"]) == (2, 2, 0)
    assert found["live_updates"] == 1
    traffic = [each.runtime_data.printer.router.traffic["tunnel"] for each in (entry, obico_entry)]
    requests, received = sum(each.requests for each in traffic), sum(each.bytes_received for each in traffic)
    assert requests == sum(exchange.service.matches("tunnel") for exchange in relay.requests)
    assert received > 10_000  # the push socket's greeting alone has more
    assert found["tunnel_traffic"] == f"{requests} requests, {received / 1024**2:.3f} MiB received"
    assert found["local_traffic"] == "0 requests, 0.000 MiB received"
    await unload(hass, entry)


async def test_while_nothing_works(hass: HomeAssistant, relay: Relay, loaded: MockConfigEntry) -> None:
    """It shows the last error with its time, and which service cannot be reached."""
    relay.fail("tunnel", 602)
    await loaded.runtime_data.printer.async_refresh()
    found = await information(hass)
    assert found["last_error"].endswith(" UTC: timed_out 602")
    assert found["through_tunnel"] == 0
    relay.drop("octoeverywhere_portal")
    assert (await information(hass))["reach_octoeverywhere"] == "Failed: unreachable"


async def test_only_services_in_use_are_asked(hass: HomeAssistant, relay: Relay, obico_entry: MockConfigEntry) -> None:
    """A service is asked if any printer uses it, also one that is not loaded."""
    obico_entry.add_to_hass(hass)
    found = await information(hass)
    assert found["reach_obico"] == "ok"
    assert "reach_octoeverywhere" not in found
    assert {exchange.service.value.partition("_")[0] for exchange in relay.requests} == {"obico"}
