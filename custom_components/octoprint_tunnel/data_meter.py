"""Counts the data of a metered tunnel over restarts, for the forecast of the month."""

from datetime import datetime
from typing import Any, Final

from homeassistant.config_entries import ConfigEntry
from homeassistant.core import HomeAssistant, callback
from homeassistant.helpers.storage import Store

from .api.transport.traffic import Traffic
from .api.tunnels.models import Usage
from .api.tunnels.monthly_usage import MonthlyUsage
from .api.tunnels.usage_history import UsageHistory
from .const import DOMAIN, LOGGER
from .options import Options

SAVE_DELAY: Final = 600  # seconds; Home Assistant saves when it stops, too
STORE_VERSION: Final = 1


def _store(hass: HomeAssistant, entry: ConfigEntry) -> Store[dict[str, Any]]:
    return Store(hass, STORE_VERSION, f"{DOMAIN}.{entry.entry_id}.usage")


async def async_forget_usage(hass: HomeAssistant, entry: ConfigEntry) -> None:
    """Delete what is stored for a printer that is removed."""
    await _store(hass, entry).async_remove()


class DataMeter:
    """Keeps the usage of the last days: of this integration by its traffic, of others by the account's total."""

    def __init__(self, hass: HomeAssistant, entry: ConfigEntry, traffic: Traffic) -> None:
        """Prepare to count `traffic`, which begins with this set-up."""
        self.history = UsageHistory()
        self._title = entry.title
        self._mode = Options.from_entry(entry).data_mode
        self._traffic = traffic
        self._counted = self._own = 0
        self._wanted = 0.0
        self._stretch = 1.0
        self._print_needs = 0.0
        self._store = _store(hass, entry)
        self._is_save_planned = False

    async def async_load(self) -> None:
        """Load what is stored. What cannot be read is forgotten."""
        try:
            self.history = UsageHistory.from_data(await self._store.async_load() or {"days": []})
        except (KeyError, TypeError, ValueError) as error:
            LOGGER.debug("%s: usage: %s", self._title, type(error).__name__)

    @callback
    def follow(self, *, stretch: float, print_needs: float) -> None:
        """Take by which factor polls are slower from now on, and the bytes that a print still needs at full speed."""
        self._count()
        self._stretch, self._print_needs = stretch, print_needs

    @callback
    def async_record(self, usage: Usage, now: datetime) -> MonthlyUsage | None:
        """Record the account's usage, and return the month; None if it has no cap."""
        if usage.total is None:
            return None
        self.history = self.history.record(usage.total, *self._take(), now)
        if not self._is_save_planned:  # else it would be put off, and that with each record
            self._is_save_planned = True
            self._store.async_delay_save(self._to_data, SAVE_DELAY)
        return MonthlyUsage.of(self.history, usage, now, mode=self._mode, print_needs=self._print_needs)

    async def async_save(self) -> None:
        """Save what was counted until now: the printer is unloaded, and its traffic is counted from zero again."""
        await self._store.async_save(self._to_data())

    @callback
    def _to_data(self) -> dict[str, Any]:
        self._is_save_planned = False
        if self.history.days:
            self.history = self.history.add(*self._take())
        return self.history.to_data()

    def _count(self) -> None:
        size = self._traffic.bytes_received - self._counted
        self._counted += size
        self._own += size
        self._wanted += size * self._stretch

    def _take(self) -> tuple[int, int]:
        """Return the bytes since the last call, and those without slowing down."""
        self._count()
        own, wanted = self._own, int(self._wanted)
        self._own, self._wanted = 0, 0.0
        return own, wanted
