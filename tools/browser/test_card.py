"""The dashboard card in a browser, in a process of its own."""

import subprocess
import sys

import pytest

from tests.octoprint.server import OctoPrintServer

from ..demo import ROOT
from .chromium import installed

_TIMEOUT = 600  # seconds; it takes 60 if nothing else runs and it is not the first start of Home Assistant


@pytest.mark.timeout(_TIMEOUT + 20)
@pytest.mark.skipif(not installed(), reason="Chromium is not installed here (apt install chromium chromium-driver)")
@pytest.mark.skipif(not OctoPrintServer.installed("2.0"), reason="OctoPrint 2.0 is not installed here")
def test_card() -> None:
    """A user finds it in the picker, sees it in English and German, light and dark, and controls a print with it."""
    command = [sys.executable, "-m", "tools.browser", "card"]
    tour = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=_TIMEOUT, check=False)
    assert tour.returncode == 0, f"{tour.stdout}\n{tour.stderr}"
