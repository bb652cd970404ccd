"""OctoPrint's REST API: the requests, what real OctoPrints do with them, and the errors for refusals."""

import asyncio
from collections.abc import Awaitable, Callable, Iterator
from contextlib import suppress
from dataclasses import replace
from http import HTTPStatus
import json
from typing import Any, override

from aiohttp import ClientRequest, ClientSession, ClientTimeout, TCPConnector
from aiohttp.client_proto import ResponseHandler
from aiohttp.tracing import Trace
import pytest
from yarl import URL

from custom_components.octoprint_tunnel.api.errors import (
    ApiKeyRejected,
    BadGateway,
    InvalidResponse,
    NotOctoPrint,
    OctoPrintTunnelError,
    PermissionMissing,
    Rejected,
    RequestTimeout,
    UnexpectedStatus,
)
from custom_components.octoprint_tunnel.api.octoprint.client import OctoPrint, instance_uuid
from custom_components.octoprint_tunnel.api.octoprint.connection import Connection, PrinterState
from custom_components.octoprint_tunnel.api.transport.route import Route
from custom_components.octoprint_tunnel.api.transport.router import LOCAL_TIMEOUT

from ...octoprint.server import OctoPrintServer
from ...relay.octoeverywhere import AppConnection
from ...relay.server import Relay

CONNECTION = "/api/connection"
USER = "/api/currentuser"
PREFERRED = {"port": "VIRTUAL", "baudrate": 115200}

type Call = Callable[[OctoPrint], Awaitable[object]]

both_versions = pytest.mark.parametrize("octoprint_version", ["1.11", "2.0"])


async def _connect(client: OctoPrint) -> None:
    await client.connect(await client.connection(), port="VIRTUAL")


async def _repair(client: OctoPrint) -> None:
    await client.repair(await client.connection())


READERS: tuple[Call, ...] = (
    OctoPrint.instance,
    OctoPrint.version,
    OctoPrint.user,
    OctoPrint.connection,
    OctoPrint.reading,
    OctoPrint.job,
)
COMMANDS: tuple[Call, ...] = (_connect, OctoPrint.disconnect, _repair)


async def operational(client: OctoPrint) -> Connection:
    """Return the connection once it works; the virtual printer takes some 50 ms."""
    async with asyncio.timeout(20):
        while True:
            if (connection := await client.connection()).state is PrinterState.OPERATIONAL:
                return connection
            await asyncio.sleep(0.02)


def _commands(relay: Relay) -> list[Any]:
    """Return the commands that OctoPrint received."""
    return [request.json() for request in relay.seen("tunnel", method="POST", path=CONNECTION)]


# reading and commanding


@both_versions
async def test_the_printer_is_connected_and_disconnected(route: Route, octoprint: OctoPrintServer) -> None:
    """On the local network and through every tunnel."""
    client = OctoPrint(route, octoprint.api_key)
    connection = await client.connection()
    assert (connection.state, connection.port, connection.baudrate) == (PrinterState.OFFLINE, None, None)
    assert connection.has_connectors is (octoprint.version == "2.0")
    assert connection.options.profiles == {"_default": "Default"}

    await client.connect(connection, port="VIRTUAL", baudrate=115200)
    connection = await operational(client)
    assert (connection.port, connection.baudrate) == ("VIRTUAL", 115200)
    assert connection.connector == ("serial" if octoprint.version == "2.0" else None)
    assert connection.profile_name == "Default"

    await client.disconnect()
    assert (await client.connection()).state is PrinterState.OFFLINE


@both_versions
async def test_a_reading_is_smaller_than_a_connection(
    client: OctoPrint, octoprint: OctoPrintServer, relay: Relay
) -> None:
    """It is None without a printer."""
    assert await client.reading(heaters=False) is None
    await _connect(client)
    await operational(client)
    relay.clear()
    reading = await client.reading(heaters=False)
    assert reading
    assert reading.state_text == (await client.connection()).state_text == "Operational"
    small, large = relay.requests
    assert (small.path, dict(small.query)) == ("/api/printer", {"exclude": "sd,storage,temperature"})
    assert small.response_bytes < large.response_bytes


