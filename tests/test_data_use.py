"""The data of a metered tunnel in Home Assistant: what is left, what it will come to, and what slows down."""

from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta
from typing import Any

from freezegun.api import FrozenDateTimeFactory
import pytest
from pytest_homeassistant_custom_component.common import MockConfigEntry
from pytest_homeassistant_custom_component.components.diagnostics import get_diagnostics_for_config_entry
from pytest_homeassistant_custom_component.typing import ClientSessionGenerator

from custom_components.octoprint_tunnel import live
from custom_components.octoprint_tunnel.api.errors import OverCap
from custom_components.octoprint_tunnel.const import DOMAIN
from custom_components.octoprint_tunnel.saving import async_end_saving
from homeassistant.config_entries import ConfigEntryState
from homeassistant.core import HomeAssistant
from homeassistant.helpers import issue_registry as ir
from homeassistant.setup import async_setup_component

from .home import Home, settle, until
from .octoprint import printing

pytestmark = pytest.mark.parametrize("provider", ["obico"])
BOTH_VERSIONS = pytest.mark.parametrize("octoprint_version", ["1.11", "2.0"])
BEGIN = datetime(2026, 12, 1, 12, tzinfo=UTC)
DAY = 24 * 3600
CAP = 300 * 1024**2
MIB = 1024**2


def usage(**values: int) -> dict[str, list[dict[str, Any]]]:
    """Return stored days of December with these bytes each; `days` is their number."""
    days, size = values.pop("days"), {"own": 0, "wanted": 0, "others": 0, **values}
    return {"days": [{"date": f"2026-12-{day:02}", **size} for day in range(1, days + 1)]}


@pytest.fixture
async def metered(
    new_home: Home,
    monkeypatch: pytest.MonkeyPatch,
    freezer: FrozenDateTimeFactory,
    hass_storage: dict[str, Any],
    all_enabled: None,
) -> Home:
    """Return Home Assistant on December 11, before the printer is added; ten days are known."""
    monkeypatch.setattr(live, "START_DELAY", DAY)  # no push socket opens where a repair turns live updates on
    freezer.move_to(BEGIN + timedelta(days=10))
    store(new_home, hass_storage, **usage(days=10, own=MIB, wanted=MIB, others=4 * MIB))
    new_home.relay.obico.used_bytes = 50 * MIB
    return new_home


def store(home: Home, hass_storage: dict[str, Any], **data: object) -> None:
    """Store this history."""
    key = f"{DOMAIN}.{home.entry.entry_id}.usage"
    hass_storage[key] = {"version": 1, "minor_version": 1, "key": key, "data": data}


def mebibytes(home: Home, *keys: str) -> list[float]:
    """Return the states of sensors in MiB, rounded."""
    return [round(float(state)) for state in home.states(*(f"tunnel_usage_{key}" for key in keys))]


def use(home: Home) -> tuple[object, object]:
    """Return what the autopilot does."""
    shown = home.state("active_route").attributes
    return shown["data_use"], shown["slowdown"]


def issue(home: Home) -> ir.IssueEntry | None:
    """Return the issue about data that will not last."""
    return ir.async_get(home.hass).async_get_issue(DOMAIN, f"data_runs_out_{home.entry.entry_id}")


async def open_dialog(home: Home) -> Callable[[], Awaitable[None]]:
    """Open the dialog of the issue, and return the function that submits it."""
    assert await async_setup_component(home.hass, "repairs", {})
    manager = home.hass.data["repairs"]["flow_manager"]
    form = await manager.async_init(DOMAIN, data={"issue_id": f"data_runs_out_{home.entry.entry_id}"})
    assert form["step_id"] == "confirm"
    assert form["description_placeholders"] == {
        "printer": "Kitchen",
        "cap": "300 MiB",
        "date": "2026-12-21",
        "reset": "2027-01-01",
    }

    async def submit() -> None:
        await manager.async_configure(form["flow_id"], {})
        await settle(home.hass)

    return submit


# Who used it


@BOTH_VERSIONS
async def test_own_usage_is_what_obico_counts(home: Home) -> None:
    """To the byte, and it goes on after a reload."""
    await home.runtime.tunnel.async_refresh()
    home.relay.obico.used_bytes = 0
    before = home.runtime.tunnel.data.own or 0
    await home.press("connect")
    await home.wait(61, times=5)
    await home.runtime.tunnel.async_refresh()
    own = home.runtime.tunnel.data.own or 0
    assert own - before == home.relay.obico.used_bytes > 1000
    await home.reload()
    await home.runtime.tunnel.async_refresh()
    assert (home.runtime.tunnel.data.own or 0) > own


