"""Obico: what its authorise page hands out, what its codes mean, and what it tells of the month's usage."""

from base64 import b64decode
from datetime import UTC, datetime
import json

from aiohttp import ClientSession
from freezegun import freeze_time
import pytest
from yarl import URL

from custom_components.octoprint_tunnel.api.errors import (
    BadGateway,
    Condition,
    CredentialsRejected,
    InvalidResponse,
    OctoPrintOffline,
    OctoPrintTunnelError,
    OverCap,
    Remedy,
    RequestTimeout,
    ServiceError,
)
from custom_components.octoprint_tunnel.api.octoprint.client import OctoPrint
from custom_components.octoprint_tunnel.api.octoprint.connection import PrinterState
from custom_components.octoprint_tunnel.api.tunnels import tunnel_from_data
from custom_components.octoprint_tunnel.api.tunnels.base import AuthorizationError
from custom_components.octoprint_tunnel.api.tunnels.models import TunnelStatus, Usage
from custom_components.octoprint_tunnel.api.tunnels.obico import Obico, server_address

from ...octoprint.server import OctoPrintServer
from ...relay import obico as relay_obico
from ...relay.server import Relay

CLOUD = "https://app.obico.io"
SELF_HOSTED = "http://192.168.7.5:3334"
SELF_HOSTED_TLS = "https://obico.home.example"
HOST = "abcdef.tunnels.app.obico.io"
USER = "u" * 64
PASSWORD = "p" * 64
ENDPOINT = f"https://{USER}:{PASSWORD}@{HOST}"
CALLBACK = "https://home.example/api/octoprint_tunnel/authorize/s-1"

USAGE = "/_tsd_/tunnelusage/"


def read(endpoint: str, server: str = CLOUD) -> Obico:
    """Read what the authorise page appended to the return address."""
    tunnel = Obico.from_completion({"tunnel_endpoint": endpoint}, server).tunnel
    assert isinstance(tunnel, Obico)
    return tunnel


def refusal(endpoint: str, server: str = CLOUD) -> str:
    """Return why an endpoint is not accepted; pasted or handed over, it is the same."""
    with pytest.raises(AuthorizationError) as caught:
        read(endpoint, server)
    with pytest.raises(AuthorizationError, match=caught.value.key):
        Obico.from_link(endpoint, server)
    return caught.value.key


@pytest.fixture(params=["hosted", "self-hosted"])
async def issued(relay: Relay, request: pytest.FixtureRequest) -> relay_obico.Tunnel:
    """Return what the service knows of a tunnel."""
    return await relay.obico.add_tunnel(self_hosted=request.param == "self-hosted")


@pytest.fixture
def tunnel(issued: relay_obico.Tunnel, relay: Relay) -> Obico:
    """Return a tunnel to the printer."""
    return read(issued.endpoint, relay.obico.self_hosted_url if issued.port else CLOUD)


# the server


@pytest.mark.parametrize(
    ("typed", "address"),
    [
        ("https://app.obico.io", CLOUD),
        ("https://app.obico.io/", CLOUD),
        ("  app.obico.io \n", CLOUD),
        ("HTTPS://App.Obico.IO", CLOUD),
        ("https://app.obico.io:443/", CLOUD),
        ("http://192.168.7.5:3334", SELF_HOSTED),
        ("http://192.168.7.5:3334/?a=1#b", SELF_HOSTED),
        ("https://obico.home.example", SELF_HOSTED_TLS),
        ("obico.home.example", SELF_HOSTED_TLS),
        ("https://home.example/obico/", "https://home.example/obico"),
        ("http://[fd00::1]:3334/", "http://[fd00::1]:3334"),
        ("[fd00::1]:3334", "https://[fd00::1]:3334"),
        ("octopi:3334", "https://octopi:3334"),
    ],
)
def test_a_server_is_written_in_its_shortest_form(typed: str, address: str) -> None:
    """However the user typed it; https where nothing else was said. The short form stays as it is."""
    assert server_address(typed) == address
    assert server_address(address) == address


