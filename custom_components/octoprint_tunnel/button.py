"""Buttons for the connection to the printer, the print, and OctoPrint's server."""

from collections import Counter
from collections.abc import Awaitable, Callable, Coroutine, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any, Final, override

from homeassistant.components.button import ButtonDeviceClass, ButtonEntity, ButtonEntityDescription
from homeassistant.const import EntityCategory
from homeassistant.core import HomeAssistant, callback
from homeassistant.helpers import entity_registry as er
from homeassistant.helpers.entity_platform import AddConfigEntryEntitiesCallback
from homeassistant.util import slugify

from .api.octoprint.client import OctoPrint
from .api.octoprint.connection import Connection, PrinterState
from .const import LOGGER
from .coordinator import PrinterCoordinator
from .entity import OctoPrintTunnelEntity, async_add_when_available
from .exceptions import raise_translated
from .prompts import async_answer
from .runtime import OctoPrintTunnelConfigEntry
from .stored_files import async_print_again

PARALLEL_UPDATES = 1

CONTROL: Final = "custom_control_"
"""The beginning of the keys of custom controls."""
MAX_GONE: Final = 30  # buttons of custom controls that OctoPrint has no longer


@dataclass(frozen=True, kw_only=True)
class PrinterButtonDescription(ButtonEntityDescription):
    """Describes a button. `press_fn` gets the client and the last known connection to the printer."""

    press_fn: Callable[[OctoPrint, Connection], Awaitable[None]]
    available_fn: Callable[[PrinterState], bool]
    ends_print: bool = False
    """Whether it would end a print. It is refused then, also if the last poll is older than the print."""


@dataclass(frozen=True, kw_only=True)
class ChoiceDescription(ButtonEntityDescription):
    """Describes a button that answers what the printer asks, with the choice of this number from 0."""

    choice: int
    entity_registry_enabled_default: bool = False


CONNECT = ButtonEntityDescription(key="connect", translation_key="connect")

