"""The English texts are those that the code uses, no more and no less."""

import json
from pathlib import Path
import re
from types import SimpleNamespace
from typing import Any, cast

import pytest

from custom_components.octoprint_tunnel import (
    binary_sensor,
    button,
    camera,
    event,
    image,
    number,
    select,
    sensor,
    services,
    totals,
    update,
)
from custom_components.octoprint_tunnel.api import errors
from custom_components.octoprint_tunnel.api.errors import Condition, OctoPrintTunnelError
from custom_components.octoprint_tunnel.api.octoprint.connection import PrinterState
from custom_components.octoprint_tunnel.api.octoprint.custom_controls import CustomControl
from custom_components.octoprint_tunnel.api.octoprint.filament import Filament
from custom_components.octoprint_tunnel.api.octoprint.job import TimeLeftOrigin
from custom_components.octoprint_tunnel.api.octoprint.print_event import PrintEventType
from custom_components.octoprint_tunnel.api.tunnels.models import NotificationType
from custom_components.octoprint_tunnel.api.tunnels.monthly_usage import DataUse
from custom_components.octoprint_tunnel.api.tunnels.octoeverywhere import APP_ID
from custom_components.octoprint_tunnel.api.tunnels.setup import SERVER_IS_HTTP
from custom_components.octoprint_tunnel.config_flow import OctoPrintTunnelConfigFlow as Flow
from custom_components.octoprint_tunnel.coordinator import PrinterCoordinator
from custom_components.octoprint_tunnel.repairs import CONDITIONS, FIX_ERRORS, FIXABLE, RUNS_OUT
from custom_components.octoprint_tunnel.webcams import Webcams
from homeassistant.components.sensor import SensorEntityDescription
from homeassistant.config_entries import ConfigFlow
from homeassistant.helpers.entity import EntityDescription
from homeassistant.util.yaml import load_yaml_dict

PACKAGE = Path(errors.__file__).parents[1]
NAME = errors.__name__.removesuffix(".api.errors")
SOURCE = "\n".join(path.read_text(encoding="utf-8") for path in sorted(PACKAGE.rglob("*.py")))
TEXTS: dict[str, Any] = json.loads((PACKAGE / "translations" / "en.json").read_text(encoding="utf-8"))
ICONS: dict[str, Any] = json.loads((PACKAGE / "icons.json").read_text(encoding="utf-8"))
ERRORS = {kind.key: kind for kind in OctoPrintTunnelError.__subclasses__() if kind.__module__.startswith(NAME)}
"""The errors of the client library, and those of single services."""
PRINTER = cast(
    PrinterCoordinator,
    SimpleNamespace(
        data=SimpleNamespace(
            heaters=("tool0", "bed", "chamber"),
            system_commands=button.SYSTEM_COMMANDS,
            custom_controls=(CustomControl(name="{name}", lines=("G28",)),),
            job=SimpleNamespace(filament={"tool0": Filament(length=1, volume=1, weight=1)}),
        )
    ),
)
FEED = SimpleNamespace(webcam=SimpleNamespace(display_name="Nozzle"))
WEBCAMS = cast(Webcams, SimpleNamespace(data=SimpleNamespace(feeds={"webcam": FEED, "webcam_nozzle": FEED})))
PLATFORMS: dict[str, tuple[EntityDescription, ...]] = {
    "binary_sensor": (
        *binary_sensor.TUNNEL_DESCRIPTIONS,
        *binary_sensor.PRINTER_DESCRIPTIONS,
        *binary_sensor.DETECTION_DESCRIPTIONS,
    ),
    "button": (
        *button.DESCRIPTIONS,
        button.EMERGENCY_STOP,
        button.PRINT_AGAIN,
        *button.CHOICE_DESCRIPTIONS,
        button.CONNECT,
        *button.system_descriptions(PRINTER),
        *button.control_descriptions(PRINTER),
    ),
    "camera": tuple(camera.webcam_descriptions(WEBCAMS)),
    "event": event.DESCRIPTIONS,
    "image": image.DESCRIPTIONS,
    "number": (*number.FACTOR_DESCRIPTIONS, *number.target_descriptions(PRINTER)),
    "select": select.DESCRIPTIONS,
    "sensor": (
        *sensor.TUNNEL_DESCRIPTIONS,
        *sensor.PRINTER_DESCRIPTIONS,
        *sensor.DETECTION_DESCRIPTIONS,
        *totals.DESCRIPTIONS,
        *sensor.filament_descriptions(PRINTER),
        *sensor.heater_descriptions(PRINTER),
    ),
    "update": update.DESCRIPTIONS,
}
AUTHORIZATION_ERRORS = {
    *re.findall(r'AuthorizationError\("(\w+)"', SOURCE),
    "denied",
    "incomplete_link",
    SERVER_IS_HTTP,
}
REFUSALS = re.findall(r'validation_error\(\s*"(\w+)"(.*?)\)(?:\n| from)', SOURCE, re.DOTALL)
"""The key of each refusal of an action, and the source of its placeholders."""


def placeholders(text: str) -> set[str]:
    """Return the names of the placeholders in a text."""
    return set(re.findall(r"{(\w+)}", text))


