"""The memory and the processor time of many printers in one Home Assistant, compared with its own `octoprint`.

They are one OctoPrint under so many App Connections; hours and their CPU are those of `bench_compare`. Memory is the
growth of a fresh process's resident memory at rest: when what is free has gone back to the system, and the connections
of polls, which are kept for some seconds, are closed. An open TLS connection, as live updates through a tunnel have
one, is a part of it; what that takes without a printer is measured beside, and is not in the target.
"""

import asyncio
from collections.abc import Iterator
from contextlib import AsyncExitStack
from dataclasses import dataclass
from itertools import chain
import json
import os
from pathlib import Path
import subprocess
import sys
from typing import Any

from aiohttp import encode_basic_auth
import pytest
from pytest_homeassistant_custom_component.common import MockConfigEntry

from homeassistant.core import HomeAssistant
from homeassistant.helpers import entity_registry as er
from homeassistant.helpers.aiohttp_client import async_get_clientsession
from tests.leftovers import resident_memory
from tests.octoprint.server import OctoPrintServer

from .documents import MEMORY, SOCKET, Documents
from .hour import HOUR, measured, set_up, sockets_open
from .remote import RemoteRelay, Stage
from .report import Report
from .time_lapse import TimeLapse
from .variants import OWN, VARIANTS, Variant

GROWING = (*VARIANTS[:5], OWN)

LARGE = (VARIANTS[0], OWN)

SOME, MANY, MOST = 50, 100, 300
PRINTERS = (1, 10, SOME, MANY, MOST)  # the last ones only for LARGE
ALLOWED = 0.55  # megabytes of each printer without its socket
TIME = HOUR // 4  # seconds that pass; each printer is polled at least once
OWN_TIME = 120  # seconds, as all polls of `octoprint` are alike
REST, GLANCE = 60, 5  # seconds; within a poll interval, all connections of polls are closed at some time
SETTLED = 5  # seconds of real time until the last socket is idle


@dataclass(frozen=True, kw_only=True)
class Growth:
    """The figures of one of several printers."""

    memory: float
    """Megabytes."""
    cpu: float
    """Seconds of the event loop in an hour."""
    entities: int
    """How many each of them has in the entity registry, disabled ones included."""


type Growths = dict[Variant, dict[int, Growth]]


@pytest.fixture(scope="module")
def socket_memory() -> list[float]:
    """Collect the megabytes of a socket."""
    return []


@pytest.fixture(scope="module")
def growths(report: Report, documents: Documents, socket_memory: list[float]) -> Iterator[Growths]:
    """Collect the figures, and report on them."""
    growths: Growths = {}
    yield growths
    for variant in VARIANTS:
        if variant not in GROWING:
            documents.time.note(variant.name, {MEMORY: ""})
        elif variant in growths:
            documents.time.note(variant.name, {MEMORY: f"{growths[variant][MANY].memory:.2f}"})
    for variant, growth in growths.items():
        table = report.table(
            "Many printers in one Home Assistant, connected, OctoPrint 2.0: each takes",
            *("", *(f"{number}: {what}" for number in PRINTERS for what in ("MB", "s an hour"))),
        )
        found = [growth.get(number) for number in PRINTERS]
        cells = ((f"{each.memory:.2f}", f"{each.cpu:.2f}") if each else ("", "") for each in found)
        table.rows.append((variant.name, *chain.from_iterable(cells)))
        many = growth[MANY]
        table = report.table(f"What each of {MANY} printers takes", "", "entities", "MB", "kB for each entity")
        row = (f"{many.entities}", f"{many.memory:.2f}", f"{many.memory * 1e3 / many.entities:.1f}")
        table.rows.append((variant.name, *row))
        if variant is not OWN:
            _report_on_growth(report, variant, growth, socket_memory)


def _report_on_growth(report: Report, variant: Variant, growth: dict[int, Growth], socket_memory: list[float]) -> None:
    """Compare the figures with the targets."""
    memory = growth[MANY].memory
    if not variant.live or variant.local:
        report.at_most(f"memory of each of {MANY} printers, {variant.name}", memory, ALLOWED, "MB")
    elif socket_memory:
        beside = memory - socket_memory[0]
        report.at_most(f"memory of each of {MANY} printers, without its socket, {variant.name}", beside, ALLOWED, "MB")
    for many, few, limits in ((MANY, SOME, {"memory": 1.25, "cpu": 1.25}), (MOST, MANY, {"memory": 1.1, "cpu": 1.25})):
        for what, limit in limits.items() if many in growth else ():
            # Not for the first ones, which reuse free memory.
            times = getattr(growth[many], what) / getattr(growth[few], what)
            report.at_most(f"{what} of each of {many} printers beside {few}, {variant.name}", times, limit, "times")


