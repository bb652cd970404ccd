"""Finds out what happens to a print, and tells each occurrence once.

OctoPrint's push socket reports it. What it does not report, two readings show.
"""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from enum import Enum, auto
from typing import Final, Self

from ..token_bucket import TokenBucket
from .connection import PrinterState
from .job import DONE, Job
from .print_event import PrintEvent, PrintEventType
from .printer_error import PrinterError
from .status import PrinterStatus

EVENTS_AT_ONCE: Final = 20  # a print has a few
EVENTS_PER_SECOND: Final = 1 / 15


class Phase(Enum):
    """Where a print is."""

    NONE = auto()
    PRINTING = auto()
    PAUSED = auto()


_PHASES: Final = {
    PrintEventType.STARTED: Phase.PRINTING,
    PrintEventType.RESUMED: Phase.PRINTING,
    PrintEventType.PAUSED: Phase.PAUSED,
    PrintEventType.DONE: Phase.NONE,
    PrintEventType.FAILED: Phase.NONE,
    PrintEventType.CANCELED: Phase.NONE,
}
"""The phase after an event; others do not change it."""

_NO_PRINT: Final = (PrinterState.OPERATIONAL, PrinterState.TRANSFERRING)
_BEGINNING: Final = (PrinterState.STARTING, PrinterState.PRINTING)
_PASSING: Final = (PrinterState.CANCELLING, PrinterState.FINISHING, PrinterState.UNKNOWN_STATE)


def phase_of(state: PrinterState, earlier: Phase) -> Phase:
    """Return the phase in a state; states that a print only passes through keep the earlier phase."""
    if state in _BEGINNING:
        return Phase.PRINTING
    if state is PrinterState.PAUSED:
        return Phase.PAUSED
    if state in _PASSING:
        return earlier
    if state in _NO_PRINT or not state.is_connected:
        return Phase.NONE
    return Phase.PRINTING if earlier is Phase.NONE else earlier  # it begins to pause, or to go on


@dataclass(frozen=True, kw_only=True, slots=True)
class Moment:
    """What is known of the print at one moment. `is_lost` tells that OctoPrint is not connected to the printer."""

    phase: Phase
    job: Job | None = None
    is_lost: bool = False
    error: PrinterError | None = None

    @classmethod
    def of(cls, status: PrinterStatus, earlier: Phase = Phase.NONE) -> Self:
        """Return the moment of a reading that came after the earlier phase."""
        state = status.state
        return cls(phase=phase_of(state, earlier), job=status.job, is_lost=not state.is_connected, error=status.error)

    def after(self, kind: PrintEventType) -> Moment:
        """Return the moment after an event that OctoPrint reported; the job of a print that began or ended is old."""
        phase = _PHASES.get(kind, self.phase)
        begins_or_ends = kind is PrintEventType.STARTED or kind.is_end
        return replace(self, phase=phase, job=None if begins_or_ends else self.job)


def events_between(before: Moment, after: Moment, *, outage: bool = False) -> tuple[PrintEvent, ...]:
    """Return what happened between two moments, as far as they show it.

    After an `outage` of OctoPrint or the way to it, only what is certain: a print that is gone may have ended in any
    way, unless OctoPrint says that it is done.
    """
    kinds = _kinds_between(before, after, outage=outage)
    return tuple(PrintEvent(type=kind).with_job(after.job).with_error(after.error) for kind in kinds)


def _kinds_between(before: Moment, after: Moment, *, outage: bool) -> Iterator[PrintEventType]:
    if after.phase is Phase.NONE:
        if _is_done(before, after):
            yield PrintEventType.DONE
        elif before.phase is not Phase.NONE and not outage:
            yield PrintEventType.FAILED if after.is_lost else PrintEventType.CANCELED
        return
    if before.phase is Phase.NONE or _is_another(before.job, after.job):
        yield PrintEventType.STARTED
        if after.phase is Phase.PAUSED:
            yield PrintEventType.PAUSED
    elif before.phase is not after.phase:
        yield PrintEventType.PAUSED if after.phase is Phase.PAUSED else PrintEventType.RESUMED


