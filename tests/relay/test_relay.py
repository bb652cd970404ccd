"""The relay itself: it behaves as the services do, or the tests that rely on it prove nothing."""

import asyncio
from collections.abc import AsyncGenerator
from datetime import UTC, datetime
import time
from typing import Any

import aiohttp
from aiohttp import web
from aiohttp.test_utils import RawTestServer
import pytest
from yarl import URL

from homeassistant.core import HomeAssistant
from homeassistant.helpers.aiohttp_client import async_get_clientsession

from ..octoprint.server import OctoPrintServer
from . import Printer, Relay
from .obico import Tunnel, _seconds_to_next_month
from .octoeverywhere import AppConnection

_INFO = "https://octoeverywhere.com/api/appconnection/info"
_PORTAL = "https://octoeverywhere.com/appportal/v1/"
_CALLBACK = "http://127.0.0.1:8123/api/authorize/state"


@pytest.fixture(params=["hosted", "self-hosted"])
async def tunnel(relay: Relay, request: pytest.FixtureRequest) -> Tunnel:
    """Return an Obico tunnel."""
    relay.obico.socket_delay = 0.0
    return await relay.obico.add_tunnel(self_hosted=request.param == "self-hosted")


@pytest.fixture
async def echo(socket_enabled: None) -> AsyncGenerator[Printer]:
    """Return a printer whose OctoPrint answers with the headers that reached it."""

    async def answer(request: web.BaseRequest) -> web.Response:
        await request.read()
        if request.path == "/moved":
            return web.Response(status=302, headers={"Location": "http://127.0.0.1:5000/login"})
        return web.json_response(dict(request.headers))

    async with RawTestServer(answer) as server:
        yield Printer(url=str(server.make_url("")).rstrip("/"))


def _auth(issued: AppConnection | Tunnel, api_key: str = "") -> dict[str, str]:
    """Return the headers that a tunnel and OctoPrint ask for."""
    return {"Authorization": aiohttp.encode_basic_auth(issued.user, issued.password), "X-Api-Key": api_key}


async def _get(client: aiohttp.ClientSession, url: str, headers: dict[str, str] | None = None) -> tuple[int, Any]:
    """Return status and body, parsed where it is JSON."""
    async with client.get(url, headers=headers, allow_redirects=False) as response:
        is_json = response.content_type == "application/json"
        return response.status, await response.json() if is_json else await response.text()


async def _location(client: aiohttp.ClientSession, url: str, **query: str) -> str:
    """Return where a page sends the browser."""
    async with client.get(url, params=query, allow_redirects=False) as response:
        assert response.status == 302
        return response.headers["Location"]


async def _follow_states(
    client: aiohttp.ClientSession, issued: AppConnection | Tunnel, api_key: str
) -> aiohttp.ClientWebSocketResponse:
    """Return OctoPrint's push socket, which tells changes of state and nothing else."""
    headers = _auth(issued, api_key)
    async with client.post(f"{issued.url}/api/login", json={"passive": True}, headers=headers) as response:
        login = await response.json()
    socket = await client.ws_connect(f"{issued.url}/sockjs/websocket", headers=headers)
    assert "connected" in await socket.receive_json(timeout=5)
    await socket.send_json({"subscribe": {"state": False, "plugins": False, "events": ["PrinterStateChanged"]}})
    await socket.send_json({"auth": f"{login['name']}:{login['session']}"})
    return socket


async def _next_state(socket: aiohttp.ClientWebSocketResponse) -> str:
    """Return the next state that OctoPrint tells."""
    while True:
        message = await socket.receive_json(timeout=5)
        if "event" in message:
            return str(message["event"]["payload"]["state_id"])


async def test_home_assistants_own_session_reaches_the_relay(hass: HomeAssistant, relay: Relay) -> None:
    """Shipped code finds the services under their real names, with certificates checked."""
    status, _ = await _get(async_get_clientsession(hass), _INFO)
    assert status == 400


