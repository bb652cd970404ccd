"""Parsers read any input as the type that they declare, or raise an error that they document, and do so quickly."""

from collections.abc import Callable, Mapping
import copy
from dataclasses import fields, is_dataclass
from functools import partial
import json
from time import process_time
from types import UnionType
from typing import Any, Union, get_args, get_origin, get_type_hints

from hypothesis import HealthCheck, given, settings, strategies as st
import pytest
from yarl import URL

from custom_components.octoprint_tunnel.api.errors import OctoPrintTunnelError
from custom_components.octoprint_tunnel.api.json_object import JsonObject
from custom_components.octoprint_tunnel.api.octoprint.connection import Connection
from custom_components.octoprint_tunnel.api.octoprint.custom_controls import CustomControl, controls_from_json
from custom_components.octoprint_tunnel.api.octoprint.files import LocalFile, UploadedFile
from custom_components.octoprint_tunnel.api.octoprint.gcode import Layer
from custom_components.octoprint_tunnel.api.octoprint.heaters import PrinterReading
from custom_components.octoprint_tunnel.api.octoprint.job import Job
from custom_components.octoprint_tunnel.api.octoprint.layer_plugin import layer_from_values
from custom_components.octoprint_tunnel.api.octoprint.print_event import PrintEvent
from custom_components.octoprint_tunnel.api.octoprint.printer_error import PrinterError
from custom_components.octoprint_tunnel.api.octoprint.prompt import PLUGIN as PROMPT_PLUGIN, Prompt
from custom_components.octoprint_tunnel.api.octoprint.server import Instance, User
from custom_components.octoprint_tunnel.api.octoprint.stored import Listing
from custom_components.octoprint_tunnel.api.octoprint.thumbnails import StoredFile, Thumbnail, thumbnails_from_json
from custom_components.octoprint_tunnel.api.octoprint.timelapses import Timelapse, timelapses_from_json
from custom_components.octoprint_tunnel.api.octoprint.updates import Updates
from custom_components.octoprint_tunnel.api.octoprint.webcam import Webcam, webcams_from_json
from custom_components.octoprint_tunnel.api.transport.addresses import web_address
from custom_components.octoprint_tunnel.api.transport.route import MAX_BODY
from custom_components.octoprint_tunnel.api.tunnels.app_apis import (
    detection_from_json,
    live_link_from_json,
    notification_from_json,
)
from custom_components.octoprint_tunnel.api.tunnels.base import AccountDelivery, AuthorizationError, Authorized, Tunnel
from custom_components.octoprint_tunnel.api.tunnels.models import Detection, LiveLink, Notification
from custom_components.octoprint_tunnel.api.tunnels.obico import CLOUD_SERVER, Obico, server_address
from custom_components.octoprint_tunnel.api.tunnels.obico_notifications import ObicoNotifications
from custom_components.octoprint_tunnel.api.tunnels.octoeverywhere import OctoEverywhere
from custom_components.octoprint_tunnel.api.tunnels.own_address import HEADER_FIELDS, OwnAddress

from .bodies import (
    ACCOUNT_DELIVERY,
    COMPLETION,
    CONTROLS,
    ENDPOINT,
    FRAMES,
    GADGET,
    JOB,
    LAYER_VALUES,
    LISTED,
    LIVE_LINK,
    NOTIFICATION,
    READING,
    RECORDED,
    STORED,
    UPDATES,
    UPLOADED,
    recorded,
)
from .figures import FIGURES
from .hostile import places

pytestmark = pytest.mark.long

MAX_ERROR = 200  # characters of the text of an error, which is shown and logged
MAX_WORK = 2.0  # seconds of processor time; a regular expression that backtracks takes hours for a megabyte

REPEATABLE = settings(
    derandomize=True,
    database=None,
    deadline=None,
    max_examples=900,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
)

STORED_FILE = StoredFile(storage="local", path="a.gcode", date=1)

