"""OctoEverywhere: what its portal hands out, what its codes mean, and what it tells of a printer."""

from base64 import b64decode
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


def app_connection(connection: AppConnection) -> OctoEverywhere:
    """Return the tunnel that belongs to an App Connection of the relay."""
    return OctoEverywhere(
        url=connection.url,
        username=connection.user,
        password=connection.password,
        connection_id=connection.id,
        app_token=connection.app_token,
    )


@pytest.fixture
def tunnel(connection: AppConnection) -> OctoEverywhere:
    """Return a tunnel to the printer."""
    return app_connection(connection)


# the portal


def test_the_portal_is_asked_for_a_key_and_for_the_way_back() -> None:
    """With a name that it accepts (2 to 60 characters), and without the obsolete `authType`."""
    url = OctoEverywhere.authorize_url(SERVER, "https://home.example/api/authorize/s-1")
    assert str(url.with_query(None)) == "https://octoeverywhere.com/appportal/v1/"
    assert dict(url.query) == {
        "appid": "devtest",
        "octoPrintApiKeyAppName": "Home Assistant",
        "appLogoUrl": "https://brands.home-assistant.io/homeassistant/icon.png",
        "returnUrl": "https://home.example/api/authorize/s-1",
    }


def test_without_a_way_back_the_portal_ends_on_a_page_of_its_own() -> None:
    """Whose address the user copies."""
    assert "returnUrl" not in OctoEverywhere.authorize_url(SERVER).query


@pytest.mark.parametrize("old_keys", [False, True], ids=["names", "old names"])
@pytest.mark.parametrize(("auth", "scheme"), [("both", "Basic"), ("basic", "Basic"), ("bearer", "Bearer")])
@pytest.mark.parametrize("return_url", [None, "https://home.example/api/authorize/s-1"], ids=["page", "redirect"])
async def test_what_any_portal_hands_out_leads_to_octoprint(
    session: ClientSession,
    relay: Relay,
    octoprint: OctoPrintServer,
    old_keys: bool,
    auth: Literal["both", "basic", "bearer"],
    scheme: str,
    return_url: str | None,
) -> None:
    """By redirect or by a link that was copied, in the spelling of any portal; Basic where there is a choice."""
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


async def test_a_user_who_says_no_has_denied(session: ClientSession, relay: Relay) -> None:
    """That is not a link that was cut off."""
    relay.octoeverywhere.portal.outcome = "denied"
    async with session.get(OctoEverywhere.authorize_url(SERVER), allow_redirects=False) as response:
        end = response.headers["Location"]
    with pytest.raises(AuthorizationError, match="denied"):
        OctoEverywhere.from_link(end, SERVER)


# what it hands out


def test_a_complete_answer_is_an_app_connection_and_a_key() -> None:
    """Everything that is returned once is kept."""
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


def test_perks_that_ended_have_a_page_that_helps() -> None:
    """Anything else is found on the printer's own, where it is known."""
    tunnel = completed().tunnel
    perks = "https://octoeverywhere.com/appportal/v1/nosupporterperks?appid=devtest"
    assert tunnel.help_url(Condition.NOT_SUPPORTER) == perks
    assert tunnel.help_url(Condition.PLUGIN_OUTDATED) == "https://octoeverywhere.com/view/Kitchen"
    assert completed(userPrinterAccessUrl=None).tunnel.help_url(Condition.PLUGIN_OUTDATED) is None


@pytest.mark.parametrize("spell", [str.lower, str.upper, str.title, str.swapcase])
def test_names_are_matched_in_any_case(spell: Any) -> None:
    """Portals differ."""
    query = {spell(name): value for name, value in COMPLETION.items()}
    assert OctoEverywhere.from_completion(query, SERVER) == completed()


@pytest.mark.parametrize("success", ["true", "True", "TRUE", "1"])
def test_success_is_told_in_several_ways(success: str) -> None:
    """All of them are success."""
    assert completed(success=success) == completed()


@pytest.mark.parametrize("success", ["false", "False", "0", "no", "error", " "])
def test_anything_else_is_a_denial(success: str) -> None:
    """Whatever else is in the link."""
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
def test_an_answer_without_a_part_that_is_needed_is_incomplete(missing: dict[str, str | None]) -> None:
    """The link was cut off, for it is only returned once, and whole."""
    assert refusal(**missing) == "incomplete_link"


