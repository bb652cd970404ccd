"""The event of a service's notifications."""

from dataclasses import asdict
from typing import override

from homeassistant.components.event import EventEntity, EventEntityDescription
from homeassistant.core import HomeAssistant, callback
from homeassistant.helpers.dispatcher import async_dispatcher_connect
from homeassistant.helpers.entity_platform import AddConfigEntryEntitiesCallback

from .api.tunnels.models import Notification, NotificationType
from .coordinator import TunnelCoordinator
from .deliveries import signal_of
from .entity import OctoPrintTunnelEntity
from .notifications import Notifications
from .runtime import OctoPrintTunnelConfigEntry

PARALLEL_UPDATES = 0

DESCRIPTIONS = (
    EventEntityDescription(
        key="notification",
        translation_key="notification",
        event_types=[kind.value for kind in NotificationType],
    ),
)


async def async_setup_entry(
    hass: HomeAssistant, entry: OctoPrintTunnelConfigEntry, async_add_entities: AddConfigEntryEntitiesCallback
) -> None:
    """Add the event of one printer."""
    runtime = entry.runtime_data
    if notifications := runtime.notifications:
        async_add_entities(
            NotificationEvent(entry, runtime.tunnel, description, notifications)
            for description in DESCRIPTIONS
            if description.key in runtime.tunnel.service.tunnel.entity_keys
        )


class NotificationEvent(OctoPrintTunnelEntity[TunnelCoordinator], EventEntity):
    """The last notification of the service. It is available also while the service is not."""

    def __init__(
        self,
        entry: OctoPrintTunnelConfigEntry,
        tunnel: TunnelCoordinator,
        description: EventEntityDescription,
        notifications: Notifications,
    ) -> None:
        """Show the notifications that `notifications` registers for."""
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
