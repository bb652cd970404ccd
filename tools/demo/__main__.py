"""Run the demo: `python -m tools.demo`; `scripts/demo` works on a fresh clone too."""

import argparse
import asyncio
import fcntl
import os
from pathlib import Path
import shutil
import signal
import sys

from aiohttp import ClientError

from tests import proxies
from tests.octoprint.server import OctoPrintError, OctoPrintServer

from . import DEV, DemoError, say
from .story import Choices, Story

_INTERRUPTED = 130


def main() -> int:
    """Run the demo and return its exit status."""
    choices = _choices()
    if not OctoPrintServer.installed(choices.octoprint):
        say(f"OctoPrint {choices.octoprint} is not installed here: scripts/setup says why")
        return 1
    if choices.proxy and proxies.program(choices.proxy) is None:
        say(f"{choices.proxy} is not installed here: scripts/setup says why")
        return 1
    with (DEV / "demo.lock").open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            say("another demo runs in this checkout")
            return 1
        return asyncio.run(_run(choices, _new_folder()))


def _new_folder() -> Path:
    """Return the folder of this run, also for temporary files; the folder of the last run is removed."""
    folder = DEV / "demo"
    shutil.rmtree(folder, ignore_errors=True)
    temporary = folder / "tmp"
    temporary.mkdir(parents=True)
    os.environ["TMPDIR"] = str(temporary)
    return folder


def _choices() -> Choices:
    parser = argparse.ArgumentParser(
        prog="scripts/demo",
        description="Show the main job with a real OctoPrint and a real Home Assistant: set a printer up through a "
        "tunnel, list its entities, connect it, and stay up for a look around. The tunnel's service is a stand-in; "
        "a proxy is real.",
    )
    parser.add_argument("--once", action="store_true", help="end after the tour; the status tells if all is well")
    ways = parser.add_mutually_exclusive_group()
    ways.add_argument("--obico", action="store_true", help="go through Obico instead of OctoEverywhere")
    ways.add_argument(
        "--own-address",
        choices=proxies.KINDS,
        nargs="?",
        const=proxies.KINDS[0],
        help=f"go through a real proxy instead of a service (default: {proxies.KINDS[0]})",
    )
    parser.add_argument("--octoprint", choices=("2.0", "1.11"), default="2.0", help="which OctoPrint (default: 2.0)")
    given = parser.parse_args()
    provider = "obico" if given.obico else "own_address" if given.own_address else "octoeverywhere"
    return Choices(provider=provider, proxy=given.own_address, octoprint=given.octoprint, once=given.once)


async def _run(choices: Choices, folder: Path) -> int:
    """Run the steps until the end or a signal, and return the exit status."""
    story = Story(choices, folder)
    telling = asyncio.create_task(story.tell())
    stopping = False

    def stop() -> None:
        """Cancel once: a second time would leave processes running."""
        nonlocal stopping
        if not stopping:
            stopping = True
            say("stopping")
            telling.cancel()

    for number in (signal.SIGHUP, signal.SIGINT, signal.SIGTERM):
        if number is not signal.SIGHUP or signal.getsignal(number) is not signal.SIG_IGN:  # nohup ignores it
            asyncio.get_running_loop().add_signal_handler(number, stop)
    try:
        await telling
    except asyncio.CancelledError:
        return 0 if story.told else _INTERRUPTED
    except (DemoError, OctoPrintError, ClientError, OSError) as error:
        if worst := story.log.worst():
            print(f"\nFrom {story.log.path}:\n{worst}\n")
        say(f"failed: {error or type(error).__name__}")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
