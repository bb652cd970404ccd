"""What OctoPrint reports about a print becomes an event, bounded."""

import json
from typing import Any

import pytest

from custom_components.octoprint_tunnel.api.json_object import JsonObject
from custom_components.octoprint_tunnel.api.octoprint.filament import Filament
from custom_components.octoprint_tunnel.api.octoprint.job import Job
from custom_components.octoprint_tunnel.api.octoprint.print_event import PRINT_EVENTS, PrintEvent, PrintEventType
from custom_components.octoprint_tunnel.api.octoprint.printer_error import PrinterError
from custom_components.octoprint_tunnel.api.octoprint.prompt import MAX_CHOICES, PLUGIN

FILE = {"name": "part.gcode", "path": "a/part.gcode", "origin": "local", "size": 1000}


def event(name: str, payload: Any) -> PrintEvent | None:
    """Return an event as it comes."""
    return PrintEvent.from_push(name, JsonObject.parse(json.dumps(payload).encode()))


def error(payload: Any) -> PrinterError | None:
    """Return an error as it comes."""
    return PrinterError.from_json(JsonObject.parse(json.dumps(payload).encode()))


def job(**values: Any) -> Job:
    """Return a job of the file, with its name for people."""
    fields: dict[str, Any] = {"path": "a/part.gcode", "name": "Part.gcode", "progress": 40.0, "elapsed": 400, **values}
    return Job(state_text="Printing", size=1000, left=None, **fields)


@pytest.mark.parametrize(
    ("name", "payload", "expected"),
    [
        ("PrintStarted", {"user": "ann", "owner": "ann"}, {"type": "started", "user": "ann"}),
        ("PrintDone", {"time": 12.7, "owner": "ann"}, {"type": "done", "duration": 12, "user": "ann"}),
        (
            "PrintFailed",
            {"reason": "error", "error": "Heater", "time": 3, "progress": 0.258, "owner": "ann"},
            {"type": "failed", "reason": "error", "error": "Heater", "duration": 3, "progress": 25.8, "user": "ann"},
        ),
        (
            "PrintFailed",
            {"reason": "cancelled", "time": 3, "progress": 25, "user": "bob", "owner": "ann"},
            {"type": "canceled", "duration": 3, "progress": 25, "user": "bob"},
        ),
        ("PrintFailed", {"reason": "cancelled", "owner": "ann"}, {"type": "canceled"}),
        ("PrintPaused", {"progress": 25, "owner": "ann"}, {"type": "paused", "progress": 25}),
        ("PrintResumed", {"user": "bob"}, {"type": "resumed", "user": "bob"}),
    ],
)
def test_reports_about_a_print(name: str, payload: dict[str, Any], expected: dict[str, Any]) -> None:
    """A failed print has its progress as a fraction, and a canceled one is reported as a failed one."""
    kind = PrintEventType(expected.pop("type"))
    assert event(name, FILE | payload) == PrintEvent(type=kind, file="part.gcode", path="a/part.gcode", **expected)


def test_other_reports() -> None:
    """A filament change has no data, and a video's path is not told."""
    assert event("FilamentChange", {}) == PrintEvent(type=PrintEventType.FILAMENT_CHANGE)
    names = {"gcode": "part.gcode", "movie": "/x/part.mp4", "movie_basename": "part.mp4"}
    ready = PrintEvent(type=PrintEventType.TIMELAPSE_READY, file="part.gcode", timelapse="part.mp4")
    assert event("MovieDone", names) == ready
    assert ready.with_job(job()) == ready
    assert event("ZChange", {}) is None
    assert "PrintCancelled" not in PRINT_EVENTS


def test_prompt() -> None:
    """Only a question that is asked is an event; it has a limited number of choices."""
    asked = event(PLUGIN, {"action": "show", "text": "Load?", "choices": ["Yes", 1, *["x" * 500] * 50]})
    assert asked
    assert (asked.type, asked.text) == (PrintEventType.WAITING, "Load?")
    assert asked.choices
    assert asked.choices[:3] == ("Yes", "2", "x" * 100)
    assert len(asked.choices) == MAX_CHOICES
    assert event(PLUGIN, {"action": "close"}) is None


def test_with_the_job_of_the_print() -> None:
    """What the report lacks, the job has; its name is the one that is shown."""
    paused = PrintEvent(type=PrintEventType.PAUSED, file="part.gcode", path="a/part.gcode", progress=39)
    told = paused.with_job(job(user="ann"))
    assert (told.file, told.progress, told.duration, told.user) == ("Part.gcode", 39, 400, None)
    change = PrintEvent(type=PrintEventType.FILAMENT_CHANGE).with_job(job(user="ann"))
    assert (change.file, change.progress, change.user) == ("Part.gcode", 40, "ann")
    started, done = (PrintEvent(type=kind).with_job(job()) for kind in (PrintEventType.STARTED, PrintEventType.DONE))
    assert (started.progress, done.progress) == (0, 100)


def test_job_of_another_print() -> None:
    """It says nothing about this one."""
    done = PrintEvent(type=PrintEventType.DONE, path="b.gcode")
    assert done.with_job(job()) == done
    assert done.with_job(None) == done


RUNAWAY = {
    "error": "Runaway",
    "reason": "firmware",
    "consequence": "cancel",
    "faq": "firmware-thermal-runaway",
    "logs": [],
}


def test_printer_error() -> None:
    """A link leads to OctoPrint's own pages only, and without a text there is no error."""
    url = "https://faq.octoprint.org/firmware-thermal-runaway"
    assert error(RUNAWAY) == PrinterError(text="Runaway", reason="firmware", consequence="cancel", faq_url=url)
    assert error({"error": "", "reason": ""}) is None
    for faq in ("../x", "x y", "X", "", 7, "https://evil.example", "a" * 100):
        assert error(RUNAWAY | {"faq": faq}) == PrinterError(text="Runaway", reason="firmware", consequence="cancel")


def test_error_that_ended_the_print() -> None:
    """OctoPrint cancels a print after some errors, and then no user has canceled it."""
    runaway = error(RUNAWAY)
    canceled = PrintEvent(type=PrintEventType.CANCELED)
    failed = canceled.with_error(runaway)
    assert (failed.type, failed.error, failed.reason) == (PrintEventType.FAILED, "Runaway", "firmware")
    assert (failed.consequence, failed.faq_url) == ("cancel", "https://faq.octoprint.org/firmware-thermal-runaway")
    by_bob = PrintEvent(type=PrintEventType.CANCELED, user="bob")
    done = PrintEvent(type=PrintEventType.DONE)
    assert [each.with_error(runaway) for each in (by_bob, done)] == [by_bob, done]
    assert canceled.with_error(None) == canceled
    reported = PrintEvent(type=PrintEventType.FAILED, reason="error", error="Runaway")
    assert reported.with_error(PrinterError(text=None)) == reported


@pytest.mark.parametrize(
    ("kind", "filament", "used"),
    [
        ("done", 2000, 2000),
        ("canceled", 2000, 800),
        ("failed", 2000, 800),
        ("done", None, None),
        ("paused", 2000, None),
    ],
)
def test_filament(kind: str, filament: float | None, used: float | None) -> None:
    """A print that was not done has used its share."""
    tools = {"tool0": Filament(length=filament, volume=None, weight=None)}
    event = PrintEvent(type=PrintEventType(kind)).with_job(job(filament=tools))
    assert event.filament_length == used
