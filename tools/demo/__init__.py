"""The demo: a real OctoPrint, the relay and a real Home Assistant, set up and used as a user does."""

from pathlib import Path

ROOT = Path(__file__).parents[2]
DEV = ROOT / ".dev"
HOME_ASSISTANT = DEV / "homeassistant"
"""The environment with the newest Home Assistant, without the test plugin."""
DOMAIN = "octoprint_tunnel"


class DemoError(Exception):
    """The demo failed; the text is the line to print."""


def say(line: str) -> None:
    """Print one line of progress at once."""
    print(f"demo: {line}", flush=True)
