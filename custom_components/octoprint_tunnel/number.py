"""Numbers: the target temperatures of the printer's heaters."""

from dataclasses import dataclass
from math import isfinite
from typing import override

from homeassistant.components.number import (
    DOMAIN as NUMBER_DOMAIN,
    NumberDeviceClass,
    NumberEntity,
    NumberEntityDescription,
    NumberMode,
)
from homeassistant.const import UnitOfTemperature
from homeassistant.core import HomeAssistant
from homeassistant.exceptions import ServiceValidationError
from homeassistant.helpers.entity_platform import AddConfigEntryEntitiesCallback

from .api.octoprint.heaters import heater_kind
from .coordinator import PrinterCoordinator
from .entity import PrinterEntity, add_as_they_come, heater_placeholders
from .exceptions import raise_translated
from .runtime import OctoPrintTunnelConfigEntry

PARALLEL_UPDATES = 1

HIGHEST_TARGETS = {"tool": 350, "bed": 150, "chamber": 100}
"""In °C. OctoPrint's profiles name none; these are what printers are built for, and firmware has limits of its own."""


@dataclass(frozen=True, kw_only=True)
class TargetDescription(NumberEntityDescription):
    """Describes the target temperature of one heater, by OctoPrint's name for it."""

    heater: str


def descriptions(printer: PrinterCoordinator) -> list[TargetDescription]:
    """Describe a number for each heater that the printer reports."""
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
    """Add the target temperatures of one printer."""
    add_as_they_come(entry, async_add_entities, entry.runtime_data.printer, descriptions, TargetTemperature)


class TargetTemperature(PrinterEntity, NumberEntity):
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
        if not isfinite(value):  # neither below the minimum nor above the maximum, and no JSON
            raise ServiceValidationError(
                translation_domain=NUMBER_DOMAIN,
                translation_key="out_of_range",
                translation_placeholders={
                    "value": str(value),
                    "entity_id": self.entity_id,
                    "min_value": str(self.min_value),
                    "max_value": str(self.max_value),
                },
            )
        heater = self.entity_description.heater
        await self.coordinator.async_command(lambda octoprint, _: octoprint.set_target(heater, value))