DESCRIPTIONS = (
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

EMERGENCY_STOP = PrinterButtonDescription(
    key="emergency_stop",
    translation_key="emergency_stop",
    entity_registry_enabled_default=False,
    press_fn=lambda octoprint, _: octoprint.stop_at_once(),
    available_fn=lambda state: state.is_connected,
)

CHOICE_DESCRIPTIONS = (
    ChoiceDescription(key="prompt_choice_1", translation_key="prompt_choice_1", choice=0),
    ChoiceDescription(key="prompt_choice_2", translation_key="prompt_choice_2", choice=1),
)


@dataclass(frozen=True, kw_only=True)
class ControlDescription(ButtonEntityDescription):
    """Describes a button for the custom control of this name."""

    control: str
    entity_registry_enabled_default: bool = False


def control_descriptions(printer: PrinterCoordinator) -> list[ControlDescription]:
    """Return a description for each custom control of this OctoPrint that needs no input."""
    controls = (printer.data.custom_controls or ()) if printer.data else ()
    keys: Counter[str] = Counter()
    descriptions = []
    for control in controls:
        key = slugify(control.name)
        keys[key] += 1
        number = f"_{keys[key]}" if keys[key] > 1 else ""  # `Z+` and `Z-` have one key
        descriptions.append(
            ControlDescription(
                key=f"{CONTROL}{key}{number}",
                translation_key="custom_control",
                translation_placeholders={"name": control.name},
                control=control.name,
            )
        )
    return descriptions


PRINT_AGAIN = ButtonEntityDescription(key="print_again", translation_key="print_again")

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
    async_add_entities([ConnectButton(entry, printer, CONNECT)])
    async_add_entities([EmergencyStop(entry, printer, EMERGENCY_STOP), PrintAgain(entry, printer, PRINT_AGAIN)])
    async_add_entities(ChoiceButton(entry, printer, description) for description in CHOICE_DESCRIPTIONS)
    async_add_when_available(entry, async_add_entities, entry.runtime_data.printer, system_descriptions, PrinterButton)
    _async_bound_controls(hass, entry)
    async_add_when_available(entry, async_add_entities, printer, control_descriptions, ControlButton)


@callback
def _async_bound_controls(hass: HomeAssistant, entry: OctoPrintTunnelConfigEntry) -> None:
    """Remove the buttons of controls that are gone when there are more than MAX_GONE, now and in the future.

    Fewer are kept, because a control may come back, with the user's settings of its button.
    """
    printer, registry = entry.runtime_data.printer, er.async_get(hass)
    prefix = f"{entry.unique_id}_{CONTROL}"

    @callback
    def remove() -> None:
        present = {f"{entry.unique_id}_{description.key}" for description in control_descriptions(printer)}
        known = er.async_entries_for_config_entry(registry, entry.entry_id)
        gone = [item for item in known if item.unique_id.startswith(prefix) and item.unique_id not in present]
        # Without any, OctoPrint may only not have been asked for them yet, or not have told them.
        if present and len(gone) > MAX_GONE:
            for item in gone:
                registry.async_remove(item.entity_id)

    remove()
    entry.async_on_unload(printer.async_add_listener(remove))


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


class ConnectButton(OctoPrintTunnelEntity[PrinterCoordinator], ButtonEntity):
    """Connects with what the user chose, else with what OctoPrint prefers."""

    def __init__(
        self, entry: OctoPrintTunnelConfigEntry, printer: PrinterCoordinator, description: ButtonEntityDescription
    ) -> None:
        """Use the choices of the printer's selects."""
        super().__init__(entry, printer, description)
        self._choices = entry.runtime_data.connect_choices

    @property
    @override
    def available(self) -> bool:
        state = self.coordinator.data.state if super().available else None
        return state is not None and not (state.is_connected or state.is_settling)

    @override
    @raise_translated
    async def async_press(self) -> None:
        await self.coordinator.async_command(self._connect)

    async def _connect(self, octoprint: OctoPrint, _: Connection) -> None:
        # What OctoPrint offers and prefers may have changed since it was read.
        connection = await octoprint.connection()
        if missing := self._choices.missing(connection):
            title = self.coordinator.config_entry.title
            LOGGER.warning("%s: OctoPrint does not offer %s now, so its preference is used", title, ", ".join(missing))
        await octoprint.connect(connection, **self._choices.for_connect(connection))


class EmergencyStop(PrinterButton):
    """Stops the printer at once."""

    @property
    @override
    def available(self) -> bool:
        # Also after a poll that has failed: the command may still arrive.
        return self.coordinator.data is not None and self.entity_description.available_fn(self.coordinator.data.state)

    @override
    async def async_request_call[T](self, coro: Coroutine[Any, Any, T]) -> T:
        return await coro  # it does not wait until other buttons are done


class ControlButton(OctoPrintTunnelEntity[PrinterCoordinator], ButtonEntity):
    """Sends the lines that its custom control has now.

    It is not available during a print, which they could harm, and while OctoPrint does not have the control.
    """

    entity_description: ControlDescription

    @property
    def _lines(self) -> tuple[str, ...]:
        """Return the lines, which may be others since OctoPrint was restarted; none if the control is gone."""
        controls = self.coordinator.data.custom_controls or ()
        return next((each.lines for each in controls if each.name == self.entity_description.control), ())

    @property
    @override
    def available(self) -> bool:
        is_ready = super().available and self.coordinator.data.state is PrinterState.OPERATIONAL
        return is_ready and bool(self._lines)

    @override
    @raise_translated
    async def async_press(self) -> None:
        if lines := self._lines:
            await self.coordinator.async_command(lambda octoprint, _: octoprint.send_commands(lines))


class PrintAgain(OctoPrintTunnelEntity[PrinterCoordinator], ButtonEntity):
    """Prints the selected file again."""

    @property
    @override
    def available(self) -> bool:
        status = self.coordinator.data
        is_ready = super().available and status.state is PrinterState.OPERATIONAL
        return is_ready and status.job is not None and status.job.path is not None

    @override
    @raise_translated
    async def async_press(self) -> None:
        await async_print_again(self.coordinator)


class ChoiceButton(OctoPrintTunnelEntity[PrinterCoordinator], ButtonEntity):
    """A button that answers what the printer asks. Its attribute is the answer."""

    entity_description: ChoiceDescription

    @property
    def _choice(self) -> str | None:
        prompt, number = self.coordinator.data.prompt, self.entity_description.choice
        return prompt.choices[number] if prompt and number < len(prompt.choices) else None

    @property
    @override
    def available(self) -> bool:
        return super().available and self._choice is not None

    @property
    @override
    def extra_state_attributes(self) -> Mapping[str, Any] | None:
        return {"choice": self._choice}

    @override
    @raise_translated
    async def async_press(self) -> None:
        if choice := self._choice:
            await async_answer(self.coordinator, choice)