@pytest.mark.parametrize(
    ("authorization", "status"),
    [("", 606), ("Bearer {bearer}", 200), ("Bearer wrong", 606), ("Basic wrong", 606), ("basic", 200)],
)
async def test_app_connection_demands_what_the_portal_issued(
    client: aiohttp.ClientSession, connection: AppConnection, authorization: str, status: int
) -> None:
    """Basic and Bearer are accepted as issued."""
    header = _auth(connection)["Authorization"] if authorization == "basic" else authorization
    headers = {"Authorization": header.format(bearer=connection.bearer)} if header else {}
    answered, _ = await _get(client, f"{connection.url}/plugin/discovery/discovery.xml", headers)
    assert answered == status


async def test_app_connection_relays_requests_whole(
    client: aiohttp.ClientSession, relay: Relay, connection: AppConnection, echo: Printer
) -> None:
    """Authorization goes on to OctoPrint, bodies are asked for uncompressed, redirects are handed back."""
    connection.printer = echo
    headers = _auth(connection, "key")
    async with client.post(f"{connection.url}/api/x?a=1&b=%2F", json={"n": 1}, headers=headers) as response:
        seen = await response.json()
    assert seen["Authorization"] == headers["Authorization"]
    assert (seen["X-Api-Key"], seen["Accept-Encoding"], seen["Host"]) == ("key", "identity", URL(echo.url).authority)
    [exchange] = relay.seen("octoeverywhere_tunnel", method="POST", path="/api/x")
    assert exchange.json() == {"n": 1}
    assert exchange.query == {"a": "1", "b": "/"}
    assert (exchange.status, exchange.request_bytes) == (200, len(exchange.body))
    assert (await _get(client, f"{connection.url}/moved", headers))[0] == 302


async def test_app_connection_streams(client: aiohttp.ClientSession, connection: AppConnection) -> None:
    """What OctoPrint has sent arrives while it still sends, and a client may leave in the middle."""
    gone = asyncio.Event()

    async def endless(request: web.BaseRequest) -> web.StreamResponse:
        response = web.StreamResponse()
        await response.prepare(request)
        try:
            while True:
                await response.write(b"frame")
                await asyncio.sleep(0.01)
        finally:
            gone.set()

    async with RawTestServer(endless) as server:
        connection.printer = Printer(url=str(server.make_url("")).rstrip("/"))
        async with client.get(f"{connection.url}/downloads/stream", headers=_auth(connection)) as response:
            assert await response.content.readexactly(5) == b"frame"
        await asyncio.wait_for(gone.wait(), 5)


async def test_app_connection_relays_octoprint(
    client: aiohttp.ClientSession, relay: Relay, connection: AppConnection, octoprint: OctoPrintServer
) -> None:
    """Requests and events pass; OctoPrint's end closes the socket and is 601 from then on."""
    headers = _auth(connection, octoprint.api_key)
    status, version = await _get(client, f"{connection.url}/api/version", headers)
    assert (status, version["server"][:4]) == (200, "2.0.")
    socket = await _follow_states(client, connection, octoprint.api_key)
    command = {"command": "connect", "port": "VIRTUAL"}
    async with client.post(f"{connection.url}/api/connection", json=command, headers=headers) as response:
        assert response.status == 204
    assert await _next_state(socket) == "CONNECTING"
    await asyncio.to_thread(octoprint.stop)
    while (message := await socket.receive(timeout=5)).type is aiohttp.WSMsgType.TEXT:
        pass
    assert message.type is aiohttp.WSMsgType.CLOSE
    assert (await _get(client, f"{connection.url}/api/version", headers))[0] == 601
    _, info = await _get(client, _INFO, {"AppToken": connection.app_token})
    assert info["IsOnline"] is False
    [exchange] = relay.seen("octoeverywhere_tunnel", path="/sockjs/websocket")
    assert (exchange.status, exchange.request_bytes > 0, exchange.response_bytes > 5000) == (101, True, True)


