"""Updates of OctoPrint and of the service's plugin: checked once a day, and followed while one is installed."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
import time
from typing import Final, override

from homeassistant.config_entries import ConfigEntry
from homeassistant.const import CONF_API_KEY
from homeassistant.core import CALLBACK_TYPE, HomeAssistant, callback
from homeassistant.helpers.event import async_call_later
from homeassistant.helpers.update_coordinator import UpdateFailed

from .api.errors import OctoPrintTunnelError, PluginOutdated, Problem
from .api.octoprint.client import OctoPrint
from .api.octoprint.updates import OCTOPRINT, Update, Updates
from .api.transport.message import Request, Response
from .api.transport.router import Router
from .const import LOGGER, SETTLED_DELAY
from .coordinator import PrinterCoordinator, TunnelCoordinator
from .exceptions import validation_error
from .polling import Outage, OutageCoordinator

CHECK_INTERVAL: Final = timedelta(days=1)
RETRY_INTERVAL: Final = timedelta(hours=1)
POSTPONE_INTERVAL: Final = timedelta(minutes=10)  # while OctoPrint is off or prints; sends no request
FOLLOW_INTERVAL: Final = timedelta(seconds=30)  # while an update is installed

LONGEST_INSTALLATION: Final = 30 * 60  # seconds; pip builds packages on the smallest Raspberry Pi
RESTART_TAKES: Final = 180  # seconds from the end of an installation until OctoPrint is on its way down


@dataclass(frozen=True, kw_only=True, slots=True)
class Installation:
    """An update that is being installed. Times are in monotonic seconds."""

    target: str
    replaced: str | None
    """The version that was installed before."""
    began_at: float
    ended_at: float | None = None
    """When OctoPrint was first seen to be done; it restarts then."""

    def after(self, updates: Updates | None, now: float) -> Installation:
        """Return it with what OctoPrint reports now; None if OctoPrint cannot be reached."""
        if updates is None or updates.is_running:
            return replace(self, ended_at=None)
        return self if self.ended_at is not None else replace(self, ended_at=now)

    def is_done(self, updates: Updates | None) -> bool:
        """Tell whether the new version runs."""
        if updates is None or updates.is_running or (update := updates.components.get(self.target)) is None:
            return False
        return update.installed != self.replaced or not update.is_available

    def has_failed(self, now: float) -> bool:
        """Tell whether to wait no longer."""
        is_late = now - self.began_at > LONGEST_INSTALLATION
        return is_late or (self.ended_at is not None and now - self.ended_at > RESTART_TAKES)


@dataclass(frozen=True, kw_only=True, slots=True)
class Software:
    """What is known of OctoPrint and the plugin, by target, and the update that is being installed."""

    updates: Mapping[str, Update] = field(default_factory=dict)
    installation: Installation | None = None


class UpdatesCoordinator(OutageCoordinator[Software]):
    """Asks OctoPrint for updates. That it cannot be asked is no outage: diagnostics show why."""

    def __init__(
        self,
        hass: HomeAssistant,
        entry: ConfigEntry,
        outage: Outage,
        tunnel: TunnelCoordinator,
        printer: PrinterCoordinator,
    ) -> None:
        """Prepare to check for updates of OctoPrint and of the tunnel's plugin."""
        super().__init__(hass, entry, "updates", outage, SETTLED_DELAY)
        self.data = Software()
        self.plugin = tunnel.service.tunnel.plugin
        self._targets = tuple(target for target in (OCTOPRINT, self.plugin) if target)
        self._tunnel = tunnel
        self._printer = printer
        self._octoprint = OctoPrint(_EvenOutdated(printer.router, tunnel), entry.data[CONF_API_KEY], title=entry.title)
        self._printer_works = printer.last_update_success
        self._checked_version: str | None = None
        self._stop_following: CALLBACK_TYPE | None = None

    @callback
    def async_start(self) -> None:
        """Check soon in the background: after the set-up, which it would slow down."""

        @callback
        def check(_now: datetime) -> None:
            if self._listeners:  # else all entities are disabled
                self._async_refresh_soon()

        self.config_entry.async_on_unload(async_call_later(self.hass, SETTLED_DELAY, check))

    @property
    def is_current(self) -> bool:
        """Tell whether the data can be shown: OctoPrint works, and lets the API key check for updates."""
        return self._printer_works and (self.problem is None or self.problem.condition is not None)

    def is_installing(self, target: str) -> bool:
        """Tell whether an update of this target is being installed."""
        return self.data.installation is not None and self.data.installation.target == target

    async def async_check(self) -> Mapping[str, Update]:
        """Let OctoPrint ask the internet for updates now. Raises OctoPrintTunnelError."""
        updates = await self._octoprint.updates(*self._targets, force=True)
        self._async_end_problem()
        self.async_set_updated_data(replace(self.data, updates=updates.components))
        return updates.components

    async def async_install(self, target: str) -> None:
        """Let OctoPrint install an update, and follow it in the background.

        Raises OctoPrintTunnelError, and ServiceValidationError while there is a print or another update.
        """
        if self.data.installation:
            raise validation_error("update_in_progress")
        await self._printer.async_check_idle(self._octoprint)
        if not await self._octoprint.install_update(target):
            raise validation_error("print_in_progress")
        self._async_follow(target)

    @callback
    def async_installed(self, target: str | None, *, succeeded: bool) -> None:
        """Follow what OctoPrint reports: it has installed an update, or failed to. It restarts after a success."""
        if self.is_installing(str(target)):
            if not succeeded:
                self._async_end(self.data, failed=True)
                self.async_update_listeners()
        elif succeeded and target and target in self.data.updates and not self.data.installation:
            self._async_follow(target)

    @callback
    def async_follow_printer(self) -> None:
        """Check again when OctoPrint comes back in another version, or after it has installed an update."""
        works = self._printer.last_update_success
        has_changed, self._printer_works = works is not self._printer_works, works
        if works and (self._is_another_version or (has_changed and self.data.installation)):
            self._async_refresh_soon()
        if has_changed:
            self.async_update_listeners()

    @property
    def _is_another_version(self) -> bool:
        """Tell whether OctoPrint runs another version than at the last check."""
        version = self._printer.data.version
        return None not in (version, self._checked_version) and version != self._checked_version

    @callback
    def _async_follow(self, target: str) -> None:
        known = self.data.updates.get(target)
        installation = Installation(
            target=target, replaced=known.installed if known else None, began_at=time.monotonic()
        )
        if not self._stop_following:
            # A coordinator without listeners does not poll, and all entities may be disabled.
            self._stop_following = self.async_add_listener(lambda: None)
        self.update_interval = FOLLOW_INTERVAL
        self.async_set_updated_data(replace(self.data, installation=installation))

    @callback
    def _async_refresh_soon(self) -> None:
        self.config_entry.async_create_background_task(self.hass, self.async_refresh(), name=f"{self.name} refresh")

    @override
    async def _async_fetch(self) -> Software:
        if not self.data.installation and (not self._printer_works or self._printer.data.state.is_active):
            self.update_interval = POSTPONE_INTERVAL
            return self.data
        if self._printer.data:
            self._checked_version = self._printer.data.version
        if self.data.installation:
            return await self._async_read_installation(self.data.installation)
        self.update_interval = CHECK_INTERVAL
        updates = await self._octoprint.updates(*self._targets)
        return replace(self.data, updates=updates.components)

    async def _async_read_installation(self, installation: Installation) -> Software:
        try:
            updates = await self._octoprint.updates(*self._targets)
        except OctoPrintTunnelError:  # OctoPrint restarts, or is busy
            updates = None
        now = time.monotonic()
        installation = installation.after(updates, now)
        data = replace(self.data, installation=installation)
        if updates:
            data = replace(data, updates=updates.components)
        is_done = installation.is_done(updates)
        return self._async_end(data, failed=not is_done) if is_done or installation.has_failed(now) else data

    @callback
    def _async_end(self, data: Software, *, failed: bool) -> Software:
        """Return to the daily check."""
        if failed and data.installation:
            text = "%s: OctoPrint does not run the update of %s. It failed, or OctoPrint has to be restarted"
            LOGGER.warning(text, self.config_entry.title, data.installation.target)
        if self._stop_following:
            self._stop_following()
            self._stop_following = None
        self._set_update_interval(CHECK_INTERVAL)
        self.data = replace(data, installation=None)
        # The repair issue depends on it, and its cause may have ended.
        self._tunnel.async_update_listeners()
        self._tunnel.async_refresh_soon()
        return self.data

    @override
    def _note_failure(self, failure: UpdateFailed, problem: Problem) -> None:
        LOGGER.debug("%s: %s", self.name, problem.summary)
        if problem.condition is not None:
            # The tunnel shows the problem of its last request, and this one may only have taken too long.
            self._printer.async_refresh_soon()

    @override
    def _retry_after_seconds(self, problem: Problem) -> float | None:
        return None if problem.condition is None else RETRY_INTERVAL.total_seconds()


class _EvenOutdated:
    """Sends requests as the router does, and through a tunnel that the service says needs a newer plugin.

    Such a tunnel may still work, and it is the way to the newer plugin.
    """

    def __init__(self, router: Router, tunnel: TunnelCoordinator) -> None:
        self._router = router
        self._tunnel = tunnel

    async def send(self, request: Request) -> Response:
        """Send a request. Raises the errors of `Router.send`."""
        try:
            return await self._router.send(request)
        except PluginOutdated:
            # It has not reached OctoPrint, so it may be sent again.
            return await self._send_through_tunnel(request)

    async def _send_through_tunnel(self, request: Request) -> Response:
        try:
            response = await self._tunnel.service.octoprint.send(request)
        except OctoPrintTunnelError as error:
            self._tunnel.async_report(error.problem)
            raise
        return response
