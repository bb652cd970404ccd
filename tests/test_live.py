"""Live updates: what OctoPrint says shows at once, and whatever is wrong with the socket leads back to polls."""

import asyncio
from collections.abc import AsyncGenerator
from datetime import timedelta

import pytest
from pytest_homeassistant_custom_component.common import MockConfigEntry, async_fire_time_changed

from custom_components.octoprint_tunnel import live
from custom_components.octoprint_tunnel.api.octoprint import push
from custom_components.octoprint_tunnel.api.transport import router as routing
from custom_components.octoprint_tunnel.diagnostics import async_get_config_entry_diagnostics
from custom_components.octoprint_tunnel.live import LiveUpdates
from homeassistant.core import Event as HomeAssistantEvent, EventStateChangedData, HomeAssistant
from homeassistant.util import dt as dt_util

from .harm import MAX_LAG, lag_of_the_loop
from .home import entities, listening, log_lines, press, set_up_live, settle, state, states, unload, until, until_state
from .octoprint.server import OctoPrintServer
from .relay.server import Relay

BOTH = pytest.mark.parametrize("octoprint_version", ["1.11", "2.0"])
SOCKET = "/sockjs/websocket"

pytestmark = pytest.mark.usefixtures("hurried")


@pytest.fixture
async def updates(hass: HomeAssistant, entry: MockConfigEntry) -> AsyncGenerator[LiveUpdates]:
    """Return the live updates of a printer through OctoEverywhere."""
    yield await listening(hass, entry)
    await unload(hass, entry)


def command(octoprint: OctoPrintServer, **command: object) -> None:
    """Do something in OctoPrint, as somebody else than Home Assistant."""
    status, _ = octoprint.request("POST", "/api/connection", command)
    assert status == 204


async def check_sockets(hass: HomeAssistant) -> None:
    """Let the next check of the socket be due; settings of a clock do not move its polls."""
    async_fire_time_changed(hass, dt_util.utcnow() + live.CHECK_INTERVAL + timedelta(seconds=1))
    await settle(hass)


def poll_interval(entry: MockConfigEntry) -> timedelta:
    """Return how often OctoPrint is asked."""
    interval: timedelta = entry.runtime_data.printer.update_interval
    return interval


# What OctoPrint says


@BOTH
async def test_states_come_by_themselves(
    hass: HomeAssistant, relay: Relay, chosen: MockConfigEntry, octoprint: OctoPrintServer
) -> None:
    """A state shows within a second, with what belongs to it, which is read once for all events that come together."""
    await listening(hass, chosen)
    relay.clear()
    await hass.async_add_executor_job(lambda: command(octoprint, command="connect"))
    await until_state(hass, chosen, "operational")
    await until(lambda: state(hass, chosen, "port").state == "VIRTUAL")
    await settle(hass)
    # A slow machine meets the next look for heaters, which a printer reports a moment later.
    assert [exchange.path for exchange in relay.seen("tunnel")][:2] == ["/api/connection", "/api/printer"]
    relay.clear()
    await hass.async_add_executor_job(lambda: command(octoprint, command="disconnect"))
    await until_state(hass, chosen, "offline")
    await until(lambda: state(hass, chosen, "port").state == "unknown")
    await settle(hass)
    # Only the job tells a lost connection from one that was ended.
    assert [exchange.path for exchange in relay.seen("tunnel")] == ["/api/connection", "/api/job"]
    await unload(hass, chosen)


@BOTH
async def test_errors_are_remembered(
    hass: HomeAssistant, entry: MockConfigEntry, updates: LiveUpdates, octoprint: OctoPrintServer
) -> None:
    """What OctoPrint says of an error for a moment only, stays until the printer is connected again."""
    await press(hass, entry, "connect")
    await until_state(hass, entry, "operational")
    halt = {"command": "!!DEBUG:trigger_fatal_error_marlin"}
    await hass.async_add_executor_job(lambda: octoprint.request("POST", "/api/printer/command", halt))
    await until_state(hass, entry, "offline_after_error")
    await entry.runtime_data.printer.async_refresh()
    shown = state(hass, entry, "printer_state")
    assert shown.state == "offline_after_error"
    assert "Thermal Runaway" in shown.attributes["error"]
    assert states(hass, entry, "printer_connected", "port") == ("off", "unknown")
    await press(hass, entry, "connect")
    await until_state(hass, entry, "operational")
    await settle(hass)
    assert state(hass, entry, "printer_state").attributes["error"] is None


