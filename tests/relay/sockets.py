"""WebSockets between a client and OctoPrint."""

import asyncio
from collections.abc import Callable
import contextlib
from typing import Any

import aiohttp
from aiohttp import web

from .faults import Faults
from .record import Exchange

_CLOSE_TIMEOUT = 2.0

type Gate = Callable[[int], bool]
"""Gets the size of a message, returns whether it is forwarded."""


class Sockets:
    """The WebSockets that clients have open."""

    def __init__(self, faults: Faults) -> None:
        """Start with none."""
        self._faults = faults
        self._open: set[web.WebSocketResponse] = set()
        self._frozen: list[asyncio.Transport] = []

    async def accept(
        self, request: web.BaseRequest, exchange: Exchange, protocol: str | None = None
    ) -> web.WebSocketResponse:
        """Accept the handshake. The relay responds to pings, whether or not OctoPrint is running."""
        client = web.WebSocketResponse(
            protocols=(protocol,) if protocol else (), timeout=_CLOSE_TIMEOUT, compress=False, max_msg_size=0
        )
        await client.prepare(request)
        exchange.status = 101
        self._open.add(client)
        return client

    async def relay(
        self,
        client: web.WebSocketResponse,
        octoprint: aiohttp.ClientWebSocketResponse,
        exchange: Exchange,
        *,
        to_octoprint: Gate,
        to_client: Gate,
    ) -> None:
        """Forward messages in both directions until one side ends; then close OctoPrint's side."""

        def from_client(size: int) -> bool:
            exchange.request_bytes += size
            return not self._muted(exchange) and to_octoprint(size)

        def from_octoprint(size: int) -> bool:
            passes = not self._muted(exchange) and to_client(size)
            exchange.response_bytes += size if passes else 0
            return passes

        pumps = [
            asyncio.create_task(_pump(client, octoprint, from_client)),
            asyncio.create_task(_pump(octoprint, client, from_octoprint)),
        ]
        try:
            await asyncio.wait(pumps, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for pump in pumps:
                pump.cancel()
            await asyncio.gather(*pumps, return_exceptions=True)
            with contextlib.suppress(aiohttp.ClientError, ConnectionError):
                await octoprint.close()

    async def hold(self, client: web.WebSocketResponse, exchange: Exchange) -> None:
        """Keep a socket open and silent until the client ends it."""
        async for message in client:
            if message.type in (aiohttp.WSMsgType.TEXT, aiohttp.WSMsgType.BINARY):
                exchange.request_bytes += _size(message)

    async def end(self, client: web.WebSocketResponse, code: int) -> None:
        """Close a socket if the client has not, and remove it."""
        self._open.discard(client)
        with contextlib.suppress(ConnectionError):
            await client.close(code=code)

    async def end_all(self, code: int) -> None:
        """Close every open socket."""
        for client in list(self._open):
            await self.end(client, code)

    @property
    def count(self) -> int:
        """Return the number of open sockets."""
        return len(self._open)

    async def say(self, text: str, times: int) -> None:
        """Send a message on every open socket; a client may close its socket at the same time."""
        for client in list(self._open):
            with contextlib.suppress(ConnectionError):
                for _ in range(times):
                    await client.send_str(text)

    def flood(self, frame: bytes, times: int) -> None:
        """Send a raw frame so many times on every open socket, even if the client does not read."""
        for transport in self._transports():
            transport.write(frame * times)

    def break_off(self) -> None:
        """End the connection of every open socket after the first bytes of a message."""
        for transport in self._transports():
            transport.write(b'\x81\x7e\x01\x00{"event"')  # 256 bytes are announced
            transport.close()

    def freeze(self) -> None:
        """Stop reading from every open socket, also pings."""
        for transport in self._transports():
            transport.pause_reading()
            self._frozen.append(transport)

    def thaw(self) -> None:
        """Read again from the sockets that were frozen."""
        for transport in self._frozen:
            if not transport.is_closing():
                transport.resume_reading()
        self._frozen.clear()

    def _transports(self) -> list[asyncio.Transport]:
        requests = [client._req for client in self._open]
        return [request.transport for request in requests if request and request.transport]

    def _muted(self, exchange: Exchange) -> bool:
        """Return whether a fault drops messages."""
        return self._faults.muted(exchange.service, exchange.host, exchange.path)


async def _pump(source: Any, target: Any, gate: Gate) -> None:
    """Forward messages in one direction until the source ends."""
    async for message in source:
        if message.type is aiohttp.WSMsgType.TEXT and gate(_size(message)):
            await target.send_str(message.data)
        elif message.type is aiohttp.WSMsgType.BINARY and gate(_size(message)):
            await target.send_bytes(message.data)


def _size(message: Any) -> int:
    """Return the size of a message on the wire."""
    return len(message.data.encode() if isinstance(message.data, str) else message.data)
