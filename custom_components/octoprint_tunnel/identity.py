"""Which printer a connection leads to, as far as ids can tell.

No id is a secret: anyone who knows one can show it, and OctoPrint's instance id is copied along with an SD card. So an
id says which printer to ask the user about; it never authorizes a change of a config entry.
"""

from collections.abc import Mapping
from itertools import count
from typing import Any
from uuid import uuid4

from aiohttp import ClientSession

from homeassistant.config_entries import ConfigEntry, ConfigEntryState
from homeassistant.const import CONF_WEBHOOK_ID
from homeassistant.core import HomeAssistant, callback

from .api.errors import OctoPrintTunnelError
from .api.octoprint.client import OctoPrint
from .api.octoprint.server import Instance
from .api.tunnels import tunnel_from_data
from .api.tunnels.base import Tunnel
from .const import CONF_ACCOUNT_WEBHOOK_ID, CONF_DISCOVERED_URL, CONF_INSTANCE_UUID, CONF_PRINTER_ID, DOMAIN


@callback
def async_printers(hass: HomeAssistant, uuid: str | None = None) -> list[ConfigEntry]:
    """Return the config entries of all printers, or of those whose OctoPrint has this instance id."""
    entries = hass.config_entries.async_entries(DOMAIN, include_ignore=False)
    return [entry for entry in entries if uuid is None or entry.data.get(CONF_INSTANCE_UUID) == uuid]


@callback
def async_is_shared(hass: HomeAssistant, entry: ConfigEntry) -> bool:
    """Tell whether another printer has the same instance id, so that the id does not identify it."""
    uuid = entry.data.get(CONF_INSTANCE_UUID)
    return bool(uuid) and any(other.entry_id != entry.entry_id for other in async_printers(hass, uuid))


def is_same_connection(entry: ConfigEntry, tunnel: Tunnel) -> bool:
    """Tell whether a tunnel is the one that a printer uses already, perhaps with other credentials."""
    stored = tunnel_from_data(entry.data)
    return (stored.provider, stored.own_id, stored.url) == (tunnel.provider, tunnel.own_id, tunnel.url)


def looks_like(entry: ConfigEntry, tunnel: Tunnel, instance: Instance | None) -> bool:
    """Tell whether a new connection may lead to a printer that is set up.

    Instance ids decide where both are known: a service may give a freed address to another printer.
    """
    known = entry.data.get(CONF_INSTANCE_UUID)
    if instance and known:
        return bool(instance.uuid == known)
    stored = tunnel_from_data(entry.data)
    ids = (tunnel.own_id, instance.uuid if instance else tunnel.own_id)
    return stored.url == tunnel.url or stored.own_id == tunnel.own_id or entry.unique_id in ids


@callback
def async_look_alikes(hass: HomeAssistant, tunnel: Tunnel, instance: Instance | None) -> list[ConfigEntry]:
    """Return the printers that a new connection may lead to; first the one that uses this connection already."""
    alike = [entry for entry in async_printers(hass) if looks_like(entry, tunnel, instance)]
    return sorted(alike, key=lambda entry: not is_same_connection(entry, tunnel))


async def async_find_recognized(
    hass: HomeAssistant, session: ClientSession, instance: Instance | None
) -> ConfigEntry | None:
    """Return the printer that showed no instance id when it was set up, and shows this one now."""
    for entry in async_printers(hass):
        if instance is None or CONF_INSTANCE_UUID in entry.data:
            continue
        try:
            shown = await OctoPrint(tunnel_from_data(entry.data).route(session)).instance()
        except OctoPrintTunnelError:
            continue
        if shown and shown.uuid == instance.uuid:
            return entry
    return None


def kept_data(entry: ConfigEntry, data: Mapping[str, Any], tunnel: Tunnel) -> dict[str, Any]:
    """Return what stays of a printer's data when it gets new data: ids and addresses only if they still hold."""
    kept = [CONF_WEBHOOK_ID]
    stored = tunnel_from_data(entry.data)
    if (stored.provider, stored.server) == (tunnel.provider, tunnel.server):
        kept.append(CONF_ACCOUNT_WEBHOOK_ID)  # which the user has entered there
    if is_same_connection(entry, tunnel):
        kept.append(CONF_PRINTER_ID)
    uuid = data.get(CONF_INSTANCE_UUID)
    if uuid == entry.data.get(CONF_INSTANCE_UUID) or (uuid is None and is_same_connection(entry, tunnel)):
        kept += [CONF_INSTANCE_UUID, CONF_DISCOVERED_URL]
    return {name: entry.data[name] for name in kept if name in entry.data}


@callback
def async_reload_sharing(
    hass: HomeAssistant, uuid: str, entry: ConfigEntry | None, recognized: ConfigEntry | None
) -> None:
    """Reload the others with the instance id that a printer gets: it no longer proves their local addresses.

    `entry` is that printer, None where it is set up now. `recognized` shows the id, which is not in its data yet.
    """
    if entry and entry.data.get(CONF_INSTANCE_UUID) == uuid:
        return
    for other in async_printers(hass):
        if other is entry:
            continue
        if other is recognized and CONF_INSTANCE_UUID not in other.data:
            # `async_is_shared` reads the stored ids.
            hass.config_entries.async_update_entry(other, data={**other.data, CONF_INSTANCE_UUID: uuid})
        if other.data.get(CONF_INSTANCE_UUID) == uuid and other.state is ConfigEntryState.LOADED:
            hass.config_entries.async_schedule_reload(other.entry_id)


@callback
def async_free_unique_id(hass: HomeAssistant, tunnel: Tunnel, instance: Instance | None) -> str:
    """Return an id for a new config entry: OctoPrint's own, or the service's where another printer has that.

    It is the prefix of the ids of entities, so no id may begin with another one.
    """
    taken = [f"{entry.unique_id}_" for entry in hass.config_entries.async_entries(DOMAIN)]
    wanted = [tunnel.own_id, f"{tunnel.provider}_{tunnel.own_id}", uuid4().hex]
    if instance and not async_printers(hass, instance.uuid):
        wanted.insert(0, instance.uuid)
    return next(own for own in wanted if not any(_begin_alike(f"{own}_", other) for other in taken))


def _begin_alike(one: str, other: str) -> bool:
    return one.startswith(other) or other.startswith(one)


@callback
def async_free_title(hass: HomeAssistant, name: str) -> str:
    """Return a title that no other printer has: the name, or the name with a number."""
    taken = {entry.title.casefold() for entry in async_printers(hass)}
    numbered = (f"{name} {number}" for number in count(2))
    return name if name.casefold() not in taken else next(it for it in numbered if it.casefold() not in taken)
