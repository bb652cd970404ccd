"""The webcams of a printer: read when OctoPrint shows itself and when its settings change, never polled."""

from collections.abc import Container
from datetime import datetime
import time
from typing import Final

from homeassistant.config_entries import ConfigEntry
from homeassistant.const import Platform
from homeassistant.core import CALLBACK_TYPE, HomeAssistant, callback
from homeassistant.helpers import entity_registry as er
from homeassistant.helpers.event import async_call_later
from homeassistant.util import slugify

from .api.backoff import Backoff
from .api.errors import PermissionMissing
from .api.octoprint.webcam import MAX_WEBCAMS, Webcam, left_out, webcams_from_json
from .api.remote_text import MAX_NAME
from .api.tunnels.base import Service
from .api.webcam.feed import WebcamFeed
from .attempts import Attempts, result_or_error
from .const import DOMAIN, LOGGER
from .coordinator import PrinterCoordinator
from .exceptions import to_home_assistant_error

FIRST_WEBCAM: Final = "webcam"
OPTION_NAME: Final = "webcam_name"  # in the entity registry

FIRST_RETRY: Final = 60  # seconds
LONGEST_RETRY: Final = 3600
CHANGE_DELAY: Final = 5  # seconds; settings are saved in bursts
MIN_INTERVAL: Final = 900  # seconds; some plugins save settings all the time, and all of them are 20 kB


