"""Words that come from outside are data: they are bounded, and forge no line of a log and no link of a dialog."""

import re
from typing import Final
import unicodedata

from yarl import URL

MAX_NAME: Final = 100  # characters of what names a printer, a webcam or a printer profile

_BIDIRECTIONAL: Final = frozenset("\u200e\u200f\u061c\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069\ufeff")
_JOINERS: Final = "\u200c\u200d"  # inside words of some scripts and inside emoji
_CONTROL: Final = ("Cc", "Cs", "Zl", "Zp")  # control characters, halves of characters, separators of lines
_PUNCTUATION: Final = re.compile(r"[!-/:-@\[-`{-~]")
_BRACKETS: Final = str.maketrans({"[": "(", "]": ")", "<": "(", ">": ")", "`": "'"})
_LINK: Final = re.compile(r"://|www\.|@(?=[\w-]+\.)", re.IGNORECASE)  # addresses that Markdown finds in any text


def one_line(text: str, limit: int) -> str:
    """Return a text for people: one line of at most `limit` characters that are all to be seen."""
    text = text[: 4 * limit]  # what is cut off anyway need not be looked at
    if not text.isprintable():
        text = "".join(" " if _is_unseen(character) else character for character in text)
    return " ".join(text.split())[:limit].strip(f" {_JOINERS}")


def is_one_line(text: str) -> bool:
    """Tell whether a text can be taken as it is: no control characters, and nothing that turns its direction."""
    return text.isprintable() or not any(_is_control(character) for character in text)


def without_links(text: str, limit: int) -> str:
    """Return a text as `one_line` does, without what Markdown would make a link or a picture of."""
    return one_line(_LINK.sub(_broken, one_line(text, limit)).translate(_BRACKETS), limit)


def as_name(text: str) -> str:
    """Return a text as the name of something: Home Assistant itself shows names in Markdown."""
    return without_links(text, MAX_NAME)


def in_markdown(text: str) -> str:
    """Return a text to be shown in Markdown as it is."""
    return _PUNCTUATION.sub(r"\\\g<0>", one_line(text, 1000))


def link_in_markdown(url: str) -> str:
    """Return a valid address to be the target of a Markdown link, which a bracket would end."""
    return str(URL(url)).replace("(", "%28").replace(")", "%29")


def _broken(link: re.Match[str]) -> str:
    return " @ " if link[0] == "@" else ": "


def _is_control(character: str) -> bool:
    return character in _BIDIRECTIONAL or unicodedata.category(character) in _CONTROL


def _is_unseen(character: str) -> bool:
    return unicodedata.category(character) in (*_CONTROL, "Cf") and character not in _JOINERS
