"""OctoPrint's REST API: what is asked, what real OctoPrints make of it, and what becomes of their refusals."""

import asyncio
from collections.abc import Awaitable, Callable, Iterator
from http import HTTPStatus
import json
from typing import Any

import pytest

from custom_components.octoprint_tunnel.api.errors import (
    ApiKeyRejected,
    InvalidResponse,
    OctoPrintTunnelError,
    PermissionMissing,
    Rejected,
    Remedy,
    UnexpectedStatus,
)
from custom_components.octoprint_tunnel.api.octoprint.client import OctoPrint
from custom_components.octoprint_tunnel.api.octoprint.connection import Connection, PrinterState
from custom_components.octoprint_tunnel.api.octoprint.server import Instance
from custom_components.octoprint_tunnel.api.transport.route import Route

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
    """Return the commands that arrived."""
    return [request.json() for request in relay.seen("tunnel", method="POST", path=CONNECTION)]


# both versions, on every way


@both_versions
async def test_the_printer_is_connected_and_disconnected(route: Route, octoprint: OctoPrintServer) -> None:
    """Through every tunnel as in the local network."""
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
async def test_a_state_alone_costs_less_than_a_connection(
    client: OctoPrint, octoprint: OctoPrintServer, relay: Relay
) -> None:
    """It is None without a printer, and the same text with one."""
    assert await client.reading(heaters=False) is None
    await client.connect(await client.connection(), port="VIRTUAL")
    await operational(client)
    relay.clear()
    reading = await client.reading(heaters=False)
    assert reading
    assert reading.state_text == (await client.connection()).state_text == "Operational"
    glance, look = relay.requests
    assert (glance.path, dict(glance.query)) == ("/api/printer", {"exclude": "sd,storage,temperature"})
    assert glance.response_bytes < look.response_bytes


@both_versions
async def test_octoprint_says_who_it_is(route: Route, octoprint: OctoPrintServer) -> None:
    """Its identity and its name without a key; its version and its user with one."""
    assert await OctoPrint(route).instance() == Instance(uuid=octoprint.uuid, name="Test printer")
    client = OctoPrint(route, octoprint.api_key)
    assert (await client.version() or "").startswith(octoprint.version)
    assert (await client.user()).name == octoprint.username
    await client.check_key()


# what is asked


@both_versions
async def test_every_request_says_the_same_of_itself(
    client: OctoPrint, octoprint: OctoPrintServer, relay: Relay, connection: AppConnection
) -> None:
    """The key in its header, the API's version, English, and the tunnel's credentials; nothing in the address."""
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


async def test_without_a_key_none_is_sent(tunnelled: Route, relay: Relay) -> None:
    """An empty one would be a wrong one."""
    await OctoPrint(tunnelled, "").instance()
    await OctoPrint(tunnelled).instance()
    assert ["X-Api-Key" in request.headers for request in relay.requests] == [False, False]


@both_versions
@pytest.mark.parametrize(
    ("given", "old", "new"),
    [
        (
            {"port": "VIRTUAL"},
            {"port": "VIRTUAL"},
            {"port": "VIRTUAL", "connector": "serial", "parameters": {"port": "VIRTUAL"}},
        ),
        (
            {"port": "VIRTUAL", "baudrate": 250000},
            {"port": "VIRTUAL", "baudrate": 250000},
            {
                "port": "VIRTUAL",
                "baudrate": 250000,
                "connector": "serial",
                "parameters": {"port": "VIRTUAL", "baudrate": 250000},
            },
        ),
        (
            {"port": "VIRTUAL", "printer_profile": "_default"},
            {"port": "VIRTUAL", "printerProfile": "_default"},
            {
                "port": "VIRTUAL",
                "printerProfile": "_default",
                "connector": "serial",
                "parameters": {"port": "VIRTUAL"},
            },
        ),
        (
            {"port": "VIRTUAL", "save": False, "autoconnect": False},
            {"port": "VIRTUAL", "save": False, "autoconnect": False},
            {
                "port": "VIRTUAL",
                "save": False,
                "autoconnect": False,
                "connector": "serial",
                "parameters": {"port": "VIRTUAL"},
            },
        ),
        (
            {"port": "VIRTUAL", "connector": "serial"},
            {"port": "VIRTUAL"},
            {"port": "VIRTUAL", "connector": "serial", "parameters": {"port": "VIRTUAL"}},
        ),
        (
            {"port": "VIRTUAL", "parameters": {"port": "elsewhere", "baudrate": 57600}},
            {"port": "VIRTUAL", "baudrate": 57600},
            {
                "port": "VIRTUAL",
                "baudrate": 57600,
                "connector": "serial",
                "parameters": {"port": "VIRTUAL", "baudrate": 57600},
            },
        ),
    ],
    ids=["port", "speed", "profile", "not saved", "connector", "parameters"],
)
async def test_connecting_says_what_was_given_in_the_form_that_octoprint_takes(
    client: OctoPrint, octoprint: OctoPrintServer, relay: Relay, given: Any, old: Any, new: Any
) -> None:
    """And nothing of what was not: null would not be a choice that OctoPrint knows."""
    await client.connect(await client.connection(), **given)
    assert _commands(relay) == [{"command": "connect", **(new if octoprint.version == "2.0" else old)}]
    connection = await operational(client)
    assert connection.port == "VIRTUAL"
    if octoprint.version == "2.0":
        assert connection.baudrate == new["parameters"].get("baudrate", 115200)
    else:
        assert connection.baudrate == old.get("baudrate", 115200)


