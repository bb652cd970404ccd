"""Files that are stored in OctoPrint are listed and printed."""

import asyncio
from typing import Any

import pytest

from custom_components.octoprint_tunnel.api.octoprint import stored
from homeassistant.exceptions import ServiceValidationError

from .home import Home, settle, until
from .octoprint import printing
from .octoprint.server import OctoPrintServer

pytestmark = pytest.mark.long

BOTH_VERSIONS = pytest.mark.parametrize("octoprint_version", ["1.11", "2.0"])
ALL_TUNNELS = pytest.mark.parametrize("provider", ["octoeverywhere", "obico", "own_address"])
ODD = "große (50%) [a+b]#1.gcode"


def store(server: OctoPrintServer) -> None:
    """Store a file at the top, and files in a folder."""
    printing.make_folder(server, "brackets")
    printing.upload(server, 5, "part.gcode")
    printing.upload(server, 50, ODD)
    printing.upload(server, 20, "small.gcode", folder="brackets")


@pytest.fixture
async def home(live_home: Home) -> Home:
    """Return a house with files in OctoPrint."""
    await live_home.in_octoprint(store)
    return live_home


async def listed(home: Home, **options: object) -> list[str]:
    """Return the paths of what is listed."""
    return [item["path"] for item in (await answer(home, **options))["items"]]


async def answer(home: Home, **options: object) -> dict[str, Any]:
    """Return the response of the action."""
    response: dict[str, Any] = await home.response_of("list_files", **options)
    return response


async def refusal(home: Home, action: str, **data: object) -> str | None:
    """Return why an action is refused."""
    with pytest.raises(ServiceValidationError) as caught:
        await (home.response_of if action == "list_files" else home.call)(action, **data)
    return caught.value.translation_key


@BOTH_VERSIONS
@ALL_TUNNELS
async def test_list(home: Home) -> None:
    """Files and folders with sizes, dates and types; filtered, sorted and limited."""
    assert set(await listed(home)) >= {"brackets", "part.gcode", ODD}
    assert "brackets/small.gcode" not in await listed(home)
    assert await listed(home, folder="brackets") == ["brackets/small.gcode"]
    assert await listed(home, folder="/brackets/", recursive=True) == ["brackets/small.gcode"]
    assert "brackets/small.gcode" in await listed(home, recursive=True)
    assert await listed(home, search="SMALL", recursive=True) == ["brackets/small.gcode"]
    assert await listed(home, search="p*t.gcode") == ["part.gcode"]
    assert await listed(home, search="*[a+b]*") == [ODD]
    sizes = [item["size"] for item in (await answer(home, sort="size", search=".gcode"))["items"]]
    assert sizes == sorted(sizes, reverse=True)
    assert len(sizes) >= 2
    assert not (await answer(home, recursive=True))["truncated"]
    newest = await answer(home, sort="date", search=".gcode", limit=1, recursive=True)
    assert (len(newest["items"]), newest["total"] >= 3) == (1, True)
    [part] = (await answer(home, search="part.gcode"))["items"]
    assert (part["type"], part["size"]) == ("file", len(printing.gcode(5)))
    assert part["date"].startswith("20")
    [folder] = (await answer(home, search="brackets"))["items"]
    assert folder["type"] == "folder"
    for missing in ("nowhere", "../..", "a/../b", "part.gcode"):
        assert await refusal(home, "list_files", folder=missing) == "no_such_folder"


@BOTH_VERSIONS
async def test_estimated_time(home: Home) -> None:
    """OctoPrint estimates files that extrude, some seconds after the upload."""
    data = b"M83\nG1 X1 E1 F3000\n" + printing.gcode(50)
    await home.in_octoprint(lambda server: printing.store(server, data, "estimated.gcode"))
    estimates: list[float] = []
    async with asyncio.timeout(30):
        while not any(estimates):
            await asyncio.sleep(0.2)
            [file] = (await answer(home, search="estimated.gcode"))["items"]
            estimates.append(file["estimated_time"] or 0)
    assert 5 <= estimates[-1] < 60


@BOTH_VERSIONS
async def test_more_than_is_read(home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    """The response tells that something is missing, and nothing is where all was read."""
    total = (await answer(home, recursive=True))["total"]
    for most, truncated in ((total - 1, True), (total, False)):
        monkeypatch.setattr(stored, "MAX_LISTED", most)
        response = await answer(home, recursive=True)
        assert (response["total"], response["truncated"]) == (most, truncated)


@BOTH_VERSIONS
@ALL_TUNNELS
async def test_print(home: Home) -> None:
    """A file is selected and printed, unless the printer is not ready; then it is printed again."""
    assert await refusal(home, "print_file", path="part.gcode") == "printer_not_connected"
    assert home.state("print_again").state == "unavailable"
    await home.in_octoprint(printing.connect)
    await home.until_state("operational")
    for missing in ("nowhere.gcode", "../users.yaml", ""):
        assert await refusal(home, "print_file", path=missing) == "no_such_file"
    await home.call("print_file", path=ODD)
    await home.until_state("printing")
    await until(lambda: home.state("print_file").state == ODD)
    assert home.state("print_again").state == "unavailable"
    assert await refusal(home, "print_file", path="part.gcode") == "already_printing"
    await home.press("cancel")
    await home.until_state("operational")
    await home.press("print_again")
    await home.until_state("printing")
    assert home.state("print_file").state == ODD
    await home.press("cancel")
    await home.until_state("operational")


@BOTH_VERSIONS
async def test_another_file_was_selected(home: Home) -> None:
    """It is not printed by a button below the name of the one before."""
    await home.in_octoprint(printing.connect)
    await home.until_state("operational")
    await home.call("print_file", path=ODD)
    await home.until_state("printing")
    await home.press("cancel")
    await home.until_state("operational")
    printer = home.runtime.printer
    shown = printer.data
    await home.in_octoprint(
        lambda server: server.request("POST", "/api/files/local/part.gcode", {"command": "select", "print": False})
    )
    await settle(home.hass)
    printer.data = shown  # no poll has shown it yet
    with pytest.raises(ServiceValidationError) as caught:
        await home.press("print_again")
    assert caught.value.translation_key == "another_file_selected"
    assert caught.value.translation_placeholders == {"path": "part.gcode"}
    assert home.state("printing").state == "off"
