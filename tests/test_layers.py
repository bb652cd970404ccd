"""The layer of a print: of files that Home Assistant uploads, and of files that it reads on the local network."""

import asyncio
from collections.abc import Iterator
from datetime import timedelta
import json
from pathlib import Path
import threading
from typing import Any, override

import pytest

from custom_components.octoprint_tunnel import layers, pace, upload as upload_of_files
from custom_components.octoprint_tunnel.api.octoprint import gcode
from custom_components.octoprint_tunnel.const import DOMAIN
from homeassistant.helpers import entity_registry as er

from .bodies import LAYER_VALUES
from .home import Home, log_lines, settle, until
from .octoprint import printing
from .octoprint.server import OctoPrintServer
from .relay.record import Exchange
from .slicers import HEIGHT, Sliced, sliced
from .test_print import ALL_TUNNELS, BOTH_VERSIONS, number

pytestmark = pytest.mark.long

DOWNLOAD = "/octoprint/downloads/files/local/"
VALUES = "/octoprint/plugin/DisplayLayerProgress/values"
KEYS = ("layer", "layers", "height")
UNKNOWN = ("unknown",) * 3
PRINTED = sliced("cura", layers=20, moves=4, dwell=150)
PLUGIN = '''"""Adds a line to each layer."""

from octoprint.filemanager.util import LineProcessorStream, StreamWrapper

class Stream(LineProcessorStream):
    def process_line(self, line):
        return line + b"M117 INDICATOR-Layer\\n" if line.startswith(b";LAYER:") else line


def add(path, file_object, *args, **kwargs):
    return StreamWrapper(file_object.filename, Stream(file_object.stream()))


__plugin_name__ = "Indicators"
__plugin_pythoncompat__ = ">=3"
__plugin_hooks__ = {"octoprint.filemanager.preprocessor": add}
'''


@pytest.fixture(autouse=True)
def _often(monkeypatch: pytest.MonkeyPatch) -> None:
    """Poll more often than is due: a test's print lasts seconds."""
    monkeypatch.setattr(pace, "PRINT_INTERVAL", timedelta(seconds=0.2))


@pytest.fixture
async def local_home(new_live_home: Home) -> Home:
    """Return a house whose OctoPrint is used over the local network, and whose printer is connected."""
    await new_live_home.listen(local_url=f"{new_live_home.relay.local.url}/octoprint")
    await connect(new_live_home)
    assert new_live_home.state("active_route").state == "local"
    return new_live_home


@pytest.fixture
async def tunnel_home(live_home: Home) -> Home:
    """Return a house whose OctoPrint is used through a tunnel, and whose printer is connected."""
    await connect(live_home)
    return live_home


async def connect(home: Home) -> None:
    """Connect the printer."""
    await home.in_octoprint(printing.connect)
    await home.until_state("operational")
    home.relay.clear()


async def upload(home: Home, path: Path, data: bytes) -> None:
    """Let Home Assistant upload a file."""
    await home.hass.async_add_executor_job(path.write_bytes, data)
    home.hass.config.allowlist_external_dirs.add(str(path.parent))
    await home.call("upload_file", path=str(path))
    await settle(home.hass)


async def store(home: Home, data: bytes, name: str) -> str:
    """Upload a file as another program does, and return its path."""
    return await home.hass.async_add_executor_job(printing.store, home.octoprint, data, name)


async def cancel(home: Home) -> None:
    """Cancel the print."""
    await home.press("cancel")
    await home.until_state("operational")


def downloads(home: Home) -> list[Exchange]:
    """Return the requests for files."""
    return [request for request in home.relay.seen() if "/downloads/" in request.path]


def position(server: OctoPrintServer) -> int:
    """Return how much of the file OctoPrint has printed."""
    progress: Any = json.loads(server.request("GET", "/api/job")[1])["progress"]
    return progress["filepos"] or 0


