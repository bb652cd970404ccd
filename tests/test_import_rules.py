"""The rules of the house: who may import whom, and who may know of addresses and status codes.

Read from the source, so that a rule holds for every line, whether or not a test runs it.
"""

import ast
from collections.abc import Iterator
import json
from pathlib import Path
import re
import sys
import tomllib

import pytest

from homeassistant.const import Platform

NAME = "custom_components.octoprint_tunnel"
PACKAGE = Path(__file__).parents[1].joinpath(*NAME.split("."))
FILES = {path.relative_to(PACKAGE).as_posix(): path.read_text() for path in sorted(PACKAGE.rglob("*.py"))}

LIBRARY = [
    file
    for file in FILES
    if file.startswith(("octoprint/", "tunnels/"))
    or file
    in (
        "addresses.py",
        "errors.py",
        "json_object.py",
        "remote_text.py",
        "route.py",
        "routing.py",
        "backoff.py",
        "jpeg.py",
        "mjpeg.py",
        "pictures.py",
        "token_bucket.py",
        "traffic.py",
        "webcam_feed.py",
    )
]
PLATFORMS = [file for file in FILES if file.removesuffix(".py") in list(Platform)]
# Where a status becomes an error: one table for OctoPrint, one for what any proxy says, and one for each service.
STATUS_TABLES = [
    "octoprint/client.py",
    "route.py",
    *(
        file
        for file in FILES
        if file.startswith("tunnels/") and Path(file).stem not in ("__init__", "tunnel", "app_apis")
    ),
]
AVAILABLE = {*sys.stdlib_module_names, "homeassistant", "aiohttp", "yarl", "multidict", "voluptuous"}


def imports(file: str, source: str) -> set[str]:
    """Return the full names of everything that a file imports when it runs, wherever in the file."""
    package = NAME.split(".") + file.split("/")[:-1]
    names = set()
    for node in _running(ast.parse(source)):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            above = package[: len(package) - node.level + 1] if node.level else []
            module = ".".join([*above, *([node.module] if node.module else [])])
            names |= {f"{module}.{alias.name}" for alias in node.names}
        elif isinstance(node, ast.Call) and _name(node.func) in ("__import__", "import_module"):
            names |= {str(argument.value) for argument in node.args if isinstance(argument, ast.Constant)}
    return names


def _running(tree: ast.AST) -> Iterator[ast.AST]:
    """Yield all nodes but those that are there for a type checker."""
    for node in ast.iter_child_nodes(tree):
        if isinstance(node, ast.If) and _name(node.test) == "TYPE_CHECKING":
            continue
        yield node
        yield from _running(node)


def _name(node: ast.AST) -> str | None:
    if isinstance(node, ast.Name):
        return node.id
    return node.attr if isinstance(node, ast.Attribute) else None


def lies_in(name: str, *modules: str) -> bool:
    """Return whether a name is one of these modules, or in one of them."""
    return any(name == module or name.startswith(f"{module}.") for module in modules)


def codes(source: str) -> set[int | str]:
    """Return what a file compares with, looks up or lists that can be a status: a number, or a name in HTTPStatus."""
    found: set[int | str] = set()
    for node in ast.walk(ast.parse(source)):
        match node:
            case ast.Compare(left, _, others):
                places = [left, *others]
            case ast.Dict(keys):
                places = [key for key in keys if key]
            case ast.MatchValue(value):
                places = [value]
            case ast.Tuple(elements) | ast.List(elements) | ast.Set(elements):
                places = elements
            case ast.Call(ast.Name("range"), arguments):
                places = arguments
            case _:
                continue
        for place in places:
            match place:
                case ast.Constant(int(number)) if 400 <= number < 700:
                    found.add(number)
                case ast.Attribute(ast.Name("HTTPStatus"), name):
                    found.add(name)
    return found


def texts(source: str) -> set[str]:
    """Return the texts that are written in a file, without its docstrings."""
    tree = ast.parse(source)
    documentation = {
        node.value for node in ast.walk(tree) if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)
    }
    return {
        node.value
        for node in ast.walk(tree)
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and node not in documentation
    }


