"""The documentation explains everything that a user can see, by the name that the user sees."""

from collections.abc import Iterator
from dataclasses import fields
import json
from pathlib import Path
import re
from typing import Any

from custom_components import octoprint_tunnel
from custom_components.octoprint_tunnel.api.tunnels import TUNNELS
from custom_components.octoprint_tunnel.api.tunnels.models import Notification
from homeassistant.util import slugify

from .test_texts import PLATFORMS

ROOT = Path(__file__).parents[1]
README = ROOT / "README.md"
DOCS = ROOT / "docs"
PAGES = [README, *sorted(DOCS.glob("**/*.md"))]
LINES = [line for page in PAGES for line in page.read_text(encoding="utf-8").splitlines()]
SCRIPTS = sorted(path.name for path in (ROOT / "scripts").iterdir() if path.is_file())


TEXTS: dict[str, Any] = json.loads(
    (Path(octoprint_tunnel.__file__).parent / "translations" / "en.json").read_text(encoding="utf-8")
)


def keys() -> Iterator[str]:
    """Yield the keys that must be explained: of entities, states, attributes, options, actions, fields and issues."""
    for entities in TEXTS["entity"].values():
        for key, entity in entities.items():
            attributes = entity.get("state_attributes", {})
            yield from (key, *entity.get("state", {}), *attributes)
            yield from (state for attribute in attributes.values() for state in attribute.get("state", {}))
    yield from (field.name for field in fields(Notification) if field.name != "type")
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


def entity_rows() -> Iterator[str]:
    """Yield the beginning of each entity's row: its name, its service if only one has it, and its entity ID."""
    for domain, descriptions in PLATFORMS.items():
        for description in descriptions:
            name = TEXTS["entity"][domain][description.translation_key]["name"].format(number=1, name="Nozzle")
            services = [tunnel.__name__ for tunnel in TUNNELS.values() if description.key in tunnel.entity_keys]
            service = f" ({services[0]})" if len(services) == 1 else ""
            yield f"| {name}{service} | `{domain}.…_{slugify(name)}` |"


def test_keys_are_explained() -> None:
    """As code, on one of the pages."""
    explained = set(re.findall(r"`([^`\n]+)`", "\n".join(LINES)))
    assert set(keys()) - explained == set()


def test_entities_are_explained() -> None:
    """In one row of the tables each, by the name that users see, with what their entity ID ends with."""
    page = (DOCS / "entities.md").read_text(encoding="utf-8").splitlines()
    rows = {row: [line for line in page if line.startswith(row)] for row in entity_rows()}
    assert {row: lines for row, lines in rows.items() if len(lines) != 1} == {}
    documented = {line for line in page if re.match(r"\| [^|]+ \| `\w+\.…", line)}
    assert documented == {line for lines in rows.values() for line in lines}


def test_disabled_entities_are_marked() -> None:
    """With "Off at first", and no others."""
    page = (DOCS / "entities.md").read_text(encoding="utf-8")
    enabled = (
        description.entity_registry_enabled_default
        for descriptions in PLATFORMS.values()
        for description in descriptions
    )
    off = {row for row, is_enabled in zip(entity_rows(), enabled, strict=True) if not is_enabled}
    assert off == {row for row in entity_rows() if re.search(rf"^{re.escape(row)}.*\bOff at first", page, re.MULTILINE)}


def test_options_are_explained() -> None:
    """In a row by the name that users see: in short in the README, and in detail."""
    for page in (README, DOCS / "options.md"):
        text = page.read_text(encoding="utf-8")
        names = TEXTS["options"]["step"]["init"]["data"].values()
        assert [name for name in names if f"\n| {name} | " not in text] == [], page.name


def test_actions_are_explained() -> None:
    """Each in the README, and in a section of its own with all of its fields."""
    readme, page = README.read_text(encoding="utf-8"), (DOCS / "actions.md").read_text(encoding="utf-8")
    sections = dict(re.findall(r"^## `octoprint_tunnel\.(\w+)`\n(.*?)(?=^## |\Z)", page, re.MULTILINE | re.DOTALL))
    assert set(sections) == set(TEXTS["services"])
    assert [action for action in sections if f"`{action}`" not in readme] == []
    missing = [
        f"{action}: {field}"
        for action, texts in TEXTS["services"].items()
        for field in texts["fields"]
        if not re.search(rf"`{field}`|^[\s-]+{field}:", sections[action], re.MULTILINE)
    ]
    assert missing == []


def test_messages_are_explained() -> None:
    """In one line with their key; users search for the first sentence."""
    found = [(key, re.split(r"(?<=\.)\s", text, maxsplit=1)[0]) for key, text in messages()]
    assert [each for each in found if not any(f"`{each[0]}`" in line and each[1] in line for line in LINES)] == []


def test_codes_of_the_services_are_explained() -> None:
    """Users find the number in the log: what it means, or which limit of the account it is."""
    page = (DOCS / "errors.md").read_text(encoding="utf-8")
    codes = {code for tunnel in TUNNELS.values() for code in tunnel.codes.errors}
    assert [code for code in sorted(codes) if not re.search(rf"\b{code}\b", page)] == []


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
