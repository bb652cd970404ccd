"""OctoEverywhere: what its portal hands out, what its codes mean, and what it tells of a printer."""

from base64 import b64encode
from datetime import UTC, datetime
import json
from typing import Any, Literal

from aiohttp import ClientSession
import pytest
from yarl import URL

from custom_components.octoprint_tunnel.api.errors import (
    BetaOnly,
    Condition,
    CredentialsRejected,
    DownloadTooLarge,
    InvalidResponse,
    NothingPrinting,
    NotSupporter,
    OctoPrintOffline,
    OctoPrintTunnelError,
    PluginOutdated,
    Remedy,
    RequestTimeout,
    ServiceError,
    TunnelRevoked,
    UploadTooLarge,
    WebcamLimit,
)
from custom_components.octoprint_tunnel.api.octoprint.client import OctoPrint
from custom_components.octoprint_tunnel.api.tunnels import tunnel_from_data
from custom_components.octoprint_tunnel.api.tunnels.base import AuthorizationError, Authorized
from custom_components.octoprint_tunnel.api.tunnels.models import Limits, TunnelStatus
from custom_components.octoprint_tunnel.api.tunnels.octoeverywhere import OctoEverywhere

from ...octoprint.server import OctoPrintServer
from ...relay.octoeverywhere import AppConnection
from ...relay.server import Relay

SERVER = OctoEverywhere.default_server
INFO = "/api/appconnection/info"
COMPLETE = "https://octoeverywhere.com/appportal/v1/complete"

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
BEARER = {"authBasicHttpUser": None}
SECRETS = ("token-1", "password-1", "bearer-1", "key-1")

# The example of the documentation, "App Connection Info API".
DOCUMENTED: dict[str, Any] = {
    "PrinterName": "My Printer",
    "PrinterLocalIp": "192.168.1.5",
    "IsOnline": True,
    "LastDisconnectTimeUtc": "2026-06-15T01:20:30Z",
    "LastConnectionTimeUtc": "2026-06-15T01:25:30Z",
    "UserFacingPrinterUrl": "https://octoeverywhere.com/view/My%20Printer",
    "PrinterLimits": {
        "MaxDownloadFileSizeBytes": 104857600,
        "MaxUploadFileSizeBytes": 104857600,
        "MaxSingleWebcamStreamLengthSeconds": 600,
    },
}


def completed(**changes: str | None) -> Authorized:
    """Read the portal's answer with some parameters changed, or left out."""
    return OctoEverywhere.from_completion(
        {name: value for name, value in {**COMPLETION, **changes}.items() if value is not None}, SERVER
    )


def refusal(**changes: str | None) -> str:
    """Return why the portal's answer is not accepted with these changes."""
    with pytest.raises(AuthorizationError) as caught:
        completed(**changes)
    return caught.value.key


@pytest.fixture
def tunnel(connection: AppConnection) -> OctoEverywhere:
    """Return a tunnel to the printer."""
    return OctoEverywhere(
        url=connection.url,
        username=connection.user,
        password=connection.password,
        connection_id=connection.id,
        app_token=connection.app_token,
    )


# the portal


def test_address_of_the_portal() -> None:
    """It has an app name of 2 to 60 characters, and no obsolete `authType`."""
    url = OctoEverywhere.authorize_url(SERVER, "https://home.example/api/authorize/s-1")
    assert str(url.with_query(None)) == "https://octoeverywhere.com/appportal/v1/"
    assert dict(url.query) == {
        "appid": "devtest",
        "octoPrintApiKeyAppName": "Home Assistant",
        "appLogoUrl": "https://brands.home-assistant.io/homeassistant/icon.png",
        "returnUrl": "https://home.example/api/authorize/s-1",
    }
    assert "returnUrl" not in OctoEverywhere.authorize_url(SERVER).query
    assert OctoEverywhere.authorize_url(SERVER, printer_id="p-1").query["printerId"] == "p-1"


