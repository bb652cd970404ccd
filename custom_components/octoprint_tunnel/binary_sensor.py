"""Binary sensors: is OctoPrint there, is the printer connected to it, does it print."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import override

from homeassistant.components.binary_sensor import (
    BinarySensorDeviceClass,
    BinarySensorEntity,
    BinarySensorEntityDescription,
)
from homeassistant.core import HomeAssistant
from homeassistant.helpers.entity_platform import AddConfigEntryEntitiesCallback

from .api.octoprint.connection import PrinterState
from .api.octoprint.status import PrinterStatus
from .coordinator import TunnelCoordinator
from .entity import DetectionEntity, PrinterEntity, TunnelEntity
from .runtime import OctoPrintTunnelConfigEntry

PARALLEL_UPDATES = 0


@dataclass(frozen=True, kw_only=True)
class TunnelBinarySensorDescription(BinarySensorEntityDescription):
    """Describes a binary sensor of the tunnel."""

    is_on_fn: Callable[[TunnelCoordinator], bool | None]


@dataclass(frozen=True, kw_only=True)
class PrinterBinarySensorDescription(BinarySensorEntityDescription):
    """Describes a binary sensor of the printer."""

    is_on_fn: Callable[[PrinterStatus], bool]


TUNNEL_DESCRIPTIONS = (
    TunnelBinarySensorDescription(
        key="octoprint_online",
        translation_key="octoprint_online",
        device_class=BinarySensorDeviceClass.CONNECTIVITY,
        is_on_fn=lambda tunnel: tunnel.data.online,
    ),
)

PRINTER_DESCRIPTIONS = (
    PrinterBinarySensorDescription(
        key="printer_connected",
        translation_key="printer_connected",
        device_class=BinarySensorDeviceClass.CONNECTIVITY,
        is_on_fn=lambda printer: printer.state.is_connected,
    ),
    PrinterBinarySensorDescription(
        key="printing",
        translation_key="printing",
        device_class=BinarySensorDeviceClass.RUNNING,
        is_on_fn=lambda printer: printer.state.is_active,
    ),
    PrinterBinarySensorDescription(
        key="paused",
        translation_key="paused",
        is_on_fn=lambda printer: printer.state in (PrinterState.PAUSING, PrinterState.PAUSED),
    ),
    PrinterBinarySensorDescription(
        key="error",
        translation_key="error",
        device_class=BinarySensorDeviceClass.PROBLEM,
        is_on_fn=lambda printer: printer.state in (PrinterState.ERROR, PrinterState.OFFLINE_AFTER_ERROR),
    ),
)

DETECTION_DESCRIPTION = BinarySensorEntityDescription(
    key="print_failing", translation_key="print_failing", device_class=BinarySensorDeviceClass.PROBLEM
)


async def async_setup_entry(
    hass: HomeAssistant, entry: OctoPrintTunnelConfigEntry, async_add_entities: AddConfigEntryEntitiesCallback
) -> None:
    """Add the binary sensors of one printer."""
    async_add_entities(
        [
            *(TunnelBinarySensor(entry, description) for description in TUNNEL_DESCRIPTIONS),
            *(PrinterBinarySensor(entry, description) for description in PRINTER_DESCRIPTIONS),
            DetectionBinarySensor(entry, DETECTION_DESCRIPTION),
        ]
    )


class TunnelBinarySensor(TunnelEntity, BinarySensorEntity):
    """A binary sensor of the tunnel; always available, for it tells what is wrong."""

    entity_description: TunnelBinarySensorDescription

    @property
    @override
    def available(self) -> bool:
        return True

    @property
    @override
    def is_on(self) -> bool | None:
        return self.entity_description.is_on_fn(self.coordinator)


class PrinterBinarySensor(PrinterEntity, BinarySensorEntity):
    """A binary sensor of the printer."""

    entity_description: PrinterBinarySensorDescription

    @property
    @override
    def is_on(self) -> bool:
        return self.entity_description.is_on_fn(self.coordinator.data)


class DetectionBinarySensor(DetectionEntity, BinarySensorEntity):
    """Tells whether the service takes the print for failing."""

    @property
    @override
    def is_on(self) -> bool | None:
        return self.coordinator.data.is_failing if self.coordinator.data else None
