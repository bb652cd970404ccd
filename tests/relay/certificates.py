"""A certificate authority for this process, and the server certificate for the services' names."""

import atexit
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cache
import os
from pathlib import Path
import shutil
import ssl
import tempfile

import certifi
import trustme

_NAMES = (
    "octoeverywhere.com",
    "*.octoeverywhere.com",
    "app.obico.io",
    "*.tunnels.app.obico.io",
    "printer.home.test",
    "127.0.0.1",
)


@dataclass(frozen=True, kw_only=True)
class Authority:
    """The certificates that the server uses and the clients trust."""

    certificate: trustme.LeafCert
    expired: ssl.SSLContext
    """For a server with an expired certificate."""
    foreign: ssl.SSLContext
    """For a server with a certificate for another host."""
    ca_file: Path
    bundle_file: Path
    """The usual authorities and this one: a value for REQUESTS_CA_BUNDLE and SSL_CERT_FILE."""

    def server_context(self, instead: Callable[[str], ssl.SSLContext | None]) -> ssl.SSLContext:
        """Return the context of the services; `instead` may return another one for a host name."""

        def chosen(connection: ssl.SSLObject | ssl.SSLSocket, name: str | None, _context: ssl.SSLContext) -> None:
            if name and (context := instead(name)):
                connection.context = context

        context = _context(self.certificate)
        context.sni_callback = chosen
        return context


@cache
def authority() -> Authority:
    """Return the authority, made on first use."""
    directory = Path(tempfile.mkdtemp(prefix="relay-ca-"))
    atexit.register(shutil.rmtree, directory, ignore_errors=True)
    root = trustme.CA()
    expired = root.issue_cert(
        *_NAMES, not_before=datetime(2020, 1, 1, tzinfo=UTC), not_after=datetime(2021, 1, 1, tzinfo=UTC)
    )
    ca_file, bundle_file = directory / "ca.pem", directory / "bundle.pem"
    root.cert_pem.write_to_path(str(ca_file))
    usual = Path(os.environ.get("REQUESTS_CA_BUNDLE") or os.environ.get("SSL_CERT_FILE") or certifi.where())
    bundle_file.write_bytes(usual.read_bytes() + b"\n" + root.cert_pem.bytes())
    return Authority(
        certificate=root.issue_cert(*_NAMES),
        expired=_context(expired),
        foreign=_context(root.issue_cert("elsewhere.example")),
        ca_file=ca_file,
        bundle_file=bundle_file,
    )


@cache
def certificate_file() -> Path:
    """Return a file with the certificate of the authority and its key, for a server in another process."""
    return _written(authority().certificate, authority().ca_file.with_name("server.pem"))


@cache
def self_made_file() -> Path:
    """Return a file with a self-signed certificate and its key."""
    return _written(trustme.CA().issue_cert("127.0.0.1"), authority().ca_file.with_name("self-made.pem"))


def _written(certificate: trustme.LeafCert, file: Path) -> Path:
    certificate.private_key_and_cert_chain_pem.write_to_path(str(file))
    return file


@cache
def self_made_context() -> ssl.SSLContext:
    """Return the context of a server with a self-signed certificate."""
    return _context(trustme.CA().issue_cert("127.0.0.1"))


def _context(certificate: trustme.LeafCert) -> ssl.SSLContext:
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    certificate.configure_cert(context)
    return context
