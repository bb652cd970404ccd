"""When to poll next: exact intervals, without Home Assistant and without waiting."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta, timezone

import pytest

from custom_components.octoprint_tunnel.api import backoff
from custom_components.octoprint_tunnel.api.errors import (
    NotSupporter,
    OctoPrintOffline,
    OctoPrintTunnelError,
    OverCap,
    Problem,
)
from custom_components.octoprint_tunnel.api.octoprint.connection import Connection, ConnectionOptions, PrinterState
from custom_components.octoprint_tunnel.api.octoprint.heaters import Heater
from custom_components.octoprint_tunnel.api.octoprint.job import Job
from custom_components.octoprint_tunnel.api.octoprint.status import PrinterStatus
from custom_components.octoprint_tunnel.api.transport.router import Way
from custom_components.octoprint_tunnel.api.tunnels.models import TunnelStatus, Usage
from custom_components.octoprint_tunnel.api.tunnels.monthly_usage import MonthlyUsage
from custom_components.octoprint_tunnel.api.tunnels.snapshot import TunnelRequest, TunnelSnapshot
from custom_components.octoprint_tunnel.pace import LIVE_INTERVAL, READING, Pace, service_interval

MINUTE, HOUR = 60, 3600
COLD, WARM = {"bed": Heater(actual=21, target=0)}, {"bed": Heater(actual=21, target=60)}
NOW = datetime(2026, 11, 30, 23, tzinfo=UTC)


@pytest.fixture(autouse=True)
def _exact(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let delays be exact."""
    monkeypatch.setattr(backoff, "JITTER", 0)


@pytest.fixture
def pace() -> Pace:
    """Return the pace of a printer that is polled each minute."""
    return Pace(timedelta(minutes=1))


def status(text: str, heaters: dict[str, Heater] | None = None) -> PrinterStatus:
    """Return a printer in a state; a connected one is cold by default."""
    state = PrinterState.from_text(text)
    connection = Connection(
        state=state, state_text=text, options=ConnectionOptions(profiles={}, preferred_parameters={})
    )
    return PrinterStatus(
        connection=connection, heaters=(COLD if state.is_connected else {}) if heaters is None else heaters
    )


def intervals(pace: Pace, shown: PrinterStatus, *read_at: float) -> list[float]:
    """Return the intervals in seconds after readings that began at these times."""
    return [pace.interval(shown, at).total_seconds() for at in read_at]


@pytest.mark.parametrize(
    ("text", "heaters", "polled", "live"),
    [
        ("Offline", None, MINUTE, 15 * MINUTE),
        ("Operational", COLD, MINUTE, 15 * MINUTE),
        ("Operational", WARM, MINUTE, MINUTE),
        ("Printing", WARM, MINUTE, 14),
        ("Cancelling", COLD, MINUTE, 14),
        ("Paused", WARM, MINUTE, MINUTE),
        ("Connecting", None, 1, MINUTE),
        ("Detecting serial connection", None, 1, MINUTE),
    ],
)
def test_interval_by_state(
    pace: Pace, text: str, heaters: dict[str, Heater] | None, polled: float, live: float
) -> None:
    """A printer that OctoPrint reports on is polled for progress, temperatures and checks only."""
    assert intervals(pace, status(text, heaters), 100) == [polled]
    pace.live = True
    assert intervals(pace, status(text, heaters), 100) == [live]


@pytest.mark.parametrize(
    ("poll_interval", "text", "expected"),
    [(10, "Printing", 10), (30, "Printing", 14), (10, "Offline", 15 * MINUTE), (HOUR, "Offline", HOUR)],
)
def test_interval_of_the_user_bounds_those_of_live_updates(poll_interval: int, text: str, expected: float) -> None:
    """A print is polled no less often than the user wants, an idle printer no more often."""
    pace = Pace(timedelta(seconds=poll_interval))
    pace.live = True
    assert intervals(pace, status(text), 0) == [expected]


def test_a_connection_in_the_making_is_followed_less_and_less_often(pace: Pace) -> None:
    """Up to the poll interval, and from the beginning the next time."""
    assert intervals(pace, status("Connecting"), *range(8)) == [1, 2, 4, 8, 16, 32, 60, 60]
    assert intervals(pace, status("Operational"), 8) == [MINUTE]
    assert intervals(pace, status("Connecting"), 9) == [1]


def test_a_command_is_followed_until_a_reading_is_late_enough(pace: Pace) -> None:
    """OctoPrint acts a moment after it has responded; a reading that begins 2 s later shows the effect."""
    expected = [pace.expects_change]
    pace.expect_change(100)
    for read_at, interval in ((100, 1), (101.9, 2), (102, MINUTE)):
        expected.append(pace.expects_change)
        assert intervals(pace, status("Operational"), read_at) == [interval]
    assert [*expected, pace.expects_change] == [False, True, True, True, False]
    pace.expect_change(200)
    assert intervals(pace, status("Operational"), 200.5) == [1]


