"""The local network as the user sees it: found, used, left and returned to; and who gets the API key there."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import timedelta
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
from custom_components.octoprint_tunnel.api.transport.router import Router
from custom_components.octoprint_tunnel.api.tunnels import TUNNELS
from custom_components.octoprint_tunnel.const import DOMAIN
from homeassistant.config_entries import SOURCE_ZEROCONF, ConfigFlowResult
from homeassistant.core import HomeAssistant
from homeassistant.data_entry_flow import FlowResultType
from homeassistant.exceptions import HomeAssistantError
from homeassistant.helpers import device_registry as dr
from homeassistant.helpers.service_info.zeroconf import ZeroconfServiceInfo

from .home import press, settle, state, states, wait
from .octoprint.server import OctoPrintServer
from .relay.certificates import self_made_context
from .relay.server import Relay

MINUTE = 61  # seconds, with what Home Assistant adds to spread polls
IDENTITY = "/plugin/discovery/discovery.xml"
FOREIGN = "<root><UDN>uuid:00000000-0000-4000-8000-000000000000</UDN></root>"
PRIVATE_ADDRESSES = "custom_components.octoprint_tunnel.coordinator.private_addresses"


async def set_up(hass: HomeAssistant, entry: MockConfigEntry, local_url: str, **options: Any) -> MockConfigEntry:
    """Set the printer up with a local address."""
    entry.add_to_hass(hass)
    hass.config_entries.async_update_entry(entry, options={"live_updates": False, "local_url": local_url, **options})
    assert await hass.config_entries.async_setup(entry.entry_id)
    await settle(hass)
    return entry


def way(hass: HomeAssistant, entry: MockConfigEntry) -> str:
    """Return the way in use, as the user sees it."""
    shown: str = state(hass, entry, "active_route").state
    return shown


@pytest.mark.parametrize("octoprint_version", ["1.11", "2.0"])
@pytest.mark.parametrize("provider", TUNNELS)
async def test_the_local_network_is_preferred(
    hass: HomeAssistant,
    freezer: FrozenDateTimeFactory,
    relay: Relay,
    entries: dict[str, MockConfigEntry],
    provider: str,
) -> None:
    """Readings and commands cost no data of the tunnel."""
    entry = await set_up(hass, entries[provider], relay.local.url)
    assert states(hass, entry, "active_route", "tunnel_status", "printer_state") == ("local", "ok", "offline")
    await press(hass, entry, "connect")
    for _ in range(600):
        if state(hass, entry, "printer_state").state == "operational":
            break
        await hass.async_add_executor_job(time.sleep, 0.1)
        await wait(hass, freezer, 20)
    await press(hass, entry, "disconnect")
    for _ in range(5):
        await wait(hass, freezer, MINUTE)
    assert not relay.seen("tunnel")
    assert way(hass, entry) == "local"


async def test_the_tunnel_takes_over_and_hands_back(
    hass: HomeAssistant, freezer: FrozenDateTimeFactory, relay: Relay, entry: MockConfigEntry
) -> None:
    """No reading is lost, and the local network is used again after two good probes."""
    await set_up(hass, entry, relay.local.url)
    relay.drop("local")
    await wait(hass, freezer, MINUTE)
    assert states(hass, entry, "active_route", "printer_state") == ("tunnel", "offline")
    relay.heal()
    relay.clear()
    await wait(hass, freezer, MINUTE)
    assert way(hass, entry) == "tunnel"
    assert [request.path for request in relay.seen("local")] == [IDENTITY]
    await wait(hass, freezer, MINUTE)
    relay.clear()
    await wait(hass, freezer, MINUTE)
    assert way(hass, entry) == "local"
    assert not relay.seen("tunnel")


@pytest.mark.parametrize(("provider", "service"), [("octoeverywhere", "octoeverywhere_api"), ("obico", "obico_tsd")])
async def test_the_service_is_asked_rarely_while_its_tunnel_is_not_used(
    hass: HomeAssistant,
    freezer: FrozenDateTimeFactory,
    relay: Relay,
    entries: dict[str, MockConfigEntry],
    provider: str,
    service: str,
) -> None:
    """Every five minutes; and at once when requests go through the tunnel again, and as often as polls from then on."""
    entry = await set_up(hass, entries[provider], relay.local.url)
    tunnel = entry.runtime_data.tunnel
    await tunnel.async_refresh()
    assert tunnel.update_interval == timedelta(minutes=5)
    relay.clear()
    for _ in range(4):
        await wait(hass, freezer, MINUTE)
    assert not relay.seen(service)
    relay.drop("local")
    await wait(hass, freezer, MINUTE)
    assert way(hass, entry) == "tunnel"
    assert relay.seen(service)
    assert tunnel.update_interval == timedelta(minutes=1)


def break_locally(relay: Relay, path: str, trouble: str) -> None:
    """Let local requests to a path fail."""
    if trouble == "silence":
        relay.delay("local", 30, path=path)
    else:
        relay.drop("local", path=path)


@pytest.mark.parametrize("trouble", ["silence", "drop"])
async def test_a_reading_that_fails_locally_is_repeated_through_the_tunnel(
    hass: HomeAssistant, relay: Relay, entry: MockConfigEntry, monkeypatch: pytest.MonkeyPatch, trouble: str
) -> None:
    """Within the same poll."""
    monkeypatch.setattr(routing, "LOCAL_TIMEOUT", ClientTimeout(total=0.3))
    await set_up(hass, entry, relay.local.url)
    break_locally(relay, "/api/job", trouble)
    await entry.runtime_data.printer.async_refresh()
    assert states(hass, entry, "active_route", "printer_state") == ("tunnel", "offline")
    assert relay.seen("tunnel")[0].path == "/api/job"


@pytest.mark.parametrize("trouble", ["silence", "drop"])
async def test_a_command_that_fails_locally_is_not_repeated(
    hass: HomeAssistant, relay: Relay, entry: MockConfigEntry, monkeypatch: pytest.MonkeyPatch, trouble: str
) -> None:
    """It may have arrived."""
    monkeypatch.setattr(routing, "LOCAL_TIMEOUT", ClientTimeout(total=0.3))
    await set_up(hass, entry, relay.local.url)
    relay.clear()
    break_locally(relay, "/api/connection", trouble)
    [device] = dr.async_entries_for_config_entry(dr.async_get(hass), entry.entry_id)
    with pytest.raises(HomeAssistantError):  # which reads nothing before
        await hass.services.async_call(DOMAIN, "disconnect", {"device_id": device.id}, blocking=True)
    assert [request.service for request in relay.requests if request.method == "POST"] == ["local"]


async def test_a_printer_with_local_access_works_without_the_tunnel(
    hass: HomeAssistant, freezer: FrozenDateTimeFactory, relay: Relay, entry: MockConfigEntry
) -> None:
    """Only the entities of the tunnel show that it is closed."""
    await set_up(hass, entry, relay.local.url)
    relay.fail("octoeverywhere_api", 605)
    relay.fail("octoeverywhere_tunnel", 605)
    for _ in range(3):
        await wait(hass, freezer, MINUTE)
    assert states(hass, entry, "active_route", "printer_state", "tunnel_status") == (
        "local",
        "offline",
        "not_supporter",
    )
    await press(hass, entry, "connect")
    assert relay.seen("local", method="POST")
    assert not relay.seen("tunnel")


@pytest.mark.parametrize("code", [604, 605])
@pytest.mark.parametrize("where", ["octoeverywhere_api", "octoeverywhere_tunnel"])
async def test_the_local_network_is_found_again_while_the_tunnel_is_closed(
    hass: HomeAssistant, freezer: FrozenDateTimeFactory, relay: Relay, entry: MockConfigEntry, where: str, code: int
) -> None:
    """And a closed tunnel gets few requests."""
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


async def test_an_old_error_of_the_tunnel_is_forgotten(
    hass: HomeAssistant, freezer: FrozenDateTimeFactory, relay: Relay, entry: MockConfigEntry
) -> None:
    """Once requests go over the local network."""
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


# who gets the key


class HostName:
    """A host name of the local network that can lead to another port at any time."""

    HOST = "octopi.example"

    def __init__(self, port: int) -> None:
        """Lead to a port of this machine."""
        self.port = port

    @contextmanager
    def known(self) -> Iterator[None]:
        """Let every connection look the name up."""
        resolve = connector.TCPConnector._resolve_host

        async def resolve_host(
            asked: connector.TCPConnector, host: str, port: int, traces: Sequence[Trace] | None = None
        ) -> list[ResolveResult]:
            if host != self.HOST:
                return await resolve(asked, host, port, traces)
            return [ResolveResult(hostname=host, host="127.0.0.1", port=self.port, family=AF_INET, proto=0, flags=0)]

        with patch.object(connector.TCPConnector, "_resolve_host", resolve_host):
            yield


@pytest.mark.parametrize("body", [FOREIGN, ""], ids=["another OctoPrint", "another device"])
async def test_a_host_name_that_leads_to_another_device(
    hass: HomeAssistant,
    freezer: FrozenDateTimeFactory,
    relay: Relay,
    entry: MockConfigEntry,
    octoprint: OctoPrintServer,
    body: str,
) -> None:
    """The other device gets no key, although the name led to OctoPrint for long."""
    received: list[web.BaseRequest] = []

    async def receive(request: web.BaseRequest) -> web.Response:
        received.append(request)
        return web.Response(text=body, status=200 if body else 404)

    home = int(URL(octoprint.url).port or 0)
    name = HostName(home)
    async with RawTestServer(receive) as stranger:
        with name.known():
            await set_up(hass, entry, f"http://{HostName.HOST}")
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
    assert {request.path for request in received} == {IDENTITY}
    assert not [request for request in received if {"X-Api-Key", "Authorization"} & set(request.headers)]


async def test_a_printer_without_an_instance_id_stays_on_the_tunnel(
    hass: HomeAssistant, relay: Relay, entry: MockConfigEntry
) -> None:
    """A local address cannot be verified."""
    data = {name: value for name, value in entry.data.items() if name != "instance_uuid"}
    entry.add_to_hass(hass)
    hass.config_entries.async_update_entry(entry, data=data, options={**entry.options, "local_url": relay.local.url})
    assert await hass.config_entries.async_setup(entry.entry_id)
    await settle(hass)
    assert way(hass, entry) == "tunnel"
    assert not relay.seen("local")


async def test_a_self_signed_certificate_is_accepted_if_the_user_says_so(
    hass: HomeAssistant, relay: Relay, entry: MockConfigEntry
) -> None:
    """In the options."""
    await set_up(hass, entry, relay.local.tls_url, verify_ssl=False)
    assert way(hass, entry) == "local"


async def test_any_other_self_signed_certificate_is_refused(
    hass: HomeAssistant, relay: Relay, entry: MockConfigEntry
) -> None:
    """Diagnostics show why."""
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


async def test_octoprint_may_have_a_path_behind_a_proxy(
    hass: HomeAssistant, relay: Relay, entry: MockConfigEntry
) -> None:
    """Every request goes there."""
    await set_up(hass, entry, relay.local.prefixed_url)
    assert way(hass, entry) == "local"
    assert all(request.path.startswith("/octoprint/") for request in relay.seen("local"))


# where it is


async def test_the_address_that_the_service_reports_now_is_used(
    hass: HomeAssistant,
    freezer: FrozenDateTimeFactory,
    relay: Relay,
    loaded: MockConfigEntry,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """It may change."""
    reported: list[str | None] = []

    def remember(host: str | None) -> list[URL]:
        reported.append(host)
        return [URL(relay.local.url)] if host == "192.168.7.2" else []

    monkeypatch.setattr(PRIVATE_ADDRESSES, remember)
    await wait(hass, freezer, MINUTE)
    assert (reported[-1], way(hass, loaded)) == ("203.0.113.20", "tunnel")
    relay.octoeverywhere.connections[0].info = {"PrinterLocalIp": "192.168.7.2"}
    await wait(hass, freezer, MINUTE)
    await wait(hass, freezer, MINUTE)
    assert (reported[-1], way(hass, loaded)) == ("192.168.7.2", "local")


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


async def announce(hass: HomeAssistant, info: ZeroconfServiceInfo) -> ConfigFlowResult:
    """Announce an OctoPrint on the network."""
    return await hass.config_entries.flow.async_init(DOMAIN, context={"source": SOURCE_ZEROCONF}, data=info)


@pytest.mark.parametrize(
    ("host", "path", "stored"),
    [
        ("192.168.9.9", "/", "http://192.168.9.9:5001"),
        ("192.168.9.9", "/octoprint/", "http://192.168.9.9:5001/octoprint"),
        ("8.8.8.8", "/", None),
    ],
)
async def test_a_known_printer_is_found_at_its_new_address(
    hass: HomeAssistant, octoprint: OctoPrintServer, entry: MockConfigEntry, host: str, path: str, stored: str | None
) -> None:
    """If that is a private one."""
    entry.add_to_hass(hass)
    result = await announce(hass, seen_on_the_network(octoprint.uuid.upper(), host, path=path))
    assert (result["type"], result["reason"]) == (FlowResultType.ABORT, "nothing_to_set_up")
    assert entry.data.get("discovered_url") == stored


@pytest.mark.parametrize("uuid", ["00000000-0000-4000-8000-000000000000", ""])
async def test_other_octoprints_on_the_network_are_ignored(
    hass: HomeAssistant, relay: Relay, entry: MockConfigEntry, uuid: str
) -> None:
    """Nothing is offered to the user, and nothing is sent."""
    entry.add_to_hass(hass)
    before = dict(entry.data)
    assert (await announce(hass, seen_on_the_network(uuid, "192.168.9.9")))["type"] is FlowResultType.ABORT
    assert not hass.config_entries.flow.async_progress()
    assert entry.data == before
    assert not relay.requests


@pytest.mark.parametrize("works", [True, False])
async def test_an_announced_address_replaces_only_one_that_does_not_work(
    hass: HomeAssistant,
    freezer: FrozenDateTimeFactory,
    relay: Relay,
    octoprint: OctoPrintServer,
    loaded: MockConfigEntry,
    works: bool,
) -> None:
    """Any device can announce an address in the name of this printer."""
    hass.config_entries.async_update_entry(loaded, data={**loaded.data, "discovered_url": relay.local.url})
    await wait(hass, freezer, MINUTE)
    assert way(hass, loaded) == "local"
    freezer.tick(11)
    if not works:
        relay.drop("local")
    await announce(hass, seen_on_the_network(octoprint.uuid, "192.168.9.9"))
    assert loaded.data["discovered_url"] == (relay.local.url if works else "http://192.168.9.9:5001")


async def test_a_printer_may_be_removed_while_its_announced_address_is_checked(
    hass: HomeAssistant, entry: MockConfigEntry, octoprint: OctoPrintServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The announcement is ignored then."""
    entry.add_to_hass(hass)
    hass.config_entries.async_update_entry(entry, data={**entry.data, "discovered_url": "http://127.0.0.1:9"})
    assert await hass.config_entries.async_setup(entry.entry_id)
    await settle(hass)

    async def remove(_router: Router) -> None:
        await hass.config_entries.async_remove(entry.entry_id)

    monkeypatch.setattr(Router, "local_address", remove)
    result = await announce(hass, seen_on_the_network(octoprint.uuid, "192.168.9.9"))
    assert result["reason"] == "nothing_to_set_up"


