"""A thousand months of a metered tunnel, and the days that the forecast of a month is made from."""

from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from custom_components.octoprint_tunnel.api.tunnels.models import CAP_TOLERANCE, Usage
from custom_components.octoprint_tunnel.api.tunnels.monthly_usage import MAX_SLOWDOWN, DataMode, DataUse, MonthlyUsage
from custom_components.octoprint_tunnel.api.tunnels.usage_history import MAX_DAYS, Day, UsageHistory

from .months import BEGIN, MEGABYTE, PICTURE, RESET, Household, Month

MONTHS = 1000
TEN_DAYS = 10 * 24  # hours
NOON = timedelta(hours=12)
CAP = 300 * MEGABYTE


def month(**values: object) -> MonthlyUsage:
    """Return a month of 300 MB after fifteen days, of which ten are known."""
    now = BEGIN + timedelta(days=15)
    usual = MonthlyUsage(
        used=100 * MEGABYTE, cap=CAP, wanted_to_come=10e6, others_to_come=10e6, days=10, reset=RESET, now=now
    )
    return replace(usual, **values)  # type: ignore[arg-type]


def of_days(*days: tuple[int, int], since: datetime = BEGIN) -> UsageHistory:
    """Return a history of days with what this integration and others used."""
    history, total = UsageHistory(), 0
    for number, (own, others) in enumerate(days):
        total += own + others
        history = history.record(total, own, own, since + timedelta(days=number) + NOON)
    return history


# A thousand months


