"""Which requests a reading makes, and what it makes of the responses. OctoPrint itself is scripted here."""

from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace
from typing import Any, cast

import pytest

from custom_components.octoprint_tunnel.api.errors import (
    CannotConnect,
    DownloadTooLarge,
    InvalidResponse,
    OctoPrintTunnelError,
    PermissionMissing,
    Rejected,
    UnexpectedStatus,
)
from custom_components.octoprint_tunnel.api.octoprint import reader as reader_module
from custom_components.octoprint_tunnel.api.octoprint.client import OctoPrint
from custom_components.octoprint_tunnel.api.octoprint.connection import Connection, ConnectionOptions, PrinterState
from custom_components.octoprint_tunnel.api.octoprint.custom_controls import CustomControl
from custom_components.octoprint_tunnel.api.octoprint.heaters import Heater, PrinterReading
from custom_components.octoprint_tunnel.api.octoprint.job import Job
from custom_components.octoprint_tunnel.api.octoprint.printer_error import PrinterError
from custom_components.octoprint_tunnel.api.octoprint.prompt import Prompt
from custom_components.octoprint_tunnel.api.octoprint.reader import Reader
from custom_components.octoprint_tunnel.api.octoprint.status import PrinterStatus
from custom_components.octoprint_tunnel.api.transport.router import Way

CONNECTION, JOB, VERSION, COMMANDS = "connection", "job", "version", "system_commands"
ERROR = "printer_error"
PROMPT = "prompt"
STATE, HEATERS, BOTH = "state", "heaters", "state and heaters"
PART_FAILED = pytest.mark.parametrize("error", [DownloadTooLarge, InvalidResponse, Rejected, UnexpectedStatus])
RESTART = frozenset({"restart"})
BED = {"bed": Heater(actual=60, target=60)}
WARMER = {"bed": Heater(actual=61, target=60)}


def connection(text: str, port: str | None = None) -> Connection:
    """Return a connection in a state."""
    options = ConnectionOptions(profiles={}, preferred_parameters={})
    return Connection(state=PrinterState.from_text(text), state_text=text, port=port, options=options)


def job(text: str | None, progress: float | None = None, elapsed: int | None = None, **values: Any) -> Job:
    """Return a job of one file."""
    fields: dict[str, Any] = {"path": "part.gcode", "name": "part.gcode", "size": 1000, "left": None, **values}
    return Job(state_text=text, progress=progress, elapsed=elapsed, **fields)


class ScriptedOctoPrint:
    """Responds as a test says, and keeps what it was asked. A list is responded one by one."""

    def __init__(self) -> None:
        """Begin without a printer."""
        self.asked: list[str] = []
        self.responses: dict[str, Any] = {
            CONNECTION: connection("Offline"),
            JOB: job("Offline"),
            VERSION: "2.0.0",
            COMMANDS: RESTART,
            "custom_controls": (),
        }

    def script(self, **responses: Any) -> None:
        """Respond with these from now on."""
        self.responses.update(responses)
        self.asked.clear()

    async def reading(self, *, heaters: bool = True, state: bool = True) -> PrinterReading | None:
        """Return state and heaters as far as they were asked for."""
        assert heaters or state
        found: PrinterReading | None = self._respond(
            BOTH if heaters and state else STATE if state else HEATERS, "reading"
        )
        if found is None:
            return None
        return replace(found, heaters=found.heaters if heaters else {}, state_text=found.state_text if state else None)

    def __getattr__(self, name: str) -> Callable[[], Any]:
        """Return any other request."""

        async def request() -> Any:
            return self._respond(name, name)

        return request

    def _respond(self, asked: str, name: str) -> Any:
        self.asked.append(asked)
        response = self.responses.get(name)
        if isinstance(response, list):
            response = response.pop(0)
        if isinstance(response, type | OctoPrintTunnelError):
            raise response
        return response


class Clock:
    """Monotonic time that a test moves."""

    now = 1000.0

    def monotonic(self) -> float:
        """Return it."""
        return self.now


