"""The time that an account lets webcams stream: exact, without waiting."""

import pytest

from custom_components.octoprint_tunnel.api.tunnels.models import Limits
from custom_components.octoprint_tunnel.api.tunnels.stream_time import MAX_STREAMS, StreamTime

HOUR = 3600


@pytest.fixture
def time() -> StreamTime:
    """Return the time of an account that allows 10 minutes an hour, and 4 minutes at a stretch."""
    found = StreamTime()
    found.limits = Limits(max_webcam_stream=240, max_webcam_time=600, webcam_window=HOUR)
    return found


def test_no_limits() -> None:
    """A stream may last, also if one of the two limits is missing."""
    time = StreamTime()
    for limits in (Limits(), Limits(max_webcam_time=1), Limits(webcam_window=HOUR)):
        time.limits = limits
        granted = time.grant(0)
        assert granted is not None
        assert granted.end is None
        assert time.left(HOUR) is None


def test_streams_one_after_the_other(time: StreamTime) -> None:
    """The third gets what is left, the next one begins when the first ones leave the window."""
    ends = []
    for begin in (0, 240, 480):
        granted = time.grant(begin)
        assert granted is not None
        ends.append(granted.end)
    assert ends == [240, 480, 600]
    assert time.grant(600) is None
    assert time.grant(HOUR + 4) is None
    granted = time.grant(HOUR + 5)
    assert granted is not None
    assert granted.end == HOUR + 10
    granted = time.grant(2 * HOUR)
    assert granted is not None
    assert granted.end == 2 * HOUR + 240


def test_streams_at_the_same_time(time: StreamTime) -> None:
    """What an open stream may still use is not granted again; what it did not use is."""
    first, second = time.grant(0), time.grant(0)
    assert first is not None
    assert second is not None
    assert time.left(0) == 120
    time.release(first, 60)
    time.release(second, 500)
    assert time.left(500) == 600 - 60 - 240


def test_open_streams_without_an_end(time: StreamTime) -> None:
    """They count from their beginning when the account gets a limit."""
    time.limits = Limits()
    granted = time.grant(0)
    assert granted is not None
    time.limits = Limits(max_webcam_time=600, webcam_window=HOUR)
    assert time.left(100) == 500
    time.release(granted, 200)
    assert time.left(300) == 400


def test_only_so_many_streams_are_remembered(time: StreamTime) -> None:
    """Nothing grows without end."""
    time.limits = Limits(max_webcam_time=10 * MAX_STREAMS, webcam_window=HOUR)
    for _ in range(2 * MAX_STREAMS):
        granted = time.grant(0)
        assert granted is not None
        time.release(granted, 1)
    assert time.left(1) == 9 * MAX_STREAMS
