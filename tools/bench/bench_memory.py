"""What the memory of a live printer is made of: what was allocated for it and is still in use, by who allocated it."""

from collections import Counter
import gc
import tracemalloc
from typing import Final

import pytest

from homeassistant.core import HomeAssistant
from tests.octoprint.server import OctoPrintServer

from .hour import set_up, sockets_open
from .remote import RemoteRelay, Stage
from .report import Report
from .time_lapse import TimeLapse
from .variants import VARIANTS

PRINTERS: Final = 20
REST: Final = 120  # seconds; the connections of polls are closed then
PARTS: Final = {
    "/asyncio/sslproto.py": "the push socket's TLS buffer",
    "/homeassistant/helpers/json.py": "Home Assistant: registries as they are stored",
    "/homeassistant/helpers/entity_registry.py": "Home Assistant: entity registry",
    "/homeassistant/helpers/entity": "Home Assistant: entities and their platforms",
    "/homeassistant/helpers/event.py": "Home Assistant: listeners of entities",
    "/homeassistant/helpers/update_coordinator.py": "Home Assistant: listeners of entities",
    "/homeassistant/core.py": "Home Assistant: states",
    "/homeassistant/": "Home Assistant: others",
    "/octoprint_tunnel/": "the integration itself",
}
"""The beginnings of what is looked for in file names, in this order."""


@pytest.mark.timeout(300)
@pytest.mark.parametrize("octoprint_version", ["2.0"])
async def bench_memory(
    hass: HomeAssistant, time_lapse: TimeLapse, remote: RemoteRelay, octoprint: OctoPrintServer, report: Report
) -> None:
    """Add printers that are live through a tunnel, and see what each of them holds."""
    await remote.call_aside(Stage.change, "connect")
    await set_up(hass, time_lapse, await VARIANTS[0].add(hass, remote, octoprint))  # loads modules
    await sockets_open(hass, remote, time_lapse, 1)
    tracemalloc.start()
    before = _sizes()
    for number in range(1, PRINTERS + 1):
        await set_up(hass, time_lapse, await VARIANTS[0].add(hass, remote, octoprint, number))
    await sockets_open(hass, remote, time_lapse, PRINTERS + 1)
    await time_lapse.pass_by(hass, REST)
    after = _sizes()
    tracemalloc.stop()
    after.subtract(before)
    table = report.table(f"{VARIANTS[0].name}: each of {PRINTERS} printers holds", "", "kB")
    table.rows += [(part, f"{size / PRINTERS / 1e3:.0f}") for part, size in after.most_common()]
    table.rows.append(("all", f"{after.total() / PRINTERS / 1e3:.0f}"))


def _sizes() -> Counter[str]:
    """Return the bytes in use by part."""
    gc.collect()
    found: Counter[str] = Counter()
    for statistic in tracemalloc.take_snapshot().statistics("filename"):
        name = statistic.traceback[0].filename
        if name != tracemalloc.__file__:
            found[next((part for pattern, part in PARTS.items() if pattern in name), "others")] += statistic.size
    return found
