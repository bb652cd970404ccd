"""Tables in a terminal."""

from collections.abc import Iterable


def print_table(*rows: Iterable[str]) -> None:
    """Print rows in columns as wide as they need; the first row is the heading."""
    cells = [tuple(row) for row in rows]
    widths = [max(len(cell) for cell in column) for column in zip(*cells, strict=True)]
    print()
    for row in (cells[0], tuple("─" * width for width in widths), *cells[1:]):
        print("  " + "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip())
    print(flush=True)
