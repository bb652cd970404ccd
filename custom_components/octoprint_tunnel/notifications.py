"""Keeps Home Assistant registered for a service's notifications, and checks that they arrive."""

from collections.abc import Callable, Coroutine
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any, Final

from homeassistant.components import webhook
from homeassistant.config_entries import ConfigEntry
from homeassistant.const import CONF_WEBHOOK_ID
from homeassistant.core import CALLBACK_TYPE, HomeAssistant, callback
from homeassistant.helpers.event import async_call_later
from homeassistant.util import dt as dt_util

from .api.backoff import Backoff
from .api.errors import OctoPrintTunnelError
from .api.octoprint.print_event import PrintEvent, PrintEventType
from .api.tunnels import tunnel_from_data
from .api.tunnels.base import NotificationWebhook, Tunnel
from .attempts import result_or_error
from .const import LOGGER
from .coordinator import PrinterCoordinator
from .deliveries import Deliveries
from .identity import is_same_connection
from .session import async_create_session
from .webhook_address import CLOUD, Unreachable, WebhookAddress

START_DELAY: Final = timedelta(seconds=30)
RENEW_INTERVAL: Final = timedelta(days=30)  # of the 180 days that a registration lasts
RETRY_INTERVAL: Final = timedelta(hours=1)
LONGEST_RETRY: Final = timedelta(days=1)
ADDRESS_INTERVAL: Final = timedelta(minutes=1)  # to look for an address again, which sends no request
DELIVERY_TAKES: Final = timedelta(minutes=2)  # at most, from what is delivered to its delivery
CHECK_INTERVAL: Final = timedelta(days=1)
"""Between checks that prints cause: some accounts get three notifications a day."""

_NOTIFIED: Final = (PrintEventType.STARTED, PrintEventType.DONE)
"""What the service sends a notification about for certain."""