async def follow(home: Home, print_: Sliced, name: str) -> None:
    """Print a file, and compare the layer that is shown at each tenth with the file's."""
    await home.in_octoprint(printing.begin, name)
    await until(lambda: number(home, "layer") >= 0)
    for tenth in range(1, 10):
        while (now := await home.hass.async_add_executor_job(position, home.octoprint)) < len(print_.data) * tenth / 10:
            pass
        await home.refresh()
        assert abs(number(home, "layer") - print_.layer_at(now)) <= 1, tenth
        assert number(home, "layers") == len(print_.starts)
        assert number(home, "height") == pytest.approx(number(home, "layer") * HEIGHT)
    await home.until_state("operational")
    await until(lambda: number(home, "print_progress") == 100)
    assert number(home, "layer") == len(print_.starts)


@BOTH_VERSIONS
@pytest.mark.parametrize("style", ["cura", "prusaslicer", "simplify3d", "slic3r"])
async def test_a_print_on_the_local_network(local_home: Home, style: str) -> None:
    """OctoPrint is asked for its file once, and for nothing more than without layers."""
    print_ = sliced(style, layers=10, moves=4, dwell=100)
    path = await store(local_home, print_.data, f"große {style} (50%) [a+b]#1.gcode")
    assert local_home.states(*KEYS) == UNKNOWN
    await follow(local_home, print_, path)
    [download] = downloads(local_home)
    assert download.headers["Accept-Encoding"] == "identity"
    assert not local_home.relay.seen("tunnel")
    await local_home.in_octoprint(printing.begin, path)
    await until(lambda: 0 < number(local_home, "layer") < 5)
    await cancel(local_home)
    assert 0 < number(local_home, "layer") < 10
    assert len(downloads(local_home)) == 1


@BOTH_VERSIONS
@ALL_TUNNELS
async def test_a_print_that_home_assistant_uploaded(tunnel_home: Home, tmp_path: Path) -> None:
    """It costs a kilobyte, and the layers are known before it begins."""
    print_ = sliced("orcaslicer", layers=10, moves=4, dwell=100)
    await upload(tunnel_home, tmp_path / "box.gcode", print_.data)
    [described] = tunnel_home.relay.seen("tunnel", path="/api/files/local/box.gcode")
    assert described.response_bytes < 2000
    await follow(tunnel_home, print_, "box.gcode")
    assert not downloads(tunnel_home)


class TestFilesThatPluginsChange:
    """DisplayLayerProgress, for one, adds a line to each layer of an uploaded file."""

    @pytest.fixture
    def octoprint(self, octoprint_version: str, socket_enabled: None) -> Iterator[OctoPrintServer]:
        """Return an OctoPrint with such a plugin."""
        if not OctoPrintServer.installed(octoprint_version):
            pytest.skip(f"OctoPrint {octoprint_version} is not installed here")
        server = OctoPrintServer(octoprint_version)
        plugin = server.basedir / "plugins" / "indicators.py"
        plugin.parent.mkdir(exist_ok=True)
        plugin.write_text(PLUGIN)
        with server:
            yield server

    @BOTH_VERSIONS
    async def test_an_uploaded_file(self, tunnel_home: Home, tmp_path: Path) -> None:
        """The layers are found all the same."""
        print_ = sliced("cura", layers=10, moves=4, dwell=100)
        await upload(tunnel_home, tmp_path / "box.gcode", print_.data)
        changed = print_.with_lines(b"M117 INDICATOR-Layer")
        _, stored = tunnel_home.octoprint.request("GET", "/downloads/files/local/box.gcode")
        assert stored == changed.data
        await follow(tunnel_home, changed, "box.gcode")
        assert not downloads(tunnel_home)


