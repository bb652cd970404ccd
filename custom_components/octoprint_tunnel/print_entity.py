"""What the entities share that follow what happens to prints."""

from abc import abstractmethod
from typing import override

from homeassistant.core import callback

from .api.octoprint.print_event import PrintEvent
from .coordinator import PrinterCoordinator
from .entity import OctoPrintTunnelEntity


class PrintEntity(OctoPrintTunnelEntity[PrinterCoordinator]):
    """An entity that takes each event of a print once. It is available also while OctoPrint is not."""

    _taken: tuple[PrintEvent, ...] = ()

    @property
    @override
    def available(self) -> bool:
        return True

    @override
    async def async_added_to_hass(self) -> None:
        self._taken = self._events
        await super().async_added_to_hass()

    @property
    def _events(self) -> tuple[PrintEvent, ...]:
        return self.coordinator.data.events if self.coordinator.data else ()

    @callback
    @override
    def _handle_coordinator_update(self) -> None:
        # Listeners are also called when a poll fails and the data stays.
        if self._events is not self._taken:
            self._taken = self._events
            for event in self._events:
                self._async_take(event)
        super()._handle_coordinator_update()

    @abstractmethod
    @callback
    def _async_take(self, event: PrintEvent) -> None:
        """Take an event. The state is written afterwards."""
