"""Receives the notifications of all printers of an account, on one webhook that the user enters at the service."""

from datetime import datetime
from typing import Final

from aiohttp import hdrs, web

from homeassistant.components import webhook
from homeassistant.config_entries import ConfigEntry, ConfigEntryState
from homeassistant.core import CALLBACK_TYPE, HomeAssistant, callback
from homeassistant.helpers.network import NoURLAvailableError, get_url
from homeassistant.util import dt as dt_util
from homeassistant.util.hass_dict import HassKey

from .api.json_object import JsonObject
from .api.tunnels import tunnel_from_data
from .api.tunnels.base import AccountDelivery, AccountNotifications
from .api.tunnels.models import NotificationType
from .attempts import result_or_error
from .const import CONF_ACCOUNT_WEBHOOK_ID, CONF_PRINTER_ID, DOMAIN, LOGGER
from .coordinator import PrinterCoordinator
from .deliveries import Inbox, handle_delivery
from .notifications import Registration
from .webhook_address import CLOUD, Unreachable, WebhookAddress

_ACCOUNTS: Final[HassKey[dict[str, AccountWebhook]]] = HassKey(f"{DOMAIN}_account_webhooks")


class AccountPrinter:
    """One printer of an account. Its notifications come once its user has asked for the webhook's address."""

    def __init__(
        self, hass: HomeAssistant, entry: ConfigEntry, service: AccountNotifications, printer: PrinterCoordinator
    ) -> None:
        """Prepare to receive; each notification refreshes `printer`."""
        self.entry = entry
        self.service = service
        self.inbox = Inbox(hass, entry, printer.async_refresh_soon)
        self._hass = hass

    @property
    def unreachable(self) -> Unreachable | None:
        """Return why no notifications come, None if the address has been asked for."""
        return None if CONF_ACCOUNT_WEBHOOK_ID in self.entry.data else Unreachable.NOT_SET_UP

    @property
    def registration(self) -> Registration:
        """Return what is known: a delivery shows that the address works. The service is not asked."""
        return Registration(verified_at=self.inbox.last_at)

    @property
    def last_delivery_at(self) -> datetime | None:
        """Return when the service last delivered anything for this printer."""
        return self.inbox.last_at

    @property
    def unknown_printers(self) -> int:
        """Return how many deliveries were for printers that are not in Home Assistant."""
        account = self._hass.data.get(_ACCOUNTS, {}).get(self.entry.data.get(CONF_ACCOUNT_WEBHOOK_ID, ""))
        return account.unknown_printers if account else 0

    @callback
    def async_start(self) -> CALLBACK_TYPE:
        """Receive from now on. Returns the function that ends it."""
        webhook_id = _async_adopt(self._hass, self.entry)
        if webhook_id is None:
            return self.inbox.async_close
        accounts = self._hass.data.setdefault(_ACCOUNTS, {})
        account = accounts.get(webhook_id)
        if account is None:
            account = accounts[webhook_id] = AccountWebhook(self._hass, webhook_id, self.entry.title, self.service)
        account.printers.append(self)

        @callback
        def stop() -> None:
            self.inbox.async_close()
            account.printers.remove(self)
            if not account.printers:
                del accounts[webhook_id]
                webhook.async_unregister(self._hass, webhook_id)

        return stop


class AccountWebhook:
    """The webhook of an account, open while one of its printers is loaded."""

    def __init__(self, hass: HomeAssistant, webhook_id: str, title: str, service: AccountNotifications) -> None:
        """Accept deliveries of `service`."""
        self.printers: list[AccountPrinter] = []
        self.unknown_printers = 0
        self._hass = hass
        self._title = title
        self._service = service
        webhook.async_register(hass, DOMAIN, title, webhook_id, self._handle, allowed_methods=[hdrs.METH_POST])

    async def _handle(self, hass: HomeAssistant, webhook_id: str, request: web.Request) -> web.Response:
        return await handle_delivery(request, self._title, self._take)

    async def _take(self, body: JsonObject) -> None:
        delivery = self._service.read(body)  # its printers may have been unloaded while the body arrived
        concerned = self._concerned(delivery)
        if not concerned:
            self.unknown_printers += 1
            LOGGER.debug("%s: a notification for a printer that is not here", self._title)
        for printer in concerned:
            printer.inbox.last_at = dt_util.utcnow()
            await printer.inbox.async_take(delivery.notification)

    def _concerned(self, delivery: AccountDelivery) -> list[AccountPrinter]:
        """Return the printers that a delivery is about. A name that only one of them has teaches the service's id."""
        if delivery.notification.type is NotificationType.TEST:
            return list(self.printers)
        known = {printer.entry.data.get(CONF_PRINTER_ID): printer for printer in self.printers}
        if delivery.printer_id is not None and delivery.printer_id in known:
            return [known[delivery.printer_id]]
        name = _folded(delivery.printer_name or "")
        named = [printer for printer in self.printers if name and _folded(printer.entry.title) == name]
        if len(named) != 1 or named[0].entry.data.get(CONF_PRINTER_ID) is not None:
            return []
        titles = [_folded(entry.title) for entry in _async_neighbors(self._hass, named[0].entry)]
        if titles.count(name) != 1:  # another one is not loaded
            return []
        if delivery.printer_id is not None:
            entry = named[0].entry
            data = {**entry.data, CONF_PRINTER_ID: delivery.printer_id}
            self._hass.config_entries.async_update_entry(entry, data=data)
        return named


