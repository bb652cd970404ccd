"""Run by OctoPrint's own Python: OctoPrint that ends when whoever started it is gone.

Standard input is a pipe that the starter holds open. Its end means that the starter ended, however that came about.
"""

import os
import runpy
import signal
import threading

from zeroconf import Zeroconf


def _announce_nothing(*_args: object, **_options: object) -> None:
    """Stand in for mDNS, which takes seconds on start and has no business on the network of a test."""


def _end_with_starter() -> None:
    """Wait until the pipe closes and end this process and its children."""
    while os.read(0, 1024):
        pass
    os.killpg(0, signal.SIGKILL)


Zeroconf.register_service = _announce_nothing  # type: ignore[method-assign]
Zeroconf.unregister_service = _announce_nothing  # type: ignore[method-assign]
threading.Thread(target=_end_with_starter, daemon=True).start()
runpy.run_module("octoprint", run_name="__main__", alter_sys=True)