PARSERS: dict[str, tuple[Callable[[JsonObject], object], Any, list[Any]]] = {
    "connection": (Connection.from_json, Connection, recorded("connection_")),
    "user": (User.from_json, User, recorded("currentuser_")),
    "webcams": (webcams_from_json, tuple[Webcam, ...], recorded("settings_")),
    "job": (Job.from_json, Job, [JOB]),
    "printer": (PrinterReading.from_json, PrinterReading, [READING]),
    "printer_error": (PrinterError.from_json, PrinterError | None, [FRAMES[1]["event"]["payload"]]),
    "print_event": (partial(PrintEvent.from_push, "PrintFailed"), PrintEvent, [FRAMES[4]["event"]["payload"]]),
    "controls": (controls_from_json, tuple[CustomControl, ...], [CONTROLS]),
    "timelapses": (timelapses_from_json, tuple[Timelapse, ...], [{"files": [{"name": "a.mp4", "bytes": 9}]}]),
    "listed": (Listing.from_json, Listing, [LISTED]),
    "prompt": (Prompt.from_json, Prompt | None, [{"text": "Load?", "choices": ["Yes", "No"]}]),
    "shown prompt": (partial(PrintEvent.from_push, PROMPT_PLUGIN), PrintEvent | None, [FRAMES[7]["plugin"]["data"]]),
    "file": (LocalFile.from_json, LocalFile | None, [JOB["job"]["file"]]),
    "layer": (layer_from_values, Layer | None, [LAYER_VALUES]),
    "stored": (lambda body: thumbnails_from_json(body, STORED_FILE), tuple[Thumbnail, ...], [STORED]),
    "updates": (
        lambda body: Updates.from_json(body, ("octoprint", "octoeverywhere", "obico")),
        Updates,
        [UPDATES],
    ),
    "uploaded": (UploadedFile.from_json, UploadedFile, [UPLOADED]),
    "gadget": (detection_from_json, Detection, [GADGET]),
    "live_link": (live_link_from_json, LiveLink, [LIVE_LINK]),
    "notification": (notification_from_json, Notification, [NOTIFICATION]),
    "account_delivery": (
        ObicoNotifications(URL(CLOUD_SERVER), is_cloud=True).read,
        AccountDelivery,
        [ACCOUNT_DELIVERY],
    ),
}
"""Each parser with its result and with bodies as they are documented."""

TEXTS = st.one_of(
    st.text(max_size=40),
    st.sampled_from(
        ["", " ", "\x00", "\ud800", "NaN", "Offline (Error: ", "Error:", "https://[", "http://a:99999", "%", "0"]
    ),
    st.text("a(.:-/ 9", min_size=1, max_size=3).map(lambda text: text * 5000),
    st.sampled_from(["0001-01-01T00:00:00+23:59", "9999-12-31T23:59:59-23:59", "2026-W01-1", "2026-07-01T12:00:00Z"]),
)
HEADERS = st.tuples(st.sampled_from(["X-Token", "Host", "x-api-key", "Authorization"]) | TEXTS, TEXTS).map(": ".join)
QUERY_VALUES = TEXTS.map(lambda text: text.encode(errors="replace").decode())
NUMBERS = st.one_of(
    st.integers(),
    st.floats(allow_nan=False, allow_infinity=False),
    st.sampled_from([0, -1, 2**63, 10**400, 1e308, -1e308, 0.5, 5e-324]),
)
LEAVES = st.one_of(st.none(), st.booleans(), NUMBERS, TEXTS)
DEEP = st.integers(1, 200).map(lambda depth: json.loads('{"a":[' * depth + "1" + "]}" * depth))
JSON = st.recursive(
    LEAVES, lambda inner: st.lists(inner, max_size=4) | st.dictionaries(TEXTS, inner, max_size=4), max_leaves=12
)
AWKWARD = st.sampled_from([None, True, -1, 10**400, 1e308, "", "\ud800", "x" * 300, [], {}, [None], {"a": "\ud800"}])


