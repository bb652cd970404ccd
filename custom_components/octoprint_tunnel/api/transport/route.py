"""A way that requests can go, and how one request travels it: time-out, size limit, errors of that hop."""

import asyncio
from base64 import b64decode
from collections.abc import AsyncGenerator, Iterable, Mapping
from contextlib import asynccontextmanager, suppress
from contextvars import ContextVar
from dataclasses import dataclass, field
from functools import lru_cache
from html import escape
from http import HTTPStatus
from json import dumps as json_text
from typing import Any, Final, Literal, Protocol
from urllib.parse import quote

from aiohttp import (
    ClientError,
    ClientHandlerType,
    ClientRequest,
    ClientResponse,
    ClientSession,
    ClientTimeout,
    ClientWebSocketResponse,
    DigestAuthMiddleware,
    FormData,
    WSCloseCode,
    WSMsgType,
    WSServerHandshakeError,
    encode_basic_auth,
    hdrs,
)
from yarl import URL

from ..errors import BadGateway, CannotConnect, InvalidResponse, OctoPrintTunnelError, RequestTimeout, UnexpectedStatus
from ..json_object import JsonObject
from .addresses import typed_address, web_address  # noqa: F401 - known here before they had a file of their own
from .traffic import Traffic

MAX_BODY = 1_000_000  # bytes; the largest answer in use, OctoPrint's settings, has some 20 kB
TIMEOUT = ClientTimeout(total=30, connect=10)  # seconds; the services themselves wait up to half an hour
FORM_TIMEOUT = 3600  # seconds
FORM_PAUSE = 120  # seconds without a byte of the answer
HANDSHAKE_TIMEOUT = 15  # seconds
CREDENTIALS = ("Authorization", "AppToken", "X-Api-Key")  # headers
MIN_SECRET = 12  # characters; what is shorter stands in other words, too
CLOSING_SECONDS = 2

_handshakes: ContextVar[list[ClientResponse]] = ContextVar("handshakes")
"""The responses to the handshake of the WebSocket that is being opened; closing the last one ends its connection."""


async def refuse_redirects(request: ClientRequest, handler: ClientHandlerType) -> ClientResponse:
    """Let no WebSocket be redirected, as a middleware of the session: aiohttp cannot be told so otherwise."""
    response = await handler(request)
    if hdrs.UPGRADE in request.headers:
        if hdrs.LOCATION in response.headers:
            response.close()
            raise WSServerHandshakeError(response.request_info, (), status=response.status)
        _handshakes.get([]).append(response)
    return response


@dataclass(frozen=True, slots=True)
class Response:
    """A complete answer."""

    status: int
    headers: Mapping[str, str] = field(repr=False)
    body: bytes = field(repr=False)

    def json(self) -> JsonObject:
        """Return the body as a JSON object. Raises InvalidResponse."""
        return JsonObject.parse(self.body)


@dataclass(frozen=True, kw_only=True, slots=True)
class StatusCodes:
    """How one hop names its errors: a class for each status, and one for any other status in `reserved`."""

    errors: Mapping[int, type[OctoPrintTunnelError]]
    reserved: range = range(0)
    reserved_error: type[OctoPrintTunnelError] | None = None

    def error(self, status: int) -> OctoPrintTunnelError | None:
        """Return the error that a status stands for, None where it is not this hop's."""
        kind = self.errors.get(status)
        if kind is None and status in self.reserved:
            kind = self.reserved_error
        return None if kind is None else kind(code=status)


GATEWAY_CODES = StatusCodes(errors={502: BadGateway, 503: BadGateway, 504: BadGateway})
"""What any proxy on the way may answer; OctoPi's says 503 while OctoPrint is down."""


@dataclass(frozen=True, slots=True)
class Download:
    """An answer whose body is still to come; has to be closed."""

    content_type: str
    _response: ClientResponse = field(repr=False)
    _traffic: Traffic = field(repr=False)

    async def chunks(self) -> AsyncGenerator[bytes]:
        """Yield the body as it comes; nothing more is received than what is taken and a buffer.

        Raises CannotConnect or RequestTimeout.
        """
        try:
            async for chunk in self._response.content.iter_any():
                self._traffic.bytes_received += len(chunk)
                yield chunk
        except (TimeoutError, ClientError, OSError, RuntimeError) as error:
            failure = _failure(error)
        else:
            return
        self._traffic.record_error(failure.problem)
        raise failure

    def close(self) -> None:
        """Receive no more."""
        self._response.close()


