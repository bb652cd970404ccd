"""What runs in the background goes on after an unexpected error, which is logged once."""

from collections.abc import Callable, Coroutine
import logging
from typing import Any

import pytest

from custom_components.octoprint_tunnel.api.octoprint.client import OctoPrint
from custom_components.octoprint_tunnel.api.transport.router import Router
from homeassistant.config_entries import ConfigEntryState

from .home import Home, until

UNEXPECTED = pytest.mark.parametrize("error", [TimeoutError, ValueError])
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
async def test_live_updates_go_on(
    new_live_home: Home,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
    error: type[Exception],
    where: type,
    name: str,
) -> None:
    """The socket is opened a little later."""
    monkeypatch.setattr(where, name, failing(getattr(where, name), error))
    await new_live_home.set_up()
    updates = new_live_home.runtime.live
    await until(lambda: updates.failure)
    assert updates.failure == error.__name__
    await until(lambda: updates.since)
    assert errors_in(caplog) == ["Kitchen: live updates: unexpected error, retried later"]


@UNEXPECTED
@pytest.mark.parametrize("comes_later", [False, True])
async def test_webcams_are_read_again(
    new_home: Home,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
    error: type[Exception],
    comes_later: bool,
) -> None:
    """Set-up does not depend on them."""
    monkeypatch.setattr(OctoPrint, "settings", failing(OctoPrint.settings, error))
    if comes_later:
        new_home.relay.fail("octoeverywhere_tunnel", 601)
    await new_home.set_up()
    assert new_home.entry.state is ConfigEntryState.LOADED
    new_home.relay.heal()
    await new_home.wait(61, times=15)
    assert len(new_home.relay.seen(path="/api/settings")) == 1
    assert errors_in(caplog) == ["Kitchen: webcams: unexpected error, retried later"]