@both_versions
async def test_octoprint_identifies_itself(route: Route, octoprint: OctoPrintServer) -> None:
    """Its id without a key, its version and user with one."""
    assert await instance_uuid(route) == octoprint.uuid
    client = OctoPrint(route, octoprint.api_key)
    assert (await client.version() or "").startswith(octoprint.version)
    assert (await client.user()).name == octoprint.username
    await client.check_key()


async def test_an_octoprint_without_discovery_plugin_has_no_id(
    tunnelled: Route, client: OctoPrint, relay: Relay
) -> None:
    """That is not an error."""
    relay.fail("tunnel", 404, path="/plugin/discovery/")
    assert await client.instance() is None
    assert await instance_uuid(tunnelled) is None


@both_versions
async def test_an_address_without_octoprint(route: Route) -> None:
    """Another server, or another path, has no API either. It is not taken for an OctoPrint without that plugin."""
    with pytest.raises(NotOctoPrint):
        await OctoPrint(replace(route, base_url=route.base_url / "elsewhere")).instance()


async def test_a_version_may_be_missing(client: OctoPrint, relay: Relay) -> None:
    """That is not an error."""
    relay.fail("tunnel", 200, '{"api": "0.1"}', path="/api/version")
    assert await client.version() is None


@both_versions
async def test_every_request_has_the_same_headers(
    client: OctoPrint, octoprint: OctoPrintServer, relay: Relay, connection: AppConnection
) -> None:
    """The key, the API version, English, and the credentials of the tunnel. No credential is in a URL."""
    for call in (*READERS, OctoPrint.check_key, *COMMANDS):
        await call(client)
    assert {request.path for request in relay.requests} >= {"/plugin/discovery/discovery.xml", USER, CONNECTION}
    for request in relay.requests:
        assert request.host == connection.host
        assert request.headers["X-Api-Key"] == octoprint.api_key
        assert request.headers["X-OctoPrint-Api-Version"] == "2.0.0"
        assert request.headers["X-Locale"] == "en"
        assert request.headers["Authorization"].startswith("Basic ")
        assert "Cookie" not in request.headers
        assert octoprint.api_key not in f"{request.path} {request.query}"


@pytest.mark.parametrize("key", ["", None])
async def test_without_a_key_there_is_no_header_for_it(tunnelled: Route, relay: Relay, key: str | None) -> None:
    """An empty key would be a wrong one."""
    await OctoPrint(tunnelled, key).instance()
    assert "X-Api-Key" not in relay.requests[0].headers


# connecting


@both_versions
@pytest.mark.parametrize(
    ("given", "command"),
    [
        ({}, {}),
        ({"port": "VIRTUAL"}, {"port": "VIRTUAL"}),
        ({"port": "VIRTUAL", "baudrate": 250000}, {"port": "VIRTUAL", "baudrate": 250000}),
        (
            {"port": "VIRTUAL", "printer_profile": "_default", "save": False, "autoconnect": False},
            {"port": "VIRTUAL", "printerProfile": "_default", "save": False, "autoconnect": False},
        ),
        ({"port": "VIRTUAL", "connector": "serial"}, {"port": "VIRTUAL"}),
        (
            {"port": "VIRTUAL", "parameters": {"port": "elsewhere", "baudrate": 57600}},
            {"port": "VIRTUAL", "baudrate": 57600},
        ),
    ],
    ids=["nothing", "port", "baudrate", "profile", "connector", "parameters"],
)
async def test_a_connect_command_holds_what_was_given(
    client: OctoPrint, octoprint: OctoPrintServer, relay: Relay, given: dict[str, Any], command: dict[str, Any]
) -> None:
    """OctoPrint 2.0 needs a connector as well, by default the preferred one with its parameters."""
    await client.connect(await client.connection(), **given)
    if octoprint.version == "2.0":
        parameters = {name: command[name] for name in ("port", "baudrate") if name in command}
        command = {**command, "connector": "serial", "parameters": parameters or PREFERRED}
    assert _commands(relay) == [{"command": "connect", **command}]
    connection = await operational(client)
    assert (connection.port, connection.baudrate) == ("VIRTUAL", command.get("baudrate", 115200))


