"""The demo: a real OctoPrint, the relay and a real Home Assistant, set up and used as a user does."""

from pathlib import Path

ROOT = Path(__file__).parents[2]
DEV = ROOT / ".dev"
HOME_ASSISTANT = DEV / "homeassistant"
"""The environment with the newest Home Assistant, without the test plugin."""
DOMAIN = "octoprint_tunnel"


class DemoError(Exception):
    """The demo failed; the text is the line to print."""


class Progress:
    """Prints lines of progress at once, each with the name of the program that the user has started."""

    def __init__(self) -> None:
        """Begin as the demo; other programs that use its parts change the name."""
        self.program = "demo"

    def __call__(self, line: str) -> None:
        """Print one line."""
        print(f"{self.program}: {line}", flush=True)


say = Progress()
