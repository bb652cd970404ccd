"""Values that services report. A value that a service does not report is None."""

from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum

MAX_TEXT = 255  # characters; Home Assistant's history takes some 16 kB with a state
CAP_TOLERANCE = 1.1  # Obico's server closes a tunnel above this multiple of the cap


@dataclass(frozen=True, kw_only=True, slots=True)
class Limits:
    """What an account allows: sizes of one request in bytes, and seconds.

    `max_webcam_stream` is for one stream, `max_webcam_time` for all streams within `webcam_window`.
    """

    max_download: int | None = None
    max_upload: int | None = None
    max_webcam_stream: int | None = None
    max_webcam_time: int | None = None
    webcam_window: int | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class Usage:
    """The data of a metered tunnel in this month, in bytes; `reset` is when the next month begins."""

    total: int | None
    cap: int | None
    reset: datetime
    is_unlimited: bool = False

    @property
    def is_used_up(self) -> bool | None:
        """Return whether the server closes the tunnel for the rest of the month, None if unknown."""
        if self.is_unlimited:
            return False
        return None if self.total is None or self.cap is None else self.total > self.cap * CAP_TOLERANCE


@dataclass(frozen=True, kw_only=True, slots=True)
class TunnelStatus:
    """What a service reports about one tunnel."""

    online: bool | None = None
    name: str | None = None
    printer_page: str | None = None
    local_ip: str | None = None
    last_connected: datetime | None = None
    last_disconnected: datetime | None = None
    limits: Limits = field(default_factory=Limits)
    usage: Usage | None = None


class DetectionState(StrEnum):
    """What a failure detection is doing."""

    DISABLED = "disabled"
    DISABLED_FOR_PRINT = "disabled_for_print"
    IDLE = "idle"
    ACTIVE = "active"
    PAUSED = "paused"


@dataclass(frozen=True, kw_only=True, slots=True)
class Detection:
    """What a failure detection reports about a print: `rating` from 1 (failed) to 10, `failure_probability` 0 to 1."""

    is_failing: bool
    state: DetectionState | None = None
    status: str | None = None
    rating: int | None = None
    failure_probability: float | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class LiveLink:
    """A link on which anyone can watch the printer for a limited time."""

    live_id: str | None
    url: str
    short_url: str | None


class NotificationType(StrEnum):
    """The event that a notification is about; an event that is not known here is UNKNOWN."""

    UNKNOWN = "unknown"
    STARTED = "started"
    COMPLETE = "complete"
    FAILED = "failed"
    PAUSED = "paused"
    RESUMED = "resumed"
    PROGRESS = "progress"
    GADGET_POSSIBLE_FAILURE = "gadget_possible_failure"
    GADGET_PAUSED = "gadget_paused"
    ERROR = "error"
    FIRST_LAYER_COMPLETE = "first_layer_complete"
    FILAMENT_CHANGE_REQUIRED = "filament_change_required"
    USER_INTERACTION_REQUIRED = "user_interaction_required"
    NON_SUPPORTER_LIMIT = "non_supporter_limit"
    THIRD_LAYER_COMPLETE = "third_layer_complete"
    BED_COOLED_DOWN = "bed_cooled_down"
    TEST = "test"
    CANCELED = "canceled"
    HEATER_COOLED_DOWN = "heater_cooled_down"
    HEATER_TARGET_REACHED = "heater_target_reached"
    POSSIBLE_FAILURE = "possible_failure"
    FAILURE_PAUSED = "failure_paused"


@dataclass(frozen=True, kw_only=True, slots=True)
class Notification:
    """One notification. `progress` is in percent, times are in seconds, heights in mm."""

    type: NotificationType
    print_id: str | None = None
    file: str | None = None
    progress: float | None = None
    duration: int | None = None
    time_left: int | None = None
    height: float | None = None
    layer: int | None = None
    layers: int | None = None
    error: str | None = None
    error_code: str | None = None
    snapshot_url: str | None = None