def test_a_command_in_between_begins_from_the_first_interval(pace: Pace) -> None:
    """What the last command has made of the connection is read soon, too."""
    assert intervals(pace, status("Connecting"), 0, 1, 3) == [1, 2, 4]
    pace.expect_change(4)
    assert intervals(pace, status("Connecting"), 4) == [1]


def test_a_command_needs_one_reading_where_octoprint_reports_changes(pace: Pace) -> None:
    """The socket tells when there is more to read."""
    pace.live = True
    pace.expect_change(100)
    assert intervals(pace, status("Operational"), 100) == [15 * MINUTE]
    assert not pace.expects_change


@pytest.mark.parametrize("live", [False, True])
def test_heaters_are_awaited_for_a_while(pace: Pace, live: bool) -> None:
    """A printer reports its first temperatures a moment after it is connected, or has none."""
    pace.live = live
    rest = 15 * MINUTE if live else MINUTE
    assert intervals(pace, status("Operational", {}), 100, 101, 103, 114.9, 115) == [1, 2, 4, 8, rest]
    assert intervals(pace, status("Operational", {}), 400) == [rest]
    assert intervals(pace, status("Operational"), 401) == [rest]
    assert intervals(pace, status("Operational", {}), 402) == [1]
    assert intervals(pace, status("Offline"), 403) == [rest]
    assert intervals(pace, status("Operational", {}), 500) == [1]


# A month whose data would not last


@pytest.mark.parametrize(
    ("text", "live", "expected"),
    [
        ("Printing", True, [14, 56, 14 * 64]),
        ("Operational", True, [15 * MINUTE] * 3),
        ("Paused", True, [MINUTE, 4 * MINUTE, 15 * MINUTE]),
        ("Printing", False, [MINUTE, 4 * MINUTE, 5 * MINUTE]),
        ("Operational", False, [MINUTE, 4 * MINUTE, 5 * MINUTE]),
        ("Connecting", False, [1, 2, 4]),
    ],
)
def test_polls_slow_down_through_the_tunnel(pace: Pace, text: str, live: bool, expected: list[float]) -> None:
    """Up to a limit, so that changes of the state are shown in time; a change that is expected is read soon."""
    pace.live = live
    found, stretches = [], []
    for pace.slowdown in (1, 4, 64):
        found += intervals(pace, replace(status(text), way=Way.TUNNEL), 0)
        stretches.append(pace.stretch)
    assert found == expected
    assert stretches == ([1, 1, 1] if text == "Connecting" else [interval / expected[0] for interval in expected])


def test_the_local_network_does_not_slow_down(pace: Pace) -> None:
    """It costs nothing there, and the user's own interval is never shortened."""
    pace.slowdown = 64
    assert intervals(pace, replace(status("Printing"), way=Way.LOCAL), 0) == [MINUTE]
    slow = Pace(timedelta(hours=1))
    slow.slowdown = 64
    assert intervals(slow, replace(status("Printing"), way=Way.TUNNEL), 0) == [HOUR]


def test_what_a_print_needs_until_its_end(pace: Pace) -> None:
    """One reading for each interval at full speed, and nothing on the local network or without a known end."""
    pace.slowdown = 64
    print_job = Job(state_text=None, path=None, name=None, size=None, progress=None, elapsed=None, left=7200)
    shown = replace(status("Printing"), way=Way.TUNNEL, job=print_job)
    assert pace.print_needs(shown) == 120 * READING
    assert pace.print_needs(replace(shown, way=Way.LOCAL)) == 0
    assert pace.print_needs(replace(shown, job=None)) == 0
    assert pace.print_needs(replace(status("Operational"), way=Way.TUNNEL, job=print_job)) == 0


# The service


def usage(*, used: int, reset: datetime) -> TunnelSnapshot:
    """Return a tunnel of which so many of 100 bytes are used."""
    return TunnelSnapshot(status=TunnelStatus(usage=Usage(total=used, cap=100, reset=reset)))


@pytest.mark.parametrize(
    ("until_reset", "expected"),
    [(HOUR, MINUTE), (56, MINUTE), (55, MINUTE), (54, 59), (10, 15), (1, 6), (0, 5), (-HOUR, 5)],
)
def test_a_used_up_month_is_asked_for_right_after_its_end(until_reset: int, expected: float) -> None:
    """Clocks differ, so five seconds later, and never more often than that."""
    tunnel = usage(used=111, reset=NOW + timedelta(seconds=until_reset))
    assert service_interval(tunnel, timedelta(minutes=1), NOW).total_seconds() == expected


