"""Gadget, live links and notifications, as OctoEverywhere words them and as it may word them one day."""

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
from custom_components.octoprint_tunnel.api.tunnels.models import DetectionState, NotificationType


def parsed(response: Any) -> JsonObject:
    """Return an response as it comes."""
    return JsonObject.parse(json.dumps(response).encode())


@pytest.mark.parametrize(("number", "state"), enumerate(DetectionState))
def test_gadget_states(number: int, state: DetectionState) -> None:
    """Numbered from 0."""
    assert detection_from_json(parsed({"State": number})).state is state


@pytest.mark.parametrize("number", [None, -1, 5, "3", True, [], {}])
def test_no_gadget_state(number: Any) -> None:
    """A state that is not known yet is not guessed."""
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
    ],
)
def test_gadget_takes_a_print_for_failed(response: Any, failing: bool) -> None:
    """When its status is red, and when it has paused the print."""
    assert detection_from_json(parsed(response)).is_failing is failing


@pytest.mark.parametrize(("rating", "read"), [(1, 1), (10, 10), (0, None), (11, None), (None, None), ("5", None)])
def test_gadget_rating(rating: Any, read: int | None) -> None:
    """From 1 to 10."""
    assert detection_from_json(parsed({"State": 3, "Rating": rating})).rating == read


def test_live_links() -> None:
    """One of both addresses is enough."""
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
    """Only what a browser may open without a second thought."""
    notification = notification_from_json(parsed({"EventType": 1, "SnapshotUrl": address}))
    assert (notification.snapshot_url is not None) is shown


def test_notification_types() -> None:
    """The documented ones are 1 to 16; whatever else comes is unknown."""
    numbers = {number: notification_from_json(parsed({"EventType": number})).type for number in range(-1, 19)}
    assert {number for number, kind in numbers.items() if kind is not NotificationType.UNKNOWN} == set(range(1, 17))
    assert (numbers[1], numbers[15], numbers[16]) == (
        NotificationType.STARTED,
        NotificationType.BED_COOLED_DOWN,
        NotificationType.TEST,
    )


@pytest.mark.parametrize(("code", "read"), [("E1", "E1"), (7, "7"), (0, "0"), (None, None), ([], None)])
def test_error_codes(code: Any, read: str | None) -> None:
    """Texts or numbers."""
    assert notification_from_json(parsed({"EventType": 9, "PlatformErrorCode": code})).error_code == read
