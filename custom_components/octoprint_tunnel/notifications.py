"""Keeps Home Assistant registered for a service's notifications."""

from collections.abc import Awaitable, Callable
from contextlib import suppress
from datetime import datetime, timedelta
from enum import StrEnum
from logging import DEBUG, WARNING
from typing import Final

from homeassistant.components import webhook
from homeassistant.config_entries import ConfigEntry
from homeassistant.const import CONF_WEBHOOK_ID
from homeassistant.core import CALLBACK_TYPE, HomeAssistant, callback
from homeassistant.exceptions import HomeAssistantError
from homeassistant.helpers.event import async_call_later
from homeassistant.helpers.network import NoURLAvailableError, get_url

from .api.errors import OctoPrintTunnelError
from .api.tunnels import tunnel_from_data
from .api.tunnels.base import NotificationWebhook, Tunnel
from .attempts import result_or_error
from .const import LOGGER
from .deliveries import Deliveries
from .identity import is_same_connection
from .session import async_create_session

CLOUD: Final = "cloud"

START_DELAY: Final = timedelta(seconds=30)
RENEW_INTERVAL: Final = timedelta(days=30)  # of the 180 days that a registration lasts
RETRY_INTERVAL: Final = timedelta(hours=1)
ADDRESS_INTERVAL: Final = timedelta(minutes=1)  # to look for an address again, which sends no request


class Unreachable(StrEnum):
    """Why the service cannot reach Home Assistant."""

    NO_HTTPS_ADDRESS = "no_https_address"
    CLOUD_FAILED = "cloud_failed"


