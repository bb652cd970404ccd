"""Sensors: the tunnel's condition, limits and usage, the printer's connection, its job and its temperatures."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, override

from homeassistant.components.sensor import SensorDeviceClass, SensorEntity, SensorEntityDescription, SensorStateClass
from homeassistant.const import (
    MAX_LENGTH_STATE_STATE,
    EntityCategory,
    UnitOfInformation,
    UnitOfRatio,
    UnitOfTemperature,
    UnitOfTime,
)
from homeassistant.core import HomeAssistant
from homeassistant.helpers.entity_platform import AddConfigEntryEntitiesCallback
from homeassistant.helpers.update_coordinator import CoordinatorEntity

from .api.errors import Condition
from .api.octoprint.connection import PrinterState
from .api.octoprint.heaters import heater_kind
from .api.transport.router import Way
from .api.tunnels.app_apis import Gadget, GadgetState
from .api.tunnels.base import Tunnel
from .api.tunnels.obico import Obico
from .api.tunnels.octoeverywhere import OctoEverywhere
from .coordinator import PrinterCoordinator, TunnelCoordinator
from .detection import DetectionCoordinator
from .entity import (
    DetectionEntity,
    PrinterEntity,
    TunnelEntity,
    add_as_they_come,
    add_when_present,
    heater_placeholders,
)
from .runtime import OctoPrintTunnelConfigEntry

PARALLEL_UPDATES = 0

type Value = str | float | datetime | None


@dataclass(frozen=True, kw_only=True)
class SensorDescription[CoordinatorT](SensorEntityDescription):
    """Describes a sensor: what it reads of its coordinator, and whether also while that has nothing new to tell."""

    value_fn: Callable[[CoordinatorT], Value]
    attributes_fn: Callable[[CoordinatorT], Mapping[str, Any] | None] = lambda _: None
    always_available: bool = False


@dataclass(frozen=True, kw_only=True)
class TunnelSensorDescription(SensorDescription[TunnelCoordinator]):
    """Describes a sensor of the tunnel; `service` is the only one that has it, None where all do."""

    entity_category: EntityCategory | None = EntityCategory.DIAGNOSTIC
    service: type[Tunnel] | None = None


@dataclass(frozen=True, kw_only=True)
class DetectionSensorDescription(SensorDescription[DetectionCoordinator]):
    """Describes a sensor of a service's failure detection."""

    service: type[Tunnel]


@dataclass(frozen=True, kw_only=True)
class PrinterSensorDescription(SensorDescription[PrinterCoordinator]):
    """Describes a sensor of the printer; `has_fn` tells whether this OctoPrint has what it is about."""

    has_fn: Callable[[PrinterCoordinator], bool] = lambda _: True


TUNNEL_DESCRIPTIONS = (
    TunnelSensorDescription(
        key="tunnel_status",
        translation_key="tunnel_status",
        device_class=SensorDeviceClass.ENUM,
        options=[condition.value for condition in Condition],
        value_fn=lambda tunnel: tunnel.data.condition,
        always_available=True,
    ),
    TunnelSensorDescription(
        key="last_connected",
        translation_key="last_connected",
        device_class=SensorDeviceClass.TIMESTAMP,
        service=OctoEverywhere,
        value_fn=lambda tunnel: tunnel.data.status.last_connected,
    ),
    TunnelSensorDescription(
        key="last_disconnected",
        translation_key="last_disconnected",
        device_class=SensorDeviceClass.TIMESTAMP,
        service=OctoEverywhere,
        value_fn=lambda tunnel: tunnel.data.status.last_disconnected,
    ),
    TunnelSensorDescription(
        key="max_download_size",
        translation_key="max_download_size",
        device_class=SensorDeviceClass.DATA_SIZE,
        native_unit_of_measurement=UnitOfInformation.BYTES,
        suggested_unit_of_measurement=UnitOfInformation.MEGABYTES,
        suggested_display_precision=0,
        service=OctoEverywhere,
        value_fn=lambda tunnel: tunnel.data.status.limits.max_download,
    ),
    TunnelSensorDescription(
        key="max_upload_size",
        translation_key="max_upload_size",
        device_class=SensorDeviceClass.DATA_SIZE,
        native_unit_of_measurement=UnitOfInformation.BYTES,
        suggested_unit_of_measurement=UnitOfInformation.MEGABYTES,
        suggested_display_precision=0,
        service=OctoEverywhere,
        value_fn=lambda tunnel: tunnel.data.status.limits.max_upload,
    ),
    TunnelSensorDescription(
        key="max_webcam_stream",
        translation_key="max_webcam_stream",
        device_class=SensorDeviceClass.DURATION,
        native_unit_of_measurement=UnitOfTime.SECONDS,
        suggested_display_precision=0,
        service=OctoEverywhere,
        value_fn=lambda tunnel: tunnel.data.status.limits.max_webcam_stream,
    ),
    TunnelSensorDescription(
        key="tunnel_usage",
        translation_key="tunnel_usage",
        device_class=SensorDeviceClass.DATA_SIZE,
        state_class=SensorStateClass.TOTAL_INCREASING,
        native_unit_of_measurement=UnitOfInformation.BYTES,
        suggested_unit_of_measurement=UnitOfInformation.MEGABYTES,
        suggested_display_precision=1,
        service=Obico,
        value_fn=lambda tunnel: usage.total if (usage := tunnel.data.status.usage) else None,
    ),
    TunnelSensorDescription(
        key="tunnel_usage_cap",
        translation_key="tunnel_usage_cap",
        device_class=SensorDeviceClass.DATA_SIZE,
        native_unit_of_measurement=UnitOfInformation.BYTES,
        suggested_unit_of_measurement=UnitOfInformation.MEGABYTES,
        suggested_display_precision=0,
        service=Obico,
        value_fn=lambda tunnel: usage.cap if (usage := tunnel.data.status.usage) else None,
        attributes_fn=lambda tunnel: {"unlimited": usage.is_unlimited} if (usage := tunnel.data.status.usage) else None,
    ),
    TunnelSensorDescription(
        key="tunnel_usage_reset",
        translation_key="tunnel_usage_reset",
        device_class=SensorDeviceClass.TIMESTAMP,
        service=Obico,
        value_fn=lambda tunnel: usage.reset if (usage := tunnel.data.status.usage) else None,
    ),
)

