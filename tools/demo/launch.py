"""Run Home Assistant, which reaches the services at a relay, until the process that started it ends.

Standard input is a pipe that the starter holds open. Its end means that the starter ended, however that came about.
"""

import os
import signal
import sys
import threading

from tests.relay.homeassistant import run


def _end_with_starter() -> None:
    """Wait until the pipe closes, then end this process and its children, for example an installer."""
    while os.read(0, 1024):
        pass
    os.killpg(0, signal.SIGKILL)


if __name__ == "__main__":
    threading.Thread(target=_end_with_starter, daemon=True).start()
    sys.exit(run())
