"""One request on its way: what it carries, what comes back, and what becomes of everything that goes wrong."""

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable
import contextlib
import gzip
from html import escape
import json
import secrets
import socket
import traceback
from urllib.parse import quote

from aiohttp import ClientSession, ClientTimeout, DummyCookieJar, TraceConfig, encode_basic_auth, web
from aiohttp.test_utils import RawTestServer
import pytest
from yarl import URL

from custom_components.octoprint_tunnel.api.errors import (
    BadGateway,
    CannotConnect,
    Condition,
    InvalidResponse,
    NotSupporter,
    OctoPrintOffline,
    OctoPrintTunnelError,
    Remedy,
    RequestTimeout,
    ServiceError,
)
from custom_components.octoprint_tunnel.api.transport import route as route_module
from custom_components.octoprint_tunnel.api.transport.message import Request, Response
from custom_components.octoprint_tunnel.api.transport.redaction import without_secrets
from custom_components.octoprint_tunnel.api.transport.route import GATEWAY_CODES, MAX_BODY, Route, StatusCodes

from ...relay.octoeverywhere import AppConnection
from ...relay.server import Relay

PASSWORD = secrets.token_hex(16)
API_KEY = secrets.token_hex(16)
TOKEN = secrets.token_hex(16)

type Handler = Callable[[web.BaseRequest], Awaitable[web.StreamResponse]]


@pytest.fixture
async def session(socket_enabled: None) -> AsyncGenerator[ClientSession]:
    """Return a session as the integration makes them: without cookies."""
    async with ClientSession(cookie_jar=DummyCookieJar()) as session:
        yield session


@pytest.fixture
def route(session: ClientSession, connection: AppConnection) -> Route:
    """Return the way through an App Connection, with nothing but a proxy's codes."""
    authorization = encode_basic_auth(connection.user, connection.password)
    return Route(session=session, base_url=URL(connection.url), headers={"Authorization": authorization})


@contextlib.asynccontextmanager
async def _served(session: ClientSession, handler: Handler) -> AsyncGenerator[Route]:
    """Serve what a handler answers."""
    async with RawTestServer(handler) as server:
        yield Route(session=session, base_url=server.make_url(""), headers=_headers())


