"""A printer that an earlier version has set up keeps what its user has."""

from functools import partial

import pytest
from pytest_homeassistant_custom_component.common import MockConfigEntry

from custom_components.octoprint_tunnel.const import DOMAIN
from homeassistant.core import HomeAssistant
from homeassistant.helpers import entity_registry as er

from .home import Home, entities
from .octoprint import printing

BOTH_TUNNELS = pytest.mark.parametrize("provider", ["octoeverywhere", "obico"])

OF_0_1_0 = {
    "binary_sensor": {
        "octoprint_online": "octoprint_connection",
        "printer_connected": "printer_connection",
        "printing": "printing",
        "paused": "paused",
        "error": "error",
        "print_failing": "print_failing",
    },
    "button": {
        "connect": "connect",
        "disconnect": "disconnect",
        "repair": "repair_communication",
        "pause": "pause_print",
        "resume": "resume_print",
        "cancel": "cancel_print",
        "system_restart": "restart_octoprint",
        "system_reboot": "reboot_octoprint_s_machine",
    },
    "number": {"tool0_target": "tool_1_target", "bed_target": "bed_target"},
    "sensor": {
        "tunnel_status": "tunnel_status",
        "active_route": "active_route",
        "printer_state": "printer_state",
        "port": "port",
        "baudrate": "baud_rate",
        "connector": "connector",
        "printer_profile": "printer_profile",
        "print_progress": "print_progress",
        "print_file": "print_file",
        "print_file_size": "print_file_size",
        "print_time_elapsed": "print_time_elapsed",
        "print_time_left": "print_time_left",
        "print_finish": "print_finish",
        "print_started": "print_started",
        "tool0_actual_temperature": "tool_1_temperature",
        "tool0_target_temperature": "tool_1_target_temperature",
        "bed_actual_temperature": "bed_temperature",
        "bed_target_temperature": "bed_target_temperature",
    },
}
"""The entities of version 0.1.0 with either service: the key and the entity id of each."""

OF_THE_SERVICE = {
    "octoeverywhere": {
        "event": {"notification": "notification"},
        "sensor": {
            "last_connected": "last_connected",
            "last_disconnected": "last_disconnected",
            "max_download_size": "largest_download",
            "max_upload_size": "largest_upload",
            "max_webcam_stream": "longest_webcam_stream",
            "gadget_state": "gadget",
            "gadget_rating": "gadget_rating",
            "gadget_status": "gadget_status",
        },
    },
    "obico": {
        "sensor": {
            "tunnel_usage": "tunnel_usage",
            "tunnel_usage_cap": "tunnel_usage_cap",
            "tunnel_usage_reset": "tunnel_usage_reset",
            "failure_probability": "failure_probability",
        },
    },
}
UNITS = {"tunnel_usage": "MB", "tunnel_usage_cap": "MB", "max_download_size": "MB", "print_time_left": "min"}


def register(hass: HomeAssistant, entry: MockConfigEntry, provider: str) -> dict[str, str]:
    """Register every entity as version 0.1.0 did, all of them enabled, and return their ids by their keys."""
    registry = er.async_get(hass)
    registered = {}
    for entities_of in (OF_0_1_0, OF_THE_SERVICE[provider]):
        for domain, named in entities_of.items():
            for key, name in named.items():
                options = {"sensor.private": {"suggested_unit_of_measurement": UNITS[key]}} if key in UNITS else None
                registered[key] = registry.async_get_or_create(
                    domain,
                    DOMAIN,
                    f"{entry.unique_id}_{key}",
                    config_entry=entry,
                    suggested_object_id=f"kitchen_{name}",
                    unit_of_measurement=UNITS.get(key),
                    get_initial_options=partial(dict, options) if options else None,
                ).entity_id
    return registered


@BOTH_TUNNELS
async def test_entities_of_0_1_0(new_home: Home, provider: str) -> None:
    """Each keeps its id, its unit and its being enabled, with any defaults of today."""
    new_home.entry.add_to_hass(new_home.hass)
    before = register(new_home.hass, new_home.entry, provider)
    await new_home.in_octoprint(printing.connect)
    await new_home.set_up()
    await new_home.wait(61)
    assert entities(new_home.hass, new_home.entry).items() >= before.items()
    registry = er.async_get(new_home.hass)
    assert [entity_id for entity_id in before.values() if registry.entities[entity_id].disabled] == []
    assert new_home.states("port", "connector") == ("VIRTUAL", "serial")
    units = {key: unit for key, unit in UNITS.items() if key in before}
    assert {key: new_home.state(key).attributes["unit_of_measurement"] for key in units} == units