@pytest.fixture
def preferences(octoprint: OctoPrintServer) -> Iterator[None]:
    """Restore the preferences after the test: the next one gets the same OctoPrint."""
    yield
    connector = {"connector": "serial", "parameters": PREFERRED}
    command = {"command": "connect", **PREFERRED, **connector, "save": True, "autoconnect": False}
    status, _ = octoprint.request("POST", CONNECTION, command, headers={"X-OctoPrint-Api-Version": "2.0.0"})
    assert status == HTTPStatus.NO_CONTENT


@both_versions
@pytest.mark.usefixtures("preferences")
async def test_saved_values_are_the_new_preferences(client: OctoPrint, octoprint: OctoPrintServer) -> None:
    """They are used the next time; preferences that were not given stay."""
    await client.connect(await client.connection(), port="VIRTUAL", baudrate=250000, save=True, autoconnect=True)
    options = (await operational(client)).options
    if octoprint.version == "2.0":
        assert options.preferred_connector == "serial"
        assert options.preferred_parameters == PREFERRED | {"baudrate": 250000}
    else:
        assert (options.preferred_port, options.preferred_baudrate) == ("VIRTUAL", 250000)
    assert options.preferred_profile == "_default"

    await client.disconnect()
    await client.connect(await client.connection())
    connection = await operational(client)
    assert (connection.port, connection.baudrate) == ("VIRTUAL", 250000)


MOONRAKER = {"connectors": [], "preferredConnector": {"connector": "moonraker", "parameters": {"host": "octopi"}}}


@pytest.mark.parametrize(
    ("options", "given", "connector", "parameters"),
    [
        ({"connectors": []}, {}, "serial", {}),
        ({"connectors": [{"connector": "moonraker"}, {"connector": "serial"}]}, {}, "moonraker", {}),
        (MOONRAKER, {}, "moonraker", {"host": "octopi"}),
        (MOONRAKER, {"connector": "serial"}, "serial", {}),
        (
            MOONRAKER,
            {"connector": "bambu", "parameters": {"host": "10.0.0.7", "serial": None}},
            "bambu",
            {"host": "10.0.0.7"},
        ),
    ],
    ids=["none offered", "none preferred", "preferred", "other than preferred", "its parameters"],
)
async def test_the_connector_is_given_preferred_or_the_first(
    client: OctoPrint, relay: Relay, options: Any, given: Any, connector: str, parameters: Any
) -> None:
    """Parameters of one connector never go to another."""
    relay.fail("tunnel", 200, json.dumps({"current": {}, "options": options}), path=CONNECTION, times=1)
    known = await client.connection()
    with suppress(Rejected):  # OctoPrint has a serial connector only
        await client.connect(known, **given)
    assert _commands(relay) == [{"command": "connect", "connector": connector, "parameters": parameters}]


@both_versions
async def test_the_command_to_repair_depends_on_the_version(
    client: OctoPrint, octoprint: OctoPrintServer, relay: Relay
) -> None:
    """Connected or not."""
    await _repair(client)
    await _connect(client)
    await client.repair(await operational(client))
    name = "repair" if octoprint.version == "2.0" else "fake_ack"
    assert [_commands(relay)[0], _commands(relay)[2]] == [{"command": name}] * 2
    assert {request.status for request in relay.seen(method="POST")} == {HTTPStatus.NO_CONTENT}


# refusals


