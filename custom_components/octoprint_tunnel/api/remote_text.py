"""Make text from outside safe to show and to log: bounded, one line, and without links in Markdown."""

import re
from typing import Final
import unicodedata

from yarl import URL

MAX_NAME: Final = 100  # characters of the name of a printer, a webcam or a printer profile

_BIDIRECTIONAL: Final = frozenset("\u200e\u200f\u061c\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069\ufeff")
_JOINERS: Final = "\u200c\u200d"  # used inside words of some scripts, and inside emoji
_CONTROL: Final = ("Cc", "Cs", "Zl", "Zp")  # control characters, surrogates, line and paragraph separators
_PUNCTUATION: Final = re.compile(r"[!-/:-@\[-`{-~]")
_BRACKETS: Final = str.maketrans({"[": "(", "]": ")", "<": "(", ">": ")", "`": "'"})
_LINK: Final = re.compile(r"://|www\.|@(?=[\w-]+\.)", re.IGNORECASE)  # Markdown makes links of these in any text


def one_line(text: str, limit: int) -> str:
    """Return a text to show: one line of at most `limit` visible characters."""
    text = text[: 4 * limit]  # the rest is cut anyway, and would take time
    if not text.isprintable():
        text = "".join(" " if _is_invisible(character) else character for character in text)
    return " ".join(text.split())[:limit].strip(f" {_JOINERS}")


def is_one_line(text: str) -> bool:
    """Tell whether a text has neither control characters nor marks of direction."""
    return text.isprintable() or not any(_is_control(character) for character in text)


def without_links(text: str, limit: int) -> str:
    """Return a text as `one_line` does, without anything that is a link or an image in Markdown."""
    return one_line(_LINK.sub(_broken, one_line(text, limit)).translate(_BRACKETS), limit)


def as_name(text: str) -> str:
    """Return a text as a name, which Home Assistant itself may show in Markdown."""
    return without_links(text, MAX_NAME)


def in_markdown(text: str) -> str:
    """Return a text escaped for Markdown."""
    return _PUNCTUATION.sub(r"\\\g<0>", one_line(text, 1000))


def link_in_markdown(url: str) -> str:
    """Return a valid address as the target of a Markdown link; parentheses are escaped."""
    return str(URL(url)).replace("(", "%28").replace(")", "%29")


def _broken(link: re.Match[str]) -> str:
    return " @ " if link[0] == "@" else ": "


def _is_control(character: str) -> bool:
    return character in _BIDIRECTIONAL or unicodedata.category(character) in _CONTROL


def _is_invisible(character: str) -> bool:
    return unicodedata.category(character) in (*_CONTROL, "Cf") and character not in _JOINERS
