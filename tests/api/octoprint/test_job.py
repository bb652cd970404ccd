"""What OctoPrint says of a print and of heaters, and what it may leave out."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
import json
from typing import Any

import pytest

from custom_components.octoprint_tunnel.api.errors import InvalidResponse
from custom_components.octoprint_tunnel.api.json_object import JsonObject
from custom_components.octoprint_tunnel.api.octoprint.connection import PrinterState
from custom_components.octoprint_tunnel.api.octoprint.files import UploadedFile
from custom_components.octoprint_tunnel.api.octoprint.heaters import Heater, PrinterReading
from custom_components.octoprint_tunnel.api.octoprint.job import Job

NOW = datetime(2026, 11, 21, 12, tzinfo=UTC)


def parsed(response: Any) -> JsonObject:
    """Return an answer as it comes."""
    return JsonObject.parse(json.dumps(response).encode())


def job(**progress: Any) -> Job:
    """Return a job with this progress."""
    file = {"name": "part.gcode", "display": "Part.gcode", "path": "sub/part.gcode", "size": 1000}
    return Job.from_json(parsed({"job": {"file": file}, "progress": progress, "state": "Printing"}))


def test_a_job_is_read() -> None:
    """Names as people see them, sizes in bytes, times in seconds."""
    read = job(completion=12.5, printTime=60, printTimeLeft=420)
    assert (read.name, read.path, read.size, read.state_text) == ("Part.gcode", "sub/part.gcode", 1000, "Printing")
    assert (read.progress, read.elapsed, read.left) == (12.5, 60, 420)


@pytest.mark.parametrize("value", [None, "12", -1, 1e400, True, [], {}])
def test_what_is_no_progress_is_none(value: Any) -> None:
    """Absurd figures are not shown."""
    text = json.dumps({"progress": {"completion": value}}).replace("Infinity", "1e999")
    assert Job.from_json(JsonObject.parse(text.encode())).progress is None


@pytest.mark.parametrize("value", [100, 100.0, 100.01, 101, 2**53])
def test_progress_beyond_100_is_100(value: float) -> None:
    """A file that grew while it was printed is as good as done."""
    progress = job(completion=value).progress
    assert (progress, type(progress)) == (100.0, float)


@pytest.mark.parametrize("value", [None, "60", -1, 10**9, 1e300, []])
def test_what_is_no_time_is_none(value: Any) -> None:
    """Nor are times of years, nor negative ones."""
    read = job(printTime=value, printTimeLeft=value)
    assert (read.elapsed, read.left) == (None, None)
    assert read.seen_at(NOW, None).started_at is None


def test_times_of_day_are_steady() -> None:
    """The beginning stays, the end moves when it is off by more than a minute; another print has its own."""
    first = job(printTime=60, printTimeLeft=600).seen_at(NOW, None)
    assert (first.started_at, first.finishes_at) == (NOW - timedelta(seconds=60), NOW + timedelta(seconds=600))
    later = NOW + timedelta(seconds=62)
    second = job(printTime=120, printTimeLeft=550).seen_at(later, first)
    assert (second.started_at, second.finishes_at) == (first.started_at, first.finishes_at)
    third = job(printTime=120, printTimeLeft=900).seen_at(later, first)
    assert (third.started_at, third.finishes_at) == (first.started_at, later + timedelta(seconds=900))
    again = job(printTime=5, printTimeLeft=600).seen_at(later, first)
    assert again.started_at == later - timedelta(seconds=5)


HOUR = timedelta(hours=1)


def test_a_print_begins_at_nothing() -> None:
    """What stands there of the print before, or of a file's header, is not how far this one is."""
    before = job(completion=100, printTime=900, printTimeLeft=0).after(None, PrinterState.OPERATIONAL, NOW)
    for state, progress in (
        (PrinterState.STARTING, {"completion": 100, "printTime": 900, "printTimeLeft": 0}),
        (PrinterState.STARTING, {"completion": None, "printTime": None, "printTimeLeft": None}),
        (PrinterState.PRINTING, {"completion": 12.5, "printTime": 0, "printTimeLeft": None}),
    ):
        begun = job(**progress).after(before, state, NOW)
        assert (begun.progress, begun.elapsed, begun.left, begun.started_at) == (0, 0, None, NOW)
    assert job(completion=100, printTime=0).after(begun, PrinterState.FINISHING, NOW).progress == 100