class Bench:
    """A reader, its scripted OctoPrint, and the reading before."""

    def __init__(self, clock: Clock, *, metered: bool = False) -> None:
        """Begin with nothing known."""
        self.clock = clock
        self.octoprint = ScriptedOctoPrint()
        self.way = Way.TUNNEL
        self.reader = Reader(cast(OctoPrint, self.octoprint), lambda: self.way, metered=metered)
        self.known: PrinterStatus | None = None

    async def read(self, *, live: bool = False, after_command: bool = False) -> PrinterStatus:
        """Read once more."""
        self.octoprint.asked.clear()
        self.known = await self.reader.read(self.known, live=live, after_command=after_command)
        return self.known

    async def settle(self, text: str, *, live: bool = False, progress: float | None = None) -> PrinterStatus:
        """Read until all is known of a printer in this state."""
        connected = PrinterState.from_text(text).is_connected
        self.octoprint.script(
            connection=connection(text, "VIRTUAL" if connected else None),
            job=job(text, progress, 60 if progress else None),
            reading=PrinterReading(state_text=text, heaters=BED) if connected else None,
        )
        await self.read(live=live)
        await self.read(live=live)
        return await self.read(live=live)

    @property
    def asked(self) -> list[str]:
        """Return what the last reading asked for."""
        return self.octoprint.asked


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    """Return the reader's clock."""
    clock = Clock()
    monkeypatch.setattr(reader_module, "time", SimpleNamespace(monotonic=clock.monotonic))
    return clock


@pytest.fixture
def bench(clock: Clock) -> Bench:
    """Return a reader to which nothing is known."""
    return Bench(clock)


# What is asked


async def test_first_readings_of_an_offline_printer(bench: Bench) -> None:
    """The job tells why there is no connection. What is read once comes in two parts, and then no more."""
    first = await bench.read()
    assert bench.asked == [CONNECTION, JOB, VERSION]
    assert (first.state, first.way, first.version, first.system_commands) == ("offline", Way.TUNNEL, "2.0.0", None)
    second = await bench.read()
    assert bench.asked == [JOB, COMMANDS]
    assert (second.version, second.system_commands) == ("2.0.0", RESTART)
    assert await bench.read() == second
    assert bench.asked == [JOB]


async def test_first_reading_of_a_connected_printer(bench: Bench) -> None:
    """Temperatures and the last print belong to it."""
    reading = PrinterReading(state_text="Operational", heaters=BED)
    bench.octoprint.script(connection=connection("Operational"), job=job("Operational", 100, 60), reading=reading)
    first = await bench.read()
    assert bench.asked == [CONNECTION, HEATERS, JOB, VERSION]
    assert (first.state, first.heaters) == ("operational", BED)
    assert first.job is not None
    assert (first.job.progress, first.job.is_over) == (100, True)


@pytest.mark.parametrize(
    ("text", "live", "expected"),
    [
        ("Operational", False, [BOTH]),
        ("Operational", True, [BOTH]),
        ("Printing", False, [JOB, HEATERS]),
        ("Printing", True, [JOB, HEATERS]),
        ("Offline", False, [JOB]),
        ("Offline", True, [STATE]),
        ("Connecting", False, [CONNECTION]),
        ("Connecting", True, [CONNECTION]),
    ],
)
async def test_later_readings(bench: Bench, text: str, live: bool, expected: list[str]) -> None:
    """Only what can have changed is asked for."""
    before = await bench.settle(text, live=live)
    assert bench.asked == expected
    assert before.state == PrinterState.from_text(text)


@pytest.mark.parametrize(
    ("metered", "way", "expected"),
    [(True, Way.TUNNEL, [STATE]), (True, Way.LOCAL, [JOB]), (False, Way.TUNNEL, [JOB])],
)
async def test_offline_printer_on_a_metered_tunnel(clock: Clock, metered: bool, way: Way, expected: list[str]) -> None:
    """The job's state shows attempts to connect, but what shows only that there is no printer is smaller."""
    bench = Bench(clock, metered=metered)
    bench.way = way
    assert (await bench.settle("Offline")).way is way
    assert bench.asked == expected


@pytest.mark.parametrize(("live", "max_age"), [(False, 900), (True, 14400)])
async def test_age_of_the_connection(bench: Bench, live: bool, max_age: float) -> None:
    """It is read as a whole again after a quarter of an hour, or after four hours where OctoPrint reports changes."""
    await bench.settle("Operational", live=live)
    read_at = bench.clock.now
    bench.clock.now = read_at + max_age - 0.5
    await bench.read(live=live)
    assert bench.asked == [BOTH]
    bench.clock.now = read_at + max_age
    await bench.read(live=live)
    assert bench.asked == [CONNECTION, HEATERS, JOB]
    await bench.read(live=live)
    assert bench.asked == [BOTH]


