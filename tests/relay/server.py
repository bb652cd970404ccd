"""The relay: one loopback server that is OctoEverywhere, Obico, a proxy and the local network, by host name."""

import asyncio
from collections.abc import AsyncGenerator
import contextlib
from pathlib import Path
import ssl
from types import TracebackType
from typing import Self

from aiohttp import hdrs, web

from .answer import Answer
from .certificates import authority
from .faults import Certificate, Faults, Treatment
from .forward import Forwarder
from .local import Local
from .obico import Obico
from .octoeverywhere import OctoEverywhere
from .own_address import OwnProxy
from .printer import Printer
from .record import Exchange, Record, Service
from .service import Plumbing, Stand
from .sockets import Sockets
from .webcam import Webcam


class Relay(Record):
    """The services, a proxy and the local network of one printer, a record of the requests, and faults to switch on.

    Runs in the event loop that starts it; `network.reach_services(relay.port)` leads clients to it.
    """

    def __init__(self, printer: Printer, *, port: int = 0) -> None:
        """Prepare the services; port 0 takes a free one."""
        super().__init__()
        self.port = port
        self.printer = printer
        self._faults = Faults()
        self._forward = Forwarder()
        self._sockets = Sockets(self._faults)
        self._stopping = asyncio.Event()
        self._healed = asyncio.Event()
        self.webcam = Webcam(self._listen, self._stopping)
        plumbing = Plumbing(forward=self._forward, sockets=self._sockets, webcam=self.webcam)
        self.octoeverywhere = OctoEverywhere(plumbing, printer)
        self.obico = Obico(plumbing, printer, self._listen)
        self.own_address = OwnProxy(plumbing, printer)
        self.local = Local(plumbing, printer, self._listen)
        self._stands: tuple[Stand, ...] = (
            self.octoeverywhere,
            self.obico,
            self.own_address,
            self.local,
            self.webcam,
        )
        self._runner: web.ServerRunner | None = None

    @property
    def ca_file(self) -> Path:
        """Return the certificate authority, alone."""
        return authority().ca_file

    @property
    def bundle_file(self) -> Path:
        """Return the usual authorities and this one, for a client process's REQUESTS_CA_BUNDLE."""
        return authority().bundle_file

    async def start(self) -> None:
        """Open the listeners; after a stop the services are at the same port, the local network is at others."""
        self._stopping.clear()
        await self._forward.open()
        self._runner = web.ServerRunner(web.Server(self._handle, access_log=None), shutdown_timeout=0.1)
        await self._runner.setup()
        self.port = await self._listen(self.port, authority().server_context(self._other_certificate))
        await self.obico.start()
        await self.local.start()
        await self.webcam.start()

    async def stop(self) -> None:
        """Close listeners and sockets, and end all waiting."""
        self._stopping.set()
        if self._runner is not None:
            await self._runner.cleanup()
        await self._forward.close()

    async def __aenter__(self) -> Self:
        """Start."""
        await self.start()
        return self

    async def __aexit__(
        self, exc_type: type[BaseException] | None, exc: BaseException | None, traceback: TracebackType | None
    ) -> None:
        """Stop."""
        await self.stop()

    def fail(
        self,
        where: str,
        status: int,
        body: str = "",
        *,
        content_type: str = "text/html",
        times: int | None = None,
        path: str | None = None,
    ) -> None:
        """Send this response; `where` is a `Service`, "tunnel" for all tunnels, or a host; `path` is a prefix."""
        self._faults.add(where, times=times, path=path, status=status, body=body, content_type=content_type)

    def delay(self, where: str, seconds: float, *, times: int | None = None, path: str | None = None) -> None:
        """Delay requests by so many seconds, at most until `heal`."""
        self._faults.add(where, times=times, path=path, delay=seconds)

    def truncate(self, where: str, size: int, *, times: int | None = None, path: str | None = None) -> None:
        """End the connection after so many bytes of a response's body."""
        self._faults.add(where, times=times, path=path, truncate=size)

    def redirect(self, where: str, location: str, *, times: int | None = None, path: str | None = None) -> None:
        """Respond with a redirect."""
        self._faults.add(where, times=times, path=path, status=302, location=location)

    def drop(self, where: str, *, times: int | None = None, path: str | None = None) -> None:
        """End the connection instead of responding."""
        self._faults.add(where, times=times, path=path, drop=True)

    def hang(self, where: str, *, times: int | None = None, path: str | None = None) -> None:
        """Accept requests without a response, as a host that was disconnected, until `heal`."""
        self._faults.add(where, times=times, path=path, hang=True)

    def drip(self, where: str, pause: float, *, times: int | None = None, path: str | None = None) -> None:
        """Send the bodies of responses byte by byte, each after so many seconds."""
        self._faults.add(where, times=times, path=path, pause=pause)

    def lose_name(self, where: str) -> None:
        """Do not resolve the hosts' names any more, and end the connections."""
        self._faults.add(where, nameless=True)
        self.hang_up()

    def spoil_certificate(self, where: str, certificate: Certificate) -> None:
        """Use an invalid certificate for the hosts, and end the connections."""
        self._faults.add(where, certificate=certificate)
        self.hang_up()

    def mute(self, where: str = "tunnel", *, path: str | None = None) -> None:
        """Drop the messages of all WebSockets, which stay open."""
        self._faults.add(where, path=path, mute=True)

    def heal(self) -> None:
        """Switch all faults off."""
        self._faults.heal()
        self._sockets.thaw()
        self._healed.set()
        self._healed = asyncio.Event()

    def has_name(self, host: str) -> bool:
        """Return whether the name of a host of the services can be resolved."""
        return not self._faults.nameless(self._services_at(host), host)

    def hang_up(self) -> None:
        """End all connections, also idle ones."""
        for connection in self._connections:
            if connection.transport is not None:
                connection.transport.abort()

    @property
    def open_connections(self) -> int:
        """Return the number of open connections of clients, also idle ones."""
        return len(self._connections)

    async def close_sockets(self, code: int = 1001) -> None:
        """Close all open WebSockets."""
        await self._sockets.end_all(code)

    async def say_on_sockets(self, text: str, times: int = 1) -> None:
        """Send a message on every open WebSocket as if OctoPrint had."""
        await self._sockets.say(text, times)

    def flood_sockets(self, frame: bytes, times: int) -> None:
        """Send a raw frame so many times on every open WebSocket, without a pause."""
        self._sockets.flood(frame, times)

    def freeze_sockets(self) -> None:
        """Stop reading from every open WebSocket, also pings, until `heal`."""
        self._sockets.freeze()

    @property
    def open_sockets(self) -> int:
        """Return the number of open WebSockets of clients."""
        return self._sockets.count

    def break_sockets(self) -> None:
        """End the connection of every open WebSocket in the middle of a message."""
        self._sockets.break_off()

    @property
    def _connections(self) -> list[web.RequestHandler]:
        server = self._runner.server if self._runner is not None else None
        return server.connections if server is not None else []

    def _services_at(self, host: str) -> set[Service]:
        found = (stand.service_of(host, path) for stand in self._stands for path in ("/", "/api/", "/_tsd_/"))
        return {service for service in found if service is not None}

    def _other_certificate(self, host: str) -> ssl.SSLContext | None:
        match self._faults.certificate(self._services_at(host), host):
            case "expired":
                return authority().expired
            case "foreign":
                return authority().foreign
        return None

    async def _listen(self, port: int = 0, context: ssl.SSLContext | None = None) -> int:
        """Open a listener, without a context for plain http, and return its port."""
        assert self._runner is not None, "The relay is not started"
        site = web.TCPSite(self._runner, "127.0.0.1", port, ssl_context=context)
        await site.start()
        return int(self._runner.addresses[-1][1])

    async def _handle(self, request: web.BaseRequest) -> web.StreamResponse:
        """Respond to one request, and record it."""
        host = request.host.lower().removesuffix(":443")
        for stand in self._stands:
            if service := stand.service_of(host, request.path):
                break
        else:
            return web.Response(status=421, text=f"No host here is called {host}")
        exchange = Exchange(
            service=service,
            host=host,
            method=request.method,
            path=request.path,
            query=request.query,
            headers=request.headers,
        )
        self.requests.append(exchange)
        ends = (self._stopping, self._healed)
        treatment = self._faults.meet(service, host, request.path)
        if treatment.delay:
            await _first_of(ends, treatment.delay)
        if treatment.hang:
            await _first_of(ends)
        if treatment.drop or treatment.hang or self._stopping.is_set():
            return _dropped(request, exchange)
        if treatment.answer:
            with contextlib.suppress(ConnectionResetError):
                await request.release()  # an unread body would block its connection
        answer = treatment.answer or await stand.answer(request, exchange)
        if isinstance(answer, web.StreamResponse):
            return answer
        try:
            return await _send(request, exchange, answer, treatment, ends)
        except ConnectionResetError:
            # The client has closed a stream.
            return web.Response()