@BOTH
@pytest.mark.parametrize("end", ["!!DEBUG:trigger_fatal_error_marlin", "!!DEBUG:drop_connection"])
async def test_an_error_is_told_once(
    hass: HomeAssistant,
    relay: Relay,
    chosen: MockConfigEntry,
    octoprint: OctoPrintServer,
    monkeypatch: pytest.MonkeyPatch,
    end: str,
) -> None:
    """*Error* goes on once, whatever OctoPrint says on the way, and the socket that said so is trusted."""
    updates = await listening(hass, chosen)
    await press(hass, chosen, "connect")
    await until_state(hass, chosen, "operational")
    await settle(hass)
    since, told = updates.since, []

    def tell(event: HomeAssistantEvent[EventStateChangedData]) -> None:
        new = event.data["new_state"]
        if new and new.entity_id == entities(hass, chosen)["error"]:
            told.append(new.state)

    hass.bus.async_listen("state_changed", tell)
    lines = {"commands": [end, "M105"]}
    await hass.async_add_executor_job(lambda: octoprint.request("POST", "/api/printer/command", lines))
    await until_state(hass, chosen, "offline_after_error")
    await asyncio.sleep(1)
    for _ in range(2):
        await chosen.runtime_data.printer.async_refresh()
        assert states(hass, chosen, "printer_state", "error") == ("offline_after_error", "on")
    await check_sockets(hass)
    assert (told, updates.since) == (["on"], since)
    await press(hass, chosen, "connect")
    await until_state(hass, chosen, "operational")
    await settle(hass)
    assert (told, updates.since) == (["on", "off"], since)
    await unload(hass, chosen)


async def test_a_button_needs_one_reading(
    hass: HomeAssistant, relay: Relay, entry: MockConfigEntry, updates: LiveUpdates
) -> None:
    """With a socket nobody has to ask again and again what became of a command."""
    relay.clear()
    await press(hass, entry, "connect")
    await until_state(hass, entry, "operational")
    # the reading after the burst finds it settled
    await until(lambda: poll_interval(entry) == timedelta(minutes=15))
    assert [(exchange.method, exchange.path) for exchange in relay.seen("tunnel")][:2] == [
        ("POST", "/api/connection"),
        ("GET", "/api/connection"),
    ]


async def test_log_in_again(
    hass: HomeAssistant, relay: Relay, entry: MockConfigEntry, updates: LiveUpdates, octoprint: OctoPrintServer
) -> None:
    """OctoPrint may forget who listens."""
    logins = len(relay.seen(path="/api/login"))
    await relay.say_on_sockets('{"reauthRequired": {"reason": "stale"}}')
    await until(lambda: len(relay.seen(path="/api/login")) == logins + 1)
    await hass.async_add_executor_job(lambda: command(octoprint, command="connect"))
    await until_state(hass, entry, "operational")
    assert len(relay.seen(path=SOCKET)) == 1


async def test_log_in_again_and_again(relay: Relay, updates: LiveUpdates) -> None:
    """Each is a request through the tunnel: a few at once are answered, and then the socket is given up."""
    relay.clear()
    await relay.say_on_sockets('{"reauthRequired": {"reason": "stale"}, "event": {"type": "x"}}', 50)
    await until(lambda: updates.since is None)
    assert updates.failure == "sent too much"
    assert 0 < len(relay.seen(path="/api/login")) < 6
    await until(lambda: updates.since)


