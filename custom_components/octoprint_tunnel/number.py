"""Numbers for the target temperatures of the printer's heaters."""

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
from .entity import OctoPrintTunnelEntity, async_add_when_available, heater_placeholders
from .exceptions import raise_translated
from .runtime import OctoPrintTunnelConfigEntry

PARALLEL_UPDATES = 1

HIGHEST_TARGETS = {"tool": 350, "bed": 150, "chamber": 100}
"""In °C. Printers are built for these; OctoPrint's profiles name no limit, and firmware has its own."""


@dataclass(frozen=True, kw_only=True)
class TargetDescription(NumberEntityDescription):
    """Describes the target temperature of one heater; `heater` is OctoPrint's name of it."""

    heater: str


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
    """Add the target temperatures of one printer."""
    async_add_when_available(
        entry, async_add_entities, entry.runtime_data.printer, target_descriptions, TargetTemperature
    )


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
        if not isfinite(value):  # Home Assistant lets it through, and JSON cannot carry it
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
