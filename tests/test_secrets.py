"""Credentials are never shown or logged, and diagnostics do not identify the user."""

from datetime import UTC, datetime, timedelta
import json
import logging
from pathlib import Path
import traceback
from typing import Any

from freezegun.api import FrozenDateTimeFactory
import pytest
from pytest_homeassistant_custom_component.common import MockConfigEntry
from pytest_homeassistant_custom_component.components.diagnostics import get_diagnostics_for_config_entry
from pytest_homeassistant_custom_component.typing import ClientSessionGenerator

from custom_components.octoprint_tunnel import live
from custom_components.octoprint_tunnel.api.errors import OctoPrintTunnelError
from custom_components.octoprint_tunnel.api.tunnels import TUNNELS
from custom_components.octoprint_tunnel.const import DOMAIN
from homeassistant.components.system_health import get_info
from homeassistant.config_entries import ConfigEntryState
from homeassistant.const import CONF_WEBHOOK_ID, MATCH_ALL
from homeassistant.core import HomeAssistant
from homeassistant.data_entry_flow import FlowResultType
from homeassistant.exceptions import HomeAssistantError
from homeassistant.helpers import device_registry as dr, issue_registry as ir
from homeassistant.setup import async_setup_component

from .faults import SITE
from .home import settle, unload, until, wait
from .relay.server import Relay

SECRETS = ("username", "password", "bearer_token", "app_token", "api_key")
ALL_TUNNELS = pytest.mark.parametrize("provider", TUNNELS)


@pytest.fixture
async def set_up(hass: HomeAssistant, provider: str, entries: dict[str, MockConfigEntry]) -> MockConfigEntry:
    """Set the printer up through the service, with the log at debug level."""
    for name in (DOMAIN, f"custom_components.{DOMAIN}"):
        logging.getLogger(name).setLevel(logging.DEBUG)
    chosen = entries[provider]
    chosen.add_to_hass(hass)
    assert await hass.config_entries.async_setup(chosen.entry_id)
    await settle(hass)
    return chosen


def secrets_of(entry: MockConfigEntry) -> list[str]:
    """Return the credentials of an entry."""
    return [*(entry.data[name] for name in SECRETS if name in entry.data), *entry.data.get("headers", {}).values()]


def begin(trouble: str, relay: Relay, where: str, entry: MockConfigEntry, everything: str) -> None:
    """Let requests fail with a response that contains all credentials."""
    secrets = secrets_of(entry)
    match trouble:
        case "status":
            relay.fail(where, 655, everything)
        case "drop":
            relay.drop(where)
        case "truncate":
            relay.truncate(where, 10)
        case "garbage":
            relay.fail(where, 200, everything, content_type="application/json")
        case "redirect":
            relay.redirect(where, f"https://{secrets[0]}:{secrets[1]}@elsewhere.example/")
        case "revoked":
            relay.fail(where, 606 if entry.data["provider"] == "octoeverywhere" else 401, everything)


@ALL_TUNNELS
@pytest.mark.parametrize("trouble", ["none", "status", "drop", "truncate", "garbage", "revoked"])
async def test_log_states_and_messages(
    hass: HomeAssistant,
    freezer: FrozenDateTimeFactory,
    caplog: pytest.LogCaptureFixture,
    relay: Relay,
    set_up: MockConfigEntry,
    trouble: str,
) -> None:
    """No credential is in the debug log, a state, an attribute or an exception."""
    secrets = secrets_of(set_up)
    assert len(secrets) >= 3
    everything = " ".join(secrets)
    for where in ("octoeverywhere_api", "obico_tsd", "tunnel"):
        begin(trouble, relay, where, set_up, everything)
    await wait(hass, freezer, 61)
    texts = [record.getMessage() for record in caplog.records if record.name != "aiohttp.access"]
    texts += [f"{state.state} {state.attributes}" for state in hass.states.async_all()]
    for coordinator in (set_up.runtime_data.tunnel, set_up.runtime_data.printer):
        if coordinator.last_exception:
            texts.append("".join(traceback.format_exception(coordinator.last_exception)))
        texts += [repr(coordinator.problem), repr(coordinator.data)]
    texts.append(repr(set_up.runtime_data.tunnel.service.tunnel))
    if trouble in ("status", "drop", "revoked"):
        with pytest.raises(HomeAssistantError) as raised:
            await _command(set_up)
        texts.append("".join(traceback.format_exception(raised.value)))
    for text in texts:
        assert not [secret for secret in secrets if secret in text], text


