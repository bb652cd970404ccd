"""What the log tells of polls: an expected failure once for a printer, and an unexpected one always."""

import json
import logging
from typing import Any

from aiohttp import ClientError
from freezegun.api import FrozenDateTimeFactory
import pytest
from pytest_homeassistant_custom_component.common import MockConfigEntry

from custom_components.octoprint_tunnel.coordinator import PrinterCoordinator, TunnelCoordinator
from custom_components.octoprint_tunnel.detection import DetectionCoordinator
from custom_components.octoprint_tunnel.polling import POLL_LOGGER
from homeassistant.core import HomeAssistant

from .home import log_lines, settle, state, wait
from .relay.server import Relay

COORDINATORS = {"tunnel": TunnelCoordinator, "printer": PrinterCoordinator, "detection": DetectionCoordinator}


def raise_from(monkeypatch: pytest.MonkeyPatch, which: str, error: Exception) -> None:
    """Let a coordinator meet an unexpected error."""

    async def fetch(_self: object) -> None:
        raise error

    monkeypatch.setattr(COORDINATORS[which], "_async_fetch", fetch)


@pytest.mark.parametrize("which", COORDINATORS)
@pytest.mark.parametrize("error", [TimeoutError(), ClientError("odd"), ValueError("odd")])
@pytest.mark.parametrize("is_failing", [False, True], ids=["while all is well", "in an outage"])
async def test_unexpected_error_reaches_the_log(
    hass: HomeAssistant,
    caplog: pytest.LogCaptureFixture,
    monkeypatch: pytest.MonkeyPatch,
    relay: Relay,
    loaded: MockConfigEntry,
    which: str,
    error: Exception,
    is_failing: bool,
) -> None:
    """In Home Assistant's own words, at its level, once; its end as well."""
    coordinator = getattr(loaded.runtime_data, which)
    if is_failing and which != "detection":
        relay.fail("octoeverywhere_api", 600)
        relay.fail("octoeverywhere_tunnel", 600)
        await coordinator.async_refresh()
        relay.heal()
    caplog.clear()
    with monkeypatch.context() as patched:
        raise_from(patched, which, error)
        await coordinator.async_refresh()
        if not isinstance(error, ValueError):  # Home Assistant logs any other kind each time
            await coordinator.async_refresh()
        assert not coordinator.last_update_success
    [record] = [record for record in caplog.records if record.levelno >= logging.WARNING]
    assert record.name == POLL_LOGGER.name
    assert record.levelno == logging.ERROR
    assert coordinator.name in record.getMessage()
    caplog.clear()
    await coordinator.async_refresh()
    await settle(hass)
    assert coordinator.last_update_success
    assert len(log_lines(caplog)) >= 1


async def test_nothing_of_home_assistants_is_filtered() -> None:
    """Neither the logger nor a handler of it drops a line."""
    assert not POLL_LOGGER.filters


async def test_outage_is_one_line_and_its_end_another(
    hass: HomeAssistant,
    freezer: FrozenDateTimeFactory,
    caplog: pytest.LogCaptureFixture,
    relay: Relay,
    loaded: MockConfigEntry,
) -> None:
    """Whichever of Home Assistant's ways begins a poll."""
    caplog.clear()
    relay.drop("octoeverywhere_api")
    relay.drop("octoeverywhere_tunnel")
    await wait(hass, freezer, 61)
    await loaded.runtime_data.tunnel.async_request_refresh()
    await wait(hass, freezer, 61)
    assert state(hass, loaded, "printer_state").state == "unavailable"
    assert len(log_lines(caplog)) == 1
    relay.heal()
    for _ in range(4):
        await wait(hass, freezer, 61)
    assert state(hass, loaded, "printer_state").state == "offline"
    assert log_lines(caplog)[1:] == ["Kitchen: works again"]


@pytest.mark.parametrize("shape", ["1.11", "2.0"])
async def test_lists_without_end(
    hass: HomeAssistant,
    freezer: FrozenDateTimeFactory,
    caplog: pytest.LogCaptureFixture,
    relay: Relay,
    loaded: MockConfigEntry,
    shape: str,
) -> None:
    """Of ports, profiles, connectors and system commands a hundred are used; the log tells once of each."""
    named = [
        {"id": f"{n}", "name": f"{n}", "connector": f"{n}", "parameters": {}, "action": f"{n}"} for n in range(500)
    ]
    options: dict[str, Any] = {"connectors": named, "profiles": named}
    if shape == "1.11":
        options = {"ports": [f"/{n}" for n in range(500)], "baudrates": list(range(500)), "printerProfiles": named}
    body = {"current": {"state": "Offline"}, "options": options}
    for path, answer in (("/api/connection", body), ("/api/system/commands", {"core": named})):
        relay.fail("octoeverywhere_tunnel", 200, json.dumps(answer), content_type="application/json", path=path)
    caplog.clear()
    for _ in range(5):
        await wait(hass, freezer, 61)
    printer = loaded.runtime_data.printer.data
    found = printer.connection.options
    assert len(found.connectors or found.ports) == len(found.profiles) == len(printer.system_commands) == 100
    assert sorted(log_lines(caplog)) == sorted(
        f"Kitchen: of 500 {name} only the first 100 are used" for name in (*options, "core")
    )
