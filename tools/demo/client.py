"""Home Assistant's API as the browser of one user uses it: REST with a token, and a WebSocket."""

import asyncio
from collections import defaultdict
import itertools
import secrets
from types import TracebackType
from typing import Any, Self

from aiohttp import ClientSession, ClientWebSocketResponse, hdrs
from yarl import URL

from . import DemoError

_TIMEOUT = 60.0  # seconds, for one response


class CommandError(DemoError):
    """Home Assistant refused a WebSocket command; `code` is the reason."""

    def __init__(self, command: str, code: str, message: str) -> None:
        """Keep the reason."""
        super().__init__(f"Home Assistant refused {command}: {message} ({code})")
        self.code = code


class HomeAssistantClient:
    """The browser of the user who has just installed Home Assistant."""

    username = "demo"

    def __init__(self, url: URL) -> None:
        """Prepare to connect to the Home Assistant at this address."""
        self.url = url
        self.password = secrets.token_urlsafe(9)
        self._session = ClientSession()
        self._headers = {"HA-Frontend-Base": str(url).rstrip("/")}
        self._socket: ClientWebSocketResponse | None = None
        self._reader: asyncio.Task[None] | None = None
        self._ids = itertools.count(1)
        self._answers: dict[int, asyncio.Future[dict[str, Any]]] = {}
        self._events: defaultdict[int, asyncio.Queue[dict[str, Any]]] = defaultdict(asyncio.Queue)

    async def __aenter__(self) -> Self:
        """Do nothing: there is no user to log in as yet."""
        return self

    async def __aexit__(
        self, exc_type: type[BaseException] | None, exc: BaseException | None, traceback: TracebackType | None
    ) -> None:
        """Close every connection."""
        if self._socket is not None:
            await self._socket.close()
        if self._reader is not None:
            self._reader.cancel()
        await self._session.close()

    async def onboard(self) -> None:
        """Go through Home Assistant's onboarding: create the owner's account, log in, decline analytics."""
        client_id = str(self.url)
        owner = {"name": "Demo", "username": self.username, "password": self.password}
        made = await self.rest("POST", "/api/onboarding/users", {**owner, "client_id": client_id, "language": "en"})
        grant = {"grant_type": "authorization_code", "code": made["auth_code"], "client_id": client_id}
        async with self._session.post(self.url / "auth" / "token", data=grant) as answer:
            token = (await answer.json())["access_token"]
        self._headers[hdrs.AUTHORIZATION] = f"Bearer {token}"
        await self.rest("POST", "/api/onboarding/analytics", {})
        await self.rest("POST", "/api/onboarding/integration", {"client_id": client_id, "redirect_uri": client_id})
        await self._open_socket(token)

    async def rest(self, method: str, path: str, data: object = None) -> Any:
        """Return the JSON of a successful response."""
        async with self._session.request(method, self.url.join(URL(path)), json=data, headers=self._headers) as answer:
            if not answer.ok:
                raise DemoError(f"{method} {path} answered {answer.status}: {(await answer.text())[:300]}")
            return await answer.json()

    async def picture(self, entity_id: str) -> bytes:
        """Return the current picture of a camera."""
        path = f"/api/camera_proxy/{entity_id}"
        async with self._session.get(self.url.join(URL(path)), headers=self._headers) as answer:
            if not answer.ok:
                raise DemoError(f"{path} answered {answer.status}")
            return await answer.read()

    async def page(self, path: str) -> str:
        """Return the text of a page or script, without logging in."""
        async with self._session.get(self.url.join(URL(path))) as answer:
            if not answer.ok or answer.history:
                raise DemoError(f"{path} answered {(answer.history or [answer])[0].status}, no page")
            return await answer.text()

    async def command(self, command: str, **parameters: object) -> Any:
        """Return the result of a WebSocket command. Raises CommandError."""
        _, result = await self._send(command, parameters)
        return result

    async def events(self, event_type: str) -> asyncio.Queue[dict[str, Any]]:
        """Return a queue that gets every event of a type from now on."""
        number, _ = await self._send("subscribe_events", {"event_type": event_type})
        return self._events[number]

    async def _send(self, command: str, parameters: dict[str, object]) -> tuple[int, Any]:
        assert self._socket is not None, "No user is logged in"
        number = next(self._ids)
        answered = self._answers[number] = asyncio.get_running_loop().create_future()
        await self._socket.send_json({"id": number, "type": command, **parameters})
        try:
            async with asyncio.timeout(_TIMEOUT):
                answer = await answered
        except TimeoutError:
            raise DemoError(f"Home Assistant did not answer {command} within {_TIMEOUT:.0f} s") from None
        if not answer["success"]:
            raise CommandError(command, answer["error"]["code"], answer["error"]["message"])
        return number, answer["result"]

    async def _open_socket(self, token: str) -> None:
        socket = await self._session.ws_connect(self.url / "api" / "websocket", max_msg_size=0)
        await socket.receive_json()
        await socket.send_json({"type": "auth", "access_token": token})
        if (answer := await socket.receive_json())["type"] != "auth_ok":
            raise DemoError(f"The WebSocket refused the log-in: {answer}")
        self._socket = socket
        self._reader = asyncio.create_task(self._read(socket))

    async def _read(self, socket: ClientWebSocketResponse) -> None:
        """Distribute the messages; when the socket is closed, all open requests fail."""
        async for message in socket:
            data = message.json()
            if data["type"] == "result" and (answered := self._answers.pop(data["id"], None)):
                if not answered.done():
                    answered.set_result(data)
            elif data["type"] == "event":
                self._events[data["id"]].put_nowait(data["event"])
        for answered in self._answers.values():
            if not answered.done():
                answered.set_exception(DemoError("Home Assistant closed the WebSocket"))