def _alone(method: str, found: Path, **environment: str) -> Any:
    """Run a method in a new process, and return its result.

    In this one, memory that was in use before would be used again and not be seen.
    """
    arguments = ("-o", "python_files=bench_*.py", "-o", f"python_functions={method}", "-q", "-p", "no:logging")
    done = subprocess.run(
        [sys.executable, "-m", "pytest", *arguments, __file__],
        env=os.environ | {"BENCH_FOUND": str(found)} | environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout[-3000:]
    return json.loads(found.read_text())


def _tell(found: object) -> None:
    Path(os.environ["BENCH_FOUND"]).write_text(json.dumps(found))


@pytest.mark.timeout(900)
@pytest.mark.parametrize("variant", GROWING, ids=lambda variant: variant.name)
def bench_growth(growths: Growths, variant: Variant, tmp_path: Path) -> None:
    """Measure a growing number of printers."""
    found = _alone("alone_growth", tmp_path / "found.json", BENCH_VARIANT=variant.name)
    growths[variant] = {int(number): Growth(**each) for number, each in found.items()}


def bench_growth_of_sockets(report: Report, documents: Documents, socket_memory: list[float], tmp_path: Path) -> None:
    """Measure a socket through a tunnel without a printer."""
    socket_memory.append(_alone("alone_sockets", tmp_path / "found.json"))
    documents.time.note(SOCKET, {**dict.fromkeys(documents.time.columns, ""), MEMORY: f"{socket_memory[0]:.2f}"})
    table = report.table("WebSockets through a tunnel, open and nothing else: each takes", "", "MB")
    table.rows.append((f"{MANY} of aiohttp", f"{socket_memory[0]:.2f}"))


@pytest.mark.timeout(850)
async def alone_sockets(hass: HomeAssistant, remote: RemoteRelay) -> None:
    """Open a growing number of WebSockets with Home Assistant's session."""
    async with AsyncExitStack() as sockets:

        async def open_sockets(number: int) -> float:
            for _ in range(number):
                connection = await remote.call_aside(Stage.add_connection)
                socket = await sockets.enter_async_context(
                    async_get_clientsession(hass).ws_connect(
                        f"{connection.url}/sockjs/websocket",
                        headers={"Authorization": encode_basic_auth(connection.user, connection.password)},
                    )
                )
                await socket.receive()
                await socket.send_json({"subscribe": {"state": False, "plugins": False, "events": []}})
            await asyncio.sleep(SETTLED)
            return resident_memory()

        # The first one also loads modules.
        first = await open_sockets(1)
        _tell((await open_sockets(MANY) - first) / MANY)


@pytest.mark.timeout(850)
async def alone_growth(
    hass: HomeAssistant, time_lapse: TimeLapse, remote: RemoteRelay, octoprint: OctoPrintServer
) -> None:
    """Set up a growing number of printers."""
    [variant] = [variant for variant in GROWING if variant.name == os.environ["BENCH_VARIANT"]]
    await remote.call_aside(Stage.change, "connect")
    # The first one also loads modules.
    first = await variant.add(hass, remote, octoprint)
    await set_up(hass, time_lapse, first)
    await sockets_open(hass, remote, time_lapse, int(variant.live))
    await hass.config_entries.async_remove(first.entry_id)
    entries: list[MockConfigEntry] = []
    growth: dict[int, Growth] = {}
    empty = resident_memory()
    for number in PRINTERS if variant in LARGE else PRINTERS[:-1]:
        while len(entries) < number:
            entries.append(await variant.add(hass, remote, octoprint, len(entries) + 1))
            await set_up(hass, time_lapse, entries[-1])
            # One OctoPrint cannot respond to a hundred at once in time.
            if len(entries) == number or (variant.live and len(entries) % 20 == 0):
                await sockets_open(hass, remote, time_lapse, (len(entries) + 1) * variant.live)
        hour = await measured(hass, remote, time_lapse, variant, OWN_TIME if variant is OWN else TIME)
        memory = (await _memory_at_rest(hass, time_lapse) - empty) / number
        entities = len(er.async_entries_for_config_entry(er.async_get(hass), entries[0].entry_id))
        growth[number] = Growth(memory=memory, cpu=hour.cpu / number, entities=entities)
    for entry in entries:
        await hass.config_entries.async_unload(entry.entry_id)
    _tell({number: vars(each) for number, each in growth.items()})


async def _memory_at_rest(hass: HomeAssistant, time_lapse: TimeLapse) -> float:
    glances = []
    for _ in range(REST // GLANCE):
        await time_lapse.pass_by(hass, GLANCE)
        glances.append(resident_memory())
    return min(glances)