@pytest.mark.parametrize("old_keys", [False, True], ids=["names", "old names"])
@pytest.mark.parametrize(("auth", "scheme"), [("both", "Basic"), ("basic", "Basic"), ("bearer", "Bearer")])
@pytest.mark.parametrize("return_url", [None, "https://home.example/api/authorize/s-1"], ids=["page", "redirect"])
async def test_result_of_the_portal_reaches_octoprint(
    session: ClientSession,
    relay: Relay,
    octoprint: OctoPrintServer,
    old_keys: bool,
    auth: Literal["both", "basic", "bearer"],
    scheme: str,
    return_url: str | None,
) -> None:
    """By redirect or by a copied link, with both spellings of the parameters. Basic is preferred."""
    relay.octoeverywhere.portal.auth, relay.octoeverywhere.portal.old_keys = auth, old_keys
    async with session.get(OctoEverywhere.authorize_url(SERVER, return_url), allow_redirects=False) as response:
        end = URL(response.headers["Location"])
    if return_url:
        authorized = OctoEverywhere.from_completion(end.query, SERVER)
    else:
        authorized = OctoEverywhere.from_link(str(end), SERVER)
    assert authorized.api_key == octoprint.api_key
    assert authorized.tunnel.name == "Kitchen"
    await OctoPrint(authorized.tunnel.route(session), authorized.api_key).check_key()
    assert relay.requests[-1].headers["Authorization"].startswith(f"{scheme} ")


async def test_denied_authorization(session: ClientSession, relay: Relay) -> None:
    """It is not treated as an incomplete link."""
    relay.octoeverywhere.portal.outcome = "denied"
    async with session.get(OctoEverywhere.authorize_url(SERVER), allow_redirects=False) as response:
        end = response.headers["Location"]
    with pytest.raises(AuthorizationError, match="denied"):
        OctoEverywhere.from_link(end, SERVER)


# what it hands out


def test_complete_response_of_the_portal() -> None:
    """It has all that is needed for the App Connection, and an API key."""
    authorized = completed()
    assert authorized.tunnel == OctoEverywhere(
        url="https://app-abcdef.octoeverywhere.com",
        username="user-1",
        password="password-1",
        bearer_token=None,
        connection_id="conn-1",
        app_token="token-1",
        printer_name="Kitchen",
        printer_url="https://octoeverywhere.com/view/Kitchen",
        local_ip="192.168.7.20",
    )
    assert authorized.api_key == "key-1"
    assert (authorized.tunnel.own_id, authorized.tunnel.name) == ("conn-1", "Kitchen")
    assert authorized.tunnel.printer_page == "https://octoeverywhere.com/view/Kitchen"
    assert not authorized.tunnel.metered


def test_help_pages() -> None:
    """Supporter perks have a page of their own; for anything else it is the printer's page, if known."""
    tunnel = completed().tunnel
    perks = "https://octoeverywhere.com/appportal/v1/nosupporterperks?appid=devtest"
    assert tunnel.help_url(Condition.NOT_SUPPORTER) == perks
    assert tunnel.help_url(Condition.PLUGIN_OUTDATED) == "https://octoeverywhere.com/view/Kitchen"
    assert completed(userPrinterAccessUrl=None).tunnel.help_url(Condition.PLUGIN_OUTDATED) is None


@pytest.mark.parametrize("spell", [str.lower, str.upper, str.title, str.swapcase])
def test_parameter_names_are_case_insensitive(spell: Any) -> None:
    """Versions of the portal differ."""
    query = {spell(name): value for name, value in COMPLETION.items()}
    assert OctoEverywhere.from_completion(query, SERVER) == completed()


@pytest.mark.parametrize("success", ["true", "True", "TRUE", "1"])
def test_values_of_success(success: str) -> None:
    """All of these mean success."""
    assert completed(success=success) == completed()


@pytest.mark.parametrize("success", ["false", "False", "0", "no", "error", " "])
def test_other_values_of_success(success: str) -> None:
    """All of these mean that the user denied access."""
    assert refusal(success=success) == "denied"


@pytest.mark.parametrize(
    "missing",
    [
        {"success": None},
        {"success": ""},
        {"id": None},
        {"id": ""},
        {"url": None},
        {"url": ""},
        {"appApiToken": None},
        {"appApiToken": ""},
        {"authBasicHttpUser": None, "authBearerToken": None},
        {"authBasicHttpPassword": None, "authBearerToken": None},
        {"authBasicHttpPassword": "", "authBearerToken": ""},
    ],
    ids=str,
)
def test_missing_required_parameter(missing: dict[str, str | None]) -> None:
    """The link was cut off."""
    assert refusal(**missing) == "incomplete_link"