@pytest.mark.parametrize("trouble", ["another OctoPrint", "gone"])
async def test_log_in_again_at_an_address_that_is_not_proved_any_more(
    hass: HomeAssistant,
    relay: Relay,
    entry: MockConfigEntry,
    monkeypatch: pytest.MonkeyPatch,
    trouble: str,
) -> None:
    """Who has the address by then gets no API key; live updates go on through the tunnel."""
    updates = await listening(hass, entry, local_url=relay.local.url)
    assert state(hass, entry, "active_route").state == "local"
    if trouble == "gone":
        relay.drop("local", path="/plugin/discovery")
    else:
        foreign = "<root><UDN>uuid:00000000-0000-4000-8000-000000000000</UDN></root>"
        relay.fail("local", 200, foreign, path="/plugin/discovery")
    monkeypatch.setattr(routing, "VERIFICATION_MAX_AGE", 0)
    relay.clear()
    await relay.say_on_sockets('{"reauthRequired": {"reason": "stale"}}')
    await until(lambda: relay.seen("octoeverywhere_tunnel", path=SOCKET))
    assert not [request for request in relay.seen("local") if request.headers.get("X-Api-Key")]
    await until(lambda: updates.since)
    await unload(hass, entry)


async def test_address_that_changes_while_the_socket_opens(
    hass: HomeAssistant, relay: Relay, entry: MockConfigEntry, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The session that OctoPrint gave for the API key goes nowhere without a proof either."""
    monkeypatch.setattr(routing, "VERIFICATION_MAX_AGE", 0.3)
    relay.delay("local", 1, path=SOCKET)
    updates = await set_up_live(hass, entry, local_url=relay.local.url)
    await until(lambda: relay.seen("local", path=SOCKET))
    [socket] = relay.seen("local", path=SOCKET)
    relay.fail("local", 404, path="/plugin/discovery")
    await until(lambda: updates.failure)
    assert updates.failure == "cannot_connect requests go another way now"
    assert socket.request_bytes < 300  # the subscription
    relay.heal()
    await unload(hass, entry)


@pytest.mark.parametrize(
    "text",
    [
        '{"event": {"type": "SomethingNew", "payload": {"state_string": "Printing"}}}',
        '{"event": {"type": "PrinterStateChanged", "payload": null}}',
        '{"event": {"type": "PrinterStateChanged", "payload": {"state_string": 7}}}',
        '{"event": {"type": "Error", "payload": {"error": ["?"]}}}',
        '{"event": null}',
        '{"event": {"type": ["PrinterStateChanged"]}}',
        '{"plugin": {"plugin": "x", "data": {}}}',
        "[" * 100_000,
        "[1, 2]",
        "not JSON",
        "",
        '{"reauthRequired"',
    ],
)
async def test_what_cannot_be_understood(
    hass: HomeAssistant,
    relay: Relay,
    entry: MockConfigEntry,
    updates: LiveUpdates,
    octoprint: OctoPrintServer,
    caplog: pytest.LogCaptureFixture,
    text: str,
) -> None:
    """Messages that make no sense change nothing, and do not end the socket."""
    await relay.say_on_sockets(text)
    await hass.async_add_executor_job(lambda: command(octoprint, command="connect"))
    await until_state(hass, entry, "operational")
    assert len(relay.seen(path=SOCKET)) == 1
    assert updates.since
    assert not log_lines(caplog)


async def test_settings_changed(
    hass: HomeAssistant, relay: Relay, entry: MockConfigEntry, updates: LiveUpdates, octoprint: OctoPrintServer
) -> None:
    """With OctoPrint's settings, what a connection is made with may have changed: the next poll reads it as a whole."""
    printer = entry.runtime_data.printer
    await printer.async_refresh()
    relay.clear()
    for name in ("Bench", "Shelf"):
        status, _ = await hass.async_add_executor_job(
            octoprint.request, "POST", "/api/settings", {"appearance": {"name": name}}
        )
        assert status == 200
        await asyncio.sleep(3 * live.READ_INTERVAL)
    await settle(hass)
    assert not relay.seen(path="/api/connection")  # some plugins save settings all the time
    await printer.async_refresh()
    assert relay.seen(path="/api/connection")
    assert updates.since


EVENT = '{"event": {"type": "PrinterStateChanged", "payload": {"state_id": "X", "state_string": "%s"}}}'


async def test_what_is_said_is_not_shown_but_read(
    hass: HomeAssistant, relay: Relay, entry: MockConfigEntry, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A state comes with the data that belongs to it, and more events than any print has bring few readings."""
    monkeypatch.setattr(live, "READS_AT_ONCE", 3)
    await listening(hass, entry)
    shown: list[str] = []
    hass.bus.async_listen("state_changed", lambda event: shown.append(event.data["entity_id"]))
    relay.clear()
    for text in ("Operational", "Printing", "Paused", "Printing " + "x" * 1000) * 5:
        await relay.say_on_sockets(EVENT % text, 10)
        await asyncio.sleep(0.1)
    await until(lambda: relay.seen("tunnel"))
    await settle(hass)
    assert not shown
    assert state(hass, entry, "printer_state").state == "offline"
    assert 2 <= len(relay.seen("tunnel", path="/api/connection")) <= 4
    await unload(hass, entry)


@pytest.mark.parametrize(
    "text", ["", "x", "{}", '{"current": {}}', "[" * 1000, '{"plugin": {"plugin": "x", "data": {}}}']
)
async def test_socket_that_says_too_much_of_nothing(
    hass: HomeAssistant, relay: Relay, entry: MockConfigEntry, updates: LiveUpdates, text: str
) -> None:
    """It is ended like any that fails; everything else runs on meanwhile, and a new one is opened later."""
    async with lag_of_the_loop() as lag:
        await relay.say_on_sockets(text, 1000)
        await until(lambda: updates.since is None)
    assert updates.failure == "sent too much"
    assert lag.worst < 0.5
    await until(lambda: updates.since)


FRAMES = {
    "pings": b"\x89\x00",
    "pongs": b"\x8a\x00",
    "binary": b"\x82\x00",
    "texts": b"\x81\x02{}",
    "events": b'\x81\x14{"event":{"type":1}}',
}


@pytest.mark.parametrize("frame", FRAMES.values(), ids=FRAMES)
async def test_frames_without_end(
    hass: HomeAssistant, relay: Relay, entry: MockConfigEntry, updates: LiveUpdates, frame: bytes
) -> None:
    """Neither while they come nor while their socket is ended does everything else stand still."""
    async with lag_of_the_loop() as lag:
        relay.flood_sockets(frame, 1_000_000 // len(frame))
        if "event" in str(frame):
            await asyncio.sleep(0.5)  # these are read slowly
            await unload(hass, entry)
        else:
            await until(lambda: updates.since is None)
            assert updates.failure == "sent too much"
    assert lag.worst < MAX_LAG


async def test_socket_that_goes_on_and_on(
    hass: HomeAssistant,
    relay: Relay,
    entry: MockConfigEntry,
    updates: LiveUpdates,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """More events than any printer has are read slowly, and after a while no more."""
    monkeypatch.setattr(push, "MAX_SLOW_SECONDS", 0.3)
    await relay.say_on_sockets(EVENT % "Printing", push.EVENTS_AT_ONCE + 100)
    await until(lambda: updates.since is None)
    assert updates.failure == "sent too much"


async def test_message_longer_than_any(
    hass: HomeAssistant, relay: Relay, entry: MockConfigEntry, updates: LiveUpdates
) -> None:
    """OctoPrint's greeting is far shorter."""
    await relay.say_on_sockets("x" * (push.MAX_MESSAGE + 1))
    await until(lambda: updates.since is None)
    assert updates.failure
    await until(lambda: updates.since)


# What it costs


async def test_polls_are_few(hass: HomeAssistant, relay: Relay, entry: MockConfigEntry, updates: LiveUpdates) -> None:
    """With a socket OctoPrint is asked every 15 minutes; the service as ever."""
    relay.clear()
    for minutes in range(1, 15):
        async_fire_time_changed(hass, dt_util.utcnow() + timedelta(minutes=minutes))
        await settle(hass)
    assert not relay.seen("tunnel")
    assert relay.seen("octoeverywhere_api")
    async_fire_time_changed(hass, dt_util.utcnow() + timedelta(minutes=15, seconds=5))
    await settle(hass)
    [check] = relay.seen("tunnel")
    assert check.path == "/api/printer"
    assert check.response_bytes < 100
    assert updates.since


@pytest.mark.parametrize("octoprint_version", ["1.11", "2.0"])
async def test_cost_of_an_opening(hass: HomeAssistant, relay: Relay, chosen: MockConfigEntry) -> None:
    """Opening a socket costs a log-in and OctoPrint's greeting, and then nothing comes: no feed of the state."""
    await listening(hass, chosen)
    [login] = relay.seen("tunnel", path="/api/login")
    [socket] = relay.seen("tunnel", path=SOCKET)
    assert login.response_bytes < 2_000
    before = socket.response_bytes
    assert before < 12_000
    await asyncio.sleep(1.2)  # the feed would come every half second
    assert socket.response_bytes == before
    await unload(hass, chosen)


async def test_switched_off(hass: HomeAssistant, relay: Relay, entry: MockConfigEntry) -> None:
    """Without live updates nothing but polls goes through the tunnel."""
    updates = await set_up_live(hass, entry, live_updates=False)
    await settle(hass)
    assert updates.since is None
    assert not relay.seen(path="/api/login")
    assert poll_interval(entry) == timedelta(seconds=60)
    await unload(hass, entry)


# What goes wrong


async def test_silent_socket(
    hass: HomeAssistant, relay: Relay, chosen: MockConfigEntry, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A socket on which OctoPrint does not speak is none; when it does, live updates begin by themselves."""
    monkeypatch.setattr(push, "GREETING_TIMEOUT", 0.1)
    relay.mute("tunnel")
    updates = await set_up_live(hass, chosen)
    await until(lambda: len(relay.seen(path=SOCKET)) >= 2)
    assert updates.since is None
    assert updates.failure == "timed_out"
    assert poll_interval(chosen) == timedelta(seconds=60)
    monkeypatch.undo()
    relay.heal()
    await until(lambda: updates.since)
    await until(lambda: poll_interval(chosen) == timedelta(minutes=15))
    await unload(hass, chosen)


async def test_octoprint_goes_off_before_the_socket_opens(
    hass: HomeAssistant, relay: Relay, obico_entry: MockConfigEntry, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Obico opens a socket also where there is no OctoPrint any more, and stays silent."""
    monkeypatch.setattr(push, "GREETING_TIMEOUT", 0.1)
    relay.delay("obico_tunnel", 0.3, path=SOCKET)
    updates = await set_up_live(hass, obico_entry)
    await until(lambda: relay.seen(path=SOCKET))
    relay.printer.online = False
    await until(lambda: updates.failure)
    assert updates.failure == "timed_out"
    await obico_entry.runtime_data.printer.async_refresh()
    sockets = len(relay.seen(path=SOCKET))
    await asyncio.sleep(1)  # where polls find nobody, no socket is tried
    assert len(relay.seen(path=SOCKET)) <= sockets + 1
    await unload(hass, obico_entry)


@pytest.mark.parametrize("end", ["closed", "broken"])
async def test_socket_ends(
    hass: HomeAssistant,
    relay: Relay,
    entry: MockConfigEntry,
    updates: LiveUpdates,
    octoprint: OctoPrintServer,
    end: str,
) -> None:
    """When the socket ends, what happened since is read at once, polls go on, and a new socket is opened."""
    relay.clear()
    if end == "closed":
        await relay.close_sockets(3000)
    else:
        relay.break_sockets()
    await until(lambda: updates.since is None)
    await until(lambda: relay.seen("tunnel", path="/api/connection"))
    assert updates.failure
    assert updates.failure.startswith("closed with 3000" if end == "closed" else "closed with")
    await until(lambda: updates.since)
    await hass.async_add_executor_job(lambda: command(octoprint, command="connect"))
    await until_state(hass, entry, "operational")


@pytest.mark.parametrize(
    ("status", "failure"), [(605, "not_supporter 605"), (601, "octoprint_offline 601"), (404, "unexpected_status 404")]
)
async def test_refused_handshake(
    hass: HomeAssistant,
    relay: Relay,
    entry: MockConfigEntry,
    caplog: pytest.LogCaptureFixture,
    status: int,
    failure: str,
) -> None:
    """A handshake is refused with the codes that any request is, and polls do not mind."""
    relay.fail("octoeverywhere_tunnel", status, path=SOCKET)
    updates = await set_up_live(hass, entry)
    await until(lambda: updates.failure)
    assert updates.failure == failure
    assert state(hass, entry, "printer_state").state == "offline"
    assert not log_lines(caplog)
    relay.heal()
    await until(lambda: updates.since)
    await unload(hass, entry)


async def test_redirected_handshake(
    hass: HomeAssistant, relay: Relay, entry: MockConfigEntry, monkeypatch: pytest.MonkeyPatch
) -> None:
    """No WebSocket follows a redirect: the session's proof would go to another host."""
    relay.redirect("octoeverywhere_tunnel", f"{relay.local.url}{SOCKET}", path=SOCKET)
    updates = await set_up_live(hass, entry)
    await until(lambda: updates.failure)
    assert updates.failure == "unexpected_status 302"
    assert not relay.seen("local")
    await unload(hass, entry)


async def test_poll_disagrees(
    hass: HomeAssistant,
    relay: Relay,
    entry: MockConfigEntry,
    octoprint: OctoPrintServer,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A socket that did not say what a poll shows is closed, and another one is opened."""
    monkeypatch.setattr(live, "CHECK_INTERVAL", timedelta(seconds=0.1))
    updates = await listening(hass, entry)
    await asyncio.sleep(0.3)
    relay.mute("tunnel")
    await hass.async_add_executor_job(lambda: command(octoprint, command="connect"))
    await until(lambda: b'"Operational"' in octoprint.request("GET", "/api/connection")[1])
    assert state(hass, entry, "printer_state").state == "offline"
    await entry.runtime_data.printer.async_refresh()
    assert state(hass, entry, "printer_state").state == "operational"
    await until(lambda: updates.since is None)
    relay.heal()
    await until(lambda: updates.since)
    await unload(hass, entry)


async def test_change_while_the_socket_opens(
    hass: HomeAssistant,
    relay: Relay,
    entry: MockConfigEntry,
    octoprint: OctoPrintServer,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """What changed after the last poll and before the socket was open is not what the socket kept to itself."""
    monkeypatch.setattr(live, "CHECK_INTERVAL", timedelta(seconds=0.3))
    relay.delay("octoeverywhere_tunnel", 4, path="/api/login")
    updates = await set_up_live(hass, entry)
    await until(lambda: relay.seen(path="/api/login"))
    await hass.async_add_executor_job(lambda: command(octoprint, command="connect"))
    await until(lambda: b'"Operational"' in octoprint.request("GET", "/api/connection")[1])
    assert state(hass, entry, "printer_state").state == "offline"
    await until(lambda: updates.since)
    await until_state(hass, entry, "operational")
    await asyncio.sleep(0.5)
    assert updates.since
    assert len(relay.seen(path=SOCKET)) == 1
    await unload(hass, entry)


async def test_no_pong(
    hass: HomeAssistant, relay: Relay, entry: MockConfigEntry, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A socket whose other end has gone without a word is given up, and another one is opened."""
    monkeypatch.setattr(live, "CHECK_INTERVAL", timedelta(seconds=0.1))
    updates = await listening(hass, entry)
    await asyncio.sleep(0.5)  # pongs come: it stays
    assert len(relay.seen(path=SOCKET)) == 1
    relay.freeze_sockets()
    await until(lambda: len(relay.seen(path=SOCKET)) == 2)
    await until(lambda: updates.since)
    await unload(hass, entry)


async def test_poll_fails(hass: HomeAssistant, relay: Relay, entry: MockConfigEntry, updates: LiveUpdates) -> None:
    """A socket is of no use where a poll finds nobody; it comes back when polls do."""
    relay.fail("octoeverywhere_tunnel", 602)
    await entry.runtime_data.printer.async_refresh()
    await until(lambda: updates.since is None)
    assert state(hass, entry, "printer_state").state == "unavailable"
    relay.clear()
    await asyncio.sleep(0.5)
    assert not relay.seen(path="/api/login")
    relay.heal()
    await entry.runtime_data.printer.async_refresh()
    await until(lambda: updates.since)


async def test_octoprint_restarts(
    hass: HomeAssistant, relay: Relay, entry: MockConfigEntry, updates: LiveUpdates, octoprint: OctoPrintServer
) -> None:
    """OctoPrint goes and comes back, and so do live updates."""
    await hass.async_add_executor_job(octoprint.stop)
    await until(lambda: updates.since is None)
    await until_state(hass, entry, "unavailable")
    await hass.async_add_executor_job(octoprint.start)
    await until(lambda: octoprint.request("GET", "/api/version")[0] == 200)
    await entry.runtime_data.tunnel.async_refresh()
    await entry.runtime_data.printer.async_refresh()
    await until(lambda: updates.since)
    await hass.async_add_executor_job(lambda: command(octoprint, command="connect"))
    await until_state(hass, entry, "operational")


# Which way


async def test_socket_moves_with_the_way(
    hass: HomeAssistant,
    relay: Relay,
    entry: MockConfigEntry,
    octoprint: OctoPrintServer,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The socket goes over the local network as soon as that is there, and back when it is not."""
    monkeypatch.setattr(live, "CHECK_INTERVAL", timedelta(seconds=0.1))
    monkeypatch.setattr(routing, "FIRST_RETRY", 0.1)
    monkeypatch.setattr(routing, "VERIFICATION_MAX_AGE", 0.1)
    relay.drop("local")
    updates = await listening(hass, entry, local_url=relay.local.url)
    assert relay.seen("octoeverywhere_tunnel", path=SOCKET)
    relay.heal()
    await until(lambda: relay.seen("local", path=SOCKET))
    await until(lambda: updates.since)
    await settle(hass)
    assert state(hass, entry, "active_route").state == "local"
    relay.clear()
    await hass.async_add_executor_job(lambda: command(octoprint, command="connect"))
    await until_state(hass, entry, "operational")
    await settle(hass)
    assert not relay.seen("tunnel")
    relay.drop("local")
    relay.break_sockets()
    await until(lambda: relay.seen("octoeverywhere_tunnel", path=SOCKET))
    await until(lambda: updates.since)
    await unload(hass, entry)


# The end


@pytest.mark.parametrize("end", ["unload", "reload", "stop"])
async def test_nothing_is_left(
    hass: HomeAssistant, relay: Relay, entry: MockConfigEntry, updates: LiveUpdates, end: str
) -> None:
    """Neither task nor socket outlives the entry."""
    assert relay.open_sockets == 1
    if end == "stop":
        await hass.async_stop()
    else:
        await getattr(hass.config_entries, f"async_{end}")(entry.entry_id)
    if end == "reload":
        await until(lambda: entry.runtime_data.live.since)
        await until(lambda: relay.open_sockets == 1)
    else:
        await until(lambda: not relay.open_sockets)
        assert not [task for task in asyncio.all_tasks() if "live updates" in repr(task)]


async def test_unload_while_opening(hass: HomeAssistant, relay: Relay, entry: MockConfigEntry) -> None:
    """An entry may go at any moment."""
    relay.delay("octoeverywhere_tunnel", 30, path="/api/login")
    await set_up_live(hass, entry)
    await until(lambda: relay.seen(path="/api/login"))
    await hass.config_entries.async_unload(entry.entry_id)
    assert not [task for task in asyncio.all_tasks() if "live updates" in repr(task)]


async def test_diagnostics_tell(
    hass: HomeAssistant, relay: Relay, entry: MockConfigEntry, updates: LiveUpdates
) -> None:
    """Diagnostics say since when there is a socket, and why the last one ended."""

    told = (await async_get_config_entry_diagnostics(hass, entry))["live_updates"]
    assert told == {"since": updates.since, "failure": None}
