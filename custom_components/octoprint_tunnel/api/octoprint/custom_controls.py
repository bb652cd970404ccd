"""Custom controls that the user or a plugin has added to OctoPrint: names for lines of G-code.

Source: OctoPrint's documentation, "Custom Controls", and what 1.11 and 2.0 send.
"""

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, replace
from itertools import islice
from typing import Final, Self

from ..json_object import JsonObject
from ..remote_text import as_name

MAX_CONTROLS: Final = 30
MAX_LINES: Final = 100  # of one control
MAX_LINE: Final = 500  # characters


@dataclass(frozen=True, kw_only=True, slots=True)
class CustomControl:
    """A control that needs no input and asks no question, and the lines that it sends."""

    name: str
    lines: tuple[str, ...]

    @classmethod
    def from_json(cls, control: JsonObject) -> Self | None:
        """Read one control; None if it needs an input, asks before it sends, sends no plain lines, or has no name."""
        name = as_name(control.text("name") or "")
        command = control.exact("command", MAX_LINE)
        lines = (command,) if command else control.exacts("commands", MAX_LINES)
        is_whole = command is not None or len(lines) == control.length("commands")
        is_plain = all(line and len(line) <= MAX_LINE and "\n" not in line and "%(" not in line for line in lines)
        needs_more = control.length("input") or control.text("confirm") or control.text("javascript")
        if not name or not lines or not is_whole or not is_plain or needs_more:
            return None
        return cls(name=name, lines=lines)


def controls_from_json(response: JsonObject) -> tuple[CustomControl, ...]:
    """Read the controls without input, also those in groups, at most MAX_CONTROLS.

    Where several have one name, that of the group comes before it. Of those that are still alike, the first counts.
    """
    found = list(islice(_controls(response, "controls", ""), MAX_CONTROLS))
    counts = Counter(control.name.casefold() for _, control in found)
    controls: dict[str, CustomControl] = {}
    for group, control in found:
        name = f"{group} {control.name}".strip() if counts[control.name.casefold()] > 1 else control.name
        controls.setdefault(name.casefold(), replace(control, name=as_name(name)))
    return tuple(controls.values())


def _controls(response: JsonObject, name: str, group: str) -> Iterator[tuple[str, CustomControl]]:
    for item in response.objects(name):
        if control := CustomControl.from_json(item):
            yield group, control
        yield from _controls(item, "children", as_name(item.text("name") or "") or group)
