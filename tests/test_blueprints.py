"""Automations made from the blueprints do what the blueprints describe."""

import asyncio
from pathlib import Path
import shutil
from typing import Any

from freezegun.api import FrozenDateTimeFactory
import pytest
from pytest_homeassistant_custom_component.common import async_fire_time_changed, async_mock_service

from homeassistant.components.automation import DOMAIN
from homeassistant.core import HomeAssistant, ServiceCall
from homeassistant.setup import async_setup_component
from homeassistant.util.yaml import load_yaml_dict

FOLDER = Path(__file__).parents[1] / "blueprints" / "automation" / "octoprint_tunnel"
MESSAGE = {"action": "notify.phone", "data": {"message": "{{ message }}", "data": {"image": "{{ picture }}"}}}
INPUTS: dict[str, dict[str, Any]] = {
    "switch_on_and_connect": {
        "wish": "input_boolean.wish",
        "plug": "switch.plug",
        "online": "binary_sensor.online",
        "connect": "button.connect",
    },
    "notify_with_picture": {
        "printing": "binary_sensor.printing",
        "failing": "binary_sensor.failing",
        "file": "sensor.file",
        "progress": "sensor.progress",
        "camera": "camera.webcam",
        "notify": [MESSAGE],
    },
    "switch_off_when_cool": {
        "printing": "binary_sensor.printing",
        "temperatures": ["sensor.tool", "sensor.bed"],
        "disconnect": "button.disconnect",
        "plug": "switch.plug",
    },
}
type Calls = dict[str, list[ServiceCall]]


@pytest.fixture(autouse=True)
def _installed(hass: HomeAssistant, tmp_path: Path) -> None:
    """Put the blueprints where Home Assistant looks for them."""
    hass.config.config_dir = str(tmp_path)
    shutil.copytree(FOLDER, tmp_path / "blueprints" / DOMAIN / "octoprint_tunnel")


@pytest.fixture
def calls(hass: HomeAssistant) -> Calls:
    """Return the calls of each action that the blueprints use."""
    actions = (("homeassistant", "turn_on"), ("homeassistant", "turn_off"), ("button", "press"), ("notify", "phone"))
    return {action: async_mock_service(hass, domain, action) for domain, action in actions}


async def make_automation(hass: HomeAssistant, blueprint: str, **inputs: object) -> None:
    """Make an automation from a blueprint."""
    use = {"path": f"octoprint_tunnel/{blueprint}.yaml", "input": INPUTS[blueprint] | inputs}
    assert await async_setup_component(hass, DOMAIN, {DOMAIN: {"use_blueprint": use}})
    await hass.async_block_till_done()
    assert [automation.state for automation in hass.states.async_all(DOMAIN)] == ["on"]


async def set_states(hass: HomeAssistant, **states: str) -> None:
    """Set the states of entities (`a__b` stands for `a.b`), and let the automation run until it waits."""
    for name, state in states.items():
        hass.states.async_set(name.replace("__", "."), state)
    for _ in range(50):
        await asyncio.sleep(0)


async def pass_time(hass: HomeAssistant, freezer: FrozenDateTimeFactory, seconds: float) -> None:
    """Let time pass, and the automation run until it waits again."""
    freezer.tick(seconds)
    async_fire_time_changed(hass)
    await set_states(hass)


@pytest.mark.parametrize("name", sorted(path.name for path in FOLDER.glob("*.yaml")))
def test_every_input_is_explained(name: str) -> None:
    """Each input has a name, a description and a selector, and the blueprint an address to import it from."""
    blueprint = load_yaml_dict(str(FOLDER / name))["blueprint"]
    assert blueprint["source_url"].endswith(f"/blueprints/automation/octoprint_tunnel/{name}")
    for key, field in blueprint["input"].items():
        assert {"name", "description", "selector"} <= set(field), key


