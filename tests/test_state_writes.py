"""Which states a reading writes: only those that changed."""

from collections import Counter
from copy import deepcopy
import json
from typing import Any

import pytest

from homeassistant.const import EVENT_STATE_CHANGED, EVENT_STATE_REPORTED
from homeassistant.core import Event, callback
from homeassistant.helpers import entity_registry as er

from .bodies import READING
from .home import Home, entities, settle

pytestmark = pytest.mark.usefixtures("all_enabled")


@callback
def _every_event(_data: object) -> bool:
    return True


class Writes:
    """Counts what the entities of a printer write, by their keys."""

    def __init__(self, home: Home) -> None:
        """Begin to count."""
        self._home = home
        self.changed: Counter[str] = Counter()
        self.reported: Counter[str] = Counter()
        for event_type, counter in ((EVENT_STATE_CHANGED, self.changed), (EVENT_STATE_REPORTED, self.reported)):
            home.hass.bus.async_listen(event_type, self._counting(counter), event_filter=_every_event)

    def _counting(self, counter: Counter[str]) -> Any:
        @callback
        def count(event: Event[Any]) -> None:
            keys = {entity_id: key for key, entity_id in entities(self._home.hass, self._home.entry).items()}
            counter[keys[event.data["entity_id"]]] += 1

        return count


async def read(home: Home, actual: float = 214.8) -> None:
    """Read a printer whose first tool has this temperature."""
    body = deepcopy(READING)
    body["temperature"]["tool0"]["actual"] = actual
    home.relay.heal()
    home.relay.fail("tunnel", 200, json.dumps(body), content_type="application/json", path="/api/printer")
    await home.refresh()


@pytest.fixture
async def hot_home(home: Home) -> Home:
    """Return a home whose printer's temperatures have been read."""
    await home.press("connect")
    await home.wait(20, times=3)
    await read(home)
    return home


async def test_one_change(hot_home: Home) -> None:
    """Of seventy entities one is written, and another one reports, so that automations see one moment."""
    writes = Writes(hot_home)
    await read(hot_home, 215.5)
    assert hot_home.state("tool0_actual_temperature").state == "215.5"
    assert writes.changed == {"tool0_actual_temperature": 1}
    assert writes.reported.total() == 1


async def test_no_change(hot_home: Home) -> None:
    """Nothing is written."""
    writes = Writes(hot_home)
    for _ in range(3):
        await read(hot_home)
    assert (writes.changed, writes.reported) == ({}, {})


async def test_renamed_entity(hot_home: Home) -> None:
    """A new name is written without a reading."""
    entity_id = hot_home.state("tool0_actual_temperature").entity_id
    er.async_get(hot_home.hass).async_update_entity(entity_id, name="Nozzle")
    await settle(hot_home.hass)
    assert "Nozzle" in hot_home.state("tool0_actual_temperature").attributes["friendly_name"]


async def test_state_that_was_removed(hot_home: Home) -> None:
    """The next change of the printer writes it again."""
    hot_home.hass.states.async_remove(hot_home.state("printer_state").entity_id)
    await read(hot_home, 215.5)
    assert hot_home.state("printer_state").state == "operational"


async def test_own_write_between_two_readings(hot_home: Home) -> None:
    """A value that its entity wrote itself is written again when a reading shows the one before."""
    await hot_home.hass.services.async_call(
        "number", "set_value", {"entity_id": hot_home.state("speed").entity_id, "value": 120}, blocking=True
    )
    assert hot_home.state("speed").state == "120"
    await hot_home.press("disconnect")
    await hot_home.wait(20, times=3)
    await hot_home.press("connect")
    await hot_home.wait(20, times=3)
    assert hot_home.state("speed").state == "100"
