"""Streams that pass through piece by piece, however they are cut, and what is no stream."""

from collections.abc import AsyncGenerator, Iterable
import re

import pytest

from custom_components.octoprint_tunnel import mjpeg
from custom_components.octoprint_tunnel.errors import InvalidResponse
from custom_components.octoprint_tunnel.jpeg import orientation_segment
from custom_components.octoprint_tunnel.mjpeg import MjpegParts, delimiter_of, first_picture

DELIMITER = b"--frame"
PICTURE = b"\xff\xd8\xff\xe0" + bytes(range(256)) + b"-\r\n--fram\xff\xd9"
TAG = orientation_segment(8)
HEADER = b"--frame\r\nContent-Type: image/jpeg\r\nContent-Length: %d\r\n\r\n"


def stream(*, tag: bytes = b"", frames: int = 3) -> bytes:
    """Return a stream, with a tag in each picture."""
    picture = PICTURE[:2] + tag + PICTURE[2:]
    return b"\r\n" + b"".join(HEADER % len(picture) + picture + b"\r\n" for _ in range(frames))


async def come(pieces: Iterable[bytes]) -> AsyncGenerator[bytes]:
    """Let pieces come over the network."""
    for piece in pieces:
        yield piece


async def passed(pieces: Iterable[bytes], orientation: int = 1) -> list[bytes]:
    """Return what is passed on."""
    return [chunk async for chunk in MjpegParts(DELIMITER, orientation).follow(come(pieces))]


def cut(body: bytes, size: int) -> list[bytes]:
    """Cut a body into pieces."""
    return [body[at : at + size] for at in range(0, len(body), size)]


@pytest.mark.parametrize("size", [1, 2, 3, 7, 64, 300, 10_000])
@pytest.mark.parametrize("end", [b"", b"--frame--\r\n"])
async def test_it_is_the_same_however_it_is_cut(size: int, end: bytes) -> None:
    """As it came, or with each picture told how to be turned, and its length told right."""
    assert b"".join(await passed(cut(stream() + end, size))) == stream() + end
    assert b"".join(await passed(cut(stream() + end, size), 8)) == stream(tag=TAG) + end


async def test_nothing_of_a_picture_is_held_back() -> None:
    """Neither until it is whole nor until the next one begins."""
    parts = MjpegParts(DELIMITER)
    sent: list[int] = []

    async def source() -> AsyncGenerator[bytes]:
        part = HEADER % len(PICTURE) + PICTURE
        for piece in (part[:99], part[99:199], part[199:] + b"\r\n", part, part + b"\r\n--fr", part[4:], part[:80]):
            sent.append(len(piece))
            yield piece

    got = []
    async for chunk in parts.follow(source()):
        got.append(len(chunk))
        # But for what may be the beginning of the next part.
        assert sum(sent) - sum(got) == (4 if len(got) == 5 else 0)
    assert len(got) == len(sent) == 7


async def test_other_parts_pass_as_they_are() -> None:
    """What is no JPEG cannot be turned."""
    body = b"--frame\nContent-Type: image/png\nContent-Length: 4\n\n\x89PNG\n--frame\n\n" + PICTURE
    assert b"".join(await passed([body])) == body
    turned = b"".join(await passed([body], 8))
    assert turned == body.replace(PICTURE, PICTURE[:2] + TAG + PICTURE[2:])


@pytest.mark.parametrize("orientation", [1, 8])
async def test_what_is_no_stream_ends(orientation: int) -> None:
    """Something else under its name, or a part without an end."""
    for body in (b"x" * 5000, b"--frame" + b"x" * 5000, b"--frame\r\n\r\n" + PICTURE * 40_000):
        with pytest.raises(InvalidResponse):
            await passed(cut(body, 60_000), orientation)


async def test_little_is_held() -> None:
    """Whatever comes."""
    parts = MjpegParts(DELIMITER, 8)
    for piece in cut(stream(frames=500), 1001):
        parts._feed(piece)
        assert len(parts._held) <= mjpeg.MAX_HEADER


@pytest.mark.parametrize(
    ("content_type", "delimiter"),
    [
        ("multipart/x-mixed-replace;boundary=frame", b"--frame"),
        ('Multipart/X-Mixed-Replace; charset=x; boundary="frame"', b"--frame"),
        ("multipart/x-mixed-replace; boundary=--frame", b"--frame"),
        ("multipart/x-mixed-replace", None),
        ("multipart/x-mixed-replace; boundary=", None),
        ("multipart/x-mixed-replace; boundary=\u00e9", None),
        ("multipart/form-data; boundary=frame", None),
        ("text/html", None),
        ("", None),
    ],
)
def test_a_stream_is_known_by_its_type(content_type: str, delimiter: bytes | None) -> None:
    """The boundary as cameras write it."""
    assert delimiter_of(content_type) == delimiter


@pytest.mark.parametrize("size", [1, 5, 400, 10_000])
async def test_the_first_picture_of_a_stream(size: int) -> None:
    """Whole, and only that."""
    assert await first_picture(come(cut(stream(), size)), DELIMITER) == PICTURE


async def test_a_stream_without_a_picture(monkeypatch: pytest.MonkeyPatch) -> None:
    """It ends, or goes on and on."""
    monkeypatch.setattr(mjpeg, "MAX_PICTURE", 1000)
    for body in (b"", b"x" * 2000, stream()[: len(PICTURE)], re.sub(DELIMITER, b"", stream(frames=9))):
        with pytest.raises(InvalidResponse):
            await first_picture(come(cut(body, 300)), DELIMITER)
