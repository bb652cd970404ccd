"""What a metered month will come to, and how much this integration has to slow down to stay within its cap."""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from enum import StrEnum
import math
from typing import Final, Self

from .models import CAP_TOLERANCE, Usage
from .usage_history import WEEK, UsageHistory

TARGET: Final = 0.95  # of the cap; this integration leaves the rest
CAUTION: Final = 0.3  # of what others will use; so much more they may use if only one day is known
RESERVE: Final = 200_000  # bytes below the end of the tunnel; a start with all requests, and some minutes of others
MAX_SLOWDOWN: Final = 64
SHARE_OF_ONE: Final = 0.1  # of what is left; a single download may use so much
FIRST_DAYS: Final = 1_500_000  # bytes; what a day with ten hours of printing uses, while no day is known
FIRST_OTHERS: Final = 0.5  # of the cap; what others use in a month, while no day is known
DAYS_TO_WARN: Final = 3  # so many days have to be known, and over in this month, before a forecast is a reason to warn
CALM: Final = 0.95  # of the cap; a forecast below it ends a warning

_DAY: Final = timedelta(days=1)


class DataMode(StrEnum):
    """What decides how much data is used."""

    OFF = "off"
    """Nothing slows down."""
    AUTOPILOT = "autopilot"
    SAVING = "saving"
    """Everything is as slow as it can be, for the rest of the month."""


class DataUse(StrEnum):
    """How much data is used now, as users see it."""

    NORMAL = "normal"
    SLOWED = "slowed"
    CHANGES_ONLY = "changes_only"


@dataclass(frozen=True, kw_only=True, slots=True)
class MonthlyUsage:
    """A month at one moment, in bytes.

    `wanted_to_come` is what this integration will use until the reset without slowing down, and `others_to_come` is
    what others will, at the pace of the last days. `days` of these are known.
    """

    used: int
    cap: int
    wanted_to_come: float
    others_to_come: float
    days: int
    reset: datetime
    now: datetime
    mode: DataMode = DataMode.AUTOPILOT

    @classmethod
    def of(
        cls, history: UsageHistory, usage: Usage, now: datetime, *, mode: DataMode, print_needs: float = 0
    ) -> Self | None:
        """Return the month of `usage`; `print_needs` are the bytes until the end of the print that runs.

        None for a month without a cap, or whose usage is not known.
        """
        if usage.total is None or usage.cap is None or usage.is_unlimited:
            return None
        wanted, others = _to_come(history, usage.cap, usage.reset, now)
        return cls(
            used=usage.total,
            cap=usage.cap,
            wanted_to_come=max(wanted, print_needs),
            others_to_come=others,
            days=max(0, len(history.days) - 1),
            reset=usage.reset,
            now=now,
            mode=mode,
        )

    @property
    def left(self) -> int:
        """Return what is left of the cap."""
        return max(0, self.cap - self.used)

    @property
    def allowance(self) -> float:
        """Return what this integration may use until the reset, so that the month stays within the target.

        The fewer days are known, the more others may use than they did.
        """
        others = self.others_to_come * (1 + CAUTION / math.sqrt(max(1, self.days)))
        return max(0, self.cap * TARGET - self.used - others)

    @property
    def slowdown(self) -> float:
        """Return by which factor the time between two requests grows: a power of the root of two, up to 64."""
        if self.mode is DataMode.OFF:
            return 1
        if self.mode is DataMode.SAVING or self.wanted_to_come >= self.allowance * MAX_SLOWDOWN:
            return MAX_SLOWDOWN
        if self.wanted_to_come <= self.allowance:
            return 1
        return 2 ** (math.ceil(2 * math.log2(self.wanted_to_come / self.allowance)) / 2)

    @property
    def use(self) -> DataUse:
        """Return how much data is used now."""
        if self.slowdown == 1:
            return DataUse.NORMAL
        return DataUse.CHANGES_ONLY if self.slowdown == MAX_SLOWDOWN else DataUse.SLOWED

    @property
    def forecast(self) -> float | None:
        """Return what the month will come to, None before the first whole day."""
        if not self.days:
            return None
        return self.used + self.others_to_come + self.wanted_to_come / self.slowdown

    @property
    def runs_out(self) -> datetime | None:
        """Return when the cap will be reached, None if not before the reset, or if it is too early to tell."""
        if self._is_early or self.forecast is None or self.forecast <= self.cap:
            return None
        return self.now + (self.reset - self.now) * (self.left / max(1, self.forecast - self.used))

    @property
    def is_calm(self) -> bool:
        """Tell whether the month stays clearly within the cap, as far as is known."""
        return self._is_early or self.forecast is None or self.forecast <= self.cap * CALM

    @property
    def _is_early(self) -> bool:
        return self.days < DAYS_TO_WARN or self.now.astimezone(UTC).day <= DAYS_TO_WARN

    @property
    def is_held_back(self) -> bool:
        """Tell whether even state changes have to wait: the next of them might be what closes the tunnel for all."""
        return self.mode is not DataMode.OFF and self.used > self.cap * CAP_TOLERANCE - RESERVE

    def affords(self, size: int) -> bool:
        """Tell whether a single download of so many bytes is a small part of what is left."""
        return self.mode is DataMode.OFF or size <= self.allowance * SHARE_OF_ONE


def _to_come(history: UsageHistory, cap: int, reset: datetime, now: datetime) -> tuple[float, float]:
    """Return what this integration will use until the reset, and what others will."""
    now, reset = now.astimezone(UTC), reset.astimezone(UTC)
    midnight = now.replace(hour=0, minute=0, second=0, microsecond=0) + _DAY
    days_left = max(0, (reset - midnight).days)
    today_left = max(0, (min(midnight, reset) - now) / _DAY)
    if (means := history.means(now)) is None:
        rest = days_left + today_left
        return FIRST_DAYS * rest, cap * FIRST_OTHERS * rest / (days_left + now.day)
    today, begin = now.weekday(), midnight.weekday()
    # So many of each weekday are left.
    counts: list[float] = [(days_left + WEEK - 1 - (weekday - begin) % WEEK) // WEEK for weekday in range(WEEK)]
    counts[today] += today_left
    wanted, others = (math.sumprod(counts, mean) for mean in means)
    return wanted, others
