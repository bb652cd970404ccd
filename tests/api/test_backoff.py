"""Delays that double up to the longest one, and that differ from printer to printer."""

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
    """And stay there."""
    _set_chance(monkeypatch, _middle)
    delays = Backoff(30, 600)
    assert [delays.next() for _ in range(7)] == pytest.approx([30, 60, 120, 240, 480, 600, 600])


def test_a_reset_begins_with_the_first_delay_again(monkeypatch: pytest.MonkeyPatch) -> None:
    """What came back and goes again is tried soon again."""
    _set_chance(monkeypatch, _middle)
    delays = Backoff(5, 300)
    for _ in range(10):
        delays.next()
    delays.reset()
    assert [delays.next(), delays.next()] == pytest.approx([5, 10])


@pytest.mark.parametrize(("chance", "factor"), [(_lowest, 0.9), (_highest, 1.1)])
def test_chance_moves_a_delay_by_a_tenth_and_not_the_series(
    monkeypatch: pytest.MonkeyPatch, chance: Callable[[float, float], float], factor: float
) -> None:
    """A delay that came out long does not make the next one longer."""
    _set_chance(monkeypatch, chance)
    delays = Backoff(10, 40)
    assert [delays.next() for _ in range(4)] == pytest.approx([delay * factor for delay in (10, 20, 40, 40)])


def test_two_printers_do_not_come_back_together() -> None:
    """Otherwise all printers behind one service would knock in the same second."""
    first, second = Backoff(60, 3600), Backoff(60, 3600)
    assert [first.next() for _ in range(5)] != [second.next() for _ in range(5)]