def test_missing_optional_parameters() -> None:
    """The tunnel works without them. An API key that no header can carry is ignored."""
    authorized = completed(
        printername=None, userPrinterAccessUrl="", printerLastKnownLocalIp=None, octoPrintApiKey=None
    )
    assert authorized.api_key is completed(octoPrintApiKey="a\r\nb").api_key is None
    assert (authorized.tunnel.name, authorized.tunnel.printer_page) == (None, None)
    assert authorized.tunnel.to_data().keys() == {
        "provider",
        "url",
        "username",
        "password",
        "connection_id",
        "app_token",
    }


@pytest.mark.parametrize(
    ("given", "kept"),
    [
        ({}, ("user-1", "password-1", None)),
        ({"authBearerToken": None}, ("user-1", "password-1", None)),
        ({"authBasicHttpUser": None}, (None, None, "bearer-1")),
        ({"authBasicHttpPassword": None}, (None, None, "bearer-1")),
        ({"authBasicHttpUser": None, "authBasicHttpPassword": None}, (None, None, "bearer-1")),
    ],
    ids=str,
)
def test_basic_is_preferred_if_complete(
    given: dict[str, str | None], kept: tuple[str | None, str | None, str | None]
) -> None:
    """OctoPrint could take a bearer token for one of its own. Unused credentials are not stored."""
    tunnel = completed(**given).tunnel
    assert (tunnel.username, tunnel.password, tunnel.bearer_token) == kept


def test_link_that_is_cut_off_anywhere() -> None:
    """It is refused as incomplete as long as a required parameter is missing."""
    link = str(URL(COMPLETE).with_query(COMPLETION))
    needed = link.index("authBasicHttpPassword=") + len("authBasicHttpPassword=")
    for length in range(len("https://octoeverywhere.com"), len(link) + 1):
        try:
            tunnel = OctoEverywhere.from_link(link[:length], SERVER).tunnel
        except AuthorizationError as error:
            success = link[:length].partition("success=")[2].partition("&")[0]
            assert length <= needed
            assert error.key == ("denied" if success in ("t", "tr", "tru") else "incomplete_link")  # noqa: PT017
        else:
            assert length > needed
            assert tunnel.url == COMPLETION["url"]


FOREIGN_HOSTS = (
    "octoeverywhere.com.evil.example",
    "eviloctoeverywhere.com",
    "app-1.eviloctoeverywhere.com",
    "octoeverywhere.community",
    "octoeverywhere.co",
    "octoeverywhere.com.",
    "octoeverywhere-com.evil.example",
    "octoeverywhere.com@evil.example",
    "app-1.octoeverywhere.com:password@evil.example",
    "evil.example/octoeverywhere.com",
    "evil.example?.octoeverywhere.com",
    "evil.example#.octoeverywhere.com",
    "evil.example:443#@octoeverywhere.com",
    "0ctoeverywhere.com",
    "\u043ectoeverywhere.com",
    "localhost",
    "192.168.7.20",
    "[::1]",
)


@pytest.mark.parametrize("host", FOREIGN_HOSTS)
def test_foreign_hosts_are_refused(host: str) -> None:
    """As the host of an App Connection, and as the host of a link."""
    assert refusal(url=f"https://{host}") == "foreign_host"
    with pytest.raises(AuthorizationError, match="foreign_host"):
        OctoEverywhere.from_link(str(URL(f"https://{host}").with_query(COMPLETION)), SERVER)


@pytest.mark.parametrize(
    "url",
    [
        "https://evil.example\\@octoeverywhere.com",
        "https://evil.example\\.octoeverywhere.com",
        "https://a b.octoeverywhere.com",
        "https://..octoeverywhere.com",
        "https://.octoeverywhere.com",
        "https://evil.example%2f.octoeverywhere.com",
        "https://user@app-1.octoeverywhere.com",
        "https://user:password@app-1.octoeverywhere.com",
        "https://app-1.octoeverywhere.com:port",
        "https://app-1.octoeverywhere.com:99999",
        "https://[app-1.octoeverywhere.com",
        "https://",
        "https:app-1.octoeverywhere.com",
        "//app-1.octoeverywhere.com",
        "ftp://app-1.octoeverywhere.com",
        "javascript:alert(1)",
        "app-1.octoeverywhere.com",
        "app-1",
        "\ud800",
    ],
)
def test_invalid_addresses_of_an_app_connection(url: str) -> None:
    """They are refused with a reason that the user can read."""
    assert refusal(url=url) in ("foreign_host", "not_https", "incomplete_link")


