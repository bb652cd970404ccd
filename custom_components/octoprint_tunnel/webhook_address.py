"""The https address on the internet at which a service reaches a webhook of Home Assistant."""

from collections.abc import Awaitable, Callable
from enum import StrEnum
from logging import DEBUG, WARNING
from typing import Final

from homeassistant.components import webhook
from homeassistant.core import HomeAssistant, callback
from homeassistant.exceptions import HomeAssistantError
from homeassistant.helpers.network import NoURLAvailableError, get_url

from .attempts import result_or_error
from .const import LOGGER

CLOUD: Final = "cloud"


class Unreachable(StrEnum):
    """Why the service cannot reach Home Assistant."""

    NO_HTTPS_ADDRESS = "no_https_address"
    CLOUD_FAILED = "cloud_failed"
    NOT_SET_UP = "not_set_up"
    """Its user has not asked for the address yet, which has to be entered at the service."""


class WebhookAddress:
    """Finds the address: Home Assistant Cloud's, else Home Assistant's own."""

    def __init__(self, hass: HomeAssistant, title: str, update_listeners: Callable[[], object]) -> None:
        """Begin without an address; `title` begins each log line, each change of `unreachable` is announced."""
        self.unreachable: Unreachable | None = None
        """Why there is no address; None if there is one or if that is not known yet."""
        self._hass = hass
        self._title = title
        self._cloud_failed = False
        self._is_logged = False
        self._update_listeners = update_listeners

    async def async_find(self, webhook_id: Callable[[], str]) -> str | None:
        """Return the address of the webhook, whose id is asked for only if there is one; None without an address."""
        url = await self._async_find(webhook_id)
        self.update()
        if self.unreachable is Unreachable.NO_HTTPS_ADDRESS:
            self._log_no_address()
        return url

    async def _async_find(self, webhook_id: Callable[[], str]) -> str | None:
        if self._has_cloud:
            from homeassistant.components import cloud

            return await self._async_cloud_url(cloud.async_get_or_create_cloudhook(self._hass, webhook_id()))
        base = self._own_url
        return base and base + webhook.async_generate_path(webhook_id())

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
    def update(self) -> None:
        """Find out whether there is an address, without asking the cloud."""
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
            LOGGER.info("%s: no notifications: Home Assistant has no https address on the internet", self._title)

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
        LOGGER.log(level, "%s: no address for notifications from Home Assistant Cloud: %s", self._title, error)
        return None
