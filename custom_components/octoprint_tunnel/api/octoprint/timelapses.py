"""Videos of prints, which OctoPrint renders.

Source: OctoPrint's REST API, "Retrieve a list of timelapses", and what 1.11 and 2.0 send.
"""

from dataclasses import dataclass
import re
from typing import Final, Self

from ..json_object import JsonObject
from .files import is_file_name, is_stored_path
from .job import MAX_FILE_NAME

MAX_TIMELAPSES: Final = 1000
VIDEO_TYPES: Final = {
    ".mp4": "video/mp4",
    ".m4v": "video/mp4",
    ".mkv": "video/x-matroska",
    ".mpg": "video/mpeg",
    ".mpeg": "video/mpeg",
    ".webm": "video/webm",
    ".avi": "video/x-msvideo",
}
"""By the ending of a name. What has another one is not shown, for example the pictures of a print."""

_BYTE_RANGE: Final = re.compile(r"bytes=[0-9]{0,15}-[0-9]{0,15}", re.ASCII)


def video_type(name: str) -> str | None:
    """Return the type of a video by its name; None if it is none."""
    return VIDEO_TYPES.get(name[name.rfind(".") :].lower())


def is_timelapse_name(name: str) -> bool:
    """Tell whether a name can be that of a timelapse, and does not lead out of their folder."""
    return "/" not in name and is_stored_path(name) and is_file_name(name) and video_type(name) is not None


def is_byte_range(text: str) -> bool:
    """Tell whether a text asks for one range of bytes, as browsers do."""
    return _BYTE_RANGE.fullmatch(text) is not None


@dataclass(frozen=True, kw_only=True, slots=True)
class Timelapse:
    """A video; `size` is in bytes."""

    name: str
    size: int | None

    @classmethod
    def from_json(cls, item: JsonObject) -> Self | None:
        """Read one of the list; None if it is no video."""
        name = item.exact("name", MAX_FILE_NAME)
        return cls(name=name, size=item.integer("bytes", 0)) if name and is_timelapse_name(name) else None


def timelapses_from_json(response: JsonObject) -> tuple[Timelapse, ...]:
    """Read the list of rendered timelapses."""
    read = (Timelapse.from_json(item) for item in response.objects("files", MAX_TIMELAPSES))
    return tuple(timelapse for timelapse in read if timelapse)
