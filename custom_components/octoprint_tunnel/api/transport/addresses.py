"""The parser of web addresses that a user types, a service reports, or a device on the network announces.

No function here raises: an address that cannot be used is None. The errors of `URL` are of several kinds (ValueError,
IndexError, UnicodeError), and they quote the address, which may hold a password.
"""

from collections.abc import Iterable
from ipaddress import IPv4Address, IPv6Address, ip_address, ip_network
import re
from typing import Final

from yarl import URL

MAX_ADDRESS: Final = 4096  # characters; servers and Home Assistant's recorder have limits for longer ones
MAX_LINK: Final = 65_536  # characters of a pasted link with its query, which is not stored
MAX_HOST: Final = 253  # characters, as in the DNS
LOCAL_PORTS: Final = (80, 5000)  # where OctoPi and a bare OctoPrint listen

_LABEL: Final = re.compile(r"(?!-)[a-z0-9_-]{1,63}(?<!-)", re.IGNORECASE | re.ASCII)
_NUMBER: Final = re.compile(r"[0-9]+|0x[0-9a-f]*", re.IGNORECASE | re.ASCII)
_LOOPBACK_NAME: Final = re.compile(r"(.+\.)?localhost(\.localdomain)?|localhost[46]|ip6-(localhost|loopback)", re.ASCII)
_LOCAL_NETWORKS: Final = tuple(
    ip_network(network) for network in ("10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "169.254.0.0/16", "fc00::/7")
)


def web_address(text: str | None, most: int = MAX_ADDRESS) -> URL | None:
    """Return an http or https address of at most `most` characters with a valid host; None for anything else.

    It may hold a user and a password. Zone ids and unspecified addresses (0.0.0.0, ::) are refused.
    """
    url = _parse(text, most)
    return url if url is not None and url.scheme in ("http", "https") else None


def typed_address(text: str, scheme: str) -> URL | None:
    """Return the shortest form of an address that a user typed; `scheme` is the default.

    None if it is not a web address, or holds a user or a password.
    """
    url = web_address(text if "://" in text else f"{scheme}://{text.strip()}")
    if url is None or has_credentials(url):
        return None
    return URL(str(url.with_query(None).with_fragment(None)).rstrip("/"))


def picture_address(text: str | None) -> URL | None:
    """Return the address of a picture or a stream in OctoPrint's settings: a web address, or one without a host.

    None if there is none, or if it is for WebRTC, which needs a browser.
    """
    url = _parse(text)
    if url is None or (url.raw_host is None and url.scheme) or url.scheme not in ("", "http", "https"):
        return None
    return None if "webrtc" in url.parts else url


def has_credentials(url: URL) -> bool:
    """Tell whether an address holds a user or a password."""
    return url.raw_user is not None or url.raw_password is not None


def private_addresses(host: str | None, ports: Iterable[int] = LOCAL_PORTS) -> list[URL]:
    """Return the addresses where OctoPrint may listen at a private IP address; none for any other host."""
    address = _ip_address(host or "")
    # Not `is_private`: that includes loopback and others that are not local networks.
    if address is None or not any(address in network for network in _LOCAL_NETWORKS):
        return []
    built = [web_address(f"http://{_in_url(address)}:{port}") for port in ports]
    return [url for url in built if url is not None and url.raw_host == str(address)]


def is_loopback(url: URL) -> bool:
    """Tell whether an address leads to the machine that uses it, however it is written.

    An unspecified address does, too.
    """
    host = (url.raw_host or "").lower().removesuffix(".")
    address = _ip_address(host)
    if isinstance(address, IPv6Address) and address.ipv4_mapped:
        address = address.ipv4_mapped
    if address:
        return address.is_loopback or address.is_unspecified
    return _LOOPBACK_NAME.fullmatch(host) is not None


def _parse(text: str | None, most: int = MAX_ADDRESS) -> URL | None:
    """Return an address that every parser reads the same; without a host it has no scheme either."""
    text = (text or "").strip()
    if not text or len(text) > most or not text.isprintable():
        return None
    try:
        url = URL(text)
        host = url.raw_host
        # These properties may raise, too, so they are read here; and again from the address as it will be sent.
        parts = (url.scheme, host, url.host, url.port, url.user, url.password)
        again = URL(str(url))
        same = parts == (again.scheme, again.raw_host, again.host, again.port, again.user, again.password)
    except ValueError, IndexError:
        return None
    if not 0 < len(str(again)) <= most:  # a character outside of ASCII becomes up to twelve
        return None
    if host is None:
        return again if same and not url.scheme and not text.startswith("//") else None
    return again if same and url.port != 0 and _is_host(host) else None


def _is_host(host: str) -> bool:
    """Tell whether this is an IP address or a valid host name; `URL` accepts more than that."""
    labels = host.removesuffix(".").split(".")
    if ":" in host or _NUMBER.fullmatch(labels[-1]):
        # Some resolvers read "127.1" and "0x7f000001" as addresses, others as names.
        address = _ip_address(host)
        mapped = address.ipv4_mapped if isinstance(address, IPv6Address) else None
        return address is not None and not address.is_unspecified and not (mapped and mapped.is_unspecified)
    return len(host) <= MAX_HOST and all(_LABEL.fullmatch(label) for label in labels)


def _ip_address(text: str) -> IPv4Address | IPv6Address | None:
    """Return an IP address; None with a zone id, which is valid on one machine only."""
    try:
        return None if "%" in text else ip_address(text)
    except ValueError:
        return None


def _in_url(address: IPv4Address | IPv6Address) -> str:
    return f"[{address}]" if address.version == 6 else str(address)
