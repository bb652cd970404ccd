"""What a service has to offer to the server that stands in for it."""

import base64
import binascii
from dataclasses import dataclass
from typing import Protocol

from aiohttp import hdrs, web

from .answer import Answer
from .forward import Forwarder
from .record import Exchange, Service
from .sockets import Sockets


@dataclass(frozen=True, kw_only=True)
class Plumbing:
    """What both services use to reach OctoPrint."""

    forward: Forwarder
    sockets: Sockets


class Stand(Protocol):
    """One service's stand-in."""

    def service_of(self, host: str, path: str) -> Service | None:
        """Return the part that a request is meant for, or None when it is another service's."""

    async def answer(self, request: web.BaseRequest, exchange: Exchange) -> Answer | web.StreamResponse:
        """Return an answer to be sent, or the response that was sent already (a WebSocket)."""


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
