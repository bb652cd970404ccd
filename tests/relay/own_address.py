"""A proxy of the user's own: it demands credentials, and passes on what has them."""

from collections.abc import Mapping
import secrets

from aiohttp import encode_basic_auth, hdrs, web

from .answer import Answer
from .forward import OctoPrintOffline, request_headers
from .printer import Printer
from .record import Exchange, Service
from .service import Plumbing, wants_websocket

HOST = "printer.home.test"
LOGIN = "/login"


class OwnProxy:
    """The stand-in of a proxy that lets in who has both its password and its headers, as Cloudflare Access does."""

    def __init__(self, plumbing: Plumbing, printer: Printer) -> None:
        """Start with random credentials."""
        self.printer = printer
        self.user, self.password = secrets.token_hex(16), secrets.token_hex(32)
        self.headers: Mapping[str, str] = {
            "CF-Access-Client-Id": f"{secrets.token_hex(16)}.access",
            "CF-Access-Client-Secret": secrets.token_hex(32),
        }
        self._plumbing = plumbing

    @property
    def url(self) -> str:
        """Return the address of OctoPrint."""
        return f"https://{HOST}"

    @property
    def form(self) -> dict[str, object]:
        """Return what the user enters."""
        headers = [f"{name}: {value}" for name, value in self.headers.items()]
        return {
            "address": self.url,
            "username": self.user,
            "password": self.password,
            **{f"header_{number}": header for number, header in enumerate(headers, 1)},
            "verify_ssl": True,
        }

    def service_of(self, host: str, path: str) -> Service | None:
        """Return the part that a request is meant for."""
        return Service.OWN_ADDRESS_TUNNEL if host == HOST else None

    async def answer(self, request: web.BaseRequest, exchange: Exchange) -> Answer | web.StreamResponse:
        """Pass a request on to OctoPrint or its webcam, without the credentials, or refuse it."""
        if request.path == LOGIN:
            return Answer.page(200, "Log in")
        if any(request.headers.get(name) != value for name, value in self.headers.items()):
            return Answer.redirect(f"{self.url}{LOGIN}")
        if request.headers.get(hdrs.AUTHORIZATION) != encode_basic_auth(self.user, self.password):
            return Answer.page(401, headers={hdrs.WWW_AUTHENTICATE: 'Basic realm="Printer"'})
        if self._plumbing.webcam.serves(request.path):
            return await self._plumbing.webcam.answer(request, exchange)
        headers = request_headers(request, hdrs.AUTHORIZATION, *self.headers)
        try:
            if wants_websocket(request):
                return await self._plumbing.websocket(self.printer, request, exchange, request.raw_path)
            return await self._plumbing.forward.http(self.printer, request, exchange, headers)
        except OctoPrintOffline:
            return Answer.page(502)