async def test_connection_that_may_be_another_one(bench: Bench) -> None:
    """After a command, and when it may have changed, it is read as a whole once."""
    await bench.settle("Operational")
    await bench.read(after_command=True)
    assert bench.asked == [CONNECTION, HEATERS, JOB]
    bench.reader.invalidate_connection()
    await bench.read()
    assert bench.asked == [CONNECTION, HEATERS, JOB]
    await bench.read()
    assert bench.asked == [BOTH]


@pytest.mark.parametrize(("text", "expected"), [("Operational", [JOB, HEATERS]), ("Offline", [STATE])])
async def test_state_that_octoprint_reports(bench: Bench, text: str, expected: list[str]) -> None:
    """It is read with its job, once; without a printer there is no job to come."""
    await bench.settle(text, live=True)
    bench.reader.expect_state()
    await bench.read(live=True)
    assert bench.asked == expected
    await bench.read(live=True)
    assert bench.asked == ([BOTH] if text == "Operational" else [STATE])


# What a later reading shows


async def test_print_that_begins(bench: Bench) -> None:
    """A state that shows a print brings its job; what is known of the connection stays."""
    await bench.settle("Operational")
    bench.octoprint.script(
        reading=PrinterReading(state_text="Printing", heaters=WARMER), job=job("Printing", 25, 60, left=180)
    )
    shown = await bench.read()
    assert bench.asked == [BOTH, JOB]
    assert (shown.state, shown.connection.port, shown.heaters) == ("printing", "VIRTUAL", WARMER)
    assert (shown.version, shown.system_commands) == ("2.0.0", RESTART)
    assert shown.job is not None
    assert (shown.job.progress, shown.job.left, shown.job.is_over) == (25, 180, False)
    assert shown.job.started_at is not None
    assert abs(datetime.now(UTC) - timedelta(seconds=60) - shown.job.started_at) < timedelta(seconds=10)


async def test_state_of_the_job_goes_before_that_of_the_temperatures(bench: Bench) -> None:
    """They are read one after the other, and the progress belongs to the job's."""
    await bench.settle("Printing", progress=25)
    bench.octoprint.script(job=job("Paused", 30, 70))
    shown = await bench.read()
    assert bench.asked == [JOB, HEATERS, PROMPT]
    assert (shown.state, shown.job and shown.job.progress) == ("paused", 30)


async def test_print_whose_job_has_no_state(bench: Bench) -> None:
    """The state is read with the temperatures then."""
    await bench.settle("Printing", progress=25)
    bench.octoprint.script(job=job(None, 30, 70), reading=PrinterReading(state_text="Pausing", heaters=BED))
    shown = await bench.read()
    assert bench.asked == [JOB, BOTH]
    assert (shown.state, shown.job and shown.job.progress) == ("pausing", 30)


@pytest.mark.parametrize(
    ("text", "reading", "now", "asked"),
    [
        ("Offline", PrinterReading(state_text="Operational", heaters=BED), "Operational", [STATE]),
        ("Operational", None, "Offline", [BOTH]),
        ("Operational", PrinterReading(state_text=None, heaters=BED), "Operational", [BOTH]),
        ("Operational", PrinterReading(state_text="Connecting", heaters={}), "Connecting", [BOTH]),
        ("Operational", InvalidResponse, "Operational", [BOTH]),
    ],
)
async def test_reading_that_shows_another_connection(
    bench: Bench, text: str, reading: object, now: str, asked: list[str]
) -> None:
    """The connection is read as a whole at once."""
    await bench.settle(text, live=True)
    bench.octoprint.script(connection=connection(now, "OTHER"), job=job(now), reading=reading)
    shown = await bench.read(live=True)
    assert bench.asked[:2] == [*asked, CONNECTION]
    assert (shown.state, shown.connection.port) == (PrinterState.from_text(now), "OTHER")


async def test_offline_printer_that_stays_offline(bench: Bench) -> None:
    """The reading is equal to the one before, so that no entity is written."""
    before = await bench.settle("Offline", live=True)
    assert await bench.read(live=True) == before