@pytest.mark.parametrize(
    ("octoprint_version", "given", "status", "text"),
    [
        ("1.11", {"port": "/dev/nope"}, 400, "port is invalid"),
        ("1.11", {"port": "VIRTUAL", "baudrate": 1234}, 400, "baudrate is invalid"),
        ("1.11", {"port": "VIRTUAL", "printer_profile": "nope"}, 400, "printerProfile is invalid"),
        (
            "2.0",
            {"port": "/dev/nope"},
            412,
            "Preconditions for connecting to serial weren't met by provided parameters",
        ),
        ("2.0", {"port": "VIRTUAL", "printer_profile": "nope"}, 400, "printerProfile is invalid"),
        ("2.0", {"connector": "nope"}, 400, 'unknown connector: "nope"'),
    ],
)
async def test_a_refusal_has_octoprints_own_text(
    client: OctoPrint, given: dict[str, Any], status: int, text: str
) -> None:
    """The user sees it; nothing changes."""
    with pytest.raises(Rejected) as caught:
        await client.connect(await client.connection(), **given)
    assert (caught.value.code, caught.value.detail) == (status, text)
    assert (await client.connection()).state is PrinterState.OFFLINE


@pytest.mark.parametrize(
    ("status", "body", "text"),
    [
        *((status, '{"error": "not operational"}', "not operational") for status in (400, 409, 412, 415, 429)),
        (400, json.dumps({"error": "x" * 5000}), "x" * 300),
        *((400, body, "") for body in ('{"error": null}', '["no"]', "<html>Bad Request</html>", "")),
    ],
)
async def test_a_refusal_may_have_no_text(client: OctoPrint, relay: Relay, status: int, body: str, text: str) -> None:
    """A page is not a text to show."""
    relay.fail("tunnel", status, body)
    with pytest.raises(Rejected) as caught:
        await client.disconnect()
    assert (caught.value.code, caught.value.detail) == (status, text)


@pytest.mark.parametrize("status", [302, 304, 401, 403, 404, 418, 500])
async def test_an_undocumented_status_is_unexpected(client: OctoPrint, relay: Relay, status: int) -> None:
    """It says nothing about the tunnel."""
    relay.fail("tunnel", status, path=USER)
    with pytest.raises(UnexpectedStatus) as caught:
        await client.user()
    assert caught.value.code == status


@pytest.mark.parametrize("body", ["", "<html>Please log in</html>", '{"current": {"state": "Opera', '["current"]'])
@pytest.mark.parametrize("read", READERS)
async def test_a_response_that_cannot_be_read_is_invalid(
    client: OctoPrint, relay: Relay, body: str, read: Call
) -> None:
    """It is the same error for each request."""
    relay.fail("tunnel", 200, body, content_type="application/json")
    with pytest.raises(InvalidResponse):
        await read(client)


async def test_a_reading_without_a_state_is_invalid(client: OctoPrint, relay: Relay) -> None:
    """Only 409 means that the printer is not connected."""
    relay.fail("tunnel", 200, '{"state": {}}')
    with pytest.raises(InvalidResponse):
        await client.reading()


# keys


@both_versions
@pytest.mark.parametrize("key", ["0" * 32, None], ids=["wrong", "none"])
@pytest.mark.parametrize(
    ("call", "status"), [(OctoPrint.connection, 403), (OctoPrint.reading, 403), (OctoPrint.disconnect, 400)]
)
async def test_a_key_that_octoprint_does_not_know_is_rejected(
    tunnelled: Route, relay: Relay, key: str | None, call: Call, status: int
) -> None:
    """One more request shows that. OctoPrint checks a command for cross-site request forgery first."""
    with pytest.raises(ApiKeyRejected) as caught:
        await call(OctoPrint(tunnelled, key))
    assert caught.value.code == status
    assert [(request.path, request.status) for request in relay.requests[1:]] == [(USER, 200)]
    if key:
        assert key not in str(caught.value)


