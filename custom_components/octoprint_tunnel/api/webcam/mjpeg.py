"""MJPEG streams: pictures are taken out of a multipart body, and passed on in one that is written here.

Nothing but pictures is passed on, even if a webcam calls another part a picture: what a viewer gets comes from Home
Assistant's own origin.
"""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterable, Callable, Iterator
from contextlib import aclosing
import re
import secrets
from typing import Final

from ..errors import InvalidResponse
from .jpeg import ENDS, MAX_PADDING, is_complete, picture_type, with_orientation

MAX_PICTURE: Final = 16_000_000  # bytes; a JPEG of 12 megapixels has some 5 MB, one that is all noise 14 MB
MAX_HEADER: Final = 4096  # bytes
MAX_PREAMBLE: Final = 16_384  # bytes before the first part
MAX_OTHER_PARTS: Final = 100  # parts in a row that are no picture
MAX_BOUNDARY: Final = 200  # characters; 70 by the standard

_TYPE: Final = "multipart/x-mixed-replace"
_BOUNDARY: Final = re.compile(r';[ \t]*boundary[ \t]*=[ \t]*(?:"([^"]*)|([^;]*))', re.IGNORECASE)
_END_OF_HEADER: Final = re.compile(rb"\r?\n[ \t]*\r?\n")
_HEADER_LINE: Final = re.compile(rb"\s{0,16}content-(?:type|length)[ \t]*:", re.IGNORECASE)
_LENGTH: Final = re.compile(rb"^content-length[ \t]*:[ \t]*(\d{1,9})\s*$", re.IGNORECASE | re.MULTILINE)
_BLANKS: Final = b"\r\n\t "
_MAX_BLANKS: Final = 16  # bytes
_MAX_DASHES: Final = 70  # before a boundary


def delimiter_of(content_type: str) -> bytes | None:
    """Return what every part of a stream of this media type begins with, None where that is no MJPEG stream."""
    media_type, _, _ = content_type.partition(";")
    if media_type.strip().lower() != _TYPE or (found := _BOUNDARY.search(content_type)) is None:
        return None
    boundary = (found[1] if found[1] is not None else found[2]).strip()
    if not boundary or len(boundary) > MAX_BOUNDARY or not boundary.isascii() or not boundary.isprintable():
        return None
    # Some cameras write the dashes before the boundary into its name, and no more of them into the body.
    name = boundary.lstrip("-")
    if not name:
        return boundary.encode() if len(boundary) > len("--") else None
    return f"--{name}".encode()


class Multipart:
    """Writes pictures as a stream that browsers show."""

    def __init__(self) -> None:
        """Choose a boundary that no webcam can know, so that none can begin a part of its own inside of a picture."""
        self._boundary = f"picture-{secrets.token_hex(16)}"

    @property
    def content_type(self) -> str:
        """Return the media type of the stream."""
        return f"{_TYPE}; boundary={self._boundary}"

    @property
    def beginning(self) -> bytes:
        """Return what comes before the first part."""
        return f"--{self._boundary}\r\n".encode()

    def part(self, picture: bytes, content_type: str) -> bytes:
        """Return one part, with the delimiter after it: browsers show a picture when the next part begins."""
        header = f"Content-Type: {content_type}\r\nContent-Length: {len(picture)}\r\n\r\n"
        return b"".join((header.encode(), picture, b"\r\n", self.beginning))


class MjpegParts:
    """Takes the pictures out of a stream, and writes them as another one."""

    def __init__(self, delimiter: bytes, orientation: int = 1) -> None:
        """Expect parts that begin with `delimiter`; each JPEG is to be turned to `orientation`, as Exif counts it."""
        self.multipart = Multipart()
        self._delimiter = delimiter
        self._orientation = orientation

    async def follow(self, chunks: AsyncIterable[bytes]) -> AsyncGenerator[bytes]:
        """Yield each picture as a part of the stream that is written, as soon as the picture is whole.

        Raises InvalidResponse where no picture comes in MAX_PICTURE bytes.
        """
        beginning = self.multipart.beginning
        async with aclosing(pictures(chunks, self._delimiter)) as found:
            async for picture in found:
                turned = with_orientation(picture, self._orientation)
                yield beginning + self.multipart.part(turned, picture_type(turned) or "")
                beginning = b""


async def first_picture(chunks: AsyncIterable[bytes], delimiter: bytes) -> bytes:
    """Return the first picture of a stream. Raises InvalidResponse where there is none in MAX_PICTURE bytes."""
    async with aclosing(pictures(chunks, delimiter)) as found:
        async for picture in found:
            return picture
    raise InvalidResponse(detail="no picture in the stream")


async def pictures(chunks: AsyncIterable[bytes], delimiter: bytes) -> AsyncGenerator[bytes]:
    """Yield each picture of a stream; what is in other parts is left out.

    Raises InvalidResponse where there is none in MAX_PICTURE bytes.
    """
    reader = _Reader(delimiter)
    async for chunk in chunks:
        for picture in reader.pictures(chunk):
            yield picture
            # Many small pictures can come at once.
            await asyncio.sleep(0)
    for picture in reader.pictures(b"", is_last=True):
        yield picture
        await asyncio.sleep(0)


