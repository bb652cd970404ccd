"""Run each test with one version of OctoPrint and one service only: `pytest -p tests.oldest`.

For the oldest Home Assistant, because what depends on its version does not depend on them.
"""

from typing import Any

import pytest

_VERSION = "octoprint_version"
_INDEPENDENT = (_VERSION, "provider", "chosen")
"""The parameters that stand for a version of OctoPrint and for a service."""


def pytest_configure(config: pytest.Config) -> None:
    """Accept that the tests that are left out do not use their snapshots."""
    config.option.warn_unused_snapshots = True


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Keep one of the tests that differ in nothing else, with the newest OctoPrint and the first service."""
    kept: dict[object, pytest.Item] = {}
    for item in sorted(items, key=lambda item: str(_parameters(item).get(_VERSION)), reverse=True):
        others = {name: repr(value) for name, value in _parameters(item).items() if name not in _INDEPENDENT}
        kept.setdefault((item.nodeid.partition("[")[0], *sorted(others.items())), item)
    chosen = set(kept.values())
    config.hook.pytest_deselected(items=[item for item in items if item not in chosen])
    items[:] = [item for item in items if item in chosen]


def _parameters(item: pytest.Item) -> dict[str, Any]:
    call = getattr(item, "callspec", None)
    return call.params if call else {}
