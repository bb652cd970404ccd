"""What the log shows of polls: an expected failure once for a printer, and an unexpected one always."""

import json
import logging
from typing import Any

from aiohttp import ClientError
import pytest

from custom_components.octoprint_tunnel.coordinator import PrinterCoordinator, TunnelCoordinator
from custom_components.octoprint_tunnel.detection import DetectionCoordinator
from custom_components.octoprint_tunnel.polling import POLL_LOGGER

from .home import Home, log_lines

COORDINATORS = {"tunnel": TunnelCoordinator, "printer": PrinterCoordinator, "detection": DetectionCoordinator}


@pytest.mark.parametrize("which", COORDINATORS)
@pytest.mark.parametrize("error", [TimeoutError(), ClientError("odd"), ValueError("odd")])
@pytest.mark.parametrize("is_failing", [False, True], ids=["while all is well", "in an outage"])
async def test_unexpected_error_reaches_the_log(
    home: Home,
    caplog: pytest.LogCaptureFixture,
    monkeypatch: pytest.MonkeyPatch,
    which: str,
    error: Exception,
    is_failing: bool,
) -> None:
    """Home Assistant logs it once, and its end as well."""

    async def fetch(_self: object) -> None:
        raise error

    coordinator = getattr(home.runtime, which)
    if is_failing and which != "detection":
        home.relay.fail("octoeverywhere_api", 600)
        home.relay.fail("octoeverywhere_tunnel", 600)
        await coordinator.async_refresh()
        home.relay.heal()
    caplog.clear()
    with monkeypatch.context() as patched:
        patched.setattr(COORDINATORS[which], "_async_fetch", fetch)
        await coordinator.async_refresh()
        if not isinstance(error, ValueError):  # Home Assistant logs any other kind each time
            await coordinator.async_refresh()
        assert not coordinator.last_update_success
    [record] = [record for record in caplog.records if record.levelno >= logging.WARNING]
    assert (record.name, record.levelno) == (POLL_LOGGER.name, logging.ERROR)
    assert coordinator.name in record.getMessage()
    caplog.clear()
    await coordinator.async_refresh()
    await home.wait(0)
    assert coordinator.last_update_success
    assert len(log_lines(caplog)) >= 1


@pytest.mark.usefixtures("all_enabled")
async def test_outage_is_one_line_and_its_end_another(home: Home, caplog: pytest.LogCaptureFixture) -> None:
    """Without the internet both coordinators fail, whichever of Home Assistant's ways begins a poll."""
    caplog.clear()
    home.relay.drop("octoeverywhere_api")
    home.relay.drop("octoeverywhere_tunnel")
    await home.wait(61)
    await home.runtime.tunnel.async_request_refresh()
    await home.wait(700, times=2)
    assert home.states("tunnel_status", "octoprint_online") == ("service_error", "unknown")
    assert home.states("printer_state", "last_connected") == ("unavailable", "unavailable")
    assert len(log_lines(caplog)) == 1
    home.relay.heal()
    await home.wait(61, times=4)
    assert home.states("tunnel_status", "printer_state") == ("ok", "offline")
    assert log_lines(caplog)[1:] == ["Kitchen: works again"]


@pytest.mark.parametrize("shape", ["1.11", "2.0"])
async def test_lists_without_end(home: Home, caplog: pytest.LogCaptureFixture, shape: str) -> None:
    """Of ports, profiles, connectors and system commands a hundred are used, which is logged once for each."""
    named = [
        {"id": f"{n}", "name": f"{n}", "connector": f"{n}", "parameters": {}, "action": f"{n}"} for n in range(500)
    ]
    options: dict[str, Any] = {"connectors": named, "profiles": named}
    if shape == "1.11":
        options = {"ports": [f"/{n}" for n in range(500)], "baudrates": list(range(500)), "printerProfiles": named}
    body = {"current": {"state": "Offline"}, "options": options}
    for path, response in (("/api/connection", body), ("/api/system/commands", {"core": named})):
        home.relay.fail("octoeverywhere_tunnel", 200, json.dumps(response), content_type="application/json", path=path)
    caplog.clear()
    await home.wait(61, times=16)  # the connection is read as a whole every 15 minutes
    printer = home.runtime.printer.data
    found = printer.connection.options
    assert printer.system_commands is not None
    assert len(found.connectors or found.ports) == len(found.profiles) == len(printer.system_commands) == 100
    assert sorted(log_lines(caplog)) == sorted(
        f"Kitchen: of 500 {name} only the first 100 are used" for name in (*options, "core")
    )
