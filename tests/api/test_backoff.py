"""Delays between retries."""

from collections.abc import Callable

import pytest

from custom_components.octoprint_tunnel.api import backoff
from custom_components.octoprint_tunnel.api.backoff import Backoff


def _middle(low: float, high: float) -> float:
    return (low + high) / 2


def _lowest(low: float, high: float) -> float:
    return low


def _highest(low: float, high: float) -> float:
    return high


def _set_chance(monkeypatch: pytest.MonkeyPatch, chance: Callable[[float, float], float]) -> None:
    monkeypatch.setattr(backoff, "uniform", chance)


def test_delays_double_until_the_longest(monkeypatch: pytest.MonkeyPatch) -> None:
    """Then they stay the same."""
    _set_chance(monkeypatch, _middle)
    delays = Backoff(30, 600)
    assert [delays.next() for _ in range(7)] == pytest.approx([30, 60, 120, 240, 480, 600, 600])


def test_a_reset_starts_with_the_first_delay_again(monkeypatch: pytest.MonkeyPatch) -> None:
    """After a success."""
    _set_chance(monkeypatch, _middle)
    delays = Backoff(5, 300)
    for _ in range(10):
        delays.next()
    delays.reset()
    assert [delays.next(), delays.next()] == pytest.approx([5, 10])


@pytest.mark.parametrize(("chance", "factor"), [(_lowest, 0.9), (_highest, 1.1)])
def test_jitter_is_a_tenth_of_the_delay(
    monkeypatch: pytest.MonkeyPatch, chance: Callable[[float, float], float], factor: float
) -> None:
    """It does not add up."""
    _set_chance(monkeypatch, chance)
    delays = Backoff(10, 40)
    assert [delays.next() for _ in range(4)] == pytest.approx([delay * factor for delay in (10, 20, 40, 40)])


def test_two_printers_have_different_delays() -> None:
    """So that not all printers return to a service in the same second."""
    first, second = Backoff(60, 3600), Backoff(60, 3600)
    assert [first.next() for _ in range(5)] != [second.next() for _ in range(5)]
