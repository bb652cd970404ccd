"""Notifications: OctoEverywhere tells a webhook of Home Assistant's what happens in a print."""

from collections.abc import Awaitable
from contextlib import suppress
from datetime import datetime, timedelta
from http import HTTPStatus
from logging import DEBUG, WARNING
from typing import Final

from aiohttp import hdrs, web

from homeassistant.components import webhook
from homeassistant.const import CONF_WEBHOOK_ID
from homeassistant.core import CALLBACK_TYPE, HomeAssistant, callback
from homeassistant.exceptions import HomeAssistantError
from homeassistant.helpers.debounce import Debouncer
from homeassistant.helpers.dispatcher import async_dispatcher_send
from homeassistant.helpers.event import async_call_later
from homeassistant.helpers.network import NoURLAvailableError, get_url

from .api.errors import InvalidResponse, OctoPrintTunnelError
from .api.json_object import JsonObject
from .api.token_bucket import TokenBucket
from .api.tunnels import tunnel_from_data
from .api.tunnels.app_apis import Notification
from .api.tunnels.octoeverywhere import OctoEverywhere
from .attempts import result_or_error
from .const import DOMAIN, LOGGER
from .identity import is_same_connection
from .runtime import OctoPrintTunnelConfigEntry
from .session import async_create_session

CLOUD: Final = "cloud"

START_DELAY: Final = timedelta(seconds=30)
RENEW_INTERVAL: Final = timedelta(days=30)  # of the 180 days that a registration lasts
RETRY_INTERVAL: Final = timedelta(hours=1)
MAX_DELIVERY: Final = 64 * 1024  # bytes
REFRESH_COOLDOWN: Final = 10  # seconds, however many deliveries come
BURST: Final = 10  # deliveries that become events at once; a print sends one every few minutes
PER_SECOND: Final = 1  # deliveries that become events after that


def signal_of(entry: OctoPrintTunnelConfigEntry) -> str:
    """Return the name under which an entry's notifications are handed on."""
    return f"{DOMAIN}_{entry.entry_id}_notification"


