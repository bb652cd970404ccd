"""Obico: the authorize page, the tunnels, and the responses of `/_tsd_/`, on app.obico.io and self-hosted."""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
import secrets

import aiohttp
from aiohttp import hdrs, web

from .answer import Answer
from .forward import OctoPrintOffline, request_headers
from .printer import Printer
from .record import Exchange, Service
from .service import Plumbing, basic_credentials, wants_websocket

_SITE = "app.obico.io"
_TUNNELS = f".tunnels.{_SITE}"
_SNAPSHOT_PATH = "/media/tsd-pics/snapshot.jpg"
_MAX_REQUEST_BODY = 50 * 1024 * 1024
_GRACE = 1.1
_OCTOPRINT_WENT_AWAY = 3000
_PLATFORM_INFO_BLOCKS = 55.0


@dataclass(kw_only=True)
class Tunnel:
    """One tunnel, as the authorize page issued it."""

    printer: Printer
    port: int | None = None
    """A self-hosted server distinguishes its tunnels by port."""
    code: str = field(default_factory=lambda: secrets.token_hex(8))
    user: str = field(default_factory=lambda: secrets.token_hex(32))
    password: str = field(default_factory=lambda: secrets.token_hex(32))
    revoked: bool = False

    @property
    def host(self) -> str:
        """Return host and, when self-hosted, port."""
        return f"127.0.0.1:{self.port}" if self.port else f"{self.code}{_TUNNELS}"

    @property
    def url(self) -> str:
        """Return the address of the tunnel, without credentials."""
        return f"http://{self.host}" if self.port else f"https://{self.host}"

    @property
    def endpoint(self) -> str:
        """Return what the authorize page returns: the address with credentials in it."""
        return self.url.replace("://", f"://{self.user}:{self.password}@")


