"""The demo compares the states of entities with the expected ones."""

from .entities import ENTITIES, Expected, Shown, a_number, a_timestamp, deviations

_EXPECTED = [Expected("sensor", "port", "unknown", after="VIRTUAL"), Expected("button", "connect", a_timestamp)]


def shown(**states: str | None) -> dict[str, Shown]:
    """Return entities with these states."""
    return {
        key.replace("__", "."): Shown(entity_id=key.replace("__", ".kitchen_"), name="", state=state, unit=None)
        for key, state in states.items()
    }


def test_expected_states() -> None:
    """Entities with the expected states have no line."""
    time = "2026-11-21T03:15:48+00:00"
    assert deviations(_EXPECTED, shown(sensor__port="unknown", button__connect=time), connected=False) == []
    assert deviations(_EXPECTED, shown(sensor__port="VIRTUAL", button__connect=time), connected=True) == []


def test_unexpected_states() -> None:
    """Missing, wrong and unknown entities have a line each."""
    entities = shown(button__connect="unknown", sensor__layer="3", sensor__port=None)
    assert deviations(_EXPECTED, entities, connected=True) == [
        "sensor port is missing",
        "button.kitchen_connect is unknown, expected a timestamp",
        "sensor.kitchen_layer is not in the demo's table of entities (sensor.layer)",
    ]


def test_timestamps_and_numbers() -> None:
    """Timestamps have a time zone, and numbers have digits."""
    assert not a_timestamp("2026-11-21T03:15:48")
    assert a_number("115200")
    assert not a_number("unknown")


def test_table_has_each_entity_once() -> None:
    """Rows of one entity differ in the provider."""
    rows = [(entity.domain, entity.key, entity.provider) for entity in ENTITIES]
    assert len(set(rows)) == len(rows)
