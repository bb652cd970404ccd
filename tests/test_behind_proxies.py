"""OctoPrint behind real proxies, nginx and HAProxy: the dialog, a print, and what the proxies refuse."""

from collections.abc import AsyncGenerator, Generator
from http import HTTPStatus
from pathlib import Path
import secrets
from typing import Any

import pytest
from pytest_homeassistant_custom_component.common import MockConfigEntry
from pytest_homeassistant_custom_component.components.diagnostics import get_diagnostics_for_config_entry
from pytest_homeassistant_custom_component.typing import ClientSessionGenerator

from custom_components.octoprint_tunnel import pace
from custom_components.octoprint_tunnel.const import DOMAIN
from homeassistant.config_entries import ConfigEntryState, ConfigFlowResult
from homeassistant.core import HomeAssistant
from homeassistant.data_entry_flow import FlowResultType
from homeassistant.helpers import device_registry as dr
from homeassistant.setup import async_setup_component

from .dialogs import created, ended, enter_key, error_of, is_menu, reconfigure, start, step, suggestions_of
from .home import entities, log_lines, settle, state, states, unload, until, until_state
from .octoprint import printing
from .octoprint.server import OctoPrintServer
from .proxies import KINDS, Proxy, program
from .relay.certificates import self_made_file
from .relay.server import Relay

pytestmark = pytest.mark.long

ACCESS = {"CF-Access-Client-Id": "0123456789abcdef.access", "CF-Access-Client-Secret": secrets.token_hex(32)}
LOGIN = ("tunnel-owner", secrets.token_hex(16))

BOTH_VERSIONS = pytest.mark.parametrize("octoprint_version", ["1.11", "2.0"])


@pytest.fixture(params=KINDS)
def kind(request: pytest.FixtureRequest) -> str:
    """Return each kind of proxy that is installed."""
    if program(request.param) is None:
        pytest.skip(f"{request.param} is not installed")
    return str(request.param)


@pytest.fixture
def proxy(kind: str, relay: Relay, octoprint: OctoPrintServer) -> Generator[Proxy]:
    """Return a proxy that demands a password and two headers, of HTTP requests and WebSockets alike."""
    with Proxy(kind=kind, octoprint=octoprint.url, webcam=relay.webcam.url, login=LOGIN, headers=ACCESS) as proxy:
        yield proxy


@pytest.fixture
async def behind_proxy(
    hass: HomeAssistant, hurried: None, proxy: Proxy, octoprint: OctoPrintServer
) -> AsyncGenerator[MockConfigEntry]:
    """Set the printer up through the dialog."""
    for component in ("camera", "diagnostics"):
        assert await async_setup_component(hass, component, {})
    entry: Any = await created(hass, await enter_key(hass, await enter(hass, proxy.form), octoprint.api_key))
    yield entry
    if entry.state is ConfigEntryState.LOADED:
        await unload(hass, entry)


async def enter(hass: HomeAssistant, form: dict[str, object]) -> ConfigFlowResult:
    """Enter an address in the set-up dialog."""
    result = await start(hass, "own_address")
    assert (result["type"], result["step_id"]) == (FlowResultType.FORM, "own_address")
    return await step(hass, result, form)


def without_webcam(octoprint: OctoPrintServer, **addresses: str) -> None:
    """Set OctoPrint's webcam to these addresses, or to none."""
    settings = {"snapshot": "", "stream": "", **addresses}
    status, _ = octoprint.request("POST", "/api/settings", {"plugins": {"classicwebcam": settings}})
    assert status == HTTPStatus.OK


