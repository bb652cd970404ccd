"""Addresses that a user types, a service reports or a device announces: one reading of each, or None."""

from collections.abc import Callable
from ipaddress import ip_address
from urllib.parse import urlsplit

from hypothesis import example, given, settings, strategies as st
import pytest
from yarl import URL

from custom_components.octoprint_tunnel.api.transport.addresses import (
    LOCAL_PORTS,
    MAX_ADDRESS,
    has_credentials,
    is_loopback,
    picture_address,
    private_addresses,
    typed_address,
    web_address,
)

BAD = {
    "nothing": "",
    "a blank": " ",
    "no host": "http://",
    "no host before a port": "http://:80",
    "no host after a user": "http://user@",
    "empty brackets": "http://[]",
    "IndexError, empty brackets": "http://[]@",
    "IndexError, nothing after the user": "https://[::1]@",
    "UnicodeError, punycode of nothing": "https://xn--",
    "UnicodeError, punycode that is none": "https://xn--a",
    "UnicodeError, punycode of half a character": "https://xn--0000h",
    "half of a character": "http://\ud83d.local",
    "a bracket": "http://[fd00::1",
    "words after a bracket": "http://[::1]x",
    "a zone": "http://[fe80::1%eth0]",
    "a zone of digits": "http://[fe80::1%1]:5000",
    "unspecified": "http://0.0.0.0",
    "unspecified, short": "http://0",
    "unspecified, in full width": "http://\uff10.\uff10.\uff10.\uff10",
    "unspecified, IPv6": "http://[::]",
    "unspecified, with zeros": "http://[0000::0000]",
    "unspecified, mapped": "http://[::ffff:0.0.0.0]",
    "unspecified, mapped in hexadecimal": "http://[::ffff:0:0]",
    "IPv4 in two parts": "http://127.1",
    "IPv4 in hexadecimal": "http://0x7f000001",
    "IPv4 that ends in hexadecimal": "http://127.0.0.0x1",
    "IPv4 as a number": "http://2130706433",
    "IPv4 in octal": "http://0177.0.0.1",
    "IPv4 with zeros": "http://127.000.000.001",
    "IPv4 with a dot": "http://127.0.0.1.",
    "IPv4 beyond 255": "http://192.168.1.256",
    "no IPv6": "http://[fd00::g]",
    "IPv6 without brackets": "http://fd00::1/x",
    "port 0": "http://octopi:0",
    "port 99999": "http://octopi:99999",
    "negative port": "http://octopi:-1",
    "a port that is none": "http://octopi:port",
    "blanks in the host": "http://octo pi",
    "a line break": "http://octopi\r\nX-Api-Key: x",
    "NUL": "http://octopi/\x00",
    "a blank of another script": "http://octopi/\u3000x",
    "a mark of direction": "http://octopi/\u202ex",
    "a joiner": "http://octo\u200dpi",
    "a backslash in the host": "http://evil.example\\@octopi",
    "a backslash after the host": "https://octoeverywhere.com\\.evil.example",
    "a quoted slash in the host": "http://octoeverywhere.com%2f.evil.example",
    "a slash in one character": "http://octoeverywhere.com\u2100.evil.example",
    "a dot of full width": "http://octopi\uff0e\uff0elocal",
    "punctuation": "http://octopi!",
    "markup": "http://<octopi>",
    "hyphens": "http://-octopi",
    "a hyphen at the end": "http://octopi-.local",
    "two dots": "http://octopi..local",
    "a dot at the beginning": "http://.local",
    "a long label": "http://" + "o" * 64,
    "a long name": "http://" + "octopi." * 40 + "local",
    "a long path": "http://octopi/" + "o" * MAX_ADDRESS,
    "a path that is long when it is quoted": "http://octopi/" + "\U0001f5a8" * 1000,
    "another scheme": "ftp://octopi",
    "a script": "javascript:alert(1)",
}
every_bad = pytest.mark.parametrize("bad", BAD.values(), ids=BAD)

