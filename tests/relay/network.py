"""Makes a client process find the relay under the services' names, and trust its certificate.

Works one level below sessions, at aiohttp's connector, so it holds inside a real Home Assistant too and needs
no hook in shipped code. For a Home Assistant in a process of its own: `tests.relay.homeassistant`, with
REQUESTS_CA_BUNDLE and SSL_CERT_FILE set to the relay's `bundle_file`.
"""

from collections.abc import Callable, Iterator, Sequence
import contextlib
from functools import cache
import os
from pathlib import Path
import socket
from unittest.mock import patch

import aiohttp
from aiohttp import connector
from aiohttp.abc import ResolveResult

from .certificates import authority

_NAMES = ("octoeverywhere.com", "app.obico.io", "printer.home.test")
# Reserved for examples, so no DNS request is needed. Tests redirect to it, and Home Assistant resolves it.
_NOWHERE = ".example"
# Reserved for documentation.
_PUBLIC_ADDRESS = "203.0.113.1"


@contextlib.contextmanager
def point_services_at(port: int, knows: Callable[[str], bool] = lambda _host: True) -> Iterator[None]:
    """Resolve the services' names, at any port, to the relay on 127.0.0.1; other names stay as they are.

    A name that is not known (any more) is looked for in vain.
    """
    resolve = connector.TCPConnector._resolve_host

    async def resolve_host(
        self: connector.TCPConnector, host: str, asked_port: int, traces: Sequence[aiohttp.tracing.Trace] | None = None
    ) -> list[ResolveResult]:
        known = _is_service(host) and knows(host.lower())
        if not known and (_is_service(host) or host.endswith(_NOWHERE)):
            raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")
        if not known:
            return await resolve(self, host, asked_port, traces)
        # Home Assistant checks the address of redirects with port 0: there the services have a public one.
        address, to_port = ("127.0.0.1", port) if asked_port else (_PUBLIC_ADDRESS, 0)
        return [
            ResolveResult(
                hostname=host,
                host=address,
                port=to_port,
                family=socket.AF_INET,
                proto=socket.IPPROTO_TCP,
                flags=socket.AI_NUMERICHOST,
            )
        ]

    with patch.object(connector.TCPConnector, "_resolve_host", resolve_host):
        yield


@contextlib.contextmanager
def trust_relay() -> Iterator[None]:
    """Make the clients in this process trust the relay: those of Home Assistant, and aiohttp's own.

    Contexts that exist already keep the authority, which lives no longer than the process; what is created
    meanwhile gets it from the environment.
    """
    made = authority()
    _add_to_existing_contexts(made.ca_file)
    bundle = str(made.bundle_file)
    with patch.dict(os.environ, {"REQUESTS_CA_BUNDLE": bundle, "SSL_CERT_FILE": bundle}):
        yield


@contextlib.contextmanager
def reach_services(port: int, knows: Callable[[str], bool] = lambda _host: True) -> Iterator[None]:
    """Do both: find the relay and trust it."""
    with point_services_at(port, knows), trust_relay():
        yield


def _is_service(host: str) -> bool:
    """Return whether a host is one of the services'."""
    name = host.lower().removesuffix(".")
    return any(name == service or name.endswith(f".{service}") for service in _NAMES)


@cache
def _add_to_existing_contexts(ca_file: Path) -> None:
    """Add the authority to the contexts that Home Assistant and aiohttp made when they were imported."""
    # Imported here because it takes a second, and a script that only starts a relay does not need it.
    from homeassistant.util import ssl as ssl_util

    for cipher_list in ssl_util.SSLCipherList:
        for protocols in (ssl_util.SSL_ALPN_NONE, ssl_util.SSL_ALPN_HTTP11, ssl_util.SSL_ALPN_HTTP11_HTTP2):
            ssl_util._client_context(cipher_list, protocols).load_verify_locations(ca_file)
    connector._SSL_CONTEXT_VERIFIED.load_verify_locations(ca_file)
