"""The relay behaves as the services do in what the other tests rely on without noticing."""

import asyncio
from collections.abc import AsyncGenerator
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
from .obico import Tunnel
from .octoeverywhere import AppConnection

INFO = "https://octoeverywhere.com/api/appconnection/info"

type Issued = AppConnection | Tunnel


@pytest.fixture(params=["hosted", "self-hosted"])
async def tunnel(relay: Relay, request: pytest.FixtureRequest) -> Tunnel:
    """Return an Obico tunnel."""
    relay.obico.socket_delay = 0.0
    return await relay.obico.add_tunnel(self_hosted=request.param == "self-hosted")


@pytest.fixture
async def echo(socket_enabled: None) -> AsyncGenerator[Printer]:
    """Return a printer whose OctoPrint responds with the headers of the request."""

    async def respond(request: web.BaseRequest) -> web.Response:
        if request.path == "/moved":
            return web.Response(status=302, headers={"Location": "http://127.0.0.1:5000/login"})
        return web.json_response(dict(request.headers))

    async with RawTestServer(respond) as server:
        yield Printer(url=str(server.make_url("")).rstrip("/"))


def credentials(issued: Issued, api_key: str = "") -> dict[str, str]:
    """Return the headers that a tunnel and OctoPrint require."""
    return {"Authorization": aiohttp.encode_basic_auth(issued.user, issued.password), "X-Api-Key": api_key}


async def get(client: aiohttp.ClientSession, url: str, headers: dict[str, str] | None = None) -> tuple[int, Any]:
    """Return the status and the body, parsed if it is JSON."""
    async with client.get(url, headers=headers, allow_redirects=False) as response:
        is_json = response.content_type == "application/json"
        return response.status, await response.json() if is_json else await response.text()


async def subscribe(client: aiohttp.ClientSession, issued: Issued, api_key: str) -> aiohttp.ClientWebSocketResponse:
    """Return OctoPrint's push socket, subscribed to changes of the printer's state only."""
    headers = credentials(issued, api_key)
    async with client.post(f"{issued.url}/api/login", json={"passive": True}, headers=headers) as response:
        login = await response.json()
    socket = await client.ws_connect(f"{issued.url}/sockjs/websocket", headers=headers)
    assert "connected" in await socket.receive_json(timeout=5)
    await socket.send_json({"subscribe": {"state": False, "plugins": False, "events": ["PrinterStateChanged"]}})
    await socket.send_json({"auth": f"{login['name']}:{login['session']}"})
    return socket


async def close_code(socket: aiohttp.ClientWebSocketResponse) -> Any:
    """Return the code that the socket is closed with."""
    while (message := await socket.receive(timeout=5)).type is aiohttp.WSMsgType.TEXT:
        pass
    assert message.type is aiohttp.WSMsgType.CLOSE
    return message.data


async def test_home_assistant_reaches_the_relay(hass: HomeAssistant, relay: Relay) -> None:
    """Home Assistant's session finds the services under their real names, and checks their certificates."""
    assert (await get(async_get_clientsession(hass), INFO))[0] == 400


@pytest.mark.parametrize(
    ("authorization", "status"),
    [("", 606), ("Bearer {bearer}", 200), ("Bearer wrong", 606), ("Basic wrong", 606), ("basic", 200)],
)
async def test_app_connection_requires_its_credentials(
    client: aiohttp.ClientSession, connection: AppConnection, authorization: str, status: int
) -> None:
    """Basic and Bearer are accepted as the portal issued them."""
    header = credentials(connection)["Authorization"] if authorization == "basic" else authorization
    headers = {"Authorization": header.format(bearer=connection.bearer)} if header else {}
    assert (await get(client, f"{connection.url}/plugin/discovery/discovery.xml", headers))[0] == status


async def test_app_connection_forwards_requests_unchanged(
    client: aiohttp.ClientSession, relay: Relay, connection: AppConnection, echo: Printer
) -> None:
    """OctoPrint gets the credentials too, and its redirects go back to the client."""
    connection.printer = echo
    headers = credentials(connection, "key")
    async with client.post(f"{connection.url}/api/x?a=1&b=%2F", json={"n": 1}, headers=headers) as response:
        received = await response.json()
    assert (received["Authorization"], received["X-Api-Key"]) == (headers["Authorization"], "key")
    assert (received["Accept-Encoding"], received["Host"]) == ("identity", URL(echo.url).authority)
    [exchange] = relay.seen("octoeverywhere_tunnel", method="POST", path="/api/x")
    assert (exchange.json(), exchange.query) == ({"n": 1}, {"a": "1", "b": "/"})
    assert (exchange.status, exchange.request_bytes) == (200, len(exchange.body))
    assert (await get(client, f"{connection.url}/moved", headers))[0] == 302


