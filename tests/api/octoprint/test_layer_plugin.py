"""The layer that the plugin DisplayLayerProgress counts."""

import copy

import pytest

from custom_components.octoprint_tunnel.api.json_object import JsonObject
from custom_components.octoprint_tunnel.api.octoprint.gcode import Layer
from custom_components.octoprint_tunnel.api.octoprint.layer_plugin import layer_from_values

from ...bodies import LAYER_VALUES


def changed(**values: object) -> Layer | None:
    """Return the layer where some of its values are others."""
    body = copy.deepcopy(LAYER_VALUES)
    body["layer"] |= {name: value for name, value in values.items() if name != "height"}
    body["height"]["current"] = values.get("height", "2.00")
    return layer_from_values(JsonObject(body))


def test_values() -> None:
    """They are strings."""
    assert changed() == Layer(number=9, count=9, height=2.0)


def test_before_the_first_layer() -> None:
    """The plugin knows how many there will be."""
    assert changed(current="-", height="-") == Layer(number=0, count=9, height=0.0)


@pytest.mark.parametrize("total", ["-", "", None, 9, "9" * 6, "-1", "1.5", "\u0663", "9\n", ["9"]])
def test_an_unknown_count(total: object) -> None:
    """There is no layer."""
    assert changed(total=total) is None


@pytest.mark.parametrize("value", ["-1", "1e9", "9" * 6, None, "0x1", "\u0663", "1.", ".5"])
def test_impossible_values(value: object) -> None:
    """They are the same as unknown ones."""
    assert changed(current=value, height=value) == Layer(number=0, count=9, height=0.0)
