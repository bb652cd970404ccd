"""The variants: this integration on each route, with and without live updates, and Home Assistant's `octoprint`."""

from dataclasses import dataclass
from typing import Any

from pytest_homeassistant_custom_component.common import MockConfigEntry
from yarl import URL

from custom_components.octoprint_tunnel.const import DOMAIN
from homeassistant.core import HomeAssistant
from homeassistant.helpers import entity_registry as er
from tests.home import entities
from tests.octoprint.server import OctoPrintServer

from .remote import RemoteRelay, Stage


@dataclass(frozen=True, kw_only=True)
class Variant:
    """One way to set a printer up in Home Assistant."""

    name: str
    service: str | None = None
    """None for Home Assistant's own integration."""
    live: bool = False
    local: bool = False
    https: bool = True
    """Whether the connection is encrypted, as to a tunnel."""

    async def add(
        self, hass: HomeAssistant, relay: RemoteRelay, octoprint: OctoPrintServer, number: int = 0
    ) -> MockConfigEntry:
        """Add a config entry, not yet set up; the number distinguishes entries of the same printer."""
        # One OctoPrint is many printers; the local network is verified with its own instance id.
        unique_id = f"{octoprint.uuid}-{self.name}-{number}"
        if self.service is None:
            entry = MockConfigEntry(
                domain="octoprint", unique_id=unique_id, title="OctoPrint", data=self._own_data(relay, octoprint)
            )
        else:
            data = await self._tunnel_data(relay)
            data |= {"provider": self.service, "api_key": octoprint.api_key, "instance_uuid": octoprint.uuid}
            options: dict[str, Any] = {"live_updates": self.live, "local_access": self.local}
            if self.local:
                options["local_url"] = relay.local_url
            entry = MockConfigEntry(domain=DOMAIN, unique_id=unique_id, title="OctoPrint", data=data, options=options)
        entry.add_to_hass(hass)
        return entry

    async def _tunnel_data(self, relay: RemoteRelay) -> dict[str, Any]:
        if self.service == "obico":
            tunnel = await relay.call_aside(Stage.add_tunnel)
            return {
                "url": tunnel.url,
                "username": tunnel.user,
                "password": tunnel.password,
                "server_url": "https://app.obico.io",
            }
        connection = await relay.call_aside(Stage.add_connection)
        return {
            "url": connection.url,
            "username": connection.user,
            "password": connection.password,
            "app_token": connection.app_token,
            "connection_id": connection.id,
        }

    def _own_data(self, relay: RemoteRelay, octoprint: OctoPrintServer) -> dict[str, Any]:
        """Return the data of an entry of the `octoprint` integration."""
        url = URL(relay.local_tls_url if self.https else relay.local_url)
        return {
            "username": octoprint.username,
            "host": url.host,
            "port": url.port,
            "path": "/",
            "ssl": self.https,
            "verify_ssl": False,
            "api_key": octoprint.api_key,
        }

    def state_entity(self, hass: HomeAssistant, entry: MockConfigEntry) -> str:
        """Return the entity that shows the printer's state."""
        if self.service is not None:
            return entities(hass, entry)["printer_state"]
        [found] = [
            item.entity_id
            for item in er.async_entries_for_config_entry(er.async_get(hass), entry.entry_id)
            if item.unique_id.startswith("Current State-")
        ]
        return found


OWN = Variant(name="Home Assistant's `octoprint`", https=False)
OWN_HTTPS = Variant(name="Home Assistant's `octoprint`, https")
VARIANTS = (
    Variant(name="OctoEverywhere, live", service="octoeverywhere", live=True),
    Variant(name="OctoEverywhere, polling", service="octoeverywhere"),
    Variant(name="Obico, live", service="obico", live=True),
    Variant(name="Obico, polling", service="obico"),
    Variant(name="local network, live", service="octoeverywhere", live=True, local=True, https=False),
    Variant(name="local network, polling", service="octoeverywhere", local=True, https=False),
    OWN,
    OWN_HTTPS,
)
