"""A webcam beside OctoPrint: moving pictures, as snapshots and as an MJPEG stream, with faults of its own."""

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable
from functools import cache
import io
import ssl
from typing import Literal

from aiohttp import hdrs, web
from multidict import CIMultiDict
from PIL import Image, ImageDraw

from .answer import Answer
from .record import Exchange, Service

COMMANDS = "/octoeverywhere-command-api/webcam/"
_BESIDE_OCTOPRINT = "/webcam/"
_BOUNDARY = "boundarydonotcross"
_SIZE = (320, 240)
_POSITIONS = 40

type Fault = Literal["silent", "stalls", "ends", "garbage"]


class Webcam:
    """One webcam with its own server, like mjpg-streamer; OctoPi's proxy forwards `/webcam/` to it."""

    def __init__(self, listen: Callable[[int, ssl.SSLContext | None], Awaitable[int]], stopping: asyncio.Event) -> None:
        """Prepare; `start` opens the listener, and the event `stopping` ends all streams."""
        self.interval = 0.05
        """Seconds between the frames of a stream."""
        self.frame_size: int | None = None
        """Bytes of a frame, which is padded to this size."""
        self.frames: int | None = None
        """The number of frames of a stream; None = no limit."""
        self.fault: Fault | None = None
        """What is wrong with streams: not a byte, silence or an end in the middle of the second frame, or something
        else than MJPEG under its name."""
        self.picture: bytes | None = None
        """A picture to send instead of the generated ones."""
        self.draw: Callable[[float], bytes] = _frame
        """Returns the picture at a time from 0 to 1, after which it begins again."""
        self.open_streams = 0
        self.url = ""
        """The address without a path; a snapshot is at `/?action=snapshot`, a stream at `/?action=stream`."""
        self._listen = listen
        self._stopping = stopping
        self._port = 0
        self._count = 0

    async def start(self) -> None:
        """Open the listener."""
        self._port = await self._listen(0, None)
        self.url = f"http://127.0.0.1:{self._port}"

    def service_of(self, host: str, path: str) -> Service | None:
        """Return the part that a request is meant for."""
        return Service.WEBCAM if host == f"127.0.0.1:{self._port}" else None

    def serves(self, path: str) -> bool:
        """Return whether OctoPi's proxy forwards a path to the webcam."""
        return path.startswith(_BESIDE_OCTOPRINT)

    async def answer(self, request: web.BaseRequest, exchange: Exchange) -> Answer:
        """Respond as mjpg-streamer does."""
        return self.action(request.query.get("action", ""))

    def action(self, action: str) -> Answer:
        """Return a still or a stream."""
        if action == "snapshot":
            return Answer.raw("image/jpeg", self.still())
        if action == "stream":
            headers = CIMultiDict({hdrs.CONTENT_TYPE: f"multipart/x-mixed-replace;boundary={_BOUNDARY}"})
            return Answer(200, headers, self._stream())
        return Answer.page(404)

    def still(self) -> bytes:
        """Return the next picture."""
        if self.picture is not None:
            return self.picture
        self._count += 1
        frame = self.draw(self._count % _POSITIONS / _POSITIONS)
        return frame + bytes(max(0, (self.frame_size or 0) - len(frame)))

    async def _stream(self) -> AsyncGenerator[bytes]:
        self.open_streams += 1
        try:
            if self.fault == "silent":
                await self._stopping.wait()
            number = 0
            while not self._stopping.is_set() and (self.frames is None or number < self.frames):
                number += 1
                frame = self.still()
                part = f"--{_BOUNDARY}\r\nContent-Type: image/jpeg\r\nContent-Length: {len(frame)}\r\n\r\n".encode()
                part += frame + b"\r\n"
                if self.fault == "garbage":
                    part = bytes(reversed(part))
                if number == 2 and self.fault in ("stalls", "ends"):
                    yield part[: len(part) // 2]
                    if self.fault == "stalls":
                        await self._stopping.wait()
                    return
                yield part
                await asyncio.sleep(self.interval)
        finally:
            self.open_streams -= 1


@cache
def _frame(time: float) -> bytes:
    """Return a JPEG of a nozzle on its way; the upper left corner is red."""
    width, height = _SIZE
    picture = Image.new("RGB", _SIZE, (30, 34, 40))
    draw = ImageDraw.Draw(picture)
    draw.rectangle((0, 0, width // 2 - 1, height // 2 - 1), fill=(200, 30, 30))
    draw.rectangle((20, height - 40, width - 20, height - 30), fill=(120, 120, 120))
    x = 30 + round(time * (width - 60))
    draw.polygon(((x - 12, height - 80), (x + 12, height - 80), (x, height - 42)), fill=(230, 180, 40))
    body = io.BytesIO()
    picture.save(body, "JPEG", quality=80)
    return body.getvalue()
