"""Obico: OctoPrint tunnels of app.obico.io or of a self-hosted server.

Source: Obico's documentation, "OctoPrint tunnel", and the behavior of a self-hosted server of July 2026.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any, ClassVar, override
from urllib.parse import unquote

from aiohttp import ClientSession
from yarl import URL

from ..errors import (
    BadGateway,
    Condition,
    CredentialsRejected,
    InvalidResponse,
    OctoPrintOffline,
    OverCap,
    RequestTimeout,
    ServiceError,
)
from ..json_object import JsonObject
from ..octoprint.webcam import Webcam
from ..sizes import format_size
from ..transport.addresses import MAX_ADDRESS, picture_address, typed_address, web_address
from ..transport.message import Request
from ..transport.route import Route, StatusCodes
from ..webcam.source import Pictures, Resource
from .base import APP_NAME, AuthorizationError, Authorized, FailureDetection, Service, Tunnel, is_header_text
from .models import Detection, TunnelStatus, Usage
from .obico_notifications import ObicoNotifications
from .setup import SERVER_IS_HTTP, Field, OwnServer, Setup

CLOUD_DOMAIN = "obico.io"
CLOUD_SERVER = f"https://app.{CLOUD_DOMAIN}"

MAX_BODY = 50 * 1024 * 1024  # bytes; the server refuses larger ones with 400, after they were sent completely
FAILING = 0.66  # the probability above which Obico itself warns

ENTITY_KEYS = frozenset(
    {
        "octoprint_online",
        "tunnel_status",
        "tunnel_usage",
        "tunnel_usage_cap",
        "tunnel_usage_reset",
        "tunnel_usage_own",
        "tunnel_usage_left",
        "tunnel_usage_forecast",
        "print_failing",
        "failure_probability",
        "notification",
    }
)

CODES = StatusCodes(
    errors={
        401: CredentialsRejected,
        481: OverCap,
        482: OctoPrintOffline,
        483: RequestTimeout,
        502: BadGateway,
    },
    reserved=range(480, 500),
    reserved_error=ServiceError,
)
"""The tunnel's own codes. Unknown codes in the reserved range are treated as temporary."""


def server_address(text: str) -> str:
    """Return a server's address as the user typed it, in its shortest form.

    Raises AuthorizationError with `invalid_url`, or `not_https` for Obico's cloud.
    """
    url = typed_address(text, "https")
    if url is None:
        raise AuthorizationError("invalid_url")
    host = (url.host or "").rstrip(".")
    if not _is_cloud(host):
        return str(url)
    if url.scheme != "https":
        raise AuthorizationError("not_https")
    return str(url.origin().with_host(host))


@dataclass(frozen=True, kw_only=True)
class Obico(Tunnel):
    """One OctoPrint tunnel. It accepts Basic only."""

    provider: ClassVar[str] = "obico"
    service_name: ClassVar[str] = "Obico"
    setup: ClassVar[Setup] = Setup(
        page="obico_authorize",
        form="obico_paste",
        fields=(Field(name="tunnel_endpoint"),),
        sign_up=f"https://www.{CLOUD_DOMAIN}",
        server=OwnServer(form="obico_server", menu="obico_method", read=server_address),
    )
    codes: ClassVar[StatusCodes] = CODES
    default_server: ClassVar[str] = CLOUD_SERVER
    plugin: ClassVar[str] = "obico"
    entity_keys: ClassVar[frozenset[str]] = ENTITY_KEYS
    metered: ClassVar[bool] = True
    max_body: ClassVar[int | None] = MAX_BODY

    server_url: str = CLOUD_SERVER

    @classmethod
    @override
    def authorize_url(cls, server_url: str, return_url: str | None = None, printer_id: str | None = None) -> URL:
        server = URL(server_url)
        query = {"app": APP_NAME, "success_redirect_url": return_url or str(server / "tunnels/succeeded/")}
        if printer_id:
            query["printer_id"] = printer_id
        return (server / "tunnels/new/").with_query(query)

    @classmethod
    @override
    def from_form(cls, entered: Mapping[str, Any], server_url: str) -> Authorized:
        [link] = entered.values()
        return cls.from_link(link, server_url)

    @classmethod
    def from_link(cls, link: str, server_url: str) -> Authorized:
        """Read a tunnel endpoint, or an address that carries one; raises as `from_completion` does."""
        _, carries_one, rest = link.partition("tunnel_endpoint=")
        endpoint = unquote(rest.partition("&")[0]) if carries_one else link
        return cls.from_completion({"tunnel_endpoint": endpoint}, server_url)

    @classmethod
    @override
    def from_completion(cls, query: Mapping[str, str], server_url: str) -> Authorized:
        """Return the tunnel at the endpoint `https://user:password@host[:port]`.

        Raises AuthorizationError with `invalid_endpoint`, `foreign_host` (a tunnel of Obico's cloud elsewhere),
        `server_is_http` (a tunnel of this server, which was entered as https) or `not_https` (any other that is http,
        unless the server was entered as http).
        """
        server, url = URL(server_url), web_address(query.get("tunnel_endpoint"))
        if url is None or not (url.host and url.user and url.password):
            raise AuthorizationError("invalid_endpoint")
        if not is_header_text(url.user) or not is_header_text(url.password) or ":" in url.user:
            raise AuthorizationError("invalid_endpoint")
        if _is_cloud(server.host or "") and not _is_cloud(url.host):
            raise AuthorizationError("foreign_host")
        if url.scheme == "http" and server.scheme != "http":
            is_server = url.host == server.host and not _is_cloud(url.host)
            raise AuthorizationError(SERVER_IS_HTTP if is_server else "not_https")
        tunnel = cls(url=str(url.origin()), username=url.user, password=url.password, server_url=server_url)
        return Authorized(tunnel=tunnel)

    @property
    @override
    def own_id(self) -> str:
        return URL(self.url).host_port_subcomponent or self.url

    @property
    @override
    def server(self) -> str:
        return self.server_url

    @property
    @override
    def printer_page(self) -> str:
        return self.server_url

    @override
    def help_url(self, condition: Condition) -> str:
        return self.server_url

    @override
    def issue_placeholders(self, status: TunnelStatus) -> dict[str, str]:
        usage = status.usage
        return {
            "cap": "-" if usage is None or usage.cap is None else format_size(usage.cap, digits=0),
            "reset": f"{_first_of_next_month():%Y-%m-%d}",
        }

    @override
    def connect(self, session: ClientSession) -> ObicoService:
        # The server itself responds on some paths of the tunnel.
        api, server = self.route(session), URL(self.server_url)
        return ObicoService(
            tunnel=self,
            octoprint=self.route(session),
            api=api,
            failure_detection=Prediction(api=api),
            account_notifications=ObicoNotifications(server, is_cloud=_is_cloud(server.host or "")),
            server=server,
        )


