"""Automations on real prints: what the templates of each read belongs to one moment, whichever entity triggers it."""

from datetime import timedelta
from itertools import product

import pytest
from pytest_homeassistant_custom_component.common import MockConfigEntry

from custom_components.octoprint_tunnel import pace
from custom_components.octoprint_tunnel.api.octoprint.connection import PrinterState
from custom_components.octoprint_tunnel.api.tunnels import TUNNELS
from custom_components.octoprint_tunnel.const import DOMAIN
from homeassistant.const import MATCH_ALL
from homeassistant.core import Event, HomeAssistant
from homeassistant.setup import async_setup_component

from .home import entities, press, settle, state, unload, until, until_state
from .octoprint import printing
from .octoprint.server import OctoPrintServer
from .relay.server import Relay

pytestmark = pytest.mark.long
READ = (
    "printer_state",
    "printer_connected",
    "printing",
    "paused",
    "error",
    "print_file",
    "print_progress",
    "print_time_left",
)
ERRORS = ("error", "offline_after_error")

MODES = [
    pytest.param(version, way, live, id=f"{version}-{way}-{'live' if live else 'polled'}")
    for version, way, live in product(("1.11", "2.0"), (*TUNNELS, "local"), (True, False))
]


class Told:
    """What the templates of automations have rendered, in the order in which that was."""

    def __init__(self, hass: HomeAssistant) -> None:
        """Listen."""
        self._all: list[dict[str, str]] = []
        self._asked = 0
        hass.bus.async_listen("told", self._take)

    def _take(self, event: Event) -> None:
        self._all.append({name: str(value) for name, value in event.data.items()})

    async def of(self, key: str, to: str) -> dict[str, str]:
        """Return what was rendered the only time that an entity became this since the last one asked for."""

        def found() -> list[dict[str, str]]:
            return [told for told in self._all[self._asked :] if (told["by"], told["to"]) == (key, to)]

        await until(found)
        [told] = found()
        self._asked = self._all.index(told, self._asked) + 1
        return told

    def check(self) -> None:
        """Check that everything rendered at one time is of one moment."""
        for told in self._all:
            now = PrinterState(told["printer_state"])
            shown = tuple(told[key] for key in ("printer_connected", "printing", "paused", "error"))
            paused = now in (PrinterState.PAUSING, PrinterState.PAUSED)
            expected = (now.is_connected, now.is_active, paused, now in ERRORS)
            assert shown == tuple("on" if each else "off" for each in expected), told


async def automate(hass: HomeAssistant, entry: MockConfigEntry) -> Told:
    """Have each entity trigger an automation that reads all of them."""
    ids = entities(hass, entry)
    data = {key: f"{{{{ states('{ids[key]}') }}}}" for key in READ}
    automations = [
        {
            "alias": key,
            "triggers": [{"trigger": "state", "entity_id": ids[key]}],
            "actions": [{"event": "told", "event_data": {**data, "by": key, "to": "{{ trigger.to_state.state }}"}}],
            "mode": "queued",
        }
        for key in READ
    ]
    assert await async_setup_component(hass, "automation", {"automation": automations})
    await hass.async_block_till_done()
    return Told(hass)


@pytest.fixture(autouse=True)
def _often(hurried: None, monkeypatch: pytest.MonkeyPatch) -> None:
    """Ask more often than is due: a test's print lasts seconds."""
    monkeypatch.setattr(pace, "PRINT_INTERVAL", timedelta(seconds=1))


@pytest.mark.parametrize(("octoprint_version", "way", "live"), MODES)
async def test_a_print(
    hass: HomeAssistant,
    relay: Relay,
    entries: dict[str, MockConfigEntry],
    octoprint: OctoPrintServer,
    way: str,
    live: bool,
) -> None:
    """At its start, in its pause, and at each kind of end."""
    chosen = entries.get(way, entries["octoeverywhere"])
    options = {"live_updates": live, "poll_interval": 60 if live else 1}
    chosen.add_to_hass(hass)
    hass.config_entries.async_update_entry(
        chosen, options=options | ({"local_url": relay.local.url} if way == "local" else {})
    )
    assert await hass.config_entries.async_setup(chosen.entry_id)
    await until(lambda: not live or chosen.runtime_data.live.since)
    await settle(hass)
    assert state(hass, chosen, "active_route").state == ("local" if way == "local" else "tunnel")

    async def act(method: str, path: str, command: dict[str, str]) -> None:
        status, _ = await hass.async_add_executor_job(octoprint.request, method, path, command)
        assert status == 204

    async def begin(moves: int, name: str) -> None:
        await hass.async_add_executor_job(lambda: printing.start(octoprint, moves, name))
        await until_state(hass, chosen, "printing")

    await act("POST", "/api/connection", {"command": "connect"})
    await until_state(hass, chosen, "operational")
    told = await automate(hass, chosen)

    await begin(300, "first.gcode")
    started = await told.of("printing", "on")
    assert started["print_file"] == "first.gcode"
    assert float(started["print_progress"]) < (1 if live else 20)

    await until(lambda: float(state(hass, chosen, "print_progress").state) > 0)
    await act("POST", "/api/job", {"command": "pause", "action": "pause"})
    await until_state(hass, chosen, "paused")
    assert (await told.of("paused", "on"))["print_file"] == "first.gcode"
    await act("POST", "/api/job", {"command": "pause", "action": "resume"})
    await until_state(hass, chosen, "printing")
    assert float((await told.of("paused", "off"))["print_progress"]) > 0

    progress = float(state(hass, chosen, "print_progress").state)
    await act("POST", "/api/job", {"command": "cancel"})
    await until_state(hass, chosen, "operational")
    canceled = await told.of("printing", "off")
    assert (canceled["print_file"], canceled["print_time_left"], canceled["error"]) == ("first.gcode", "unknown", "off")
    assert 100 > float(canceled["print_progress"]) >= progress

    await begin(25, "second.gcode")
    started = await told.of("printing", "on")
    assert started["print_file"] == "second.gcode"
    assert float(started["print_progress"]) < (1 if live else 90)
    await until_state(hass, chosen, "operational")
    done = await told.of("printing", "off")
    assert (done["print_file"], done["print_progress"], done["error"]) == ("second.gcode", "100.0", "off")

    await begin(300, "first.gcode")
    assert (await told.of("printing", "on"))["print_file"] == "first.gcode"
    await until(lambda: float(state(hass, chosen, "print_progress").state) > 0)
    await hass.async_add_executor_job(lambda: printing.command(octoprint, "!!DEBUG:drop_connection"))
    await until_state(hass, chosen, "offline_after_error")
    failed = await told.of("error", "on")
    assert (failed["print_file"], failed["printing"], failed["print_time_left"]) == ("first.gcode", "off", "unknown")
    assert 0 < float(failed["print_progress"]) < 100

    await act("POST", "/api/connection", {"command": "connect"})
    await until_state(hass, chosen, "operational")
    assert await told.of("error", "off")
    told.check()
    await unload(hass, chosen)


async def test_updates_leave_no_trace(hass: HomeAssistant, loaded: MockConfigEntry) -> None:
    """Home Assistant records every event but reports of unchanged states, and an update makes no other of its own."""
    events: list[Event] = []
    hass.bus.async_listen(MATCH_ALL, events.append)
    told = await automate(hass, loaded)
    await press(hass, loaded, "connect")
    await until_state(hass, loaded, "operational")
    await told.of("printer_connected", "on")
    told.check()
    assert not [event for event in events if str(event.event_type).startswith(DOMAIN)]