def test_what_is_good_to_know_can_be_missing() -> None:
    """The rest works without it."""
    authorized = completed(
        printername=None, userPrinterAccessUrl="", printerLastKnownLocalIp=None, octoPrintApiKey=None
    )
    assert authorized.api_key is None
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
def test_basic_is_preferred_where_it_is_complete(
    given: dict[str, str | None], kept: tuple[str | None, str | None, str | None]
) -> None:
    """OctoPrint could take a bearer token for one of its own. What is not used is not kept."""
    tunnel = completed(**given).tunnel
    assert (tunnel.username, tunnel.password, tunnel.bearer_token) == kept


def test_a_link_that_is_cut_anywhere_is_incomplete_or_complete_and_nothing_else() -> None:
    """Chat programs and terminals cut links; no cut is an error that nobody expects."""
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
def test_an_app_connection_elsewhere_is_refused(host: str) -> None:
    """The credentials are for OctoEverywhere's hosts; look-alikes get none."""
    assert refusal(url=f"https://{host}") == "foreign_host"


@pytest.mark.parametrize("host", FOREIGN_HOSTS)
def test_a_link_from_elsewhere_is_refused(host: str) -> None:
    """Whatever is in it."""
    with pytest.raises(AuthorizationError) as caught:
        OctoEverywhere.from_link(str(URL(f"https://{host}").with_query(COMPLETION)), SERVER)
    assert caught.value.key == "foreign_host"


@pytest.mark.parametrize(
    "url",
    [
        "https://evil.example\\@octoeverywhere.com",
        "https://evil.example\\.octoeverywhere.com",
        "https://user@app-1.octoeverywhere.com",
        "https://user:password@app-1.octoeverywhere.com",
        "https://app-1.octoeverywhere.com:port",
        "https://app-1.octoeverywhere.com:99999",
        "https://[app-1.octoeverywhere.com",
        "https://",
        "https:app-1.octoeverywhere.com",
        "//app-1.octoeverywhere.com",
        "http://app-1.octoeverywhere.com",
        "ftp://app-1.octoeverywhere.com",
        "javascript:alert(1)",
        "app-1.octoeverywhere.com",
        "app-1",
        "\ud800",
    ],
)
def test_what_is_no_https_address_of_an_app_connection_is_refused(url: str) -> None:
    """One of the reasons that the user is told, and never an error that nobody expects."""
    assert refusal(url=url) in ("foreign_host", "not_https", "incomplete_link")


@pytest.mark.parametrize("scheme", ["http", "HTTP"])
def test_an_address_without_tls_is_named_so(scheme: str) -> None:
    """The App Connection's as well as the link's."""
    assert refusal(url=f"{scheme}://app-1.octoeverywhere.com") == "not_https"
    with pytest.raises(AuthorizationError, match="not_https"):
        OctoEverywhere.from_link(f"{scheme}://octoeverywhere.com/appportal/v1/complete?success=true", SERVER)


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
def test_of_an_app_connections_address_the_host_is_kept(url: str, kept: str) -> None:
    """In the spelling that names are looked up in."""
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
def test_what_is_no_link_is_refused(link: str) -> None:
    """The user pasted something else."""
    with pytest.raises(AuthorizationError) as caught:
        OctoEverywhere.from_link(link, SERVER)
    assert caught.value.key == "invalid_link"


def test_white_space_around_a_link_does_no_harm() -> None:
    """It comes with copying."""
    link = str(URL(COMPLETE).with_query(COMPLETION))
    assert OctoEverywhere.from_link(f"  {link}\n", SERVER) == completed()


@pytest.mark.parametrize(
    "value",
    ["a\r\nX-Other: b", "a\nb", "a\x00b", "a b", "a\tb", "\u00fc", "\u2603", "a\x7f", "a\u00a0b", "a\ud800"],
    ids=ascii,
)
@pytest.mark.parametrize("name", ["authBasicHttpUser", "authBasicHttpPassword", "authBearerToken", "appApiToken"])
def test_a_credential_that_does_not_fit_a_header_is_refused(name: str, value: str) -> None:
    """It could begin a header of its own."""
    assert refusal(**{name: value}) == "invalid_link"


