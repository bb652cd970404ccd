"""Live updates: what OctoPrint reports shows at once, and polls go on as before when something is wrong."""

import asyncio
from datetime import timedelta

import pytest
from pytest_homeassistant_custom_component.common import async_fire_time_changed

from custom_components.octoprint_tunnel import live
from custom_components.octoprint_tunnel.api.octoprint import push
from custom_components.octoprint_tunnel.api.transport import router as routing
from custom_components.octoprint_tunnel.api.tunnels import TUNNELS
from custom_components.octoprint_tunnel.diagnostics import async_get_config_entry_diagnostics
from homeassistant.core import Event as HomeAssistantEvent, EventStateChangedData
from homeassistant.util import dt as dt_util

from .harm import MAX_LAG, lag_of_the_loop
from .home import Home, log_lines, settle, until
from .octoprint import printing
from .octoprint.server import OctoPrintServer

BOTH_VERSIONS = pytest.mark.parametrize("octoprint_version", ["1.11", "2.0"])
ALL_TUNNELS = pytest.mark.parametrize("provider", TUNNELS)
SOCKET = "/sockjs/websocket"
EVENT = '{"event": {"type": "PrinterStateChanged", "payload": {"state_id": "X", "state_string": "%s"}}}'
REAUTH = '{"reauthRequired": {"reason": "stale"}}'
FOREIGN = "<root><UDN>uuid:00000000-0000-4000-8000-000000000000</UDN></root>"
LIVE, POLLED = timedelta(minutes=15), timedelta(seconds=60)


async def command(home: Home, name: str) -> None:
    """Command the connection to the printer in OctoPrint itself."""
    await home.in_octoprint(OctoPrintServer.request, "POST", "/api/connection", {"command": name})


async def connect(home: Home) -> None:
    """Connect the printer in OctoPrint itself, and wait until that shows."""
    await command(home, "connect")
    await home.until_state("operational")


async def until_open(home: Home, is_open: bool = True) -> None:
    """Wait until a socket is in use, or none is."""
    await until(lambda: (home.runtime.live.since is not None) is is_open)


def interval(home: Home) -> timedelta | None:
    """Return how often OctoPrint is polled."""
    return home.runtime.printer.update_interval


def sockets(home: Home) -> int:
    """Return how many sockets were opened."""
    return len(home.relay.seen(path=SOCKET))


# What OctoPrint reports


@BOTH_VERSIONS
@ALL_TUNNELS
@pytest.mark.usefixtures("all_enabled")
async def test_state_that_octoprint_reports(live_home: Home) -> None:
    """It shows within a second, with what belongs to it; events that come together bring one reading."""
    live_home.relay.clear()
    await connect(live_home)
    await until(lambda: live_home.state("port").state == "VIRTUAL")
    await settle(live_home.hass)
    # A slow machine meets the next poll for heaters, which a printer reports a moment later.
    assert [exchange.path for exchange in live_home.relay.seen("tunnel")][:2] == ["/api/connection", "/api/printer"]
    live_home.relay.clear()
    await command(live_home, "disconnect")
    await live_home.until_state("offline")
    await until(lambda: live_home.state("port").state == "unknown")
    await settle(live_home.hass)
    # Only the job tells a lost connection from one that was ended.
    assert [exchange.path for exchange in live_home.relay.seen("tunnel")] == ["/api/connection", "/api/job"]


@BOTH_VERSIONS
@ALL_TUNNELS
@pytest.mark.parametrize(
    ("end", "error"),
    [("!!DEBUG:trigger_fatal_error_marlin", "Thermal Runaway"), ("!!DEBUG:drop_connection", None)],
)
@pytest.mark.usefixtures("all_enabled")
async def test_error_that_octoprint_reports(live_home: Home, end: str, error: str | None) -> None:
    """It shows once, and stays until the printer is connected again; the socket that reported it stays in use."""
    await live_home.press("connect")
    await live_home.until_state("operational")
    await settle(live_home.hass)
    since, shown = live_home.runtime.live.since, []

    def note(event: HomeAssistantEvent[EventStateChangedData]) -> None:
        new = event.data["new_state"]
        if new and new.entity_id == live_home.state("error").entity_id:
            shown.append(new.state)

    live_home.hass.bus.async_listen("state_changed", note)
    await live_home.in_octoprint(printing.command, end, "M105")
    await live_home.until_state("offline_after_error")
    await asyncio.sleep(1)
    for _ in range(2):
        await live_home.refresh()
        assert live_home.states("printer_state", "error", "port") == ("offline_after_error", "on", "unknown")
        assert error is None or error in live_home.state("printer_state").attributes["error"]
    async_fire_time_changed(live_home.hass, dt_util.utcnow() + live.CHECK_INTERVAL + timedelta(seconds=1))
    await settle(live_home.hass)
    assert (shown, live_home.runtime.live.since) == (["on"], since)
    await live_home.press("connect")
    await live_home.until_state("operational")
    await settle(live_home.hass)
    assert (shown, live_home.runtime.live.since) == (["on", "off"], since)
    assert live_home.state("printer_state").attributes["error"] is None