@pytest.mark.parametrize(
    "typed",
    [
        "",
        "  ",
        "https://",
        "ftp://obico.home.example",
        "file:///etc/passwd",
        "javascript:alert(1)",
        "user@obico.home.example",
        "https://user:password@obico.home.example",
        "http://obico.home.example:port",
        "http://obico.home.example:99999",
        "http://[fd00::1",
        "https://evil.example\\@app.obico.io",
    ],
)
def test_what_is_no_servers_address_is_refused(typed: str) -> None:
    """With one reason that the user is told."""
    with pytest.raises(AuthorizationError) as caught:
        server_address(typed)
    assert caught.value.key == "invalid_url"


@pytest.mark.parametrize("typed", ["http://app.obico.io", "http://obico.io", "HTTP://APP.OBICO.IO:80"])
def test_obicos_cloud_is_asked_by_https_only(typed: str) -> None:
    """Nobody hosts that at home."""
    with pytest.raises(AuthorizationError, match="not_https"):
        server_address(typed)


# the authorise page


@pytest.mark.parametrize("server", [CLOUD, SELF_HOSTED, "https://home.example/obico"])
def test_the_page_is_asked_for_a_tunnel_and_for_the_way_back(server: str) -> None:
    """With a name that it accepts; without a way back it ends on a page of its own."""
    url = Obico.authorize_url(server, CALLBACK)
    assert str(url.with_query(None)) == f"{server}/tunnels/new/"
    assert dict(url.query) == {"app": "Home Assistant", "success_redirect_url": CALLBACK}
    assert Obico.authorize_url(server).query["success_redirect_url"] == f"{server}/tunnels/succeeded/"


@pytest.mark.parametrize("slash", [False, True], ids=["as seen", "as documented"])
@pytest.mark.parametrize("return_url", [None, CALLBACK], ids=["page", "redirect"])
@pytest.mark.parametrize("self_hosted", [False, True], ids=["cloud", "self-hosted"])
async def test_what_any_server_hands_out_leads_to_octoprint(
    session: ClientSession,
    relay: Relay,
    octoprint: OctoPrintServer,
    slash: bool,
    return_url: str | None,
    self_hosted: bool,
) -> None:
    """By redirect or by a link that was copied; with a slash before the question mark or without."""
    relay.obico.slash_redirect = slash
    server = relay.obico.self_hosted_url if self_hosted else CLOUD
    async with session.get(Obico.authorize_url(server, return_url), allow_redirects=False) as response:
        end = response.headers["Location"]
    authorized = Obico.from_completion(URL(end).query, server) if return_url else Obico.from_link(end, server)
    assert authorized.api_key is None
    connection = await OctoPrint(authorized.tunnel.route(session), octoprint.api_key).connection()
    assert connection.state is PrinterState.OFFLINE
    [issued] = relay.obico.tunnels
    assert authorized.tunnel == Obico(url=issued.url, username=issued.user, password=issued.password, server_url=server)


@pytest.mark.parametrize(
    "link",
    [
        ENDPOINT,
        f"  {ENDPOINT}\n",
        f"{ENDPOINT}/",
        f"{CALLBACK}?tunnel_endpoint={ENDPOINT}",
        f"{CALLBACK}/?tunnel_endpoint={ENDPOINT}",
        f"{CLOUD}/tunnels/succeeded/?tunnel_endpoint={ENDPOINT}",
        f"/tunnels/succeeded/?tunnel_endpoint={ENDPOINT}",
        str(URL(CALLBACK).with_query(tunnel_endpoint=ENDPOINT)),
        f"{CALLBACK}?tunnel_endpoint=https%3A%2F%2F{USER}%3A{PASSWORD}%40{HOST}&more=1",
    ],
)
def test_an_endpoint_is_found_in_whatever_was_copied(link: str) -> None:
    """The endpoint itself, or an address that carries it, encoded or not."""
    assert Obico.from_link(link, CLOUD).tunnel == read(ENDPOINT)


# what it hands out


