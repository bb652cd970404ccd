"""Count what an entry leaves behind when it is unloaded, and the objects that exist while it is loaded."""

import asyncio
from collections import Counter
import contextlib
import ctypes
import gc
import logging
import os
from pathlib import Path
from typing import Any

from homeassistant.const import EVENT_HOMEASSISTANT_FINAL_WRITE
from homeassistant.core import HomeAssistant
from homeassistant.helpers import aiohttp_client
from homeassistant.helpers.dispatcher import DATA_DISPATCHER
from homeassistant.helpers.update_coordinator import DataUpdateCoordinator

PACKAGE = "custom_components.octoprint_tunnel"


def left_over(hass: HomeAssistant, *coordinators: DataUpdateCoordinator[Any]) -> Counter[str]:
    """Count the listeners, tasks, timers and connections that must end with an entry."""
    loop: Any = asyncio.get_running_loop()
    listeners = dict(hass.bus.async_listeners())
    listeners.pop(EVENT_HOMEASSISTANT_FINAL_WRITE, None)  # the registries use it
    connectors = hass.data.get(aiohttp_client.DATA_CONNECTOR, {}).values()
    return +Counter(
        {
            **{f"listeners to {event}": number for event, number in listeners.items()},
            **{f"listeners to {name}": len(found) for name, found in hass.data.get(DATA_DISPATCHER, {}).items()},
            **{f"listeners to {coordinator.name}": len(coordinator._listeners) for coordinator in coordinators},
            "tasks": sum(PACKAGE in repr(task) for task in asyncio.all_tasks()),
            "timers": sum(PACKAGE in repr((timer._callback, timer._args)) for timer in loop._scheduled),
            "connections in use": sum(len(connector._acquired) for connector in connectors),
        }
    )


def own_objects() -> Counter[str]:
    """Count the objects of each class of the integration, except those that captured log records hold."""
    for handler in logging.getLogger().handlers:
        getattr(handler, "records", []).clear()
    gc.collect()
    found = (type(thing) for thing in gc.get_objects())
    return Counter(kind.__qualname__ for kind in found if str(kind.__module__).startswith(PACKAGE))


def resident_memory() -> float:
    """Return the resident memory of this process, in megabytes."""
    gc.collect()
    with contextlib.suppress(AttributeError):  # another C library
        ctypes.CDLL(None).malloc_trim(0)
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") / 1e6
