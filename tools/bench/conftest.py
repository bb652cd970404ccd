"""Options of the benchmark, its report, and the relay in a process of its own."""

import asyncio
from collections.abc import AsyncIterator, Iterator
import logging
from typing import Any

import pytest

from tests.relay.network import reach_services
from tests.relay.printer import Printer

from .documents import Documents
from .remote import RelayProcess, RemoteRelay
from .report import Report
from .time_lapse import TimeLapse


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add the options."""
    group = parser.getgroup("bench")
    group.addoption("--changes", type=int, default=20, help="how many changes of the printer's state are timed")
    group.addoption("--write-docs", action="store_true", help="write the tables of docs/data.md that are complete")
    group.addoption("--enforce", action="store_true", help="fail where a target is missed")


@pytest.fixture(scope="session")
def report(request: pytest.FixtureRequest) -> Iterator[Report]:
    """Collect the results, and print them at the end."""
    report = Report()
    yield report
    print(f"\n\n{report}\n")
    if report.missed and request.config.getoption("--enforce"):
        pytest.fail(f"Targets missed: {'; '.join(report.missed)}", pytrace=False)


@pytest.fixture(scope="session")
def documents(request: pytest.FixtureRequest) -> Iterator[Documents]:
    """Collect the cells of the documentation's tables, and write them at the end."""
    documents = Documents()
    yield documents
    if request.config.getoption("--write-docs"):
        documents.write()


@pytest.fixture(scope="session")
def relay_process(_certificates: None) -> Iterator[RelayProcess]:
    """Return the process that runs relays."""
    process = RelayProcess()
    yield process
    process.close()


@pytest.fixture
def remote(relay_process: RelayProcess, printer: Printer) -> Iterator[RemoteRelay]:
    """Return a relay in another process, which this process finds under the services' names."""
    with relay_process.relay(printer) as remote, reach_services(remote.port):
        yield remote


@pytest.fixture
def hass_config_dir(hass_tmp_config_dir: str) -> str:
    """Give Home Assistant a storage folder of its own."""
    return hass_tmp_config_dir


@pytest.fixture
def hass_storage() -> dict[str, Any]:
    """Store on disk, because the mock keeps everything in memory."""
    return {}


@pytest.fixture
async def time_lapse() -> AsyncIterator[TimeLapse]:
    """Let time jump, without debug mode and a debug log, which only tests have."""
    asyncio.get_running_loop().set_debug(False)
    logger = logging.getLogger()
    level = logger.level
    logger.setLevel(logging.WARNING)
    with TimeLapse.running() as time_lapse:
        yield time_lapse
    logger.setLevel(level)
