"""quality_scale.yaml has a status for each of Home Assistant's rules, and the code keeps what no other test checks."""

import ast
from importlib import import_module
import json
from pathlib import Path
from typing import Any

import pytest
from pytest_homeassistant_custom_component.common import MockConfigEntry

from custom_components.octoprint_tunnel.const import DOMAIN
from homeassistant.const import Platform
from homeassistant.core import HomeAssistant
from homeassistant.helpers import entity_registry as er
from homeassistant.util.yaml import load_yaml_dict

PACKAGE = Path(__file__).parents[1] / "custom_components" / DOMAIN
SCALE: dict[str, Any] = load_yaml_dict(str(PACKAGE / "quality_scale.yaml"))["rules"]
PLATFORMS = [platform for platform in Platform if (PACKAGE / f"{platform}.py").exists()]
TRANSLATED = {
    *("HomeAssistantError", "ServiceValidationError"),
    *("UpdateFailed", "ConfigEntryAuthFailed", "ConfigEntryNotReady"),
}
"""The exceptions whose text Home Assistant shows."""

# The rules that hassfest knows, by tier. It does not check them for custom integrations.
RULES = """
action-setup appropriate-polling brands common-modules config-flow config-flow-test-coverage dependency-transparency
docs-actions docs-conditions docs-high-level-description docs-installation-instructions docs-removal-instructions
docs-triggers entity-event-setup entity-unique-id has-entity-name runtime-data test-before-configure test-before-setup
unique-config-entry

action-exceptions config-entry-unloading docs-configuration-parameters docs-installation-parameters entity-unavailable
integration-owner log-when-unavailable parallel-updates reauthentication-flow test-coverage

devices diagnostics discovery discovery-update-info docs-data-update docs-examples docs-known-limitations
docs-supported-devices docs-supported-functions docs-troubleshooting docs-use-cases dynamic-devices entity-category
entity-device-class entity-disabled-by-default entity-translations exception-translations icon-translations
reconfiguration-flow repair-issues stale-devices

async-dependency inject-websession strict-typing
"""


def test_the_scale_has_every_rule() -> None:
    """It has each rule, and no rule that Home Assistant does not know."""
    assert sorted(SCALE) == sorted(RULES.split())


def test_every_rule_is_done_or_exempt_with_a_reason() -> None:
    """None is left to do."""
    exempt = [rule for rule in SCALE.values() if rule != "done"]
    assert [rule for rule in exempt if rule["status"] not in ("done", "exempt") or not rule["comment"]] == []


def test_every_exception_for_people_has_a_translation() -> None:
    """Rule exception-translations: the call that makes the exception names the text."""
    trees = [ast.parse(path.read_text()) for path in PACKAGE.rglob("*.py")]
    calls = [node for tree in trees for node in ast.walk(tree) if isinstance(node, ast.Call)]
    made = [call for call in calls if isinstance(call.func, ast.Name) and call.func.id in TRANSLATED]
    assert made
    assert [call.lineno for call in made if "translation_key" not in {word.arg for word in call.keywords}] == []


@pytest.mark.parametrize("platform", PLATFORMS)
def test_every_platform_limits_parallel_updates(platform: Platform) -> None:
    """Rule parallel-updates."""
    assert isinstance(import_module(f"custom_components.{DOMAIN}.{platform}").PARALLEL_UPDATES, int)


async def test_every_entity_keeps_the_rules(
    hass: HomeAssistant, loaded: MockConfigEntry, entity_registry: er.EntityRegistry
) -> None:
    """Rules entity-unique-id, has-entity-name, entity-translations and devices."""
    names = json.loads((PACKAGE / "translations" / "en.json").read_text())["entity"]
    entries = er.async_entries_for_config_entry(entity_registry, loaded.entry_id)
    assert {entry.domain for entry in entries} >= {"binary_sensor", "button", "sensor"}
    for entry in entries:
        assert entry.unique_id.startswith(f"{loaded.unique_id}_"), entry.entity_id
        assert entry.has_entity_name, entry.entity_id
        assert entry.device_id, entry.entity_id
        assert entry.translation_key in names[entry.domain], entry.entity_id
