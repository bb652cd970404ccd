"""Whatever arrives, it is read as what was declared or refused with the error that was documented, and soon."""

import asyncio
from collections import Counter
from collections.abc import Awaitable, Callable, Iterator, Mapping
import copy
from dataclasses import fields, is_dataclass
from datetime import timedelta
from http import HTTPStatus
import json
from pathlib import Path
import re
from time import process_time
from types import UnionType
from typing import Any, Union, get_args, get_origin, get_type_hints
from unittest.mock import patch

from aiohttp import ClientSession
from aiohttp.test_utils import TestClient
from freezegun.api import FrozenDateTimeFactory
from hypothesis import HealthCheck, given, settings, strategies as st
import pytest
from pytest_homeassistant_custom_component.common import MockConfigEntry, MockUser
from pytest_homeassistant_custom_component.typing import ClientSessionGenerator
from yarl import URL

from custom_components.octoprint_tunnel.api.errors import OctoPrintTunnelError
from custom_components.octoprint_tunnel.api.json_object import JsonObject
from custom_components.octoprint_tunnel.api.octoprint.connection import Connection
from custom_components.octoprint_tunnel.api.octoprint.files import UploadedFile
from custom_components.octoprint_tunnel.api.octoprint.heaters import PrinterReading
from custom_components.octoprint_tunnel.api.octoprint.job import Job
from custom_components.octoprint_tunnel.api.octoprint.server import Instance, User
from custom_components.octoprint_tunnel.api.octoprint.webcam import Webcam, webcams_from_json
from custom_components.octoprint_tunnel.api.remote_text import MAX_NAME
from custom_components.octoprint_tunnel.api.transport.addresses import web_address
from custom_components.octoprint_tunnel.api.transport.route import MAX_BODY
from custom_components.octoprint_tunnel.api.tunnels.app_apis import (
    detection_from_json,
    live_link_from_json,
    notification_from_json,
)
from custom_components.octoprint_tunnel.api.tunnels.base import AuthorizationError, Authorized, Tunnel
from custom_components.octoprint_tunnel.api.tunnels.models import Detection, LiveLink, Notification, TunnelStatus
from custom_components.octoprint_tunnel.api.tunnels.obico import Obico, server_address
from custom_components.octoprint_tunnel.api.tunnels.octoeverywhere import OctoEverywhere
from homeassistant.config_entries import ConfigEntryState
from homeassistant.const import EVENT_STATE_CHANGED
from homeassistant.core import Event, EventStateChangedData, HomeAssistant, callback
from homeassistant.data_entry_flow import FlowResultType
from homeassistant.setup import async_setup_component

from .dialogs import start, step
from .faults import SITE
from .figures import FIGURES
from .harm import MAX_LAG, assert_unharmed, lag_of_the_loop
from .home import listening, log_lines, settle, state, unload, until, until_state, wait
from .hostile import HOSTILE_TEXTS, WORST, WORST_TEXTS, drawn, everywhere, hostile, places, written
from .relay.server import Relay

type Api = Callable[[], Awaitable[TestClient[Any, Any]]]

pytestmark = pytest.mark.long
TRIED = "bodies and links tried on the parsers"
REPEATABLE = settings(
    derandomize=True,
    database=None,
    deadline=None,  # a busy machine is no fault
    max_examples=600,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow, HealthCheck.data_too_large],
)
THROUGH_THE_NETWORK = settings(REPEATABLE, max_examples=60)

MAX_REFUSAL = 200  # characters; it is shown and logged, and no place for what arrived
SOON = 2.0  # seconds of work; a search that tries every way takes hours for a megabyte

