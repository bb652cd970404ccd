"""MJPEG streams: read the pictures of a multipart body, and write a new one.

Only pictures are passed on, with any type that a webcam declares: a viewer's browser trusts them as content of Home
Assistant.
"""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterable, Callable, Iterator
from contextlib import aclosing
import re
import secrets
from typing import Final

from ..errors import InvalidResponse
from ..picture import picture_type
from .jpeg import ENDS, MAX_PADDING, is_complete

MAX_PICTURE: Final = 16_000_000  # bytes; a JPEG of 12 megapixels has some 5 MB, one of noise alone 14 MB
MAX_HEADER: Final = 4096  # bytes
MAX_PREAMBLE: Final = 16_384  # bytes before the first part
MAX_OTHER_PARTS: Final = 100  # parts in a row that are not pictures
MAX_BOUNDARY: Final = 200  # characters; the standard allows 70

_TYPE: Final = "multipart/x-mixed-replace"
_BOUNDARY: Final = re.compile(r';[ \t]*boundary[ \t]*=[ \t]*(?:"([^"]*)|([^;]*))', re.IGNORECASE)
_END_OF_HEADER: Final = re.compile(rb"\r?\n[ \t]*\r?\n")
_HEADER_LINE: Final = re.compile(rb"\s{0,16}content-(?:type|length)[ \t]*:", re.IGNORECASE)
_LENGTH: Final = re.compile(rb"^content-length[ \t]*:[ \t]*(\d{1,9})\s*$", re.IGNORECASE | re.MULTILINE)
_BLANKS: Final = b"\r\n\t "
_MAX_BLANKS: Final = 16  # bytes
_MAX_DASHES: Final = 70  # before a boundary


def delimiter_of(content_type: str) -> bytes | None:
    """Return the bytes before each part of an MJPEG stream, None if the media type is not that of one."""
    media_type, _, _ = content_type.partition(";")
    if media_type.strip().lower() != _TYPE or (found := _BOUNDARY.search(content_type)) is None:
        return None
    boundary = (found[1] if found[1] is not None else found[2]).strip()
    if not boundary or len(boundary) > MAX_BOUNDARY or not boundary.isascii() or not boundary.isprintable():
        return None
    # Some cameras include the two dashes in the boundary, and then write no others before it.
    name = boundary.lstrip("-")
    if not name:
        return boundary.encode() if len(boundary) > len("--") else None
    return f"--{name}".encode()


class Multipart:
    """Writes pictures as a stream that browsers show."""

    def __init__(self) -> None:
        """Choose a random boundary, so that no webcam can start a part inside of a picture."""
        self._boundary = f"picture-{secrets.token_hex(16)}"

    @property
    def content_type(self) -> str:
        """Return the media type of the stream."""
        return f"{_TYPE}; boundary={self._boundary}"

    @property
    def beginning(self) -> bytes:
        """Return the bytes before the first part."""
        return f"--{self._boundary}\r\n".encode()

    def part(self, picture: bytes, content_type: str) -> bytes:
        """Return one part and the delimiter after it: browsers show a picture when the next part begins."""
        header = f"Content-Type: {content_type}\r\nContent-Length: {len(picture)}\r\n\r\n"
        return b"".join((header.encode(), picture, b"\r\n", self.beginning))


async def first_picture(chunks: AsyncIterable[bytes], delimiter: bytes) -> bytes:
    """Return the first picture of a stream. Raises InvalidResponse if there is none in MAX_PICTURE bytes."""
    async with aclosing(pictures(chunks, delimiter)) as found:
        async for picture in found:
            return picture
    raise InvalidResponse(detail="no picture in the stream")


async def pictures(chunks: AsyncIterable[bytes], delimiter: bytes) -> AsyncGenerator[bytes]:
    """Yield each picture of a stream; other parts are skipped.

    Raises InvalidResponse if there is none in MAX_PICTURE bytes.
    """
    reader = _Reader(delimiter)
    async for chunk in chunks:
        for picture in reader.pictures(chunk):
            yield picture
            # One chunk may hold many small pictures.
            await asyncio.sleep(0)
    for picture in reader.pictures(b"", is_last=True):
        yield picture
        await asyncio.sleep(0)


class _Reader:
    """Splits a multipart body into parts as browsers do, in time that is linear in its size.

    A `Content-Length` is used if a complete picture or the next part confirms it. After a wrong one, each part ends
    where the next one begins.
    """

    def __init__(self, delimiter: bytes) -> None:
        self._delimiter = delimiter
        self._name = delimiter.lstrip(b"-") or delimiter
        # Without dashes it is only a delimiter at the beginning of a line.
        self._first = re.compile(rb"(-{2,%d}|(?:\A|(?<=\n))-?)%s" % (_MAX_DASHES, re.escape(self._name)))
        self._held = bytearray()
        self._searched = 0
        """The number of held bytes that were searched without a result."""
        self._size = 0
        """The number of bytes since the last picture."""
        self._has_ended = False
        self._trusts_lengths = True
        self._length = 0
        self._hits = 0
        """The number of delimiters inside of a part whose length is known."""
        self._is_whole: bool | None = None
        self._read = self._preamble
        self._part: bytes | None = None

    def pictures(self, chunk: bytes, *, is_last: bool = False) -> Iterator[bytes]:
        """Yield the pictures that this chunk completes. Raises InvalidResponse after too much without a picture."""
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
        """Return the body of the next complete part, None if more bytes are needed. Raises InvalidResponse."""
        while self._read():
            if self._part is not None:
                part, self._part = self._part, None
                return part
        return None

    # The states of the reader. Each one continues where the one before stopped, and returns whether it got any further.

    def _preamble(self) -> bool:
        """Find the first part, and how this webcam writes the delimiter."""
        if _HEADER_LINE.match(self._held):
            return self._go_on(self._header)  # some webcams omit the first delimiter, and browsers accept that
        found = self._first.search(self._held, max(0, self._searched - len(self._name) - _MAX_DASHES))
        if found:
            self._delimiter = found[0] if found[1] else b"\n" + self._name
            return self._go_on(self._header, found.end())
        self._searched = len(self._held)
        if len(self._held) > MAX_PREAMBLE:
            raise InvalidResponse(detail="no MJPEG stream")
        return False

    def _header(self) -> bool:
        """Read the length in the header of a part."""
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
        """Read as many bytes as the header says, if that is right."""
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
        """Tell whether the length is too large: a complete picture and the next part came before."""
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
        """Read up to the next part, or up to the end if that completes a picture."""
        at = self._find(self._searched)
        if at >= 0:
            return self._finish(at)
        self._searched = len(self._held)
        return self._has_ended and self._is_complete(self._searched) and self._finish(self._searched)

    def _between(self) -> bool:
        """Skip the bytes before the next part."""
        at = self._find(0)
        if at >= 0:
            return self._go_on(self._header, at + len(self._delimiter))
        del self._held[: max(0, len(self._held) - len(self._delimiter))]
        return False

    def _epilogue(self) -> bool:
        """Skip the bytes after the last part."""
        self._held.clear()
        return False

    def _find(self, searched: int) -> int:
        return self._held.find(self._delimiter, max(0, searched - len(self._delimiter)))

    def _is_complete(self, size: int) -> bool:
        end = self._held[max(0, size - MAX_PADDING) : size]
        if not end.strip(b"\0"):
            # Padding of any length; to compare it is faster than to strip it.
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
