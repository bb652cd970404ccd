"""One hop of a request: base URL, headers, timeout, size limit, and the errors that its status codes stand for."""

from collections.abc import AsyncGenerator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from functools import partial
from http import HTTPStatus
import re
from typing import Any, Final

from aiohttp import (
    ClientError,
    ClientHandlerType,
    ClientMiddlewareType,
    ClientRequest,
    ClientResponse,
    ClientSession,
    ClientTimeout,
    DigestAuthMiddleware,
    WSServerHandshakeError,
    encode_basic_auth,
    hdrs,
)
from yarl import URL

from ..errors import (
    BadGateway,
    CannotConnect,
    InvalidResponse,
    OctoPrintTunnelError,
    Problem,
    RequestTimeout,
    UnexpectedStatus,
)
from .message import Request, Response
from .redaction import without_credentials
from .traffic import Traffic
from .websocket import WebSocket

MAX_BODY: Final = 1_000_000  # bytes; the largest response in use, OctoPrint's settings, has some 20 kB
TIMEOUT: Final = ClientTimeout(total=30, connect=10)  # seconds; the services themselves wait up to half an hour
FORM_TIMEOUT: Final = 3600  # seconds for a whole upload
FORM_READ_TIMEOUT: Final = 120  # seconds without a byte of the response to an upload

_UNSENDABLE: Final = re.compile(r"[\x00-\x08\x0a-\x1f\x7f\ud800-\udfff]")
"""Characters that aiohttp refuses in a header: they could start another header or request, or are no characters."""


@dataclass(frozen=True, kw_only=True, slots=True)
class StatusCodes:
    """The status codes of one hop: an error class for each, and one for all others in the range `reserved`."""

    errors: Mapping[int, type[OctoPrintTunnelError]]
    reserved: range = range(0)
    reserved_error: type[OctoPrintTunnelError] | None = None

    def error(self, status: int, detail: str = "") -> OctoPrintTunnelError | None:
        """Return the error that a status stands for, None if the status is not one of this hop."""
        kind = self.errors.get(status)
        if kind is None and status in self.reserved:
            kind = self.reserved_error
        return None if kind is None else kind(code=status, detail=detail)


type Judge = Callable[[int, Mapping[str, str]], OctoPrintTunnelError | None]
"""Returns the error that a response stands for, by its status and its headers; None if it is OctoPrint's own."""

GATEWAY_CODES: Final = StatusCodes(errors={502: BadGateway, 503: BadGateway, 504: BadGateway})
"""Status codes of any proxy on the way; OctoPi's sends 503 while OctoPrint is down."""


@dataclass(frozen=True, slots=True)
class Download:
    """A response whose body is read while it arrives. It has to be closed."""

    content_type: str
    status: int
    headers: Mapping[str, str] = field(repr=False)
    _read: Callable[[], Awaitable[bytes]] = field(repr=False)
    close: Callable[[], None] = field(repr=False)

    async def chunks(self) -> AsyncGenerator[bytes]:
        """Yield the body as it arrives; only what is taken and a buffer are received.

        Raises CannotConnect or RequestTimeout.
        """
        while chunk := await self._read():
            yield chunk


