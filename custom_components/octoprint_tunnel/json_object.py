"""Read fields of a JSON object that may be missing, null or of another type than documented."""

from collections.abc import Mapping
import json
import math
from typing import Any, NoReturn

from .errors import InvalidResponse

MAX_DEPTH = 50  # levels; what answers hold is copied level by level, and no service nests this deeply


def _refuse(constant: str) -> NoReturn:
    raise ValueError(f"{constant} is not JSON")


def _whole(text: str) -> str:
    """Replace halves of characters, which JSON can spell and nothing can encode."""
    return text.encode(errors="replace").decode()


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


class JsonObject:
    """One JSON object; a field that is not what was asked for reads as None, as if it were missing."""

    def __init__(self, fields: Mapping[str, Any] | None = None) -> None:
        """Wrap parsed fields."""
        self._fields = fields or {}

    @classmethod
    def parse(cls, body: bytes) -> JsonObject:
        """Parse a response body.

        Raises InvalidResponse where the body is not one JSON object in UTF-8, or is nested too deeply to be read.
        """
        try:
            value = json.loads(body.decode("utf-8-sig"), parse_constant=_refuse)
        except (ValueError, RecursionError) as error:
            raise InvalidResponse(detail="not JSON") from error
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

    def text(self, name: str) -> str | None:
        """Return a text that is not empty."""
        value = self._fields.get(name)
        return _whole(value) if isinstance(value, str) and value else None

    def number(self, name: str) -> float | None:
        """Return a finite number."""
        value = self._fields.get(name)
        if isinstance(value, bool) or not isinstance(value, int | float):
            return None
        try:
            number = float(value)
        except OverflowError:
            return None
        return number if math.isfinite(number) else None

    def integer(self, name: str) -> int | None:
        """Return a whole number; a fraction is cut off."""
        number = self.number(name)
        return None if number is None else int(number)

    def boolean(self, name: str) -> bool | None:
        """Return true or false."""
        value = self._fields.get(name)
        return value if isinstance(value, bool) else None

    def object(self, name: str) -> JsonObject:
        """Return an object; an empty one where there is none."""
        value = self._fields.get(name)
        return JsonObject(value if isinstance(value, dict) else None)

    def objects(self, name: str) -> list[JsonObject]:
        """Return the objects of a list."""
        return [JsonObject(value) for value in self._list(name) if isinstance(value, dict)]

    def texts(self, name: str) -> tuple[str, ...]:
        """Return the texts of a list."""
        return tuple(_whole(value) for value in self._list(name) if isinstance(value, str))

    def integers(self, name: str) -> tuple[int, ...]:
        """Return the whole numbers of a list."""
        return tuple(value for value in self._list(name) if isinstance(value, int) and not isinstance(value, bool))

    def plain(self) -> dict[str, Any]:
        """Return the fields as they were parsed, to be sent back as they came."""
        return dict(self._fields)

    def _list(self, name: str) -> list[Any]:
        value = self._fields.get(name)
        return value if isinstance(value, list) else []
