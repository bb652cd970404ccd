"""The print job of OctoPrint: its file and its progress.

Source: OctoPrint's REST API, "Job operations".
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from enum import StrEnum

from ..json_object import JsonObject
from .connection import MAX_STATE_TEXT, PrinterState
from .filament import Filament, filaments_from_json
from .files import MAX_PATH, LocalFile
from .thumbnails import StoredFile

MAX_FILE_NAME = 255  # characters
MAX_USER = 100
MAX_SECONDS = 365 * 24 * 3600  # a longer time is not believed
DONE = 100.0  # percent
ALMOST_DONE = 99.9
TIME_RESOLUTION = timedelta(seconds=1)  # OctoPrint reports whole seconds
TIME_TOLERANCE = timedelta(minutes=1)  # an estimated time of day that moves by less stays as it is


def rounded_progress(percent: float | None) -> float | None:
    """Return a progress to 0.1 %. Only what is done has 100 %."""
    if percent is None:
        return None
    return DONE if percent >= DONE else min(round(percent, 1), ALMOST_DONE)


class TimeLeftOrigin(StrEnum):
    """What OctoPrint bases the time left on: the print so far, earlier prints, the file's analysis, or the printer."""

    LINEAR = "linear"
    ESTIMATE = "estimate"
    AVERAGE = "average"
    ANALYSIS = "analysis"
    MIXED_AVERAGE = "mixed_average"
    MIXED_ANALYSIS = "mixed_analysis"
    PRINTER = "printer"

    @classmethod
    def from_text(cls, text: str | None) -> TimeLeftOrigin | None:
        """Return the origin that OctoPrint names, None for one that is not known."""
        return next((origin for origin in cls if text and origin.value == text.replace("-", "_")), None)