def test_http_is_refused() -> None:
    """In the address of the App Connection as well as in the link."""
    assert refusal(url="HTTP://app-1.octoeverywhere.com") == "not_https"
    with pytest.raises(AuthorizationError, match="not_https"):
        OctoEverywhere.from_link("http://octoeverywhere.com/appportal/v1/complete?success=true", SERVER)


@pytest.mark.parametrize(
    ("url", "kept"),
    [
        ("https://APP-ABCDEF.OctoEverywhere.com", "https://app-abcdef.octoeverywhere.com"),
        ("https://app-abcdef.octoeverywhere.com/", "https://app-abcdef.octoeverywhere.com"),
        ("https://app-abcdef.octoeverywhere.com:443", "https://app-abcdef.octoeverywhere.com"),
        ("https://app-abcdef.octoeverywhere.com:8443", "https://app-abcdef.octoeverywhere.com:8443"),
        ("https://app-abcdef.octoeverywhere.com/path?query=1#fragment", "https://app-abcdef.octoeverywhere.com"),
    ],
)
def test_address_of_an_app_connection_is_normalized(url: str, kept: str) -> None:
    """It is reduced to the origin."""
    assert completed(url=url).tunnel.url == kept


@pytest.mark.parametrize(
    "link",
    [
        "",
        " ",
        "octoeverywhere.com/appportal/v1/complete?success=true",
        "success=true&id=1",
        "ftp://octoeverywhere.com/",
        "mailto:x@octoeverywhere.com",
        "https://",
        "//",
        "https://[octoeverywhere.com/",
        "https://octoeverywhere.com:x/",
    ],
)
def test_invalid_links(link: str) -> None:
    """They are refused."""
    with pytest.raises(AuthorizationError) as caught:
        OctoEverywhere.from_link(link, SERVER)
    assert caught.value.key == "invalid_link"


@pytest.mark.parametrize(
    "value",
    ["a\r\nX-Other: b", "a\nb", "a\x00b", "a b", "a\tb", "\u00fc", "\u2603", "a\x7f", "a\u00a0b", "a\ud800"],
    ids=ascii,
)
@pytest.mark.parametrize("name", ["authBasicHttpUser", "authBasicHttpPassword", "authBearerToken", "appApiToken"])
def test_credentials_that_no_header_can_carry(name: str, value: str) -> None:
    """They are refused, and so is a user name with a colon."""
    assert refusal(**{name: value}) == refusal(authBasicHttpUser="user:1") == "invalid_link"


@pytest.mark.parametrize(
    "page",
    [
        "http://octoeverywhere.com/view/Kitchen",
        "https://octoeverywhere.com.evil.example/view/Kitchen",
        "https://octoeverywhere.com@evil.example/",
        "https://user@octoeverywhere.com/",
        "javascript:alert(document.domain)//octoeverywhere.com",
        "data:text/html,octoeverywhere.com",
        "https://[octoeverywhere.com",
        "/view/Kitchen",
        "Kitchen",
    ],
)
async def test_pages_of_others_are_not_shown(
    session: ClientSession, relay: Relay, tunnel: OctoEverywhere, page: str
) -> None:
    """Neither from the portal nor from the Info API."""
    assert completed(userPrinterAccessUrl=page).tunnel.printer_page is None
    _info(relay, {**DOCUMENTED, "UserFacingPrinterUrl": page})
    status = await tunnel.connect(session).status()
    assert (status.printer_page, status.name) == (None, "My Printer")


# what is kept


@pytest.mark.parametrize("given", [{}, {"authBasicHttpUser": None}, {"printername": None}], ids=str)
def test_stored_tunnel(given: dict[str, str | None]) -> None:
    """It is the same after Home Assistant stored it as JSON."""
    tunnel = completed(**given).tunnel
    data = json.loads(json.dumps({**tunnel.to_data(), "api_key": "key-1", "instance_uuid": "uuid-1"}))
    assert tunnel_from_data(data) == tunnel
    assert data["provider"] == "octoeverywhere"
    assert None not in data.values()


