"""What all coordinators do when they cannot fetch: one line in the log, and what the remedy of the error asks for."""

from abc import abstractmethod
import asyncio
from datetime import timedelta
import logging
from typing import TYPE_CHECKING, override

from homeassistant.core import HomeAssistant, callback
from homeassistant.helpers.update_coordinator import DataUpdateCoordinator, UpdateFailed

from .backoff import Backoff
from .const import CONF_POLL_INTERVAL, DEFAULT_POLL_INTERVAL, DOMAIN, LOGGER, WAIT_INTERVAL
from .errors import OctoPrintTunnelError

if TYPE_CHECKING:
    from .coordinator import OctoPrintTunnelConfigEntry

FIRST_RETRY = 30  # seconds
LONGEST_RETRY = 600


class _OnlyTheUnexpected(logging.Filter):
    """Leave what each coordinator says of an expected failure to the outage, which says it once for both."""

    @override
    def filter(self, record: logging.LogRecord) -> bool:
        return record.levelno == logging.DEBUG or record.exc_info is not None


POLL_LOGGER = LOGGER.getChild("poll")
POLL_LOGGER.addFilter(_OnlyTheUnexpected())


class Outage:
    """Says once that a printer's readings stopped coming, and once that all of them are back."""

    def __init__(self, title: str) -> None:
        """Begin with everything in order."""
        self._title = title
        self._failing: set[str] = set()

    def note(self, what: str, failure: Exception | None) -> None:
        """Take note of how fetching `what` went."""
        was_failing = bool(self._failing)
        if failure is None:
            self._failing.discard(what)
        else:
            self._failing.add(what)
        if self._failing and not was_failing:
            LOGGER.warning("%s: %s", self._title, failure)
        elif was_failing and not self._failing:
            LOGGER.info("%s: works again", self._title)


class RemedyCoordinator[DataT](DataUpdateCoordinator[DataT]):
    """A coordinator that follows the remedy of each error: retry with back-off, wait, or ask the user."""

    config_entry: OctoPrintTunnelConfigEntry

    def __init__(self, hass: HomeAssistant, entry: OctoPrintTunnelConfigEntry, what: str, outage: Outage) -> None:
        """Prepare to poll at the interval of the options."""
        self.poll_interval = timedelta(seconds=entry.options.get(CONF_POLL_INTERVAL, DEFAULT_POLL_INTERVAL))
        super().__init__(
            hass,
            POLL_LOGGER,
            config_entry=entry,
            name=f"{entry.title} {what}",
            update_interval=self.poll_interval,
            always_update=False,
        )
        self.error: OctoPrintTunnelError | None = None
        self._outage = outage
        # Whatever failed, it is found again no later than what works is looked at.
        self._retry = Backoff(FIRST_RETRY, min(self.poll_interval.total_seconds(), LONGEST_RETRY))

    @abstractmethod
    async def _async_fetch(self) -> DataT:
        """Fetch the data; raises OctoPrintTunnelError."""

    @override
    async def _async_update_data(self) -> DataT:
        try:
            data = await self._async_fetch()
        except OctoPrintTunnelError as error:
            is_another = type(error) is not type(self.error)
            self.error = error
            failure = self._failure(error)
            self._outage.note(self.name, failure)
            if is_another and not self.last_update_success:
                # Home Assistant tells of the first failure only, and this one may have another remedy.
                self.async_update_listeners()
            raise failure from error
        self.error = None
        self._outage.note(self.name, None)
        self._retry.reset()
        return data

    @callback
    def async_refresh_soon(self) -> asyncio.Task[None] | None:
        """Refresh in the background, and return the task; None where there will soon be nobody to show it to."""
        if self.hass.is_stopping:
            return None
        # Not a requested refresh: that is dropped while another is under way, which began with what was known before.
        name = f"{self.name} refresh"
        return self.config_entry.async_create_background_task(self.hass, self.async_refresh(), name=name)

    def _failure(self, error: OctoPrintTunnelError) -> UpdateFailed:
        # Not Home Assistant's own way to ask for a sign-in: that ends the polls, also where nobody signs in and the
        # trouble passes.
        if error.needs_user:
            self.config_entry.async_start_reauth(self.hass)
        return UpdateFailed(
            translation_domain=DOMAIN,
            translation_key=error.key,
            translation_placeholders=error.placeholders,
            retry_after=self._retry_after_seconds(error),
        )

    def _retry_after_seconds(self, error: OctoPrintTunnelError) -> float:
        return WAIT_INTERVAL.total_seconds() if error.waits or error.needs_user else self._retry.next()
