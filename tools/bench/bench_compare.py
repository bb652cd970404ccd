"""The cost of this integration compared with Home Assistant's own `octoprint`, on the same real OctoPrint.

The relay runs in a process of its own; Home Assistant and its clock are those of this process. How the figures come
about:

- **Requests and bytes** of an hour, as the relay counts them: HTTP bodies and WebSocket payload, both ways, without
  headers. Each variant is alone. The hour is a time-lapse (see `time_lapse`), so every poll, check and reopened socket
  of it takes place. OctoPrint lives in real time meanwhile, so what it pushes in an hour is counted apart, in some
  seconds of real time, and scaled. A day is the set-up, the opening of the socket with it, and 24 such hours.
- **Delay**: all variants are in one Home Assistant and see the same changes, at random moments. It begins when a socket
  of the bench's own, straight to OctoPrint, says that the printer is connected or is not; it ends with the state in
  Home Assistant. OctoPrint and all sockets run in real time; once everything live must have come, the time until the
  next poll is a time-lapse. So are the pauses between changes.
- **States**: writes to the state machine in the same hour. What OctoPrint pushes meanwhile is not a part of it.
- **CPU**: time of the event loop's thread during the hour; TLS is a part of it, so what goes through a tunnel is
  compared with `octoprint` over https. An update is one refresh of a coordinator; where OctoPrint pushes there are few
  of them, so there the hour as a whole is compared.
"""

import asyncio
from collections.abc import Iterator
from dataclasses import dataclass, field
import random
from statistics import median

import pytest
from pytest_homeassistant_custom_component.common import MockConfigEntry

from homeassistant.const import EVENT_STATE_CHANGED
from homeassistant.core import Event, EventStateChangedData, HomeAssistant, callback
from tests.octoprint.server import OctoPrintServer

from .documents import (
    CONNECTED,
    IDLE,
    IDLE_DAY,
    IDLE_REQUESTS,
    LOOP,
    MAXIMUM,
    MEDIAN,
    OLD_PRINTING,
    PRINTING,
    UPDATE,
    Documents,
)
from .hour import Hour, measured, set_up, sockets_open
from .remote import Counts, RemoteRelay, Stage
from .report import Report
from .time_lapse import TimeLapse
from .variants import OWN, OWN_HTTPS, VARIANTS, Variant

SETUPS = 5
SITUATIONS = ("idle", "connected", "printing")
OLD, NEW = VERSIONS = ("1.11", "2.0")

PUSH_TIME = 1.5  # seconds of real time for a change to arrive by push
LONGEST_POLL = 150  # seconds
SEED = 6

# Long enough for every variant; hot, so that temperatures change.
GCODE = "M140 S60\nM104 S200\n" + "G4 P500\n" * 20_000


@dataclass(kw_only=True)
class Cost:
    """The cost of a variant."""

    setup_seconds: float
    opening: Counts
    hours: dict[str, Hour] = field(default_factory=dict)

    @property
    def idle_day(self) -> float:
        """Return the megabytes of a day with its set-up, without the service's own responses."""
        return (self.opening.bytes + 24 * self.hours["idle"].printer.bytes) / 1e6

    @property
    def idle_requests(self) -> int:
        """Return the requests to OctoPrint and to the service in a day with its set-up."""
        hour = self.hours["idle"]
        return self.opening.requests + 24 * (hour.printer.requests + hour.service.requests)


type Costs = dict[tuple[str, Variant], Cost]
type Delays = dict[tuple[str, Variant], list[float]]


async def bring_about(hass: HomeAssistant, octoprint: OctoPrintServer, remote: RemoteRelay, situation: str) -> None:
    """Bring the printer from the previous situation into this one."""
    if situation == "connected":
        await remote.call_aside(Stage.change, "connect")
    elif situation == "printing":
        (octoprint.basedir / "uploads" / "bench.gcode").write_text(GCODE)
        command = {"command": "select", "print": True}
        status, body = await hass.async_add_executor_job(
            octoprint.request, "POST", "/api/files/local/bench.gcode", command
        )
        assert status == 204, body


