"""Read and control Home Assistant as its user does: entities by their keys, time that passes, the log."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from freezegun.api import FrozenDateTimeFactory
import pytest
from pytest_homeassistant_custom_component.common import MockConfigEntry, async_fire_time_changed

from custom_components.octoprint_tunnel.const import DOMAIN
from custom_components.octoprint_tunnel.live import LiveUpdates
from custom_components.octoprint_tunnel.runtime import RuntimeData
from custom_components.octoprint_tunnel.system_health import async_system_health_info
from homeassistant.core import HomeAssistant, State
from homeassistant.helpers import device_registry as dr, entity_registry as er

from .octoprint.server import OctoPrintServer
from .relay.server import Relay

NO_ADDRESS = "no notifications: Home Assistant has no https address on the internet"


def entities(hass: HomeAssistant, entry: MockConfigEntry) -> dict[str, str]:
    """Return the entity id of each key."""
    registry = er.async_get(hass)
    return {
        item.unique_id.removeprefix(f"{entry.unique_id}_"): item.entity_id
        for item in er.async_entries_for_config_entry(registry, entry.entry_id)
    }


def state(hass: HomeAssistant, entry: MockConfigEntry, key: str) -> State:
    """Return the state of the entity with this key."""
    found = hass.states.get(entities(hass, entry)[key])
    assert found is not None, key
    return found


def states(hass: HomeAssistant, entry: MockConfigEntry, *keys: str) -> tuple[str, ...]:
    """Return the state texts of several entities."""
    return tuple(state(hass, entry, key).state for key in keys)


async def press(hass: HomeAssistant, entry: MockConfigEntry, key: str) -> None:
    """Press a button, and wait until its effect is read."""
    await hass.services.async_call("button", "press", {"entity_id": entities(hass, entry)[key]}, blocking=True)
    await settle(hass)


async def settle(hass: HomeAssistant) -> None:
    """Wait until all tasks have ended, except live updates, which never end."""
    await hass.async_block_till_done()
    while tasks := [task for task in hass._background_tasks if "live updates" not in repr(task)]:
        await asyncio.wait(tasks)
        await hass.async_block_till_done()


async def wait(hass: HomeAssistant, freezer: FrozenDateTimeFactory, seconds: float) -> None:
    """Let time pass, and run what becomes due."""
    freezer.tick(timedelta(seconds=seconds))
    async_fire_time_changed(hass)
    await settle(hass)


async def until(condition: Callable[[], object], seconds: float = 30) -> None:
    """Wait in real time until a condition is true."""
    async with asyncio.timeout(seconds):
        while not condition():  # noqa: ASYNC110 - no event exists
            await asyncio.sleep(0.01)


async def until_state(hass: HomeAssistant, entry: MockConfigEntry, expected: str, key: str = "printer_state") -> None:
    """Wait in real time until an entity has this state, by default the printer's state."""
    await until(lambda: key in entities(hass, entry) and state(hass, entry, key).state == expected)


async def set_up_live(hass: HomeAssistant, entry: MockConfigEntry, **options: object) -> LiveUpdates:
    """Set a printer up with live updates."""
    entry.add_to_hass(hass)
    hass.config_entries.async_update_entry(entry, options={**entry.options, "live_updates": True, **options})
    assert await hass.config_entries.async_setup(entry.entry_id)
    updates: LiveUpdates = entry.runtime_data.live
    return updates


async def listening(hass: HomeAssistant, entry: MockConfigEntry, **options: object) -> LiveUpdates:
    """Set a printer up, and wait until its push socket is subscribed."""
    updates = await set_up_live(hass, entry, **options)
    await until(lambda: updates.since)
    await settle(hass)
    return updates


async def unload(hass: HomeAssistant, entry: MockConfigEntry) -> None:
    """Unload the printer after all tasks have ended, because the relay logs an error for an unfinished handshake."""
    await settle(hass)
    await hass.config_entries.async_unload(entry.entry_id)


