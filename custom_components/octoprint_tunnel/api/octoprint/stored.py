"""What is stored in OctoPrint's local storage: files and folders, as OctoPrint lists them.

Source: OctoPrint's REST API, "Retrieve all files", and what 1.11 and 2.0 send.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import islice
from typing import Final, Self

from ..json_object import JsonObject
from .files import MAX_PATH, is_stored_path
from .job import MAX_FILE_NAME, MAX_SECONDS

MAX_LISTED: Final = 5000  # files and folders that are read of one response
MAX_DATE: Final = 32_503_680_000  # seconds since 1970, the year 3000


@dataclass(frozen=True, kw_only=True, slots=True)
class Stored:
    """A file or a folder. `size` is in bytes, `estimated_time` is OctoPrint's estimate of the print in seconds."""

    name: str
    path: str
    is_folder: bool
    size: int | None = None
    changed_at: datetime | None = None
    estimated_time: int | None = None

    @classmethod
    def from_json(cls, item: JsonObject) -> Self | None:
        """Read one item of a list; None if it cannot be printed, or if its path leads out of the storage."""
        path, kind, date = item.exact("path", MAX_PATH), item.exact("type"), item.integer("date", 0, MAX_DATE)
        if path is None or not is_stored_path(path) or kind not in ("folder", "machinecode"):
            return None
        return cls(
            name=item.text("display", MAX_FILE_NAME) or path.rpartition("/")[2][:MAX_FILE_NAME],
            path=path,
            is_folder=kind == "folder",
            size=item.integer("size", 0),
            changed_at=None if date is None else datetime.fromtimestamp(date, UTC),
            estimated_time=item.object("gcodeAnalysis").integer("estimatedPrintTime", 0, MAX_SECONDS),
        )


@dataclass(frozen=True, kw_only=True, slots=True)
class Listing:
    """What is in a folder. `truncated` tells that there is more."""

    items: tuple[Stored, ...]
    truncated: bool = False

    @classmethod
    def from_json(cls, response: JsonObject) -> Self:
        """Read the list of a storage, or of one folder of it, with what is in the folders that it lists."""
        items = _items(response, "children" if response.length("children") else "files")
        found = [Stored.from_json(item) for item in islice(items, MAX_LISTED)]
        return cls(items=tuple(item for item in found if item), truncated=next(items, None) is not None)


def _items(response: JsonObject, name: str) -> Iterator[JsonObject]:
    for item in response.objects(name, MAX_LISTED + 1):
        yield item
        yield from _items(item, "children")
