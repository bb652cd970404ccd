"""Reach OctoPrint from Home Assistant through OctoEverywhere, Obico or an address of the user's own."""

import asyncio
import re
from typing import Final

from homeassistant.const import Platform
from homeassistant.core import CoreState, HomeAssistant, callback
from homeassistant.helpers import config_validation as cv
from homeassistant.helpers.typing import ConfigType

from .account_webhook import AccountPrinter, async_forget_account_webhook
from .api.remote_text import as_name, one_line
from .api.tunnels import tunnel_from_data
from .authorize import async_serve_redirects
from .connect_choices import ConnectChoices
from .const import DEFAULT_NAME, DOMAIN
from .coordinator import PrinterCoordinator, TunnelCoordinator
from .dashboard_card import async_serve_card
from .data_meter import DataMeter, async_forget_usage
from .detection import DetectionCoordinator
from .device import async_track_device
from .layers import Layers, async_forget_layers
from .live import LiveUpdates
from .notifications import Notifications, async_forget_webhook
from .options import Options
from .polling import Outage
from .printer_id import async_learn_printer_id
from .repairs import async_clear_issues, async_update_issues
from .runtime import OctoPrintTunnelConfigEntry, RuntimeData
from .saving import async_end_saving_in_time
from .services import async_setup_services
from .session import async_create_session
from .timelapse_view import async_serve_timelapses
from .updates import UpdatesCoordinator
from .webcams import Webcams

MAX_TITLE = 255  # characters
START_WAIT: Final = 0.5  # seconds of the start of Home Assistant; most printers have been read by then
_MARKUP = re.compile(r"\]\(|://|\bwww\.|<", re.IGNORECASE)

PLATFORMS = [
    Platform.BINARY_SENSOR,
    Platform.BUTTON,
    Platform.CAMERA,
    Platform.EVENT,
    Platform.IMAGE,
    Platform.NUMBER,
    Platform.SELECT,
    Platform.SENSOR,
    Platform.UPDATE,
]

CONFIG_SCHEMA = cv.config_entry_only_config_schema(DOMAIN)


async def async_setup(hass: HomeAssistant, config: ConfigType) -> bool:
    """Register the actions, the page that authorization redirects to, the timelapses, and the dashboard card."""
    async_setup_services(hass)
    async_serve_redirects(hass)
    async_serve_timelapses(hass)
    await async_serve_card(hass)
    return True


async def async_setup_entry(hass: HomeAssistant, entry: OctoPrintTunnelConfigEntry) -> bool:
    """Set up one printer, also while its OctoPrint is off.

    The start of Home Assistant does not wait for a printer that responds late: its entities become available then.
    """
    if entry.title != (title := _safe_title(entry.title)):
        hass.config_entries.async_update_entry(entry, title=title)
    async_end_saving_in_time(hass, entry)
    runtime = entry.runtime_data = _create_runtime(hass, entry)
    await runtime.layers.async_load()
    if runtime.tunnel.meter:
        await runtime.tunnel.meter.async_load()

    # Not the first refresh that can fail the set-up: the tunnel's entities show what is wrong.
    name = f"{entry.title} first readings"
    readings = entry.async_create_background_task(hass, _async_read(runtime), name=name)
    await asyncio.wait((readings,), timeout=None if hass.state is CoreState.running else START_WAIT)
    _async_follow(hass, entry)
    if runtime.notifications:
        entry.async_on_unload(runtime.notifications.async_start())

    await hass.config_entries.async_forward_entry_setups(entry, PLATFORMS)
    runtime.updates.async_start()
    if runtime.detection:
        runtime.detection.async_follow_printer()
    if Options.from_entry(entry).live_updates:
        live = runtime.live.async_run()
        entry.async_create_background_task(hass, live, name=f"{entry.title} live updates")
    return True


async def _async_read(runtime: RuntimeData) -> None:
    """Read everything for the first time."""
    await runtime.tunnel.async_refresh()
    await runtime.printer.async_refresh()
    await runtime.webcams.async_start()


