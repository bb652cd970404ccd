"""Print events on real prints: each occurrence once, with what the other entities show at that moment."""

from datetime import timedelta
from itertools import product
import json

import pytest

from custom_components.octoprint_tunnel import pace
from custom_components.octoprint_tunnel.api.octoprint.print_event import PrintEventType
from homeassistant.core import Event
from homeassistant.setup import async_setup_component

from .home import Home, entities, settle, until
from .octoprint import printing
from .octoprint.server import OctoPrintServer

BOTH_VERSIONS = pytest.mark.parametrize("octoprint_version", ["1.11", "2.0"])
MODES = [
    pytest.param(
        version, "obico" if way == "obico" else "octoeverywhere", way == "local", live, id=f"{version}-{way}-{live}"
    )
    for version, way, live in product(("1.11", "2.0"), ("octoeverywhere", "obico", "local"), ("live", "polled"))
]
NOT = ("not_from", "not_to")
READ = ("printer_state", "printing", "paused", "print_file", "print_progress")


class Told:
    """What an automation reads when the print event triggers it: the event, and other entities."""

    def __init__(self, home: Home) -> None:
        """Prepare to listen."""
        self.home = home
        self.all: list[dict[str, object]] = []

    async def listen(self) -> None:
        """Have an automation triggered by each event."""
        ids = entities(self.home.hass, self.home.entry)
        attributes = "{{ dict(trigger.to_state.attributes) | to_json }}"
        read = {key: f"{{{{ states('{ids[key]}') }}}}" for key in READ}
        automation = {
            "triggers": [{"trigger": "state", "entity_id": ids["print_event"], **dict.fromkeys(NOT, "unavailable")}],
            "actions": [{"event": "told", "event_data": {"attributes": attributes, **read}}],
            "mode": "queued",
        }
        self.home.hass.bus.async_listen("told", self._take)
        assert await async_setup_component(self.home.hass, "automation", {"automation": [automation]})
        await self.home.hass.async_block_till_done()

    def _take(self, event: Event) -> None:
        data = dict(event.data)
        attributes = data.pop("attributes")
        self.all.append((json.loads(attributes) if isinstance(attributes, str) else attributes) | data)

    @property
    def kinds(self) -> list[object]:
        """Return what happened."""
        return [told["event_type"] for told in self.all]

    async def next(self, kind: PrintEventType) -> dict[str, object]:
        """Return the only event that comes next, which is of this kind."""
        await until(lambda: self.all)
        await settle(self.home.hass)
        assert self.kinds == [kind], self.all
        return self.all.pop()


@pytest.fixture(autouse=True)
def _often(hurried: None, monkeypatch: pytest.MonkeyPatch) -> None:
    """Poll more often than is due: a test's print lasts seconds."""
    monkeypatch.setattr(pace, "PRINT_INTERVAL", timedelta(seconds=1))


async def post(home: Home, path: str, **command: str) -> None:
    """Command something in OctoPrint itself."""
    await home.in_octoprint(OctoPrintServer.request, "POST", path, command)


async def begin(home: Home, moves: int = 300, name: str = "part.gcode") -> None:
    """Begin a print in OctoPrint itself."""
    await home.in_octoprint(printing.start, moves, name)


@pytest.fixture
async def told(new_live_home: Home) -> Told:
    """Return what is told of a printer that is connected, with live updates."""
    await new_live_home.listen()
    await post(new_live_home, "/api/connection", command="connect")
    await new_live_home.until_state("operational")
    told = Told(new_live_home)
    await told.listen()
    return told