@pytest.mark.timeout(600)
def test_a_thousand_months() -> None:
    """Home Assistant's own requests never close the tunnel, changes are shown in time, and forecasts are good."""
    errors = []
    for seed in range(MONTHS):
        household = Household.random(seed)
        passed = Month(household=household).run()
        assert CAP_TOLERANCE not in passed.own_crossed, seed
        assert passed.others > 0.9 * household.cap or passed.total <= household.cap, seed
        assert passed.latest <= max(300, household.poll_interval), seed
        assert not passed.hours_held_back or passed.others > 0.9 * household.cap, seed
        forecast = passed.forecasts[TEN_DAYS]
        assert forecast is not None
        errors.append(abs(forecast - passed.total) / passed.total)
    assert sorted(errors)[MONTHS * 9 // 10] < 0.15


def test_months_without_the_autopilot_do_close_the_tunnel() -> None:
    """The months are hard enough."""
    months = [Month(household=Household.random(seed), mode=DataMode.OFF).run() for seed in range(50)]
    assert sum(CAP_TOLERANCE in each.own_crossed for each in months) >= 5


# The month


@pytest.mark.parametrize(
    ("values", "slowdown", "use"),
    [
        ({}, 1, DataUse.NORMAL),
        ({"used": 270e6}, 2**1.5, DataUse.SLOWED),
        ({"used": 285e6}, MAX_SLOWDOWN, DataUse.CHANGES_ONLY),
        ({"used": 400e6}, MAX_SLOWDOWN, DataUse.CHANGES_ONLY),
        ({"others_to_come": 300e6}, MAX_SLOWDOWN, DataUse.CHANGES_ONLY),
        ({"wanted_to_come": 1e12}, MAX_SLOWDOWN, DataUse.CHANGES_ONLY),
        ({"cap": 0}, MAX_SLOWDOWN, DataUse.CHANGES_ONLY),
        ({"used": 400e6, "mode": DataMode.OFF}, 1, DataUse.NORMAL),
        ({"mode": DataMode.SAVING}, MAX_SLOWDOWN, DataUse.CHANGES_ONLY),
    ],
)
def test_slowdown(values: dict[str, float], slowdown: float, use: DataUse) -> None:
    """By what is wanted, compared to what the cap and others leave."""
    shown = month(**values)
    assert shown.slowdown == pytest.approx(slowdown)
    assert shown.use is use


@pytest.mark.parametrize(
    ("values", "runs_out"),
    [
        ({}, None),
        ({"used": 250e6, "others_to_come": 100e6}, 22.4),
        ({"used": 300e6, "others_to_come": 0}, 15),
        ({"used": 301e6, "others_to_come": 0, "wanted_to_come": 0}, 15),
        ({"used": 250e6, "others_to_come": 100e6, "days": 2}, None),
        ({"used": 250e6, "others_to_come": 100e6, "now": BEGIN + timedelta(days=2)}, None),
    ],
)
def test_when_the_data_runs_out(values: dict[str, float], runs_out: float | None) -> None:
    """At the pace of the last days; the first days are no reason to warn."""
    assert month(**values).is_calm is (runs_out is None)
    expected = None if runs_out is None else BEGIN + timedelta(days=runs_out)
    found = month(**values).runs_out
    assert found == expected or (found and expected and abs(found - expected) < timedelta(hours=3))


def test_the_end_of_the_tunnel_is_left_to_others() -> None:
    """The last bytes before it closes are not spent, unless the user has turned the autopilot off."""
    limit = CAP * CAP_TOLERANCE
    assert [month(used=used).is_held_back for used in (CAP, limit - 200_000, limit - 199_000)] == [False, False, True]
    assert not month(used=limit, mode=DataMode.OFF).is_held_back


def test_a_picture_is_a_small_part_of_what_is_left() -> None:
    """Else it is not fetched."""
    assert [month(used=used).affords(PICTURE) for used in (200e6, 264e6, 265e6)] == [True, True, False]
    assert month(used=400e6, mode=DataMode.OFF).affords(PICTURE)


@pytest.mark.parametrize(
    "usage",
    [
        Usage(total=None, cap=CAP, reset=RESET),
        Usage(total=1, cap=None, reset=RESET),
        Usage(total=1, cap=None, reset=RESET, is_unlimited=True),
    ],
)
def test_a_month_without_a_cap_has_no_forecast(usage: Usage) -> None:
    """There is nothing to forecast."""
    assert MonthlyUsage.of(UsageHistory(), usage, BEGIN, mode=DataMode.AUTOPILOT) is None


def test_a_print_counts_with_its_time_left() -> None:
    """What it needs is known, and more than the last days say."""
    usage = Usage(total=20 * MEGABYTE, cap=CAP, reset=RESET)
    history, now = of_days(*[(0, MEGABYTE)] * 20), BEGIN + timedelta(days=19, hours=12)
    found = [MonthlyUsage.of(history, usage, now, mode=DataMode.AUTOPILOT, print_needs=needs) for needs in (0, 5e6)]
    assert [each and each.wanted_to_come for each in found] == [0, 5e6]


# The days


def test_weekdays_are_forecast_by_weekdays() -> None:
    """A printer that prints on weekends does so on the next one."""
    weeks = [(MEGABYTE if (BEGIN + timedelta(days=day)).weekday() >= 5 else 0, 0) for day in range(21)]
    means = of_days(*weeks).means(BEGIN + timedelta(days=21))
    assert means is not None
    wanted, others = means
    assert min(wanted[5:]) > 2.5 * max(wanted[:5])
    assert set(others) == {0}


def test_first_record_spreads_the_month() -> None:
    """What was used before the printer was added is spread over the days of the month."""
    history = UsageHistory().record(4_000, 0, 0, BEGIN + timedelta(days=3))
    assert [day.others for day in history.days] == [1_000] * 4


def test_days_without_a_record_share_what_others_used() -> None:
    """Home Assistant was off; no day is counted twice, and own bytes are not those of others."""
    history = of_days((10, 90)).record(500, 100, 200, BEGIN + timedelta(days=3))
    assert [(day.own, day.wanted, day.others) for day in history.days] == [
        (10, 10, 90),
        (0, 0, 100),
        (0, 0, 100),
        (100, 200, 100),
    ]
    assert history.own(BEGIN) == 110


def test_the_service_counts_later_than_home_assistant() -> None:
    """Own bytes that the total does not contain yet are not taken from others."""
    history = of_days((0, 100)).record(100, 50, 50, BEGIN + NOON).record(150, 0, 0, BEGIN + NOON)
    assert [(day.own, day.others) for day in history.days] == [(50, 100)]


def test_a_new_month_begins_at_zero() -> None:
    """The days before stay for the forecast. A total that is reset a bit late is not that of the new month."""
    history = of_days(*[(10, 90)] * 30)
    late = history.record(3_000, 5, 5, RESET + timedelta(minutes=5))
    assert late.days[-1] == Day(date=RESET.date(), own=5, wanted=5)
    assert late.own(RESET) == 5
    assert late.record(40, 0, 0, RESET + timedelta(minutes=6)).days[-1].others == 35
    assert history.record(3_000, 5, 5, RESET + timedelta(minutes=10)).days[-1].others == 2_995


def test_history_is_bounded() -> None:
    """It also survives clocks that jump."""
    history = of_days(*[(1, 1)] * 100)
    assert len(history.days) == MAX_DAYS
    assert len(history.record(10, 0, 0, BEGIN + timedelta(days=4000)).days) <= MAX_DAYS
    back = history.record(10, 1, 1, BEGIN + timedelta(days=2))
    assert [day.date.day for day in back.days] == [1, 2, 3]


def test_clock_that_is_set_back() -> None:
    """It was ahead by a second at midnight, or begins behind: the days before today are still known."""
    history = of_days((10, 90), (10, 90), (10, 90)).record(305, 5, 5, BEGIN + timedelta(days=3))
    back = history.record(306, 1, 1, BEGIN + timedelta(days=3, seconds=-1))
    assert [(day.own, day.others) for day in back.days] == [(10, 90), (10, 90), (16, 90)]
    assert back.own(BEGIN) == 36


def test_total_that_begins_again() -> None:
    """Home Assistant's clock was ahead of the service's at the end of the month: that is not the usage of one day."""
    history = of_days(*[(10, 9_000)] * 30).record(270_300, 5, 5, RESET + timedelta(minutes=15))
    assert history.days[-1].others == 270_295
    history = history.record(40, 5, 5, RESET + timedelta(minutes=30)).record(70, 0, 0, RESET + timedelta(days=1))
    assert [(day.own, day.others) for day in history.days[-2:]] == [(10, 30), (0, 30)]
    month = MonthlyUsage.of(
        history,
        Usage(total=70, cap=600_000, reset=RESET + timedelta(days=31)),
        RESET + timedelta(days=1),
        mode=DataMode.AUTOPILOT,
    )
    assert month is not None
    assert month.others_to_come < 300_000


def test_total_that_begins_again_too_early() -> None:
    """Home Assistant's clock was behind the service's: what others used in the month is still known."""
    history = of_days(*[(10, 90)] * 30)
    early = history.record(0, 5, 5, RESET - timedelta(seconds=1))
    assert [day.others for day in early.days] == [90] * 30
    assert early.record(20, 0, 0, RESET + timedelta(minutes=1)).days[-1].others == 20


def test_own_bytes_without_a_total() -> None:
    """They are counted on the last day; before the first record they are not."""
    assert of_days((1, 2)).add(10, 20).days == (Day(date=BEGIN.date(), own=11, wanted=21, others=2),)
    assert UsageHistory().add(10, 20) == UsageHistory()


def test_stored_days() -> None:
    """They are the same when they are read again."""
    history = of_days((1, 2), (3, 4))
    assert UsageHistory.from_data(history.to_data()) == history


@pytest.mark.parametrize(
    "spoil",
    [
        lambda _: {},
        lambda _: {"days": None},
        lambda _: {"days": [None]},
        lambda data: {"days": [{**data["days"][0], "date": "today"}]},
        lambda data: {"days": [{**data["days"][0], "own": "much"}]},
        lambda data: {"days": [*data["days"], data["days"][0]]},
    ],
)
def test_stored_days_that_cannot_be_read(spoil: Callable[[dict[str, object]], dict[str, object]]) -> None:
    """Each raises an error that the meter expects."""
    with pytest.raises((KeyError, TypeError, ValueError)):
        UsageHistory.from_data(spoil(of_days((1, 2)).to_data()))


def test_stored_numbers_are_bounded() -> None:
    """Home Assistant cannot write numbers of more than 64 bits."""
    [day] = UsageHistory.from_data({"days": [{"date": "2026-11-01", "own": 10**30, "wanted": -1, "others": 1.5}]}).days
    assert (day.own, day.wanted, day.others) == (10**15, 0, 1)
    assert datetime(2026, 11, 1, tzinfo=UTC).date() == day.date
