"""Writes all entities of a printer before an automation reads one of them."""

from collections.abc import Callable
from typing import Final

from homeassistant.config_entries import ConfigEntry
from homeassistant.const import EVENT_STATE_REPORTED, Platform
from homeassistant.core import Event, EventStateReportedData, HomeAssistant, State, callback
from homeassistant.helpers import entity_registry as er

MEASURING: Final = (Platform.NUMBER, Platform.SENSOR)  # whose states other integrations count and integrate


class ConsistentStates:
    """Writes the states of a printer's entities inside an event, so that automations see one moment.

    Home Assistant runs an entity's automations while its state is written, when the next entity still has its old
    state. Events that are fired inside an event handler are dispatched after that handler. So one entity reports the
    state that it already has, which is neither recorded nor triggers automations, and the handler of that report writes
    all entities.
    """

    def __init__(self, hass: HomeAssistant, entry: ConfigEntry, write: Callable[[], None]) -> None:
        """Prepare for the entities of an entry, all of which `write` writes."""
        self._hass = hass
        self._entry = entry
        self._write = write
        self._reporting: str | None = None
        entry.async_on_unload(hass.bus.async_listen(EVENT_STATE_REPORTED, self._handle_report, self._is_own_report))

    @callback
    def async_write(self) -> None:
        """Write the states of all entities."""
        if state := self._state_to_report():
            self._reporting = state.entity_id
            self._hass.states.async_set(state.entity_id, state.state, state.attributes)
        else:
            self._write()

    def _state_to_report(self) -> State | None:
        """Return the state of an entity of this printer that measures nothing, None where there is none yet."""
        entries = er.async_entries_for_config_entry(er.async_get(self._hass), self._entry.entry_id)
        states = (self._hass.states.get(entry.entity_id) for entry in entries if entry.domain not in MEASURING)
        return next(filter(None, states), None)

    @callback
    def _is_own_report(self, data: EventStateReportedData) -> bool:
        return data["entity_id"] == self._reporting

    @callback
    def _handle_report(self, _event: Event[EventStateReportedData]) -> None:
        self._reporting = None
        self._write()
