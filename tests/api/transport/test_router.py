"""The choice between the local network and the tunnel, with a network and a clock that the tests control."""

import asyncio
from dataclasses import dataclass, field, replace
from types import SimpleNamespace
from typing import Any

from aiohttp import ClientTimeout
import pytest
from yarl import URL

from custom_components.octoprint_tunnel.api.errors import (
    CannotConnect,
    OctoPrintOffline,
    OctoPrintTunnelError,
    OverCap,
    Problem,
    Rejected,
    RequestTimeout,
    ServiceError,
)
from custom_components.octoprint_tunnel.api.transport import router as router_module
from custom_components.octoprint_tunnel.api.transport.message import Request, Response
from custom_components.octoprint_tunnel.api.transport.route import Route
from custom_components.octoprint_tunnel.api.transport.router import Candidate, PinnedRoute, Router, Way

SESSION, LOCAL_SESSION = object(), object()
TUNNEL, PI, SPARE = URL("https://tunnel.example"), URL("http://10.0.0.5"), URL("http://10.0.0.6:5000")
UUID = "00000000-0000-4000-8000-000000000000"
GET, POST = Request("GET", "/api/job"), Request("POST", "/api/job", json={"command": "cancel"})
OK = Response(200, {}, b"{}")


@dataclass
class Network:
    """What responds at each address, and a record of what was asked."""

    ids: dict[URL, str | Problem | None] = field(default_factory=dict)
    """The instance id at an address, or the problem to ask for it."""
    responses: dict[URL, Response | Problem] = field(default_factory=dict)
    """The response to requests at an address, if it is not OK."""
    identified: list[Route] = field(default_factory=list)
    sent: list[tuple[Route, Request]] = field(default_factory=list)
    now: float = 1000.0

    async def identify(self, route: Route) -> str | None:
        """Return the instance id at a local address."""
        self.identified.append(route)
        await asyncio.sleep(0)
        result = self.ids.get(route.base_url, UUID)
        if isinstance(result, Problem):
            raise result.error()
        return result

    async def send(self, route: Route, request: Request) -> Response:
        """Respond to a request."""
        self.sent.append((route, request))
        await asyncio.sleep(0)
        result = self.responses.get(route.base_url, OK)
        if isinstance(result, Problem):
            raise result.error()
        return result

    def probes(self) -> list[URL]:
        """Return the addresses that were identified since the last call."""
        probes, self.identified = [route.base_url for route in self.identified], []
        return probes

    def requests(self) -> list[tuple[URL, Request]]:
        """Return where requests were sent since the last call."""
        requests, self.sent = [(route.base_url, request) for route, request in self.sent], []
        return requests


@pytest.fixture
def network(monkeypatch: pytest.MonkeyPatch) -> Network:
    """Return a network that replaces the real one."""
    network = Network()

    async def send(route: Route, request: Request) -> Response:
        return await network.send(route, request)

    monkeypatch.setattr(Route, "send", send)
    monkeypatch.setattr(router_module, "time", SimpleNamespace(monotonic=lambda: network.now))
    return network


@dataclass
class Tunnel:
    """What the router is told of the tunnel, and what it reports."""

    addresses: list[URL] = field(default_factory=lambda: [PI])
    problem: Problem | None = None
    reports: list[Problem | None] = field(default_factory=list)


@pytest.fixture
def tunnel() -> Tunnel:
    """Return a tunnel that is open, of a printer with one local address."""
    return Tunnel()


@pytest.fixture
def router(network: Network, tunnel: Tunnel) -> Router:
    """Return a router over that network."""
    session: Any = SESSION
    local_session: Any = LOCAL_SESSION
    return Router(
        Route(session=session, base_url=TUNNEL),
        local_session=local_session,
        instance_uuid=UUID,
        identify=network.identify,
        addresses=lambda: tunnel.addresses,
        blocked_by=lambda: tunnel.problem,
        report=tunnel.reports.append,
    )


async def fails(router: Router, request: Request = GET) -> OctoPrintTunnelError:
    """Send a request that fails."""
    with pytest.raises(OctoPrintTunnelError) as caught:
        await router.send(request)
    return caught.value


