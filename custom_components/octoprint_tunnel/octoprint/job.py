"""What OctoPrint prints: the file, and how far it has come.

Source: OctoPrint's REST API, "Job operations".
"""

from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from ..json_object import JsonObject
from .connection import MAX_STATE_TEXT

MAX_FILE_NAME = 255  # characters
LONGEST = 365 * 24 * 3600  # seconds; an estimate beyond is none
STEADY = timedelta(minutes=1)  # an estimated time of day that moves by less stays what it was


@dataclass(frozen=True, kw_only=True, slots=True)
class Job:
    """The file that is printed, or was last, and how far that has come.

    `size` is in bytes, `progress` in percent, `elapsed` and `left` in seconds.
    """

    state_text: str | None
    path: str | None
    name: str | None
    size: int | None
    progress: float | None
    elapsed: int | None
    left: int | None
    started_at: datetime | None = None
    finishes_at: datetime | None = None

    @classmethod
    def from_json(cls, answer: JsonObject) -> Job:
        """Read `GET /api/job`; whatever makes no sense is None."""
        file, progress = answer.object("job").object("file"), answer.object("progress")
        path = file.exact("path") or file.exact("name")
        completion = progress.number("completion", 0)
        return cls(
            state_text=answer.text("state", MAX_STATE_TEXT),
            path=path,
            name=file.text("display", MAX_FILE_NAME) or file.text("name", MAX_FILE_NAME) or path,
            size=file.integer("size", 0),
            progress=None if completion is None else min(completion, 100.0),
            elapsed=progress.integer("printTime", 0, LONGEST),
            left=progress.integer("printTimeLeft", 0, LONGEST),
        )

    def seen_at(self, now: datetime, earlier: Job | None) -> Job:
        """Return this job with its times of day; those of an earlier reading of the same print stay where they can."""
        if self.elapsed is None:
            return self
        started_at = now - timedelta(seconds=self.elapsed)
        finishes_at = None if self.left is None else now + timedelta(seconds=self.left)
        if earlier is not None and earlier.path == self.path and (earlier.elapsed or 0) <= self.elapsed:
            started_at = earlier.started_at or started_at
            if finishes_at and earlier.finishes_at and abs(finishes_at - earlier.finishes_at) < STEADY:
                finishes_at = earlier.finishes_at
        return replace(self, started_at=started_at, finishes_at=finishes_at)
