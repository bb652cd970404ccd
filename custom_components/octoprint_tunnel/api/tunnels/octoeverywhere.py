"""OctoEverywhere: App Connections and their portal.

Source: OctoEverywhere's developer documentation, "App Connections".
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any, ClassVar, override

from aiohttp import ClientSession
from yarl import URL

from ..errors import (
    BetaOnly,
    Condition,
    CredentialsRejected,
    DownloadTooLarge,
    NothingPrinting,
    NotSupporter,
    OctoPrintOffline,
    PluginOutdated,
    RequestTimeout,
    ServiceError,
    TunnelRevoked,
    UploadTooLarge,
    WebcamLimit,
)
from ..octoprint.client import OctoPrint
from ..octoprint.webcam import Webcam
from ..remote_text import MAX_NAME, as_name
from ..sizes import format_size
from ..transport.addresses import MAX_LINK, has_credentials, picture_address, web_address
from ..transport.message import Request
from ..transport.route import Route, StatusCodes
from ..webcam.source import Pictures, Resource
from .app_apis import DOMAIN, AppLiveLinks, AppNotifications, Gadget, belongs_to_service, read_info, service_page
from .base import APP_NAME, AuthorizationError, Authorized, Service, Tunnel, is_header_text
from .models import TunnelStatus
from .setup import Field, Setup

SERVICE = URL(f"https://{DOMAIN}")
PORTAL = SERVICE / "appportal" / "v1"
APP_ID = "devtest"  # OctoEverywhere's public test app; it assigns an id to an app that applies for one
APP_LOGO = "https://brands.home-assistant.io/homeassistant/icon.png"

PLUGIN = "octoeverywhere"  # its id in OctoPrint
MAX_ID = 200  # characters; it becomes a part of the unique ids of entities

ENTITY_KEYS = frozenset(
    {
        "octoprint_online",
        "tunnel_status",
        "last_connected",
        "last_disconnected",
        "max_download_size",
        "max_upload_size",
        "max_webcam_stream",
        "print_failing",
        "gadget_state",
        "gadget_rating",
        "gadget_status",
        "notification",
    }
)

CODES = StatusCodes(
    errors={
        600: ServiceError,
        601: OctoPrintOffline,
        602: RequestTimeout,
        603: TunnelRevoked,
        604: TunnelRevoked,
        605: NotSupporter,
        606: CredentialsRejected,
        607: DownloadTooLarge,
        608: UploadTooLarge,
        609: WebcamLimit,
        610: PluginOutdated,
        611: BetaOnly,
        612: ServiceError,
        613: NothingPrinting,
    },
    reserved=range(600, 700),
    reserved_error=ServiceError,
)
"""The codes of the tunnel and of the App APIs. Unknown codes in the reserved range are treated as temporary."""

COMMAND_CODES = StatusCodes(errors={}, reserved=range(700, 800), reserved_error=ServiceError)
"""Codes in the body of a webcam command: 750 to 754 about the webcam, 785 to 789 about the command."""

WEBCAM_COMMANDS = "octoeverywhere-command-api/webcam"


@dataclass(frozen=True, kw_only=True)
class OctoEverywhere(Tunnel):
    """One App Connection."""

    provider: ClassVar[str] = "octoeverywhere"
    service_name: ClassVar[str] = "OctoEverywhere"
    setup: ClassVar[Setup] = Setup(
        page="octoeverywhere_portal",
        form="octoeverywhere_paste",
        fields=(Field(name="completion_url"),),
        sign_up=str(SERVICE),
    )
    codes: ClassVar[StatusCodes] = CODES
    default_server: ClassVar[str] = str(SERVICE)
    plugin: ClassVar[str] = "octoeverywhere"
    entity_keys: ClassVar[frozenset[str]] = ENTITY_KEYS

    connection_id: str
    app_token: str = field(repr=False)
    printer_name: str | None = None
    printer_url: str | None = None

    @classmethod
    @override
    def authorize_url(cls, server_url: str, return_url: str | None = None, printer_id: str | None = None) -> URL:
        query = {"appid": APP_ID, "octoPrintApiKeyAppName": APP_NAME, "appLogoUrl": APP_LOGO}
        if return_url:
            query["returnUrl"] = return_url
        if printer_id:
            query["printerId"] = printer_id
        return (PORTAL / "").with_query(query)

    @classmethod
    @override
    def from_form(cls, entered: Mapping[str, Any], server_url: str) -> Authorized:
        [link] = entered.values()
        return cls.from_link(link, server_url)

    @classmethod
    def from_link(cls, link: str, server_url: str) -> Authorized:
        """Read the address of the portal's last page.

        Raises AuthorizationError with `invalid_link`, `foreign_host` or `not_https`, and as `from_completion` does.
        """
        url = web_address(link, MAX_LINK)
        if url is None:
            raise AuthorizationError("invalid_link")
        if not belongs_to_service(url):
            raise AuthorizationError("foreign_host")
        if url.scheme != "https":
            raise AuthorizationError("not_https")
        return cls.from_completion(url.query, server_url)

    @classmethod
    @override
    def from_completion(cls, query: Mapping[str, str], server_url: str) -> Authorized:
        """Return the App Connection, and the OctoPrint API key if the portal made one.

        Names are matched in any case: portals differ. Raises AuthorizationError with `denied`, `incomplete_link`
        (a part is missing: the link was cut off), `invalid_link`, `not_https` or `foreign_host`.
        """
        values = {name.lower(): value for name, value in query.items() if value}
        if values.get("success", "").lower() not in ("true", "1"):
            raise AuthorizationError("denied" if "success" in values else "incomplete_link")
        username, password = values.get("authbasichttpuser"), values.get("authbasichttppassword")
        bearer_token = values.get("authbearertoken")
        app_token, url, own_id = values.get("appapitoken"), values.get("url"), values.get("id")
        has_basic = username is not None and password is not None
        if not (app_token and url and own_id and (has_basic or bearer_token)):
            raise AuthorizationError("incomplete_link")
        secrets = (username, password, bearer_token, app_token)
        if not all(is_header_text(secret) for secret in secrets if secret) or ":" in (username or ""):
            raise AuthorizationError("invalid_link")
        if not is_header_text(own_id) or len(own_id) > MAX_ID:
            raise AuthorizationError("invalid_link")
        local_ip = values.get("printerlastknownlocalip")
        tunnel = cls(
            url=_tunnel_address(url),
            username=username if has_basic else None,
            password=password if has_basic else None,
            bearer_token=None if has_basic else bearer_token,
            connection_id=own_id,
            app_token=app_token,
            printer_name=as_name(values.get("printername", "")) or None,
            printer_url=service_page(values.get("userprinteraccessurl")),
            local_ip=local_ip if local_ip and is_header_text(local_ip) and len(local_ip) <= MAX_ID else None,
        )
        api_key = values.get("octoprintapikey")
        return Authorized(tunnel=tunnel, api_key=api_key if api_key and is_header_text(api_key) else None)

    @property
    @override
    def own_id(self) -> str:
        return self.connection_id

    @property
    @override
    def name(self) -> str | None:
        return as_name(self.printer_name or "") or None

    @property
    @override
    def printer_page(self) -> str | None:
        return service_page(self.printer_url)

    @override
    def help_url(self, condition: Condition) -> str | None:
        if condition is Condition.NOT_SUPPORTER:
            return str((PORTAL / "nosupporterperks").with_query(appid=APP_ID))
        return self.printer_page

    @override
    def connect(self, session: ClientSession) -> AppConnectionService:
        api = Route(session=session, base_url=SERVICE, headers={"AppToken": self.app_token}, codes=CODES)
        return AppConnectionService(
            tunnel=self,
            octoprint=self.route(session),
            api=api,
            failure_detection=Gadget(api=api),
            live_links=AppLiveLinks(api=api),
            notifications=AppNotifications(api=api),
        )


class AppConnectionService(Service):
    """An App Connection with a session."""

    @override
    async def status(self) -> TunnelStatus:
        status = await read_info(self.api)
        self.stream_time.limits = limits = status.limits
        known = {DownloadTooLarge: limits.max_download, UploadTooLarge: limits.max_upload}
        self.octoprint.limits.clear()
        self.octoprint.limits.update({error: format_size(size) for error, size in known.items() if size is not None})
        if limits.max_webcam_time is not None and limits.webcam_window is not None:
            times = (timedelta(seconds=seconds) for seconds in (limits.max_webcam_time, limits.webcam_window))
            self.octoprint.limits[WebcamLimit] = " / ".join(map(str, times))
        return status

    @override
    async def find_printer_id(self, octoprint: OctoPrint) -> str | None:
        printer_id = (await octoprint.plugin(PLUGIN)).exact("PrinterId")
        return printer_id if printer_id and is_header_text(printer_id) and len(printer_id) <= MAX_ID else None

    @override
    def pictures(self, webcam: Webcam) -> Pictures:
        return _Pictures(self.octoprint, webcam)


class _Pictures(Pictures):
    """Pictures at relative addresses come through the tunnel, those at absolute ones from the plugin in OctoPrint."""

    min_interval = 2

    def __init__(self, route: Route, webcam: Webcam) -> None:
        """Read through the App Connection of `route`."""
        self._route = route
        self._webcam = webcam
        self._index: int | None = None

    @override
    async def snapshot(self) -> Resource | None:
        return self._through_tunnel(self._webcam.snapshot_url) or await self._command("snapshot")

    @override
    async def stream(self) -> Resource | None:
        if picture_address(self._webcam.stream_url) is None:
            return None
        return self._through_tunnel(self._webcam.stream_url) or await self._command("stream")

    def _through_tunnel(self, address: str | None) -> Resource | None:
        url = picture_address(address)
        if url is None or url.host is not None:
            return None
        return Resource(route=self._route, url=self._route.base_url.join(url))

    async def _command(self, command: str) -> Resource:
        """Return where the plugin has a picture of this webcam, by its index in the plugin's list."""
        if self._index is None:
            self._index = await self._find()
        url = (self._route.base_url / WEBCAM_COMMANDS / command).with_query(index=self._index)
        return Resource(route=self._route, url=url)

    async def _find(self) -> int:
        """Return the webcam's index by its name, or its position in OctoPrint if the plugin does not list the name."""
        response = (await self._route.send(Request("GET", f"/{WEBCAM_COMMANDS}/list"))).json()
        if (status := response.integer("Status")) not in (None, 200):
            raise COMMAND_CODES.error(status) or CODES.error(status) or ServiceError(code=status)
        names = [item.text("Name", MAX_NAME) for item in response.object("Result").objects("Webcams")]
        known = (self._webcam.name, self._webcam.display_name)
        return next((index for index, name in enumerate(names) if name in known), self._webcam.position)


def _tunnel_address(text: str) -> str:
    """Return the App Connection's address without a path. Raises AuthorizationError."""
    url = web_address(text)
    if url is None:
        raise AuthorizationError("incomplete_link")
    if url.scheme != "https":
        raise AuthorizationError("not_https")
    if has_credentials(url) or not belongs_to_service(url):
        raise AuthorizationError("foreign_host")
    return str(url.origin())
