"""Updates of OctoPrint and the service's plugin, with OctoPrint's real Software Update plugin."""

from collections.abc import Callable, Iterator
import json
from pathlib import Path
from typing import Any

import pytest
from pytest_homeassistant_custom_component.components.diagnostics import get_diagnostics_for_config_entry
from pytest_homeassistant_custom_component.typing import ClientSessionGenerator

from custom_components.octoprint_tunnel.api.transport.router import Way
from custom_components.octoprint_tunnel.const import DOMAIN
from custom_components.octoprint_tunnel.updates import UpdatesCoordinator
from homeassistant.const import ATTR_ENTITY_ID
from homeassistant.data_entry_flow import FlowResultType
from homeassistant.exceptions import HomeAssistantError, ServiceValidationError
from homeassistant.helpers import issue_registry as ir
from homeassistant.setup import async_setup_component

from .bodies import UPDATES
from .home import Home, entities, log_lines, settle, until
from .octoprint import printing, software
from .octoprint.server import OctoPrintServer
from .octoprint.software import NEW, OLD

pytestmark = pytest.mark.long

BOTH_VERSIONS = pytest.mark.parametrize("octoprint_version", ["1.11", "2.0"])
BOTH_TUNNELS = pytest.mark.parametrize("provider", ["octoeverywhere", "obico"])

START = UpdatesCoordinator.async_start
CHECK, INSTALL = "/plugin/softwareupdate/check", "/plugin/softwareupdate/update"
DAY = 24 * 3600
FOLLOW = 31  # seconds between two readings of an installation


@pytest.fixture(scope="module")
def servers(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callable[[str], tuple[OctoPrintServer, Path]]]:
    """Start each version of OctoPrint with the Software Update plugin at its first use."""
    started: dict[str, tuple[OctoPrintServer, Path]] = {}

    def get(version: str) -> tuple[OctoPrintServer, Path]:
        if not OctoPrintServer.installed(version):
            pytest.skip(f"OctoPrint {version} is not installed here (no Python that it runs on)")
        if version not in started:
            folder = tmp_path_factory.mktemp("software")
            started[version] = software.server(version, folder), folder
        started[version][0].start()
        return started[version]

    yield get
    for server, _ in started.values():
        server.close()


@pytest.fixture(autouse=True)
def _at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Check for updates at once after a start."""

    def check(updates: UpdatesCoordinator) -> None:
        if updates._listeners:
            updates._async_refresh_soon()

    monkeypatch.setattr(UpdatesCoordinator, "async_start", check)


@pytest.fixture
def folder(
    octoprint_version: str, servers: Callable[[str], tuple[OctoPrintServer, Path]], socket_enabled: None
) -> Path:
    """Return the folder with what OctoPrint finds and installs; both components have an update."""
    _, folder = servers(octoprint_version)
    software.reset(folder)
    return folder


@pytest.fixture
def octoprint(
    octoprint_version: str,
    servers: Callable[[str], tuple[OctoPrintServer, Path]],
    folder: Path,
    socket_enabled: None,
) -> OctoPrintServer:
    """Return a running OctoPrint with the Software Update plugin, not connected to its printer."""
    server, _ = servers(octoprint_version)
    server.request("POST", "/api/connection", {"command": "disconnect"})
    return server


async def install(home: Home, key: str) -> None:
    """Press the button *Install* of an update."""
    target = {ATTR_ENTITY_ID: entities(home.hass, home.entry)[key]}
    await home.hass.services.async_call("update", "install", target, blocking=True)
    await settle(home.hass)


def shown(home: Home, key: str) -> tuple[Any, ...]:
    """Return an update's state, its versions, and whether it is being installed."""
    state = home.state(key)
    return state.state, *(state.attributes.get(n) for n in ("installed_version", "latest_version", "in_progress"))


async def restarted(home: Home, folder: Path) -> None:
    """Wait until OctoPrint wants to restart, restart it, and let Home Assistant notice both."""
    await home.in_octoprint(software.wait_for_restart, folder)
    await home.wait(FOLLOW)
    await home.in_octoprint(software.restart, folder)
    await home.wait(FOLLOW, times=3)


async def diagnosed(home: Home, hass_client: ClientSessionGenerator) -> Any:
    """Return what the diagnostics say of updates."""
    assert await async_setup_component(home.hass, "diagnostics", {})
    return (await get_diagnostics_for_config_entry(home.hass, hass_client, home.entry))["updates"]


