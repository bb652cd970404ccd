"""The picture of the model, from real files in both versions of OctoPrint, as those who look at it see it."""

import asyncio
from collections.abc import AsyncGenerator, Callable, Iterator
from dataclasses import replace
import io
from pathlib import Path
import secrets
import shutil

from PIL import Image
import pytest

from custom_components.octoprint_tunnel.api.octoprint.preview import FIRST_RETRY
from homeassistant.components.image import async_get_image
from homeassistant.exceptions import HomeAssistantError

from .home import Home, entities, log_lines, settle, until
from .octoprint import printing
from .octoprint.server import OctoPrintServer

pytestmark = pytest.mark.long

BOTH_VERSIONS = pytest.mark.parametrize("octoprint_version", ["1.11", "2.0"])
BOTH_TUNNELS = pytest.mark.parametrize("provider", ["octoeverywhere", "obico"])
PLUGIN = Path(__file__).with_name("octoprint") / "thumbnail_plugin.py"
PICTURES = {"1.11": "/plugin/prusaslicerthumbnails/thumbnail/", "2.0": "/downloads/thumbs/local/"}
FILES = "/api/files/local/"


@pytest.fixture(scope="module")
def octoprints() -> Iterator[Callable[[str], OctoPrintServer]]:
    """Start each version of OctoPrint; 1.11 has a plugin that finds pictures, as 2.0 does itself."""
    servers: dict[str, OctoPrintServer] = {}

    def get(version: str) -> OctoPrintServer:
        if not OctoPrintServer.installed(version):
            pytest.skip(f"OctoPrint {version} is not installed here (no Python that it runs on)")
        if version not in servers:
            servers[version] = OctoPrintServer(version)
            if version == "1.11":
                folder = servers[version].basedir / "plugins"
                folder.mkdir(exist_ok=True)
                shutil.copy(PLUGIN, folder / "prusaslicerthumbnails.py")
        servers[version].start()
        return servers[version]

    yield get
    for server in servers.values():
        server.close()


def rendered(width: int, height: int) -> bytes:
    """Return a PNG that does not compress, as those of many colors."""
    image = Image.frombytes("RGB", (width, height), secrets.token_bytes(width * height * 3))
    buffer = io.BytesIO()
    image.save(buffer, "PNG")
    return buffer.getvalue()


def size_of(picture: bytes | None) -> tuple[int, int]:
    """Return width and height of a picture."""
    assert picture is not None
    return Image.open(io.BytesIO(picture)).size


def sliced(*pictures: bytes) -> bytes:
    """Return a print with these pictures in its file."""
    return printing.with_pictures(printing.gcode(600), *pictures)


