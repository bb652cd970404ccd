"""The pictures of one webcam for its viewers: stills that they share, and a stream for each of them."""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import aclosing
from dataclasses import dataclass
from datetime import UTC, datetime
import time
from typing import Final, Self

from aiohttp import ClientTimeout
from yarl import URL

from ..backoff import Backoff
from ..errors import InvalidResponse, OctoPrintTunnelError, Problem, Remedy, RequestTimeout, WebcamLimit
from ..octoprint.webcam import Webcam
from ..picture import picture_type
from ..transport.route import Download
from ..transport.router import Router, Way
from ..tunnels.base import Service
from ..tunnels.stream_time import GrantedTime
from .jpeg import with_orientation
from .mjpeg import MAX_PICTURE, delimiter_of, first_picture, pictures
from .source import LocalPictures, Pictures, Resource

STILL_TIMEOUT: Final = 9  # seconds; Home Assistant waits for ten
FRAME_TIMEOUT: Final = 30  # seconds between two pictures of a stream
STREAM_TIMEOUT: Final = ClientTimeout(total=None, connect=10, sock_read=15)  # seconds
TYPE_SIZE: Final = 16  # bytes that show the type of a picture
MAX_STREAMS: Final = 4  # of one webcam; Home Assistant opens at most 100 connections, and polls need some of them

FIRST_RETRY: Final = 30  # seconds until a request is sent again after a limit of the account, doubling
LONGEST_RETRY: Final = 1800  # seconds


@dataclass(frozen=True, kw_only=True)
class Still:
    """One picture, with the orientation that OctoPrint's settings ask for."""

    body: bytes
    content_type: str
    orientation: int
    """The Exif orientation that is written in it."""
    taken: datetime
    """When it was first received; receiving the same picture again does not change it."""

    @classmethod
    def of(cls, body: bytes, orientation: int) -> Self:
        """Return a picture with another orientation. Raises InvalidResponse if it is neither JPEG nor PNG."""
        kind = picture_type(body)
        if kind is None:
            raise InvalidResponse(detail="no JPEG and no PNG")
        body = with_orientation(body, orientation)
        return cls(body=body, content_type=kind, orientation=orientation, taken=datetime.now(UTC))


class Stream:
    """A stream for one viewer. It has to be closed."""

    def __init__(self, download: Download, delimiter: bytes, orientation: int, granted: GrantedTime | None) -> None:
        """Read the pictures of `download`, whose parts begin with `delimiter`."""
        self.granted = granted
        """The account's time that the stream uses; None if it does not go through a tunnel."""
        self._download = download
        self._delimiter = delimiter
        self._orientation = orientation
        self._is_closed = False

    async def pictures(self) -> AsyncGenerator[Still]:
        """Yield each picture as it arrives. Raises InvalidResponse, CannotConnect or RequestTimeout."""
        async with aclosing(self._download.chunks()) as chunks, aclosing(pictures(chunks, self._delimiter)) as found:
            while (body := await self._next(found)) is not None:
                yield Still.of(body, self._orientation)

    async def _next(self, found: AsyncGenerator[bytes]) -> bytes | None:
        """Return the next picture, None after the last one."""
        try:
            async with asyncio.timeout(FRAME_TIMEOUT):
                return await anext(found, None)
        except TimeoutError:
            raise RequestTimeout from None
        except OctoPrintTunnelError:
            if self._is_closed:
                return None
            raise

    @property
    def seconds(self) -> float | None:
        """Return how long the stream may last from now on; None without a limit."""
        if self.granted is None or self.granted.end is None:
            return None
        return max(0, self.granted.end - time.monotonic())

    def close(self) -> None:
        """Stop receiving."""
        self._is_closed = True
        self._download.close()


