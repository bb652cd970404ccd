"""OctoPrint's push socket, which reports changes as they happen.

Source: OctoPrint's documentation, "Push updates", and what 1.11 and 2.0 send.
"""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from dataclasses import dataclass
import json
import secrets
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
from .print_event import PRINT_EVENTS
from .prompt import PLUGIN as PROMPT_PLUGIN

PATH = "/sockjs/websocket"
GREETING_TIMEOUT = 10  # seconds; a service may open a socket while OctoPrint is offline
PONG_TIMEOUT: Final = 2  # seconds; for a socket on the local network
ALIVE_TIMEOUT: Final = 14  # seconds; for a socket that takes long, but is not dead
MAX_MESSAGE: Final = 200_000  # bytes; the longest message is the greeting: 11 kB, and more with many plugins

STATE_CHANGED = "PrinterStateChanged"
ERROR = "Error"
SETTINGS_UPDATED = "SettingsUpdated"
UPDATE_SUCCEEDED = "plugin_softwareupdate_update_succeeded"
UPDATE_FAILED = "plugin_softwareupdate_update_failed"
CONNECTION_CHANGED = ("Connecting", "Connected", "Disconnected")
FILE_SELECTED = "FileSelected"
EVENTS = (
    *CONNECTION_CHANGED,
    STATE_CHANGED,
    ERROR,
    SETTINGS_UPDATED,
    FILE_SELECTED,
    UPDATE_SUCCEEDED,
    UPDATE_FAILED,
    *PRINT_EVENTS,
)
PLUGINS = (PROMPT_PLUGIN,)

# A print causes a dozen events, a connection five, and a service pings every half minute.
EVENTS_AT_ONCE: Final = 500
EVENTS_PER_SECOND: Final = 10
EVENT_SIZE: Final = 10_000  # bytes; a longer message counts as several
OTHERS_AT_ONCE: Final = 100  # pings, and all other messages
OTHERS_PER_SECOND: Final = 1
LOGIN_COST: Final = 20  # others; each log-in that OctoPrint asks for is a request through the tunnel
MAX_SLOW_SECONDS: Final = 30  # of reading slowly, before the socket is closed


@dataclass(frozen=True, kw_only=True, slots=True)
class Event:
    """An event of OctoPrint, or a message of a plugin, whose `type` is the plugin's id."""

    type: str
    payload: JsonObject


class VerifiedRequester(Requester, Protocol):
    """Sends requests where a socket leads to, and verifies before each that it is still the same OctoPrint."""

    async def confirm(self) -> None:
        """Verify that it is the same OctoPrint. Raises OctoPrintTunnelError if it is not."""


