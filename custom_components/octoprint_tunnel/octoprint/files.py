"""Files in OctoPrint's own storage.

Source: OctoPrint's REST API, "Upload file or create folder".
"""

from dataclasses import dataclass

from ..errors import InvalidResponse
from ..json_object import JsonObject


@dataclass(frozen=True, kw_only=True, slots=True)
class UploadedFile:
    """What became of an upload: its path, and what OctoPrint did with it.

    OctoPrint drops the wish to select or to print where the printer is not ready or the key's user may not.
    """

    path: str
    selected: bool
    printing: bool

    @classmethod
    def from_json(cls, answer: JsonObject) -> UploadedFile:
        """Read the answer to an upload, in the words of 1.11 or of 2.0. Raises InvalidResponse without a path in it."""
        file = answer.object("file") if answer.has_object("file") else answer.object("files").object("local")
        path = file.exact("path")
        if path is None:
            raise InvalidResponse(detail="no path in it")
        selected, printing = answer.boolean("effectiveSelect"), answer.boolean("effectivePrint")
        # OctoPrint does not count as selected what it selects to print it.
        return cls(path=path, selected=bool(selected or printing), printing=bool(printing))
