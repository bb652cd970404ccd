"""OctoPrint's custom controls become buttons."""

from typing import Any

import pytest

from custom_components.octoprint_tunnel.api.json_object import JsonObject
from custom_components.octoprint_tunnel.api.octoprint.custom_controls import MAX_CONTROLS, MAX_LINES, controls_from_json


def names(*controls: dict[str, Any]) -> list[str]:
    """Return the names of what is read."""
    return [control.name for control in controls_from_json(JsonObject({"controls": list(controls)}))]


def group(name: str, *children: dict[str, Any]) -> dict[str, Any]:
    """Return a group of controls."""
    return {"name": name, "children": list(children)}


ON = {"name": "On", "command": "M106"}


def test_groups() -> None:
    """The group tells controls with one name apart; a name that is there once stays as it is."""
    assert names(group("Fan", ON), group("Light", ON, {"name": "Off", "command": "M107"})) == [
        "Fan On",
        "Light On",
        "Off",
    ]
    assert names(ON, ON) == ["On"]


@pytest.mark.parametrize(
    "control",
    [
        {"name": "", "command": "G28"},
        {"name": "Nothing"},
        {"name": "Input", "command": "G1", "input": [{"parameter": "x"}]},
        {"name": "Question", "command": "M502", "confirm": "Really?"},
        {"name": "Question in two lines", "command": "M502", "confirm": "Really?\nAll settings will be lost."},
        {"name": "Long question", "command": "M502", "confirm": "Really? " * 200},
        {"name": "Script in two lines", "command": "G28", "javascript": "data.commands.push('G29')\n"},
        {"name": "Script", "command": "G28", "javascript": "alert()"},
        {"name": "Value", "command": "G1 Z%(height)s"},
        {"name": "Long", "command": "G" * 501},
        {"name": "Lines", "commands": ["G28\nM112"]},
        {"name": "One line that cannot be sent", "commands": ["M106 S255", "M117 A\tB", "M107"]},
        {"name": "One that is no line", "commands": ["M106 S255", ["M117"], "M107"]},
        {"name": "Too many lines", "commands": ["G4 P1"] * (MAX_LINES + 1)},
    ],
)
def test_controls_that_are_left_out(control: dict[str, Any]) -> None:
    """They need more than a button, or cannot be sent as they are."""
    assert names(control) == []


def test_many_controls() -> None:
    """They are bounded."""
    assert len(names(*({"name": f"Control {number}", "command": "G28"} for number in range(99)))) == MAX_CONTROLS
