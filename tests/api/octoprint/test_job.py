"""What OctoPrint reports of prints, heaters and uploads, and what it may leave out."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
import json
from typing import Any

import pytest

from custom_components.octoprint_tunnel.api.errors import InvalidResponse
from custom_components.octoprint_tunnel.api.json_object import JsonObject
from custom_components.octoprint_tunnel.api.octoprint.connection import PrinterState
from custom_components.octoprint_tunnel.api.octoprint.filament import Filament
from custom_components.octoprint_tunnel.api.octoprint.files import UploadedFile
from custom_components.octoprint_tunnel.api.octoprint.heaters import Heater, PrinterReading
from custom_components.octoprint_tunnel.api.octoprint.job import Job, TimeLeftOrigin

NOW = datetime(2026, 11, 21, 12, tzinfo=UTC)
HOUR = timedelta(hours=1)
PRINTING, OPERATIONAL = PrinterState.PRINTING, PrinterState.OPERATIONAL


def parsed(response: Any) -> JsonObject:
    """Return a response as it comes; JSON has no infinity, but 1e999."""
    return JsonObject.parse(json.dumps(response).replace("Infinity", "1e999").encode())


def job(completion: Any = None, elapsed: Any = None, left: Any = None) -> Job:
    """Return a job with this progress."""
    file = {"name": "part.gcode", "display": "Part.gcode", "path": "sub/part.gcode", "size": 1000}
    progress = {"completion": completion, "printTime": elapsed, "printTimeLeft": left}
    return Job.from_json(parsed({"job": {"file": file}, "progress": progress, "state": "Printing"}))


@pytest.fixture
def printing() -> Job:
    """Return a print as it is shown at 40 %."""
    return job(40, 400, 600).after(None, PRINTING, NOW)


def heaters(temperature: Any) -> PrinterReading:
    """Return the heaters of a response."""
    return PrinterReading.from_json(parsed({"state": {"text": "Operational"}, "temperature": temperature}))


def test_a_job_is_read() -> None:
    """Names are those for people, sizes in bytes, times in seconds."""
    read = job(12.5, 60, 420)
    assert (read.name, read.path, read.size, read.state_text) == ("Part.gcode", "sub/part.gcode", 1000, "Printing")
    assert (read.progress, read.elapsed, read.left) == (12.5, 60, 420)


@pytest.mark.parametrize("value", [None, "12", -1, 1e400, True, [], {}])
def test_invalid_progress_is_none(value: Any) -> None:
    """Neither a negative nor an infinite one is shown."""
    assert job(value).progress is None


@pytest.mark.parametrize("value", [100, 100.0, 100.01, 2**53])
def test_progress_beyond_100_is_100(value: float) -> None:
    """A file may grow while it is printed."""
    progress = job(value).progress
    assert (progress, type(progress)) == (100.0, float)


@pytest.mark.parametrize(
    ("value", "shown"), [(16.63671, 16.6), (16.66, 16.7), (0.04, 0), (99.94, 99.9), (99.97, 99.9), (99.999, 99.9)]
)
def test_progress_is_rounded(value: float, shown: float) -> None:
    """To 0.1 %. A print that is almost done is not shown as done."""
    assert job(value).progress == shown


def test_times_are_whole_seconds() -> None:
    """OctoPrint may report fractions."""
    read = job(10, 60.7, 420.2)
    assert (repr(read.elapsed), repr(read.left)) == ("60", "420")


@pytest.mark.parametrize("value", [None, "60", -1, 10**9, 1e300, []])
def test_invalid_times_are_none(value: Any) -> None:
    """Neither times of years nor negative ones are shown."""
    read = job(None, value, value)
    assert (read.elapsed, read.left, read.with_times(NOW, None).started_at) == (None, None, None)


def test_times_of_day_are_steady() -> None:
    """The beginning stays, and the end moves when it is off by more than a minute; another print has its own."""
    first = job(10, 60, 600).with_times(NOW, None)
    assert (first.started_at, first.finishes_at) == (NOW - timedelta(seconds=60), NOW + timedelta(seconds=600))
    later = NOW + timedelta(seconds=62)
    second = job(20, 120, 550).with_times(later, first)
    assert (second.started_at, second.finishes_at) == (first.started_at, first.finishes_at)
    third = job(20, 120, 900).with_times(later, first)
    assert (third.started_at, third.finishes_at) == (first.started_at, later + timedelta(seconds=900))
    assert job(1, 5, 600).with_times(later, first).started_at == later - timedelta(seconds=5)


@pytest.mark.parametrize(
    ("state", "read"),
    [
        (PrinterState.STARTING, job(100, 900, 0)),
        (PrinterState.STARTING, job()),
        (PRINTING, job(12.5, 0)),
    ],
)
def test_a_print_begins_at_0_percent(state: PrinterState, read: Job) -> None:
    """OctoPrint still reports the print before, or the position after a file's header."""
    begun = read.after(job(100, 900, 0).after(None, OPERATIONAL, NOW), state, NOW)
    assert (begun.progress, begun.elapsed, begun.left, begun.started_at) == (0, 0, None, NOW)
    assert job(100, 0).after(begun, PrinterState.FINISHING, NOW).progress == 100


