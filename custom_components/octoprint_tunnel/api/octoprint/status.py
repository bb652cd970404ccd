"""All that is known of a printer, put together from several of OctoPrint's answers."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from .connection import Connection, PrinterState
from .heaters import Heater
from .job import Job


@dataclass(frozen=True, kw_only=True, slots=True)
class PrinterStatus:
    """How OctoPrint is connected to the printer, what is printed, or was last, and how warm the printer is."""

    connection: Connection
    job: Job | None = None
    heaters: Mapping[str, Heater] = field(default_factory=dict)

    @property
    def state(self) -> PrinterState:
        """Return the printer's state."""
        return self.connection.state

    @property
    def is_warm(self) -> bool:
        """Tell whether temperatures are about to change."""
        return any(heater.is_warm for heater in self.heaters.values())
