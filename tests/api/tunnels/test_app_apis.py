"""What OctoEverywhere's App APIs send about Gadget, live links and notifications."""

import json
from typing import Any

import pytest

from custom_components.octoprint_tunnel.api.errors import InvalidResponse
from custom_components.octoprint_tunnel.api.json_object import JsonObject
from custom_components.octoprint_tunnel.api.tunnels.app_apis import (
    detection_from_json,
    live_link_from_json,
    notification_from_json,
)
from custom_components.octoprint_tunnel.api.tunnels.models import DetectionState, Notification, NotificationType


def parsed(response: Any) -> JsonObject:
    """Return a response as it is parsed."""
    return JsonObject.parse(json.dumps(response).encode())


@pytest.mark.parametrize(("number", "state"), enumerate(DetectionState))
def test_gadget_states(number: int, state: DetectionState) -> None:
    """They are numbered from 0."""
    assert detection_from_json(parsed({"State": number})).state is state


@pytest.mark.parametrize("number", [None, -1, 5, "3", True, [], {}])
def test_unknown_gadget_states(number: Any) -> None:
    """They are refused."""
    with pytest.raises(InvalidResponse):
        detection_from_json(parsed({"State": number}))


@pytest.mark.parametrize(
    ("response", "failing"),
    [
        ({"State": 3, "StatusColor": "g"}, False),
        ({"State": 3, "StatusColor": "y"}, False),
        ({"State": 3, "StatusColor": "r"}, True),
        ({"State": 3, "StatusColor": None}, False),
        ({"State": 4, "StatusColor": "g"}, True),
        *(({"State": other, "StatusColor": "r"}, False) for other in (0, 1, 2)),
    ],
)
def test_gadget_failures(response: Any, failing: bool) -> None:
    """A print is failing if the status is red, or if Gadget has paused it."""
    assert detection_from_json(parsed(response)).is_failing is failing


@pytest.mark.parametrize("number", [0, 1, 2, 4])
def test_gadget_that_is_not_active(number: int) -> None:
    """Its status and its rating are old."""
    detection = detection_from_json(parsed({"State": number, "Status": "Spaghetti", "Rating": 1}))
    assert (detection.status, detection.rating) == (None, None)


@pytest.mark.parametrize(("rating", "read"), [(1, 1), (10, 10), (0, None), (11, None), (None, None), ("5", None)])
def test_gadget_rating(rating: Any, read: int | None) -> None:
    """It is from 1 to 10."""
    assert detection_from_json(parsed({"State": 3, "Rating": rating})).rating == read


def test_live_links() -> None:
    """They have at least one of two addresses."""
    link = live_link_from_json(parsed({"LiveId": "1", "Url": "https://a", "ShortUrl": "https://b"}))
    assert (link.live_id, link.url, link.short_url) == ("1", "https://a", "https://b")
    assert live_link_from_json(parsed({"ShortUrl": "https://b"})).url == "https://b"
    with pytest.raises(InvalidResponse):
        live_link_from_json(parsed({"LiveId": "1", "Url": None}))


@pytest.mark.parametrize(
    ("address", "shown"),
    [
        ("https://octoeverywhere.com/s/1", True),
        ("http://octoeverywhere.com/s/1", False),
        ("https://user:password@octoeverywhere.com/s/1", False),
        ("javascript:alert(1)", False),
        (None, False),
        (7, False),
    ],
)
def test_snapshot_addresses(address: Any, shown: bool) -> None:
    """Only https without credentials is shown."""
    notification = notification_from_json(parsed({"EventType": 1, "SnapshotUrl": address}))
    assert (notification.snapshot_url is not None) is shown


def test_notification_types() -> None:
    """The documented ones are 1 to 16, others are unknown."""
    numbers = {number: notification_from_json(parsed({"EventType": number})).type for number in range(-1, 19)}
    assert {number for number, kind in numbers.items() if kind is not NotificationType.UNKNOWN} == set(range(1, 17))
    assert (numbers[1], numbers[15], numbers[16]) == (
        NotificationType.STARTED,
        NotificationType.BED_COOLED_DOWN,
        NotificationType.TEST,
    )


@pytest.mark.parametrize(("code", "read"), [("E1", "E1"), (7, "7"), (0, "0"), (None, None), ([], None)])
def test_error_codes(code: Any, read: str | None) -> None:
    """They are strings or numbers."""
    assert notification_from_json(parsed({"EventType": 9, "PlatformErrorCode": code})).error_code == read


@pytest.mark.parametrize(("progress", "read"), [(42, 42), (16.66, 16.7), (99.97, 99.9), (100.4, 100)])
def test_progress_is_rounded(progress: float, read: float) -> None:
    """To 0.1 %."""
    assert notification_from_json(parsed({"EventType": 6, "Progress": progress})).progress == read


@pytest.mark.parametrize("number", [1e20, -1e20, float("inf"), float("nan"), 10**400, True, [1], {}])
def test_impossible_numbers(number: Any) -> None:
    """They are left out, and do not affect other fields."""
    fields = ("Progress", "DurationSec", "TimeRemainingSec", "ZOffsetMM", "CurrentLayer", "TotalLayers")
    notification = notification_from_json(parsed({"EventType": 6, "FileName": "a", **dict.fromkeys(fields, number)}))
    expected = Notification(type=NotificationType.PROGRESS, file="a")
    assert notification == expected
    assert notification_from_json(parsed({"EventType": 6, "PlatformErrorCode": number})).error_code is None
