"""The documentation explains everything that a user can see, by the name that the user sees."""

from collections.abc import Iterator
import json
from pathlib import Path
import re
from typing import Any

from custom_components import octoprint_tunnel

ROOT = Path(__file__).parents[1]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("**/*.md"))]
LINES = [line for page in PAGES for line in page.read_text(encoding="utf-8").splitlines()]
SCRIPTS = sorted(path.name for path in (ROOT / "scripts").iterdir() if path.is_file())


TEXTS: dict[str, Any] = json.loads(
    (Path(octoprint_tunnel.__file__).parent / "translations" / "en.json").read_text(encoding="utf-8")
)


def keys() -> Iterator[str]:
    """Yield the keys that must be explained: of entities, states, attributes, options, actions, fields and issues."""
    for entities in TEXTS["entity"].values():
        for key, entity in entities.items():
            yield from (key, *entity.get("state", {}), *entity.get("state_attributes", {}))
    yield from TEXTS["options"]["step"]["init"]["data"]
    for key, action in TEXTS["services"].items():
        yield from (key, *action["fields"])
    yield from TEXTS["issues"]


def messages() -> Iterator[tuple[str, str]]:
    """Yield the key and the text of each error, each end of a dialog, and each repair issue."""
    yield from TEXTS["config"]["error"].items()
    yield from TEXTS["config"]["abort"].items()
    yield from TEXTS["options"]["error"].items()
    yield from ((key, exception["message"]) for key, exception in TEXTS["exceptions"].items())
    yield from ((key, issue["title"]) for key, issue in TEXTS["issues"].items())


def test_keys_are_explained() -> None:
    """As code, on one of the pages."""
    explained = set(re.findall(r"`([^`\n]+)`", "\n".join(LINES)))
    assert set(keys()) - explained == set()


def test_messages_are_explained() -> None:
    """In one line with their key; users search for the first sentence."""
    found = [(key, re.split(r"(?<=\.)\s", text, maxsplit=1)[0]) for key, text in messages()]
    assert [each for each in found if not any(f"`{each[0]}`" in line and each[1] in line for line in LINES)] == []


def test_every_script_is_explained() -> None:
    """On the page for developers."""
    page = (ROOT / "docs" / "development.md").read_text(encoding="utf-8")
    assert [script for script in SCRIPTS if not re.search(rf"`scripts/{script}[ `]", page)] == []


def test_links_between_pages() -> None:
    """Each leads to an existing file and heading."""
    broken = []
    for page in [*PAGES, *ROOT.glob("*.md")]:
        for target in re.findall(r"\]\((?!https?://|mailto:)([^)\s]+)\)", page.read_text(encoding="utf-8")):
            name, _, heading = target.partition("#")
            file = (page.parent / name) if name else page
            if not file.exists() or (heading and heading not in _anchors(file)):
                broken.append(f"{page.relative_to(ROOT)}: {target}")
    assert not broken, "\n".join(broken)


def test_tests_of_faults() -> None:
    """Each test in the tables of faults exists."""
    page = (ROOT / "docs" / "faults.md").read_text(encoding="utf-8")
    proofs = re.findall(r"`((?:\w+/)*test_\w+\.py)(?:::(\w+))?`", page)
    assert proofs
    tests = {path.name: path for folder in ("tests", "tools") for path in (ROOT / folder).rglob("test_*.py")}
    sources = {name: tests[Path(name).name].read_text(encoding="utf-8") for name, _ in proofs}
    assert [(name, test) for name, test in proofs if test and f"def {test}(" not in sources[name]] == []


def _anchors(page: Path) -> set[str]:
    headings = re.findall(r"^#+ (.*)$", page.read_text(encoding="utf-8"), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading).strip().lower().replace(" ", "-") for heading in headings}
