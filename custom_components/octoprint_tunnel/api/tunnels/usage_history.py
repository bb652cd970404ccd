"""What the account of a metered tunnel used on the last days, and which of it was this integration's own."""

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import asdict, dataclass, replace
from datetime import UTC, date, datetime, timedelta
from itertools import pairwise
from typing import Any, Final, Self

MAX_DAYS: Final = 35  # a whole month, and enough of the one before to know its weekdays
MAX_BYTES: Final = 10**15  # of a stored number
STALE_TOTAL: Final = timedelta(minutes=10)  # the service's clock may be behind, and its total that of the last month
ANEW: Final = 0.5  # of what is known of a month's first day; a total below that shows that it was of the last month
WEEK: Final = 7  # days
OVERALL_WEIGHT: Final = 2  # days; so much counts the mean of all days beside the same weekdays

_DAY: Final = timedelta(days=1)


@dataclass(frozen=True, kw_only=True, slots=True)
class Day:
    """One day in UTC, in bytes: `wanted` is what this integration would have used without slowing down."""

    date: date
    own: int = 0
    wanted: int = 0
    others: int = 0


@dataclass(frozen=True, kw_only=True, slots=True)
class UsageHistory:
    """The last days, the newest last, at most MAX_DAYS."""

    days: tuple[Day, ...] = ()

    def own(self, month: datetime) -> int:
        """Return what this integration used in the month of `month`."""
        return sum(day.own for day in _of_month(self.days, month.astimezone(UTC).date()))

    def add(self, own: int, wanted: int) -> Self:
        """Return the history with what this integration used on the last day; the account's usage is not known."""
        if not self.days:
            return self
        last = self.days[-1]
        return replace(self, days=(*self.days[:-1], replace(last, own=last.own + own, wanted=last.wanted + wanted)))

    def record(self, total: int, own: int, wanted: int, now: datetime) -> Self:
        """Return the history with what was used until `now`.

        `total` is the account's usage of the month. `own` was used by this integration since the last record, and
        `wanted` without slowing down. What others used since is spread over the days since; before the first record,
        over the month.
        """
        today = now.astimezone(UTC).date()
        last = self.days[-1].date if self.days else today - MAX_DAYS * _DAY
        if last > today:  # the clock was ahead
            own += sum(day.own for day in self.days if day.date > today)
            wanted += sum(day.wanted for day in self.days if day.date > today)
            before = replace(self, days=tuple(day for day in self.days if day.date <= today))
            return before.record(total, own, wanted, now)
        begin = max(last + _DAY, today.replace(day=1), today - (MAX_DAYS - 1) * _DAY)
        gap = tuple(Day(date=begin + number * _DAY) for number in range((today - begin).days + 1))
        new = replace(self, days=(*self.days, *gap)[-MAX_DAYS:]).add(own, wanted)
        if self._is_of_last_month(total, now):
            return new
        known = sum(day.own + day.others for day in _of_month(new.days, today))
        if today.day == 1 and total < known * ANEW:
            first = replace(new.days[-1], others=0)
            new, known = replace(new, days=(*new.days[:-1], first)), first.own
        return replace(new, days=_with_others(new.days, max(0, total - known), max(1, len(gap))))

    def means(self, now: datetime) -> tuple[tuple[float, ...], tuple[float, ...]] | None:
        """Return what this integration wants, and what others use, on each weekday; None before the first whole day.

        The same weekdays count most: many printers print on workdays, or on weekends.
        """
        today = now.astimezone(UTC).date()
        whole = [day for day in self.days if day.date < today][-4 * WEEK :]
        if not whole:
            return None
        return _means(whole, lambda day: day.wanted), _means(whole, lambda day: day.others)

    def to_data(self) -> dict[str, Any]:
        """Return what has to be stored to know these days again."""
        return {"days": [asdict(day) | {"date": day.date.isoformat()} for day in self.days]}

    @classmethod
    def from_data(cls, data: Mapping[str, Any]) -> Self:
        """Return what `to_data` described. Raises KeyError, TypeError or ValueError for anything else."""
        days = tuple(
            Day(
                date=date.fromisoformat(item["date"]),
                **{name: min(max(0, int(item[name])), MAX_BYTES) for name in ("own", "wanted", "others")},
            )
            for item in data["days"][-MAX_DAYS:]
        )
        if any(day.date >= following.date for day, following in pairwise(days)):
            raise ValueError("days in disorder")
        return cls(days=days)

    def _is_of_last_month(self, total: int, now: datetime) -> bool:
        now = now.astimezone(UTC)
        if now - datetime(now.year, now.month, 1, tzinfo=UTC) >= STALE_TOTAL:
            return False
        last_month = sum(day.own + day.others for day in _of_month(self.days, (now - STALE_TOTAL).date()))
        return 0 < last_month <= total


def _of_month(days: Iterable[Day], month: date) -> Iterator[Day]:
    return (day for day in days if (day.date.year, day.date.month) == (month.year, month.month))


def _with_others(days: tuple[Day, ...], size: int, count: int) -> tuple[Day, ...]:
    """Spread what others used over the last days, the remainder on the last of them."""
    share, rest = divmod(size, count)
    spread = [replace(day, others=day.others + share) for day in days[-count:]]
    spread[-1] = replace(spread[-1], others=spread[-1].others + rest)
    return (*days[:-count], *spread)


def _means(days: list[Day], size: Callable[[Day], int]) -> tuple[float, ...]:
    overall = sum(map(size, days)) / len(days)
    sums, counts = [OVERALL_WEIGHT * overall] * WEEK, [OVERALL_WEIGHT] * WEEK
    for day in days:
        weekday = day.date.weekday()
        sums[weekday] += size(day)
        counts[weekday] += 1
    return tuple(total / count for total, count in zip(sums, counts, strict=True))
