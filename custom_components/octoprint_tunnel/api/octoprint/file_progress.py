"""A file in an allowed folder that reports what is read of it, and how much."""

from collections.abc import Callable
import errno
from io import BufferedReader, FileIO
import os
from pathlib import Path
from stat import S_ISREG
from typing import override


class FileInProgress(BufferedReader):
    """A file that calls `report_data` with what is read, and `report_percent` with 25, 50 and 75."""

    def __init__(
        self,
        path: Path,
        is_allowed: Callable[[str], bool],
        report_data: Callable[[bytes], None],
        report_percent: Callable[[int], None],
    ) -> None:
        """Open a file.

        `is_allowed` tells whether a path without links may be read. It is called for the file that is open, which
        cannot be replaced any more. The others are called in the thread that reads. Raises PermissionError for a file
        that is not allowed, and OSError for anything but a file: a named pipe, a device.
        """
        super().__init__(FileIO(path, opener=_without_waiting))
        try:
            self.size = _size_of(self.fileno(), path, is_allowed)
        except OSError:
            self.close()
            raise
        self._report_data = report_data
        self._report_percent = report_percent
        self._reported = 0

    @override
    def read(self, size: int | None = -1, /) -> bytes:
        chunk = super().read(size)
        self._report_data(chunk)
        while self._reported < 3 and self.tell() * 4 >= self.size * (self._reported + 1):
            self._reported += 1
            self._report_percent(self._reported * 25)
        return chunk


def _without_waiting(path: str, flags: int) -> int:
    """Open a path without waiting; a named pipe would wait for a writer."""
    return os.open(path, flags | os.O_NONBLOCK | os.O_NOCTTY)


def _size_of(descriptor: int, path: Path, is_allowed: Callable[[str], bool]) -> int:
    """Return the size of an open file. Raises OSError if it may not be read."""
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
    """Return the path of an open file as Linux knows it; on other systems, where the path leads now."""
    try:
        return Path(f"/proc/self/fd/{descriptor}").readlink()
    except OSError:
        return path.resolve()
