"""What viewers see of one webcam: stills that they share, and streams that pass through piece by piece."""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import aclosing
from dataclasses import dataclass
from datetime import UTC, datetime
import time
from typing import Final

from aiohttp import ClientTimeout

from .backoff import Backoff
from .errors import InvalidResponse, OctoPrintTunnelError, Remedy, RequestTimeout, WebcamLimit
from .jpeg import picture_type, with_orientation
from .mjpeg import MAX_PICTURE, MjpegParts, delimiter_of, first_picture
from .octoprint.webcam import Webcam
from .pictures import LocalPictures, Pictures
from .route import Download
from .routing import Router, Way
from .tunnels.tunnel import Tunnel

STILL_TIMEOUT: Final = 9  # seconds; Home Assistant waits for ten
STREAM_TIMEOUT: Final = ClientTimeout(total=None, connect=10, sock_read=15)  # seconds; the second one between bytes

FIRST_RETRY: Final = 30  # seconds until a limit of the account is tried again, doubling
LONGEST_RETRY: Final = 1800


@dataclass(frozen=True, kw_only=True)
class Still:
    """One picture, turned as OctoPrint says."""

    body: bytes
    content_type: str
    taken: datetime
    """When it was first seen: the same picture got again is no newer for that."""


@dataclass(frozen=True, kw_only=True)
class Stream:
    """An open stream; has to be closed."""

    content_type: str
    way: Way
    _parts: MjpegParts
    _download: Download

    async def chunks(self) -> AsyncGenerator[bytes]:
        """Yield what is to be passed on. Raises InvalidResponse, CannotConnect or RequestTimeout."""
        async with aclosing(self._download.chunks()) as chunks, aclosing(self._parts.follow(chunks)) as passed:
            async for chunk in passed:
                yield chunk

    def close(self) -> None:
        """Receive no more."""
        self._download.close()


class WebcamFeed:
    """The pictures of one webcam, over the way that works now. Without a viewer nothing is fetched."""

    def __init__(self, webcam: Webcam, router: Router, tunnel: Tunnel) -> None:
        """Prepare to look at `webcam`."""
        self.last: Still | None = None
        """The last picture; it stays when there is no newer one to be had."""
        self._webcam = webcam
        self._router = router
        self._tunnel = tunnel
        self._pictures: Pictures | None = None
        self._through_tunnel: Pictures | None = None
        self._look: asyncio.Task[Still | None] | None = None
        self._no_look_before = 0.0
        self._refusal: OctoPrintTunnelError | None = None
        self._refused_until = 0.0
        self._no_stream: OctoPrintTunnelError | None = None
        self._no_stream_before = 0.0
        self._still_retry = Backoff(FIRST_RETRY, LONGEST_RETRY)
        self._stream_retry = Backoff(FIRST_RETRY, LONGEST_RETRY)

    @property
    def webcam(self) -> Webcam:
        """Return the webcam as OctoPrint last described it."""
        return self._webcam

    @webcam.setter
    def webcam(self, webcam: Webcam) -> None:
        self._webcam = webcam
        # What the service knows of it may be another thing as well.
        self._through_tunnel = None

    @property
    def pace(self) -> float:
        """Return the seconds from one still to the next where they stand in for a live view."""
        return self._pictures.pace if self._pictures else Pictures.pace

    @property
    def limit(self) -> OctoPrintTunnelError | None:
        """Return the limit of the account that streams or stills have met; None once they work again."""
        return self._no_stream or self._refusal

    async def still(self) -> Still | None:
        """Return a picture, fetched once for all who ask at the same time; None where there never was one.

        Raises InvalidResponse for what is no picture, and what the way raises.
        """
        if self._look is None or (self._look.done() and time.monotonic() >= self._no_look_before):
            self._look = asyncio.create_task(self._fetch())
            self._look.add_done_callback(_retrieve)
        # Who goes away leaves the picture to the others.
        return await asyncio.shield(self._look)

    async def stream(self) -> Stream | None:
        """Open a stream for one viewer; None where stills have to stand in for it.

        Raises what the way raises.
        """
        way, pictures = await self._choose()
        if way is Way.TUNNEL and time.monotonic() < self._no_stream_before:
            return None
        try:
            place = await pictures.stream()
            download = await place.route.download(place.url, STREAM_TIMEOUT) if place else None
        except WebcamLimit as error:
            self._no_stream = error
            self._no_stream_before = time.monotonic() + self._stream_retry.next()
            return None
        except OctoPrintTunnelError as error:
            self._met(way, error)
            raise
        if download is None:
            return None
        if way is Way.TUNNEL:
            self._no_stream = None
            self._stream_retry.reset()
        delimiter = delimiter_of(download.content_type)
        if delimiter is None:
            # A page with a player in it, HLS: what only a browser can show.
            download.close()
            return None
        parts = MjpegParts(delimiter, self._webcam.orientation)
        return Stream(content_type=download.content_type, way=way, _parts=parts, _download=download)

    def close(self) -> None:
        """End what is under way."""
        if self._look is not None:
            self._look.cancel()

    async def _choose(self) -> tuple[Way, Pictures]:
        way, route = await self._router.choose()
        if way is Way.LOCAL:
            self._pictures = LocalPictures(route, self._webcam)
        else:
            self._through_tunnel = self._through_tunnel or self._tunnel.pictures(route, self._webcam)
            self._pictures = self._through_tunnel
        return way, self._pictures

    async def _fetch(self) -> Still | None:
        asked_at = time.monotonic()
        way, pictures = await self._choose()
        self._no_look_before = asked_at + pictures.pause
        if way is Way.TUNNEL and self._refusal and asked_at < self._refused_until:
            failure = self._refusal
        else:
            try:
                async with asyncio.timeout(STILL_TIMEOUT):
                    body = await _picture(pictures)
            except TimeoutError:
                failure = RequestTimeout()
            except OctoPrintTunnelError as error:
                failure = error
            else:
                self._refusal = None
                self._still_retry.reset()
                if body is not None:
                    self.last = self._still(body)
                return self.last
            self._met(way, failure)
            if failure.remedy is Remedy.LIMIT:
                self._refusal = failure
                self._refused_until = asked_at + self._still_retry.next()
        if failure.remedy is Remedy.LIMIT and self.last:
            return self.last
        raise failure

    def _still(self, body: bytes) -> Still:
        kind = picture_type(body)
        if kind is None:
            raise InvalidResponse(detail="no JPEG and no PNG")
        body = with_orientation(body, self._webcam.orientation)
        if self.last and body == self.last.body:
            return self.last
        return Still(body=body, content_type=kind, taken=datetime.now(UTC))

    def _met(self, way: Way, error: OctoPrintTunnelError) -> None:
        if way is Way.TUNNEL:
            self._router.met(error)


async def _picture(pictures: Pictures) -> bytes | None:
    """Fetch the snapshot, or what a stream begins with where there is nothing else."""
    snapshot = await pictures.snapshot()
    if (place := snapshot or await pictures.stream()) is None:
        return None
    download = await place.route.download(place.url, STREAM_TIMEOUT)
    try:
        if snapshot or (delimiter := delimiter_of(download.content_type)) is None:
            return await download.body(MAX_PICTURE)
        async with aclosing(download.chunks()) as chunks:
            return await first_picture(chunks, delimiter)
    finally:
        download.close()


def _retrieve(look: asyncio.Task[Still | None]) -> None:
    """Leave no error to be complained about when everybody who waited for it has gone."""
    if not look.cancelled():
        look.exception()