async def test_pictures_are_not_own_usage(home: Home) -> None:
    """Obico does not count them."""
    await home.runtime.tunnel.async_refresh()
    own, feeds = home.runtime.tunnel.data.own, home.runtime.webcams.data.feeds
    home.relay.obico.watched = True
    for feed in feeds.values():
        await feed.still()
    await home.runtime.tunnel.async_refresh()
    assert home.runtime.tunnel.data.own == own


async def test_own_usage_survives_a_restart(metered: Home, hass_storage: dict[str, Any]) -> None:
    """It is stored when the printer is unloaded, and removed with it."""
    await metered.set_up()
    assert mebibytes(metered, "own") == [10]
    before = metered.runtime.tunnel.data.own or 0
    await metered.hass.config_entries.async_unload(metered.entry.entry_id)
    key = f"{DOMAIN}.{metered.entry.entry_id}.usage"
    stored = hass_storage[key]["data"]["days"]
    assert sum(day["own"] for day in stored) > before >= 10 * MIB
    await metered.hass.config_entries.async_remove(metered.entry.entry_id)
    assert key not in hass_storage


async def test_own_usage_survives_a_crash(metered: Home, hass_storage: dict[str, Any]) -> None:
    """It is stored some minutes after it is counted, although there is more to count each minute."""
    await metered.set_up()
    key = f"{DOMAIN}.{metered.entry.entry_id}.usage"
    assert len(hass_storage[key]["data"]["days"]) == 10
    for _ in range(2):
        own = metered.runtime.tunnel.data.own or 0
        await metered.wait(61, times=12)
        days = hass_storage[key]["data"]["days"]
        assert len(days) == 11
        assert sum(day["own"] for day in days) > own


async def test_history_that_cannot_be_read(metered: Home, hass_storage: dict[str, Any]) -> None:
    """It is forgotten, and the printer works."""
    store(metered, hass_storage, days=[{"date": "yesterday"}])
    await metered.set_up()
    assert metered.entry.state is ConfigEntryState.LOADED
    assert mebibytes(metered, "left") == [250]


# Forecast


async def test_forecast(metered: Home) -> None:
    """50 MiB in ten days are 155 MiB in a December; without a cap there is nothing to forecast."""
    await metered.set_up()
    assert mebibytes(metered, "left") == [250]
    assert 150 <= mebibytes(metered, "forecast")[0] <= 155
    metered.relay.obico.monthly_cap = -1
    await metered.wait(61)
    assert metered.states("tunnel_usage_left", "tunnel_usage_forecast") == ("unknown", "unknown")
    assert "data_use" not in metered.state("active_route").attributes


async def test_issue_names_the_day_and_saves_data(metered: Home, freezer: FrozenDateTimeFactory) -> None:
    """One click changes the options, and the end of the month changes them back."""
    metered.relay.obico.used_bytes = 250 * MIB
    await metered.set_up(poll_interval=120, live_updates=False, data_autopilot=False)
    assert issue(metered) is not None
    await (await open_dialog(metered))()
    assert issue(metered) is None
    options = dict(metered.entry.options)
    saving = options.pop("saving")
    assert options == {"poll_interval": 120, "live_updates": True, "data_autopilot": True}
    assert saving["until"].startswith("2027-01-01T00:00:00")
    assert use(metered) == ("changes_only", 64)

    freezer.move_to(datetime(2026, 12, 31, 23, 59, 57, tzinfo=UTC))
    await metered.wait(1)
    assert "saving" in metered.entry.options
    metered.relay.obico.used_bytes = 0
    await metered.wait(3)
    await until(lambda: metered.entry.state is ConfigEntryState.LOADED)
    assert metered.entry.options == {"poll_interval": 120, "live_updates": False, "data_autopilot": False}


async def test_two_users_save_data(metered: Home) -> None:
    """The end of the month changes the options back to those before the first of them did."""
    metered.relay.obico.used_bytes = 250 * MIB
    await metered.set_up(live_updates=False, data_autopilot=False)
    submits = [await open_dialog(metered) for _ in range(2)]
    for submit in submits:
        await submit()
    assert metered.entry.options["live_updates"]
    async_end_saving(metered.hass, metered.entry)
    await settle(metered.hass)
    assert metered.entry.options == {"live_updates": False, "data_autopilot": False}


async def test_month_that_ended_while_home_assistant_was_off(metered: Home) -> None:
    """The options are changed back at the start; a default that no user chose stays a default."""
    await metered.set_up(
        live_updates=True, data_autopilot=True, saving={"until": "2026-12-01T00:00:00+00:00", "before": {}}
    )
    assert metered.entry.options == {}
    assert use(metered) == ("normal", 1)


