"""Own address: OctoPrint at an https address of the user's own, behind a reverse proxy or an access service.

There is no service with a portal or an API. What stands before OctoPrint (nginx, HAProxy, Cloudflare Access, Authelia,
Pangolin, Tailscale Funnel) is recognized by what its responses lack: OctoPrint marks its own.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from functools import partial
from http import HTTPStatus
import re
from typing import Any, ClassVar, Final, override

from aiohttp import ClientSession, hdrs
from yarl import URL

from ..errors import Condition, NotOctoPrint, OctoPrintTunnelError, Remedy
from ..octoprint.webcam import Webcam
from ..transport.addresses import picture_address, typed_address
from ..transport.route import GATEWAY_CODES, Route, StatusCodes
from ..webcam.source import Pictures, Resource
from .base import AuthorizationError, Authorized, Service, Tunnel, is_header_text
from .models import TunnelStatus
from .setup import Field, FieldKind, Setup

MAX_CREDENTIAL = 4096  # characters; servers have limits for longer headers
HEADER_FIELDS: Final = ("header_1", "header_2", "header_3")

_HEADER = re.compile(r"([!#$%&'*+.^_`|~0-9A-Za-z-]{1,100}):[ \t]*([!-~](?:[ -~]*[!-~])?)")
_RESERVED = re.compile(
    r"host|connection|upgrade|te|trailer|expect|via|origin|keep-alive|content-.*|transfer-.*|accept.*|sec-.*|proxy-.*"
    r"|x-api-key|x-octoprint-.*|x-locale|x-forwarded-.*|x-scheme|x-script-name",
    re.IGNORECASE,
)
"""Headers that the connection or OctoPrint's API needs with values of their own."""

OWN_MARKS = (("X-Clacks-Overhead", ""), ("X-Robots-Tag", "noimageindex"))
"""Headers of OctoPrint's own responses, with a part of their value: of its pages and API, and also of its push socket.

Source: the responses of 1.11.8 and 2.0.0rc7.
"""


class ProxyWithoutOctoPrint(OctoPrintTunnelError):
    """The proxy got no response from OctoPrint."""

    key = "proxy_without_octoprint"
    remedy = Remedy.RETRY
    condition = Condition.OFFLINE


class LoginPage(OctoPrintTunnelError):
    """A page came in place of OctoPrint's response."""

    key = "login_page"
    remedy = Remedy.REAUTHORIZE
    condition = Condition.REVOKED


class LoginRedirect(OctoPrintTunnelError):
    """The proxy redirects, for example to its log-in page."""

    key = "login_redirect"
    remedy = Remedy.REAUTHORIZE
    condition = Condition.REVOKED


class AccessRefused(OctoPrintTunnelError):
    """The proxy does not accept the credentials, or it needs some."""

    key = "access_refused"
    remedy = Remedy.REAUTHORIZE
    condition = Condition.REVOKED


class PasswordNeeded(OctoPrintTunnelError):
    """The proxy, or another one behind it, asks for a user name and a password, and none was sent."""

    key = "password_needed"
    remedy = Remedy.REAUTHORIZE
    condition = Condition.REVOKED


class ProxyUploadLimit(OctoPrintTunnelError):
    """The proxy refuses a request of this size."""

    key = "proxy_upload_limit"
    remedy = Remedy.LIMIT


CODES = StatusCodes(
    errors={
        HTTPStatus.BAD_GATEWAY: ProxyWithoutOctoPrint,
        HTTPStatus.SERVICE_UNAVAILABLE: ProxyWithoutOctoPrint,
        HTTPStatus.GATEWAY_TIMEOUT: ProxyWithoutOctoPrint,
    },
    reserved=range(520, 531),  # Cloudflare's
    reserved_error=ProxyWithoutOctoPrint,
)
"""Status codes of a proxy that cannot reach OctoPrint."""


def why_not_octoprint(
    status: int, headers: Mapping[str, str], *, sends_password: bool = False
) -> OctoPrintTunnelError | None:
    """Return the error that a response stands for which is not OctoPrint's own, None for any other.

    `sends_password` tells that the request had a user and a password.
    """
    if any(name in headers and part in headers[name] for name, part in OWN_MARKS):
        return None
    if status == HTTPStatus.UNAUTHORIZED:
        asks = headers.get(hdrs.WWW_AUTHENTICATE, "").lower().startswith("basic")
        return PasswordNeeded(code=status) if asks and not sends_password else AccessRefused(code=status)
    if status == HTTPStatus.OK:
        is_page = headers.get(hdrs.CONTENT_TYPE, "").lower().startswith("text/html")
        return LoginPage(code=status) if is_page else None
    if HTTPStatus.MULTIPLE_CHOICES <= status < HTTPStatus.BAD_REQUEST:
        return LoginRedirect(code=status)
    kind = _REFUSALS.get(status)
    return kind(code=status) if kind else None


_REFUSALS: Mapping[int, type[OctoPrintTunnelError]] = {
    HTTPStatus.FORBIDDEN: AccessRefused,
    HTTPStatus.PROXY_AUTHENTICATION_REQUIRED: AccessRefused,
    HTTPStatus.NOT_FOUND: NotOctoPrint,
    HTTPStatus.CONTENT_TOO_LARGE: ProxyUploadLimit,
}


