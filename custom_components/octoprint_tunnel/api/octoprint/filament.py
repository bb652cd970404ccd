"""What a file needs of each tool's filament, by OctoPrint's analysis or that of a plugin.

Source: OctoPrint's REST API, "Job operations", and the responses of 1.11 and 2.0.
"""

from collections.abc import Mapping
from dataclasses import dataclass
import re

from ..json_object import JsonObject

MAX_LENGTH = 10_000_000  # mm of one tool; a spool has some 300,000
MAX_VOLUME = 100_000  # cm³
MAX_WEIGHT = 100_000  # g
_TOOL = re.compile(r"tool1?[0-9]")  # at most 20, also of all files together: their sensors stay


@dataclass(frozen=True, kw_only=True, slots=True)
class Filament:
    """What is needed of one filament: `length` in mm, `volume` in cm³, and `weight` in g, which only plugins tell."""

    length: float | None
    volume: float | None
    weight: float | None


def filaments_from_json(tools: JsonObject) -> Mapping[str, Filament]:
    """Read what a file needs by OctoPrint's names of the tools: `tool0`, `tool1`."""
    names = (name for name in tools.names() if _TOOL.fullmatch(name) and tools.has_object(name))
    return {name: _filament(tools.object(name)) for name in names}


def _filament(tool: JsonObject) -> Filament:
    length, volume = _amount(tool, "length", MAX_LENGTH), _amount(tool, "volume", MAX_VOLUME)
    if length and not volume:  # OctoPrint found no diameter of the filament in the file
        volume = None
    return Filament(length=length, volume=volume, weight=_amount(tool, "weight", MAX_WEIGHT))


def _amount(tool: JsonObject, name: str, most: int) -> float | None:
    amount = tool.number(name, 0, most)
    return None if amount is None else round(amount, 2)