def test_a_user_name_with_a_colon_is_refused() -> None:
    """Basic has no way to say it."""
    assert refusal(authBasicHttpUser="user:1") == "invalid_link"


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
async def test_a_page_that_is_not_the_services_is_not_shown(
    session: ClientSession, relay: Relay, tunnel: OctoEverywhere, page: str
) -> None:
    """Neither from the portal nor from the Info API: the user would be led elsewhere. The rest is as good as ever."""
    assert completed(userPrinterAccessUrl=page).tunnel.printer_page is None
    _info(relay, {**DOCUMENTED, "UserFacingPrinterUrl": page})
    status = await tunnel.connect(session).status()
    assert (status.printer_page, status.name) == (None, "My Printer")


# what is kept


@pytest.mark.parametrize("given", [{}, {"authBasicHttpUser": None}, {"printername": None}], ids=str)
def test_a_tunnel_comes_back_from_its_data(given: dict[str, str | None]) -> None:
    """Through Home Assistant's storage, which is JSON, together with what else is kept there."""
    tunnel = completed(**given).tunnel
    data = json.loads(json.dumps({**tunnel.to_data(), "api_key": "key-1", "instance_uuid": "uuid-1"}))
    assert tunnel_from_data(data) == tunnel
    assert data["provider"] == "octoeverywhere"
    assert None not in data.values()


def test_a_tunnel_does_not_show_its_credentials() -> None:
    """Neither by itself nor with the key that came with it, nor in the way that it makes."""
    for given in ({}, {"authBasicHttpUser": None}):
        authorized = completed(**given)
        route = authorized.tunnel.route(object())  # type: ignore[arg-type]
        shown = f"{authorized!r} {authorized} {authorized.tunnel!r} {route!r} {route.base_url}"
        assert "app-abcdef.octoeverywhere.com" in shown
        for secret in (*SECRETS, route.headers["Authorization"].partition(" ")[2]):
            assert secret not in shown


def test_a_route_carries_the_credentials_in_a_header() -> None:
    """And not in its address."""
    basic = completed().tunnel.route(object())  # type: ignore[arg-type]
    assert str(basic.base_url) == "https://app-abcdef.octoeverywhere.com"
    assert b64decode(basic.headers["Authorization"].removeprefix("Basic ")) == b"user-1:password-1"
    bearer = completed(authBasicHttpUser=None).tunnel.route(object())  # type: ignore[arg-type]
    assert (str(bearer.base_url), bearer.headers) == (str(basic.base_url), {"Authorization": "Bearer bearer-1"})


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
async def test_a_code_means_the_same_on_the_tunnel_and_on_the_api(
    session: ClientSession,
    relay: Relay,
    tunnel: OctoEverywhere,
    code: int,
    error: type[OctoPrintTunnelError],
    remedy: Remedy,
    condition: Condition | None,
) -> None:
    """One class, one remedy, one condition; the page that comes with it is not told."""
    for where in ("octoeverywhere_tunnel", "octoeverywhere_api"):
        relay.fail(where, code, "<html>token-1</html>")
    for ask in (OctoPrint(tunnel.route(session)).connection(), tunnel.connect(session).status()):
        with pytest.raises(error) as caught:
            await ask
        assert type(caught.value) is error
        assert (caught.value.code, caught.value.remedy, caught.value.condition) == (code, remedy, condition)
        assert "token-1" not in str(caught.value)


@pytest.mark.parametrize(("code", "error", "remedy", "condition"), CODES)
async def test_a_code_in_an_envelope_means_the_same(
    session: ClientSession,
    relay: Relay,
    tunnel: OctoEverywhere,
    code: int,
    error: type[OctoPrintTunnelError],
    remedy: Remedy,
    condition: Condition | None,
) -> None:
    """Where the answer's own status is a success."""
    _info(relay, {"Status": code, "Error": "words", "IsUserError": True, "Result": None})
    with pytest.raises(error) as caught:
        await tunnel.connect(session).status()
    assert (type(caught.value), caught.value.code) == (error, code)


async def test_what_makes_the_service_say_so(
    session: ClientSession, relay: Relay, connection: AppConnection, tunnel: OctoEverywhere
) -> None:
    """A printer that is off, perks that ended, a connection that was removed, credentials of another one."""
    client = OctoPrint(tunnel.route(session))
    await client.instance()
    relay.printer.online = False
    with pytest.raises(OctoPrintOffline):
        await client.instance()
    connection.supporter = False
    with pytest.raises(NotSupporter):
        await client.instance()
    connection.revoked = True
    with pytest.raises(TunnelRevoked):
        await client.instance()
    other = relay.octoeverywhere.add_connection()
    other.user = connection.user
    mixed = OctoEverywhere.from_data({**tunnel.to_data(), "url": other.url})
    with pytest.raises(CredentialsRejected):
        await OctoPrint(mixed.route(session)).instance()


