"""A house with many printers on few OctoPrints: half through each service, half with live updates."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import cycle
import json

from pytest_homeassistant_custom_component.common import MockConfigEntry

from custom_components.octoprint_tunnel.const import DOMAIN
from homeassistant.core import HomeAssistant
from tests.home import entities, states
from tests.octoprint.server import OctoPrintServer
from tests.relay.printer import Printer
from tests.relay.server import Relay

POLL = 3  # seconds
CHANGING = (
    *("tunnel_usage", "tunnel_usage_reset", "tunnel_usage_left", "tunnel_usage_forecast", "tunnel_usage_own"),
    *("print_progress", "print_time_elapsed", "print_started", "print_event"),
    *("total_prints", "total_successful_prints", "total_print_time", "total_filament"),
)
"""What may differ after the faults.

The usage grows, the month ends, and a hostile response may report a print, which is counted and kept as the last one.
"""
STATES = {"Operational": "operational", "Offline": "offline", "Closed": "offline"}


@dataclass(frozen=True, kw_only=True)
class Home:
    """One printer in Home Assistant, and its OctoPrint."""

    entry: MockConfigEntry
    host: str
    """The host of its tunnel."""
    octoprint: OctoPrintServer
    live: bool

    def wrong(self, hass: HomeAssistant, truth: str) -> list[str]:
        """Return what is wrong if this is the printer's state."""
        keys = ("tunnel_status", "octoprint_online", "printer_state", "active_route")
        found = dict(zip(keys, states(hass, self.entry, *keys), strict=True))
        right = dict(zip(keys, ("ok", "on", truth, "tunnel"), strict=True))
        if self.live:
            found["socket"], right["socket"] = str(self.entry.runtime_data.live.since is not None), "True"
        title = self.entry.title
        return [f"{title}: {key} is {found[key]}, not {right[key]}" for key in right if found[key] != right[key]]

    def readings(self, hass: HomeAssistant) -> dict[str, str]:
        """Return the state of every entity that has the same state again after the faults."""
        found = {key: hass.states.get(entity_id) for key, entity_id in entities(hass, self.entry).items()}
        return {key: state.state for key, state in found.items() if state and key not in CHANGING}


async def build(relay: Relay, octoprints: Sequence[OctoPrintServer], number: int) -> list[Home]:
    """Return so many printers, whose entries are not yet added; the first eight are all different."""
    homes = []
    for index, octoprint in zip(range(number), cycle(octoprint for octoprint in octoprints for _ in range(4))):
        obico, live = index % 2 == 1, index % 4 >= 2
        printer = Printer(url=octoprint.url, name=f"Printer {index}", api_key=octoprint.api_key)
        if obico:
            tunnel = await relay.obico.add_tunnel(printer)
            host, data = tunnel.host, {"provider": "obico", "server_url": "https://app.obico.io"}
            data |= {"url": tunnel.url, "username": tunnel.user, "password": tunnel.password}
        else:
            connection = relay.octoeverywhere.add_connection(printer)
            host, data = connection.host, {"provider": "octoeverywhere", "connection_id": connection.id}
            data |= {"url": connection.url, "username": connection.user, "password": connection.password}
            data |= {"app_token": connection.app_token}
        entry = MockConfigEntry(
            domain=DOMAIN,
            title=printer.name,
            unique_id=f"{octoprint.uuid}-{index}",
            data={**data, "api_key": octoprint.api_key, "instance_uuid": octoprint.uuid},
            options={"live_updates": live, "poll_interval": POLL},
        )
        homes.append(Home(entry=entry, host=host, octoprint=octoprint, live=live))
    return homes


def truth_of(octoprint: OctoPrintServer) -> str | None:
    """Return the state of the printer that OctoPrint reports, None while it changes."""
    _, body = octoprint.request("GET", "/api/connection", headers={"X-Locale": "en"})
    return STATES.get(json.loads(body)["current"]["state"])