@pytest.mark.parametrize("status", [403, 404])
async def test_an_uploaded_file_that_octoprint_does_not_describe(
    tunnel_home: Home, tmp_path: Path, caplog: pytest.LogCaptureFixture, status: int
) -> None:
    """It is uploaded, and its layers are not known."""
    tunnel_home.relay.fail("tunnel", status, path="/api/files/local/box.gcode")
    await upload(tunnel_home, tmp_path / "box.gcode", PRINTED.data)
    await tunnel_home.in_octoprint(printing.begin, "box.gcode")
    await until(lambda: number(tunnel_home, "print_progress") > 10)
    assert tunnel_home.states(*KEYS) == UNKNOWN
    await cancel(tunnel_home)
    assert not [line for line in log_lines(caplog) if "layer" in line]


@ALL_TUNNELS
async def test_a_file_is_never_read_through_a_tunnel(tunnel_home: Home) -> None:
    """Its layers stay unknown."""
    await store(tunnel_home, sliced("cura", layers=5, moves=4, dwell=50).data, "other.gcode")
    await tunnel_home.in_octoprint(printing.begin, "other.gcode")
    await until(lambda: number(tunnel_home, "print_progress") > 50)
    assert tunnel_home.states(*KEYS) == UNKNOWN
    await tunnel_home.until_state("operational")
    assert not downloads(tunnel_home)
    assert not [request for request in tunnel_home.relay.seen() if "DisplayLayerProgress" in request.path]


async def test_another_file_at_the_same_path(local_home: Home, tmp_path: Path) -> None:
    """What was uploaded again, or in another way, is another file."""
    await upload(local_home, tmp_path / "box.gcode", sliced("cura", layers=3).data)
    print_ = sliced("simplify3d", layers=6, moves=4, dwell=100)
    await store(local_home, print_.data, "box.gcode")
    await local_home.in_octoprint(printing.begin, "box.gcode")
    await until(lambda: number(local_home, "layers") == 6)
    await cancel(local_home)
    assert len(downloads(local_home)) == 1


async def test_layers_are_kept(local_home: Home, hass_storage: dict[str, Any]) -> None:
    """A reload during a print does not read the file again; nothing is left of a printer that is removed."""
    path = await store(local_home, sliced("cura", layers=6, moves=4, dwell=150).data, "kept.gcode")
    await local_home.in_octoprint(printing.begin, path)
    await until(lambda: number(local_home, "layer") > 0)
    await local_home.reload()
    await until(lambda: number(local_home, "layer") > 0)
    assert len(downloads(local_home)) == 1
    await cancel(local_home)
    assert [key for key in hass_storage if "layers" in key]
    await local_home.hass.config_entries.async_remove(local_home.entry.entry_id)
    assert not [key for key in hass_storage if "layers" in key]


@pytest.mark.parametrize("data", [{}, {"files": 5}, {"files": [{"path": "a", "size": 1, "date": 2}]}])
async def test_stored_layers_that_cannot_be_read(new_home: Home, hass_storage: dict[str, Any], data: object) -> None:
    """They are forgotten."""
    key = f"{DOMAIN}.{new_home.entry.entry_id}.layers"
    hass_storage[key] = {"version": 1, "minor_version": 1, "key": key, "data": data}
    await new_home.set_up()
    assert new_home.states(*KEYS) == UNKNOWN


@pytest.fixture
async def stored(local_home: Home) -> Home:
    """Return a house in whose OctoPrint a file is ready to be printed."""
    await store(local_home, PRINTED.data, "stored.gcode")
    return local_home


async def begin(home: Home) -> None:
    """Print the file."""
    await home.in_octoprint(printing.begin, "stored.gcode")
    await home.until_state("printing")


