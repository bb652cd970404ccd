"""The local network when it is there, the tunnel when it is not."""

import asyncio
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, HTTPServer
from ipaddress import ip_address
from socket import AF_INET
from threading import Thread
import time
from typing import Any
from unittest.mock import patch

from aiohttp import ClientTimeout, connector, web
from aiohttp.abc import ResolveResult
from aiohttp.test_utils import RawTestServer
from aiohttp.tracing import Trace
from freezegun.api import FrozenDateTimeFactory
import pytest
from pytest_homeassistant_custom_component.common import MockConfigEntry
from yarl import URL

from custom_components.octoprint_tunnel.api.transport import router as routing
from custom_components.octoprint_tunnel.api.transport.addresses import private_addresses
from custom_components.octoprint_tunnel.api.transport.router import Router
from custom_components.octoprint_tunnel.const import DOMAIN
from homeassistant.config_entries import SOURCE_ZEROCONF
from homeassistant.core import HomeAssistant
from homeassistant.data_entry_flow import FlowResultType
from homeassistant.exceptions import HomeAssistantError
from homeassistant.helpers.service_info.zeroconf import ZeroconfServiceInfo

from ...home import press, settle, state, states, wait
from ...octoprint.server import OctoPrintServer
from ...relay.certificates import self_made_context
from ...relay.server import Relay

MINUTE = 61  # seconds, with what Home Assistant adds to spread polls
FOREIGN = "<root><UDN>uuid:00000000-0000-4000-8000-000000000000</UDN></root>"


async def set_up(hass: HomeAssistant, entry: MockConfigEntry, local_url: str, **options: Any) -> MockConfigEntry:
    """Set the printer up with a local address."""
    entry.add_to_hass(hass)
    hass.config_entries.async_update_entry(entry, options={"live_updates": False, "local_url": local_url, **options})
    assert await hass.config_entries.async_setup(entry.entry_id)
    await settle(hass)
    return entry


def way(hass: HomeAssistant, entry: MockConfigEntry) -> str:
    """Return the way in use, as the user sees it."""
    return state(hass, entry, "active_route").state


def keys_seen(relay: Relay, where: str) -> list[str]:
    """Return the API keys that arrived somewhere."""
    return [key for request in relay.seen(where) if (key := request.headers.get("X-Api-Key"))]


@pytest.mark.parametrize("octoprint_version", ["1.11", "2.0"])
@pytest.mark.parametrize("provider", ["octoeverywhere", "obico"])
async def test_local_is_preferred_and_costs_the_tunnel_nothing(
    hass: HomeAssistant,
    freezer: FrozenDateTimeFactory,
    relay: Relay,
    entry: MockConfigEntry,
    obico_entry: MockConfigEntry,
    provider: str,
) -> None:
    """Readings and commands go over the local network, and nothing of them over the metered line."""
    entry = await set_up(hass, entry if provider == "octoeverywhere" else obico_entry, relay.local.url)
    assert states(hass, entry, "active_route", "tunnel_status", "printer_state") == ("local", "ok", "offline")
    await press(hass, entry, "connect")
    for _ in range(600):
        if state(hass, entry, "printer_state").state == "operational":
            break
        await hass.async_add_executor_job(time.sleep, 0.1)
        await wait(hass, freezer, 20)
    assert state(hass, entry, "port").state == "VIRTUAL"
    await press(hass, entry, "disconnect")
    for _ in range(5):
        await wait(hass, freezer, MINUTE)
    assert not relay.seen("tunnel")
    assert way(hass, entry) == "local"


async def test_fail_over_within_one_poll_both_ways(
    hass: HomeAssistant, freezer: FrozenDateTimeFactory, relay: Relay, entry: MockConfigEntry
) -> None:
    """No reading is lost when the local network goes, and it is used again after two good probes."""
    await set_up(hass, entry, relay.local.url)
    relay.drop("local")
    await wait(hass, freezer, MINUTE)
    assert states(hass, entry, "active_route", "printer_state") == ("tunnel", "offline")
    relay.heal()
    relay.clear()
    await wait(hass, freezer, MINUTE)
    assert way(hass, entry) == "tunnel"
    assert [request.path for request in relay.seen("local")] == ["/plugin/discovery/discovery.xml"]
    await wait(hass, freezer, MINUTE)
    assert way(hass, entry) == "local"
    relay.clear()
    await wait(hass, freezer, MINUTE)
    assert way(hass, entry) == "local"
    assert not relay.seen("tunnel")