@pytest.mark.parametrize("before", ["Offline", "Offline after error", "Error: No line number"])
@pytest.mark.parametrize("now", ["Detecting serial connection", "Connecting", "Operational", "Error: Heating failed"])
async def test_offline_printer_that_changes(bench: Bench, before: str, now: str) -> None:
    """The job's state shows it, and the whole connection is read once; what OctoPrint forgets there stays known."""
    await bench.settle(before)
    connected = now == "Operational"
    bench.octoprint.script(
        connection=connection("Closed" if now.startswith("Error") else now, "OTHER" if connected else None),
        job=job(now),
        reading=PrinterReading(state_text=now, heaters=BED) if connected else None,
    )
    shown = await bench.read()
    assert bench.asked[:2] == [JOB, CONNECTION]
    assert (shown.state, shown.connection.port) == (PrinterState.from_text(now), "OTHER" if connected else None)
    if now.startswith("Error"):
        assert shown.connection.error == "Heating failed"
        assert await bench.read() == shown
        assert bench.asked == [JOB]


@pytest.mark.parametrize("failing", [InvalidResponse, job(None)])
async def test_offline_printer_whose_job_shows_no_state(bench: Bench, failing: object) -> None:
    """The connection does, as long as it takes."""
    before = await bench.settle("Offline")
    bench.octoprint.script(job=failing)
    for _ in range(2):
        assert await bench.read() == before
        assert bench.asked == [JOB, CONNECTION]


async def test_error_that_octoprint_forgets(bench: Bench) -> None:
    """It is shown until the printer is connected again."""
    bench.octoprint.script(connection=connection("Closed"), job=job("Offline after error", error="No line number"))
    await bench.read()
    bench.octoprint.script(connection=connection("Closed"), job=job("Offline"))
    for _ in range(2):
        assert (await bench.read()).connection.error == "No line number"


async def test_attempt_to_connect_that_fails(bench: Bench) -> None:
    """The first reading after it shows the error, which the connection does not have any more."""
    bench.octoprint.script(connection=connection("Connecting"), job=job("Connecting"))
    await bench.read()
    bench.octoprint.script(connection=connection("Closed"), job=job("Offline after error", error="No port"))
    shown = await bench.read()
    assert bench.asked[:2] == [CONNECTION, JOB]
    assert (shown.state, shown.connection.error) == ("offline_after_error", "No port")


async def test_error_that_the_connection_does_not_show(bench: Bench) -> None:
    """The state stays as it is when the whole connection is read again."""
    bench.octoprint.script(connection=connection("Offline"), job=job("Error", error="No firmware"))
    await bench.read()
    states = set()
    for _ in range(40):
        bench.clock.now += 60
        states.add((await bench.read()).state)
    assert states == {PrinterState.ERROR}


async def test_way(bench: Bench) -> None:
    """It is that of the last request, also where nothing else has changed."""
    before = await bench.settle("Offline", live=True)
    bench.way = Way.LOCAL
    assert await bench.read(live=True) == replace(before, way=Way.LOCAL)


async def test_print_that_has_ended_meanwhile(bench: Bench) -> None:
    """With the last job, whose progress is that of the print to its end."""
    await bench.settle("Printing", progress=25)
    bench.octoprint.script(connection=connection("Operational"), job=job("Operational", 100, 90))
    bench.reader.invalidate_connection()
    shown = await bench.read()
    assert bench.asked == [CONNECTION, HEATERS, JOB]
    assert shown.job is not None
    assert (shown.job.progress, shown.job.is_over) == (100, True)


async def test_connection_that_has_ended_meanwhile(bench: Bench) -> None:
    """The job is read, because there may have been a print until then."""
    await bench.settle("Operational")
    bench.octoprint.script(connection=connection("Offline"), job=job("Offline", 100, 90))
    shown = await bench.read(after_command=True)
    assert bench.asked == [CONNECTION, JOB]
    assert (shown.state, shown.job and shown.job.progress) == ("offline", 100)


# Parts that fail


