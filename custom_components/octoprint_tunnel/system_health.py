"""System information about all printers together."""

from collections.abc import Iterable
from typing import Any

from homeassistant.components.system_health import SystemHealthRegistration, async_check_can_reach_url
from homeassistant.core import HomeAssistant, callback

from .api.sizes import format_size
from .api.transport.router import Way
from .api.transport.traffic import Traffic
from .api.tunnels import TUNNELS, tunnel_from_data
from .const import DOMAIN
from .runtime import OctoPrintTunnelConfigEntry, RuntimeData


@callback
def async_register(hass: HomeAssistant, register: SystemHealthRegistration) -> None:
    """Register the information."""
    register.async_register_info(async_system_health_info)


async def async_system_health_info(hass: HomeAssistant) -> dict[str, Any]:
    """Return the information by the keys of its texts."""
    entries: list[OctoPrintTunnelConfigEntry] = hass.config_entries.async_loaded_entries(DOMAIN)
    printers = [entry.runtime_data for entry in entries]
    ways = [runtime.printer.router.way for runtime in printers]
    local = [runtime.printer.router.traffic[Way.LOCAL] for runtime in printers]
    tunnels = [runtime.printer.router.traffic[Way.TUNNEL] for runtime in printers]
    return {
        **{f"reach_{provider}": _reach(hass, servers) for provider, servers in _servers_in_use(hass).items()},
        "printers": len(printers),
        "on_local_network": ways.count(Way.LOCAL),
        "through_tunnel": ways.count(Way.TUNNEL),
        "live_updates": sum(runtime.live.since is not None for runtime in printers),
        "notifications": sum(_has_notifications(runtime) for runtime in printers),
        "local_traffic": _sum(local),
        "tunnel_traffic": _sum(tunnels),
        "last_error": _last_error([*local, *tunnels, *(runtime.tunnel.service.api.traffic for runtime in printers)]),
    }


def _servers_in_use(hass: HomeAssistant) -> dict[str, set[str]]:
    """Return the servers of each service that a printer uses, whether or not its entry is loaded."""
    entries = hass.config_entries.async_entries(DOMAIN, include_ignore=False, include_disabled=False)
    tunnels = [tunnel_from_data(entry.data) for entry in entries]
    used = {tunnel.provider for tunnel in tunnels}
    return {
        provider: {tunnel.server for tunnel in tunnels if tunnel.provider == provider}
        for provider in TUNNELS
        if provider in used
    }


async def _reach(hass: HomeAssistant, servers: Iterable[str]) -> str | dict[str, str]:
    """Return "ok" if each server of a service can be reached, else the first error."""
    results = [await async_check_can_reach_url(hass, server) for server in servers]
    return next((result for result in results if result != "ok"), "ok")


def _has_notifications(runtime: RuntimeData) -> bool:
    """Tell whether the service's notifications are registered for, and a delivery has shown that they arrive."""
    notifications = runtime.notifications
    return notifications is not None and notifications.registration.is_verified


def _sum(traffic: Iterable[Traffic]) -> str:
    counted = list(traffic)
    received = format_size(sum(each.bytes_received for each in counted), digits=3)
    return f"{sum(each.requests for each in counted)} requests, {received} received"


def _last_error(traffic: Iterable[Traffic]) -> str:
    errors = [(each.last_error_at, each.last_error) for each in traffic if each.last_error_at]
    if not errors:
        return "-"
    when, error = max(errors)
    return f"{when:%Y-%m-%d %H:%M:%S} UTC: {error}"
