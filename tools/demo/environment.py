"""The environment variables with which Home Assistant installs requirements below `.dev`."""

import os
from pathlib import Path
import re
import subprocess
import sys
import sysconfig

from . import DEV, HOME_ASSISTANT

# Variables of the user's shell that would change where uv installs and what Python imports.
_MISLEADING = ("CONDA_PREFIX", "PYTHONHOME", "PYTHONPATH", "UV_PREFIX", "UV_PYTHON", "UV_SYSTEM_PYTHON", "UV_TARGET")


def home_assistant_environment(home: Path, bundle_file: Path) -> dict[str, str]:
    """Return the environment of a Home Assistant that trusts the authorities in this file."""
    environment = {name: value for name, value in os.environ.items() if name not in _MISLEADING}
    include = Path(sysconfig.get_path("include"))
    headers = [str(include), str(include.parent), *filter(None, [environment.get("CPATH")])]
    environment |= {
        # Some requirements are compiled, and Python's headers may not be the system's.
        "CPATH": os.pathsep.join(headers),
        "HOME": str(home),
        "REQUESTS_CA_BUNDLE": str(bundle_file),
        "SSL_CERT_FILE": str(bundle_file),
        "UV_CACHE_DIR": str(DEV / "cache" / "uv"),
        # uv installs into the active environment, not into that of its own Python.
        "VIRTUAL_ENV": str(HOME_ASSISTANT),
        "XDG_CACHE_HOME": str(DEV / "cache"),
        # uv's settings in the user's home, for example a mirror, still apply with another home.
        "XDG_CONFIG_HOME": os.environ.get("XDG_CONFIG_HOME", str(Path.home() / ".config")),
    }
    if not environment.keys() & {"UV_DEFAULT_INDEX", "UV_INDEX_URL"} and (index := _pip_index()):
        environment["UV_DEFAULT_INDEX"] = index
    return environment


def _pip_index() -> str | None:
    """Return pip's package index, because uv does not read pip's settings."""
    command = [sys.executable, "-m", "pip", "--disable-pip-version-check", "config", "list"]
    settings = subprocess.run(command, capture_output=True, text=True, check=False).stdout
    indexes = re.findall(r"^\S+\.index-url='(.+)'$", settings, re.MULTILINE)
    return indexes[-1] if indexes else None