class PushSocket:
    """An open push socket, logged in and subscribed to EVENTS and the messages of PLUGINS."""

    def __init__(self, octoprint: OctoPrint, socket: WebSocket, traffic: Traffic) -> None:
        """Use an open `socket`; `octoprint` is the client for log-ins."""
        self._octoprint = octoprint
        self._socket = socket
        self._traffic = traffic
        self._received = asyncio.Event()
        self._pongs: dict[bytes, asyncio.Event] = {}
        self._events = TokenBucket(burst=EVENTS_AT_ONCE, per_second=EVENTS_PER_SECOND)
        self._others = TokenBucket(burst=OTHERS_AT_ONCE, per_second=OTHERS_PER_SECOND)
        self._slow_since: float | None = None
        self._is_flooded = False

    @classmethod
    @asynccontextmanager
    async def open(
        cls, route: Route, api_key: str, requester: VerifiedRequester | None = None
    ) -> AsyncGenerator[PushSocket]:
        """Log in, open a socket and subscribe; the socket is closed at the end.

        `requester` sends the log-ins, now and later; without one, the route needs no verification. Raises the errors of
        `OctoPrint.send` and `Route.websocket`, and RequestTimeout if OctoPrint's greeting does not come within
        GREETING_TIMEOUT.
        """
        octoprint = OctoPrint(requester or route, api_key)
        session = await octoprint.login()
        async with route.websocket(PATH, MAX_MESSAGE) as socket:
            push = cls(octoprint, socket, route.traffic)
            # Obico drops messages that are sent before OctoPrint's greeting.
            await push._greeting()
            # The subscription is sent first: the log-in would start the state feed.
            await push._send_json(subscribe={"state": False, "plugins": list(PLUGINS), "events": list(EVENTS)})
            if requester:
                # The session is worth as much as the API key, and the last verification was before the socket opened.
                await requester.confirm()
            await push._send_json(auth=session)
            yield push

    async def events(self) -> AsyncGenerator[Event]:
        """Yield events until the socket closes or sends too much. Messages that cannot be read are skipped.

        Raises CannotConnect if the socket breaks while OctoPrint asks for a new log-in, and the errors of the log-in.
        """
        async for message in self._messages():
            if "reauthRequired" in message:
                await self._send_json(auth=await self._octoprint.login())
            elif kind := (event := message.object("event")).exact("type"):
                yield Event(type=kind, payload=event.object("payload"))
            elif (sender := (plugin := message.object("plugin")).exact("plugin")) in PLUGINS:
                yield Event(type=sender, payload=plugin.object("data"))

    @property
    def end(self) -> str:
        """Return why the socket is closed; the close code is None if the connection broke."""
        return "sent too much" if self._is_flooded else f"closed with {self._socket.close_code}"

    async def is_alive(self) -> bool:
        """Tell whether anything is received within ALIVE_TIMEOUT after a ping. `events` has to be read meanwhile.

        The service answers pings itself: this does not show that OctoPrint is online.
        """
        self._received.clear()
        try:
            await self._send(WSMsgType.PING)
            async with asyncio.timeout(ALIVE_TIMEOUT):
                await self._received.wait()
        except TimeoutError, CannotConnect:
            return False
        return True

    @property
    def peer(self) -> object:
        """Return the IP address and port of the other end, None if the connection is closed."""
        return self._socket.peer

    async def responds(self) -> bool:
        """Tell whether the other end returns a ping within PONG_TIMEOUT. `events` has to be read meanwhile."""
        text = secrets.token_bytes(8)
        pong = self._pongs[text] = asyncio.Event()
        try:
            await self._send(WSMsgType.PING, text)
            async with asyncio.timeout(PONG_TIMEOUT):
                await pong.wait()
        except TimeoutError, CannotConnect:
            return False
        finally:
            del self._pongs[text]
        return True

    async def close(self) -> None:
        """Close the socket, which ends `events`."""
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
            self._received.set()
            if frame.type is WSMsgType.PONG and (pong := self._pongs.get(frame.data)):
                pong.set()
            message = self._parse(frame.data) if frame.type is WSMsgType.TEXT else None
            delay = self._count(message, len(frame.data) if isinstance(frame.data, bytes) else 0)
            if self._is_flooded:
                return
            # Buffered frames are read without a pause: let other tasks run in between.
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
        """Return the seconds to wait until this message is allowed, and record whether there are too many."""
        amount = 1 + size / EVENT_SIZE
        wants_login = message is not None and "reauthRequired" in message
        if message is None or wants_login or "event" not in message:
            self._is_flooded = self._others.spend(amount + wants_login * LOGIN_COST) > 0
            return 0
        delay = self._events.spend(amount)
        if not delay:
            self._slow_since = None
        elif self._slow_since is None:
            self._slow_since = time.monotonic()
        else:
            self._is_flooded = time.monotonic() - self._slow_since > MAX_SLOW_SECONDS
        return delay

    async def _send_json(self, **message: Any) -> None:
        await self._send(WSMsgType.TEXT, json.dumps(message).encode())

    async def _send(self, kind: WSMsgType, data: bytes = b"") -> None:
        try:
            await self._socket.send(kind, data)
        except (ClientError, OSError) as error:
            raise CannotConnect(detail=type(error).__name__) from None
