"""OctoEverywhere's App APIs: the Info API, Gadget, Live Links and Notifications.

Source: OctoEverywhere's developer documentation, "App APIs".
"""

from dataclasses import dataclass
from datetime import UTC, datetime
import re
from typing import override

from yarl import URL

from ..errors import InvalidResponse, ServiceError
from ..json_object import JsonObject
from ..octoprint.job import MAX_SECONDS, rounded_progress
from ..remote_text import as_name, link_in_markdown
from ..transport.addresses import MAX_ADDRESS, has_credentials, web_address
from ..transport.message import Request
from ..transport.route import Route
from .base import FailureDetection, LiveLinks, NotificationWebhook
from .models import MAX_TEXT, Detection, DetectionState, Limits, LiveLink, Notification, NotificationType, TunnelStatus

DOMAIN = "octoeverywhere.com"

MAX_LAYERS = 1_000_000
MAX_HEIGHT = 100_000  # mm

STATES = tuple(DetectionState)  # Gadget numbers them from 0
TYPES = tuple(NotificationType)[:17]  # UNKNOWN, and those that the service numbers from 1; others are of Obico

_TIME_SPAN = re.compile(r"(?:([0-9]{1,4})\.)?([0-9]{2}):([0-9]{2}):([0-9]{2})(?:\.[0-9]{1,7})?", re.ASCII)
BARE_FIELDS = ("IsOnline", "State", "Url", "ShortUrl")
"""A response without an envelope has one of these fields."""


async def call(api: Route, method: str, path: str, json: object = None, *, may_be_empty: bool = False) -> JsonObject:
    """Call one of the App APIs. Raises what `Route.request` raises, and InvalidResponse."""
    response = await api.send(Request(method, path, json=json))
    if response.status != 200:
        raise ServiceError(code=response.status)
    if not response.body.strip() and may_be_empty:
        return JsonObject()
    body = response.json()
    # The documentation shows the object bare, a shipped client expects it in an envelope.
    is_bare = "Result" not in body and any(name in body for name in BARE_FIELDS)
    if not is_bare and (status := body.integer("Status")) not in (None, 200):
        raise api.codes.error(status) or ServiceError(code=status)
    return body.object("Result") if "Result" in body else body


async def read_info(api: Route) -> TunnelStatus:
    """Read the Info API. It knows the tunnel also while OctoPrint is off, and is not metered."""
    info = await call(api, "GET", "/api/appconnection/info")
    limits = info.object("PrinterLimits")
    return TunnelStatus(
        online=info.boolean("IsOnline"),
        name=as_name(info.text("PrinterName") or "") or None,
        printer_page=service_page(info.exact("UserFacingPrinterUrl", MAX_ADDRESS)),
        local_ip=info.exact("PrinterLocalIp"),
        last_connected=_time(info.text("LastConnectionTimeUtc")),
        last_disconnected=_time(info.text("LastDisconnectTimeUtc")),
        limits=Limits(
            max_download=limits.integer("MaxDownloadFileSizeBytes", 1),
            max_upload=limits.integer("MaxUploadFileSizeBytes", 1),
            max_webcam_stream=limits.integer("MaxSingleWebcamStreamLengthSeconds", 1, MAX_SECONDS),
            max_webcam_time=limits.integer("MaxTotalWebcamStreamTimePerTimeWindowSeconds", 0, MAX_SECONDS),
            webcam_window=_window(limits),
        ),
    )


def _window(limits: JsonObject) -> int | None:
    """Return the window in seconds, which may also be a time as .NET writes it: `1.06:00:00` is 30 hours."""
    if (seconds := limits.integer("WebcamStreamTimeWindow", 1, MAX_SECONDS)) is not None:
        return seconds
    if (found := _TIME_SPAN.fullmatch(limits.text("WebcamStreamTimeWindow") or "")) is None:
        return None
    days, hours, minutes, seconds = (int(part or 0) for part in found.groups())
    total = ((days * 24 + hours) * 60 + minutes) * 60 + seconds
    return total if 0 < total <= MAX_SECONDS else None


@dataclass(frozen=True, kw_only=True)
class Gadget(FailureDetection):
    """OctoEverywhere's failure detection. The service allows one request in 10 s."""

    api: Route

    @override
    async def read(self) -> Detection:
        """Ask Gadget. Raises BetaOnly if the account has no Gadget."""
        return detection_from_json(await call(self.api, "POST", "/api/gadget/GetStatusFromAppConnection"))


