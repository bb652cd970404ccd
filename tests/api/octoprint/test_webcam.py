"""The webcams in OctoPrint's settings; the recorded ones are of the versions in their names."""

import json
from pathlib import Path
from typing import Any

import pytest

from custom_components.octoprint_tunnel.api.errors import InvalidResponse, PermissionMissing
from custom_components.octoprint_tunnel.api.json_object import JsonObject
from custom_components.octoprint_tunnel.api.octoprint.client import OctoPrint
from custom_components.octoprint_tunnel.api.octoprint.webcam import MAX_WEBCAMS, Webcam, left_out, webcams_from_json

from ...octoprint.server import OctoPrintServer
from ...relay.server import Relay

RECORDED = Path(__file__).parents[2] / "octoprint" / "recorded"
SNAPSHOT = "http://127.0.0.1:8080/?action=snapshot"
STREAM = "/webcam/?action=stream"
CLASSIC = Webcam(
    position=0,
    name="classic",
    display_name="Classic Webcam",
    snapshot_url=SNAPSHOT,
    stream_url=STREAM,
    flip_h=True,
    rotate_90=True,
)


def read(webcam: Any) -> tuple[Webcam, ...]:
    """Read settings as they arrive over the network."""
    return webcams_from_json(JsonObject.parse(json.dumps({"webcam": webcam}).encode()))


@pytest.mark.parametrize("version", ["1.11", "2.0"])
def test_recorded_settings_are_read(version: str) -> None:
    """With and without a webcam."""
    with_webcam, without = (
        JsonObject.parse((RECORDED / f"settings_{version}_{name}.json").read_bytes()) for name in ("classic", "none")
    )
    assert webcams_from_json(with_webcam) == (CLASSIC,)
    assert webcams_from_json(without) == ()


def test_the_only_webcam_of_older_versions_is_read() -> None:
    """OctoPrint before 1.9 has no list."""
    flat = {"snapshotUrl": SNAPSHOT, "streamUrl": STREAM, "flipH": True, "flipV": False, "rotate90": True}
    assert read({**flat, "webcamEnabled": True}) == (CLASSIC,)


def test_webcams_without_an_address_are_skipped() -> None:
    """The others keep their positions."""
    nozzle = {"name": "nozzle", "compat": {"snapshot": " ", "stream": "http://10.0.0.2/s"}, "flipV": True}
    webcams = [{"name": "a", "compat": None}, "b", {"name": "c", "compat": {"stream": None, "snapshot": ""}}, nozzle]
    [found] = read({"webcams": webcams})
    assert (found.name, found.display_name, found.position, found.snapshot_url) == ("nozzle", "nozzle", 2, None)
    assert (found.flip_h, found.flip_v, found.rotate_90) == (False, True, False)
    assert read({"webcams": None}) == read({"webcams": []}) == ()


@pytest.mark.parametrize(
    ("obico", "expected"),
    [
        ([{"name": "b", "is_primary_camera": True}], "b"),
        ([{"name": "a", "is_primary_camera": False}, {"name": "b", "is_primary_camera": True}], "b"),
        ([{"name": "b", "is_primary_camera": False}], "a"),
        ([{"name": "gone", "is_primary_camera": True}], "a"),
        ([{"is_primary_camera": True}], "a"),
        (["b", None, {"name": 5, "is_primary_camera": "yes"}], "a"),
        ("b", "a"),
        (None, "a"),
    ],
)
def test_obicos_pictures_are_of_its_primary_webcam(obico: Any, expected: str) -> None:
    """Which is in the plugin's settings; else it is the first one."""
    webcams = [{"name": name, "compat": {"snapshot": SNAPSHOT}} for name in ("a", "b", "c")]
    said = {"webcam": {"webcams": webcams}, "plugins": {"obico": {"webcams": obico}}}
    found = webcams_from_json(JsonObject.parse(json.dumps(said).encode()))
    assert [webcam.name for webcam in found if webcam.is_obicos] == [expected]


def test_the_number_of_webcams_is_limited() -> None:
    """Those beyond the limit are counted."""
    for count, expected in ((0, 0), (16, 0), (17, 1), (3000, 84)):
        webcams = [{"name": f"w{number}", "compat": {"snapshot": SNAPSHOT}} for number in range(count)]
        said = JsonObject.parse(json.dumps({"webcam": {"webcams": webcams}}).encode())
        assert len(webcams_from_json(said)) == min(count, MAX_WEBCAMS)
        assert left_out(said) == expected


def test_disabled_webcams_are_skipped() -> None:
    """OctoPrint does not show them either."""
    assert read({"webcamEnabled": False, "webcams": [nozzle := {"name": "n", "compat": {"stream": STREAM}}]}) == ()
    assert len(read({"webcamEnabled": None, "webcams": [nozzle]})) == 1


def test_hidden_webcams_need_a_permission() -> None:
    """OctoPrint sends an empty object to a user without it."""
    with pytest.raises(PermissionMissing, match="WEBCAM"):
        read({})


def test_a_response_without_webcam_settings_is_invalid() -> None:
    """It is not from OctoPrint."""
    with pytest.raises(InvalidResponse):
        webcams_from_json(JsonObject({"current": None}))


@pytest.mark.parametrize("octoprint_version", ["1.11", "2.0"])
async def test_webcams_of_a_real_octoprint(octoprint: OctoPrintServer, client: OctoPrint, relay: Relay) -> None:
    """It has none by default; to read settings needs a permission."""
    assert webcams_from_json(await client.settings()) == ()
    relay.fail("octoeverywhere_tunnel", 403, path="/api/settings")
    with pytest.raises(PermissionMissing, match="SETTINGS_READ"):
        await client.settings()
