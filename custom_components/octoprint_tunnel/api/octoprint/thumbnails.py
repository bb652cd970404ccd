"""Pictures of the model, which slicers put into their files.

OctoPrint 2.0 finds them itself. On 1.11, the plugins Slicer Thumbnails and Cura Thumbnails do, and add a path to what
OctoPrint tells of the file.

Source: the responses of OctoPrint 2.0, and the source of these plugins.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
import re
from typing import Final
from urllib.parse import unquote

from ..errors import InvalidResponse
from ..json_object import JsonObject
from ..picture import picture_type
from .files import MAX_PATH, is_stored_path

LOCAL: Final = "local"
MAX_PIXELS: Final = 1_000_000  # of a picture; larger ones are used if there is no other
MAX_THUMBNAILS: Final = 2  # of a file; the second is fetched if the first is too large

_STORAGE: Final = re.compile(r"[A-Za-z0-9_-]{1,64}", re.ASCII)
_SIZE: Final = re.compile(r"thumbnail_([0-9]{1,4})x([0-9]{1,4})")
_OF_PLUGIN: Final = re.compile(r"/?(plugin/[\w.-]{1,100}/thumbnail/[^?#]+)(?:\?.*)?", re.ASCII)


@dataclass(frozen=True, kw_only=True, slots=True)
class StoredFile:
    """One version of a file: its storage, its path there, and when it was changed, in seconds since 1970."""

    storage: str
    path: str
    date: int | None

    @classmethod
    def from_json(cls, file: JsonObject) -> StoredFile | None:
        """Read the file of a job, None if there is none."""
        storage, path = file.exact("origin") or LOCAL, file.exact("path", MAX_PATH)
        if path is None or not is_stored_path(path) or not _STORAGE.fullmatch(storage):
            return None
        return cls(storage=storage, path=path, date=file.integer("date", 0))


@dataclass(frozen=True, kw_only=True, slots=True)
class Thumbnail:
    """Where a picture is on OctoPrint: a path and a query. It never leads to another host."""

    path: str
    query: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True, slots=True)
class Picture:
    """A picture and its media type."""

    body: bytes
    content_type: str

    @classmethod
    def of(cls, body: bytes) -> Picture:
        """Return a picture. Raises InvalidResponse if it is neither PNG nor JPEG."""
        if (content_type := picture_type(body)) is None:
            raise InvalidResponse(detail="no PNG and no JPEG")
        return cls(body=body, content_type=content_type)


def thumbnails_from_json(response: JsonObject, file: StoredFile) -> tuple[Thumbnail, ...]:
    """Read `GET /api/files/…` of a file: where its pictures are, the best first, at most MAX_THUMBNAILS.

    OctoPrint 2.0 tells whole addresses, which only its own host would be right for: of them, only the sizes are used.
    """
    sizes = sorted(_sizes(response.object("refs")), key=lambda size: size[0] * size[1], reverse=True)
    fitting = [size for size in sizes if size[0] * size[1] <= MAX_PIXELS] or sizes[-1:]
    path = f"/downloads/thumbs/{file.storage}/{file.path}"
    found = [Thumbnail(path=path, query={"size": f"{width}x{height}"}) for width, height in fitting]
    of_plugin = _OF_PLUGIN.fullmatch(response.exact("thumbnail", MAX_PATH) or "")
    if of_plugin and is_stored_path(of_plugin_path := unquote(of_plugin[1])):
        found.append(Thumbnail(path=f"/{of_plugin_path}"))
    return tuple(found[:MAX_THUMBNAILS])


def _sizes(refs: JsonObject) -> Iterator[tuple[int, int]]:
    """Yield width and height of each picture that OctoPrint 2.0 has of a file."""
    for name in refs.names():
        if match := _SIZE.fullmatch(name):
            yield int(match[1]), int(match[2])