@PART_FAILED
async def test_job_that_cannot_be_read(bench: Bench, error: type[OctoPrintTunnelError]) -> None:
    """State and temperatures are shown; a print that is over by then has no time left, and the next no old file."""
    await bench.settle("Printing", progress=25)
    assert bench.known is not None
    assert bench.known.job is not None
    bench.known = replace(bench.known, job=replace(bench.known.job, left=100))
    bench.octoprint.script(job=error, reading=PrinterReading(state_text="Printing", heaters=WARMER))
    shown = await bench.read()
    assert bench.asked == [JOB, BOTH, JOB]
    assert (shown.state, shown.heaters, shown.job and shown.job.left) == ("printing", WARMER, 100)
    bench.octoprint.script(reading=PrinterReading(state_text="Operational", heaters=BED))
    shown = await bench.read()
    assert shown.job is not None
    assert (shown.job.left, shown.job.is_over) == (None, True)
    assert await bench.read() == shown
    bench.octoprint.script(reading=PrinterReading(state_text="Printing", heaters=BED))
    assert (await bench.read()).job is None


@PART_FAILED
async def test_temperatures_that_cannot_be_read(bench: Bench, error: type[OctoPrintTunnelError]) -> None:
    """The rest is shown: the job's state in a print, and the connection without one."""
    await bench.settle("Printing", progress=25)
    bench.octoprint.script(job=job("Pausing", 30, 70), reading=error)
    shown = await bench.read()
    assert bench.asked == [JOB, HEATERS]
    assert (shown.state, shown.connection.port, shown.heaters) == ("pausing", "VIRTUAL", {})
    assert (shown.job and shown.job.progress) == 30
    bench.octoprint.script(connection=connection("Offline"), job=job("Offline"))
    assert (await bench.read()).state == "offline"
    assert bench.asked == [JOB, HEATERS, CONNECTION, JOB, ERROR]


@pytest.mark.parametrize("heaters", [InvalidResponse, None])
async def test_temperatures_that_are_missing_from_a_whole_reading(bench: Bench, heaters: object) -> None:
    """There are none then."""
    bench.octoprint.script(connection=connection("Operational"), job=job("Operational"), reading=heaters)
    assert (await bench.read()).heaters == {}


@PART_FAILED
async def test_connection_that_cannot_be_read(bench: Bench, error: type[OctoPrintTunnelError]) -> None:
    """What is known of it goes on, with the job's state, and it is tried again with each reading."""
    await bench.settle("Operational")
    bench.octoprint.script(connection=error, job=job("Printing", 25, 60))
    bench.reader.invalidate_connection()
    for _ in range(2):
        shown = await bench.read()
        assert bench.asked == [CONNECTION, JOB, HEATERS]
        assert (shown.state, shown.connection.port, shown.heaters) == ("printing", "VIRTUAL", BED)
        assert (shown.job and shown.job.progress) == 25


@pytest.mark.parametrize("known", [True, False])
@pytest.mark.parametrize("failing", [job(None), InvalidResponse])
async def test_connection_of_which_nothing_can_be_read(bench: Bench, known: bool, failing: object) -> None:
    """Without a state there is nothing to show; without an earlier reading there is no job to ask for."""
    if known:
        await bench.settle("Operational")
    bench.octoprint.script(connection=UnexpectedStatus, job=failing)
    with pytest.raises(UnexpectedStatus):
        await bench.read(after_command=True)
    assert bench.asked == ([CONNECTION, JOB] if known else [CONNECTION])


@PART_FAILED
async def test_version_and_commands_that_cannot_be_read(bench: Bench, error: type[OctoPrintTunnelError]) -> None:
    """They are not asked for again and again."""
    bench.octoprint.script(version=error, system_commands=error)
    assert (await bench.read()).version is None
    shown = await bench.read()
    assert (shown.version, shown.system_commands) == (None, frozenset())
    await bench.read()
    assert bench.asked == [JOB]