PRINTER_DESCRIPTIONS = (
    PrinterSensorDescription(
        key="active_route",
        translation_key="active_route",
        entity_category=EntityCategory.DIAGNOSTIC,
        device_class=SensorDeviceClass.ENUM,
        options=[way.value for way in Way],
        value_fn=lambda printer: printer.data.way if printer.last_update_success else Way.NONE,
        always_available=True,
    ),
    PrinterSensorDescription(
        key="printer_state",
        translation_key="printer_state",
        device_class=SensorDeviceClass.ENUM,
        options=[state.value for state in PrinterState],
        value_fn=lambda printer: printer.data.state,
        attributes_fn=lambda printer: {
            "state_text": printer.data.connection.state_text,
            "error": printer.data.connection.error,
        },
    ),
    PrinterSensorDescription(
        key="port",
        translation_key="port",
        entity_category=EntityCategory.DIAGNOSTIC,
        value_fn=lambda printer: printer.data.connection.port,
    ),
    PrinterSensorDescription(
        key="baudrate",
        translation_key="baudrate",
        entity_category=EntityCategory.DIAGNOSTIC,
        native_unit_of_measurement="baud",
        value_fn=lambda printer: printer.data.connection.baudrate,
    ),
    PrinterSensorDescription(
        key="connector",
        translation_key="connector",
        entity_category=EntityCategory.DIAGNOSTIC,
        has_fn=lambda printer: printer.data is not None and printer.data.connection.has_connectors,
        value_fn=lambda printer: printer.data.connection.connector,
    ),
    PrinterSensorDescription(
        key="printer_profile",
        translation_key="printer_profile",
        entity_category=EntityCategory.DIAGNOSTIC,
        value_fn=lambda printer: printer.data.connection.profile_name,
    ),
    PrinterSensorDescription(
        key="print_progress",
        translation_key="print_progress",
        native_unit_of_measurement=UnitOfRatio.PERCENTAGE,
        state_class=SensorStateClass.MEASUREMENT,
        suggested_display_precision=1,
        value_fn=lambda printer: job.progress if (job := printer.data.job) else None,
    ),
    PrinterSensorDescription(
        key="print_file",
        translation_key="print_file",
        value_fn=lambda printer: job.name if (job := printer.data.job) else None,
        attributes_fn=lambda printer: {"path": job.path} if (job := printer.data.job) else None,
    ),
    PrinterSensorDescription(
        key="print_file_size",
        translation_key="print_file_size",
        entity_category=EntityCategory.DIAGNOSTIC,
        entity_registry_enabled_default=False,
        device_class=SensorDeviceClass.DATA_SIZE,
        native_unit_of_measurement=UnitOfInformation.BYTES,
        suggested_unit_of_measurement=UnitOfInformation.MEGABYTES,
        suggested_display_precision=1,
        value_fn=lambda printer: job.size if (job := printer.data.job) else None,
    ),
    PrinterSensorDescription(
        key="print_time_elapsed",
        translation_key="print_time_elapsed",
        device_class=SensorDeviceClass.DURATION,
        native_unit_of_measurement=UnitOfTime.SECONDS,
        suggested_unit_of_measurement=UnitOfTime.MINUTES,
        suggested_display_precision=0,
        value_fn=lambda printer: job.elapsed if (job := printer.data.job) else None,
    ),
    PrinterSensorDescription(
        key="print_time_left",
        translation_key="print_time_left",
        device_class=SensorDeviceClass.DURATION,
        native_unit_of_measurement=UnitOfTime.SECONDS,
        suggested_unit_of_measurement=UnitOfTime.MINUTES,
        suggested_display_precision=0,
        value_fn=lambda printer: job.left if (job := printer.data.job) else None,
    ),
    PrinterSensorDescription(
        key="print_finish",
        translation_key="print_finish",
        device_class=SensorDeviceClass.TIMESTAMP,
        value_fn=lambda printer: job.finishes_at if (job := printer.data.job) else None,
    ),
    PrinterSensorDescription(
        key="print_started",
        translation_key="print_started",
        device_class=SensorDeviceClass.TIMESTAMP,
        value_fn=lambda printer: job.started_at if (job := printer.data.job) else None,
    ),
)

