"""The environment in which Home Assistant installs what its components need: all of it ends up below `.dev`."""

import os
from pathlib import Path
import re
import subprocess
import sys
import sysconfig

from . import DEV, HOME_ASSISTANT

# Where uv would install to and what Python would import, if the shell that this was started from had its way.
_MISLEADING = ("CONDA_PREFIX", "PYTHONHOME", "PYTHONPATH", "UV_PREFIX", "UV_PYTHON", "UV_SYSTEM_PYTHON", "UV_TARGET")


def home_assistant_environment(home: Path, bundle_file: Path) -> dict[str, str]:
    """Return the environment for a Home Assistant that believes the authorities in this file."""
    environment = {name: value for name, value in os.environ.items() if name not in _MISLEADING}
    include = Path(sysconfig.get_path("include"))
    headers = [str(include), str(include.parent), *filter(None, [environment.get("CPATH")])]
    environment |= {
        # Some components' requirements are compiled, and Python's headers need not be the system's.
        "CPATH": os.pathsep.join(headers),
        "HOME": str(home),
        "REQUESTS_CA_BUNDLE": str(bundle_file),
        "SSL_CERT_FILE": str(bundle_file),
        "UV_CACHE_DIR": str(DEV / "cache" / "uv"),
        # uv installs to the environment that is activated, not to that of its own Python.
        "VIRTUAL_ENV": str(HOME_ASSISTANT),
        "XDG_CACHE_HOME": str(DEV / "cache"),
        # With another home, what uv was told in the usual one (a mirror for instance) still holds.
        "XDG_CONFIG_HOME": os.environ.get("XDG_CONFIG_HOME", str(Path.home() / ".config")),
    }
    if not environment.keys() & {"UV_DEFAULT_INDEX", "UV_INDEX_URL"} and (index := _pip_index()):
        environment["UV_DEFAULT_INDEX"] = index
    return environment


def _pip_index() -> str | None:
    """Return the index that pip was told to use instead of PyPI: uv reads none of pip's settings."""
    command = [sys.executable, "-m", "pip", "--disable-pip-version-check", "config", "list"]
    settings = subprocess.run(command, capture_output=True, text=True, check=False).stdout
    indexes = re.findall(r"^\S+\.index-url='(.+)'$", settings, re.MULTILINE)
    return indexes[-1] if indexes else None