@pytest.mark.long
@pytest.mark.parametrize(("octoprint_version", "provider", "is_local", "updates"), MODES)
async def test_prints(new_live_home: Home, octoprint_version: str, is_local: bool, updates: str) -> None:
    """A print that is paused, resumed and canceled, one that is done, and one that fails: by reports and by polls."""
    home, live = new_live_home, updates == "live"
    options: dict[str, object] = {"local_url": home.relay.local.url} if is_local else {}
    options |= {"live_updates": live, "poll_interval": 60 if live else 1}
    await (home.listen if live else home.set_up)(**options)
    await post(home, "/api/connection", command="connect")
    await home.until_state("operational")
    told = Told(home)
    await told.listen()

    await begin(home)
    started = await told.next(PrintEventType.STARTED)
    assert (started["file"], started["path"], started["progress"]) == ("part.gcode", "part.gcode", 0)
    assert started["user"] == "owner"
    assert (started["printing"], started["print_file"]) == ("on", "part.gcode")
    await until(lambda: float(home.state("print_progress").state) > 0)

    await post(home, "/api/job", command="pause", action="pause")
    paused = await told.next(PrintEventType.PAUSED)
    assert (paused["printing"], paused["paused"], paused["file"]) == ("on", "on", "part.gcode")
    assert paused["progress"]
    assert isinstance(paused["duration"], int)
    assert paused.get("user") == ("owner" if live else None)
    await post(home, "/api/job", command="pause", action="resume")
    resumed = await told.next(PrintEventType.RESUMED)
    assert (resumed["printing"], resumed["paused"], resumed["file"]) == ("on", "off", "part.gcode")
    await post(home, "/api/job", command="cancel")
    canceled = await told.next(PrintEventType.CANCELED)
    assert (canceled["printing"], canceled["printer_state"], canceled["file"]) == ("off", "operational", "part.gcode")
    assert canceled.get("user") == ("owner" if live else None)
    assert not {"reason", "error"}.intersection(canceled)

    await begin(home, 25, "second.gcode")
    assert (await told.next(PrintEventType.STARTED))["file"] == "second.gcode"
    done = await told.next(PrintEventType.DONE)
    assert (done["file"], done["progress"], done["user"]) == ("second.gcode", 100, "owner")
    assert done["duration"]
    assert (done["printing"], done["print_progress"], done["print_file"]) == ("off", 100, "second.gcode")

    await begin(home)
    await told.next(PrintEventType.STARTED)
    await until(lambda: float(home.state("print_progress").state) > 0)
    await home.in_octoprint(printing.command, "!!DEBUG:trigger_fatal_error_marlin")
    failed = await told.next(PrintEventType.FAILED)
    assert (failed["printing"], failed["printer_state"], failed["file"]) == ("off", "offline_after_error", "part.gcode")
    assert failed["progress"]
    shown = home.state("error").attributes
    details = ("error", "reason", "consequence", "faq_url")
    assert [failed.get(name) for name in details] == [shown.get(name) for name in details]
    # OctoPrint 2.0 forgets the details when the connection ends, and only reports them.
    if live or octoprint_version == "1.11":
        assert "Thermal Runaway" in str(failed["error"])
        assert (failed["reason"], failed["consequence"]) == ("firmware", "emergency")
        assert failed["faq_url"] == "https://faq.octoprint.org/firmware-thermal-runaway"
    await post(home, "/api/connection", command="connect")
    await home.until_state("operational")
    await settle(home.hass)
    assert not told.all
    assert "reason" not in home.state("error").attributes


@BOTH_VERSIONS
async def test_error_that_cancels_a_print(told: Told) -> None:
    """No user has canceled it: it has failed. OctoPrint 1.11 does not report such an error."""
    home = told.home

    async def set_up(disconnect: bool) -> None:
        new = {"errorHandling": "disconnect" if disconnect else "cancel"}
        settings = {"serial": {"disconnectOnErrors": disconnect}, "plugins": {"serial_connector": new}}
        await home.in_octoprint(OctoPrintServer.request, "POST", "/api/settings", settings)

    await set_up(disconnect=False)
    try:
        await post(home, "/api/connection", command="disconnect")
        await post(home, "/api/connection", command="connect")
        await home.until_state("operational")
        await begin(home)
        await told.next(PrintEventType.STARTED)
        await home.in_octoprint(printing.command, "!!DEBUG:send Error:Probing failed")
        failed = await told.next(PrintEventType.FAILED)
        assert (failed["printer_state"], failed["reason"], failed["consequence"]) == (
            "operational",
            "firmware",
            "cancel",
        )
        assert failed["faq_url"] == "https://faq.octoprint.org/firmware-probing-failed"
        assert (home.state("error").state, home.state("error").attributes["consequence"]) == ("off", "cancel")
    finally:
        await set_up(disconnect=True)


