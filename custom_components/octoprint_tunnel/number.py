"""Numbers for the target temperatures of the printer's heaters, and for its speed and flow."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from math import isfinite
from typing import override

from homeassistant.components.number import (
    DOMAIN as NUMBER_DOMAIN,
    NumberDeviceClass,
    NumberEntity,
    NumberEntityDescription,
    NumberMode,
    RestoreNumber,
)
from homeassistant.const import UnitOfRatio, UnitOfTemperature
from homeassistant.core import HomeAssistant, callback
from homeassistant.exceptions import ServiceValidationError
from homeassistant.helpers.entity_platform import AddConfigEntryEntitiesCallback

from .api.octoprint.client import OctoPrint
from .api.octoprint.heaters import heater_kind
from .coordinator import PrinterCoordinator
from .entity import OctoPrintTunnelEntity, async_add_when_available, heater_placeholders
from .exceptions import raise_translated
from .runtime import OctoPrintTunnelConfigEntry

PARALLEL_UPDATES = 1

DEFAULT_FACTOR = 100  # percent
HIGHEST_TARGETS = {"tool": 350, "bed": 150, "chamber": 100}
"""In °C. Printers are built for these; OctoPrint's profiles name no limit, and firmware has its own."""


@dataclass(frozen=True, kw_only=True)
class TargetDescription(NumberEntityDescription):
    """Describes the target temperature of one heater; `heater` is OctoPrint's name of it."""

    heater: str


@dataclass(frozen=True, kw_only=True)
class FactorDescription(NumberEntityDescription):
    """Describes a factor that the printer does not report, in percent; `set_fn` gets the client and the value."""

    set_fn: Callable[[OctoPrint, int], Awaitable[None]]
    entity_registry_enabled_default: bool = False
    native_unit_of_measurement: str | None = UnitOfRatio.PERCENTAGE
    native_step: float | None = 1
    mode: NumberMode | None = NumberMode.SLIDER


FACTOR_DESCRIPTIONS = (
    FactorDescription(
        key="speed",
        translation_key="speed",
        native_min_value=50,
        native_max_value=200,
        set_fn=lambda octoprint, percent: octoprint.set_speed(percent),
    ),
    FactorDescription(
        key="flow",
        translation_key="flow",
        native_min_value=75,
        native_max_value=125,
        set_fn=lambda octoprint, percent: octoprint.set_flow(percent),
    ),
)


def target_descriptions(printer: PrinterCoordinator) -> list[TargetDescription]:
    """Return a description for each heater that the printer reports."""
    return [
        TargetDescription(
            key=f"{name}_target",
            translation_key=f"{heater_kind(name)}_target",
            translation_placeholders=heater_placeholders(name),
            heater=name,
            device_class=NumberDeviceClass.TEMPERATURE,
            native_unit_of_measurement=UnitOfTemperature.CELSIUS,
            native_min_value=0,
            native_max_value=HIGHEST_TARGETS[heater_kind(name)],
            native_step=1,
            mode=NumberMode.BOX,
        )
        for name in (printer.data.heaters if printer.data else ())
    ]


async def async_setup_entry(
    hass: HomeAssistant, entry: OctoPrintTunnelConfigEntry, async_add_entities: AddConfigEntryEntitiesCallback
) -> None:
    """Add the numbers of one printer."""
    printer = entry.runtime_data.printer
    async_add_entities(Factor(entry, printer, description) for description in FACTOR_DESCRIPTIONS)
    async_add_when_available(entry, async_add_entities, printer, target_descriptions, TargetTemperature)


class TargetTemperature(OctoPrintTunnelEntity[PrinterCoordinator], NumberEntity):
    """The target temperature of one heater; 0 is off."""

    entity_description: TargetDescription

    @property
    @override
    def available(self) -> bool:
        return super().available and self.entity_description.heater in self.coordinator.data.heaters

    @property
    @override
    def native_value(self) -> float | None:
        return self.coordinator.data.heaters[self.entity_description.heater].target

    @override
    @raise_translated
    async def async_set_native_value(self, value: float) -> None:
        _check_finite(self, value)
        heater = self.entity_description.heater
        await self.coordinator.async_command(lambda octoprint, _: octoprint.set_target(heater, value))


class Factor(OctoPrintTunnelEntity[PrinterCoordinator], RestoreNumber):
    """A factor that the printer applies to its moves.

    Neither OctoPrint nor most printers report it, so it is the one that was set here last. A printer that is connected
    again begins with 100 %.
    """

    entity_description: FactorDescription
    _attr_assumed_state = True
    _attr_native_value: float | None = DEFAULT_FACTOR

    @override
    async def async_added_to_hass(self) -> None:
        stored = await self.async_get_last_number_data()
        if stored and stored.native_value is not None:
            value = min(max(stored.native_value, self.native_min_value), self.native_max_value)
            self._attr_native_value = value
        await super().async_added_to_hass()

    @property
    @override
    def available(self) -> bool:
        return super().available and self.coordinator.data.state.is_connected

    @callback
    @override
    def _handle_coordinator_update(self) -> None:
        if self.coordinator.last_update_success and self.coordinator.data.state.is_lost:
            self._attr_native_value = DEFAULT_FACTOR
        super()._handle_coordinator_update()

    @override
    @raise_translated
    async def async_set_native_value(self, value: float) -> None:
        _check_finite(self, value)
        percent, set_factor = round(value), self.entity_description.set_fn
        await self.coordinator.async_command(lambda octoprint, _: set_factor(octoprint, percent))
        self._attr_native_value = percent
        self.async_write_ha_state()


def _check_finite(entity: NumberEntity, value: float) -> None:
    """Raise ServiceValidationError for what Home Assistant lets through and JSON cannot carry."""
    if not isfinite(value):
        raise ServiceValidationError(
            translation_domain=NUMBER_DOMAIN,
            translation_key="out_of_range",
            translation_placeholders={
                "value": str(value),
                "entity_id": entity.entity_id,
                "min_value": str(entity.min_value),
                "max_value": str(entity.max_value),
            },
        )