@pytest.mark.parametrize(
    ("status", "body"),
    [(403, b"no"), (404, b"no"), (500, b"no"), (302, b""), (200, PRINTED.data[:-1]), (200, b"x" * 300_000)],
)
async def test_a_file_that_cannot_be_read(
    stored: Home, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch, status: int, body: bytes
) -> None:
    """It is read again later, without a word in the log; all else goes on."""
    monkeypatch.setattr(layers, "FIRST_RETRY", 0.5)
    stored.relay.fail("local", status, body.decode(), path=f"{DOWNLOAD}stored.gcode")
    await stored.reload()
    await begin(stored)
    await until(lambda: len(downloads(stored)) > 1)
    assert stored.states(*KEYS) == UNKNOWN
    assert len(downloads(stored)) < 5
    stored.relay.heal()
    await until(lambda: number(stored, "layer") > 0)
    assert stored.state("active_route").state == "local"
    await cancel(stored)
    assert not log_lines(caplog)


async def test_a_file_that_is_too_large(
    stored: Home, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is not read at all."""
    monkeypatch.setattr(layers, "MAX_FILE", len(PRINTED.data) - 1)
    await begin(stored)
    await until(lambda: number(stored, "print_progress") > 10)
    assert not downloads(stored)
    assert stored.states(*KEYS) == UNKNOWN
    assert not log_lines(caplog)
    await cancel(stored)


async def test_a_file_with_too_many_layers(stored: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is read once, and has no layers."""
    monkeypatch.setattr(gcode, "MAX_LAYERS", 10)
    await begin(stored)
    await until(lambda: number(stored, "print_progress") > 10)
    assert stored.states(*KEYS) == UNKNOWN
    assert len(downloads(stored)) == 1
    await cancel(stored)


async def test_files_are_read_outside_of_the_event_loop(
    local_home: Home, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also those that are uploaded: a file of 100 MB takes seconds."""
    threads = set()

    class Watched(gcode.LayerIndexer):
        @override
        def feed(self, data: bytes) -> None:
            threads.add(threading.get_ident())
            super().feed(data)

    monkeypatch.setattr(layers, "LayerIndexer", Watched)
    monkeypatch.setattr(upload_of_files, "LayerIndexer", Watched)
    await upload(local_home, tmp_path / "box.gcode", PRINTED.data)
    assert threads
    await store(local_home, PRINTED.data, "stored.gcode")
    await begin(local_home)
    await until(lambda: number(local_home, "layer") > 0)
    assert downloads(local_home)
    assert threading.get_ident() not in threads
    await cancel(local_home)


class TestDisplayLayerProgress:
    """The plugin is asked where it costs less than the file. The relay responds as the plugin does."""

    @pytest.fixture
    async def home(self, stored: Home) -> Home:
        """Return a house whose OctoPrint has the plugin, and a file that is ready to be printed."""
        self.tell(stored, "-", "-")
        return stored

    @staticmethod
    def tell(home: Home, layer: str, height: str, total: str = "19") -> None:
        """Let the plugin report a layer."""
        home.relay.heal()
        values = {**LAYER_VALUES, "layer": {"current": layer, "total": total}, "height": {"current": height}}
        home.relay.fail("local", 200, json.dumps(values), content_type="application/json", path=VALUES)

    async def test_a_large_file(self, home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
        """The plugin is asked with each reading of this print, and only of this one."""
        monkeypatch.setattr(layers, "LARGE_FILE", len(PRINTED.data) - 1)
        await begin(home)
        await until(lambda: home.states(*KEYS) == ("0", "19", "0.0"))
        self.tell(home, "7", "1.60")
        await until(lambda: home.states(*KEYS) == ("7", "19", "1.6"))
        await cancel(home)
        await home.refresh()
        assert home.states(*KEYS) == ("7", "19", "1.6")
        assert not downloads(home)
        home.relay.clear()
        small = sliced("cura", layers=5, moves=4, dwell=150)
        await store(home, small.data, "small.gcode")
        await home.in_octoprint(printing.begin, "small.gcode")
        await until(lambda: number(home, "layers") == 5)
        await cancel(home)
        assert len(downloads(home)) == 1
        assert not home.relay.seen("local", path=VALUES)

    async def test_a_large_file_whose_layers_it_does_not_know(
        self, home: Home, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """The file is read."""
        monkeypatch.setattr(layers, "LARGE_FILE", len(PRINTED.data) - 1)
        self.tell(home, "-", "-", total="-")
        await begin(home)
        await until(lambda: number(home, "layers") == 20)
        await cancel(home)
        assert len(home.relay.seen("local", path=VALUES)) == len(downloads(home)) == 1

    @pytest.mark.parametrize("status", [404, 500])
    async def test_a_large_file_without_the_plugin(
        self, stored: Home, monkeypatch: pytest.MonkeyPatch, status: int
    ) -> None:
        """The file is read, and the local network stays in use."""
        monkeypatch.setattr(layers, "LARGE_FILE", len(PRINTED.data) - 1)
        stored.relay.fail("local", status, path=VALUES)
        await begin(stored)
        await until(lambda: number(stored, "layers") == 20)
        assert stored.state("active_route").state == "local"
        await cancel(stored)
        assert len(stored.relay.seen("local", path=VALUES)) == len(downloads(stored)) == 1
        assert not stored.relay.seen("tunnel")

    async def test_a_plugin_that_fails_during_a_print(self, home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
        """The file is read later."""
        monkeypatch.setattr(layers, "LARGE_FILE", len(PRINTED.data) - 1)
        monkeypatch.setattr(layers, "FIRST_RETRY", 0.5)
        await home.reload()
        await begin(home)
        await until(lambda: number(home, "layers") == 19)
        home.relay.heal()
        home.relay.fail("local", 500, path=VALUES)
        await until(lambda: number(home, "layers") == 20)
        await cancel(home)
        assert len(downloads(home)) == 1
        assert not home.relay.seen("tunnel")

    async def test_a_file_that_the_key_may_not_read(self, home: Home, caplog: pytest.LogCaptureFixture) -> None:
        """The plugin is asked, because the file was refused."""
        home.relay.fail("local", 403, path=f"{DOWNLOAD}stored.gcode")
        await begin(home)
        await until(lambda: number(home, "layers") == 19)
        await cancel(home)
        assert len(downloads(home)) == 1
        assert not log_lines(caplog)

    async def test_without_the_local_network(self, home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
        """The layer is unknown: the plugin is not asked through the tunnel."""
        monkeypatch.setattr(layers, "LARGE_FILE", len(PRINTED.data) - 1)
        await begin(home)
        await until(lambda: number(home, "layers") == 19)
        home.relay.drop("local")
        await until(lambda: home.state("active_route").state == "tunnel")
        await home.refresh()
        assert home.states(*KEYS) == UNKNOWN
        assert not [request for request in home.relay.seen("tunnel") if "DisplayLayerProgress" in request.path]
        await cancel(home)


async def test_a_file_is_not_read_for_entities_that_are_disabled(stored: Home) -> None:
    """Its layers are not needed."""
    registry = er.async_get(stored.hass)
    for key in KEYS:
        registry.async_update_entity(stored.state(key).entity_id, disabled_by=er.RegistryEntryDisabler.USER)
    await stored.reload()
    await begin(stored)
    await until(lambda: number(stored, "print_progress") > 10)
    assert not downloads(stored)
    await cancel(stored)


async def test_an_unload_ends_a_download(stored: Home) -> None:
    """Nothing is left of it."""
    stored.relay.hang("local", path=f"{DOWNLOAD}stored.gcode")
    await stored.in_octoprint(printing.begin, "stored.gcode")
    await until(lambda: downloads(stored))
    assert [task for task in asyncio.all_tasks() if "_async_try" in repr(task)]
    assert await stored.hass.config_entries.async_unload(stored.entry.entry_id)
    assert not [task for task in asyncio.all_tasks() if "_async_try" in repr(task)]
    await stored.in_octoprint(OctoPrintServer.request, "POST", "/api/job", {"command": "cancel"})
