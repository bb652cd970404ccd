"""Who may import whom: what the folders of the package say, read from the source."""

import ast
from collections.abc import Iterator
from graphlib import TopologicalSorter
from itertools import permutations
import json
from pathlib import Path
import sys

import pytest

from homeassistant.const import Platform

NAME = "custom_components.octoprint_tunnel"
PACKAGE = Path(__file__).parents[1].joinpath(*NAME.split("."))
SERVICES = ("octoeverywhere", "obico")
AVAILABLE = {*sys.stdlib_module_names, "homeassistant", "aiohttp", "yarl", "multidict", "voluptuous"}


def _module(path: Path) -> str:
    return ".".join([NAME, *path.relative_to(PACKAGE).with_suffix("").parts]).removesuffix(".__init__")


TREES = {_module(path): ast.parse(path.read_text()) for path in PACKAGE.rglob("*.py")}
PACKAGES = {_module(path) for path in PACKAGE.rglob("__init__.py")}


def _imports(module: str) -> Iterator[str]:
    """Yield the module behind each import of a module, wherever it stands, also under TYPE_CHECKING."""
    package = module.split(".") if module in PACKAGES else module.split(".")[:-1]
    for node in ast.walk(TREES[module]):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            above = package[: len(package) - node.level + 1] if node.level else []
            source = ".".join([*above, *([node.module] if node.module else [])])
            yield from {name if (name := f"{source}.{alias.name}") in TREES else source for alias in node.names}


IMPORTS = {module: set(_imports(module)) for module in TREES}


def _within(module: str, *packages: str) -> bool:
    return any(module == package or module.startswith(f"{package}.") for package in packages)


def test_the_library_imports_neither_home_assistant_nor_what_stands_above_it() -> None:
    """It could be published as it stands."""
    library = [module for module in TREES if _within(module, f"{NAME}.api")]
    foreign = {name for module in library for name in IMPORTS[module] if not _within(name, f"{NAME}.api")}
    assert library
    assert [name for name in foreign if _within(name, NAME, "homeassistant", "voluptuous")] == []


@pytest.mark.parametrize(
    ("room", "forbidden"),
    [
        ("api.transport", [f"{NAME}.api.{other}" for other in ("octoprint", "tunnels", "webcam")]),
        ("api.octoprint", [f"{NAME}.api.tunnels"]),
        *((f"api.tunnels.{one}", [f"{NAME}.api.tunnels.{two}"]) for one, two in permutations(SERVICES, 2)),
        *((each, ["aiohttp", "yarl", "urllib", "http"]) for each in Platform if f"{NAME}.{each}" in TREES),
    ],
)
def test_a_room_does_not_know_another(room: str, forbidden: list[str]) -> None:
    """OctoPrint is the same whoever carries it, a service knows no other one, a platform no request."""
    files = [module for module in TREES if _within(module, f"{NAME}.{room}")]
    found = {(file, name) for file in files for name in IMPORTS[file] if _within(name, *forbidden)}
    assert files
    assert found - {(f"{NAME}.camera", "aiohttp")} == set()  # Home Assistant hands a camera the viewer's request


def test_there_is_no_import_circle() -> None:
    """Also not one that a type checker alone would see."""
    TopologicalSorter({module: names & TREES.keys() for module, names in IMPORTS.items()}).prepare()


def test_only_what_home_assistant_brings_is_imported() -> None:
    """Nothing has to be installed with the integration, and the manifest says so."""
    assert [name for names in IMPORTS.values() for name in names if not _within(name, *AVAILABLE, NAME)] == []
    assert json.loads((PACKAGE / "manifest.json").read_text())["requirements"] == []
