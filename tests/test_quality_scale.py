"""quality_scale.yaml says of each of Home Assistant's rules how it is kept, and the code does as it says."""

import ast
from collections.abc import Callable, Iterator
import json
from pathlib import Path
import tomllib
from typing import Any, Literal

import pytest
from pytest_homeassistant_custom_component.common import MockConfigEntry

from custom_components.octoprint_tunnel.config_flow import OctoPrintTunnelConfigFlow
from custom_components.octoprint_tunnel.const import DOMAIN
from homeassistant.const import Platform
from homeassistant.core import HomeAssistant
from homeassistant.helpers import entity_registry as er
from homeassistant.util.yaml import load_yaml_dict

ROOT = Path(__file__).parents[1]
PACKAGE = ROOT / "custom_components" / DOMAIN
README = (ROOT / "README.md").read_text(encoding="utf-8")
SOURCES = {path.relative_to(PACKAGE).as_posix(): path.read_text(encoding="utf-8") for path in PACKAGE.rglob("*.py")}
TREES = {file: ast.parse(source) for file, source in SOURCES.items()}
TEXTS: dict[str, Any] = json.loads((PACKAGE / "translations" / "en.json").read_text(encoding="utf-8"))
MANIFEST: dict[str, Any] = json.loads((PACKAGE / "manifest.json").read_text(encoding="utf-8"))

RULES = {
    "bronze": [
        "action-setup",
        "appropriate-polling",
        "brands",
        "common-modules",
        "config-flow",
        "config-flow-test-coverage",
        "dependency-transparency",
        "docs-actions",
        "docs-conditions",
        "docs-high-level-description",
        "docs-installation-instructions",
        "docs-removal-instructions",
        "docs-triggers",
        "entity-event-setup",
        "entity-unique-id",
        "has-entity-name",
        "runtime-data",
        "test-before-configure",
        "test-before-setup",
        "unique-config-entry",
    ],
    "silver": [
        "action-exceptions",
        "config-entry-unloading",
        "docs-configuration-parameters",
        "docs-installation-parameters",
        "entity-unavailable",
        "integration-owner",
        "log-when-unavailable",
        "parallel-updates",
        "reauthentication-flow",
        "test-coverage",
    ],
    "gold": [
        "devices",
        "diagnostics",
        "discovery",
        "discovery-update-info",
        "docs-data-update",
        "docs-examples",
        "docs-known-limitations",
        "docs-supported-devices",
        "docs-supported-functions",
        "docs-troubleshooting",
        "docs-use-cases",
        "dynamic-devices",
        "entity-category",
        "entity-device-class",
        "entity-disabled-by-default",
        "entity-translations",
        "exception-translations",
        "icon-translations",
        "reconfiguration-flow",
        "repair-issues",
        "stale-devices",
    ],
    "platinum": ["async-dependency", "inject-websession", "strict-typing"],
}
"""The rules that hassfest knows, by tier."""

type Status = Literal["done", "exempt", "todo"]


def read() -> dict[str, tuple[Status, str]]:
    """Return the status of each rule, and the comment on it."""
    rules = load_yaml_dict(str(PACKAGE / "quality_scale.yaml"))["rules"]
    assert isinstance(rules, dict)
    return {
        rule: (said["status"], said.get("comment", "")) if isinstance(said, dict) else (said, "")
        for rule, said in rules.items()
    }


SCALE = read()


def with_status(wanted: Status) -> set[str]:
    """Return the rules that are said to be done, exempt or left to do."""
    return {rule for rule, (status, _) in SCALE.items() if status == wanted}


def functions(file: str) -> set[str]:
    """Return the names of the functions of a module."""
    kinds = (ast.FunctionDef, ast.AsyncFunctionDef)
    return {node.name for node in TREES.get(file, ast.Module([], [])).body if isinstance(node, kinds)}


def calls(*names: str) -> Iterator[tuple[str, ast.Call]]:
    """Yield the calls of these names anywhere in the package, with the file."""
    for file, tree in TREES.items():
        for node in ast.walk(tree):
            if isinstance(node, ast.Call):
                name = node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", None)
                if name in names:
                    yield file, node


def assigned(file: str) -> set[str]:
    """Return the names that a module assigns."""
    return {
        target.id
        for node in TREES[file].body
        if isinstance(node, ast.Assign)
        for target in node.targets
        if isinstance(target, ast.Name)
    }


def platforms() -> list[str]:
    """Return the files of the platforms."""
    return [file for file in SOURCES if file.removesuffix(".py") in list(Platform)]


def has_heading(*headings: str) -> bool:
    """Return whether the README has these parts."""
    return all(f"\n## {heading}\n" in README for heading in headings)


def fields_are_explained() -> bool:
    """Return whether each field of each form has a label and an explanation."""
    forms = [*TEXTS["config"]["step"].values(), *TEXTS["options"]["step"].values()]
    return all(set(form.get("data", {})) == set(form.get("data_description", {})) for form in forms)


def errors_are_translated() -> bool:
    """Return whether nothing is raised to the user as a text of the code's own."""
    raised = calls(
        "HomeAssistantError", "ServiceValidationError", "UpdateFailed", "ConfigEntryAuthFailed", "ConfigEntryNotReady"
    )
    return all("translation_key" in {keyword.arg for keyword in call.keywords} for _, call in raised)


def actions_are_set_up() -> bool:
    """Return whether the actions are there before any entry is, with texts and icons."""
    actions = set(load_yaml_dict(str(PACKAGE / "services.yaml")))
    icons = json.loads((PACKAGE / "icons.json").read_text(encoding="utf-8"))
    return "async_setup" in functions("__init__.py") and actions == set(TEXTS["services"]) == set(icons["services"])