@pytest.mark.parametrize(
    ("kind", "expected"), [(NotSupporter, 30 * MINUTE), (OctoPrintTunnelError, MINUTE), (None, MINUTE)]
)
def test_a_closed_tunnel_is_asked_about_rarely(kind: type[OctoPrintTunnelError] | None, expected: float) -> None:
    """Only its owner can open it."""
    tunnel = TunnelSnapshot(last_request=TunnelRequest(problem=Problem(kind) if kind else None))
    assert service_interval(tunnel, timedelta(minutes=1), NOW).total_seconds() == expected


def test_a_month_with_data_left_has_the_usual_interval() -> None:
    """The end of the month matters only to a tunnel that is closed until then."""
    tunnel = usage(used=110, reset=NOW + timedelta(seconds=10))
    assert service_interval(tunnel, timedelta(minutes=1), NOW) == timedelta(minutes=1)
    closed = TunnelSnapshot(status=tunnel.status, last_request=TunnelRequest(problem=Problem(OverCap)))
    assert service_interval(closed, timedelta(minutes=1), NOW) == timedelta(minutes=30)


@pytest.mark.parametrize(
    ("tunnel", "poll_interval", "expected"),
    [
        (TunnelSnapshot(), MINUTE, 10 * MINUTE),
        (TunnelSnapshot(), HOUR, HOUR),
        (usage(used=50, reset=NOW + timedelta(days=5)), MINUTE, 10 * MINUTE),
        (TunnelSnapshot(status=TunnelStatus(online=False)), MINUTE, MINUTE),
        (TunnelSnapshot(service_problem=Problem(OctoPrintTunnelError)), MINUTE, MINUTE),
        (TunnelSnapshot(last_request=TunnelRequest(problem=Problem(OctoPrintOffline))), MINUTE, MINUTE),
        (usage(used=111, reset=NOW + timedelta(days=5)), MINUTE, MINUTE),
        (TunnelSnapshot(last_request=TunnelRequest(problem=Problem(NotSupporter))), MINUTE, 30 * MINUTE),
    ],
)
def test_a_service_is_asked_rarely_while_a_socket_goes_through_its_tunnel(
    tunnel: TunnelSnapshot, poll_interval: int, expected: int
) -> None:
    """The socket shows that the tunnel works; otherwise everything is as without one."""
    interval = service_interval(tunnel, timedelta(seconds=poll_interval), NOW, steady=Way.TUNNEL)
    assert interval.total_seconds() == expected


@pytest.mark.parametrize(
    ("tunnel", "poll_interval", "expected"),
    [
        (TunnelSnapshot(), MINUTE, 5 * MINUTE),
        (TunnelSnapshot(), HOUR, HOUR),
        (TunnelSnapshot(status=TunnelStatus(online=False)), MINUTE, MINUTE),
    ],
)
def test_a_service_is_asked_rarely_while_a_socket_goes_over_the_local_network(
    tunnel: TunnelSnapshot, poll_interval: int, expected: int
) -> None:
    """The socket shows that OctoPrint is online, but not that the tunnel works."""
    interval = service_interval(tunnel, timedelta(seconds=poll_interval), NOW, steady=Way.LOCAL)
    assert interval.total_seconds() == expected


def test_a_month_that_slows_down_is_followed_closely() -> None:
    """What others use matters then, and asking for it is free."""
    reset = NOW + timedelta(days=5)
    month = MonthlyUsage(used=99, cap=100, wanted_to_come=9, others_to_come=9, days=9, reset=reset, now=NOW)
    tunnel = replace(usage(used=99, reset=reset), month=month)
    assert service_interval(tunnel, timedelta(minutes=1), NOW, steady=Way.TUNNEL) == timedelta(minutes=1)


@pytest.mark.parametrize(("until_midnight", "expected"), [(595, 600), (594, 599), (5, 10), (0, 600)])
def test_a_day_is_counted_from_its_beginning(until_midnight: int, expected: int) -> None:
    """In UTC, as the services do."""
    now = datetime(2026, 11, 27, tzinfo=UTC) - timedelta(seconds=until_midnight)
    for zone in (UTC, timezone(timedelta(hours=5, minutes=30))):
        interval = service_interval(TunnelSnapshot(), timedelta(minutes=1), now.astimezone(zone), steady=Way.TUNNEL)
        assert interval.total_seconds() == expected


@pytest.mark.parametrize("way", [Way.TUNNEL, Way.LOCAL])
def test_requests_of_an_idle_day(way: Way) -> None:
    """At most 300: those to the service, and the checks of what the socket reports, which are one request each.

    The checks of a socket on the local network stay there.
    """
    now = datetime(2026, 11, 27, 0, 0, 30, tzinfo=UTC)
    end, requests = now + timedelta(days=1), timedelta(days=1) // LIVE_INTERVAL if way is Way.TUNNEL else 0
    while now < end:
        now += service_interval(TunnelSnapshot(), timedelta(minutes=1), now, steady=way)
        requests += 1
    assert 200 < requests <= 300
