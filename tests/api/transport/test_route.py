"""One request over one hop: what it carries, what comes back, and the error for everything that goes wrong."""

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable, Mapping
import contextlib
from dataclasses import replace
import gzip
import secrets
import socket
import traceback

from aiohttp import ClientSession, ClientTimeout, DummyCookieJar, TraceConfig, encode_basic_auth, web
from aiohttp.test_utils import RawTestServer
import pytest
from yarl import URL

from custom_components.octoprint_tunnel.api.errors import (
    BadGateway,
    CannotConnect,
    InvalidResponse,
    NotSupporter,
    OctoPrintOffline,
    OctoPrintTunnelError,
    RequestTimeout,
    ServiceError,
)
from custom_components.octoprint_tunnel.api.transport import route as route_module
from custom_components.octoprint_tunnel.api.transport.message import Request, Response
from custom_components.octoprint_tunnel.api.transport.route import GATEWAY_CODES, MAX_BODY, Route, StatusCodes
from custom_components.octoprint_tunnel.api.transport.websocket import refuse_redirects

from ...relay.octoeverywhere import AppConnection
from ...relay.server import Relay

PASSWORD = secrets.token_hex(16)
API_KEY = secrets.token_hex(16)
AUTHORIZATION = encode_basic_auth("user", PASSWORD)
GET = Request("GET", "/api/connection", headers={"X-Api-Key": API_KEY})

type Handler = Callable[[web.BaseRequest], Awaitable[web.StreamResponse]]


@pytest.fixture
async def session(socket_enabled: None) -> AsyncGenerator[ClientSession]:
    """Return a session without cookies."""
    async with ClientSession(cookie_jar=DummyCookieJar()) as session:
        yield session


@pytest.fixture
def route(session: ClientSession, connection: AppConnection) -> Route:
    """Return the route through an App Connection, with the status codes of proxies alone."""
    authorization = encode_basic_auth(connection.user, connection.password)
    return Route(session=session, base_url=URL(connection.url), headers={"Authorization": authorization})


@contextlib.asynccontextmanager
async def _served(session: ClientSession, handler: Handler) -> AsyncGenerator[Route]:
    """Serve the responses of a handler."""
    async with RawTestServer(handler) as server:
        yield Route(session=session, base_url=server.make_url(""), headers={"Authorization": AUTHORIZATION})


