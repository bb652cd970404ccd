"""The local network: OctoPrint behind a proxy, on http and on https with a self-signed certificate."""

from collections.abc import Awaitable, Callable
from dataclasses import replace
import ssl

from aiohttp import web

from .answer import Answer
from .certificates import self_made_context
from .forward import OctoPrintOffline, request_headers
from .printer import Printer
from .record import Exchange, Service
from .service import Plumbing, wants_websocket

PREFIX = "/octoprint"


class Local:
    """OctoPrint's addresses on the local network."""

    def __init__(
        self, plumbing: Plumbing, printer: Printer, listen: Callable[[int, ssl.SSLContext | None], Awaitable[int]]
    ) -> None:
        """Serve this printer, whether or not it is connected to the services."""
        self._plumbing = plumbing
        self._printer = replace(printer, online=True)
        self._listen = listen
        self._ports: set[int] = set()
        self.url = ""
        """Plain http."""
        self.tls_url = ""
        """Https with a self-signed certificate."""

    async def start(self) -> None:
        """Open both listeners."""
        plain = await self._listen(0, None)
        tls = await self._listen(0, self_made_context())
        self._ports = {plain, tls}
        self.url, self.tls_url = f"http://127.0.0.1:{plain}", f"https://127.0.0.1:{tls}"

    @property
    def prefixed_url(self) -> str:
        """Return an address with a path before OctoPrint's own."""
        return self.url + PREFIX

    def service_of(self, host: str, path: str) -> Service | None:
        """Return the part that a request is meant for."""
        return Service.LOCAL if host.startswith("127.0.0.1:") and int(host.split(":")[1]) in self._ports else None

    async def answer(self, request: web.BaseRequest, exchange: Exchange) -> Answer | web.StreamResponse:
        """Forward the request to OctoPrint."""
        if self._plumbing.webcam.serves(request.path):
            return await self._plumbing.webcam.answer(request, exchange)
        path = request.raw_path.removeprefix(PREFIX)
        try:
            if wants_websocket(request):
                return await self._plumbing.websocket(self._printer, request, exchange, path)
            forward = self._plumbing.forward
            return await forward.http(self._printer, request, exchange, request_headers(request), path)
        except OctoPrintOffline:
            return Answer.page(503)