class Webcams:
    """Keeps a feed for each webcam that OctoPrint has."""

    def __init__(self, hass: HomeAssistant, entry: ConfigEntry, service: Service, printer: PrinterCoordinator) -> None:
        """Prepare for the printer of an entry."""
        self.feeds: dict[str, WebcamFeed] = {}
        """By the keys of their entities."""
        self.are_known = False
        """Whether OctoPrint has told them since it was last away."""
        self._hass = hass
        self._entry = entry
        self._service = service
        self._printer = printer
        self._retry = Backoff(FIRST_RETRY, LONGEST_RETRY)
        self._attempts = Attempts(f"{entry.title}: webcams")
        self._read_at = float("-inf")
        self._planned: CALLBACK_TYPE | None = None
        self._lacks_permission = False
        self._left_out = 0
        self._names: dict[str, str] = {}
        """The name in OctoPrint of the webcam that has each key."""

    async def async_start(self) -> None:
        """Read the webcams if OctoPrint is there, and whenever it comes back."""
        self._names = self._remembered_names()
        if self._printer.last_update_success:
            await self.async_read()
        self._entry.async_on_unload(self._printer.async_add_listener(self._poll_came))
        self._entry.async_on_unload(self._stop)

    async def async_read(self) -> None:
        """Read the webcams, and have their entities follow; after any error they are read again later."""
        self._forget_plan()
        self.are_known = True
        error = await result_or_error(self._async_read())
        self._attempts.note(error)
        if error is None:
            self._retry.reset()
            return
        LOGGER.debug("%s: webcams: %s", self._entry.title, error)
        self.are_known = False
        if self._printer.last_update_success:
            self._plan(self._retry.next())

    async def _async_read(self) -> None:
        webcams: tuple[Webcam, ...] = ()
        try:
            settings = await self._printer.octoprint.settings()
            webcams = webcams_from_json(settings)
            self._note_left_out(left_out(settings))
        except PermissionMissing as error:
            if not self._lacks_permission:
                LOGGER.warning("%s: no webcam: %s", self._entry.title, to_home_assistant_error(error.problem))
            self._lacks_permission = True
        else:
            self._lacks_permission = False
        self._read_at = time.monotonic()
        self._follow(webcams)

    @callback
    def async_settings_changed(self) -> None:
        """Plan to read the webcams: OctoPrint's settings were changed."""
        self._plan(max(CHANGE_DELAY, self._interval_left))

    @callback
    def async_remember_names(self) -> None:
        """Keep with each camera the name of its webcam, by which the webcam is known again wherever it is listed."""
        for entity in self._cameras():
            name = self._names.get(self._key(entity))
            if name is not None and entity.options.get(DOMAIN) != {OPTION_NAME: name}:
                self._registry.async_update_entity_options(entity.entity_id, DOMAIN, {OPTION_NAME: name})

    def _follow(self, webcams: tuple[Webcam, ...]) -> None:
        before = self.feeds
        self.feeds = {}
        for key, webcam in self._with_keys(webcams[:MAX_WEBCAMS]).items():
            feed = before.pop(key, None) or WebcamFeed(webcam, self._printer.router, self._service)
            feed.webcam = webcam
            self.feeds[key] = feed
        for feed in before.values():
            feed.close()
        self.async_remember_names()
        self._printer.async_update_listeners()

    def _with_keys(self, webcams: tuple[Webcam, ...]) -> dict[str, Webcam]:
        """Return the webcams by their keys: each keeps the one that it has had, wherever it is listed now."""
        named: dict[str, Webcam] = {}
        for webcam in webcams:
            # Names are cut off where they are too long.
            number = sum(other.name == webcam.name for other in named.values())
            named[f"{webcam.name} {number + 1}" if number else webcam.name] = webcam
        known = {name: key for key, name in self._names.items()}
        keys = {known[name]: name for name in named if name in known}
        cameras = {self._key(entity) for entity in self._cameras()}
        # A camera of version 0.1.0 has its webcam's name in its key, but for the first one's.
        for name in named:
            if name not in known and (key := _key_of(name)) in cameras and key not in {*keys, *self._names}:
                keys[key] = name
        for name in named:
            if name not in keys.values():
                keys[self._free_key(name, keys)] = name
        self._names = {**self._names, **keys}
        self._forget_names(keys)
        order = list(named)
        return {key: named[name] for key, name in sorted(keys.items(), key=lambda item: order.index(item[1]))}

    def _free_key(self, name: str, taken: Container[str]) -> str:
        """Return a key for a webcam that is new; the first one's, if the webcam that had it is not there any more."""
        if FIRST_WEBCAM not in taken:
            return FIRST_WEBCAM
        key, number = _key_of(name), 2
        while key in taken or key in self._names:
            key, number = f"{_key_of(name)}_{number}", number + 1
        return key

    def _forget_names(self, present: Container[str]) -> None:
        """Forget the webcams that went first, once there are too many of them."""
        gone = [key for key in self._names if key not in present]
        for key in gone[: max(0, len(gone) - MAX_WEBCAMS)]:
            del self._names[key]

    def _remembered_names(self) -> dict[str, str]:
        cameras = [(self._key(entity), entity.options.get(DOMAIN)) for entity in self._cameras()]
        return {key: str(options[OPTION_NAME]) for key, options in cameras if options and OPTION_NAME in options}

    @property
    def _registry(self) -> er.EntityRegistry:
        return er.async_get(self._hass)

    def _cameras(self) -> list[er.RegistryEntry]:
        entities = er.async_entries_for_config_entry(self._registry, self._entry.entry_id)
        return [entity for entity in entities if entity.domain == Platform.CAMERA]

    def _key(self, entity: er.RegistryEntry) -> str:
        return entity.unique_id.removeprefix(f"{self._entry.unique_id}_")

    def _note_left_out(self, count: int) -> None:
        if count and not self._left_out:
            LOGGER.warning("%s: OctoPrint has too many webcams; only %s are shown", self._entry.title, MAX_WEBCAMS)
        self._left_out = count

    @callback
    def _poll_came(self) -> None:
        if not self._printer.last_update_success:
            # It may be set up again while it is away.
            self.are_known = False
            self._forget_plan()
        elif not self.are_known and self._interval_left > 0:
            self._plan(self._interval_left)
        elif not self.are_known and self._planned is None:
            self._read_soon()

    @property
    def _interval_left(self) -> float:
        """Return the seconds for which what was read last is new enough."""
        return self._read_at + MIN_INTERVAL - time.monotonic()

    @callback
    def _read_soon(self) -> None:
        # A task of the entry: unloading the entry cancels it.
        self._entry.async_create_background_task(self._hass, self.async_read(), name="read webcams")

    def _plan(self, seconds: float) -> None:
        @callback
        def read(_now: datetime) -> None:
            self._planned = None
            self._read_soon()

        if self._planned is None:
            self._planned = async_call_later(self._hass, seconds, read)

    def _forget_plan(self) -> None:
        if self._planned:
            self._planned()
            self._planned = None

    @callback
    def _stop(self) -> None:
        self._forget_plan()
        for feed in self.feeds.values():
            feed.close()


def _key_of(name: str) -> str:
    return f"{FIRST_WEBCAM}_{slugify(name)[:MAX_NAME]}"
