"""Files and timelapses of the printers, in Home Assistant's media browser."""

from collections.abc import Sequence
from typing import Final, override

from homeassistant.components.media_player import BrowseError, MediaClass
from homeassistant.components.media_source import (
    BrowseMediaSource,
    MediaSource,
    MediaSourceItem,
    PlayMedia,
    Unresolvable,
)
from homeassistant.config_entries import ConfigEntryState
from homeassistant.core import HomeAssistant
from homeassistant.helpers.translation import async_get_translations

from .api.errors import OctoPrintTunnelError
from .api.octoprint.files import is_stored_path
from .api.octoprint.timelapses import is_timelapse_name, video_type
from .const import DOMAIN
from .exceptions import to_home_assistant_error
from .runtime import OctoPrintTunnelConfigEntry
from .timelapse_view import url_of

FILES: Final = "files"
TIMELAPSES: Final = "timelapses"


async def async_get_media_source(hass: HomeAssistant) -> MediaSource:
    """Return the media of all printers."""
    return PrinterMedia(hass)


class PrinterMedia(MediaSource):
    """Browses `<entry id>/files/<path>` and `<entry id>/timelapses`, and plays timelapses."""

    name = "OctoPrint Tunnel"

    def __init__(self, hass: HomeAssistant) -> None:
        """Prepare to browse."""
        super().__init__(DOMAIN)
        self._hass = hass

    @override
    async def async_browse_media(self, item: MediaSourceItem) -> BrowseMediaSource:
        entry_id, kind, path = _parts(item)
        if not entry_id:
            entries = self._hass.config_entries.async_loaded_entries(DOMAIN)
            return _folder("", self.name or DOMAIN, [_folder(entry.entry_id, entry.title) for entry in entries])
        entry = self._entry(entry_id)
        if entry is None or kind not in ("", FILES, TIMELAPSES) or (path and not is_stored_path(path)):
            raise BrowseError(f"There is no {item.identifier}")
        try:
            if kind == FILES:
                return _folder(item.identifier, path or entry.title, await _files(entry, path))
            if kind == TIMELAPSES:
                return _folder(item.identifier, entry.title, await _timelapses(entry))
        except OctoPrintTunnelError as error:
            raise BrowseError(str(to_home_assistant_error(error.problem))) from error
        titles = await async_get_translations(self._hass, self._hass.config.language, "selector", {DOMAIN})
        children = [
            _folder(f"{entry_id}/{name}", titles.get(f"component.{DOMAIN}.selector.media.options.{name}", name))
            for name in (FILES, TIMELAPSES)
        ]
        return _folder(entry_id, entry.title, children)

    @override
    async def async_resolve_media(self, item: MediaSourceItem) -> PlayMedia:
        entry_id, kind, name = _parts(item)
        mime_type = video_type(name)
        if self._entry(entry_id) is None or kind != TIMELAPSES or not is_timelapse_name(name) or mime_type is None:
            raise Unresolvable(f"{item.identifier} cannot be played")
        return PlayMedia(url_of(entry_id, name), mime_type)

    def _entry(self, entry_id: str) -> OctoPrintTunnelConfigEntry | None:
        entry = self._hass.config_entries.async_get_entry(entry_id)
        is_loaded = entry is not None and entry.domain == DOMAIN and entry.state is ConfigEntryState.LOADED
        return entry if is_loaded else None


def _parts(item: MediaSourceItem) -> tuple[str, str, str]:
    entry_id, _, rest = (item.identifier or "").partition("/")  # it is None for the top
    kind, _, path = rest.partition("/")
    return entry_id, kind, path


def _folder(identifier: str, title: str, children: Sequence[BrowseMediaSource] | None = None) -> BrowseMediaSource:
    return BrowseMediaSource(
        domain=DOMAIN,
        identifier=identifier or None,
        media_class=MediaClass.DIRECTORY,
        media_content_type="",
        title=title,
        can_play=False,
        can_expand=True,
        children_media_class=MediaClass.DIRECTORY,
        children=children,
    )


async def _files(entry: OctoPrintTunnelConfigEntry, folder: str) -> list[BrowseMediaSource]:
    stored = await entry.runtime_data.printer.octoprint.stored(folder or None)
    if stored is None:
        raise BrowseError(f"There is no folder {folder}")
    base = f"{entry.entry_id}/{FILES}"
    items = sorted(stored.items, key=lambda item: (not item.is_folder, item.name.casefold()))
    return [
        _folder(f"{base}/{item.path}", item.name) if item.is_folder else _leaf(f"{base}/{item.path}", item.name)
        for item in items
    ]


async def _timelapses(entry: OctoPrintTunnelConfigEntry) -> list[BrowseMediaSource]:
    timelapses = await entry.runtime_data.printer.octoprint.timelapses()
    base = f"{entry.entry_id}/{TIMELAPSES}"
    return [_leaf(f"{base}/{each.name}", each.name, video_type(each.name)) for each in timelapses]


def _leaf(identifier: str, title: str, mime_type: str | None = None) -> BrowseMediaSource:
    return BrowseMediaSource(
        domain=DOMAIN,
        identifier=identifier,
        media_class=MediaClass.VIDEO if mime_type else MediaClass.APP,
        media_content_type=mime_type or "",
        title=title,
        can_play=mime_type is not None,
        can_expand=False,
    )
