"""The overhead of the integration for a webcam: time to a picture, throughput and memory."""

from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Iterator
import gc
from statistics import median
import time
import tracemalloc

from aiohttp import ClientSession, ClientTimeout, encode_basic_auth
import pytest
from pytest_homeassistant_custom_component.common import MockConfigEntry
from pytest_homeassistant_custom_component.typing import ClientSessionGenerator

from custom_components.octoprint_tunnel.api.tunnels import octoeverywhere
from homeassistant.core import HomeAssistant
from homeassistant.setup import async_setup_component
from tests.home import entities, settle
from tests.octoprint.server import OctoPrintServer
from tests.relay.octoeverywhere import AppConnection
from tests.relay.server import Relay

TIMES = 15
LATENCY = 0.1  # seconds; a tunnel of the real service adds at least this
FRAME = 100_000  # bytes, of a webcam with 1280 x 720
FRAMES = 1500
TEN_MINUTES = 6000  # frames, ten a second

type Rows = list[tuple[str, float, float, str]]


type Look = Callable[[str, int], Awaitable[None]]
"""Read so many bytes of a snapshot or a stream."""

ALL = 10**12  # bytes


async def take(chunks: AsyncIterator[bytes], size: int) -> None:
    """Read so many bytes."""
    async for chunk in chunks:
        size -= len(chunk)
        if size <= 0:
            return


async def seconds(look: Look, what: str, size: int = ALL) -> float:
    """Return the seconds that a request takes."""
    started = time.perf_counter()
    await look(what, size)
    return time.perf_counter() - started


@pytest.fixture(scope="module")
def rows() -> Iterator[Rows]:
    """Collect the lines and print the table."""
    rows: Rows = []
    yield rows
    print("\n\nA webcam through OctoEverywhere\n\n| | directly | through Home Assistant | ratio |\n|---|--:|--:|--:|")
    for what, directly, through, unit in rows:
        print(f"| {what} | {directly:.0f} {unit} | {through:.0f} {unit} | {through / directly:.2f} |")


@pytest.fixture
async def looks(
    hass: HomeAssistant,
    relay: Relay,
    connection: AppConnection,
    octoprint: OctoPrintServer,
    entry: MockConfigEntry,
    hass_client: ClientSessionGenerator,
) -> AsyncGenerator[tuple[Look, Look]]:
    """Return the request to the webcam, and the one to Home Assistant."""
    assert await async_setup_component(hass, "camera", {})
    addresses = {"snapshot": "/webcam/?action=snapshot", "stream": "/webcam/?action=stream"}
    octoprint.request("POST", "/api/settings", {"plugins": {"classicwebcam": addresses}})
    entry.add_to_hass(hass)
    hass.config_entries.async_update_entry(entry, options={"live_updates": False})
    assert await hass.config_entries.async_setup(entry.entry_id)
    await settle(hass)
    browser = await hass_client()
    camera = entities(hass, entry)["webcam"]
    headers = {"Authorization": encode_basic_auth(connection.user, connection.password)}
    async with ClientSession(headers=headers, timeout=ClientTimeout(total=None)) as session:

        async def directly(what: str, size: int) -> None:
            async with session.get(f"{connection.url}/webcam/?action={what}") as response:
                await take(response.content.iter_any(), size)

        async def through(what: str, size: int) -> None:
            proxy = "camera_proxy" if what == "snapshot" else "camera_proxy_stream"
            async with browser.get(f"/api/{proxy}/{camera}", timeout=ClientTimeout(total=None)) as response:
                await take(response.content.iter_any(), size)

        yield directly, through
    await hass.config_entries.async_unload(entry.entry_id)
    octoprint.request("POST", "/api/settings", {"plugins": {"classicwebcam": dict.fromkeys(addresses, "")}})


@pytest.mark.parametrize(("what", "size"), [("snapshot", ALL), ("stream", FRAME)])
async def bench_first_picture(
    relay: Relay, looks: tuple[Look, Look], rows: Rows, monkeypatch: pytest.MonkeyPatch, what: str, size: int
) -> None:
    """Get a snapshot, and the first frame of a stream, over a slow tunnel."""
    monkeypatch.setattr(octoeverywhere._Pictures, "pause", 0)
    relay.webcam.frame_size = FRAME
    relay.delay("tunnel", LATENCY, path="/webcam/")
    directly, through = [[await seconds(look, what, size) * 1000 for _ in range(TIMES)] for look in looks]
    title = "snapshot" if what == "snapshot" else "first frame"
    rows.append((f"{title}, tunnel with {LATENCY * 1000:.0f} ms", median(directly), median(through), "ms"))
    if what == "stream":
        assert median(through) <= 1.2 * median(directly)


async def bench_throughput(relay: Relay, looks: tuple[Look, Look], rows: Rows) -> None:
    """Read as fast as possible; one process is webcam, tunnel, Home Assistant and viewer."""
    relay.webcam.frame_size, relay.webcam.frames, relay.webcam.interval = FRAME, FRAMES, 0
    megabytes = FRAME * FRAMES / 1e6
    directly, through = [[megabytes / await seconds(look, "stream") for _ in range(3)] for look in looks]
    rows.append(("stream, throughput", median(directly), median(through), "MB/s"))


@pytest.mark.parametrize("turned", [False, True])
async def bench_memory(
    hass: HomeAssistant, relay: Relay, octoprint: OctoPrintServer, looks: tuple[Look, Look], turned: bool
) -> None:
    """Read the frames of ten minutes, ten per second, as fast as possible."""
    if turned:
        octoprint.request("POST", "/api/settings", {"plugins": {"classicwebcam": {"rotate90": True}}})
        [entry] = hass.config_entries.async_entries("octoprint_tunnel")
        await entry.runtime_data.webcams.async_read()
        octoprint.request("POST", "/api/settings", {"plugins": {"classicwebcam": {"rotate90": False}}})
    relay.webcam.frame_size, relay.webcam.interval = FRAME, 0
    _, through = looks
    relay.webcam.frames = 100
    await through("stream", ALL)
    peaks = []
    tracemalloc.start()
    try:
        for relay.webcam.frames in (TEN_MINUTES // 10, TEN_MINUTES):
            gc.collect()
            tracemalloc.reset_peak()
            before, _ = tracemalloc.get_traced_memory()
            await through("stream", ALL)
            peaks.append(tracemalloc.get_traced_memory()[1] - before)
    finally:
        tracemalloc.stop()
    one, ten = (peak / 1e6 for peak in peaks)
    how = "turned" if turned else "as they come"
    print(
        f"\nFrames {how}: {one:.2f} MB at most in one minute, {ten:.2f} MB in ten ({FRAME * TEN_MINUTES / 1e6:.0f} MB)"
    )
    assert ten - one < 2
