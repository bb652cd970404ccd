"""What all tunnels share: the stored `Tunnel`, and the `Service` that a tunnel and a session make."""

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from typing import Any, ClassVar, Self

from aiohttp import ClientSession, encode_basic_auth
from yarl import URL

from ..errors import Condition
from ..json_object import JsonObject
from ..octoprint.client import OctoPrint
from ..octoprint.webcam import Webcam
from ..transport.route import Route, StatusCodes
from ..webcam.source import Pictures
from .models import Detection, LiveLink, Notification, TunnelStatus
from .setup import Setup
from .stream_time import StreamTime

APP_NAME = "Home Assistant"  # as the user reads it in the services and in OctoPrint


def is_header_text(text: str) -> bool:
    """Return whether a credential can be sent in a header: printable ASCII without spaces."""
    return text.isascii() and text.isprintable() and " " not in text


class AuthorizationError(Exception):
    """What the user or a service's authorization page entered is not a usable tunnel or server; `key` says why."""

    def __init__(self, key: str, field: str | None = None) -> None:
        """Keep the key of the user's text, and the field of the form that it is about."""
        self.key = key
        self.field = field
        super().__init__(key)


@dataclass(frozen=True, kw_only=True, slots=True)
class Authorized:
    """The result of an authorization page: a tunnel, and OctoPrint's API key if the service made one."""

    tunnel: Tunnel
    api_key: str | None = field(default=None, repr=False)


@dataclass(frozen=True, kw_only=True)
class Tunnel(ABC):
    """One printer's tunnel, as it is stored: its address and its credentials."""

    provider: ClassVar[str]
    service_name: ClassVar[str]
    """As the service writes it."""
    setup: ClassVar[Setup]
    codes: ClassVar[StatusCodes]
    default_server: ClassVar[str]
    plugin: ClassVar[str] = ""
    """The id of the service's plugin in OctoPrint, empty if it has none."""
    entity_keys: ClassVar[frozenset[str]]
    """The keys of the entities that this service brings. Those of the printer come from OctoPrint."""
    metered: ClassVar[bool] = False
    """Whether the account has a limited amount of data per month."""
    max_body: ClassVar[int | None] = None
    """The largest request body in bytes that the tunnel carries, None if it has no limit of its own."""

    url: str
    username: str | None = field(default=None, repr=False)
    password: str | None = field(default=None, repr=False)
    bearer_token: str | None = field(default=None, repr=False)
    local_ip: str | None = None
    printer_id: str | None = None
    """The service's id of the printer, where it is known; its page opens on this printer then."""

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
    def from_form(cls, entered: Mapping[str, Any], server_url: str) -> Authorized:
        """Read what the user entered in the form of `setup`. Raises AuthorizationError."""

    def to_form(self) -> dict[str, Any]:
        """Return what the form shows when this tunnel is renewed: no credentials."""
        return {}

    @classmethod
    def authorize_url(cls, server_url: str, return_url: str | None = None, printer_id: str | None = None) -> URL:
        """Return the page where the user creates a tunnel, for a service whose `setup` has a page.

        It opens on one printer where its id is known. It redirects to `return_url`, which must have no query and no
        fragment. Without one it ends on a page of the service, whose address the user enters in the form.
        """
        raise NotImplementedError

    @classmethod
    def from_completion(cls, query: Mapping[str, str], server_url: str) -> Authorized:
        """Read what the service appended to the return address. Raises AuthorizationError."""
        raise NotImplementedError

    @property
    @abstractmethod
    def own_id(self) -> str:
        """Return the service's id of this tunnel. It identifies a printer whose OctoPrint has no instance UUID."""

    @property
    def name(self) -> str | None:
        """Return the printer's stored name."""
        return None

    @property
    @abstractmethod
    def printer_page(self) -> str | None:
        """Return the stored address of the page that shows the printer to its owner."""

    @property
    def server(self) -> str:
        """Return the address of the service's own site."""
        return self.default_server

    @abstractmethod
    def help_url(self, condition: Condition) -> str | None:
        """Return the page where the account's owner can end this condition."""

    def issue_placeholders(self, status: TunnelStatus) -> dict[str, str]:
        """Return what the text of a repair issue may mention."""
        return {}

    @property
    def authorization(self) -> dict[str, str]:
        """Return the header that opens this tunnel.

        Basic is preferred if there are both: OctoPrint may take a bearer token for one of its own.
        """
        if self.username is not None and self.password is not None:
            return {"Authorization": encode_basic_auth(self.username, self.password)}
        return {"Authorization": f"Bearer {self.bearer_token}"} if self.bearer_token is not None else {}

    def route(self, session: ClientSession) -> Route:
        """Return the route to OctoPrint through this tunnel."""
        return Route(session=session, base_url=URL(self.url), headers=self.authorization, codes=self.codes)

    @abstractmethod
    def connect(self, session: ClientSession) -> Service:
        """Return the service of this tunnel. Nothing is sent yet."""


