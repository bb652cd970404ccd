"""Automations made from the blueprints do what the blueprints describe."""

import asyncio
from pathlib import Path
import shutil
from typing import Any

from freezegun.api import FrozenDateTimeFactory
import pytest
from pytest_homeassistant_custom_component.common import MockConfigEntry, async_fire_time_changed, async_mock_service

from homeassistant.components.automation import DOMAIN
from homeassistant.core import HomeAssistant, ServiceCall
from homeassistant.helpers import device_registry as dr
from homeassistant.setup import async_setup_component
from homeassistant.util.yaml import load_yaml_dict

FOLDER = Path(__file__).parents[1] / "blueprints" / "automation" / "octoprint_tunnel"
MESSAGE = {"action": "notify.family", "data": {"message": "{{ message }}"}}
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
    },
    "print_events": {"event": "event.print"},
    "live_progress": {
        "printing": "binary_sensor.printing",
        "progress": "sensor.progress",
        "finish": "sensor.finish",
        "file": "sensor.file",
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
    actions = (
        ("homeassistant", "turn_on"),
        ("homeassistant", "turn_off"),
        ("button", "press"),
        ("notify", "mobile_app_ada_s_phone"),
        ("notify", "family"),
    )
    return {action: async_mock_service(hass, domain, action) for domain, action in actions}


@pytest.fixture
def phone(hass: HomeAssistant) -> str:
    """Return the device ID of a phone that its user has renamed in Home Assistant."""
    app = MockConfigEntry(domain="mobile_app")
    app.add_to_hass(hass)
    registry = dr.async_get(hass)
    device = registry.async_get_or_create(
        config_entry_id=app.entry_id, identifiers={("mobile_app", "1")}, name="Ada's Phone"
    )
    registry.async_update_device(device.id, name_by_user="My phone")
    return device.id


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
async def test_notify_when_a_print_ends(
    hass: HomeAssistant, calls: Calls, phone: str, progress: str, message: str
) -> None:
    """The message says how far the print came and has the picture; an unavailable printer sends none."""
    await set_states(hass, binary_sensor__printing="on", sensor__file="part.gcode", sensor__progress=progress)
    await make_automation(hass, "notify_with_picture", phone=phone)
    await set_states(hass, binary_sensor__printing="unavailable")
    await set_states(hass, binary_sensor__printing="on")
    assert not calls["mobile_app_ada_s_phone"]
    await set_states(hass, binary_sensor__printing="off")
    [call] = calls["mobile_app_ada_s_phone"]
    assert call.data == {"message": message, "data": {"image": "/api/camera_proxy/camera.webcam"}}


async def test_notify_when_a_print_may_be_failing(hass: HomeAssistant, calls: Calls) -> None:
    """The message is sent during the print, without a phone by the user's own actions."""
    await set_states(hass, binary_sensor__printing="on", binary_sensor__failing="off", sensor__file="unknown")
    await make_automation(hass, "notify_with_picture", notify=[MESSAGE])
    await set_states(hass, binary_sensor__failing="on")
    assert [call.data["message"] for call in calls["family"]] == ["The print may be failing."]
    assert not calls["mobile_app_ada_s_phone"]


@pytest.mark.parametrize(
    ("event_type", "details", "message"),
    [
        ("started", {}, "part.gcode has started."),
        ("done", {}, "part.gcode is done."),
        ("failed", {"error": "Heating failed"}, "part.gcode has failed: Heating failed"),
        ("failed", {}, "part.gcode has failed."),
        ("canceled", {"user": "ada"}, "part.gcode was canceled by ada."),
        ("canceled", {}, "part.gcode was canceled."),
        ("paused", {}, "part.gcode is paused."),
        ("resumed", {}, "part.gcode goes on."),
        ("filament_change", {}, "The printer needs a filament change."),
        ("waiting", {"text": "Load filament?"}, "The printer asks: Load filament?"),
        ("timelapse_ready", {"timelapse": "part.mp4"}, "The timelapse part.mp4 is ready."),
    ],
)
async def test_print_events(
    hass: HomeAssistant, calls: Calls, phone: str, event_type: str, details: dict[str, str], message: str
) -> None:
    """Each event that was chosen has its message, with a picture if there is a camera; a restart sends none."""
    attributes = {"event_type": event_type, "file": "part.gcode"} | details
    await make_automation(hass, "print_events", phone=phone, camera="camera.webcam", kinds=[event_type])
    hass.states.async_set("event.print", "unavailable")
    await hass.async_block_till_done()
    hass.states.async_set("event.print", "2026-11-01T10:00:00.000+00:00", attributes)
    await hass.async_block_till_done()
    assert not calls["mobile_app_ada_s_phone"]
    hass.states.async_set("event.print", "2026-11-01T10:01:00.000+00:00", attributes)
    await hass.async_block_till_done()
    [call] = calls["mobile_app_ada_s_phone"]
    assert call.data == {"message": message, "data": {"image": "/api/camera_proxy/camera.webcam"}}


async def test_print_events_that_were_not_chosen(hass: HomeAssistant, calls: Calls) -> None:
    """A start sends no message unless it is chosen; what is sent without a phone is up to the user's own actions."""
    await make_automation(hass, "print_events", notify=[MESSAGE])
    hass.states.async_set("event.print", "unknown")
    await hass.async_block_till_done()
    for minute, event_type in enumerate(("started", "done")):
        hass.states.async_set("event.print", f"2026-11-01T10:0{minute}:00.000+00:00", {"event_type": event_type})
        await hass.async_block_till_done()
    assert [call.data["message"] for call in calls["family"]] == ["The print is done."]


async def test_live_progress(hass: HomeAssistant, calls: Calls, phone: str) -> None:
    """One notification follows the print, counts down to its end, and disappears with it."""
    sent = calls["mobile_app_ada_s_phone"]
    await set_states(hass, binary_sensor__printing="off", sensor__progress="100.0", sensor__file="part.gcode")
    await set_states(hass, sensor__finish="unknown")
    await make_automation(hass, "live_progress", phone=phone)
    await set_states(hass, sensor__progress="0.0")
    assert not sent
    await set_states(hass, binary_sensor__printing="on")
    assert (sent[0].data["title"], sent[0].data["message"]) == ("part.gcode", "0 %")
    tag = {"tag": "octoprint_tunnel_sensor.progress"}
    shown = {**tag, "live_update": True, "alert_once": True, "sticky": True, "progress_max": 100}
    assert sent[0].data["data"] == {**shown, "progress": 0, "notification_icon": "mdi:printer-3d"}
    await set_states(hass, sensor__finish="2026-11-26T16:00:00+00:00", sensor__progress="0.9")
    assert len(sent) == 1
    await set_states(hass, sensor__progress="2.1")
    assert sent[1].data["data"]["progress"] == 2
    assert (sent[1].data["data"]["chronometer"], sent[1].data["data"]["when"]) == (True, 1795708800)
    await set_states(hass, binary_sensor__printing="off", sensor__progress="100.0")
    assert [call.data for call in sent[2:]] == [{"message": "clear_notification", "data": tag}]


async def test_live_progress_ends_with_an_outage(
    hass: HomeAssistant, calls: Calls, phone: str, freezer: FrozenDateTimeFactory
) -> None:
    """A short outage leaves the notification, a long one takes it away."""
    await set_states(hass, binary_sensor__printing="on", sensor__progress="50.0")
    await make_automation(hass, "live_progress", phone=phone)
    await set_states(hass, binary_sensor__printing="unavailable")
    await pass_time(hass, freezer, 9 * 60)
    assert not calls["mobile_app_ada_s_phone"]
    await pass_time(hass, freezer, 2 * 60)
    assert [call.data["message"] for call in calls["mobile_app_ada_s_phone"]] == ["clear_notification"]


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