RECORDED = Path(__file__).parent / "octoprint" / "recorded"
JOB = {
    "job": {
        "file": {"name": "cube.gcode", "path": "a/cube.gcode", "display": "cube.gcode", "size": 1468987, "date": 1},
        "estimatedPrintTime": 8811,
        "filament": {"tool0": {"length": 810, "volume": 5.36}},
    },
    "progress": {"completion": 22.5, "filepos": 337942, "printTime": 276, "printTimeLeft": 912},
    "state": "Printing",
}
READING = {
    "temperature": {
        "tool0": {"actual": 214.8, "target": 220.0, "offset": 0},
        "bed": {"actual": 50.2, "target": None},
        "chamber": {"actual": None},
        "history": [{"time": 1395651928, "tool0": {"actual": 214.8, "target": 220.0}}],
    },
    "sd": {"ready": True},
    "state": {"text": "Operational", "flags": {"operational": True, "printing": False}},
}
UPLOADED = {"files": {"local": {"name": "a.gcode", "path": "a.gcode"}}, "done": True, "effectivePrint": True}
INFO = {
    "PrinterName": "Kitchen",
    "PrinterLocalIp": "192.168.1.5",
    "IsOnline": True,
    "LastDisconnectTimeUtc": "2026-07-01T12:00:00Z",
    "LastConnectionTimeUtc": "2026-07-01T12:01:00.5+02:00",
    "UserFacingPrinterUrl": "https://octoeverywhere.com/view/Kitchen",
    "PrinterLimits": {
        "MaxDownloadFileSizeBytes": 104857600,
        "MaxUploadFileSizeBytes": 104857600,
        "MaxSingleWebcamStreamLengthSeconds": 3600,
    },
}
GADGET = {"State": 3, "Status": "Looking good", "StatusColor": "g", "Rating": 9}
LIVE_LINK = {"LiveId": "abc", "Url": "https://octoeverywhere.com/live/abc", "ShortUrl": "https://oe.ink/abc"}
NOTIFICATION = {
    "PrinterId": "p",
    "PrintId": "1",
    "EventType": 6,
    "PrinterName": "Kitchen",
    "SnapshotUrl": "https://octoeverywhere.com/snapshot/1.jpg",
    "FileName": "cube.gcode",
    "DurationSec": 600,
    "Progress": 20.0,
    "TimeRemainingSec": 2400,
    "ZOffsetMM": 1.2,
    "CurrentLayer": 6,
    "TotalLayers": 100,
    "Error": "Heater",
    "PlatformErrorCode": 7,
    "SecretKey": "s",
}
USAGE = {"total": 282, "monthly_cap": 314572800.0, "reset_in_seconds": 863999.99}
EVENT = {"event": {"type": "PrinterStateChanged", "payload": {"state_id": "OFFLINE", "state_string": "Offline"}}}
COMPLETION = {
    "success": "true",
    "id": "conn-1",
    "url": "https://app-abcdef.octoeverywhere.com",
    "appApiToken": "token-1",
    "authBasicHttpUser": "user-1",
    "authBasicHttpPassword": "password-1",
    "authBearerToken": "bearer-1",
    "printername": "Kitchen",
    "userPrinterAccessUrl": "https://octoeverywhere.com/view/Kitchen",
    "printerLastKnownLocalIp": "192.168.7.20",
    "octoPrintApiKey": "key-1",
}
ENDPOINT = "https://0123abcd:4567cdef@tunnel-1.app.obico.io"


def recorded(beginning: str) -> list[Any]:
    """Return the recorded bodies of OctoPrint whose names begin like this."""
    found = [json.loads(path.read_bytes()) for path in sorted(RECORDED.glob(f"{beginning}*.json"))]
    assert found, beginning
    return found


def _webcams(answer: JsonObject) -> tuple[Webcam, ...]:
    return webcams_from_json(answer)


PARSERS: dict[str, tuple[Callable[[JsonObject], object], Any, list[Any]]] = {
    "connection": (Connection.from_json, Connection, recorded("connection_")),
    "user": (User.from_json, User, recorded("currentuser_")),
    "webcams": (_webcams, tuple[Webcam, ...], recorded("settings_")),
    "job": (Job.from_json, Job, [JOB]),
    "printer": (PrinterReading.from_json, PrinterReading, [READING]),
    "uploaded": (UploadedFile.from_json, UploadedFile, [UPLOADED]),
    "gadget": (detection_from_json, Detection, [GADGET]),
    "live_link": (live_link_from_json, LiveLink, [LIVE_LINK]),
    "notification": (notification_from_json, Notification, [NOTIFICATION]),
}
EVERY_PARSER = pytest.mark.parametrize("name", PARSERS)

# What bodies are made of