@pytest.mark.parametrize(
    ("part", "text"),
    [("connection", "Offline"), ("job", "Offline"), ("reading", "Operational"), ("job", "Printing")],
)
async def test_octoprint_that_is_away(bench: Bench, part: str, text: str) -> None:
    """It may be updated or set up again meanwhile: then everything is read, and the last print goes on."""
    before = await bench.settle(text, progress=25)
    works = bench.octoprint.responses[part]
    bench.octoprint.script(**{part: CannotConnect})
    if part == "connection":
        bench.clock.now += 900  # it is read again
    with pytest.raises(CannotConnect):
        await bench.read()
    bench.octoprint.script(**{part: works}, version="2.0.1", system_commands=frozenset({"reboot"}))
    back = await bench.read()
    heaters = [HEATERS] if text != "Offline" else []
    controls = ["custom_controls"] if text != "Offline" else []
    assert bench.asked == [CONNECTION, *heaters, JOB, VERSION, COMMANDS, *controls]
    assert (back.version, back.system_commands) == ("2.0.1", frozenset({"reboot"}))
    assert (back.job and back.job.started_at) == (before.job and before.job.started_at)


@pytest.mark.parametrize("live", [True, False])
@pytest.mark.parametrize("error", [InvalidResponse, Rejected, UnexpectedStatus])
async def test_custom_controls_that_failed(
    bench: Bench, clock: Clock, error: type[OctoPrintTunnelError], live: bool
) -> None:
    """They are read again when the whole connection is, not with each reading."""
    controls = (CustomControl(name="Home", lines=("G28",)),)
    bench.octoprint.script(custom_controls=error)
    assert (await bench.settle("Operational", live=live)).custom_controls is None
    bench.octoprint.script(custom_controls=controls)
    for _ in range(3):
        assert (await bench.read(live=live)).custom_controls is None
        assert "custom_controls" not in bench.asked
    clock.now += reader_module.LIVE_CONNECTION_MAX_AGE
    assert (await bench.read(live=live)).custom_controls == controls
    assert bench.asked.count("custom_controls") == 1
    await bench.read(live=live)
    assert "custom_controls" not in bench.asked


@pytest.mark.parametrize(
    "error", [PermissionMissing(), DownloadTooLarge(), UnexpectedStatus(code=404)], ids=["permission", "size", "404"]
)
async def test_custom_controls_that_are_not_to_be_had(bench: Bench, clock: Clock, error: OctoPrintTunnelError) -> None:
    """They are not read again while OctoPrint runs."""
    bench.octoprint.script(custom_controls=error)
    assert (await bench.settle("Operational")).custom_controls == ()
    clock.now += reader_module.LIVE_CONNECTION_MAX_AGE
    await bench.read()
    assert "custom_controls" not in bench.asked


# What changes between two requests of a reading


async def test_connection_and_job_that_disagree(bench: Bench) -> None:
    """They are read once more, and agree then."""
    bench.octoprint.script(
        connection=[connection("Offline"), connection("Operational", "VIRTUAL")],
        job=job("Operational"),
        reading=PrinterReading(state_text="Operational", heaters=BED),
    )
    shown = await bench.read()
    assert bench.asked == [CONNECTION, JOB, CONNECTION, HEATERS, JOB, VERSION]
    assert (shown.state, shown.connection.port) == ("operational", "VIRTUAL")


async def test_connection_and_job_that_go_on_to_disagree(bench: Bench) -> None:
    """The connection is shown, and the next reading begins with it."""
    bench.octoprint.script(connection=connection("Offline"), job=job("Operational"))
    shown = await bench.read(live=True)
    assert bench.asked == [CONNECTION, JOB, CONNECTION, JOB, VERSION]
    assert (shown.state, shown.job and shown.job.state_text) == ("offline", None)
    await bench.read(live=True)
    assert bench.asked[0] == CONNECTION


async def test_state_of_the_job_replaces_that_of_the_connection(bench: Bench) -> None:
    """It was read later."""
    bench.octoprint.script(
        connection=connection("Operational", "VIRTUAL"),
        job=job("Printing", 1, 1),
        reading=PrinterReading(state_text="Operational", heaters=BED),
    )
    shown = await bench.read()
    assert bench.asked == [CONNECTION, HEATERS, JOB, VERSION]
    assert (shown.state, shown.connection.state_text, shown.connection.port) == ("printing", "Printing", "VIRTUAL")


async def test_state_that_is_not_known_yet(bench: Bench) -> None:
    """A job in a state of a later version of OctoPrint takes nothing from the connection."""
    bench.octoprint.script(connection=connection("Offline"), job=job("Dreaming"))
    shown = await bench.read()
    assert (shown.state, shown.connection.state_text) == ("offline", "Offline")


# Errors