@BOTH_VERSIONS
async def test_the_main_job(
    hass: HomeAssistant,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
    tmp_path: Path,
    relay: Relay,
    octoprint: OctoPrintServer,
    behind_proxy: MockConfigEntry,
    hass_client: ClientSessionGenerator,
) -> None:
    """Connect, live updates, a file that is uploaded and printed, and the webcam, all through the proxy."""
    monkeypatch.setattr(pace, "PRINT_INTERVAL", pace.PRINT_INTERVAL / 14)
    entry = behind_proxy
    assert entry.unique_id == octoprint.uuid
    await until(lambda: entry.runtime_data.live.since)
    assert states(hass, entry, "octoprint_online", "tunnel_status", "active_route") == ("on", "ok", "tunnel")
    brought = {"tunnel_usage", "last_connected", "print_failing", "notification", "gadget_state", "failure_probability"}
    assert not brought & entities(hass, entry).keys()

    await hass.services.async_call("button", "press", {"entity_id": entities(hass, entry)["connect"]}, blocking=True)
    await until_state(hass, entry, "operational")
    part = tmp_path / "part.gcode"
    part.write_bytes(printing.gcode(150))
    hass.config.allowlist_external_dirs = {str(tmp_path)}
    [device] = dr.async_entries_for_config_entry(dr.async_get(hass), entry.entry_id)
    data = {"device_id": device.id, "path": str(part), "print": True}
    await hass.services.async_call(DOMAIN, "upload_file", data, blocking=True)
    await until_state(hass, entry, "printing")
    await until(lambda: float(state(hass, entry, "print_progress").state) > 0)
    await hass.services.async_call("button", "press", {"entity_id": entities(hass, entry)["cancel"]}, blocking=True)
    await until_state(hass, entry, "operational")

    await hass.async_add_executor_job(
        lambda: without_webcam(
            octoprint, snapshot="http://127.0.0.1:9/?action=snapshot", stream="/webcam/?action=stream"
        )
    )
    try:
        await entry.runtime_data.webcams.async_read()
        await settle(hass)
        browser = await hass_client()
        camera = entities(hass, entry)["webcam"]
        async with browser.get(f"/api/camera_proxy/{camera}") as response:
            assert (response.status, response.content_type) == (HTTPStatus.OK, "image/jpeg")
        async with browser.get(f"/api/camera_proxy_stream/{camera}") as response:
            assert (await response.content.readany()).startswith(b"--")
            assert relay.webcam.open_streams == 1
    finally:
        await hass.async_add_executor_job(without_webcam, octoprint)
    found = str(await get_diagnostics_for_config_entry(hass, hass_client, entry))
    told = [*caplog.messages, found, *(f"{item.state} {item.attributes}" for item in hass.states.async_all())]
    assert not [text for text in told if any(secret in text for secret in (*LOGIN, *ACCESS.values()))]
    assert f":{entry.data['url'].rpartition(':')[2]}" not in found


@pytest.mark.parametrize(
    ("change", "error"),
    [
        ({"header_2": "CF-Access-Client-Secret: wrong"}, "login_redirect"),
        ({"header_1": "", "header_2": ""}, "login_redirect"),
        ({"password": "wrong"}, "access_refused"),
        ({"username": "", "password": ""}, "password_needed"),
        ({"username": ""}, "invalid_login"),
        ({"header_3": "Host: elsewhere"}, "invalid_header"),
    ],
)
async def test_credentials(
    hass: HomeAssistant, proxy: Proxy, octoprint: OctoPrintServer, change: dict[str, str], error: str
) -> None:
    """The form says what the proxy does not accept, keeps what was entered, and takes it corrected."""
    typed = {**proxy.form, **change}
    result = await enter(hass, typed)
    assert error_of(result, "own_address") == error
    assert suggestions_of(result) == typed
    result = await step(hass, result, proxy.form)
    entry = await created(hass, await enter_key(hass, result, octoprint.api_key))
    assert entry.data["headers"] == ACCESS


async def test_addresses(hass: HomeAssistant, proxy: Proxy, octoprint: OctoPrintServer) -> None:
    """A wrong path, port or scheme is told at once, in the same form."""
    host = proxy.url.rpartition("/")[0]
    result = await start(hass, "own_address")
    for address, error in (
        (host, "not_octoprint"),
        (f"{proxy.url}/login", "not_octoprint"),
        ("https://127.0.0.1:9/octoprint", "cannot_connect"),
        (proxy.url.replace("https", "http"), "not_https"),
        ("https://", "invalid_address"),
    ):
        result = await step(hass, result, {**proxy.form, "address": address})
        assert error_of(result, "own_address") == error, address
    await hass.async_add_executor_job(octoprint.stop)
    try:
        result = await step(hass, result, proxy.form)
        assert error_of(result, "own_address") == "proxy_without_octoprint"
        assert (result["description_placeholders"] or {})["code"] in ("502", "503")
    finally:
        await hass.async_add_executor_job(octoprint.start)
    assert is_menu(await step(hass, result, {**proxy.form, "address": f" {proxy.url}/?x#temp "}), "api_key")


