"""Finds the layers of what is printed: of files that Home Assistant uploads, and of others on the local network.

No file is read through a tunnel. Where the plugin DisplayLayerProgress is cheaper than a file, that is asked instead.
"""

from collections.abc import Coroutine
import time
from typing import Any, Final

from homeassistant.config_entries import ConfigEntry
from homeassistant.const import Platform
from homeassistant.core import HomeAssistant, callback
from homeassistant.helpers import entity_registry as er
from homeassistant.helpers.storage import Store

from .api.backoff import Backoff
from .api.errors import InvalidResponse, OctoPrintTunnelError
from .api.octoprint.files import LocalFile
from .api.octoprint.gcode import MAX_FILE, LayerIndexer, LayerMap
from .api.octoprint.layer_maps import LayerMaps
from .api.transport.router import Way
from .attempts import Attempts, result_or_error
from .const import DOMAIN, LOGGER
from .coordinator import PrinterCoordinator

KEYS: Final = ("layer", "layers", "height")
"""The keys of the entities that show layers."""
FIRST_RETRY: Final = 60  # seconds
LONGEST_RETRY: Final = 3600
LARGE_FILE: Final = 5_000_000  # bytes; during a day of printing, the plugin's responses have as many
STORE_VERSION: Final = 1


def _store(hass: HomeAssistant, entry: ConfigEntry) -> Store[dict[str, Any]]:
    return Store(hass, STORE_VERSION, f"{DOMAIN}.{entry.entry_id}.layers")


async def async_forget_layers(hass: HomeAssistant, entry: ConfigEntry) -> None:
    """Delete what is stored for a printer that is removed."""
    await _store(hass, entry).async_remove()


class Layers:
    """Finds the layers of the file that is printed, once for each file, and keeps them over restarts."""

    def __init__(self, hass: HomeAssistant, entry: ConfigEntry, printer: PrinterCoordinator) -> None:
        """Prepare for the printer of an entry."""
        self._hass = hass
        self._entry = entry
        self._printer = printer
        self._store = _store(hass, entry)
        self._attempts = Attempts(f"{entry.title}: layers")
        self._retry = Backoff(FIRST_RETRY, LONGEST_RETRY)
        self._tried: LocalFile | None = None
        self._retry_at = 0.0

    async def async_load(self) -> None:
        """Load what is stored. What cannot be read is found again."""
        try:
            self._printer.layers.maps = LayerMaps.from_data(await self._store.async_load() or {"files": []})
        except (KeyError, TypeError, ValueError) as error:
            LOGGER.debug("%s: layers: %s", self._entry.title, type(error).__name__)

    @callback
    def async_add_uploaded(self, path: str, indexer: LayerIndexer) -> None:
        """Show the layers of a file that was uploaded, and read by `indexer` meanwhile."""
        if (layers := indexer.finish()) and layers.starts:
            self._async_start(self._async_add_uploaded(path, indexer.size, layers))

    async def _async_add_uploaded(self, path: str, size: int, layers: LayerMap) -> None:
        """Ask OctoPrint for what it has stored. Some plugins add lines to uploaded files, as for each layer."""
        try:
            file = await self._printer.octoprint.file(path)
        except OctoPrintTunnelError as error:
            LOGGER.debug("%s: layers: %s", self._entry.title, error)
        else:
            await self._async_add(file, layers.scaled(file.size / size))

    @callback
    def _async_start(self, work: Coroutine[Any, Any, None]) -> None:
        self._entry.async_create_background_task(self._hass, work, name=f"{self._entry.title} layers")

    async def _async_add(self, file: LocalFile, layers: LayerMap) -> None:
        """Show and store the layers of a file."""
        maps = self._printer.layers.maps
        maps.add(file, layers)
        self._printer.async_update_layer()
        await self._store.async_save(maps.to_data())

    @callback
    def async_follow_printer(self) -> None:
        """Find the layers of the file that is printed now, if they are not known."""
        file = self._unknown_file()
        if file is None or not self._is_shown():
            return
        if file != self._tried:
            self._tried = file
            self._retry.reset()
        elif time.monotonic() < self._retry_at:
            return
        self._retry_at = float("inf")
        self._async_start(self._async_try(file))

    def _unknown_file(self) -> LocalFile | None:
        """Return the file that is printed, if OctoPrint is used locally and its layers are not known."""
        printer = self._printer
        if not printer.last_update_success or printer.data is None or printer.data.way is not Way.LOCAL:
            return None
        file = printer.data.job.local_file if printer.data.job and printer.data.state.is_active else None
        return None if file is None or printer.layers.knows(file) else file

    def _is_shown(self) -> bool:
        """Tell whether any of the entities is enabled."""
        registry, unique_id = er.async_get(self._hass), self._entry.unique_id
        ids = (registry.async_get_entity_id(Platform.SENSOR, DOMAIN, f"{unique_id}_{key}") for key in KEYS)
        entries = (registry.async_get(entity_id) for entity_id in ids if entity_id)
        return any(entry is not None and not entry.disabled for entry in entries)

    async def _async_try(self, file: LocalFile) -> None:
        """Find the layers of a file; after any error, also a later one of the plugin, it is tried again."""
        error = await result_or_error(self._async_find(file))
        self._attempts.note(error)
        if error is not None:
            LOGGER.debug("%s: layers: %s", self._entry.title, error)
        if file == self._tried:
            self._retry_at = time.monotonic() + self._retry.next()

    async def _async_find(self, file: LocalFile) -> None:
        """Ask the plugin or read the file: first what is cheaper, then the other one."""
        first, second = self._async_read, self._async_ask_plugin
        if file.size > LARGE_FILE:
            first, second = second, first
        try:
            await first(file)
        except OctoPrintTunnelError as error:
            LOGGER.debug("%s: layers: %s", self._entry.title, error)
            await second(file)

    async def _async_ask_plugin(self, file: LocalFile) -> None:
        """Let the plugin be asked with each reading, if it is installed and knows the layers of the file."""
        if await self._printer.layers.ask_plugin() is None:
            raise InvalidResponse(detail="the plugin knows no layers")
        self._printer.layers.plugin_file = file
        self._printer.async_refresh_soon()

    async def _async_read(self, file: LocalFile) -> None:
        if file.size > MAX_FILE:
            raise InvalidResponse(detail="file too large")
        download = await self._printer.octoprint.download(await self._printer.router.local_route(), file.path)
        indexer = LayerIndexer()
        try:
            async for chunk in download.chunks():
                await self._hass.async_add_executor_job(indexer.feed, chunk)
                if indexer.size > file.size or indexer.is_too_large:
                    break
        finally:
            download.close()
        if indexer.size != file.size and not indexer.is_too_large:
            raise InvalidResponse(detail="not the size of the file")
        # What has no layers, or too many, is kept as a file without layers, so that it is not read again.
        await self._async_add(file, indexer.finish() or LayerMap())
