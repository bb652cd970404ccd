"""What the stores and Home Assistant read of the repository is as they accept it.

The rules are those of Home Assistant's Marketplace and of HACS for hacs.json, and of hassfest for manifest.json.
"""

from collections.abc import Callable, Mapping
from itertools import pairwise
import json
from pathlib import Path
import re
import subprocess
from typing import Any
import zipfile

from awesomeversion import AwesomeVersion, AwesomeVersionStrategy
import pytest
from yarl import URL

from custom_components.octoprint_tunnel.const import DOMAIN
from homeassistant.const import __version__ as HOME_ASSISTANT
from homeassistant.loader import Manifest

ROOT = Path(__file__).parents[1]
PACKAGE = ROOT / "custom_components" / DOMAIN

REQUIRED = {
    "domain",
    "name",
    "codeowners",
    "documentation",
    "integration_type",
    "iot_class",
    "issue_tracker",
    "version",
}
ALLOWED = set(Manifest.__annotations__) - {"is_built_in", "overwrites_built_in", "preview_features", "disabled"}
INTEGRATION_TYPES = {"device", "entity", "hardware", "helper", "hub", "service", "system"}
IOT_CLASSES = {"assumed_state", "calculated", "cloud_polling", "cloud_push", "local_polling", "local_push"}
VERSIONS = [
    AwesomeVersionStrategy.CALVER,
    AwesomeVersionStrategy.SEMVER,
    AwesomeVersionStrategy.SIMPLEVER,
    AwesomeVersionStrategy.BUILDVER,
    AwesomeVersionStrategy.PEP440,
]
TEXT_LISTS = ("after_dependencies", "codeowners", "dependencies", "loggers", "requirements", "zeroconf")

STORE_KEYS: Mapping[str, type] = {
    "content_in_root": bool,
    "filename": str,
    "hacs": str,
    "hide_default_branch": bool,
    "homeassistant": str,
    "name": str,
    "persistent_directory": str,
    "zip_release": bool,
}
"""Without `country` and `render_readme`: both stores still accept them, and neither does anything with them."""


def manifest_problems(manifest: dict[str, Any]) -> list[str]:
    """Return what is wrong with a manifest.json, in words."""
    problems = [f"{key} is missing" for key in sorted(REQUIRED - set(manifest))]
    problems += [f"{key} is not known" for key in sorted(set(manifest) - ALLOWED)]
    problems += [f"{key} stands before {after}" for key, after in pairwise(manifest) if _rank(key) > _rank(after)]
    checks: dict[str, Callable[[Any], bool]] = {
        "domain": lambda value: value == DOMAIN,
        "version": lambda value: isinstance(value, str) and AwesomeVersion(value).strategy in VERSIONS,
        "integration_type": lambda value: value in INTEGRATION_TYPES,
        "iot_class": lambda value: value in IOT_CLASSES,
        "codeowners": lambda value: bool(value) and all(re.fullmatch(r"@[\w-]+(/[\w-]+)?", owner) for owner in value),
        **{key: lambda value: URL(value).scheme == "https" for key in ("documentation", "issue_tracker")},
        **{key: lambda value: isinstance(value, bool) for key in ("config_flow", "single_config_entry")},
    }
    problems += [
        f"{key} is {manifest[key]!r}" for key, holds in checks.items() if key in manifest and not holds(manifest[key])
    ]
    for key in TEXT_LISTS:
        if not all(isinstance(value, str) for value in manifest.get(key, [])):
            problems.append(f"{key} is no list of texts")
    return problems


def _rank(key: str) -> tuple[bool, str]:
    return key not in ("domain", "name"), key


def store_problems(store: dict[str, Any]) -> list[str]:
    """Return what is wrong with a hacs.json, in words."""
    problems = [f"{key} is not known" for key in sorted(set(store) - set(STORE_KEYS))]
    problems += [
        f"{key} is {store[key]!r}" for key, kind in STORE_KEYS.items() if key in store and type(store[key]) is not kind
    ]
    if not store.get("name"):
        problems.append("name is missing")
    if not AwesomeVersion(store.get("homeassistant", "")).valid:
        problems.append("homeassistant is no version")
    if store.get("zip_release", False) is not ("filename" in store):
        problems.append("zip_release and filename need each other")
    return problems


@pytest.fixture
def manifest() -> dict[str, Any]:
    """Return what Home Assistant reads."""
    return dict(json.loads((PACKAGE / "manifest.json").read_text(encoding="utf-8")))


@pytest.fixture
def store() -> dict[str, Any]:
    """Return what the stores read."""
    return dict(json.loads((ROOT / "hacs.json").read_text(encoding="utf-8")))


