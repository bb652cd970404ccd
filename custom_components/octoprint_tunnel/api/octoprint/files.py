"""Files in OctoPrint's own storage.

Source: OctoPrint's REST API, "Upload file or create folder".
"""

from dataclasses import dataclass

from ..errors import InvalidResponse
from ..json_object import MAX_TEXT, JsonObject
from ..remote_text import is_one_line

MAX_PATH = 2000  # characters; a folder as `is_folder` takes it, with a file in it
MAX_FORM = 16 * 1024  # bytes that a form has beside the file in it


def is_file_name(name: str) -> bool:
    """Tell whether a name of a file can go in the header of a form as it is, as a browser sends it."""
    return is_one_line(name) and not set('"\\').intersection(name)


def is_folder(path: str) -> bool:
    """Tell whether this can be the path of a folder in OctoPrint's storage."""
    return len(path) <= MAX_TEXT and is_file_name(path)


@dataclass(frozen=True, kw_only=True, slots=True)
class UploadedFile:
    """What became of an upload: its path, and what OctoPrint did with it.

    OctoPrint drops the wish to select or to print where the printer is not ready or the key's user may not.
    """

    path: str
    selected: bool
    printing: bool

    @classmethod
    def from_json(cls, response: JsonObject) -> UploadedFile:
        """Read the answer to an upload, in the words of 1.11 or of 2.0. Raises InvalidResponse without a path in it."""
        file = response.object("file") if response.has_object("file") else response.object("files").object("local")
        path = file.exact("path", MAX_PATH)
        if path is None:
            raise InvalidResponse(detail="no path in it")
        selected, printing = response.boolean("effectiveSelect"), response.boolean("effectivePrint")
        # OctoPrint does not count as selected what it selects to print it.
        return cls(path=path, selected=bool(selected or printing), printing=bool(printing))
