"""Tables in the documentation that the benchmark writes, each between two comments, and only with all of its cells."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
import re
from typing import Final, override

from .report import markdown
from .variants import VARIANTS

PAGE: Final = Path(__file__).parents[2] / "docs" / "data.md"

IDLE, CONNECTED, PRINTING, OLD_PRINTING = (
    "idle: kB an hour",
    "connected: kB an hour",
    "printing: kB an hour",
    "printing, 1.11: kB an hour",
)
IDLE_DAY, IDLE_REQUESTS = "idle day: MB", "idle day: requests"
MEDIAN, MAXIMUM = "delay: median", "delay: at most"
LOOP, UPDATE = "event loop: s an hour", "event loop: ms an update"
MEMORY = "memory: MB"
SOCKET = "one WebSocket through a tunnel, no printer"
SERVICES = {"octoeverywhere": "OctoEverywhere", "obico": "Obico"}
DAYS = ("off", "idle", "connected", "idle, on the local network")


@dataclass(kw_only=True)
class Document:
    """One table of the documentation."""

    name: str
    rows: Sequence[str]
    columns: Sequence[str]
    cells: dict[tuple[str, str], str] = field(default_factory=dict)
    """The cells that are known, by row and column."""

    def note(self, row: str, cells: Mapping[str, str]) -> None:
        """Set cells of a row, by column."""
        assert row in self.rows, row
        assert set(cells) <= set(self.columns), cells
        self.cells |= {(row, column): cell for column, cell in cells.items()}

    @property
    def missing(self) -> int:
        """Return the number of cells that are not known."""
        return len(self.rows) * len(self.columns) - len(self.cells)

    @override
    def __str__(self) -> str:
        """Return the table in Markdown; raises KeyError if a cell is not known."""
        rows = [(row, *(self.cells[row, column] for column in self.columns)) for row in self.rows]
        return markdown(("", *self.columns), rows)

    def put_into(self, page: str) -> str:
        """Return the page with this table between its comments; raises ValueError if the page does not have them."""
        pattern = rf"(<!-- bench: {re.escape(self.name)} -->\n)(?:(?!<!--).)*(<!-- /bench -->\n)"
        written, count = re.subn(pattern, lambda found: f"{found[1]}\n{self}\n\n{found[2]}", page, flags=re.DOTALL)
        if count != 1:
            raise ValueError(f"{count} places for the table {self.name}")
        return written


class Documents:
    """All tables of the documentation."""

    def __init__(self) -> None:
        """Start without cells."""
        variants = [variant.name for variant in VARIANTS]
        self.data = Document(
            name="data",
            rows=variants,
            columns=(IDLE, CONNECTED, PRINTING, OLD_PRINTING, IDLE_DAY, IDLE_REQUESTS),
        )
        self.time = Document(name="time", rows=(*variants, SOCKET), columns=(MEDIAN, MAXIMUM, LOOP, UPDATE, MEMORY))
        self.day = Document(
            name="day",
            rows=[f"{service}, {situation}" for service in SERVICES.values() for situation in DAYS],
            columns=("requests to the service", "requests through the tunnel", "MB a day", "of Obico's free month"),
        )

    def write(self, page: Path = PAGE) -> None:
        """Write the tables all of whose cells are known, and print which are not written."""
        text = page.read_text(encoding="utf-8")
        for document in (self.data, self.time, self.day):
            if document.missing:
                print(f"{page.name}: {document.name} stays, {document.missing} of its cells were not measured")
            else:
                text = document.put_into(text)
        page.write_text(text, encoding="utf-8")
