"""What OctoPrint prints: the file, and how far it has come.

Source: OctoPrint's REST API, "Job operations".
"""

from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta

from ..json_object import JsonObject
from .connection import MAX_STATE_TEXT, PrinterState
from .files import MAX_PATH

MAX_FILE_NAME = 255  # characters
LONGEST = 365 * 24 * 3600  # seconds; an estimate beyond is none
DONE = 100.0  # percent
ROUNDED = timedelta(seconds=1)  # OctoPrint tells times in whole seconds
STEADY = timedelta(minutes=1)  # an estimated time of day that moves by less stays what it was


@dataclass(frozen=True, kw_only=True, slots=True)
class Job:
    """The file that is printed, or was last, and how far that has come.

    `size` is in bytes, `progress` in percent, `elapsed` and `left` in seconds. `error` is why the printer was lost, as
    1.11 says it here. `seen` is when this was read, `is_over` whether the print had ended by then.
    """

    state_text: str | None
    path: str | None
    name: str | None
    size: int | None
    progress: float | None
    elapsed: int | None
    left: int | None
    error: str | None = None
    started_at: datetime | None = None
    finishes_at: datetime | None = None
    seen: datetime | None = field(default=None, compare=False)
    is_over: bool = False

    @classmethod
    def from_json(cls, response: JsonObject) -> Job:
        """Read `GET /api/job`; a field that makes no sense is None."""
        file, progress = response.object("job").object("file"), response.object("progress")
        path = file.exact("path", MAX_PATH) or file.exact("name")
        completion = progress.number("completion", 0)
        return cls(
            state_text=response.text("state", MAX_STATE_TEXT),
            path=path,
            name=file.text("display", MAX_FILE_NAME) or file.text("name", MAX_FILE_NAME) or path,
            size=file.integer("size", 0),
            progress=None if completion is None else min(completion, DONE),
            elapsed=progress.integer("printTime", 0, LONGEST),
            left=progress.integer("printTimeLeft", 0, LONGEST),
            error=response.text("error"),
        )

    def after(self, earlier: Job | None, state: PrinterState, now: datetime) -> Job:
        """Return what to show of this job in `state`, after what was shown before.

        A print begins at 0 % and ends with what it came to: OctoPrint resets a print that is canceled, and forgets the
        file of one that fails.
        """
        if state.is_active and state is not PrinterState.CANCELLING:
            begins = state is PrinterState.STARTING or (not self.elapsed and (self.progress or 0) < DONE)
            job = replace(self, progress=0.0, elapsed=0, left=None) if begins else self
            return job.seen_at(now, earlier)
        if earlier is None:
            # When the last print was, OctoPrint does not say.
            return replace(self, left=None, is_over=True)
        if earlier.is_over:
            is_another = self.progress and (self.path, self.elapsed) != (earlier.path, earlier.elapsed)
            return replace(self, is_over=True) if is_another else earlier
        if not self.progress:  # a file that is only selected, or that of a print of which OctoPrint forgot the rest
            return earlier.stopped()
        if self.path != earlier.path:
            return replace(self, is_over=True)
        if self.progress < (earlier.progress or 0):
            return earlier.stopped()
        if self.progress < DONE:
            return replace(self, started_at=earlier.started_at).stopped()
        return self._done_after(earlier, now)

    def seen_at(self, now: datetime, earlier: Job | None) -> Job:
        """Return this job with its times of day; those of an earlier reading of the same print stay where they can."""
        if self.elapsed is None:
            return self
        started_at = now - timedelta(seconds=self.elapsed)
        finishes_at = None if self.left is None else now + timedelta(seconds=self.left)
        if earlier is not None and self._continues(earlier, started_at):
            started_at = earlier.started_at or started_at
            if finishes_at and earlier.finishes_at and abs(finishes_at - earlier.finishes_at) < STEADY:
                finishes_at = earlier.finishes_at
        return replace(self, started_at=started_at, finishes_at=finishes_at, seen=now)

    def _continues(self, earlier: Job, started_at: datetime) -> bool:
        """Tell whether this is still the print of an earlier reading."""
        if earlier.is_over or earlier.path != self.path or (earlier.elapsed or 0) > (self.elapsed or 0):
            return False
        # The time of a print stands still in its pauses. Without one, what began after the last look is another print.
        was_paused = PrinterState.PAUSED in (
            PrinterState.from_text(earlier.state_text),
            PrinterState.from_text(self.state_text),
        )
        return was_paused or earlier.seen is None or started_at - ROUNDED < earlier.seen

    def stopped(self) -> Job:
        """Return this job as that of a print that has ended before it was done."""
        return replace(self, left=None, finishes_at=None, is_over=True)

    def _done_after(self, earlier: Job, now: datetime) -> Job:
        """Return this job as that of a print that is done, with the time at which that was."""
        prints_on = (self.elapsed or 0) - (earlier.elapsed or 0)
        if prints_on < 0 or earlier.seen is None:
            return replace(self, is_over=True)
        done_at = min(earlier.seen + timedelta(seconds=prints_on), now)
        if earlier.finishes_at and abs(done_at - earlier.finishes_at) < STEADY:
            done_at = earlier.finishes_at
        return replace(self, started_at=earlier.started_at, finishes_at=done_at, seen=now, is_over=True)