DETECTION_DESCRIPTIONS = (
    DetectionSensorDescription(
        key="gadget_state",
        translation_key="gadget_state",
        device_class=SensorDeviceClass.ENUM,
        options=[state.value for state in GadgetState],
        service=OctoEverywhere,
        value_fn=lambda detection: gadget.state if (gadget := _gadget(detection)) else None,
    ),
    DetectionSensorDescription(
        key="gadget_rating",
        translation_key="gadget_rating",
        state_class=SensorStateClass.MEASUREMENT,
        service=OctoEverywhere,
        value_fn=lambda detection: gadget.rating if (gadget := _gadget(detection)) else None,
    ),
    DetectionSensorDescription(
        key="gadget_status",
        translation_key="gadget_status",
        service=OctoEverywhere,
        value_fn=lambda detection: gadget.status if (gadget := _gadget(detection)) else None,
    ),
    DetectionSensorDescription(
        key="failure_probability",
        translation_key="failure_probability",
        native_unit_of_measurement=UnitOfRatio.PERCENTAGE,
        state_class=SensorStateClass.MEASUREMENT,
        suggested_display_precision=0,
        service=Obico,
        value_fn=lambda detection: _percent(detection.data.failure_probability) if detection.data else None,
    ),
)


def _gadget(detection: DetectionCoordinator) -> Gadget | None:
    return detection.data.gadget if detection.data else None


def _percent(share: float | None) -> float | None:
    return None if share is None else share * 100


def heater_descriptions(printer: PrinterCoordinator) -> list[PrinterSensorDescription]:
    """Describe two sensors for each heater that the printer reports."""
    return [
        PrinterSensorDescription(
            key=f"{name}_{which}_temperature",
            translation_key=f"{heater_kind(name)}_{which}_temperature",
            translation_placeholders=heater_placeholders(name),
            device_class=SensorDeviceClass.TEMPERATURE,
            native_unit_of_measurement=UnitOfTemperature.CELSIUS,
            state_class=SensorStateClass.MEASUREMENT,
            suggested_display_precision=1,
            entity_registry_enabled_default=which == "actual",  # a target is what its number shows, too
            value_fn=value_fn(name),
        )
        for name in (printer.data.heaters if printer.data else ())
        for which, value_fn in (("actual", _actual), ("target", _target))
    ]


def _actual(name: str) -> Callable[[PrinterCoordinator], float | None]:
    return lambda printer: heater.actual if (heater := printer.data.heaters.get(name)) else None


def _target(name: str) -> Callable[[PrinterCoordinator], float | None]:
    return lambda printer: heater.target if (heater := printer.data.heaters.get(name)) else None


async def async_setup_entry(
    hass: HomeAssistant, entry: OctoPrintTunnelConfigEntry, async_add_entities: AddConfigEntryEntitiesCallback
) -> None:
    """Add the sensors of one printer."""
    tunnel = entry.runtime_data.tunnel.tunnel
    async_add_entities(
        TunnelSensor(entry, description)
        for description in TUNNEL_DESCRIPTIONS
        if description.service is None or isinstance(tunnel, description.service)
    )
    async_add_entities(
        DetectionSensor(entry, description)
        for description in DETECTION_DESCRIPTIONS
        if isinstance(tunnel, description.service)
    )
    add_when_present(entry, async_add_entities, PRINTER_DESCRIPTIONS, PrinterSensor)
    add_as_they_come(entry, async_add_entities, entry.runtime_data.printer, heater_descriptions, PrinterSensor)


class CoordinatorSensor[CoordinatorT: TunnelCoordinator | PrinterCoordinator | DetectionCoordinator](
    CoordinatorEntity[CoordinatorT], SensorEntity
):
    """A sensor that reads its coordinator as its description says."""

    entity_description: SensorDescription[CoordinatorT]

    @property
    @override
    def available(self) -> bool:
        return self.entity_description.always_available or super().available

    @property
    @override
    def native_value(self) -> Value:
        value = self.entity_description.value_fn(self.coordinator)
        return value[:MAX_LENGTH_STATE_STATE] if isinstance(value, str) else value

    @property
    @override
    def extra_state_attributes(self) -> Mapping[str, Any] | None:
        return self.entity_description.attributes_fn(self.coordinator)


class TunnelSensor(TunnelEntity, CoordinatorSensor[TunnelCoordinator]):
    """A sensor of the tunnel."""


class PrinterSensor(PrinterEntity, CoordinatorSensor[PrinterCoordinator]):
    """A sensor of the printer."""


class DetectionSensor(DetectionEntity, CoordinatorSensor[DetectionCoordinator]):
    """A sensor of a service's failure detection."""
