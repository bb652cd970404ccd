"""The examples of the documentation can be copied."""

from collections.abc import Iterator
from pathlib import Path
import re
from typing import Any

import pytest

from custom_components.octoprint_tunnel.const import DOMAIN
from homeassistant.core import HomeAssistant
from homeassistant.helpers import config_validation as cv
from homeassistant.helpers.template import Template
from homeassistant.setup import async_setup_component
from homeassistant.util.yaml import parse_yaml

DOCS = Path(__file__).parents[1] / "docs"
BLOCK = re.compile(r"^```yaml\n(.*?)^```", re.MULTILINE | re.DOTALL)
EXAMPLES = [
    pytest.param(block, id=f"{page.name} {number}")
    for page in sorted(DOCS.glob("*.md"))
    for number, block in enumerate(BLOCK.findall(page.read_text(encoding="utf-8")), 1)
]


def _actions(example: Any) -> Iterator[dict[str, Any]]:
    """Yield the calls of actions in an example."""
    if isinstance(example, dict):
        if "action" in example and isinstance(example.get("data"), dict):
            yield example
        example = list(example.values())
    if isinstance(example, list):
        for item in example:
            yield from _actions(item)


def _strings(example: Any) -> Iterator[str]:
    if isinstance(example, dict):
        example = list(example.values())
    if isinstance(example, list):
        for item in example:
            yield from _strings(item)
    elif isinstance(example, str):
        yield example


@pytest.mark.parametrize("block", EXAMPLES)
async def test_example(hass: HomeAssistant, block: str) -> None:
    """It is valid for Home Assistant, its templates too, and its actions have fields that there are."""
    assert await async_setup_component(hass, DOMAIN, {})
    example: Any = parse_yaml(block)
    if isinstance(example, list):
        example = {"actions": example}
    for key, schema in (
        ("triggers", cv.TRIGGER_SCHEMA),
        ("conditions", cv.CONDITIONS_SCHEMA),
        ("actions", cv.SCRIPT_SCHEMA),
    ):
        if key in example:
            schema(example[key])
    for text in _strings(example):
        Template(text, hass).ensure_valid()
    for call in _actions(example):
        domain, service = call["action"].split(".")
        if domain == DOMAIN:
            registered = hass.services.async_services_for_domain(DOMAIN)[service]
            assert registered.schema is not None
            registered.schema(call["data"])


async def test_examples_of_actions(hass: HomeAssistant) -> None:
    """There is one of each action."""
    assert await async_setup_component(hass, DOMAIN, {})
    page = await hass.async_add_executor_job((DOCS / "actions.md").read_text)
    used = {call["action"] for block in BLOCK.findall(page) for call in _actions(parse_yaml(block))}
    assert {f"{DOMAIN}.{action}" for action in hass.services.async_services_for_domain(DOMAIN)} <= used
