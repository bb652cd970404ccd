"""The requests to the relay, and their traffic."""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
import json
from typing import Any

_RECORDED_BODY = 64 * 1024


class Service(StrEnum):
    """The part of a service, or of the local network, that a request was meant for."""

    OCTOEVERYWHERE_PORTAL = "octoeverywhere_portal"
    OCTOEVERYWHERE_API = "octoeverywhere_api"
    OCTOEVERYWHERE_TUNNEL = "octoeverywhere_tunnel"
    OBICO_SITE = "obico_site"
    OBICO_TSD = "obico_tsd"
    OBICO_TUNNEL = "obico_tunnel"
    OWN_ADDRESS_TUNNEL = "own_address_tunnel"
    LOCAL = "local"
    WEBCAM = "webcam"

    def matches(self, where: str) -> bool:
        """Return whether `where` names this part; "tunnel" names all tunnels."""
        return where == self or (where == "tunnel" and self.endswith("_tunnel"))


@dataclass(kw_only=True)
class Exchange:
    """One request with its response, or one WebSocket. Its sizes grow until it ends."""

    service: Service
    host: str
    method: str
    path: str
    query: Mapping[str, str]
    headers: Mapping[str, str]
    status: int | None = None
    """The status: None until there is one, 101 for a WebSocket, 0 for a connection that was dropped."""
    body: bytes = b""
    """The request's body, up to 64 KiB."""
    request_bytes: int = 0
    """Body, or payload of the WebSocket messages from the client."""
    response_bytes: int = 0
    """Body, or payload of the WebSocket messages to the client."""

    def json(self) -> Any:
        """Return the request's body, parsed."""
        return json.loads(self.body)

    def add_request_body(self, chunk: bytes) -> None:
        """Count a piece of the request's body."""
        self.request_bytes += len(chunk)
        self.body = (self.body + chunk)[:_RECORDED_BODY]


@dataclass(frozen=True, kw_only=True)
class Traffic:
    """Sums over exchanges; bytes are bodies and WebSocket payload, uncompressed."""

    requests: int
    sent_bytes: int
    received_bytes: int


class Record:
    """Every exchange since the start or the last `clear`."""

    def __init__(self) -> None:
        """Start empty."""
        self.requests: list[Exchange] = []

    def clear(self) -> None:
        """Remove all exchanges."""
        self.requests.clear()

    def seen(
        self, where: str | None = None, *, method: str | None = None, path: str | None = None, host: str | None = None
    ) -> list[Exchange]:
        """Return the exchanges that fit, oldest first."""
        return [
            exchange
            for exchange in self.requests
            if (where is None or exchange.service.matches(where))
            and (method is None or exchange.method == method)
            and (path is None or exchange.path == path)
            and (host is None or exchange.host == host)
        ]

    def traffic(self, where: str = "tunnel", *, host: str | None = None) -> Traffic:
        """Return the traffic as the client counts it."""
        exchanges = self.seen(where, host=host)
        return Traffic(
            requests=len(exchanges),
            sent_bytes=sum(exchange.request_bytes for exchange in exchanges),
            received_bytes=sum(exchange.response_bytes for exchange in exchanges),
        )
