"""The picture of a file whose pictures OctoPrint or a plugin has yet to find."""

import time
from typing import cast

from freezegun.api import FrozenDateTimeFactory
import pytest

from custom_components.octoprint_tunnel.api.octoprint.client import OctoPrint
from custom_components.octoprint_tunnel.api.octoprint.preview import RECENT, RETRY_RECENT, Preview
from custom_components.octoprint_tunnel.api.octoprint.thumbnails import Picture, StoredFile, Thumbnail

PICTURE = Picture(body=b"picture", content_type="image/png")


class Found:
    """An OctoPrint with pictures of a file."""

    def __init__(self) -> None:
        """Begin without a picture."""
        self.pictures: tuple[Thumbnail, ...] = ()
        self.asked = 0

    async def thumbnails(self, _file: StoredFile) -> tuple[Thumbnail, ...]:
        """Return where the pictures are."""
        self.asked += 1
        return self.pictures

    async def picture(self, _thumbnail: Thumbnail) -> Picture:
        """Return a picture."""
        return PICTURE


def preview_of(found: Found, age: float) -> Preview:
    """Return the preview of a file that was uploaded so many seconds ago."""

    async def connect() -> OctoPrint:
        return cast("OctoPrint", found)

    preview = Preview(connect)
    preview.follow(StoredFile(storage="local", path="a.gcode", date=int(time.time() - age)))
    return preview


async def test_picture_that_is_found_after_the_upload(freezer: FrozenDateTimeFactory) -> None:
    """A plugin of OctoPrint 1.11 takes some time. Until a user may look again, there is no picture."""
    found = Found()
    preview = preview_of(found, age=1)
    assert (await preview.picture(), preview.is_available) == (None, False)
    found.pictures = (Thumbnail(path="/a.png"),)
    assert await preview.picture() is None
    freezer.tick(RETRY_RECENT)
    assert preview.is_available
    assert await preview.picture() == PICTURE
    assert found.asked == 2


@pytest.mark.parametrize("age", [RECENT + 1, -RECENT - 1, 10_000_000])
async def test_older_file_without_a_picture(freezer: FrozenDateTimeFactory, age: float) -> None:
    """It is asked for once. A file from the future is one from another clock."""
    found = Found()
    preview = preview_of(found, age)
    for _ in range(3):
        assert (await preview.picture(), preview.is_available) == (None, False)
        freezer.tick(RETRY_RECENT)
    assert found.asked == 1