@st.composite
def mutated(draw: st.DrawFn, bodies: list[Any]) -> bytes:
    """Return a body with parts removed, replaced or moved; it may be cut off or have other bytes in it."""
    body = copy.deepcopy(draw(st.sampled_from(bodies)))
    for _ in range(draw(st.integers(1, 5))):
        if not (found := places(body)):
            break
        holder, key = draw(st.sampled_from(found))
        match draw(st.sampled_from(["remove", "replace", "move"])):
            case "remove":
                del holder[key]
            case "replace":
                holder[key] = copy.deepcopy(draw(AWKWARD | LEAVES | JSON | DEEP))
            case _:
                other, other_key = draw(st.sampled_from(found))
                holder[key] = copy.deepcopy(other[other_key])
    written = json.dumps(body).encode()
    at = draw(st.integers(0, len(written)))
    match draw(st.sampled_from(["whole", "whole", "cut", "inserted"])):
        case "cut":
            return written[:at]
        case "inserted":
            return written[:at] + draw(st.binary(max_size=8)) + written[at:]
        case _:
            return written


def check(value: object, declared: Any, where: str = "") -> None:
    """Fail unless a value is of the declared type, part by part."""
    origin, arguments = get_origin(declared), get_args(declared)
    if origin in (Union, UnionType):
        fitting = [argument for argument in arguments if _is_a(value, argument)]
        assert fitting, f"{where}: {value!r:.99} is no {declared}"
        check(value, fitting[0], where)
        return
    assert _is_a(value, declared), f"{where}: {value!r:.99} is no {declared}"
    if isinstance(value, tuple | frozenset):
        for part in value:
            check(part, arguments[0], f"{where}[]")
    elif isinstance(value, Mapping):
        for key, part in value.items():
            check(key, arguments[0], f"{where} key")
            check(part, arguments[1], f"{where}[{key!r:.20}]")
    elif is_dataclass(value) and not isinstance(value, type):
        hints = get_type_hints(type(value), {"Tunnel": Tunnel})
        for item in fields(value):
            check(getattr(value, item.name), hints[item.name], f"{where}.{item.name}")
    elif isinstance(value, str):
        value.encode()  # a lone surrogate could not be stored


def _is_a(value: object, declared: Any) -> bool:
    kind = get_origin(declared) or declared
    if kind is Any:
        return True
    if kind is type(None):
        return value is None
    return isinstance(value, kind) and (not isinstance(value, bool) or kind is bool)


def read(parse: Callable[[], object], declared: Any) -> None:
    """Fail unless the result is of the declared type, or the error one that is documented, with a short text."""
    FIGURES["bodies and links tried on the parsers"] += 1
    try:
        value = parse()
    except (OctoPrintTunnelError, AuthorizationError) as error:
        text = str(error)
    else:
        check(value, declared)
        return
    assert len(text) < MAX_ERROR


@pytest.mark.parametrize("name", PARSERS)
def test_bodies(name: str) -> None:
    """Documented bodies, bodies that were changed, any JSON object and any bytes."""
    parser, declared, bodies = PARSERS[name]
    for body in bodies:
        read(lambda body=body: parser(JsonObject(body)), declared)  # type: ignore[misc]
    any_object = st.dictionaries(TEXTS, JSON, max_size=5).map(lambda body: json.dumps(body).encode())

    @REPEATABLE
    @given(mutated(bodies) | any_object | st.binary(max_size=200))
    def run(body: bytes) -> None:
        read(lambda: parser(JsonObject.parse(body)), declared)

    run()


@REPEATABLE
@given(st.data())
def test_discovery_documents(data: st.DataObject) -> None:
    """A discovery document with other bytes in it."""
    document = data.draw(st.sampled_from([path.read_bytes() for path in sorted(RECORDED.glob("discovery_*.xml"))]))
    at, to = sorted(data.draw(st.tuples(*[st.integers(0, len(document))] * 2)))
    inserted = data.draw(st.binary(max_size=30) | st.sampled_from([b"&#0;", b"&#xD800;", b"<UDN>", b"&#99999999999;"]))
    read(lambda: Instance.from_xml(document[:at] + inserted + document[to:]), Instance)


@REPEATABLE
@given(
    st.dictionaries(st.sampled_from([*COMPLETION, "", "x"]), QUERY_VALUES | st.sampled_from(list(COMPLETION.values()))),
    st.lists(st.sampled_from(list(COMPLETION))),
)
def test_completion_links(changes: dict[str, str], missing: list[str]) -> None:
    """The parameters of OctoEverywhere's portal, changed, or without some of them."""
    query = {name: value for name, value in {**COMPLETION, **changes}.items() if name not in missing}
    read(lambda: _of_the_service(OctoEverywhere.from_completion(query, "")), Authorized)


