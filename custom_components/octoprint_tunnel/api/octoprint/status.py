"""All that is known of a printer, as one value that is put together from several responses of OctoPrint."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from ..transport.router import Way
from .connection import Connection, PrinterState
from .custom_controls import CustomControl
from .gcode import Layer
from .heaters import Heater
from .job import Job
from .print_event import PrintEvent
from .printer_error import PrinterError
from .prompt import Prompt
from .thumbnails import StoredFile


@dataclass(frozen=True, kw_only=True, slots=True)
class PrinterStatus:
    """One printer at one moment: its connection to OctoPrint, the current or last print, and its temperatures.

    `layer` is the one that the print has reached, None if the layers of its file are not known. `file` is printed now,
    or selected for the next print, else the last one that was. `way` is how OctoPrint was reached. `version` is
    OctoPrint's own. `system_commands` is what can be done to OctoPrint and its machine, None until it is known. `error`
    disconnected the printer, or ended the last print. `events` is what happened to the print since the snapshot before.
    `prompt` is what the printer asks its user. `custom_controls` are None until they are known.
    """

    connection: Connection
    job: Job | None = None
    layer: Layer | None = None
    heaters: Mapping[str, Heater] = field(default_factory=dict)
    file: StoredFile | None = None
    way: Way = Way.NONE
    version: str | None = None
    system_commands: frozenset[str] | None = None
    error: PrinterError | None = None
    events: tuple[PrintEvent, ...] = ()
    prompt: Prompt | None = None
    custom_controls: tuple[CustomControl, ...] | None = None

    @property
    def state(self) -> PrinterState:
        """Return the printer's state."""
        return self.connection.state

    @property
    def is_warm(self) -> bool:
        """Tell whether temperatures are about to change."""
        return any(heater.is_warm for heater in self.heaters.values())