def _is_done(before: Moment, after: Moment) -> bool:
    """Tell whether a print was done since; a short one may have begun since, too."""
    if after.job is None or after.job.progress != DONE:
        return False
    if before.phase is not Phase.NONE:
        return True
    job = before.job
    return job is not None and job.is_over and (job.path, job.elapsed) != (after.job.path, after.job.elapsed)


def _is_another(before: Job | None, after: Job | None) -> bool:
    """Tell whether two jobs in progress are certainly two prints. The time of one print never shrinks."""
    if before is None or after is None or before.is_over:
        return False
    return before.path != after.path or (before.elapsed or 0) > (after.elapsed or 0)


class PrintTracker:
    """Combines what OctoPrint reports with what readings show.

    A report is told with the next reading that began after it, so that everything else that is known belongs to it. The
    end of a print is told when the printer is free.
    """

    def __init__(self) -> None:
        """Begin with nothing known: the first reading tells no events."""
        self._known: Moment | None = None
        self._reported: list[PrintEvent] = []
        self._due = 0
        self._number = 0
        self._bucket = TokenBucket(burst=EVENTS_AT_ONCE, per_second=EVENTS_PER_SECOND)

    def report(self, event: PrintEvent) -> None:
        """Take an event that OctoPrint reported; it is dropped if a reading has shown it, or if there are too many."""
        known = self._known
        if known is None or self._is_told(known, event) or not self._bucket.take():
            return
        self._known = known.after(event.type)
        self._reported.append(event)

    def _is_told(self, known: Moment, event: PrintEvent) -> bool:
        if event.type is PrintEventType.STARTED:
            is_another = known.job is not None and known.job.path != event.path
            return known.phase is not Phase.NONE and not is_another
        return _PHASES.get(event.type) is known.phase

    def begin_reading(self) -> None:
        """Remember that a reading begins now: what is reported from now on may be newer than it."""
        self._due = len(self._reported)

    def end_reading(self, status: PrinterStatus, *, live: bool, outage: bool) -> PrinterStatus:
        """Return a reading with the events that it tells.

        While OctoPrint reports events (`live`), a reading tells none of its own: the report may be under way. See
        `catch_up`.
        """
        is_newest = self._due == len(self._reported)
        known = self._known
        moment = Moment.of(status, known.phase if known else Phase.NONE)
        told = self._take_due(status)
        if known is None:
            self._known = moment
        elif is_newest and not live:
            told += events_between(known, moment, outage=outage)
            self._known = moment
        elif is_newest and self._agrees(status):
            self._known = moment
        return replace(status, events=self._numbered(told))

    def _take_due(self, status: PrinterStatus) -> tuple[PrintEvent, ...]:
        due = self._reported[: self._due]
        is_busy = phase_of(status.state, Phase.PRINTING) is not Phase.NONE
        if due and due[-1].type.is_end and is_busy and len(self._reported) == self._due:
            due.pop()
        del self._reported[: len(due)]
        self._due = 0
        return tuple(event.with_job(status.job).with_error(status.error) for event in due)

    def _agrees(self, status: PrinterStatus) -> bool:
        return self._known is None or phase_of(status.state, self._known.phase) is self._known.phase

    def lacks_report(self, status: PrinterStatus) -> bool:
        """Tell whether the last reading shows something that OctoPrint has not reported."""
        return not self._reported and not self._agrees(status)

    def catch_up(self, status: PrinterStatus) -> PrinterStatus:
        """Return the last reading with the events that it shows and OctoPrint has not reported meanwhile."""
        if self._known is None or not self.lacks_report(status):
            return status
        moment = Moment.of(status, self._known.phase)
        told = events_between(self._known, moment)
        self._known = moment
        return replace(status, events=self._numbered(told))

    def _numbered(self, events: tuple[PrintEvent, ...]) -> tuple[PrintEvent, ...]:
        """Return events with a number each, so that a snapshot with an event equals no other."""
        first = self._number + 1
        self._number += len(events)
        return tuple(replace(event, number=number) for number, event in enumerate(events, first))