@both_versions
@pytest.mark.parametrize("call", COMMANDS, ids=["connect", "disconnect", "repair"])
async def test_the_error_names_the_missing_permission(
    tunnelled: Route, octoprint: OctoPrintServer, relay: Relay, call: Call
) -> None:
    """One more request shows that the key is accepted."""
    client = OctoPrint(tunnelled, octoprint.limited_api_key)
    assert (await client.connection()).state is PrinterState.OFFLINE
    with pytest.raises(PermissionMissing) as caught:
        await call(client)
    assert (caught.value.code, caught.value.detail) == (403, "CONNECTION")
    *_, refused, user = relay.requests
    assert ((refused.path, refused.status), (user.path, user.status)) == ((CONNECTION, 403), (USER, 200))
    assert len(relay.seen(path=USER)) == 1


@both_versions
async def test_the_error_names_both_permissions_to_print(tunnelled: Route, octoprint: OctoPrintServer) -> None:
    """To select a file and to print it need one each."""
    with pytest.raises(PermissionMissing) as caught:
        await OctoPrint(tunnelled, octoprint.limited_api_key).print_file("part.gcode")
    assert caught.value.detail == "FILES_SELECT, PRINT"


@pytest.mark.parametrize("call", [OctoPrint.connection, OctoPrint.version, OctoPrint.reading])
async def test_to_read_needs_a_permission_too(client: OctoPrint, relay: Relay, call: Call) -> None:
    """Every user has it by default."""
    relay.fail("tunnel", 403, times=1)
    with pytest.raises(PermissionMissing) as caught:
        await call(client)
    assert caught.value.detail == "STATUS"


@both_versions
async def test_a_key_is_checked_with_one_request(tunnelled: Route, octoprint: OctoPrintServer, relay: Relay) -> None:
    """Whether it is accepted, and which permissions it lacks."""
    await OctoPrint(tunnelled, octoprint.api_key).check_key()
    with pytest.raises(PermissionMissing) as caught:
        await OctoPrint(tunnelled, octoprint.limited_api_key).check_key()
    assert caught.value.detail == "CONNECTION"
    with pytest.raises(ApiKeyRejected):
        await OctoPrint(tunnelled, "wrong").check_key()
    relay.fail("tunnel", 200, '{"name": "viewer", "permissions": []}', path=USER)
    with pytest.raises(PermissionMissing) as caught:
        await OctoPrint(tunnelled, "key").check_key()
    assert caught.value.detail == "STATUS, CONNECTION"
    assert [request.path for request in relay.requests] == [USER] * 4


async def test_a_key_is_not_rejected_if_the_check_fails(client: OctoPrint, relay: Relay) -> None:
    """The tunnel may break between the two requests."""
    relay.fail("tunnel", 403, path=CONNECTION)
    relay.fail("tunnel", 502, path=USER)
    with pytest.raises(BadGateway):
        await client.disconnect()


class SlowLine(TCPConnector):
    """Connections over a line that is slower than a local network."""

    @override
    async def _create_connection(
        self, req: ClientRequest, traces: list[Trace], timeout: ClientTimeout
    ) -> ResponseHandler:
        await asyncio.sleep(2.5)
        return await super()._create_connection(req, traces, timeout)


@pytest.mark.parametrize(
    ("limits", "error"), [(None, UnexpectedStatus), (LOCAL_TIMEOUT, RequestTimeout)], ids=["tunnel", "local network"]
)
async def test_video_over_a_slow_line(
    octoprint: OctoPrintServer, limits: ClientTimeout | None, error: type[OctoPrintTunnelError]
) -> None:
    """A tunnel has as much time to connect for a video as for other requests. This video is not there."""
    async with ClientSession(connector=SlowLine()) as session:
        route = Route(session=session, base_url=URL(octoprint.url), timeout=limits)
        with pytest.raises(error):
            await OctoPrint(route, octoprint.api_key).download_timelapse(route, "none.mp4")
