"""What OctoEverywhere's App APIs answer and send, beyond the state of a tunnel.

Source: OctoEverywhere's developer documentation, "App APIs": Gadget, Live Links, Notifications.
"""

from dataclasses import dataclass
from enum import StrEnum

from ..errors import InvalidResponse
from ..json_object import JsonObject
from ..octoprint.job import DONE, LONGEST
from ..transport.addresses import MAX_ADDRESS, has_credentials, web_address

MAX_TEXT = 255  # characters; Home Assistant's history takes some 16 kB with a state
MAX_LAYERS = 1_000_000
HIGHEST = 100_000  # mm


class GadgetState(StrEnum):
    """What Gadget, which watches prints for failures, is doing."""

    DISABLED = "disabled"
    DISABLED_FOR_PRINT = "disabled_for_print"
    IDLE = "idle"
    ACTIVE = "active"
    PAUSED = "paused"


_GADGET_STATES = tuple(GadgetState)


@dataclass(frozen=True, kw_only=True, slots=True)
class Gadget:
    """What Gadget thinks of the print; `rating` goes from 1, a failure, to 10, perfect."""

    state: GadgetState
    status: str | None
    color: str | None
    rating: int | None

    @property
    def is_failing(self) -> bool:
        """Tell whether Gadget takes the print for failed: its status is red, or it has paused the print."""
        return self.state is GadgetState.PAUSED or (self.color or "").lower().startswith("r")

    @property
    def is_enabled(self) -> bool:
        """Tell whether Gadget watches prints; the service asks to look seldom where it does not."""
        return self.state not in (GadgetState.DISABLED, GadgetState.DISABLED_FOR_PRINT)

    @classmethod
    def from_json(cls, response: JsonObject) -> Gadget:
        """Read `GetStatusFromAppConnection`. Raises InvalidResponse for a state that is none."""
        number = response.integer("State")
        if number is None or number not in range(len(_GADGET_STATES)):
            raise InvalidResponse(detail="no Gadget state in it")
        return cls(
            state=_GADGET_STATES[number],
            status=response.text("Status", MAX_TEXT),
            color=response.text("StatusColor", MAX_TEXT),
            rating=response.integer("Rating", 1, 10),
        )


@dataclass(frozen=True, kw_only=True, slots=True)
class LiveLink:
    """A link on which anyone can watch the printer for a time."""

    live_id: str | None
    url: str
    short_url: str | None

    @classmethod
    def from_json(cls, response: JsonObject) -> LiveLink:
        """Read `createfromappconnection`. Raises InvalidResponse where there is no link in it."""
        url, short_url = (_https_address(response.exact(name, MAX_ADDRESS)) for name in ("Url", "ShortUrl"))
        if not (link := url or short_url):
            raise InvalidResponse(detail="no link in it")
        return cls(live_id=response.exact("LiveId"), url=link, short_url=short_url)


class NotificationType(StrEnum):
    """What a notification tells; numbers that are not known yet are UNKNOWN."""

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


_NOTIFICATION_TYPES = tuple(NotificationType)  # numbered from 1, after UNKNOWN


@dataclass(frozen=True, kw_only=True, slots=True)
class Notification:
    """One notification. `progress` is in percent, times are in seconds, heights in mm."""

    type: NotificationType
    print_id: str | None
    file: str | None
    progress: float | None
    duration: int | None
    time_left: int | None
    height: float | None
    layer: int | None
    layers: int | None
    error: str | None
    error_code: str | None
    snapshot_url: str | None

    @classmethod
    def from_json(cls, delivery: JsonObject) -> Notification:
        """Read what the service delivers to a webhook. Raises InvalidResponse where it tells of no event."""
        number = delivery.integer("EventType")
        if number is None:
            raise InvalidResponse(detail="no event type in it")
        known = 0 < number < len(_NOTIFICATION_TYPES)
        code = delivery.text("PlatformErrorCode", MAX_TEXT) or delivery.integer("PlatformErrorCode")
        progress = delivery.number("Progress", 0)
        return cls(
            type=_NOTIFICATION_TYPES[number] if known else NotificationType.UNKNOWN,
            print_id=delivery.text("PrintId", MAX_TEXT),
            file=delivery.text("FileName", MAX_TEXT),
            progress=None if progress is None else min(progress, DONE),
            duration=delivery.integer("DurationSec", 0, LONGEST),
            time_left=delivery.integer("TimeRemainingSec", 0, LONGEST),
            height=delivery.number("ZOffsetMM", -HIGHEST, HIGHEST),
            layer=delivery.integer("CurrentLayer", 0, MAX_LAYERS),
            layers=delivery.integer("TotalLayers", 0, MAX_LAYERS),
            error=delivery.text("Error", MAX_TEXT),
            error_code=None if code is None else str(code),
            snapshot_url=_https_address(delivery.exact("SnapshotUrl", MAX_ADDRESS)),
        )


def _https_address(text: str | None) -> str | None:
    url = web_address(text)
    return str(url) if url and url.scheme == "https" and not has_credentials(url) else None
