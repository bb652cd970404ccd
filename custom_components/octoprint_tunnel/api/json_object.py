"""Read fields of a JSON object that may be missing, null, of another type than documented, or beyond what is real.

Everything that is read here is bounded: parts and depth, numbers, the length of texts, the count of lists and objects.
"""

from collections.abc import Mapping
from itertools import islice
import json
import math
from typing import Any, Final

from .errors import InvalidResponse
from .remote_text import is_one_line, one_line

MAX_DEPTH: Final = 50  # levels; what responses hold is copied level by level, and no service nests this deeply
MAX_PARTS: Final = 30_000  # of one body in all; the event loop reads it without a pause
MAX_NUMBER: Final = 2**53  # what JSON holds exactly everywhere; Home Assistant's own cannot write more than 64 bits
MAX_TEXT: Final = 1000  # characters
MAX_ITEMS: Final = 100  # of a list or an object

_DIGITS: Final = 20  # of a whole number; Python refuses to read thousands, and is slow before that


def _integer(text: str) -> int | None:
    number = int(text) if len(text) <= _DIGITS else None
    return number if number is not None and abs(number) <= MAX_NUMBER else None


def _fraction(text: str) -> float | None:
    number = float(text)
    return number if math.isfinite(number) and abs(number) <= MAX_NUMBER else None


def _no_number(_constant: str) -> None:
    """Read NaN and Infinity, which Python's servers send though they are not JSON, as no number."""


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
    """Return a parsed value with all that is in it bounded; what is too long is None."""
    if isinstance(value, dict):
        return {name: _bounded(part) for name, part in islice(value.items(), MAX_ITEMS) if _is_exact(name, MAX_TEXT)}
    if isinstance(value, list):
        return [_bounded(part) for part in value[:MAX_ITEMS]]
    return value if not isinstance(value, str) or _is_exact(value, MAX_TEXT) else None


def _is_exact(text: str, most: int) -> bool:
    """Tell whether a text can be taken as it is: not too long, and nothing in it that a line cannot hold."""
    return len(text) <= most and is_one_line(text)


class JsonObject:
    """One JSON object; a field that is not what was asked for reads as None, as if it were missing."""

    def __init__(self, fields: Mapping[str, Any] | None = None) -> None:
        """Wrap parsed fields."""
        self._fields = fields or {}

    @classmethod
    def parse(cls, body: bytes) -> JsonObject:
        """Parse a response body; a number that is none, or is beyond MAX_NUMBER, reads as missing.

        Raises InvalidResponse where the body is not one JSON object in UTF-8, has more than MAX_PARTS, or is nested
        more than MAX_DEPTH levels.
        """
        # Counted before it is parsed: a megabyte of small parts takes a slow machine a second.
        if sum(body.count(sign) for sign in (b",", b"[", b"{")) > MAX_PARTS:
            raise InvalidResponse(detail="too many parts in it")
        failure = None
        try:
            value = json.loads(
                body.decode("utf-8-sig"), parse_int=_integer, parse_float=_fraction, parse_constant=_no_number
            )
        except ValueError, RecursionError:
            failure = InvalidResponse(detail="not JSON")
        if failure:
            raise failure  # outside the handler: the parser's error holds the whole body
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
        """Return a text for people, which is not empty: one line of at most `most` characters; the rest is cut off."""
        value = self._fields.get(name)
        return (one_line(value, most) or None) if isinstance(value, str) else None

    def exact(self, name: str, most: int = MAX_TEXT) -> str | None:
        """Return a text that is sent back or compared: as it came, None where it is too long or is more than a line."""
        value = self._fields.get(name)
        return value if isinstance(value, str) and value and _is_exact(value, most) else None

    def number(self, name: str, least: float = -MAX_NUMBER, most: float = MAX_NUMBER) -> float | None:
        """Return a finite number from `least` to `most`."""
        value = self._fields.get(name)
        if isinstance(value, bool) or not isinstance(value, int | float):
            return None
        return float(value) if least <= value <= most else None

    def integer(self, name: str, least: int = -MAX_NUMBER, most: int = MAX_NUMBER) -> int | None:
        """Return a whole number from `least` to `most`; a fraction is cut off."""
        number = self.number(name, least, most)
        return None if number is None else int(number)

    def boolean(self, name: str) -> bool | None:
        """Return true or false."""
        value = self._fields.get(name)
        return value if isinstance(value, bool) else None

    def object(self, name: str) -> JsonObject:
        """Return an object; an empty one where there is none."""
        value = self._fields.get(name)
        return JsonObject(value if isinstance(value, dict) else None)

    def objects(self, name: str, most: int = MAX_ITEMS) -> list[JsonObject]:
        """Return the objects among the first `most` items of a list."""
        return [JsonObject(value) for value in self._list(name, most) if isinstance(value, dict)]

    def exacts(self, name: str, most: int = MAX_ITEMS) -> tuple[str, ...]:
        """Return the texts among the first `most` items of a list, without those that `exact` would refuse."""
        return tuple(value for value in self._list(name, most) if isinstance(value, str) and _is_exact(value, MAX_TEXT))

    def length(self, name: str) -> int:
        """Return how many items a list has, whether or not they are read; 0 where there is none."""
        value = self._fields.get(name)
        return len(value) if isinstance(value, list) else 0

    def integers(self, name: str, most: int = MAX_ITEMS) -> tuple[int, ...]:
        """Return the whole numbers among the first `most` items of a list."""
        return tuple(
            value
            for value in self._list(name, most)
            if isinstance(value, int) and not isinstance(value, bool) and abs(value) <= MAX_NUMBER
        )

    def plain(self) -> dict[str, Any]:
        """Return the fields as they were parsed, to be sent back as they came, but bounded like everything else."""
        fields: dict[str, Any] = _bounded(dict(self._fields))
        return fields

    def _list(self, name: str, most: int) -> list[Any]:
        value = self._fields.get(name)
        return value[:most] if isinstance(value, list) else []
