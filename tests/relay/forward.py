"""Requests to OctoPrint, as the services' plugins send them."""

import asyncio
from collections.abc import AsyncGenerator, Mapping, Set as AbstractSet

import aiohttp
from aiohttp import hdrs, web
from multidict import CIMultiDict
from yarl import URL

from .answer import Answer
from .printer import Printer
from .record import Exchange

# Headers that belong to one hop.
_HOP = frozenset(
    name.lower()
    for name in (
        hdrs.CONNECTION,
        hdrs.KEEP_ALIVE,
        hdrs.PROXY_AUTHENTICATE,
        hdrs.PROXY_AUTHORIZATION,
        hdrs.TE,
        hdrs.TRAILER,
        hdrs.TRANSFER_ENCODING,
        hdrs.UPGRADE,
    )
)
# Headers that the plugin or its HTTP client sets for itself.
_PLUGIN_SETS = frozenset({"host", "accept-encoding"})


class OctoPrintOffline(Exception):
    """OctoPrint is not running, so its plugin is not connected."""


class Forwarder:
    """Sends requests to OctoPrint."""

    def __init__(self) -> None:
        """Prepare; call `open` in the event loop."""
        self._session: aiohttp.ClientSession | None = None

    async def open(self) -> None:
        """Open the client session."""
        self._session = aiohttp.ClientSession(
            # A pooled connection would outlive an OctoPrint that a test restarts.
            connector=aiohttp.TCPConnector(force_close=True, limit=0),
            cookie_jar=aiohttp.DummyCookieJar(),
            auto_decompress=False,
            skip_auto_headers=[hdrs.USER_AGENT, hdrs.ACCEPT, hdrs.CONTENT_TYPE],
            timeout=aiohttp.ClientTimeout(total=None, sock_connect=5),
        )

    async def close(self) -> None:
        """Close the client session."""
        if self._session is not None:
            await self._session.close()

    @property
    def session(self) -> aiohttp.ClientSession:
        """Return the open session."""
        assert self._session is not None, "The relay is not started"
        return self._session

    async def online(self, printer: Printer) -> bool:
        """Return whether the plugin in that OctoPrint is connected to the service."""
        if printer.online is not None:
            return printer.online
        url = URL(printer.url)
        try:
            _, writer = await asyncio.open_connection(url.host, url.port)
        except OSError:
            return False
        writer.close()
        return True

    async def http(
        self,
        printer: Printer,
        request: web.BaseRequest,
        exchange: Exchange,
        headers: CIMultiDict[str],
        path: str | None = None,
    ) -> Answer:
        """Forward a request and return OctoPrint's response as a stream; redirects are returned too.

        `path` stands in for the request's own.

        Raises OctoPrintOffline.
        """
        if printer.online is False:
            raise OctoPrintOffline
        if request.path == "/api/plugin/octoeverywhere" and printer.has_plugin:
            return Answer.json({"PluginVersion": "4.8.1", "PrinterId": printer.id})
        data = _counted(request.content, exchange) if request.can_read_body else None
        url = URL(printer.url + (request.raw_path if path is None else path), encoded=True)
        try:
            response = await self.session.request(
                request.method, url, headers=headers, data=data, allow_redirects=False
            )
        except aiohttp.ClientError as error:
            raise OctoPrintOffline from error
        # While OctoPrint starts, another server on its port tells browsers to wait; plugins start later.
        if response.headers.get(hdrs.SERVER, "").startswith("BaseHTTP"):
            response.close()
            raise OctoPrintOffline
        return Answer(response.status, _without(response.headers, _HOP), _chunks(response))

    async def connect_websocket(
        self, printer: Printer, path: str, headers: CIMultiDict[str] | None = None, protocols: tuple[str, ...] = ()
    ) -> aiohttp.ClientWebSocketResponse:
        """Open a WebSocket on OctoPrint; raises OctoPrintOffline, or WSServerHandshakeError when it refuses."""
        if printer.online is False:
            raise OctoPrintOffline
        url = URL(printer.url + path, encoded=True)
        try:
            return await self.session.ws_connect(url, headers=headers, protocols=protocols, max_msg_size=0)
        except aiohttp.WSServerHandshakeError:
            raise
        except aiohttp.ClientError as error:
            raise OctoPrintOffline from error


def request_headers(request: web.BaseRequest, *dropped: str) -> CIMultiDict[str]:
    """Return the headers for OctoPrint, which ask for uncompressed bodies."""
    headers = _without(request.headers, _HOP | _PLUGIN_SETS | {name.lower() for name in dropped})
    headers[hdrs.ACCEPT_ENCODING] = "identity"
    return headers


def _without(headers: Mapping[str, str], names: AbstractSet[str]) -> CIMultiDict[str]:
    """Return a copy without these names."""
    return CIMultiDict((name, value) for name, value in headers.items() if name.lower() not in names)


async def _counted(content: aiohttp.StreamReader, exchange: Exchange) -> AsyncGenerator[bytes]:
    """Yield the request's body as it arrives."""
    async for chunk in content.iter_any():
        exchange.add_request_body(chunk)
        yield chunk


async def _chunks(response: aiohttp.ClientResponse) -> AsyncGenerator[bytes]:
    """Yield the response's body as it arrives."""
    try:
        async for chunk in response.content.iter_any():
            yield chunk
    finally:
        response.close()
