"""What it costs to follow a print, with progress and temperatures no older than those of the integration.

All ways are measured at the same print of a real OctoPrint, in bytes that Obico counts: bodies of responses, and frames
of the push socket.
"""

import asyncio
from collections.abc import Iterable, Iterator
import json
from statistics import mean
from typing import Final
import zlib

from aiohttp import ClientSession, WSMsgType
import pytest

from custom_components.octoprint_tunnel.api.octoprint.client import API_VERSION
from custom_components.octoprint_tunnel.pace import PRINT_INTERVAL
from tests.octoprint import printing
from tests.octoprint.server import OctoPrintServer

from .bench_compare import GCODE, VERSIONS
from .report import Report

WAYS: Final = {
    "job and temperatures (as the integration)": ("/api/job", "/api/printer?exclude=sd,storage,state"),
    "job, tool and bed": ("/api/job", "/api/printer/tool", "/api/printer/bed"),
    "job alone": ("/api/job",),
}
READING: Final = PRINT_INTERVAL.total_seconds()
FEEDS: Final = {seconds: f"feed every {seconds} s" for seconds in (1, 7, 14, 28)}
"""State messages of the push socket, without logs and messages, by their interval."""
DEFLATED: Final = ", compressed frames"
SYNC: Final = 4  # bytes at the end of a compressed frame, which are not sent
COMPRESSED: Final = ("frames of the push socket", "responses")
SOCKET: Final = "/sockjs/websocket"
HOUR: Final = 3600
BASE: Final = 0.5  # seconds; OctoPrint's throttle is a multiple of it
WINDOW: Final = 65  # seconds of real time for the feed: three messages at the longest interval; the first is left out

type Figures[T] = dict[tuple[str, str], T]
"""Figures by row and version."""


@pytest.fixture(scope="module")
def sizes(report: Report) -> Iterator[Figures[float]]:
    """Collect the mean bytes of a reading or message, and report on them."""
    sizes: Figures[float] = {}
    yield sizes
    table = report.table(
        f"A print, read every {READING:.0f} s or followed: bytes that Obico counts",
        *("", *(f"OctoPrint {version}: {what}" for version in VERSIONS for what in ("each", "kB an hour"))),
    )
    ways = dict.fromkeys(WAYS, READING) | {way: seconds for seconds, way in FEEDS.items()}
    ways |= {f"{way}{DEFLATED}": seconds for seconds, way in FEEDS.items()}
    for way, interval in ways.items():
        found = [sizes[way, version] for version in VERSIONS if (way, version) in sizes]
        cells = (cell for size in found for cell in (f"{size:.0f}", f"{size * HOUR / interval / 1e3:.0f}"))
        table.rows.append((way, *cells))


@pytest.fixture(scope="module")
def compressed(report: Report) -> Iterator[Figures[bool]]:
    """Collect what OctoPrint compresses for a client that asks for it, and report on that."""
    compressed: Figures[bool] = {}
    yield compressed
    versions = [version for version in VERSIONS if (COMPRESSED[0], version) in compressed]
    table = report.table("OctoPrint compresses", "", *versions)
    for what in COMPRESSED:
        table.rows.append((what, *("yes" if compressed[what, version] else "no" for version in versions)))


@pytest.mark.timeout(180)
@pytest.mark.parametrize("octoprint_version", VERSIONS)
async def bench_printing(
    octoprint: OctoPrintServer, octoprint_version: str, sizes: Figures[float], compressed: Figures[bool]
) -> None:
    """Follow a print in every way."""
    await asyncio.to_thread(_print, octoprint)
    headers = {"X-Api-Key": octoprint.api_key, "X-OctoPrint-Api-Version": API_VERSION}
    async with ClientSession(octoprint.url, headers=headers) as session:
        # Takes long enough for a time left.
        feeds = await asyncio.gather(*(_feed(session, seconds) for seconds in FEEDS))
        for way, messages in zip(FEEDS.values(), feeds, strict=True):
            sizes[way, octoprint_version] = _mean(map(len, messages))
            sizes[f"{way}{DEFLATED}", octoprint_version] = _mean(_deflated(messages))
        for way, paths in WAYS.items():
            sizes[way, octoprint_version] = sum([await _size(session, path) for path in paths])
        async with session.ws_connect(SOCKET, compress=15) as socket:
            compressed[COMPRESSED[0], octoprint_version] = bool(socket.compress)
        async with session.get("/api/job", headers={"Accept-Encoding": "gzip"}) as response:
            compressed[COMPRESSED[1], octoprint_version] = "Content-Encoding" in response.headers
    await asyncio.to_thread(octoprint.request, "POST", "/api/job", {"command": "cancel"})


def _print(octoprint: OctoPrintServer) -> None:
    printing.connect(octoprint)
    printing.store(octoprint, GCODE.encode(), "bench.gcode")
    printing.begin(octoprint, "bench.gcode")


async def _size(session: ClientSession, path: str) -> int:
    async with session.get(path) as response:
        response.raise_for_status()
        return len(await response.read())


def _mean(sizes: Iterable[int]) -> float:
    """Return the mean without the first message, which may come early and fills the dictionary of the compression."""
    return mean(list(sizes)[1:])


def _deflated(messages: Iterable[bytes]) -> Iterator[int]:
    """Yield the sizes of messages that are compressed as frames of one socket (RFC 7692)."""
    compressor = zlib.compressobj(wbits=-zlib.MAX_WBITS)
    for message in messages:
        yield len(compressor.compress(message) + compressor.flush(zlib.Z_SYNC_FLUSH)) - SYNC


async def _feed(session: ClientSession, seconds: int) -> list[bytes]:
    """Return the state messages at this interval."""
    async with session.post("/api/login", json={"passive": True}) as response:
        login = await response.json()
    messages: list[bytes] = []
    async with session.ws_connect(SOCKET) as socket:
        await socket.send_json({"auth": f"{login['name']}:{login['session']}"})
        await socket.send_json({"throttle": round(seconds / BASE)})
        await socket.send_json(
            {"subscribe": {"state": {"logs": False, "messages": False}, "events": [], "plugins": []}}
        )
        try:
            async with asyncio.timeout(WINDOW):
                async for message in socket:
                    assert message.type is WSMsgType.TEXT
                    if "current" in json.loads(message.data):
                        messages.append(message.data.encode())
        except TimeoutError:
            pass
    return messages