@pytest.mark.parametrize("trouble", ["silence", "drop", "error", "log-in page", "captive portal"])
async def test_fails_after_the_proof(
    hass: HomeAssistant, relay: Relay, entry: MockConfigEntry, monkeypatch: pytest.MonkeyPatch, trouble: str
) -> None:
    """A local network that fails between the proof and the reading loses no reading either."""
    monkeypatch.setattr(routing, "LOCAL_TIMEOUT", ClientTimeout(total=0.3))
    await set_up(hass, entry, relay.local.url)
    match trouble:
        case "silence":
            relay.delay("local", 30, path="/api/connection")
        case "drop":
            relay.drop("local", path="/api/connection")
        case "error":
            relay.fail("local", 500, path="/api/connection")
        case "log-in page":
            relay.fail("local", 302, path="/api/")
        case "captive portal":
            relay.fail("local", 200, "<html>Welcome! Please log in.</html>", path="/api/")
    await entry.runtime_data.printer.async_refresh()
    assert states(hass, entry, "active_route", "printer_state") == ("tunnel", "offline")
    assert [request.path for request in relay.seen("tunnel")] == ["/api/connection"]


async def test_one_good_probe_is_not_enough(
    hass: HomeAssistant, freezer: FrozenDateTimeFactory, relay: Relay, entry: MockConfigEntry
) -> None:
    """A local network that comes and goes is left alone until it stays."""
    await set_up(hass, entry, relay.local.url)
    relay.drop("local")
    await wait(hass, freezer, MINUTE)
    for _ in range(3):
        relay.heal()
        await wait(hass, freezer, 1900)
        assert way(hass, entry) == "tunnel"
        relay.drop("local")
        await wait(hass, freezer, MINUTE)
        assert states(hass, entry, "active_route", "printer_state") == ("tunnel", "offline")
    assert len(keys_seen(relay, "local")) == 4  # all at set-up


async def test_what_requests_meet_together_counts_once(
    hass: HomeAssistant, freezer: FrozenDateTimeFactory, relay: Relay, entry: MockConfigEntry
) -> None:
    """Readings and pictures at the same time neither put an address aside for longer nor prove it sooner."""
    await set_up(hass, entry, relay.local.url)
    octoprint = entry.runtime_data.printer.octoprint
    relay.drop("local")
    await asyncio.gather(*(octoprint.version() for _ in range(4)))
    relay.heal()
    relay.clear()
    freezer.tick(MINUTE)
    await asyncio.gather(*(octoprint.version() for _ in range(4)))
    assert {request.path for request in relay.seen("local")} == {"/plugin/discovery/discovery.xml"}
    freezer.tick(MINUTE)
    await octoprint.version()
    assert relay.seen("local", path="/api/version")


async def test_failed_address_is_tried_less_and_less(
    hass: HomeAssistant, freezer: FrozenDateTimeFactory, relay: Relay, entry: MockConfigEntry
) -> None:
    """A failed local address is tried again after 1, 2, 4 … 30 minutes."""
    relay.drop("local")
    await set_up(hass, entry, relay.local.url)
    assert way(hass, entry) == "tunnel"
    for minutes in (1, 2, 4, 8, 16, 30, 30):
        relay.clear()
        await wait(hass, freezer, minutes * 60 - 10)
        assert not relay.seen("local"), minutes
        await wait(hass, freezer, 71)
        assert relay.seen("local"), minutes


async def test_tunnel_fails_while_local_works(
    hass: HomeAssistant, freezer: FrozenDateTimeFactory, relay: Relay, entry: MockConfigEntry
) -> None:
    """The printer is read and commanded on; only the tunnel's own entities tell."""
    await set_up(hass, entry, relay.local.url)
    relay.fail("octoeverywhere_api", 605)
    relay.fail("octoeverywhere_tunnel", 605)
    for _ in range(3):
        await wait(hass, freezer, MINUTE)
        assert states(hass, entry, "active_route", "printer_state") == ("local", "offline")
    assert state(hass, entry, "tunnel_status").state == "not_supporter"
    await press(hass, entry, "disconnect")
    assert not relay.seen("tunnel")


