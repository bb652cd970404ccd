"""Diagnostics that a user can attach to a report: everything but the secrets."""

from dataclasses import asdict
from typing import Any

from homeassistant.components.diagnostics import async_redact_data
from homeassistant.const import CONF_API_KEY, CONF_WEBHOOK_ID
from homeassistant.core import HomeAssistant

from .coordinator import OctoPrintTunnelConfigEntry
from .polling import RemedyCoordinator

TO_REDACT = {CONF_API_KEY, CONF_WEBHOOK_ID, "app_token", "bearer_token", "password", "username"}
"""Credentials."""

TO_HIDE = {
    "connection_id",
    "discovered_url",
    "instance_uuid",
    "local_ip",
    "local_url",
    "connectors",
    "preferred_parameters",
    "name",
    "path",
    "printer_name",
    "printer_page",
    "printer_url",
    "server_url",
    "url",
}
"""What is no key to anything, but tells who the user is or where."""


async def async_get_config_entry_diagnostics(hass: HomeAssistant, entry: OctoPrintTunnelConfigEntry) -> dict[str, Any]:
    """Return what is known about one printer."""
    tunnel, printer, live = entry.runtime_data.tunnel, entry.runtime_data.printer, entry.runtime_data.live
    return async_redact_data(
        {
            "entry": {"data": dict(entry.data), "options": dict(entry.options)},
            "tunnel": {
                **_poll(tunnel),
                "condition": tunnel.condition,
                "online": tunnel.online,
                "data": asdict(tunnel.data),
            },
            "printer": {
                **_poll(printer),
                "version": printer.version,
                "way": printer.router.way,
                "local": [asdict(candidate) for candidate in printer.router.candidates],
                "data": asdict(printer.data) if printer.data else None,
            },
            "traffic": {
                "service": asdict(tunnel.service.traffic),
                **{str(way): asdict(traffic) for way, traffic in printer.router.traffic.items()},
            },
            "live_updates": {"since": live.since, "failure": live.failure},
            "webcams": {
                key: {
                    "has_snapshot": feed.webcam.snapshot_url is not None,
                    "has_stream": feed.webcam.stream_url is not None,
                    "orientation": feed.webcam.orientation,
                    "limit": str(feed.limit) if feed.limit else None,
                }
                for key, feed in entry.runtime_data.webcams.feeds.items()
            },
        },
        TO_REDACT | TO_HIDE,
    )


def _poll(coordinator: RemedyCoordinator[Any]) -> dict[str, Any]:
    return {
        "last_update_success": coordinator.last_update_success,
        "error": str(coordinator.error) if coordinator.error else None,
        "remedy": coordinator.error.remedy if coordinator.error else None,
        "update_interval": coordinator.update_interval,
    }
