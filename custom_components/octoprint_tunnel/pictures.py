"""Where a webcam's pictures are to be had: beside OctoPrint on the local network, or as a tunnel brings them."""

from abc import ABC, abstractmethod
from dataclasses import dataclass, field, replace
from typing import ClassVar, override

from yarl import URL

from .addresses import is_loopback, picture_address
from .octoprint.webcam import Webcam
from .route import Route


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

    @abstractmethod
    async def snapshot(self) -> Place | None:
        """Return where a still is; None where there is none, or none at this time."""

    @abstractmethod
    async def stream(self) -> Place | None:
        """Return where a stream is that may be MJPEG; None where there is none."""


class LocalPictures(Pictures):
    """The pictures as a browser on the local network finds them: directly, and without OctoPrint's API key."""

    pace: ClassVar[float] = 1

    def __init__(self, route: Route, webcam: Webcam) -> None:
        """Look beside the OctoPrint that `route` leads to."""
        self._route = replace(route, headers={})
        self._webcam = webcam

    @override
    async def snapshot(self) -> Place | None:
        return self._place(self._webcam.snapshot_url)

    @override
    async def stream(self) -> Place | None:
        return self._place(self._webcam.stream_url)

    def _place(self, address: str | None) -> Place | None:
        url = picture_address(address)
        if url is None:
            return None
        url = URL(f"{self._route.base_url}/").join(url)
        if self._route.base_url.host and is_loopback(url):
            # Written for OctoPrint, which sits beside the webcam.
            url = url.with_host(self._route.base_url.host)
        return Place(route=self._route, url=url)
