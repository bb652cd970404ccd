"""Choose for each request: the local network while the same OctoPrint is reachable there, else the tunnel."""

from collections.abc import Awaitable, Callable, Generator, Iterable
from contextlib import contextmanager
from dataclasses import dataclass, field
from enum import StrEnum
from http import HTTPMethod, HTTPStatus
import time
from typing import Final, Protocol

from aiohttp import ClientSession, ClientTimeout
from yarl import URL

from ..errors import CannotConnect, InvalidResponse, OctoPrintTunnelError, Problem
from .message import Request, Response
from .route import Route
from .traffic import Traffic
from .verified_connection import VerifiedConnection

LOCAL_TIMEOUT: Final = ClientTimeout(total=10, connect=2)  # seconds
IDENTIFY_TIMEOUT: Final = ClientTimeout(total=3, connect=2)  # seconds; a healthy local OctoPrint responds quickly

FIRST_RETRY: Final = 60  # seconds until a failed address is tried again, doubling
LONGEST_RETRY: Final = 1800  # seconds
STATUSES_OF_OCTOPRINT: Final = (
    HTTPStatus.OK,
    HTTPStatus.NO_CONTENT,
    HTTPStatus.BAD_REQUEST,
    HTTPStatus.FORBIDDEN,
    HTTPStatus.CONFLICT,
)
"""Statuses of OctoPrint's responses to GET; any other comes from a proxy before it, perhaps with a log-in page."""

VERIFICATION_MAX_AGE: Final = 8  # seconds; the limit is 10, and to connect takes up to 2
SOCKET_MAX_AGE: Final = 300  # seconds; from a verification, how long the push socket may stand in for the next one
PROBES_TO_RETURN: Final = 2  # verifications in a row before an address that has failed is used again


class Way(StrEnum):
    """The way that requests go."""

    LOCAL = "local"
    TUNNEL = "tunnel"
    NONE = "none"


def _why_foreign(request: Request, response: Response) -> str | None:
    """Return why a response to GET is not from OctoPrint, None if it may be."""
    # OctoPrint does not have the paths of a plugin that is disabled.
    if response.status == HTTPStatus.NOT_FOUND and "/plugin/" in request.path:
        return None
    if response.status not in (*STATUSES_OF_OCTOPRINT, request.expected):
        return f"status {response.status}"
    if response.status == HTTPStatus.OK and request.path.startswith("/api/") and not response.is_null:
        try:
            response.json()
        except InvalidResponse as error:
            return error.problem.summary
    return None


@dataclass(slots=True)
class Candidate:
    """A local address, and what is known of it. Times are monotonic, in seconds."""

    url: URL
    verified_at: float | None = None
    responded_at: float | None = None
    """When a ping was sent that its push socket has returned."""
    connection: VerifiedConnection = field(default_factory=VerifiedConnection, compare=False)
    failures: int = 0
    good_probes: int = 0
    retry_at: float = 0
    reason: str | None = None
    """Why it was not used last, None if it was."""

    @property
    def is_usable(self) -> bool:
        """Tell whether it was verified often enough to be used."""
        return self.good_probes >= (PROBES_TO_RETURN if self.failures else 1)

    def is_verified(self, now: float) -> bool:
        """Tell whether it was the same OctoPrint at most VERIFICATION_MAX_AGE ago."""
        return self.verified_at is not None and now - self.verified_at < VERIFICATION_MAX_AGE

    def has_responded(self, now: float) -> bool:
        """Tell whether its push socket returned a ping that was sent at most VERIFICATION_MAX_AGE ago."""
        return self.responded_at is not None and now - self.responded_at < VERIFICATION_MAX_AGE

    def may_rely_on_socket(self, now: float) -> bool:
        """Tell whether the push socket can show that it is still the device that was verified."""
        is_recent = self.verified_at is not None and now - self.verified_at < SOCKET_MAX_AGE
        return is_recent and self.is_usable and not self.failures

    def record_success(self, now: float) -> None:
        """Record that it is the same OctoPrint."""
        if not self.is_verified(now):  # else a request at the same time has counted it
            self.good_probes += 1
        self.verified_at = now
        self.reason = None

    def record_failure(self, reason: str, now: float) -> None:
        """Do not use it for a while."""
        if now >= self.retry_at:  # else a request at the same time has set it
            self.retry_at = now + min(FIRST_RETRY * 2**self.failures, LONGEST_RETRY)
            self.failures += 1
        self.good_probes = 0
        self.verified_at = self.responded_at = None
        self.connection.forget()
        self.reason = reason


