"""Binary sensors of the connection, the printer's state and the failure detection."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, override

from homeassistant.components.binary_sensor import (
    BinarySensorDeviceClass,
    BinarySensorEntity,
    BinarySensorEntityDescription,
)
from homeassistant.core import HomeAssistant
from homeassistant.helpers.entity_platform import AddConfigEntryEntitiesCallback
from homeassistant.helpers.update_coordinator import DataUpdateCoordinator

from .api.octoprint.connection import ERRORS, PrinterState
from .api.octoprint.printer_error import PrinterError
from .coordinator import PrinterCoordinator, TunnelCoordinator
from .detection import DetectionCoordinator
from .entity import OctoPrintTunnelEntity
from .runtime import OctoPrintTunnelConfigEntry

PARALLEL_UPDATES = 0


@dataclass(frozen=True, kw_only=True)
class OctoPrintTunnelBinarySensorDescription[CoordinatorT](BinarySensorEntityDescription):
    """Describes a binary sensor; `always_available` also while its coordinator fails."""

    is_on_fn: Callable[[CoordinatorT], bool | None]
    attributes_fn: Callable[[CoordinatorT], Mapping[str, Any] | None] = lambda _: None
    always_available: bool = False


def _error_attributes(error: PrinterError | None) -> Mapping[str, Any] | None:
    if error is None:
        return None
    return {
        "error": error.text,
        "reason": error.reason,
        "consequence": error.consequence,
        "faq_url": error.faq_url,
    }


TUNNEL_DESCRIPTIONS = (
    OctoPrintTunnelBinarySensorDescription[TunnelCoordinator](
        key="octoprint_online",
        translation_key="octoprint_online",
        device_class=BinarySensorDeviceClass.CONNECTIVITY,
        is_on_fn=lambda tunnel: tunnel.data.online,
        always_available=True,
    ),
)

PRINTER_DESCRIPTIONS = (
    OctoPrintTunnelBinarySensorDescription[PrinterCoordinator](
        key="printer_connected",
        translation_key="printer_connected",
        device_class=BinarySensorDeviceClass.CONNECTIVITY,
        is_on_fn=lambda printer: printer.data.state.is_connected,
    ),
    OctoPrintTunnelBinarySensorDescription[PrinterCoordinator](
        key="printing",
        translation_key="printing",
        is_on_fn=lambda printer: printer.data.state.is_active,
    ),
    OctoPrintTunnelBinarySensorDescription[PrinterCoordinator](
        key="paused",
        translation_key="paused",
        is_on_fn=lambda printer: printer.data.state in (PrinterState.PAUSING, PrinterState.PAUSED),
    ),
    OctoPrintTunnelBinarySensorDescription[PrinterCoordinator](
        key="error",
        translation_key="error",
        device_class=BinarySensorDeviceClass.PROBLEM,
        is_on_fn=lambda printer: printer.data.state in ERRORS,
        attributes_fn=lambda printer: _error_attributes(printer.data.error) if printer.data else None,
    ),
)

DETECTION_DESCRIPTIONS = (
    OctoPrintTunnelBinarySensorDescription[DetectionCoordinator](
        key="print_failing",
        translation_key="print_failing",
        device_class=BinarySensorDeviceClass.PROBLEM,
        is_on_fn=lambda coordinator: detection.is_failing if (detection := coordinator.data) else None,
    ),
)


async def async_setup_entry(
    hass: HomeAssistant, entry: OctoPrintTunnelConfigEntry, async_add_entities: AddConfigEntryEntitiesCallback
) -> None:
    """Add the binary sensors of one printer."""
    runtime = entry.runtime_data
    keys = runtime.tunnel.service.tunnel.entity_keys
    async_add_entities(
        OctoPrintTunnelBinarySensor(entry, runtime.tunnel, description)
        for description in TUNNEL_DESCRIPTIONS
        if description.key in keys
    )
    async_add_entities(
        OctoPrintTunnelBinarySensor(entry, runtime.printer, description) for description in PRINTER_DESCRIPTIONS
    )
    if detection := runtime.detection:
        async_add_entities(
            OctoPrintTunnelBinarySensor(entry, detection, description)
            for description in DETECTION_DESCRIPTIONS
            if description.key in keys
        )


class OctoPrintTunnelBinarySensor[CoordinatorT: DataUpdateCoordinator[Any]](
    OctoPrintTunnelEntity[CoordinatorT], BinarySensorEntity
):
    """A binary sensor that reads its coordinator as its description says."""

    entity_description: OctoPrintTunnelBinarySensorDescription[CoordinatorT]

    @property
    @override
    def available(self) -> bool:
        return self.entity_description.always_available or super().available

    @property
    @override
    def is_on(self) -> bool | None:
        return self.entity_description.is_on_fn(self.coordinator)

    @property
    @override
    def extra_state_attributes(self) -> Mapping[str, Any] | None:
        return self.entity_description.attributes_fn(self.coordinator)
