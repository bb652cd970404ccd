"""A request to OctoPrint or to a service, and the response."""

from collections.abc import Mapping
from dataclasses import KW_ONLY, dataclass, field
from typing import Protocol

from aiohttp import FormData

from ..json_object import JsonObject


@dataclass(frozen=True, slots=True)
class Request:
    """One request; `path` starts at the base URL of the route that sends it. A `form` may hold a file.

    `expected` is a status that the response may have besides the usual ones, as of what an OctoPrint may not have.
    `may_take` is in seconds, for a response that OctoPrint takes longer for than for others.
    """

    method: str
    path: str
    _: KW_ONLY
    query: Mapping[str, str] | None = None
    headers: Mapping[str, str] = field(default_factory=dict, repr=False)
    json: object = field(default=None, repr=False)
    form: FormData | None = field(default=None, repr=False)
    expected: int | None = None
    may_take: float | None = None


@dataclass(frozen=True, slots=True)
class Response:
    """A response that was received as a whole."""

    status: int
    headers: Mapping[str, str] = field(repr=False)
    body: bytes = field(repr=False)

    @property
    def is_null(self) -> bool:
        """Tell whether the body is JSON's null, as some plugins of OctoPrint send it for nothing."""
        return self.body.strip() == b"null"

    def json(self) -> JsonObject:
        """Return the body as a JSON object. Raises InvalidResponse."""
        return JsonObject.parse(self.body)


class Requester(Protocol):
    """Sends requests: a route, or a router that chooses one for each request."""

    async def send(self, request: Request) -> Response:
        """Send a request and return its response. Raises the errors of `Route.send`."""