# what it tells of a printer


def _info(relay: Relay, answer: object, status: int = 200) -> None:
    """Let the Info API answer this."""
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
async def test_the_documented_answer_is_read(
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
async def test_the_service_is_asked_with_its_own_token_only(
    session: ClientSession, relay: Relay, connection: AppConnection, tunnel: OctoEverywhere, envelope: bool
) -> None:
    """The tunnel's credentials stay on the tunnel, and the tunnel is not used. A year 1 stands for never."""
    relay.octoeverywhere.envelope = envelope
    status = await tunnel.connect(session).status()
    assert (status.online, status.name, status.local_ip) == (True, "Kitchen", relay.printer.local_ip)
    assert (status.last_connected, status.last_disconnected) == (
        datetime(2026, 11, 20, 9, 51, 17, 614404, tzinfo=UTC),
        None,
    )
    [request] = relay.requests
    assert (request.service, request.host, request.path) == ("octoeverywhere_api", "octoeverywhere.com", INFO)
    assert request.headers["AppToken"] == connection.app_token
    assert "Authorization" not in request.headers
    assert dict(request.query) == {}


@pytest.mark.parametrize("envelope", [False, True], ids=["bare", "envelope"])
async def test_the_service_answers_while_octoprint_is_off(
    session: ClientSession, relay: Relay, connection: AppConnection, tunnel: OctoEverywhere, envelope: bool
) -> None:
    """And says why it cannot be used any more, bare or in an envelope."""
    relay.octoeverywhere.envelope = envelope
    relay.printer.online = False
    assert (await tunnel.connect(session).status()).online is False
    connection.supporter = False
    with pytest.raises(NotSupporter):
        await tunnel.connect(session).status()
    connection.revoked = True
    with pytest.raises(TunnelRevoked):
        await tunnel.connect(session).status()
    unknown = OctoEverywhere.from_data({**tunnel.to_data(), "app_token": "unknown"})
    with pytest.raises(TunnelRevoked):
        await unknown.connect(session).status()


async def test_every_field_can_be_missing_or_null(session: ClientSession, relay: Relay, tunnel: OctoEverywhere) -> None:
    """One field that is not told leaves the others as they are."""
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
async def test_a_field_of_any_other_type_is_not_told(
    session: ClientSession, relay: Relay, tunnel: OctoEverywhere, value: object
) -> None:
    """Whatever comes, it is None or what it should be."""
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
async def test_a_time_is_in_utc_or_not_told(
    session: ClientSession, relay: Relay, tunnel: OctoEverywhere, text: object, time: datetime | None
) -> None:
    """Without an offset it is UTC, as its name says; a year that no printer was connected in stands for never."""
    _info(relay, {"LastConnectionTimeUtc": text, "LastDisconnectTimeUtc": text})
    status = await tunnel.connect(session).status()
    assert (status.last_connected, status.last_disconnected) == (time, time)
    assert time is None or (status.last_connected and status.last_connected.tzinfo is UTC)


def test_a_link_may_be_long_and_the_name_in_it_is_cut_off(relay: Relay, connection: AppConnection) -> None:
    """With what a portal may put in it; without end it is no link."""
    link = URL(relay.octoeverywhere.completion_url(connection)).update_query(printername="K" * 6000)
    tunnel = OctoEverywhere.from_link(str(link), "").tunnel
    assert (tunnel.url, tunnel.name) == (connection.url, "K" * 100)
    with pytest.raises(AuthorizationError, match="invalid_link"):
        OctoEverywhere.from_link(str(link.update_query(printername="K" * 70_000)), "")


@pytest.mark.parametrize(
    ("value", "limit"),
    [(1, 1), (3600, 3600), (3600.75, 3600), (0, None), (0.5, None), (-1, None), ("600", None), (True, None)],
)
async def test_a_limit_is_more_than_nothing_or_not_told(
    session: ClientSession, relay: Relay, tunnel: OctoEverywhere, value: object, limit: int | None
) -> None:
    """Nobody may load nothing: a zero stands for something else."""
    _info(relay, {"PrinterLimits": dict.fromkeys(DOCUMENTED["PrinterLimits"], value)})
    assert (await tunnel.connect(session).status()).limits == Limits(
        max_download=limit, max_upload=limit, max_webcam_stream=limit
    )


@pytest.mark.parametrize(
    ("number", "size", "seconds"),
    [
        (31536000, 31536000, 31536000),
        (31536001, 31536001, None),
        (2**53, 2**53, None),
        (2**53 + 1, None, None),
        (10**19, None, None),
        (1e300, None, None),
    ],
)
async def test_a_limit_beyond_what_is_real_is_not_told(
    session: ClientSession, relay: Relay, tunnel: OctoEverywhere, number: float, size: int | None, seconds: int | None
) -> None:
    """A stream of more than a year, and more bytes than JSON can count."""
    _info(relay, {"PrinterLimits": dict.fromkeys(DOCUMENTED["PrinterLimits"], number)})
    assert (await tunnel.connect(session).status()).limits == Limits(
        max_download=size, max_upload=size, max_webcam_stream=seconds
    )


async def test_a_bad_limit_leaves_the_others_as_they_are(
    session: ClientSession, relay: Relay, tunnel: OctoEverywhere
) -> None:
    """And what else the answer tells."""
    limits = {"MaxDownloadFileSizeBytes": float("nan"), "MaxUploadFileSizeBytes": 5}
    _info(relay, {"PrinterLimits": limits, "IsOnline": float("inf"), "PrinterName": "Garage"})
    status = await tunnel.connect(session).status()
    assert (status.limits, status.online, status.name) == (Limits(max_upload=5), None, "Garage")


@pytest.mark.parametrize("status", [201, 204, 302, 400, 401, 403, 404, 429, 500])
async def test_any_other_status_is_a_fault_of_the_service(
    session: ClientSession, relay: Relay, tunnel: OctoEverywhere, status: int
) -> None:
    """Its documentation has no others."""
    relay.fail("octoeverywhere_api", status)
    with pytest.raises(ServiceError) as caught:
        await tunnel.connect(session).status()
    assert (caught.value.code, caught.value.remedy) == (status, Remedy.RETRY)


@pytest.mark.parametrize("body", ["", "<html></html>", "[]", "null", '{"IsOnline": -}', '{"IsOnline"', "[" * 100_000])
async def test_an_answer_that_cannot_be_read_is_invalid(
    session: ClientSession, relay: Relay, tunnel: OctoEverywhere, body: str
) -> None:
    """It says nothing about the tunnel."""
    relay.fail("octoeverywhere_api", 200, body)
    with pytest.raises(InvalidResponse) as caught:
        await tunnel.connect(session).status()
    assert caught.value.condition is None


def test_nothing_more_is_known_of_a_condition_than_what_the_text_says() -> None:
    """The supporter page is all that helps."""
    assert completed().tunnel.issue_placeholders(TunnelStatus()) == {}


@pytest.mark.parametrize(
    "answer",
    [
        {"Status": 500, "Error": "x", "Result": None},
        {"Status": 400, "Result": None},
        {"Status": 603, "Error": "x"},
        {"Status": 750, "Result": None},
    ],
)
async def test_an_envelope_without_a_result_is_an_error(
    session: ClientSession, relay: Relay, connection: AppConnection, answer: dict[str, Any]
) -> None:
    """Whatever its status is, unless that is 200."""
    relay.fail("octoeverywhere_api", 200, json.dumps(answer))
    with pytest.raises(OctoPrintTunnelError) as caught:
        await app_connection(connection).connect(session).status()
    assert caught.value.code == answer["Status"]


def test_a_key_that_cannot_be_sent_is_not_taken_from_the_portal() -> None:
    """The user is asked for one instead."""
    assert completed(octoPrintApiKey="a\r\nb").api_key is None


@pytest.mark.parametrize(
    "url",
    [
        "https://a b.octoeverywhere.com",
        "https://..octoeverywhere.com",
        "https://.octoeverywhere.com",
        "https://evil.example%2f.octoeverywhere.com",
    ],
)
def test_what_is_no_host_name_is_refused(url: str) -> None:
    """Even where it ends as the service's names do."""
    assert refusal(url=url) in ("foreign_host", "incomplete_link")
