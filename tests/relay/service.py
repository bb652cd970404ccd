"""The interface between the server and the stand-in of a service."""

import base64
import binascii
from dataclasses import dataclass
from typing import Protocol

import aiohttp
from aiohttp import hdrs, web
from multidict import CIMultiDict

from .answer import Answer
from .forward import Forwarder
from .printer import Printer
from .record import Exchange, Service
from .sockets import Sockets
from .webcam import Webcam


@dataclass(frozen=True, kw_only=True)
class Plumbing:
    """What both services use to reach OctoPrint."""

    forward: Forwarder
    sockets: Sockets
    webcam: Webcam

    async def websocket(
        self,
        printer: Printer,
        request: web.BaseRequest,
        exchange: Exchange,
        path: str,
        headers: CIMultiDict[str] | None = None,
    ) -> Answer | web.StreamResponse:
        """Forward a WebSocket to OctoPrint, with its sub-protocols; raises OctoPrintOffline."""
        offered = request.headers.get(hdrs.SEC_WEBSOCKET_PROTOCOL, "")
        protocols = tuple(name.strip() for name in offered.split(",") if name.strip())
        try:
            octoprint = await self.forward.connect_websocket(printer, path, headers, protocols)
        except aiohttp.WSServerHandshakeError as error:
            return Answer.page(error.status)
        client = await self.sockets.accept(request, exchange, octoprint.protocol)
        try:
            await self.sockets.relay(client, octoprint, exchange, to_octoprint=lambda _: True, to_client=lambda _: True)
        finally:
            await self.sockets.end(client, aiohttp.WSCloseCode.GOING_AWAY)
        return client


class Stand(Protocol):
    """One service's stand-in."""

    def service_of(self, host: str, path: str) -> Service | None:
        """Return the part that a request is meant for, or None when it is another service's."""

    async def answer(self, request: web.BaseRequest, exchange: Exchange) -> Answer | web.StreamResponse:
        """Return a response to send, or the one that was already sent (a WebSocket)."""


def basic_credentials(request: web.BaseRequest) -> tuple[str, str] | None:
    """Return user and password of a Basic header."""
    scheme, _, token = request.headers.get(hdrs.AUTHORIZATION, "").partition(" ")
    if scheme.lower() != "basic":
        return None
    try:
        user, separator, password = base64.b64decode(token, validate=True).decode().partition(":")
    except binascii.Error, UnicodeDecodeError:
        return None
    return (user, password) if separator else None


def wants_websocket(request: web.BaseRequest) -> bool:
    """Return whether a request is a WebSocket handshake."""
    return request.headers.get(hdrs.UPGRADE, "").lower() == "websocket"
