"""Files in OctoPrint's local storage.

Source: OctoPrint's REST API, "Upload file or create folder".
"""

from dataclasses import dataclass

from ..errors import InvalidResponse
from ..json_object import MAX_TEXT, JsonObject
from ..remote_text import is_one_line

MAX_PATH = 2000  # characters of a folder that `is_folder` accepts, and a file in it
MAX_FORM = 16 * 1024  # bytes of a form without its file


def is_file_name(name: str) -> bool:
    """Tell whether a file name can be sent unchanged in the header of a form, as a browser sends it."""
    return is_one_line(name) and not set('"\\').intersection(name)


def is_stored_path(path: str) -> bool:
    """Tell whether a path leads to something in a storage, and not out of it."""
    return len(path) <= MAX_PATH and not any(part in ("", ".", "..") for part in path.split("/"))


def is_folder(path: str) -> bool:
    """Tell whether a path can be that of a folder in OctoPrint's storage."""
    return len(path) <= MAX_TEXT and is_file_name(path)


@dataclass(frozen=True, kw_only=True, slots=True)
class LocalFile:
    """A version of a file: its path, its size in bytes, and when it was changed, in seconds since 1970."""

    path: str
    size: int
    date: int | None = None

    @classmethod
    def from_json(cls, file: JsonObject) -> LocalFile | None:
        """Read a file as OctoPrint describes it; None if it is not in OctoPrint's own storage."""
        path, size = file.exact("path", MAX_PATH), file.integer("size", 0)
        if file.exact("origin") != "local" or size is None or path is None or not is_stored_path(path):
            return None
        return cls(path=path, size=size, date=file.integer("date", 0))


@dataclass(frozen=True, kw_only=True, slots=True)
class UploadedFile:
    """An uploaded file: its path, and whether OctoPrint selected or printed it.

    OctoPrint does neither if the printer is not ready or the key's user lacks the permission.
    """

    path: str
    selected: bool
    printing: bool

    @classmethod
    def from_json(cls, response: JsonObject) -> UploadedFile:
        """Read the response to an upload, in the shape of 1.11 or of 2.0.

        Raises InvalidResponse if it has no path, or one that leads out of the storage.
        """
        file = response.object("file") if response.has_object("file") else response.object("files").object("local")
        path = file.exact("path", MAX_PATH)
        if path is None or not is_stored_path(path):
            raise InvalidResponse(detail="no path in it")
        selected, printing = response.boolean("effectiveSelect"), response.boolean("effectivePrint")
        # OctoPrint selects a file that it prints, but reports it as not selected.
        return cls(path=path, selected=bool(selected or printing), printing=bool(printing))