@pytest.mark.parametrize(
    ("endpoint", "server", "url"),
    [
        (ENDPOINT, CLOUD, f"https://{HOST}"),
        (f"https://{USER}:{PASSWORD}@{HOST}:443/", CLOUD, f"https://{HOST}"),
        (f"https://{USER}:{PASSWORD}@{HOST.upper()}", CLOUD, f"https://{HOST}"),
        (f"https://{USER}:{PASSWORD}@{HOST}/path/?query=1#fragment", CLOUD, f"https://{HOST}"),
        (f"http://{USER}:{PASSWORD}@192.168.7.5:15001", SELF_HOSTED, "http://192.168.7.5:15001"),
        (f"http://{USER}:{PASSWORD}@[fd00::1]:15001", SELF_HOSTED, "http://[fd00::1]:15001"),
        (f"https://{USER}:{PASSWORD}@t.home.example", SELF_HOSTED_TLS, "https://t.home.example"),
        (f"https://{USER}:{PASSWORD}@t.home.example", SELF_HOSTED, "https://t.home.example"),
    ],
    ids=lambda text: text.replace(f"{USER}:{PASSWORD}", "…"),
)
def test_an_endpoint_is_an_address_and_its_credentials(endpoint: str, server: str, url: str) -> None:
    """They are taken apart at once: the address never holds them again."""
    tunnel = read(endpoint, server)
    assert tunnel == Obico(url=url, username=USER, password=PASSWORD, server_url=server)
    assert (tunnel.name, tunnel.printer_page, tunnel.metered) == (None, server, True)
    assert {tunnel.help_url(condition) for condition in Condition} == {server}


def test_a_tunnel_is_known_by_its_host_and_port() -> None:
    """New credentials do not make another printer of it; on a self-hosted server the port tells tunnels apart."""
    assert read(ENDPOINT).own_id == read(f"https://other:credentials@{HOST}:443/").own_id
    tunnels = [read(f"http://{USER}:{PASSWORD}@{host}", SELF_HOSTED) for host in ("a:1", "a:2", "b:1", "[fd00::1]:1")]
    assert len({tunnel.own_id for tunnel in tunnels}) == len(tunnels)


@pytest.mark.parametrize(
    "endpoint",
    [
        "",
        "https://",
        f"https://{HOST}",
        f"https://{USER}@{HOST}",
        f"https://:{PASSWORD}@{HOST}",
        f"https://{USER}:@{HOST}",
        f"https://{USER}:{PASSWORD}@",
        f"{USER}:{PASSWORD}@{HOST}",
        f"//{USER}:{PASSWORD}@{HOST}",
        f"ftp://{USER}:{PASSWORD}@{HOST}",
        f"https://{USER}:{PASSWORD}@{HOST}:port",
        f"https://{USER}:{PASSWORD}@{HOST}:99999",
        f"https://{USER}:{PASSWORD}@[{HOST}",
        f"https://{USER}:a%0D%0Ab@{HOST}",
        f"https://a%00b:{PASSWORD}@{HOST}",
        f"https://a%20b:{PASSWORD}@{HOST}",
        f"https://{USER}:%C3%BC@{HOST}",
        f"https://{USER}:\u00fc@{HOST}",
        CALLBACK,
        "greatapp://callback",
    ],
    ids=lambda text: ascii(text.replace(USER, "user").replace(PASSWORD, "password")),
)
def test_what_is_no_endpoint_with_credentials_is_refused(endpoint: str) -> None:
    """A part is missing, or does not fit a header."""
    assert refusal(endpoint) == "invalid_endpoint"


def test_a_redirect_without_an_endpoint_is_refused() -> None:
    """Nothing was handed over."""
    with pytest.raises(AuthorizationError, match="invalid_endpoint"):
        Obico.from_completion({}, CLOUD)


@pytest.mark.parametrize(
    "host",
    [
        "evil.example",
        "obico.io.evil.example",
        "evilobico.io",
        "tunnels.app.obico.io.evil.example",
        "obico.io.",
        "obico.io@evil.example",
        "evil.example/obico.io",
        "evil.example#.obico.io",
        "192.168.7.5",
        "[::1]",
    ],
)
def test_a_tunnel_of_the_cloud_elsewhere_is_refused(host: str) -> None:
    """The user authorised Obico; look-alikes get nothing."""
    assert refusal(f"https://{USER}:{PASSWORD}@{host}") == "foreign_host"