GOOD = {
    "http://octopi": "http://octopi",
    " \n http://octopi \t": "http://octopi",
    "\xa0https://octoeverywhere.com/x\u2003": "https://octoeverywhere.com/x",
    "HTTP://OctoPi.Local:80/": "http://octopi.local/",
    "http://octopi.local.:5000": "http://octopi.local.:5000",
    "http://3d-printer_2.lan": "http://3d-printer_2.lan",
    "http://192.168.1.20:5000/x?a=1#b": "http://192.168.1.20:5000/x?a=1#b",
    "http://[FD00:0::1]:5000": "http://[fd00::1]:5000",
    "http://[::ffff:192.168.1.20]": "http://[::ffff:192.168.1.20]",
    "http://127.0.0.1": "http://127.0.0.1",
    "http://\uff11\uff12\uff17.0.0.1": "http://127.0.0.1",
    "http://\u2460.0.0.1": "http://1.0.0.1",
    "http://m\u00fcnchen.example": "http://xn--mnchen-3ya.example",
    "http://xn--mnchen-3ya.example": "http://xn--mnchen-3ya.example",
    "http://\u65e5\u672c.example": "http://xn--wgv71a.example",
    "http://\u0661\u0662\u0667.\u0660.\u0660.\u0661": "http://xn--9hbcp.xn--8hb.xn--8hb.xn--9hb",
    "http://octopi:\u0668\u0660\u0660\u0660": "http://octopi:8000",
    "http://octopi:\uff18\uff10": "http://octopi",
    "http://\uff4fcto\uff50i": "http://octopi",
    "http://octopi/a b\\c": "http://octopi/a%20b%5Cc",
    "http://octopi/a/%2e%2e/b": "http://octopi/b",
    "http://" + "o" * 63: "http://" + "o" * 63,
    "https://user:password@octopi": "https://user:password@octopi",
    "http://octopi/@evil.example": "http://octopi/@evil.example",
}
every_good = pytest.mark.parametrize(("text", "address"), GOOD.items(), ids=ascii)


def _first_private(text: str) -> URL | None:
    host = text.removeprefix("http://").removeprefix("https://")
    return next(iter(private_addresses(host)), None)


FUNCTIONS: dict[str, Callable[[str], URL | None]] = {
    "web_address": web_address,
    "picture_address": picture_address,
    "typed_address": lambda text: typed_address(text, "http"),
    "typed_address, without the scheme": lambda text: typed_address(text.removeprefix("http://"), "http"),
    "private_addresses": _first_private,
}
every_function = pytest.mark.parametrize("function", FUNCTIONS.values(), ids=FUNCTIONS)


@every_function
@every_bad
def test_anything_else_is_none(function: Callable[[str], URL | None], bad: str) -> None:
    """And never an exception."""
    assert function(bad) is None


@every_good
def test_an_address_is_normalized(text: str, address: str) -> None:
    """In ASCII, with the host as it is sent."""
    assert str(web_address(text)).removesuffix("/") == address.removesuffix("/")
    assert web_address(text) == web_address(address)
    assert picture_address(text) == web_address(text)


def test_none_is_no_address() -> None:
    """It is a missing field."""
    assert (web_address(None), picture_address(None), private_addresses(None)) == (None, None, [])


PIECES = st.sampled_from(
    [
        *("http://", "https://", "HTTP:", "ws://", "://", ":", "/", "//", "@", "[", "]", "..", ".", "?", "#", "\\"),
        *("%", "%25", "%5B", "%2F", "%2e%2e", "%40", "%0A", "%C3%28", "::1", "fd00::1", "fe80::1%eth0", "::", "v1.a"),
        *("127.0.0.1", "0.0.0.0", "::ffff:0.0.0.0", "127.1", "1", "0x7f", "0177", "2130706433", "localhost"),
        *("octoeverywhere.com", "octopi", "user", "pw", "xn--", "xn--a", "xn--mnchen-3ya", "m\u00fcnchen"),
        *("\u65e5\u672c", "\uff11", "\u0663", "\u2460", "\u3002", "\uff0e", "\u2100", "\u00df", "\u017f", "e\u0301"),
        *("\u00ad", "\u200d", "\u200b", "\u202e", "\ud800", "\xa0", " ", "\t", "\n", "\0", "\U0001f5a8"),
        *(":80", ":0", ":\u0668\u0660", "-", "_", "(", ")", "<", "'", '"', "&", "=", "+", "{", "|", "^", "~"),
    ]
)
MADE_UP = st.lists(PIECES, min_size=1, max_size=7).map("".join)


