"""Sensors of the tunnel, the printer, its job and temperatures, all its prints, and the failure detection."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any, override

from homeassistant.components.sensor import SensorDeviceClass, SensorEntity, SensorEntityDescription, SensorStateClass
from homeassistant.const import (
    MAX_LENGTH_STATE_STATE,
    EntityCategory,
    UnitOfInformation,
    UnitOfLength,
    UnitOfMass,
    UnitOfRatio,
    UnitOfTemperature,
    UnitOfTime,
    UnitOfVolume,
)
from homeassistant.core import HomeAssistant
from homeassistant.helpers.entity_platform import AddConfigEntryEntitiesCallback
from homeassistant.helpers.update_coordinator import DataUpdateCoordinator

from .api.errors import Condition
from .api.octoprint.connection import PrinterState
from .api.octoprint.filament import Filament
from .api.octoprint.heaters import heater_kind
from .api.octoprint.job import Job
from .api.transport.router import Way
from .api.tunnels.models import DetectionState
from .coordinator import PrinterCoordinator, TunnelCoordinator
from .detection import DetectionCoordinator
from .entity import OctoPrintTunnelEntity, async_add_when_available, heater_placeholders
from .runtime import OctoPrintTunnelConfigEntry
from .totals import DESCRIPTIONS as TOTAL_DESCRIPTIONS, TotalSensor

PARALLEL_UPDATES = 0
FIRST_TOOL = "tool0"

type Value = str | float | datetime | None


@dataclass(frozen=True, kw_only=True)
class OctoPrintTunnelSensorDescription[CoordinatorT](SensorEntityDescription):
    """Describes a sensor; `always_available` also while its coordinator fails."""

    value_fn: Callable[[CoordinatorT], Value]
    attributes_fn: Callable[[CoordinatorT], Mapping[str, Any] | None] = lambda _: None
    available_fn: Callable[[CoordinatorT], bool] = lambda _: True
    always_available: bool = False


@dataclass(frozen=True, kw_only=True)
class TunnelSensorDescription(OctoPrintTunnelSensorDescription[TunnelCoordinator]):
    """Describes a sensor of the tunnel."""

    entity_category: EntityCategory | None = EntityCategory.DIAGNOSTIC


type PrinterSensorDescription = OctoPrintTunnelSensorDescription[PrinterCoordinator]


@dataclass(frozen=True, kw_only=True)
class FilamentSensorDescription(OctoPrintTunnelSensorDescription[PrinterCoordinator]):
    """Describes an amount of the filament that a print needs of a tool; `is_basic` amounts always have a sensor."""

    value_fn: Callable[[PrinterCoordinator], Value] = lambda _: None
    amount_fn: Callable[[Filament], float | None]
    is_basic: bool = True

    def for_tool(self, tool: str) -> FilamentSensorDescription:
        """Return this description for a tool; that of a further tool is off at first, and has its name in the key."""
        is_first = tool == FIRST_TOOL
        return replace(
            self,
            key=self.key if is_first else f"{tool}_{self.key}",
            translation_placeholders=heater_placeholders(tool),
            entity_registry_enabled_default=is_first and self.entity_registry_enabled_default,
            value_fn=lambda printer: self.amount(printer.data.job, tool),
        )

    def amount(self, job: Job | None, tool: str) -> float | None:
        """Return what a print needs of a tool, None if that is not known."""
        filament = job.filament.get(tool) if job else None
        return self.amount_fn(filament) if filament else None


def _rounded(size: float | None) -> float | None:
    """Return a forecast in steps of 100 kB, so that it does not change all the time."""
    return None if size is None else round(size, -5)


def _data_use(printer: PrinterCoordinator) -> Mapping[str, Any] | None:
    """Return what the data autopilot does; None if nothing is limited."""
    if (month := printer.month) is None:
        return None
    return {"data_use": month.use, "slowdown": round(month.slowdown, 1)}


def _way(printer: PrinterCoordinator) -> Way | None:
    """Return the way to OctoPrint, None before anything was tried."""
    if printer.last_update_success:
        return printer.data.way
    return None if printer.is_first else Way.NONE


TUNNEL_DESCRIPTIONS = (
    TunnelSensorDescription(
        key="tunnel_status",
        translation_key="tunnel_status",
        device_class=SensorDeviceClass.ENUM,
        options=[condition.value for condition in Condition],
        value_fn=lambda tunnel: None if tunnel.is_first else tunnel.data.condition,
        always_available=True,
    ),
    TunnelSensorDescription(
        key="last_connected",
        translation_key="last_connected",
        entity_registry_enabled_default=False,
        device_class=SensorDeviceClass.TIMESTAMP,
        value_fn=lambda tunnel: tunnel.data.status.last_connected,
    ),
    TunnelSensorDescription(
        key="last_disconnected",
        translation_key="last_disconnected",
        entity_registry_enabled_default=False,
        device_class=SensorDeviceClass.TIMESTAMP,
        value_fn=lambda tunnel: tunnel.data.status.last_disconnected,
    ),
    TunnelSensorDescription(
        key="max_download_size",
        translation_key="max_download_size",
        entity_registry_enabled_default=False,
        device_class=SensorDeviceClass.DATA_SIZE,
        native_unit_of_measurement=UnitOfInformation.BYTES,
        suggested_unit_of_measurement=UnitOfInformation.MEBIBYTES,
        suggested_display_precision=0,
        value_fn=lambda tunnel: tunnel.data.status.limits.max_download,
    ),
    TunnelSensorDescription(
        key="max_upload_size",
        translation_key="max_upload_size",
        entity_registry_enabled_default=False,
        device_class=SensorDeviceClass.DATA_SIZE,
        native_unit_of_measurement=UnitOfInformation.BYTES,
        suggested_unit_of_measurement=UnitOfInformation.MEBIBYTES,
        suggested_display_precision=0,
        value_fn=lambda tunnel: tunnel.data.status.limits.max_upload,
    ),
    TunnelSensorDescription(
        key="max_webcam_stream",
        translation_key="max_webcam_stream",
        entity_registry_enabled_default=False,
        device_class=SensorDeviceClass.DURATION,
        native_unit_of_measurement=UnitOfTime.SECONDS,
        suggested_unit_of_measurement=UnitOfTime.MINUTES,
        suggested_display_precision=0,
        value_fn=lambda tunnel: tunnel.data.status.limits.max_webcam_stream,
    ),
    TunnelSensorDescription(
        key="tunnel_usage",
        translation_key="tunnel_usage",
        device_class=SensorDeviceClass.DATA_SIZE,
        state_class=SensorStateClass.TOTAL_INCREASING,
        native_unit_of_measurement=UnitOfInformation.BYTES,
        suggested_unit_of_measurement=UnitOfInformation.MEBIBYTES,
        suggested_display_precision=1,
        value_fn=lambda tunnel: usage.total if (usage := tunnel.data.status.usage) else None,
    ),
    TunnelSensorDescription(
        key="tunnel_usage_cap",
        translation_key="tunnel_usage_cap",
        device_class=SensorDeviceClass.DATA_SIZE,
        native_unit_of_measurement=UnitOfInformation.BYTES,
        suggested_unit_of_measurement=UnitOfInformation.MEBIBYTES,
        suggested_display_precision=0,
        value_fn=lambda tunnel: usage.cap if (usage := tunnel.data.status.usage) else None,
        attributes_fn=lambda tunnel: {"unlimited": usage.is_unlimited} if (usage := tunnel.data.status.usage) else None,
    ),
    TunnelSensorDescription(
        key="tunnel_usage_reset",
        translation_key="tunnel_usage_reset",
        device_class=SensorDeviceClass.TIMESTAMP,
        value_fn=lambda tunnel: usage.reset if (usage := tunnel.data.status.usage) else None,
    ),
    TunnelSensorDescription(
        key="tunnel_usage_left",
        translation_key="tunnel_usage_left",
        device_class=SensorDeviceClass.DATA_SIZE,
        state_class=SensorStateClass.MEASUREMENT,
        native_unit_of_measurement=UnitOfInformation.BYTES,
        suggested_unit_of_measurement=UnitOfInformation.MEBIBYTES,
        suggested_display_precision=1,
        value_fn=lambda tunnel: month.left if (month := tunnel.data.month) else None,
    ),
    TunnelSensorDescription(
        key="tunnel_usage_forecast",
        translation_key="tunnel_usage_forecast",
        device_class=SensorDeviceClass.DATA_SIZE,
        state_class=SensorStateClass.MEASUREMENT,
        native_unit_of_measurement=UnitOfInformation.BYTES,
        suggested_unit_of_measurement=UnitOfInformation.MEBIBYTES,
        suggested_display_precision=0,
        value_fn=lambda tunnel: _rounded(month.forecast) if (month := tunnel.data.month) else None,
    ),
    TunnelSensorDescription(
        key="tunnel_usage_own",
        translation_key="tunnel_usage_own",
        entity_registry_enabled_default=False,
        device_class=SensorDeviceClass.DATA_SIZE,
        state_class=SensorStateClass.TOTAL_INCREASING,
        native_unit_of_measurement=UnitOfInformation.BYTES,
        suggested_unit_of_measurement=UnitOfInformation.MEBIBYTES,
        suggested_display_precision=1,
        value_fn=lambda tunnel: tunnel.data.own,
    ),
)

PRINTER_DESCRIPTIONS = (
    OctoPrintTunnelSensorDescription[PrinterCoordinator](
        key="active_route",
        translation_key="active_route",
        entity_category=EntityCategory.DIAGNOSTIC,
        device_class=SensorDeviceClass.ENUM,
        options=[way.value for way in Way],
        value_fn=_way,
        attributes_fn=_data_use,
        always_available=True,
    ),
    OctoPrintTunnelSensorDescription[PrinterCoordinator](
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
    OctoPrintTunnelSensorDescription[PrinterCoordinator](
        key="port",
        translation_key="port",
        entity_category=EntityCategory.DIAGNOSTIC,
        entity_registry_enabled_default=False,
        value_fn=lambda printer: printer.data.connection.port,
    ),
    OctoPrintTunnelSensorDescription[PrinterCoordinator](
        key="baudrate",
        translation_key="baudrate",
        entity_category=EntityCategory.DIAGNOSTIC,
        entity_registry_enabled_default=False,
        native_unit_of_measurement="baud",
        value_fn=lambda printer: printer.data.connection.baudrate,
    ),
    OctoPrintTunnelSensorDescription[PrinterCoordinator](
        key="connector",
        translation_key="connector",
        entity_category=EntityCategory.DIAGNOSTIC,
        entity_registry_enabled_default=False,
        available_fn=lambda printer: printer.data is not None and printer.data.connection.has_connectors,
        value_fn=lambda printer: printer.data.connection.connector,
    ),
    OctoPrintTunnelSensorDescription[PrinterCoordinator](
        key="printer_profile",
        translation_key="printer_profile",
        entity_registry_enabled_default=False,
        entity_category=EntityCategory.DIAGNOSTIC,
        value_fn=lambda printer: printer.data.connection.profile_name,
    ),
    OctoPrintTunnelSensorDescription[PrinterCoordinator](
        key="print_progress",
        translation_key="print_progress",
        native_unit_of_measurement=UnitOfRatio.PERCENTAGE,
        state_class=SensorStateClass.MEASUREMENT,
        suggested_display_precision=1,
        value_fn=lambda printer: job.progress if (job := printer.data.job) else None,
    ),
    OctoPrintTunnelSensorDescription[PrinterCoordinator](
        key="print_file",
        translation_key="print_file",
        value_fn=lambda printer: job.name if (job := printer.data.job) else None,
        attributes_fn=lambda printer: {"path": job.path} if (job := printer.data.job) else None,
    ),
    OctoPrintTunnelSensorDescription[PrinterCoordinator](
        key="print_file_size",
        translation_key="print_file_size",
        entity_category=EntityCategory.DIAGNOSTIC,
        entity_registry_enabled_default=False,
        device_class=SensorDeviceClass.DATA_SIZE,
        native_unit_of_measurement=UnitOfInformation.BYTES,
        suggested_unit_of_measurement=UnitOfInformation.MEBIBYTES,
        suggested_display_precision=1,
        value_fn=lambda printer: job.size if (job := printer.data.job) else None,
    ),
    OctoPrintTunnelSensorDescription[PrinterCoordinator](
        key="print_time_elapsed",
        translation_key="print_time_elapsed",
        device_class=SensorDeviceClass.DURATION,
        native_unit_of_measurement=UnitOfTime.SECONDS,
        suggested_unit_of_measurement=UnitOfTime.MINUTES,
        suggested_display_precision=0,
        value_fn=lambda printer: job.elapsed if (job := printer.data.job) else None,
    ),
    OctoPrintTunnelSensorDescription[PrinterCoordinator](
        key="print_time_left",
        translation_key="print_time_left",
        device_class=SensorDeviceClass.DURATION,
        native_unit_of_measurement=UnitOfTime.SECONDS,
        suggested_unit_of_measurement=UnitOfTime.MINUTES,
        suggested_display_precision=0,
        value_fn=lambda printer: job.left if (job := printer.data.job) else None,
        attributes_fn=lambda printer: _estimate(job) if (job := printer.data.job) else None,
    ),
    OctoPrintTunnelSensorDescription[PrinterCoordinator](
        key="print_finish",
        translation_key="print_finish",
        device_class=SensorDeviceClass.TIMESTAMP,
        value_fn=lambda printer: job.finishes_at if (job := printer.data.job) else None,
    ),
    OctoPrintTunnelSensorDescription[PrinterCoordinator](
        key="print_started",
        translation_key="print_started",
        device_class=SensorDeviceClass.TIMESTAMP,
        value_fn=lambda printer: job.started_at if (job := printer.data.job) else None,
    ),
    OctoPrintTunnelSensorDescription[PrinterCoordinator](
        key="layer",
        translation_key="layer",
        state_class=SensorStateClass.MEASUREMENT,
        value_fn=lambda printer: layer.number if (layer := printer.data.layer) else None,
    ),
    OctoPrintTunnelSensorDescription[PrinterCoordinator](
        key="layers",
        translation_key="layers",
        suggested_display_precision=0,
        value_fn=lambda printer: layer.count if (layer := printer.data.layer) else None,
    ),
    OctoPrintTunnelSensorDescription[PrinterCoordinator](
        key="height",
        translation_key="height",
        device_class=SensorDeviceClass.DISTANCE,
        state_class=SensorStateClass.MEASUREMENT,
        native_unit_of_measurement=UnitOfLength.MILLIMETERS,
        suggested_unit_of_measurement=UnitOfLength.MILLIMETERS,  # also where lengths are in inches
        suggested_display_precision=2,
        value_fn=lambda printer: layer.height if (layer := printer.data.layer) else None,
    ),
    OctoPrintTunnelSensorDescription[PrinterCoordinator](
        key="prompt",
        translation_key="prompt",
        value_fn=lambda printer: prompt.text if (prompt := printer.data.prompt) else None,
        attributes_fn=lambda printer: {"choices": list(prompt.choices)} if (prompt := printer.data.prompt) else None,
    ),
)

FILAMENT_DESCRIPTIONS = (
    FilamentSensorDescription(
        key="filament_length",
        translation_key="filament_length",
        device_class=SensorDeviceClass.DISTANCE,
        native_unit_of_measurement=UnitOfLength.MILLIMETERS,
        suggested_unit_of_measurement=UnitOfLength.METERS,
        suggested_display_precision=2,
        amount_fn=lambda filament: filament.length,
    ),
    FilamentSensorDescription(
        key="filament_volume",
        translation_key="filament_volume",
        entity_registry_enabled_default=False,
        device_class=SensorDeviceClass.VOLUME,
        native_unit_of_measurement=UnitOfVolume.MILLILITERS,
        suggested_display_precision=1,
        amount_fn=lambda filament: filament.volume,
    ),
    FilamentSensorDescription(
        key="filament_weight",
        translation_key="filament_weight",
        device_class=SensorDeviceClass.WEIGHT,
        native_unit_of_measurement=UnitOfMass.GRAMS,
        suggested_display_precision=1,
        amount_fn=lambda filament: filament.weight,
        is_basic=False,
    ),
)

DETECTION_DESCRIPTIONS = (
    OctoPrintTunnelSensorDescription[DetectionCoordinator](
        key="gadget_state",
        translation_key="gadget_state",
        device_class=SensorDeviceClass.ENUM,
        options=[state.value for state in DetectionState],
        value_fn=lambda coordinator: detection.state if (detection := coordinator.data) else None,
    ),
    OctoPrintTunnelSensorDescription[DetectionCoordinator](
        key="gadget_rating",
        translation_key="gadget_rating",
        entity_registry_enabled_default=False,
        state_class=SensorStateClass.MEASUREMENT,
        value_fn=lambda coordinator: detection.rating if (detection := coordinator.data) else None,
    ),
    OctoPrintTunnelSensorDescription[DetectionCoordinator](
        key="gadget_status",
        translation_key="gadget_status",
        entity_category=EntityCategory.DIAGNOSTIC,
        value_fn=lambda coordinator: detection.status if (detection := coordinator.data) else None,
    ),
    OctoPrintTunnelSensorDescription[DetectionCoordinator](
        key="failure_probability",
        translation_key="failure_probability",
        entity_category=EntityCategory.DIAGNOSTIC,
        native_unit_of_measurement=UnitOfRatio.PERCENTAGE,
        state_class=SensorStateClass.MEASUREMENT,
        suggested_display_precision=0,
        value_fn=lambda detection: _percent(detection.data.failure_probability) if detection.data else None,
    ),
)


def _percent(share: float | None) -> float | None:
    return None if share is None else round(share * 100, 1)


def printer_descriptions(printer: PrinterCoordinator) -> list[PrinterSensorDescription]:
    """Return the descriptions of what this OctoPrint and its printer have."""
    available = [description for description in PRINTER_DESCRIPTIONS if description.available_fn(printer)]
    return [*available, *filament_descriptions(printer), *heater_descriptions(printer)]


def filament_descriptions(printer: PrinterCoordinator) -> list[PrinterSensorDescription]:
    """Return the descriptions of what is known of each tool's filament; of the first tool also before it is known."""
    job = printer.data.job if printer.data else None
    return [
        description.for_tool(tool)
        for tool in sorted({FIRST_TOOL, *(job.filament if job else ())})
        for description in FILAMENT_DESCRIPTIONS
        if (tool == FIRST_TOOL and description.is_basic) or description.amount(job, tool) is not None
    ]


