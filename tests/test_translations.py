"""Every language has the texts and placeholders of English, and nothing is left in English."""

from collections.abc import Iterator, Mapping
import json
from pathlib import Path
import re
from typing import Any

import pytest

from custom_components import octoprint_tunnel
from homeassistant.generated.languages import LANGUAGES

FILES = sorted(Path(octoprint_tunnel.__file__).parent.glob("translations/*.json"))

SAME = {"{name}", "OctoEverywhere", "Obico", "OK"}
"""Texts that are the same in every language."""

SHARED = {
    "cs": {"Offline", "Port", "Test"},
    "de": {"Offline", "OctoPrint offline", "Port", "Test", "Tunnel", "Webcam", "Webcam {name}"},
    "es": {"Error"},
    "fr": {"Notification", "Options", "Port", "Test", "Tunnel", "Webcam", "Webcam {name}"},
    "it": {"File", "Test", "Tunnel", "Webcam", "Webcam {name}"},
    "nl": {
        *("Connector", "Offline", "OctoPrint offline", "Parameters", "Printer", "Printers"),
        *("Test", "Tunnel", "Webcam", "Webcam {name}"),
    },
    "pl": {"Folder", "OctoPrint offline", "Port"},
    "pt": {"Offline", "OctoPrint offline", "Webcam", "Webcam {name}"},
    "sv": {"Offline", "OctoPrint offline", "Port", "Test", "Tunnel"},
}
"""Words that a language shares with English."""


def read(path: Path) -> dict[str, Any]:
    """Return the texts of a file by their path, as in `config.step.user.title`."""
    return dict(_texts(json.loads(path.read_text(encoding="utf-8"))))


def _texts(node: Mapping[str, Any], above: str = "") -> Iterator[tuple[str, Any]]:
    for key, value in node.items():
        if isinstance(value, Mapping):
            yield from _texts(value, f"{above}{key}.")
        else:
            yield f"{above}{key}", value


def constants(text: str) -> set[str]:
    """Return the placeholders and the addresses in a text. They are the same in all languages."""
    return set(re.findall(r"{\w+}|https?://[\w./]+\w", text))


def is_flawed(text: object) -> bool:
    """Return whether a text is no string, or has space around it, HTML, a lone brace, or a website's address.

    Hassfest requires a placeholder for the address of a website.
    """
    if not isinstance(text, str) or not text or text != text.strip():
        return True
    flaw = r"</?\w+[^>]*>|&\w+;|[{}]|(://|www\.)[\w.-]+\.[a-z]{2,5}\b"
    return bool(re.search(flaw, re.sub(r"{\w+}", "", text), re.IGNORECASE))


ENGLISH = read(next(path for path in FILES if path.stem == "en"))


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_language(path: Path) -> None:
    """Home Assistant offers the language. Its texts are complete, translated and without flaws."""
    texts = read(path)
    shared = SAME | SHARED.get(path.stem, set())
    assert path.stem in LANGUAGES
    assert texts.keys() == ENGLISH.keys()
    assert [key for key, text in texts.items() if is_flawed(text)] == []
    assert [key for key, text in texts.items() if constants(text) != constants(ENGLISH[key])] == []
    if path.stem != "en":
        assert [key for key, text in texts.items() if text == ENGLISH[key] and text not in shared] == []


@pytest.mark.parametrize(
    "text", ["", None, " a", "a <b>b</b>", "a&nbsp;b", "{a", "{a b}", ["a"], "See https://example.com/a."]
)
def test_flawed_text(text: object) -> None:
    """Each rule can fail."""
    assert is_flawed(text)
