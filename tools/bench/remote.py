"""The relay in a process of its own, so that only Home Assistant's time and memory are measured."""

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable, Iterator
import contextlib
from dataclasses import dataclass, replace
import json
from multiprocessing import get_context
from multiprocessing.connection import Connection
import signal
import threading
import time
from typing import Any, Self, cast
import warnings

import aiohttp
from pytest_socket import enable_socket

from tests.relay.obico import Tunnel
from tests.relay.octoeverywhere import AppConnection
from tests.relay.printer import Printer
from tests.relay.server import Relay

EVENT = "PrinterStateChanged"
OPERATIONAL = "OPERATIONAL"
GONE = ("OFFLINE", "CLOSED", "OFFLINE_AFTER_ERROR")
_PATIENCE = 30.0


@dataclass(frozen=True, kw_only=True)
class Counts:
    """The traffic of the relay; bytes are HTTP bodies and WebSocket payload, in both directions."""

    requests: int = 0
    """All requests, also those that opened a WebSocket."""
    bytes: int = 0
    sockets: int = 0
    """The requests that opened a WebSocket."""
    socket_bytes: int = 0
    """The bytes of WebSockets."""

    def __add__(self, other: Self) -> Self:
        """Return the sum."""
        return replace(self, **{name: value + getattr(other, name) for name, value in vars(self).items()})

    def __sub__(self, other: Self) -> Self:
        """Return the difference."""
        return replace(self, **{name: value - getattr(other, name) for name, value in vars(self).items()})

    def scaled(self, factor: float) -> Self:
        """Return the counts, multiplied."""
        return replace(self, **{name: round(value * factor) for name, value in vars(self).items()})


class Observer:
    """A push socket directly to OctoPrint that records when the state changes."""

    def __init__(self, printer: Printer) -> None:
        """Prepare to watch this printer's OctoPrint."""
        self._printer = printer
        self._headers = {"X-Api-Key": printer.api_key or ""}
        self._latest: tuple[str, float] = ("", 0.0)
        self._changed = asyncio.Event()

    @contextlib.asynccontextmanager
    async def watching(self) -> AsyncGenerator[Self]:
        """Watch until the end of the context."""
        async with aiohttp.ClientSession(cookie_jar=aiohttp.DummyCookieJar(), headers=self._headers) as session:
            self._session = session
            async with session.post(f"{self._printer.url}/api/login", json={"passive": True}) as response:
                login = await response.json()
            async with session.ws_connect(f"{self._printer.url}/sockjs/websocket", max_msg_size=0) as socket:
                await socket.receive()
                await socket.send_json({"subscribe": {"state": False, "plugins": False, "events": [EVENT]}})
                await socket.send_json({"auth": f"{login['name']}:{login['session']}"})
                task = asyncio.create_task(self._follow(socket))
                try:
                    yield self
                finally:
                    task.cancel()

    async def change(self, command: str) -> float:
        """Connect or disconnect the printer; returns the real monotonic time at which OctoPrint reported it."""
        wanted = (OPERATIONAL,) if command == "connect" else GONE
        self._latest = ("", 0.0)
        async with self._session.post(f"{self._printer.url}/api/connection", json={"command": command}) as response:
            response.raise_for_status()
        async with asyncio.timeout(_PATIENCE):
            while self._latest[0] not in wanted:
                await self._changed.wait()
                self._changed.clear()
        return self._latest[1]

    async def _follow(self, socket: aiohttp.ClientWebSocketResponse) -> None:
        async for message in socket:
            arrived = time.monotonic()
            event = json.loads(message.data).get("event", {})
            if event.get("type") == EVENT:
                self._latest = (event["payload"]["state_id"], arrived)
                self._changed.set()


