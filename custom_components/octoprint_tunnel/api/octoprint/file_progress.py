"""A file that tells how much of it has been read, and that is in an allowed folder."""

from collections.abc import Callable
import errno
from io import BufferedReader, FileIO
import os
from pathlib import Path
from stat import S_ISREG
from typing import override


class FileInProgress(BufferedReader):
    """A file whose reader is followed: `tell_percent` is called with 25, 50 and 75 as it gets there."""

    def __init__(self, path: Path, is_allowed: Callable[[str], bool], tell_percent: Callable[[int], None]) -> None:
        """Open a file.

        `is_allowed` tells whether a path without links may be read; it is asked for the file that is open, so that
        nothing can be put in its place. Raises PermissionError where it is not allowed, and OSError also for what is no
        file: a named pipe, a device. `tell_percent` is called in the thread that reads.
        """
        super().__init__(FileIO(path, opener=_without_waiting))
        try:
            self.size = _size_of(self.fileno(), path, is_allowed)
        except OSError:
            self.close()
            raise
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
    """Open a named pipe, too, before anything writes to it."""
    return os.open(path, flags | os.O_NONBLOCK | os.O_NOCTTY)


def _size_of(descriptor: int, path: Path, is_allowed: Callable[[str], bool]) -> int:
    """Return the size of an open file that may be read; raises OSError for any other."""
    status = os.fstat(descriptor)
    if not S_ISREG(status.st_mode):
        raise OSError(errno.EINVAL, "Not a file")
    real_path = _real_path(descriptor, path)
    if not is_allowed(str(real_path)):
        raise PermissionError(errno.EPERM, "Not allowed")
    if not os.path.samestat(real_path.lstat(), status):
        raise OSError(errno.ESTALE, "Not the same file any more")
    return status.st_size


def _real_path(descriptor: int, path: Path) -> Path:
    """Return where the open file is, as Linux tells it; elsewhere, where the path leads by now."""
    try:
        return Path(f"/proc/self/fd/{descriptor}").readlink()
    except OSError:
        return path.resolve()