@REPEATABLE
@given(st.data())
def test_links(data: st.DataObject) -> None:
    """A link that was pasted, cut off, doubled or made up."""
    link = data.draw(
        st.sampled_from([ENDPOINT, f"https://a/x?tunnel_endpoint={ENDPOINT}", "https://octoeverywhere.com/"])
    )
    at = data.draw(st.integers(0, len(link)))
    link = link[:at] + data.draw(TEXTS) + link[data.draw(st.integers(at, len(link))) :]
    read(lambda: _of_the_service(Obico.from_link(link, Obico.default_server)), Authorized)
    read(lambda: _of_the_service(OctoEverywhere.from_link(link, "")), Authorized)
    read(lambda: server_address(link), str)


@REPEATABLE
@given(
    st.sampled_from(["https://printer.example/octoprint", "printer.example"]) | TEXTS,
    st.dictionaries(st.sampled_from(["username", "password", "bearer_token", *HEADER_FIELDS]), TEXTS | HEADERS),
)
def test_own_addresses(address: str, entered: dict[str, str]) -> None:
    """For anything that is entered in the form, what is stored can be sent: https, and headers of one line."""

    def from_form() -> Authorized:
        authorized = OwnAddress.from_form({"address": address, "verify_ssl": True, **entered}, "")
        tunnel = authorized.tunnel
        assert isinstance(tunnel, OwnAddress)
        assert tunnel.url.startswith("https://")
        for name, value in {**tunnel.headers, **tunnel.authorization}.items():
            assert f"{name}{value}".isascii()
            assert f"{name}{value}".isprintable()
            assert name.lower() not in ("host", "connection", "content-length", "x-api-key")
        return authorized

    read(from_form, Authorized)


def _of_the_service(authorized: Authorized) -> Authorized:
    """Fail if credentials would go to another host, or do not fit into a header."""
    url = web_address(authorized.tunnel.url)
    assert url is not None
    assert url.scheme == "https"
    assert f".{url.host}".endswith((".octoeverywhere.com", ".obico.io"))
    for credential in (authorized.tunnel.username, authorized.tunnel.password, authorized.api_key):
        assert credential is None or (credential.isascii() and credential.isprintable())
    return authorized


LONG = MAX_BODY // 2
UDN = "<UDN>uuid:4fc1b2a8-1c0f-4d0c-9d5e-6a2f3b7c8d90</UDN>"
LONG_TEXTS = [
    "<UDN>" * (LONG // 5),
    "<UDN>" + " " * LONG,
    "<UDN>uuid:" + "a-" * (LONG // 2),
    UDN + "<friendlyName>" * (LONG // 14),
    UDN + "<friendlyName>" + "&amp" * 40 + "</friendlyName>",
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


@pytest.mark.parametrize("text", LONG_TEXTS, ids=lambda text: text[:24])
def test_long_texts_are_read_quickly(text: str) -> None:
    """No text that fits into a response keeps a parser busy."""
    everywhere = {
        "state": text,
        "current": {"state": text, "port": text},
        "Url": text,
        "EventType": 1,
        "SnapshotUrl": text,
        "temperature": {text: {"actual": 1}},
        "webcam": {"webcams": [{"name": text, "compat": {"snapshot": text}}]},
        "files": {"local": {"path": text}},
    }
    started = process_time()
    body = JsonObject.parse(json.dumps(everywhere).encode())
    for parser, declared, _ in PARSERS.values():
        read(lambda parser=parser: parser(body), declared)  # type: ignore[misc]
    read(lambda: Instance.from_xml(text.encode()), Instance)
    read(lambda: Obico.from_link(text, Obico.default_server), Authorized)
    read(lambda: OctoEverywhere.from_link(text, ""), Authorized)
    read(lambda: OctoEverywhere.from_completion({**COMPLETION, "url": text}, ""), Authorized)
    for form in ({"address": text}, {"address": "https://x", "username": text, "header_1": f"X: {text}"}):
        read(lambda form=form: OwnAddress.from_form({**form, "verify_ssl": True}, ""), Authorized)  # type: ignore[misc]
    assert process_time() - started < MAX_WORK