def _folded(name: str) -> str:
    return name.strip().casefold()


@callback
def _async_neighbors(hass: HomeAssistant, entry: ConfigEntry) -> list[ConfigEntry]:
    """Return all entries of the same service on the same server, this one included."""
    tunnel = tunnel_from_data(entry.data)
    account = (tunnel.provider, tunnel.server)
    entries = hass.config_entries.async_entries(DOMAIN, include_ignore=False)
    tunnels = ((each, tunnel_from_data(each.data)) for each in entries)
    return [each for each, its_tunnel in tunnels if (its_tunnel.provider, its_tunnel.server) == account]


@callback
def _async_adopt(hass: HomeAssistant, entry: ConfigEntry) -> str | None:
    """Return the webhook of the account, which a printer that was added later shares; None if there is none."""
    ids = (each.data.get(CONF_ACCOUNT_WEBHOOK_ID) for each in (entry, *_async_neighbors(hass, entry)))
    webhook_id: str | None = next((each for each in ids if each), None)
    if webhook_id and entry.data.get(CONF_ACCOUNT_WEBHOOK_ID) != webhook_id:
        data = {**entry.data, CONF_ACCOUNT_WEBHOOK_ID: webhook_id}
        hass.config_entries.async_update_entry(entry, data=data)
    return webhook_id


async def async_account_webhook_address(
    hass: HomeAssistant, entry: ConfigEntry, service: AccountNotifications
) -> str | None:
    """Return the address to enter at the service, None if the service cannot reach Home Assistant.

    The webhook is created when there first is an address for it, for all printers of the account.
    """
    webhook_id = _async_adopt(hass, entry) or webhook.async_generate_id()
    url = await WebhookAddress(hass, entry.title, lambda: None).async_find(lambda: webhook_id)
    if url is None and service.is_self_hosted:
        url = _local_url(hass, webhook_id)
    if url and CONF_ACCOUNT_WEBHOOK_ID not in entry.data:
        _async_share(hass, entry, webhook_id)
    return url


def _local_url(hass: HomeAssistant, webhook_id: str) -> str | None:
    """Return the address of the webhook on the local network, None if there is none."""
    try:
        base = get_url(hass, allow_external=False, allow_cloud=False)
    except NoURLAvailableError:
        return None
    return base + webhook.async_generate_path(webhook_id)


@callback
def _async_share(hass: HomeAssistant, entry: ConfigEntry, webhook_id: str) -> None:
    """Let all printers of the account receive on a new webhook."""
    for each in _async_neighbors(hass, entry):
        data = {**each.data, CONF_ACCOUNT_WEBHOOK_ID: webhook_id}
        hass.config_entries.async_update_entry(each, data=data)
        if each.state is ConfigEntryState.LOADED:
            hass.config_entries.async_schedule_reload(each.entry_id)


async def async_forget_account_webhook(hass: HomeAssistant, entry: ConfigEntry) -> None:
    """Delete the address that Home Assistant Cloud gave, if the entry that is removed is the last of its account."""
    webhook_id = entry.data.get(CONF_ACCOUNT_WEBHOOK_ID)
    others = [each for each in hass.config_entries.async_entries(DOMAIN) if each.entry_id != entry.entry_id]
    if webhook_id is None or any(each.data.get(CONF_ACCOUNT_WEBHOOK_ID) == webhook_id for each in others):
        return
    if CLOUD in hass.config.components:
        from homeassistant.components import cloud

        if cloud.async_active_subscription(hass):
            await result_or_error(cloud.async_delete_cloudhook(hass, webhook_id))
