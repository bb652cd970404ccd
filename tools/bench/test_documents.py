"""The benchmark writes the tables of the documentation."""

from pathlib import Path

import pytest

from .documents import PAGE, Document, Documents


def table(**cells: str) -> Document:
    """Return a table of one row, with these cells by column."""
    document = Document(name="sizes", rows=["printer"], columns=["small", "large"])
    document.note("printer", cells)
    return document


def test_a_table_replaces_what_is_between_its_comments() -> None:
    """The rest of the page stays."""
    page = "before\n<!-- bench: sizes -->\nold\n\nold\n<!-- /bench -->\nafter\n"
    written = table(small="1", large="2").put_into(page)
    assert written == (
        "before\n<!-- bench: sizes -->\n\n|  | small | large |\n| --- | --: | --: |\n| printer | 1 | 2 |\n\n"
        "<!-- /bench -->\nafter\n"
    )
    assert table(small="1", large="2").put_into(written) == written


@pytest.mark.parametrize(
    "page",
    [
        "without comments\n",
        "<!-- bench: others -->\n<!-- /bench -->\n",
        "<!-- bench: sizes -->\nno end\n",
        "<!-- bench: sizes -->\nno end\n<!-- bench: others -->\n<!-- /bench -->\n",
        "<!-- bench: sizes -->\n<!-- /bench -->\n" * 2,
    ],
)
def test_a_page_without_exactly_one_place(page: str) -> None:
    """It is refused."""
    with pytest.raises(ValueError, match="places for the table sizes"):
        table(small="1", large="2").put_into(page)


def test_cells_without_a_place() -> None:
    """They are refused, as a misspelled column is."""
    with pytest.raises(AssertionError):
        table(smal="1")


def test_incomplete_tables_stay(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Only tables with all cells are written, and the others are named."""
    page = tmp_path / "data.md"
    page.write_text(PAGE.read_text(encoding="utf-8"), encoding="utf-8")
    documents = Documents()
    for row in documents.day.rows:
        documents.day.note(row, dict.fromkeys(documents.day.columns, "measured"))
    documents.data.note(documents.data.rows[0], dict.fromkeys(documents.data.columns, "measured"))
    documents.write(page)
    cells = len(documents.day.rows) * len(documents.day.columns)
    assert page.read_text(encoding="utf-8").count("| measured") == cells
    assert [line.split()[1] for line in capsys.readouterr().out.splitlines()] == ["data", "time"]


def test_the_page_has_a_place_for_every_table(tmp_path: Path) -> None:
    """All of them can be written."""
    page = tmp_path / "data.md"
    page.write_text(PAGE.read_text(encoding="utf-8"), encoding="utf-8")
    documents = Documents()
    tables = (documents.data, documents.time, documents.day)
    for document in tables:
        for row in document.rows:
            document.note(row, dict.fromkeys(document.columns, "measured"))
    documents.write(page)
    written = page.read_text(encoding="utf-8")
    assert all(str(document) in written for document in tables)