class Notifications:
    """Registers a webhook with the service, and renews it before the service forgets it."""

    def __init__(
        self,
        hass: HomeAssistant,
        entry: ConfigEntry,
        tunnel: Tunnel,
        service: NotificationWebhook,
        refresh: Callable[[], object],
        update_listeners: Callable[[], object],
    ) -> None:
        """Prepare to register with `service`.

        Each notification calls `refresh`, and each change of `unreachable` calls `update_listeners`.
        """
        self.unreachable: Unreachable | None = None
        """Why the service cannot reach Home Assistant; None if it can or if that is not known yet."""
        self._hass = hass
        self._entry = entry
        self._tunnel = tunnel
        self._service = service
        self._deliveries = Deliveries(hass, entry, service, refresh)
        self._timer: CALLBACK_TYPE | None = None
        self._cloud_failed = False
        self._is_logged = False
        self._update_listeners = update_listeners

    @callback
    def async_start(self) -> CALLBACK_TYPE:
        """Accept deliveries and register for them soon. Returns the function that stops both."""
        if webhook_id := self._webhook_id:
            self._deliveries.async_open(webhook_id)
        self._update_unreachable()
        self._register_in(START_DELAY)
        return self._stop

    @callback
    def _stop(self) -> None:
        if self._timer:
            self._timer()
        if webhook_id := self._webhook_id:
            self._deliveries.async_close(webhook_id)
            if not is_same_connection(self._entry, self._tunnel):
                self._delete_replaced_webhook()

    @property
    def _webhook_id(self) -> str | None:
        return self._entry.data.get(CONF_WEBHOOK_ID)

    @callback
    def _delete_replaced_webhook(self) -> None:
        """Delete the webhook of a connection that another one has replaced; the result does not matter."""
        # Not a task of the entry: the entry is being unloaded, and must not wait for the service.
        name = f"{self._entry.title}: delete the replaced webhook"
        self._hass.async_create_background_task(_async_delete_webhook(self._hass, self._tunnel), name=name)

    @callback
    def _register_in(self, delay: timedelta) -> None:
        @callback
        def register(_now: datetime) -> None:
            # A task of the entry: unloading the entry cancels it.
            self._entry.async_create_background_task(
                self._hass, self._async_register(), name="register for notifications"
            )

        if self._timer:
            self._timer()
        self._timer = async_call_later(self._hass, delay, register)

    async def _async_register(self) -> None:
        # The retry is planned first, so that no error can prevent it.
        self._register_in(RETRY_INTERVAL)
        try:
            url = await self._async_public_url()
            self._update_unreachable()
            if url:
                await self._service.set(url)
                self._register_in(RENEW_INTERVAL)
            elif self.unreachable is Unreachable.NO_HTTPS_ADDRESS:
                self._register_in(ADDRESS_INTERVAL)
                self._log_no_address()
        except OctoPrintTunnelError as error:
            # The tunnel's entities show what is wrong.
            LOGGER.debug("%s: notifications: %s", self._entry.title, error)

    async def _async_public_url(self) -> str | None:
        """Return an https address of the webhook on the internet, None if Home Assistant has none."""
        if self._has_cloud:
            from homeassistant.components import cloud

            cloudhook = cloud.async_get_or_create_cloudhook(self._hass, self._async_get_or_create_webhook())
            return await self._async_cloud_url(cloudhook)
        base = self._own_url
        return base and base + webhook.async_generate_path(self._async_get_or_create_webhook())

    @property
    def _has_cloud(self) -> bool:
        if CLOUD not in self._hass.config.components:
            return False
        from homeassistant.components import cloud  # large, and not installed everywhere

        return cloud.async_active_subscription(self._hass)

    @property
    def _own_url(self) -> str | None:
        """Return Home Assistant's own https address on the internet, None if there is none."""
        try:
            return get_url(self._hass, allow_internal=False, allow_ip=False, require_ssl=True)
        except NoURLAvailableError:
            return None

    @callback
    def _update_unreachable(self) -> None:
        if self._has_cloud:
            unreachable = Unreachable.CLOUD_FAILED if self._cloud_failed else None
        else:
            unreachable = None if self._own_url else Unreachable.NO_HTTPS_ADDRESS
        if unreachable is not self.unreachable:
            self.unreachable = unreachable
            self._is_logged = False
            self._update_listeners()

    @callback
    def _log_no_address(self) -> None:
        """Log once that there is no address."""
        if not self._is_logged:
            self._is_logged = True
            LOGGER.info("%s: no notifications: Home Assistant has no https address on the internet", self._entry.title)

    async def _async_cloud_url(self, cloudhook: Awaitable[str]) -> str | None:
        """Return the address that Home Assistant Cloud gives, None if it fails. The first failure is logged."""
        # Its library raises errors of its own, of asyncio, of aiohttp and of Python.
        result = await result_or_error(cloudhook)
        if isinstance(result, str):
            self._cloud_failed = False
            return result
        # Home Assistant's own errors mean that the cloud is not connected, as after a start.
        is_connecting = isinstance(result, HomeAssistantError)
        level = DEBUG if self._cloud_failed or is_connecting else WARNING
        self._cloud_failed = self._cloud_failed or not is_connecting
        error = type(result).__name__
        LOGGER.log(level, "%s: no address for notifications from Home Assistant Cloud: %s", self._entry.title, error)
        return None

    @callback
    def _async_get_or_create_webhook(self) -> str:
        """Return the webhook's id, which is created when it is first needed, and stored."""
        if webhook_id := self._webhook_id:
            return webhook_id
        webhook_id = webhook.async_generate_id()
        data = {**self._entry.data, CONF_WEBHOOK_ID: webhook_id}
        self._hass.config_entries.async_update_entry(self._entry, data=data)
        self._deliveries.async_open(webhook_id)
        return webhook_id


async def _async_delete_webhook(hass: HomeAssistant, tunnel: Tunnel) -> None:
    """Ask the service to send no more notifications, if it can be reached and has any."""
    session = async_create_session(hass, auto_cleanup=False)
    try:
        if notifications := tunnel.connect(session).notifications:
            with suppress(OctoPrintTunnelError):
                await notifications.delete()
    finally:
        session.detach()


async def async_forget_webhook(hass: HomeAssistant, entry: ConfigEntry) -> None:
    """End the notifications of an entry that is removed, if the service and the cloud can be reached."""
    webhook_id = entry.data.get(CONF_WEBHOOK_ID)
    if webhook_id is None:
        return
    await _async_delete_webhook(hass, tunnel_from_data(entry.data))
    # A printer that was moved to another service still has its webhook.
    if CLOUD in hass.config.components:
        from homeassistant.components import cloud

        if cloud.async_active_subscription(hass):
            await result_or_error(cloud.async_delete_cloudhook(hass, webhook_id))
