"""OctoEverywhere: the App Portal, the App APIs, and the App Connection hosts."""

from dataclasses import dataclass, field
import secrets
from typing import Any, Literal

from aiohttp import hdrs, web
from yarl import URL

from .answer import Answer
from .app_apis import AppApis, answer_of
from .forward import OctoPrintOffline, request_headers
from .printer import Printer
from .record import Exchange, Service
from .service import Plumbing, basic_credentials, wants_websocket
from .webcam import COMMANDS

_SITE = "octoeverywhere.com"
_PORTAL = "/appportal/v1"
_COMPLETE = f"https://{_SITE}{_PORTAL}/complete"
# How .NET writes "never".
_NEVER = "0001-01-01T00:00:00"


@dataclass(kw_only=True)
class AppConnection:
    """One printer for one app of one user, as the portal issued it."""

    printer: Printer
    host: str = field(default_factory=lambda: f"app-{secrets.token_hex(8)}.{_SITE}")
    id: str = field(default_factory=lambda: secrets.token_hex(16))
    app_token: str = field(default_factory=lambda: secrets.token_hex(32))
    user: str = field(default_factory=lambda: secrets.token_hex(16))
    password: str = field(default_factory=lambda: secrets.token_hex(32))
    bearer: str = field(default_factory=lambda: secrets.token_hex(32))
    revoked: bool = False
    """The user removed it, or it expired."""
    supporter: bool = True
    """Whether its owner is a supporter."""
    apis: AppApis = field(default_factory=AppApis)
    info: dict[str, Any] = field(default_factory=dict)
    """Fields of the Info API with another value than usual."""
    missing_info: set[str] = field(default_factory=set)
    """Fields of the Info API that are left out."""

    @property
    def url(self) -> str:
        """Return the address of the App Connection."""
        return f"https://{self.host}"

    @property
    def failure(self) -> int | None:
        """Return the status code of every response, None if it works."""
        if self.revoked:
            return 604
        return None if self.supporter else 605


@dataclass(kw_only=True)
class Portal:
    """What the user does in the portal, and what the portal returns."""

    outcome: Literal["success", "denied"] = "success"
    auth: Literal["both", "basic", "bearer"] = "both"
    old_keys: bool = False
    """Whether the Basic parameters have the lower-case names of older portals."""
    makes_api_key: bool = True
    """Whether making an OctoPrint API key works, when the app asks for one."""


