"""MJPEG streams: parts of a multipart body that are passed on as they come, each told how to be turned."""

from collections.abc import AsyncGenerator, AsyncIterable
from email.message import Message
import re
from typing import Final

from .errors import InvalidResponse
from .jpeg import JPEG, orientation_segment

MAX_PICTURE: Final = 8_000_000  # bytes; a 12-megapixel JPEG has some 5 MB
MAX_HEADER: Final = 4096  # bytes, boundary included
_END_OF_HEADER: Final = re.compile(rb"\r?\n\r?\n")
_LENGTH: Final = re.compile(rb"(?im)^(content-length:[ \t]*)(\d{1,9})")


def delimiter_of(content_type: str) -> bytes | None:
    """Return what every part of a stream of this media type begins with, None where that is no MJPEG stream."""
    message = Message()
    message["Content-Type"] = content_type
    if message.get_content_type() != "multipart/x-mixed-replace":
        return None
    # Some cameras write the dashes before the boundary into its name, and no more of them into the body.
    boundary = str(message.get_param("boundary", "")).lstrip("-")
    return f"--{boundary}".encode() if boundary and boundary.isascii() else None


class MjpegParts:
    """Follows a stream without holding back more than a part's header, and ends it where it is none."""

    def __init__(self, delimiter: bytes, orientation: int = 1) -> None:
        """Expect parts that begin with `delimiter`; each JPEG is to be turned to `orientation`, as Exif counts it."""
        self._delimiter = delimiter
        self._tag = orientation_segment(orientation) if orientation != 1 else b""
        self._held = bytearray()
        self._in_header = True
        self._size = 0

    async def follow(self, chunks: AsyncIterable[bytes]) -> AsyncGenerator[bytes]:
        """Yield what is to be passed on of each chunk as soon as it is there.

        Raises InvalidResponse for what is no MJPEG, and for a picture of more than MAX_PICTURE bytes.
        """
        async for chunk in chunks:
            if passed := self._feed(chunk):
                yield passed
        if self._held:
            yield bytes(self._held)

    def _feed(self, chunk: bytes) -> bytes:
        self._held += chunk
        passed = bytearray()
        while self._held:
            part = self._header() if self._in_header else self._body()
            if not part:
                break
            passed += part
        return bytes(passed)

    def _header(self) -> bytes:
        """Return the header that is held, once it is complete, with the first bytes of what follows."""
        start = self._held.find(self._delimiter)
        end = _END_OF_HEADER.search(self._held, start + len(self._delimiter)) if start >= 0 else None
        if (end.end() if end else len(self._held)) > MAX_HEADER:
            raise InvalidResponse(detail="no MJPEG stream")
        if end is None or len(self._held) < end.end() + len(JPEG):
            return b""
        header, first = bytes(self._held[: end.end()]), bytes(self._held[end.end() : end.end() + len(JPEG)])
        del self._held[: end.end() + len(JPEG)]
        self._in_header = False
        self._size = 0
        if self._tag and first == JPEG:
            header = _LENGTH.sub(lambda length: length[1] + b"%d" % (int(length[2]) + len(self._tag)), header)
            first += self._tag
        return header + first

    def _body(self) -> bytes:
        """Return what is held of a picture: all that cannot be the beginning of the next part."""
        end = self._held.find(self._delimiter)
        self._in_header = end >= 0
        if end == 0:
            return self._header()
        if end < 0:
            end = len(self._held) - self._beginning()
        body = bytes(self._held[:end])
        del self._held[:end]
        self._size += len(body)
        if self._size > MAX_PICTURE:
            raise InvalidResponse(detail=f"a picture of more than {MAX_PICTURE} bytes")
        return body

    def _beginning(self) -> int:
        """Return how many bytes at the end of what is held may be the beginning of a delimiter."""
        longest = min(len(self._delimiter) - 1, len(self._held))
        return next((size for size in range(longest, 0, -1) if self._held.endswith(self._delimiter[:size])), 0)


async def first_picture(chunks: AsyncIterable[bytes], delimiter: bytes) -> bytes:
    """Return the first picture of a stream. Raises InvalidResponse where there is none in MAX_PICTURE bytes."""
    held = bytearray()
    async for chunk in chunks:
        searched = max(0, len(held) - len(delimiter))
        held += chunk
        start = held.find(JPEG)
        end = held.find(delimiter, max(start, searched)) if start >= 0 else -1
        if end >= 0:
            return bytes(held[start:end]).rstrip(b"\r\n")
        if len(held) > MAX_PICTURE:
            break
    raise InvalidResponse(detail="no picture in the stream")