async def test_info_api(client: aiohttp.ClientSession, relay: Relay, connection: AppConnection) -> None:
    """It wants its own token, and answers bare or in an envelope."""
    headers = {"AppToken": connection.app_token}
    assert (await _get(client, _INFO))[0] == 400
    assert (await _get(client, _INFO, {"AppToken": "unknown"}))[0] == 603
    connection.info["PrinterName"] = None
    connection.missing_info.add("PrinterLimits")
    status, info = await _get(client, _INFO, headers)
    assert (status, info["IsOnline"], info["PrinterName"], "PrinterLimits" in info) == (200, True, None, False)
    relay.octoeverywhere.envelope = True
    assert (await _get(client, _INFO, headers))[1]["Result"] == info
    connection.supporter = False
    assert (await _get(client, _INFO, headers))[0] == 605
    connection.revoked = True
    assert (await _get(client, _INFO, headers))[0] == 604
    assert (await _get(client, f"{connection.url}/", _auth(connection)))[0] == 604
    assert (await _get(client, "https://app-unknown.octoeverywhere.com/"))[0] == 603


async def test_portal_sends_the_browser_back(client: aiohttp.ClientSession, relay: Relay) -> None:
    """With everything that is returned once, in the spelling and with the credentials of that portal."""
    query = {"appid": "devtest", "returnUrl": _CALLBACK, "octoPrintApiKeyAppName": "Home Assistant"}
    location = URL(await _location(client, _PORTAL, **query))
    [connection] = relay.octoeverywhere.connections
    assert str(location.with_query(None)) == _CALLBACK
    assert (location.query["success"], location.query["url"]) == ("true", connection.url)
    assert location.query["octoPrintApiKey"] == relay.printer.api_key
    assert {"authBasicHttpUser", "authBasicHttpPassword", "authBearerToken"} < set(location.query)

    relay.octoeverywhere.portal.auth = "basic"
    relay.octoeverywhere.portal.old_keys = True
    location = URL(await _location(client, _PORTAL, appid="devtest"))
    assert location.path == "/appportal/v1/complete"
    assert "authbasichttpuser" in location.query
    assert not {"octoPrintApiKey", "authBearerToken"} & set(location.query)

    relay.octoeverywhere.portal.outcome = "denied"
    assert (await _location(client, _PORTAL, **query)).endswith("?success=false")


async def test_faults(client: aiohttp.ClientSession, relay: Relay, connection: AppConnection) -> None:
    """Each kind happens where and as often as it is switched on."""
    url, headers = f"{connection.url}/plugin/discovery/discovery.xml", _auth(connection)
    relay.fail("octoeverywhere_tunnel", 613, "text", times=1)
    assert await _get(client, url, headers) == (613, "text")
    assert (await _get(client, url, headers))[0] == 200

    relay.fail("octoeverywhere_api", 200, "not JSON", content_type="application/json")
    relay.fail("tunnel", 481, path="/api/")
    async with client.get(_INFO) as response:
        assert await response.text() == "not JSON"
    assert (await _get(client, url, headers))[0] == 200
    relay.heal()

    relay.delay("tunnel", 0.2)
    started = time.monotonic()
    assert (await _get(client, url, headers))[0] == 200
    assert time.monotonic() - started >= 0.2

    relay.truncate("tunnel", 10, times=1)
    with pytest.raises(aiohttp.ClientPayloadError):
        await _get(client, url, headers)
    assert relay.requests[-1].response_bytes == 10

    relay.drop("tunnel")
    with pytest.raises(aiohttp.ClientConnectionError):
        await _get(client, url, headers)
    assert relay.requests[-1].status == 0


@pytest.mark.parametrize("where", ["octoeverywhere_tunnel", "the host"])
async def test_faults_below_http(
    client: aiohttp.ClientSession, relay: Relay, connection: AppConnection, where: str
) -> None:
    """A name that is lost, certificates that are not good, silence and a drip, for a service or for one host of it."""
    url, other = connection.url, relay.octoeverywhere.add_connection().url
    place = connection.host if where == "the host" else where
    relay.lose_name(place)
    with pytest.raises(aiohttp.ClientConnectorDNSError):
        await client.get(url)
    relay.heal()
    relay.spoil_certificate(place, "expired")
    with pytest.raises(aiohttp.ClientConnectorCertificateError, match="expired"):
        await client.get(url)
    relay.heal()
    relay.spoil_certificate(place, "foreign")
    with pytest.raises(aiohttp.ClientConnectorCertificateError, match="not valid for"):
        await client.get(url)
    relay.heal()
    relay.hang(place)
    with pytest.raises(TimeoutError):
        await client.get(url, timeout=aiohttp.ClientTimeout(total=0.2))
    if where == "the host":
        assert (await client.get(other)).status == 606
    relay.heal()
    relay.drip(place, 0.001)
    answer = await client.get(f"{connection.url}/api/currentuser", headers=_auth(connection))
    assert await answer.content.readany() == b"{"
    assert (await answer.read()).endswith(b"}\n")


