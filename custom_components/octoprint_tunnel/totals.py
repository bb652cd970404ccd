"""Totals of all prints since the printer was added."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final, override

from homeassistant.components.sensor import RestoreSensor, SensorDeviceClass, SensorEntityDescription, SensorStateClass
from homeassistant.const import EntityCategory, UnitOfLength, UnitOfTime
from homeassistant.core import callback

from .api.octoprint.print_event import PrintEvent, PrintEventType
from .print_entity import PrintEntity

DIGITS: Final = 5  # of hours and meters; sums of fractions would grow endless digits
SECONDS: Final = 3600  # of an hour
MILLIMETERS: Final = 1000  # of a meter


@dataclass(frozen=True, kw_only=True)
class TotalDescription(SensorEntityDescription):
    """Describes a total; `amount_fn` returns what the end of a print adds to it."""

    entity_category: EntityCategory | None = EntityCategory.DIAGNOSTIC
    state_class: SensorStateClass | None = SensorStateClass.TOTAL_INCREASING
    amount_fn: Callable[[PrintEvent], float]


DESCRIPTIONS: Final = (
    TotalDescription(
        key="total_prints",
        translation_key="total_prints",
        amount_fn=lambda _: 1,
    ),
    TotalDescription(
        key="total_successful_prints",
        translation_key="total_successful_prints",
        amount_fn=lambda end: int(end.type is PrintEventType.DONE),
    ),
    TotalDescription(
        key="total_print_time",
        translation_key="total_print_time",
        device_class=SensorDeviceClass.DURATION,
        native_unit_of_measurement=UnitOfTime.HOURS,
        suggested_display_precision=1,
        amount_fn=lambda end: (end.duration or 0) / SECONDS,
    ),
    TotalDescription(
        key="total_filament",
        translation_key="total_filament",
        device_class=SensorDeviceClass.DISTANCE,
        native_unit_of_measurement=UnitOfLength.METERS,
        suggested_display_precision=1,
        amount_fn=lambda end: (end.filament_length or 0) / MILLIMETERS,
    ),
)


class TotalSensor(PrintEntity, RestoreSensor):
    """A total that continues after a restart of Home Assistant."""

    entity_description: TotalDescription
    _total: float = 0

    @override
    async def async_added_to_hass(self) -> None:
        stored = await self.async_get_last_sensor_data()
        if stored and isinstance(stored.native_value, int | float):
            self._total = stored.native_value
        await super().async_added_to_hass()

    @property
    @override
    def native_value(self) -> float:
        return self._total

    @callback
    @override
    def _async_take(self, event: PrintEvent) -> None:
        if event.type.is_end:
            self._total = round(self._total + self.entity_description.amount_fn(event), DIGITS)
