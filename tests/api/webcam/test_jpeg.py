"""The orientation that is written into a picture, checked with an independent decoder."""

import io
from itertools import product
import tracemalloc
from typing import Any, override

from PIL import ExifTags, Image, ImageChops, ImageOps
import pytest

from custom_components.octoprint_tunnel.api.octoprint.webcam import Webcam
from custom_components.octoprint_tunnel.api.picture import picture_type
from custom_components.octoprint_tunnel.api.webcam.jpeg import MAX_SEGMENTS, orientation_segment, with_orientation

FLIP_H, FLIP_V, ROTATE = Image.Transpose.FLIP_LEFT_RIGHT, Image.Transpose.FLIP_TOP_BOTTOM, Image.Transpose.ROTATE_90


def picture() -> Image.Image:
    """Return a picture without symmetry."""
    image = Image.new("RGB", (64, 32), "black")
    image.paste("red", (0, 0, 32, 16))
    image.paste("white", (48, 0, 64, 8))
    return image


def jpeg(**options: object) -> bytes:
    """Return it as JPEG."""
    body = io.BytesIO()
    picture().save(body, "JPEG", quality=95, **options)
    return body.getvalue()


def opened(body: bytes) -> Image.Image:
    """Return a picture as a viewer shows it."""
    shown = ImageOps.exif_transpose(Image.open(io.BytesIO(body)))
    assert shown is not None
    return shown


def alike(one: Image.Image, other: Image.Image) -> bool:
    """Return whether two pictures are the same, apart from losses of JPEG."""
    if one.size != other.size:
        return False
    return max(ImageChops.difference(one, other).convert("L").resize((8, 8)).tobytes()) < 16


@pytest.mark.parametrize(("flip_h", "flip_v", "rotate_90"), product((False, True), repeat=3))
def test_a_viewer_shows_it_as_octoprint_does(flip_h: bool, flip_v: bool, rotate_90: bool) -> None:
    """The flips first, then a quarter counter-clockwise."""
    flips = {"flip_h": flip_h, "flip_v": flip_v, "rotate_90": rotate_90}
    webcam = Webcam(position=0, name="", display_name="", snapshot_url="", stream_url="", **flips)
    expected = picture()
    for wanted, how in ((flip_h, FLIP_H), (flip_v, FLIP_V), (rotate_90, ROTATE)):
        if wanted:
            expected = expected.transpose(how)
    assert alike(opened(with_orientation(jpeg(), webcam.orientation)), expected)


def test_the_orientation_of_the_picture_itself_is_replaced() -> None:
    """Also behind 255 segments of a color profile; other segments stay."""
    exif = Image.Exif()
    exif[ExifTags.Base.Orientation] = 3
    profile = b"\xff\xe2\x00\x04xx" * 255
    original = jpeg(exif=exif, comment=b"kept")
    body = with_orientation(original[:2] + profile + original[2:], 6)
    assert body.count(b"Exif\0\0") == 1
    shown = Image.open(io.BytesIO(body))
    assert shown.getexif()[ExifTags.Base.Orientation] == 6
    assert shown.info["comment"] == b"kept"
    assert profile in body


def test_what_needs_no_rotation_is_unchanged() -> None:
    """Neither is a picture that has no orientation."""
    assert with_orientation(body := jpeg(), 1) is body
    assert with_orientation(png := b"\x89PNG\r\n\x1a\n", 8) is png


@pytest.mark.parametrize("rest", [b"", b"\xff", b"\xff\xe0", b"\xff\xe0\x00", b"\xff\xe1\xff\xff", b"\xff\xe1\0\1xxxx"])
def test_a_truncated_picture_is_kept(rest: bytes) -> None:
    """Nothing is read beyond its end."""
    assert with_orientation(b"\xff\xd8" + rest, 8) == b"\xff\xd8" + orientation_segment(8) + rest


class _Counting(bytes):
    """Bytes that count how often they are read."""

    reads = 0

    @override
    def __getitem__(self, at: Any) -> Any:
        self.reads += 1
        return super().__getitem__(at)


@pytest.mark.parametrize("segment", [b"\xff\xe0\x00\x02", b"\xff\xe1\x00\x08Exif\0\0"])
def test_endless_segments_take_neither_time_nor_memory(segment: bytes) -> None:
    """They are read in the event loop."""
    body = _Counting(b"\xff\xd8" + segment * (16_000_000 // len(segment)))
    tracemalloc.start()
    turned = with_orientation(body, 6)
    memory = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert turned.startswith(b"\xff\xd8" + orientation_segment(6))
    assert body.reads < 10 * MAX_SEGMENTS
    assert memory < 4 * len(body)


def test_the_first_bytes_show_the_type() -> None:
    """The type that a server declares makes no difference."""
    assert picture_type(jpeg()) == "image/jpeg"
    assert picture_type(b"\x89PNG\r\n\x1a\n...") == "image/png"
    assert [picture_type(body) for body in (b"", b"<html>", b"GIF89a", b"\xff\xd8")] == [None] * 4
