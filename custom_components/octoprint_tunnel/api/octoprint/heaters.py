"""The temperatures of the printer's heaters.

Source: OctoPrint's REST API, "Printer operations".
"""

from collections.abc import Mapping
from dataclasses import dataclass
import re

from ..json_object import JsonObject
from .connection import MAX_STATE_TEXT

WARM = 45  # °C; a warmer heater is cooling down or heated
_HEATER = re.compile(r"tool[0-9]{1,2}|bed|chamber")
MAX_HEATERS = 20
_COLDEST, _HOTTEST = -273.15, 2000  # °C; a broken sensor reads as -242 or 1024


def heater_kind(name: str) -> str:
    """Return a heater's name without its number: `tool`, `bed` or `chamber`."""
    return name.rstrip("0123456789")


@dataclass(frozen=True, kw_only=True, slots=True)
class Heater:
    """A heater's temperatures in °C; `target` is 0 while it is off."""

    actual: float | None
    target: float | None

    @property
    def is_warm(self) -> bool:
        """Tell whether its temperature is changing."""
        return bool(self.target) or (self.actual or 0) >= WARM


@dataclass(frozen=True, kw_only=True, slots=True)
class PrinterReading:
    """The printer's state, and its heaters by OctoPrint's names: `tool0`, `bed`, `chamber`.

    `left_out` is the number of heaters beyond MAX_HEATERS.
    """

    state_text: str | None
    heaters: Mapping[str, Heater]
    left_out: int = 0

    @classmethod
    def from_json(cls, response: JsonObject) -> PrinterReading:
        """Read `GET /api/printer`; heaters that the printer does not report are skipped."""
        temperature = response.object("temperature")
        heaters = {}
        names = [name for name in temperature.names() if _HEATER.fullmatch(name)]
        for name in names[:MAX_HEATERS]:
            values = temperature.object(name)
            heater = Heater(
                actual=values.number("actual", _COLDEST, _HOTTEST), target=values.number("target", _COLDEST, _HOTTEST)
            )
            # A target without a temperature was set for a heater that the printer does not have.
            if heater.actual is not None or (heater.target is not None and not values.is_null("actual")):
                heaters[name] = heater
        state_text = response.object("state").text("text", MAX_STATE_TEXT)
        return cls(state_text=state_text, heaters=heaters, left_out=max(0, len(names) - MAX_HEATERS))