@pytest.mark.parametrize("code", [604, 605])
@pytest.mark.parametrize("where", ["octoeverywhere_api", "octoeverywhere_tunnel"])
async def test_local_comes_back_while_the_tunnel_is_closed(
    hass: HomeAssistant, freezer: FrozenDateTimeFactory, relay: Relay, entry: MockConfigEntry, where: str, code: int
) -> None:
    """A closed tunnel keeps nobody from finding the printer on the local network again."""
    await set_up(hass, entry, relay.local.url)
    relay.fail(where, code)
    relay.drop("local")
    for _ in range(3):
        await wait(hass, freezer, MINUTE)
    assert states(hass, entry, "active_route", "printer_state") == ("none", "unavailable")
    assert len(relay.seen("tunnel")) <= 2
    relay.heal()
    relay.fail(where, code)
    for _ in range(4):
        await wait(hass, freezer, 640)
    assert states(hass, entry, "active_route", "printer_state") == ("local", "offline")


async def test_what_the_tunnel_met_before_is_forgotten(
    hass: HomeAssistant, freezer: FrozenDateTimeFactory, relay: Relay, entry: MockConfigEntry
) -> None:
    """An old failure of the tunnel is not told for ever after requests go the local way."""
    relay.drop("local")
    await set_up(hass, entry, relay.local.url)
    relay.fail("octoeverywhere_tunnel", 602)
    await wait(hass, freezer, MINUTE)
    assert states(hass, entry, "active_route", "tunnel_status") == ("none", "timed_out")
    relay.heal()
    relay.fail("octoeverywhere_tunnel", 602)
    for _ in range(4):
        await wait(hass, freezer, 640)
    assert states(hass, entry, "active_route", "tunnel_status", "octoprint_online") == ("local", "ok", "on")


# Who gets the key


@pytest.mark.parametrize(
    ("body", "status", "reason"),
    [
        (FOREIGN, 200, "is another OctoPrint"),
        ("<html>a router's page</html>", 200, "invalid_response"),
        ("", 404, "has no instance id"),
        ("", 302, "unexpected_status 302"),
        ("", 500, "unexpected_status 500"),
    ],
)
async def test_no_key_to_a_host_without_proof(
    hass: HomeAssistant,
    freezer: FrozenDateTimeFactory,
    relay: Relay,
    entry: MockConfigEntry,
    body: str,
    status: int,
    reason: str,
) -> None:
    """A host that does not show the same identity never receives the key, and the diagnostics say why."""
    relay.fail("local", status, body)
    await set_up(hass, entry, relay.local.url)
    for _ in range(4):
        await wait(hass, freezer, 1900)
    assert way(hass, entry) == "tunnel"
    assert relay.seen("local")
    assert {request.path for request in relay.seen("local")} == {"/plugin/discovery/discovery.xml"}
    assert not keys_seen(relay, "local")
    assert not [request for request in relay.seen("local") if "Authorization" in request.headers]
    [candidate] = entry.runtime_data.printer.router.candidates
    assert candidate.reason is not None
    assert candidate.reason.startswith(reason)


async def test_foreign_device_takes_over_the_address(
    hass: HomeAssistant, freezer: FrozenDateTimeFactory, relay: Relay, entry: MockConfigEntry
) -> None:
    """An address that belonged to the printer is proved again with every poll."""
    await set_up(hass, entry, relay.local.url)
    await wait(hass, freezer, MINUTE)
    assert way(hass, entry) == "local"
    relay.clear()
    relay.fail("local", 200, FOREIGN)
    for _ in range(3):
        await wait(hass, freezer, MINUTE)
        assert states(hass, entry, "active_route", "printer_state") == ("tunnel", "offline")
    assert not keys_seen(relay, "local")


class Name:
    """A host name in the local network, which can lead elsewhere at any time."""

    HOST = "octopi.example"

    def __init__(self, port: int) -> None:
        """Lead to a port of this machine."""
        self.port = port

    @contextmanager
    def known(self) -> Iterator[None]:
        """Let everybody look the name up; unlike the real one, this is asked for each connection."""
        resolve = connector.TCPConnector._resolve_host

        async def resolve_host(
            asked: connector.TCPConnector, host: str, port: int, traces: Sequence[Trace] | None = None
        ) -> list[ResolveResult]:
            if host != self.HOST:
                return await resolve(asked, host, port, traces)
            return [ResolveResult(hostname=host, host="127.0.0.1", port=self.port, family=AF_INET, proto=0, flags=0)]

        with patch.object(connector.TCPConnector, "_resolve_host", resolve_host):
            yield