TEXTS = st.one_of(
    st.text(max_size=40),
    st.sampled_from(
        ["", " ", "\x00", "\ud800", "NaN", "Offline (Error: ", "Error:", "https://[", "http://a:99999", "%", "0"]
    ),
    st.text("a(.:-/ 9", min_size=1, max_size=3).map(lambda text: text * 5000),
    st.sampled_from(["0001-01-01T00:00:00+23:59", "9999-12-31T23:59:59-23:59", "2026-W01-1", "2026-07-01T12:00:00Z"]),
)
DECODED = TEXTS.map(lambda text: text.encode(errors="replace").decode())  # as the query of an address holds them
NUMBERS = st.one_of(
    st.integers(),
    st.floats(allow_nan=False, allow_infinity=False),
    st.sampled_from([0, -1, 2**63, 10**400, 1e308, -1e308, 0.5, 5e-324]),
)
LEAVES = st.one_of(st.none(), st.booleans(), NUMBERS, TEXTS)
DEPTHS = st.integers(1, 200).map(lambda depth: json.loads('{"a":[' * depth + "1" + "]}" * depth))
ANYTHING = st.recursive(
    LEAVES, lambda inner: st.lists(inner, max_size=4) | st.dictionaries(TEXTS, inner, max_size=4), max_leaves=12
)
AWKWARD = st.sampled_from([None, True, -1, 10**400, 1e308, "", "\ud800", "x" * 300, [], {}, [None], {"a": "\ud800"}])
REPLACEMENTS = AWKWARD | LEAVES | ANYTHING | DEPTHS


@st.composite
def mutated(draw: st.DrawFn, bodies: list[Any]) -> Any:
    """Return a body with some of its parts gone, exchanged, or put where they do not belong."""
    body = copy.deepcopy(draw(st.sampled_from(bodies)))
    for _ in range(draw(st.integers(1, 5))):
        found = places(body)
        if not found:
            break
        holder, key = draw(st.sampled_from(found))
        match draw(st.sampled_from(["remove", "replace", "move"])):
            case "remove":
                del holder[key]
            case "replace":
                holder[key] = copy.deepcopy(draw(REPLACEMENTS))
            case _:
                other, other_key = draw(st.sampled_from(found))
                holder[key] = copy.deepcopy(other[other_key])
    return body


@st.composite
def broken(draw: st.DrawFn, bodies: list[Any]) -> bytes:
    """Return a mutated body as bytes that may be cut off or have others among them."""
    body = json.dumps(draw(mutated(bodies))).encode()
    start = draw(st.integers(0, len(body)))
    match draw(st.sampled_from(["whole", "whole", "cut", "inserted"])):
        case "cut":
            return body[:start]
        case "inserted":
            return body[:start] + draw(st.binary(max_size=8)) + body[start:]
        case _:
            return body


# What may come of them


def check(value: object, declared: Any, where: str = "") -> None:
    """See that a value is what its annotation says, part by part."""
    origin, arguments = get_origin(declared), get_args(declared)
    if declared is Any:
        return
    if origin in (Union, UnionType):
        for argument in arguments:
            if argument is type(None) if value is None else _is_a(value, argument):
                check(value, argument, where)
                return
        pytest.fail(f"{where}: {value!r:.99} is no {declared}")
    assert _is_a(value, declared), f"{where}: {value!r:.99} is no {declared}"
    if origin is tuple or origin is frozenset:
        assert isinstance(value, tuple | frozenset)
        for part in value:
            check(part, arguments[0], f"{where}[]")
    elif origin is Mapping:
        assert isinstance(value, Mapping)
        for key, part in value.items():
            check(key, arguments[0], f"{where} key")
            check(part, arguments[1], f"{where}[{key!r:.20}]")
    elif is_dataclass(value) and not isinstance(value, type):
        hints = get_type_hints(type(value), {"Tunnel": Tunnel})
        for item in fields(value):
            check(getattr(value, item.name), hints[item.name], f"{where}.{item.name}")
    elif isinstance(value, str):
        value.encode()  # or else it could not be shown or stored


def _is_a(value: object, declared: Any) -> bool:
    kind = get_origin(declared) or declared
    if kind is float:
        return isinstance(value, float)
    if isinstance(value, bool):
        return kind is bool
    return value is None if kind in (None, type(None)) else isinstance(value, kind)


def read(parse: Callable[[], object], declared: Any) -> None:
    """Parse; what comes of it is as declared, or one of the documented errors."""
    FIGURES[TRIED] += 1
    try:
        value = parse()
    except (OctoPrintTunnelError, AuthorizationError) as error:
        refusal = str(error)
    else:
        check(value, declared)
        return
    assert len(refusal) < MAX_REFUSAL