class WebcamFeed:
    """The pictures of one webcam, over the way that the router chooses. Without a viewer nothing is fetched."""

    def __init__(self, webcam: Webcam, router: Router, service: Service) -> None:
        """Prepare to fetch pictures of `webcam`."""
        self.last: Still | None = None
        """The last picture; it stays if no newer one can be fetched."""
        self.is_closed = False
        self._webcam = webcam
        self._router = router
        self._service = service
        self._pictures: Pictures | None = None
        self._through_tunnel: Pictures | None = None
        self._still_source: dict[Way, int] = {}
        """The source of the last still."""
        self._fetching: asyncio.Task[Still | None] | None = None
        self._next_fetch_at = 0.0
        self._still_limit: Problem | None = None
        self._next_still_at = 0.0
        self._stream_limit: Problem | None = None
        self._next_stream_at = 0.0
        self._still_retry = Backoff(FIRST_RETRY, LONGEST_RETRY)
        self._stream_retry = Backoff(FIRST_RETRY, LONGEST_RETRY)
        self._streams: set[Stream] = set()
        self._opening = 0

    @property
    def webcam(self) -> Webcam:
        """Return the webcam as OctoPrint last described it."""
        return self._webcam

    @webcam.setter
    def webcam(self, webcam: Webcam) -> None:
        if webcam != self._webcam:
            self._still_source.clear()
        self._webcam = webcam
        # The service may know the webcam by another number now.
        self._through_tunnel = None

    @property
    def still_interval(self) -> float:
        """Return the seconds between the stills of a live view that has no stream."""
        return self._pictures.still_interval if self._pictures else Pictures.still_interval

    @property
    def limit(self) -> Problem | None:
        """Return the limit of the account that stops streams or stills, None while they work."""
        return self._stream_limit or self._still_limit

    async def still(self) -> Still | None:
        """Return a picture, fetched once for all viewers that ask at the same time; None if there never was one.

        Raises InvalidResponse for anything but a picture, and the errors of `Router.choose` and `Route.download`.
        """
        if self.is_closed:
            return None
        if self._fetching is None or (self._fetching.done() and time.monotonic() >= self._next_fetch_at):
            self._fetching = asyncio.create_task(self._fetch())
            self._fetching.add_done_callback(_retrieve)
        fetching = self._fetching
        # Not awaited itself: a viewer that is cancelled would cancel it for the others.
        await asyncio.wait((fetching,))
        return None if fetching.cancelled() else fetching.result()

    async def stream(self) -> Stream | None:
        """Open a stream for one viewer; None if only stills are available.

        Raises the errors of `Router.choose` and `Route.download`.
        """
        if self.is_closed or len(self._streams) + self._opening >= MAX_STREAMS:
            return None
        self._opening += 1
        try:
            stream = await self._open_stream()
        finally:
            self._opening -= 1
        if stream is not None:
            self._streams.add(stream)
        return stream

    def end_stream(self, stream: Stream) -> None:
        """Close a stream."""
        self._streams.discard(stream)
        stream.close()
        if stream.granted:
            self._service.stream_time.release(stream.granted, time.monotonic())

    def close(self) -> None:
        """Close all streams and fetch nothing more."""
        self.is_closed = True
        if self._fetching is not None:
            self._fetching.cancel()
        for stream in list(self._streams):
            self.end_stream(stream)

    async def _choose(self) -> tuple[Way, Pictures]:
        way, route = await self._router.choose()
        if way is Way.LOCAL:
            self._pictures = LocalPictures(route, self._webcam)
        else:
            self._through_tunnel = self._through_tunnel or self._service.pictures(self._webcam)
            self._pictures = self._through_tunnel
        return way, self._pictures

    async def _open_stream(self) -> Stream | None:
        way, pictures = await self._choose()
        granted = None
        if way is Way.TUNNEL:
            if time.monotonic() < self._next_stream_at:
                return None
            if (granted := self._service.stream_time.grant(time.monotonic())) is None:
                self._stream_limit = Problem(WebcamLimit, detail=self._service.octoprint.limits.get(WebcamLimit, ""))
                return None
        stream = None
        try:
            stream = await self._request_stream(way, pictures, granted)
        finally:
            if stream is None and granted:
                self._service.stream_time.release(granted, granted.begin)
        return stream

    async def _request_stream(self, way: Way, pictures: Pictures, granted: GrantedTime | None) -> Stream | None:
        try:
            resource = await pictures.stream()
            download = await _open(resource) if resource else None
        except WebcamLimit as error:
            self._stream_limit = error.problem
            self._next_stream_at = time.monotonic() + self._stream_retry.next()
            return None
        except OctoPrintTunnelError as error:
            self._record_problem(way, error.problem)
            raise
        if download is None:
            return None
        if way is Way.TUNNEL:
            self._stream_limit = None
            self._stream_retry.reset()
        delimiter = delimiter_of(download.content_type)
        if delimiter is None or self.is_closed:
            # Something that only a browser can show: HLS, or a page with a player.
            download.close()
            return None
        return Stream(download, delimiter, self._webcam.orientation, granted)

    async def _fetch(self) -> Still | None:
        asked_at = time.monotonic()
        way, pictures = await self._choose()
        self._next_fetch_at = asked_at + pictures.min_interval
        if way is Way.TUNNEL and self._still_limit and asked_at < self._next_still_at:
            return self._last_or_raise(self._still_limit)
        try:
            still = await self._search(way, pictures)
        except OctoPrintTunnelError as error:
            self._record_problem(way, error.problem)
            if error.remedy is not Remedy.LIMIT:
                raise
            self._still_limit = error.problem
            self._next_still_at = asked_at + self._still_retry.next()
            return self._last_or_raise(self._still_limit)
        self._still_limit = None
        self._still_retry.reset()
        if still is not None and (self.last is None or still.body != self.last.body):
            self.last = still
        return self.last

    def _last_or_raise(self, limit: Problem) -> Still:
        if self.last is None:
            raise limit.error()
        return self.last

    async def _search(self, way: Way, pictures: Pictures) -> Still | None:
        """Fetch a still from the source of the last one, else from the first source that has one; None if none has.

        Raises the error of the first source that failed.
        """
        known = self._still_source.pop(way, 0)
        order = sorted(range(pictures.still_sources), key=lambda source: source != known)
        problem: Problem | None = None
        seen: set[URL] = set()
        source = 0
        try:
            async with asyncio.timeout(STILL_TIMEOUT):
                for source in order:
                    resource = await pictures.still(source)
                    if resource is None or resource.url in seen:
                        continue
                    seen.add(resource.url)
                    try:
                        still = Still.of(await _picture(resource), self._webcam.orientation)
                    except OctoPrintTunnelError as error:
                        problem = problem or error.problem
                    else:
                        self._still_source[way] = source
                        return still
        except TimeoutError:
            # The next fetch starts with the next source, else this one would take all the time again.
            self._still_source[way] = (source + 1) % pictures.still_sources
            problem = problem or Problem(RequestTimeout)
        if problem:
            raise problem.error()
        return None

    def _record_problem(self, way: Way, problem: Problem) -> None:
        if way is Way.TUNNEL:
            self._router.record_problem(problem)


