"""Where the pictures of a file are, by what OctoPrint and its plugins tell of it."""

from typing import Any

import pytest

from custom_components.octoprint_tunnel.api.errors import InvalidResponse
from custom_components.octoprint_tunnel.api.json_object import JsonObject
from custom_components.octoprint_tunnel.api.octoprint.thumbnails import Picture, StoredFile, thumbnails_from_json

FILE = StoredFile(storage="local", path="a b/ü?.gcode", date=1)
THUMBS = "/downloads/thumbs/local/a b/ü?.gcode"


def found(**fields: Any) -> list[tuple[str, dict[str, str]]]:
    """Return path and query of each picture."""
    return [(each.path, dict(each.query)) for each in thumbnails_from_json(JsonObject(fields), FILE)]


@pytest.mark.parametrize(
    ("sizes", "used"),
    [
        (["16x16", "640x480", "300x300"], ["640x480", "300x300"]),
        (["4000x3000", "1000x1000", "64x64"], ["1000x1000", "64x64"]),
        (["4000x3000", "2000x2000"], ["2000x2000"]),
        (["64", "x64", "99999x1", "64x64?x=1", "64x64\n", "\u0663x\u0663"], []),
        ([], []),
    ],
)
def test_pictures_of_2_0(sizes: list[str], used: list[str]) -> None:
    """The largest that is not too large; only the size is used of an address, which may be that of another host."""
    refs = {f"thumbnail_{size}": "https://evil.example/" for size in sizes}
    expected = [(THUMBS, {"size": size}) for size in used]
    assert found(refs={"thumbnail": "https://evil.example/", "resource": 7, **refs}) == expected


@pytest.mark.parametrize(
    ("told", "path"),
    [
        ("plugin/prusaslicerthumbnails/thumbnail/a.png?20261126", "/plugin/prusaslicerthumbnails/thumbnail/a.png"),
        (
            "/plugin/UltimakerFormatPackage/thumbnail/x y/%C3%BC.png",
            "/plugin/UltimakerFormatPackage/thumbnail/x y/ü.png",
        ),
        ("plugin/x-1/thumbnail/a%23%3F.png", "/plugin/x-1/thumbnail/a#?.png"),
    ],
)
def test_picture_of_a_plugin(told: str, path: str) -> None:
    """It has a path below the plugin's own, which the plugin encodes in part."""
    assert found(thumbnail=told) == [(path, {})]


@pytest.mark.parametrize(
    "told",
    [
        "https://evil.example/plugin/x/thumbnail/a.png",
        "//evil.example/plugin/x/thumbnail/a.png",
        "plugin/x/thumbnail/../../../api/settings",
        "plugin/x/thumbnail/%2e%2e/%2E%2E/api/settings",
        "plugin/x/thumbnail/%2e%2e%2fapi",
        "plugin/../thumbnail/a.png",
        "plugin/x/thumbnail/",
        "plugin/x/thumbnail//a.png",
        "plugin/x@evil.example/thumbnail/a.png",
        "plugin/x/delete/a.png",
        "api/settings",
        "data:image/png;base64,AAAA",
        "x" * 5000,
        7,
        None,
    ],
)
def test_address_that_is_no_picture_of_a_plugin(told: object) -> None:
    """Nothing else is requested with the API key."""
    assert found(thumbnail=told) == []


@pytest.mark.parametrize(
    ("file", "expected"),
    [
        ({"path": "a/b.gcode", "origin": "local", "date": 7}, StoredFile(storage="local", path="a/b.gcode", date=7)),
        ({"path": "b.gco", "origin": "sdcard"}, StoredFile(storage="sdcard", path="b.gco", date=None)),
        ({"path": "b.gcode", "date": -1}, StoredFile(storage="local", path="b.gcode", date=None)),
        ({"path": "../users.yaml", "origin": "local"}, None),
        ({"path": "a//b", "origin": "local"}, None),
        ({"path": "a", "origin": "../local"}, None),
        ({"path": None, "origin": "local"}, None),
        ({}, None),
    ],
)
def test_file_of_a_job(file: dict[str, Any], expected: StoredFile | None) -> None:
    """A path that leads out of the storage is none."""
    assert StoredFile.from_json(JsonObject(file)) == expected


def test_type_of_a_picture() -> None:
    """By its first bytes, with any declared type."""
    assert Picture.of(b"\x89PNG\r\n\x1a\n...").content_type == "image/png"
    assert Picture.of(b"\xff\xd8\xff\xe0...").content_type == "image/jpeg"
    for body in (b"", b"GIF89a", b"<svg/>", b"RIFF....WEBP"):
        with pytest.raises(InvalidResponse):
            Picture.of(body)