class WebSocket:
    """An open WebSocket whose frames come as bytes, pings and pongs too; has to be closed."""

    def __init__(self, socket: ClientWebSocketResponse[Literal[False]], handshake: ClientResponse | None) -> None:
        """Take over `socket`, which began with `handshake`; None where the session did not hand that out."""
        self.is_closed = False
        self._socket = socket
        self._handshake = handshake

    @property
    def close_code(self) -> int | None:
        """Return what the socket was closed with, None while it is open."""
        return self._socket.close_code

    def __aiter__(self) -> ClientWebSocketResponse[Literal[False]]:
        """Yield each frame as it comes, until the socket ends."""
        return self._socket

    async def send(self, kind: WSMsgType, data: bytes) -> None:
        """Send a frame. Raises ClientError or OSError."""
        await self._socket.send_frame(data, kind)

    async def close(self) -> None:
        """End the socket.

        The other end is told, but its answer is not waited for: aiohttp reads everything that comes before that without
        a pause.
        """
        if self.is_closed:
            return
        self.is_closed = True
        try:
            with suppress(TimeoutError, ClientError, OSError):
                async with asyncio.timeout(CLOSING_SECONDS):
                    await self.send(WSMsgType.CLOSE, WSCloseCode.OK.to_bytes(2))
        finally:
            if self._handshake:
                self._handshake.close()
            await self._socket.close()  # wakes who waits for a frame; without a connection it reads nothing


def _secrets(headers: Mapping[str, str]) -> list[str]:
    """Return the credentials among the headers of a request."""
    return [secret for name in CREDENTIALS if name in headers for secret in _credentials(headers[name])]


# Both are the same for each response, and few: some headers for each printer.


@lru_cache(maxsize=128)
def _credentials(header: str) -> tuple[str, ...]:
    """Return the credentials in a header, and for Basic the user and the password, too."""
    kind, _, credential = header.rpartition(" ")
    if kind == "Basic":
        with suppress(ValueError):
            return (credential, *b64decode(credential).decode(errors="replace").split(":", 1))
    return (credential,)


@lru_cache(maxsize=256)
def _spellings(secret: str) -> frozenset[bytes]:
    """Return a credential as it is, and as JSON, an address and a page hold it; nothing for one that is too short."""
    if len(secret) < MIN_SECRET:
        return frozenset()
    spellings = (secret, json_text(secret)[1:-1], quote(secret, safe=""), quote(secret), escape(secret))
    return frozenset(spelling.encode() for spelling in spellings)


def without_secrets(body: bytes, secrets: Iterable[str]) -> bytes:
    """Return a body without the credentials that were sent: a server may repeat them in its words for an error."""
    for secret in secrets:
        for spelling in _spellings(secret):
            body = body.replace(spelling, b"***")
    return body


def _failure(error: Exception) -> OctoPrintTunnelError:
    """Return what an error of the network means; raised outside its handler, it leaves the cause behind.

    Some causes hold the request with all of its headers.
    """
    return RequestTimeout() if isinstance(error, TimeoutError) else CannotConnect(detail=type(error).__name__)


class Requester(Protocol):
    """What a client speaks over."""

    async def request(
        self,
        method: str,
        path: str,
        *,
        query: Mapping[str, str] | None = None,
        headers: Mapping[str, str] | None = None,
        json: object = None,
        form: FormData | None = None,
    ) -> Response:
        """Send one request and return its answer; raises the errors of `Route.request`."""


FAILURES: Final = (TimeoutError, ClientError, OSError, ValueError, RuntimeError, AttributeError)
"""What a session raises where a request fails.

RuntimeError comes from one that is closed, AttributeError from one that is closed while a connection is made: the
printer is unloaded during an action.
"""


