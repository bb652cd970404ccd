"""What all entities of a printer share."""

from collections.abc import Callable, Iterable
from typing import Any, override

from homeassistant.core import callback
from homeassistant.helpers.device_registry import DeviceInfo
from homeassistant.helpers.entity import Entity, EntityDescription
from homeassistant.helpers.entity_platform import AddConfigEntryEntitiesCallback
from homeassistant.helpers.update_coordinator import CoordinatorEntity, DataUpdateCoordinator

from .api.octoprint.heaters import heater_kind
from .const import DOMAIN
from .coordinator import PrinterCoordinator
from .device import shorten_name
from .runtime import OctoPrintTunnelConfigEntry
from .webcams import Webcams


class OctoPrintTunnelEntity[CoordinatorT: DataUpdateCoordinator[Any]](CoordinatorEntity[CoordinatorT]):
    """An entity of a printer's device."""

    _attr_has_entity_name = True

    def __init__(
        self, entry: OctoPrintTunnelConfigEntry, coordinator: CoordinatorT, description: EntityDescription
    ) -> None:
        """Put the entity on the printer's device."""
        super().__init__(coordinator)
        self.entity_description = description
        self._attr_unique_id = f"{entry.unique_id}_{description.key}"

    @property
    @override
    def device_info(self) -> DeviceInfo | None:
        # Not an attribute: Home Assistant asks once, and a printer has some seventy entities.
        entry = self.platform.config_entry
        return None if entry is None else DeviceInfo(identifiers={(DOMAIN, str(entry.unique_id))})

    @property
    @override
    def suggested_object_id(self) -> str | None:
        name = super().suggested_object_id
        return name and shorten_name(name)

    @callback
    @override
    def _handle_coordinator_update(self) -> None:
        """Write the state only if it changed: most updates change few of a printer's entities."""
        old, new = self.hass.states.get(self.entity_id), self._async_calculate_state()
        if old is None or old.state != new.state or old.attributes != new.attributes:
            super()._handle_coordinator_update()


@callback
def async_add_when_available[CoordinatorT: PrinterCoordinator | Webcams, DescriptionT: EntityDescription](
    entry: OctoPrintTunnelConfigEntry,
    async_add_entities: AddConfigEntryEntitiesCallback,
    coordinator: CoordinatorT,
    available_descriptions: Callable[[CoordinatorT], Iterable[DescriptionT]],
    entity_type: Callable[[OctoPrintTunnelConfigEntry, PrinterCoordinator, DescriptionT], Entity],
) -> None:
    """Add an entity of the printer for each available description, now and after each update of the coordinator."""
    printer = entry.runtime_data.printer
    added: set[str] = set()

    @callback
    def add() -> None:
        new = [description for description in available_descriptions(coordinator) if description.key not in added]
        added.update(description.key for description in new)
        if new:
            async_add_entities(entity_type(entry, printer, description) for description in new)

    add()
    entry.async_on_unload(coordinator.async_add_listener(add))


def heater_placeholders(name: str) -> dict[str, str]:
    """Return the placeholders of a heater's name: its number if it has one, counted from 1."""
    number = name.removeprefix(heater_kind(name))
    return {"number": str(int(number) + 1)} if number else {}