def _create_runtime(hass: HomeAssistant, entry: OctoPrintTunnelConfigEntry) -> RuntimeData:
    local_session = async_create_session(hass, verify_ssl=Options.from_entry(entry).verify_ssl)
    service = tunnel_from_data(entry.data).connect(async_create_session(hass))
    outage = Outage(entry.title)
    meter = DataMeter(hass, entry, service.octoprint.traffic) if service.tunnel.metered else None
    tunnel = TunnelCoordinator(hass, entry, outage, service, meter)
    printer = PrinterCoordinator(hass, entry, outage, tunnel, local_session)
    detection = None
    if service.failure_detection:
        detection = DetectionCoordinator(hass, entry, outage, service.failure_detection, printer)
    updates = UpdatesCoordinator(hass, entry, outage, tunnel, printer)
    webcams = Webcams(hass, entry, service, printer)
    notifications: Notifications | AccountPrinter | None = None
    if service.account_notifications:
        notifications = AccountPrinter(hass, entry, service.account_notifications, printer)
    elif service.notifications:
        notifications = Notifications(
            hass,
            entry,
            service.tunnel,
            service.notifications,
            printer,
            update_listeners=tunnel.async_update_listeners,
        )
    return RuntimeData(
        tunnel=tunnel,
        printer=printer,
        detection=detection,
        updates=updates,
        live=LiveUpdates(hass, entry, printer, webcams, updates),
        webcams=webcams,
        connect_choices=ConnectChoices(),
        layers=Layers(hass, entry, printer),
        notifications=notifications,
    )


@callback
def _async_follow(hass: HomeAssistant, entry: OctoPrintTunnelConfigEntry) -> None:
    """Let the coordinators follow each other, and the issues and the device follow the coordinators."""
    runtime = entry.runtime_data

    @callback
    def update_issues() -> None:
        async_update_issues(hass, entry, runtime.tunnel, runtime.printer, runtime.updates)

    @callback
    def follow_tunnel() -> None:
        runtime.printer.async_follow_tunnel()
        update_issues()

    @callback
    def follow_printer() -> None:
        runtime.updates.async_follow_printer()
        update_issues()

    follow_tunnel()
    follow_printer()
    entry.async_on_unload(runtime.tunnel.async_add_listener(follow_tunnel))
    entry.async_on_unload(runtime.printer.async_add_listener(follow_printer))
    async_track_device(hass, entry, runtime.tunnel, runtime.printer)
    entry.async_on_unload(runtime.printer.async_add_listener(runtime.layers.async_follow_printer))
    async_learn_printer_id(hass, entry, runtime.tunnel.service, runtime.printer)
    if runtime.detection:
        entry.async_on_unload(runtime.printer.async_add_listener(runtime.detection.async_follow_printer))


def _safe_title(title: str) -> str:
    """Return the title of an entry as one line. Titles of earlier versions may contain links in Markdown."""
    line = one_line(title, MAX_TITLE)
    return (as_name(line) if _MARKUP.search(line) else line) or DEFAULT_NAME


async def async_unload_entry(hass: HomeAssistant, entry: OctoPrintTunnelConfigEntry) -> bool:
    """Unload one printer."""
    meter = entry.runtime_data.tunnel.meter
    is_unloaded = await hass.config_entries.async_unload_platforms(entry, PLATFORMS)
    if is_unloaded and meter:
        await meter.async_save()
    return is_unloaded


async def async_remove_entry(hass: HomeAssistant, entry: OctoPrintTunnelConfigEntry) -> None:
    """End the notifications, and delete the issues and the stored data of a printer that is removed."""
    async_clear_issues(hass, entry)
    await async_forget_layers(hass, entry)
    await async_forget_usage(hass, entry)
    await async_forget_webhook(hass, entry)
    await async_forget_account_webhook(hass, entry)
