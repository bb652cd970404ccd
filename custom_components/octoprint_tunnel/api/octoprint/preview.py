"""The picture of the model in the file that is printed or selected."""

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import suppress
from datetime import UTC, datetime
import math
import time
from typing import Final

from ..backoff import Backoff
from ..errors import DownloadTooLarge, InvalidResponse, OctoPrintTunnelError, Rejected, UnexpectedStatus
from .client import OctoPrint
from .thumbnails import Picture, StoredFile, Thumbnail

FIRST_RETRY: Final = 10  # seconds
LONGEST_RETRY: Final = 600
RECENT: Final = 120  # seconds since an upload; a plugin may still look for the pictures in the file
RETRY_RECENT: Final = 60  # seconds until a recent file may have a picture

_NO_PICTURE: Final = (DownloadTooLarge, InvalidResponse, Rejected, UnexpectedStatus)
"""Errors that the next request for the same file would meet, too."""


class Preview:
    """One picture: fetched when a user looks, once for each version of a file, and kept until another file comes."""

    def __init__(self, connect: Callable[[], Awaitable[OctoPrint]]) -> None:
        """Prepare to fetch pictures; `connect` returns a client for the requests of one picture."""
        self.since: datetime | None = None
        """When the file became known."""
        self._connect = connect
        self._file: StoredFile | None = None
        self._picture: Picture | None = None
        self._missing_until = 0.0
        self._fetching: asyncio.Task[None] | None = None
        self._retry = Backoff(FIRST_RETRY, LONGEST_RETRY)
        self._retry_at = 0.0

    def follow(self, file: StoredFile | None) -> None:
        """Show the picture of this file; None if there is no file."""
        if file == self._file:
            return
        self._file, self._picture, self._missing_until = file, None, 0.0
        self.since = datetime.now(UTC) if file else None
        self._retry.reset()
        self._retry_at = 0.0
        self.close()

    @property
    def is_available(self) -> bool:
        """Tell whether there is a picture, as far as is known: that there is none shows when a user looks."""
        return self._file is not None and time.monotonic() >= self._missing_until

    async def picture(self) -> Picture | None:
        """Return the picture, fetched once for all who look; None if there is none, or none can be fetched now."""
        is_fetching = self._fetching is not None and not self._fetching.done()
        if self._file and not is_fetching and self._may_fetch():
            self._fetching = asyncio.create_task(self._fetch(self._file))
        if fetching := self._fetching:
            # Not awaited itself: a viewer that is canceled would cancel it for the others.
            await asyncio.wait((fetching,))
        return self._picture

    def close(self) -> None:
        """Stop fetching."""
        if self._fetching:
            self._fetching.cancel()
            self._fetching = None

    def _may_fetch(self) -> bool:
        return self.is_available and self._picture is None and time.monotonic() >= self._retry_at

    async def _fetch(self, file: StoredFile) -> None:
        """Fetch the picture of a file. After an error that may pass, it is fetched again when a user looks later."""
        try:
            octoprint = await self._connect()
            found: tuple[Thumbnail, ...] = ()
            with suppress(*_NO_PICTURE):
                found = await octoprint.thumbnails(file)
            for thumbnail in found:
                with suppress(*_NO_PICTURE):
                    self._picture = await octoprint.picture(thumbnail)
                    return
            self._missing_until = time.monotonic() + RETRY_RECENT if not found and _is_recent(file) else math.inf
        except OctoPrintTunnelError:
            self._retry_at = time.monotonic() + self._retry.next()


def _is_recent(file: StoredFile) -> bool:
    return file.date is not None and abs(time.time() - file.date) < RECENT
