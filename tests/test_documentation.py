"""The documentation explains everything that a user can meet, by the names under which it is met."""

from collections.abc import Iterator, Mapping
import json
from pathlib import Path
import re
from typing import Any

import pytest

from custom_components import octoprint_tunnel

ROOT = Path(__file__).parents[1]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("**/*.md"))]
SCRIPTS = sorted(path.name for path in (ROOT / "scripts").iterdir() if path.is_file())


def subjects(texts: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """Yield what has to be explained: what kind of thing it is, and its key."""
    for platform, entities in texts.get("entity", {}).items():
        for key, entity in entities.items():
            yield f"{platform} entity", key
            for state in entity.get("state", {}):
                yield f"state of {key}", state
            for attribute in entity.get("state_attributes", {}):
                yield f"attribute of {key}", attribute
    for step in texts.get("options", {}).get("step", {}).values():
        for key in step.get("data", {}):
            yield "option", key
    for key, action in texts.get("services", {}).items():
        yield "action", key
        for field in action.get("fields", {}):
            yield f"field of {key}", field
    for key in texts.get("issues", {}):
        yield "issue", key


def messages(texts: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """Yield the key and the text of whatever can go wrong, or end a dialog, and of the repair issues."""
    for flow in ("config", "options"):
        for kind in ("error", "abort"):
            yield from texts.get(flow, {}).get(kind, {}).items()
    for key, exception in texts.get("exceptions", {}).items():
        yield key, exception["message"]
    for key, issue in texts.get("issues", {}).items():
        yield key, issue["title"]


def missing(texts: Mapping[str, Any], documentation: str) -> list[str]:
    """Return what the documentation lacks.

    Keys have to be there as code, and messages beside theirs as people see them, up to the first full stop.
    """
    explained = set(re.findall(r"`([^`\n]+)`", documentation))
    found = [f"{kind} `{key}`" for kind, key in dict.fromkeys(subjects(texts)) if key not in explained]
    for key, text in messages(texts):
        beginning = re.split(r"(?<=\.)\s", text, maxsplit=1)[0]
        if not any(f"`{key}`" in line and beginning in line for line in documentation.splitlines()):
            found.append(f"message of `{key}`: {beginning}")
    return list(dict.fromkeys(found))


@pytest.fixture(scope="module")
def documentation() -> str:
    """Return all that is written for users."""
    return "\n".join(path.read_text(encoding="utf-8") for path in PAGES)


@pytest.fixture(scope="module")
def english() -> dict[str, Any]:
    """Return the English texts."""
    path = Path(octoprint_tunnel.__file__).with_name("translations") / "en.json"
    return dict(json.loads(path.read_text(encoding="utf-8")))


def test_everything_is_explained(english: dict[str, Any], documentation: str) -> None:
    """In the README or in docs/."""
    lacking = missing(english, documentation)
    assert not lacking, "\n".join(["neither the README nor docs/ explains", *lacking])


def test_every_command_is_explained() -> None:
    """The scripts, on the page for developers."""
    page = (ROOT / "docs" / "development.md").read_text(encoding="utf-8")
    assert [script for script in SCRIPTS if not re.search(rf"`scripts/{script}[ `]", page)] == []


def test_links_between_pages_lead_somewhere() -> None:
    """To a file that is there, and to a heading that it has."""
    broken = []
    for page in [*PAGES, *ROOT.glob("*.md")]:
        for target in re.findall(r"\]\((?!https?://|mailto:)([^)\s]+)\)", page.read_text(encoding="utf-8")):
            name, _, heading = target.partition("#")
            file = (page.parent / name) if name else page
            if not file.exists() or (heading and heading not in _anchors(file)):
                broken.append(f"{page.relative_to(ROOT)}: {target}")
    assert not broken, "\n".join(broken)


def test_every_proof_is_there() -> None:
    """A test that the table of faults names is one that runs."""
    table = (ROOT / "docs" / "faults.md").read_text(encoding="utf-8")
    proofs = re.findall(r"`((?:\w+/)*test_\w+\.py)(?:::(\w+))?`", table)
    assert proofs
    tests = {path.name: path for folder in ("tests", "tools") for path in (ROOT / folder).rglob("test_*.py")}
    sources = {name: tests[Path(name).name].read_text(encoding="utf-8") for name, _ in proofs}
    assert [(name, test) for name, test in proofs if test and f"def {test}(" not in sources[name]] == []


def _anchors(page: Path) -> set[str]:
    headings = re.findall(r"^#+ (.*)$", page.read_text(encoding="utf-8"), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading).strip().lower().replace(" ", "-") for heading in headings}


@pytest.mark.parametrize(
    ("documentation", "found"),
    [
        ("`a` `s` `o` `do` `f`\n`e` Wrong.\n`i` Title", []),
        ("`s` `o` `do` `f`\n`e` Wrong.\n`i` Title", ["sensor entity `a`"]),
        ("`a` `o` `do` `f`\n`e` Wrong.\n`i` Title", ["state of a `s`"]),
        ("`a` `s` `do` `f`\n`e` Wrong.\n`i` Title", ["option `o`"]),
        ("`a` `s` `o` `f`\n`e` Wrong.\n`i` Title", ["action `do`"]),
        ("`a` `s` `o` `do`\n`e` Wrong.\n`i` Title", ["field of do `f`"]),
        ("`a` `s` `o` `do` `f`\n`e`\n`i` Title", ["message of `e`: Wrong."]),
        ("`a` `s` `o` `do` `f`\n`e` Wrong.", ["issue `i`", "message of `i`: Title"]),
    ],
)
def test_what_is_missing_is_listed(documentation: str, found: list[str]) -> None:
    """Each kind of thing by its name."""
    texts = {
        "entity": {"sensor": {"a": {"name": "A", "state": {"s": "S"}}}},
        "options": {"step": {"init": {"data": {"o": "O"}}}},
        "services": {"do": {"name": "Do", "fields": {"f": {"name": "F"}}}},
        "config": {"error": {"e": "Wrong. Try again."}},
        "issues": {"i": {"title": "Title"}},
    }
    assert missing(texts, documentation) == found