@pytest.mark.parametrize("answer", [FOREIGN, ""], ids=["another OctoPrint", "a device"])
async def test_name_that_leads_elsewhere(
    hass: HomeAssistant,
    freezer: FrozenDateTimeFactory,
    relay: Relay,
    entry: MockConfigEntry,
    octoprint: OctoPrintServer,
    answer: str,
) -> None:
    """Whoever a name leads to shows who that is before the key is sent, however long it led to OctoPrint before."""
    met: list[web.BaseRequest] = []

    async def meet(request: web.BaseRequest) -> web.Response:
        met.append(request)
        return web.Response(text=answer, status=200 if answer else 404)

    home = int(URL(octoprint.url).port or 0)
    name = Name(home)
    async with RawTestServer(meet) as stranger:
        with name.known():
            await set_up(hass, entry, f"http://{Name.HOST}")
            await wait(hass, freezer, MINUTE)
            assert way(hass, entry) == "local"
            name.port = int(stranger.port or 0)
            for _ in range(3):
                await wait(hass, freezer, MINUTE)
                assert states(hass, entry, "active_route", "printer_state") == ("tunnel", "offline")
            name.port = home
            for _ in range(3):
                await wait(hass, freezer, 300)
            assert way(hass, entry) == "local"
    assert {request.path for request in met} == {"/plugin/discovery/discovery.xml"}
    assert not [request for request in met if {"X-Api-Key", "Authorization"} & set(request.headers)]


async def test_printer_without_identity_stays_on_the_tunnel(
    hass: HomeAssistant, relay: Relay, entry: MockConfigEntry
) -> None:
    """Without an identity to compare with there is no proof."""
    entry.add_to_hass(hass)
    data = {name: value for name, value in entry.data.items() if name != "instance_uuid"}
    hass.config_entries.async_update_entry(entry, data=data, options={**entry.options, "local_url": relay.local.url})
    assert await hass.config_entries.async_setup(entry.entry_id)
    await settle(hass)
    assert way(hass, entry) == "tunnel"
    assert not relay.seen("local")


# Commands


@pytest.mark.parametrize("trouble", ["silence", "drop", "rejection"])
async def test_commands_are_sent_once(
    hass: HomeAssistant, relay: Relay, entry: MockConfigEntry, monkeypatch: pytest.MonkeyPatch, trouble: str
) -> None:
    """Not knowing whether a command arrived is no reason to send it again, the same way or another."""
    monkeypatch.setattr(routing, "LOCAL_TIMEOUT", ClientTimeout(total=0.3))
    await set_up(hass, entry, relay.local.url)
    relay.clear()
    match trouble:
        case "silence":
            relay.delay("local", 30, path="/api/connection", times=1)
        case "drop":
            relay.drop("local", path="/api/connection", times=1)
        case "rejection":
            relay.fail("local", 409, path="/api/connection", times=1)
    with pytest.raises(HomeAssistantError):
        await press(hass, entry, "disconnect")
    posts = [request for request in relay.requests if request.method == "POST"]
    assert [request.service for request in posts] == ["local"]


async def test_command_goes_through_the_tunnel_when_local_is_gone(
    hass: HomeAssistant, relay: Relay, entry: MockConfigEntry
) -> None:
    """The proof before the command finds out that the local network is gone."""
    await set_up(hass, entry, relay.local.url)
    # The proof of a moment ago still counts, so let it be refused where the command is.
    entry.runtime_data.printer.router.candidates[0].verified_at = None
    relay.drop("local")
    await press(hass, entry, "disconnect")
    assert [request.service for request in relay.requests if request.method == "POST"] == ["octoeverywhere_tunnel"]


# Addresses


@pytest.mark.parametrize(
    ("host", "addresses"),
    [
        ("192.168.1.7", ["http://192.168.1.7", "http://192.168.1.7:5000"]),
        ("10.0.0.1", ["http://10.0.0.1", "http://10.0.0.1:5000"]),
        ("172.31.255.1", ["http://172.31.255.1", "http://172.31.255.1:5000"]),
        ("fd00::1", ["http://[fd00::1]", "http://[fd00::1]:5000"]),
        ("172.32.0.1", []),
        ("8.8.8.8", []),
        ("127.0.0.1", []),
        ("0.0.0.0", []),
        ("::1", []),
        ("::ffff:8.8.8.8", []),
        ("octopi.local", []),
        ("192.168.1.7:80", []),
        ("192.168.1.7@example.com", []),
        ("", []),
        (None, []),
    ],
)
def test_only_private_addresses_of_the_service_are_tried(host: str | None, addresses: list[str]) -> None:
    """What a service told is only tried on a private network."""
    assert private_addresses(host) == [URL(address) for address in addresses]