async def lose(bench: Bench, text: str, *, reported: str | None = None, **values: Any) -> PrinterStatus:
    """Let a connected printer be lost, and read that."""
    await bench.settle("Operational")
    if reported is not None:
        bench.reader.expect_state(PrinterError(text=reported))
    bench.octoprint.script(connection=connection("Offline"), job=job(text, **values), reading=None)
    return await bench.read(after_command=True)


@pytest.mark.parametrize(
    ("text", "reported", "values", "state", "error"),
    [
        ("Offline", None, {}, "offline", None),
        ("Offline", "halted", {}, "offline", None),  # it was disconnected afterwards
        ("Offline after error", None, {}, "offline_after_error", None),
        ("Offline after error", "halted", {}, "offline_after_error", "halted"),
        ("Offline after error", "halted", {"error": "of the job"}, "offline_after_error", "halted"),
        ("Offline after error", None, {"error": "of the job"}, "offline_after_error", "of the job"),
        ("Offline (Error: of the state)", None, {"error": "of the job"}, "offline_after_error", "of the state"),
    ],
)
async def test_error_that_ended_the_connection(
    bench: Bench, text: str, reported: str | None, values: dict[str, Any], state: str, error: str | None
) -> None:
    """It is taken from the state, else from what OctoPrint reported, else from the job, and stays while it lasts."""
    for _ in range(3):
        shown = await lose(bench, text, reported=reported, **values) if bench.known is None else await bench.read()
        assert (shown.state, shown.connection.error) == (state, error)


async def test_error_that_is_reported_without_a_job(bench: Bench) -> None:
    """It is shown all the same."""
    await bench.settle("Operational")
    bench.reader.expect_state(PrinterError(text="halted"))
    bench.reader.expect_state()
    bench.octoprint.script(connection=connection("Offline"), job=InvalidResponse, reading=None)
    shown = await bench.read()
    assert (shown.state, shown.connection.error) == ("offline_after_error", "halted")


async def test_error_of_an_earlier_reading(bench: Bench) -> None:
    """It stays where the job tells only that there was one."""
    await lose(bench, "Offline after error", error="of the job")
    bench.octoprint.script(job=job("Offline after error"))
    for connected in (False, True):
        if connected:
            assert bench.known is not None
            bench.octoprint.script(connection=[connection("Offline"), connection("Offline")])
            bench.known = replace(bench.known, connection=replace(bench.known.connection, state=PrinterState.PRINTING))
            bench.octoprint.script(connection=connection("Offline"))
        assert (await bench.read()).connection.error == "of the job"


async def test_error_is_forgotten_with_the_next_connection(bench: Bench) -> None:
    """A connection that is lost later has its own reason."""
    await lose(bench, "Offline after error", reported="halted")
    assert (await bench.settle("Operational")).connection.error is None
    assert (await lose(bench, "Offline after error")).connection.error is None


async def test_error_that_octoprint_goes_on_with(bench: Bench) -> None:
    """A reported error that has not ended the connection is not the reason of a later loss."""
    await bench.settle("Operational")
    bench.reader.expect_state(PrinterError(text="odd line"))
    await bench.read()
    assert (await lose(bench, "Offline after error")).connection.error is None


async def test_disconnection_after_an_error(bench: Bench) -> None:
    """An error that OctoPrint reported before it was told to disconnect is not shown later."""
    await lose(bench, "Offline", reported="halted")
    bench.octoprint.script(job=InvalidResponse)
    assert (await bench.read()).connection.error is None


RUNAWAY = PrinterError(text="Runaway", reason="firmware", consequence="disconnect")


@pytest.mark.parametrize(
    ("kept", "reported", "expected", "asked"),
    [
        (RUNAWAY, None, RUNAWAY, True),
        (None, RUNAWAY, RUNAWAY, False),
        (None, None, PrinterError(text="Runaway"), True),
        (PrinterError(text="An earlier one", reason="firmware"), None, PrinterError(text="Runaway"), True),
        (UnexpectedStatus, None, PrinterError(text="Runaway"), True),  # before OctoPrint 1.10
    ],
)
async def test_consequence_of_an_error(
    bench: Bench, kept: object, reported: PrinterError | None, expected: PrinterError, asked: bool
) -> None:
    """It is read once, unless OctoPrint reported it, and forgotten with the next connection."""
    await bench.settle("Operational")
    if reported:
        bench.reader.expect_state(reported)
    lost = job("Offline after error", error="Runaway")
    bench.octoprint.script(connection=connection("Offline"), job=lost, reading=None, printer_error=kept)
    assert (await bench.read(after_command=True)).error == expected
    assert (ERROR in bench.octoprint.asked) is asked
    assert (await bench.read()).error == expected
    assert ERROR not in bench.octoprint.asked
    assert (await bench.settle("Operational")).error is None