@both_versions
async def test_connecting_without_a_word_leaves_the_choice_to_octoprint(
    client: OctoPrint, octoprint: OctoPrintServer, relay: Relay
) -> None:
    """OctoPrint 2.0 wants a connector to be named: the one that it prefers, as it prefers it."""
    known = await client.connection()
    await client.connect(known)
    preferred = {"connector": "serial", "parameters": PREFERRED}
    assert _commands(relay) == [{"command": "connect", **(preferred if octoprint.version == "2.0" else {})}]
    connection = await operational(client)
    assert {"port": connection.port, "baudrate": connection.baudrate} == PREFERRED


@pytest.fixture
def preferences(octoprint: OctoPrintServer) -> Iterator[None]:
    """Let OctoPrint prefer what it did after the test: the next one gets the same OctoPrint."""
    yield
    old, new = PREFERRED, {"connector": "serial", "parameters": PREFERRED}
    status, _ = octoprint.request(
        "POST",
        CONNECTION,
        {"command": "connect", **old, **new, "save": True, "autoconnect": False},
        headers={"X-OctoPrint-Api-Version": "2.0.0"},
    )
    assert status == HTTPStatus.NO_CONTENT


@both_versions
@pytest.mark.usefixtures("preferences")
async def test_what_is_saved_is_what_octoprint_prefers_next_time(
    client: OctoPrint, octoprint: OctoPrintServer, relay: Relay
) -> None:
    """In both versions; then connecting needs no word."""
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


@pytest.mark.parametrize(
    ("options", "given", "command"),
    [
        ({"connectors": []}, {}, {"connector": "serial", "parameters": {}}),
        (
            {"connectors": [{"connector": "moonraker"}, {"connector": "serial"}]},
            {},
            {"connector": "moonraker", "parameters": {}},
        ),
        (
            {"connectors": [], "preferredConnector": {"connector": "moonraker", "parameters": {"host": "octopi"}}},
            {},
            {"connector": "moonraker", "parameters": {"host": "octopi"}},
        ),
        (
            {"connectors": [], "preferredConnector": {"connector": "moonraker", "parameters": {"host": "octopi"}}},
            {"connector": "serial"},
            {"connector": "serial", "parameters": {}},
        ),
        (
            {"connectors": [], "preferredConnector": {"connector": "serial", "parameters": {"port": "/dev/ttyACM0"}}},
            {"connector": "bambu", "parameters": {"host": "10.0.0.7", "serial": None}},
            {"connector": "bambu", "parameters": {"host": "10.0.0.7"}},
        ),
    ],
    ids=["none offered", "none preferred", "preferred", "other than preferred", "its parameters"],
)
async def test_the_connector_is_the_one_given_the_preferred_one_or_the_first(
    client: OctoPrint, relay: Relay, options: dict[str, Any], given: dict[str, Any], command: dict[str, Any]
) -> None:
    """Parameters of one connector never go to another."""
    relay.fail("tunnel", 200, json.dumps({"current": {}, "options": options}), path=CONNECTION, times=1)
    known = await client.connection()
    try:
        await client.connect(known, **given)
    except Rejected as error:
        # The virtual printer's OctoPrint has a serial connector only, and says so.
        assert error.detail == f'unknown connector: "{command["connector"]}"'  # noqa: PT017
    assert _commands(relay) == [{"command": "connect", **command}]


@both_versions
async def test_a_stuck_printer_is_repaired_by_the_name_that_octoprint_has_for_it(
    client: OctoPrint, octoprint: OctoPrintServer, relay: Relay
) -> None:
    """A version takes it, connected or not."""
    await client.repair(await client.connection())
    await client.connect(await client.connection(), port="VIRTUAL")
    await client.repair(await operational(client))
    name = "repair" if octoprint.version == "2.0" else "fake_ack"
    assert [_commands(relay)[0], _commands(relay)[2]] == [{"command": name}] * 2
    assert {request.status for request in relay.seen(method="POST")} == {HTTPStatus.NO_CONTENT}


