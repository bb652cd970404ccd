"""Fixtures: a real OctoPrint, the relay in front of it, and Home Assistant with a printer set up."""

from collections.abc import AsyncGenerator, Callable, Iterator
from itertools import islice
import traceback
from unittest.mock import patch

from freezegun.api import FrozenDateTimeFactory
import pytest
from pytest_homeassistant_custom_component.common import MockConfigEntry
import pytest_socket

from custom_components.octoprint_tunnel import live
from custom_components.octoprint_tunnel.api.tunnels import TUNNELS
from custom_components.octoprint_tunnel.const import DOMAIN
from homeassistant.config_entries import ConfigEntryState
from homeassistant.core import HomeAssistant
from homeassistant.helpers.entity import Entity

from .home import Home, settle
from .octoprint.server import OctoPrintServer
from .relay.certificates import authority, self_made_context
from .relay.network import reach_services
from .relay.octoeverywhere import AppConnection
from .relay.printer import Printer
from .relay.server import Relay


@pytest.fixture(autouse=True)
def _custom_integrations(request: pytest.FixtureRequest) -> None:
    """Let Home Assistant load the integration, in tests that use Home Assistant."""
    if "hass" in request.fixturenames:
        request.getfixturevalue("enable_custom_integrations")


class _Unreachable(pytest_socket.SocketConnectBlockedError, OSError):
    """Turn a connection to another host, which tests must not open, into a network error."""


@pytest.fixture(autouse=True)
def _unreachable_hosts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pytest_socket, "SocketConnectBlockedError", _Unreachable)


@pytest.fixture(scope="session", autouse=True)
def _short_stacks() -> Iterator[None]:
    """Keep one frame of each stack that asyncio's debug mode records: whole stacks take half of the tests' time."""
    walk = traceback.walk_stack
    with patch.object(traceback, "walk_stack", lambda frame: islice(walk(frame), 1)):
        yield


@pytest.fixture(scope="session", autouse=True)
def _certificates() -> None:
    """Make the relay's certificates before a test freezes time."""
    authority()
    self_made_context()


@pytest.fixture(scope="session")
def octoprints() -> Iterator[Callable[[str], OctoPrintServer]]:
    """Start each version of OctoPrint at its first use, and keep it for the session."""
    servers: dict[str, OctoPrintServer] = {}

    def get(version: str) -> OctoPrintServer:
        if not OctoPrintServer.installed(version):
            pytest.skip(f"OctoPrint {version} is not installed here (no Python that it runs on)")
        if version not in servers:
            servers[version] = OctoPrintServer(version)
        servers[version].start()
        return servers[version]

    yield get
    for server in servers.values():
        server.close()


@pytest.fixture
def octoprint_version() -> str:
    """Return the version of OctoPrint; parametrize it to use others."""
    return "2.0"


@pytest.fixture
def octoprint(
    octoprint_version: str, octoprints: Callable[[str], OctoPrintServer], socket_enabled: None
) -> OctoPrintServer:
    """Return a running OctoPrint that is not connected to its printer."""
    server = octoprints(octoprint_version)
    server.request("POST", "/api/connection", {"command": "disconnect"})
    return server


@pytest.fixture
def printer(octoprint: OctoPrintServer) -> Printer:
    """Return the printer as the services know it; its local address is public, so that it is never used."""
    return Printer(url=octoprint.url, name="Kitchen", api_key=octoprint.api_key, local_ip="203.0.113.20")


@pytest.fixture
async def relay(printer: Printer) -> AsyncGenerator[Relay]:
    """Stand in for the services."""
    async with Relay(printer) as relay:
        with reach_services(relay.port, relay.has_name):
            yield relay


@pytest.fixture
def connection(relay: Relay) -> AppConnection:
    """Return an App Connection to the printer."""
    return relay.octoeverywhere.add_connection()


@pytest.fixture
def entry(connection: AppConnection, octoprint: OctoPrintServer) -> MockConfigEntry:
    """Return a config entry of the printer through OctoEverywhere, polled, not yet added."""
    return MockConfigEntry(
        domain=DOMAIN,
        title="Kitchen",
        unique_id=octoprint.uuid,
        data={
            "provider": "octoeverywhere",
            "url": connection.url,
            "username": connection.user,
            "password": connection.password,
            "app_token": connection.app_token,
            "connection_id": connection.id,
            "api_key": octoprint.api_key,
            "instance_uuid": octoprint.uuid,
        },
        options={"live_updates": False},
    )


