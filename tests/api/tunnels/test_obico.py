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
    """Read what the authorization page appended to the return address."""
    tunnel = Obico.from_completion({"tunnel_endpoint": endpoint}, server).tunnel
    assert isinstance(tunnel, Obico)
    return tunnel


def refusal(endpoint: str, server: str = CLOUD) -> str:
    """Return why an endpoint is refused, which is the same for a redirect and for a pasted link."""
    with pytest.raises(AuthorizationError) as caught:
        read(endpoint, server)
    with pytest.raises(AuthorizationError, match=caught.value.key):
        Obico.from_link(endpoint, server)
    return caught.value.key


@pytest.fixture(params=["hosted", "self-hosted"])
async def issued(relay: Relay, request: pytest.FixtureRequest) -> relay_obico.Tunnel:
    """Return a tunnel as the service knows it."""
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
        ("https://app.obico.io/printers/", CLOUD),
        ("https://app.obico.io.", CLOUD),
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
def test_server_address_is_normalized(typed: str, address: str) -> None:
    """The default is https. A normalized address stays as it is."""
    assert server_address(typed) == address
    assert server_address(address) == address


INVALID_SERVERS = (
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
)


@pytest.mark.parametrize(
    ("typed", "key"),
    [
        *((cloud, "not_https") for cloud in ("http://app.obico.io.", "http://obico.io", "HTTP://APP.OBICO.IO:80")),
        *((typed, "invalid_url") for typed in INVALID_SERVERS),
    ],
)
def test_refused_servers(typed: str, key: str) -> None:
    """The address is invalid, or it is http for Obico's cloud."""
    with pytest.raises(AuthorizationError, match=key):
        server_address(typed)


# the authorization page


@pytest.mark.parametrize("server", [CLOUD, SELF_HOSTED, "https://home.example/obico"])
def test_address_of_the_authorization_page(server: str) -> None:
    """It has an app name and a return address, by default a page of the server."""
    url = Obico.authorize_url(server, CALLBACK)
    assert str(url.with_query(None)) == f"{server}/tunnels/new/"
    assert dict(url.query) == {"app": "Home Assistant", "success_redirect_url": CALLBACK}
    assert Obico.authorize_url(server).query["success_redirect_url"] == f"{server}/tunnels/succeeded/"
    assert Obico.authorize_url(server, printer_id="7").query["printer_id"] == "7"


@pytest.mark.parametrize("slash", [False, True], ids=["as seen", "as documented"])
@pytest.mark.parametrize("return_url", [None, CALLBACK], ids=["page", "redirect"])
@pytest.mark.parametrize("self_hosted", [False, True], ids=["cloud", "self-hosted"])
async def test_result_of_the_authorization_page_reaches_octoprint(
    session: ClientSession,
    relay: Relay,
    octoprint: OctoPrintServer,
    slash: bool,
    return_url: str | None,
    self_hosted: bool,
) -> None:
    """By redirect or by a copied link, with and without a slash before the question mark."""
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
def test_copied_links(link: str) -> None:
    """They are the endpoint, or an address that contains it, encoded or not."""
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
def test_endpoints(endpoint: str, server: str, url: str) -> None:
    """The address is stored without the credentials."""
    tunnel = read(endpoint, server)
    assert tunnel == Obico(url=url, username=USER, password=PASSWORD, server_url=server)
    assert (tunnel.name, tunnel.printer_page, tunnel.metered) == (None, server, True)
    assert {tunnel.help_url(condition) for condition in Condition} == {server}


def test_own_id_is_the_host_with_its_port() -> None:
    """It does not depend on the credentials; a self-hosted server has a port for each tunnel."""
    assert read(ENDPOINT).own_id == read(f"https://other:credentials@{HOST}:443/").own_id
    tunnels = [read(f"http://{USER}:{PASSWORD}@{host}", SELF_HOSTED) for host in ("a:1", "a:2", "b:1", "[fd00::1]:1")]
    assert [tunnel.own_id for tunnel in tunnels] == ["a:1", "a:2", "b:1", "[fd00::1]:1"]


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
        f"https://us%3Aer:{PASSWORD}@{HOST}",
        CALLBACK,
        "greatapp://callback",
    ],
    ids=lambda text: ascii(text.replace(USER, "user").replace(PASSWORD, "password")),
)
def test_invalid_endpoints(endpoint: str) -> None:
    """A part is missing, or no header can carry it."""
    assert refusal(endpoint) == "invalid_endpoint"


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
def test_foreign_hosts_are_refused(host: str) -> None:
    """A tunnel of Obico's cloud is on one of its hosts."""
    assert refusal(f"https://{USER}:{PASSWORD}@{host}") == "foreign_host"