def test_credentials_are_in_a_header_only() -> None:
    """Neither `repr` nor an address contains them."""
    for given, header in (({}, f"Basic {b64encode(b'user-1:password-1').decode()}"), (BEARER, "Bearer bearer-1")):
        authorized = completed(**given)
        route = authorized.tunnel.route(object())  # type: ignore[arg-type]
        shown = f"{authorized!r} {authorized} {authorized.tunnel!r} {route!r} {route.base_url}"
        assert route.headers == {"Authorization": header}
        assert "app-abcdef.octoeverywhere.com" in shown
        for secret in (*SECRETS, route.headers["Authorization"].partition(" ")[2]):
            assert secret not in shown


# its codes


CODES: list[tuple[int, type[OctoPrintTunnelError], Remedy, Condition | None]] = [
    (600, ServiceError, Remedy.RETRY, Condition.SERVICE_ERROR),
    (601, OctoPrintOffline, Remedy.RETRY, Condition.OFFLINE),
    (602, RequestTimeout, Remedy.RETRY, Condition.TIMED_OUT),
    (603, TunnelRevoked, Remedy.REAUTHORIZE, Condition.REVOKED),
    (604, TunnelRevoked, Remedy.REAUTHORIZE, Condition.REVOKED),
    (605, NotSupporter, Remedy.WAIT, Condition.NOT_SUPPORTER),
    (606, CredentialsRejected, Remedy.REAUTHORIZE, Condition.REVOKED),
    (607, DownloadTooLarge, Remedy.LIMIT, None),
    (608, UploadTooLarge, Remedy.LIMIT, None),
    (609, WebcamLimit, Remedy.LIMIT, None),
    (610, PluginOutdated, Remedy.UPDATE_PLUGIN, Condition.PLUGIN_OUTDATED),
    (611, BetaOnly, Remedy.LIMIT, None),
    (612, ServiceError, Remedy.RETRY, Condition.SERVICE_ERROR),
    (613, NothingPrinting, Remedy.LIMIT, None),
    (614, ServiceError, Remedy.RETRY, Condition.SERVICE_ERROR),
    (650, ServiceError, Remedy.RETRY, Condition.SERVICE_ERROR),
    (699, ServiceError, Remedy.RETRY, Condition.SERVICE_ERROR),
]


@pytest.mark.parametrize(("code", "error", "remedy", "condition"), CODES)
async def test_codes(
    session: ClientSession,
    relay: Relay,
    tunnel: OctoEverywhere,
    code: int,
    error: type[OctoPrintTunnelError],
    remedy: Remedy,
    condition: Condition | None,
) -> None:
    """They mean the same on the tunnel, on the API, and in an envelope. The page of the response is not shown."""
    relay.fail("octoeverywhere_tunnel", code, "<html>token-1</html>")
    relay.fail("octoeverywhere_api", code, "<html>token-1</html>", times=1)
    _info(relay, {"Status": code, "Error": "token-1", "IsUserError": True, "Result": None})
    service = tunnel.connect(session)
    for ask in (OctoPrint(service.octoprint).connection(), service.status(), service.status()):
        with pytest.raises(error) as caught:
            await ask
        assert type(caught.value) is error
        assert (caught.value.code, caught.value.remedy, caught.value.condition) == (code, remedy, condition)
        assert "token-1" not in str(caught.value)


# the Info API


def _info(relay: Relay, answer: object, status: int = 200) -> None:
    """Let the Info API respond with this."""
    relay.fail("octoeverywhere_api", status, json.dumps(answer), content_type="application/json")


@pytest.mark.parametrize(
    "answer",
    [
        DOCUMENTED,
        {"Status": 200, "Error": "", "IsUserError": False, "Result": DOCUMENTED},
        {**DOCUMENTED, "PrinterLimits": {**DOCUMENTED["PrinterLimits"], "News": None}, "News": [1, {}]},
    ],
    ids=["documented", "in an envelope", "with unknown fields"],
)
async def test_documented_response(
    session: ClientSession, relay: Relay, tunnel: OctoEverywhere, answer: object
) -> None:
    """Bare, and in the envelope that a shipped client expects."""
    _info(relay, answer)
    assert await tunnel.connect(session).status() == TunnelStatus(
        online=True,
        name="My Printer",
        printer_page="https://octoeverywhere.com/view/My%20Printer",
        local_ip="192.168.1.5",
        last_connected=datetime(2026, 6, 15, 1, 25, 30, tzinfo=UTC),
        last_disconnected=datetime(2026, 6, 15, 1, 20, 30, tzinfo=UTC),
        limits=Limits(max_download=104857600, max_upload=104857600, max_webcam_stream=600),
        usage=None,
    )


