"""Which folder of the package may import which, read from the source."""

import ast
from collections.abc import Iterator
from graphlib import TopologicalSorter
from pathlib import Path
import sys

import pytest

from homeassistant.const import Platform

NAME = "custom_components.octoprint_tunnel"
PACKAGE = Path(__file__).parents[1].joinpath(*NAME.split("."))
TUNNELS = ("octoeverywhere", "obico", "own_address")
AVAILABLE = {*sys.stdlib_module_names, "homeassistant", "aiohttp", "yarl", "multidict", "voluptuous"}


def _module(path: Path) -> str:
    return ".".join([NAME, *path.relative_to(PACKAGE).with_suffix("").parts]).removesuffix(".__init__")


TREES = {_module(path): ast.parse(path.read_text()) for path in PACKAGE.rglob("*.py")}
PACKAGES = {_module(path) for path in PACKAGE.rglob("__init__.py")}


def _imports(module: str) -> Iterator[str]:
    """Yield the module of each import, also of imports in functions and under TYPE_CHECKING."""
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


def test_the_api_imports_neither_home_assistant_nor_the_integration() -> None:
    """It could be published as a library."""
    imported = {name for module in TREES if _within(module, f"{NAME}.api") for name in IMPORTS[module]}
    above = {name for name in imported if _within(name, NAME) and not _within(name, f"{NAME}.api")}
    assert "aiohttp" in imported
    assert above | {name for name in imported if _within(name, "homeassistant", "voluptuous")} == set()


@pytest.mark.parametrize(
    ("folder", "forbidden"),
    [
        ("api.transport", [f"{NAME}.api.{other}" for other in ("octoprint", "tunnels", "webcam")]),
        ("api.octoprint", [f"{NAME}.api.tunnels"]),
        *(
            (f"api.tunnels.{one}", [f"{NAME}.api.tunnels.{other}" for other in TUNNELS if other != one])
            for one in TUNNELS
        ),
        *((each, ["aiohttp", "yarl", "urllib", "http"]) for each in Platform if f"{NAME}.{each}" in TREES),
    ],
)
def test_a_folder_does_not_import_another(folder: str, forbidden: list[str]) -> None:
    """OctoPrint is independent of the tunnels, a service of the others, a platform of HTTP."""
    files = [module for module in TREES if _within(module, f"{NAME}.{folder}")]
    assert files
    found = {(file, name) for file in files for name in IMPORTS[file] if _within(name, *forbidden)}
    assert found - {(f"{NAME}.camera", "aiohttp")} == set()  # the type of the viewer's request


def test_there_is_no_import_circle() -> None:
    """Imports under TYPE_CHECKING count too."""
    TopologicalSorter({module: names & TREES.keys() for module, names in IMPORTS.items()}).prepare()


def test_the_integration_needs_no_requirements() -> None:
    """It imports only what Home Assistant installs."""
    assert [name for names in IMPORTS.values() for name in names if not _within(name, *AVAILABLE, NAME)] == []
    assert '"requirements": []' in (PACKAGE / "manifest.json").read_text()