def test_the_names_of_the_ways() -> None:
    """They are states of an entity."""
    assert [*Way] == ["local", "tunnel", "none"]


def test_nothing_is_known_of_a_new_address() -> None:
    """It may be tried at once."""
    candidate = Candidate(PI)
    assert (candidate.verified_at, candidate.failures, candidate.good_probes) == (None, 0, 0)
    assert (candidate.retry_at, candidate.reason, candidate.is_usable) == (0, None, False)


# the local network


@pytest.mark.parametrize("request_", [GET, POST], ids=["GET", "POST"])
async def test_requests_go_to_the_verified_local_address(
    router: Router, network: Network, tunnel: Tunnel, request_: Request
) -> None:
    """The tunnel carries nothing and gets no report."""
    assert router.way is Way.NONE
    assert await router.send(request_) is OK
    assert (router.way, tunnel.reports) == (Way.LOCAL, [])
    [probe], [(route, sent)] = network.identified, network.sent
    assert sent is request_
    assert (probe.base_url, route.base_url) == (PI, PI)
    assert probe.session is route.session is LOCAL_SESSION
    assert (probe.timeout, route.timeout) == (ClientTimeout(total=3, connect=2), ClientTimeout(total=10, connect=2))
    assert probe.traffic is route.traffic is router.traffic[Way.LOCAL]
    assert not route.headers


async def test_an_address_is_verified_again_after_8_seconds(router: Router, network: Network) -> None:
    """So that a device that takes over the address never gets the API key."""
    for seconds, probes in ((0, [PI]), (7.9, []), (0.1, [PI]), (7.9, []), (7.9, [PI])):
        network.now += seconds
        await router.send(GET)
        assert network.probes() == probes
    network.now += 8
    network.ids[PI] = "another"
    network.requests()
    await router.send(GET)
    assert network.requests() == [(TUNNEL, GET)]


@pytest.mark.parametrize(
    ("identity", "reason"),
    [
        ("another", "is another OctoPrint"),
        (None, "has no instance id"),
        (Problem(CannotConnect, detail="ClientOSError"), "cannot_connect ClientOSError"),
        (Problem(Rejected, code=400, detail="text of a stranger"), "rejected 400"),
    ],
)
async def test_no_request_goes_to_an_address_that_is_not_verified(
    router: Router, network: Network, identity: str | Problem | None, reason: str
) -> None:
    """It goes through the tunnel, and diagnostics show why."""
    network.ids[PI] = identity
    for request in (GET, POST):
        assert await router.send(request) is OK
    assert network.requests() == [(TUNNEL, GET), (TUNNEL, POST)]
    assert router.way is Way.TUNNEL
    [candidate] = router.candidates
    assert (candidate.reason, candidate.failures, candidate.verified_at) == (reason, 1, None)


@pytest.mark.parametrize(
    ("response", "reason"),
    [
        *((Response(status, {}, b""), None) for status in (204, 400, 403, 409)),
        *((Response(status, {}, b""), f"status {status}") for status in (201, 301, 302, 401, 404, 500)),
        (Response(200, {}, b"<html>Log in</html>"), "invalid_response not JSON"),
        (Problem(RequestTimeout), "timed_out"),
    ],
)
async def test_a_read_that_fails_locally_is_repeated_through_the_tunnel(
    router: Router, network: Network, tunnel: Tunnel, response: Response | Problem, reason: str | None
) -> None:
    """Also if something else than OctoPrint has responded, like a log-in page of a proxy."""
    network.responses[PI] = response
    received = await router.send(GET)
    [candidate] = router.candidates
    assert candidate.reason == reason
    if reason is None:
        assert (received, router.way) == (response, Way.LOCAL)
        assert network.requests() == [(PI, GET)]
    else:
        assert (received, router.way, tunnel.reports) == (OK, Way.TUNNEL, [None])
        assert network.requests() == [(PI, GET), (TUNNEL, GET)]
        assert (candidate.failures, candidate.retry_at) == (1, 1060)