@EVERY_PARSER
def test_answers_that_are_not_as_documented(name: str) -> None:
    """A real body with anything missing, null, misplaced or of another type is read or refused."""
    parser, declared, bodies = PARSERS[name]

    @REPEATABLE
    @given(broken(bodies))
    def run(body: bytes) -> None:
        read(lambda: parser(JsonObject.parse(body)), declared)

    for body in bodies:
        read(lambda body=body: parser(JsonObject(body)), declared)  # type: ignore[misc]
    run()


@EVERY_PARSER
def test_answers_that_are_anything(name: str) -> None:
    """Any JSON object, and any bytes, are read or refused."""
    parser, declared, _ = PARSERS[name]

    @REPEATABLE
    @given(st.binary(max_size=200) | st.dictionaries(TEXTS, ANYTHING, max_size=5).map(lambda o: json.dumps(o).encode()))
    def run(body: bytes) -> None:
        read(lambda: parser(JsonObject.parse(body)), declared)

    run()


@REPEATABLE
@given(st.data())
def test_discovery_documents(data: st.DataObject) -> None:
    """A discovery document of any content names an instance or is refused."""
    document = data.draw(st.sampled_from([path.read_bytes() for path in sorted(RECORDED.glob("discovery_*.xml"))]))
    at, to = sorted(data.draw(st.tuples(*[st.integers(0, len(document))] * 2)))
    inserted = data.draw(st.binary(max_size=30) | st.sampled_from([b"&#0;", b"&#xD800;", b"<UDN>", b"&#99999999999;"]))
    read(lambda: Instance.from_xml(document[:at] + inserted + document[to:]), Instance)


@REPEATABLE
@given(
    st.dictionaries(st.sampled_from([*COMPLETION, "", "x"]), DECODED | st.sampled_from(list(COMPLETION.values()))),
    st.lists(st.sampled_from(list(COMPLETION))),
)
def test_completion_links(changes: dict[str, str], missing: list[str]) -> None:
    """What a portal appends, or somebody who plays the portal, is an App Connection of the service or refused."""
    query = {name: value for name, value in {**COMPLETION, **changes}.items() if name not in missing}
    read(lambda: _own(OctoEverywhere.from_completion(query, "")), Authorized)


def _own(authorized: Authorized) -> Authorized:
    """See that credentials would go to the service only."""
    url = web_address(authorized.tunnel.url)
    assert url is not None
    assert url.scheme == "https"
    assert f".{url.host}".endswith((".octoeverywhere.com", ".obico.io"))
    for credential in (authorized.tunnel.username, authorized.tunnel.password, authorized.api_key):
        assert credential is None or (credential.isascii() and credential.isprintable())
    return authorized


@REPEATABLE
@given(st.data())
def test_links(data: st.DataObject) -> None:
    """A link that was pasted, cut off, doubled or made up is a tunnel of the service or refused."""
    link = data.draw(
        st.sampled_from([ENDPOINT, f"https://a/x?tunnel_endpoint={ENDPOINT}", "https://octoeverywhere.com/"])
    )
    at = data.draw(st.integers(0, len(link)))
    link = link[:at] + data.draw(TEXTS) + link[data.draw(st.integers(at, len(link))) :]
    read(lambda: _own(Obico.from_link(link, Obico.default_server)), Authorized)
    read(lambda: _own(OctoEverywhere.from_link(link, "")), Authorized)
    read(lambda: server_address(link), str)


# Through the network


@pytest.fixture
async def tunnels(relay: Relay, entry: MockConfigEntry, obico_entry: MockConfigEntry) -> dict[str, Tunnel]:
    """Return a tunnel of each service."""
    return {"octoeverywhere": OctoEverywhere.from_data(entry.data), "obico": Obico.from_data(obico_entry.data)}