CLOSING = {"octoeverywhere": (605, 610, 606), "obico": (481, 401), "own_address": (502, 401)}
"""Statuses that close the tunnel. The last one needs the user."""

ACTIONS: tuple[tuple[str, dict[str, Any]], ...] = (
    ("connect", {"port": "VIRTUAL"}),
    ("disconnect", {}),
    ("repair", {}),
    ("create_live_link", {}),
    ("upload_file", {"path": "/tmp/part.gcode"}),  # noqa: S108
    ("send_commands", {"commands": ["M105"]}),
)


@ALL_TUNNELS
@pytest.mark.parametrize("trouble", ["none", "status", "drop", "truncate", "garbage", "redirect", "revoked"])
async def test_messages_of_actions(
    hass: HomeAssistant,
    caplog: pytest.LogCaptureFixture,
    tmp_path: Path,
    relay: Relay,
    set_up: MockConfigEntry,
    trouble: str,
) -> None:
    """No credential is in the message or the traceback of a failed action."""
    secrets = secrets_of(set_up)
    everything = json.dumps({"message": secrets, "Status": 655, "Result": {"Url": None, "Error": secrets}})
    path = tmp_path / "part.gcode"
    path.write_text("M105")
    hass.config.allowlist_external_dirs = {str(tmp_path)}
    [device] = dr.async_entries_for_config_entry(dr.async_get(hass), set_up.entry_id)
    seen: list[str] = []
    hass.bus.async_listen(MATCH_ALL, lambda event: seen.append(f"{event.event_type} {event.data}"))
    for where in ("octoeverywhere_api", "tunnel"):
        begin(trouble, relay, where, set_up, everything)
    failures = 0
    for action, fields in ACTIONS:
        data = {"device_id": device.id, **fields, **({"path": str(path)} if "path" in fields else {})}
        try:
            await hass.services.async_call(
                DOMAIN, action, data, blocking=True, return_response=action in ("create_live_link", "upload_file")
            )
        except HomeAssistantError as error:
            failures += 1
            seen += ["".join(traceback.format_exception(error)), repr(vars(error)), str(error)]
    await settle(hass)
    assert failures >= (1 if trouble == "none" else 3)
    seen += [record.getMessage() for record in caplog.records if record.name != "aiohttp.access"]
    for text in seen:
        assert not [secret for secret in secrets if secret in text], text


@ALL_TUNNELS
async def test_dialogs_and_repairs(
    hass: HomeAssistant, caplog: pytest.LogCaptureFixture, relay: Relay, set_up: MockConfigEntry
) -> None:
    """No step of a dialog and no repair issue shows a stored credential."""
    await hass.config.async_update(internal_url="http://127.0.0.1:8123")
    secrets = secrets_of(set_up)
    seen: list[str] = []
    hass.bus.async_listen(MATCH_ALL, lambda event: seen.append(f"{event.event_type} {event.data}"))
    flows = hass.config_entries.flow
    path: list[str] = []

    async def look(result: Any, depth: int = 0) -> None:
        """Go through every menu, and through every form with nothing in it."""
        schema = result.get("data_schema")
        fields = [(key, getattr(key, "description", None)) for key in schema.schema] if schema else []
        seen.append(repr({**result, "data_schema": fields}))
        if depth < 4 and result["type"] is FlowResultType.MENU:
            for option in result["menu_options"]:
                again = await set_up.start_reconfigure_flow(hass)
                for choice in (*path, option):
                    again = await flows.async_configure(again["flow_id"], {"next_step_id": choice})
                path.append(option)
                await look(again, depth + 1)
                path.pop()
                flows.async_abort(again["flow_id"])
        elif result["type"] is FlowResultType.FORM and schema is not None and not schema.schema:
            seen.append(repr(await flows.async_configure(result["flow_id"], {})))

    result = await set_up.start_reconfigure_flow(hass)
    await look(result)
    flows.async_abort(result["flow_id"])
    result = await hass.config_entries.options.async_init(set_up.entry_id)
    await look(result)
    hass.config_entries.options.async_abort(result["flow_id"])

    provider = set_up.data["provider"]
    for code in CLOSING[provider]:
        relay.fail("tunnel", code, " ".join(secrets))
        relay.fail(SITE.get(provider, "tunnel"), code, " ".join(secrets))
        assert await hass.config_entries.async_reload(set_up.entry_id)
        await settle(hass)
        seen += [repr(issue) for issue in ir.async_get(hass).issues.values()]
        relay.heal()
    [reauth] = flows.async_progress()
    seen.append(repr(reauth))
    await look(await flows.async_configure(reauth["flow_id"]))
    flows.async_abort(reauth["flow_id"])
    assert len(seen) > 20
    seen += [record.getMessage() for record in caplog.records if record.name != "aiohttp.access"]
    for text in seen:
        assert not [secret for secret in secrets if secret in text], text