async def test_button_needs_one_reading(live_home: Home) -> None:
    """After the command: the socket reports when there is more to read."""
    live_home.relay.clear()
    await live_home.press("connect")
    await live_home.until_state("operational")
    await until(lambda: interval(live_home) == LIVE)
    assert [(exchange.method, exchange.path) for exchange in live_home.relay.seen("tunnel")][:3] == [
        ("GET", "/api/connection"),  # what OctoPrint offers now
        ("POST", "/api/connection"),
        ("GET", "/api/connection"),
    ]


async def test_log_in_again(live_home: Home) -> None:
    """OctoPrint may forget who listens. A few log-ins at once are sent, and then the socket is closed."""
    live_home.relay.clear()
    await live_home.relay.say_on_sockets(REAUTH)
    await until(lambda: len(live_home.relay.seen(path="/api/login")) == 1)
    await connect(live_home)
    assert sockets(live_home) == 0
    await live_home.relay.say_on_sockets('{"reauthRequired": {"reason": "stale"}, "event": {"type": "x"}}', 50)
    await until_open(live_home, False)
    assert live_home.runtime.live.failure == "sent too much"
    assert 1 < len(live_home.relay.seen(path="/api/login")) < 7
    await until_open(live_home)


@pytest.mark.parametrize("trouble", ["another OctoPrint", "gone"])
async def test_log_in_again_at_an_address_that_is_no_longer_verified(
    new_live_home: Home, monkeypatch: pytest.MonkeyPatch, trouble: str
) -> None:
    """The API key is not sent there; live updates go on through the tunnel."""
    home, relay = new_live_home, new_live_home.relay
    await home.listen(local_url=relay.local.url)
    assert home.state("active_route").state == "local"
    if trouble == "gone":
        relay.drop("local", path="/plugin/discovery")
    else:
        relay.fail("local", 200, FOREIGN, path="/plugin/discovery")
    monkeypatch.setattr(routing, "VERIFICATION_MAX_AGE", 0)
    relay.clear()
    await relay.say_on_sockets(REAUTH)
    await until(lambda: relay.seen("octoeverywhere_tunnel", path=SOCKET))
    assert not [request for request in relay.seen("local") if request.headers.get("X-Api-Key")]
    await until_open(home)