@pytest.fixture(scope="module")
def costs(report: Report, documents: Documents) -> Iterator[Costs]:
    """Collect costs, and report on them."""
    costs: Costs = {}
    yield costs
    for (version, variant), cost in costs.items():
        _document(documents, version, variant, cost)
    for (version, variant), cost in costs.items():
        traffic = report.table(
            f"One hour, one printer, OctoPrint {version}: requests to OctoPrint and to the service, kB both ways",
            *("", *(f"{situation}: {what}" for situation in SITUATIONS for what in ("requests", "kB"))),
            *("service: requests", "kB"),
        )
        hours = [cost.hours[situation] for situation in SITUATIONS]
        cells = [cell for hour in hours for cell in (f"{hour.printer.requests}", f"{hour.printer.bytes / 1e3:.1f}")]
        service = hours[0].service
        traffic.rows.append((variant.name, *cells, f"{service.requests}", f"{service.bytes / 1e3:.1f}"))
        day = report.table(
            f"One idle day, one printer, OctoPrint {version}: MB between Home Assistant and OctoPrint",
            *("", "set-up", "day", "times less than `octoprint`"),
        )
        own = costs.get((version, OWN))
        times = f"{own.idle_day / cost.idle_day:.0f}" if own else ""
        day.rows.append((variant.name, f"{cost.opening.bytes / 1e6:.3f}", f"{cost.idle_day:.2f}", times))
        cpu = report.table(
            f"Event loop of Home Assistant, one printer, OctoPrint {version}",
            *("", "set-up, ms", *(f"{situation}, s an hour" for situation in SITUATIONS), "ms an update"),
        )
        cpu.rows.append(
            (
                variant.name,
                f"{cost.setup_seconds * 1e3:.0f}",
                *(f"{hour.cpu:.2f}" for hour in hours),
                f"{cost.hours['connected'].cpu_per_update * 1e3:.2f}",
            )
        )
        states = report.table(
            f"One hour, one printer, OctoPrint {version}: states that were written, and updates of coordinators",
            *("", *(f"{situation}: {what}" for situation in SITUATIONS for what in ("changed", "same", "updates"))),
        )
        written = [f"{number}" for hour in hours for number in (hour.changes, hour.reports, hour.updates)]
        states.rows.append((variant.name, *written))
    for (version, variant), cost in costs.items():
        if variant.service is None:
            continue
        name = f"{variant.name}, OctoPrint {version}"
        reports = max(hour.reports / max(1, hour.updates) for hour in cost.hours.values())
        report.at_most(f"unchanged states written, {name}", reports, 1, "an update")
        if not variant.local:
            report.at_most(f"idle day, {name}", cost.idle_day, 0.3 if variant.live else 3, "MB")
            if variant.live:
                report.at_most(f"requests in an idle day, {name}", cost.idle_requests, 300, "requests")
        elif variant.live:
            requests = 24 * cost.hours["idle"].service.requests
            report.at_most(f"requests to the service in an idle day, {name}", requests, 300, "requests")
        if not (own := costs.get((version, OWN))):
            continue
        if variant.live:
            for situation in ("idle", "connected"):
                times_less = own.hours[situation].printer.bytes / max(1, cost.hours[situation].printer.bytes)
                report.at_least(f"fewer bytes, {situation}, {name}", times_less, 20, "times")
        compared = ("printing",) if variant.live else SITUATIONS if variant.local else ()
        for situation in compared:
            size, own_size = (each.hours[situation].printer.bytes / 1e3 for each in (cost, own))
            report.at_most(f"{situation}, {name}", size, round(own_size, 1), "kB an hour")
        if not (alike := costs.get((version, OWN_HTTPS if variant.https else OWN))):
            continue
        ours, theirs = cost.hours["connected"], alike.hours["connected"]
        report.at_most(f"event loop, connected, {name}", ours.cpu, round(theirs.cpu, 3), "s an hour")
        if not variant.live:  # a push is no update
            report.at_most(
                f"event loop per update, {name}", ours.cpu_per_update * 1e3, round(theirs.cpu_per_update * 1e3, 2), "ms"
            )


def _size(kilobytes: float) -> str:
    return f"{kilobytes:.0f}" if kilobytes >= 100 else f"{kilobytes:.1f}"


def _document(documents: Documents, version: str, variant: Variant, cost: Cost) -> None:
    """Set the cells of the documentation, which is about OctoPrint 2.0."""
    kilobytes = {situation: _size(hour.printer.bytes / 1e3) for situation, hour in cost.hours.items()}
    if version == OLD:
        documents.data.note(variant.name, {OLD_PRINTING: kilobytes["printing"]})
        return
    documents.data.note(
        variant.name,
        {
            IDLE: kilobytes["idle"],
            CONNECTED: kilobytes["connected"],
            PRINTING: kilobytes["printing"],
            IDLE_DAY: f"{cost.idle_day:.2f}",
            IDLE_REQUESTS: f"{cost.idle_requests}",
        },
    )
    connected = cost.hours["connected"]
    # A push is no update, so this says nothing of a variant with a socket.
    update = "" if variant.live else f"{connected.cpu_per_update * 1e3:.1f}"
    documents.time.note(variant.name, {LOOP: f"{connected.cpu:.2f}", UPDATE: update})


