"""Saves data for the rest of a month: changes the options of a printer, and changes them back."""

from datetime import UTC, datetime
from typing import Any, Final

from homeassistant.config_entries import ConfigEntry, ConfigEntryState
from homeassistant.core import HomeAssistant, callback
from homeassistant.helpers.event import async_track_point_in_utc_time
from homeassistant.util import dt as dt_util

from .const import CONF_DATA_AUTOPILOT, CONF_LIVE_UPDATES, CONF_SAVING

THRIFTIEST: Final[dict[str, Any]] = {CONF_LIVE_UPDATES: True, CONF_DATA_AUTOPILOT: True}
"""Options of a printer that uses as little data as possible: the push socket costs less than polls."""
UNTIL: Final = "until"
BEFORE: Final = "before"


@callback
def async_save_data(hass: HomeAssistant, entry: ConfigEntry, until: datetime) -> None:
    """Use as little data as possible until then, and remember the options before, unless that is done already."""
    if CONF_SAVING in entry.options:
        return
    before = {name: entry.options[name] for name in THRIFTIEST if name in entry.options}
    saving = {UNTIL: until.isoformat(), BEFORE: before}
    _async_change(hass, entry, {**entry.options, **THRIFTIEST, CONF_SAVING: saving})


@callback
def async_end_saving_in_time(hass: HomeAssistant, entry: ConfigEntry) -> None:
    """Change the options back at the end of the month, also if that has passed. To be called when it is set up."""

    @callback
    def end(_now: datetime) -> None:
        async_end_saving(hass, entry)

    if CONF_SAVING not in entry.options:
        return
    until = dt_util.parse_datetime(str(entry.options[CONF_SAVING].get(UNTIL)))
    if until is None or until.astimezone(UTC) <= dt_util.utcnow():
        async_end_saving(hass, entry)
    else:
        entry.async_on_unload(async_track_point_in_utc_time(hass, end, until))


@callback
def async_end_saving(hass: HomeAssistant, entry: ConfigEntry) -> None:
    """Change the options back to what they were before."""
    options = {name: value for name, value in entry.options.items() if name not in (*THRIFTIEST, CONF_SAVING)}
    before = entry.options[CONF_SAVING].get(BEFORE, {})
    _async_change(hass, entry, {**options, **{name: before[name] for name in THRIFTIEST if name in before}})


@callback
def _async_change(hass: HomeAssistant, entry: ConfigEntry, options: dict[str, Any]) -> None:
    hass.config_entries.async_update_entry(entry, options=options)
    if entry.state is ConfigEntryState.LOADED:
        hass.config_entries.async_schedule_reload(entry.entry_id)
