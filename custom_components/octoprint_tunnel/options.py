"""The options of a config entry, with their defaults in one place."""

from dataclasses import dataclass
from datetime import timedelta
from typing import Any, Final, Self

from yarl import URL

from homeassistant.config_entries import ConfigEntry
from homeassistant.const import CONF_VERIFY_SSL

from .api.tunnels.monthly_usage import DataMode
from .const import (
    CONF_DATA_AUTOPILOT,
    CONF_LIVE_UPDATES,
    CONF_LOCAL_ACCESS,
    CONF_LOCAL_URL,
    CONF_POLL_INTERVAL,
    CONF_SAVING,
)

DEFAULTS: Final[dict[str, Any]] = {
    CONF_POLL_INTERVAL: 60,  # seconds
    CONF_LIVE_UPDATES: True,
    CONF_LOCAL_ACCESS: True,
    CONF_VERIFY_SSL: True,
    CONF_DATA_AUTOPILOT: True,
}


@dataclass(frozen=True, kw_only=True, slots=True)
class Options:
    """What the user chose for one printer."""

    poll_interval: timedelta
    live_updates: bool
    local_access: bool
    local_url: URL | None
    verify_ssl: bool
    data_mode: DataMode

    @classmethod
    def from_entry(cls, entry: ConfigEntry) -> Self:
        """Read the options of an entry; what was never chosen has its default."""
        options = DEFAULTS | entry.options
        local_url = entry.options.get(CONF_LOCAL_URL)
        return cls(
            poll_interval=timedelta(seconds=options[CONF_POLL_INTERVAL]),
            live_updates=options[CONF_LIVE_UPDATES],
            local_access=options[CONF_LOCAL_ACCESS],
            local_url=URL(local_url) if local_url else None,
            verify_ssl=options[CONF_VERIFY_SSL],
            data_mode=_data_mode(options),
        )


def _data_mode(options: dict[str, Any]) -> DataMode:
    if CONF_SAVING in options:
        return DataMode.SAVING
    return DataMode.AUTOPILOT if options[CONF_DATA_AUTOPILOT] else DataMode.OFF