@dataclass(frozen=True, kw_only=True, slots=True)
class Job:
    """The current or the last print: its file and its progress.

    `size` is in bytes, `progress` in percent, `elapsed` and `left` in seconds. `position` is how many bytes of the file
    were sent to the printer, `local_file` the version of the file if it is in OctoPrint's own storage, `file` where it
    is in any storage. `estimate` is how long the whole print takes by the analysis of its file, in seconds, and
    `filament` what it needs for each tool. `user` started the print. `error` is why the connection to the printer was
    lost; OctoPrint 1.11 reports it here. `read_at` is when this was read, `is_over` whether the print has ended.
    """

    state_text: str | None
    path: str | None
    name: str | None
    size: int | None
    progress: float | None
    elapsed: int | None
    left: int | None
    position: int | None = None
    local_file: LocalFile | None = None
    left_origin: TimeLeftOrigin | None = None
    estimate: int | None = None
    filament: Mapping[str, Filament] = field(default_factory=dict)
    file: StoredFile | None = None
    user: str | None = None
    error: str | None = None
    started_at: datetime | None = None
    finishes_at: datetime | None = None
    read_at: datetime | None = field(default=None, compare=False)
    is_over: bool = False

    @classmethod
    def from_json(cls, response: JsonObject) -> Job:
        """Read `GET /api/job`; a field that is missing or has no valid value is None."""
        job, progress = response.object("job"), response.object("progress")
        file = job.object("file")
        path = file.exact("path", MAX_PATH) or file.exact("name")
        return cls(
            state_text=response.text("state", MAX_STATE_TEXT),
            path=path,
            name=file.text("display", MAX_FILE_NAME) or file.text("name", MAX_FILE_NAME) or path,
            size=file.integer("size", 0),
            progress=rounded_progress(progress.number("completion", 0)),
            elapsed=progress.integer("printTime", 0, MAX_SECONDS),
            left=progress.integer("printTimeLeft", 0, MAX_SECONDS),
            position=progress.integer("filepos", 0),
            local_file=LocalFile.from_json(file),
            left_origin=TimeLeftOrigin.from_text(progress.exact("printTimeLeftOrigin")),
            estimate=job.integer("estimatedPrintTime", 0, MAX_SECONDS),
            filament=filaments_from_json(job.object("filament")),
            file=StoredFile.from_json(file),
            user=job.text("user", MAX_USER),
            error=response.text("error"),
        )

    @property
    def filament_length(self) -> float | None:
        """Return the length of filament that the print needs, in mm for all tools."""
        lengths = [filament.length for filament in self.filament.values() if filament.length is not None]
        return round(sum(lengths), 1) if lengths else None

    def after(self, earlier: Job | None, state: PrinterState, now: datetime) -> Job:
        """Return what to show of this job while the printer is in `state`; `earlier` was shown before.

        A print begins at 0 % and keeps its last progress: OctoPrint resets that of a canceled print, and forgets the
        file of a failed one.
        """
        if state.is_active and state is not PrinterState.CANCELLING:
            begins = state is PrinterState.STARTING or (not self.elapsed and (self.progress or 0) < DONE)
            job = replace(self, progress=0.0, elapsed=0, left=None, position=0) if begins else self
            return job.with_times(now, earlier)
        if earlier is None:
            # OctoPrint does not report when the last print was.
            return replace(self, left=None, is_over=True)
        if earlier.is_over:
            is_another = self.progress and (self.path, self.elapsed) != (earlier.path, earlier.elapsed)
            return replace(self, is_over=True) if is_another else earlier
        return self._ended_after(earlier, now)

    def _ended_after(self, earlier: Job, now: datetime) -> Job:
        """Return what to show of a print that has ended since an earlier reading."""
        if not self.progress:  # a file that is only selected, or a print that OctoPrint has reset
            return earlier.stopped()
        if self.path != earlier.path:
            return replace(self, is_over=True)
        if self.progress < (earlier.progress or 0):
            return earlier.stopped()
        # OctoPrint 2.0 forgets who started a print that is done.
        job = replace(self, user=self.user or earlier.user, filament=self.filament or earlier.filament)
        if self.progress < DONE:
            return replace(job, started_at=earlier.started_at).stopped()
        return job.done_after(earlier, now)

    def with_times(self, now: datetime, earlier: Job | None) -> Job:
        """Return this job with its times of day; those of an earlier reading stay if they are about the same."""
        if self.elapsed is None:
            return self
        started_at = now - timedelta(seconds=self.elapsed)
        finishes_at = None if self.left is None else now + timedelta(seconds=self.left)
        if earlier is not None and self._continues(earlier, started_at):
            started_at = earlier.started_at or started_at
            if finishes_at and earlier.finishes_at and abs(finishes_at - earlier.finishes_at) < TIME_TOLERANCE:
                finishes_at = earlier.finishes_at
        return replace(self, started_at=started_at, finishes_at=finishes_at, read_at=now)

    def _continues(self, earlier: Job, started_at: datetime) -> bool:
        """Tell whether this is still the print of an earlier reading."""
        if earlier.is_over or earlier.path != self.path or (earlier.elapsed or 0) > (self.elapsed or 0):
            return False
        # The elapsed time stands still in a pause. Without one, a print that began after the last reading is another.
        was_paused = PrinterState.PAUSED in (
            PrinterState.from_text(earlier.state_text),
            PrinterState.from_text(self.state_text),
        )
        return was_paused or earlier.read_at is None or started_at - TIME_RESOLUTION < earlier.read_at

    def stopped(self) -> Job:
        """Return this job as a print that has ended before it was done."""
        return replace(self, left=None, finishes_at=None, is_over=True)

    def done_after(self, earlier: Job, now: datetime) -> Job:
        """Return this job as a print that is done, with the time of its end."""
        prints_on = (self.elapsed or 0) - (earlier.elapsed or 0)
        if prints_on < 0 or earlier.read_at is None:
            return replace(self, is_over=True)
        done_at = min(earlier.read_at + timedelta(seconds=prints_on), now)
        if earlier.finishes_at and abs(done_at - earlier.finishes_at) < TIME_TOLERANCE:
            done_at = earlier.finishes_at
        return replace(self, started_at=earlier.started_at, finishes_at=done_at, read_at=now, is_over=True)