@pytest.mark.parametrize(
    ("provider", "where", "method", "bodies", "declared"),
    [
        ("octoeverywhere", "octoeverywhere_api", "status", [INFO, {"Status": 200, "Result": INFO}], TunnelStatus),
        ("octoeverywhere", "octoeverywhere_api", "detection", [GADGET, {"Status": 200, "Result": GADGET}], Detection),
        ("obico", "obico_tsd", "status", [USAGE], TunnelStatus),
        ("obico", "obico_tsd", "detection", [{"normalized_p": 0.25}], Detection),
    ],
)
async def test_answers_of_the_services(
    relay: Relay,
    tunnels: dict[str, Tunnel],
    provider: str,
    where: str,
    method: str,
    bodies: list[Any],
    declared: Any,
) -> None:
    """What a service's website says of a tunnel is read or refused, whatever it is."""
    tried: list[bytes] = []

    @THROUGH_THE_NETWORK
    @given(broken(bodies))
    def collect(body: bytes) -> None:
        tried.append(body)

    collect()
    async with ClientSession() as session:
        for body in tried:
            relay.heal()
            relay.fail(where, 200, body.decode(errors="replace"), content_type="application/json")
            FIGURES[TRIED] += 1
            try:
                service = tunnels[provider].connect(session)
                assert service.failure_detection is not None
                value = await (service.status() if method == "status" else service.failure_detection.read())
            except OctoPrintTunnelError as error:
                refusal = str(error)
            else:
                check(value, declared)
                continue
            assert len(refusal) < MAX_REFUSAL


@pytest.mark.usefixtures("hurried")
async def test_push_frames(
    hass: HomeAssistant, caplog: pytest.LogCaptureFixture, relay: Relay, entry: MockConfigEntry
) -> None:
    """Whatever is said on the push socket, live updates go on and the log stays quiet."""
    tried: list[bytes] = []

    @settings(REPEATABLE, max_examples=300)
    @given(broken([EVENT, {"event": {"type": "Error", "payload": {"error": "Heater"}}}, {"history": {"state": {}}}]))
    def collect(frame: bytes) -> None:
        tried.append(frame)

    collect()
    updates = await listening(hass, entry)
    caplog.clear()
    for frame in tried:
        FIGURES[TRIED] += 1
        await relay.say_on_sockets(frame.decode(errors="replace"))
    await relay.say_on_sockets(json.dumps(EVENT))
    await until_state(hass, entry, "offline")
    await until(lambda: updates.since)
    assert not log_lines(caplog)
    await unload(hass, entry)


# Into Home Assistant

CONNECTED = recorded("connection_1.11_connected") + recorded("connection_2.0_connected")
COMMANDS = {"core": [{"action": "restart", "name": "Restart OctoPrint", "source": "core", "confirm": "Really?"}]}
OCTOPRINT_SAYS: dict[str, list[Any]] = {
    "/api/connection": CONNECTED,
    "/api/printer": [READING],
    "/api/job": [JOB],
    "/api/settings": recorded("settings_"),
    "/api/system/commands": [COMMANDS],
    "/api/version": recorded("version_"),
}
SERVICES_SAY: dict[str, dict[str, list[Any]]] = {
    "octoeverywhere": {"/api/appconnection/info": [INFO, {"Status": 200, "Result": INFO}], "/api/gadget": [GADGET]},
    "obico": {"/_tsd_/tunnelusage": [USAGE], "/_tsd_/prediction": [{"normalized_p": 0.25}]},
}


@pytest.fixture
def everything_enabled() -> Iterator[None]:
    """Let every entity have a state, those that are off at first, too."""
    with patch("homeassistant.helpers.entity.Entity.entity_registry_enabled_default", True):
        yield


@pytest.fixture
async def api(
    hass: HomeAssistant,
    components: None,
    hass_admin_user: MockUser,
    hass_access_token: str,
    hass_client: ClientSessionGenerator,
) -> Api:
    """Return how somebody logs in who stays logged in for months of the tests' time."""
    [token] = hass_admin_user.refresh_tokens.values()
    token.access_token_expiration = timedelta(days=3650)
    return lambda: hass_client(hass.auth.async_create_access_token(token))


@pytest.fixture
async def components(hass: HomeAssistant) -> None:
    """Have everything that takes requests in Home Assistant, which learns no new ones after the first."""
    for component in ("api", "webhook", "camera", "image"):
        assert await async_setup_component(hass, component, {})