def test_what_is_shown_after_a_print_is_done_canceled_or_failed() -> None:
    """Done is 100 %; what was canceled or failed stays where it was, without time left."""
    printing = job(completion=40, printTime=400, printTimeLeft=600).after(None, PrinterState.PRINTING, NOW)
    done = job(completion=100, printTime=1000, printTimeLeft=0).after(printing, PrinterState.OPERATIONAL, NOW + HOUR)
    assert (done.progress, done.left, done.started_at) == (100, 0, printing.started_at)
    assert done.finishes_at == NOW + timedelta(seconds=600)  # seen an hour later
    file_only = job(completion=None, printTime=None, printTimeLeft=None)
    nothing = Job.from_json(parsed({"state": "Offline after error"}))
    for state, ended in (
        (PrinterState.CANCELLING, job(completion=41, printTime=410, printTimeLeft=590)),
        (PrinterState.OPERATIONAL, file_only),
        (PrinterState.OFFLINE_AFTER_ERROR, nothing),
    ):
        shown = ended.after(printing, state, NOW)
        assert (shown.path, shown.left, shown.finishes_at) == ("sub/part.gcode", None, None)
        assert shown.progress in (40, 41)
        assert file_only.after(shown, PrinterState.OPERATIONAL, NOW + HOUR) == shown


def test_what_octoprint_still_has_of_a_print_that_was_not_seen() -> None:
    """File and progress; when that was, OctoPrint does not say."""
    for earlier in (None, job(completion=10, printTime=10).after(None, PrinterState.OPERATIONAL, NOW)):
        shown = job(completion=100, printTime=900, printTimeLeft=0).after(earlier, PrinterState.OPERATIONAL, NOW)
        assert (shown.progress, shown.started_at, shown.finishes_at) == (100, None, None)


def test_a_file_that_is_only_selected() -> None:
    """It is not the last print, nor does it take back how far that came."""
    printing = job(completion=40, printTime=400, printTimeLeft=600).after(None, PrinterState.PRINTING, NOW)
    done = job(completion=100, printTime=1000, printTimeLeft=0).after(printing, PrinterState.OPERATIONAL, NOW + HOUR)
    for selected in (
        job(completion=0, printTime=0),
        replace(job(completion=0, printTime=None), path="other.gcode"),
        replace(job(completion=None, printTime=None), path="other.gcode"),
    ):
        assert selected.after(done, PrinterState.OPERATIONAL, NOW + HOUR) == done
        assert selected.after(printing, PrinterState.OPERATIONAL, NOW + HOUR) == printing.stopped()


@pytest.mark.parametrize("between", ["an end", "nothing"])
def test_a_file_that_is_printed_again(between: str) -> None:
    """Its beginning is that of the new print, also where it has come further by now than the one before."""
    first = job(completion=40, printTime=400, printTimeLeft=600).after(None, PrinterState.PRINTING, NOW)
    if between == "an end":
        first = job(completion=100, printTime=1000).after(first, PrinterState.OPERATIONAL, NOW + HOUR)
    later = NOW + 2 * HOUR
    again = job(completion=50, printTime=1200, printTimeLeft=600).after(first, PrinterState.PRINTING, later)
    assert again.started_at == later - timedelta(seconds=1200)


def test_whole_seconds_make_no_other_print() -> None:
    """OctoPrint leaves out fractions: what began in the second of the first look has the beginning of that."""
    first = job(completion=0, printTime=0).after(None, PrinterState.PRINTING, NOW)
    second = job(completion=7, printTime=1).after(first, PrinterState.PRINTING, NOW + timedelta(seconds=1.9))
    again = job(completion=0, printTime=0).after(first, PrinterState.PRINTING, NOW + timedelta(seconds=1.9))
    assert second.started_at == NOW
    assert again.started_at == NOW + timedelta(seconds=1.9)