def test_errors() -> None:
    """Errors of forms, of actions, and at the end of a dialog."""
    config = TEXTS["config"]
    assert set(config["error"]) == {*ERRORS, *AUTHORIZATION_ERRORS, "wrong_printer"}
    assert set(TEXTS["exceptions"]) == set(ERRORS) - {"key_workflow_missing"} | {key for key, _ in REFUSALS}
    # Home Assistant has texts of its own for a dialog that succeeds.
    assert set(config["abort"]) == {"already_configured", "wrong_printer", "printer_removed", "nothing_to_set_up"}


def test_placeholders_of_errors() -> None:
    """A placeholder without a value is shown as it is. Some forms fill in no placeholders at all."""
    known = set(OctoPrintTunnelError().problem.placeholders)
    without = {key for key, kind in ERRORS.items() if kind.remedy is errors.Remedy.REAUTHORIZE}
    without |= AUTHORIZATION_ERRORS | {"wrong_printer"}
    for key, text in TEXTS["config"]["error"].items():
        assert placeholders(text) <= (known if key not in without else set()), key
    refusals = {key: set(re.findall(r"(\w+)=", given)) for key, given in REFUSALS}
    for key, text in TEXTS["exceptions"].items():
        assert placeholders(text["message"]) <= refusals.get(key, known), key


def test_steps() -> None:
    """Steps, menus and fields of the dialogs."""
    own = {name for name in dir(Flow) if getattr(Flow, name) is not getattr(ConfigFlow, name, None)}
    steps = {name.removeprefix("async_step_") for name in own if name.startswith("async_step_")}
    without_a_page = {"reauth", "authorized", "requested_key", "zeroconf"}
    assert set(TEXTS["config"]["step"]) == steps - without_a_page
    assert set(TEXTS["config"]["progress"]) == set(re.findall(r'progress_action="(\w+)"', SOURCE))
    for name, step in TEXTS["config"]["step"].items():
        assert set(step.get("menu_options", {})) <= steps, name
        if name not in ("reconfigure", "api_key_again"):
            assert set(step.get("menu_option_descriptions", {})) == set(step.get("menu_options", {})), name
        assert set(step.get("data_description", {})) == set(step.get("data", {})), name


@pytest.mark.parametrize("path", sorted((PACKAGE / "translations").iterdir()), ids=lambda path: path.stem)
def test_app_id(path: Path) -> None:
    """The dialog names the ID with which the portal opens, as long as that is the test ID."""
    texts = json.loads(path.read_text(encoding="utf-8"))["config"]["step"]["octoeverywhere"]
    assert ("`devtest`" in texts["description"]) is (APP_ID == "devtest")


@pytest.mark.parametrize("platform", sorted(PLATFORMS))
def test_entities(platform: str) -> None:
    """Each entity has a name. It has an icon, unless its device class gives it one."""
    texts = TEXTS["entity"][platform]
    assert set(texts) == {description.translation_key for description in PLATFORMS[platform]}
    with_icon = {d.translation_key for d in PLATFORMS[platform] if platform != "binary_sensor" or not d.device_class}
    assert set(ICONS["entity"].get(platform, {})) == with_icon


def test_states() -> None:
    """Each state of an enumeration and each event type has a name."""
    sensors = TEXTS["entity"]["sensor"]
    assert set(sensors["tunnel_status"]["state"]) == {condition.value for condition in Condition}
    assert set(sensors["printer_state"]["state"]) == {state.value for state in PrinterState}
    for description in PLATFORMS["sensor"]:
        assert isinstance(description, SensorEntityDescription)
        if description.options:
            assert set(sensors[str(description.translation_key)]["state"]) == set(description.options)
    assert set(sensors["active_route"]["state_attributes"]["data_use"]["state"]) == {use.value for use in DataUse}
    based_on = sensors["print_time_left"]["state_attributes"]["based_on"]
    assert set(based_on["state"]) == {origin.value for origin in TimeLeftOrigin}
    for key, kinds in (("notification", NotificationType), ("print_event", PrintEventType)):
        event_type = TEXTS["entity"]["event"][key]["state_attributes"]["event_type"]
        assert set(event_type["state"]) == {kind.value for kind in kinds}


def test_actions() -> None:
    """Actions and their fields, as their schemas have them."""
    described = load_yaml_dict(str(PACKAGE / "services.yaml"))
    assert set(described) == set(re.findall(r'^        \("(\w+)", [A-Z_]+, _', SOURCE, re.MULTILINE))
    assert set(TEXTS["services"]) == set(ICONS["services"]) == set(described)
    for name, action in described.items():
        schema = getattr(services, name.upper(), services.DEVICE)
        assert set(TEXTS["services"][name]["fields"]) == set(action["fields"]) == {str(key) for key in schema.schema}


def test_issues() -> None:
    """Repair issues, and the dialogs of those that Home Assistant can fix."""
    assert set(TEXTS["issues"]) == {FIXABLE, RUNS_OUT, *(condition.value for condition in CONDITIONS)}
    refusals = {"print_in_progress", "update_in_progress", "no_update", "unreachable"}
    assert set(TEXTS["issues"][FIXABLE]["fix_flow"]["error"]) == refusals | set(FIX_ERRORS.values())
