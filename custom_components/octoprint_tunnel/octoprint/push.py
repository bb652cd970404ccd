"""OctoPrint's push socket: it says what has changed, instead of being asked again and again.

Source: OctoPrint's documentation, "Push updates", and what 1.11 and 2.0 send.
"""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from dataclasses import dataclass
import json
from typing import Any, Literal

from aiohttp import ClientError, ClientWebSocketResponse, WSMsgType

from ..errors import CannotConnect, InvalidResponse, RequestTimeout
from ..json_object import JsonObject
from ..route import Route
from ..traffic import Traffic
from .client import OctoPrint

PATH = "/sockjs/websocket"
GREETING_TIMEOUT = 10  # seconds; a service may open a socket behind which there is no OctoPrint

STATE_CHANGED = "PrinterStateChanged"
ERROR = "Error"
SETTINGS_UPDATED = "SettingsUpdated"
EVENTS = ("Connecting", "Connected", "Disconnected", STATE_CHANGED, ERROR, SETTINGS_UPDATED)


@dataclass(frozen=True, kw_only=True, slots=True)
class Event:
    """Something that happened in OctoPrint, with what it says of it."""

    type: str
    payload: JsonObject


class PushSocket:
    """An open push socket, logged in and subscribed to EVENTS alone."""

    def __init__(self, octoprint: OctoPrint, socket: ClientWebSocketResponse[Literal[False]], traffic: Traffic) -> None:
        """Speak over `socket` with the OctoPrint that `octoprint` logs in to."""
        self._octoprint = octoprint
        self._socket = socket
        self._traffic = traffic
        self._waits_for_pong = False

    @classmethod
    @asynccontextmanager
    async def open(cls, route: Route, api_key: str) -> AsyncGenerator[PushSocket]:
        """Log in, open a socket and subscribe; the socket is closed at the end.

        Raises what `OctoPrint.request` and `Route.websocket` raise, and RequestTimeout where OctoPrint itself does not
        speak within GREETING_TIMEOUT.
        """
        octoprint = OctoPrint(route, api_key)
        session = await octoprint.login()
        async with route.websocket(PATH) as socket:
            push = cls(octoprint, socket, route.traffic)
            # Obico loses what is sent before OctoPrint has spoken.
            await push._greeting()
            # The subscription goes first: it silences the feed of the state, which a log-in begins.
            await push._say(subscribe={"state": False, "plugins": False, "events": list(EVENTS)})
            await push._say(auth=session)
            yield push

    async def events(self) -> AsyncGenerator[Event]:
        """Yield what happens until the socket ends. What cannot be understood is passed over.

        Raises CannotConnect where the socket breaks while OctoPrint wants a new log-in, and what the log-in raises.
        """
        async for message in self._messages():
            if "reauthRequired" in message:
                await self._say(auth=await self._octoprint.login())
            elif kind := (event := message.object("event")).exact("type"):
                yield Event(type=kind, payload=event.object("payload"))

    @property
    def close_code(self) -> int | None:
        """Return what the socket was closed with; None while it is open, and where the connection broke."""
        return self._socket.close_code

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
            raise CannotConnect(detail=f"push socket closed with {self.close_code}")
        raise RequestTimeout

    async def _messages(self) -> AsyncGenerator[JsonObject]:
        async for frame in self._socket:
            self._waits_for_pong = False
            if frame.type is WSMsgType.PING:
                await self._send(WSMsgType.PONG, frame.data)
            if frame.type is not WSMsgType.TEXT:
                continue
            self._traffic.bytes_received += len(frame.data)
            # Frames that are here already come without a pause; others want to run as well.
            await asyncio.sleep(0)
            try:
                message = JsonObject.parse(frame.data)
            except InvalidResponse:
                continue
            yield message

    async def _say(self, **message: Any) -> None:
        await self._send(WSMsgType.TEXT, json.dumps(message).encode())

    async def _send(self, kind: WSMsgType, data: bytes = b"") -> None:
        try:
            await self._socket.send_frame(data, kind)
        except (ClientError, OSError) as error:
            failure = CannotConnect(detail=type(error).__name__)
        else:
            return
        raise failure
