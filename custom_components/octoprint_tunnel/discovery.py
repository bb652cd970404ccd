"""Where a printer that is set up announces itself on the local network."""

from yarl import URL

from homeassistant.config_entries import ConfigEntry, ConfigEntryState
from homeassistant.core import HomeAssistant
from homeassistant.helpers.service_info.zeroconf import ZeroconfServiceInfo

from .api.transport.addresses import private_addresses
from .const import CONF_DISCOVERED_URL
from .identity import async_is_shared, async_printers
from .runtime import OctoPrintTunnelConfigEntry


async def async_store_announced_address(hass: HomeAssistant, announcement: ZeroconfServiceInfo) -> None:
    """Store the announced address for the printer with the announced instance id."""
    uuid = announcement.properties.get("uuid")
    addresses = private_addresses(announcement.host, [announcement.port or 80])
    for entry in async_printers(hass, uuid.lower()) if uuid else []:
        if addresses and not async_is_shared(hass, entry):
            url = str(addresses[0].with_path(announcement.properties.get("path") or "/")).rstrip("/")
            if not await _is_stored_one_good(entry, url):
                _store(hass, entry, url)


async def _is_stored_one_good(entry: OctoPrintTunnelConfigEntry, announced: str) -> bool:
    """Tell whether the stored address works: any device can announce another one."""
    stored = entry.data.get(CONF_DISCOVERED_URL)
    if stored in (None, announced) or entry.state is not ConfigEntryState.LOADED:
        return False
    return await entry.runtime_data.printer.router.local_address() == URL(stored)


def _store(hass: HomeAssistant, entry: ConfigEntry, url: str) -> None:
    if hass.config_entries.async_get_entry(entry.entry_id):  # it may have been removed meanwhile
        hass.config_entries.async_update_entry(entry, data={**entry.data, CONF_DISCOVERED_URL: url})