class Obico:
    """The service's stand-in; one account, whose tunnels share the monthly cap."""

    def __init__(self, plumbing: Plumbing, printer: Printer, listen: Callable[[], Awaitable[int]]) -> None:
        """Start with no tunnels; `printer` is the user's, and `listen` opens another port for http."""
        self.printer = printer
        self.tunnels: list[Tunnel] = []
        self.used_bytes = 0
        self.monthly_cap: float = 314572800.0
        """Bytes; -1 = unlimited."""
        self.slash_redirect = False
        """Whether the redirect has a slash before the question mark, as in the public documentation."""
        self.snapshot: bytes | None = None
        """JPEG of a printer that was watched recently."""
        self.watched = False
        """Whether the printer prints or was watched recently, so that its webcam's picture is available."""
        self.prediction = 0.0
        self.socket_delay = 0.2
        """Seconds from a WebSocket's handshake to OctoPrint's first message; about 1 on the real service."""
        self.plugin_timeout = 30.0
        """Seconds that the plugin waits for OctoPrint."""
        self.violations: list[str] = []
        """Requests that a client should not make."""
        self._forward = plumbing.forward
        self._sockets = plumbing.sockets
        self._webcam = plumbing.webcam
        self._listen = listen
        self._site_port = 0
        self._signature = secrets.token_hex(16)

    async def start(self) -> None:
        """Open the self-hosted site."""
        self._site_port = await self._listen()

    @property
    def self_hosted_url(self) -> str:
        """Return the address of the self-hosted server."""
        return f"http://127.0.0.1:{self._site_port}"

    @property
    def over_cap(self) -> bool:
        """Return whether the tunnels are closed until the end of the month."""
        return self.monthly_cap >= 0 and self.used_bytes > self.monthly_cap * _GRACE

    async def add_tunnel(self, printer: Printer | None = None, *, self_hosted: bool = False) -> Tunnel:
        """Issue a tunnel without the authorize page."""
        port = await self._listen() if self_hosted else None
        tunnel = Tunnel(printer=printer or self.printer, port=port)
        self.tunnels.append(tunnel)
        return tunnel

    def service_of(self, host: str, path: str) -> Service | None:
        """Return the part that a request is meant for."""
        if host in (_SITE, f"127.0.0.1:{self._site_port}"):
            return Service.OBICO_SITE
        if not host.endswith(_TUNNELS) and self._tunnel_at(host) is None:
            return None
        return Service.OBICO_TSD if path.lower().startswith("/_tsd_/") else Service.OBICO_TUNNEL

    async def answer(self, request: web.BaseRequest, exchange: Exchange) -> Answer | web.StreamResponse:
        """Respond as the requested part."""
        if exchange.service is Service.OBICO_SITE:
            answer = await self._site(request, exchange.host)
        elif wants_websocket(request):
            return await self._websocket(request, exchange)
        else:
            answer = await self._authorized_http(request, exchange)
        answer.headers.add(hdrs.SET_COOKIE, f"sessionid={secrets.token_hex(16)}; HttpOnly; Path=/; SameSite=Lax")
        return answer

    async def _site(self, request: web.BaseRequest, host: str) -> Answer:
        """Respond as the website."""
        if request.path == _SNAPSHOT_PATH:
            snapshot = self._webcam.still() if self.watched else self.snapshot
            if snapshot is None or request.query.get("digest") != self._signature:
                return Answer.page(403)
            return Answer.raw("image/jpeg", snapshot)
        if request.path == "/tunnels/succeeded/":
            return Answer.page(200, "Authorized")
        if request.path != "/tunnels/new/":
            return Answer.page(404)
        app = request.query.get("app", "").strip()
        if not 1 <= len(app) <= 64 or app == "Obico":
            return Answer.page(400, "No such app")
        tunnel = await self.add_tunnel(self_hosted=host != _SITE)
        target = request.query.get("success_redirect_url") or "/tunnels/succeeded/"
        slash = "/" if self.slash_redirect and not target.endswith("/") else ""
        # Appended without encoding, even if the address already has a query.
        return Answer.redirect(f"{target}{slash}?tunnel_endpoint={tunnel.endpoint}")

    async def _authorized_http(self, request: web.BaseRequest, exchange: Exchange) -> Answer:
        """Respond on a tunnel's host, to the tunnel's user."""
        tunnel = self._tunnel_at(exchange.host)
        if tunnel is None or tunnel.revoked:
            return Answer.page(401, "invalid credentials")
        if basic_credentials(request) != (tunnel.user, tunnel.password):
            realm = f'Basic realm="tunnel {tunnel.port or tunnel.code}", charset="UTF-8"'
            return Answer.page(401, "invalid credentials", {hdrs.WWW_AUTHENTICATE: realm})
        if exchange.service is Service.OBICO_TSD:
            return await self._tsd(request, tunnel)
        return await self._tunnel(request, exchange, tunnel.printer)

    async def _tsd(self, request: web.BaseRequest, tunnel: Tunnel) -> Answer:
        """Respond about the tunnel itself, which is not counted and works over the cap and without OctoPrint."""
        match request.path.lower():
            case "/_tsd_/tunnelusage/":
                return Answer.json(
                    {
                        "total": self.used_bytes,
                        "monthly_cap": self.monthly_cap,
                        "reset_in_seconds": _seconds_to_next_month(datetime.now(UTC)),
                    }
                )
            case "/_tsd_/webcam/0/":
                site = self.self_hosted_url if tunnel.port else f"https://{_SITE}"
                url = f"{site}{_SNAPSHOT_PATH}?digest={self._signature}"
                return Answer.json({"snapshot": url if self.snapshot or self.watched else None})
            case "/_tsd_/prediction/":
                return Answer.json({"normalized_p": self.prediction})
            case "/_tsd_/dest_platform_info/":
                self.violations.append(request.path)
                if not await self._forward.online(tunnel.printer):
                    await asyncio.sleep(_PLATFORM_INFO_BLOCKS)
                return Answer.json({})
        return Answer.page(404)

    async def _tunnel(self, request: web.BaseRequest, exchange: Exchange, printer: Printer) -> Answer:
        """Forward a request, and send the response when it is complete."""
        if self.over_cap:
            return Answer.page(481, "Over Free Limit")
        if not await self._forward.online(printer):
            return Answer.page(482, "Not Connected")
        if (request.content_length or 0) > _MAX_REQUEST_BODY:
            return Answer.page(400, "Bad Request")
        if request.path.startswith("/webcam/"):
            return Answer.page(404)
        try:
            async with asyncio.timeout(self.plugin_timeout):
                headers = request_headers(request, hdrs.AUTHORIZATION, hdrs.ORIGIN, hdrs.REFERER)
                answer = await self._forward.http(printer, request, exchange, headers)
                await answer.complete()
        except OctoPrintOffline:
            return Answer.page(482, "Not Connected")
        except (TimeoutError, aiohttp.ClientError) as error:
            answer = Answer.page(502, repr(error))
        self.used_bytes += len(answer.body) if isinstance(answer.body, bytes) else 0
        return answer

    async def _websocket(self, request: web.BaseRequest, exchange: Exchange) -> Answer | web.StreamResponse:
        """Forward a WebSocket; over the cap and without OctoPrint it opens and stays silent."""
        if not request.path.startswith("/sockjs/") and request.path != "/websocket":
            return Answer.page(500)
        tunnel = self._tunnel_at(exchange.host)
        if tunnel is None or tunnel.revoked or basic_credentials(request) != (tunnel.user, tunnel.password):
            return Answer.page(403)
        client = await self._sockets.accept(request, exchange)
        try:
            if await self._forward.online(tunnel.printer):
                await self._messages(client, request.path, exchange, tunnel.printer)
            else:
                await self._sockets.hold(client, exchange)
        finally:
            await self._sockets.end(client, _OCTOPRINT_WENT_AWAY)
        return client

    async def _messages(self, client: web.WebSocketResponse, path: str, exchange: Exchange, printer: Printer) -> None:
        """Forward messages; those that the client sends before OctoPrint's first message, or over the cap, are lost."""
        greeted = False

        def to_client(size: int) -> bool:
            nonlocal greeted
            greeted = True
            self.used_bytes += size
            return True

        def to_octoprint(_size: int) -> bool:
            return greeted and not self.over_cap

        await asyncio.sleep(self.socket_delay)
        try:
            octoprint = await self._forward.connect_websocket(printer, path)
        except OctoPrintOffline, aiohttp.ClientError:
            return
        await self._sockets.relay(client, octoprint, exchange, to_octoprint=to_octoprint, to_client=to_client)

    def _tunnel_at(self, host: str) -> Tunnel | None:
        """Return the tunnel with that host."""
        return next((tunnel for tunnel in self.tunnels if tunnel.host == host), None)


def _seconds_to_next_month(now: datetime) -> float:
    """Return the seconds to the first of next month, as Obico computes them: at the current time of day."""
    first = (now.replace(day=1) + timedelta(days=32)).replace(day=1)
    return (first - now).total_seconds() - 1e-5