async def _command(entry: MockConfigEntry) -> None:
    """Send a command without the button, which is unavailable."""
    try:
        await entry.runtime_data.printer.async_command(lambda octoprint, _: octoprint.disconnect())
    except OctoPrintTunnelError as error:
        raise HomeAssistantError(str(error)) from error


@pytest.mark.usefixtures("hurried")
@pytest.mark.parametrize("kind", ["basic", "bearer"])
async def test_every_kind_of_credential(
    hass: HomeAssistant,
    caplog: pytest.LogCaptureFixture,
    relay: Relay,
    entry: MockConfigEntry,
    hass_client: ClientSessionGenerator,
    kind: str,
) -> None:
    """No planted credential of any kind is shown, while everything works and while nothing does."""
    for component in ("diagnostics", "system_health"):
        assert await async_setup_component(hass, component, {})
    caplog.set_level(logging.DEBUG, f"custom_components.{DOMAIN}")
    seen: list[str] = []
    hass.bus.async_listen(MATCH_ALL, lambda event: seen.append(f"{event.event_type} {event.data}"))
    planted = {"app_token": "PLANTED-token", "api_key": "PLANTED-key", CONF_WEBHOOK_ID: "PLANTED-webhook"}
    if kind == "bearer":
        planted["bearer_token"] = "PLANTED-bearer"
    else:
        planted |= {"username": "PLANTED-user", "password": "PLANTED-password"}
    kept = {name: entry.data[name] for name in ("provider", "url", "connection_id", "instance_uuid")}
    login = json.dumps({"name": "owner", "session": "PLANTED-session"})
    connection = json.dumps({"current": {"state": "Offline"}, "options": {}})
    relay.fail("octoeverywhere_tunnel", 200, login, content_type="application/json", path="/api/login")
    relay.fail("octoeverywhere_tunnel", 200, connection, content_type="application/json", path="/api/")
    relay.fail("octoeverywhere_api", 200, json.dumps({"IsOnline": True}), content_type="application/json")
    entry.add_to_hass(hass)
    hass.config_entries.async_update_entry(entry, data={**kept, **planted}, options={"live_updates": True})
    assert await hass.config_entries.async_setup(entry.entry_id)
    await settle(hass)
    for code in (200, 600, 605, 606):
        if code != 200:
            relay.heal()
            relay.fail("octoeverywhere_tunnel", code, f"{planted} {login}")
            relay.fail("octoeverywhere_api", code, f"{planted} {login}")
        for coordinator in (entry.runtime_data.tunnel, entry.runtime_data.printer):
            await coordinator.async_refresh()
            if coordinator.last_exception:
                seen.append("".join(traceback.format_exception(coordinator.last_exception)))
        if code == 200:
            await until(lambda: relay.seen("octoeverywhere_tunnel", path="/sockjs/websocket"))
        await hass.async_block_till_done()
        seen += [f"{state.state} {state.attributes}" for state in hass.states.async_all()]
        seen += [repr(issue) for issue in ir.async_get(hass).issues.values()]
        seen += [repr(flow) for flow in hass.config_entries.flow.async_progress()]
        seen.append(json.dumps(await get_diagnostics_for_config_entry(hass, hass_client, entry)))
        seen.append(str(await get_info(hass)))
    seen += [record.getMessage() for record in caplog.records if DOMAIN in record.name]
    assert any(f"/{DOMAIN}/" in text or DOMAIN in text for text in seen)
    assert not [text[text.index("PLANTED") - 80 :][:130] for text in seen if "PLANTED" in text]
    await unload(hass, entry)