def detection_from_json(body: JsonObject) -> Detection:
    """Read the status of Gadget. Raises InvalidResponse for an unknown state.

    Gadget considers a print failed if its status is red, or if it has paused the print. Its status, color and rating
    mean something only while it is active; in other states they are old.
    """
    number = body.integer("State")
    if number is None or number not in range(len(STATES)):
        raise InvalidResponse(detail="no Gadget state in it")
    state = STATES[number]
    if state is not DetectionState.ACTIVE:
        return Detection(state=state, is_failing=state is DetectionState.PAUSED)
    return Detection(
        state=state,
        status=body.text("Status", MAX_TEXT),
        rating=body.integer("Rating", 1, 10),
        is_failing=(body.text("StatusColor", MAX_TEXT) or "").lower().startswith("r"),
    )


@dataclass(frozen=True, kw_only=True)
class AppLiveLinks(LiveLinks):
    """Live Links."""

    api: Route

    @override
    async def create(self, *, hours: int | None = None, until_print_ends: bool = False) -> LiveLink:
        request: dict[str, object] = {"EndWhenCurrentPrintIsComplete": until_print_ends}
        if hours is not None:
            request["ExpirationHours"] = hours
        return live_link_from_json(await call(self.api, "POST", "/api/live/createfromappconnection", request))


def live_link_from_json(body: JsonObject) -> LiveLink:
    """Read a new live link. Raises InvalidResponse if there is no link in it."""
    url, short_url = (_https_address(body.exact(name, MAX_ADDRESS)) for name in ("Url", "ShortUrl"))
    if not (link := url or short_url):
        raise InvalidResponse(detail="no link in it")
    return LiveLink(live_id=body.exact("LiveId"), url=link, short_url=short_url)


@dataclass(frozen=True, kw_only=True)
class AppNotifications(NotificationWebhook):
    """Notifications. A registered webhook is used for 180 days."""

    api: Route

    @override
    async def set(self, url: str) -> None:
        await call(
            self.api, "POST", "/api/appconnection/SetNotificationWebhook", {"WebhookUrl": url}, may_be_empty=True
        )

    @override
    async def test(self) -> None:
        await call(self.api, "GET", "/api/appconnection/TestWebhook", may_be_empty=True)

    @override
    async def delete(self) -> None:
        await call(self.api, "POST", "/api/appconnection/DeleteNotificationWebhook", may_be_empty=True)

    @override
    def read(self, delivery: JsonObject) -> Notification:
        return notification_from_json(delivery)


def notification_from_json(delivery: JsonObject) -> Notification:
    """Read what the service sends to a webhook. Raises InvalidResponse if it has no event."""
    number = delivery.integer("EventType")
    if number is None:
        raise InvalidResponse(detail="no event type in it")
    code = delivery.text("PlatformErrorCode", MAX_TEXT) or delivery.integer("PlatformErrorCode")
    return Notification(
        type=TYPES[number] if 0 < number < len(TYPES) else NotificationType.UNKNOWN,
        print_id=delivery.text("PrintId", MAX_TEXT),
        file=delivery.text("FileName", MAX_TEXT),
        progress=rounded_progress(delivery.number("Progress", 0)),
        duration=delivery.integer("DurationSec", 0, MAX_SECONDS),
        time_left=delivery.integer("TimeRemainingSec", 0, MAX_SECONDS),
        height=delivery.number("ZOffsetMM", -MAX_HEIGHT, MAX_HEIGHT),
        layer=delivery.integer("CurrentLayer", 0, MAX_LAYERS),
        layers=delivery.integer("TotalLayers", 0, MAX_LAYERS),
        error=delivery.text("Error", MAX_TEXT),
        error_code=None if code is None else str(code),
        snapshot_url=_https_address(delivery.exact("SnapshotUrl", MAX_ADDRESS)),
    )


def belongs_to_service(url: URL) -> bool:
    """Return whether an address is one of OctoEverywhere's."""
    return re.fullmatch(rf"([a-z0-9-]+\.)*{re.escape(DOMAIN)}", url.host or "") is not None


def service_page(text: str | None) -> str | None:
    """Return an address that can be shown to the user, None unless it is a page of the service."""
    url = web_address(text)
    if url is None or url.scheme != "https" or has_credentials(url) or not belongs_to_service(url):
        return None
    return link_in_markdown(str(url))


def _https_address(text: str | None) -> str | None:
    url = web_address(text)
    return str(url) if url and url.scheme == "https" and not has_credentials(url) else None


def _time(text: str | None) -> datetime | None:
    """Return a time in UTC. A year in which no printer was connected stands for never."""
    try:
        time = datetime.fromisoformat(text or "")
    except ValueError:
        return None
    if not 2000 <= time.year < 2100:
        return None
    return time.replace(tzinfo=UTC) if time.tzinfo is None else time.astimezone(UTC)