@pytest.mark.usefixtures("everything_enabled")
@pytest.mark.parametrize("provider", ["octoeverywhere", "obico"])
async def test_hostile_responses_do_no_harm(
    hass: HomeAssistant,
    caplog: pytest.LogCaptureFixture,
    freezer: FrozenDateTimeFactory,
    relay: Relay,
    entry: MockConfigEntry,
    obico_entry: MockConfigEntry,
    api: Api,
    provider: str,
) -> None:
    """What OctoPrint and the service say, at set-up and in a later poll: a part of it each time, the rest as it is."""
    chosen = entry if provider == "octoeverywhere" else obico_entry
    chosen.add_to_hass(hass)
    said: dict[str, list[Any]] = OCTOPRINT_SAYS | SERVICES_SAY[provider]
    some = st.fixed_dictionaries({path: st.none() | hostile(bodies) for path, bodies in said.items()})
    tried: list[Mapping[str, str | None]] = [
        *({path: written(everywhere(bodies[-1], value)) for path, bodies in said.items()} for value in WORST),
        *drawn(some, 80),
    ]
    assert await hass.config_entries.async_setup(chosen.entry_id)
    await settle(hass)
    user = await api()
    async with lag_of_the_loop() as lag:
        for number, bodies in enumerate(tried):
            relay.heal()
            for path, body in bodies.items():
                where = "tunnel" if path in OCTOPRINT_SAYS else SITE[provider]
                relay.fail(where, 200, body or written(said[path][0]), path=path, content_type="application/json")
            lag.reset()
            if number % 4 == 0:
                await hass.config_entries.async_reload(chosen.entry_id)
                await settle(hass)
            else:
                await wait(hass, freezer, 3700)
            assert lag.worst < MAX_LAG, bodies
            await assert_unharmed(hass, user, caplog)
    relay.heal()
    await wait(hass, freezer, 3700)
    assert chosen.state is ConfigEntryState.LOADED
    assert state(hass, chosen, "printer_state").state == "offline"
    await unload(hass, chosen)


async def test_hostile_deliveries_do_no_harm(
    hass: HomeAssistant,
    caplog: pytest.LogCaptureFixture,
    freezer: FrozenDateTimeFactory,
    relay: Relay,
    entry: MockConfigEntry,
    hass_client_no_auth: ClientSessionGenerator,
    api: Api,
) -> None:
    """What is said to the webhook by whoever knows its address."""
    hass.config.external_url = "https://home.example.com"
    entry.add_to_hass(hass)
    assert await hass.config_entries.async_setup(entry.entry_id)
    await settle(hass)
    await wait(hass, freezer, 31)
    worst = [written(everywhere(NOTIFICATION, value)) for value in WORST]
    user, service = await api(), await hass_client_no_auth()
    caplog.clear()
    async with lag_of_the_loop() as lag:
        for body in [*worst, *drawn(hostile([NOTIFICATION]), 150)]:
            lag.reset()
            async with service.post(f"/api/webhook/{entry.data['webhook_id']}", data=body.encode()) as response:
                assert response.status < HTTPStatus.INTERNAL_SERVER_ERROR
            await wait(hass, freezer, 5)
            assert lag.worst < MAX_LAG, body
            await assert_unharmed(hass, user, caplog)
    await unload(hass, entry)


async def test_hostile_completion_links_do_no_harm(
    hass: HomeAssistant,
    caplog: pytest.LogCaptureFixture,
    relay: Relay,
    hass_client_no_auth: ClientSessionGenerator,
    api: Api,
) -> None:
    """What anybody appends to the address that a portal sends the browser back to, and the dialog that waits for it."""
    await hass.config.async_update(internal_url="http://127.0.0.1:8123")
    await start(hass, "octoeverywhere", "octoeverywhere_portal")
    user, browser = await api(), await hass_client_no_auth()
    others = COMPLETION.keys() - {"success", "url", "id", "appApiToken"}
    worst = [change for text in WORST_TEXTS for change in ({"url": text}, {"id": text}, dict.fromkeys(others, text))]
    changes = st.dictionaries(st.sampled_from(list(COMPLETION)), HOSTILE_TEXTS, min_size=1, max_size=4)
    async with lag_of_the_loop() as lag:
        for changed in [*worst, *drawn(changes, 150)]:
            # As a browser sends it: no half of a character, and no more than Home Assistant's server takes.
            query = {
                name: text[:150].encode(errors="replace").decode() for name, text in (COMPLETION | changed).items()
            }
            dialog = await start(hass, "octoeverywhere", "octoeverywhere_portal")
            lag.reset()
            async with browser.get(URL(URL(dialog["url"]).query["returnUrl"]).with_query(query).relative()) as response:
                # Home Assistant itself refuses some of them before they come here.
                assert response.status in (HTTPStatus.OK, HTTPStatus.BAD_REQUEST), query
                assert "<a href" not in await response.text()
                result = await step(hass, dialog) if response.status == HTTPStatus.OK else dialog
            await settle(hass)
            assert lag.worst < MAX_LAG, query
            for text in (result.get("description_placeholders") or {}).values():
                assert not re.search(r"\]\(|\) \[", text)
            if result["type"] not in (FlowResultType.ABORT, FlowResultType.CREATE_ENTRY):
                hass.config_entries.flow.async_abort(result["flow_id"])
            await assert_unharmed(hass, user, caplog)