async def test_issue_ends_with_a_larger_plan(metered: Home) -> None:
    """Nothing is left to fix."""
    metered.relay.obico.used_bytes = 250 * MIB
    await metered.set_up()
    assert issue(metered) is not None
    metered.relay.obico.monthly_cap = 10 * CAP
    await metered.wait(61)
    assert issue(metered) is None


async def test_issue_of_a_printer_that_is_removed(metered: Home) -> None:
    """It disappears."""
    metered.relay.obico.used_bytes = 250 * MIB
    await metered.set_up()
    await metered.hass.config_entries.async_remove(metered.entry.entry_id)
    assert issue(metered) is None


# Autopilot


@BOTH_VERSIONS
async def test_polls_slow_down(metered: Home) -> None:
    """With 290 of 300 MiB used, a printer that is polled each minute is polled every five minutes."""
    await metered.set_up()
    assert use(metered) == ("normal", 1)
    metered.relay.obico.used_bytes = 290 * MIB
    await metered.wait(61, times=2)
    assert use(metered) == ("changes_only", 64)
    metered.relay.clear()
    await metered.wait(61, times=10)
    assert 1 <= len(metered.relay.seen("obico_tunnel")) <= 4


@BOTH_VERSIONS
async def test_changes_show_at_once(new_live_home: Home) -> None:
    """Also at the slowest: the push socket reports them, and a print is read once in a quarter of an hour."""
    home = new_live_home
    home.relay.obico.used_bytes = 290 * MIB
    await home.listen()
    assert use(home) == ("changes_only", 64)
    await home.in_octoprint(printing.connect)
    await home.until_state("operational")
    await home.in_octoprint(printing.start)
    await home.until_state("printing")
    await until(lambda: home.runtime.printer.update_interval == timedelta(seconds=14 * 64))
    await home.press("pause")
    await home.until_state("paused")
    await home.press("cancel")
    await home.until_state("operational")
    assert not home.relay.obico.over_cap


async def test_a_picture_of_the_model_waits(metered: Home) -> None:
    """It may be as large as a tenth of what is left."""
    await metered.set_up()
    connect = metered.runtime.printer.preview._connect
    assert await connect()
    metered.relay.obico.used_bytes = 290 * MIB
    await metered.wait(61)
    with pytest.raises(OverCap):
        await connect()


async def test_polls_do_not_slow_down_without_the_autopilot(metered: Home) -> None:
    """The user's choice."""
    metered.relay.obico.used_bytes = 290 * MIB
    await metered.set_up(data_autopilot=False)
    await metered.wait(61)
    metered.relay.clear()
    await metered.wait(61, times=10)
    assert len(metered.relay.seen("obico_tunnel")) >= 9
    assert use(metered) == ("normal", 1)


async def test_the_last_bytes_are_left(metered: Home) -> None:
    """Before the tunnel closes, Home Assistant stops using it, and goes on when the month is over."""
    await metered.set_up()
    metered.relay.obico.used_bytes = int(CAP * 1.1) - 100_000
    await metered.wait(61)
    assert metered.states("tunnel_status", "printer_state") == ("over_cap", "unavailable")
    metered.relay.clear()
    await metered.wait(61, times=60)
    assert metered.relay.seen("obico_tunnel") == []
    assert not metered.relay.obico.over_cap
    metered.relay.obico.used_bytes = 0
    await metered.wait(61, times=2)
    assert metered.state("tunnel_status").state == "ok"


# Options and diagnostics


async def test_option(home: Home) -> None:
    """A metered tunnel has it, on by default; saving other options ends what a repair has changed."""
    form = await home.hass.config_entries.options.async_init(home.entry.entry_id)
    schema = form["data_schema"]
    assert schema is not None
    assert schema({})["data_autopilot"] is True
    entered = {**schema({}), "data_autopilot": False}
    await home.hass.config_entries.options.async_configure(form["flow_id"], entered)
    await settle(home.hass)
    assert home.entry.options["data_autopilot"] is False


async def test_diagnostics(
    hass: HomeAssistant, metered: Home, hass_client: ClientSessionGenerator, entry: MockConfigEntry
) -> None:
    """They show the month and what the autopilot makes of it."""
    await metered.set_up()
    assert await async_setup_component(hass, "diagnostics", {})
    shown: Any = await get_diagnostics_for_config_entry(hass, hass_client, metered.entry)
    month = shown["tunnel"]["month"]
    assert (month["used"], month["cap"], month["days"], month["mode"]) == (50 * MIB, CAP, 10, "autopilot")
