"""The base directory of a test OctoPrint: configuration and users, written before the first start."""

from base64 import b64encode
from collections.abc import Mapping
import hashlib
import json
from pathlib import Path
import secrets
from typing import Any, cast

USERNAME = "owner"
LIMITED_USERNAME = "viewer"

# Plugins that use the network, slow down the start, or open a wizard.
_DISABLED_PLUGINS = [
    "achievements",
    "action_command_notification",
    "announcements",
    "backup",
    "corewizard",
    "customcontrolmanager",
    "errortracking",
    "eventmanager",
    "gcodeviewer",
    "health_check",
    "logging",
    "pluginmanager",
    "softwareupdate",
    "tracking",
    "uploadmanager",
]

_CONFIG: dict[str, Any] = {
    "server": {
        "firstRun": False,
        "onlineCheck": {"enabled": False},
        "pluginBlacklist": {"enabled": False},
        "startOnceInSafeMode": False,
        # Harmless commands; there is no shutdown command, as on many servers.
        "commands": {"serverRestartCommand": "true", "systemRestartCommand": "true"},
    },
    "plugins": {
        "_disabled": _DISABLED_PLUGINS,
        "virtual_printer": {"enabled": True},
        "discovery": {"addresses": ["127.0.0.1"]},
        "action_command_prompt": {"enable": "always"},
    },
    # With a preferred connection, as most users have; real printers of this machine are excluded.
    "serial": {
        "additionalPorts": ["VIRTUAL"],
        "autoconnect": False,
        "port": "VIRTUAL",
        "baudrate": 115200,
        "blacklistedPorts": ["/dev/*"],
    },
    "printerConnection": {"preferred": {"connector": "serial", "parameters": {"port": "VIRTUAL", "baudrate": 115200}}},
    "controls": [
        {"name": "Home all", "command": "G28"},
        {
            "name": "Tools",
            "children": [
                {"name": "Fan on", "commands": ["M106 S255", "M117 Fan"]},
                {"name": "Factory reset", "command": "M502", "confirm": "Really?"},
                {"name": "Lift", "command": "G1 Z%(height)s"},
                {"name": "Move", "command": "G1 X%(x)s", "input": [{"name": "X", "parameter": "x", "default": 0}]},
            ],
        },
    ],
    "appearance": {"name": "Test printer"},
    # A test run requests more keys than the three per minute that OctoPrint allows.
    "devel": {
        "enableRateLimiter": False,
        "cache": {"enabled": False, "preemptive": False},
        "webassets": {"minify": False, "bundle": False},
    },
}


def write_basedir(basedir: Path, password: str, extra: Mapping[str, Any]) -> None:
    """Write config.yaml and users.yaml; JSON is YAML."""
    config = _merged(_CONFIG, extra)
    (basedir / "config.yaml").write_text(json.dumps(config, indent=2))
    users = {
        "_version": 2,
        USERNAME: _user(password, "admins", "users"),
        # This user may read the state, but has no CONNECTION permission.
        LIMITED_USERNAME: _user(secrets.token_hex(16), "readonly"),
    }
    (basedir / "users.yaml").write_text(json.dumps(users, indent=2))


def _user(password: str, *groups: str) -> dict[str, Any]:
    """Return an active user in OctoPrint's file format."""
    return {
        "active": True,
        "apikey": None,
        "groups": list(groups),
        "password": _pbkdf2_hash(password),
        "permissions": [],
        "settings": {},
    }


def _pbkdf2_hash(password: str) -> str:
    """Return the hash in passlib's format, with few rounds, because it is checked often."""
    rounds = 1000
    salt = secrets.token_bytes(16)
    digest = hashlib.pbkdf2_hmac("sha256", password.encode(), salt, rounds)
    return f"$pbkdf2-sha256${rounds}${_ab64(salt)}${_ab64(digest)}"


def _ab64(data: bytes) -> str:
    """Return passlib's variant of base64."""
    return b64encode(data).decode().rstrip("=").replace("+", ".")


def _merged(base: Mapping[str, Any], extra: Mapping[str, Any]) -> dict[str, Any]:
    """Return `base` with the values of `extra`, mappings merged key by key."""
    result = dict(base)
    for key, value in extra.items():
        below = result.get(key)
        mergeable = isinstance(below, Mapping) and isinstance(value, Mapping)
        result[key] = _merged(cast(Mapping[str, Any], below), value) if mergeable else value
    return result