class Notifications:
    """The webhook of one App Connection."""

    def __init__(self, hass: HomeAssistant, entry: OctoPrintTunnelConfigEntry, tunnel: OctoEverywhere) -> None:
        """Prepare to be told what the service knows of this tunnel's printer."""
        self._hass = hass
        self._entry = entry
        self._tunnel = tunnel
        self._timer: CALLBACK_TYPE | None = None
        self._allowance = TokenBucket(burst=BURST, per_second=PER_SECOND)
        self._drops = False
        self._cloud_failed = False
        self._refresh = Debouncer(
            hass,
            LOGGER,
            cooldown=REFRESH_COOLDOWN,
            immediate=True,
            function=entry.runtime_data.printer.async_refresh_soon,
        )

    @callback
    def async_start(self) -> CALLBACK_TYPE:
        """Take deliveries, and register for them soon; returns what ends it."""
        self._take_deliveries()
        self._register_in(START_DELAY)

        @callback
        def stop() -> None:
            if self._timer:
                self._timer()
            self._refresh.async_shutdown()
            self._delete_replaced_webhook()
            if CONF_WEBHOOK_ID in self._entry.data:
                webhook.async_unregister(self._hass, self._entry.data[CONF_WEBHOOK_ID])

        return stop

    @callback
    def _take_deliveries(self) -> None:
        if webhook_id := self._entry.data.get(CONF_WEBHOOK_ID):
            webhook.async_register(
                self._hass, DOMAIN, self._entry.title, webhook_id, self._handle, allowed_methods=[hdrs.METH_POST]
            )

    @callback
    def _delete_replaced_webhook(self) -> None:
        """Delete the webhook of a connection that another one has replaced; whether that works does not matter."""
        if CONF_WEBHOOK_ID in self._entry.data and not is_same_connection(self._entry, self._tunnel):
            # Not a task of the entry: the entry is being unloaded, and must not wait for the service.
            name = f"{self._entry.title}: delete the replaced webhook"
            self._hass.async_create_background_task(_delete_webhook(self._hass, self._tunnel), name=name)

    @callback
    def _register_in(self, delay: timedelta) -> None:
        @callback
        def begin(_now: datetime) -> None:
            # A task of the entry: unloading the entry cancels it.
            self._entry.async_create_background_task(self._hass, self._register(), name="register for notifications")

        if self._timer:
            self._timer()
        self._timer = async_call_later(self._hass, delay, begin)

    async def _register(self) -> None:
        """Have notifications sent here, where the service can reach Home Assistant."""
        # The next try is planned first, so that no error can prevent it.
        self._register_in(RETRY_INTERVAL)
        try:
            if url := await self._public_url():
                await self._tunnel.set_webhook(self._entry.runtime_data.tunnel.service, url)
                self._register_in(RENEW_INTERVAL)
        except OctoPrintTunnelError as error:
            # The tunnel's condition says what is wrong.
            LOGGER.debug("%s: notifications: %s", self._entry.title, error)

    async def _public_url(self) -> str | None:
        """Return an https address from outside, None where Home Assistant has none."""
        if CLOUD in self._hass.config.components:
            from homeassistant.components import cloud  # large, and not everywhere installed

            if cloud.async_active_subscription(self._hass):
                return await self._cloud_url(cloud.async_get_or_create_cloudhook(self._hass, self._webhook_id()))
        try:
            base = get_url(self._hass, allow_internal=False, allow_ip=False, require_ssl=True)
        except NoURLAvailableError:
            return None
        return base + webhook.async_generate_path(self._webhook_id())

    async def _cloud_url(self, cloudhook: Awaitable[str]) -> str | None:
        """Return the address that Home Assistant Cloud gives, None where it fails; the log tells the first failure."""
        # Its library raises errors of its own, of asyncio, of aiohttp and of Python.
        response = await result_or_error(cloudhook)
        if isinstance(response, str):
            self._cloud_failed = False
            return response
        # The errors of Home Assistant itself say that the cloud is not connected, as after a start.
        level = DEBUG if self._cloud_failed or isinstance(response, HomeAssistantError) else WARNING
        self._cloud_failed = True
        kind = type(response).__name__
        LOGGER.log(level, "%s: no address for notifications from Home Assistant Cloud: %s", self._entry.title, kind)
        return None

    @callback
    def _webhook_id(self) -> str:
        """Return the id that deliveries come to; it is made when it is first of use, and kept."""
        if CONF_WEBHOOK_ID not in self._entry.data:
            data = {**self._entry.data, CONF_WEBHOOK_ID: webhook.async_generate_id()}
            self._hass.config_entries.async_update_entry(self._entry, data=data)
            self._take_deliveries()
        return str(self._entry.data[CONF_WEBHOOK_ID])

    async def _handle(self, hass: HomeAssistant, webhook_id: str, request: web.Request) -> web.Response:
        """Take one delivery."""
        try:
            if len(body := await _body(request)) > MAX_DELIVERY:
                return web.Response(status=HTTPStatus.REQUEST_ENTITY_TOO_LARGE)
            notification = Notification.from_json(JsonObject.parse(body))
        except (InvalidResponse, web.RequestPayloadError) as error:
            LOGGER.debug("%s: refused a notification: %s", self._entry.title, type(error).__name__)
            return web.Response(status=HTTPStatus.BAD_REQUEST)
        if self._is_allowed():
            async_dispatcher_send(hass, signal_of(self._entry), notification)
            await self._refresh.async_call()
        # A dropped delivery succeeds, too: the service disables a webhook that refuses too many.
        return web.Response(status=HTTPStatus.OK)

    @callback
    def _is_allowed(self) -> bool:
        """Tell whether one more delivery may become an event; the log tells once for each flood that some may not."""
        if self._allowance.is_full:
            self._drops = False
        if self._allowance.take():
            return True
        if not self._drops:
            LOGGER.warning("%s: too many notifications at once, some are dropped", self._entry.title)
        self._drops = True
        return False


async def _body(request: web.Request) -> bytes:
    """Return what was delivered; of what is too large, one byte more than is taken."""
    # Not its text: that would be all of up to 16 MB, decoded as the sender pleases.
    content, body = request.content, bytearray()
    while chunk := await content.read(MAX_DELIVERY + 1 - len(body)):
        body += chunk
    return bytes(body)


async def _delete_webhook(hass: HomeAssistant, tunnel: OctoEverywhere) -> None:
    """Have the service send no more notifications, as far as it can be reached."""
    session = async_create_session(hass, auto_cleanup=False)
    try:
        with suppress(OctoPrintTunnelError):
            await tunnel.delete_webhook(tunnel.service(session))
    finally:
        session.detach()


async def async_forget_webhook(hass: HomeAssistant, entry: OctoPrintTunnelConfigEntry) -> None:
    """End the notifications of an entry that is removed, as far as the service and the cloud can be reached."""
    tunnel, webhook_id = tunnel_from_data(entry.data), entry.data.get(CONF_WEBHOOK_ID)
    if webhook_id is None:
        return
    # A printer that was moved to another service still has its webhook.
    if isinstance(tunnel, OctoEverywhere):
        await _delete_webhook(hass, tunnel)
    if CLOUD in hass.config.components:
        from homeassistant.components import cloud

        if cloud.async_active_subscription(hass):
            await result_or_error(cloud.async_delete_cloudhook(hass, webhook_id))
