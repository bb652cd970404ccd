"""What the printer asks, bounded."""

import pytest

from custom_components.octoprint_tunnel.api.json_object import JsonObject
from custom_components.octoprint_tunnel.api.octoprint.prompt import MAX_CHOICE, MAX_CHOICES, MAX_PROMPT, Prompt


@pytest.mark.parametrize(
    ("choice", "shown"),
    [
        ("Stop\tnow", "Stop now"),
        ("\u200f\u05e2\u05e6", "\u05e2\u05e6"),
        ("x" * 2000, "x" * MAX_CHOICE),
        (" Stop ", "Stop"),
        ("", "2"),
        ("\t", "2"),
        (None, "2"),
        (["Stop"], "2"),
    ],
)
def test_choices_keep_their_places(choice: object, shown: str) -> None:
    """OctoPrint is told the number of a choice, so none may be left out."""
    prompt = Prompt.from_json(JsonObject({"text": "Filament?", "choices": ["Load", choice, "Unload"]}))
    assert prompt == Prompt(text="Filament?", choices=("Load", shown, "Unload"))


def test_bounds() -> None:
    """A prompt has a longest text, and a number of choices."""
    prompt = Prompt.from_json(JsonObject({"text": "x" * 999, "choices": ["Yes"] * 99}))
    assert prompt == Prompt(text="x" * MAX_PROMPT, choices=("Yes",) * MAX_CHOICES)
    assert Prompt.from_json(JsonObject({"text": None, "choices": "Yes"})) is None