# The check


@BOTH_VERSIONS
@BOTH_TUNNELS
async def test_updates_are_shown(home: Home, hass_client: ClientSessionGenerator) -> None:
    """Soon after the set-up, which does not wait for the check, and checked once a day."""
    version = json.loads(home.octoprint.request("GET", "/api/version")[1])["server"]
    assert shown(home, "octoprint_update") == ("on", version, NEW, False)
    assert shown(home, "plugin_update") == ("on", OLD, NEW, False)
    provider = home.entry.data["provider"]
    assert home.state("plugin_update").attributes["title"] == software.NAMES[provider]
    [request] = home.relay.seen(home.tunnel, path=CHECK)
    assert request.query == {"targets": f"octoprint,{provider}"}
    plugin = {"installed": OLD, "latest": NEW, "is_available": True, "is_possible": True}
    assert (await diagnosed(home, hass_client))["plugin"] == plugin
    await home.wait(3600, times=22)
    assert len(home.relay.seen(home.tunnel, path=CHECK)) == 1
    await home.wait(3600, times=2)
    assert len(home.relay.seen(home.tunnel, path=CHECK)) == 2


async def test_the_check_comes_after_the_set_up(new_home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    """It would slow the start of Home Assistant down."""
    monkeypatch.setattr(UpdatesCoordinator, "async_start", START)
    await new_home.set_up()
    assert new_home.state("octoprint_update").state == "unavailable"
    assert not new_home.relay.seen(path=CHECK)
    await new_home.wait(1201)
    assert new_home.state("octoprint_update").state == "on"


@BOTH_VERSIONS
async def test_the_response_is_small(home: Home) -> None:
    """Only the two components are asked for; the others of an OctoPrint have some 600 bytes each."""
    before = home.runtime.printer.router.traffic[Way.TUNNEL].bytes_received
    await home.runtime.updates.async_refresh()
    assert home.runtime.printer.router.traffic[Way.TUNNEL].bytes_received - before < 2500


async def test_no_check_during_a_print(new_home: Home) -> None:
    """It takes OctoPrint some seconds, and no update can be installed then."""
    await new_home.in_octoprint(printing.connect)
    await new_home.in_octoprint(printing.start)
    await new_home.set_up()
    await new_home.wait(601, times=2)
    assert new_home.state("printing").state == "on"
    assert not new_home.relay.seen(new_home.tunnel, path=CHECK)
    await new_home.press("cancel")
    await new_home.in_octoprint(printing.wait_for, "Operational")
    await new_home.refresh()
    await new_home.wait(601)
    assert new_home.state("octoprint_update").state == "on"


async def test_no_check_while_octoprint_is_off(new_home: Home) -> None:
    """The check comes soon after OctoPrint."""
    new_home.relay.fail("octoeverywhere_tunnel", 601)
    await new_home.set_up()
    await new_home.wait(601, times=2)
    assert not new_home.relay.seen("octoeverywhere_tunnel", path=CHECK)
    new_home.relay.heal()
    await new_home.wait(601, times=2)
    assert new_home.state("plugin_update").state == "on"


@pytest.mark.parametrize(
    ("status", "body", "error", "hours"),
    [
        (404, "", "unexpected_status 404", 24),
        (500, "", "unexpected_status 500", 24),
        (200, "[]", "invalid_response not a JSON object", 24),
        (602, "", "timed_out 602", 1),
    ],
)
async def test_failed_check(
    new_home: Home,
    hass_client: ClientSessionGenerator,
    caplog: pytest.LogCaptureFixture,
    status: int,
    body: str,
    error: str,
    hours: int,
) -> None:
    """It is no outage: diagnostics say why, the log does not, and the next check is not soon."""
    new_home.relay.fail("octoeverywhere_tunnel", status, body, path=CHECK)
    await new_home.set_up()
    assert new_home.states("octoprint_update", "plugin_update", "printer_state") == (
        *("unavailable", "unavailable"),
        "offline",
    )
    assert (await diagnosed(new_home, hass_client))["error"] == error
    assert new_home.state("tunnel_status").state == "ok"
    assert not log_lines(caplog)
    new_home.relay.clear()
    await new_home.wait(1800, times=2 * hours - 1)
    assert not new_home.relay.seen("octoeverywhere_tunnel", path=CHECK)
    new_home.relay.heal()
    await new_home.wait(1800, times=2)
    assert new_home.state("octoprint_update").state == "on"
    assert not log_lines(caplog)


@BOTH_VERSIONS
async def test_key_without_the_permission(
    new_home: Home, hass_client: ClientSessionGenerator, caplog: pytest.LogCaptureFixture
) -> None:
    """The entities are unavailable, and the diagnostics name the permission."""
    data = {**new_home.entry.data, "api_key": new_home.octoprint.limited_api_key}
    new_home.entry.add_to_hass(new_home.hass)
    new_home.hass.config_entries.async_update_entry(new_home.entry, data=data)
    await new_home.set_up()
    assert new_home.states("octoprint_update", "plugin_update") == ("unavailable", "unavailable")
    error = (await diagnosed(new_home, hass_client))["error"]
    assert error == "permission_missing 403 PLUGIN_SOFTWAREUPDATE_CHECK"
    assert not log_lines(caplog)


async def test_known_updates_stay_while_a_check_fails(home: Home) -> None:
    """A time-out of one day says nothing about the versions."""
    home.relay.fail("octoeverywhere_tunnel", 602, path=CHECK)
    await home.wait(DAY)
    assert home.state("plugin_update").state == "on"
    home.relay.fail("octoeverywhere_tunnel", 601)
    await home.wait(61)
    assert home.state("plugin_update").state == "unavailable"


async def test_another_version_is_noticed(home: Home) -> None:
    """OctoPrint was updated in another way: it is checked again when it is back."""
    home.relay.fail("octoeverywhere_tunnel", 601)
    await home.wait(61)
    (update := json.loads(json.dumps(UPDATES)))["information"]["octoprint"]["displayVersion"] = "9.0.0"
    home.relay.heal()
    body = {"server": "9.0.0", "api": "0.1", "text": "OctoPrint 9.0.0"}
    for path, response in (("/api/version", body), (CHECK, update)):
        home.relay.fail("octoeverywhere_tunnel", 200, json.dumps(response), path=path, content_type="application/json")
    await home.wait(61, times=2)
    assert home.state("octoprint_update").attributes["installed_version"] == "9.0.0"


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        ({}, ("on", "1.11.8", "2.0.0")),
        ({"disabled": True}, ("off", "1.11.8", "1.11.8")),
        ({"updateAvailable": False}, ("off", "1.11.8", "1.11.8")),
        ({"information": {"remote": {"value": "?"}}}, ("unknown", "1.11.8", None)),
        ({"information": {"remote": {"name": "2.0"}}}, ("on", "1.11.8", "2.0")),
        ({"displayVersion": None}, ("unknown", None, "2.0.0")),
    ],
)
async def test_what_octoprint_reports(home: Home, change: dict[str, Any], expected: tuple[Any, ...]) -> None:
    """OctoPrint decides whether there is an update; unknown is what it could not find out."""
    response = json.loads(json.dumps(UPDATES))
    response["information"]["octoprint"].update(change)
    home.relay.fail("octoeverywhere_tunnel", 200, json.dumps(response), path=CHECK, content_type="application/json")
    await home.runtime.updates.async_refresh()
    assert shown(home, "octoprint_update")[:3] == expected
    url = home.state("octoprint_update").attributes["release_url"]
    assert url == "https://github.com/OctoPrint/OctoPrint/releases/tag/2.0.0"


