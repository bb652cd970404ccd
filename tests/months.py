"""Months of a metered tunnel on a simulated clock: prints, other apps and failing sockets, all of them seeded.

What a request costs is what `scripts/bench` measures. The decisions are those of the integration.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
import random
from typing import Final

from custom_components.octoprint_tunnel.api.octoprint.connection import Connection, ConnectionOptions, PrinterState
from custom_components.octoprint_tunnel.api.octoprint.heaters import Heater
from custom_components.octoprint_tunnel.api.octoprint.status import PrinterStatus
from custom_components.octoprint_tunnel.api.transport.router import Way
from custom_components.octoprint_tunnel.api.tunnels.models import CAP_TOLERANCE, Usage
from custom_components.octoprint_tunnel.api.tunnels.monthly_usage import DataMode, MonthlyUsage
from custom_components.octoprint_tunnel.api.tunnels.usage_history import UsageHistory
from custom_components.octoprint_tunnel.pace import Pace

DAYS: Final = 30
HOURS: Final = DAYS * 24
HOUR: Final = 3600
BEGIN: Final = datetime(2026, 11, 1, tzinfo=UTC)
RESET: Final = BEGIN + timedelta(days=DAYS)
MEGABYTE: Final = 1_000_000

READING: Final = 600  # bytes of a poll while printing; 257 of them are the 154 kB of an hour
EVENTS: Final = 5_000  # bytes of the events at the start or the end of a print, with the readings they ask for
SOCKET: Final = 11_000  # bytes of opening a push socket
SETTINGS: Final = 20_000  # bytes of OctoPrint's settings
SETTINGS_INTERVAL: Final = 900  # seconds; some plugins save settings all the time
PICTURE: Final = 1_000_000  # bytes of a picture of the model at most


def _status(state: str) -> PrinterStatus:
    options = ConnectionOptions(profiles={}, preferred_parameters={})
    connection = Connection(state=PrinterState.from_text(state), state_text=state, options=options)
    return PrinterStatus(connection=connection, heaters={"bed": Heater(actual=21, target=0)}, way=Way.TUNNEL)


PRINTING, IDLE = _status("Printing"), _status("Operational")


@dataclass(frozen=True, kw_only=True)
class Household:
    """What is printed in a month, and what else happens to its data; all by the hour."""

    cap: int
    poll_interval: int
    live: bool
    printing: tuple[bool, ...]
    others: tuple[int, ...]
    without_socket: frozenset[int]
    """Hours in which no socket lasts."""
    saves_settings: bool

    @classmethod
    def random(cls, seed: int) -> Household:
        """Return the household of a seed."""
        dice = random.Random(seed)
        cap = int(MEGABYTE * 10 ** dice.uniform(1.7, 2.7))  # 50 to 500 MB
        printing = tuple(_prints(dice))
        others = tuple(_others(dice, cap * dice.choice((0, 0.2, 0.5, 0.8, 1.0, 1.3)) / DAYS))
        return cls(
            cap=cap,
            poll_interval=dice.choice((30, 60, 60, 60, 300)),
            live=dice.random() < 0.8,
            printing=printing,
            others=others,
            without_socket=frozenset(hour for hour in range(HOURS) if dice.random() < 0.01),
            saves_settings=dice.random() < 0.1,
        )


def _prints(dice: random.Random) -> Iterator[bool]:
    """Yield for each hour whether there is a print: daily ones, only on workdays or weekends, or without end."""
    weekdays = dice.choice(((0, 1, 2, 3, 4, 5, 6), (0, 1, 2, 3, 4), (4, 5, 6)))
    hours, begin = dice.choice((2, 4, 8, 12, 20, 24)), dice.randrange(24)
    for day in range(DAYS):
        length = round(hours * dice.uniform(0.6, 1.4))
        is_printed = (BEGIN + timedelta(days=day)).weekday() in weekdays and dice.random() < 0.9
        yield from (is_printed and (hour - begin) % 24 < length for hour in range(24))


def _others(dice: random.Random, mean: float) -> Iterator[int]:
    """Yield for each hour what the browser and other apps use; `mean` is that of a day."""
    for _day in range(DAYS):
        amount, hours = mean * dice.uniform(0.5, 1.5), dice.sample(range(24), 3)
        yield from (int(amount / 3) if hour in hours else 0 for hour in range(24))


@dataclass(kw_only=True)
class Month:
    """A month that passes."""

    household: Household
    mode: DataMode = DataMode.AUTOPILOT
    own: int = 0
    others: int = 0
    latest: float = 0
    """The longest time in seconds until a change of the state was shown."""
    hours_held_back: int = 0
    own_crossed: list[float] = field(default_factory=list)
    """The shares of the cap that were crossed by the integration's own requests."""
    forecasts: list[float | None] = field(default_factory=list)
    """The forecast of each hour."""
    slowdowns: list[float] = field(default_factory=list)
    history: UsageHistory = field(default_factory=UsageHistory)

    @property
    def total(self) -> int:
        """Return the account's usage, in bytes."""
        return self.own + self.others

    def run(self) -> Month:
        """Let the month pass."""
        pace = Pace(timedelta(seconds=self.household.poll_interval))
        self.history = self.history.record(self.total, 0, 0, BEGIN)
        for hour in range(HOURS):
            now = BEGIN + timedelta(hours=hour)
            usage = Usage(total=self.total, cap=self.household.cap, reset=RESET)
            month = MonthlyUsage.of(self.history, usage, now, mode=self.mode)
            assert month is not None
            self.forecasts.append(month.forecast)
            self.slowdowns.append(month.slowdown)
            before = self.own
            stretch = self._pass_hour(hour, pace, month)
            own = self.own - before
            self.history = self.history.record(self.total, own, int(own * stretch), now + timedelta(minutes=59))
        return self

    def _pass_hour(self, hour: int, pace: Pace, month: MonthlyUsage) -> float:
        self.others += self.household.others[hour] // 2
        if month.is_held_back:
            self.hours_held_back += 1
        elif self.total <= self.household.cap * CAP_TOLERANCE:
            self._request(hour, pace, month)
        self.others += self.household.others[hour] - self.household.others[hour] // 2
        return pace.stretch

    def _request(self, hour: int, pace: Pace, month: MonthlyUsage) -> None:
        house = self.household
        is_printing, was_printing = house.printing[hour], hour > 0 and house.printing[hour - 1]
        pace.slowdown, pace.live = month.slowdown, house.live and hour not in house.without_socket
        interval = pace.interval(PRINTING if is_printing else IDLE, hour * HOUR).total_seconds()
        size = HOUR / interval * READING
        if is_printing is not was_printing:
            size += EVENTS
            size += PICTURE if is_printing and month.affords(PICTURE) else 0
            # A change comes at any time between two polls.
            self.latest = max(self.latest, 1 if pace.live else interval)
        if house.live and not pace.live:
            size += HOUR / min(300 * month.slowdown, HOUR) * SOCKET
        if house.saves_settings:
            size += min(1, HOUR / (SETTINGS_INTERVAL * month.slowdown)) * SETTINGS
        for share in (1.0, CAP_TOLERANCE):
            if self.total <= house.cap * share < self.total + size:
                self.own_crossed.append(share)
        self.own += int(size)