@pytest.mark.parametrize("envelope", [False, True], ids=["bare", "envelope"])
async def test_request_of_the_status(
    session: ClientSession, relay: Relay, connection: AppConnection, tunnel: OctoEverywhere, envelope: bool
) -> None:
    """It carries the app token only, and does not use the tunnel. The year 1 means never."""
    relay.octoeverywhere.envelope = envelope
    relay.printer.online = envelope
    status = await tunnel.connect(session).status()
    assert (status.online, status.name, status.local_ip) == (envelope, "Kitchen", relay.printer.local_ip)
    assert (status.last_connected, status.last_disconnected) == (
        datetime(2026, 11, 20, 9, 51, 17, 614404, tzinfo=UTC),
        None,
    )
    [request] = relay.requests
    assert (request.service, request.host, request.path) == ("octoeverywhere_api", "octoeverywhere.com", INFO)
    assert request.headers["AppToken"] == connection.app_token
    assert "Authorization" not in request.headers
    assert dict(request.query) == {}


async def test_missing_fields(session: ClientSession, relay: Relay, tunnel: OctoEverywhere) -> None:
    """A missing or null field does not affect the others."""
    _info(relay, DOCUMENTED)
    complete = await tunnel.connect(session).status()
    for name in DOCUMENTED:
        for value in ({}, {name: None}):
            relay.heal()
            _info(relay, {key: told for key, told in DOCUMENTED.items() if key != name} | value)
            status = await tunnel.connect(session).status()
            changed = {field for field in TunnelStatus.__slots__ if getattr(status, field) != getattr(complete, field)}
            assert len(changed) == 1
            assert getattr(status, changed.pop()) in (None, Limits())


@pytest.mark.parametrize("value", [None, True, 7, -1.5, 10**400, "text", "", [], [{}], {}, {"Deep": [1]}], ids=repr)
async def test_fields_of_other_types(
    session: ClientSession, relay: Relay, tunnel: OctoEverywhere, value: object
) -> None:
    """They are None."""
    _info(relay, dict.fromkeys(DOCUMENTED, value))
    status = await tunnel.connect(session).status()
    assert status.online is (True if value is True else None)
    assert status.name == (value if isinstance(value, str) and value else None)
    assert (status.last_connected, status.last_disconnected, status.printer_page) == (None, None, None)
    assert status.limits == Limits()


@pytest.mark.parametrize(
    ("text", "time"),
    [
        ("2026-06-15T01:20:30Z", datetime(2026, 6, 15, 1, 20, 30, tzinfo=UTC)),
        ("2026-06-15T01:20:30", datetime(2026, 6, 15, 1, 20, 30, tzinfo=UTC)),
        ("2026-06-15T01:20:30+02:00", datetime(2026, 6, 14, 23, 20, 30, tzinfo=UTC)),
        ("2026-06-15T01:20:30.1-05:30", datetime(2026, 6, 15, 6, 50, 30, 100000, tzinfo=UTC)),
        ("2026-06-15 01:20:30", datetime(2026, 6, 15, 1, 20, 30, tzinfo=UTC)),
        ("2023-02-04T09:51:17.6144047Z", datetime(2023, 2, 4, 9, 51, 17, 614404, tzinfo=UTC)),
        ("0001-01-01T00:00:00", None),
        ("0001-01-01T00:00:00Z", None),
        ("0001-01-01T00:00:00+14:00", None),
        ("9999-12-31T23:59:59.9999999Z", None),
        ("9999-12-31T23:59:59-12:00", None),
        ("1970-01-01T00:00:00Z", None),
        ("2026-02-30T00:00:00Z", None),
        ("2026-06-15T25:00:00Z", None),
        ("+292277026596-12-04T15:30:08Z", None),
        ("/Date(1781486430000)/", None),
        ("1781486430", None),
        ("yesterday", None),
        ("\u0662\u0660\u0662\u0666-06-15T01:20:30Z", None),
        (1781486430, None),
    ],
)
async def test_times(
    session: ClientSession, relay: Relay, tunnel: OctoEverywhere, text: object, time: datetime | None
) -> None:
    """They are UTC without an offset. A year in which no printer was connected means never."""
    _info(relay, {"LastConnectionTimeUtc": text, "LastDisconnectTimeUtc": text})
    status = await tunnel.connect(session).status()
    assert (status.last_connected, status.last_disconnected) == (time, time)
    assert time is None or (status.last_connected and status.last_connected.tzinfo is UTC)


