"""Home Assistant's log, and the errors that must not be in it."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
import re

from . import DOMAIN

_RECORD = re.compile(r"^\d{4}-\d\d-\d\d [\d:.]+ (?P<level>[A-Z]+) \([^)]*\) \[(?P<logger>[^]]+)\] ", re.MULTILINE)
_INSTALL = re.compile(r"Attempting install of (\S+)")
_RECOVERY = "Activating recovery mode"
_TAIL = 30  # lines
# Home Assistant's loader writes this about every custom integration.
_USUAL = "We found a custom integration"


@dataclass(frozen=True, kw_only=True)
class LogRecord:
    """One record with all of its lines; `start` is its position in the log."""

    start: int
    level: str
    text: str

    @property
    def is_error(self) -> bool:
        """Return whether it is an error that was not handled."""
        return self.level in ("ERROR", "CRITICAL") or self.has_traceback

    @property
    def has_traceback(self) -> bool:
        """Return whether it has a traceback."""
        return "Traceback (most recent call last)" in self.text

    @property
    def is_about_us(self) -> bool:
        """Return whether the integration wrote it or is named in it."""
        return DOMAIN in self.text


class Log:
    """The log of a running Home Assistant."""

    def __init__(self, path: Path) -> None:
        """Read from this file, which may not exist yet."""
        self.path = path
        self._used_from: int | None = None
        self._installs = 0

    def mark_start_finished(self) -> None:
        """Treat the records from here on as caused by the demo."""
        self._used_from = len(self._text())

    def tells_of_recovery(self) -> bool:
        """Return whether Home Assistant has started in recovery mode, at its default port."""
        return _RECOVERY in self._text()

    def new_installs(self) -> list[str]:
        """Return the packages that Home Assistant has started to install since the last call."""
        installs = _INSTALL.findall(self._text())
        new, self._installs = installs[self._installs :], len(installs)
        return new

    def errors(self) -> list[str]:
        """Return the records that must not be in the log.

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
        """Return warnings about the integration, for example of deprecated use."""
        return [
            record.text
            for record in self._records()
            if record.level == "WARNING" and record.is_about_us and _USUAL not in record.text
        ]

    def worst(self) -> str:
        """Return the errors, or the last lines if there are none."""
        return "\n".join(self.errors() or self._text().splitlines()[-_TAIL:])

    def _text(self) -> str:
        return self.path.read_text(encoding="utf-8", errors="replace") if self.path.exists() else ""

    def _records(self) -> Iterator[LogRecord]:
        text = self._text()
        beginnings = list(_RECORD.finditer(text))
        places = [*(match.start() for match in beginnings), len(text)]
        for match, end in zip(beginnings, places[1:], strict=True):
            yield LogRecord(start=match.start(), level=match["level"], text=text[match.start() : end].rstrip())