async def test_services_are_restarted(client: aiohttp.ClientSession, relay: Relay, connection: AppConnection) -> None:
    """They are at the same place afterwards, and know the same."""
    await relay.stop()
    with pytest.raises(aiohttp.ClientConnectorError):
        await client.get(f"{connection.url}/api/version")
    await relay.start()
    assert (await client.get(f"{connection.url}/api/version")).status == 606


async def test_sockets_fall_silent_and_close(
    client: aiohttp.ClientSession, relay: Relay, connection: AppConnection, octoprint: OctoPrintServer
) -> None:
    """A muted socket stays open, answers pings and tells nothing; sockets can be closed from outside."""
    socket = await _follow_states(client, connection, octoprint.api_key)
    relay.mute()
    headers = _auth(connection, octoprint.api_key)
    for command in ("connect", "disconnect"):
        await client.post(f"{connection.url}/api/connection", json={"command": command}, headers=headers)
    with pytest.raises(TimeoutError):
        await socket.receive(timeout=0.3)
    await socket.close()
    relay.heal()
    socket = await _follow_states(client, connection, octoprint.api_key)
    closing = asyncio.create_task(relay.close_sockets(1012))
    assert (await socket.receive(timeout=5)).data == 1012
    await closing


async def test_obico_redirect_is_appended_as_it_is(client: aiohttp.ClientSession, relay: Relay) -> None:
    """Both forms of it, for both kinds of server; nothing is encoded."""
    page = "https://app.obico.io/tunnels/new/"
    location = await _location(client, page, app="Home Assistant", success_redirect_url=_CALLBACK)
    assert location == f"{_CALLBACK}?tunnel_endpoint={relay.obico.tunnels[-1].endpoint}"
    assert location.count("://") == 2
    relay.obico.slash_redirect = True
    location = await _location(client, page, app="Home Assistant", success_redirect_url=_CALLBACK)
    assert location.startswith(f"{_CALLBACK}/?tunnel_endpoint=https://")
    location = await _location(client, f"{relay.obico.self_hosted_url}/tunnels/new/", app="Home Assistant")
    assert location == f"/tunnels/succeeded/?tunnel_endpoint={relay.obico.tunnels[-1].endpoint}"
    assert relay.obico.tunnels[-1].endpoint.startswith("http://")
    assert (await _get(client, f"{page}?app=Obico"))[0] == 400


async def test_obico_demands_basic_and_removes_it(
    client: aiohttp.ClientSession, relay: Relay, tunnel: Tunnel, echo: Printer
) -> None:
    """OctoPrint never sees the tunnel's credentials, and the answer is held until it is whole."""
    tunnel.printer = echo
    for headers in ({}, {"Authorization": f"Bearer {tunnel.password}"}):
        assert (await _get(client, f"{tunnel.url}/api/version", headers))[0] == 401
    status, seen = await _get(client, f"{tunnel.url}/api/version", _auth(tunnel, "key"))
    assert (status, seen["X-Api-Key"], "Authorization" in seen) == (200, "key", False)
    assert (await _get(client, f"{tunnel.url}/moved", _auth(tunnel)))[0] == 302
    assert (await _get(client, f"{tunnel.url}/webcam/?action=snapshot", _auth(tunnel)))[0] == 404
    tunnel.revoked = True
    assert (await _get(client, f"{tunnel.url}/_tsd_/tunnelusage/", _auth(tunnel)))[0] == 401


