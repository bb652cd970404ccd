"""Check that input has done Home Assistant no harm: its API, storage, log and event loop."""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
import gc
import logging
from time import thread_time
from typing import Any
import unicodedata

from aiohttp.test_utils import TestClient
import pytest

from custom_components.octoprint_tunnel.const import DOMAIN
from homeassistant.const import MAX_LENGTH_STATE_STATE
from homeassistant.core import HomeAssistant
from homeassistant.helpers import device_registry as dr, entity_registry as er, restore_state
from homeassistant.helpers.json import JSONEncoder, json_bytes, prepare_save_json

MAX_ATTRIBUTES = 16_384  # bytes of JSON; the recorder keeps none beyond
MAX_LAG = 0.1  # seconds
MAX_NAME = 255  # characters


class Lag:
    """The longest time that the event loop was blocked, in seconds of processor time.

    In processor time of the loop's thread, so that other programs and threads do not count, however busy the machine
    is. Ticks come with every round of the loop: what lies between two of them is one round.
    """

    def __init__(self) -> None:
        """Start with none."""
        self.worst = 0.0
        self._last = thread_time()

    async def tick(self) -> None:
        """Measure until the task is canceled."""
        while True:
            await asyncio.sleep(0)
            now = thread_time()
            self.worst = max(self.worst, now - self._last)
            self._last = now

    def reset(self) -> None:
        """Start again, without the work of the test itself."""
        self.worst = 0.0
        self._last = thread_time()


@asynccontextmanager
async def lag_of_the_loop() -> AsyncGenerator[Lag]:
    """Measure the lag inside; the garbage collector ignores the objects that exist before."""
    gc.collect()
    gc.freeze()
    lag = Lag()
    watch = asyncio.create_task(lag.tick())
    try:
        yield lag
    finally:
        watch.cancel()
        gc.unfreeze()


async def assert_unharmed(hass: HomeAssistant, api: TestClient[Any, Any], caplog: pytest.LogCaptureFixture) -> None:
    """Check that the states and the registries can be sent and stored, and that no log line is forged."""
    async with api.get("/api/states") as response:
        assert response.status == 200
        assert isinstance(await response.json(), list)
    for state in hass.states.async_all():
        assert len(state.state) <= MAX_LENGTH_STATE_STATE, state.entity_id
        assert len(json_bytes(dict(state.attributes))) < MAX_ATTRIBUTES, state.entity_id
    stored = [item.as_dict() for item in restore_state.async_get(hass).async_get_stored_states()]
    assert prepare_save_json(stored, encoder=JSONEncoder)
    for entry in hass.config_entries.async_entries(DOMAIN):
        assert json_bytes(entry.as_storage_fragment)
        _assert_short(entry.title)
        for device in dr.async_entries_for_config_entry(dr.async_get(hass), entry.entry_id):
            _assert_short(device.name, device.sw_version)
        for entity in er.async_entries_for_config_entry(er.async_get(hass), entry.entry_id):
            _assert_short(entity.original_name, entity.entity_id)
    _assert_quiet(caplog)


def _assert_short(*names: str | None) -> None:
    for name in names:
        assert len(name or "") <= MAX_NAME
        assert not _forges(name or "")


def _assert_quiet(caplog: pytest.LogCaptureFixture) -> None:
    for record in caplog.records:
        # aiohttp cannot write its access log while time is frozen.
        ours = DOMAIN in record.name and record.levelno > logging.DEBUG
        if ours or (record.levelno >= logging.WARNING and record.name != "aiohttp.access"):
            assert not record.exc_info, caplog.handler.format(record)
            assert not _forges(record.getMessage()), ascii(record.getMessage()[:500])
    caplog.clear()


def _forges(text: str) -> bool:
    """Tell whether a string has a character that ends the line, is invisible or reverses the direction."""
    return any(
        unicodedata.category(character) in ("Cc", "Cs", "Zl", "Zp") or character in "\u202d\u202e" for character in text
    )
