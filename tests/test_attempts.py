"""What runs in the background goes on after an unexpected error, and the log tells of that once."""

from collections.abc import Callable, Coroutine
import logging
from typing import Any

from aiohttp import ClientError
from freezegun.api import FrozenDateTimeFactory
import pytest
from pytest_homeassistant_custom_component.common import MockConfigEntry

from custom_components.octoprint_tunnel.api.octoprint.client import OctoPrint
from custom_components.octoprint_tunnel.api.transport.router import Router
from homeassistant.config_entries import ConfigEntryState
from homeassistant.core import HomeAssistant

from .home import settle, unload, until, wait
from .relay.server import Relay

UNEXPECTED = pytest.mark.parametrize("error", [TimeoutError, ClientError, ValueError, RuntimeError, KeyError])

FAILURES = 3

type Method = Callable[..., Coroutine[Any, Any, Any]]


def failing(method: Method, error: type[Exception]) -> Method:
    """Return a method that fails a few times before it works."""
    calls = 0

    async def fail_first(*args: Any, **kwargs: Any) -> Any:
        nonlocal calls
        calls += 1
        if calls <= FAILURES:
            raise error("unexpected")
        return await method(*args, **kwargs)

    return fail_first


def errors_in(caplog: pytest.LogCaptureFixture) -> list[str]:
    """Return the errors in the log that have a traceback."""
    return [
        record.getMessage()
        for record in caplog.records
        if record.levelno >= logging.ERROR and record.exc_info and "turbojpeg" not in record.getMessage()
    ]


@UNEXPECTED
@pytest.mark.parametrize(("where", "name"), [(OctoPrint, "login"), (Router, "choose")])
@pytest.mark.usefixtures("hurried")
async def test_live_updates_go_on(
    hass: HomeAssistant,
    relay: Relay,
    entry: MockConfigEntry,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
    error: type[Exception],
    where: type,
    name: str,
) -> None:
    """The socket is opened a little later."""
    monkeypatch.setattr(where, name, failing(getattr(where, name), error))
    entry.add_to_hass(hass)
    hass.config_entries.async_update_entry(entry, options={"live_updates": True})
    assert await hass.config_entries.async_setup(entry.entry_id)
    updates = entry.runtime_data.live
    await until(lambda: updates.failure)
    assert updates.failure == error.__name__
    await until(lambda: updates.since)
    assert errors_in(caplog) == ["Kitchen: live updates: unexpected error, tried again later"]
    await unload(hass, entry)


@UNEXPECTED
@pytest.mark.parametrize("comes_later", [False, True])
async def test_webcams_are_read_again(
    hass: HomeAssistant,
    freezer: FrozenDateTimeFactory,
    relay: Relay,
    entry: MockConfigEntry,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
    error: type[Exception],
    comes_later: bool,
) -> None:
    """Set-up does not depend on them."""
    monkeypatch.setattr(OctoPrint, "settings", failing(OctoPrint.settings, error))
    if comes_later:
        relay.fail("octoeverywhere_tunnel", 601)
    entry.add_to_hass(hass)
    assert await hass.config_entries.async_setup(entry.entry_id)
    await settle(hass)
    assert entry.state is ConfigEntryState.LOADED
    relay.heal()
    for _ in range(15):
        await wait(hass, freezer, 61)
    assert len(relay.seen(path="/api/settings")) == 1
    assert errors_in(caplog) == ["Kitchen: webcams: unexpected error, tried again later"]
    await hass.config_entries.async_unload(entry.entry_id)