def test_the_manifest_is_accepted(manifest: dict[str, Any]) -> None:
    """By hassfest, by the loader and by both stores."""
    assert manifest_problems(manifest) == []


def test_the_stores_accept_the_repository(manifest: dict[str, Any], store: dict[str, Any]) -> None:
    """And show it under one name."""
    assert store_problems(store) == []
    assert store["name"] == manifest["name"]
    assert [path.name for path in PACKAGE.parent.iterdir() if path.is_dir() and path.name != "__pycache__"] == [DOMAIN]
    assert (PACKAGE / "brand" / "icon.png").is_file()


@pytest.mark.parametrize(
    ("change", "problem"),
    [
        ({"homepage": "https://example.com"}, "homepage is not known"),
        ({"domain": "octoprint"}, "domain is 'octoprint'"),
        ({"version": "next"}, "version is 'next'"),
        ({"iot_class": "cloud"}, "iot_class is 'cloud'"),
        ({"integration_type": "virtual"}, "integration_type is 'virtual'"),
        ({"codeowners": []}, "codeowners is []"),
        ({"codeowners": ["octoprint-tunnel"]}, "codeowners is ['octoprint-tunnel']"),
        ({"documentation": "http://example.com"}, "documentation is 'http://example.com'"),
        ({"config_flow": "yes"}, "config_flow is 'yes'"),
        ({"dependencies": [1]}, "dependencies is no list of texts"),
    ],
)
def test_a_bad_manifest_is_refused(manifest: dict[str, Any], change: dict[str, Any], problem: str) -> None:
    """Each rule can fail."""
    assert problem in manifest_problems(manifest | change)


def test_a_manifest_is_complete_and_in_order(manifest: dict[str, Any]) -> None:
    """Domain and name first, then by the alphabet."""
    version = manifest.pop("version")
    assert manifest_problems(manifest) == ["version is missing"]
    assert manifest_problems({"version": version, **manifest}) == ["version stands before domain"]


@pytest.mark.parametrize(
    ("change", "problem"),
    [
        ({"render_readme": True}, "render_readme is not known"),
        ({"domains": ["sensor"]}, "domains is not known"),
        ({"name": ""}, "name is missing"),
        ({"zip_release": "yes"}, "zip_release is 'yes'"),
        ({"zip_release": False}, "zip_release and filename need each other"),
        ({"homeassistant": "soon"}, "homeassistant is no version"),
    ],
)
def test_a_bad_store_entry_is_refused(store: dict[str, Any], change: dict[str, Any], problem: str) -> None:
    """Each rule can fail."""
    assert problem in store_problems(store | change)


def test_the_oldest_home_assistant_is_the_same_everywhere(store: dict[str, Any]) -> None:
    """In the stores, in what users read, and in what is tested; and the tests do not run on an older one."""
    oldest = store["homeassistant"]
    assert AwesomeVersion(HOME_ASSISTANT) >= oldest
    assert f"Home Assistant {oldest} or later" in (ROOT / "README.md").read_text(encoding="utf-8")
    assert f"supported ({oldest})" in (ROOT / "requirements_test.txt").read_text(encoding="utf-8")


def test_actions_are_pinned() -> None:
    """A tag can be moved to other code, a commit cannot."""
    workflows = (ROOT / ".github" / "workflows").glob("*.yml")
    used = {use for path in workflows for use in re.findall(r"uses: (.*)", path.read_text(encoding="utf-8"))}
    assert used
    assert [use for use in used if not re.fullmatch(r"[\w-]+(/[\w-]+)+@[0-9a-f]{40} # \S+", use)] == []


def test_a_release_is_the_package(manifest: dict[str, Any], store: dict[str, Any]) -> None:
    """The zip holds the files themselves, for the stores unpack it into the folder of the domain."""
    if subprocess.run(["git", "rev-parse", "HEAD"], cwd=ROOT, capture_output=True, check=False).returncode:
        pytest.skip("this is no checkout with a commit")
    tag = f"v{manifest['version']}"
    subprocess.run([ROOT / "scripts" / "package", tag], check=True, capture_output=True)
    with zipfile.ZipFile(ROOT / "dist" / store["filename"]) as release:
        assert {"manifest.json", "__init__.py", "brand/icon.png", "translations/en.json"} <= set(release.namelist())
    refused = subprocess.run([ROOT / "scripts" / "package", f"{tag}.1"], capture_output=True, text=True, check=False)
    assert refused.returncode == 1
    assert f"the tag is {tag}.1" in refused.stderr