@pytest.fixture
async def obico_entry(relay: Relay, octoprint: OctoPrintServer) -> MockConfigEntry:
    """Return a config entry of the printer through Obico, polled, not yet added."""
    tunnel = await relay.obico.add_tunnel()
    return MockConfigEntry(
        domain=DOMAIN,
        title="Kitchen",
        unique_id=octoprint.uuid,
        data={
            "provider": "obico",
            "url": tunnel.url,
            "username": tunnel.user,
            "password": tunnel.password,
            "server_url": "https://app.obico.io",
            "api_key": octoprint.api_key,
            "instance_uuid": octoprint.uuid,
        },
        options={"live_updates": False},
    )


@pytest.fixture
def own_entry(relay: Relay, octoprint: OctoPrintServer) -> MockConfigEntry:
    """Return a config entry of the printer at an address of the user's own, polled, not yet added."""
    proxy = relay.own_address
    return MockConfigEntry(
        domain=DOMAIN,
        title="Kitchen",
        unique_id=octoprint.uuid,
        data={
            "provider": "own_address",
            "url": proxy.url,
            "username": proxy.user,
            "password": proxy.password,
            "headers": dict(proxy.headers),
            "verify_ssl": True,
            "api_key": octoprint.api_key,
            "instance_uuid": octoprint.uuid,
        },
        options={"live_updates": False},
    )


@pytest.fixture
async def entries(
    entry: MockConfigEntry, obico_entry: MockConfigEntry, own_entry: MockConfigEntry
) -> dict[str, MockConfigEntry]:
    """Return an entry for each service."""
    return {each.data["provider"]: each for each in (entry, obico_entry, own_entry)}


@pytest.fixture
async def loaded(hass: HomeAssistant, entry: MockConfigEntry) -> AsyncGenerator[MockConfigEntry]:
    """Set the printer up."""
    entry.add_to_hass(hass)
    assert await hass.config_entries.async_setup(entry.entry_id)
    await settle(hass)
    yield entry
    await hass.config_entries.async_unload(entry.entry_id)


@pytest.fixture(params=TUNNELS)
def chosen(request: pytest.FixtureRequest, entries: dict[str, MockConfigEntry]) -> MockConfigEntry:
    """Return an entry of each service."""
    return entries[request.param]


@pytest.fixture
def all_enabled(monkeypatch: pytest.MonkeyPatch) -> None:
    """Enable the entities that are disabled by default, too."""
    monkeypatch.setattr(Entity, "entity_registry_enabled_default", True)


@pytest.fixture
def provider() -> str:
    """Return the service; parametrize it to use others."""
    return "octoeverywhere"


@pytest.fixture
async def new_home(
    hass: HomeAssistant,
    freezer: FrozenDateTimeFactory,
    relay: Relay,
    octoprint: OctoPrintServer,
    provider: str,
    entries: dict[str, MockConfigEntry],
) -> AsyncGenerator[Home]:
    """Return Home Assistant before the printer is set up; the test moves the time."""
    chosen = entries[provider]
    yield Home(hass=hass, relay=relay, octoprint=octoprint, entry=chosen, freezer=freezer)
    await settle(hass)
    if chosen.state is ConfigEntryState.LOADED:
        await hass.config_entries.async_unload(chosen.entry_id)


@pytest.fixture
async def home(new_home: Home) -> Home:
    """Return Home Assistant with the printer; the test moves the time."""
    await new_home.set_up()
    return new_home


@pytest.fixture
async def new_live_home(
    hass: HomeAssistant,
    hurried: None,
    relay: Relay,
    octoprint: OctoPrintServer,
    provider: str,
    entries: dict[str, MockConfigEntry],
) -> AsyncGenerator[Home]:
    """Return Home Assistant with a printer that is not set up yet and has live updates on."""
    chosen = entries[provider]
    chosen.add_to_hass(hass)
    hass.config_entries.async_update_entry(chosen, options={"live_updates": True})
    yield Home(hass=hass, relay=relay, octoprint=octoprint, entry=chosen)
    await settle(hass)
    if chosen.state is ConfigEntryState.LOADED:
        await hass.config_entries.async_unload(chosen.entry_id)


@pytest.fixture
async def live_home(new_live_home: Home) -> Home:
    """Return Home Assistant with the printer and its push socket."""
    await new_live_home.listen()
    return new_live_home


@pytest.fixture
def hurried(monkeypatch: pytest.MonkeyPatch) -> None:
    """Shorten the intervals of live updates."""
    monkeypatch.setattr(live, "START_DELAY", 0)
    monkeypatch.setattr(live, "FIRST_RETRY", 0.2)
    monkeypatch.setattr(live, "READ_INTERVAL", 0.2)
