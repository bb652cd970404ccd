"""Where the pictures of a webcam are: on the local network, or where a tunnel carries them."""

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

PROXY_PATH = "/webcam/"  # of the first webcam behind OctoPi's proxy


@dataclass(frozen=True, kw_only=True, slots=True)
class Resource:
    """A URL, and the route whose headers and status codes belong to it. Both may hold credentials."""

    route: Route = field(repr=False)
    url: URL = field(repr=False)


class Pictures(ABC):
    """The pictures of one webcam, over one route. The methods raise the errors of `Route.send`."""

    min_interval: ClassVar[float] = 0
    """Seconds between two requests for a still, at least."""
    still_interval: ClassVar[float] = 10
    """Seconds between the stills of a live view that has no stream."""
    still_sources: ClassVar[int] = 1
    """The number of resources that may have a still."""

    @abstractmethod
    async def snapshot(self) -> Resource | None:
        """Return the resource that is a still; None if there is none, or none at this time."""

    @abstractmethod
    async def stream(self) -> Resource | None:
        """Return the resource that may be an MJPEG stream, None if there is none."""

    async def still(self, source: int) -> Resource | None:
        """Return a resource that may be a still or a stream; `source` counts from 0, the most likely one."""
        return await self.snapshot() or await self.stream()


@runtime_checkable
class _Resolver(Protocol):
    """Looks up host names as Home Assistant's connections do."""

    async def async_resolve_host(self, host: str) -> list[ResolveResult]:
        """Return the addresses of a host name."""


class LocalPictures(Pictures):
    """The pictures as a browser on the local network gets them: directly, and without OctoPrint's API key.

    A loopback address in OctoPrint's settings means OctoPrint's own machine.
    """

    still_interval: ClassVar[float] = 1
    still_sources: ClassVar[int] = 4

    def __init__(self, route: Route, webcam: Webcam) -> None:
        """Prepare to get the pictures from the machine of the OctoPrint that `route` leads to."""
        self._route = replace(route, headers={})
        self._webcam = webcam

    @override
    async def snapshot(self) -> Resource | None:
        return await self._resource(picture_address(self._webcam.snapshot_url))

    @override
    async def stream(self) -> Resource | None:
        return await self._resource(picture_address(self._webcam.stream_url))

    @override
    async def still(self, source: int) -> Resource | None:
        """Return the snapshot, the snapshot behind OctoPrint's proxy, a still of mjpg-streamer, or the stream."""
        snapshot, stream = picture_address(self._webcam.snapshot_url), picture_address(self._webcam.stream_url)
        match source:
            case 0:
                return await self._resource(snapshot)
            case 1:
                return await self._resource(
                    self._behind_proxy(snapshot) if snapshot and is_loopback(snapshot) else None
                )
            case 2 if stream and "action" in stream.query:
                return await self._resource(stream.update_query(action="snapshot"))
            case 3:
                return await self._resource(stream)
        return None

    def _behind_proxy(self, snapshot: URL) -> URL:
        """Return where a proxy has the snapshot: in the same folder as the stream of the same webcam."""
        folder = (self._webcam.stream_url or "").partition("?")[0].rpartition("/")[0]
        url = picture_address(f"{folder}/")
        if url is None or url.host is not None or not url.path.strip("/"):
            url = URL(PROXY_PATH)
        return url.with_query(snapshot.query or {"action": "snapshot"})

    async def _resource(self, url: URL | None) -> Resource | None:
        """Return what a URL of OctoPrint's settings means from here; None for one that cannot be used."""
        if url is None:
            return None
        url = URL(f"{self._route.base_url}/").join(url)
        host = self._route.base_url.host
        if host and url.host != host and await self._leads_to_own_machine(url):
            url = url.with_host(host)
        return Resource(route=self._route, url=url) if web_address(str(url)) else None

    async def _leads_to_own_machine(self, url: URL) -> bool:
        """Tell whether a URL leads to Home Assistant's own machine, also by a host name."""
        resolver: object = self._route.session.connector
        if is_loopback(url) or not isinstance(resolver, _Resolver):
            return is_loopback(url)
        try:
            found = await resolver.async_resolve_host(url.host or "")
            addresses = [ip_address(address["host"].partition("%")[0]) for address in found]
        except ClientError, OSError, ValueError:
            return False  # the request will fail in the same way
        return any(address.is_loopback or address.is_unspecified for address in addresses)