@dataclass(frozen=True, kw_only=True)
class OwnAddress(Tunnel):
    """An https address, with what opens it: nothing, Basic or a bearer token, and headers."""

    provider: ClassVar[str] = "own_address"
    service_name: ClassVar[str] = "own address"
    setup: ClassVar[Setup] = Setup(
        form="own_address",
        fields=(
            Field(name="address"),
            Field(name="username", required=False),
            Field(name="password", kind=FieldKind.SECRET, required=False),
            Field(name="bearer_token", kind=FieldKind.SECRET, required=False),
            *(Field(name=name, required=False) for name in HEADER_FIELDS),
            Field(name="verify_ssl", kind=FieldKind.SWITCH),
        ),
    )
    codes: ClassVar[StatusCodes] = CODES
    default_server: ClassVar[str] = ""
    entity_keys: ClassVar[frozenset[str]] = frozenset({"octoprint_online", "tunnel_status"})

    headers: Mapping[str, str] = field(default_factory=dict, repr=False)
    verify_ssl: bool = True

    @classmethod
    @override
    def from_form(cls, entered: Mapping[str, Any], server_url: str) -> Authorized:
        """Read what the user entered.

        Raises AuthorizationError with `invalid_address`, `not_https`, `invalid_login` (not a user with a password, or
        that together with a bearer token) or `invalid_header`.
        """
        texts = {name: value.strip() for name, value in entered.items() if isinstance(value, str)}
        headers = _headers(texts)
        username, password, bearer_token = _login(texts, headers)
        tunnel = cls(
            url=_address(texts["address"]),
            username=username,
            password=password,
            bearer_token=bearer_token,
            headers=headers,
            verify_ssl=entered["verify_ssl"],
        )
        return Authorized(tunnel=tunnel)

    @override
    def to_form(self) -> dict[str, Any]:
        return {"address": self.url, "verify_ssl": self.verify_ssl}

    @property
    @override
    def own_id(self) -> str:
        return self.url.partition("://")[2]

    @property
    @override
    def server(self) -> str:
        return self.url

    @property
    @override
    def printer_page(self) -> str:
        return self.url

    @override
    def help_url(self, condition: Condition) -> str:
        return self.url

    @override
    def route(self, session: ClientSession) -> Route:
        return replace(
            super().route(session),
            headers={**self.headers, **self.authorization},
            judge=partial(why_not_octoprint, sends_password=self.username is not None),
            verify_ssl=self.verify_ssl,
        )

    @override
    def connect(self, session: ClientSession) -> OwnAddressService:
        return OwnAddressService(tunnel=self, octoprint=self.route(session), api=self.route(session))


class OwnAddressService(Service):
    """An address with a session. Only requests to OctoPrint show its status."""

    @override
    async def status(self) -> TunnelStatus:
        return TunnelStatus()

    @override
    def pictures(self, webcam: Webcam) -> Pictures:
        return _Pictures(self.octoprint, webcam)


class _Pictures(Pictures):
    """The pictures at this address, as a browser gets them there. Others are only on OctoPrint's own network."""

    min_interval = 2
    still_sources = 2

    def __init__(self, route: Route, webcam: Webcam) -> None:
        """Prepare to get pictures with the headers of `route`, and at its host only.

        The webcam is not OctoPrint's own: what refuses it need not refuse OctoPrint.
        """
        self._route = replace(route, codes=GATEWAY_CODES, judge=None)
        self._webcam = webcam

    @override
    async def snapshot(self) -> Resource | None:
        stream = picture_address(self._webcam.stream_url)
        still = stream.update_query(action="snapshot") if stream and "action" in stream.query else None
        return self._resource(picture_address(self._webcam.snapshot_url)) or self._resource(still)

    @override
    async def stream(self) -> Resource | None:
        return self._resource(picture_address(self._webcam.stream_url))

    @override
    async def still(self, source: int) -> Resource | None:
        return await (self.snapshot() if source == 0 else self.stream())

    def _resource(self, url: URL | None) -> Resource | None:
        if url is None:
            return None
        base = self._route.base_url
        url = URL(f"{base}/").join(url)
        is_here = (url.scheme, url.raw_host, url.port) == (base.scheme, base.raw_host, base.port)
        return Resource(route=self._route, url=url) if is_here and url.raw_user is None else None


def _address(text: str) -> str:
    url = typed_address(text, "https")
    if url is None:
        raise AuthorizationError("invalid_address", "address")
    if url.scheme != "https":
        raise AuthorizationError("not_https", "address")
    return str(url)


def _login(texts: Mapping[str, str], headers: Mapping[str, str]) -> tuple[str | None, str | None, str | None]:
    """Return the user and the password or the bearer token, of which at most one kind may be given."""
    username, password, bearer_token = (texts.get(name) or None for name in ("username", "password", "bearer_token"))
    given = (username is not None, bearer_token is not None, any(name.lower() == "authorization" for name in headers))
    if sum(given) > 1 or (username is None) is not (password is None) or ":" in (username or ""):
        raise AuthorizationError("invalid_login", "username")
    for text in filter(None, (username, password, bearer_token)):
        if len(text) > MAX_CREDENTIAL or not text.isprintable():
            raise AuthorizationError("invalid_login", "username")
    if bearer_token and not is_header_text(bearer_token):
        raise AuthorizationError("invalid_login", "bearer_token")
    return username, password, bearer_token


def _headers(texts: Mapping[str, str]) -> dict[str, str]:
    """Return the headers that were entered, no two of one name: only one of them would be sent."""
    headers: dict[str, str] = {}
    for field_name in filter(texts.get, HEADER_FIELDS):
        name, value = _header(texts[field_name], field_name)
        if name.lower() in map(str.lower, headers):
            raise AuthorizationError("invalid_header", field_name)
        headers[name] = value
    return headers


def _header(text: str, name: str) -> tuple[str, str]:
    """Return name and value of a header that was entered as `Name: value`."""
    parts = _HEADER.fullmatch(text)
    if parts is None or len(text) > MAX_CREDENTIAL or _RESERVED.fullmatch(parts[1]):
        raise AuthorizationError("invalid_header", name)
    return parts[1], parts[2]
