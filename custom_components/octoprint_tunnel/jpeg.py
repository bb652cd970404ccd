"""Pictures as bytes: what kind they are, and how a viewer is told to turn them without decoding one."""

JPEG = b"\xff\xd8"
JPEG_TYPE = "image/jpeg"
_KINDS = ((b"\xff\xd8\xff", JPEG_TYPE), (b"\x89PNG\r\n\x1a\n", "image/png"))

_EXIF = b"Exif\0\0"
_APP1 = 0xE1
_APPLICATION_SEGMENTS = (*range(0xE0, 0xF0), 0xFE)  # and comments: what may stand before the picture proper


def picture_type(data: bytes) -> str | None:
    """Return the media type of a picture by its first bytes, None for anything but JPEG and PNG."""
    return next((kind for magic, kind in _KINDS if data.startswith(magic)), None)


def orientation_segment(orientation: int) -> bytes:
    """Return the segment that follows a JPEG's first two bytes; of several that say it, viewers take the first."""
    entry = b"\x01\x12\x00\x03\x00\x00\x00\x01" + orientation.to_bytes(2) + b"\0\0"
    payload = _EXIF + b"MM\x00*\x00\x00\x00\x08" + b"\x00\x01" + entry + b"\0\0\0\0"
    return bytes((0xFF, _APP1)) + (len(payload) + 2).to_bytes(2) + payload


def with_orientation(picture: bytes, orientation: int) -> bytes:
    """Return a JPEG that says how to turn it, in place of what it said before; another picture as it is.

    `orientation` is counted as Exif does, 1 being as it is. What other Exif data there was is left out.
    """
    if orientation == 1 or not picture.startswith(JPEG):
        return picture
    parts = [JPEG, orientation_segment(orientation)]
    at = len(JPEG)
    while at + 4 <= len(picture) and picture[at] == 0xFF and picture[at + 1] in _APPLICATION_SEGMENTS:
        end = at + 2 + int.from_bytes(picture[at + 2 : at + 4])
        if not at + 4 <= end <= len(picture) - 2:
            break
        if not (picture[at + 1] == _APP1 and picture.startswith(_EXIF, at + 4)):
            parts.append(picture[at:end])
        at = end
    parts.append(picture[at:])
    return b"".join(parts)
