"""Receives notifications on a webhook of Home Assistant."""

from collections.abc import Awaitable, Callable
from datetime import datetime
from http import HTTPStatus
from typing import Final

from aiohttp import hdrs, web

from homeassistant.components import webhook
from homeassistant.config_entries import ConfigEntry
from homeassistant.core import HomeAssistant, callback
from homeassistant.helpers.debounce import Debouncer
from homeassistant.helpers.dispatcher import async_dispatcher_send
from homeassistant.util import dt as dt_util

from .api.errors import InvalidResponse
from .api.json_object import JsonObject
from .api.token_bucket import TokenBucket
from .api.tunnels.base import NotificationWebhook
from .api.tunnels.models import Notification, NotificationType
from .const import DOMAIN, LOGGER

MAX_DELIVERY: Final = 64 * 1024  # bytes
REFRESH_COOLDOWN: Final = 10  # seconds between two refreshes that deliveries request
BURST: Final = 10  # deliveries that become events at once; a print sends one every few minutes
PER_SECOND: Final = 1  # deliveries that become events after that


def signal_of(entry: ConfigEntry) -> str:
    """Return the dispatcher signal of an entry's notifications."""
    return f"{DOMAIN}_{entry.entry_id}_notification"


class Inbox:
    """Turns the notifications of one printer into events, and not too many of them."""

    def __init__(self, hass: HomeAssistant, entry: ConfigEntry, refresh: Callable[[], object]) -> None:
        """Prepare for notifications; each of them calls `refresh`, but not too often."""
        self.last_at: datetime | None = None
        """When the service last delivered anything."""
        self._hass = hass
        self._entry = entry
        self._bucket = TokenBucket(burst=BURST, per_second=PER_SECOND)
        self._is_flooded = False
        self._refresh = Debouncer(hass, LOGGER, cooldown=REFRESH_COOLDOWN, immediate=True, function=refresh)

    async def async_take(self, notification: Notification) -> None:
        """Make an event of a notification, unless there are too many."""
        if self._is_allowed():
            async_dispatcher_send(self._hass, signal_of(self._entry), notification)
            await self._refresh.async_call()

    @callback
    def async_close(self) -> None:
        """Refresh no more."""
        self._refresh.async_shutdown()

    @callback
    def _is_allowed(self) -> bool:
        """Return whether this delivery may become an event. A flood of them is logged once."""
        if self._bucket.is_full:
            self._is_flooded = False
        if self._bucket.take():
            return True
        if not self._is_flooded:
            LOGGER.warning("%s: too many notifications at once, some are dropped", self._entry.title)
        self._is_flooded = True
        return False


class Deliveries:
    """The webhook that a service sends the notifications of one printer to."""

    def __init__(
        self, hass: HomeAssistant, entry: ConfigEntry, service: NotificationWebhook, refresh: Callable[[], object]
    ) -> None:
        """Prepare to read what `service` sends; each notification calls `refresh`, but not too often."""
        self._hass = hass
        self._entry = entry
        self._service = service
        self._inbox = Inbox(hass, entry, refresh)
        self._expects_test = False

    @property
    def last_at(self) -> datetime | None:
        """Return when the service last delivered anything."""
        return self._inbox.last_at

    @callback
    def async_open(self, webhook_id: str) -> None:
        """Accept deliveries."""
        webhook.async_register(
            self._hass, DOMAIN, self._entry.title, webhook_id, self._handle, allowed_methods=[hdrs.METH_POST]
        )

    @callback
    def expect_test(self) -> None:
        """Take the next test of the service as one that was requested: it becomes no event."""
        self._expects_test = True

    @callback
    def forget_test(self) -> None:
        """Take each test of the service as an event, as the user's own tests are."""
        self._expects_test = False

    @callback
    def async_close(self, webhook_id: str) -> None:
        """Accept no more deliveries."""
        self._inbox.async_close()
        webhook.async_unregister(self._hass, webhook_id)

    async def _handle(self, hass: HomeAssistant, webhook_id: str, request: web.Request) -> web.Response:
        """Handle one delivery."""
        return await handle_delivery(request, self._entry.title, self._take)

    async def _take(self, delivery: JsonObject) -> None:
        notification = self._service.read(delivery)
        self._inbox.last_at = dt_util.utcnow()
        if self._expects_test and notification.type is NotificationType.TEST:
            self.forget_test()
        else:
            await self._inbox.async_take(notification)


async def handle_delivery(
    request: web.Request, title: str, take: Callable[[JsonObject], Awaitable[None]]
) -> web.Response:
    """Handle one delivery; `take` raises InvalidResponse for what it cannot read, and `title` begins the log line."""
    try:
        if len(body := await _read_body(request)) > MAX_DELIVERY:
            return web.Response(status=HTTPStatus.REQUEST_ENTITY_TOO_LARGE)
        await take(JsonObject.parse(body))
    except (InvalidResponse, web.RequestPayloadError) as error:
        LOGGER.debug("%s: refused a notification: %s", title, type(error).__name__)
        return web.Response(status=HTTPStatus.BAD_REQUEST)
    # A dropped delivery succeeds, too: the service disables a webhook that refuses too many.
    return web.Response(status=HTTPStatus.OK)


async def _read_body(request: web.Request) -> bytes:
    """Return the body of a delivery, at most one byte more than MAX_DELIVERY."""
    # Not `request.text()`: that would be up to 16 MB, decoded as the sender asks.
    content, body = request.content, bytearray()
    while chunk := await content.read(MAX_DELIVERY + 1 - len(body)):
        body += chunk
    return bytes(body)