@contextlib.asynccontextmanager
async def _sending(session: ClientSession, data: bytes, *, hang_up: bool = True) -> AsyncGenerator[Route]:
    """Send these bytes to every client, HTTP or not, and hang up or stay silent."""

    async def send(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(data)
        await writer.drain()
        if not hang_up:
            await reader.read()
        writer.close()

    async with await asyncio.start_server(send, "127.0.0.1", 0) as server:
        url = URL(f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}")
        yield Route(session=session, base_url=url, headers={"Authorization": AUTHORIZATION})


# requests


async def test_a_request_carries_the_headers_of_the_route_and_its_own(route: Route, relay: Relay) -> None:
    """Its own headers win."""
    await route.send(GET)
    [request] = relay.seen("octoeverywhere_tunnel")
    assert request.headers["Authorization"] == route.headers["Authorization"]
    assert request.headers["X-Api-Key"] == API_KEY
    await route.send(Request("GET", "/", headers={"Authorization": "Bearer other"}))
    assert relay.requests[-1].headers["Authorization"] == "Bearer other"


@pytest.mark.parametrize("path", ["/api/version", "api/version"])
@pytest.mark.parametrize("query", [None, {"exclude": "temperature,sd", "name": "Tom & Jerry?=#/\u00fc"}])
async def test_path_and_query_are_sent(route: Route, relay: Relay, path: str, query: dict[str, str] | None) -> None:
    """The path starts at the base URL, with or without a slash."""
    await route.send(Request("GET", path, query=query))
    [request] = relay.seen("octoeverywhere_tunnel")
    assert (request.method, request.path, dict(request.query)) == ("GET", "/api/version", query or {})


async def test_a_base_url_may_have_a_path(session: ClientSession) -> None:
    """A slash at the end of the request's path is kept."""

    async def respond(request: web.BaseRequest) -> web.Response:
        return web.Response(text=request.path)

    async with _served(session, respond) as served:
        route = Route(session=session, base_url=served.base_url / "octoprint")
        assert (await route.send(Request("GET", "/_tsd_/tunnelusage/"))).body == b"/octoprint/_tsd_/tunnelusage/"


@pytest.mark.parametrize(
    ("json", "body", "content_type"),
    [
        (None, b"", None),
        ({}, b"{}", "application/json"),
        ({"command": "disconnect"}, b'{"command": "disconnect"}', "application/json"),
    ],
)
async def test_a_body_is_json(session: ClientSession, json: object, body: bytes, content_type: str | None) -> None:
    """Or there is none."""
    received: list[tuple[bytes, str | None]] = []

    async def receive(request: web.BaseRequest) -> web.Response:
        received.append((await request.read(), request.headers.get("Content-Type")))
        return web.Response(status=204)

    async with _served(session, receive) as route:
        await route.send(Request("POST", "/api/connection", json=json))
    assert (received[0][0], content_type and received[0][1]) == (body, content_type)


async def test_a_redirect_is_not_followed(session: ClientSession) -> None:
    """The credentials are for this host only."""
    visited: list[str] = []

    async def elsewhere(request: web.BaseRequest) -> web.Response:
        visited.append(request.path)
        return web.Response()

    async with _served(session, elsewhere) as other:
        location = str(other.base_url / "login")

        async def redirect(request: web.BaseRequest) -> web.Response:
            return web.Response(status=302, headers={"Location": location})

        async with _served(session, redirect) as route:
            response = await route.send(GET)
    assert (response.status, response.headers["Location"], visited) == (302, location, [])


# responses


@pytest.mark.parametrize("status", [200, 204, 304, 400, 401, 403, 404, 409, 418, 500, 601])
async def test_other_status_codes_are_returned(route: Route, relay: Relay, status: int) -> None:
    """They are OctoPrint's own. The body is returned, too."""
    body = "" if status in (204, 304) else "text"
    relay.fail("tunnel", status, body)
    response = await route.send(GET)
    assert (response.status, response.body) == (status, body.encode())


@pytest.mark.parametrize("codes", [GATEWAY_CODES, StatusCodes(errors={601: OctoPrintOffline})])
@pytest.mark.parametrize("status", [502, 503, 504])
async def test_a_proxy_without_octoprint_is_a_bad_gateway(
    route: Route, relay: Relay, codes: StatusCodes, status: int
) -> None:
    """On every hop. The page of the proxy is not read."""
    relay.fail("tunnel", status, "TimeoutError('secret')")
    with pytest.raises(BadGateway) as caught:
        await Route(session=route.session, base_url=route.base_url, codes=codes).send(GET)
    assert (caught.value.code, caught.value.detail) == (status, "")


@pytest.mark.parametrize(
    ("status", "error"), [(605, NotSupporter), (600, ServiceError), (699, ServiceError), (599, None), (700, None)]
)
async def test_a_status_code_of_the_hop_is_an_error(
    route: Route, relay: Relay, status: int, error: type[OctoPrintTunnelError] | None
) -> None:
    """As its table says; other codes in its range have a common error."""
    codes = StatusCodes(errors={605: NotSupporter}, reserved=range(600, 700), reserved_error=ServiceError)
    route = Route(session=route.session, base_url=route.base_url, codes=codes)
    relay.fail("tunnel", status)
    if error is None:
        assert (await route.send(GET)).status == status
        return
    with pytest.raises(error) as caught:
        await route.send(GET)
    assert (type(caught.value), caught.value.code) == (error, status)


async def test_a_body_has_a_maximum_size(route: Route, relay: Relay) -> None:
    """To the byte."""
    relay.fail("tunnel", 200, "x" * MAX_BODY, times=1)
    assert len((await route.send(GET)).body) == MAX_BODY == 1_000_000
    relay.fail("tunnel", 200, "x" * (MAX_BODY + 1))
    with pytest.raises(InvalidResponse, match="more than 1000000 bytes"):
        await route.send(GET)


async def test_an_endless_body_is_not_read_to_its_end(session: ClientSession) -> None:
    """Neither memory nor time is spent on it."""

    async def stream(request: web.BaseRequest) -> web.StreamResponse:
        response = web.StreamResponse()
        await response.prepare(request)
        with contextlib.suppress(ConnectionError):
            while True:
                await response.write(b"x" * 65536)
        return response

    async with _served(session, stream) as route:
        with pytest.raises(InvalidResponse):
            await route.send(GET)


async def test_a_compressed_body_counts_uncompressed(session: ClientSession) -> None:
    """Ten kilobytes may hold ten megabytes."""

    async def bomb(request: web.BaseRequest) -> web.Response:
        return web.Response(body=gzip.compress(bytes(10_000_000)), headers={"Content-Encoding": "gzip"})

    async with _served(session, bomb) as route:
        with pytest.raises(InvalidResponse):
            await route.send(GET)


async def test_credentials_of_the_request_are_removed(session: ClientSession) -> None:
    """Those of the route and those of the request."""

    async def echo(request: web.BaseRequest) -> web.Response:
        return web.json_response(dict(request.headers), status=400)

    async with _served(session, echo) as route:
        body = (await route.send(GET)).body.decode()
    assert body.count("***") == 2
    assert API_KEY not in body
    assert AUTHORIZATION.removeprefix("Basic ") not in body


# failures


@pytest.mark.parametrize("begun", [False, True])
async def test_a_connection_that_is_dropped(route: Route, relay: Relay, begun: bool) -> None:
    """Before the response or within it."""
    if begun:
        relay.fail("tunnel", 200, '{"current": {"state": "Operational"}}')
        relay.truncate("tunnel", 10)
    else:
        relay.drop("tunnel")
    with pytest.raises(CannotConnect) as caught:
        await route.send(GET)
    assert route.traffic.last_error == caught.value.problem.summary


async def test_a_closed_port_is_named_in_the_error(session: ClientSession) -> None:
    """With the class of aiohttp's error."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        port = listener.getsockname()[1]
    with pytest.raises(CannotConnect) as caught:
        await Route(session=session, base_url=URL(f"http://127.0.0.1:{port}")).send(GET)
    assert caught.value.detail == "ClientConnectorError"


@pytest.mark.parametrize("own", [False, True])
@pytest.mark.parametrize("data", [b"", b'HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n{"current"'])
async def test_a_response_that_does_not_come_in_time(
    session: ClientSession, monkeypatch: pytest.MonkeyPatch, data: bytes, own: bool
) -> None:
    """The time limit is for the whole response; a route may have its own."""
    assert (route_module.TIMEOUT.connect, route_module.TIMEOUT.total) == (10, 30)
    short = ClientTimeout(total=0.1)
    async with _sending(session, data, hang_up=False) as served, asyncio.timeout(10):
        if not own:
            monkeypatch.setattr(route_module, "TIMEOUT", short)
        with pytest.raises(RequestTimeout):
            await Route(session=session, base_url=served.base_url, timeout=short if own else None).send(GET)


async def test_a_request_that_may_take_longer(session: ClientSession) -> None:
    """Its own time limit is used instead of the route's."""

    async def respond(_: web.BaseRequest) -> web.Response:
        await asyncio.sleep(0.3)
        return web.json_response({})

    async with _served(session, respond) as served:
        hasty = Route(session=session, base_url=served.base_url, timeout=ClientTimeout(total=0.1))
        with pytest.raises(RequestTimeout):
            await hasty.send(GET)
        assert (await hasty.send(Request("GET", "/", may_take=10))).status == 200


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"SSH-2.0-OpenSSH_9.9\r\n",
        b"<html>OctoPrint is still starting up</html>",
        b"\x15\x03\x01\x00\x02\x02\x28",
        b"HTTP/1.1 abc OK\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: many\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nshort",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
        b"HTTP/1.1 200 OK\r\nX-Long: " + b"x" * 100_000 + b"\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: 3\r\n\r\nabc",
        b"HTTP/1.1 502 Bad Gateway\r\nContent-Length: 0\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: 2000000\r\n\r\n" + b"x" * 2_000_000,
    ],
    ids=lambda data: repr(data[:48]),
)
async def test_any_bytes_are_an_error_without_a_credential(session: ClientSession, data: bytes) -> None:
    """Neither its text, nor its placeholders, nor its traceback with all causes holds one."""
    async with _sending(session, data) as route:
        with pytest.raises((CannotConnect, BadGateway, InvalidResponse)) as caught:
            await route.send(GET)
    error = caught.value
    assert (error.__cause__, error.__context__) == (None, None)
    shown = "\n".join([*traceback.format_exception(error), repr(error), *error.problem.placeholders.values()])
    for credential in (API_KEY, PASSWORD, AUTHORIZATION.removeprefix("Basic ")):
        assert credential not in shown