@dataclass(frozen=True, kw_only=True)
class Route:
    """Where requests go, what each of them carries, and what the status codes of the hop mean."""

    session: ClientSession
    base_url: URL
    headers: Mapping[str, str] = field(default_factory=dict, repr=False)
    codes: StatusCodes = GATEWAY_CODES
    timeout: ClientTimeout | None = None
    traffic: Traffic = field(default_factory=Traffic, compare=False)

    async def request(
        self,
        method: str,
        path: str,
        *,
        query: Mapping[str, str] | None = None,
        headers: Mapping[str, str] | None = None,
        json: object = None,
        form: FormData | None = None,
    ) -> Response:
        """Send one request and return its answer, with any status that OctoPrint gave it.

        A form may hold a file, and may take as long as that needs. Redirects are handed back: they may lead to another
        host, and the headers are for this one only. Raises CannotConnect, RequestTimeout, InvalidResponse (a body over
        MAX_BODY) or the error that `codes` has for the status.
        """
        options: dict[str, Any] = {} if json is None else {"json": json}
        if form is not None:
            options["data"] = form
        sent = {**self.headers, **(headers or {})}
        self.traffic.requests += 1
        try:
            async with self.session.request(
                method,
                (self.base_url / path.lstrip("/")).with_query(query),
                headers=sent,
                allow_redirects=False,
                timeout=self._timeout(form),
                **options,
            ) as response:
                failure = self._error(response.status)
                body = bytearray()
                while failure is None and (chunk := await response.content.readany()):
                    self.traffic.bytes_received += len(chunk)
                    body += chunk
                    if len(body) > MAX_BODY:
                        failure = InvalidResponse(detail=f"more than {MAX_BODY} bytes")
                if failure is None:
                    return Response(response.status, response.headers, without_secrets(bytes(body), _secrets(sent)))
        except FAILURES as error:
            failure = _failure(error)
        self.traffic.record_error(failure.problem)
        raise failure

    async def download(self, url: URL, patience: ClientTimeout) -> Download:
        """Ask for what is at an address, which has to be one that the route's headers are for.

        A user and a password in the address are sent as a browser would, Basic or Digest as the server asks.
        Raises CannotConnect, RequestTimeout, the error that `codes` has for the status, or UnexpectedStatus for any
        other that is no success, redirects among them.
        """
        self.traffic.requests += 1
        headers, middlewares = self.headers, None
        try:
            if url.raw_user is not None:
                user, password, url = url.user or "", url.password or "", url.with_user(None)
                headers = {**headers, hdrs.AUTHORIZATION: encode_basic_auth(user, password)}
                middlewares = (DigestAuthMiddleware(user, password),)
            response = await self.session.get(
                url, headers=headers, allow_redirects=False, timeout=patience, middlewares=middlewares
            )
        except FAILURES as error:
            failure = _failure(error)
        else:
            if response.status == HTTPStatus.OK:
                return Download(response.headers.get(hdrs.CONTENT_TYPE, ""), response, self.traffic)
            response.close()
            failure = self._error(response.status) or UnexpectedStatus(code=response.status)
        self.traffic.record_error(failure.problem)
        raise failure

    @asynccontextmanager
    async def websocket(self, path: str, max_message: int = MAX_BODY) -> AsyncGenerator[WebSocket]:
        """Open a WebSocket, and close it at the end.

        A message of more bytes than `max_message` closes it. The session needs `refuse_redirects`.

        Raises CannotConnect, RequestTimeout, or for a refused handshake the error that `codes` has for its status,
        UnexpectedStatus where it has none.
        """
        self.traffic.requests += 1
        handshakes: list[ClientResponse] = []
        _handshakes.set(handshakes)
        try:
            async with asyncio.timeout(HANDSHAKE_TIMEOUT):
                socket = await self.session.ws_connect(
                    self.base_url / path.lstrip("/"),
                    headers=self.headers,
                    autoping=False,  # and no heartbeat: aiohttp's goes on after the end
                    max_msg_size=max_message,
                    decode_text=False,
                )
        except WSServerHandshakeError as error:
            failure = self._error(error.status) or UnexpectedStatus(code=error.status)
        except FAILURES as error:
            failure = _failure(error)
        else:
            opened = WebSocket(socket, handshakes[-1] if handshakes else None)
            try:
                yield opened
            finally:
                await opened.close()
            return
        self.traffic.record_error(failure.problem)
        raise failure

    def _timeout(self, form: FormData | None) -> ClientTimeout:
        """Return how long a request may take; a connection has to be there as soon as for any other."""
        timeout = self.timeout or TIMEOUT
        if form is None:
            return timeout
        return ClientTimeout(total=FORM_TIMEOUT, connect=timeout.connect, sock_read=FORM_PAUSE)

    def _error(self, status: int) -> OctoPrintTunnelError | None:
        return self.codes.error(status) or GATEWAY_CODES.error(status)
