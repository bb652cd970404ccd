"""A push socket on the local network stands in for identity checks, and never lets another device get the API key."""

from collections.abc import AsyncGenerator
from dataclasses import dataclass

from aiohttp import web
from aiohttp.test_utils import RawTestServer
import pytest
from yarl import URL

from custom_components.octoprint_tunnel import live
from custom_components.octoprint_tunnel.api.errors import CannotConnect
from custom_components.octoprint_tunnel.api.octoprint import push
from custom_components.octoprint_tunnel.api.transport import router as routing
from custom_components.octoprint_tunnel.api.transport.route import Route
from custom_components.octoprint_tunnel.api.transport.router import PinnedRoute, Way

from .gate import Gate
from .home import Home, settle
from .test_live import BOTH_VERSIONS, FOREIGN, connect, until_open
from .test_local_access import IDENTITY

READING = "/api/printer"


@dataclass
class Clock:
    """The time by which identity checks are valid."""

    now: float = 1000.0

    def monotonic(self) -> float:
        """Return the time in seconds."""
        return self.now


@pytest.fixture(autouse=True)
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    """Stop that time."""
    clock = Clock()
    monkeypatch.setattr(routing, "time", clock)
    return clock


def local(home: Home) -> list[str]:
    """Return the paths of the requests on the local network."""
    return [exchange.path for exchange in home.relay.seen("local")]


async def read(home: Home, clock: Clock) -> list[str]:
    """Read the printer after the last check has expired, and return the paths of its requests on the local network."""
    clock.now += routing.VERIFICATION_MAX_AGE
    home.relay.clear()
    await home.refresh()
    return local(home)


async def listen(home: Home, url: str) -> None:
    """Use live updates at a local address, of a printer that is connected."""
    await home.listen(local_url=url)
    await connect(home)
    await settle(home.hass)
    await home.refresh()
    assert home.state("active_route").state == "local"


@BOTH_VERSIONS
async def test_reading_needs_no_identity_check(new_live_home: Home, clock: Clock) -> None:
    """The socket returns a ping instead, for each connection that was checked when it was opened."""
    await listen(new_live_home, new_live_home.relay.local.url)
    for _ in range(3):
        assert await read(new_live_home, clock) == [READING]
    assert new_live_home.state("printer_state").state == "operational"


async def test_command_needs_one(new_live_home: Home, clock: Clock) -> None:
    """Commands are rare. Whether the printer is idle is read before."""
    await listen(new_live_home, new_live_home.relay.local.url)
    clock.now += routing.VERIFICATION_MAX_AGE
    new_live_home.relay.clear()
    await new_live_home.press("disconnect")
    assert local(new_live_home)[:3] == ["/api/job", IDENTITY, "/api/connection"]


async def test_check_after_five_minutes(new_live_home: Home, clock: Clock) -> None:
    """A proxy may lead an open connection to another OctoPrint."""
    await listen(new_live_home, new_live_home.relay.local.url)
    for _ in range(3):
        clock.now += routing.SOCKET_MAX_AGE
        assert await read(new_live_home, clock) == [IDENTITY, READING]
        assert await read(new_live_home, clock) == [READING]


async def test_socket_that_does_not_respond(new_live_home: Home, clock: Clock, monkeypatch: pytest.MonkeyPatch) -> None:
    """It shows nothing, so the address is checked."""
    await listen(new_live_home, new_live_home.relay.local.url)
    monkeypatch.setattr(push, "PONG_TIMEOUT", 0.2)
    new_live_home.relay.freeze_sockets()
    assert await read(new_live_home, clock) == [IDENTITY, READING]
    new_live_home.relay.heal()


async def test_socket_that_has_ended(new_live_home: Home, clock: Clock, monkeypatch: pytest.MonkeyPatch) -> None:
    """The address is checked as without live updates."""
    await listen(new_live_home, new_live_home.relay.local.url)
    monkeypatch.setattr(live, "FIRST_RETRY", 60)
    new_live_home.relay.break_sockets()
    await until_open(new_live_home, False)
    await settle(new_live_home.hass)
    assert await read(new_live_home, clock) == [IDENTITY, READING]


# An address that changes hands


class Stranger:
    """Another device, which shows an identity and records what it gets."""

    def __init__(self) -> None:
        """Show the identity of another OctoPrint."""
        self.received: list[web.BaseRequest] = []

    async def __call__(self, request: web.BaseRequest) -> web.Response:
        """Respond to a request."""
        self.received.append(request)
        return web.Response(text=FOREIGN)

    @property
    def paths(self) -> list[str]:
        """Return the paths of what it got."""
        return [request.path for request in self.received]


