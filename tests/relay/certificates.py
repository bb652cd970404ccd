"""A certificate authority for this process's life, and the server certificate for the services' names."""

import atexit
from dataclasses import dataclass
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
    "127.0.0.1",
)


@dataclass(frozen=True, kw_only=True)
class Authority:
    """What a server needs to prove itself, and a client to believe it."""

    server_context: ssl.SSLContext
    ca_file: Path
    bundle_file: Path
    """The usual authorities and this one: a value for REQUESTS_CA_BUNDLE and SSL_CERT_FILE."""


@cache
def authority() -> Authority:
    """Return the authority, made on first use."""
    directory = Path(tempfile.mkdtemp(prefix="relay-ca-"))
    atexit.register(shutil.rmtree, directory, ignore_errors=True)
    root = trustme.CA()
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    root.issue_cert(*_NAMES).configure_cert(context)
    ca_file, bundle_file = directory / "ca.pem", directory / "bundle.pem"
    root.cert_pem.write_to_path(str(ca_file))
    usual = Path(os.environ.get("REQUESTS_CA_BUNDLE") or os.environ.get("SSL_CERT_FILE") or certifi.where())
    bundle_file.write_bytes(usual.read_bytes() + b"\n" + root.cert_pem.bytes())
    return Authority(server_context=context, ca_file=ca_file, bundle_file=bundle_file)


@cache
def self_made_context() -> ssl.SSLContext:
    """Return what a server proves itself with whose certificate nobody vouches for."""
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    trustme.CA().issue_cert("127.0.0.1").configure_cert(context)
    return context
