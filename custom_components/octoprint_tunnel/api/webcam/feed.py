"""What viewers see of one webcam: stills that they share, and streams that pass through piece by piece."""

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
from ..transport.route import Download
from ..transport.router import Router, Way
from ..tunnels.base import Service
from .jpeg import picture_type, with_orientation
from .mjpeg import MAX_PICTURE, delimiter_of, first_picture, pictures
from .source import LocalPictures, Pictures, Place

STILL_TIMEOUT: Final = 9  # seconds; Home Assistant waits for ten
FRAME_TIMEOUT: Final = 30  # seconds from one picture of a stream to the next
STREAM_TIMEOUT: Final = ClientTimeout(total=None, connect=10, sock_read=15)  # seconds; the second one between bytes
ENOUGH_TO_TELL: Final = 16  # bytes
MAX_STREAMS: Final = 4  # of one webcam; all of a host have 100 connections, and polls need some of them

FIRST_RETRY: Final = 30  # seconds until a limit of the account is tried again, doubling
LONGEST_RETRY: Final = 1800


@dataclass(frozen=True, kw_only=True)
class Still:
    """One picture, turned as OctoPrint says."""

    body: bytes
    content_type: str
    orientation: int
    """How it says it is to be turned, as Exif counts it."""
    taken: datetime
    """When it was first seen: the same picture got again is no newer for that."""

    @classmethod
    def of(cls, body: bytes, orientation: int) -> Self:
        """Turn a picture. Raises InvalidResponse for what is none."""
        kind = picture_type(body)
        if kind is None:
            raise InvalidResponse(detail="no JPEG and no PNG")
        turned = with_orientation(body, orientation)
        return cls(body=turned, content_type=kind, orientation=orientation, taken=datetime.now(UTC))


class Stream:
    """A stream for one viewer; has to be closed."""

    def __init__(self, way: Way, download: Download, delimiter: bytes, orientation: int) -> None:
        """Take the pictures out of `download`, whose parts begin with `delimiter`."""
        self.way = way
        self._download = download
        self._delimiter = delimiter
        self._orientation = orientation
        self._is_closed = False

    async def pictures(self) -> AsyncGenerator[Still]:
        """Yield each picture as it comes. Raises InvalidResponse, CannotConnect or RequestTimeout."""
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

    def close(self) -> None:
        """Receive no more."""
        self._is_closed = True
        self._download.close()