async def test_an_unsafe_page_is_not_linked(home: Home) -> None:
    """Only an address of the web is one of release notes."""
    response = json.loads(json.dumps(UPDATES))
    for page in ("javascript:alert(1)", "https://user:password@evil.example/", "x" * 5000, 5):
        response["information"]["octoprint"]["releaseNotes"] = page
        home.relay.heal()
        home.relay.fail("octoeverywhere_tunnel", 200, json.dumps(response), path=CHECK, content_type="application/json")
        await home.runtime.updates.async_refresh()
        assert home.state("octoprint_update").attributes["release_url"] is None


async def test_a_disabled_plugin_does_not_end_the_local_network(new_home: Home) -> None:
    """Its 404 is OctoPrint's own: requests stay local."""
    new_home.relay.fail("local", 404, path=CHECK)
    await new_home.set_up(local_url=new_home.relay.local.url)
    assert new_home.relay.seen("local", path=CHECK)
    assert not new_home.relay.seen("tunnel")
    assert new_home.state("active_route").state == "local"


# The installation


@BOTH_VERSIONS
@BOTH_TUNNELS
@pytest.mark.parametrize("key", ["octoprint_update", "plugin_update"])
async def test_installation(home: Home, folder: Path, caplog: pytest.LogCaptureFixture, key: str) -> None:
    """It is in progress until OctoPrint is back with it, and then checked daily again."""
    version = shown(home, key)[1]
    await install(home, key)
    assert shown(home, key) == ("on", version, NEW, True)
    other = "plugin_update" if key == "octoprint_update" else "octoprint_update"
    assert home.state(other).attributes["in_progress"] is False
    await home.in_octoprint(software.wait_for_restart, folder)
    home.octoprint.stop()
    await home.wait(FOLLOW, times=3)
    assert shown(home, key) == ("on", version, NEW, True)
    assert home.state(other).state == "unavailable"
    await home.in_octoprint(software.restart, folder)
    await home.wait(61, times=3)
    assert shown(home, key)[0] == "off"
    assert shown(home, key)[3] is False
    assert home.state(other).state == "on"
    assert shown(home, "plugin_update")[1] == (NEW if key == "plugin_update" else OLD)
    assert not [line for line in log_lines(caplog) if "update of" in line]
    home.relay.clear()
    await home.wait(3600, times=20)
    assert not home.relay.seen(home.tunnel, path=CHECK)


