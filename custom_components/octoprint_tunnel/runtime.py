"""What lives as long as a config entry is loaded."""

from dataclasses import dataclass

from homeassistant.config_entries import ConfigEntry

from .account_webhook import AccountPrinter
from .connect_choices import ConnectChoices
from .coordinator import PrinterCoordinator, TunnelCoordinator
from .detection import DetectionCoordinator
from .layers import Layers
from .live import LiveUpdates
from .notifications import Notifications
from .updates import UpdatesCoordinator
from .webcams import Webcams


@dataclass(frozen=True, kw_only=True)
class RuntimeData:
    """The parts of one printer."""

    tunnel: TunnelCoordinator
    printer: PrinterCoordinator
    detection: DetectionCoordinator | None
    """None if the service has no failure detection."""
    updates: UpdatesCoordinator
    live: LiveUpdates
    webcams: Webcams
    connect_choices: ConnectChoices
    layers: Layers
    notifications: Notifications | AccountPrinter | None
    """None if the service sends none."""


type OctoPrintTunnelConfigEntry = ConfigEntry[RuntimeData]