def test_a_print_that_is_done(printing: Job) -> None:
    """It has 100 % and its own times, although it is read an hour later."""
    done = job(100, 1000, 0).after(printing, OPERATIONAL, NOW + HOUR)
    assert (done.progress, done.left, done.started_at) == (100, 0, printing.started_at)
    assert done.finishes_at == NOW + timedelta(seconds=600)


@pytest.mark.parametrize(
    ("state", "read", "progress"),
    [
        (PrinterState.CANCELLING, job(41, 410, 590), 41),
        (OPERATIONAL, job(), 40),
        (PrinterState.OFFLINE_AFTER_ERROR, Job.from_json(parsed({"state": "Offline after error"})), 40),
    ],
)
def test_a_print_that_is_canceled_or_fails(printing: Job, state: PrinterState, read: Job, progress: float) -> None:
    """It keeps its progress, and has no time left."""
    shown = read.after(printing, state, NOW)
    assert (shown.path, shown.left, shown.finishes_at, shown.progress) == ("sub/part.gcode", None, None, progress)
    assert job().after(shown, OPERATIONAL, NOW + HOUR) == shown


@pytest.mark.parametrize("earlier", [None, job(10, 10).after(None, OPERATIONAL, NOW)])
def test_a_print_that_no_reading_has_met(earlier: Job | None) -> None:
    """OctoPrint reports its file and progress, but not when it was."""
    shown = job(100, 900, 0).after(earlier, OPERATIONAL, NOW)
    assert (shown.progress, shown.started_at, shown.finishes_at) == (100, None, None)


@pytest.mark.parametrize(
    "selected", [job(0, 0), replace(job(0), path="other.gcode"), replace(job(), path="other.gcode")]
)
def test_a_file_that_is_only_selected(printing: Job, selected: Job) -> None:
    """The last print stays shown."""
    done = job(100, 1000, 0).after(printing, OPERATIONAL, NOW + HOUR)
    assert selected.after(done, OPERATIONAL, NOW + HOUR) == done
    assert selected.after(printing, OPERATIONAL, NOW + HOUR) == printing.stopped()


@pytest.mark.parametrize("end_was_read", [True, False])
def test_a_file_that_is_printed_again(printing: Job, end_was_read: bool) -> None:
    """It begins when the new print did, also where that has come further by now than the one before."""
    before = job(100, 1000).after(printing, OPERATIONAL, NOW + HOUR) if end_was_read else printing
    later = NOW + 2 * HOUR
    assert job(50, 1200, 600).after(before, PRINTING, later).started_at == later - timedelta(seconds=1200)


def test_whole_seconds_make_no_other_print() -> None:
    """A print that began in the second of the first reading is the same one."""
    first, later = job(0, 0).after(None, PRINTING, NOW), NOW + timedelta(seconds=1.9)
    assert job(7, 1).after(first, PRINTING, later).started_at == NOW
    assert job(0, 0).after(first, PRINTING, later).started_at == later


def test_a_pause_makes_no_other_print(printing: Job) -> None:
    """The elapsed time stands still while a print is paused."""
    paused = replace(job(40, 401), state_text="Paused").after(printing, PrinterState.PAUSED, NOW + 2 * HOUR)
    resumed = job(41, 410).after(paused, PRINTING, NOW + 3 * HOUR)
    assert (paused.started_at, resumed.started_at) == (printing.started_at, printing.started_at)


def test_heaters_are_read() -> None:
    """Those that the printer reports are read, and nothing else that stands beside them."""
    read = heaters(
        {
            "tool0": {"actual": 21.3, "target": 0.0, "offset": 0},
            "tool1": {"actual": 200, "target": None},
            "bed": {"actual": 60.0, "target": 60.0},
            "chamber": {"actual": None, "target": None},
            "history": [{"time": 1}],
            "tool": {"actual": 1, "target": 1},
            "tool0x": {"actual": 1, "target": 1},
            "bed2": None,
        }
    )
    assert read.state_text == "Operational"
    assert read.heaters == {
        "tool0": Heater(actual=21.3, target=0.0),
        "tool1": Heater(actual=200, target=None),
        "bed": Heater(actual=60, target=60),
    }
    assert [heater.is_warm for heater in read.heaters.values()] == [False, True, True]


def test_heaters_are_read_up_to_a_count() -> None:
    """More heaters than any printer has are left out, and so are names with digits of another script."""
    names = [*(f"tool{number}" for number in range(30)), "tool٣", "tool100"]
    read = heaters({name: {"actual": 20} for name in names})
    assert list(read.heaters) == names[:20]
    assert read.left_out == 10