@pytest.mark.parametrize(
    ("endpoint", "server"),
    [
        (f"http://{USER}:{PASSWORD}@{HOST}", CLOUD),
        (f"http://{USER}:{PASSWORD}@t.home.example", SELF_HOSTED_TLS),
    ],
)
def test_a_tunnel_without_tls_is_for_servers_without_it(endpoint: str, server: str) -> None:
    """A user who entered https gets https."""
    assert refusal(endpoint, server) == "not_https"


# what is kept


@pytest.mark.parametrize(
    ("endpoint", "server"), [(ENDPOINT, CLOUD), (f"http://{USER}:{PASSWORD}@[fd00::1]:15001", SELF_HOSTED)]
)
def test_a_tunnel_comes_back_from_its_data(endpoint: str, server: str) -> None:
    """Through Home Assistant's storage, which is JSON, together with what else is kept there."""
    tunnel = read(endpoint, server)
    data = json.loads(json.dumps({**tunnel.to_data(), "api_key": "key-1", "instance_uuid": "uuid-1"}))
    assert tunnel_from_data(data) == tunnel
    assert tunnel.to_data() == {
        "provider": "obico",
        "url": tunnel.url,
        "username": USER,
        "password": PASSWORD,
        "server_url": server,
    }


def test_a_tunnel_does_not_show_its_credentials() -> None:
    """Neither by itself nor in the way that it makes; there they are in a header."""
    authorized = Obico.from_link(ENDPOINT, CLOUD)
    route = authorized.tunnel.route(object())  # type: ignore[arg-type]
    basic = route.headers["Authorization"].removeprefix("Basic ")
    assert b64decode(basic).decode() == f"{USER}:{PASSWORD}"
    shown = f"{authorized!r} {authorized.tunnel} {route!r} {route.base_url} {authorized.tunnel.own_id}"
    assert HOST in shown
    for secret in (USER, PASSWORD, basic):
        assert secret not in shown


# its codes


CODES: list[tuple[int, type[OctoPrintTunnelError], Remedy, Condition]] = [
    (401, CredentialsRejected, Remedy.REAUTHORIZE, Condition.REVOKED),
    (481, OverCap, Remedy.WAIT, Condition.OVER_CAP),
    (482, OctoPrintOffline, Remedy.RETRY, Condition.OFFLINE),
    (483, RequestTimeout, Remedy.RETRY, Condition.TIMED_OUT),
    (484, ServiceError, Remedy.RETRY, Condition.SERVICE_ERROR),
    (499, ServiceError, Remedy.RETRY, Condition.SERVICE_ERROR),
    (502, BadGateway, Remedy.RETRY, Condition.TIMED_OUT),
    (504, BadGateway, Remedy.RETRY, Condition.TIMED_OUT),
]


@pytest.mark.parametrize(("code", "error", "remedy", "condition"), CODES)
async def test_a_code_means_the_same_of_the_tunnel_and_of_octoprint_behind_it(
    session: ClientSession,
    relay: Relay,
    tunnel: Obico,
    code: int,
    error: type[OctoPrintTunnelError],
    remedy: Remedy,
    condition: Condition,
) -> None:
    """One class, one remedy, one condition; the text of an exception in its page is not told."""
    for where in ("obico_tunnel", "obico_tsd"):
        relay.fail(where, code, "ConnectionError('secret')")
    for ask in (OctoPrint(tunnel.route(session)).connection(), tunnel.connect(session).status()):
        with pytest.raises(error) as caught:
            await ask
        assert type(caught.value) is error
        assert (caught.value.code, caught.value.remedy, caught.value.condition) == (code, remedy, condition)
        assert "secret" not in str(caught.value)


async def test_what_makes_the_service_say_so(
    session: ClientSession, relay: Relay, issued: relay_obico.Tunnel, tunnel: Obico
) -> None:
    """A month's data used up, a printer that is off, a tunnel that was revoked."""
    client = OctoPrint(tunnel.route(session))
    await client.instance()
    relay.obico.used_bytes = 400_000_000
    with pytest.raises(OverCap):
        await client.instance()
    relay.obico.monthly_cap = -1
    relay.printer.online = False
    with pytest.raises(OctoPrintOffline):
        await client.instance()
    issued.revoked = True
    for ask in (client.instance(), tunnel.connect(session).status()):
        with pytest.raises(CredentialsRejected):
            await ask