async def test_installation_over_the_local_network(new_home: Home, folder: Path) -> None:
    """It costs no data of the tunnel."""
    await new_home.set_up(local_url=new_home.relay.local.url)
    await install(new_home, "plugin_update")
    await restarted(new_home, folder)
    assert shown(new_home, "plugin_update") == ("off", NEW, NEW, False)
    assert not [request for request in new_home.relay.seen("tunnel") if "softwareupdate" in request.path]


@BOTH_VERSIONS
async def test_failed_installation(home: Home, folder: Path, caplog: pytest.LogCaptureFixture) -> None:
    """The update stays, and one line in the log says so."""
    software.reset(folder, "exit 1\n")
    await install(home, "plugin_update")
    await home.in_octoprint(software.wait_until_installed)
    await home.wait(FOLLOW, times=12)
    assert shown(home, "plugin_update") == ("on", OLD, NEW, False)
    [line] = log_lines(caplog)
    assert "the update of octoeverywhere" in line


async def test_endless_installation(home: Home, folder: Path, caplog: pytest.LogCaptureFixture) -> None:
    """It is given up after half an hour."""
    body = json.dumps({**UPDATES, "status": "inProgress"})
    home.relay.fail("octoeverywhere_tunnel", 200, body, path=CHECK, content_type="application/json")
    await install(home, "plugin_update")
    await home.wait(60, times=29)
    assert home.state("plugin_update").attributes["in_progress"] is True
    await home.wait(60, times=3)
    assert home.state("plugin_update").attributes["in_progress"] is False
    assert len([line for line in log_lines(caplog) if "update of" in line]) == 1


@BOTH_VERSIONS
async def test_no_installation_during_a_print(home: Home) -> None:
    """OctoPrint would restart. It does not install it after the print either."""
    await home.in_octoprint(printing.connect)
    await home.in_octoprint(printing.start)
    with pytest.raises(ServiceValidationError) as raised:
        await install(home, "octoprint_update")
    assert raised.value.translation_key == "print_in_progress"
    assert not home.relay.seen(home.tunnel, path=INSTALL)
    idle = json.dumps({"job": {}, "progress": {}, "state": "Operational"})
    home.relay.fail("octoeverywhere_tunnel", 200, idle, path="/api/job", content_type="application/json")
    with pytest.raises(ServiceValidationError) as raised:
        await install(home, "octoprint_update")
    assert raised.value.translation_key == "print_in_progress"
    cancel = {"command": "cancel", "targets": ["nothing"]}
    assert json.loads(home.octoprint.request("POST", f"{INSTALL}/queued", cancel)[1]) == {"queued": []}
    assert home.state("octoprint_update").attributes["in_progress"] is False


async def test_one_installation_at_a_time(home: Home) -> None:
    """OctoPrint would run both at once, and one would restart it."""
    await install(home, "octoprint_update")
    with pytest.raises(ServiceValidationError) as raised:
        await install(home, "plugin_update")
    assert raised.value.translation_key == "update_in_progress"