async def _open(resource: Resource) -> Download:
    """Start to read a resource. Raises RequestTimeout if the header of the response is not complete in time."""
    try:
        async with asyncio.timeout(STILL_TIMEOUT):
            return await resource.route.download(resource.url, _timeouts(resource))
    except TimeoutError:
        raise RequestTimeout from None


def _timeouts(resource: Resource) -> ClientTimeout:
    """Return the timeouts of a resource; a local host has to connect as fast as for other requests."""
    local = resource.route.timeout
    return STREAM_TIMEOUT if local is None else ClientTimeout(connect=local.connect, sock_read=STREAM_TIMEOUT.sock_read)


async def _picture(resource: Resource) -> bytes:
    """Fetch a snapshot, or the first picture of a stream."""
    download = await resource.route.download(resource.url, _timeouts(resource))
    try:
        if (delimiter := delimiter_of(download.content_type)) is None:
            return await _whole_picture(download)
        async with aclosing(download.chunks()) as chunks:
            return await first_picture(chunks, delimiter)
    finally:
        download.close()


async def _whole_picture(download: Download) -> bytes:
    """Return a picture of up to MAX_PICTURE bytes; of anything else, only its beginning."""
    body = bytearray()
    async with aclosing(download.chunks()) as chunks:
        async for chunk in chunks:
            body += chunk
            if len(body) >= TYPE_SIZE and picture_type(bytes(body[:TYPE_SIZE])) is None:
                break
            if len(body) > MAX_PICTURE:
                raise InvalidResponse(detail=f"more than {MAX_PICTURE} bytes")
    return bytes(body)


def _retrieve(fetching: asyncio.Task[Still | None]) -> None:
    """Retrieve the error of a fetch that no viewer waits for any more, so that asyncio does not log it."""
    if not fetching.cancelled():
        fetching.exception()