async def test_an_announced_address_is_tried_last(
    hass: HomeAssistant, freezer: FrozenDateTimeFactory, loaded: MockConfigEntry, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The service knows its own printer better."""
    monkeypatch.setattr(PRIVATE_ADDRESSES, lambda _: [URL("http://127.0.0.1:9")])
    announced = "http://127.0.0.1:19"
    hass.config_entries.async_update_entry(loaded, data={**loaded.data, "discovered_url": announced})
    await wait(hass, freezer, MINUTE)
    tried = [str(candidate.url) for candidate in loaded.runtime_data.printer.router.candidates]
    assert tried == ["http://127.0.0.1:9", announced]


async def test_options_take_effect_at_once(hass: HomeAssistant, relay: Relay, loaded: MockConfigEntry) -> None:
    """Local access is enabled, corrected, and disabled without a restart."""

    async def choose(**options: Any) -> str:
        result = await hass.config_entries.options.async_init(loaded.entry_id)
        result = await hass.config_entries.options.async_configure(result["flow_id"], {"poll_interval": 60, **options})
        await settle(hass)
        return result["type"]

    assert await choose(local_url=relay.local.url + "/") == FlowResultType.CREATE_ENTRY
    assert (loaded.options["local_url"], way(hass, loaded)) == (relay.local.url, "local")
    assert await choose(local_url=relay.local.url, local_access=False) == FlowResultType.CREATE_ENTRY
    assert way(hass, loaded) == "tunnel"
    assert await choose(local_url="") == FlowResultType.CREATE_ENTRY
    assert "local_url" not in loaded.options
    for wrong in ("ftp://octopi", "http://user:password@octopi", "http://[", "not a url at all"):
        assert await choose(local_url=wrong) == FlowResultType.FORM