async def test_refused_installation(home: Home) -> None:
    """OctoPrint's reason is shown."""
    reason = json.dumps({"error": "Not enough free disk space for updating"})
    home.relay.fail("octoeverywhere_tunnel", 409, reason, path=INSTALL, content_type="application/json")
    with pytest.raises(ServiceValidationError, match="free disk space"):
        await install(home, "octoprint_update")
    home.relay.heal()
    home.relay.fail("octoeverywhere_tunnel", 200, '{"order": []}', path=INSTALL, content_type="application/json")
    with pytest.raises(ServiceValidationError, match="no update of octoprint"):
        await install(home, "octoprint_update")
    home.relay.heal()
    home.relay.fail("octoeverywhere_tunnel", 403, path=INSTALL)
    with pytest.raises(HomeAssistantError, match="PLUGIN_SOFTWAREUPDATE_UPDATE"):
        await install(home, "octoprint_update")


async def test_no_button_for_what_octoprint_cannot_install(home: Home) -> None:
    """As on Windows."""
    response = json.loads(json.dumps(UPDATES))
    response["information"]["octoprint"]["updatePossible"] = False
    home.relay.fail("octoeverywhere_tunnel", 200, json.dumps(response), path=CHECK, content_type="application/json")
    await home.runtime.updates.async_refresh()
    with pytest.raises(HomeAssistantError):
        await install(home, "octoprint_update")
    assert not home.relay.seen(home.tunnel, path=INSTALL)


@BOTH_VERSIONS
async def test_update_from_octoprints_own_page(live_home: Home, folder: Path) -> None:
    """The push socket reports it: it is shown until OctoPrint is back."""
    await live_home.runtime.updates.async_refresh()
    assert shown(live_home, "plugin_update") == ("on", OLD, NEW, False)
    live_home.octoprint.request("POST", INSTALL, {"targets": ["octoeverywhere"]})
    await until(lambda: live_home.state("plugin_update").attributes["in_progress"])
    await live_home.in_octoprint(software.wait_for_restart, folder)
    await live_home.in_octoprint(software.restart, folder)
    await live_home.runtime.tunnel.async_refresh()  # which was asked when the socket ended
    await live_home.refresh()
    assert shown(live_home, "plugin_update") == ("off", NEW, NEW, False)


@BOTH_VERSIONS
async def test_failure_on_the_push_socket(live_home: Home, folder: Path, caplog: pytest.LogCaptureFixture) -> None:
    """It ends the progress at once."""
    software.reset(folder, "exit 1\n")
    await live_home.runtime.updates.async_refresh()
    await install(live_home, "plugin_update")
    await until(lambda: live_home.state("plugin_update").attributes["in_progress"] is False, 10)
    assert len([line for line in log_lines(caplog) if "update of" in line]) == 1


# The repair issue


def issue(home: Home) -> ir.IssueEntry | None:
    """Return the issue about the plugin."""
    return ir.async_get(home.hass).async_get_issue(DOMAIN, f"plugin_outdated_{home.entry.entry_id}")


async def fix(home: Home) -> Any:
    """Open the issue's dialog and confirm it; return what it shows then."""
    assert await async_setup_component(home.hass, "repairs", {})
    await settle(home.hass)
    found = issue(home)
    assert found
    assert found.is_fixable
    manager = home.hass.data["repairs"]["flow_manager"]
    dialog = await manager.async_init(DOMAIN, data={"issue_id": found.issue_id})
    assert dialog["step_id"] == "confirm"
    assert dialog["description_placeholders"]["printer"] == "Kitchen"
    result = await manager.async_configure(dialog["flow_id"], {})
    await settle(home.hass)
    return result


@BOTH_VERSIONS
@pytest.mark.parametrize("way", ["local", "tunnel"])
async def test_outdated_plugin_is_updated(new_home: Home, folder: Path, way: str) -> None:
    """Over the local network, or through a tunnel that carries requests while the service refuses its own."""
    home = new_home
    home.relay.fail("octoeverywhere_api", 610)
    await home.set_up(**({"local_url": home.relay.local.url} if way == "local" else {}))
    assert home.state("tunnel_status").state == "plugin_outdated"
    assert (await fix(home))["type"] is FlowResultType.CREATE_ENTRY
    assert issue(home) is None
    assert shown(home, "plugin_update")[3] is True
    assert {request.path.partition("?")[0] for request in home.relay.seen("tunnel")} == (
        set() if way == "local" else {CHECK, INSTALL, "/api/job"}
    )
    home.runtime.tunnel.async_update_listeners()
    await home.wait(61)
    assert issue(home) is None
    home.relay.heal()
    await restarted(home, folder)
    assert home.state("tunnel_status").state == "ok"
    assert shown(home, "plugin_update") == ("off", NEW, NEW, False)
    assert issue(home) is None


