"""The tour through Home Assistant's frontend, in a process of its own."""

import subprocess
import sys

import pytest

from tests.octoprint.server import OctoPrintServer

from ..demo import ROOT
from .chromium import installed

_TIMEOUT = 600  # seconds; it takes 75 if nothing else runs and it is not the first start of Home Assistant


@pytest.mark.timeout(_TIMEOUT + 20)
@pytest.mark.skipif(not installed(), reason="Chromium is not installed here (apt install chromium chromium-driver)")
@pytest.mark.skipif(not OctoPrintServer.installed("2.0"), reason="OctoPrint 2.0 is not installed here")
def test_tour() -> None:
    """Every dialog and page shows what it should, and the console has no error about the integration."""
    command = [sys.executable, "-m", "tools.browser", "pages"]
    tour = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=_TIMEOUT, check=False)
    assert tour.returncode == 0, f"{tour.stdout}\n{tour.stderr}"
