"""Credentials of a request are removed from its response."""

from collections.abc import Callable
from html import escape
import json
from urllib.parse import quote

from aiohttp import encode_basic_auth
import pytest

from custom_components.octoprint_tunnel.api.transport.redaction import without_credentials, without_secrets

SECRET = "0123456789abcdef"


@pytest.mark.parametrize(
    "headers",
    [
        {"Authorization": encode_basic_auth("owner-of-the-tunnel", SECRET)},
        {"Authorization": encode_basic_auth(SECRET, "password-of-the-tunnel")},
        {"Authorization": f"Bearer {SECRET}"},
        {"AppToken": SECRET},
        {"X-Api-Key": SECRET},
        {"CF-Access-Client-Secret": SECRET},
        {"Cookie": f"session={SECRET}; theme=dark"},
    ],
    ids=["password", "user", "bearer token", "app token", "API key", "another header", "cookie"],
)
def test_every_credential_is_removed(headers: dict[str, str]) -> None:
    """Also the encoded one. A server may quote the request in an error."""
    body = json.dumps({"error": f"bad {SECRET}!", "headers": headers}).encode()
    redacted = without_credentials(body, headers)
    assert json.loads(redacted)["error"] == "bad ***!"
    assert SECRET.encode() not in redacted
    assert headers.get("Authorization", SECRET).rpartition(" ")[2].encode() not in redacted


@pytest.mark.parametrize(
    "write", [str, lambda key: json.dumps(key)[1:-1], quote, lambda key: quote(key, safe=""), escape]
)
def test_a_secret_is_found_in_every_spelling(write: Callable[[str], str]) -> None:
    """In plain text, JSON, URLs and HTML."""
    key = "a\"b\\c/d&e<f>g'h+i=="
    assert without_secrets(f"a{write(key)}b".encode(), [key]) == b"a***b"


def test_a_short_secret_stays() -> None:
    """It may be an ordinary word."""
    assert without_secrets(b"the owner of owner-1", ["owner", ""]) == b"the owner of owner-1"
    assert without_secrets(b"11_characte 12_character", ["11_characte", "12_character"]) == b"11_characte ***"


@pytest.mark.parametrize("header", ["Basic !", "Basic abcde", "Basic", "Negotiate", ""])
def test_any_header_can_be_read(header: str) -> None:
    """Also one that is not valid Basic."""
    assert without_credentials(b"fine", {"Authorization": header}) == b"fine"