async def test_a_wrong_password_is_not_accepted(session: ClientSession, relay: Relay, tunnel: Obico) -> None:
    """Of the tunnel, that is: OctoPrint's key is another matter."""
    wrong = Obico.from_data({**tunnel.to_data(), "password": "wrong"})
    with pytest.raises(CredentialsRejected):
        await wrong.connect(session).status()


# the month's usage


async def test_the_usage_is_asked_for_without_using_the_tunnel(
    session: ClientSession, relay: Relay, tunnel: Obico
) -> None:
    """Over the cap and while OctoPrint is off as well; it costs nothing."""
    await OctoPrint(tunnel.route(session)).instance()
    used = relay.obico.used_bytes
    relay.obico.monthly_cap = used / 2
    relay.printer.online = False
    relay.clear()
    usage = (await tunnel.connect(session).status()).usage
    assert usage
    assert (usage.total, usage.cap, relay.obico.used_bytes) == (used, used // 2, used)
    [request] = relay.requests
    assert (request.service, request.method, request.path) == ("obico_tsd", "GET", USAGE)
    assert request.headers["Authorization"].startswith("Basic ")


@pytest.mark.parametrize(
    ("body", "total", "cap", "is_unlimited"),
    [
        ('{"total": 282, "monthly_cap": 314572800.0, "reset_in_seconds": 863999.99}', 282, 314572800, False),
        ('{"total": 282, "monthly_cap": 314572800}', 282, 314572800, False),
        ('{"total": 282.9, "monthly_cap": 314572800.5}', 282, 314572800, False),
        ('{"total": 0, "monthly_cap": 0}', 0, 0, False),
        ('{"total": 1000000000000, "monthly_cap": -1}', 10**12, None, True),
        ('{"total": 282, "monthly_cap": -1.0}', 282, None, True),
        ('{"total": 282, "monthly_cap": null}', 282, None, False),
        ('{"total": 282, "monthly_cap": "unlimited"}', 282, None, False),
        ('{"total": 282, "news": [1]}', 282, None, False),
        ('{"total": 282, "monthly_cap": -2}', 282, None, False),
        ('{"total": 282, "monthly_cap": 1e300, "reset_in_seconds": "soon"}', 282, None, False),
        ('{"total": 282, "monthly_cap": 1' + "0" * 5000 + "}", 282, None, False),
        ('{"total": 282, "monthly_cap": NaN}', 282, None, False),
        ('{"total": null, "monthly_cap": 5}', None, 5, False),
        ('{"total": -5, "monthly_cap": 5}', None, 5, False),
        ('{"total": 1e300, "monthly_cap": 5}', None, 5, False),
        ('{"total": Infinity, "monthly_cap": 5}', None, 5, False),
        ('{"monthly_cap": -1}', None, None, True),
    ],
    ids=lambda value: str(value)[:70],
)
@freeze_time("2026-11-21T18:00:00+00:00")
async def test_the_usage_is_read(
    session: ClientSession,
    relay: Relay,
    tunnel: Obico,
    body: str,
    total: int | None,
    cap: int | None,
    is_unlimited: bool,
) -> None:
    """In whole bytes; -1 stands for no cap. A bad total or cap is None and leaves the other as it is."""
    relay.fail("obico_tsd", 200, body)
    assert await tunnel.connect(session).status() == TunnelStatus(
        usage=Usage(total=total, cap=cap, is_unlimited=is_unlimited, reset=datetime(2026, 12, 1, tzinfo=UTC))
    )


@pytest.mark.parametrize(
    "body",
    [
        "{}",
        '{"total": null}',
        '{"total": "282"}',
        '{"total": NaN}',
        '{"total": -1, "monthly_cap": -5}',
        "",
        "<html></html>",
        "[282]",
    ],
)
async def test_an_answer_without_total_and_cap_is_invalid(
    session: ClientSession, relay: Relay, tunnel: Obico, body: str
) -> None:
    """It says nothing about the tunnel."""
    relay.fail("obico_tsd", 200, body)
    with pytest.raises(InvalidResponse) as caught:
        await tunnel.connect(session).status()
    assert caught.value.condition is None


@pytest.mark.parametrize("status", [201, 204, 302, 400, 403, 404, 429, 500, 601])
async def test_any_other_status_is_a_fault_of_the_service(
    session: ClientSession, relay: Relay, tunnel: Obico, status: int
) -> None:
    """Its documentation has no others."""
    relay.fail("obico_tsd", status)
    with pytest.raises(ServiceError) as caught:
        await tunnel.connect(session).status()
    assert (caught.value.code, caught.value.remedy) == (status, Remedy.RETRY)


@pytest.mark.parametrize(
    ("now", "reset"),
    [
        ("2026-11-21T18:00:00+00:00", datetime(2026, 12, 1, tzinfo=UTC)),
        ("2026-12-01T00:00:00+00:00", datetime(2027, 1, 1, tzinfo=UTC)),
        ("2026-12-31T23:59:59+00:00", datetime(2027, 1, 1, tzinfo=UTC)),
        ("2027-01-01T00:00:00+00:00", datetime(2027, 2, 1, tzinfo=UTC)),
        ("2028-01-31T12:00:00+00:00", datetime(2028, 2, 1, tzinfo=UTC)),
        ("2028-02-29T12:00:00+00:00", datetime(2028, 3, 1, tzinfo=UTC)),
        ("2026-10-31T23:30:00-02:00", datetime(2026, 12, 1, tzinfo=UTC)),
    ],
)
async def test_usage_begins_anew_on_the_first_in_utc(
    session: ClientSession, relay: Relay, tunnel: Obico, now: str, reset: datetime
) -> None:
    """The server's own figure keeps the time of day; midnight of the first is when it happens."""
    with freeze_time(now):
        usage = (await tunnel.connect(session).status()).usage
        assert usage
        assert usage.reset == reset
        assert tunnel.issue_placeholders(TunnelStatus())["reset"] == f"{reset:%Y-%m-%d}"


@pytest.mark.parametrize(
    ("usage", "cap"),
    [
        (Usage(total=1, cap=314572800, reset=datetime(2026, 12, 1, tzinfo=UTC)), "300 MB"),
        (Usage(total=1, cap=None, reset=datetime(2026, 12, 1, tzinfo=UTC)), "-"),
        (None, "-"),
    ],
)
@freeze_time("2026-11-21T18:00:00+00:00")
def test_the_text_about_the_cap_names_it_and_when_it_ends(usage: Usage | None, cap: str) -> None:
    """As Obico writes it."""
    assert read(ENDPOINT).issue_placeholders(TunnelStatus(usage=usage)) == {"cap": cap, "reset": "2026-12-01"}


def test_a_user_that_no_header_can_carry_is_refused() -> None:
    """Basic parts user and password at the first colon."""
    assert refusal("https://us%3Aer:pass@x.tunnels.app.obico.io") == "invalid_endpoint"


def test_a_refusal_does_not_quote_the_endpoint() -> None:
    """What the parser says of it holds the password."""
    with pytest.raises(AuthorizationError) as caught:
        Obico.from_link(f"https://user:{'p' * 30}@tunnel\u2100.tunnels.app.obico.io", CLOUD)
    assert caught.value.__cause__ is None
    assert caught.value.__context__ is None


def test_a_dot_behind_the_clouds_name_changes_nothing() -> None:
    """It is the same name, and https is as needed."""
    with pytest.raises(AuthorizationError, match="not_https"):
        server_address("http://app.obico.io.")
    server = server_address("https://app.obico.io.")
    with pytest.raises(AuthorizationError):
        Obico.from_link("https://user:password@evil.example", server)


def test_a_page_of_the_cloud_stands_for_the_cloud() -> None:
    """Users copy the address that they look at."""
    assert server_address("https://app.obico.io/printers/") == CLOUD


@pytest.mark.parametrize(
    ("url", "own_id"),
    [
        ("https://x.tunnels.app.obico.io", "x.tunnels.app.obico.io"),
        ("http://127.0.0.1:15001", "127.0.0.1:15001"),
        ("http://[fd00::1]:15001", "[fd00::1]:15001"),
    ],
)
def test_its_host_tells_a_tunnel_from_others(url: str, own_id: str) -> None:
    """With the port where a self-hosted server tells tunnels apart by that."""
    assert Obico(url=url, username="u", password="p").own_id == own_id