@contextlib.asynccontextmanager
async def _spoken(session: ClientSession, words: bytes, *, hang_up: bool = True) -> AsyncGenerator[Route]:
    """Say these words to whoever connects, HTTP or not, and hang up or stay silent."""

    async def speak(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(words)
        await writer.drain()
        if not hang_up:
            await reader.read()
        writer.close()

    async with await asyncio.start_server(speak, "127.0.0.1", 0) as server:
        port = server.sockets[0].getsockname()[1]
        yield Route(session=session, base_url=URL(f"http://127.0.0.1:{port}"), headers=_headers())


def _headers() -> dict[str, str]:
    return {"Authorization": encode_basic_auth("user", PASSWORD)}


async def _ask(route: Route) -> Response:
    """Send a request with an API key."""
    return await route.send(Request("GET", "/api/connection", headers={"X-Api-Key": API_KEY}))


# what a request carries


async def test_a_request_carries_the_headers_of_the_route_and_its_own(route: Route, relay: Relay) -> None:
    """Those of the request win, so that a client may say more than the route knows."""
    await route.send(Request("GET", "/plugin/discovery/discovery.xml", headers={"X-Api-Key": API_KEY}))
    [request] = relay.seen("octoeverywhere_tunnel")
    assert request.headers["Authorization"] == route.headers["Authorization"]
    assert request.headers["X-Api-Key"] == API_KEY
    await route.send(Request("GET", "/", headers={"Authorization": "Bearer other"}))
    assert relay.requests[-1].headers["Authorization"] == "Bearer other"


@pytest.mark.parametrize("path", ["/api/version", "api/version"])
async def test_a_path_begins_at_the_base_address(route: Route, relay: Relay, path: str) -> None:
    """With or without a slash before it; no credential is in the address."""
    await route.send(Request("GET", path))
    [request] = relay.seen("octoeverywhere_tunnel")
    assert (request.method, request.path, dict(request.query)) == ("GET", "/api/version", {})


async def test_a_query_is_written_as_it_was_meant(route: Route, relay: Relay) -> None:
    """Whatever is in it."""
    query = {"exclude": "temperature,sd", "name": "Tom & Jerry?=#/\u00fc"}
    await route.send(Request("GET", "/api/printer", query=query))
    [request] = relay.seen("octoeverywhere_tunnel")
    assert (request.path, dict(request.query)) == ("/api/printer", query)


async def test_a_base_address_may_have_a_path(session: ClientSession) -> None:
    """An OctoPrint behind a reverse proxy, or a server that was entered with a path; a last slash is kept."""

    async def tell_path(request: web.BaseRequest) -> web.Response:
        return web.Response(text=request.path)

    async with _served(session, tell_path) as served:
        route = Route(session=session, base_url=served.base_url / "octoprint")
        assert (await route.send(Request("GET", "/_tsd_/tunnelusage/"))).body == b"/octoprint/_tsd_/tunnelusage/"


@pytest.mark.parametrize(
    ("given", "body", "content_type"),
    [
        (None, b"", None),
        ({}, b"{}", "application/json"),
        ({"command": "disconnect"}, b'{"command": "disconnect"}', "application/json"),
    ],
)
async def test_a_body_is_sent_as_json_or_not_at_all(
    session: ClientSession, given: object, body: bytes, content_type: str | None
) -> None:
    """OctoPrint takes a command for one by its content type."""
    seen: list[tuple[bytes, str | None]] = []

    async def note(request: web.BaseRequest) -> web.Response:
        seen.append((await request.read(), request.headers.get("Content-Type")))
        return web.Response(status=204)

    async with _served(session, note) as route:
        await route.send(Request("POST", "/api/connection", json=given))
    assert (seen[0][0], content_type and seen[0][1]) == (body, content_type)


async def test_a_redirect_is_handed_back_and_not_followed(session: ClientSession) -> None:
    """It may lead to another host, and the credentials are for this one only."""
    visited: list[str] = []

    async def elsewhere(request: web.BaseRequest) -> web.Response:
        visited.append(request.path)
        return web.Response()

    async with _served(session, elsewhere) as other:

        async def redirect(request: web.BaseRequest) -> web.Response:
            return web.Response(status=302, headers={"Location": str(other.base_url / "login")})

        async with _served(session, redirect) as route:
            response = await _ask(route)
    assert (response.status, response.headers["Location"]) == (302, str(other.base_url / "login"))
    assert visited == []


# what comes back


@pytest.mark.parametrize("status", [200, 204, 304, 400, 401, 403, 404, 409, 412, 418, 500, 601])
async def test_a_status_that_is_not_the_hops_is_handed_on(route: Route, relay: Relay, status: int) -> None:
    """It is OctoPrint's: what it means is its client's business. The body comes with it."""
    body = "" if status in (204, 304) else "words"
    relay.fail("tunnel", status, body)
    response = await route.send(Request("GET", "/api/connection"))
    assert (response.status, response.body) == (status, body.encode())


@pytest.mark.parametrize("status", [502, 504])
async def test_a_proxy_without_octoprint_is_a_bad_gateway(route: Route, relay: Relay, status: int) -> None:
    """On every way, whatever other codes it has: there can always be one more proxy. Its page is not read."""
    for codes in (GATEWAY_CODES, StatusCodes(errors={601: OctoPrintOffline})):
        relay.fail("tunnel", status, "TimeoutError('secret')")
        with pytest.raises(BadGateway) as caught:
            await _ask(Route(session=route.session, base_url=route.base_url, codes=codes))
        assert (caught.value.code, caught.value.detail) == (status, "")
        assert (caught.value.remedy, caught.value.condition) == (Remedy.RETRY, Condition.TIMED_OUT)


async def test_a_code_of_the_hop_becomes_its_error(route: Route, relay: Relay) -> None:
    """A table names them; what is reserved for the hop and not in the table is an error of the service."""
    codes = StatusCodes(errors={605: NotSupporter}, reserved=range(600, 700), reserved_error=ServiceError)
    route = Route(session=route.session, base_url=route.base_url, codes=codes)
    for status, error in ((605, NotSupporter), (600, ServiceError), (699, ServiceError)):
        relay.fail("tunnel", status, times=1)
        with pytest.raises(error) as caught:
            await _ask(route)
        assert (type(caught.value), caught.value.code) == (error, status)
    for status in (599, 700):
        relay.fail("tunnel", status, times=1)
        assert (await _ask(route)).status == status


async def test_an_answer_as_large_as_allowed_is_read(route: Route, relay: Relay) -> None:
    """And a byte more is not."""
    relay.fail("tunnel", 200, "x" * MAX_BODY)
    assert len((await _ask(route)).body) == MAX_BODY
    relay.heal()
    relay.fail("tunnel", 200, "x" * (MAX_BODY + 1))
    with pytest.raises(InvalidResponse, match=f"more than {MAX_BODY} bytes") as caught:
        await _ask(route)
    assert (caught.value.remedy, caught.value.condition) == (Remedy.RETRY, None)


async def test_an_answer_without_end_is_given_up(session: ClientSession) -> None:
    """A stream where an answer was expected neither fills the memory nor lasts until the time-out."""

    async def stream(request: web.BaseRequest) -> web.StreamResponse:
        response = web.StreamResponse()
        await response.prepare(request)
        with contextlib.suppress(ConnectionError):
            while True:
                await response.write(b"x" * 65536)
        return response

    async with _served(session, stream) as route:
        with pytest.raises(InvalidResponse):
            await _ask(route)


async def test_a_compressed_answer_is_measured_as_it_unfolds(session: ClientSession) -> None:
    """Ten kilobytes can hold ten megabytes of nothing."""

    async def bomb(request: web.BaseRequest) -> web.Response:
        return web.Response(body=gzip.compress(bytes(10_000_000)), headers={"Content-Encoding": "gzip"})

    async with _served(session, bomb) as route:
        with pytest.raises(InvalidResponse):
            await _ask(route)


# what goes wrong on the way


async def test_a_connection_that_is_dropped_is_no_connection(route: Route, relay: Relay) -> None:
    """Whether it ended before the answer or within it: trying again helps."""
    relay.drop("tunnel")
    with pytest.raises(CannotConnect) as caught:
        await _ask(route)
    assert (caught.value.remedy, caught.value.condition) == (Remedy.RETRY, Condition.SERVICE_ERROR)
    relay.heal()
    relay.fail("tunnel", 200, '{"current": {"state": "Operational"}}')
    relay.truncate("tunnel", 10)
    with pytest.raises(CannotConnect):
        await _ask(route)


@pytest.mark.parametrize("words", [b"", b'HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n{"current"'])
async def test_an_answer_that_does_not_come_is_a_time_out(
    session: ClientSession, monkeypatch: pytest.MonkeyPatch, words: bytes
) -> None:
    """The services would wait half an hour. The time is for the whole answer, not for its beginning."""
    async with _spoken(session, words, hang_up=False) as route:
        # What is waited for never comes, so it does not matter how fast this machine is.
        monkeypatch.setattr(route_module, "TIMEOUT", ClientTimeout(total=0.1))
        async with asyncio.timeout(10):
            with pytest.raises(RequestTimeout) as caught:
                await _ask(route)
    assert (caught.value.remedy, caught.value.condition) == (Remedy.RETRY, Condition.TIMED_OUT)


async def test_a_route_may_have_a_time_out_of_its_own(session: ClientSession) -> None:
    """What is near answers soon."""
    async with _spoken(session, b"", hang_up=False) as served:
        route = Route(session=session, base_url=served.base_url, timeout=ClientTimeout(total=0.1))
        async with asyncio.timeout(10):
            with pytest.raises(RequestTimeout):
                await _ask(route)


def test_every_request_has_a_time_out() -> None:
    """For the connection and for the whole."""
    assert 0 < (route_module.TIMEOUT.connect or 0) <= (route_module.TIMEOUT.total or 0) <= 60


async def test_a_closed_port_is_no_connection(session: ClientSession) -> None:
    """The error names its kind, for the log."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        port = listener.getsockname()[1]
    with pytest.raises(CannotConnect) as caught:
        await _ask(Route(session=session, base_url=URL(f"http://127.0.0.1:{port}")))
    assert caught.value.detail == "ClientConnectorError"


@pytest.mark.parametrize(
    "words",
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
    ],
    ids=lambda words: repr(words[:48]),
)
async def test_what_does_not_speak_http_is_no_connection(session: ClientSession, words: bytes) -> None:
    """The stopgap that holds OctoPrint's port while it starts is one of those."""
    async with _spoken(session, words) as route:
        with pytest.raises(CannotConnect):
            await _ask(route)


async def test_a_header_that_cannot_be_sent_is_no_connection(route: Route, relay: Relay) -> None:
    """It could begin a header or a request of its own; it is not sent, and not told."""
    with pytest.raises(CannotConnect) as caught:
        await route.send(Request("GET", "/", headers={"X-Api-Key": f"{API_KEY}\r\nX-Other: 1"}))
    assert relay.requests == []
    assert API_KEY not in _told(caught.value)


# what is told


def _told(error: BaseException) -> str:
    """Return all text that an error and what led to it can leave in a log, or a user interface."""
    texts = ["".join(traceback.format_exception(error)), repr(error)]
    if isinstance(error, OctoPrintTunnelError):
        texts += [error.detail, *error.problem.placeholders.values()]
    cause: BaseException | None = error
    while cause is not None:
        texts += [str(cause), repr(cause)]
        cause = cause.__cause__ or cause.__context__
    return "\n".join(texts)


@pytest.mark.parametrize(
    "words",
    [
        b"",
        b"garbage\r\n\r\n",
        b"HTTP/1.1 502 Bad Gateway\r\nContent-Length: 0\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: 2000000\r\n\r\n" + b"x" * 2_000_000,
        b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nshort",
    ],
    ids=lambda words: repr(words[:48]),
)
async def test_no_error_tells_a_credential(session: ClientSession, words: bytes) -> None:
    """Neither its text, nor what the user is shown, nor the traceback with everything that led to it."""
    async with _spoken(session, words) as route:
        with pytest.raises(OctoPrintTunnelError) as caught:
            await _ask(route)
    told = _told(caught.value)
    for credential in (API_KEY, PASSWORD, route.headers["Authorization"].removeprefix("Basic ")):
        assert credential not in told


SECRETS = {"the Basic password": PASSWORD, "the bearer token": TOKEN, "the AppToken": TOKEN, "the API key": API_KEY}


def _carrying(which: str) -> dict[str, str]:
    return {
        "the Basic password": {"Authorization": encode_basic_auth("owner-of-the-tunnel", PASSWORD)},
        "the bearer token": {"Authorization": f"Bearer {TOKEN}"},
        "the AppToken": {"AppToken": TOKEN},
        "the API key": {"X-Api-Key": API_KEY},
    }[which]


@pytest.mark.parametrize("by_the_route", [True, False])
@pytest.mark.parametrize("which", SECRETS)
async def test_a_credential_that_is_repeated_is_not_carried_on(
    session: ClientSession, which: str, by_the_route: bool
) -> None:
    """Servers quote requests in their words for an error, and those are shown and logged."""

    async def repeat(request: web.BaseRequest) -> web.Response:
        return web.json_response({"error": f"bad {SECRETS[which]}!", "headers": dict(request.headers)}, status=400)

    async with _served(session, repeat) as served:
        headers = _carrying(which)
        route = Route(session=session, base_url=served.base_url, headers=headers if by_the_route else {})
        response = await route.send(Request("GET", "/", headers={} if by_the_route else headers))
    assert response.json().text("error") == "bad ***!"
    sent = response.body.decode()
    for secret in (SECRETS[which], headers.get("Authorization", SECRETS[which]).rpartition(" ")[2]):
        assert secret not in sent


def test_the_user_of_basic_is_not_carried_on_either() -> None:
    """With Obico it is as secret as the password."""
    body = b"user 0123456789abcdef said 0123456789abcdef"
    assert without_secrets(body, ["0123456789abcdef"]) == b"user *** said ***"


@pytest.mark.parametrize(
    "write", [str, lambda key: json.dumps(key)[1:-1], quote, lambda key: quote(key, safe=""), escape]
)
def test_a_credential_is_known_however_it_is_written(write: Callable[[str], str]) -> None:
    """As JSON, in an address, in a page."""
    key = "a\"b\\c/d&e<f>g'h+i=="
    assert without_secrets(f"a{write(key)}b".encode(), [key]) == b"a***b"


def test_what_is_too_short_for_a_credential_stays() -> None:
    """It may be a word."""
    assert without_secrets(b"the owner of owner-1", ["owner", ""]) == b"the owner of owner-1"


async def test_an_authorization_of_another_kind_is_sent_all_the_same(session: ClientSession) -> None:
    """Even one that is no Basic though it says so."""

    async def answer(_request: web.BaseRequest) -> web.Response:
        return web.Response(text="fine")

    async with _served(session, answer) as served:
        for header in ("Basic !", "Basic abcde", "Basic", "Negotiate", ""):
            assert (await served.send(Request("GET", "/", headers={"Authorization": header}))).body == b"fine"


def test_an_answer_does_not_show_what_it_holds() -> None:
    """Cookies are credentials, and the body may be a key."""
    assert "secret" not in repr(Response(200, {"Set-Cookie": "session=secret"}, b'{"api_key": "secret"}'))


def test_a_route_does_not_show_what_it_carries() -> None:
    """Its headers are credentials."""
    shown = repr(Route(session=object(), base_url=URL("https://example.com"), headers=_headers()))  # type: ignore[arg-type]
    assert "example.com" in shown
    assert _headers()["Authorization"] not in shown


@pytest.mark.parametrize("kind", ["request", "download", "websocket"])
async def test_session_that_is_closed_while_a_connection_is_made(
    socket_enabled: None, connection: AppConnection, kind: str
) -> None:
    """As when the printer is unloaded during an action."""
    trace = TraceConfig()

    async def detach(session: ClientSession, *_: object) -> None:
        session.detach()

    trace.on_connection_create_end.append(detach)
    session = ClientSession(cookie_jar=DummyCookieJar(), trace_configs=[trace])
    connector = session.connector
    assert connector is not None
    route = Route(session=session, base_url=URL(connection.url))
    asked: dict[str, Callable[[], Awaitable[object]]] = {
        "request": lambda: route.send(Request("GET", "/api/job")),
        "download": lambda: route.download(URL(connection.url), ClientTimeout(total=10)),
        "websocket": lambda: contextlib.AsyncExitStack().enter_async_context(route.websocket("/sockjs/websocket")),
    }
    with pytest.raises(CannotConnect):
        await asked[kind]()
    await connector.close()