def test_long_links(relay: Relay, connection: AppConnection) -> None:
    """A long name is cut off, and a link that is far too long is refused."""
    link = URL(relay.octoeverywhere.completion_url(connection)).update_query(printername="K" * 6000)
    tunnel = OctoEverywhere.from_link(str(link), "").tunnel
    assert (tunnel.url, tunnel.name) == (connection.url, "K" * 100)
    with pytest.raises(AuthorizationError, match="invalid_link"):
        OctoEverywhere.from_link(str(link.update_query(printername="K" * 70_000)), "")


@pytest.mark.parametrize(
    ("value", "size", "seconds"),
    [
        (1, 1, 1),
        (3600.75, 3600, 3600),
        (31536001, 31536001, None),
        (2**53, 2**53, None),
        *((value, None, None) for value in (0, 0.5, -1, "600", True, 2**53 + 1, 1e300)),
    ],
)
async def test_limits(
    session: ClientSession, relay: Relay, tunnel: OctoEverywhere, value: object, size: int | None, seconds: int | None
) -> None:
    """A limit is positive, a stream lasts at most a year, and JSON cannot carry larger numbers exactly."""
    _info(relay, {"PrinterLimits": dict.fromkeys(DOCUMENTED["PrinterLimits"], value)})
    assert (await tunnel.connect(session).status()).limits == Limits(
        max_download=size, max_upload=size, max_webcam_stream=seconds
    )


async def test_invalid_numbers(session: ClientSession, relay: Relay, tunnel: OctoEverywhere) -> None:
    """They are None, and do not affect other fields."""
    limits = {"MaxDownloadFileSizeBytes": float("nan"), "MaxUploadFileSizeBytes": 5}
    _info(relay, {"PrinterLimits": limits, "IsOnline": float("inf"), "PrinterName": "Garage"})
    status = await tunnel.connect(session).status()
    assert (status.limits, status.online, status.name) == (Limits(max_upload=5), None, "Garage")


@pytest.mark.parametrize("status", [201, 204, 302, 400, 401, 403, 404, 429, 500])
async def test_other_statuses(session: ClientSession, relay: Relay, tunnel: OctoEverywhere, status: int) -> None:
    """The documentation has no others; they are errors of the service."""
    relay.fail("octoeverywhere_api", status)
    with pytest.raises(ServiceError) as caught:
        await tunnel.connect(session).status()
    assert (caught.value.code, caught.value.remedy) == (status, Remedy.RETRY)


@pytest.mark.parametrize("body", ["", "<html></html>", "[]", "null", '{"IsOnline": -}', '{"IsOnline"', "[" * 100_000])
async def test_unreadable_responses(session: ClientSession, relay: Relay, tunnel: OctoEverywhere, body: str) -> None:
    """They say nothing about the tunnel."""
    relay.fail("octoeverywhere_api", 200, body)
    with pytest.raises(InvalidResponse) as caught:
        await tunnel.connect(session).status()
    assert caught.value.condition is None


@pytest.mark.parametrize(
    "answer",
    [
        {"Status": 500, "Error": "x", "Result": None},
        {"Status": 400, "Result": None},
        {"Status": 603, "Error": "x"},
        {"Status": 750, "Result": None},
    ],
)
async def test_envelope_without_a_result(
    session: ClientSession, relay: Relay, tunnel: OctoEverywhere, answer: dict[str, Any]
) -> None:
    """It is an error unless its status is 200."""
    relay.fail("octoeverywhere_api", 200, json.dumps(answer))
    with pytest.raises(OctoPrintTunnelError) as caught:
        await tunnel.connect(session).status()
    assert caught.value.code == answer["Status"]