@pytest.mark.parametrize(("progress", "asked"), [(40, True), (100, False)])
async def test_error_that_canceled_a_print(bench: Bench, progress: float, asked: bool) -> None:
    """It is asked for once when a print has ended before it was done, and shown until the next one."""
    await bench.settle("Printing")
    canceled = PrinterError(text="Probing failed", reason="firmware", consequence="cancel")
    bench.octoprint.script(job=job("Operational", progress, 10), printer_error=canceled)
    assert (await bench.read()).error == (canceled if asked else None)
    assert (ERROR in bench.octoprint.asked) is asked
    assert (await bench.read()).error == (canceled if asked else None)
    assert ERROR not in bench.octoprint.asked
    assert (await bench.settle("Printing")).error is None


# what the printer asks

ASKED = Prompt(text="Load filament?", choices=("Yes",))


@pytest.mark.parametrize("way", [Way.LOCAL, Way.TUNNEL])
async def test_prompt_is_read_where_it_is_likely(bench: Bench, way: Way) -> None:
    """While the print is paused, as long as it is shown, and on the local network during each print."""
    bench.way = way
    await bench.settle("Operational")
    assert PROMPT not in bench.asked
    await bench.settle("Printing", progress=25)
    assert (PROMPT in bench.asked) is (way is Way.LOCAL)
    await bench.settle("Paused", progress=25)
    bench.octoprint.script(prompt=ASKED)
    assert (await bench.read()).prompt == ASKED
    await bench.settle("Operational")
    assert PROMPT in bench.asked
    bench.octoprint.script(prompt=None)
    assert (await bench.read()).prompt is None
    assert PROMPT in bench.asked
    await bench.read()
    assert PROMPT not in bench.asked


async def test_prompt_of_live_updates(bench: Bench) -> None:
    """It is read once when they begin; OctoPrint reports each one then, and one that is read meanwhile is older."""
    await bench.settle("Paused", live=True, progress=25)
    assert PROMPT not in bench.asked
    bench.reader.expect_prompt()
    bench.octoprint.script(prompt=ASKED)
    assert (await bench.read(live=True)).prompt == ASKED
    bench.reader.set_prompt(None)
    assert (await bench.read(live=True)).prompt is None
    assert PROMPT not in bench.asked

    class Closing(ScriptedOctoPrint):
        async def prompt(self) -> Prompt:
            bench.reader.set_prompt(None)
            return ASKED

    bench.reader._octoprint = cast(OctoPrint, Closing())
    bench.reader.expect_prompt()
    bench.reader._octoprint.script(**bench.octoprint.responses)  # type: ignore[attr-defined]
    assert (await bench.read(live=True)).prompt is None


async def test_prompt_ends_with_the_connection(bench: Bench) -> None:
    """A printer that is not connected asks nothing."""
    bench.reader.set_prompt(ASKED)
    assert (await bench.settle("Paused", live=True, progress=25)).prompt == ASKED
    assert (await bench.settle("Offline", live=True)).prompt is None


@pytest.mark.parametrize(
    ("error", "is_final"),
    [
        (PermissionMissing(detail="INTERACT"), True),
        (UnexpectedStatus(code=404), True),
        (UnexpectedStatus(code=500), False),
        (InvalidResponse(), False),
    ],
)
async def test_prompt_that_cannot_be_read(bench: Bench, error: OctoPrintTunnelError, is_final: bool) -> None:
    """Without the plugin or the permission it is not asked for again before OctoPrint was away."""

    async def fail() -> Prompt:
        bench.asked.append(PROMPT)
        raise error

    bench.octoprint.prompt = fail  # type: ignore[attr-defined]
    await bench.settle("Paused", progress=25)
    assert (PROMPT in bench.asked) is not is_final
    assert (await bench.read()).prompt is None
