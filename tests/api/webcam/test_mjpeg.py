"""Pictures are read from every stream that browsers show, and nothing else is."""

import asyncio
from collections.abc import AsyncGenerator, Iterable
from contextlib import suppress
import re
import time

from hypothesis import given, strategies as st
import pytest

from custom_components.octoprint_tunnel.api.errors import InvalidResponse
from custom_components.octoprint_tunnel.api.picture import picture_type
from custom_components.octoprint_tunnel.api.webcam import mjpeg
from custom_components.octoprint_tunnel.api.webcam.mjpeg import Multipart, delimiter_of, first_picture, pictures

DELIMITER = b"--frame"
PICTURE = b"\xff\xd8\xff\xe0" + bytes(range(256)) + b"-\r\n--fram\xff\xd9"
TREACHEROUS = b"\xff\xd8\xff\xe0 Exif \r\n--frame\r\nContent-Type: text/html\r\n\r\n<script>\xff\xd9"
PNG = b"\x89PNG\r\n\x1a\n ... IEND\xaeB`\x82"
PAGE = b"--frame\r\nContent-Type: text/html\r\n\r\n<script>alert(1)</script>\r\n"
HEADER = b"--frame\r\nContent-Type: image/jpeg\r\nContent-Length: %d\r\n\r\n"


def part(picture: bytes = PICTURE, header: bytes = HEADER) -> bytes:
    """Return one part, by default as mjpg-streamer writes it."""
    return (header % len(picture) if b"%d" in header else header) + picture + b"\r\n"


async def arriving(pieces: Iterable[bytes]) -> AsyncGenerator[bytes]:
    """Yield pieces as they arrive over the network."""
    for piece in pieces:
        yield piece


def cut(body: bytes, size: int) -> list[bytes]:
    """Cut a body into pieces."""
    return [body[at : at + size] for at in range(0, len(body), size)]


async def found(body: bytes, size: int = 10_000, delimiter: bytes = DELIMITER) -> list[bytes]:
    """Return the pictures of a stream that arrives in pieces of this size."""
    return [picture async for picture in pictures(arriving(cut(body, size)), delimiter)]


# reading

PLAIN = b"--frame\r\nContent-Type: image/jpeg\r\n\r\n"
STREAMS = {
    "mjpg-streamer": b"--frame\r\n" + b"".join(part(header=HEADER[9:]) + b"--frame\r\n" for _ in range(3)),
    "ustreamer": b"--frame\r\n"
    + b"".join(
        b"Content-Type: image/jpeg\r\nContent-Length: %d\r\nX-Timestamp: 1.5\r\n\r\n" % len(PICTURE)
        + PICTURE
        + b"\r\n--frame\r\n"
        for _ in range(3)
    ),
    "camera-streamer": b"".join(part() for _ in range(3)),
    "motion": b"".join(
        part(header=b"--frame\r\nContent-type: image/jpeg\r\nContent-Length:   %d\r\n\r\n") for _ in "123"
    ),
    "esp32": b"".join(b"\r\n--frame\r\n" + part(header=HEADER[9:])[:-2] for _ in range(3)),
    "no type": b"".join(part(header=b"--frame\r\n\r\n") for _ in range(3)),
    "length alone": b"".join(part(header=b"--frame\r\nContent-Length: %d\r\n\r\n") for _ in range(3)),
    "no length": b"".join(part(header=PLAIN) for _ in range(3)),
    "upper case": b"".join(
        part(header=HEADER.upper().replace(b"--FRAME", DELIMITER).replace(b"%D", b"%d")) for _ in "123"
    ),
    "line feeds": b"".join(part(header=PLAIN.replace(b"\r", b""))[:-2] + b"\n" for _ in range(3)),
    "no line break before the delimiter": b"".join(part(header=PLAIN)[:-2] for _ in range(3)),
    "preamble": b"This is a stream.\r\n\r\n" + b"".join(part() for _ in range(3)),
    "line breaks before": b"\r\n\r\n" + b"".join(part() for _ in range(3)),
    "no first delimiter": b"".join(part() for _ in range(3)).removeprefix(b"--frame\r\n"),
    "no dashes": b"".join(part() for _ in range(3)).replace(b"--frame", b"frame"),
    "more dashes": b"".join(part() for _ in range(3)).replace(b"--frame", b"----frame"),
    "spaces after the delimiter": b"".join(part(header=HEADER.replace(b"frame", b"frame  ")) for _ in range(3)),
    "no line break at the end": b"".join(part() for _ in range(3))[:-2],
    "length with the line break": b"".join(HEADER % (len(PICTURE) + 2) + PICTURE + b"\r\n" for _ in range(3)),
    "length too small": b"".join(HEADER % (len(PICTURE) - 9) + PICTURE + b"\r\n" for _ in range(3)),
    "length too large": b"".join(HEADER % (len(PICTURE) * 2) + PICTURE + b"\r\n" for _ in range(3)),
    "length beyond all": b"".join(HEADER % 999_999_999 + PICTURE + b"\r\n" for _ in range(3)),
    "length of nothing": b"".join(HEADER % 0 + PICTURE + b"\r\n" for _ in range(3)),
    "padding": b"".join(part(PICTURE + bytes(20)) for _ in range(3)),
    "end": b"".join(part() for _ in range(3)) + b"--frame--\r\n",
    "other parts between": PAGE.join(part() for _ in range(3)) + PAGE,
}