class _Reader:
    """Divides a multipart body into parts as browsers do, and looks at each byte a fixed number of times at most.

    A `Content-Length` counts where a complete picture or the next part shows that it is right; after a wrong one
    parts end where the next one begins.
    """

    def __init__(self, delimiter: bytes) -> None:
        self._delimiter = delimiter
        self._name = delimiter.lstrip(b"-") or delimiter
        # Without dashes it is a word like others, which counts at the beginning of a line only.
        self._first = re.compile(rb"(-{2,%d}|(?:\A|(?<=\n))-?)%s" % (_MAX_DASHES, re.escape(self._name)))
        self._held = bytearray()
        self._searched = 0
        """How many of the bytes that are held have been looked at in vain."""
        self._size = 0
        """How many bytes have come since the last picture."""
        self._has_ended = False
        self._trusts_lengths = True
        self._length = 0
        self._hits = 0
        """How many delimiters have been seen inside of a part whose length is known."""
        self._is_whole: bool | None = None
        self._read = self._preamble
        self._part: bytes | None = None

    def pictures(self, chunk: bytes, *, is_last: bool = False) -> Iterator[bytes]:
        """Yield the pictures that are complete with this chunk. Raises InvalidResponse where none comes for long."""
        self._held += chunk
        self._size += len(chunk)
        self._has_ended = is_last
        others = 0
        while (part := self._next_part()) is not None:
            if picture_type(part):
                others, self._size = 0, len(self._held)
                yield part
            elif (others := others + 1) > MAX_OTHER_PARTS:
                raise InvalidResponse(detail="no picture in the stream")
        if self._size > MAX_PICTURE + MAX_HEADER:
            raise InvalidResponse(detail=f"no picture in {MAX_PICTURE} bytes of the stream")

    def _next_part(self) -> bytes | None:
        """Return the body of the next part that is complete, None where more has to come. Raises InvalidResponse."""
        while self._read():
            if self._part is not None:
                part, self._part = self._part, None
                return part
        return None

    # Each of these reads on from where the one before stopped, and returns whether it got any further.

    def _preamble(self) -> bool:
        """Look for the first part, and learn how this webcam writes the delimiter."""
        if _HEADER_LINE.match(self._held):
            return self._go_on(self._header)  # some leave the first delimiter out, and browsers do not mind
        found = self._first.search(self._held, max(0, self._searched - len(self._name) - _MAX_DASHES))
        if found:
            self._delimiter = found[0] if found[1] else b"\n" + self._name
            return self._go_on(self._header, found.end())
        self._searched = len(self._held)
        if len(self._held) > MAX_PREAMBLE:
            raise InvalidResponse(detail="no MJPEG stream")
        return False

    def _header(self) -> bool:
        """Read a part's header, as far as it matters."""
        if self._held.startswith(b"--"):
            return self._go_on(self._epilogue)
        end = _END_OF_HEADER.search(self._held, max(0, self._searched - _MAX_BLANKS), MAX_HEADER)
        if end is None:
            self._searched = len(self._held)
            return len(self._held) >= MAX_HEADER and self._go_on(self._between)
        length = _LENGTH.search(self._held, 0, end.start() + 1)
        self._length = int(length[1]) if length and self._trusts_lengths else 0
        is_known = 0 < self._length <= MAX_PICTURE
        return self._go_on(self._body_of_known_length if is_known else self._body, end.end())

    def _body_of_known_length(self) -> bool:
        """Take as many bytes as the header says, if that is right."""
        is_there = len(self._held) >= self._length
        if is_there and self._is_whole is None:
            self._is_whole = self._is_complete(self._length)
        if is_there and (self._is_whole or self._delimiter_follows(self._length)):
            return self._finish(self._length)
        most = self._length + _MAX_BLANKS + len(self._delimiter)
        if not self._has_ended and len(self._held) < most and not (not is_there and self._is_too_long()):
            return False
        self._trusts_lengths = False
        return self._go_on(self._body)

    def _is_too_long(self) -> bool:
        """Tell whether a complete picture and the next part have come before as many bytes as the header says."""
        while self._hits < MAX_OTHER_PARTS and (at := self._find(self._searched)) >= 0:
            if self._is_complete(at):
                return True
            self._hits += 1
            self._searched = at + len(self._delimiter) + 1
        self._searched = max(self._searched, len(self._held))
        return False

    def _delimiter_follows(self, at: int) -> bool:
        after = self._held[at : at + _MAX_BLANKS + len(self._delimiter)]
        after = after.lstrip(_BLANKS)
        return after.startswith(self._delimiter.lstrip(_BLANKS)) or (self._has_ended and not after)

    def _body(self) -> bool:
        """Take all bytes before the next part, or before the end where they are a complete picture."""
        at = self._find(self._searched)
        if at >= 0:
            return self._finish(at)
        self._searched = len(self._held)
        return self._has_ended and self._is_complete(self._searched) and self._finish(self._searched)

    def _between(self) -> bool:
        """Pass over what stands before the next part."""
        at = self._find(0)
        if at >= 0:
            return self._go_on(self._header, at + len(self._delimiter))
        del self._held[: max(0, len(self._held) - len(self._delimiter))]
        return False

    def _epilogue(self) -> bool:
        """Pass over what stands after the last part."""
        self._held.clear()
        return False

    def _find(self, searched: int) -> int:
        return self._held.find(self._delimiter, max(0, searched - len(self._delimiter)))

    def _is_complete(self, size: int) -> bool:
        end = self._held[max(0, size - MAX_PADDING) : size]
        if not end.strip(b"\0"):
            # Padded to a size of its own; compared, which is faster than to strip it.
            at = 1 + max(self._held.rfind(last[-1:], 0, size) for last in ENDS)
            end = self._held[max(0, at - MAX_PADDING) : at] if self._held[at:size] == bytes(size - at) else bytearray()
        return is_complete(self._held[:_MAX_BLANKS].lstrip(_BLANKS), end)

    def _finish(self, size: int) -> bool:
        self._part = bytes(self._held[:size]).strip(b"\r\n")
        return self._go_on(self._between, size)

    def _go_on(self, read: Callable[[], bool], size: int = 0) -> bool:
        del self._held[:size]
        self._searched = 0
        self._hits = 0
        self._is_whole = None
        self._read = read
        return True
