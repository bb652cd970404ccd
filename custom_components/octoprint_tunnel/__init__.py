"""Reach OctoPrint from Home Assistant through an OctoEverywhere App Connection or an Obico tunnel."""

import re

from homeassistant.const import Platform
from homeassistant.core import HomeAssistant, callback
from homeassistant.helpers import config_validation as cv
from homeassistant.helpers.typing import ConfigType

from .api.remote_text import as_name, one_line
from .api.tunnels import tunnel_from_data
from .authorize import async_serve_redirects
from .const import DEFAULT_NAME, DOMAIN
from .coordinator import PrinterCoordinator, TunnelCoordinator
from .detection import DetectionCoordinator
from .device import async_track_device
from .live import LiveUpdates
from .notifications import Notifications, async_forget_webhook
from .options import Options
from .polling import Outage
from .repairs import async_clear_issues, async_update_issues
from .runtime import OctoPrintTunnelConfigEntry, RuntimeData
from .services import async_setup_services
from .session import async_create_session
from .webcams import Webcams

MAX_TITLE = 255  # characters
_MARKUP = re.compile(r"\]\(|://|\bwww\.|<", re.IGNORECASE)

PLATFORMS = [Platform.BINARY_SENSOR, Platform.BUTTON, Platform.CAMERA, Platform.EVENT, Platform.NUMBER, Platform.SENSOR]

CONFIG_SCHEMA = cv.config_entry_only_config_schema(DOMAIN)


async def async_setup(hass: HomeAssistant, config: ConfigType) -> bool:
    """Register the actions and the page of redirects, which are there whether or not a printer is."""
    async_setup_services(hass)
    async_serve_redirects(hass)
    return True


async def async_setup_entry(hass: HomeAssistant, entry: OctoPrintTunnelConfigEntry) -> bool:
    """Set up one printer, whether or not its OctoPrint is there now."""
    if entry.title != (title := _safe_title(entry.title)):
        hass.config_entries.async_update_entry(entry, title=title)
    options = Options.from_entry(entry)
    service = tunnel_from_data(entry.data).connect(async_create_session(hass))
    outage = Outage(entry.title)
    tunnel = TunnelCoordinator(hass, entry, outage, service)
    printer = PrinterCoordinator(hass, entry, outage, tunnel, async_create_session(hass, verify_ssl=options.verify_ssl))
    detection = None
    if service.failure_detection:
        detection = DetectionCoordinator(hass, entry, outage, service.failure_detection, printer)
    webcams = Webcams(hass, entry, service, printer)
    live = LiveUpdates(hass, entry, printer, webcams)
    entry.runtime_data = RuntimeData(tunnel=tunnel, printer=printer, detection=detection, live=live, webcams=webcams)

    @callback
    def tunnel_updated() -> None:
        printer.async_follow_tunnel()
        async_update_issues(hass, entry, tunnel)

    # Not the first refresh that fails the set-up: what is wrong is what the tunnel's entities are there to say.
    await tunnel.async_refresh()
    await printer.async_refresh()
    await webcams.async_start()
    tunnel_updated()
    async_track_device(hass, entry, tunnel, printer)
    entry.async_on_unload(tunnel.async_add_listener(tunnel_updated))
    if detection:
        entry.async_on_unload(printer.async_add_listener(detection.async_follow_printer))

    await hass.config_entries.async_forward_entry_setups(entry, PLATFORMS)
    if detection:
        detection.async_follow_printer()
    if service.notifications:
        notifications = Notifications(hass, entry, service.tunnel, service.notifications, printer.async_refresh_soon)
        entry.async_on_unload(notifications.async_start())
    if options.live_updates:
        entry.async_create_background_task(hass, live.async_run(), name=f"{entry.title} live updates")
    return True


def _safe_title(title: str) -> str:
    """Return the title of an entry as one line; titles of earlier versions may hold links in Markdown."""
    line = one_line(title, MAX_TITLE)
    return (as_name(line) if _MARKUP.search(line) else line) or DEFAULT_NAME


async def async_unload_entry(hass: HomeAssistant, entry: OctoPrintTunnelConfigEntry) -> bool:
    """Unload one printer."""
    return await hass.config_entries.async_unload_platforms(entry, PLATFORMS)


async def async_remove_entry(hass: HomeAssistant, entry: OctoPrintTunnelConfigEntry) -> None:
    """Take back what the service was asked to do for a printer that is removed."""
    async_clear_issues(hass, entry)
    await async_forget_webhook(hass, entry)
