"""Options of the soak: its length, and the seed of its order."""

from collections.abc import Iterator
import logging

import pytest

MINUTES = 3.0
SEED = 9
SLACK = 600  # seconds to set up, to recover and to end


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add the options, which exist if only this folder is run."""
    group = parser.getgroup("soak")
    group.addoption("--minutes", type=float, default=MINUTES, help="length of the soak")
    group.addoption("--seed", type=int, default=SEED, help="seed of the order of faults")


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Set the time limit of the soak by its length."""
    for item in items:
        if "minutes" in getattr(item, "fixturenames", ()):
            item.add_marker(pytest.mark.timeout(config.getoption("minutes", MINUTES) * 60 + SLACK))


@pytest.fixture
def minutes(pytestconfig: pytest.Config) -> float:
    """Return the length of the soak."""
    return float(pytestconfig.getoption("minutes", MINUTES))


@pytest.fixture
def seed(pytestconfig: pytest.Config) -> int:
    """Return the seed of the order."""
    return int(pytestconfig.getoption("seed", SEED))


@pytest.fixture(autouse=True)
def _quiet(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Print the soak's own output only."""
    monkeypatch.setattr(logging.getLogger("homeassistant.components.camera.img_util"), "disabled", True)
    root = logging.getLogger()
    level = root.level
    root.setLevel(logging.WARNING)
    yield
    root.setLevel(level)
