"""Every language says what English says: the same texts, the same placeholders, and nothing left in English."""

from collections.abc import Iterator, Mapping
import json
from pathlib import Path
import re
from typing import Any

import pytest

from custom_components import octoprint_tunnel
from homeassistant.generated.languages import LANGUAGES

TRANSLATIONS = {path.stem: path for path in Path(octoprint_tunnel.__file__).parent.glob("translations/*.json")}

SAME = {"{name}", "OctoEverywhere", "Obico", "OK", "Gadget"}
"""Texts that every language has as English does."""

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


def read(path: Path) -> dict[str, str]:
    """Return the texts of a file by their path, as in `config.step.user.title`."""
    return dict(_texts(json.loads(path.read_text(encoding="utf-8"))))


def _texts(node: Mapping[str, Any], above: str = "") -> Iterator[tuple[str, str]]:
    for key, value in node.items():
        if isinstance(value, Mapping):
            yield from _texts(value, f"{above}{key}.")
        else:
            yield f"{above}{key}", value


def problems(english: Mapping[str, str], other: Mapping[str, str], shared: set[str]) -> list[str]:
    """Return what is wrong with another language's texts, in words; `shared` are those that English has too."""
    found = [f"{key} is missing" for key in sorted(set(english) - set(other))]
    found += [f"{key} is not in English" for key in sorted(set(other) - set(english))]
    for key in sorted(set(english) & set(other)):
        if placeholders(other[key]) != placeholders(english[key]):
            found.append(f"{key} has other placeholders")
        elif other[key] == english[key] and english[key] not in SAME | shared:
            found.append(f"{key} is not translated")
    return found


def placeholders(text: str) -> set[str]:
    """Return what is filled into a text, and the addresses in it: neither changes with the language."""
    return set(re.findall(r"{\w+}|https?://[\w./]+\w", text))


def flaws(text: object) -> list[str]:
    """Return what makes a text unfit to be shown, whatever its language."""
    if not isinstance(text, str) or not text:
        return ["is no text"]
    found = []
    if text != text.strip():
        found.append("has space around it")
    if re.search(r"</?\w+[^>]*>|&\w+;", text):
        found.append("has HTML in it")
    if re.sub(r"{\w+}", "", text).count("{") or re.sub(r"{\w+}", "", text).count("}"):
        found.append("has a brace that is no placeholder")
    if re.search(r"(://|www\.)[\w.-]+\.[a-z]{2,5}\b", text, re.IGNORECASE):
        found.append("names a website")  # hassfest wants a placeholder for that
    return found


@pytest.mark.parametrize("language", sorted(TRANSLATIONS))
def test_a_language_is_one_that_home_assistant_offers(language: str) -> None:
    """A file of another name would never be shown."""
    assert language in LANGUAGES


@pytest.mark.parametrize("language", sorted(TRANSLATIONS))
def test_texts_are_flat(language: str) -> None:
    """They are texts to show, not markup; Home Assistant's own Markdown is fine."""
    texts = read(TRANSLATIONS[language])
    assert texts
    found = [f"{key} {flaw}" for key, text in texts.items() for flaw in flaws(text)]
    assert not found, "\n".join(found)


@pytest.mark.parametrize("language", sorted(TRANSLATIONS.keys() - {"en"}))
def test_a_language_says_what_english_says(language: str) -> None:
    """No text is missing, left over, or left in English."""
    found = problems(read(TRANSLATIONS["en"]), read(TRANSLATIONS[language]), SHARED.get(language, set()))
    assert not found, "\n".join(found)


@pytest.mark.parametrize(
    ("other", "found"),
    [
        ({"a": "Tag {name}", "b": "Port", "c": "OK"}, []),
        ({"a": "Tag {name}", "b": "Port"}, ["c is missing"]),
        ({"a": "Tag {name}", "b": "Port", "c": "OK", "d": "Uhr"}, ["d is not in English"]),
        ({"a": "Tag {nome}", "b": "Port", "c": "OK"}, ["a has other placeholders"]),
        ({"a": "Day {name}", "b": "Port", "c": "OK"}, ["a is not translated"]),
    ],
)
def test_a_bad_language_is_refused(other: dict[str, str], found: list[str]) -> None:
    """Each rule can fail."""
    assert problems({"a": "Day {name}", "b": "Port", "c": "OK"}, other, {"Port"}) == found


@pytest.mark.parametrize(
    "text", ["", None, " a", "a <b>b</b>", "a&nbsp;b", "{a", "{a b}", ["a"], "See https://example.com/a."]
)
def test_a_bad_text_is_refused(text: object) -> None:
    """Each rule can fail."""
    assert flaws(text)


@pytest.mark.parametrize("text", ["a", "{a} < 3 & more", "[a]({b})\n\n1. c", "As http://192.168.1.20/a."])
def test_a_good_text_is_accepted(text: str) -> None:
    """And none fails without a cause."""
    assert flaws(text) == []
