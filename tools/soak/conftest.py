"""How long the soak lasts, and what it does in which order."""

from collections.abc import Iterator
import logging

import pytest

MINUTES = 3.0
SEED = 9
SLACK = 600  # seconds to set up, to recover and to end


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add the options; they are there where only this folder is run."""
    group = parser.getgroup("soak")
    group.addoption("--minutes", type=float, default=MINUTES, help="how long it lasts")
    group.addoption("--seed", type=int, default=SEED, help="what comes in which order")


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Give the soak the time that it was asked to last."""
    for item in items:
        if "minutes" in getattr(item, "fixturenames", ()):
            item.add_marker(pytest.mark.timeout(config.getoption("minutes", MINUTES) * 60 + SLACK))


@pytest.fixture
def minutes(pytestconfig: pytest.Config) -> float:
    """Return how long it lasts."""
    return float(pytestconfig.getoption("minutes", MINUTES))


@pytest.fixture
def seed(pytestconfig: pytest.Config) -> int:
    """Return what fixes the order."""
    return int(pytestconfig.getoption("seed", SEED))


@pytest.fixture(autouse=True)
def _quiet(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Print what happens here, not what Home Assistant has to say."""
    monkeypatch.setattr(logging.getLogger("homeassistant.components.camera.img_util"), "disabled", True)
    root = logging.getLogger()
    level = root.level
    root.setLevel(logging.WARNING)
    yield
    root.setLevel(level)