FRAMES = [
    EVENT,
    {"event": {"type": "Error", "payload": {"error": "Heater", "reason": "firmware"}}},
    {"event": {"type": "Connected", "payload": {"port": "VIRTUAL", "baudrate": 115200, "connector": "serial"}}},
    {"event": {"type": "PrintStarted", "payload": {"name": "a.gcode", "path": "a.gcode", "user": "u", "size": 1}}},
    {"event": {"type": "SettingsUpdated", "payload": {"config_hash": "x"}}},
    {"connected": {"version": "2.0", "plugin_hash": "x", "permissions": []}},
    {"history": {"state": {"text": "Printing", "flags": {}}, "temps": [], "logs": ["x"]}},
]


@pytest.mark.usefixtures("hurried", "everything_enabled")
async def test_hostile_push_frames_do_no_harm(
    hass: HomeAssistant,
    caplog: pytest.LogCaptureFixture,
    relay: Relay,
    entry: MockConfigEntry,
    api: Api,
) -> None:
    """What is said on the push socket, by OctoPrint or one of its plugins."""
    updates = await listening(hass, entry)
    worst = [written(everywhere(frame, value)) for value in WORST for frame in FRAMES[:2]]
    user = await api()
    caplog.clear()
    async with lag_of_the_loop() as lag:
        for frame in [*worst, *drawn(hostile(FRAMES), 150)]:
            lag.reset()
            await relay.say_on_sockets(frame)
            await asyncio.sleep(0.01)
            await settle(hass)
            assert lag.worst < MAX_LAG, frame
            await assert_unharmed(hass, user, caplog)
    await until(lambda: updates.since)
    await settle(hass)
    # Of what was said, only that there was an error is believed: OctoPrint's API does not keep it.
    assert state(hass, entry, "printer_state").state in ("offline", "offline_after_error")
    await unload(hass, entry)


@pytest.mark.usefixtures("hurried", "everything_enabled")
async def test_hostile_push_frames_without_pause_do_no_harm(
    hass: HomeAssistant, caplog: pytest.LogCaptureFixture, relay: Relay, entry: MockConfigEntry, api: Api
) -> None:
    """However fast they come, what they say is read from OctoPrint, and only that is shown."""
    await listening(hass, entry)
    user = await api()
    caplog.clear()
    relay.clear()
    history: Counter[str] = Counter()

    @callback
    def record(event: Event[EventStateChangedData]) -> None:
        history[event.data["entity_id"]] += 1

    hass.bus.async_listen(EVENT_STATE_CHANGED, record)
    async with lag_of_the_loop() as lag:
        for number in range(1000):
            text = f"Printing {number}" + "x" * 2000
            payload = {"state_id": "PRINTING", "state_string": text}
            await relay.say_on_sockets(written({"event": {"type": "PrinterStateChanged", "payload": payload}}))
        await until(lambda: relay.seen("tunnel", path="/api/connection"))
        await settle(hass)
        assert lag.worst < MAX_LAG
    assert not history
    assert state(hass, entry, "printer_state").state == "offline"
    await assert_unharmed(hass, user, caplog)
    await unload(hass, entry)


