"""What OctoPrint says of a print and of heaters, and what it may leave out."""

from datetime import UTC, datetime, timedelta
import json
from typing import Any

import pytest

from custom_components.octoprint_tunnel.errors import InvalidResponse
from custom_components.octoprint_tunnel.json_object import JsonObject
from custom_components.octoprint_tunnel.octoprint.files import UploadedFile
from custom_components.octoprint_tunnel.octoprint.heaters import Heater, PrinterReading
from custom_components.octoprint_tunnel.octoprint.job import Job

NOW = datetime(2026, 11, 21, 12, tzinfo=UTC)


def parsed(answer: Any) -> JsonObject:
    """Return an answer as it comes."""
    return JsonObject.parse(json.dumps(answer).encode())


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


@pytest.mark.parametrize("value", [None, "21", -400, 5000, True, []])
def test_what_is_no_temperature_is_none(value: Any) -> None:
    """A heater of which nothing is known is none."""
    assert not PrinterReading.from_json(parsed({"temperature": {"bed": {"actual": value}}})).heaters


def test_uploads_are_read() -> None:
    """OctoPrint 2.0 words the answer anew."""
    old = {"files": {"local": {"path": "a.gcode"}}, "effectiveSelect": True}
    new = {"file": {"path": "b.gcode"}, "effectivePrint": True}
    assert UploadedFile.from_json(parsed(old)) == UploadedFile(path="a.gcode", selected=True, printing=False)
    assert UploadedFile.from_json(parsed(new)) == UploadedFile(path="b.gcode", selected=True, printing=True)
    with pytest.raises(InvalidResponse):
        UploadedFile.from_json(parsed({"done": True}))
