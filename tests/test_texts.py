"""Every text that code refers to is there, and every text that is there is referred to."""

import json
from pathlib import Path
import re
from types import SimpleNamespace
from typing import Any, cast

import pytest

from custom_components.octoprint_tunnel import binary_sensor, button, camera, event, number, sensor, services
from custom_components.octoprint_tunnel.api import errors
from custom_components.octoprint_tunnel.api.errors import Condition, OctoPrintTunnelError
from custom_components.octoprint_tunnel.api.octoprint.connection import PrinterState
from custom_components.octoprint_tunnel.api.tunnels.models import NotificationType
from custom_components.octoprint_tunnel.coordinator import PrinterCoordinator
from custom_components.octoprint_tunnel.repairs import CONDITIONS
from custom_components.octoprint_tunnel.webcams import Webcams
from homeassistant.components.sensor import SensorEntityDescription
from homeassistant.helpers.entity import EntityDescription
from homeassistant.util.yaml import load_yaml_dict

PACKAGE = Path(errors.__file__).parents[1]
ERRORS = {
    kind.key: kind
    for kind in vars(errors).values()
    if isinstance(kind, type) and issubclass(kind, OctoPrintTunnelError) and kind is not OctoPrintTunnelError
}
PRINTER = cast(
    PrinterCoordinator,
    SimpleNamespace(data=SimpleNamespace(heaters=("tool0", "bed", "chamber"), system_commands=button.SYSTEM_COMMANDS)),
)
FEED = SimpleNamespace(webcam=SimpleNamespace(display_name="Nozzle"))
WEBCAMS = cast(Webcams, SimpleNamespace(data=SimpleNamespace(feeds={"webcam": FEED, "webcam_nozzle": FEED})))
PLATFORMS: dict[str, tuple[EntityDescription, ...]] = {
    "binary_sensor": (
        *binary_sensor.TUNNEL_DESCRIPTIONS,
        *binary_sensor.PRINTER_DESCRIPTIONS,
        *binary_sensor.DETECTION_DESCRIPTIONS,
    ),
    "button": (*button.DESCRIPTIONS, *button.system_descriptions(PRINTER)),
    "camera": tuple(camera.webcam_descriptions(WEBCAMS)),
    "event": event.DESCRIPTIONS,
    "number": tuple(number.target_descriptions(PRINTER)),
    "sensor": (
        *sensor.TUNNEL_DESCRIPTIONS,
        *sensor.PRINTER_DESCRIPTIONS,
        *sensor.DETECTION_DESCRIPTIONS,
        *sensor.heater_descriptions(PRINTER),
    ),
}


@pytest.fixture(scope="module")
def texts() -> Any:
    """Return the English texts."""
    return json.loads((PACKAGE / "translations" / "en.json").read_text(encoding="utf-8"))


@pytest.fixture(scope="module")
def icons() -> Any:
    """Return the icons."""
    return json.loads((PACKAGE / "icons.json").read_text(encoding="utf-8"))


def authorization_errors() -> set[str]:
    """Return the keys that reading a link or a completion can fail with."""
    sources = [path.read_text(encoding="utf-8") for path in (PACKAGE / "api" / "tunnels").glob("*.py")]
    found = {key for source in sources for key in re.findall(r'AuthorizationError\("(\w+)"', source)}
    return found | {"denied", "incomplete_link"}


def test_every_error_has_a_text_wherever_it_can_be_met(texts: Any) -> None:
    """Errors are met in forms, in actions, and some end a dialog."""
    assert set(texts["config"]["error"]) == set(ERRORS) | authorization_errors() | {"wrong_printer"}
    refusals = set(re.findall(r'_refuse\(\s*"(\w+)"', (PACKAGE / "services.py").read_text(encoding="utf-8")))
    assert set(texts["exceptions"]) == set(ERRORS) - {"key_workflow_missing"} | refusals
    # Home Assistant has texts of its own for what ended well.
    assert set(texts["config"]["abort"]) == {
        *("already_configured", "wrong_printer", "printer_removed", "nothing_to_set_up")
    }