@pytest.mark.usefixtures("relay")
async def test_without_any_credentials(hass: HomeAssistant, kind: str, octoprint: OctoPrintServer) -> None:
    """A self-signed certificate is refused, unless its check is switched off."""
    with Proxy(kind=kind, octoprint=octoprint.url, certificate=self_made_file()) as proxy:
        result = await enter(hass, proxy.form)
        assert error_of(result, "own_address") == "cannot_connect"
        result = await step(hass, result, {**proxy.form, "verify_ssl": False})
        entry = await created(hass, await enter_key(hass, result, octoprint.api_key))
        await settle(hass)
        assert entry.data.keys() >= {"url", "api_key", "instance_uuid"}
        assert not entry.data.keys() & {"username", "password", "bearer_token"}
        assert state(hass, entry, "printer_state").state == "offline"  # type: ignore[arg-type]
        await unload(hass, entry)  # type: ignore[arg-type]


async def test_credentials_that_are_no_longer_accepted(
    hass: HomeAssistant, proxy: Proxy, behind_proxy: MockConfigEntry
) -> None:
    """Home Assistant asks to sign in again: only the address is shown, and the API key is kept."""
    entry = behind_proxy
    proxy.stop()
    proxy.headers = {**ACCESS, "CF-Access-Client-Secret": secrets.token_hex(32)}
    proxy.start()
    await entry.runtime_data.printer.async_refresh()
    await settle(hass)
    assert states(hass, entry, "tunnel_status", "printer_state") == ("revoked", "unavailable")
    [flow] = hass.config_entries.flow.async_progress()
    asked = await hass.config_entries.flow.async_configure(flow["flow_id"])
    assert error_of(asked, "reauth_confirm") == "login_redirect"
    result = await step(hass, asked, {})
    assert suggestions_of(result) == {"address": proxy.url, "verify_ssl": True}
    assert await ended(hass, await step(hass, result, proxy.form)) == "reauth_successful"
    assert states(hass, entry, "tunnel_status", "printer_state") == ("ok", "offline")
    assert not hass.config_entries.flow.async_progress()


async def test_another_address_for_the_same_printer(
    hass: HomeAssistant, proxy: Proxy, behind_proxy: MockConfigEntry
) -> None:
    """Reconfiguring asks before it replaces the address, as for any new connection."""
    result = await reconfigure(hass, behind_proxy, "own_address")
    assert suggestions_of(result) == {"address": proxy.url, "verify_ssl": True}
    with Proxy(kind=proxy.kind, octoprint=proxy.octoprint) as other:
        result = await step(hass, result, other.form)
        assert result["step_id"] == "replace_known"
        assert await ended(hass, await step(hass, result, {"choice": "replace"})) == "reconfigure_successful"
        assert behind_proxy.data["url"] == other.url
        assert behind_proxy.data["headers"] == {}
        await unload(hass, behind_proxy)


async def test_octoprint_is_off_behind_it(
    hass: HomeAssistant, caplog: pytest.LogCaptureFixture, octoprint: OctoPrintServer, behind_proxy: MockConfigEntry
) -> None:
    """Its entities say so, with one line in the log, and everything recovers without the user."""
    entry = behind_proxy
    await hass.async_add_executor_job(octoprint.stop)
    try:
        await entry.runtime_data.printer.async_refresh()
        await until_state(hass, entry, "offline", "tunnel_status")
        assert states(hass, entry, "octoprint_online", "printer_state") == ("off", "unavailable")
        assert not hass.config_entries.flow.async_progress()
    finally:
        await hass.async_add_executor_job(octoprint.start)
    await entry.runtime_data.printer.async_refresh()
    await until_state(hass, entry, "offline")
    assert states(hass, entry, "octoprint_online", "tunnel_status") == ("on", "ok")
    assert [line.partition(": ")[2] for line in log_lines(caplog)][1:] == ["works again"]


@pytest.mark.usefixtures("relay")
async def test_upload_limit_of_a_proxy(hass: HomeAssistant, tmp_path: Path, octoprint: OctoPrintServer) -> None:
    """Nginx refuses more than 1 MB if it is not told otherwise; the message says what to raise."""
    if program("nginx") is None:
        pytest.skip("nginx is not installed")
    with Proxy(kind="nginx", octoprint=octoprint.url, limit="1m") as proxy:
        entry = await created(hass, await enter_key(hass, await enter(hass, proxy.form), octoprint.api_key))
        part = tmp_path / "part.gcode"
        part.write_bytes(b"M105\n" * 400_000)
        hass.config.allowlist_external_dirs = {str(tmp_path)}
        [device] = dr.async_entries_for_config_entry(dr.async_get(hass), entry.entry_id)
        with pytest.raises(Exception, match="too large for the proxy"):
            await hass.services.async_call(
                DOMAIN, "upload_file", {"device_id": device.id, "path": str(part)}, blocking=True
            )
        await unload(hass, entry)  # type: ignore[arg-type]
