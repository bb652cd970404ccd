"""Read fields of a JSON object that may be missing, null, of an undocumented type, or too large.

Everything that is read here is bounded: parts, depth, numbers, the length of strings, the items of lists and objects.
"""

from collections.abc import Mapping
from itertools import islice
import json
import math
from typing import Any, Final

from .errors import InvalidResponse
from .remote_text import is_one_line, one_line

MAX_DEPTH: Final = 50  # levels; no service nests this deeply, and copies of a response are made by recursion
MAX_PARTS: Final = 30_000  # values and fields of one body; it is parsed in the event loop
MAX_NUMBER: Final = 2**53  # JSON holds it exactly everywhere; Home Assistant cannot write integers of more than 64 bits
MAX_TEXT: Final = 1000  # characters
MAX_ITEMS: Final = 100  # of a list or an object

_MAX_DIGITS: Final = 20  # of an integer; Python is slow to read thousands, and refuses to read more


def _integer(text: str) -> int | None:
    number = int(text) if len(text) <= _MAX_DIGITS else None
    return number if number is not None and abs(number) <= MAX_NUMBER else None


def _fraction(text: str) -> float | None:
    number = float(text)
    return number if math.isfinite(number) and abs(number) <= MAX_NUMBER else None


def _constant(_name: str) -> None:
    """Read NaN and Infinity as null: they are not JSON, but servers written in Python send them."""


def _is_deep(value: dict[str, Any]) -> bool:
    """Tell whether lists and objects are nested more than MAX_DEPTH levels."""
    level: list[dict[str, Any] | list[Any]] = [value]
    for _ in range(MAX_DEPTH):
        level = [
            part
            for whole in level
            for part in (whole.values() if isinstance(whole, dict) else whole)
            if isinstance(part, dict | list)
        ]
        if not level:
            return False
    return True


def _bounded(value: Any) -> Any:
    """Return a parsed value with every limit applied; a string that is too long is None."""
    if isinstance(value, dict):
        return {name: _bounded(part) for name, part in islice(value.items(), MAX_ITEMS) if _is_exact(name, MAX_TEXT)}
    if isinstance(value, list):
        return [_bounded(part) for part in value[:MAX_ITEMS]]
    return value if not isinstance(value, str) or _is_exact(value, MAX_TEXT) else None


def _is_exact(text: str, most: int) -> bool:
    """Tell whether a string can be used unchanged: it is short enough, and one line."""
    return len(text) <= most and is_one_line(text)


class JsonObject:
    """One JSON object. A field of another type than the one asked for reads as if it were missing."""

    def __init__(self, fields: Mapping[str, Any] | None = None) -> None:
        """Wrap parsed fields."""
        self._fields = fields or {}

    @classmethod
    def parse(cls, body: bytes) -> JsonObject:
        """Parse a response body; numbers beyond MAX_NUMBER read as null.

        Raises InvalidResponse if the body is not one JSON object in UTF-8, has more than MAX_PARTS, or is nested more
        than MAX_DEPTH levels.
        """
        # Counted before it is parsed: to parse a megabyte of small parts takes a slow machine a second.
        if sum(body.count(sign) for sign in (b",", b"[", b"{")) > MAX_PARTS:
            raise InvalidResponse(detail="too many parts in it")
        try:
            value = json.loads(
                body.decode("utf-8-sig"), parse_int=_integer, parse_float=_fraction, parse_constant=_constant
            )
        except ValueError, RecursionError:
            raise InvalidResponse(detail="not JSON") from None
        if not isinstance(value, dict):
            raise InvalidResponse(detail="not a JSON object")
        if _is_deep(value):
            raise InvalidResponse(detail="nested too deeply")
        return cls(value)

    def has_object(self, name: str) -> bool:
        """Tell whether the field is an object."""
        return isinstance(self._fields.get(name), dict)

    def __bool__(self) -> bool:
        """Tell whether there is any field."""
        return bool(self._fields)

    def __contains__(self, name: str) -> bool:
        """Tell whether the field is there, null or not."""
        return name in self._fields

    def is_null(self, name: str) -> bool:
        """Tell whether the field is null or missing."""
        return self._fields.get(name) is None

    def names(self) -> tuple[str, ...]:
        """Return the names of the first MAX_ITEMS fields."""
        return tuple(islice(self._fields, MAX_ITEMS))

    def text(self, name: str, most: int = MAX_TEXT) -> str | None:
        """Return a string to show: one line, not empty, cut to `most` characters."""
        value = self._fields.get(name)
        return (one_line(value, most) or None) if isinstance(value, str) else None

    def exact(self, name: str, most: int = MAX_TEXT) -> str | None:
        """Return a string to send back or to compare: unchanged, not empty, None if it is too long or not one line."""
        value = self._fields.get(name)
        return value if isinstance(value, str) and value and _is_exact(value, most) else None

    def number(self, name: str, least: float = -MAX_NUMBER, most: float = MAX_NUMBER) -> float | None:
        """Return a finite number from `least` to `most`."""
        value = self._fields.get(name)
        if isinstance(value, bool) or not isinstance(value, int | float):
            return None
        return float(value) if least <= value <= most else None

    def integer(self, name: str, least: int = -MAX_NUMBER, most: int = MAX_NUMBER) -> int | None:
        """Return a number from `least` to `most` as an integer, without its fraction."""
        number = self.number(name, least, most)
        return None if number is None else int(number)

    def boolean(self, name: str) -> bool | None:
        """Return true or false."""
        value = self._fields.get(name)
        return value if isinstance(value, bool) else None

    def object(self, name: str) -> JsonObject:
        """Return an object, an empty one if there is none."""
        value = self._fields.get(name)
        return JsonObject(value if isinstance(value, dict) else None)

    def objects(self, name: str, most: int = MAX_ITEMS) -> list[JsonObject]:
        """Return the objects among the first `most` items of a list."""
        return [JsonObject(value) for value in self._list(name, most) if isinstance(value, dict)]

    def exacts(self, name: str, most: int = MAX_ITEMS) -> tuple[str, ...]:
        """Return the strings that are short enough and one line among the first `most` items of a list."""
        return tuple(value for value in self._list(name, most) if isinstance(value, str) and _is_exact(value, MAX_TEXT))

    def texts(self, name: str, most_characters: int, most: int = MAX_ITEMS) -> tuple[str, ...]:
        """Return the first `most` items of a list as strings to show, each in its place; empty if it is no string."""
        items = self._list(name, most)
        return tuple(one_line(item, most_characters) if isinstance(item, str) else "" for item in items)

    def length(self, name: str) -> int:
        """Return the number of items of a list, 0 if there is none."""
        value = self._fields.get(name)
        return len(value) if isinstance(value, list) else 0

    def integers(self, name: str, most: int = MAX_ITEMS) -> tuple[int, ...]:
        """Return the integers among the first `most` items of a list."""
        return tuple(
            value
            for value in self._list(name, most)
            if isinstance(value, int) and not isinstance(value, bool) and abs(value) <= MAX_NUMBER
        )

    def plain(self) -> dict[str, Any]:
        """Return a copy of the fields to send back, with every limit applied."""
        fields: dict[str, Any] = _bounded(dict(self._fields))
        return fields

    def _list(self, name: str, most: int) -> list[Any]:
        value = self._fields.get(name)
        return value[:most] if isinstance(value, list) else []