@pytest.mark.parametrize("function", list(FUNCTIONS.values())[:-1], ids=list(FUNCTIONS)[:-1])
def test_every_parser_reads_an_address_the_same(function: Callable[[str], URL | None]) -> None:
    """Two parsers never see two hosts."""

    @settings(max_examples=1500, derandomize=True, database=None, deadline=None)
    @example("http://[fd00::1%]@[2001:db8::7]")
    @example("https://octoeverywhere.com\\@evil.example")
    @given(MADE_UP | MADE_UP.map("http://".__add__) | st.text(max_size=30).map("https://".__add__))
    def run(text: str) -> None:
        url = function(text)
        if url is None:
            return
        written = str(url)
        again = URL(written)
        assert written.isascii()
        assert written.isprintable()
        assert len(written) <= MAX_ADDRESS
        assert (again, str(again)) == (url, written)
        assert (again.scheme, again.raw_host, again.port, again.raw_user, again.raw_path_qs) == (
            *(url.scheme, url.raw_host, url.port, url.raw_user, url.raw_path_qs),
        )
        assert function(written) == url
        assert urlsplit(written).hostname == url.raw_host
        is_loopback(url)

    run()


# typed


@pytest.mark.parametrize(
    ("typed", "address"),
    [
        ("octopi.local", "http://octopi.local"),
        ("  octopi.local/ \n", "http://octopi.local"),
        ("192.168.7.20:5000", "http://192.168.7.20:5000"),
        ("[fd00::1]:5000", "http://[fd00::1]:5000"),
        ("http://octopi:80/", "http://octopi"),
        ("https://octopi:443", "https://octopi"),
        ("HTTPS://OctoPi.Local/OctoPrint/", "https://octopi.local/OctoPrint"),
        ("https://octopi/?a=1#b", "https://octopi"),
    ],
)
def test_a_typed_address_gets_its_shortest_form(typed: str, address: str) -> None:
    """So that equal addresses are stored equally."""
    assert typed_address(typed, "http") == URL(address)
    assert typed_address(address, "ftp") == URL(address)


@pytest.mark.parametrize(
    "typed",
    [
        "octopi",
        "octopi.local.",
        "OctoPi.Local:5000",
        "3d-printer_2.lan",
        "192.168.1.20",
        "[fd00::1]:5000",
        "m\u00fcnchen.example",
        "\u65e5\u672c.example",
        "o" * 63,
    ],
)
def test_any_kind_of_host_may_be_typed(typed: str) -> None:
    """Host names and IP addresses."""
    assert typed_address(typed, "http") is not None


def test_an_address_without_a_scheme_gets_one() -> None:
    """The default of its field."""
    assert typed_address("octopi", "https") == URL("https://octopi")


@pytest.mark.parametrize(
    "address", ["http://user@octopi", "http://user:password@octopi", "http://:password@octopi", "http://user:@octopi"]
)
def test_a_typed_address_may_not_hold_credentials(address: str) -> None:
    """It is stored and shown."""
    url = web_address(address)
    assert url is not None
    assert has_credentials(url)
    assert typed_address(address, "http") is None
    assert typed_address(address.removeprefix("http://"), "http") is None


# pictures


@pytest.mark.parametrize(
    "text", ["/webcam/?action=stream", "webcam/?action=snapshot", "?action=stream", "/a:b", "/%2e%2e//x"]
)
def test_the_address_of_a_picture_may_have_no_host(text: str) -> None:
    """It is on the host of OctoPrint then."""
    url = picture_address(text)
    assert url is not None
    assert url.raw_host is None
    base = URL("https://octopi.local:5000")
    assert URL(str(base.join(url))).origin() == base
    assert web_address(text) is None