class WebcamFeed:
    """The pictures of one webcam, over the way that works now. Without a viewer nothing is fetched."""

    def __init__(self, webcam: Webcam, router: Router, service: Service) -> None:
        """Prepare to look at `webcam`."""
        self.last: Still | None = None
        """The last picture; it stays when there is no newer one to be had."""
        self.is_closed = False
        self._webcam = webcam
        self._router = router
        self._service = service
        self._pictures: Pictures | None = None
        self._through_tunnel: Pictures | None = None
        self._choice: dict[Way, int] = {}
        """Where a still was found last."""
        self._look: asyncio.Task[Still | None] | None = None
        self._no_look_before = 0.0
        self._refusal: Problem | None = None
        self._refused_until = 0.0
        self._no_stream: Problem | None = None
        self._no_stream_before = 0.0
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
            self._choice.clear()
        self._webcam = webcam
        # What the service knows of it may be another thing as well.
        self._through_tunnel = None

    @property
    def pace(self) -> float:
        """Return the seconds from one still to the next where they stand in for a live view."""
        return self._pictures.pace if self._pictures else Pictures.pace

    @property
    def limit(self) -> Problem | None:
        """Return the limit of the account that streams or stills have met; None once they work again."""
        return self._no_stream or self._refusal

    async def still(self) -> Still | None:
        """Return a picture, fetched once for all who ask at the same time; None where there never was one.

        Raises InvalidResponse for what is no picture, and what the way raises.
        """
        if self.is_closed:
            return None
        if self._look is None or (self._look.done() and time.monotonic() >= self._no_look_before):
            self._look = asyncio.create_task(self._fetch())
            self._look.add_done_callback(_retrieve)
        look = self._look
        # A viewer who goes away leaves the picture to the others.
        await asyncio.wait((look,))
        return None if look.cancelled() else look.result()

    async def stream(self) -> Stream | None:
        """Open a stream for one viewer; None where stills have to stand in for it.

        Raises what the way raises.
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
        """Close the stream of a viewer who has gone."""
        self._streams.discard(stream)
        stream.close()

    def close(self) -> None:
        """End what is under way, for good."""
        self.is_closed = True
        if self._look is not None:
            self._look.cancel()
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
        way, found = await self._choose()
        if way is Way.TUNNEL and time.monotonic() < self._no_stream_before:
            return None
        try:
            place = await found.stream()
            download = await _open(place) if place else None
        except WebcamLimit as error:
            self._no_stream = error.problem
            self._no_stream_before = time.monotonic() + self._stream_retry.next()
            return None
        except OctoPrintTunnelError as error:
            self._record_problem(way, error.problem)
            raise
        if download is None:
            return None
        if way is Way.TUNNEL:
            self._no_stream = None
            self._stream_retry.reset()
        delimiter = delimiter_of(download.content_type)
        if delimiter is None or self.is_closed:
            # A page with a player in it, HLS: what only a browser can show.
            download.close()
            return None
        return Stream(way, download, delimiter, self._webcam.orientation)

    async def _fetch(self) -> Still | None:
        asked_at = time.monotonic()
        way, found = await self._choose()
        self._no_look_before = asked_at + found.pause
        if way is Way.TUNNEL and self._refusal and asked_at < self._refused_until:
            failure = self._refusal
        else:
            try:
                still = await self._search(way, found)
            except OctoPrintTunnelError as error:
                failure = error.problem
            else:
                self._refusal = None
                self._still_retry.reset()
                if still is not None and (self.last is None or still.body != self.last.body):
                    self.last = still
                return self.last
            self._record_problem(way, failure)
            if failure.remedy is Remedy.LIMIT:
                self._refusal = failure
                self._refused_until = asked_at + self._still_retry.next()
        if failure.remedy is Remedy.LIMIT and self.last:
            return self.last
        raise failure.error()

    async def _search(self, way: Way, found: Pictures) -> Still | None:
        """Fetch a still where one was found last, else from the first place that has one; None where there is none.

        Raises what the first of the places raised that failed.
        """
        known = self._choice.pop(way, None)
        order = list(range(found.choices))
        if known is not None:
            order = [known, *(choice for choice in order if choice != known)]
        failure: Problem | None = None
        seen: set[URL] = set()
        choice = 0
        try:
            async with asyncio.timeout(STILL_TIMEOUT):
                for choice in order:
                    place = await found.still(choice)
                    if place is None or place.url in seen:
                        continue
                    seen.add(place.url)
                    try:
                        still = Still.of(await _picture(place), self._webcam.orientation)
                    except OctoPrintTunnelError as error:
                        failure = failure or error.problem
                    else:
                        self._choice[way] = choice
                        return still
        except TimeoutError:
            # A place that says nothing must not keep the others from being tried.
            self._choice[way] = (choice + 1) % found.choices
            failure = failure or Problem(RequestTimeout)
        if failure:
            raise failure.error()
        return None

    def _record_problem(self, way: Way, problem: Problem) -> None:
        if way is Way.TUNNEL:
            self._router.record_problem(problem)


async def _open(place: Place) -> Download:
    """Ask for what is at a place. Raises RequestTimeout where the answer does not begin in time, however it drips."""
    try:
        async with asyncio.timeout(STILL_TIMEOUT):
            return await place.route.download(place.url, _patience(place))
    except TimeoutError:
        raise RequestTimeout from None


def _patience(place: Place) -> ClientTimeout:
    """Return the time-outs for a place: who is near connects soon."""
    near = place.route.timeout
    return STREAM_TIMEOUT if near is None else ClientTimeout(connect=near.connect, sock_read=STREAM_TIMEOUT.sock_read)


async def _picture(place: Place) -> bytes:
    """Fetch a snapshot, or what a stream begins with."""
    download = await place.route.download(place.url, _patience(place))
    try:
        if (delimiter := delimiter_of(download.content_type)) is None:
            return await _whole_picture(download)
        async with aclosing(download.chunks()) as chunks:
            return await first_picture(chunks, delimiter)
    finally:
        download.close()


async def _whole_picture(download: Download) -> bytes:
    """Return a picture of up to MAX_PICTURE bytes, and take no more than the first of them of what is none."""
    body = bytearray()
    async with aclosing(download.chunks()) as chunks:
        async for chunk in chunks:
            body += chunk
            if len(body) >= ENOUGH_TO_TELL and picture_type(bytes(body[:ENOUGH_TO_TELL])) is None:
                break
            if len(body) > MAX_PICTURE:
                raise InvalidResponse(detail=f"more than {MAX_PICTURE} bytes")
    return bytes(body)


def _retrieve(look: asyncio.Task[Still | None]) -> None:
    """Leave no error to be reported as unretrieved when everyone who waited for it has gone."""
    if not look.cancelled():
        look.exception()
