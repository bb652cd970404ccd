"""What two readings show of a print, and how that goes together with what OctoPrint reports."""

from typing import Any

import pytest

from custom_components.octoprint_tunnel.api.octoprint.connection import Connection, ConnectionOptions, PrinterState
from custom_components.octoprint_tunnel.api.octoprint.job import Job
from custom_components.octoprint_tunnel.api.octoprint.print_event import PrintEvent, PrintEventType
from custom_components.octoprint_tunnel.api.octoprint.print_tracker import (
    EVENTS_AT_ONCE,
    Moment,
    Phase,
    PrintTracker,
    events_between,
    phase_of,
)
from custom_components.octoprint_tunnel.api.octoprint.status import PrinterStatus

A, B = "a.gcode", "b.gcode"
STARTED, DONE, FAILED = PrintEventType.STARTED, PrintEventType.DONE, PrintEventType.FAILED
CANCELED, PAUSED, RESUMED = PrintEventType.CANCELED, PrintEventType.PAUSED, PrintEventType.RESUMED


def job(path: str = A, progress: float = 40, elapsed: int = 400, **values: Any) -> Job:
    """Return a job."""
    fields: dict[str, Any] = {"path": path, "name": path, "progress": progress, "elapsed": elapsed, **values}
    return Job(state_text=None, size=1000, left=None, **fields)


OVER = job(A, 40, is_over=True)
DONE_A, DONE_B = job(A, 100, 1000, is_over=True), job(B, 100, 50, is_over=True)
NONE, LOST = Moment(phase=Phase.NONE, job=OVER), Moment(phase=Phase.NONE, job=OVER, is_lost=True)
PRINTING, ON_PAUSE = Moment(phase=Phase.PRINTING, job=job()), Moment(phase=Phase.PAUSED, job=job())
NEXT = Moment(phase=Phase.PRINTING, job=job(A, 41, 410))
FINISHED, FINISHED_B = Moment(phase=Phase.NONE, job=DONE_A), Moment(phase=Phase.NONE, job=DONE_B)


@pytest.mark.parametrize(
    ("before", "after", "expected", "certain"),
    [
        (NONE, PRINTING, [STARTED], True),
        (NONE, ON_PAUSE, [STARTED, PAUSED], True),
        (PRINTING, NEXT, [], True),
        (PRINTING, ON_PAUSE, [PAUSED], True),
        (ON_PAUSE, NEXT, [RESUMED], True),
        (PRINTING, FINISHED, [DONE], True),
        (PRINTING, NONE, [CANCELED], False),
        (PRINTING, LOST, [FAILED], False),
        (ON_PAUSE, LOST, [FAILED], False),
        (PRINTING, Moment(phase=Phase.PRINTING, job=job(B, 1, 500)), [STARTED], True),  # another file
        (PRINTING, Moment(phase=Phase.PRINTING, job=job(A, 1, 10)), [STARTED], True),  # the same one again
        (PRINTING, Moment(phase=Phase.PRINTING), [], True),
        (PRINTING, FINISHED_B, [DONE], True),
        (NONE, FINISHED, [DONE], True),  # a short print
        (NONE, NONE, [], True),
        (NONE, LOST, [], True),
        (FINISHED, FINISHED, [], True),
        (FINISHED, FINISHED_B, [DONE], True),
        (Moment(phase=Phase.NONE), FINISHED, [], True),  # the first job that is read may be from before
        (Moment(phase=Phase.NONE, job=job(A, 99)), FINISHED, [], True),  # its end was reported
    ],
)
def test_events_between(before: Moment, after: Moment, expected: list[PrintEventType], certain: bool) -> None:
    """After an outage, only those that are certain."""
    assert [event.type for event in events_between(before, after)] == expected
    assert [event.type for event in events_between(before, after, outage=True)] == (expected if certain else [])


@pytest.mark.parametrize("earlier", list(Phase))
@pytest.mark.parametrize("state", list(PrinterState))
def test_phases(state: PrinterState, earlier: Phase) -> None:
    """Transfers to the SD card are no prints, and states that end a print show neither its end nor a new one."""
    phase = phase_of(state, earlier)
    if state in (PrinterState.CANCELLING, PrinterState.FINISHING, PrinterState.UNKNOWN_STATE):
        assert phase is earlier
    elif state in (PrinterState.PAUSING, PrinterState.RESUMING):
        assert phase is (earlier if earlier is not Phase.NONE else Phase.PRINTING)
    else:
        is_print = state.is_active and state is not PrinterState.TRANSFERRING
        paused = Phase.PAUSED if state is PrinterState.PAUSED else Phase.PRINTING
        assert phase is (paused if is_print else Phase.NONE)