async def test_address_that_changes_while_the_socket_opens(
    new_live_home: Home, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The session that OctoPrint gave for the API key is not sent without a new identity check either."""
    home, relay = new_live_home, new_live_home.relay
    monkeypatch.setattr(routing, "VERIFICATION_MAX_AGE", 0.3)
    relay.delay("local", 1, path=SOCKET)
    await home.set_up(local_url=relay.local.url)
    await until(lambda: relay.seen("local", path=SOCKET))
    [socket] = relay.seen("local", path=SOCKET)
    relay.fail("local", 404, path="/plugin/discovery")
    await until(lambda: home.runtime.live.failure)
    assert home.runtime.live.failure == "cannot_connect requests go another way now"
    assert socket.request_bytes < 400  # the subscription
    relay.heal()


@pytest.mark.parametrize(
    "text",
    [
        '{"event": {"type": "SomethingNew", "payload": {"state_string": "Printing"}}}',
        '{"event": {"type": "PrinterStateChanged", "payload": null}}',
        '{"event": {"type": "PrinterStateChanged", "payload": {"state_string": 7}}}',
        '{"event": {"type": "Error", "payload": {"error": ["?"]}}}',
        '{"event": null}',
        '{"event": {"type": ["PrinterStateChanged"]}}',
        "[" * 100_000,
        "not JSON",
        '{"reauthRequired"',
    ],
    ids=lambda text: text[:40],
)
async def test_message_without_meaning(live_home: Home, caplog: pytest.LogCaptureFixture, text: str) -> None:
    """It changes nothing, and does not end the socket."""
    await live_home.relay.say_on_sockets(text)
    await connect(live_home)
    assert sockets(live_home) == 1
    assert live_home.runtime.live.since
    assert not log_lines(caplog)


async def test_settings_changed(live_home: Home) -> None:
    """The preferred connection is a setting, too: the next poll reads it, but settings alone bring no poll."""
    await live_home.refresh()
    live_home.relay.clear()
    for name in ("Bench", "Shelf"):
        await live_home.in_octoprint(OctoPrintServer.request, "POST", "/api/settings", {"appearance": {"name": name}})
        await asyncio.sleep(3 * live.READ_INTERVAL)
    await settle(live_home.hass)
    assert not live_home.relay.seen(path="/api/connection")  # some plugins save settings all the time
    await live_home.refresh()
    assert live_home.relay.seen(path="/api/connection")
    assert live_home.runtime.live.since


async def test_events_are_not_shown_but_read(new_live_home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    """A state comes with the data that belongs to it, and more events than any print has bring few readings."""
    monkeypatch.setattr(live, "READS_AT_ONCE", 3)
    await new_live_home.listen()
    shown: list[str] = []
    new_live_home.hass.bus.async_listen("state_changed", lambda event: shown.append(event.data["entity_id"]))
    new_live_home.relay.clear()
    for text in ("Operational", "Printing", "Paused", "Printing " + "x" * 1000) * 5:
        await new_live_home.relay.say_on_sockets(EVENT % text, 10)
        await asyncio.sleep(0.1)
    await until(lambda: new_live_home.relay.seen("tunnel"))
    await settle(new_live_home.hass)
    assert not shown
    assert new_live_home.state("printer_state").state == "offline"
    assert 2 <= len(new_live_home.relay.seen("tunnel", path="/api/connection")) <= 4


# What is too much


@pytest.mark.parametrize("text", ["", "x", '{"current": {}}', '{"plugin": {"plugin": "x", "data": {}}}'])
async def test_messages_that_are_no_events(live_home: Home, text: str) -> None:
    """A flood of them ends the socket; everything else runs on meanwhile, and a new one is opened later."""
    async with lag_of_the_loop() as lag:
        await live_home.relay.say_on_sockets(text, 1000)
        await until_open(live_home, False)
    assert live_home.runtime.live.failure == "sent too much"
    assert lag.worst < 0.5
    await until_open(live_home)


@pytest.mark.parametrize(
    "frame",
    [b"\x89\x00", b"\x8a\x00", b"\x82\x00", b"\x81\x02{}", b'\x81\x14{"event":{"type":1}}'],
    ids=["pings", "pongs", "binary", "texts", "events"],
)
async def test_frames_without_end(live_home: Home, frame: bytes) -> None:
    """Neither while they come nor while their socket is closed does everything else stand still."""
    async with lag_of_the_loop() as lag:
        live_home.relay.flood_sockets(frame, 1_000_000 // len(frame))
        if b"event" in frame:
            await asyncio.sleep(0.5)  # these are read slowly
            await live_home.hass.config_entries.async_unload(live_home.entry.entry_id)
        else:
            await until_open(live_home, False)
            assert live_home.runtime.live.failure == "sent too much"
    assert lag.worst < MAX_LAG


@pytest.mark.parametrize("size", [1, push.MAX_MESSAGE + 1])
async def test_more_or_longer_messages_than_octoprint_sends(
    live_home: Home, monkeypatch: pytest.MonkeyPatch, size: int
) -> None:
    """Too many events are read slowly and after a while no more; a message that is too long ends the socket."""
    monkeypatch.setattr(push, "MAX_SLOW_SECONDS", 0.3)
    if size == 1:
        await live_home.relay.say_on_sockets(EVENT % "Printing", push.EVENTS_AT_ONCE + 100)
    else:
        await live_home.relay.say_on_sockets("x" * size)
    await until_open(live_home, False)
    assert live_home.runtime.live.failure
    assert size > 1 or live_home.runtime.live.failure == "sent too much"
    await until_open(live_home)


# What it costs


async def test_polls_are_few(new_live_home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    """With a socket OctoPrint is polled every 15 minutes."""
    monkeypatch.setattr(live, "PING_INTERVAL", timedelta(days=1))  # which waits for a pong in real time
    live_home = new_live_home
    await live_home.listen()
    live_home.relay.clear()
    for minutes in range(1, 15):
        async_fire_time_changed(live_home.hass, dt_util.utcnow() + timedelta(minutes=minutes))
        await settle(live_home.hass)
    assert not live_home.relay.seen("tunnel")
    async_fire_time_changed(live_home.hass, dt_util.utcnow() + timedelta(minutes=15, seconds=5))
    await settle(live_home.hass)
    [check] = live_home.relay.seen("tunnel")
    assert check.path == "/api/printer"
    assert check.response_bytes < 100
    assert live_home.runtime.live.since


async def test_service_is_asked_rarely(live_home: Home) -> None:
    """Each ten minutes, and when a day begins."""
    tunnel = live_home.runtime.tunnel
    await tunnel.async_refresh()
    live_home.relay.clear()
    now, interval = dt_util.utcnow(), tunnel.update_interval
    assert interval is not None
    async_fire_time_changed(live_home.hass, now + interval - timedelta(seconds=5))
    await settle(live_home.hass)
    assert not live_home.relay.seen("octoeverywhere_api")
    async_fire_time_changed(live_home.hass, now + interval + timedelta(seconds=1))
    await settle(live_home.hass)
    assert live_home.relay.seen("octoeverywhere_api")


async def test_service_is_asked_when_the_socket_ends(live_home: Home) -> None:
    """At once, and as without a socket from then on: that OctoPrint went off shows before the next poll is due."""
    await live_home.runtime.tunnel.async_refresh()
    assert live_home.runtime.tunnel.update_interval != POLLED
    live_home.relay.printer.online = False
    await live_home.relay.close_sockets(3000)
    await live_home.until_state("off", "octoprint_online")
    assert live_home.runtime.tunnel.update_interval == POLLED


async def test_service_is_asked_when_a_request_fails(live_home: Home) -> None:
    """At once, and only once although the socket ends with it; rarely again when both work."""
    await live_home.runtime.tunnel.async_refresh()
    live_home.relay.clear()
    live_home.relay.fail("tunnel", 600, times=1)
    await live_home.refresh()
    await until_open(live_home, False)
    await settle(live_home.hass)
    assert len(live_home.relay.seen("octoeverywhere_api")) == 1
    assert live_home.runtime.tunnel.update_interval == POLLED
    await live_home.refresh()
    await until_open(live_home)
    await live_home.runtime.tunnel.async_refresh()
    assert live_home.runtime.tunnel.update_interval != POLLED


async def test_service_of_a_tunnel_that_is_not_used(new_live_home: Home) -> None:
    """Its service is asked more often: a socket on the local network tells nothing of it, unless it ends."""
    home = new_live_home
    await home.listen(local_url=f"{home.relay.local.url}/octoprint")
    await home.runtime.tunnel.async_refresh()
    assert home.state("active_route").state == "local"
    assert home.runtime.tunnel.update_interval == timedelta(minutes=5)
    home.relay.printer.online = False
    home.relay.drop("local")
    await home.relay.close_sockets(3000)
    await home.until_state("off", "octoprint_online")
    assert home.runtime.tunnel.update_interval == POLLED


async def test_service_is_asked_when_readings_leave_the_local_network(new_live_home: Home) -> None:
    """Also while the socket there stays open: requests go through the tunnel then."""
    home = new_live_home
    await home.listen(local_url=home.relay.local.url)
    await home.runtime.tunnel.async_refresh()
    assert home.runtime.tunnel.update_interval == timedelta(minutes=5)
    home.relay.clear()
    home.relay.drop("local", path="/api/printer")
    await home.refresh()
    await settle(home.hass)
    assert (home.state("active_route").state, home.runtime.live.since is None) == ("tunnel", False)
    assert home.relay.seen("octoeverywhere_api")
    assert home.runtime.tunnel.update_interval == POLLED


@BOTH_VERSIONS
@ALL_TUNNELS
async def test_cost_of_a_socket(live_home: Home) -> None:
    """Opening it costs a log-in and OctoPrint's greeting, and then nothing comes: no feed of the state."""
    [login] = live_home.relay.seen("tunnel", path="/api/login")
    [socket] = live_home.relay.seen("tunnel", path=SOCKET)
    before = socket.response_bytes
    assert login.response_bytes < 2_000
    assert before < 12_000
    await asyncio.sleep(1.2)  # the feed would come every half second
    assert socket.response_bytes == before


async def test_switched_off(new_live_home: Home) -> None:
    """Without live updates there are polls alone."""
    await new_live_home.set_up(live_updates=False)
    assert new_live_home.runtime.live.since is None
    assert not new_live_home.relay.seen(path="/api/login")
    assert interval(new_live_home) == POLLED


# What goes wrong


@ALL_TUNNELS
async def test_silent_socket(new_live_home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    """A socket on which OctoPrint does not speak is not used; live updates begin when it does."""
    home = new_live_home
    monkeypatch.setattr(push, "GREETING_TIMEOUT", 0.1)
    home.relay.mute("tunnel")
    await home.set_up()
    await until(lambda: sockets(home) >= 2)
    assert (home.runtime.live.since, home.runtime.live.failure) == (None, "timed_out")
    assert interval(home) == POLLED
    monkeypatch.setattr(push, "GREETING_TIMEOUT", 10)
    home.relay.heal()
    await until_open(home)
    await until(lambda: interval(home) == LIVE)


@pytest.mark.parametrize("provider", ["obico"])
async def test_octoprint_goes_off_before_the_socket_opens(new_live_home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    """Obico opens a socket also without an OctoPrint, and stays silent. While polls fail, none is tried."""
    home = new_live_home
    monkeypatch.setattr(push, "GREETING_TIMEOUT", 0.1)
    home.relay.delay("obico_tunnel", 0.3, path=SOCKET)
    await home.set_up()
    await until(lambda: sockets(home))
    home.relay.printer.online = False
    await until(lambda: home.runtime.live.failure)
    assert home.runtime.live.failure == "timed_out"
    await home.refresh()
    opened = sockets(home)
    await asyncio.sleep(1)
    assert sockets(home) <= opened + 1


@pytest.mark.parametrize("end", ["closed", "broken"])
async def test_socket_ends(live_home: Home, end: str) -> None:
    """What happened since is read at once, polls go on, and a new socket is opened."""
    live_home.relay.clear()
    if end == "closed":
        await live_home.relay.close_sockets(3000)
    else:
        live_home.relay.break_sockets()
    await until_open(live_home, False)
    await until(lambda: live_home.relay.seen("tunnel", path="/api/connection"))
    failure = live_home.runtime.live.failure
    assert failure
    assert failure.startswith("closed with 3000" if end == "closed" else "closed with")
    await until_open(live_home)
    await connect(live_home)


@pytest.mark.parametrize(
    ("status", "failure"),
    [
        (605, "not_supporter 605"),
        (601, "octoprint_offline 601"),
        (404, "unexpected_status 404"),
        (302, "unexpected_status 302"),
    ],
)
async def test_refused_handshake(
    new_live_home: Home, caplog: pytest.LogCaptureFixture, status: int, failure: str
) -> None:
    """It has the codes that any request has, is not redirected to where the session must not go, and harms no poll."""
    home, relay = new_live_home, new_live_home.relay
    if status == 302:
        relay.redirect("octoeverywhere_tunnel", f"{relay.local.url}{SOCKET}", path=SOCKET)
    else:
        relay.fail("octoeverywhere_tunnel", status, path=SOCKET)
    await home.set_up()
    await until(lambda: home.runtime.live.failure)
    assert home.runtime.live.failure == failure
    assert not relay.seen("local")
    assert home.state("printer_state").state == "offline"
    assert not log_lines(caplog)
    relay.heal()
    await until_open(home)


async def test_socket_that_does_not_report_a_change(new_live_home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its pongs come, but a poll shows another state: it is closed, and another one is opened."""
    home = new_live_home
    monkeypatch.setattr(live, "CHECK_INTERVAL", timedelta(seconds=1))
    await home.listen()
    await asyncio.sleep(1.5)
    home.relay.mute("tunnel")
    await home.in_octoprint(printing.connect)
    assert home.state("printer_state").state == "offline"
    assert home.runtime.live.since
    await home.refresh()
    assert home.state("printer_state").state == "operational"
    await until_open(home, False)
    home.relay.heal()
    await until_open(home)


async def test_change_while_the_socket_opens(new_live_home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    """A socket cannot report what changed before it was open, and stays in use."""
    home = new_live_home
    monkeypatch.setattr(live, "PING_INTERVAL", timedelta(days=1))  # which waits for a pong in real time
    home.relay.delay("octoeverywhere_tunnel", 4, path="/api/login")
    await home.set_up()
    await until(lambda: home.relay.seen(path="/api/login"))
    await home.in_octoprint(printing.connect)
    assert home.state("printer_state").state == "offline"
    await until_open(home)
    await home.until_state("operational")
    for minutes in (1, 2):
        async_fire_time_changed(home.hass, dt_util.utcnow() + timedelta(minutes=minutes, seconds=1))
        await settle(home.hass)
    assert home.runtime.live.since
    assert sockets(home) == 1


async def test_no_pong(new_live_home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    """A socket whose other end is gone is closed, and another one is opened."""
    home = new_live_home
    monkeypatch.setattr(live, "PING_INTERVAL", timedelta(seconds=0.1))
    monkeypatch.setattr(push, "ALIVE_TIMEOUT", 1)
    await home.listen()
    await asyncio.sleep(0.5)  # pongs come: it stays
    assert sockets(home) == 1
    home.relay.freeze_sockets()
    await until(lambda: sockets(home) == 2)
    await until_open(home)


async def test_socket_that_is_silent_for_half_a_minute(live_home: Home) -> None:
    """The service is asked then; its next regular poll would come much later."""
    live_home.relay.printer.online = False
    live_home.relay.freeze_sockets()
    for seconds in (15, 30):
        assert live_home.state("octoprint_online").state == "on"
        async_fire_time_changed(live_home.hass, dt_util.utcnow() + timedelta(seconds=seconds + 0.6))
        await live_home.hass.async_block_till_done()  # not for the pong
    await live_home.until_state("off", "octoprint_online")


async def test_poll_fails(live_home: Home) -> None:
    """The socket is closed, none is opened while polls fail, and it comes back with them."""
    live_home.relay.fail("octoeverywhere_tunnel", 602)
    await live_home.refresh()
    await until_open(live_home, False)
    assert live_home.state("printer_state").state == "unavailable"
    live_home.relay.clear()
    await asyncio.sleep(0.5)
    assert not live_home.relay.seen(path="/api/login")
    live_home.relay.heal()
    await live_home.refresh()
    await until_open(live_home)


async def test_octoprint_restarts(live_home: Home) -> None:
    """OctoPrint goes and comes back, and so do live updates."""
    await live_home.in_octoprint(OctoPrintServer.stop)
    await until_open(live_home, False)
    await live_home.until_state("unavailable")
    await live_home.in_octoprint(OctoPrintServer.start)
    await live_home.runtime.tunnel.async_refresh()
    await live_home.refresh()
    await until_open(live_home)
    await connect(live_home)


async def test_socket_moves_with_the_requests(new_live_home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    """It goes over the local network as soon as that can be reached, and back when it cannot."""
    home, relay = new_live_home, new_live_home.relay
    monkeypatch.setattr(live, "CHECK_INTERVAL", timedelta(seconds=0.1))
    monkeypatch.setattr(routing, "FIRST_RETRY", 0.1)
    monkeypatch.setattr(routing, "VERIFICATION_MAX_AGE", 0.1)
    relay.drop("local")
    await home.listen(local_url=relay.local.url)
    assert relay.seen("octoeverywhere_tunnel", path=SOCKET)
    relay.heal()
    await until(lambda: relay.seen("local", path=SOCKET))
    await until_open(home)
    await settle(home.hass)
    assert home.state("active_route").state == "local"
    relay.clear()
    await connect(home)
    await settle(home.hass)
    assert not relay.seen("tunnel")
    relay.drop("local")
    relay.break_sockets()
    await until(lambda: relay.seen("octoeverywhere_tunnel", path=SOCKET))
    await until_open(home)


# The end


@pytest.mark.parametrize("end", ["unload", "reload", "stop", "unload while opening"])
async def test_nothing_is_left(new_live_home: Home, end: str) -> None:
    """Neither task nor socket outlives the entry."""
    home, relay = new_live_home, new_live_home.relay
    if end == "unload while opening":
        relay.delay("octoeverywhere_tunnel", 30, path="/api/login")
        await home.set_up()
        await until(lambda: relay.seen(path="/api/login"))
    else:
        await home.listen()
        assert relay.open_sockets == 1
        told = (await async_get_config_entry_diagnostics(home.hass, home.entry))["live_updates"]
        assert told == {"since": home.runtime.live.since, "failure": None}
    if end == "stop":
        await home.hass.async_stop()
    elif end == "reload":
        await home.reload()
        await until_open(home)
        await until(lambda: relay.open_sockets == 1)
        return
    else:
        await home.hass.config_entries.async_unload(home.entry.entry_id)
    await until(lambda: not relay.open_sockets)
    assert not [task for task in asyncio.all_tasks() if "live updates" in repr(task)]
