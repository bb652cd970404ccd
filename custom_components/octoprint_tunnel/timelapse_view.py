"""Serves a printer's timelapses to the browsers of Home Assistant's users."""

from base64 import urlsafe_b64decode, urlsafe_b64encode
from http import HTTPStatus
import re
from typing import Final

from aiohttp import hdrs, web

from homeassistant.components.http import KEY_HASS, HomeAssistantView
from homeassistant.config_entries import ConfigEntryState
from homeassistant.core import HomeAssistant, callback

from .api.errors import DownloadTooLarge, OctoPrintTunnelError
from .api.octoprint.timelapses import is_byte_range, is_timelapse_name, video_type
from .api.transport.route import Download
from .api.transport.router import Way
from .const import DOMAIN, LOGGER
from .runtime import OctoPrintTunnelConfigEntry

URL: Final = f"/api/{DOMAIN}/timelapse/{{entry_id}}/{{encoded}}"
MAX_VIEWERS: Final = 4
MAX_SIZE: Final = 4 * 1024**3  # bytes
_CONTENT_RANGE: Final = re.compile(r"bytes [0-9]{1,15}-[0-9]{1,15}/[0-9]{1,15}", re.ASCII)


def url_of(entry_id: str, name: str) -> str:
    """Return the address of a video. Home Assistant cannot sign an address with `#` or `?` in it, even encoded."""
    return URL.format(entry_id=entry_id, encoded=urlsafe_b64encode(name.encode()).decode())


def _name(encoded: str) -> str:
    """Return the name of a video in an address; empty if there is none."""
    try:
        return urlsafe_b64decode(encoded).decode()
    except ValueError:
        return ""


@callback
def async_serve_timelapses(hass: HomeAssistant) -> None:
    """Serve the timelapses of all printers."""
    hass.http.register_view(TimelapseView())


class TimelapseView(HomeAssistantView):
    """Passes a video on while it is received. Browsers ask for parts of it."""

    url = URL
    name = f"api:{DOMAIN}:timelapse"

    def __init__(self) -> None:
        """Begin without viewers."""
        self._viewers = 0

    async def get(self, request: web.Request, entry_id: str, encoded: str) -> web.StreamResponse:
        """Return a video or a part of it."""
        name = _name(encoded)
        entry: OctoPrintTunnelConfigEntry | None = request.app[KEY_HASS].config_entries.async_get_entry(entry_id)
        is_loaded = entry is not None and entry.domain == DOMAIN and entry.state is ConfigEntryState.LOADED
        if entry is None or not is_loaded or not is_timelapse_name(name):
            return web.Response(status=HTTPStatus.NOT_FOUND)
        if self._viewers >= MAX_VIEWERS:
            return web.Response(status=HTTPStatus.SERVICE_UNAVAILABLE)
        self._viewers += 1
        try:
            return await self._send(request, entry, name)
        except OctoPrintTunnelError as error:
            LOGGER.debug("%s: timelapse: %s", entry.title, error)
            return web.Response(status=_status(error))
        finally:
            self._viewers -= 1

    async def head(self, request: web.Request, entry_id: str, encoded: str) -> web.StreamResponse:
        """Return what `get` does, without the video: some players ask for its size and its type first."""
        return await self.get(request, entry_id, encoded)

    async def _send(self, request: web.Request, entry: OctoPrintTunnelConfigEntry, name: str) -> web.StreamResponse:
        printer, service = entry.runtime_data.printer, entry.runtime_data.tunnel
        way, route = await printer.router.choose(verify=True)
        if way is Way.TUNNEL and service.service.tunnel.metered:
            return web.Response(status=HTTPStatus.FORBIDDEN, text="Not through a tunnel with a monthly data limit")
        wanted = request.headers.get(hdrs.RANGE, "")
        download = await printer.octoprint.download_timelapse(route, name, wanted if is_byte_range(wanted) else None)
        try:
            limit = service.data.status.limits.max_download if way is Way.TUNNEL else None
            size = download.headers.get(hdrs.CONTENT_LENGTH, "")
            if not size.isdecimal() or int(size) > (limit or MAX_SIZE):
                return web.Response(status=HTTPStatus.REQUEST_ENTITY_TOO_LARGE)
            response = _response(download, name, int(size))
            await response.prepare(request)
            error = None
            if request.method != hdrs.METH_HEAD:
                error = await _pass_on(response, download, int(size))
            if error and request.transport:
                LOGGER.debug("%s: timelapse: %s", entry.title, error)
                # Nothing else shows the browser that the rest is missing.
                request.transport.close()
            return response
        finally:
            download.close()


def _status(error: OctoPrintTunnelError) -> HTTPStatus:
    """Return what tells a player whether it may ask for another part, or again."""
    if isinstance(error, DownloadTooLarge):
        return HTTPStatus.REQUEST_ENTITY_TOO_LARGE
    if error.code == HTTPStatus.REQUESTED_RANGE_NOT_SATISFIABLE:
        return HTTPStatus.REQUESTED_RANGE_NOT_SATISFIABLE
    return HTTPStatus.BAD_GATEWAY


def _response(download: Download, name: str, size: int) -> web.StreamResponse:
    """Return the response without its body, of so many bytes."""
    response = web.StreamResponse(status=download.status)
    response.content_length = size
    response.content_type = video_type(name) or "application/octet-stream"
    response.headers[hdrs.ACCEPT_RANGES] = "bytes"
    response.headers["X-Content-Type-Options"] = "nosniff"
    content_range = download.headers.get(hdrs.CONTENT_RANGE, "")
    if _CONTENT_RANGE.fullmatch(content_range):
        response.headers[hdrs.CONTENT_RANGE] = content_range
    return response


async def _pass_on(response: web.StreamResponse, download: Download, left: int) -> OctoPrintTunnelError | None:
    """Send the body, and return the error that ended it early, None if it is complete."""
    try:
        async for chunk in download.chunks():
            await response.write(chunk[:left])
            left -= len(chunk)
            if left <= 0:
                break
    except OctoPrintTunnelError as error:
        return error
    await response.write_eof()
    return None
