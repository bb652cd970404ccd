"""What it costs to follow a print, with progress and temperatures no older than those of the integration.

All ways are measured at the same print of a real OctoPrint, in bytes that Obico counts: bodies of responses, and frames
of the push socket.
"""

import asyncio
from collections.abc import Iterator
import json
from typing import Final

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
FEED: Final = "state messages of the push socket, without logs and messages"
HOUR: Final = 3600
BASE: Final = 0.5  # seconds; OctoPrint's throttle is a multiple of it
WINDOW: Final = 45  # seconds of real time for the feed: three messages, the first of which is left out


@pytest.fixture(scope="module")
def sizes(report: Report) -> Iterator[dict[tuple[str, str], float]]:
    """Collect the bytes of one reading by way and version, and report on them."""
    sizes: dict[tuple[str, str], float] = {}
    yield sizes
    readings = HOUR / PRINT_INTERVAL.total_seconds()
    table = report.table(
        f"A print, {readings:.0f} readings an hour: bytes that Obico counts",
        *("", *(f"OctoPrint {version}: {what}" for version in VERSIONS for what in ("a reading", "kB an hour"))),
    )
    for way in (*WAYS, FEED):
        found = [sizes[way, version] for version in VERSIONS if (way, version) in sizes]
        cells = (cell for size in found for cell in (f"{size:.0f}", f"{size * readings / 1e3:.0f}"))
        table.rows.append((way, *cells))


@pytest.mark.timeout(180)
@pytest.mark.parametrize("octoprint_version", VERSIONS)
async def bench_printing(
    octoprint: OctoPrintServer, octoprint_version: str, sizes: dict[tuple[str, str], float]
) -> None:
    """Follow a print in every way."""
    await asyncio.to_thread(_print, octoprint)
    headers = {"X-Api-Key": octoprint.api_key, "X-OctoPrint-Api-Version": API_VERSION}
    async with ClientSession(octoprint.url, headers=headers) as session:
        sizes[FEED, octoprint_version] = await _feed(session)  # which takes long enough for a time left
        for way, paths in WAYS.items():
            sizes[way, octoprint_version] = sum([await _size(session, path) for path in paths])
    await asyncio.to_thread(octoprint.request, "POST", "/api/job", {"command": "cancel"})


def _print(octoprint: OctoPrintServer) -> None:
    printing.connect(octoprint)
    printing.store(octoprint, GCODE.encode(), "bench.gcode")
    printing.begin(octoprint, "bench.gcode")


async def _size(session: ClientSession, path: str) -> int:
    async with session.get(path) as response:
        response.raise_for_status()
        return len(await response.read())


async def _feed(session: ClientSession) -> float:
    """Return the mean size of a state message at the integration's interval."""
    async with session.post("/api/login", json={"passive": True}) as response:
        login = await response.json()
    sizes = []
    async with session.ws_connect("/sockjs/websocket") as socket:
        await socket.send_json({"auth": f"{login['name']}:{login['session']}"})
        await socket.send_json({"throttle": round(PRINT_INTERVAL.total_seconds() / BASE)})
        await socket.send_json(
            {"subscribe": {"state": {"logs": False, "messages": False}, "events": [], "plugins": []}}
        )
        try:
            async with asyncio.timeout(WINDOW):
                async for message in socket:
                    assert message.type is WSMsgType.TEXT
                    if "current" in json.loads(message.data):
                        sizes.append(len(message.data))
        except TimeoutError:
            pass
    later = sizes[1:]
    return sum(later) / len(later)
