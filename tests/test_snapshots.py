"""What Home Assistant shows of a printer, as a whole: its device, its entities and its diagnostics."""

from collections.abc import Iterator
import json
from typing import Any
from unittest.mock import patch

from freezegun.api import FrozenDateTimeFactory
import pytest
from pytest_homeassistant_custom_component.common import MockConfigEntry
from pytest_homeassistant_custom_component.components.diagnostics import get_diagnostics_for_config_entry
from pytest_homeassistant_custom_component.syrupy import HomeAssistantSnapshotExtension
from pytest_homeassistant_custom_component.typing import ClientSessionGenerator
from syrupy.assertion import SnapshotAssertion
from syrupy.filters import props

from homeassistant.core import HomeAssistant
from homeassistant.helpers import device_registry as dr, entity_registry as er
from homeassistant.setup import async_setup_component

from .home import settle, unload
from .relay.server import Relay

NOW = "2026-12-05T12:00:00+00:00"

PRINTING: dict[str, Any] = {
    "/api/connection": {
        "current": {
            "state": "Printing",
            "connector": "serial",
            "parameters": {"port": "/dev/ttyACM0", "baudrate": 115200},
            "profile": "_default",
        },
        "options": {
            "connectors": [
                {
                    "connector": "serial",
                    "name": "Serial Connection",
                    "parameters": {"port": ["/dev/ttyACM0"], "baudrate": [250000, 115200]},
                }
            ],
            "profiles": [{"id": "_default", "name": "Default"}],
            "preferredConnector": {"connector": "serial", "parameters": {"port": "/dev/ttyACM0", "baudrate": 115200}},
            "preferredProfile": "_default",
            "autoconnect": True,
        },
    },
    "/api/job": {
        "job": {
            "file": {"display": "Cube.gcode", "path": "parts/Cube.gcode", "size": 1468987},
            "filament": {"tool0": {"length": 810.5, "volume": 5.36}},
        },
        "progress": {"completion": 22.5, "printTime": 600, "printTimeLeft": 2400},
        "state": "Printing",
    },
    "/api/printer": {
        "temperature": {
            "tool0": {"actual": 214.8, "target": 220.0},
            "tool1": {"actual": 21.3, "target": 0.0},
            "bed": {"actual": 59.9, "target": 60.0},
            "chamber": {"actual": 31.0, "target": None},
        },
        "state": {"text": "Printing"},
    },
    "/api/settings": {
        "webcam": {
            "webcams": [
                {
                    "name": name,
                    "displayName": name.title(),
                    "flipH": name == "nozzle",
                    "compat": {"snapshot": f"/{name}/?action=snapshot", "stream": f"/{name}/?action=stream"},
                }
                for name in ("classic", "nozzle")
            ]
        }
    },
    "/api/system/commands": {"core": [{"action": action} for action in ("shutdown", "reboot", "restart", "other")]},
    "/api/version": {"server": "2.0.1"},
}
SERVICES: dict[str, dict[str, Any]] = {
    "octoeverywhere_api": {
        "/api/appconnection/info": {
            "PrinterName": "Kitchen",
            "PrinterLocalIp": "203.0.113.20",
            "IsOnline": True,
            "LastDisconnectTimeUtc": "2026-12-01T12:00:00Z",
            "LastConnectionTimeUtc": "2026-12-02T12:00:00Z",
            "UserFacingPrinterUrl": "https://octoeverywhere.com/view/Kitchen",
            "PrinterLimits": {
                "MaxDownloadFileSizeBytes": 104857600,
                "MaxUploadFileSizeBytes": 104857600,
                "MaxSingleWebcamStreamLengthSeconds": 3600,
            },
        },
        "/api/gadget": {"State": 3, "Status": "Looking good", "StatusColor": "g", "Rating": 9},
    },
    "obico_tsd": {
        "/_tsd_/tunnelusage/": {"total": 26214400, "monthly_cap": 52428800},
        "/_tsd_/prediction/": {"normalized_p": 0.25},
    },
}


@pytest.fixture
def snapshot(snapshot: SnapshotAssertion) -> SnapshotAssertion:
    """Return the assertion with Home Assistant's extension, in any order of loading the plugins."""
    return snapshot.use_extension(HomeAssistantSnapshotExtension)


@pytest.fixture
async def printing(
    hass: HomeAssistant, freezer: FrozenDateTimeFactory, relay: Relay, chosen: MockConfigEntry
) -> MockConfigEntry:
    """Set a printer up that prints, with every entity enabled."""
    freezer.move_to(NOW)
    hass.config.external_url = "https://home.example.com"
    assert await async_setup_component(hass, "diagnostics", {})
    bodies: dict[str, dict[str, Any]] = {"tunnel": PRINTING, **SERVICES}
    for where, responses in bodies.items():
        for path, body in responses.items():
            relay.fail(where, 200, json.dumps(body), path=path, content_type="application/json")
    chosen.add_to_hass(hass)
    hass.config_entries.async_update_entry(chosen, unique_id="printer")
    with patch("homeassistant.helpers.entity.Entity.entity_registry_enabled_default", True):
        assert await hass.config_entries.async_setup(chosen.entry_id)
        await settle(hass)
        await chosen.runtime_data.printer.async_refresh()
        await chosen.runtime_data.printer.async_refresh()
        await settle(hass)
    return chosen


def shown(hass: HomeAssistant, entry: MockConfigEntry) -> Iterator[tuple[str, dict[str, Any]]]:
    """Yield each entity by its id, as the registry describes it and as its state shows it."""
    for item in er.async_entries_for_config_entry(er.async_get(hass), entry.entry_id):
        state = hass.states.get(item.entity_id)
        assert state is not None
        own = {
            name: value for name, value in state.attributes.items() if name not in ("access_token", "entity_picture")
        }
        yield (
            item.entity_id,
            {
                "unique_id": item.unique_id,
                "category": item.entity_category,
                "translation_key": item.translation_key,
                "state": state.state,
                "attributes": own,
            },
        )


async def test_a_printing_printer(
    hass: HomeAssistant, printing: MockConfigEntry, hass_client: ClientSessionGenerator, snapshot: SnapshotAssertion
) -> None:
    """Through each service."""
    [device] = dr.async_entries_for_config_entry(dr.async_get(hass), printing.entry_id)
    names = ("name", "manufacturer", "model", "sw_version", "configuration_url", "identifiers")
    assert {name: getattr(device, name) for name in names} == snapshot(name="device")
    assert dict(sorted(shown(hass, printing))) == snapshot(name="entities")
    diagnostics = await get_diagnostics_for_config_entry(hass, hass_client, printing)
    assert diagnostics == snapshot(name="diagnostics", exclude=props("requests", "bytes_received"))
    await unload(hass, printing)
