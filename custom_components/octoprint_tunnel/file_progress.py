"""A file that tells how much of it has been read."""

from collections.abc import Callable
import errno
from io import BufferedReader, FileIO
import os
from pathlib import Path
from stat import S_ISREG
from typing import override


class FileInProgress(BufferedReader):
    """A file whose reader is followed: `tell_percent` is called with 25, 50 and 75 as it gets there."""

    def __init__(self, path: Path, tell_percent: Callable[[int], None]) -> None:
        """Open a file. Raises OSError, also for what is no file: a named pipe, a device.

        `tell_percent` is called in whatever thread reads.
        """
        super().__init__(FileIO(path, opener=_without_waiting))
        status = os.fstat(self.fileno())
        if not S_ISREG(status.st_mode):
            self.close()
            raise OSError(errno.EINVAL, "Not a file")
        self.size = status.st_size
        self._tell_percent = tell_percent
        self._told = 0

    @override
    def read(self, size: int | None = -1, /) -> bytes:
        chunk = super().read(size)
        while self._told < 3 and self.tell() * 4 >= self.size * (self._told + 1):
            self._told += 1
            self._tell_percent(self._told * 25)
        return chunk


def _without_waiting(path: str, flags: int) -> int:
    """Open a named pipe, too, before anybody writes to it."""
    return os.open(path, flags | os.O_NONBLOCK)