@pytest.mark.parametrize(
    "text",
    [
        "//",
        "///evil.example/x",
        "/.//evil.example/x",
        "//[]@/x",
        "webrtc:x",
        "rtsp://octopi",
        "http:/x",
        "/a\nb",
        "/webcam/webrtc",
    ],
)
def test_any_other_address_of_a_picture_is_none(text: str) -> None:
    """Another scheme, or a host that only one parser sees."""
    url = picture_address(text)
    assert url is None or URL("https://octopi").join(url).host == "octopi"
    assert text.startswith("/.//") or url is None


# private


@pytest.mark.parametrize(
    ("host", "written"),
    [
        ("192.168.1.20", "192.168.1.20"),
        ("10.0.0.1", "10.0.0.1"),
        ("172.31.255.255", "172.31.255.255"),
        ("fd00::1", "[fd00::1]"),
        ("FD00:0:0::0001", "[fd00::1]"),
    ],
)
def test_private_addresses_are_tried_on_the_ports_of_octoprint(host: str, written: str) -> None:
    """OctoPi's proxy and OctoPrint itself."""
    assert private_addresses(host) == [web_address(f"http://{written}:{port}") for port in LOCAL_PORTS]


@pytest.mark.parametrize(
    "host",
    [
        *("8.8.8.8", "172.32.0.1", "100.64.0.1", "127.0.0.1", "0.0.0.0", "224.0.0.1", "255.255.255.255"),
        *("::", "::1", "2001:db8::7", "fe80::1", "ff02::1", "::ffff:192.168.1.20"),
        *("fd00::1%", "fd00::1%eth0", "fd00::1%]@[2001:db8::7", "fd00::1%@x:80"),
        *("fd00::1]@[2001:db8::7", "[fd00::1]", "192.168.1.20:80", "192.168.1.20@evil.example", "192.168.1.20/x"),
        *("192.168.1.20 ", " 192.168.1.20", "192.168.1.20\n", "192.168.1", "192.168.1.020", "0xc0a80114", "3232235796"),
        *(
            "\u0661\u0669\u0662.168.1.20",
            "\uff11\uff19\uff12.168.1.20",
            "octopi.local",
            "localhost",
            "",
            "\x00",
            "\ud800",
        ),
    ],
    ids=ascii,
)
def test_other_addresses_are_not_tried(host: str) -> None:
    """Once verified, an address gets the API key, so it has to be on this network."""
    assert private_addresses(host) == []


@settings(max_examples=1500, derandomize=True, database=None, deadline=None)
@given(
    st.ip_addresses().map(str) | MADE_UP | st.tuples(st.ip_addresses(network="fd00::/8").map(str), MADE_UP).map("".join)
)
def test_only_the_given_address_is_tried(host: str) -> None:
    """The rest of the address makes no difference."""
    for url in private_addresses(host):
        assert ip_address(url.raw_host or "") == ip_address(host)


# loopback


@pytest.mark.parametrize(
    "host",
    [
        *("127.0.0.1", "127.8.9.10", "[::1]", "[0:0:0:0:0:0:0:1]", "[::ffff:127.0.0.1]", "[::ffff:7f00:1]"),
        *("localhost", "LOCALHOST", "localhost.", "octopi.localhost", "localhost.localdomain", "ip6-localhost"),
        *("localhost4", "localhost6", "ip6-loopback", "\uff4cocalhost", "\uff11\uff12\uff17.0.0.1"),
    ],
    ids=ascii,
)
def test_every_spelling_of_a_loopback_address(host: str) -> None:
    """On Home Assistant it leads to another machine than on OctoPrint."""
    url = web_address(f"http://{host}:8080/")
    assert url is not None
    assert is_loopback(url)


@pytest.mark.parametrize("host", ["0.0.0.0", "[::]", "[::ffff:0.0.0.0]"])
def test_an_unspecified_address_is_a_loopback_address(host: str) -> None:
    """Connections to it reach the own machine."""
    assert is_loopback(URL(f"http://{host}/"))


@pytest.mark.parametrize("address", ["http://192.168.1.20", "http://localhost.example", "http://[fd00::1]", "/webcam"])
def test_other_addresses_are_not_loopback(address: str) -> None:
    """Also similar ones."""
    url = picture_address(address)
    assert url is not None
    assert not is_loopback(url)
