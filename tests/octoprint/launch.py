"""Run OctoPrint until the process that started it ends; OctoPrint's own Python runs this file.

Standard input is a pipe that the starter holds open. Its end means that the starter ended, however that came about.
"""

import os
import runpy
import signal
import threading

from zeroconf import Zeroconf


def _announce_nothing(*_args: object, **_options: object) -> None:
    """Replace the mDNS announcement, which takes seconds and would reach the real network."""


def _end_with_starter() -> None:
    """Wait until the pipe closes and end this process and its children."""
    while os.read(0, 1024):
        pass
    os.killpg(0, signal.SIGKILL)


Zeroconf.register_service = _announce_nothing  # type: ignore[method-assign]
Zeroconf.unregister_service = _announce_nothing  # type: ignore[method-assign]
threading.Thread(target=_end_with_starter, daemon=True).start()
runpy.run_module("octoprint", run_name="__main__", alter_sys=True)