@pytest.mark.parametrize("value", [None, "21", -400, 5000, True, []])
def test_invalid_temperatures_are_none(value: Any) -> None:
    """A target without a temperature was sent to a heater that the printer does not have."""
    assert not heaters({"bed": {"actual": value}}).heaters
    read = heaters({"bed": {"actual": value, "target": 60}})
    assert read.heaters == ({} if value is None else {"bed": Heater(actual=None, target=60)})


@pytest.mark.parametrize("value", [-242.02, -15, 0, 1024])
def test_temperatures_of_broken_sensors_are_read(value: float) -> None:
    """They are what the printer reports."""
    assert heaters({"chamber": {"actual": value, "target": 0}}).heaters == {"chamber": Heater(actual=value, target=0)}


def test_paths_in_deep_folders_are_read() -> None:
    """They may be as long as those of an upload, which is done by the time its path is read."""
    path = f"{'é' * 1000}/{'x' * 249}.gcode"
    assert UploadedFile.from_json(parsed({"files": {"local": {"path": path}}})).path == path
    assert Job.from_json(parsed({"job": {"file": {"path": path}}})).path == path


def test_uploads_are_read() -> None:
    """OctoPrint 2.0 has another shape of the response."""
    old = {"files": {"local": {"path": "a.gcode"}}, "effectiveSelect": True}
    new = {"file": {"path": "b.gcode"}, "effectivePrint": True}
    assert UploadedFile.from_json(parsed(old)) == UploadedFile(path="a.gcode", selected=True, printing=False)
    assert UploadedFile.from_json(parsed(new)) == UploadedFile(path="b.gcode", selected=True, printing=True)
    with pytest.raises(InvalidResponse):
        UploadedFile.from_json(parsed({"done": True}))


@pytest.mark.parametrize("path", ["../../../../admin", "a/../b", "/a.gcode", "a//b.gcode", "."])
def test_uploaded_file_outside_of_the_storage(path: str) -> None:
    """OctoPrint is asked for the file next, and the path would lead to another page of its host."""
    with pytest.raises(InvalidResponse):
        UploadedFile.from_json(parsed({"files": {"local": {"path": path}}}))


@pytest.mark.parametrize(
    ("filament", "length"),
    [
        ({"tool0": {"length": 810.25, "volume": 5.36}, "tool1": {"length": 0.5}}, 810.8),
        ({"tool0": {"length": 810}, "tool1": {"length": -1}, "bed": {"length": 1}}, 810),
        ({"tool0": {"length": 1e12}}, None),
        ({"tool0": None}, None),
        ({}, None),
        (None, None),
    ],
)
def test_filament_of_all_tools(filament: Any, length: float | None) -> None:
    """The lengths of all tools together; before the analysis, there is none."""
    assert Job.from_json(parsed({"job": {"filament": filament}})).filament_length == length


def test_filament_of_each_tool() -> None:
    """A tool has three amounts, of which some or all may not be known. Other fields are no tools."""
    tools = {
        "tool0": {"length": 810.256, "volume": 5.36, "weight": 6.7},
        "tool1": {"length": None, "volume": -1, "weight": 1e9},
        "tool2": {"length": 500, "volume": 0.0},
        "tool3": {"length": 0.0, "volume": 0.0, "weight": 0},
        "tool4": None,
        "length": None,
        "tool\u0663": {"length": 1},
    }
    assert Job.from_json(parsed({"job": {"filament": tools}})).filament == {
        "tool0": Filament(length=810.26, volume=5.36, weight=6.7),
        "tool1": Filament(length=None, volume=None, weight=None),
        "tool2": Filament(length=500, volume=None, weight=None),
        "tool3": Filament(length=0, volume=0, weight=0),
    }
    crowd = {f"tool{number}": {"length": 1} for number in range(90)}
    assert len(Job.from_json(parsed({"job": {"filament": crowd}})).filament) == 20


@pytest.mark.parametrize(
    ("text", "origin"),
    [
        ("mixed-average", TimeLeftOrigin.MIXED_AVERAGE),
        ("linear", TimeLeftOrigin.LINEAR),
        ("another", None),
        ("", None),
        (7, None),
    ],
)
def test_what_the_time_left_is_based_on(text: Any, origin: TimeLeftOrigin | None) -> None:
    """An origin that is not known is none."""
    progress = {"printTimeLeft": 60, "printTimeLeftOrigin": text}
    read = Job.from_json(parsed({"job": {"estimatedPrintTime": 8811.5}, "progress": progress}))
    assert (read.left, read.left_origin, read.estimate) == (60, origin, 8811)


def test_what_octoprint_forgets_at_the_end(printing: Job) -> None:
    """Who started a print stays known."""
    filament = {"tool0": Filament(length=810.0, volume=None, weight=None)}
    earlier = replace(printing, user="ann", filament=filament)
    done = job(100, 900).after(earlier, OPERATIONAL, NOW + HOUR)
    assert (done.progress, done.user, done.filament) == (100, "ann", filament)