# what OctoPrint refuses


@pytest.mark.parametrize(
    ("octoprint_version", "given", "status", "words"),
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
async def test_what_octoprint_does_not_take_is_rejected_in_its_own_words(
    client: OctoPrint, given: dict[str, Any], status: int, words: str
) -> None:
    """The user sees them; nothing changes."""
    with pytest.raises(Rejected) as caught:
        await client.connect(await client.connection(), **given)
    assert (caught.value.code, caught.value.detail, caught.value.remedy) == (status, words, Remedy.REJECTED)
    assert caught.value.problem.placeholders["detail"] == words
    assert (await client.connection()).state is PrinterState.OFFLINE


@pytest.mark.parametrize("status", [400, 409, 412, 429])
async def test_a_request_that_does_not_fit_is_rejected(client: OctoPrint, relay: Relay, status: int) -> None:
    """As it stands, and as OctoPrint stands: trying the same again is no remedy."""
    relay.fail("tunnel", status, '{"error": "Printer is not operational"}')
    with pytest.raises(Rejected) as caught:
        await client.disconnect()
    assert (caught.value.code, caught.value.detail) == (status, "Printer is not operational")


@pytest.mark.parametrize(
    ("body", "words"),
    [
        (json.dumps({"error": "x" * 5000}), "x" * 300),
        ('{"error": null}', ""),
        ('{"error": {"text": "no"}}', ""),
        ('["no"]', ""),
        ("<html><body>Bad Request</body></html>", ""),
        ("", ""),
    ],
    ids=["many words", "null", "object", "list", "page", "nothing"],
)
async def test_a_rejection_has_words_where_there_are_some_for_people(
    client: OctoPrint, relay: Relay, body: str, words: str
) -> None:
    """They are cut to what fits a message; a page is no text for people."""
    relay.fail("tunnel", 400, body)
    with pytest.raises(Rejected) as caught:
        await client.disconnect()
    assert caught.value.detail == words


@pytest.mark.parametrize("status", [302, 304, 401, 403, 404, 405, 418, 500, 501])
async def test_a_status_that_octoprint_does_not_document_is_unexpected(
    client: OctoPrint, relay: Relay, status: int
) -> None:
    """It passes, or it does not, but it is no success and says nothing about the tunnel."""
    relay.fail("tunnel", status, path=USER)
    with pytest.raises(UnexpectedStatus) as caught:
        await client.user()
    assert (caught.value.code, caught.value.remedy, caught.value.condition) == (status, Remedy.RETRY, None)


@pytest.mark.parametrize(
    "body",
    [
        "",
        "<html><body>Please log in</body></html>",
        '{"current": {"state": "Opera',
        '{"current": nan}',
        "[" * 100_000,
        '["current"]',
        "null",
        "\x00",
    ],
    ids=["nothing", "page", "cut", "nan", "deep", "list", "null", "zero"],
)
async def test_an_answer_that_cannot_be_read_is_invalid(client: OctoPrint, relay: Relay, body: str) -> None:
    """Whatever was asked, and whoever answered: one error, which passes by itself."""
    relay.fail("tunnel", 200, body, content_type="application/json")
    for read in READERS:
        with pytest.raises(InvalidResponse) as caught:
            await read(client)
        assert (caught.value.remedy, caught.value.condition) == (Remedy.RETRY, None)


async def test_without_its_discovery_plugin_octoprint_has_no_identity(client: OctoPrint, relay: Relay) -> None:
    """That is no error: the printer is known by its tunnel then."""
    relay.fail("tunnel", 404, path="/plugin/discovery/")
    assert await client.instance() is None


async def test_a_version_that_is_not_told_is_none(client: OctoPrint, relay: Relay) -> None:
    """It is shown and nothing else."""
    relay.fail("tunnel", 200, '{"api": "0.1"}', path="/api/version")
    assert await client.version() is None


# keys


@both_versions
@pytest.mark.parametrize("key", ["wrong", "0" * 32, None], ids=["wrong", "well-formed", "none"])
@pytest.mark.parametrize("call", [OctoPrint.connection, OctoPrint.version, OctoPrint.reading])
async def test_a_key_that_octoprint_does_not_know_is_rejected(
    tunnelled: Route, relay: Relay, key: str | None, call: Call
) -> None:
    """403 means a key or a permission: one more request tells which."""
    with pytest.raises(ApiKeyRejected) as caught:
        await call(OctoPrint(tunnelled, key))
    assert (caught.value.code, caught.value.remedy, caught.value.condition) == (403, Remedy.NEW_API_KEY, None)
    assert [(request.path, request.status) for request in relay.requests[1:]] == [(USER, 200)]
    if key:
        assert key not in str(caught.value)


@both_versions
@pytest.mark.parametrize("key", ["wrong", None], ids=["wrong", "none"])
async def test_a_command_with_a_key_that_octoprint_does_not_know_is_rejected(
    tunnelled: Route, relay: Relay, key: str | None
) -> None:
    """OctoPrint takes it for a forged request first, and answers 400."""
    with pytest.raises(ApiKeyRejected) as caught:
        await OctoPrint(tunnelled, key).disconnect()
    assert caught.value.code == 400
    assert [request.path for request in relay.requests] == [CONNECTION, USER]


@both_versions
@pytest.mark.parametrize("call", COMMANDS, ids=["connect", "disconnect", "repair"])
async def test_a_permission_that_is_missing_is_named(
    tunnelled: Route, octoprint: OctoPrintServer, relay: Relay, call: Call
) -> None:
    """The key is good and may look, and one more request is all that it costs to know that."""
    client = OctoPrint(tunnelled, octoprint.limited_api_key)
    assert (await client.connection()).state is PrinterState.OFFLINE
    with pytest.raises(PermissionMissing) as caught:
        await call(client)
    assert (caught.value.code, caught.value.detail, caught.value.remedy) == (403, "CONNECTION", Remedy.PERMISSION)
    *_, refused, user = relay.requests
    assert ((refused.path, refused.status), (user.path, user.status)) == ((CONNECTION, 403), (USER, 200))
    assert len(relay.seen(path=USER)) == 1


@pytest.mark.parametrize("call", [OctoPrint.connection, OctoPrint.version, OctoPrint.reading])
async def test_what_may_not_be_read_names_its_permission_too(client: OctoPrint, relay: Relay, call: Call) -> None:
    """STATUS, which every user has until somebody takes it away."""
    relay.fail("tunnel", 403, times=1)
    with pytest.raises(PermissionMissing) as caught:
        await call(client)
    assert caught.value.detail == "STATUS"


@both_versions
async def test_a_key_is_checked_before_it_is_used(tunnelled: Route, octoprint: OctoPrintServer, relay: Relay) -> None:
    """One request says all: known or not, and what it may not do."""
    await OctoPrint(tunnelled, octoprint.api_key).check_key()
    with pytest.raises(PermissionMissing, match="CONNECTION") as caught:
        await OctoPrint(tunnelled, octoprint.limited_api_key).check_key()
    assert caught.value.detail == "CONNECTION"
    with pytest.raises(ApiKeyRejected):
        await OctoPrint(tunnelled, "wrong").check_key()
    assert [request.path for request in relay.requests] == [USER] * 3


async def test_all_permissions_that_a_key_lacks_are_named_at_once(client: OctoPrint, relay: Relay) -> None:
    """So that they can be given at once."""
    relay.fail("tunnel", 200, '{"name": "viewer", "permissions": []}', path=USER)
    with pytest.raises(PermissionMissing) as caught:
        await client.check_key()
    assert caught.value.detail == "STATUS, CONNECTION"


async def test_a_tunnel_that_goes_between_refusal_and_reason_is_its_own_error(client: OctoPrint, relay: Relay) -> None:
    """A good key is not thrown away because nobody could be asked about it."""
    relay.fail("tunnel", 403, path=CONNECTION)
    relay.fail("tunnel", 502, path=USER)
    with pytest.raises(OctoPrintTunnelError) as caught:
        await client.disconnect()
    assert (caught.value.code, caught.value.remedy) == (502, Remedy.RETRY)


async def test_a_state_that_is_missing_is_not_taken_for_disconnected(client: OctoPrint, relay: Relay) -> None:
    """Only 409 means that the printer is not connected."""
    relay.fail("tunnel", 200, '{"state": {}}')
    with pytest.raises(InvalidResponse):
        await client.reading()


@pytest.mark.parametrize("octoprint_version", ["1.11"])
async def test_parameters_reach_an_octoprint_without_connectors(client: OctoPrint, relay: Relay) -> None:
    """Port and speed have names of their own there."""
    await client.connect(await client.connection(), parameters={"port": "VIRTUAL", "baudrate": 115200})
    assert relay.requests[-1].json() == {"command": "connect", "port": "VIRTUAL", "baudrate": 115200}
