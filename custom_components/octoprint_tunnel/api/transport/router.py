"""Which way a request goes now: over the local network where the same OctoPrint is there, else through the tunnel."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from http import HTTPMethod, HTTPStatus
import time
from typing import Final

from aiohttp import ClientSession, ClientTimeout, FormData
from yarl import URL

from ..errors import CannotConnect, InvalidResponse, OctoPrintTunnelError, Problem
from ..octoprint.client import OctoPrint
from .addresses import private_addresses  # noqa: F401 - known here before it had a file of its own
from .route import Response, Route
from .traffic import Traffic

LOCAL_TIMEOUT: Final = ClientTimeout(total=10, connect=2)  # seconds
PROOF_TIMEOUT: Final = ClientTimeout(total=3, connect=2)  # who is near and well says soon who it is

FIRST_RETRY: Final = 60  # seconds until a failed address is tried again, doubling
LONGEST_RETRY: Final = 1800
OCTOPRINTS_OWN: Final = (
    HTTPStatus.OK,
    HTTPStatus.NO_CONTENT,
    HTTPStatus.BAD_REQUEST,
    HTTPStatus.FORBIDDEN,
    HTTPStatus.CONFLICT,
)
"""What OctoPrint itself answers a reading; anything else comes of what stands before it, a page to log in perhaps."""

PROOF_LASTS: Final = 8  # seconds; an address may belong to another device 10 s after, and to connect takes up to 2 s
PROBES_TO_RETURN: Final = 2  # in a row, to an address that has failed before


class Way(StrEnum):
    """The way that requests go."""

    LOCAL = "local"
    TUNNEL = "tunnel"
    NONE = "none"


def _why_foreign(path: str, response: Response) -> str | None:
    """Return why an answer to a reading does not come of OctoPrint, None where it may."""
    if response.status not in OCTOPRINTS_OWN:
        return f"status {response.status}"
    if response.status == HTTPStatus.OK and path.startswith("/api/"):
        try:
            response.json()
        except InvalidResponse as error:
            return error.problem.summary
    return None


@dataclass(slots=True)
class Candidate:
    """A local address and what is known of it. Times are monotonic, in seconds."""

    url: URL
    proved_at: float | None = None
    failures: int = 0
    good_probes: int = 0
    retry_at: float = 0
    reason: str | None = None

    def is_proved(self, now: float) -> bool:
        """Tell whether it has shown just now that it is the same OctoPrint."""
        return self.proved_at is not None and now - self.proved_at < PROOF_LASTS

    def failed(self, reason: str, now: float) -> None:
        """Put the address aside for a while."""
        if now >= self.retry_at:  # else a request that was under way at the same time has done it
            self.retry_at = now + min(FIRST_RETRY * 2**self.failures, LONGEST_RETRY)
            self.failures += 1
        self.good_probes = 0
        self.proved_at = None
        self.reason = reason


class SameWay:
    """Sends requests one way alone, each only while the router chooses that way: for what is open there already.

    An address on the local network is proved again by that, before anything with a credential goes there.
    """

    def __init__(self, router: Router, way: Way, route: Route) -> None:
        """Stay on the way and the route that `router` chose."""
        self._router = router
        self._way = way
        self._route = route

    async def confirm(self) -> None:
        """Raise CannotConnect where another way is chosen now, and what `Router.choose` raises."""
        way, route = await self._router.choose(prove=True)
        if (way, route.base_url) != (self._way, self._route.base_url):
            raise CannotConnect(detail="requests go another way now")

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
        """Send one request; raises as `confirm` and `Route.request` do."""
        await self.confirm()
        return await self._route.request(method, path, query=query, headers=headers, json=json, form=form)


class Router:
    """Sends each request over the local network while that works, else through the tunnel.

    The API key goes to a local address only right after that has shown the identity that OctoPrint has behind the
    tunnel. A request that changes something is sent once: not knowing whether it arrived is no reason to repeat it.
    """

    def __init__(
        self,
        tunnel: Route,
        *,
        local_session: ClientSession,
        instance_uuid: str | None,
        addresses: Callable[[], Iterable[URL]],
        blocked_by: Callable[[], Problem | None],
        report: Callable[[Problem | None], None],
    ) -> None:
        """Prepare to choose.

        `addresses` gives the local addresses to try, best first; `blocked_by` the error that the tunnel is known to
        answer anything with; `report` takes how each request through the tunnel went.
        """
        self.way = Way.NONE
        self.traffic = {Way.LOCAL: Traffic(), Way.TUNNEL: tunnel.traffic}
        self.candidates: list[Candidate] = []
        self._tunnel = tunnel
        self._local_session = local_session
        self._instance_uuid = instance_uuid
        self._addresses = addresses
        self._blocked_by = blocked_by
        self._report = report

    async def choose(self, *, prove: bool = False) -> tuple[Way, Route]:
        """Return the way that works now, and the route that goes it; raises what the tunnel is known to answer.

        `prove` has a local address show its identity also where it has done so just now: another connection may have
        carried that, and what comes right after it takes the same one.
        """
        if candidate := await self._proved_candidate(prove=prove):
            return Way.LOCAL, self._local(candidate, LOCAL_TIMEOUT)
        if known := self._blocked_by():
            raise known.error()
        return Way.TUNNEL, self._tunnel

    async def local_address(self) -> URL | None:
        """Return the local address that is the same OctoPrint right now, None where there is none."""
        candidate = await self._proved_candidate()
        return candidate.url if candidate else None

    def record_problem(self, problem: Problem) -> None:
        """Record why a picture could not be fetched through the tunnel, where other requests would fail, too."""
        if problem.concerns_all:
            self._report(problem)

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
        """Send one request the way that works now; raises as `Route.request` does."""
        if candidate := await self._proved_candidate():
            try:
                response = await self._local(candidate, LOCAL_TIMEOUT).request(
                    method, path, query=query, headers=headers, json=json, form=form
                )
            except OctoPrintTunnelError as error:
                candidate.failed(error.problem.summary, time.monotonic())
                if method != HTTPMethod.GET:
                    raise
            else:
                reason = _why_foreign(path, response) if method == HTTPMethod.GET else None
                if reason is None:
                    candidate.failures = 0
                    self.way = Way.LOCAL
                    return response
                candidate.failed(reason, time.monotonic())
        # What the service already says would only cost another request to hear.
        if known := self._blocked_by():
            self.way = Way.NONE
            raise known.error()
        try:
            response = await self._tunnel.request(method, path, query=query, headers=headers, json=json, form=form)
        except OctoPrintTunnelError as error:
            # What is about this request alone has come through the tunnel.
            self.way = Way.TUNNEL if error.condition is None else Way.NONE
            self._report(error.problem)
            raise
        self._report(None)
        self.way = Way.TUNNEL
        return response

    async def _proved_candidate(self, *, prove: bool = False) -> Candidate | None:
        """Return a local address that is the same OctoPrint right now."""
        known = {candidate.url: candidate for candidate in self.candidates}
        self.candidates = [known.get(url) or Candidate(url) for url in dict.fromkeys(self._addresses())]
        for candidate in self.candidates:
            now = time.monotonic()
            if now < candidate.retry_at:
                continue
            if prove or not candidate.is_proved(now):
                await self._prove(candidate)
            if candidate.good_probes >= (PROBES_TO_RETURN if candidate.failures else 1):
                return candidate
        return None

    async def _prove(self, candidate: Candidate) -> None:
        """Ask a local address who it is, without the API key."""
        try:
            instance = await OctoPrint(self._local(candidate, PROOF_TIMEOUT)).instance()
        except OctoPrintTunnelError as error:
            candidate.failed(error.problem.summary, time.monotonic())
            return
        if instance is None or instance.uuid != self._instance_uuid:
            reason = "does not say who it is" if instance is None else "is another OctoPrint"
            candidate.failed(reason, time.monotonic())
            return
        now = time.monotonic()
        if not candidate.is_proved(now):  # else by a request at the same time: that makes no row of two
            candidate.good_probes += 1
        candidate.proved_at = now
        candidate.reason = None

    def _local(self, candidate: Candidate, timeout: ClientTimeout) -> Route:
        traffic = self.traffic[Way.LOCAL]
        return Route(session=self._local_session, base_url=candidate.url, timeout=timeout, traffic=traffic)