class Failure(StrEnum):
    """Why notifications do not arrive although the service can reach Home Assistant."""

    REFUSED = "refused"
    """The service could not be asked, or refused the webhook."""
    NOT_DELIVERED = "not_delivered"
    """The service accepted the webhook, and its test did not arrive."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Registration:
    """What is known of the registration since Home Assistant started."""

    registered_at: datetime | None = None
    verified_at: datetime | None = None
    """When a delivery last showed that the registration works."""
    failure: Failure | None = None

    @property
    def is_verified(self) -> bool:
        """Tell whether a delivery has shown that it works, and nothing has shown otherwise since."""
        return self.verified_at is not None and self.failure is None


class Notifications:
    """Registers a webhook with the service, has a test delivered, and renews it before the service forgets it.

    The service stops using a webhook after some failures, and does not say so. When a print begins or ends and no
    notification comes, another test is requested, and without its delivery the webhook is registered again.
    """

    def __init__(
        self,
        hass: HomeAssistant,
        entry: ConfigEntry,
        tunnel: Tunnel,
        service: NotificationWebhook,
        printer: PrinterCoordinator,
        update_listeners: Callable[[], object],
    ) -> None:
        """Prepare to register with `service`.

        Each notification refreshes `printer`, and each change of `unreachable` calls `update_listeners`.
        """
        self.registration = Registration()
        self._hass = hass
        self._entry = entry
        self._tunnel = tunnel
        self._service = service
        self._printer = printer
        self._events: tuple[PrintEvent, ...] = ()
        self._address = WebhookAddress(hass, entry.title, update_listeners)
        self._deliveries = Deliveries(hass, entry, service, printer.async_refresh_soon)
        self._retry = Backoff(RETRY_INTERVAL.total_seconds(), LONGEST_RETRY.total_seconds())
        self._timer: CALLBACK_TYPE | None = None
        self._expected_since: datetime | None = None

    @property
    def unreachable(self) -> Unreachable | None:
        """Return why the service cannot reach Home Assistant; None if it can or if that is not known yet."""
        return self._address.unreachable

    @property
    def last_delivery_at(self) -> datetime | None:
        """Return when the service last delivered anything."""
        return self._deliveries.last_at

    @callback
    def async_start(self) -> CALLBACK_TYPE:
        """Accept deliveries and register for them soon. Returns the function that stops both."""
        if webhook_id := self._webhook_id:
            self._deliveries.async_open(webhook_id)
        self._address.update()
        self._plan(START_DELAY, self._async_register)
        stop_following = self._printer.async_add_listener(self._follow_printer)

        @callback
        def stop() -> None:
            stop_following()
            self._stop()

        return stop

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
    def _plan(self, delay: timedelta, action: Callable[[], Coroutine[Any, Any, None]]) -> None:
        """Plan what to do next, instead of what was planned before."""

        @callback
        def begin(_now: datetime) -> None:
            # A task of the entry: unloading the entry cancels it.
            self._entry.async_create_background_task(self._hass, action(), name="register for notifications")

        if self._timer:
            self._timer()
        self._timer = async_call_later(self._hass, delay, begin)

    # Registration

    async def _async_register(self) -> None:
        # The retry is planned first, so that no error can prevent it.
        self._plan(RETRY_INTERVAL, self._async_register)
        try:
            url = await self._address.async_find(self._async_get_or_create_webhook)
            if url:
                await self._service.set(url)
                self.registration = replace(self.registration, registered_at=dt_util.utcnow())
                await self._async_test()
            elif self.unreachable is Unreachable.NO_HTTPS_ADDRESS:
                self._plan(ADDRESS_INTERVAL, self._async_register)
        except OctoPrintTunnelError as error:
            # The tunnel's entities show what is wrong.
            self.registration = replace(self.registration, failure=Failure.REFUSED)
            LOGGER.debug("%s: notifications: %s", self._entry.title, error)

    # Verification

    async def _async_test(self) -> None:
        """Have the service deliver a test. Raises what `NotificationWebhook.test` raises."""
        self._expect_delivery()
        self._deliveries.expect_test()
        self._plan(DELIVERY_TAKES, self._async_verify)
        await self._service.test()

    @callback
    def _expect_delivery(self) -> None:
        self._expected_since = dt_util.utcnow()

    @property
    def _has_arrived(self) -> bool:
        last, since = self.last_delivery_at, self._expected_since
        return last is not None and since is not None and last >= since

    async def _async_verify(self) -> None:
        """Register again later if the test has not arrived."""
        self._deliveries.forget_test()
        if self._has_arrived:
            self._retry.reset()
            self.registration = replace(self.registration, verified_at=self.last_delivery_at, failure=None)
            self._plan(RENEW_INTERVAL, self._async_register)
            return
        self.registration = replace(self.registration, failure=Failure.NOT_DELIVERED)
        LOGGER.debug("%s: notifications: the test was not delivered", self._entry.title)
        self._plan(timedelta(seconds=self._retry.next()), self._async_register)

    @callback
    def _follow_printer(self) -> None:
        """Expect a notification when a print begins or ends, if that was not checked in the last day."""
        events = self._printer.data.events if self._printer.data else ()
        if events is self._events:
            return
        self._events = events
        verified_at, now = self.registration.verified_at, dt_util.utcnow()
        is_due = self.registration.is_verified and verified_at is not None and now - verified_at >= CHECK_INTERVAL
        if is_due and any(event.type in _NOTIFIED for event in events):
            # The service may be quicker than the poll that shows the event.
            self._expected_since = now - DELIVERY_TAKES
            self._plan(DELIVERY_TAKES, self._async_check)

    async def _async_check(self) -> None:
        """Request a test if the notification of a print has not arrived."""
        self._plan(RETRY_INTERVAL, self._async_register)
        if self._has_arrived:
            await self._async_verify()
            return
        with suppress(OctoPrintTunnelError):
            await self._async_test()

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
