"""Home Assistant that reaches the services at a relay, and that ends when whoever started it is gone.

Standard input is a pipe that the starter holds open. Its end means that the starter ended, however that came about.
"""

import os
import signal
import sys
import threading

from tests.relay.homeassistant import run


def _end_with_starter() -> None:
    """Wait until the pipe closes and end this process and its children, an installer for instance."""
    while os.read(0, 1024):
        pass
    os.killpg(0, signal.SIGKILL)


if __name__ == "__main__":
    threading.Thread(target=_end_with_starter, daemon=True).start()
    sys.exit(run())