# What runs text as a program, starts one, or makes objects of bytes; functions by how their names begin.
DANGEROUS_MODULES = ("code", "ctypes", "marshal", "multiprocessing", "pickle", "pty", "runpy", "shelve", "subprocess")
DANGEROUS_BUILTINS = ("__import__", "compile", "eval", "exec")
DANGEROUS_FUNCTIONS = (*DANGEROUS_BUILTINS, "create_subprocess", "fork", "popen", "posix_spawn", "spawn", "system")


def dangers(source: str) -> set[str]:
    """Return what in a file could make a program of what arrives, however it is reached."""
    found = {name for name in imports("news.py", source) if lies_in(name, *DANGEROUS_MODULES)}
    for node in ast.walk(ast.parse(source)):
        match node:
            case ast.Call(ast.Name(name)) if name in DANGEROUS_BUILTINS:
                found.add(name)
            case ast.Attribute(ast.Name("asyncio" | "builtins" | "os"), name) if name.startswith(DANGEROUS_FUNCTIONS):
                found.add(name)
            case ast.ImportFrom("asyncio" | "builtins" | "os", names):
                found |= {alias.name for alias in names if alias.name.startswith(DANGEROUS_FUNCTIONS)}
            case ast.keyword("shell"):
                found.add("shell")
    return found


def _found(files: list[str], *modules: str) -> list[tuple[str, str]]:
    """Return which files import what of these modules."""
    return [(file, name) for file in files for name in imports(file, FILES[file]) if lies_in(name, *modules)]


def test_there_is_something_to_look_at() -> None:
    """A rule about no files would hold for good."""
    assert {"octoprint/client.py", "tunnels/obico.py", "errors.py", "route.py"} <= set(LIBRARY)
    assert {"sensor.py", "binary_sensor.py", "button.py"} <= set(PLATFORMS)
    assert {"tunnels/obico.py", "tunnels/octoeverywhere.py"} <= set(STATUS_TABLES)


@pytest.mark.parametrize(
    ("source", "found"),
    [
        ("import yarl", {"yarl"}),
        ("import aiohttp.web as web", {"aiohttp.web"}),
        ("from homeassistant import core", {"homeassistant.core"}),
        ("from homeassistant.core import callback", {"homeassistant.core.callback"}),
        ("from . import client", {f"{NAME}.octoprint.client"}),
        ("from .client import OctoPrint", {f"{NAME}.octoprint.client.OctoPrint"}),
        ("from .. import errors", {f"{NAME}.errors"}),
        ("from ..tunnels.obico import Obico", {f"{NAME}.tunnels.obico.Obico"}),
        ("def f():\n    try:\n        import yarl\n    except ImportError:\n        pass", {"yarl"}),
        ("from importlib import import_module\nimport_module('yarl')", {"importlib.import_module", "yarl"}),
        ("if TYPE_CHECKING:\n    import yarl", set()),
        ("'import yarl'", set()),
    ],
)
def test_an_import_is_found_however_it_is_written(source: str, found: set[str]) -> None:
    """In any form, at any depth."""
    assert imports("octoprint/news.py", source) == found


@pytest.mark.parametrize(
    ("source", "found"),
    [
        ("answer.status == 404", {404}),
        ("399 < answer.status <= 499 or 601 != code", {499, 601}),
        (
            "code in (401, 403) or code in {605} or code in [481] or code in range(480, 500)",
            {401, 403, 605, 481, 480, 500},
        ),
        ("TEXTS = {604: 'gone', **OTHERS}", {604}),
        ("match code:\n    case 607 | 608:\n        pass", {607, 608}),
        ("answer.status is not HTTPStatus.OK", {"OK"}),
        ("LONGEST = 600; size = 1024 * 512; return_to(view, HTTPStatus.OK)", set()),
        ("len(text) > 255 or count == 3 or flag == True", set()),
    ],
)
def test_a_status_is_found_however_it_is_looked_at(source: str, found: set[int | str]) -> None:
    """Compared, looked up or listed; a number of something else is not one."""
    assert codes(source) == found


@pytest.mark.parametrize(
    ("source", "found"),
    [
        ("eval(answer)", {"eval"}),
        ("def f():\n    exec(answer)", {"exec"}),
        ("import pickle", {"pickle"}),
        ("from pickle import loads", {"pickle.loads"}),
        ("import os\nos.system('x')", {"system"}),
        ("from os import popen", {"popen"}),
        ("import asyncio\nasyncio.create_subprocess_shell('x')", {"create_subprocess_shell"}),
        ("run('x', shell=True)", {"shell"}),
        ("import re, os\nre.compile('x')\nos.open('x', 0)\nhass.async_add_executor_job(f)", set()),
    ],
)
def test_a_danger_is_found_however_it_is_reached(source: str, found: set[str]) -> None:
    """Called, imported or taken from a module."""
    assert dangers(source) == found


