"""Count what the long tests have tried, and print the sums of all workers at the end of the run."""

from collections import Counter
from typing import Any

import pytest

FIGURES: Counter[str] = Counter()
"""The counts of this process, by the words that are printed."""

_KEY = "figures"


def pytest_sessionfinish(session: pytest.Session) -> None:
    """Send the counts of a worker to the process that prints."""
    output: dict[str, Any] | None = getattr(session.config, "workeroutput", None)
    if output is not None:
        output[_KEY] = dict(FIGURES)


@pytest.hookimpl(optionalhook=True)
def pytest_testnodedown(node: Any) -> None:
    """Add the counts of a worker that has ended."""
    FIGURES.update(getattr(node, "workeroutput", {}).get(_KEY, {}))


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Print the sums."""
    if FIGURES:
        terminalreporter.section("figures")
    for words, count in sorted(FIGURES.items()):
        terminalreporter.line(f"{words}: {count}")
