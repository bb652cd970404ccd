"""WebSockets that follow no redirect and close without reading on."""

import asyncio
from collections.abc import Mapping
from contextlib import suppress
from contextvars import ContextVar
from typing import Literal, Self

from aiohttp import (
    ClientError,
    ClientHandlerType,
    ClientRequest,
    ClientResponse,
    ClientSession,
    ClientWebSocketResponse,
    WSCloseCode,
    WSMsgType,
    WSServerHandshakeError,
    hdrs,
)
from yarl import URL

HANDSHAKE_TIMEOUT = 15  # seconds
CLOSE_TIMEOUT = 2  # seconds

_handshakes: ContextVar[list[ClientResponse]] = ContextVar("handshakes")
"""The responses to the handshake that is under way; closing the last one closes the connection of the WebSocket."""


async def refuse_redirects(request: ClientRequest, handler: ClientHandlerType) -> ClientResponse:
    """Refuse to redirect a WebSocket: a middleware for sessions, because `ws_connect` has no option for it."""
    response = await handler(request)
    if hdrs.UPGRADE in request.headers:
        if hdrs.LOCATION in response.headers:
            response.close()
            raise WSServerHandshakeError(response.request_info, (), status=response.status, headers=response.headers)
        _handshakes.get([]).append(response)
    return response


class WebSocket:
    """An open WebSocket that yields every frame as bytes, pings and pongs included. It has to be closed."""

    def __init__(self, socket: ClientWebSocketResponse[Literal[False]], handshake: ClientResponse | None) -> None:
        """Take over `socket`; `handshake` is the response that opened it, None if the session has no middleware."""
        self.is_closed = False
        self._socket = socket
        self._handshake = handshake

    @classmethod
    async def open(
        cls,
        session: ClientSession,
        url: URL,
        headers: Mapping[str, str],
        max_message: int,
        *,
        verify_ssl: bool = True,
    ) -> Self:
        """Open a WebSocket; a message of more than `max_message` bytes closes it.

        The session needs `refuse_redirects`. Raises TimeoutError, ClientError or OSError.
        """
        handshakes: list[ClientResponse] = []
        _handshakes.set(handshakes)
        async with asyncio.timeout(HANDSHAKE_TIMEOUT):
            socket = await session.ws_connect(
                url,
                headers=headers,
                ssl=verify_ssl,
                autoping=False,  # and no heartbeat: aiohttp's timer would outlive the socket
                max_msg_size=max_message,
                decode_text=False,
            )
        return cls(socket, handshakes[-1] if handshakes else None)

    @property
    def close_code(self) -> int | None:
        """Return the code that closed the socket, None while it is open or if the connection broke."""
        return self._socket.close_code

    @property
    def peer(self) -> object:
        """Return the IP address and port of the other end, None if the connection is closed."""
        return self._socket.get_extra_info("peername")

    def __aiter__(self) -> ClientWebSocketResponse[Literal[False]]:
        """Yield each frame as it arrives, until the socket closes."""
        return self._socket

    async def send(self, kind: WSMsgType, data: bytes) -> None:
        """Send a frame. Raises ClientError or OSError."""
        await self._socket.send_frame(data, kind)

    async def close(self) -> None:
        """Close the socket without waiting for the other end to confirm.

        While aiohttp waits for that, it reads all other frames without a pause.
        """
        if self.is_closed:
            return
        self.is_closed = True
        try:
            with suppress(TimeoutError, ClientError, OSError):
                async with asyncio.timeout(CLOSE_TIMEOUT):
                    await self.send(WSMsgType.CLOSE, WSCloseCode.OK.to_bytes(2))
        finally:
            if self._handshake:
                self._handshake.close()
            await self._socket.close()  # ends a pending read; without a connection it reads nothing