@dataclass(frozen=True, kw_only=True)
class ObicoService(Service):
    """An OctoPrint tunnel with a session."""

    server: URL

    @override
    async def status(self) -> TunnelStatus:
        """Read the month's usage.

        The server responds while OctoPrint is off and over the cap, and does not count it as usage.
        """
        response = await _request(self.api, "/_tsd_/tunnelusage/")
        cap = response.number("monthly_cap", -1)
        is_unlimited = cap is not None and cap < 0
        usage = Usage(
            total=response.integer("total", 0),
            cap=None if cap is None or is_unlimited else int(cap),
            is_unlimited=is_unlimited,
            reset=_first_of_next_month(),
        )
        if usage.total is None and cap is None:
            raise InvalidResponse(detail="no usage in it")
        return TunnelStatus(usage=usage)

    @override
    def pictures(self, webcam: Webcam) -> Pictures:
        return _Pictures(self.api, webcam, self.server)  # its traffic is that which is not counted as usage


@dataclass(frozen=True, kw_only=True)
class Prediction(FailureDetection):
    """Obico's failure detection. Its requests are not counted as usage."""

    api: Route

    @override
    async def read(self) -> Detection:
        probability = (await _request(self.api, "/_tsd_/prediction/")).number("normalized_p", 0, 1)
        if probability is None:
            raise InvalidResponse(detail="no probability in it")
        return Detection(failure_probability=probability, is_failing=probability > FAILING)


async def _request(api: Route, path: str) -> JsonObject:
    """Read one of the paths that the server itself responds to."""
    response = await api.send(Request("GET", path))
    if response.status != 200:
        raise ServiceError(code=response.status)
    return response.json()


class _Pictures(Pictures):
    """The latest picture that the plugin sent to the server.

    The plugin sends pictures of its primary webcam while it prints or is watched. They are not counted as usage. There
    is no stream: the tunnel holds a response until it is complete.
    """

    min_interval = 2
    still_interval = 10  # the plugin sends one in 10 s (OctoPrint-Obico, `webcam_capture.py`)

    def __init__(self, route: Route, webcam: Webcam, server: URL) -> None:
        """Ask through the tunnel of `route` for pictures that are on `server`."""
        self._route = route
        self._webcam = webcam
        self._server = server

    @override
    async def snapshot(self) -> Resource | None:
        if not self._webcam.is_obicos:
            return None
        signed = (await _request(self._route, "/_tsd_/webcam/0/")).exact("snapshot", MAX_ADDRESS)
        if signed is None:
            return None
        # The address is signed: no credentials are needed with it.
        return Resource(route=replace(self._route, headers={}), url=self._on_server(signed))

    @override
    async def stream(self) -> Resource | None:
        return None

    def _on_server(self, signed: str) -> URL:
        """Return the address of a signed picture on the server that the user entered, or on any host of the cloud.

        A self-hosted server may not know its own address; only the path and the query are signed. Raises
        InvalidResponse.
        """
        url = picture_address(signed)
        if url is None or not url.path.startswith("/"):
            raise InvalidResponse(detail="no address of a picture")
        if not _is_cloud(self._server.host or ""):
            url = web_address(f"{self._server.origin()}{url.raw_path_qs}")
            if url is None or url.origin() != self._server.origin():
                raise InvalidResponse(detail="no address of a picture")
        elif url.scheme != "https" or not _is_cloud(url.host or ""):
            raise InvalidResponse(detail="the picture is elsewhere")
        return url


def _is_cloud(host: str) -> bool:
    return host == CLOUD_DOMAIN or host.endswith(f".{CLOUD_DOMAIN}")


def _first_of_next_month() -> datetime:
    """Return when usage is reset. The server's own figure keeps the time of day and can be a day late."""
    now = datetime.now(UTC)
    return datetime(now.year + now.month // 12, now.month % 12 + 1, 1, tzinfo=UTC)
