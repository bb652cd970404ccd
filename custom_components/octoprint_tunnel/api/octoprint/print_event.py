"""What can happen to a print, and what OctoPrint's push socket reports about it.

Source: OctoPrint's documentation, "Events", and what 1.11 and 2.0 send.
"""

from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Final, Self

from ..json_object import JsonObject
from .files import MAX_PATH
from .job import DONE, MAX_FILE_NAME, MAX_SECONDS, MAX_USER, Job, rounded_progress
from .printer_error import MAX_REASON, PrinterError
from .prompt import PLUGIN as PROMPT_PLUGIN, Prompt

CANCELLED: Final = "cancelled"
"""The reason of a `PrintFailed` that a user asked for."""


class PrintEventType(StrEnum):
    """What happened."""

    STARTED = "started"
    DONE = "done"
    FAILED = "failed"
    CANCELED = "canceled"
    PAUSED = "paused"
    RESUMED = "resumed"
    FILAMENT_CHANGE = "filament_change"
    WAITING = "waiting"
    TIMELAPSE_READY = "timelapse_ready"

    @property
    def is_end(self) -> bool:
        """Tell whether the print is over after it."""
        return self in _ENDS


_ENDS: Final = (PrintEventType.DONE, PrintEventType.FAILED, PrintEventType.CANCELED)
_BY_ANYONE: Final = (PrintEventType.PAUSED, PrintEventType.RESUMED, PrintEventType.CANCELED)

# A canceled print has a `PrintFailed`, too, so `PrintCancelled` is not needed. `ZChange` comes with each z-hop.
_TYPES: Final = {
    "PrintStarted": PrintEventType.STARTED,
    "PrintDone": PrintEventType.DONE,
    "PrintFailed": PrintEventType.FAILED,
    "PrintPaused": PrintEventType.PAUSED,
    "PrintResumed": PrintEventType.RESUMED,
    "FilamentChange": PrintEventType.FILAMENT_CHANGE,
    "MovieDone": PrintEventType.TIMELAPSE_READY,
}
PRINT_EVENTS: Final = tuple(_TYPES)
"""The events of OctoPrint to subscribe to."""


@dataclass(frozen=True, kw_only=True, slots=True)
class PrintEvent:
    """Something that happened to a print.

    `progress` is in percent, `duration` in seconds. `filament_length` has been used, in mm. `user` paused, resumed or
    canceled the print; of other events, it is who started the print. `reason`, `consequence` and `faq_url` are those of
    a PrinterError. `text` and `choices` are what the printer asks, `timelapse` is the name of a video. `number` tells
    events apart that are equal otherwise.
    """

    type: PrintEventType
    file: str | None = None
    path: str | None = None
    progress: float | None = None
    duration: int | None = None
    user: str | None = None
    filament_length: float | None = None
    reason: str | None = None
    error: str | None = None
    consequence: str | None = None
    faq_url: str | None = None
    text: str | None = None
    choices: tuple[str, ...] | None = None
    timelapse: str | None = None
    number: int = 0

    @classmethod
    def from_push(cls, name: str, payload: JsonObject) -> Self | None:
        """Read what OctoPrint reports: one of PRINT_EVENTS, or a message of PROMPT_PLUGIN; None if it is no event."""
        if name == PROMPT_PLUGIN:
            prompt = Prompt.from_push(payload)
            return cls(type=PrintEventType.WAITING, text=prompt.text, choices=prompt.choices) if prompt else None
        kind = _TYPES.get(name)
        if kind is None:
            return None
        if kind is PrintEventType.TIMELAPSE_READY:
            file, timelapse = payload.text("gcode", MAX_FILE_NAME), payload.text("movie_basename", MAX_FILE_NAME)
            return cls(type=kind, file=file, timelapse=timelapse)
        reason = payload.text("reason", MAX_REASON) if kind is PrintEventType.FAILED else None
        # The progress of a failed print is a fraction, that of others is in percent.
        progress = payload.number("progress", 0, DONE)
        if reason == CANCELLED:
            kind, reason = PrintEventType.CANCELED, None
        elif kind is PrintEventType.FAILED and progress is not None:
            progress = min(progress * DONE, DONE)
        return cls(
            type=kind,
            file=payload.text("name", MAX_FILE_NAME),
            path=payload.exact("path", MAX_PATH),
            progress=rounded_progress(progress),
            duration=payload.integer("time", 0, MAX_SECONDS),
            user=payload.text("user", MAX_USER) or (None if kind in _BY_ANYONE else payload.text("owner", MAX_USER)),
            reason=reason,
            error=payload.text("error") if kind is PrintEventType.FAILED else None,
        )

    def with_job(self, job: Job | None) -> Self:
        """Return this event with what it lacks and the job of its print has."""
        if job is None or self.type is PrintEventType.TIMELAPSE_READY or self.path not in (None, job.path):
            return self
        progress = self.progress if self.progress is not None else job.progress
        if self.type in (PrintEventType.STARTED, PrintEventType.DONE):
            progress = DONE if self.type is PrintEventType.DONE else 0.0
        return replace(
            self,
            file=job.name,
            path=job.path,
            progress=progress,
            duration=job.elapsed if self.duration is None else self.duration,
            filament_length=_used(job.filament_length, progress) if self.type.is_end else None,
            user=self.user or (None if self.type in _BY_ANYONE else job.user),
        )

    def with_error(self, error: PrinterError | None) -> Self:
        """Return this event with the error that ended its print. OctoPrint cancels a print after some errors."""
        is_failed = self.type is PrintEventType.FAILED or (self.type is PrintEventType.CANCELED and self.user is None)
        if error is None or not is_failed:
            return self
        return replace(
            self,
            type=PrintEventType.FAILED,
            reason=error.reason or self.reason,
            error=error.text or self.error,
            consequence=error.consequence,
            faq_url=error.faq_url,
        )


def _used(length: float | None, progress: float | None) -> float | None:
    """Return the length of filament that a print has used up to its progress, as if it used the same all the time."""
    return None if length is None or progress is None else round(length * progress / DONE, 1)
