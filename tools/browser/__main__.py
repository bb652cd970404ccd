"""Run a tour: `python -m tools.browser`. `scripts/screenshots` runs both to take the documentation's pictures."""

import argparse
import asyncio
import contextlib
from pathlib import Path
import shutil
import signal
import sys
import tempfile

from aiohttp import ClientError
from selenium.common.exceptions import WebDriverException

from tests.octoprint.server import OctoPrintError

from ..demo import DEV, DemoError, say
from ..demo.stage import Stage
from .card import CardTour
from .chromium import BrowserError, Chromium, installed
from .tour import Tour

_OCTOPRINT = "2.0"
_FAILURE = DEV / "browser-failure.png"
_TOURS: dict[str, type[Tour]] = {"pages": Tour, "card": CardTour}


def main() -> int:
    """Run a tour, and return the exit status."""
    parser = argparse.ArgumentParser(prog="python -m tools.browser", description=__doc__)
    parser.add_argument("tour", choices=_TOURS, help="all dialogs and pages, or only the dashboard card")
    parser.add_argument("--images", type=Path, help="save the documentation's pictures in this folder")
    options = parser.parse_args()
    images: Path | None = options.images
    say.program = "screenshots" if images else "tour"
    if not installed():
        say("Chromium and its driver are not installed here: sudo apt install chromium chromium-driver")
        return 1
    if images is not None:
        images.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder:
        return asyncio.run(_run(_TOURS[options.tour], Path(folder), images))


async def _run(tour: type[Tour], folder: Path, images: Path | None) -> int:
    """Run until the end, or until a signal, and return the exit status."""
    going = asyncio.current_task()
    assert going is not None
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, going.cancel)
    stage = Stage(_OCTOPRINT, folder)
    try:
        async with stage:
            with await asyncio.to_thread(Chromium, folder / "profile", stage.relay.port) as browser:
                try:
                    await asyncio.to_thread(tour(stage, browser, images).go)
                except BrowserError, WebDriverException:
                    with contextlib.suppress(WebDriverException):  # the browser itself may have failed
                        browser.picture(_FAILURE)
                    shutil.copy(stage.server.log.path, _FAILURE.with_suffix(".log"))
                    say(f"the page is in {_FAILURE}, Home Assistant's log beside it")
                    raise
    except (BrowserError, WebDriverException, DemoError, OctoPrintError, ClientError, OSError) as error:
        say(f"failed: {error or type(error).__name__}")
        print("\n".join(stage.server.log.errors()))
        return 1
    if errors := stage.server.log.errors():
        say("failed: Home Assistant's log has errors")
        print("\n".join(errors))
        return 1
    say("everything is as it should be")
    return 0


if __name__ == "__main__":
    sys.exit(main())