async def test_hostile_words_in_dialogs_do_no_harm(
    hass: HomeAssistant, caplog: pytest.LogCaptureFixture, loaded: MockConfigEntry, api: Api
) -> None:
    """What somebody types or pastes, or is talked into pasting: every form says what is wrong with it."""
    user = await api()
    caplog.clear()
    options = {"poll_interval": 60, "verify_ssl": True}
    async with lag_of_the_loop() as lag:
        for text in [*WORST_TEXTS, *drawn(HOSTILE_TEXTS, 100)]:
            pasted = await start(hass, "octoeverywhere", "octoeverywhere_paste")
            lag.reset()
            for typed in (
                text,
                f"https://octoeverywhere.com/?success=true&id=1&appApiToken=x&authBearerToken=y&url={text}",
            ):
                pasted = await step(hass, pasted, {"completion_url": typed})
                if pasted["type"] is FlowResultType.MENU:  # it is an App Connection: a key is asked for
                    break
                assert pasted["type"] is FlowResultType.FORM, typed
                assert pasted["errors"], typed
            hass.config_entries.flow.async_abort(pasted["flow_id"])
            changed = await hass.config_entries.options.async_init(loaded.entry_id)
            changed = await hass.config_entries.options.async_configure(
                changed["flow_id"], {**options, "local_url": f"http://[::]{text}"}
            )
            assert changed["type"] is FlowResultType.FORM, text
            assert changed["errors"] == {"local_url": "invalid_url"}, text
            hass.config_entries.options.async_abort(changed["flow_id"])
            assert lag.worst < MAX_LAG, text
            await assert_unharmed(hass, user, caplog)


@pytest.mark.usefixtures("everything_enabled")
async def test_names_of_a_hundred_characters_in_any_script_do_no_harm(
    hass: HomeAssistant, caplog: pytest.LogCaptureFixture, relay: Relay, entry: MockConfigEntry, api: Api
) -> None:
    """One character of some becomes fifteen in an entity id."""
    name = "\u337f" * 500
    webcams = {"webcams": [{"name": name, "displayName": name, "compat": {"snapshot": "/s"}}] * 3}
    relay.fail("tunnel", 200, json.dumps({"webcam": webcams}), path="/api/settings", content_type="application/json")
    relay.fail("octoeverywhere_api", 200, json.dumps(INFO | {"PrinterName": name}), content_type="application/json")
    entry.add_to_hass(hass)
    hass.config_entries.async_update_entry(entry, title="\u337f" * MAX_NAME)
    assert await hass.config_entries.async_setup(entry.entry_id)
    await settle(hass)
    await assert_unharmed(hass, await api(), caplog)
    assert hass.states.async_entity_ids("camera")
    await unload(hass, entry)


# Time and memory

LONG = MAX_BODY // 2
ADVERSARIAL = [
    "<UDN>" * (LONG // 5),
    "<UDN>" + " " * LONG,
    "<UDN>uuid:" + "a-" * (LONG // 2),
    "<UDN>uuid:4fc1b2a8-1c0f-4d0c-9d5e-6a2f3b7c8d90</UDN>" + "<friendlyName>" * (LONG // 14),
    "<UDN>uuid:4fc1b2a8-1c0f-4d0c-9d5e-6a2f3b7c8d90</UDN><friendlyName>" + "&amp" * 40 + "</friendlyName>",
    "https://" + "a." * (LONG // 2),
    "https://" + "a-" * 4000 + ".octoeverywhere.com",
    "https://x:" + "y" * LONG + "@obico.io",
    "tunnel_endpoint=" * (LONG // 16),
    "tunnel_endpoint=" + "%" * LONG,
    "https://octoeverywhere.com/?" + "a=1&" * 2000,
    "Offline (Error: " * (LONG // 16),
    "9" * LONG,
    "2026-07-01T" + "0" * LONG,
    "tool" * (LONG // 4),
]


@pytest.mark.parametrize("text", ADVERSARIAL, ids=lambda text: text[:24])
def test_long_texts_are_read_soon(text: str) -> None:
    """No text of the size that answers may have keeps a parser busy."""
    in_every_field = json.dumps(
        {
            "state": text,
            "current": {"state": text, "port": text},
            "Url": text,
            "EventType": 1,
            "SnapshotUrl": text,
            "temperature": {text: {"actual": 1}},
            "webcam": {"webcams": [{"name": text, "compat": {"snapshot": text}}]},
            "files": {"local": {"path": text}},
        }
    ).encode()
    started = process_time()
    answer = JsonObject.parse(in_every_field)
    for parser, declared, _ in PARSERS.values():
        read(lambda parser=parser: parser(answer), declared)  # type: ignore[misc]
    read(lambda: Instance.from_xml(text.encode()), Instance)
    read(lambda: Obico.from_link(text, Obico.default_server), Authorized)
    read(lambda: OctoEverywhere.from_link(text, ""), Authorized)
    read(lambda: OctoEverywhere.from_completion({**COMPLETION, "url": text}, ""), Authorized)
    assert process_time() - started < SOON