EVERY_SIZE = pytest.mark.parametrize("size", [1, 3, 64, 300, 10_000])


@EVERY_SIZE
@pytest.mark.parametrize("stream", STREAMS)
async def test_each_stream_that_browsers_show_is_read(stream: str, size: int) -> None:
    """However the network cuts it."""
    assert [picture.rstrip(b"\0") for picture in await found(STREAMS[stream], size)] == [PICTURE] * 3
    assert (await first_picture(arriving(cut(STREAMS[stream], size)), DELIMITER)).rstrip(b"\0") == PICTURE


@EVERY_SIZE
async def test_a_picture_with_a_length_may_contain_the_delimiter(size: int) -> None:
    """Without a length it ends there, and the next picture is read."""
    assert await found(part(TREACHEROUS) + part(), size) == [TREACHEROUS, PICTURE]
    assert (await found(part(TREACHEROUS, PLAIN) + part(header=PLAIN) * 2, size))[-1] == PICTURE


async def test_a_picture_without_an_end_marker_ends_where_the_next_part_begins() -> None:
    """Some cameras omit the marker."""
    endless = PICTURE[:-2]
    assert await found(part(endless) * 3) == [endless] * 3
    assert await found(part(endless, PLAIN) * 3) == [endless] * 2  # the last one may be incomplete


async def test_a_picture_is_yielded_as_soon_as_it_is_complete() -> None:
    """With a length at its end, else when the next part begins."""
    for header, expected in ((HEADER, [0, 1, 1, 2]), (PLAIN, [0, 0, 1, 1])):
        reader, whole, counts = mjpeg._Reader(DELIMITER), part(PICTURE + bytes(200), header), [0]
        for piece in (whole[:99], whole[99:], whole[:99], whole[99:]):
            counts.append(counts[-1] + len(list(reader.pictures(piece))))
        assert counts[1:] == expected


# writing


def test_parts_are_written_with_a_delimiter_after_each() -> None:
    """So that browsers show a picture at once. The boundary is random: no webcam can start a part inside a picture."""
    writer, other = Multipart(), Multipart()
    boundary = writer.content_type.removeprefix("multipart/x-mixed-replace; boundary=").encode()
    assert len(boundary) > 32
    assert writer.content_type != other.content_type
    assert writer.beginning == b"--%b\r\n" % boundary
    expected = b"Content-Type: image/png\r\nContent-Length: %d\r\n\r\n%b\r\n--%b\r\n" % (len(PNG), PNG, boundary)
    assert writer.part(PNG, "image/png") == expected


# what is not a stream


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"x" * 2000,
        b"x" * 40_000,
        part()[: len(PICTURE)],
        re.sub(DELIMITER, b"", part(header=PLAIN) * 9).replace(b"Content-Type", b"x"),
        DELIMITER + b"x" * 4000,
        DELIMITER + b"\r\n" + b"a: b\r\n" * 2000,
        PLAIN + PICTURE[:-2] * 40,
        PAGE * 500,
        DELIMITER * 2000,
        (DELIMITER + b"\n\n") * 2000,
        DELIMITER + b"--" + b"x" * 20_000,
        b"--frame\r\nContent-Type: image/gif\r\n\r\nGIF89a\r\n" * 9,
    ],
)
async def test_a_stream_without_a_picture_ends(body: bytes, monkeypatch: pytest.MonkeyPatch) -> None:
    """It ends, or too much of it has arrived."""
    monkeypatch.setattr(mjpeg, "MAX_PICTURE", 1000)
    for size in (1, 300, 100_000):
        with pytest.raises(InvalidResponse):
            await first_picture(arriving(cut(body, size)), DELIMITER)


