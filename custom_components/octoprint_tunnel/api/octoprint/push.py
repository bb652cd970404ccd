"""OctoPrint's push socket: it says what has changed, instead of being asked again and again.

Source: OctoPrint's documentation, "Push updates", and what 1.11 and 2.0 send.
"""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from dataclasses import dataclass
import json
import time
from typing import Any, Final, Protocol

from aiohttp import ClientError, WSMsgType

from ..errors import CannotConnect, InvalidResponse, RequestTimeout
from ..json_object import JsonObject
from ..token_bucket import TokenBucket
from ..transport.message import Requester
from ..transport.route import Route
from ..transport.traffic import Traffic
from ..transport.websocket import WebSocket
from .client import OctoPrint

PATH = "/sockjs/websocket"
GREETING_TIMEOUT = 10  # seconds; a service may open a socket behind which there is no OctoPrint
MAX_MESSAGE: Final = 200_000  # bytes; the greeting, by far the longest message, has 11 kB and more with many plugins

STATE_CHANGED = "PrinterStateChanged"
ERROR = "Error"
SETTINGS_UPDATED = "SettingsUpdated"
CONNECTION_CHANGED = ("Connecting", "Connected", "Disconnected")
EVENTS = (*CONNECTION_CHANGED, STATE_CHANGED, ERROR, SETTINGS_UPDATED)

# A print has a dozen events, a connection five, and a service pings every half minute.
EVENTS_AT_ONCE: Final = 500
EVENTS_PER_SECOND: Final = 10
BYTES_OF_AN_EVENT: Final = 10_000  # a longer message counts as several
OTHERS_AT_ONCE: Final = 100  # pings, and everything else that is no event
OTHERS_PER_SECOND: Final = 1
LOGIN_COUNTS: Final = 20  # others; a new log-in that OctoPrint wants is a request through the tunnel
MAX_DEBT: Final = 30  # seconds of reading slowly, after which a socket is given up


@dataclass(frozen=True, kw_only=True, slots=True)
class Event:
    """Something that happened in OctoPrint, with what it says of it."""

    type: str
    payload: JsonObject


class ProvedRequester(Requester, Protocol):
    """Sends requests to the OctoPrint at the other end of a socket, and proves before each that it still is that."""

    async def confirm(self) -> None:
        """Prove that the other end is the same OctoPrint; raises OctoPrintTunnelError where it is not."""


class PushSocket:
    """An open push socket, logged in and subscribed to EVENTS alone."""

    def __init__(self, octoprint: OctoPrint, socket: WebSocket, traffic: Traffic) -> None:
        """Speak over `socket` with the OctoPrint that `octoprint` logs in to."""
        self._octoprint = octoprint
        self._socket = socket
        self._traffic = traffic
        self._waits_for_pong = False
        self._events = TokenBucket(burst=EVENTS_AT_ONCE, per_second=EVENTS_PER_SECOND)
        self._others = TokenBucket(burst=OTHERS_AT_ONCE, per_second=OTHERS_PER_SECOND)
        self._slow_since: float | None = None
        self._says_too_much = False

    @classmethod
    @asynccontextmanager
    async def open(
        cls, route: Route, api_key: str, requester: ProvedRequester | None = None
    ) -> AsyncGenerator[PushSocket]:
        """Log in, open a socket and subscribe; the socket is closed at the end.

        `requester` takes the log-ins, this one and any later; without one, the route is taken for proved. Raises what
        `OctoPrint.request` and `Route.websocket` raise, and RequestTimeout where OctoPrint itself does not speak within
        GREETING_TIMEOUT.
        """
        octoprint = OctoPrint(requester or route, api_key)
        session = await octoprint.login()
        async with route.websocket(PATH, MAX_MESSAGE) as socket:
            push = cls(octoprint, socket, route.traffic)
            # Obico loses what is sent before OctoPrint has spoken.
            await push._greeting()
            # The subscription goes first: it silences the feed of the state, which a log-in begins.
            await push._say(subscribe={"state": False, "plugins": False, "events": list(EVENTS)})
            if requester:
                # The session stands for the API key, and that was proved before the socket was opened.
                await requester.confirm()
            await push._say(auth=session)
            yield push

    async def events(self) -> AsyncGenerator[Event]:
        """Yield what happens until the socket ends, or says too much. What cannot be understood is passed over.

        Raises CannotConnect where the socket breaks while OctoPrint wants a new log-in, and what the log-in raises.
        """
        async for message in self._messages():
            if "reauthRequired" in message:
                await self._say(auth=await self._octoprint.login())
            elif kind := (event := message.object("event")).exact("type"):
                yield Event(type=kind, payload=event.object("payload"))

    @property
    def end(self) -> str:
        """Return how the socket has ended: what it was closed with, None where the connection broke."""
        return "said too much" if self._says_too_much else f"closed with {self._socket.close_code}"

    async def is_alive(self) -> bool:
        """Tell whether the other end has answered since this was last asked. Raises CannotConnect.

        That is the service's end: it does not show that OctoPrint lives.
        """
        if self._waits_for_pong:
            return False
        self._waits_for_pong = True
        await self._send(WSMsgType.PING)
        return True

    async def close(self) -> None:
        """End the socket, and `events` with it."""
        await self._socket.close()

    async def _greeting(self) -> None:
        try:
            async with asyncio.timeout(GREETING_TIMEOUT):
                async for message in self._messages():
                    if "connected" in message:
                        return
        except TimeoutError:
            pass
        else:
            raise CannotConnect(detail=f"push socket {self.end}")
        raise RequestTimeout

    async def _messages(self) -> AsyncGenerator[JsonObject]:
        async for frame in self._socket:
            self._waits_for_pong = False
            message = self._parse(frame.data) if frame.type is WSMsgType.TEXT else None
            delay = self._count(message, len(frame.data) if isinstance(frame.data, bytes) else 0)
            if self._says_too_much:
                return
            # Frames that are here already come without a pause; others want to run as well.
            await asyncio.sleep(delay)
            if self._socket.is_closed:
                return
            if frame.type is WSMsgType.PING:
                await self._send(WSMsgType.PONG, frame.data)
            if message is not None:
                yield message

    def _parse(self, data: bytes) -> JsonObject | None:
        self._traffic.bytes_received += len(data)
        try:
            return JsonObject.parse(data)
        except InvalidResponse:
            return None

    def _count(self, message: JsonObject | None, size: int) -> float:
        """Return the seconds to wait until this message would have been allowed, and note when it is too much."""
        amount = 1 + size / BYTES_OF_AN_EVENT
        wants_login = message is not None and "reauthRequired" in message
        if message is None or wants_login or "event" not in message:
            self._says_too_much = self._others.spend(amount + wants_login * LOGIN_COUNTS) > 0
            return 0
        delay = self._events.spend(amount)
        if not delay:
            self._slow_since = None
        elif self._slow_since is None:
            self._slow_since = time.monotonic()
        else:
            self._says_too_much = time.monotonic() - self._slow_since > MAX_DEBT
        return delay

    async def _say(self, **message: Any) -> None:
        await self._send(WSMsgType.TEXT, json.dumps(message).encode())

    async def _send(self, kind: WSMsgType, data: bytes = b"") -> None:
        try:
            await self._socket.send(kind, data)
        except (ClientError, OSError) as error:
            failure = CannotConnect(detail=type(error).__name__)
        else:
            return
        raise failure