class Viewer:
    """Someone who looks at the picture."""

    def __init__(self, home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
        """Look at the picture of this home."""
        self.home = home
        self._monkeypatch = monkeypatch

    async def look(self) -> bytes | None:
        """Return the picture that Home Assistant shows, None if it has none."""
        entity_id = entities(self.home.hass, self.home.entry)["print_preview"]
        try:
            shown = await async_get_image(self.home.hass, entity_id)
        except HomeAssistantError:
            return None
        assert shown.content_type == "image/png"
        return shown.content

    def fetched(self, where: str = "tunnel") -> list[str]:
        """Return the paths of the requests for files and pictures."""
        beginnings = (FILES, *PICTURES.values())
        return [request.path for request in self.home.relay.seen(where) if request.path.startswith(beginnings)]

    async def upload(self, name: str, data: bytes) -> None:
        """Put a file into OctoPrint's storage."""
        self._monkeypatch.setattr(printing, "gcode", lambda _moves: data)
        await self.home.in_octoprint(printing.upload, 0, name)

    async def select(self, name: str) -> None:
        """Select a file for the next print in OctoPrint."""
        await self.home.in_octoprint(OctoPrintServer.request, "POST", FILES + name, {"command": "select"})

    @property
    def state(self) -> str:
        """Return the state of the picture: since when it is known, or that it is not available."""
        return self.home.state("print_preview").state

    async def until_selected(self, name: str, since: str) -> None:
        """Wait until another file is known than the one since then."""
        await self.select(name)
        await until(lambda: self.state not in (since, "unavailable"))


@pytest.fixture
async def viewer(live_home: Home, monkeypatch: pytest.MonkeyPatch) -> Viewer:
    """Return someone who looks at a printer that is connected, with no file selected."""
    await live_home.press("connect")
    await live_home.until_state("operational")
    await until(lambda: "bed_actual_temperature" in live_home.keys)
    await settle(live_home.hass)
    live_home.relay.clear()
    return Viewer(live_home, monkeypatch)


@BOTH_VERSIONS
@BOTH_TUNNELS
async def test_picture_of_a_print(viewer: Viewer, octoprint_version: str, caplog: pytest.LogCaptureFixture) -> None:
    """The largest is fetched when a user looks, and then kept. The API key is in the header only."""
    home = viewer.home
    assert viewer.state == "unavailable"
    assert await viewer.look() is None
    await viewer.upload("Größe_1.gcode", sliced(rendered(16, 16), rendered(64, 48), rendered(32, 32)))
    await home.in_octoprint(printing.begin, "Größe_1.gcode")
    await home.until_state("printing")
    await until(lambda: viewer.state != "unavailable")
    assert viewer.fetched() == []

    first = await viewer.look()
    assert size_of(first) == (64, 48)
    assert [await viewer.look() for _ in range(3)] == [first] * 3
    of_file, of_picture = viewer.fetched()
    assert of_file.startswith(FILES)
    assert of_picture.startswith(PICTURES[octoprint_version])
    for request in home.relay.seen("tunnel", path=of_picture):
        assert request.headers["X-Api-Key"] == home.octoprint.api_key
        assert home.octoprint.api_key not in str(request.query)
    assert log_lines(caplog) == []
    await home.press("cancel")
    await home.until_state("operational")
    assert await viewer.look() == first


@BOTH_VERSIONS
async def test_file_without_a_picture(viewer: Viewer, caplog: pytest.LogCaptureFixture) -> None:
    """It is unavailable when a user has looked, and fetched once. A file that is selected later has its own."""
    await viewer.upload("bare.gcode", sliced())
    await viewer.until_selected("bare.gcode", "unavailable")
    assert await viewer.look() is None
    assert viewer.state == "unavailable"
    assert await viewer.look() is None
    assert viewer.fetched() == [FILES + "bare.gcode"]

    await viewer.upload("model.gcode", sliced(rendered(20, 20)))
    await viewer.until_selected("model.gcode", "unavailable")
    assert await viewer.look() is not None
    assert log_lines(caplog) == []


@BOTH_VERSIONS
async def test_file_that_is_uploaded_again(viewer: Viewer) -> None:
    """Its new picture is shown, although its path is the same."""
    await viewer.upload("again.gcode", sliced(rendered(20, 20)))
    await viewer.until_selected("again.gcode", "unavailable")
    first, since = await viewer.look(), viewer.state
    assert first is not None
    await asyncio.sleep(1)  # OctoPrint tells the time of a file in whole seconds
    await viewer.upload("again.gcode", sliced(rendered(30, 30)))
    await viewer.until_selected("again.gcode", since)
    second = await viewer.look()
    assert second is not None
    assert second != first


@BOTH_VERSIONS
async def test_picture_on_the_local_network(
    new_live_home: Home, monkeypatch: pytest.MonkeyPatch, octoprint_version: str
) -> None:
    """Nothing goes through the tunnel, also not for a file that has been removed."""
    home = new_live_home
    await home.listen(local_url=home.relay.local.url)
    await home.press("connect")
    await home.until_state("operational")
    viewer = Viewer(home, monkeypatch)
    await viewer.upload("local.gcode", sliced(rendered(40, 40)))
    await viewer.until_selected("local.gcode", "unavailable")
    since = viewer.state
    assert await viewer.look() is not None
    assert [path.startswith(PICTURES[octoprint_version]) for path in viewer.fetched("local")] == [False, True]

    await viewer.upload("gone.gcode", sliced(rendered(40, 40)))
    await viewer.until_selected("gone.gcode", since)
    home.relay.fail("local", 404, path=FILES)
    assert await viewer.look() is None
    assert viewer.state == "unavailable"
    home.relay.heal()
    await home.refresh()
    assert home.state("active_route").state == "local"
    assert viewer.fetched("tunnel") == []


# What can go wrong


@pytest.fixture
async def printing_viewer(home: Home, monkeypatch: pytest.MonkeyPatch) -> Viewer:
    """Return someone who looks at a printer that is polled and prints a file with two pictures."""
    viewer = Viewer(home, monkeypatch)
    await viewer.upload("part.gcode", sliced(rendered(64, 64), rendered(32, 32)))
    await home.in_octoprint(printing.connect)
    await home.in_octoprint(printing.begin, "part.gcode")
    await home.wait(62)
    assert viewer.state != "unavailable"
    home.relay.clear()
    return viewer


async def test_many_who_look_at_once(printing_viewer: Viewer) -> None:
    """One request serves all, also if one of them does not wait."""
    hasty = asyncio.create_task(printing_viewer.look())
    patient = [asyncio.create_task(printing_viewer.look()) for _ in range(3)]
    await asyncio.sleep(0)
    hasty.cancel()
    pictures = await asyncio.gather(*patient)
    assert [size_of(picture) for picture in pictures] == [(64, 64)] * 3
    assert len(printing_viewer.fetched()) == 2


@pytest.mark.parametrize("body", ["x" * 1_000_001, "<svg/>", ""], ids=["too large", "of another type", "empty"])
async def test_largest_picture_that_is_none(printing_viewer: Viewer, body: str) -> None:
    """The next one is shown if the largest is too large, or no picture."""
    printing_viewer.home.relay.fail("tunnel", 200, body, content_type="image/png", times=1, path=PICTURES["2.0"])
    assert size_of(await printing_viewer.look()) == (32, 32)


@pytest.mark.parametrize("status", [200, 403, 404, 500])
async def test_pictures_that_are_refused(
    printing_viewer: Viewer, status: int, caplog: pytest.LogCaptureFixture
) -> None:
    """There is none then, without a line in the log, and it is not asked for again."""
    printing_viewer.home.relay.fail("tunnel", status, "no picture", path=PICTURES["2.0"])
    assert await printing_viewer.look() is None
    asked = len(printing_viewer.fetched())
    await printing_viewer.home.wait(62, times=3)
    assert printing_viewer.state == "unavailable"
    assert await printing_viewer.look() is None
    assert len(printing_viewer.fetched()) == asked
    assert log_lines(caplog) == []


async def test_redirect(printing_viewer: Viewer) -> None:
    """It is not followed: it may lead to another host."""
    printing_viewer.home.relay.redirect("tunnel", "https://evil.example/", path=PICTURES["2.0"])
    assert await printing_viewer.look() is None
    assert not printing_viewer.home.relay.seen(host="evil.example")


async def test_outage_while_a_user_looks(printing_viewer: Viewer, caplog: pytest.LogCaptureFixture) -> None:
    """The picture is fetched when a user looks after it, and not before the time of the next try."""
    relay = printing_viewer.home.relay
    relay.fail("tunnel", 502, path=PICTURES["2.0"])
    assert await printing_viewer.look() is None
    asked = len(printing_viewer.fetched())
    relay.heal()
    assert await printing_viewer.look() is None
    assert len(printing_viewer.fetched()) == asked
    assert printing_viewer.state != "unavailable"
    await printing_viewer.home.wait(FIRST_RETRY * 2)
    assert size_of(await printing_viewer.look()) == (64, 64)
    assert log_lines(caplog) == []


@pytest.fixture
async def looking(viewer: Viewer) -> AsyncGenerator[tuple[Home, asyncio.Task[bytes | None]]]:
    """Return a home where a user looks at a picture that is on its way."""
    await viewer.upload("slow.gcode", sliced(rendered(64, 64)))
    await viewer.until_selected("slow.gcode", "unavailable")
    viewer.home.relay.delay("tunnel", 30, path=PICTURES["2.0"])
    look = asyncio.create_task(viewer.look())
    await until(lambda: len(viewer.fetched()) == 2)
    yield viewer.home, look
    viewer.home.relay.heal()


async def test_another_file_while_a_user_looks(looking: tuple[Home, asyncio.Task[bytes | None]]) -> None:
    """The picture of the file before is not shown for it."""
    home, look = looking
    known = home.runtime.printer.data.file
    assert known is not None
    home.runtime.printer.preview.follow(replace(known, path="other.gcode"))
    assert await look is None


async def test_unloaded_while_somebody_looks(looking: tuple[Home, asyncio.Task[bytes | None]]) -> None:
    """The request ends with the printer."""
    home, look = looking
    assert await home.hass.config_entries.async_unload(home.entry.entry_id)
    assert await look is None