@dataclass(frozen=True, kw_only=True)
class Route:
    """Where requests go, the headers that each of them carries, and what the status codes of the hop mean."""

    session: ClientSession
    base_url: URL
    headers: Mapping[str, str] = field(default_factory=dict, repr=False)
    codes: StatusCodes = GATEWAY_CODES
    judge: Judge | None = None
    """Recognizes responses that come from something before OctoPrint, where their status alone does not show it."""
    verify_ssl: bool = True
    timeout: ClientTimeout | None = None
    traffic: Traffic = field(default_factory=Traffic, compare=False)
    limits: dict[type[OctoPrintTunnelError], str] = field(default_factory=dict, compare=False)
    """What the account allows, for the text of the error that it causes."""

    async def send(self, request: Request) -> Response:
        """Send a request and return its response with any status that is OctoPrint's own.

        A request with a form may take FORM_TIMEOUT. Redirects are returned, not followed: they may lead to another
        host, and the headers are for this one only. Raises CannotConnect, RequestTimeout, InvalidResponse (a body of
        more than MAX_BODY bytes) or the error that `codes` has for the status.
        """
        self.traffic.requests += 1
        return await self._attempt(self._exchange(request))

    async def download(self, url: URL, timeouts: ClientTimeout) -> Download:
        """Start to read from a URL, which has to be one that the headers of the route are for.

        A user and a password in the URL are sent as a browser sends them, Basic or Digest as the server asks.
        Raises CannotConnect, RequestTimeout, the error that `codes` has for the status, or UnexpectedStatus for any
        other status than 200 and 206, redirects included.
        """
        self.traffic.requests += 1
        response = await self._attempt(self._get(url, timeouts))

        async def read() -> bytes:
            return await self._attempt(self._read(response))

        content_type = response.headers.get(hdrs.CONTENT_TYPE, "")
        return Download(content_type, response.status, response.headers, read, response.close)

    @asynccontextmanager
    async def websocket(self, path: str, max_message: int = MAX_BODY) -> AsyncGenerator[WebSocket]:
        """Open a WebSocket, and close it at the end; a message of more than `max_message` bytes closes it, too.

        The session needs `refuse_redirects`. Raises CannotConnect, RequestTimeout, or for a refused handshake the
        error that `codes` has for its status, else UnexpectedStatus.
        """
        self.traffic.requests += 1
        socket = await self._attempt(self._connect(path, max_message))
        try:
            yield socket
        finally:
            await socket.close()

    async def _attempt[ResultT](self, action: Awaitable[ResultT]) -> ResultT:
        """Return the result of an action on the network, or record and raise its error.

        The error is raised outside of the handler, without a cause: some causes hold the request and its credentials.
        """
        try:
            return await action
        except OctoPrintTunnelError as error:
            problem = error.problem
        except TimeoutError:
            problem = Problem(RequestTimeout)
        except (ClientError, OSError) as error:
            problem = Problem(CannotConnect, detail=type(error).__name__)
        except RuntimeError, AttributeError, AssertionError:
            # aiohttp raises these if its session is closed meanwhile: the printer is unloaded during an action.
            if not self.session.closed:
                raise
            problem = Problem(CannotConnect, detail="session closed")
        self.traffic.record_error(problem)
        raise problem.error()

    async def _exchange(self, request: Request) -> Response:
        headers = {**self.headers, **request.headers}
        if any(_UNSENDABLE.search(value) for value in headers.values()):
            raise CannotConnect(detail="control character in a header")
        options: dict[str, Any] = {} if request.json is None else {"json": request.json}
        async with self.session.request(
            request.method,
            (self.base_url / request.path.lstrip("/")).with_query(request.query),
            data=request.form,
            headers=headers,
            allow_redirects=False,
            timeout=self._timeout(request),
            ssl=self.verify_ssl,
            **options,
        ) as response:
            if error := self._error(response.status, response.headers):
                raise error
            body = await self._read_all(response)
            return Response(response.status, response.headers, without_credentials(body, headers))

    async def _read_all(self, response: ClientResponse) -> bytes:
        body = bytearray()
        while chunk := await self._read(response):
            body += chunk
            if len(body) > MAX_BODY:
                raise InvalidResponse(detail=f"more than {MAX_BODY} bytes")
        return bytes(body)

    async def _read(self, response: ClientResponse) -> bytes:
        chunk = await response.content.readany()
        self.traffic.bytes_received += len(chunk)
        return chunk

    async def _get(self, url: URL, timeouts: ClientTimeout) -> ClientResponse:
        headers, middlewares = self.headers, None
        if url.raw_user is not None:
            user, password, url = url.user or "", url.password or "", url.with_user(None)
            if ":" in user:
                raise CannotConnect(detail="colon in a user name")
            headers = {**headers, hdrs.AUTHORIZATION: encode_basic_auth(user, password)}
            middlewares = (_digest(user, password),)
        response = await self.session.get(
            url,
            headers=headers,
            allow_redirects=False,
            timeout=timeouts,
            middlewares=middlewares,
            ssl=self.verify_ssl,
        )
        error = self._error(response.status, response.headers)
        if response.status in (HTTPStatus.OK, HTTPStatus.PARTIAL_CONTENT) and error is None:
            return response
        response.close()
        raise error or UnexpectedStatus(code=response.status)

    async def _connect(self, path: str, max_message: int) -> WebSocket:
        try:
            return await WebSocket.open(
                self.session,
                self.base_url / path.lstrip("/"),
                self.headers,
                max_message,
                verify_ssl=self.verify_ssl,
            )
        except WSServerHandshakeError as error:
            raise self._error(error.status, error.headers or {}) or UnexpectedStatus(code=error.status) from None

    def _timeout(self, request: Request) -> ClientTimeout:
        """Return the time limits of a request; some may take longer, but not to connect."""
        timeout = self.timeout or TIMEOUT
        if request.form is not None:
            return ClientTimeout(total=FORM_TIMEOUT, connect=timeout.connect, sock_read=FORM_READ_TIMEOUT)
        if request.may_take is not None:
            return ClientTimeout(total=request.may_take, connect=timeout.connect)
        return timeout

    def _error(self, status: int, headers: Mapping[str, str]) -> OctoPrintTunnelError | None:
        if error := self.codes.error(status):
            limit = self.limits.get(type(error))
            return error if limit is None else type(error)(code=error.code, detail=limit)
        if self.judge and (error := self.judge(status, headers)):
            return error
        return GATEWAY_CODES.error(status)


async def _digest_login(
    digest: DigestAuthMiddleware, request: ClientRequest, handler: ClientHandlerType
) -> ClientResponse:
    try:
        return await digest(request, handler)
    except (ValueError, IndexError) as error:  # raised by aiohttp for an address in the challenge that it cannot read
        raise ClientError("invalid challenge") from error


def _digest(user: str, password: str) -> ClientMiddlewareType:
    """Return a middleware that logs in by Digest where the server asks for it."""
    return partial(_digest_login, DigestAuthMiddleware(user, password))