@dataclass(frozen=True, kw_only=True)
class Stage:
    """The objects in the relay's process; its methods are called there."""

    relay: Relay
    observer: Observer

    async def add_connection(self) -> AppConnection:
        """Issue an App Connection."""
        return self.relay.octoeverywhere.add_connection()

    async def add_tunnel(self) -> Tunnel:
        """Issue an Obico tunnel."""
        return await self.relay.obico.add_tunnel()

    async def change(self, command: str) -> float:
        """Connect or disconnect the printer; see Observer."""
        return await self.observer.change(command)

    async def hang(self, host: str) -> None:
        """Accept requests to this host without a response."""
        self.relay.hang(host)

    async def heal(self) -> None:
        """Respond again."""
        self.relay.heal()

    async def opened_sockets(self) -> int:
        """Return the number of WebSockets opened so far."""
        return sum(exchange.status == 101 for exchange in self.relay.requests)

    async def counts(self) -> tuple[Counts, Counts]:
        """Count the traffic to OctoPrint on all routes, and that to the services themselves."""
        service, printer = Counts(), Counts()
        for exchange in self.relay.requests:
            size = exchange.request_bytes + exchange.response_bytes
            if exchange.service.matches("tunnel") or exchange.service.matches("local"):
                socket = exchange.status == 101
                printer += Counts(requests=1, bytes=size, sockets=int(socket), socket_bytes=size * socket)
            else:
                service += Counts(requests=1, bytes=size)
        return printer, service


class RelayProcess:
    """The relay's process, which ends when the process that started it ends."""

    def __init__(self) -> None:
        """Start the process, which begins as a copy of this one."""
        # Forked, because the trusted certificates were made in this process.
        context = get_context("fork")
        self._pipe, there = context.Pipe()
        self._process = context.Process(target=_run, args=(self._pipe, there), daemon=True)
        with warnings.catch_warnings():
            # The other threads only wait for the end of the session.
            warnings.simplefilter("ignore", DeprecationWarning)
            self._process.start()
        there.close()

    def close(self) -> None:
        """End the process."""
        self._pipe.close()
        self._process.join(10)
        self._process.kill()

    @contextlib.contextmanager
    def relay(self, printer: Printer) -> Iterator[RemoteRelay]:
        """Run a relay for this printer, and watch its OctoPrint."""
        self._pipe.send(printer)
        relay = RemoteRelay(self._pipe)
        yield relay
        self._pipe.send(None)
        self._pipe.recv()


class RemoteRelay:
    """One relay in that process, called from this one."""

    def __init__(self, pipe: Connection) -> None:
        """Wait until the relay has started."""
        self._pipe = pipe
        self._lock = threading.Lock()
        self.port, self.local_url, self.local_tls_url = cast("tuple[int, str, str]", pipe.recv())

    def call[T](self, method: Callable[..., Awaitable[T]], *arguments: Any) -> T:
        """Call a method of `Stage`; returns or raises what it does."""
        with self._lock:
            self._pipe.send((method.__name__, arguments))
            result = self._pipe.recv()
        if isinstance(result, Exception):
            raise result
        return cast(T, result)

    async def call_aside[T](self, method: Callable[..., Awaitable[T]], *arguments: Any) -> T:
        """Call a method of `Stage` without blocking the event loop."""
        return await asyncio.get_running_loop().run_in_executor(None, self.call, method, *arguments)


def _run(parents: Connection, pipe: Connection) -> None:
    """Serve until the other end of the pipe is closed."""
    parents.close()
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    enable_socket()
    with contextlib.suppress(EOFError):
        asyncio.run(_serve(pipe))


async def _serve(pipe: Connection) -> None:
    """Run one relay after the other; raises EOFError at the end."""
    while True:
        printer = await asyncio.to_thread(pipe.recv)
        async with Relay(printer) as relay, Observer(printer).watching() as observer:
            pipe.send((relay.port, relay.local.url, relay.local.tls_url))
            stage = Stage(relay=relay, observer=observer)
            while (called := await asyncio.to_thread(pipe.recv)) is not None:
                name, arguments = called
                try:
                    pipe.send(await getattr(stage, name)(*arguments))
                except Exception as error:  # noqa: BLE001 - raised in the calling process
                    pipe.send(error)
        pipe.send(None)