async def test_only_api_responses_have_to_be_json(router: Router, network: Network) -> None:
    """Plugins have pages of their own."""
    network.responses[PI] = Response(200, {}, b"<xml>")
    await router.send(Request("GET", "/plugin/discovery/discovery.xml"))
    assert router.way is Way.LOCAL


async def test_a_read_of_what_may_not_exist(router: Router, network: Network) -> None:
    """That OctoPrint does not have it is a response like others."""
    network.responses[PI] = Response(404, {}, b"")
    assert (await router.send(replace(GET, expected=404))).status == 404
    assert (router.way, router.candidates[0].failures) == (Way.LOCAL, 0)


async def test_a_command_is_sent_once(router: Router, network: Network, tunnel: Tunnel) -> None:
    """It may have arrived."""
    network.responses[PI] = Problem(RequestTimeout)
    error = await fails(router, POST)
    assert (type(error), tunnel.reports) == (RequestTimeout, [])
    assert network.requests() == [(PI, POST)]
    assert router.candidates[0].reason == "timed_out"
    await router.send(POST)
    assert network.requests() == [(TUNNEL, POST)]


async def test_a_command_may_get_any_status(router: Router, network: Network) -> None:
    """What it means is for the client to say."""
    network.responses[PI] = Response(404, {}, b"")
    assert (await router.send(POST)).status == 404
    assert (router.way, router.candidates[0].failures) == (Way.LOCAL, 0)


# an address that has failed


async def test_an_address_that_failed_is_tried_less_and_less(router: Router, network: Network) -> None:
    """After 1, 2, 4, 8, 16 and 30 minutes, then every 30 minutes."""
    network.ids[PI] = "another"
    await router.send(GET)
    assert network.probes() == [PI]
    for seconds in (60, 120, 240, 480, 960, 1800, 1800):
        network.now += seconds - 0.1
        await router.send(GET)
        assert network.probes() == []
        network.now += 0.1
        await router.send(GET)
        assert network.probes() == [PI]


async def test_an_address_that_failed_returns_after_two_probes_in_a_row(router: Router, network: Network) -> None:
    """A network that comes and goes is left alone."""
    network.ids[PI] = Problem(CannotConnect)
    await router.send(GET)
    network.now += 60
    network.ids[PI] = UUID
    await router.send(GET)
    assert (router.way, router.candidates[0].reason) == (Way.TUNNEL, None)
    network.now += 8
    network.ids[PI] = Problem(CannotConnect)
    await router.send(GET)
    network.now += 120
    network.ids[PI] = UUID
    for seconds, way in ((0, Way.TUNNEL), (7.9, Way.TUNNEL), (0.1, Way.LOCAL)):
        network.now += seconds
        await router.send(GET)
        assert router.way is way
    assert router.candidates[0].failures == 0
    network.responses[PI] = Problem(CannotConnect)
    await router.send(GET)
    assert router.candidates[0].retry_at == network.now + 60


async def test_requests_at_the_same_time_count_once(router: Router, network: Network) -> None:
    """They neither delay the next probe nor verify an address sooner."""
    network.ids[PI] = Problem(CannotConnect)
    await asyncio.gather(*(router.send(GET) for _ in range(4)))
    assert network.probes() == [PI] * 4
    assert (router.candidates[0].failures, router.candidates[0].retry_at) == (1, 1060)
    network.now += 60
    network.ids[PI] = UUID
    await asyncio.gather(*(router.send(GET) for _ in range(4)))
    assert (router.candidates[0].good_probes, router.way) == (1, Way.TUNNEL)


# several addresses


async def test_the_first_address_that_is_verified_is_used(router: Router, network: Network, tunnel: Tunnel) -> None:
    """In the order that is given, each address once."""
    tunnel.addresses = [PI, SPARE, PI]
    assert await router.local_address() == PI
    assert network.probes() == [PI]
    network.now += 8
    network.ids[PI] = "another"
    assert await router.local_address() == SPARE
    assert network.probes() == [PI, SPARE]
    assert await router.local_address() == SPARE
    assert network.probes() == []
    assert [candidate.url for candidate in router.candidates] == [PI, SPARE]