def test_a_pause_is_no_other_print() -> None:
    """The time of a print stands still while it is paused."""
    first = job(completion=40, printTime=400, printTimeLeft=600).after(None, PrinterState.PRINTING, NOW)
    paused = replace(job(completion=40, printTime=401), state_text="Paused").after(
        first, PrinterState.PAUSED, NOW + 2 * HOUR
    )
    resumed = job(completion=41, printTime=410).after(paused, PrinterState.PRINTING, NOW + 3 * HOUR)
    assert (paused.started_at, resumed.started_at) == (first.started_at, first.started_at)


def test_heaters_are_read() -> None:
    """Those that the printer reports, and nothing else that stands beside them."""
    temperature = {
        "tool0": {"actual": 21.3, "target": 0.0, "offset": 0},
        "tool1": {"actual": 200, "target": None},
        "bed": {"actual": 60.0, "target": 60.0},
        "chamber": {"actual": None, "target": None},
        "history": [{"time": 1}],
        "tool": {"actual": 1, "target": 1},
        "tool0x": {"actual": 1, "target": 1},
        "bed2": None,
    }
    read = PrinterReading.from_json(parsed({"state": {"text": "Operational"}, "temperature": temperature}))
    assert read.state_text == "Operational"
    assert read.heaters == {
        "tool0": Heater(actual=21.3, target=0.0),
        "tool1": Heater(actual=200, target=None),
        "bed": Heater(actual=60, target=60),
    }
    assert [heater.is_warm for heater in read.heaters.values()] == [False, True, True]


def test_heaters_are_read_up_to_a_count() -> None:
    """More heaters than any printer has are not read, nor names with digits of another script."""
    many = {f"tool{number}": {"actual": 20} for number in range(30)} | {
        "tool٣": {"actual": 20},
        "tool100": {"actual": 20},
    }
    read = PrinterReading.from_json(parsed({"temperature": many}))
    assert list(read.heaters) == [f"tool{number}" for number in range(20)]
    assert read.left_out == 10


@pytest.mark.parametrize("value", [None, "21", -400, 5000, True, []])
def test_what_is_no_temperature_is_none(value: Any) -> None:
    """A heater of which nothing is known is none."""
    assert not PrinterReading.from_json(parsed({"temperature": {"bed": {"actual": value}}})).heaters


@pytest.mark.parametrize("value", ["21", -400, 5000, True, []])
def test_a_temperature_that_is_none_leaves_the_target(value: Any) -> None:
    """A target alone, though, is what was sent to a heater that the printer does not have."""
    temperature = {"bed": {"actual": value, "target": 60}, "chamber": {"actual": None, "target": 60}}
    read = PrinterReading.from_json(parsed({"temperature": temperature}))
    assert read.heaters == {"bed": Heater(actual=None, target=60)}


@pytest.mark.parametrize("value", [-242.02, -15, -0.5, 0, 1024])
def test_temperatures_of_the_cold_and_of_broken_sensors_are_read(value: float) -> None:
    """They are what the printer says."""
    read = PrinterReading.from_json(parsed({"temperature": {"chamber": {"actual": value, "target": 0}}}))
    assert read.heaters == {"chamber": Heater(actual=value, target=0)}


def test_paths_of_files_in_deep_folders_are_read() -> None:
    """As long as those that an upload may have, which is done by the time its path is read."""
    path = f"{'é' * 1000}/{'x' * 249}.gcode"
    assert UploadedFile.from_json(parsed({"files": {"local": {"path": path}}})).path == path
    assert Job.from_json(parsed({"job": {"file": {"path": path}}})).path == path


def test_uploads_are_read() -> None:
    """OctoPrint 2.0 words the answer differently."""
    old = {"files": {"local": {"path": "a.gcode"}}, "effectiveSelect": True}
    new = {"file": {"path": "b.gcode"}, "effectivePrint": True}
    assert UploadedFile.from_json(parsed(old)) == UploadedFile(path="a.gcode", selected=True, printing=False)
    assert UploadedFile.from_json(parsed(new)) == UploadedFile(path="b.gcode", selected=True, printing=True)
    with pytest.raises(InvalidResponse):
        UploadedFile.from_json(parsed({"done": True}))