@ALL_TUNNELS
async def test_diagnostics(hass: HomeAssistant, set_up: MockConfigEntry, hass_client: ClientSessionGenerator) -> None:
    """They contain no credential and do not identify the user."""
    assert await async_setup_component(hass, "diagnostics", {})
    found: Any = await get_diagnostics_for_config_entry(hass, hass_client, set_up)
    text = json.dumps(found)
    hidden = [*secrets_of(set_up), *(set_up.data.get(name) for name in ("url", "connection_id", "instance_uuid"))]
    assert not [secret for secret in hidden if secret and secret in text]
    assert "203.0.113.20" not in text
    assert "Kitchen" not in text
    assert found["traffic"]["tunnel"]["requests"] > 1
    assert (found["traffic"]["service"]["bytes_received"] > 10) is (set_up.data["provider"] in SITE)


async def test_diagnostics_while_nothing_works(
    hass: HomeAssistant, relay: Relay, entry: MockConfigEntry, hass_client: ClientSessionGenerator
) -> None:
    """They contain the errors."""
    assert await async_setup_component(hass, "diagnostics", {})
    relay.fail("octoeverywhere_api", 600)
    relay.drop("octoeverywhere_tunnel")
    entry.add_to_hass(hass)
    assert await hass.config_entries.async_setup(entry.entry_id)
    await settle(hass)
    found: Any = await get_diagnostics_for_config_entry(hass, hass_client, entry)
    assert found["tunnel"]["error"] == "service_error 600"
    assert found["tunnel"]["remedy"] == "retry"
    assert found["printer"]["error"].startswith("cannot_connect")
    assert found["printer"]["data"] is None
    assert found["traffic"]["service"]["last_error"] == "service_error 600"
    assert found["traffic"]["tunnel"]["last_error"].startswith("cannot_connect")
    met_at = datetime.fromisoformat(found["traffic"]["tunnel"]["last_error_at"])
    assert datetime.now(UTC) - met_at < timedelta(minutes=5)


SERIAL_PORT = "/dev/serial/by-id/usb-Prusa_CZPX0620X004XK12345-if00"
PERSONAL = ("CZPX0620", "smith", "Smith", "bedroom", "balcony", "secret-plan", "hunter2")


def personal_responses(shape: str) -> dict[str, Any]:
    """Return responses of OctoPrint that all identify its owner."""
    state = "Printing from /home/smith"
    profile = {"id": "smith_profile", "name": "Smith's bedroom"}
    options: dict[str, Any] = {
        "connectors": [{"connector": "smith_plugin", "name": "Smith", "parameters": {"hunter2": ["hunter2"]}}],
        "profiles": [profile],
        "preferredConnector": {"connector": "smith_plugin", "parameters": {"port": SERIAL_PORT, "hunter2": "hunter2"}},
        "preferredProfile": "smith_profile",
    }
    current: dict[str, Any] = {
        "state": state,
        "connector": "smith_plugin",
        "parameters": {"port": SERIAL_PORT},
        "profile": "smith",
    }
    if shape == "1.11":
        options = {
            "ports": [SERIAL_PORT],
            "baudrates": [115200],
            "printerProfiles": [profile],
            "portPreference": SERIAL_PORT,
            "printerProfilePreference": "smith_profile",
        }
        current = {"state": state, "port": SERIAL_PORT, "baudrate": 115200, "printerProfile": "smith_profile"}
    file = {"name": "secret-plan.gcode", "path": "smith/secret-plan.gcode", "display": "Smith's secret-plan"}
    webcams = [
        {"name": f"{name}-smith", "displayName": f"{name} of Smith", "compat": {"snapshot": "http://smith:hunter2@x/"}}
        for name in ("bedroom", "balcony")
    ]
    return {
        "/api/connection": {"current": current, "options": options},
        "/api/job": {"job": {"file": file, "user": "smith"}, "progress": {"completion": 5, "printTime": 5}},
        "/api/printer": {
            "state": {"text": state},
            "temperature": {"tool0": {"actual": 20, "target": 0}, "smith": {"actual": 20}},
        },
        "/api/settings": {"webcam": {"webcams": webcams}},
        "/api/version": {"server": "1.11.8+smith.bedroom"},
        "/api/system/commands": {"core": [{"action": "restart"}, {"action": "smith"}]},
    }


