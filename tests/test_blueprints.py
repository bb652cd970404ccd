"""The blueprints do what their names say."""

import asyncio
from datetime import timedelta
from pathlib import Path
import shutil
from typing import Any

from freezegun.api import FrozenDateTimeFactory
import pytest
from pytest_homeassistant_custom_component.common import async_fire_time_changed, async_mock_service

from homeassistant.components.automation import DOMAIN
from homeassistant.core import HomeAssistant
from homeassistant.setup import async_setup_component
from homeassistant.util.yaml import load_yaml_dict

FOLDER = Path(__file__).parents[1] / "blueprints" / "automation" / "octoprint_tunnel"
BLUEPRINTS = sorted(path.name for path in FOLDER.glob("*.yaml"))


@pytest.fixture(autouse=True)
def _installed(hass: HomeAssistant, tmp_path: Path) -> None:
    """Put the blueprints where Home Assistant looks for them."""
    hass.config.config_dir = str(tmp_path)
    shutil.copytree(FOLDER, tmp_path / "blueprints" / DOMAIN / "octoprint_tunnel")


async def use(hass: HomeAssistant, name: str, **inputs: Any) -> None:
    """Make an automation of a blueprint."""
    blueprint = {"path": f"octoprint_tunnel/{name}.yaml", "input": inputs}
    assert await async_setup_component(hass, DOMAIN, {DOMAIN: {"use_blueprint": blueprint}})
    await hass.async_block_till_done()
    [automation] = hass.states.async_all(DOMAIN)
    assert automation.state == "on"


async def become(hass: HomeAssistant, **states: str) -> None:
    """Let entities change their states; `a__b` stands for `a.b`."""
    for name, state in states.items():
        hass.states.async_set(name.replace("__", "."), state)
    await act()


async def act() -> None:
    """Let automations do what they do at once; they may still wait for something."""
    for _ in range(50):
        await asyncio.sleep(0)


async def wait(hass: HomeAssistant, freezer: FrozenDateTimeFactory, seconds: float) -> None:
    """Let time pass."""
    freezer.tick(timedelta(seconds=seconds))
    async_fire_time_changed(hass)
    await act()


@pytest.mark.parametrize("name", BLUEPRINTS)
def test_every_input_is_explained(name: str) -> None:
    """Names, descriptions and selectors, and an address to import from."""
    blueprint = load_yaml_dict(str(FOLDER / name))["blueprint"]
    assert blueprint["source_url"].endswith(f"/blueprints/automation/octoprint_tunnel/{name}")
    for key, field in blueprint["input"].items():
        assert {"name", "description", "selector"} <= set(field), key


async def test_switch_on_and_connect(hass: HomeAssistant, freezer: FrozenDateTimeFactory) -> None:
    """The plug goes on at once, and Connect is pressed when printer and OctoPrint have booted."""
    plug, press = async_mock_service(hass, "homeassistant", "turn_on"), async_mock_service(hass, "button", "press")
    await become(hass, input_boolean__wish="off", binary_sensor__online="off")
    await use(
        hass,
        "switch_on_and_connect",
        wish="input_boolean.wish",
        plug="switch.plug",
        online="binary_sensor.online",
        connect="button.connect",
    )
    await become(hass, input_boolean__wish="on")
    assert plug[0].data["entity_id"] == ["switch.plug"]
    await wait(hass, freezer, 20)
    assert not press
    await become(hass, binary_sensor__online="on")
    assert press[0].data["entity_id"] == ["button.connect"]
    await become(hass, input_boolean__wish="off", binary_sensor__online="off")
    assert (len(plug), len(press)) == (1, 1)


