"""The layer that the plugin DisplayLayerProgress counts.

Source: what its version 1.28 responds to `/values`. All values are strings; "-" is an unknown one.
"""

import re
from typing import Final

from ..json_object import JsonObject
from .gcode import Layer

VALUES: Final = "/plugin/DisplayLayerProgress/values"
MAX_VALUE: Final = 12  # characters

_NUMBER: Final = re.compile(r"[0-9]{1,5}")
_HEIGHT: Final = re.compile(r"[0-9]{1,4}(\.[0-9]{1,6})?")


def layer_from_values(values: JsonObject) -> Layer | None:
    """Read the plugin's values; None if it does not know the layers of the file.

    It numbers the layers as the slicer does: from 0 in a file of Cura.
    """
    layer, height = values.object("layer"), values.object("height")
    count = _matching(layer, "total", _NUMBER)
    if count is None:
        return None
    number = _matching(layer, "current", _NUMBER)
    return Layer(number=int(number or 0), count=int(count), height=float(_matching(height, "current", _HEIGHT) or 0))


def _matching(values: JsonObject, name: str, pattern: re.Pattern[str]) -> str | None:
    value = values.exact(name, MAX_VALUE)
    return value if value and pattern.fullmatch(value) else None
