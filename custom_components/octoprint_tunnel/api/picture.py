"""The type of a picture, by its first bytes."""

from typing import Final

JPEG_TYPE: Final = "image/jpeg"
PNG_TYPE: Final = "image/png"

_KINDS: Final = ((b"\xff\xd8\xff", JPEG_TYPE), (b"\x89PNG\r\n\x1a\n", PNG_TYPE))


def picture_type(data: bytes | bytearray) -> str | None:
    """Return the media type of a picture by its first bytes, None if it is neither JPEG nor PNG."""
    return next((kind for magic, kind in _KINDS if data.startswith(magic)), None)