def test_reasons_for_another_connection_stand_alone(texts: Any) -> None:
    """They are shown above a menu, where nothing is filled in."""
    revoking = {key for key, kind in ERRORS.items() if kind.remedy is errors.Remedy.REAUTHORIZE}
    for key in revoking | authorization_errors() | {"wrong_printer"}:
        assert "{" not in texts["config"]["error"][key]


@pytest.mark.parametrize("key", sorted(ERRORS))
def test_error_texts_only_mention_what_errors_know(texts: Any, key: str) -> None:
    """Placeholders that nobody fills would be shown as they are."""
    known = set(OctoPrintTunnelError().problem.placeholders)
    for text in (texts["config"]["error"][key], texts["exceptions"].get(key, {}).get("message", "")):
        assert set(re.findall(r"{(\w+)}", text)) <= known


def test_every_step_has_its_texts(texts: Any) -> None:
    """Steps, menus and fields of the dialogs."""
    source = (PACKAGE / "config_flow.py").read_text(encoding="utf-8")
    steps = set(re.findall(r"async def async_step_(\w+)\(", source))
    without_a_page = {"reauth", "authorized", "not_authorized", "requested_key", "request_key", "init", "zeroconf"}
    assert set(texts["config"]["step"]) == steps - without_a_page
    assert set(texts["config"]["progress"]) == set(re.findall(r'progress_action="(\w+)"', source))
    for name, step in texts["config"]["step"].items():
        assert set(step.get("menu_options", {})) <= steps, name
        assert set(step.get("data_description", {})) == set(step.get("data", {})), name


@pytest.mark.parametrize("platform", sorted(PLATFORMS))
def test_every_entity_has_a_name_and_a_face(texts: Any, icons: Any, platform: str) -> None:
    """Names and icons are those of the descriptions, no more and no less."""
    keys = {str(description.translation_key) for description in PLATFORMS[platform]}
    assert set(texts["entity"][platform]) == keys
    with_icon = {d.translation_key for d in PLATFORMS[platform] if platform != "binary_sensor" or not d.device_class}
    assert set(icons["entity"].get(platform, {})) == with_icon


def test_every_state_has_a_name(texts: Any) -> None:
    """States of enumerations."""
    sensors = texts["entity"]["sensor"]
    assert set(sensors["tunnel_status"]["state"]) == {condition.value for condition in Condition}
    assert set(sensors["printer_state"]["state"]) == {state.value for state in PrinterState}
    for description in PLATFORMS["sensor"]:
        assert isinstance(description, SensorEntityDescription)
        if description.options:
            assert set(sensors[str(description.translation_key)]["state"]) == set(description.options)


def test_every_event_has_a_name(texts: Any) -> None:
    """Types of notifications."""
    named = texts["entity"]["event"]["notification"]["state_attributes"]["event_type"]["state"]
    assert set(named) == {kind.value for kind in NotificationType}


def test_every_action_has_its_texts(texts: Any, icons: Any) -> None:
    """Actions and their fields, as the actions themselves take them."""
    described = load_yaml_dict(str(PACKAGE / "services.yaml"))
    source = (PACKAGE / "services.py").read_text(encoding="utf-8")
    assert set(described) == set(re.findall(r'^        \("(\w+)", [A-Z_]+, _', source, re.MULTILINE))
    assert set(texts["services"]) == set(icons["services"]) == set(described)
    for name, action in described.items():
        assert set(texts["services"][name]["fields"]) == set(action["fields"]), name
        schema = getattr(services, name.upper(), services.DEVICE)
        assert {str(field) for field in schema.schema} == set(action["fields"]), name


def test_every_refusal_has_its_text(texts: Any) -> None:
    """What an action is refused for, with what its text mentions."""
    source = (PACKAGE / "services.py").read_text(encoding="utf-8")
    refusals = dict(re.findall(r'_refuse\(\s*"(\w+)"(.*?)\)(?:\n| from)', source, re.DOTALL))
    assert refusals
    for key, given in refusals.items():
        message = texts["exceptions"][key]["message"]
        assert set(re.findall(r"{(\w+)}", message)) == set(re.findall(r"(\w+)=", given)), key


def test_every_issue_has_its_texts(texts: Any) -> None:
    """Repair issues."""
    assert set(texts["issues"]) == {condition.value for condition in CONDITIONS}
