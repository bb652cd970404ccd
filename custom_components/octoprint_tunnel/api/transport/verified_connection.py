"""The open connection on which an address has shown that it is the same OctoPrint, and requests that use no other."""

from collections.abc import Callable, Generator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from typing import override
from weakref import ReferenceType, ref

from aiohttp import ClientError, ClientRequest, ClientResponse
from aiohttp.client_proto import ResponseHandler
from aiohttp.connector import Connection

_observer: ContextVar[Callable[[ResponseHandler], None] | None] = ContextVar("observer", default=None)
"""Is called with the connection of each request of this task, before anything is sent on it."""


class NotVerified(ClientError):
    """Nothing was sent, because the connection was not verified."""


class ObservedRequest(ClientRequest):
    """A request whose connection can be observed or refused: the `request_class` of sessions."""

    @override
    async def send(self, conn: Connection) -> ClientResponse:
        observe = _observer.get()
        if observe is not None and conn.protocol is not None:
            observe(conn.protocol)
        return await super().send(conn)


@dataclass(slots=True)
class Restriction:
    """Whether a request was refused."""

    is_refused: bool = False


class VerifiedConnection:
    """The last connection that an address was verified on. The session needs `ObservedRequest`; else none is known."""

    def __init__(self) -> None:
        """Start without a connection."""
        self._ref: ReferenceType[ResponseHandler] | None = None

    def forget(self) -> None:
        """Verify the connection again."""
        self._ref = None

    def leads_to(self, peer: object) -> bool:
        """Tell whether the connection is kept alive, to this IP address and port, and has become no WebSocket."""
        connection = self._ref() if self._ref else None
        return connection is not None and _peer(connection) == peer and not connection.should_close

    @contextmanager
    def watch(self) -> Generator[Callable[[], None]]:
        """Watch the requests inside; the function that is yielded records that the last one verified its connection."""
        last: ResponseHandler | None = None

        def observe(connection: ResponseHandler) -> None:
            nonlocal last
            last = connection

        def record() -> None:
            if last is not None:
                self._ref = ref(last)

        with _observing(observe):
            yield record

    @contextmanager
    def only(self, peer: object) -> Generator[Restriction]:
        """Refuse the requests inside before they are sent, unless on the verified connection, and that to `peer`."""
        restriction = Restriction()

        def observe(connection: ResponseHandler) -> None:
            is_verified = self._ref is not None and self._ref() is connection
            if not is_verified or peer is None or _peer(connection) != peer:
                restriction.is_refused = True
                raise NotVerified

        with _observing(observe):
            yield restriction


@contextmanager
def _observing(observe: Callable[[ResponseHandler], None]) -> Generator[None]:
    token = _observer.set(observe)
    try:
        yield
    finally:
        _observer.reset(token)


def _peer(connection: ResponseHandler) -> object:
    """Return the IP address and port of the other end, None if the connection is closed."""
    transport = connection.transport
    return None if transport is None or transport.is_closing() else transport.get_extra_info("peername")