async def test_issue_returns_after_a_failed_update(new_home: Home, folder: Path) -> None:
    """The plugin is still too old."""
    software.reset(folder, "exit 1\n")
    new_home.relay.fail("octoeverywhere_api", 610)
    await new_home.set_up(local_url=new_home.relay.local.url)
    await fix(new_home)
    assert issue(new_home) is None
    await new_home.in_octoprint(software.wait_until_installed)
    await new_home.wait(FOLLOW, times=12)
    assert issue(new_home)


async def test_issue_cannot_be_fixed_from_afar(new_home: Home) -> None:
    """The tunnel itself is closed, and there is no local network; the text says what to do."""
    new_home.relay.fail("octoeverywhere_tunnel", 610)
    await new_home.set_up()
    found = issue(new_home)
    assert found
    assert (found.is_fixable, found.translation_key) == (False, "plugin_outdated")


async def test_issue_becomes_fixable_with_the_local_network(new_home: Home) -> None:
    """As soon as OctoPrint is reached there, and no longer when it is not."""
    for where in ("octoeverywhere_api", "octoeverywhere_tunnel"):
        new_home.relay.fail(where, 610)
    new_home.relay.fail("local", 503)
    await new_home.set_up(local_url=new_home.relay.local.url)
    assert await async_setup_component(new_home.hass, "repairs", {})
    result = await fix(new_home)  # the tunnel has not been tried
    assert result["errors"] == {"base": "unreachable"}
    found = issue(new_home)
    assert found
    assert not found.is_fixable
    new_home.relay.heal()
    for where in ("octoeverywhere_api", "octoeverywhere_tunnel"):
        new_home.relay.fail(where, 610)
    await new_home.wait(61, times=8)
    found = issue(new_home)
    assert found
    assert (found.is_fixable, found.translation_key) == (True, "plugin_outdated_fixable")


@pytest.mark.parametrize(
    ("path", "status", "body", "error"),
    [
        ("/api/job", 200, {"job": {}, "progress": {}, "state": "Printing"}, "print_in_progress"),
        (CHECK, 200, {"information": {}}, "no_update"),
        (CHECK, 403, {}, "permission_missing"),
        (INSTALL, 409, {"error": "throttled"}, "rejected"),
        (CHECK, 502, {}, "unreachable"),
    ],
)
async def test_dialog_shows_why_not(new_home: Home, path: str, status: int, body: dict[str, Any], error: str) -> None:
    """And lets its user try again."""
    new_home.relay.fail("octoeverywhere_api", 610)
    await new_home.set_up()
    new_home.relay.fail("octoeverywhere_tunnel", status, json.dumps(body), path=path, content_type="application/json")
    result = await fix(new_home)
    assert result["errors"] == {"base": error}
    if error == "rejected":
        assert result["description_placeholders"]["detail"] == "throttled"
    new_home.relay.heal()
    again = await new_home.hass.data["repairs"]["flow_manager"].async_configure(result["flow_id"], {})
    assert again["type"] is FlowResultType.CREATE_ENTRY
    await settle(new_home.hass)


async def test_dialog_while_the_update_is_installed(new_home: Home) -> None:
    """It was begun meanwhile: there is nothing to do."""
    new_home.relay.fail("octoeverywhere_api", 610)
    await new_home.set_up(local_url=new_home.relay.local.url)
    assert await async_setup_component(new_home.hass, "repairs", {})
    found = issue(new_home)
    assert found
    manager = new_home.hass.data["repairs"]["flow_manager"]
    dialog = await manager.async_init(DOMAIN, data={"issue_id": found.issue_id})
    await install(new_home, "plugin_update")
    assert (await manager.async_configure(dialog["flow_id"], {}))["type"] is FlowResultType.CREATE_ENTRY
    assert len(new_home.relay.seen("local", path=INSTALL)) == 1


async def test_dialog_of_a_printer_that_is_unloaded(new_home: Home) -> None:
    """Nothing is sent."""
    new_home.relay.fail("octoeverywhere_api", 610)
    await new_home.set_up()
    assert await new_home.hass.config_entries.async_unload(new_home.entry.entry_id)
    assert (await fix(new_home))["errors"] == {"base": "unreachable"}