class OctoEverywhere:
    """The service's stand-in."""

    def __init__(self, plumbing: Plumbing, printer: Printer) -> None:
        """Start with no App Connections; `printer` is the user's."""
        self.printer = printer
        self.portal = Portal()
        self.envelope = False
        """Whether the App APIs put their responses into an envelope."""
        self.connections: list[AppConnection] = []
        self.webcams = ["classic"]
        """The webcams that the plugin lists, by its names."""
        self._forward = plumbing.forward
        self._plumbing = plumbing

    def add_connection(self, printer: Printer | None = None) -> AppConnection:
        """Issue an App Connection without the portal."""
        connection = AppConnection(printer=printer or self.printer)
        self.connections.append(connection)
        return connection

    def completion_url(
        self, connection: AppConnection, return_url: str = _COMPLETE, *, with_api_key: bool = True
    ) -> str:
        """Return the address of the portal's last page for this App Connection."""
        basic_keys = ("authBasicHttpUser", "authBasicHttpPassword")
        if self.portal.old_keys:
            basic_keys = ("authbasichttpuser", "authbasichttppassword")
        parameters = {
            "success": "true",
            "id": connection.id,
            "url": connection.url,
            "appApiToken": connection.app_token,
            "printername": connection.printer.name,
            "userPrinterAccessUrl": _user_url(connection.printer),
        }
        if connection.printer.local_ip:
            parameters["printerLastKnownLocalIp"] = connection.printer.local_ip
        if with_api_key and self.portal.makes_api_key and connection.printer.api_key:
            parameters["octoPrintApiKey"] = connection.printer.api_key
        if self.portal.auth != "bearer":
            parameters |= dict(zip(basic_keys, (connection.user, connection.password), strict=True))
        if self.portal.auth != "basic":
            parameters["authBearerToken"] = connection.bearer
        return str(URL(return_url).extend_query(parameters))

    def service_of(self, host: str, path: str) -> Service | None:
        """Return the part that a request is meant for."""
        if host.endswith(f".{_SITE}"):
            return Service.OCTOEVERYWHERE_TUNNEL
        if host != _SITE:
            return None
        return Service.OCTOEVERYWHERE_API if path.startswith("/api/") else Service.OCTOEVERYWHERE_PORTAL

    async def answer(self, request: web.BaseRequest, exchange: Exchange) -> Answer | web.StreamResponse:
        """Respond as the requested part."""
        match exchange.service:
            case Service.OCTOEVERYWHERE_TUNNEL:
                return await self._tunnel(request, exchange)
            case Service.OCTOEVERYWHERE_API:
                return await self._api(request, exchange)
            case _:
                return self._pages(request)

    def _pages(self, request: web.BaseRequest) -> Answer:
        """Respond as the portal."""
        path = request.path.rstrip("/")
        if path == _PORTAL:
            return self._portal_end(request)
        if path == f"{_PORTAL}/complete":
            return Answer.page(200, "You can close this page.")
        if path == f"{_PORTAL}/nosupporterperks":
            return Answer.page(200, "App Connections need supporter perks.")
        return Answer.page(404)

    def _portal_end(self, request: web.BaseRequest) -> Answer:
        """Return the address that the portal sends the browser to."""
        if not request.query.get("appid"):
            return Answer.page(400, "No app id")
        return_url = request.query.get("returnUrl") or _COMPLETE
        if self.portal.outcome == "denied":
            return Answer.redirect(str(URL(return_url).extend_query(success="false")))
        asks_for_key = 2 <= len(request.query.get("octoPrintApiKeyAppName", "")) <= 60
        connection = self.add_connection()
        return Answer.redirect(self.completion_url(connection, return_url, with_api_key=asks_for_key))

    async def _api(self, request: web.BaseRequest, exchange: Exchange) -> Answer:
        """Respond as the App APIs."""
        return answer_of(await self._api_says(request, exchange), envelope=self.envelope)

    async def _api_says(self, request: web.BaseRequest, exchange: Exchange) -> dict[str, Any] | int:
        """Return the response of the App APIs, or an error code."""
        token = request.headers.get("AppToken")
        if not token:
            return 400
        connection = next((known for known in self.connections if known.app_token == token), None)
        if connection is None:
            return 603
        if connection.failure:
            return connection.failure
        if request.path.rstrip("/").lower() == "/api/appconnection/info":
            info = await self._info(connection) | connection.info
            return {name: value for name, value in info.items() if name not in connection.missing_info}
        said = await connection.apis.answer(request, exchange)
        return 404 if said is None else said

    async def _info(self, connection: AppConnection) -> dict[str, Any]:
        """Return the usual response of the Info API."""
        return {
            "PrinterName": connection.printer.name,
            "PrinterLocalIp": connection.printer.local_ip,
            "IsOnline": await self._forward.online(connection.printer),
            "LastDisconnectTimeUtc": _NEVER,
            "LastConnectionTimeUtc": "2026-11-20T09:51:17.6144047Z",
            "UserFacingPrinterUrl": _user_url(connection.printer),
            "PrinterLimits": {
                "MaxDownloadFileSizeBytes": 104857600,
                "MaxUploadFileSizeBytes": 104857600,
                "MaxSingleWebcamStreamLengthSeconds": 600,
            },
        }

    async def _tunnel(self, request: web.BaseRequest, exchange: Exchange) -> Answer | web.StreamResponse:
        """Respond as an App Connection host."""
        connection = next((known for known in self.connections if known.host == exchange.host), None)
        if connection is None:
            return Answer.page(603)
        if connection.failure:
            return Answer.page(connection.failure)
        if not _authorised(request, connection):
            return Answer.page(606)
        try:
            if wants_websocket(request):
                return await self._websocket(request, exchange, connection.printer)
            if self._plumbing.webcam.serves(request.path):
                return await self._plumbing.webcam.answer(request, exchange)
            if request.path.startswith(COMMANDS):
                return self._webcam_command(request)
            # The Authorization header is forwarded to OctoPrint.
            return await self._forward.http(connection.printer, request, exchange, request_headers(request))
        except OctoPrintOffline:
            return Answer.page(601)
        except TimeoutError:
            return Answer.page(602)

    def _webcam_command(self, request: web.BaseRequest) -> Answer:
        """Respond instead of OctoPrint, as the plugin does for a webcam that only it can reach."""
        command = request.path.removeprefix(COMMANDS)
        if command == "list":
            webcams = [
                {"Name": name, "FlipH": False, "FlipV": False, "Rotation": 0, "Enabled": True} for name in self.webcams
            ]
            return Answer.json({"Status": 200, "Result": {"DefaultIndex": 0, "Webcams": webcams}})
        index = request.query.get("index", "")
        if not (index.isdecimal() and int(index) < len(self.webcams)):
            return Answer.page(404)
        return self._plumbing.webcam.action(command)

    async def _websocket(
        self, request: web.BaseRequest, exchange: Exchange, printer: Printer
    ) -> Answer | web.StreamResponse:
        """Forward a WebSocket, with only the API key and the cookies of its headers."""
        headers = request_headers(request)
        for name in list(headers):
            if not name.lower().startswith("x-api-key") and name.lower() != "cookie":
                headers.popall(name, None)
        return await self._plumbing.websocket(printer, request, exchange, request.raw_path, headers)


def _authorised(request: web.BaseRequest, connection: AppConnection) -> bool:
    """Return whether a request has the credentials that the portal issued."""
    if basic_credentials(request) == (connection.user, connection.password):
        return True
    return request.headers.get(hdrs.AUTHORIZATION) == f"Bearer {connection.bearer}"


def _user_url(printer: Printer) -> str:
    """Return the address of the printer's page."""
    return str(URL(f"https://{_SITE}/view") / printer.name)