def test_what_is_written_is_found_and_what_is_explained_is_not() -> None:
    """Texts of the code, not of its docstrings."""
    assert texts('"""On b.example."""\nX = "a.example"\n\ndef f():\n    """On c.example."""\n') == {"a.example"}


def test_the_library_knows_nothing_of_home_assistant() -> None:
    """It could be published as it stands."""
    assert _found(LIBRARY, "homeassistant", "voluptuous") == []


def test_the_library_imports_itself_only() -> None:
    """What would pull Home Assistant in by a detour is Home Assistant."""
    modules = [f"{NAME}.{file.removesuffix('.py').replace('/', '.')}" for file in LIBRARY]
    assert [found for found in _found(LIBRARY, NAME) if not lies_in(found[1], *modules)] == []


def test_octoprint_knows_nothing_of_tunnels() -> None:
    """It is the same whoever carries it."""
    files = [file for file in FILES if file.startswith("octoprint/")]
    assert _found(files, f"{NAME}.tunnels") == []


def test_a_service_knows_nothing_of_the_others() -> None:
    """A third one is one more file."""
    services = [file for file in STATUS_TABLES if file.startswith("tunnels/")]
    for file in services:
        others = [f"{NAME}.tunnels.{Path(other).stem}" for other in services if other != file]
        assert _found([file], *others) == []


def test_platforms_neither_make_requests_nor_build_addresses() -> None:
    """They read what a coordinator has, and call what a client can.

    Home Assistant hands a camera the viewer's request and takes aiohttp's answer to it: that is the server's side.
    """
    found = _found([*PLATFORMS, "entity.py"], "aiohttp", "yarl", "urllib", "http", "requests", "httpx")
    assert [(file, name) for file, name in found if (file, name) != ("camera.py", "aiohttp.web")] == []


def test_only_what_home_assistant_brings_is_imported() -> None:
    """Nothing has to be installed with the integration, and the manifest says so."""
    assert [
        (file, name) for file in FILES for name in imports(file, FILES[file]) if not lies_in(name, *AVAILABLE, NAME)
    ] == []
    assert json.loads((PACKAGE / "manifest.json").read_text())["requirements"] == []


def test_a_status_is_a_number_in_the_tables_only() -> None:
    """One for each service, where it becomes an error."""
    found = {file: {code for code in codes(source) if isinstance(code, int)} for file, source in FILES.items()}
    assert {file for file, numbers in found.items() if numbers} <= set(STATUS_TABLES)


def test_outside_the_library_nobody_looks_at_a_status() -> None:
    """Neither by number nor by name: what is left of it there is an error and its remedy."""
    assert [(file, codes(FILES[file])) for file in FILES if file not in LIBRARY and codes(FILES[file])] == []


def test_an_address_of_a_service_is_written_in_its_file_only() -> None:
    """A service that moves is a change in one place."""
    for domain, home in (("octoeverywhere.com", "tunnels/octoeverywhere.py"), ("obico.io", "tunnels/obico.py")):
        assert {file for file in FILES if any(domain in text for text in texts(FILES[file]))} == {home}


def test_no_text_becomes_a_program() -> None:
    """Whatever arrives is data: nothing evaluates, unpickles or starts anything."""
    assert {file: found for file, source in FILES.items() if (found := dangers(source))} == {}


def test_a_security_rule_is_put_aside_with_a_reason_only() -> None:
    """Ruff has all of them switched on; beside an exception stands why it is none."""
    exceptions = [line for source in FILES.values() for line in source.splitlines() if re.search(r"noqa.*\bS\d+", line)]
    assert [line for line in exceptions if not re.search(r"noqa: S\d+ - \w", line)] == []
    lint = tomllib.loads((PACKAGE.parents[1] / "pyproject.toml").read_text())["tool"]["ruff"]["lint"]
    assert "S" in lint["select"]
    assert [
        rule for rule in (*lint["ignore"], *lint["per-file-ignores"]["custom_components/**"]) if rule[0] == "S"
    ] == []