@pytest.fixture
async def stranger() -> AsyncGenerator[tuple[Stranger, int]]:
    """Return another device, and its port."""
    stranger = Stranger()
    async with RawTestServer(stranger) as server:
        yield stranger, int(server.port or 0)


@pytest.fixture
async def gate(new_live_home: Home, clock: Clock) -> AsyncGenerator[Gate]:
    """Return an address that leads to the printer, with live updates in use."""
    async with Gate.open(int(URL(new_live_home.octoprint.url).port or 0)) as gate:
        await listen(new_live_home, gate.url)
        clock.now += routing.VERIFICATION_MAX_AGE
        yield gate
        await new_live_home.hass.config_entries.async_unload(new_live_home.entry.entry_id)


def no_key(stranger: Stranger) -> bool:
    """Tell whether the stranger got no credential."""
    return not [request for request in stranger.received if {"X-Api-Key", "Authorization"} & set(request.headers)]


async def test_open_connections_stay(
    new_live_home: Home, clock: Clock, gate: Gate, stranger: tuple[Stranger, int]
) -> None:
    """What is read on them still comes from the printer, and nothing goes to the other device."""
    other, gate.port = stranger
    opened = gate.opened
    for _ in range(3):
        await read(new_live_home, clock)
    assert (gate.opened, other.received) == (opened, [])
    assert new_live_home.runtime.live.since
    assert new_live_home.states("active_route", "printer_state") == ("local", "operational")


async def test_new_connection_to_another_device(
    new_live_home: Home, clock: Clock, gate: Gate, stranger: tuple[Stranger, int]
) -> None:
    """It is asked for its identity without the API key, although the push socket still leads to the printer."""
    other, gate.port = stranger
    await gate.close_kept()
    await read(new_live_home, clock)
    assert set(other.paths) == {IDENTITY}
    assert no_key(other)
    assert new_live_home.states("active_route", "printer_state") == ("tunnel", "operational")
    assert new_live_home.relay.seen("tunnel", path=READING)
    assert new_live_home.runtime.live.since


async def test_new_connection_to_the_printer(new_live_home: Home, clock: Clock, gate: Gate) -> None:
    """It is checked once, then it is used without further checks."""
    opened = gate.opened
    await gate.close_kept()
    for _ in range(3):
        await read(new_live_home, clock)
    assert gate.opened == opened + 1
    assert new_live_home.states("active_route", "printer_state") == ("local", "operational")


async def test_connection_that_closes_with_the_ping(
    new_live_home: Home, clock: Clock, gate: Gate, stranger: tuple[Stranger, int], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A new one that is opened in its place is refused before anything is sent on it."""
    other, gate.port = stranger
    responds = push.PushSocket.responds

    async def close_and_respond(socket: push.PushSocket) -> bool:
        await gate.close_kept()
        return await responds(socket)

    monkeypatch.setattr(push.PushSocket, "responds", close_and_respond)
    await read(new_live_home, clock)
    assert set(other.paths) == {IDENTITY}
    assert no_key(other)
    assert new_live_home.states("active_route", "printer_state") == ("tunnel", "operational")


@pytest.mark.parametrize("what", ["log-in", "picture or file"])
async def test_what_a_socket_does_not_stand_in_for(
    new_live_home: Home, clock: Clock, gate: Gate, stranger: tuple[Stranger, int], what: str
) -> None:
    """What is not a reading is sent after an identity check alone, also on connections of its own."""
    other, gate.port = stranger
    await gate.close_kept()
    router = new_live_home.runtime.printer.router
    route = Route(session=router._local_session, base_url=URL(gate.url))
    with pytest.raises(CannotConnect):
        await (PinnedRoute(router, Way.LOCAL, route).confirm() if what == "log-in" else router.local_route())
    assert set(other.paths) == {IDENTITY}
    assert no_key(other)


@pytest.mark.parametrize("elsewhere", [None, ("127.0.0.2", 80)])
async def test_socket_that_leads_elsewhere(
    new_live_home: Home, clock: Clock, monkeypatch: pytest.MonkeyPatch, elsewhere: object
) -> None:
    """A name may have several addresses: the socket speaks for the one that it leads to."""
    await listen(new_live_home, new_live_home.relay.local.url)
    monkeypatch.setattr(push.PushSocket, "peer", property(lambda _: elsewhere))
    assert await read(new_live_home, clock) == [IDENTITY, READING]