async def test_obico_counts_what_it_relays(
    client: aiohttp.ClientSession, relay: Relay, tunnel: Tunnel, octoprint: OctoPrintServer
) -> None:
    """Bodies and WebSocket data towards the client count, nothing else does; over the cap nothing passes."""
    headers = _auth(tunnel, octoprint.api_key)
    usage = f"{tunnel.url}/_tsd_/tunnelusage/"
    async with client.get(f"{tunnel.url}/api/version", headers=headers) as response:
        size = len(await response.read())
    socket = await _follow_states(client, tunnel, octoprint.api_key)
    assert relay.obico.used_bytes == relay.traffic(host=tunnel.host).received_bytes > size
    for where, status in (("/_tsd_/tunnelusage/", 200), ("/_tsd_/tunnelusage", 404), ("/_tsd_/prediction/", 200)):
        assert (await _get(client, f"{tunnel.url}{where}", headers))[0] == status
    assert (await _get(client, f"{tunnel.url}/", {}))[0] == 401
    used = relay.obico.used_bytes  # and what OctoPrint still says on the socket
    assert used <= (await _get(client, usage, headers))[1]["total"] <= relay.obico.used_bytes

    relay.obico.monthly_cap = used - 1
    assert (await _get(client, f"{tunnel.url}/api/version", headers))[0] == 200
    relay.obico.monthly_cap = used / 2
    assert (await _get(client, f"{tunnel.url}/api/version", headers))[0] == 481
    assert (await _get(client, usage, headers))[1]["monthly_cap"] == used / 2
    await socket.close()
    silent = await client.ws_connect(f"{tunnel.url}/sockjs/websocket", headers=headers)
    assert "connected" in await silent.receive_json(timeout=5)
    await silent.send_json({"throttle": 1})
    with pytest.raises(TimeoutError):
        await silent.receive(timeout=0.3)
    await silent.close()
    relay.obico.monthly_cap = -1
    assert (await _get(client, f"{tunnel.url}/api/version", headers))[0] == 200


async def test_obico_without_octoprint(
    client: aiohttp.ClientSession, relay: Relay, tunnel: Tunnel, octoprint: OctoPrintServer
) -> None:
    """The socket ends with 3000, requests are 482, a new socket is silent, and `/_tsd_/` still answers."""
    headers = _auth(tunnel, octoprint.api_key)
    address = f"{tunnel.url}/sockjs/websocket"
    socket = await _follow_states(client, tunnel, octoprint.api_key)
    await asyncio.to_thread(octoprint.stop)
    while (message := await socket.receive(timeout=5)).type is aiohttp.WSMsgType.TEXT:
        pass
    assert message.data == 3000
    assert (await _get(client, f"{tunnel.url}/api/version", headers))[0] == 482
    assert (await _get(client, f"{tunnel.url}/_tsd_/webcam/0/", headers)) == (200, {"snapshot": None})
    async with client.ws_connect(address, headers=headers) as silent:
        with pytest.raises(TimeoutError):
            await silent.receive(timeout=0.2)
    for url, given, status in ((address, {}, 403), (f"{tunnel.url}/plugin/x", headers, 500)):
        with pytest.raises(aiohttp.WSServerHandshakeError) as refused:
            await client.ws_connect(url, headers=given)
        assert refused.value.status == status


async def test_obico_snapshot_and_slow_octoprint(
    client: aiohttp.ClientSession, relay: Relay, tunnel: Tunnel, echo: Printer
) -> None:
    """The signed address works without credentials; what takes too long is 502."""
    relay.obico.snapshot = b"\xff\xd8\xff"
    _, answer = await _get(client, f"{tunnel.url}/_tsd_/webcam/0/", _auth(tunnel))
    async with client.get(answer["snapshot"]) as response:
        assert (response.content_type, await response.read()) == ("image/jpeg", b"\xff\xd8\xff")
    tunnel.printer = echo
    relay.obico.plugin_timeout = 0
    assert (await _get(client, f"{tunnel.url}/api/version", _auth(tunnel)))[0] == 502
    await _get(client, f"{tunnel.url}/_tsd_/dest_platform_info/", _auth(tunnel))
    assert relay.obico.violations == ["/_tsd_/dest_platform_info/"]


def test_obico_reset_keeps_the_time_of_day() -> None:
    """So it can be up to a day late."""
    assert round(_seconds_to_next_month(datetime(2026, 11, 21, 18, tzinfo=UTC))) == 10 * 86400