class Socket(Protocol):
    """An open push socket."""

    @property
    def peer(self) -> object:
        """Return the IP address and port of the other end, None if the connection is closed."""

    async def responds(self) -> bool:
        """Tell whether the other end returns a ping now."""


class Router:
    """Sends each request over the local network while that works, else through the tunnel.

    The API key goes to a local address only while that is verified to be the same OctoPrint as behind the tunnel. Only
    GET requests are sent again the other way: of any other it is not known whether it has arrived.

    A push socket saves most verifications of readings. It is a TCP connection, which another device that takes over the
    IP address cannot continue, so a ping that it returns shows that the address has not changed hands. That says
    nothing of new connections: a name, a port or a proxy may lead those elsewhere. So a reading goes only on a
    connection that is still open, that was verified itself, and that has the other end of the socket; else the address
    is verified.
    """

    def __init__(
        self,
        tunnel: Route,
        *,
        local_session: ClientSession,
        instance_uuid: str | None,
        identify: Callable[[Route], Awaitable[str | None]],
        addresses: Callable[[], Iterable[URL]],
        blocked_by: Callable[[], Problem | None],
        report: Callable[[Problem | None], None],
    ) -> None:
        """Prepare to choose between the tunnel and local addresses.

        `instance_uuid` is the id of the OctoPrint behind the tunnel. `identify` returns the id of the OctoPrint behind
        a route, None if it has none. `addresses` returns the local addresses to try, the best first. `blocked_by`
        returns the problem that any request through the tunnel would meet. `report` is called with the result of each
        request through the tunnel; None is success.
        """
        self.way = Way.NONE
        """The way of the last request, NONE if it failed."""
        self.traffic = {Way.LOCAL: Traffic(), Way.TUNNEL: tunnel.traffic}
        self.candidates: list[Candidate] = []
        self._tunnel = tunnel
        self._local_session = local_session
        self._instance_uuid = instance_uuid
        self._identify = identify
        self._addresses = addresses
        self._blocked_by = blocked_by
        self._report = report
        self._socket: tuple[URL, Socket] | None = None

    @contextmanager
    def following(self, route: Route, socket: Socket) -> Generator[None]:
        """Let an open push socket to the address of `route` stand in for verifications."""
        self._socket = (route.base_url, socket)
        try:
            yield
        finally:
            self._socket = None

    async def choose(self, *, verify: bool = False) -> tuple[Way, Route]:
        """Return the way for requests now, and its route. Raises the problem that blocks the tunnel.

        `verify` checks a local address even if it was verified just now, so that the next request may use the same
        connection.
        """
        if candidate := await self._usable_candidate(verify=verify):
            return Way.LOCAL, self._local(candidate, LOCAL_TIMEOUT)
        if problem := self._blocked_by():
            raise problem.error()
        return Way.TUNNEL, self._tunnel

    async def local_route(self) -> Route:
        """Return a verified route over the local network. Raises CannotConnect if there is none."""
        if candidate := await self._usable_candidate():
            return self._local(candidate, LOCAL_TIMEOUT)
        raise CannotConnect(detail="not on the local network")

    async def local_address(self) -> URL | None:
        """Return the local address for requests now, None if they go through the tunnel."""
        candidate = await self._usable_candidate()
        return candidate.url if candidate else None

    def record_problem(self, problem: Problem) -> None:
        """Record why a picture could not be fetched through the tunnel, if other requests would fail, too."""
        if problem.concerns_all:
            self._report(problem)

    async def send(self, request: Request) -> Response:
        """Send a request. Raises the errors of `Route.send`, and the problem that blocks the tunnel."""
        if candidate := await self._usable_candidate(by_socket=request.method == HTTPMethod.GET):
            response = await self._send_locally(candidate, request)
            if response is not None:
                self.way = Way.LOCAL
                return response
        return await self._send_through_tunnel(request)

    async def _send_locally(self, candidate: Candidate, request: Request) -> Response | None:
        """Send a request over the local network; None if it has to go through the tunnel."""
        may_repeat = request.method == HTTPMethod.GET
        route = self._local(candidate, LOCAL_TIMEOUT)
        try:
            response = await self._send_verified(candidate, route, request)
            if response is None:
                await self._verify(candidate)
                if not candidate.is_usable:
                    return None
                response = await route.send(request)
        except OctoPrintTunnelError as error:
            candidate.record_failure(error.problem.summary, time.monotonic())
            if may_repeat:
                return None
            raise
        if may_repeat and (reason := _why_foreign(request, response)):
            candidate.record_failure(reason, time.monotonic())
            return None
        candidate.failures = 0
        return response

    async def _send_verified(self, candidate: Candidate, route: Route, request: Request) -> Response | None:
        """Send a request; None if nothing was sent, because the socket does not speak for its connection."""
        if candidate.is_verified(time.monotonic()):
            return await route.send(request)
        with candidate.connection.only(self._peer(candidate)) as restriction:
            try:
                return await route.send(request)
            except OctoPrintTunnelError:
                if not restriction.is_refused:
                    raise
        return None

    async def _send_through_tunnel(self, request: Request) -> Response:
        if problem := self._blocked_by():  # a request would only cost data to fail in the same way
            self.way = Way.NONE
            raise problem.error()
        try:
            response = await self._tunnel.send(request)
        except OctoPrintTunnelError as error:
            # An error that says nothing about the tunnel has come through it.
            self.way = Way.TUNNEL if error.condition is None else Way.NONE
            self._report(error.problem)
            raise
        self._report(None)
        self.way = Way.TUNNEL
        return response

    async def _usable_candidate(self, *, verify: bool = False, by_socket: bool = False) -> Candidate | None:
        """Return the first local address that is verified to be the same OctoPrint, None if there is none.

        `by_socket` accepts one that the push socket stands in for.
        """
        known = {candidate.url: candidate for candidate in self.candidates}
        self.candidates = [known.get(url) or Candidate(url) for url in dict.fromkeys(self._addresses())]
        for candidate in self.candidates:
            now = time.monotonic()
            if now < candidate.retry_at:
                continue
            if (verify or not candidate.is_verified(now)) and not (by_socket and await self._responds(candidate)):
                await self._verify(candidate)
            if candidate.is_usable:
                return candidate
        return None

    def _peer(self, candidate: Candidate) -> object:
        """Return where the push socket leads to, None if it is not open to this address."""
        url, socket = self._socket or (None, None)
        return socket.peer if socket and url == candidate.url else None

    async def _responds(self, candidate: Candidate) -> bool:
        """Tell whether the push socket shows that an address is still that of the device that was verified."""
        now = time.monotonic()
        peer = self._peer(candidate)
        if peer is None or self._socket is None or not candidate.may_rely_on_socket(now):
            return False
        if candidate.has_responded(now):
            return True
        if not candidate.connection.leads_to(peer) or not await self._socket[1].responds():
            return False
        candidate.responded_at = now
        return True

    async def _verify(self, candidate: Candidate) -> None:
        """Ask a local address for its instance id, without the API key."""
        try:
            with candidate.connection.watch() as record_connection:
                instance_uuid = await self._identify(self._local(candidate, IDENTIFY_TIMEOUT))
        except OctoPrintTunnelError as error:
            reason: str | None = error.problem.summary
        else:
            reason = self._why_not_the_same(instance_uuid)
        if reason is None:
            candidate.record_success(time.monotonic())
            record_connection()
        else:
            candidate.record_failure(reason, time.monotonic())

    def _why_not_the_same(self, instance_uuid: str | None) -> str | None:
        if instance_uuid is None:
            return "has no instance id"
        return None if instance_uuid == self._instance_uuid else "is another OctoPrint"

    def _local(self, candidate: Candidate, timeout: ClientTimeout) -> Route:
        traffic = self.traffic[Way.LOCAL]
        return Route(session=self._local_session, base_url=candidate.url, timeout=timeout, traffic=traffic)


class PinnedRoute:
    """Sends requests on one route, and only while the router chooses that route.

    A local address is verified before each request.
    """

    def __init__(self, router: Router, way: Way, route: Route) -> None:
        """Stay on the way and the route that `router` chose."""
        self._router = router
        self._way = way
        self._route = route

    async def confirm(self) -> None:
        """Raise CannotConnect if the router chooses another route now, and the errors of `Router.choose`."""
        way, route = await self._router.choose(verify=True)
        if (way, route.base_url) != (self._way, self._route.base_url):
            raise CannotConnect(detail="requests go another way now")

    async def send(self, request: Request) -> Response:
        """Send a request. Raises the errors of `confirm` and `Route.send`."""
        await self.confirm()
        return await self._route.send(request)
