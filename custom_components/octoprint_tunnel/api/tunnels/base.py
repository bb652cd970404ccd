"""The shape that all tunnels share."""

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from datetime import datetime, timedelta
from typing import Any, ClassVar, Self

from aiohttp import ClientSession, encode_basic_auth
from yarl import URL

from ..errors import Condition
from ..octoprint.webcam import Webcam
from ..transport.route import Route, StatusCodes
from ..webcam.source import Pictures
from .app_apis import Gadget

GRACE = 1.1  # of the cap; beyond, Obico's server closes the tunnel
APP_NAME = "Home Assistant"  # as the user reads it in the services and in OctoPrint


def is_header_text(text: str) -> bool:
    """Tell whether a credential can go in a header: printable ASCII without spaces."""
    return text.isascii() and text.isprintable() and " " not in text


class AuthorizationError(Exception):
    """What came back from a service's authorisation page is not a usable tunnel; `key` says why."""

    def __init__(self, key: str) -> None:
        """Keep the key of the text for people."""
        self.key = key
        super().__init__(key)


@dataclass(frozen=True, kw_only=True, slots=True)
class Authorized:
    """What came back from an authorisation page: a tunnel, and OctoPrint's API key where the service made one."""

    tunnel: Tunnel
    api_key: str | None = field(default=None, repr=False)


@dataclass(frozen=True, kw_only=True, slots=True)
class Limits:
    """What an OctoEverywhere account may do with one request: sizes in bytes, a webcam stream's length in seconds."""

    max_download: int | None = None
    max_upload: int | None = None
    max_webcam_stream: int | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class Usage:
    """The metered month of an Obico tunnel in bytes; `cap` is None where there is none, and where it is not told."""

    total: int | None
    cap: int | None
    reset: datetime
    is_unlimited: bool = False

    @property
    def is_used_up(self) -> bool | None:
        """Tell whether the server closes the tunnel for the rest of the month; None where that is not known."""
        if self.is_unlimited:
            return False
        return None if self.total is None or self.cap is None else self.total > self.cap * GRACE


@dataclass(frozen=True, kw_only=True, slots=True)
class TunnelStatus:
    """What a service tells of one tunnel. What it does not tell is None."""

    online: bool | None = None
    name: str | None = None
    printer_page: str | None = None
    local_ip: str | None = None
    last_connected: datetime | None = None
    last_disconnected: datetime | None = None
    limits: Limits = field(default_factory=Limits)
    usage: Usage | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class Detection:
    """What a service that watches a print thinks of it; `failure_probability` goes from 0 to 1."""

    is_failing: bool
    is_watching: bool = True
    """Whether the service watches this print; where the user switched that off, it is asked seldom."""
    gadget: Gadget | None = None
    failure_probability: float | None = None


@dataclass(frozen=True, kw_only=True)
class Tunnel(ABC):
    """One printer's tunnel: its address and its credentials, as the service handed them out."""

    provider: ClassVar[str]
    codes: ClassVar[StatusCodes]
    default_server: ClassVar[str]
    metered: ClassVar[bool] = False
    """Whether the account has so many bytes a month and no more."""
    max_body: ClassVar[int | None] = None
    """The largest body of a request in bytes that the tunnel carries, None where it has no limit of its own."""
    detection_interval: ClassVar[timedelta] = timedelta(seconds=10)
    """How often the failure detection may be asked at most."""

    url: str
    username: str | None = field(default=None, repr=False)
    password: str | None = field(default=None, repr=False)
    bearer_token: str | None = field(default=None, repr=False)
    local_ip: str | None = None

    @classmethod
    def from_data(cls, data: Mapping[str, Any]) -> Self:
        """Return the tunnel that `to_data` described."""
        return cls(**{item.name: data[item.name] for item in fields(cls) if item.name in data})

    def to_data(self) -> dict[str, Any]:
        """Return what has to be stored to make this tunnel again, credentials included."""
        values = {item.name: getattr(self, item.name) for item in fields(self)}
        return {"provider": self.provider, **{name: value for name, value in values.items() if value is not None}}

    @classmethod
    @abstractmethod
    def authorize_url(cls, server_url: str, return_url: str | None = None) -> URL:
        """Return the page where the user creates a tunnel.

        It ends on `return_url`, which must have no query and no fragment, or else on a page of the service whose
        address `from_link` reads.
        """

    @classmethod
    @abstractmethod
    def from_completion(cls, query: Mapping[str, str], server_url: str) -> Authorized:
        """Return what the service appended to the return address. Raises AuthorizationError."""

    @classmethod
    @abstractmethod
    def from_link(cls, link: str, server_url: str) -> Authorized:
        """Return what is in a link that the user copied. Raises AuthorizationError."""

    @property
    @abstractmethod
    def own_id(self) -> str:
        """Return the service's own id of this tunnel: the identity of a printer whose OctoPrint does not tell its."""

    @property
    def name(self) -> str | None:
        """Return the printer's name, as far as it is known without asking the service."""
        return None

    @property
    @abstractmethod
    def printer_page(self) -> str | None:
        """Return the address where the user sees the printer, as far as it is known without asking the service."""

    @abstractmethod
    def help_url(self, condition: Condition) -> str | None:
        """Return the page where the owner ends a condition that only the owner can end."""

    def explain(self, status: TunnelStatus) -> dict[str, str]:
        """Return what the text about such a condition may mention."""
        return {}

    def route(self, session: ClientSession) -> Route:
        """Return the way to OctoPrint through this tunnel.

        Basic is preferred where the service gave both: OctoPrint may take a bearer token for one of its own.
        """
        if self.username is not None and self.password is not None:
            authorization = encode_basic_auth(self.username, self.password)
        else:
            authorization = f"Bearer {self.bearer_token}"
        return Route(
            session=session,
            base_url=URL(self.url),
            headers={"Authorization": authorization},
            codes=self.codes,
        )

    @property
    def server(self) -> str:
        """Return the address of the service's own site."""
        return self.default_server

    @abstractmethod
    def service(self, session: ClientSession) -> Route:
        """Return the way to the service itself, which does not use the tunnel."""

    @abstractmethod
    async def status(self, service: Route) -> TunnelStatus:
        """Ask the service about this tunnel; raises what `Route.send` raises."""

    @abstractmethod
    async def detection(self, service: Route) -> Detection:
        """Ask the service whether the print is failing; raises what `status` raises."""

    @abstractmethod
    def pictures(self, route: Route, webcam: Webcam) -> Pictures:
        """Return the pictures of a webcam as this tunnel, whose route is given, brings them."""