@pytest.mark.parametrize(
    "piece",
    [
        b"\xff" * 1400,
        PLAIN + b"\xff" * 1400,
        b"--fram" * 200,
        b"--frame" * 200,
        b"\n\n\n\n" * 300,
        b"\n   " * 300,
        b"--frame\n\n" * 150,
        b"--frame\nContent-Length: 9999999\n\n\xff\xd8\xff" + b"--frame" * 200,
        b"-" * 1400,
    ],
)
@pytest.mark.parametrize("boundary", [b"--frame", b"--\xff", b"--n"])
async def test_reading_takes_linear_time(piece: bytes, boundary: bytes) -> None:
    """Eight megabytes take less than a second of processor time."""
    began = time.thread_time()
    with suppress(InvalidResponse):
        async for _ in pictures(arriving([piece] * (8_000_000 // len(piece))), boundary):
            pass
    assert time.thread_time() - began < 1


async def test_at_most_one_part_is_held() -> None:
    """So that a stream takes little memory."""
    reader = mjpeg._Reader(DELIMITER)
    for piece in cut(part() * 500, 1001):
        list(reader.pictures(piece))
        assert len(reader._held) <= len(part()) + 1001


PIECES = [b"--frame", b"frame", b"\r\n", b"\n", b"\r\n\r\n", b"--", b"\xff\xd8\xff", b"\xff\xd9", bytes(70), b"x", b"-"]
PIECES += [b"Content-Type: text/html", b"Content-Length: 12", b"Content-Length: 999999999", PICTURE, PNG, TREACHEROUS]


@given(body=st.lists(st.sampled_from(PIECES), max_size=40), size=st.integers(1, 400))
def test_only_pictures_are_read_from_any_bytes(body: list[bytes], size: int) -> None:
    """InvalidResponse is the only error."""
    try:
        got = asyncio.run(found(b"".join(body), size))
    except InvalidResponse:
        return
    assert all(picture_type(picture) for picture in got)


@given(content_type=st.text() | st.text().map("multipart/x-mixed-replace; boundary={}".format))
def test_any_content_type_can_be_read(content_type: str) -> None:
    """It is a header that any server may send."""
    delimiter = delimiter_of(content_type)
    assert delimiter is None or len(delimiter) > len(b"--")


@pytest.mark.parametrize(
    ("content_type", "delimiter"),
    [
        ("multipart/x-mixed-replace;boundary=frame", b"--frame"),
        ('Multipart/X-Mixed-Replace; charset=x; boundary="frame"', b"--frame"),
        ("MULTIPART/X-MIXED-REPLACE ; BOUNDARY = frame ; x=y", b"--frame"),
        ("multipart/x-mixed-replace; boundary=--frame", b"--frame"),
        ('multipart/x-mixed-replace; boundary="a frame"', b"--a frame"),
        ("multipart/x-mixed-replace; boundary=a frame", b"--a frame"),
        ('multipart/x-mixed-replace; boundary="a;b"', b"--a;b"),
        ('multipart/x-mixed-replace; boundary="frame', b"--frame"),
        ("multipart/x-mixed-replace; boundary=123456789000000000000987654321", b"--123456789000000000000987654321"),
        ("multipart/x-mixed-replace; boundary=-----", b"-----"),
        ("multipart/x-mixed-replace; boundary=--", None),
        ("multipart/x-mixed-replace", None),
        ("multipart/x-mixed-replace; boundary=", None),
        ('multipart/x-mixed-replace; boundary=""', None),
        ("multipart/x-mixed-replace; boundary=\u00e9", None),
        ("multipart/x-mixed-replace; boundary=\udcff", None),
        ("multipart/x-mixed-replace; boundary=a\x00b", None),
        ("multipart/x-mixed-replace; boundary=" + "x" * 201, None),
        ("multipart/x-mixed-replace; boundary*" + "9" * 5000 + "=x", None),
        ("multipart/x-mixed-replace; boundary*=utf-8''frame", None),
        ("multipart/form-data; boundary=frame", None),
        ("text/html", None),
        ("", None),
    ],
)
def test_the_content_type_gives_the_delimiter(content_type: str, delimiter: bytes | None) -> None:
    """As cameras write it; None for anything that is not an MJPEG stream."""
    assert delimiter_of(content_type) == delimiter
