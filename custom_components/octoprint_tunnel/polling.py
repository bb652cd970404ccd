"""What all coordinators share: one log line for an outage, and the remedy of each error."""

from abc import abstractmethod
from datetime import timedelta
from typing import override

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
    """Logs once when the first of a printer's readings fails, and once when all of them succeed again."""

    def __init__(self, title: str) -> None:
        """Begin without a failure; `title` begins each line."""
        self._title = title
        self._failing: set[str] = set()
        self._needs_user: set[str] = set()

    def note(self, what: str, failure: Exception | str | None, *, needs_user: bool = False) -> None:
        """Record the result of reading `what`; None is success."""
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
        """Tell whether a reading fails until the user signs in again."""
        return bool(self._needs_user)


class OutageCoordinator[DataT](DataUpdateCoordinator[DataT]):
    """A coordinator whose expected failures are logged by an outage that several coordinators share.

    Home Assistant logs a failure only after a success, and a success only after a failure. What the outage has logged
    is hidden from that by setting `last_update_success` first, so unexpected errors are always logged.
    """

    config_entry: ConfigEntry
    problem: Problem | None = None
    """Why the last fetch failed; None after a success, and after an unexpected error."""
    is_first: bool = True
    """Whether the first fetch has not ended yet."""

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
        self.outage = outage

    @abstractmethod
    async def _async_fetch(self) -> DataT:
        """Fetch the data; raises OctoPrintTunnelError."""

    @override
    async def _async_update_data(self) -> DataT:
        try:
            data = await self._async_fetch()
            self._async_end_problem()
        except OctoPrintTunnelError as error:
            raise self._async_fail(error.problem) from error
        except Exception:
            self._async_end_problem()
            raise
        finally:
            self.is_first = False
        self.outage.note(self.name, None)
        return data

    @callback
    def _async_fail(self, problem: Problem) -> UpdateFailed:
        """Remember an expected failure, and return it for Home Assistant, which does not log it again."""
        before = self.problem
        self._async_set_problem(problem)
        failure = self._failure(problem)
        self._note_failure(failure, problem)
        if not self.last_update_success and (before is None or before.kind is not problem.kind):
            # Home Assistant notifies listeners of the first failure only, and this one may have another remedy.
            self.async_update_listeners()
        self.last_update_success = False
        return failure

    @callback
    def _async_end_problem(self) -> None:
        if self.problem is not None or self.is_first:
            self._async_set_problem(None)
            self.last_update_success = True

    @callback
    def _async_set_problem(self, problem: Problem | None) -> None:
        self.problem = problem

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
        """Return when to retry; None is the update interval."""

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
        # The retry after a failure comes no later than a regular poll.
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
        """Close a sign-in dialog that is no longer needed, unless the user is past its first step."""
        for flow in list(self.config_entry.async_get_active_flows(self.hass, {SOURCE_REAUTH})):
            if flow.get("step_id") == "reauth_confirm":
                self.hass.config_entries.flow.async_abort(flow["flow_id"])

    @callback
    def async_refresh_soon(self) -> None:
        """Refresh in the background.

        Home Assistant drops a requested refresh while another one is under way. That one may have read too early.
        """
        if not self.hass.is_stopping:
            name = f"{self.name} refresh"
            self.config_entry.async_create_background_task(self.hass, self.async_refresh(), name=name)

    @override
    def _failure(self, problem: Problem) -> UpdateFailed:
        # ConfigEntryAuthFailed would end the polls, and some of these errors pass without a sign-in.
        if problem.needs_user:
            self.config_entry.async_start_reauth(self.hass)
        return super()._failure(problem)

    @override
    def _retry_after_seconds(self, problem: Problem) -> float:
        return WAIT_INTERVAL.total_seconds() if problem.waits or problem.needs_user else self._retry.next()
