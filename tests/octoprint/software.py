"""Updates that a test OctoPrint's real Software Update plugin finds and installs, without the internet."""

import json
from pathlib import Path
import time
from typing import Any, Final

from .config import _DISABLED_PLUGINS
from .server import OctoPrintServer

TARGETS: Final = ("octoprint", "octoeverywhere", "obico")
NAMES: Final = {"octoeverywhere": "OctoEverywhere!", "obico": "Obico for OctoPrint"}
OLD, NEW = "1.0.0", "1.1.0"


def server(version: str, folder: Path) -> OctoPrintServer:
    """Return an OctoPrint whose components have the versions in `folder`, and are updated by scripts there."""
    for target in TARGETS:
        (folder / f"{target}.check").write_text(
            f"cd {folder}; cat {target}.installed {target}.newest; ! cmp -s {target}.installed {target}.newest\n"
        )
    software = {
        "cache_ttl": 0,
        "check_overlay_url": "http://127.0.0.1:9/",
        "checks": {target: _check(target, folder) for target in TARGETS},
    }
    config = {
        "plugins": {
            "_disabled": [plugin for plugin in _DISABLED_PLUGINS if plugin != "softwareupdate"],
            "softwareupdate": software,
        },
        "server": {"commands": {"serverRestartCommand": f"touch {folder / 'restart'}"}},
    }
    reset(folder)
    return OctoPrintServer(version, config=config)


def _check(target: str, folder: Path) -> dict[str, Any]:
    check = {
        "type": "commandline",
        "command": f"sh {folder / target}.check",
        "method": "update_script",
        "update_script": f"sh {target}.update",
        "update_folder": str(folder),
        "restart": "octoprint",
    }
    name = {"displayName": NAMES[target], "displayVersion": "{local_name}"} if target in NAMES else {}
    return {**check, **name}


def reset(folder: Path, update: str = "cp {0}.newest {0}.next\n") -> None:
    """Offer updates that begin to work with a restart; `update` is what installs one."""
    (folder / "restart").unlink(missing_ok=True)
    for target in TARGETS:
        (folder / f"{target}.installed").write_text(f"{OLD}\n")
        (folder / f"{target}.newest").write_text(f"{NEW}\n")
        (folder / f"{target}.next").unlink(missing_ok=True)
        (folder / f"{target}.update").write_text(update.format(target))


def wait_for_restart(_: OctoPrintServer, folder: Path) -> None:
    """Wait until OctoPrint has run its restart command."""
    for _attempt in range(300):
        if (folder / "restart").exists():
            return
        time.sleep(0.1)
    raise AssertionError("OctoPrint did not restart")


def wait_until_installed(octoprint: OctoPrintServer) -> None:
    """Wait until OctoPrint has installed an update, or failed to."""
    for _ in range(300):
        _, body = octoprint.request("GET", "/plugin/softwareupdate/check?targets=octoprint")
        if json.loads(body)["status"] != "inProgress":
            return
        time.sleep(0.1)
    raise AssertionError("OctoPrint still installs the update")


def restart(octoprint: OctoPrintServer, folder: Path) -> None:
    """Restart OctoPrint, which then runs what was installed."""
    octoprint.stop()
    for target in TARGETS:
        if (installed := folder / f"{target}.next").exists():
            installed.replace(folder / f"{target}.installed")
    octoprint.start()