@pytest.mark.parametrize("character", ["\r\nX-Other: 1", "\n", "\x00", "\x7f", "\ud83d"], ids=ascii)
async def test_a_header_that_cannot_be_sent(route: Route, relay: Relay, character: str) -> None:
    """It could start another header. The header is not in the error."""
    with pytest.raises(CannotConnect) as caught:
        await route.send(Request("GET", "/", headers={"X-Api-Key": f"{API_KEY}{character}"}))
    assert caught.value.detail == "control character in a header"
    assert relay.requests == []


@pytest.mark.parametrize(
    ("request_", "error"),
    [
        (Request("GET", "/", query={"a": object()}), TypeError),  # type: ignore[dict-item]
        (Request("POST", "/", json=object()), TypeError),
        (Request("GET", "/", headers={"a b\n": "1"}), ValueError),
    ],
)
async def test_a_mistake_in_a_request_is_not_a_missing_connection(
    route: Route, request_: Request, error: type[Exception]
) -> None:
    """It has to be seen and fixed."""
    with pytest.raises(error):
        await route.send(request_)


async def test_an_error_of_aiohttp_with_an_open_session_is_not_a_missing_connection(
    route: Route, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Only a closed session explains it."""

    def fail(*_: object, **__: object) -> None:
        raise RuntimeError("a bug")

    monkeypatch.setattr(ClientSession, "_build_url", fail)
    with pytest.raises(RuntimeError, match="a bug"):
        await route.send(GET)


@pytest.mark.parametrize("kind", ["send", "download", "websocket"])
@pytest.mark.parametrize("when", ["before", "while connecting"])
async def test_a_session_that_is_closed_during_an_action(
    socket_enabled: None, connection: AppConnection, kind: str, when: str
) -> None:
    """The printer is unloaded."""
    trace = TraceConfig()

    async def detach(session: ClientSession, *_: object) -> None:
        session.detach()

    trace.on_connection_create_end.append(detach)
    session = ClientSession(cookie_jar=DummyCookieJar(), trace_configs=[trace])
    connector = session.connector
    assert connector is not None
    if when == "before":
        session.detach()
    route = Route(session=session, base_url=URL(connection.url))
    actions: dict[str, Callable[[], Awaitable[object]]] = {
        "send": lambda: route.send(GET),
        "download": lambda: route.download(URL(connection.url), ClientTimeout(total=10)),
        "websocket": lambda: contextlib.AsyncExitStack().enter_async_context(route.websocket("/sockjs/websocket")),
    }
    with pytest.raises(CannotConnect) as caught:
        await actions[kind]()
    assert caught.value.detail == "session closed"
    await connector.close()


async def test_a_session_that_is_closed_during_a_download(session: ClientSession) -> None:
    """Home Assistant stops while a camera is shown."""
    async with _sending(session, b"HTTP/1.1 200 OK\r\nContent-Length: 99\r\n\r\npicture", hang_up=False) as route:
        download = await route.download(route.base_url, ClientTimeout(total=10))
        chunks = download.chunks()
        assert await anext(chunks) == b"picture"
        assert route.traffic.bytes_received == 7
        await session.close()
        with pytest.raises(CannotConnect):
            await anext(chunks)
        download.close()


# representations


def test_requests_responses_and_routes_do_not_show_credentials() -> None:
    """They may get into a log."""
    session: ClientSession = object()  # type: ignore[assignment]
    shown = [
        repr(Request("POST", "/", headers={"X-Api-Key": "secret"}, json={"key": "secret"})),
        repr(Response(200, {"Set-Cookie": "session=secret"}, b'{"api_key": "secret"}')),
        repr(Route(session=session, base_url=URL("https://example.com"), headers={"AppToken": "secret"})),
    ]
    assert "secret" not in "".join(shown)
    assert "example.com" in shown[2]


async def test_a_judge_reads_the_headers(session: ClientSession) -> None:
    """It tells responses apart that have the same status; what it does not object to is OctoPrint's own."""

    async def respond(request: web.BaseRequest) -> web.StreamResponse:
        headers = {} if request.path == "/own" else {"Location": "https://elsewhere.example/login"}
        return web.Response(status=302 if headers else 200, headers=headers)

    def judge(status: int, headers: Mapping[str, str]) -> OctoPrintTunnelError | None:
        return NotSupporter(code=status) if "elsewhere" in headers.get("Location", "") else None

    async with _served(session, respond) as plain:
        route = replace(plain, judge=judge)
        assert (await route.send(Request("GET", "/own"))).status == 200
        assert (await plain.send(Request("GET", "/other"))).status == 302
        with pytest.raises(NotSupporter):
            await route.send(Request("GET", "/other"))
        with pytest.raises(NotSupporter):
            await route.download(route.base_url / "other", ClientTimeout(total=5))
        session._middlewares = (refuse_redirects,)
        with pytest.raises(NotSupporter):
            async with route.websocket("/other"):
                pass


@pytest.mark.parametrize("verify_ssl", [True, False])
async def test_an_unverified_certificate(relay: Relay, session: ClientSession, verify_ssl: bool) -> None:
    """It is accepted by a route that does not verify it, for each kind of request."""
    route = Route(session=session, base_url=URL(relay.local.tls_url), verify_ssl=verify_ssl)
    session._middlewares = (refuse_redirects,)
    with contextlib.nullcontext() if not verify_ssl else pytest.raises(CannotConnect):
        assert (await route.send(Request("GET", "/api/currentuser"))).status == 200
    with contextlib.nullcontext() if not verify_ssl else pytest.raises(CannotConnect):
        (await route.download(route.base_url / "api/currentuser", ClientTimeout(total=5))).close()
    with contextlib.nullcontext() if not verify_ssl else pytest.raises(CannotConnect):
        async with route.websocket("/sockjs/websocket"):
            pass
