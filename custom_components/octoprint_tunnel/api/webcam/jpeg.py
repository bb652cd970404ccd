"""Pictures as bytes: whether they are complete, and their orientation without decoding them."""

from typing import Final

from ..picture import picture_type

JPEG: Final = b"\xff\xd8"
MAX_PADDING: Final = 64  # bytes that some cameras write after the end of a picture
MAX_SEGMENTS: Final = 1000  # before the image data; usually some ten, and up to 255 more for a color profile

ENDS: Final = (b"\xff\xd9", b"IEND\xaeB`\x82")

_EXIF: Final = b"Exif\0\0"
_APP1: Final = 0xE1
_APPLICATION_SEGMENTS: Final = (*range(0xE0, 0xF0), 0xFE)  # and comments


def is_complete(beginning: bytes | bytearray, end: bytes | bytearray) -> bool:
    """Tell whether a picture with these first and last bytes is complete; padding after it is allowed."""
    return picture_type(beginning) is not None and end.rstrip(b"\0\r\n").endswith(ENDS)


def orientation_segment(orientation: int) -> bytes:
    """Return the Exif segment for the start of a JPEG; viewers use the first one."""
    entry = b"\x01\x12\x00\x03\x00\x00\x00\x01" + orientation.to_bytes(2) + b"\0\0"
    payload = _EXIF + b"MM\x00*\x00\x00\x00\x08" + b"\x00\x01" + entry + b"\0\0\0\0"
    return bytes((0xFF, _APP1)) + (len(payload) + 2).to_bytes(2) + payload


def with_orientation(picture: bytes, orientation: int) -> bytes:
    """Return a JPEG with this Exif orientation in place of its own Exif data; other pictures unchanged.

    Orientation 1 is unrotated, and leaves the picture unchanged. Exif data after MAX_SEGMENTS segments stays.
    """
    if orientation == 1 or not picture.startswith(JPEG):
        return picture
    parts = [JPEG, orientation_segment(orientation)]
    at = len(JPEG)
    for _ in range(MAX_SEGMENTS):
        if at + 4 > len(picture) or picture[at] != 0xFF or picture[at + 1] not in _APPLICATION_SEGMENTS:
            break
        end = at + 2 + int.from_bytes(picture[at + 2 : at + 4])
        if not at + 4 <= end <= len(picture) - 2:
            break
        if not (picture[at + 1] == _APP1 and picture.startswith(_EXIF, at + 4)):
            parts.append(picture[at:end])
        at = end
    parts.append(picture[at:])
    return b"".join(parts)
