"""The results of the comparison: tables, and whether the targets are reached."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import override

type Cells = Sequence[str]


@dataclass(kw_only=True)
class Table:
    """A table in Markdown; the first column is text, the others are figures."""

    title: str
    head: Cells
    rows: list[Cells] = field(default_factory=list)

    @override
    def __str__(self) -> str:
        """Return the table, with its title above."""
        return f"{self.title}\n\n{markdown(self.head, self.rows)}"


@dataclass(frozen=True, kw_only=True)
class Target:
    """One target."""

    what: str
    limit: str
    found: str
    reached: bool


class Report:
    """All results of one run."""

    def __init__(self) -> None:
        """Start without results."""
        self.tables: dict[str, Table] = {}
        self.targets: list[Target] = []

    def table(self, title: str, *head: str) -> Table:
        """Return the table with this title, which is made at its first use."""
        return self.tables.setdefault(title, Table(title=title, head=head))

    def at_most(self, what: str, found: float, limit: float, unit: str) -> None:
        """Add a target that is an upper limit."""
        self._add(what, f"≤ {limit:g} {unit}", f"{_short(found)} {unit}", found <= limit)

    def at_least(self, what: str, found: float, limit: float, unit: str) -> None:
        """Add a target that is a lower limit."""
        self._add(what, f"≥ {limit:g} {unit}", f"{_short(found)} {unit}", found >= limit)

    def _add(self, what: str, limit: str, found: str, reached: bool) -> None:
        self.targets.append(Target(what=what, limit=limit, found=found, reached=reached))

    @property
    def missed(self) -> list[str]:
        """Return the targets that are not reached."""
        return [target.what for target in self.targets if not target.reached]

    @override
    def __str__(self) -> str:
        """Return everything in Markdown."""
        rows = [
            (target.what, target.limit, target.found, "PASS" if target.reached else "FAIL") for target in self.targets
        ]
        targets = Table(title="Targets", head=("", "target", "found", ""), rows=list(rows))
        return "\n\n".join(str(table) for table in (*self.tables.values(), targets))


def _short(number: float) -> str:
    """Return three digits, or all digits before the point."""
    return f"{number:.0f}" if number >= 100 else f"{number:.3g}"


def markdown(head: Cells, rows: Iterable[Cells]) -> str:
    """Return a table."""
    lines = [head, ("---", *("--:" for _ in head[1:])), *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)
