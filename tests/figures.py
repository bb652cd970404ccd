"""Count what long tests have tried, and print the sums at the end of the run, those of parallel workers included."""

from collections import Counter
from typing import Any

import pytest

FIGURES: Counter[str] = Counter()
"""What was counted here so far, by the words it is printed with."""

_KEY = "figures"


def pytest_sessionfinish(session: pytest.Session) -> None:
    """Hand the figures of a worker to the process that prints."""
    output: dict[str, Any] | None = getattr(session.config, "workeroutput", None)
    if output is not None:
        output[_KEY] = dict(FIGURES)


@pytest.hookimpl(optionalhook=True)
def pytest_testnodedown(node: Any) -> None:
    """Add the figures of a worker that has ended."""
    FIGURES.update(getattr(node, "workeroutput", {}).get(_KEY, {}))


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Print the sums."""
    if FIGURES:
        terminalreporter.section("figures")
    for words, count in sorted(FIGURES.items()):
        terminalreporter.line(f"{words}: {count}")
