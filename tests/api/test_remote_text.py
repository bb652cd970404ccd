"""Text from outside is one line of limited length, without links in Markdown."""

import re
from time import thread_time

from hypothesis import example, given, settings, strategies as st
import pytest

from custom_components.octoprint_tunnel.api.remote_text import (
    MAX_NAME,
    as_name,
    in_markdown,
    is_one_line,
    link_in_markdown,
    one_line,
)
from custom_components.octoprint_tunnel.api.transport.addresses import web_address

PUNCTUATION = "!\"#$%&'()*+,-./:;<=>?@[\\]^_`{|}~"  # may have a meaning in Markdown
TRAP = "[Log in again](https://evil.example/login)"
MANY = settings(max_examples=1000, derandomize=True, database=None, deadline=None)
TEXTS = st.text(max_size=60) | st.lists(
    st.sampled_from(
        [
            *("http", "https", "FTP", "://", ":", "/", "www", "WWW.", ".", "w", "@", "a", "b.co", "evil.example"),
            *("[", "]", "(", ")", "![", "](", "<", ">", "&lt;", "&#91;", "`", "\\", "#", "|", "*", "_", "~~", "- "),
            *("\n", "\r", "\t", "\x00", "\x1b[31m", "\u2028", "\u202e", "\u2069", "\u200b", "\u200d", "\ud83d", " "),
            *("\u65e5", "\u0645", "e\u0301", "\U0001f5a8\ufe0f", "\xa0"),
        ]
    ),
    max_size=12,
).map("".join)


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("Kitchen", "Kitchen"),
        ("  two \n\n lines\t", "two lines"),
        ("a\r\n2026-11-26 ERROR Forged", "a 2026-11-26 ERROR Forged"),
        ("\x1b[31mred\x1b[0m", "[31mred [0m"),
        ("nul\x00l", "nul l"),
        ("\x85\u2028\u2029next", "next"),
        ("half \ud83d", "half"),
        ("\u202eexe.gpj\u202c", "exe.gpj"),
        ("\ufefftext", "text"),
        ("un\u200bseen\u2060 \U000e0041", "un seen"),
        ("\u200b\u200d\u2060", ""),
        ("", ""),
        ("\u65e5\u672c\u3000\u8a9e", "\u65e5\u672c \u8a9e"),
        ("\u0645\u06cc\u200c\u062e\u0648\u0627\u0647\u0645", "\u0645\u06cc\u200c\u062e\u0648\u0627\u0647\u0645"),
        ("\U0001f469\u200d\U0001f52c \u2764\ufe0f", "\U0001f469\u200d\U0001f52c \u2764\ufe0f"),
    ],
    ids=ascii,
)
def test_a_text_becomes_one_line_of_visible_characters(text: str, line: str) -> None:
    """Words in every script are unchanged."""
    assert one_line(text, 100) == line


@MANY
@given(TEXTS, st.integers(1, 80))
def test_a_line_has_a_limited_length(text: str, limit: int) -> None:
    """To shorten it again changes nothing."""
    line = one_line(text, limit)
    assert len(line) <= limit
    assert is_one_line(line)
    assert len(line.splitlines()) <= 1
    assert line == line.strip()
    assert one_line(line, limit) == line
    line.encode()


@pytest.mark.parametrize(
    "character", ["x", " ", "\n", "\x00", "\u202e", "\u200b", "[", "@", "\U0001f5a8", "\u65e5"], ids=ascii
)
def test_a_long_text_takes_no_more_time(character: str) -> None:
    """It is cut before it is processed."""
    began = thread_time()
    for _ in range(100):
        for shorten in (as_name, in_markdown):
            assert len(shorten(character * 1_000_000)) <= 2000
    assert thread_time() - began < 2


@pytest.mark.parametrize("character", ["x", "\u65e5", "\u337f", "\ufdfa", "\U0001f5a8", "\u0645", "e\u0301"], ids=ascii)
def test_a_name_has_at_most_100_characters_in_any_script(character: str) -> None:
    """That is enough for a printer."""
    assert as_name(character * 200) == (character * 100)[:MAX_NAME]
    assert as_name(character * 10) == character * 10


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("Prusa MK4 (left), #2 & co. - 50 %", "Prusa MK4 (left), #2 & co. - 50 %"),
        (TRAP, "(Log in again)(https: evil.example/login)"),
        ("![x](https://evil.example/x.png)", "!(x)(https: evil.example/x.png)"),
        ("<https://evil.example>", "(https: evil.example)"),
        ("<img src=x onerror=y>", "(img src=x onerror=y)"),
        ("[x]: https://evil.example", "(x): https: evil.example"),
        ("see HTTPS://evil.example", "see HTTPS: evil.example"),
        ("see www.evil.example", "see : evil.example"),
        ("awww.evil.example", "a: evil.example"),
        ("WWW.evil.example", ": evil.example"),
        ("w\u200bww.evil.example", "w ww.evil.example"),
        ("owner@evil.example", "owner @ evil.example"),
        ("printer@home", "printer@home"),
        ("`code`", "'code'"),
        ("Kitchen\n# Urgent", "Kitchen # Urgent"),
    ],
    ids=ascii,
)
def test_a_name_holds_no_link_and_no_image(text: str, name: str) -> None:
    """Home Assistant shows titles and names in the Markdown of its dialogs and repair issues."""
    assert as_name(text) == name


@MANY
@given(TEXTS)
def test_no_name_holds_a_link(text: str) -> None:
    """However its parts are combined."""
    name = as_name(text)
    assert not re.search(r"[\[\]<>`]|://|www\.|[\w.+-]@[\w-]+\.", name, re.IGNORECASE)
    assert len(name) <= MAX_NAME
    assert as_name(name) == name


@MANY
@given(TEXTS)
@example(TRAP)
@example(PUNCTUATION)
def test_any_text_is_escaped_in_markdown(text: str) -> None:
    """Every punctuation character."""
    written = in_markdown(text)
    assert re.sub(r"\\(.)", r"\1", written) == one_line(text, 1000)
    assert not set(re.sub(r"\\.", "", written)) & set(PUNCTUATION)
    assert is_one_line(written)


@pytest.mark.parametrize(
    ("address", "target"),
    [
        ("https://octoeverywhere.com/view/Kitchen", "https://octoeverywhere.com/view/Kitchen"),
        (f"https://octoeverywhere.com/) x {TRAP}", None),
        ("https://octoeverywhere.com/a(b)c", "https://octoeverywhere.com/a%28b%29c"),
        ("https://octoeverywhere.com/?a=(b)#(c)", "https://octoeverywhere.com/?a=%28b%29#%28c%29"),
        ('https://octoeverywhere.com/<b>`\\"x y', None),
        ("https://octoeverywhere.com/&#41;", "https://octoeverywhere.com/&#41;"),
    ],
)
def test_the_target_of_a_link_is_escaped(address: str, target: str | None) -> None:
    """Nothing in it ends the link."""
    url = web_address(address)
    assert url is not None
    written = link_in_markdown(str(url))
    assert target in (None, written)
    assert not re.search(r"[()<>`\\\s\"]", written)
    read = web_address(written)
    assert read is not None
    assert read.host == url.host
