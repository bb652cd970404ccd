"""Buttons: command OctoPrint's connection to the printer."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import override

from homeassistant.components.button import ButtonEntity, ButtonEntityDescription
from homeassistant.const import EntityCategory
from homeassistant.core import HomeAssistant
from homeassistant.helpers.entity_platform import AddConfigEntryEntitiesCallback

from .coordinator import OctoPrintTunnelConfigEntry
from .entity import PrinterEntity, raise_translated
from .octoprint.client import OctoPrint
from .octoprint.connection import Connection

PARALLEL_UPDATES = 1


@dataclass(frozen=True, kw_only=True)
class PrinterButtonDescription(ButtonEntityDescription):
    """Describes a button of the printer."""

    press_fn: Callable[[OctoPrint, Connection], Awaitable[None]]


DESCRIPTIONS = (
    PrinterButtonDescription(
        key="connect",
        translation_key="connect",
        press_fn=lambda octoprint, connection: octoprint.connect(connection),
    ),
    PrinterButtonDescription(
        key="disconnect",
        translation_key="disconnect",
        press_fn=lambda octoprint, _: octoprint.disconnect(),
    ),
    PrinterButtonDescription(
        key="repair",
        translation_key="repair",
        entity_category=EntityCategory.CONFIG,
        press_fn=lambda octoprint, connection: octoprint.repair(connection),
    ),
)


async def async_setup_entry(
    hass: HomeAssistant, entry: OctoPrintTunnelConfigEntry, async_add_entities: AddConfigEntryEntitiesCallback
) -> None:
    """Add the buttons of one printer."""
    async_add_entities(PrinterButton(entry, description) for description in DESCRIPTIONS)


class PrinterButton(PrinterEntity, ButtonEntity):
    """A button of the printer."""

    entity_description: PrinterButtonDescription

    @override
    @raise_translated
    async def async_press(self) -> None:
        await self.coordinator.async_command(self.entity_description.press_fn)