async def test_addresses_may_change(router: Router, network: Network, tunnel: Tunnel) -> None:
    """What is known of an address is kept as long as it is given."""
    network.ids[PI] = "another"
    assert await router.local_address() is None
    tunnel.addresses = [SPARE, PI]
    assert await router.local_address() == SPARE
    assert [candidate.failures for candidate in router.candidates] == [0, 1]
    tunnel.addresses = []
    assert await router.local_address() is None
    assert router.candidates == []


# the tunnel


@pytest.mark.parametrize(
    ("problem", "way"),
    [
        (Problem(OctoPrintOffline, code=601), Way.NONE),
        (Problem(ServiceError, code=600), Way.NONE),
        (Problem(Rejected, code=409, detail="busy"), Way.TUNNEL),
    ],
)
async def test_an_error_of_the_tunnel_is_reported(
    router: Router, network: Network, tunnel: Tunnel, problem: Problem, way: Way
) -> None:
    """An error that says nothing about the tunnel has come through it."""
    tunnel.addresses = []
    network.responses[TUNNEL] = problem
    assert (await fails(router)).problem == problem
    assert (router.way, tunnel.reports) == (way, [problem])
    del network.responses[TUNNEL]
    await router.send(POST)
    assert (router.way, tunnel.reports) == (Way.TUNNEL, [problem, None])
    assert network.requests() == [(TUNNEL, GET), (TUNNEL, POST)]


async def test_a_blocked_tunnel_gets_no_request(router: Router, network: Network, tunnel: Tunnel) -> None:
    """Its error is known; the local network is used all the same."""
    tunnel.problem = Problem(OverCap, code=481)
    await router.send(GET)
    assert (await router.choose())[0] is Way.LOCAL
    network.now += 8
    network.ids[PI] = Problem(CannotConnect)
    network.requests()
    for request in (GET, POST):
        router.way = Way.LOCAL
        assert (await fails(router, request)).problem == tunnel.problem
        assert router.way is Way.NONE
    with pytest.raises(OverCap):
        await router.choose()
    assert (network.requests(), tunnel.reports) == ([], [])


@pytest.mark.parametrize(
    ("problem", "reported"),
    [(Problem(OctoPrintOffline), True), (Problem(OverCap), True), (Problem(RequestTimeout), False)],
)
def test_a_problem_of_a_picture_is_reported_if_it_concerns_all(
    router: Router, tunnel: Tunnel, problem: Problem, reported: bool
) -> None:
    """Pictures are fetched past the router."""
    router.record_problem(problem)
    assert tunnel.reports == ([problem] if reported else [])


# choose, and stay


async def test_the_chosen_route_is_handed_out(router: Router, network: Network, tunnel: Tunnel) -> None:
    """For sockets and pictures."""
    way, route = await router.choose()
    assert (way, route.base_url, route.timeout) == (Way.LOCAL, PI, ClientTimeout(total=10, connect=2))
    assert network.probes() == [PI]
    await router.choose()
    assert network.probes() == []
    await router.choose(verify=True)
    assert network.probes() == [PI]
    tunnel.addresses = []
    way, route = await router.choose()
    assert (way, route.base_url, route.traffic) == (Way.TUNNEL, TUNNEL, router.traffic[Way.TUNNEL])
    assert router.way is Way.NONE


async def test_a_pinned_route_is_verified_before_each_request(router: Router, network: Network, tunnel: Tunnel) -> None:
    """It sends nothing once the router chooses another one."""
    pinned = PinnedRoute(router, *await router.choose())
    network.probes()
    assert await pinned.send(POST) is OK
    assert (network.probes(), network.requests()) == ([PI], [(PI, POST)])
    for addresses in ([SPARE], []):
        tunnel.addresses = addresses
        with pytest.raises(CannotConnect) as caught:
            await pinned.send(POST)
        assert caught.value.detail == "requests go another way now"
    assert network.requests() == []
    pinned = PinnedRoute(router, *await router.choose())
    await pinned.confirm()
    tunnel.problem = Problem(OverCap)
    with pytest.raises(OverCap):
        await pinned.confirm()
