"""What hassfest and the HACS action do not check: one version everywhere, pinned actions, the content of a release."""

import json
from pathlib import Path
import re
import subprocess
from typing import Any
import zipfile

from awesomeversion import AwesomeVersion
import pytest

from custom_components.octoprint_tunnel.const import DOMAIN
from homeassistant.const import __version__ as HOME_ASSISTANT

ROOT = Path(__file__).parents[1]
MANIFEST: dict[str, Any] = json.loads((ROOT / "custom_components" / DOMAIN / "manifest.json").read_text())
HACS: dict[str, Any] = json.loads((ROOT / "hacs.json").read_text())


def test_home_assistant_and_hacs_show_one_name() -> None:
    """The name in the manifest is the name in HACS."""
    assert HACS["name"] == MANIFEST["name"]


def test_the_oldest_home_assistant_is_the_same_everywhere() -> None:
    """HACS, the README and the test requirements name one version, and the tests do not run on an older one."""
    oldest = HACS["homeassistant"]
    assert AwesomeVersion(HOME_ASSISTANT) >= oldest
    assert f"Home Assistant {oldest} or later" in (ROOT / "README.md").read_text()
    assert f"supported ({oldest})" in (ROOT / "requirements_test.txt").read_text()


def test_workflows_pin_actions_by_commit() -> None:
    """A tag can be moved to other code, a commit cannot."""
    workflows = (ROOT / ".github" / "workflows").glob("*.yml")
    uses = {use for path in workflows for use in re.findall(r"uses: (.*)", path.read_text())}
    assert uses
    assert [use for use in uses if not re.fullmatch(r"[\w-]+(/[\w-]+)+@[0-9a-f]{40} # \S+", use)] == []


def test_a_release_contains_the_package() -> None:
    """HACS unpacks the zip into the folder of the domain, so the files are at its top level."""
    if subprocess.run(["git", "rev-parse", "HEAD"], cwd=ROOT, capture_output=True, check=False).returncode:
        pytest.skip("this is no checkout with a commit")
    tag = f"v{MANIFEST['version']}"
    subprocess.run([ROOT / "scripts" / "package", tag], check=True, capture_output=True)
    with zipfile.ZipFile(ROOT / "dist" / HACS["filename"]) as release:
        files = {"manifest.json", "__init__.py", "brand/icon.png", "frontend/printer-card.js", "translations/en.json"}
        assert files <= set(release.namelist())
    refused = subprocess.run([ROOT / "scripts" / "package", f"{tag}.1"], capture_output=True, text=True, check=False)
    assert refused.returncode == 1
    assert f"the tag is {tag}.1" in refused.stderr