async def test_address_of_the_service_changes(
    hass: HomeAssistant,
    freezer: FrozenDateTimeFactory,
    relay: Relay,
    loaded: MockConfigEntry,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The address that the service tells now is the one that is tried."""
    told: list[str | None] = []

    def remember(host: str | None) -> list[URL]:
        told.append(host)
        return [URL(relay.local.url)] if host == "192.168.7.2" else []

    monkeypatch.setattr("custom_components.octoprint_tunnel.coordinator.private_addresses", remember)
    await wait(hass, freezer, MINUTE)
    assert (told[-1], way(hass, loaded)) == ("203.0.113.20", "tunnel")
    relay.octoeverywhere.connections[0].info = {"PrinterLocalIp": "192.168.7.2"}
    await wait(hass, freezer, MINUTE)
    await wait(hass, freezer, MINUTE)
    assert (told[-1], way(hass, loaded)) == ("192.168.7.2", "local")


async def test_certificate_of_ones_own(hass: HomeAssistant, relay: Relay, entry: MockConfigEntry) -> None:
    """A certificate that nobody vouches for is taken where the user said so."""
    await set_up(hass, entry, relay.local.tls_url, verify_ssl=False)
    assert way(hass, entry) == "local"


async def test_certificate_that_nobody_vouches_for(hass: HomeAssistant, relay: Relay, entry: MockConfigEntry) -> None:
    """Unless the user said so, nothing is sent to who cannot prove the address."""
    # In a thread of its own: a handshake that the client ends is an error in the server's event loop.
    server = HTTPServer(("127.0.0.1", 0), BaseHTTPRequestHandler)
    server.socket = self_made_context().wrap_socket(server.socket, server_side=True)
    thread = Thread(target=server.handle_request)
    thread.start()
    await set_up(hass, entry, f"https://127.0.0.1:{server.server_port}")
    await hass.async_add_executor_job(thread.join)
    server.server_close()
    assert way(hass, entry) == "tunnel"
    [candidate] = entry.runtime_data.printer.router.candidates
    assert candidate.reason == "cannot_connect ClientConnectorCertificateError"


async def test_path_before_octoprints_own(hass: HomeAssistant, relay: Relay, entry: MockConfigEntry) -> None:
    """OctoPrint behind a proxy may have a path of its own."""
    await set_up(hass, entry, relay.local.prefixed_url)
    assert way(hass, entry) == "local"
    assert all(request.path.startswith("/octoprint/") for request in relay.seen("local"))


def seen_on_the_network(uuid: str, host: str, **properties: str) -> ZeroconfServiceInfo:
    """Return what an OctoPrint announces."""
    return ZeroconfServiceInfo(
        ip_address=ip_address(host),
        ip_addresses=[ip_address(host)],
        hostname="octopi.local.",
        name='OctoPrint instance "x"._octoprint._tcp.local.',
        port=5001,
        type="_octoprint._tcp.local.",
        properties={"uuid": uuid, **properties},
    )


@pytest.mark.parametrize(
    ("host", "path", "noted"),
    [
        ("192.168.9.9", "/", "http://192.168.9.9:5001"),
        ("192.168.9.9", "/octoprint/", "http://192.168.9.9:5001/octoprint"),
        ("8.8.8.8", "/", None),
    ],
)
async def test_seen_on_the_network(
    hass: HomeAssistant, octoprint: OctoPrintServer, entry: MockConfigEntry, host: str, path: str, noted: str | None
) -> None:
    """A printer that is set up is found at its new address; nothing else is offered."""
    entry.add_to_hass(hass)
    info = seen_on_the_network(octoprint.uuid.upper(), host, path=path)
    result = await hass.config_entries.flow.async_init(DOMAIN, context={"source": SOURCE_ZEROCONF}, data=info)
    assert (result["type"], result["reason"]) == (FlowResultType.ABORT, "nothing_to_set_up")
    assert entry.data.get("discovered_url") == noted


async def test_other_octoprints_on_the_network_start_nothing(
    hass: HomeAssistant, relay: Relay, entry: MockConfigEntry
) -> None:
    """An OctoPrint that is not set up is not this integration's business."""
    entry.add_to_hass(hass)
    before = dict(entry.data)
    for properties in ({"uuid": "00000000-0000-4000-8000-000000000000"}, {"uuid": ""}):
        info = seen_on_the_network(properties["uuid"], "192.168.9.9")
        result = await hass.config_entries.flow.async_init(DOMAIN, context={"source": SOURCE_ZEROCONF}, data=info)
        assert result["type"] is FlowResultType.ABORT
    assert not hass.config_entries.flow.async_progress()
    assert entry.data == before
    assert not relay.requests


async def test_discovered_address_is_used(
    hass: HomeAssistant, freezer: FrozenDateTimeFactory, relay: Relay, loaded: MockConfigEntry
) -> None:
    """An address seen while the printer runs is tried with the next poll."""
    hass.config_entries.async_update_entry(loaded, data={**loaded.data, "discovered_url": relay.local.url})
    await wait(hass, freezer, MINUTE)
    assert way(hass, loaded) == "local"


@pytest.mark.parametrize("works", [True, False])
async def test_announced_address_displaces_none_that_works(
    hass: HomeAssistant,
    freezer: FrozenDateTimeFactory,
    relay: Relay,
    octoprint: OctoPrintServer,
    loaded: MockConfigEntry,
    works: bool,
) -> None:
    """Anybody can announce an address in the printer's name; it is taken only where the one before is no more."""
    hass.config_entries.async_update_entry(loaded, data={**loaded.data, "discovered_url": relay.local.url})
    await wait(hass, freezer, MINUTE)
    assert way(hass, loaded) == "local"
    freezer.tick(11)
    if not works:
        relay.drop("local")
    info = seen_on_the_network(octoprint.uuid, "192.168.9.9")
    await hass.config_entries.flow.async_init(DOMAIN, context={"source": SOURCE_ZEROCONF}, data=info)
    assert loaded.data["discovered_url"] == (relay.local.url if works else "http://192.168.9.9:5001")


async def test_printer_is_removed_while_its_address_is_looked_at(
    hass: HomeAssistant, entry: MockConfigEntry, octoprint: OctoPrintServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What was announced is of no use then."""

    entry.add_to_hass(hass)
    hass.config_entries.async_update_entry(entry, data={**entry.data, "discovered_url": "http://192.168.9.8"})
    assert await hass.config_entries.async_setup(entry.entry_id)
    await settle(hass)

    async def remove(_router: Router) -> None:
        await hass.config_entries.async_remove(entry.entry_id)

    monkeypatch.setattr(Router, "local_address", remove)
    info = seen_on_the_network(octoprint.uuid, "192.168.9.9")
    result = await hass.config_entries.flow.async_init(DOMAIN, context={"source": SOURCE_ZEROCONF}, data=info)
    assert result["reason"] == "nothing_to_set_up"


async def test_announced_address_is_the_last_to_be_tried(
    hass: HomeAssistant, freezer: FrozenDateTimeFactory, loaded: MockConfigEntry, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What the service says of its own printer goes before what anybody can announce."""
    monkeypatch.setattr(
        "custom_components.octoprint_tunnel.coordinator.private_addresses", lambda _: [URL("http://127.0.0.1:9")]
    )
    announced = "http://127.0.0.1:19"
    hass.config_entries.async_update_entry(loaded, data={**loaded.data, "discovered_url": announced})
    await wait(hass, freezer, MINUTE)
    tried = [str(candidate.url) for candidate in loaded.runtime_data.printer.router.candidates]
    assert tried == ["http://127.0.0.1:9", announced]


# Options


async def test_options_take_effect_at_once(hass: HomeAssistant, relay: Relay, loaded: MockConfigEntry) -> None:
    """Local access is switched on, corrected, and off again without a restart."""

    async def choose(**options: Any) -> str:
        result = await hass.config_entries.options.async_init(loaded.entry_id)
        result = await hass.config_entries.options.async_configure(result["flow_id"], {"poll_interval": 60, **options})
        await settle(hass)
        return result["type"]

    assert await choose(local_url=relay.local.url + "/") == FlowResultType.CREATE_ENTRY
    assert loaded.options["local_url"] == relay.local.url
    assert way(hass, loaded) == "local"
    assert await choose(local_url=relay.local.url, local_access=False) == FlowResultType.CREATE_ENTRY
    assert way(hass, loaded) == "tunnel"
    assert await choose(local_url="") == FlowResultType.CREATE_ENTRY
    assert "local_url" not in loaded.options
    for wrong in ("ftp://octopi", "http://user:password@octopi", "http://[", "not a url at all"):
        assert await choose(local_url=wrong) == FlowResultType.FORM
