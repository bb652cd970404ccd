"""Events: what OctoEverywhere notifies of in a print."""

from typing import override

from homeassistant.components.event import EventEntity, EventEntityDescription
from homeassistant.core import HomeAssistant, callback
from homeassistant.helpers.dispatcher import async_dispatcher_connect
from homeassistant.helpers.entity_platform import AddConfigEntryEntitiesCallback

from .api.tunnels.models import Notification, NotificationType
from .deliveries import signal_of
from .entity import TunnelEntity
from .runtime import OctoPrintTunnelConfigEntry

PARALLEL_UPDATES = 0

DESCRIPTION = EventEntityDescription(
    key="notification",
    translation_key="notification",
    event_types=[kind.value for kind in NotificationType],
)


async def async_setup_entry(
    hass: HomeAssistant, entry: OctoPrintTunnelConfigEntry, async_add_entities: AddConfigEntryEntitiesCallback
) -> None:
    """Add the event of one printer."""
    if DESCRIPTION.key in entry.runtime_data.tunnel.service.tunnel.entity_keys:
        async_add_entities([NotificationEvent(entry, DESCRIPTION)])


class NotificationEvent(TunnelEntity, EventEntity):
    """What the service notified of last."""

    @property
    @override
    def available(self) -> bool:
        return True

    @override
    async def async_added_to_hass(self) -> None:
        await super().async_added_to_hass()
        signal = signal_of(self.coordinator.config_entry)
        self.async_on_remove(async_dispatcher_connect(self.hass, signal, self._notified))

    @callback
    def _notified(self, notification: Notification) -> None:
        told = {
            "print_id": notification.print_id,
            "file": notification.file,
            "progress": notification.progress,
            "duration": notification.duration,
            "time_left": notification.time_left,
            "height": notification.height,
            "layer": notification.layer,
            "layers": notification.layers,
            "error": notification.error,
            "error_code": notification.error_code,
            "snapshot_url": notification.snapshot_url,
        }
        self._trigger_event(notification.type, {name: value for name, value in told.items() if value is not None})
        self.async_write_ha_state()
