"""The events of a print, and of a service's notifications."""

from dataclasses import asdict
from typing import Final, override

from homeassistant.components.event import EventEntity, EventEntityDescription
from homeassistant.core import HomeAssistant, callback
from homeassistant.helpers.dispatcher import async_dispatcher_connect
from homeassistant.helpers.entity_platform import AddConfigEntryEntitiesCallback

from .account_webhook import AccountPrinter
from .api.octoprint.print_event import PrintEvent, PrintEventType
from .api.tunnels.models import Notification, NotificationType
from .coordinator import TunnelCoordinator
from .deliveries import signal_of
from .entity import OctoPrintTunnelEntity
from .notifications import Notifications
from .print_entity import PrintEntity
from .runtime import OctoPrintTunnelConfigEntry

PARALLEL_UPDATES = 0

PRINT_EVENT: Final = EventEntityDescription(
    key="print_event",
    translation_key="print_event",
    event_types=[kind.value for kind in PrintEventType],
)

DESCRIPTIONS = (
    PRINT_EVENT,
    EventEntityDescription(
        key="notification",
        translation_key="notification",
        event_types=[kind.value for kind in NotificationType],
    ),
)


async def async_setup_entry(
    hass: HomeAssistant, entry: OctoPrintTunnelConfigEntry, async_add_entities: AddConfigEntryEntitiesCallback
) -> None:
    """Add the events of one printer."""
    runtime = entry.runtime_data
    async_add_entities([PrintEventEntity(entry, runtime.printer, PRINT_EVENT)])
    if notifications := runtime.notifications:
        async_add_entities(
            NotificationEvent(entry, runtime.tunnel, description, notifications)
            for description in DESCRIPTIONS
            if description.key in runtime.tunnel.service.tunnel.entity_keys
        )


class PrintEventEntity(PrintEntity, EventEntity):
    """The last thing that happened to a print."""

    @callback
    @override
    def _async_take(self, event: PrintEvent) -> None:
        values = asdict(event)
        del values["type"], values["number"]
        self._trigger_event(event.type, {name: value for name, value in values.items() if value is not None})
        self.async_write_ha_state()


class NotificationEvent(OctoPrintTunnelEntity[TunnelCoordinator], EventEntity):
    """The last notification of the service. It is available also while the service is not."""

    def __init__(
        self,
        entry: OctoPrintTunnelConfigEntry,
        tunnel: TunnelCoordinator,
        description: EventEntityDescription,
        notifications: Notifications | AccountPrinter,
    ) -> None:
        """Show the notifications that `notifications` receives."""
        super().__init__(entry, tunnel, description)
        self._notifications = notifications

    @property
    @override
    def available(self) -> bool:
        return self._notifications.unreachable is None

    @override
    async def async_added_to_hass(self) -> None:
        await super().async_added_to_hass()
        signal = signal_of(self.coordinator.config_entry)
        self.async_on_remove(async_dispatcher_connect(self.hass, signal, self._handle_notification))

    @callback
    def _handle_notification(self, notification: Notification) -> None:
        values = asdict(notification)
        event_type = values.pop("type")
        self._trigger_event(event_type, {name: value for name, value in values.items() if value is not None})
        self.async_write_ha_state()