@pytest.mark.parametrize(
    ("endpoint", "server"),
    [
        (f"http://{USER}:{PASSWORD}@{HOST}", CLOUD),
        (f"http://{USER}:{PASSWORD}@t.home.example", SELF_HOSTED_TLS),
    ],
)
def test_http_tunnel_of_an_https_server_is_refused(endpoint: str, server: str) -> None:
    """Only a server that was entered as http may have one."""
    assert refusal(endpoint, server) == "not_https"


# what is kept


@pytest.mark.parametrize(
    ("endpoint", "server"), [(ENDPOINT, CLOUD), (f"http://{USER}:{PASSWORD}@[fd00::1]:15001", SELF_HOSTED)]
)
def test_stored_tunnel(endpoint: str, server: str) -> None:
    """It is the same after Home Assistant stored it as JSON."""
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


def test_credentials_are_in_a_header_only() -> None:
    """Neither `repr` nor an address contains them."""
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
async def test_codes(
    session: ClientSession,
    relay: Relay,
    tunnel: Obico,
    code: int,
    error: type[OctoPrintTunnelError],
    remedy: Remedy,
    condition: Condition,
) -> None:
    """They mean the same on the tunnel and on the server's own paths. The page of the response is not shown."""
    for where in ("obico_tunnel", "obico_tsd"):
        relay.fail(where, code, "ConnectionError('secret')")
    for ask in (OctoPrint(tunnel.route(session)).connection(), tunnel.connect(session).status()):
        with pytest.raises(error) as caught:
            await ask
        assert type(caught.value) is error
        assert (caught.value.code, caught.value.remedy, caught.value.condition) == (code, remedy, condition)
        assert "secret" not in str(caught.value)


# the month's usage


async def test_request_of_the_usage(session: ClientSession, relay: Relay, tunnel: Obico) -> None:
    """It works over the cap and while OctoPrint is off, and is not counted as usage."""
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
async def test_usage(
    session: ClientSession,
    relay: Relay,
    tunnel: Obico,
    body: str,
    total: int | None,
    cap: int | None,
    is_unlimited: bool,
) -> None:
    """It is in bytes; a cap of -1 means unlimited. An invalid total or cap is None and does not affect the other."""
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
async def test_unreadable_responses(session: ClientSession, relay: Relay, tunnel: Obico, body: str) -> None:
    """They say nothing about the tunnel."""
    relay.fail("obico_tsd", 200, body)
    with pytest.raises(InvalidResponse) as caught:
        await tunnel.connect(session).status()
    assert caught.value.condition is None


@pytest.mark.parametrize("status", [201, 204, 302, 400, 403, 404, 429, 500, 601])
async def test_other_statuses(session: ClientSession, relay: Relay, tunnel: Obico, status: int) -> None:
    """The documentation has no others; they are errors of the service."""
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
async def test_reset_of_the_usage(
    session: ClientSession, relay: Relay, tunnel: Obico, now: str, reset: datetime
) -> None:
    """It is at midnight of the first of the next month, in UTC."""
    with freeze_time(now):
        usage = (await tunnel.connect(session).status()).usage
        assert usage
        assert usage.reset == reset
        assert tunnel.issue_placeholders(TunnelStatus())["reset"] == f"{reset:%Y-%m-%d}"


@pytest.mark.parametrize(
    ("usage", "cap"),
    [
        (Usage(total=1, cap=314572800, reset=datetime(2026, 12, 1, tzinfo=UTC)), "300 MiB"),
        (Usage(total=1, cap=None, reset=datetime(2026, 12, 1, tzinfo=UTC)), "-"),
        (None, "-"),
    ],
)
@freeze_time("2026-11-21T18:00:00+00:00")
def test_placeholders_of_the_repair_issue(usage: Usage | None, cap: str) -> None:
    """The cap is in mebibytes, as Obico counts."""
    assert read(ENDPOINT).issue_placeholders(TunnelStatus(usage=usage)) == {"cap": cap, "reset": "2026-12-01"}


def test_refusal_has_no_cause() -> None:
    """The parser's error contains the password."""
    with pytest.raises(AuthorizationError) as caught:
        Obico.from_link(f"https://user:{'p' * 30}@tunnel\u2100.tunnels.app.obico.io", CLOUD)
    assert caught.value.__cause__ is None
    assert caught.value.__context__ is None
