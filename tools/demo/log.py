"""Home Assistant's log: what has to stay out of it."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
import re

from . import DOMAIN

_RECORD = re.compile(r"^\d{4}-\d\d-\d\d [\d:.]+ (?P<level>[A-Z]+) \([^)]*\) \[(?P<logger>[^]]+)\] ", re.MULTILINE)
_INSTALL = re.compile(r"Attempting install of (\S+)")
_RECOVERY = "Activating recovery mode"
_TAIL = 30  # lines
# What Home Assistant's loader says of every custom integration.
_USUAL = "We found a custom integration"


@dataclass(frozen=True, kw_only=True)
class LogRecord:
    """One record with everything that belongs to it; `start` is its place in the log."""

    start: int
    level: str
    text: str

    @property
    def is_error(self) -> bool:
        """Return whether something went wrong that its writer did not deal with."""
        return self.level in ("ERROR", "CRITICAL") or self.has_traceback

    @property
    def has_traceback(self) -> bool:
        """Return whether an exception was written down."""
        return "Traceback (most recent call last)" in self.text

    @property
    def is_about_us(self) -> bool:
        """Return whether the integration wrote it, or is named in it."""
        return DOMAIN in self.text


class Log:
    """What a Home Assistant wrote, to be read while it runs."""

    def __init__(self, path: Path) -> None:
        """Read from this file, which may not be there yet."""
        self.path = path
        self._used_from: int | None = None
        self._installs = 0

    def mark_start_finished(self) -> None:
        """Take everything from here on as the demo's doing."""
        self._used_from = len(self._text())

    def tells_of_recovery(self) -> bool:
        """Return whether Home Assistant could not start, and did so without most of its parts, at its usual port."""
        return _RECOVERY in self._text()

    def new_installs(self) -> list[str]:
        """Return the packages that Home Assistant began to install since the last call."""
        installs = _INSTALL.findall(self._text())
        new, self._installs = installs[self._installs :], len(installs)
        return new

    def errors(self) -> list[str]:
        """Return what must not be there.

        Errors that the integration wrote or that name it, and any traceback once Home Assistant has started. Before
        that, parts of Home Assistant complain about what this machine does not have, ffmpeg for instance.
        """
        used_from = self._used_from
        return [
            record.text
            for record in self._records()
            if (record.is_error and record.is_about_us)
            or (record.has_traceback and used_from is not None and record.start >= used_from)
        ]

    def warnings(self) -> list[str]:
        """Return warnings about the integration, of deprecated use for instance."""
        return [
            record.text
            for record in self._records()
            if record.level == "WARNING" and record.is_about_us and _USUAL not in record.text
        ]

    def worst(self) -> str:
        """Return the errors, or else the last lines."""
        return "\n".join(self.errors() or self._text().splitlines()[-_TAIL:])

    def _text(self) -> str:
        return self.path.read_text(encoding="utf-8", errors="replace") if self.path.exists() else ""

    def _records(self) -> Iterator[LogRecord]:
        text = self._text()
        beginnings = list(_RECORD.finditer(text))
        places = [*(match.start() for match in beginnings), len(text)]
        for match, end in zip(beginnings, places[1:], strict=True):
            yield LogRecord(start=match.start(), level=match["level"], text=text[match.start() : end].rstrip())