async def test_switch_on_gives_up(hass: HomeAssistant, freezer: FrozenDateTimeFactory) -> None:
    """An OctoPrint that does not come is not commanded."""
    async_mock_service(hass, "homeassistant", "turn_on")
    press = async_mock_service(hass, "button", "press")
    await become(hass, input_boolean__wish="off", binary_sensor__online="off")
    await use(
        hass,
        "switch_on_and_connect",
        wish="input_boolean.wish",
        plug="switch.plug",
        online="binary_sensor.online",
        connect="button.connect",
        patience=1,
    )
    await become(hass, input_boolean__wish="on")
    await wait(hass, freezer, 20)
    await wait(hass, freezer, 61)
    await become(hass, binary_sensor__online="on")
    assert not press


@pytest.mark.parametrize(
    ("progress", "message"), [("100.0", "part.gcode is done."), ("42.3", "part.gcode ended at 42 %.")]
)
async def test_notify_at_the_end(hass: HomeAssistant, progress: str, message: str) -> None:
    """The message says how far the print came, and carries the picture."""
    sent = async_mock_service(hass, "notify", "phone")
    await become(
        hass,
        binary_sensor__printing="on",
        binary_sensor__failing="off",
        sensor__file="part.gcode",
        sensor__progress=progress,
    )
    await _use_notify(hass)
    await become(hass, binary_sensor__printing="unavailable")
    assert not sent
    await become(hass, binary_sensor__printing="on")
    await become(hass, binary_sensor__printing="off")
    assert sent[0].data == {"message": message, "data": {"image": "/api/camera_proxy/camera.webcam"}}


async def test_notify_of_a_failure(hass: HomeAssistant) -> None:
    """A print that may be failing is told of while it prints."""
    sent = async_mock_service(hass, "notify", "phone")
    await become(hass, binary_sensor__printing="on", binary_sensor__failing="off", sensor__file="unknown")
    await _use_notify(hass)
    await become(hass, binary_sensor__failing="on")
    assert [call.data["message"] for call in sent] == ["The print may be failing."]


async def _use_notify(hass: HomeAssistant) -> None:
    action = {"action": "notify.phone", "data": {"message": "{{ message }}", "data": {"image": "{{ picture }}"}}}
    await use(
        hass,
        "notify_with_picture",
        printing="binary_sensor.printing",
        failing="binary_sensor.failing",
        file="sensor.file",
        progress="sensor.progress",
        camera="camera.webcam",
        notify=[action],
    )


async def test_switch_off_when_cool(hass: HomeAssistant) -> None:
    """Neither a hot printer nor one whose temperature nobody knows loses its power."""
    press, plug = async_mock_service(hass, "button", "press"), async_mock_service(hass, "homeassistant", "turn_off")
    await become(hass, binary_sensor__printing="on", sensor__tool="200", sensor__bed="60")
    await use(
        hass,
        "switch_off_when_cool",
        printing="binary_sensor.printing",
        temperatures=["sensor.tool", "sensor.bed"],
        disconnect="button.disconnect",
        plug="switch.plug",
    )
    await become(hass, binary_sensor__printing="off")
    await become(hass, sensor__tool="49", sensor__bed="unavailable")
    await become(hass, sensor__bed="51")
    assert not plug
    await become(hass, sensor__bed="45.5")
    assert press[0].data["entity_id"] == ["button.disconnect"]
    assert plug[0].data["entity_id"] == ["switch.plug"]


async def test_the_next_print_keeps_its_power(hass: HomeAssistant) -> None:
    """A print that begins before the printer is cool is left alone."""
    async_mock_service(hass, "button", "press")
    plug = async_mock_service(hass, "homeassistant", "turn_off")
    await become(hass, binary_sensor__printing="on", sensor__tool="60")
    await use(
        hass,
        "switch_off_when_cool",
        printing="binary_sensor.printing",
        temperatures=["sensor.tool"],
        disconnect="button.disconnect",
        plug="switch.plug",
    )
    await become(hass, binary_sensor__printing="off")
    await become(hass, binary_sensor__printing="on")
    await become(hass, sensor__tool="30")
    assert not plug