@BOTH_VERSIONS
async def test_filament_change(told: Told) -> None:
    """The printer pauses the print, and asks its user to go on."""
    await begin(told.home)
    await told.next(PrintEventType.STARTED)
    await told.home.in_octoprint(printing.command, "M600")
    await until(lambda: PrintEventType.WAITING in told.kinds)
    await settle(told.home.hass)
    change, waiting = (told.all[told.kinds.index(kind)] for kind in (PrintEventType.FILAMENT_CHANGE, "waiting"))
    assert (change["file"], change["printing"]) == ("part.gcode", "on")
    assert (waiting["text"], waiting["choices"], waiting["file"]) == ("Heater Timeout", ["Reheat"], "part.gcode")
    assert len(told.kinds) == len(set(told.kinds))
    await told.home.in_octoprint(printing.command, "M876 S0")


async def test_timelapse_is_ready(told: Told) -> None:
    """Its name is told, but not where it is on OctoPrint's disk."""
    names = {"gcode": "part.gcode", "movie": "/home/pi/part.mp4", "movie_basename": "part.mp4"}
    await told.home.relay.say_on_sockets(json.dumps({"event": {"type": "MovieDone", "payload": names}}))
    ready = await told.next(PrintEventType.TIMELAPSE_READY)
    assert (ready["file"], ready["timelapse"]) == ("part.gcode", "part.mp4")
    assert "/home" not in str(ready)


async def test_report_that_is_lost(told: Told) -> None:
    """The socket is open, but silent: what polls show is told after a moment, once."""
    told.home.relay.mute("tunnel")
    await begin(told.home)
    await told.home.refresh()
    assert not told.all
    await told.next(PrintEventType.STARTED)
    told.home.relay.heal()
    await post(told.home, "/api/job", command="cancel")
    await told.next(PrintEventType.CANCELED)


async def test_events_before_set_up(told: Told) -> None:
    """They are not told: neither at the start of Home Assistant nor when the printer is set up again."""
    await begin(told.home)
    await told.next(PrintEventType.STARTED)
    told_before = told.home.state("print_event").state
    await told.home.reload()
    await until(lambda: told.home.runtime.live.since)
    await told.home.refresh()
    await settle(told.home.hass)
    assert told.home.state("print_event").state == told_before
    assert PrintEventType.STARTED not in told.kinds[1:]


async def test_outage(told: Told) -> None:
    """What became of a print meanwhile is told if it is certain, and the last event is shown all the time."""
    await begin(told.home, 30)
    shown = await told.next(PrintEventType.STARTED)
    told.home.relay.fail("octoeverywhere_tunnel", 601)
    await told.home.refresh()
    assert told.home.states("printing") == ("unavailable",)
    assert told.home.state("print_event").attributes["event_type"] == shown["event_type"]
    await told.home.in_octoprint(printing.wait_until_done)
    told.home.relay.heal()
    await told.home.refresh()
    assert (await told.next(PrintEventType.DONE))["file"] == "part.gcode"

    await begin(told.home)
    await told.next(PrintEventType.STARTED)
    told.home.relay.fail("octoeverywhere_tunnel", 601)
    await told.home.refresh()
    await post(told.home, "/api/job", command="cancel")
    await told.home.in_octoprint(printing.wait_for, "Operational")
    told.home.relay.heal()
    await told.home.refresh()
    assert told.home.state("printing").state == "off"
    assert not told.all


async def test_more_events_than_a_print_has(told: Told) -> None:
    """A few become events."""
    for number in range(100):
        change = {"event": {"type": "FilamentChange", "payload": {"name": f"{number}.gcode"}}}
        await told.home.relay.say_on_sockets(json.dumps(change))
    await until(lambda: told.all)
    await settle(told.home.hass)
    assert 0 < len(told.all) <= 21


async def test_largest_events(told: Told) -> None:
    """Home Assistant does not record the attributes of an entity if they exceed 16 kB."""
    long = "\U0001f5a8" * 4000
    values = dict.fromkeys(("name", "user", "owner", "reason", "error"), long) | {"path": long[:1000], "time": 2**60}
    prompt = {"action": "show", "text": long, "choices": [long[:900]] * 40}
    for frame in (
        {"event": {"type": "PrintStarted", "payload": values}},
        {"event": {"type": "PrintFailed", "payload": values}},
        {"plugin": {"plugin": "action_command_prompt", "data": prompt}},
    ):
        await told.home.relay.say_on_sockets(json.dumps(frame, ensure_ascii=False))
    await until(lambda: len(told.all) == 3)
    assert set(told.kinds) == {"started", "failed", "waiting"}
    assert all(len(json.dumps(event, ensure_ascii=False).encode()) < 16 * 1024 for event in told.all)
