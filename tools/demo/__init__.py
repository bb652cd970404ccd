"""The demo: a real OctoPrint, the relay and a real Home Assistant, set up and used as a person would."""

from pathlib import Path

ROOT = Path(__file__).parents[2]
DEV = ROOT / ".dev"
HOME_ASSISTANT = DEV / "homeassistant"
"""The environment that Home Assistant is installed in: the newest one, which the test plugin may not know yet."""
DOMAIN = "octoprint_tunnel"


class DemoError(Exception):
    """Something is not as the demo promises; the text is the line that says so."""


def say(line: str) -> None:
    """Print one line of progress at once."""
    print(f"demo: {line}", flush=True)