class FailureDetection(ABC):
    """Watches a print for failures."""

    @abstractmethod
    async def read(self) -> Detection:
        """Ask whether the print is failing. Raises what `Service.status` raises."""


class LiveLinks(ABC):
    """Makes links on which anyone can watch the printer."""

    @abstractmethod
    async def create(self, *, hours: int | None = None, until_print_ends: bool = False) -> LiveLink:
        """Create a link that works for 1 to 17520 hours, 24 by default, or until the print ends.

        Raises what `Service.status` raises, and NothingPrinting.
        """


class NotificationWebhook(ABC):
    """Sends what happens in a print to a webhook. The methods that ask the service raise what `status` raises."""

    @abstractmethod
    async def set(self, url: str) -> None:
        """Send notifications to this https address from now on."""

    @abstractmethod
    async def test(self) -> None:
        """Deliver a test to the webhook now, of type TEST."""

    @abstractmethod
    async def delete(self) -> None:
        """Send no more notifications."""

    @abstractmethod
    def read(self, delivery: JsonObject) -> Notification:
        """Read what was sent to the webhook. Raises InvalidResponse if it has no event."""


@dataclass(frozen=True, kw_only=True, slots=True)
class AccountDelivery:
    """A notification about one printer of an account; a test is about all of them."""

    notification: Notification
    printer_id: str | None = None
    printer_name: str | None = None


class AccountNotifications(ABC):
    """Sends what happens in the prints of an account to one webhook, which its user enters at the service."""

    @property
    @abstractmethod
    def is_self_hosted(self) -> bool:
        """Tell whether the service may be on the local network, where it reaches Home Assistant with http, too."""

    @abstractmethod
    def read(self, delivery: JsonObject) -> AccountDelivery:
        """Read what was sent to the webhook. Raises InvalidResponse if it has no event."""


@dataclass(frozen=True, kw_only=True)
class Service(ABC):
    """A tunnel with a session. A capability that the service does not have is None."""

    tunnel: Tunnel
    octoprint: Route
    """The route to OctoPrint through the tunnel."""
    api: Route
    """The route to the service itself."""
    failure_detection: FailureDetection | None = None
    live_links: LiveLinks | None = None
    notifications: NotificationWebhook | None = None
    account_notifications: AccountNotifications | None = None
    stream_time: StreamTime = field(default_factory=StreamTime)

    @abstractmethod
    async def status(self) -> TunnelStatus:
        """Ask the service about this tunnel. Raises what `Route.request` raises, and InvalidResponse."""

    async def find_printer_id(self, octoprint: OctoPrint) -> str | None:
        """Ask the service's plugin in OctoPrint for `Tunnel.printer_id`; None if it does not tell.

        Raises what `OctoPrint.send` raises.
        """
        return None

    @abstractmethod
    def pictures(self, webcam: Webcam) -> Pictures:
        """Return the pictures of a webcam, as they are available through this tunnel."""