async def test_switch_on_and_connect(hass: HomeAssistant, calls: Calls, freezer: FrozenDateTimeFactory) -> None:
    """The plug is turned on at once, and Connect is pressed when the printer and OctoPrint have started."""
    await set_states(hass, input_boolean__wish="off", binary_sensor__online="off")
    await make_automation(hass, "switch_on_and_connect")
    await set_states(hass, input_boolean__wish="on")
    assert calls["turn_on"][0].data["entity_id"] == ["switch.plug"]
    await pass_time(hass, freezer, 20)
    assert not calls["press"]
    await set_states(hass, binary_sensor__online="on")
    assert calls["press"][0].data["entity_id"] == ["button.connect"]
    await set_states(hass, input_boolean__wish="off", binary_sensor__online="off")
    assert (len(calls["turn_on"]), len(calls["press"])) == (1, 1)


async def test_switch_on_stops_waiting_for_octoprint(
    hass: HomeAssistant, calls: Calls, freezer: FrozenDateTimeFactory
) -> None:
    """Connect is not pressed when OctoPrint starts after the longest wait."""
    await set_states(hass, input_boolean__wish="off", binary_sensor__online="off")
    await make_automation(hass, "switch_on_and_connect", patience=1)
    await set_states(hass, input_boolean__wish="on")
    await pass_time(hass, freezer, 20)
    await pass_time(hass, freezer, 61)
    await set_states(hass, binary_sensor__online="on")
    assert not calls["press"]


@pytest.mark.parametrize(
    ("progress", "message"), [("100.0", "part.gcode is done."), ("42.3", "part.gcode ended at 42 %.")]
)
async def test_notify_when_a_print_ends(hass: HomeAssistant, calls: Calls, progress: str, message: str) -> None:
    """The message says how far the print came and has the picture; an unavailable printer sends none."""
    await set_states(hass, binary_sensor__printing="on", sensor__file="part.gcode", sensor__progress=progress)
    await make_automation(hass, "notify_with_picture")
    await set_states(hass, binary_sensor__printing="unavailable")
    await set_states(hass, binary_sensor__printing="on")
    assert not calls["phone"]
    await set_states(hass, binary_sensor__printing="off")
    assert calls["phone"][0].data == {"message": message, "data": {"image": "/api/camera_proxy/camera.webcam"}}


async def test_notify_when_a_print_may_be_failing(hass: HomeAssistant, calls: Calls) -> None:
    """The message is sent during the print."""
    await set_states(hass, binary_sensor__printing="on", binary_sensor__failing="off", sensor__file="unknown")
    await make_automation(hass, "notify_with_picture")
    await set_states(hass, binary_sensor__failing="on")
    assert [call.data["message"] for call in calls["phone"]] == ["The print may be failing."]


async def test_switch_off_when_cool(hass: HomeAssistant, calls: Calls) -> None:
    """The plug stays on while a temperature is high or unavailable."""
    await set_states(hass, binary_sensor__printing="on", sensor__tool="200", sensor__bed="60")
    await make_automation(hass, "switch_off_when_cool")
    await set_states(hass, binary_sensor__printing="off")
    await set_states(hass, sensor__tool="49", sensor__bed="unavailable")
    await set_states(hass, sensor__bed="51")
    assert not calls["turn_off"]
    await set_states(hass, sensor__bed="45.5")
    assert calls["press"][0].data["entity_id"] == ["button.disconnect"]
    assert calls["turn_off"][0].data["entity_id"] == ["switch.plug"]


async def test_switch_off_ends_when_the_next_print_begins(hass: HomeAssistant, calls: Calls) -> None:
    """The plug stays on when a print begins before the printer is cool."""
    await set_states(hass, binary_sensor__printing="on", sensor__tool="60", sensor__bed="30")
    await make_automation(hass, "switch_off_when_cool")
    await set_states(hass, binary_sensor__printing="off")
    await set_states(hass, binary_sensor__printing="on")
    await set_states(hass, sensor__tool="30")
    assert not calls["turn_off"]