def typing_is_strict() -> bool:
    """Return whether mypy checks the package strictly, and nothing is hidden from it."""
    mypy = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["tool"]["mypy"]
    hidden = [file for file, source in SOURCES.items() if "type: ignore" in source]
    return mypy["strict"] and "custom_components" in mypy["files"] and not hidden


CI = (ROOT / ".ci" / "run").read_text(encoding="utf-8")

DONE: dict[str, Callable[[], bool]] = {
    "action-setup": actions_are_set_up,
    "async-dependency": lambda: MANIFEST["requirements"] == [],
    "brands": (PACKAGE / "brand" / "icon.png").is_file,
    "common-modules": lambda: {"coordinator.py", "entity.py"} <= set(SOURCES),
    "config-entry-unloading": lambda: "async_unload_entry" in functions("__init__.py"),
    "config-flow": lambda: MANIFEST["config_flow"] and fields_are_explained(),
    "config-flow-test-coverage": lambda: "--include='*/config_flow.py' --fail-under=100" in CI,
    "diagnostics": lambda: "async_get_config_entry_diagnostics" in functions("diagnostics.py"),
    "discovery-update-info": lambda: (
        bool(MANIFEST["zeroconf"]) and hasattr(OctoPrintTunnelConfigFlow, "async_step_zeroconf")
    ),
    "docs-actions": lambda: has_heading("Actions"),
    "docs-configuration-parameters": lambda: has_heading("Options"),
    "docs-data-update": lambda: has_heading("Data and cost"),
    "docs-examples": lambda: has_heading("Automations"),
    "docs-installation-instructions": lambda: has_heading("Install"),
    "docs-installation-parameters": lambda: has_heading("Set up"),
    "docs-known-limitations": lambda: has_heading("Limits"),
    "docs-removal-instructions": lambda: has_heading("Remove"),
    "docs-supported-devices": lambda: has_heading("What you need"),
    "docs-supported-functions": lambda: has_heading("Entities"),
    "docs-troubleshooting": lambda: has_heading("Trouble", "Troubleshooting"),
    "docs-use-cases": lambda: has_heading("Use cases"),
    "entity-disabled-by-default": lambda: any("enabled_default=False" in SOURCES[file] for file in platforms()),
    "exception-translations": errors_are_translated,
    "icon-translations": lambda: not [file for file, source in SOURCES.items() if "mdi:" in source],
    "inject-websession": lambda: not list(calls("ClientSession")),
    "integration-owner": lambda: bool(MANIFEST["codeowners"]),
    "parallel-updates": lambda: all("PARALLEL_UPDATES" in assigned(file) for file in platforms()),
    "reauthentication-flow": lambda: hasattr(OctoPrintTunnelConfigFlow, "async_step_reauth"),
    "reconfiguration-flow": lambda: hasattr(OctoPrintTunnelConfigFlow, "async_step_reconfigure"),
    "repair-issues": lambda: bool(list(calls("async_create_issue"))),
    "runtime-data": lambda: "entry.runtime_data = " in SOURCES["__init__.py"],
    "strict-typing": typing_is_strict,
    "test-coverage": lambda: "--cov-fail-under=99" in CI,
    "unique-config-entry": lambda: bool(list(calls("async_set_unique_id"))),
}
"""What has to hold where a rule is said to be kept."""

EXEMPT: dict[str, Callable[[], bool]] = {
    "dependency-transparency": lambda: MANIFEST["requirements"] == [],
    "docs-conditions": lambda: not {"condition.py", "device_condition.py"} & set(SOURCES),
    "docs-triggers": lambda: not {"trigger.py", "device_trigger.py"} & set(SOURCES),
}
"""What has to hold where a rule is said not to apply."""


def test_every_rule_is_there_and_no_other() -> None:
    """54 of them, none twice."""
    rules = [rule for tier in RULES.values() for rule in tier]
    assert len(rules) == len(set(rules)) == 54
    assert set(SCALE) == set(rules)


@pytest.mark.parametrize("rule", sorted(SCALE))
def test_a_rule_has_a_status(rule: str) -> None:
    """One that is not kept says why."""
    status, comment = SCALE[rule]
    assert status in ("done", "exempt", "todo")
    assert status == "done" or comment.endswith(".")


def test_nothing_is_left_to_do() -> None:
    """The whole scale is kept."""
    assert with_status("todo") == set()


@pytest.mark.parametrize("rule", sorted(DONE.keys() & with_status("done")))
def test_what_is_said_to_be_done_is_done(rule: str) -> None:
    """As far as the code shows it; other tests show the rest."""
    assert DONE[rule]()


@pytest.mark.parametrize("rule", sorted(EXEMPT.keys() & with_status("exempt")))
def test_what_is_said_not_to_apply_does_not(rule: str) -> None:
    """The reason still holds."""
    assert EXEMPT[rule]()


async def test_entities_keep_the_rules(
    hass: HomeAssistant, loaded: MockConfigEntry, entity_registry: er.EntityRegistry
) -> None:
    """Rules entity-unique-id, has-entity-name, entity-translations and devices, for every entity of a printer."""
    entries = er.async_entries_for_config_entry(entity_registry, loaded.entry_id)
    assert {entry.domain for entry in entries} >= {"binary_sensor", "button", "sensor"}
    for entry in entries:
        assert entry.unique_id.startswith(f"{loaded.unique_id}_"), entry.entity_id
        assert entry.has_entity_name, entry.entity_id
        assert entry.device_id, entry.entity_id
        assert entry.translation_key in TEXTS["entity"][entry.domain], entry.entity_id
