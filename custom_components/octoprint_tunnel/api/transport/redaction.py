"""Remove credentials from responses: a server may quote a request in an error, whose text is shown and logged."""

from base64 import b64decode
from collections.abc import Iterable, Mapping
from contextlib import suppress
from functools import lru_cache
from html import escape
from json import dumps
from urllib.parse import quote

MIN_SECRET = 12  # characters; a shorter secret may be part of an ordinary word


def without_credentials(body: bytes, headers: Mapping[str, str]) -> bytes:
    """Return a body without the values of the headers of its request, any of which may be a credential."""
    return without_secrets(body, (secret for value in headers.values() for secret in _secrets(value)))


def without_secrets(body: bytes, secrets: Iterable[str]) -> bytes:
    """Return a body with *** in place of each secret."""
    for secret in secrets:
        for spelling in _spellings(secret):
            body = body.replace(spelling, b"***")
    return body


# Both are cached: every response needs them, and each printer has the same few headers all the time.


@lru_cache(maxsize=128)
def _secrets(header: str) -> tuple[str, ...]:
    """Return what may be a credential in a header: its words, values of cookies, Basic's user and password."""
    words = header.replace(";", " ").split()
    if words[:1] == ["Basic"]:
        with suppress(ValueError):
            words += b64decode(words[-1]).decode(errors="replace").split(":", 1)
    return (*words, *(word.partition("=")[2] for word in words))


@lru_cache(maxsize=256)
def _spellings(secret: str) -> frozenset[bytes]:
    """Return a secret as plain text, JSON, a URL and HTML contain it; nothing for one that is too short."""
    if len(secret) < MIN_SECRET:
        return frozenset()
    spellings = (secret, dumps(secret)[1:-1], quote(secret, safe=""), quote(secret), escape(secret))
    return frozenset(spelling.encode() for spelling in spellings)
