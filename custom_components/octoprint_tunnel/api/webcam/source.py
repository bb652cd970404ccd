"""Where a webcam's pictures are to be had: beside OctoPrint on the local network, or as a tunnel brings them."""

from abc import ABC, abstractmethod
from dataclasses import dataclass, field, replace
from ipaddress import ip_address
from typing import ClassVar, Protocol, override, runtime_checkable

from aiohttp import ClientError
from aiohttp.abc import ResolveResult
from yarl import URL

from ..octoprint.webcam import Webcam
from ..transport.addresses import is_loopback, picture_address, web_address
from ..transport.route import Route

PROXY = "/webcam/"  # where OctoPi's proxy has the first webcam


@dataclass(frozen=True, kw_only=True, slots=True)
class Place:
    """An address, and the route whose headers and codes belong to it. Both may hold credentials."""

    route: Route = field(repr=False)
    url: URL = field(repr=False)


class Pictures(ABC):
    """The pictures of one webcam on one way. The methods raise what `Route.request` raises."""

    pause: ClassVar[float] = 0
    """Seconds from one still to the next, at least."""
    pace: ClassVar[float] = 10
    """Seconds from one still to the next where they stand in for a live view."""
    choices: ClassVar[int] = 1
    """How many places may have a still."""

    @abstractmethod
    async def snapshot(self) -> Place | None:
        """Return where a still is; None where there is none, or none at this time."""

    @abstractmethod
    async def stream(self) -> Place | None:
        """Return where a stream is that may be MJPEG; None where there is none."""

    async def still(self, choice: int) -> Place | None:
        """Return where a still, or a stream that begins with one, may be; `choice` counts from 0, the most likely."""
        return await self.snapshot() or await self.stream()


@runtime_checkable
class _Resolver(Protocol):
    """What looks names up as Home Assistant's connections do."""

    async def async_resolve_host(self, host: str) -> list[ResolveResult]:
        """Return the addresses of a name."""


class LocalPictures(Pictures):
    """The pictures as a browser on the local network finds them: directly, and without OctoPrint's API key.

    An address that leads to the machine that asks was written for OctoPrint, which sits beside the webcam.
    """

    pace: ClassVar[float] = 1
    choices: ClassVar[int] = 4

    def __init__(self, route: Route, webcam: Webcam) -> None:
        """Look beside the OctoPrint that `route` leads to."""
        self._route = replace(route, headers={})
        self._webcam = webcam

    @override
    async def snapshot(self) -> Place | None:
        return await self._place(picture_address(self._webcam.snapshot_url))

    @override
    async def stream(self) -> Place | None:
        return await self._place(picture_address(self._webcam.stream_url))

    @override
    async def still(self, choice: int) -> Place | None:
        """Return what a person would try: the snapshot, the same through a proxy, the stream's still, the stream."""
        snapshot, stream = picture_address(self._webcam.snapshot_url), picture_address(self._webcam.stream_url)
        match choice:
            case 0:
                return await self._place(snapshot)
            case 1:
                return await self._place(self._through_proxy(snapshot) if snapshot and is_loopback(snapshot) else None)
            case 2 if stream and "action" in stream.query:
                return await self._place(stream.update_query(action="snapshot"))
            case 3:
                return await self._place(stream)
        return None

    def _through_proxy(self, snapshot: URL) -> URL:
        """Return where the proxy before OctoPrint has a snapshot: beside the stream that it has of the same webcam."""
        folder = (self._webcam.stream_url or "").partition("?")[0].rpartition("/")[0]
        url = picture_address(f"{folder}/")
        if url is None or url.host is not None or not url.path.strip("/"):
            url = URL(PROXY)
        return url.with_query(snapshot.query or {"action": "snapshot"})

    async def _place(self, url: URL | None) -> Place | None:
        """Return the place that an address of OctoPrint's settings means here; None for an address that is none."""
        if url is None:
            return None
        url = URL(f"{self._route.base_url}/").join(url)
        host = self._route.base_url.host
        if host and url.host != host and await self._leads_home(url):
            url = url.with_host(host)
        return Place(route=self._route, url=url) if web_address(str(url)) else None

    async def _leads_home(self, url: URL) -> bool:
        """Tell whether an address leads to Home Assistant's own machine, by any name."""
        resolver: object = self._route.session.connector
        if is_loopback(url) or not isinstance(resolver, _Resolver):
            return is_loopback(url)
        try:
            found = await resolver.async_resolve_host(url.host or "")
            addresses = [ip_address(address["host"].partition("%")[0]) for address in found]
        except ClientError, OSError, ValueError:
            return False  # the request will meet it, too
        return any(address.is_loopback or address.is_unspecified for address in addresses)
