"""Which connection is known to be verified, and that a restricted request is sent on no other."""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import suppress
from dataclasses import dataclass, field

from aiohttp import ClientRequest, ClientSession, WSMsgType, web
from aiohttp.test_utils import RawTestServer
import pytest
from yarl import URL

from custom_components.octoprint_tunnel.api.errors import CannotConnect
from custom_components.octoprint_tunnel.api.transport.message import Request
from custom_components.octoprint_tunnel.api.transport.route import Route
from custom_components.octoprint_tunnel.api.transport.router import Candidate
from custom_components.octoprint_tunnel.api.transport.verified_connection import ObservedRequest, VerifiedConnection

GET = Request("GET", "/")


@dataclass
class Device:
    """A server with its connections, as a client sees it."""

    url: URL
    session: ClientSession
    received: list[web.BaseRequest] = field(default_factory=list)

    @property
    def peer(self) -> object:
        """Return its IP address and port."""
        return self.url.host, self.url.port

    async def get(self) -> None:
        """Send it a request."""
        await Route(session=self.session, base_url=self.url).send(GET)

    def close_connections(self) -> None:
        """Close its ends of all connections."""
        for request in self.received:
            if request.transport:
                request.transport.close()


@pytest.fixture(params=[ObservedRequest])
async def device(request: pytest.FixtureRequest, socket_enabled: None) -> AsyncGenerator[Device]:
    """Return a device whose requests are of the class `request.param`."""
    received: list[web.BaseRequest] = []

    async def respond(request: web.BaseRequest) -> web.StreamResponse:
        received.append(request)
        if "Upgrade" in request.headers:
            socket = web.WebSocketResponse()
            await socket.prepare(request)
            await socket.receive()
            return socket
        return web.Response()

    async with RawTestServer(respond) as server, ClientSession(request_class=request.param) as session:
        yield Device(server.make_url("/"), session, received)


@pytest.fixture
async def verified(device: Device) -> VerifiedConnection:
    """Return its connection, verified and kept alive."""
    connection = VerifiedConnection()
    with connection.watch() as record:
        await device.get()
    record()
    return connection


async def is_sent(device: Device, connection: VerifiedConnection, peer: object) -> bool:
    """Send a restricted request, and tell whether the device has got it."""
    device.received.clear()
    with connection.only(peer) as restriction, suppress(CannotConnect):
        await device.get()
    assert restriction.is_refused is not bool(device.received)
    return bool(device.received)


async def test_connection_that_is_kept_alive(device: Device, verified: VerifiedConnection) -> None:
    """It is used as long as it is open."""
    assert verified.leads_to(device.peer)
    assert await is_sent(device, verified, device.peer)
    assert await is_sent(device, verified, device.peer)


async def test_connection_that_was_not_verified(device: Device) -> None:
    """A request alone does not verify it, nor does one that was watched, but whose response showed nothing."""
    connection = VerifiedConnection()
    with connection.watch():
        await device.get()
    assert not connection.leads_to(device.peer)
    assert not await is_sent(device, connection, device.peer)
    await device.get()
    assert device.received


async def test_connection_that_is_closed(device: Device, verified: VerifiedConnection) -> None:
    """No other one takes its place."""
    device.close_connections()
    await asyncio.sleep(0.05)
    assert not verified.leads_to(device.peer)
    assert not await is_sent(device, verified, device.peer)


@pytest.mark.parametrize("peer", [None, ("127.0.0.2", 80)])
async def test_connection_to_another_device(device: Device, verified: VerifiedConnection, peer: object) -> None:
    """A name may have several addresses, and the socket may have ended."""
    assert not verified.leads_to(peer)
    assert not await is_sent(device, verified, peer)


async def test_connection_that_became_a_websocket(device: Device, verified: VerifiedConnection) -> None:
    """It carries no requests."""
    async with device.session.ws_connect(device.url) as socket:
        assert not verified.leads_to(device.peer)
        assert not await is_sent(device, verified, device.peer)
        await socket.send_frame(b"", WSMsgType.TEXT)


async def test_connection_of_an_address_that_failed(device: Device, verified: VerifiedConnection) -> None:
    """It has to be verified again."""
    candidate = Candidate(device.url, connection=verified)
    candidate.record_failure("is another OctoPrint", 1000)
    assert not verified.leads_to(device.peer)
    assert not await is_sent(device, verified, device.peer)


@pytest.mark.parametrize("device", [ClientRequest], indirect=True)
async def test_session_that_cannot_refuse(device: Device, verified: VerifiedConnection) -> None:
    """None of its connections is known, so none is relied on."""
    assert not verified.leads_to(device.peer)