def _estimate(job: Job) -> Mapping[str, Any]:
    """Return how long the whole print takes by the analysis of its file, and what its time left is based on."""
    return {
        "estimated_print_time": job.estimate,
        "based_on": None if job.left is None else job.left_origin,
    }


def heater_descriptions(printer: PrinterCoordinator) -> list[PrinterSensorDescription]:
    """Return two descriptions for each heater that the printer reports."""
    return [
        OctoPrintTunnelSensorDescription[PrinterCoordinator](
            key=f"{name}_{which}_temperature",
            translation_key=f"{heater_kind(name)}_{which}_temperature",
            translation_placeholders=heater_placeholders(name),
            device_class=SensorDeviceClass.TEMPERATURE,
            native_unit_of_measurement=UnitOfTemperature.CELSIUS,
            state_class=SensorStateClass.MEASUREMENT,
            suggested_display_precision=1,
            entity_registry_enabled_default=which == "actual",  # the target has a number entity, too
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
    runtime = entry.runtime_data
    keys = runtime.tunnel.service.tunnel.entity_keys
    async_add_entities(
        OctoPrintTunnelSensor(entry, runtime.tunnel, description)
        for description in TUNNEL_DESCRIPTIONS
        if description.key in keys
    )
    if detection := runtime.detection:
        async_add_entities(
            OctoPrintTunnelSensor(entry, detection, description)
            for description in DETECTION_DESCRIPTIONS
            if description.key in keys
        )
    async_add_entities(TotalSensor(entry, runtime.printer, description) for description in TOTAL_DESCRIPTIONS)
    async_add_when_available(entry, async_add_entities, runtime.printer, printer_descriptions, OctoPrintTunnelSensor)


class OctoPrintTunnelSensor[CoordinatorT: DataUpdateCoordinator[Any]](
    OctoPrintTunnelEntity[CoordinatorT], SensorEntity
):
    """A sensor that reads its coordinator as its description says."""

    entity_description: OctoPrintTunnelSensorDescription[CoordinatorT]

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
