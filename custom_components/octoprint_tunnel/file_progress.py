"""A file that tells how much of it has been read."""

from collections.abc import Callable
from io import BufferedReader, FileIO
import os
from pathlib import Path
from typing import override


class FileInProgress(BufferedReader):
    """A file whose reader is followed: `tell_percent` is called with 25, 50 and 75 as it gets there."""

    def __init__(self, path: Path, tell_percent: Callable[[int], None]) -> None:
        """Open a file. Raises OSError. `tell_percent` is called in whatever thread reads."""
        super().__init__(FileIO(path))
        self.size = os.fstat(self.fileno()).st_size
        self._tell_percent = tell_percent
        self._told = 0

    @override
    def read(self, size: int | None = -1, /) -> bytes:
        chunk = super().read(size)
        while self._told < 3 and self.tell() * 4 >= self.size * (self._told + 1):
            self._told += 1
            self._tell_percent(self._told * 25)
        return chunk
