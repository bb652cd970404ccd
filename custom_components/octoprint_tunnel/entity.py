"""The device of a printer, and what all of its entities share."""

from collections.abc import Callable, Iterable
from typing import Protocol, override

from homeassistant.core import callback
from homeassistant.helpers.device_registry import DeviceInfo
from homeassistant.helpers.entity import Entity, EntityDescription
from homeassistant.helpers.entity_platform import AddConfigEntryEntitiesCallback
from homeassistant.helpers.update_coordinator import CoordinatorEntity

from .api.octoprint.heaters import heater_kind
from .const import DOMAIN
from .coordinator import PrinterCoordinator, TunnelCoordinator
from .detection import DetectionCoordinator
from .device import short_enough
from .runtime import OctoPrintTunnelConfigEntry
from .webcams import Webcams


class _OctoPrintTunnelEntity[CoordinatorT: TunnelCoordinator | PrinterCoordinator | DetectionCoordinator](
    CoordinatorEntity[CoordinatorT]
):
    """An entity of a printer's device."""

    _attr_has_entity_name = True

    def __init__(
        self, entry: OctoPrintTunnelConfigEntry, coordinator: CoordinatorT, description: EntityDescription
    ) -> None:
        """Name the entity after its description, and put it on the printer's device."""
        super().__init__(coordinator)
        self.entity_description = description
        self._attr_unique_id = f"{entry.unique_id}_{description.key}"

    @property
    @override
    def suggested_object_id(self) -> str | None:
        name = super().suggested_object_id
        return name and short_enough(name)

    @property
    @override
    def device_info(self) -> DeviceInfo:
        return DeviceInfo(identifiers={(DOMAIN, str(self.coordinator.config_entry.unique_id))})


class TunnelEntity(_OctoPrintTunnelEntity[TunnelCoordinator]):
    """An entity that tells of the tunnel; available while the service answers."""

    def __init__(self, entry: OctoPrintTunnelConfigEntry, description: EntityDescription) -> None:
        """Listen to what the service says."""
        super().__init__(entry, entry.runtime_data.tunnel, description)


class PrinterEntity(_OctoPrintTunnelEntity[PrinterCoordinator]):
    """An entity that tells of the printer; available while OctoPrint answers."""

    def __init__(self, entry: OctoPrintTunnelConfigEntry, description: EntityDescription) -> None:
        """Listen to what OctoPrint says."""
        super().__init__(entry, entry.runtime_data.printer, description)


class DetectionEntity(_OctoPrintTunnelEntity[DetectionCoordinator]):
    """An entity that tells what the service's failure detection thinks of the print; unknown without one."""

    def __init__(self, entry: OctoPrintTunnelConfigEntry, description: EntityDescription) -> None:
        """Listen to what the failure detection says."""
        super().__init__(entry, entry.runtime_data.detection, description)


class Keyed(Protocol):
    """What describes one entity."""

    @property
    def key(self) -> str:
        """Return what tells it from the others of its device."""


class PrinterDescription(Keyed, Protocol):
    """What tells whether this OctoPrint has the thing that an entity is about."""

    @property
    def has_fn(self) -> Callable[[PrinterCoordinator], bool]:
        """Return the function that tells it."""


def add_as_they_come[CoordinatorT: PrinterCoordinator | Webcams, DescriptionT: Keyed](
    entry: OctoPrintTunnelConfigEntry,
    async_add_entities: AddConfigEntryEntitiesCallback,
    coordinator: CoordinatorT,
    present: Callable[[CoordinatorT], Iterable[DescriptionT]],
    make: Callable[[OctoPrintTunnelConfigEntry, DescriptionT], Entity],
) -> None:
    """Add each entity once its coordinator has data for it, now or later."""
    known: set[str] = set()

    @callback
    def add() -> None:
        new = [description for description in present(coordinator) if description.key not in known]
        known.update(description.key for description in new)
        if new:
            async_add_entities(make(entry, description) for description in new)

    add()
    entry.async_on_unload(coordinator.async_add_listener(add))


def add_when_present[DescriptionT: PrinterDescription](
    entry: OctoPrintTunnelConfigEntry,
    async_add_entities: AddConfigEntryEntitiesCallback,
    descriptions: Iterable[DescriptionT],
    make: Callable[[OctoPrintTunnelConfigEntry, DescriptionT], Entity],
) -> None:
    """Add each entity once OctoPrint has shown that it has what the entity is about."""
    described = tuple(descriptions)
    printer = entry.runtime_data.printer
    add_as_they_come(entry, async_add_entities, printer, lambda _: [d for d in described if d.has_fn(printer)], make)


def heater_placeholders(name: str) -> dict[str, str]:
    """Return what a heater's texts may mention: its number where it has one, counted from 1 as people do."""
    number = name.removeprefix(heater_kind(name))
    return {"number": str(int(number) + 1)} if number else {}