@pytest.mark.parametrize("shape", ["1.11", "2.0"])
async def test_diagnostics_do_not_identify_the_owner(
    hass: HomeAssistant, relay: Relay, entry: MockConfigEntry, hass_client: ClientSessionGenerator, shape: str
) -> None:
    """They contain no names, no paths, and no texts or parameters of OctoPrint and its plugins."""
    for component in ("camera", "diagnostics"):
        assert await async_setup_component(hass, component, {})
    for path, answer in personal_responses(shape).items():
        relay.fail("octoeverywhere_tunnel", 200, json.dumps(answer), content_type="application/json", path=path)
    info = {"PrinterName": "Smith's printer", "UserFacingPrinterUrl": "https://octoeverywhere.com/smith"}
    relay.fail("octoeverywhere_api", 200, json.dumps({"IsOnline": True, **info}), content_type="application/json")
    entry.add_to_hass(hass)
    hass.config_entries.async_update_entry(
        entry,
        title="Smith's bedroom",
        data={**entry.data, "discovered_url": "http://smith.local", "printer_name": "Smith"},
        options={"live_updates": False, "local_url": "http://127.0.0.1:9/smith", "poll_interval": 60},
    )
    assert await hass.config_entries.async_setup(entry.entry_id)
    await settle(hass)
    for _ in range(3):
        await entry.runtime_data.printer.async_refresh()
    assert entry.runtime_data.printer.data.job.path == "smith/secret-plan.gcode"
    found: Any = await get_diagnostics_for_config_entry(hass, hass_client, entry)
    assert not [word for word in (*PERSONAL, "127.0.0.1:9") if word in json.dumps(found)]
    assert found["printer"]["data"]["job"]["progress"] == 5


@ALL_TUNNELS
@pytest.mark.parametrize("where", ["/api/connection", "/api/login"])
async def test_error_texts_of_others_are_not_in_diagnostics(
    hass: HomeAssistant,
    monkeypatch: pytest.MonkeyPatch,
    relay: Relay,
    set_up: MockConfigEntry,
    hass_client: ClientSessionGenerator,
    where: str,
) -> None:
    """Nor are they in the system information."""
    for component in ("diagnostics", "system_health"):
        assert await async_setup_component(hass, component, {})
    hass.config_entries.async_update_entry(set_up, options={"live_updates": where == "/api/login"})
    monkeypatch.setattr(live, "START_DELAY", 0)
    words = json.dumps({"error": f"Smith's {set_up.data['api_key']} in the bedroom"})
    for code in (400, 418):
        relay.fail("tunnel", code, words, content_type="application/json", path=where)
        await hass.config_entries.async_reload(set_up.entry_id)
        if where == "/api/login":
            await until(lambda: set_up.runtime_data.live.failure)
        found = await get_diagnostics_for_config_entry(hass, hass_client, set_up)
        told = json.dumps(found) + str(await get_info(hass))
        assert not [word for word in ("Smith", "bedroom", set_up.data["api_key"]) if word in told]
        relay.heal()
    await unload(hass, set_up)


async def test_diagnostics_of_an_unloaded_entry(
    hass: HomeAssistant, entry: MockConfigEntry, hass_client: ClientSessionGenerator
) -> None:
    """They contain the entry only."""
    assert await async_setup_component(hass, "diagnostics", {})
    assert await async_setup_component(hass, DOMAIN, {})
    entry.add_to_hass(hass)
    for state in ("not_loaded", "loaded", "not_loaded"):
        if state == "loaded":
            assert await hass.config_entries.async_setup(entry.entry_id)
            await settle(hass)
        elif entry.state is ConfigEntryState.LOADED:
            await hass.config_entries.async_unload(entry.entry_id)
        found: Any = await get_diagnostics_for_config_entry(hass, hass_client, entry)
        assert found["entry"]["state"] == state
        assert found["entry"]["data"]["provider"] == "octoeverywhere"
        assert ("tunnel" in found) is (state == "loaded")
        assert not [secret for secret in secrets_of(entry) if secret in json.dumps(found)]