@pytest.mark.timeout(600)
@pytest.mark.parametrize("variant", VARIANTS, ids=lambda variant: variant.name)
@pytest.mark.parametrize("octoprint_version", VERSIONS)
async def bench_hours(
    hass: HomeAssistant,
    time_lapse: TimeLapse,
    remote: RemoteRelay,
    octoprint: OctoPrintServer,
    octoprint_version: str,
    costs: Costs,
    variant: Variant,
) -> None:
    """Let an hour pass in each situation, with one variant."""
    entry = await variant.add(hass, remote, octoprint)
    seconds = []
    for _ in range(SETUPS):
        seconds.append(await set_up(hass, time_lapse, entry))
        await hass.config_entries.async_unload(entry.entry_id)
    before, _ = await remote.call_aside(Stage.counts)
    await set_up(hass, time_lapse, entry)
    await sockets_open(hass, remote, time_lapse, before.sockets + variant.live)
    after, _ = await remote.call_aside(Stage.counts)
    cost = Cost(setup_seconds=median(seconds), opening=after - before)
    try:
        for situation in SITUATIONS:
            await bring_about(hass, octoprint, remote, situation)
            # Until the effects of the change have ended.
            await asyncio.sleep(PUSH_TIME)
            await time_lapse.pass_by(hass, 1800)
            cost.hours[situation] = await measured(hass, remote, time_lapse, variant)
    finally:
        await hass.async_add_executor_job(octoprint.request, "POST", "/api/job", {"command": "cancel"})
        await hass.config_entries.async_unload(entry.entry_id)
    costs[octoprint_version, variant] = cost


@pytest.fixture(scope="module")
def delays(report: Report, documents: Documents) -> Iterator[Delays]:
    """Collect delays, and report on them."""
    delays: Delays = {}
    yield delays
    for (version, variant), seconds in delays.items():
        table = report.table(
            f"From a change in OctoPrint {version} to the state in Home Assistant, seconds",
            *("", "changes", "median", "maximum"),
        )
        table.rows.append((variant.name, f"{len(seconds)}", f"{median(seconds):.3f}", f"{max(seconds):.3f}"))
        if version == NEW:
            documents.time.note(variant.name, {MEDIAN: _duration(median(seconds)), MAXIMUM: _duration(max(seconds))})
        if variant.live:
            name = f"{variant.name}, OctoPrint {version}"
            report.at_most(f"median delay, {name}", median(seconds), 0.5, "s")
            report.at_most(f"maximum delay, {name}", max(seconds), 1, "s")
            times_shorter = median(delays[version, OWN]) / max(0.001, median(seconds))
            report.at_least(f"shorter delay, {name}", times_shorter, 20, "times")


def _duration(seconds: float) -> str:
    """Return the seconds, or the milliseconds of less than one."""
    return f"{seconds:.0f} s" if seconds >= 1 else f"{seconds * 1e3:.0f} ms"


@pytest.mark.timeout(1800)
@pytest.mark.parametrize("octoprint_version", VERSIONS)
async def bench_delay(
    hass: HomeAssistant,
    time_lapse: TimeLapse,
    remote: RemoteRelay,
    octoprint: OctoPrintServer,
    octoprint_version: str,
    delays: Delays,
    request: pytest.FixtureRequest,
) -> None:
    """Change the printer's state many times, with all variants in one Home Assistant."""
    entries: dict[Variant, MockConfigEntry] = {}
    for variant in VARIANTS:
        entries[variant] = await variant.add(hass, remote, octoprint)
        await set_up(hass, time_lapse, entries[variant])
    await sockets_open(hass, remote, time_lapse, sum(variant.live for variant in VARIANTS))
    watched = {variant.state_entity(hass, entry): variant for variant, entry in entries.items()}
    connected: dict[Variant, tuple[bool, float]] = {}

    @callback
    def note(event: Event[EventStateChangedData]) -> None:
        state = event.data["new_state"]
        if state is None or (variant := watched.get(state.entity_id)) is None:
            return
        # The `octoprint` integration shows nothing without a printer.
        is_connected = {"operational": True, "offline": False, "unavailable": False}.get(state.state)
        if is_connected is not None and connected.get(variant, (None, 0))[0] is not is_connected:
            connected[variant] = is_connected, time_lapse.now()

    stop_listening = hass.bus.async_listen(EVENT_STATE_CHANGED, note)
    moments = random.Random(SEED)
    for number in range(request.config.getoption("--changes")):
        await time_lapse.pass_by(hass, moments.uniform(20, 80))
        connects = number % 2 == 0
        happened = await remote.call_aside(Stage.change, "connect" if connects else "disconnect") + time_lapse.skipped
        await asyncio.sleep(PUSH_TIME)
        await time_lapse.pass_by(
            hass,
            LONGEST_POLL,
            until=lambda wanted=connects: all(connected.get(variant, (None, 0))[0] is wanted for variant in VARIANTS),  # type: ignore[misc]
        )
        for variant in VARIANTS:
            shown, when = connected[variant]
            assert shown is connects, f"{variant.name} does not show change {number}"
            # A push may arrive before the observer's.
            delays.setdefault((octoprint_version, variant), []).append(max(0.0, when - happened))
    stop_listening()
    for entry in entries.values():
        await hass.config_entries.async_unload(entry.entry_id)
