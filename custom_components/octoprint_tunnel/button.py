"""Buttons for the connection to the printer, the print, and OctoPrint's server."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from functools import partial
from typing import override

from homeassistant.components.button import ButtonDeviceClass, ButtonEntity, ButtonEntityDescription
from homeassistant.const import EntityCategory
from homeassistant.core import HomeAssistant
from homeassistant.helpers.entity_platform import AddConfigEntryEntitiesCallback

from .api.octoprint.client import OctoPrint
from .api.octoprint.connection import Connection, PrinterState
from .coordinator import PrinterCoordinator
from .entity import OctoPrintTunnelEntity, async_add_when_available
from .exceptions import raise_translated
from .runtime import OctoPrintTunnelConfigEntry

PARALLEL_UPDATES = 1


@dataclass(frozen=True, kw_only=True)
class PrinterButtonDescription(ButtonEntityDescription):
    """Describes a button. `press_fn` gets the client and the last known connection to the printer."""

    press_fn: Callable[[OctoPrint, Connection], Awaitable[None]]
    available_fn: Callable[[PrinterState], bool]
    ends_print: bool = False
    """Whether it would end a print. It is refused then, also if the last poll is older than the print."""


DESCRIPTIONS = (
    PrinterButtonDescription(
        key="connect",
        translation_key="connect",
        press_fn=lambda octoprint, connection: octoprint.connect(connection),
        available_fn=lambda state: not (state.is_connected or state.is_settling),
    ),
    PrinterButtonDescription(
        key="disconnect",
        translation_key="disconnect",
        press_fn=lambda octoprint, _: octoprint.disconnect(),
        available_fn=lambda state: state.is_idle and not state.is_lost,
        ends_print=True,
    ),
    PrinterButtonDescription(
        key="repair",
        translation_key="repair",
        entity_category=EntityCategory.CONFIG,
        press_fn=lambda octoprint, connection: octoprint.repair(connection),
        available_fn=lambda state: state.is_connected,
    ),
    PrinterButtonDescription(
        key="pause",
        translation_key="pause",
        press_fn=lambda octoprint, _: octoprint.pause(),
        available_fn=lambda state: state is PrinterState.PRINTING,
    ),
    PrinterButtonDescription(
        key="resume",
        translation_key="resume",
        press_fn=lambda octoprint, _: octoprint.resume(),
        available_fn=lambda state: state is PrinterState.PAUSED,
    ),
    PrinterButtonDescription(
        key="cancel",
        translation_key="cancel",
        press_fn=lambda octoprint, _: octoprint.cancel(),
        available_fn=lambda state: state.is_active and state is not PrinterState.CANCELLING,
    ),
)

SYSTEM_COMMANDS = {
    "restart": ButtonDeviceClass.RESTART,
    "reboot": ButtonDeviceClass.RESTART,
    "shutdown": None,
}
"""The system commands that get a button. A server may have others."""


def system_descriptions(printer: PrinterCoordinator) -> list[PrinterButtonDescription]:
    """Return the descriptions of the system commands that this server has and that the API key may use."""
    return [
        PrinterButtonDescription(
            key=f"system_{action}",
            translation_key=f"system_{action}",
            device_class=device_class,
            entity_category=EntityCategory.CONFIG,
            press_fn=partial(_run_system_command, action=action),
            available_fn=lambda state: state.is_idle,
            ends_print=True,
        )
        for action, device_class in SYSTEM_COMMANDS.items()
        if printer.data and action in (printer.data.system_commands or ())
    ]


async def _run_system_command(octoprint: OctoPrint, _: Connection, *, action: str) -> None:
    await octoprint.run_system_command(action)


async def async_setup_entry(
    hass: HomeAssistant, entry: OctoPrintTunnelConfigEntry, async_add_entities: AddConfigEntryEntitiesCallback
) -> None:
    """Add the buttons of one printer."""
    printer = entry.runtime_data.printer
    async_add_entities(PrinterButton(entry, printer, description) for description in DESCRIPTIONS)
    async_add_when_available(entry, async_add_entities, entry.runtime_data.printer, system_descriptions, PrinterButton)


class PrinterButton(OctoPrintTunnelEntity[PrinterCoordinator], ButtonEntity):
    """A button of the printer."""

    entity_description: PrinterButtonDescription

    @property
    @override
    def available(self) -> bool:
        return super().available and self.entity_description.available_fn(self.coordinator.data.state)

    @override
    @raise_translated
    async def async_press(self) -> None:
        if self.entity_description.ends_print:
            await self.coordinator.async_check_idle()
        await self.coordinator.async_command(self.entity_description.press_fn)