async def test_app_connection_without_octoprint(
    client: aiohttp.ClientSession, relay: Relay, connection: AppConnection, octoprint: OctoPrintServer
) -> None:
    """When OctoPrint stops, its socket is closed, requests are 601, and the Info API says so."""
    headers = credentials(connection, octoprint.api_key)
    socket = await subscribe(client, connection, octoprint.api_key)
    await asyncio.to_thread(octoprint.stop)
    await close_code(socket)
    assert (await get(client, f"{connection.url}/api/version", headers))[0] == 601
    assert (await get(client, INFO, {"AppToken": connection.app_token}))[1]["IsOnline"] is False
    [exchange] = relay.seen("octoeverywhere_tunnel", path="/sockjs/websocket")
    assert (exchange.status, exchange.request_bytes > 0, exchange.response_bytes > 5000) == (101, True, True)


async def test_faults_are_limited_to_a_service_a_path_and_a_number(
    client: aiohttp.ClientSession, relay: Relay, connection: AppConnection
) -> None:
    """Other requests are not affected."""
    url, headers = f"{connection.url}/plugin/discovery/discovery.xml", credentials(connection)
    relay.fail("octoeverywhere_tunnel", 613, "text", times=1)
    assert await get(client, url, headers) == (613, "text")
    relay.fail("octoeverywhere_api", 500)
    relay.fail("tunnel", 481, path="/api/")
    assert (await get(client, url, headers))[0] == 200
    assert (await get(client, f"{connection.url}/api/version", headers))[0] == 481
    relay.heal()
    assert (await get(client, f"{connection.url}/api/version", headers))[0] == 403


async def test_muted_sockets_stay_open(
    client: aiohttp.ClientSession, relay: Relay, connection: AppConnection, octoprint: OctoPrintServer
) -> None:
    """A muted socket passes nothing on, and is closed only by request."""
    socket = await subscribe(client, connection, octoprint.api_key)
    relay.mute()
    headers = credentials(connection, octoprint.api_key)
    for command in ("connect", "disconnect"):
        await client.post(f"{connection.url}/api/connection", json={"command": command}, headers=headers)
    with pytest.raises(TimeoutError):
        await socket.receive(timeout=0.3)
    closing = asyncio.create_task(relay.close_sockets(1012))
    assert await close_code(socket) == 1012
    await closing


async def test_obico_requires_basic_and_removes_it(
    client: aiohttp.ClientSession, tunnel: Tunnel, echo: Printer
) -> None:
    """OctoPrint never gets the credentials of the tunnel."""
    tunnel.printer = echo
    for headers in ({}, {"Authorization": f"Bearer {tunnel.password}"}):
        assert (await get(client, f"{tunnel.url}/api/version", headers))[0] == 401
    status, received = await get(client, f"{tunnel.url}/api/version", credentials(tunnel, "key"))
    assert (status, received["X-Api-Key"], "Authorization" in received) == (200, "key", False)
    assert (await get(client, f"{tunnel.url}/webcam/?action=snapshot", credentials(tunnel)))[0] == 404
    tunnel.revoked = True
    assert (await get(client, f"{tunnel.url}/_tsd_/tunnelusage/", credentials(tunnel)))[0] == 401


async def test_obico_counts_what_goes_to_the_client(
    client: aiohttp.ClientSession, relay: Relay, tunnel: Tunnel, octoprint: OctoPrintServer
) -> None:
    """Bodies and socket messages count, `/_tsd_/` does not; requests over the cap are 481."""
    headers = credentials(tunnel, octoprint.api_key)
    await get(client, f"{tunnel.url}/api/version", headers)
    await (await subscribe(client, tunnel, octoprint.api_key)).close()
    used = relay.obico.used_bytes
    assert used == relay.traffic(host=tunnel.host).received_bytes > 5000
    relay.obico.monthly_cap = used / 2
    assert (await get(client, f"{tunnel.url}/api/version", headers))[0] == 481
    _, usage = await get(client, f"{tunnel.url}/_tsd_/tunnelusage/", headers)
    assert (usage["total"], usage["monthly_cap"]) == (used, used / 2)
    relay.obico.monthly_cap = -1
    assert (await get(client, f"{tunnel.url}/api/version", headers))[0] == 200


async def test_obico_without_octoprint(
    client: aiohttp.ClientSession, tunnel: Tunnel, octoprint: OctoPrintServer
) -> None:
    """The socket is closed with 3000, requests are 482, a new socket opens and is silent, `/_tsd_/` responds."""
    headers = credentials(tunnel, octoprint.api_key)
    socket = await subscribe(client, tunnel, octoprint.api_key)
    await asyncio.to_thread(octoprint.stop)
    assert await close_code(socket) == 3000
    assert (await get(client, f"{tunnel.url}/api/version", headers))[0] == 482
    assert (await get(client, f"{tunnel.url}/_tsd_/webcam/0/", headers)) == (200, {"snapshot": None})
    async with client.ws_connect(f"{tunnel.url}/sockjs/websocket", headers=headers) as silent:
        with pytest.raises(TimeoutError):
            await silent.receive(timeout=0.2)