@dataclass(frozen=True, kw_only=True)
class Home:
    """Home Assistant with one printer, as its user sees it. Without a `freezer`, time is real."""

    hass: HomeAssistant
    relay: Relay
    octoprint: OctoPrintServer
    entry: MockConfigEntry
    freezer: FrozenDateTimeFactory | None = None

    @property
    def runtime(self) -> RuntimeData:
        """Return the parts of the printer."""
        data: RuntimeData = self.entry.runtime_data
        return data

    @property
    def keys(self) -> set[str]:
        """Return the keys of all entities."""
        return set(entities(self.hass, self.entry))

    @property
    def tunnel(self) -> str:
        """Return the relay's name for the tunnel's part of the service."""
        return f"{self.entry.data['provider']}_tunnel"

    def state(self, key: str) -> State:
        """Return the state of the entity with this key."""
        return state(self.hass, self.entry, key)

    def states(self, *keys: str) -> tuple[str, ...]:
        """Return the state strings of several entities."""
        return states(self.hass, self.entry, *keys)

    async def set_up(self, **options: object) -> None:
        """Add the printer, with these options."""
        if self.hass.config_entries.async_get_entry(self.entry.entry_id) is None:
            self.entry.add_to_hass(self.hass)
        self.hass.config_entries.async_update_entry(self.entry, options={**self.entry.options, **options})
        assert await self.hass.config_entries.async_setup(self.entry.entry_id)
        await settle(self.hass)

    async def listen(self, **options: object) -> None:
        """Add the printer, with these options, and wait until its push socket is in use."""
        await self.set_up(**options)
        await until(lambda: self.runtime.live.since)
        await settle(self.hass)

    async def reload(self) -> None:
        """Unload the printer, and set it up again."""
        assert await self.hass.config_entries.async_reload(self.entry.entry_id)
        await settle(self.hass)

    async def wait(self, seconds: float, times: int = 1) -> None:
        """Let so many seconds pass, several times, and run what becomes due each time."""
        assert self.freezer
        for _ in range(times):
            await wait(self.hass, self.freezer, seconds)

    async def refresh(self) -> None:
        """Read the printer now."""
        await self.runtime.printer.async_refresh()
        await settle(self.hass)

    async def press(self, key: str) -> None:
        """Press a button, and wait until its effect is read."""
        await press(self.hass, self.entry, key)

    async def call(self, action: str, **data: object) -> object:
        """Call one of the integration's actions for the printer's device."""
        [device] = dr.async_entries_for_config_entry(dr.async_get(self.hass), self.entry.entry_id)
        data["device_id"] = device.id
        return await self.hass.services.async_call(DOMAIN, action, data, blocking=True)

    async def response_of(self, action: str, **data: object) -> Any:
        """Call an action that only returns something."""
        [device] = dr.async_entries_for_config_entry(dr.async_get(self.hass), self.entry.entry_id)
        data["device_id"] = device.id
        return await self.hass.services.async_call(DOMAIN, action, data, blocking=True, return_response=True)

    async def until_state(self, expected: str, key: str = "printer_state") -> None:
        """Wait in real time until an entity has this state, by default the printer's state."""
        await until_state(self.hass, self.entry, expected, key)

    async def in_octoprint[*Ts](self, action: Callable[[OctoPrintServer, *Ts], object], *args: *Ts) -> None:
        """Do something in OctoPrint itself, as its user."""
        await self.hass.async_add_executor_job(action, self.octoprint, *args)


def log_lines(caplog: pytest.LogCaptureFixture) -> list[str]:
    """Return the integration's log lines above debug; a traceback among them is a failure.

    Most tests have no https address for notifications. The line about that is left out.
    """
    records = [record for record in caplog.records if DOMAIN in record.name and record.levelname != "DEBUG"]
    assert not [record for record in records if record.exc_info]
    return [line for record in records if not (line := record.getMessage()).endswith(NO_ADDRESS)]


async def system_information(hass: HomeAssistant) -> dict[str, Any]:
    """Return the integration's system information, without trying to reach any server."""
    found = await async_system_health_info(hass)
    for name in [name for name in found if name.startswith("reach_")]:
        found.pop(name).close()
    return found