class Bench:
    """A tracker, and readings of it."""

    def __init__(self, text: str = "Operational", shown: Job | None = OVER, *, live: bool = True) -> None:
        """Read once."""
        self.tracker = PrintTracker()
        self.live = live
        self.status: PrinterStatus
        assert self.read(text, shown) == []

    def read(self, text: str, shown: Job | None, *meanwhile: PrintEvent, outage: bool = False) -> list[PrintEventType]:
        """Return what a reading tells; `meanwhile` is reported while it is read."""
        options = ConnectionOptions(profiles={}, preferred_parameters={})
        connection = Connection(state=PrinterState.from_text(text), state_text=text, options=options)
        self.tracker.begin_reading()
        for event in meanwhile:
            self.tracker.report(event)
        status = PrinterStatus(connection=connection, job=shown)
        self.status = self.tracker.end_reading(status, live=self.live, outage=outage)
        return [event.type for event in self.status.events]

    def report(self, *kinds: PrintEventType, path: str | None = A) -> None:
        """Report events."""
        for kind in kinds:
            self.tracker.report(PrintEvent(type=kind, path=path))

    def catch_up(self) -> list[PrintEventType]:
        """Return what the last reading tells after a while."""
        caught_up = self.tracker.catch_up(self.status)
        return [event.type for event in caught_up.events] if caught_up is not self.status else []


def test_reports_are_told_with_the_next_reading() -> None:
    """Once, with any reading."""
    bench = Bench()
    bench.report(STARTED)
    assert bench.read("Printing", job()) == [STARTED]
    assert bench.read("Printing", job()) == []
    bench.report(PAUSED)
    bench.report(PrintEventType.FILAMENT_CHANGE, PrintEventType.FILAMENT_CHANGE, path=None)
    assert bench.read("Pausing", job()) == [PAUSED, PrintEventType.FILAMENT_CHANGE, PrintEventType.FILAMENT_CHANGE]
    assert len({event.number for event in bench.status.events}) == 3
    assert {event.path for event in bench.status.events} == {A}
    assert not bench.tracker.lacks_report(bench.status)


def test_report_during_a_reading() -> None:
    """That reading may be older, so it tells and shows nothing of the print."""
    bench = Bench()
    assert bench.read("Operational", OVER, PrintEvent(type=STARTED, path=A)) == []
    assert not bench.tracker.lacks_report(bench.status)
    assert bench.read("Printing", job()) == [STARTED]


def test_end_is_told_when_the_printer_is_free() -> None:
    """OctoPrint reports it before the printer has finished its moves and OctoPrint its scripts."""
    bench = Bench("Printing", job())
    bench.report(DONE)
    assert bench.read("Finishing", job(A, 100)) == []
    assert not bench.tracker.lacks_report(bench.status)
    assert bench.read("Finishing", job(A, 100)) == []
    assert bench.read("Operational", DONE_A) == [DONE]
    bench.report(STARTED)
    bench.read("Printing", job(B, 1))
    bench.report(CANCELED, STARTED)
    assert bench.read("Printing", job(A, 0, 0)) == [CANCELED, STARTED]


def test_reading_that_shows_a_change_before_the_report() -> None:
    """The report is told, because it has more to tell."""
    bench = Bench()
    assert bench.read("Printing", job()) == []
    assert bench.tracker.lacks_report(bench.status)
    bench.report(STARTED)
    assert bench.catch_up() == []
    assert bench.read("Printing", job()) == [STARTED]


@pytest.mark.parametrize(("text", "kinds"), [("Printing", [STARTED]), ("Paused", [STARTED, PAUSED])])
def test_report_that_does_not_come(text: str, kinds: list[PrintEventType]) -> None:
    """The reading is told instead, and a late report is not told again."""
    bench = Bench()
    assert bench.read(text, job()) == []
    assert bench.catch_up() == kinds
    assert bench.catch_up() == []
    bench.report(*kinds)
    assert bench.read(text, job()) == []
    bench.report(DONE)
    assert bench.read("Operational", DONE_A) == [DONE]
    bench.report(DONE)
    assert bench.read("Operational", DONE_A) == []


def test_two_prints_between_two_readings() -> None:
    """A start is told although a print is in progress, if it is one of another file."""
    bench = Bench("Printing", job())
    bench.report(STARTED, path=B)
    assert bench.read("Printing", job(B, 1, 1)) == [STARTED]


def test_without_reports() -> None:
    """Each reading tells what has changed since the one before."""
    bench = Bench(live=False)
    assert bench.read("Printing", job()) == [STARTED]
    assert bench.read("Resuming", job()) == []
    assert bench.read("Paused", job()) == [PAUSED]
    assert bench.read("Printing", job(A, 41, 401)) == [RESUMED]
    assert bench.read("Operational", OVER, outage=True) == []
    assert bench.read("Operational", OVER) == []


def test_live_updates_end() -> None:
    """What was reported is not told again, and what was not is told at once."""
    bench = Bench()
    bench.report(STARTED)
    assert bench.read("Printing", job()) == [STARTED]
    bench.live = False
    assert bench.read("Paused", job()) == [PAUSED]
    bench.live = True
    bench.report(DONE)
    bench.live = False
    assert bench.read("Operational", DONE_A) == [DONE]


def test_nothing_before_the_first_reading() -> None:
    """What is reported before is not told, and neither is a print that is in progress."""
    bench = Bench("Printing", job())
    assert not bench.tracker.lacks_report(bench.status)
    tracker = PrintTracker()
    assert tracker.catch_up(bench.status) is bench.status
    tracker.report(PrintEvent(type=STARTED))
    tracker.begin_reading()
    assert tracker.end_reading(bench.status, live=True, outage=False).events == ()


def test_too_many_reports() -> None:
    """The rest is dropped."""
    bench = Bench()
    bench.report(*[PrintEventType.FILAMENT_CHANGE] * 100)
    assert len(bench.read("Operational", OVER)) == EVENTS_AT_ONCE
