"""What all coordinators do when they cannot fetch: one line in the log, and what the remedy of the error asks for."""

from abc import abstractmethod
import asyncio
from datetime import timedelta
from typing import override

from aiohttp import ClientError

from homeassistant.config_entries import SOURCE_REAUTH, ConfigEntry
from homeassistant.core import HomeAssistant, callback
from homeassistant.helpers.update_coordinator import DataUpdateCoordinator, UpdateFailed

from .api.backoff import Backoff
from .api.errors import OctoPrintTunnelError, Problem
from .const import DOMAIN, LOGGER, WAIT_INTERVAL
from .options import Options

FIRST_RETRY = 30  # seconds
LONGEST_RETRY = 600

POLL_LOGGER = LOGGER.getChild("poll")


class Outage:
    """Logs once that a printer's readings stopped coming, and once that all of them are back."""

    def __init__(self, title: str) -> None:
        """Begin with no failure."""
        self._title = title
        self._failing: set[str] = set()
        self._needs_user: set[str] = set()

    def note(self, what: str, failure: Exception | str | None, *, needs_user: bool = False) -> None:
        """Record the result of fetching `what`; None is success."""
        was_failing = bool(self._failing)
        (self._needs_user.add if needs_user else self._needs_user.discard)(what)
        if failure is None:
            self._failing.discard(what)
        else:
            self._failing.add(what)
        if self._failing and not was_failing:
            LOGGER.warning("%s: %s", self._title, failure)
        elif was_failing and not self._failing:
            LOGGER.info("%s: works again", self._title)

    @property
    def needs_user(self) -> bool:
        """Tell whether anything was not fetched for a reason that only a sign-in ends."""
        return bool(self._needs_user)


class OutageCoordinator[DataT](DataUpdateCoordinator[DataT]):
    """A coordinator whose expected failures are one line in the log when they begin and one when they end.

    Home Assistant logs a failure where `last_update_success` is still set, and an end where it is not yet. So an
    expected result sets it first, and the outage logs it. Unexpected errors are left to Home Assistant.
    """

    config_entry: ConfigEntry

    def __init__(
        self,
        hass: HomeAssistant,
        entry: ConfigEntry,
        what: str,
        outage: Outage,
        update_interval: timedelta | None = None,
    ) -> None:
        """Prepare to poll."""
        super().__init__(
            hass,
            POLL_LOGGER,
            config_entry=entry,
            name=f"{entry.title} {what}",
            update_interval=update_interval,
            always_update=False,
        )
        self.error: Problem | None = None
        self.outage = outage

    @abstractmethod
    async def _async_fetch(self) -> DataT:
        """Fetch the data; raises OctoPrintTunnelError."""

    @override
    async def _async_update_data(self) -> DataT:
        try:
            data = await self._async_fetch()
        except OctoPrintTunnelError as error:
            problem = error.problem
            is_another = self.error is None or problem.kind is not self.error.kind
            self.error = problem
            failure = self._failure(problem)
            self._note_failure(failure, problem)
            if is_another and not self.last_update_success:
                # Home Assistant tells listeners of the first failure only, and this one may have another remedy.
                self.async_update_listeners()
            self.last_update_success = False
            raise failure from error
        except TimeoutError, ClientError:
            # An expected failure before this one would keep Home Assistant from logging it.
            self.last_update_success = self.last_update_success or self.error is not None
            self.error = None
            raise
        if self.error is not None:
            self.error, self.last_update_success = None, True
        self.outage.note(self.name, None)
        return data

    @callback
    def _note_failure(self, failure: UpdateFailed, problem: Problem) -> None:
        self.outage.note(self.name, failure, needs_user=problem.needs_user)

    def _failure(self, problem: Problem) -> UpdateFailed:
        return UpdateFailed(
            translation_domain=DOMAIN,
            translation_key=problem.key,
            translation_placeholders=problem.placeholders,
            retry_after=self._retry_after_seconds(problem),
        )

    @abstractmethod
    def _retry_after_seconds(self, problem: Problem) -> float | None:
        """Return when to try again; None for the interval as it is."""

    @callback
    def _set_update_interval(self, interval: timedelta) -> None:
        """Poll at another interval, which counts from now."""
        if interval != self.update_interval:
            self.update_interval = interval
            if self._listeners:
                self._schedule_refresh()


class RemedyCoordinator[DataT](OutageCoordinator[DataT]):
    """A coordinator that follows the remedy of each error: retry with back-off, wait, or ask the user."""

    def __init__(self, hass: HomeAssistant, entry: ConfigEntry, what: str, outage: Outage) -> None:
        """Prepare to poll at the interval of the options."""
        self.poll_interval = Options.from_entry(entry).poll_interval
        super().__init__(hass, entry, what, outage, self.poll_interval)
        # A failure is followed by a retry no later than the next poll of what works.
        self._retry = Backoff(FIRST_RETRY, min(self.poll_interval.total_seconds(), LONGEST_RETRY))

    @override
    async def _async_update_data(self) -> DataT:
        data = await super()._async_update_data()
        self._retry.reset()
        if not self._needs_user:
            self._async_end_sign_in()
        return data

    @property
    def _needs_user(self) -> bool:
        return self.outage.needs_user

    @callback
    def _async_end_sign_in(self) -> None:
        """Close a sign-in that was asked for and is no longer needed, unless the user has begun with it."""
        flows = list(self.config_entry.async_get_active_flows(self.hass, {SOURCE_REAUTH}))
        for flow in flows:
            if flow.get("step_id") == "reauth_confirm":
                self.hass.config_entries.flow.async_abort(flow["flow_id"])

    @callback
    def async_refresh_soon(self) -> asyncio.Task[None] | None:
        """Refresh in the background, and return the task; None where Home Assistant stops."""
        if self.hass.is_stopping:
            return None
        # Not a requested refresh: that is dropped while another is under way, which began with what was known before.
        name = f"{self.name} refresh"
        return self.config_entry.async_create_background_task(self.hass, self.async_refresh(), name=name)

    @override
    def _failure(self, problem: Problem) -> UpdateFailed:
        # Not Home Assistant's own way to ask for a sign-in: that ends the polls, also where the trouble passes without
        # one.
        if problem.needs_user:
            self.config_entry.async_start_reauth(self.hass)
        return super()._failure(problem)

    @override
    def _retry_after_seconds(self, problem: Problem) -> float:
        return WAIT_INTERVAL.total_seconds() if problem.waits or problem.needs_user else self._retry.next()