async def _first_of(events: tuple[asyncio.Event, ...], seconds: float | None = None) -> None:
    """Wait for one of several events, for no longer than so many seconds."""
    waiting = [asyncio.create_task(event.wait()) for event in events]
    await asyncio.wait(waiting, timeout=seconds, return_when=asyncio.FIRST_COMPLETED)
    for task in waiting:
        task.cancel()


def _dropped(request: web.BaseRequest, exchange: Exchange) -> web.StreamResponse:
    """End the connection without a response."""
    exchange.status = 0
    if request.transport is not None:
        request.transport.abort()
    return web.Response()


async def _send(
    request: web.BaseRequest, exchange: Exchange, answer: Answer, treatment: Treatment, ends: tuple[asyncio.Event, ...]
) -> web.StreamResponse:
    """Send a response as it arrives, count it, and truncate or slow it down if a fault says so."""
    exchange.status = answer.status
    response = web.StreamResponse(status=answer.status, headers=answer.headers)
    if isinstance(answer.body, bytes):
        response.content_length = len(answer.body)
    truncate = treatment.truncate
    async with contextlib.aclosing(_pieces(answer, treatment.pause, ends)) as pieces:
        await response.prepare(request)
        async for piece in pieces:
            if request.method == hdrs.METH_HEAD:
                break
            left = len(piece) if truncate is None else truncate - exchange.response_bytes
            await response.write(piece[:left])
            exchange.response_bytes += min(len(piece), left)
            if left < len(piece):
                if request.transport is not None:
                    request.transport.close()
                break
        await response.write_eof()
    return response


async def _pieces(answer: Answer, pause: float, ends: tuple[asyncio.Event, ...]) -> AsyncGenerator[bytes]:
    """Yield a response's body, byte by byte if there is a pause before each."""
    async with contextlib.aclosing(_chunks(answer)) as chunks:
        async for chunk in chunks:
            if not pause:
                yield chunk
                continue
            for byte in chunk:
                if not any(event.is_set() for event in ends):
                    await _first_of(ends, pause)
                yield bytes([byte])


async def _chunks(answer: Answer) -> AsyncGenerator[bytes]:
    if isinstance(answer.body, bytes):
        if answer.body:
            yield answer.body
        return
    async with contextlib.aclosing(answer.body) as chunks:
        async for chunk in chunks:
            yield chunk
