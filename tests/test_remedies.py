"""Every code of the services and of OctoPrint leads to its remedy, and back when it stops."""

from dataclasses import dataclass
from typing import override

from freezegun.api import FrozenDateTimeFactory
import pytest
from pytest_homeassistant_custom_component.common import MockConfigEntry

from custom_components.octoprint_tunnel.const import DOMAIN
from homeassistant.config_entries import SOURCE_REAUTH
from homeassistant.core import HomeAssistant
from homeassistant.exceptions import HomeAssistantError, ServiceValidationError
from homeassistant.helpers import issue_registry as ir
from homeassistant.util import dt as dt_util

from .home import log_lines, press, settle, state, states, unload, wait
from .octoprint.server import OctoPrintServer
from .relay.octoeverywhere import AppConnection
from .relay.server import Relay

HALF_AN_HOUR = 1800


@dataclass(frozen=True, kw_only=True)
class Case:
    """One code where it can be met, and what the user sees of it."""

    where: str
    code: int
    status: str
    online: str
    text: str

    @override
    def __str__(self) -> str:
        """Name the test."""
        return f"{self.where}-{self.code}"


@pytest.fixture
async def met(hass: HomeAssistant, case: Case, entry: MockConfigEntry, obico_entry: MockConfigEntry) -> MockConfigEntry:
    """Set the printer up through the service that the case is about."""
    chosen = entry if case.where.startswith("octoeverywhere") else obico_entry
    chosen.add_to_hass(hass)
    assert await hass.config_entries.async_setup(chosen.entry_id)
    await settle(hass)
    assert states(hass, chosen, "tunnel_status", "printer_state") == ("ok", "offline")
    return chosen


def reauth_flows(hass: HomeAssistant) -> list[str]:
    """Return the printers that wait for a new sign-in."""
    flows = hass.config_entries.flow.async_progress()
    return [
        flow["context"]["title_placeholders"]["name"] for flow in flows if flow["context"]["source"] == SOURCE_REAUTH
    ]


def issues(hass: HomeAssistant) -> dict[str, ir.IssueEntry]:
    """Return the repair issues by their kind."""
    found = ir.async_get(hass).issues.values()
    return {str(issue.translation_key): issue for issue in found if issue.domain == DOMAIN}


async def delay_of_next(
    hass: HomeAssistant, freezer: FrozenDateTimeFactory, relay: Relay, where: str, limit: int
) -> int:
    """Let time pass until the next request arrives, and return how many seconds that took."""
    relay.clear()
    step = max(1, limit // 30)
    for passed in range(step, 2 * limit, step):
        await wait(hass, freezer, step)
        if relay.seen(where):
            return passed
    pytest.fail(f"Nothing arrived within {2 * limit} seconds")


# retry

RETRY = [
    Case(where="octoeverywhere_tunnel", code=600, status="service_error", online="on", text="(code 600)"),
    Case(where="octoeverywhere_tunnel", code=601, status="offline", online="off", text="not connected"),
    Case(where="octoeverywhere_tunnel", code=602, status="timed_out", online="on", text="in time"),
    Case(where="octoeverywhere_tunnel", code=612, status="service_error", online="on", text="(code 612)"),
    Case(where="octoeverywhere_tunnel", code=655, status="service_error", online="on", text="(code 655)"),
    Case(where="octoeverywhere_tunnel", code=502, status="timed_out", online="on", text="behind it"),
    Case(where="octoeverywhere_tunnel", code=504, status="timed_out", online="on", text="behind it"),
    Case(where="octoeverywhere_tunnel", code=503, status="timed_out", online="on", text="behind it"),
    Case(where="octoeverywhere_tunnel", code=500, status="ok", online="on", text="status 500"),
    Case(where="obico_tunnel", code=482, status="offline", online="off", text="not connected"),
    Case(where="obico_tunnel", code=483, status="timed_out", online="unknown", text="in time"),
    Case(where="obico_tunnel", code=502, status="timed_out", online="on", text="behind it"),
    Case(where="obico_tunnel", code=504, status="timed_out", online="on", text="behind it"),
    Case(where="obico_tunnel", code=489, status="service_error", online="unknown", text="(code 489)"),
    # Limits are about one request; met by a poll, they pass with the next.
    Case(where="octoeverywhere_tunnel", code=607, status="ok", online="on", text="may download"),
    Case(where="octoeverywhere_tunnel", code=608, status="ok", online="on", text="account allows"),
    Case(where="octoeverywhere_tunnel", code=609, status="ok", online="on", text="webcam time"),
    Case(where="octoeverywhere_tunnel", code=611, status="ok", online="on", text="no access"),
    Case(where="octoeverywhere_tunnel", code=613, status="ok", online="on", text="nothing is printing"),
    Case(where="octoeverywhere_tunnel", code=400, status="ok", online="on", text="OctoPrint refused"),
    Case(where="octoeverywhere_tunnel", code=409, status="ok", online="on", text="OctoPrint refused"),
    Case(where="octoeverywhere_tunnel", code=412, status="ok", online="on", text="OctoPrint refused"),
]


@pytest.mark.parametrize("case", RETRY, ids=str)
async def test_retry(
    hass: HomeAssistant,
    freezer: FrozenDateTimeFactory,
    caplog: pytest.LogCaptureFixture,
    relay: Relay,
    case: Case,
    met: MockConfigEntry,
) -> None:
    """What passes by itself: the entities say so, polling backs off, and everything comes back."""
    caplog.clear()
    relay.fail(case.where, case.code)
    await wait(hass, freezer, 61)
    assert states(hass, met, "tunnel_status", "octoprint_online") == (case.status, case.online)
    assert states(hass, met, "printer_state", "connect", "active_route") == ("unavailable", "unavailable", "none")
    for nominal in (30, 60, 60, 60):  # the poll interval, so that what has passed shows soon
        delay = await delay_of_next(hass, freezer, relay, case.where, nominal)
        assert 0.85 * nominal <= delay <= 1.15 * nominal + nominal // 30 + 1, nominal
    [line] = log_lines(caplog)
    assert line.startswith("Kitchen: ")
    assert case.text in line
    assert not issues(hass)
    assert not reauth_flows(hass)

    relay.heal()
    await wait(hass, freezer, 120)
    assert states(hass, met, "tunnel_status", "octoprint_online", "printer_state") == ("ok", "on", "offline")
    assert log_lines(caplog)[1:] == ["Kitchen: works again"]
    relay.clear()
    await wait(hass, freezer, 62)
    assert len(relay.seen(case.where)) == 1


async def test_back_off_where_polls_are_rare(
    hass: HomeAssistant, freezer: FrozenDateTimeFactory, relay: Relay, entry: MockConfigEntry
) -> None:
    """What fails is tried sooner than the next poll, less and less soon, and no later than after ten minutes."""
    entry.add_to_hass(hass)
    hass.config_entries.async_update_entry(entry, options={**entry.options, "poll_interval": 3600})
    relay.drop("octoeverywhere_tunnel")
    assert await hass.config_entries.async_setup(entry.entry_id)
    await settle(hass)
    for nominal in (30, 60, 120, 240, 480, 600, 600):
        delay = await delay_of_next(hass, freezer, relay, "octoeverywhere_tunnel", nominal)
        assert 0.85 * nominal <= delay <= 1.15 * nominal + nominal // 30 + 1, nominal
    await unload(hass, entry)


async def test_outage_of_everything_is_told_once(
    hass: HomeAssistant,
    freezer: FrozenDateTimeFactory,
    caplog: pytest.LogCaptureFixture,
    relay: Relay,
    loaded: MockConfigEntry,
) -> None:
    """Without the internet both coordinators fail; whoever reads the log reads it once."""
    caplog.clear()
    relay.drop("octoeverywhere_api")
    relay.drop("octoeverywhere_tunnel")
    for _ in range(3):
        await wait(hass, freezer, 700)
    assert states(hass, loaded, "tunnel_status", "octoprint_online") == ("service_error", "unknown")
    assert state(hass, loaded, "last_connected").state == "unavailable"
    relay.heal()
    await wait(hass, freezer, 700)
    assert len(log_lines(caplog)) == 2
    assert states(hass, loaded, "tunnel_status", "printer_state") == ("ok", "offline")


async def test_service_away_but_not_the_tunnel(
    hass: HomeAssistant, freezer: FrozenDateTimeFactory, relay: Relay, loaded: MockConfigEntry
) -> None:
    """The printer is read on while only the service's own word is missing."""
    relay.fail("octoeverywhere_api", 600)
    await wait(hass, freezer, 61)
    assert states(hass, loaded, "tunnel_status", "octoprint_online") == ("service_error", "on")
    assert states(hass, loaded, "printer_state", "active_route") == ("offline", "tunnel")


@pytest.mark.parametrize(
    "body", ["", "null", "[]", "{", "<html>", "NaN", '{"current": ' * 5000], ids=lambda body: body[:12]
)
async def test_nonsense_from_the_service(
    hass: HomeAssistant,
    freezer: FrozenDateTimeFactory,
    caplog: pytest.LogCaptureFixture,
    relay: Relay,
    loaded: MockConfigEntry,
    body: str,
) -> None:
    """A body that cannot be understood is a fault of the service, told without a traceback."""
    relay.fail("octoeverywhere_api", 200, body, content_type="application/json")
    relay.fail("octoeverywhere_tunnel", 200, body, content_type="application/json")
    await wait(hass, freezer, 61)
    assert states(hass, loaded, "tunnel_status", "printer_state") == ("service_error", "unavailable")
    assert len(log_lines(caplog)) == 1
    relay.heal()
    await wait(hass, freezer, 61)
    assert states(hass, loaded, "tunnel_status", "printer_state") == ("ok", "offline")


# wait


@pytest.mark.parametrize(
    ("case", "issue"),
    [
        (
            Case(where="octoeverywhere_api", code=605, status="not_supporter", online="unknown", text=""),
            "not_supporter",
        ),
        (Case(where="octoeverywhere_tunnel", code=605, status="not_supporter", online="on", text=""), "not_supporter"),
        (Case(where="obico_tunnel", code=481, status="over_cap", online="unknown", text=""), "over_cap"),
        (
            Case(where="octoeverywhere_api", code=610, status="plugin_outdated", online="unknown", text=""),
            "plugin_outdated",
        ),
        (
            Case(where="octoeverywhere_tunnel", code=610, status="plugin_outdated", online="on", text=""),
            "plugin_outdated",
        ),
    ],
    ids=str,
)
async def test_wait(
    hass: HomeAssistant,
    freezer: FrozenDateTimeFactory,
    caplog: pytest.LogCaptureFixture,
    relay: Relay,
    case: Case,
    issue: str,
    met: MockConfigEntry,
) -> None:
    """What only the owner can end is a repair issue; polling is rare, and the issue goes by itself."""
    next_year = dt_util.utcnow().year + 1
    freezer.move_to(f"{next_year}-11-21T12:00:00+00:00")
    caplog.clear()
    relay.fail(case.where, case.code)
    await wait(hass, freezer, 61)
    assert states(hass, met, "tunnel_status", "octoprint_online") == (case.status, case.online)
    assert state(hass, met, "printer_state").state == "unavailable"
    [(kind, found)] = issues(hass).items()
    assert kind == issue
    assert found.issue_id == f"{issue}_{met.entry_id}"
    assert found.translation_placeholders is not None
    assert found.translation_placeholders["printer"] == "Kitchen"
    if issue == "not_supporter":
        assert found.learn_more_url == "https://octoeverywhere.com/appportal/v1/nosupporterperks?appid=devtest"
    if issue == "over_cap":
        assert found.translation_placeholders["cap"] == "300 MB"
        assert found.translation_placeholders["reset"] == f"{next_year}-12-01"
    relay.clear()
    for _ in range(28):
        await wait(hass, freezer, 60)
    assert not relay.seen(case.where)
    assert len(relay.requests) <= 1  # the other status call had been due already
    await wait(hass, freezer, 120)
    assert len(relay.seen(case.where)) == 1
    assert len(log_lines(caplog)) == 1
    assert not reauth_flows(hass)

    relay.heal()
    await wait(hass, freezer, HALF_AN_HOUR + 1)
    await settle(hass)
    assert states(hass, met, "tunnel_status", "printer_state") == ("ok", "offline")
    assert not issues(hass)
    assert len(log_lines(caplog)) == 2


async def test_issue_goes_with_the_printer(
    hass: HomeAssistant, entry: MockConfigEntry, connection: AppConnection
) -> None:
    """A printer that is removed leaves no issue behind."""
    connection.supporter = False
    entry.add_to_hass(hass)
    assert await hass.config_entries.async_setup(entry.entry_id)
    await settle(hass)
    assert set(issues(hass)) == {"not_supporter"}
    await hass.config_entries.async_remove(entry.entry_id)
    assert not issues(hass)


@pytest.mark.parametrize("trouble", [605, 600, None])
async def test_issue_that_is_ignored(
    hass: HomeAssistant,
    freezer: FrozenDateTimeFactory,
    relay: Relay,
    loaded: MockConfigEntry,
    connection: AppConnection,
    trouble: int | None,
) -> None:
    """It stays ignored over reloads and while nobody answers, and is deleted when it has passed."""
    connection.supporter = False
    await wait(hass, freezer, 61)
    [issue] = issues(hass).values()
    ir.async_ignore_issue(hass, DOMAIN, issue.issue_id, True)
    if trouble == 600:
        relay.fail("octoeverywhere_api", 600)
        relay.fail("octoeverywhere_tunnel", 600)
    for _ in range(2):
        connection.supporter = trouble is None
        assert await hass.config_entries.async_reload(loaded.entry_id)
        await settle(hass)
    assert [each.dismissed_version is not None for each in issues(hass).values()] == [True] * (trouble is not None)


@pytest.mark.parametrize("code", [605, 610])
async def test_issue_that_is_ignored_while_octoprint_is_off(
    hass: HomeAssistant, freezer: FrozenDateTimeFactory, relay: Relay, loaded: MockConfigEntry, code: int
) -> None:
    """That it is off does not show what its requests would meet, so nothing is deleted and raised again."""
    relay.fail("octoeverywhere_tunnel", code)
    await wait(hass, freezer, 61)
    [issue] = issues(hass).values()
    ir.async_ignore_issue(hass, DOMAIN, issue.issue_id, True)
    relay.heal()
    relay.fail("octoeverywhere_tunnel", 601)
    assert await hass.config_entries.async_reload(loaded.entry_id)
    await settle(hass)
    assert state(hass, loaded, "tunnel_status").state == "offline"
    [issue] = issues(hass).values()
    assert issue.dismissed_version
    relay.heal()
    assert await hass.config_entries.async_reload(loaded.entry_id)
    await settle(hass)
    assert not issues(hass)


@pytest.mark.parametrize("is_told", [True, False])
async def test_cap_has_passed_while_octoprint_is_off(
    hass: HomeAssistant, relay: Relay, obico_entry: MockConfigEntry, is_told: bool
) -> None:
    """The usage tells it whether or not OctoPrint is there."""
    entry = obico_entry
    entry.add_to_hass(hass)
    relay.fail("obico_tunnel", 481)
    assert await hass.config_entries.async_setup(entry.entry_id)
    await settle(hass)
    assert set(issues(hass)) == {"over_cap"}
    relay.heal()
    relay.fail("obico_tunnel", 482, path="/api/")
    if not is_told:
        relay.fail("obico_tsd", 500)
    assert await hass.config_entries.async_reload(entry.entry_id)
    await settle(hass)
    assert bool(issues(hass)) is not is_told
    await hass.config_entries.async_unload(entry.entry_id)


async def polls_again(
    hass: HomeAssistant, freezer: FrozenDateTimeFactory, relay: Relay, where: str, path: str | None = None
) -> int:
    """Return how often the service is asked in five minutes."""
    relay.clear()
    for _ in range(5):
        await wait(hass, freezer, 61)
    return len(relay.seen(where, path=path))


@pytest.mark.parametrize("code", [605, 610])
async def test_service_is_polled_as_before_when_it_has_passed(
    hass: HomeAssistant, freezer: FrozenDateTimeFactory, relay: Relay, loaded: MockConfigEntry, code: int
) -> None:
    """What the tunnel told, and a request through it shows to have passed."""
    relay.fail("octoeverywhere_tunnel", code)
    await wait(hass, freezer, 61)
    for _ in range(10):
        await wait(hass, freezer, 61)  # the service's own poll is planned at the waiting interval by now
    relay.heal()
    loaded.runtime_data.tunnel.async_report(None)
    await settle(hass)
    assert state(hass, loaded, "tunnel_status").state == "ok"
    assert await polls_again(hass, freezer, relay, "octoeverywhere_api") >= 4


async def test_service_is_polled_as_before_when_requests_go_another_way(
    hass: HomeAssistant, freezer: FrozenDateTimeFactory, relay: Relay, loaded: MockConfigEntry
) -> None:
    """The tunnel's last error says nothing about the local network."""
    relay.fail("octoeverywhere_tunnel", 605)
    for _ in range(10):
        await wait(hass, freezer, 61)
    hass.config_entries.async_update_entry(loaded, options={**loaded.options, "local_url": relay.local.url})
    await loaded.runtime_data.printer.async_refresh()
    await settle(hass)
    assert states(hass, loaded, "tunnel_status", "active_route") == ("ok", "local")
    assert await polls_again(hass, freezer, relay, "octoeverywhere_api") >= 4


async def test_usage_shows_at_once_that_the_cap_is_used_up(
    hass: HomeAssistant, freezer: FrozenDateTimeFactory, relay: Relay, obico_entry: MockConfigEntry
) -> None:
    """It is free, and polled while OctoPrint is not; its end shows as fast, in usage or in a higher cap."""
    obico_entry.add_to_hass(hass)
    assert await hass.config_entries.async_setup(obico_entry.entry_id)
    await settle(hass)
    cap = relay.obico.monthly_cap
    for used, new_cap in ((0, cap), (cap, 2 * cap)):
        relay.obico.used_bytes, relay.obico.monthly_cap = int(cap * 1.05), cap
        await wait(hass, freezer, 61)
        assert state(hass, obico_entry, "tunnel_status").state == "ok"
        relay.obico.used_bytes = int(cap * 1.11)
        relay.clear()
        await obico_entry.runtime_data.tunnel.async_refresh()
        await settle(hass)
        assert states(hass, obico_entry, "tunnel_status", "printer_state") == ("over_cap", "unavailable")
        assert set(issues(hass)) == {"over_cap"}
        assert not relay.seen("obico_tunnel")
        assert await polls_again(hass, freezer, relay, "obico_tsd") >= 4
        assert not relay.seen("obico_tunnel")
        relay.obico.used_bytes, relay.obico.monthly_cap = int(used), new_cap
        await wait(hass, freezer, 61)
        assert states(hass, obico_entry, "tunnel_status", "printer_state") == ("ok", "offline")
        assert not issues(hass)


@pytest.mark.parametrize("poll_interval", [60, 3600])
async def test_cap_that_is_met_on_the_way_ends_with_the_month(
    hass: HomeAssistant, freezer: FrozenDateTimeFactory, relay: Relay, obico_entry: MockConfigEntry, poll_interval: int
) -> None:
    """The tunnel tells of it first; the month ends at midnight in UTC."""
    freezer.move_to(f"{dt_util.utcnow().year + 1}-03-31T23:30:00+00:00")
    obico_entry.add_to_hass(hass)
    hass.config_entries.async_update_entry(obico_entry, options={**obico_entry.options, "poll_interval": poll_interval})
    assert await hass.config_entries.async_setup(obico_entry.entry_id)
    await settle(hass)
    relay.obico.used_bytes = int(relay.obico.monthly_cap * 1.2)
    await obico_entry.runtime_data.printer.async_refresh()
    await settle(hass)
    assert relay.seen("obico_tunnel")[-1].status == 481
    assert state(hass, obico_entry, "tunnel_status").state == "over_cap"
    await wait(hass, freezer, 29 * 60)
    relay.obico.used_bytes = 0
    await wait(hass, freezer, 120)
    assert states(hass, obico_entry, "tunnel_status", "printer_state") == ("ok", "offline")
    assert not issues(hass)


async def test_one_trouble_follows_another(
    hass: HomeAssistant, freezer: FrozenDateTimeFactory, relay: Relay, loaded: MockConfigEntry
) -> None:
    """A trouble that begins while another lasts gets its own remedy."""
    relay.fail("octoeverywhere_api", 600)
    await wait(hass, freezer, 61)
    assert state(hass, loaded, "tunnel_status").state == "service_error"
    relay.heal()
    relay.fail("octoeverywhere_api", 605)
    await wait(hass, freezer, 61)
    assert state(hass, loaded, "tunnel_status").state == "not_supporter"
    assert set(issues(hass)) == {"not_supporter"}


# reauthorise


@pytest.mark.parametrize(
    "case",
    [
        Case(where="octoeverywhere_api", code=603, status="revoked", online="unknown", text="no longer knows"),
        Case(where="octoeverywhere_api", code=604, status="revoked", online="unknown", text="no longer knows"),
        Case(where="octoeverywhere_tunnel", code=603, status="revoked", online="on", text="no longer knows"),
        Case(where="octoeverywhere_tunnel", code=604, status="revoked", online="on", text="no longer knows"),
        Case(where="octoeverywhere_tunnel", code=606, status="revoked", online="on", text="not accepted"),
        Case(where="obico_tunnel", code=401, status="revoked", online="unknown", text="not accepted"),
        Case(where="obico_tsd", code=401, status="revoked", online="unknown", text="not accepted"),
    ],
    ids=str,
)
async def test_reauthorise(
    hass: HomeAssistant,
    freezer: FrozenDateTimeFactory,
    caplog: pytest.LogCaptureFixture,
    relay: Relay,
    case: Case,
    met: MockConfigEntry,
) -> None:
    """What needs a new connection asks for it once, stops asking the service, and works after the sign-in."""
    caplog.clear()
    relay.fail(case.where, case.code)
    await wait(hass, freezer, 61)
    assert states(hass, met, "tunnel_status", "octoprint_online") == (case.status, case.online)
    assert reauth_flows(hass) == ["Kitchen"]
    assert not issues(hass)
    relay.clear()
    for _ in range(50):
        await wait(hass, freezer, 70)
    assert len(relay.seen(case.where)) <= 2  # half an hour apart
    assert reauth_flows(hass) == ["Kitchen"]
    [line] = log_lines(caplog)
    assert case.text in line

    relay.heal()
    [flow] = hass.config_entries.flow.async_progress()
    result = await hass.config_entries.flow.async_configure(flow["flow_id"], {})
    await settle(hass)
    assert result["reason"] == "reauth_successful"
    assert states(hass, met, "tunnel_status", "printer_state") == ("ok", "offline")


@pytest.mark.parametrize("where", ["octoeverywhere_api", "octoeverywhere_tunnel"])
async def test_passes_although_nobody_signed_in(
    hass: HomeAssistant, freezer: FrozenDateTimeFactory, relay: Relay, loaded: MockConfigEntry, where: str
) -> None:
    """A sign-in that was closed does not end the readings for good."""
    relay.fail(where, 603)
    await wait(hass, freezer, 61)
    assert state(hass, loaded, "tunnel_status").state == "revoked"
    [flow] = hass.config_entries.flow.async_progress()
    hass.config_entries.flow.async_abort(flow["flow_id"])
    relay.heal()
    await wait(hass, freezer, HALF_AN_HOUR + 1)
    await wait(hass, freezer, 61)
    assert states(hass, loaded, "tunnel_status", "printer_state") == ("ok", "offline")


@pytest.mark.parametrize("where", ["octoeverywhere_api", "octoeverywhere_tunnel"])
async def test_sign_in_that_is_no_longer_needed_is_closed(
    hass: HomeAssistant, freezer: FrozenDateTimeFactory, relay: Relay, loaded: MockConfigEntry, where: str
) -> None:
    """As soon as everything works without one."""
    relay.fail(where, 604)
    await wait(hass, freezer, 61)
    assert reauth_flows(hass) == ["Kitchen"]
    await wait(hass, freezer, 600)
    assert reauth_flows(hass) == ["Kitchen"]
    relay.heal()
    await wait(hass, freezer, HALF_AN_HOUR + 1)
    await wait(hass, freezer, 61)
    assert states(hass, loaded, "tunnel_status", "printer_state") == ("ok", "offline")
    assert not reauth_flows(hass)


async def test_sign_in_that_the_user_has_begun_with_stays(
    hass: HomeAssistant, freezer: FrozenDateTimeFactory, relay: Relay, loaded: MockConfigEntry
) -> None:
    """Past its first step it is the user's."""
    relay.fail("octoeverywhere_api", 604)
    await wait(hass, freezer, 61)
    [flow] = hass.config_entries.flow.async_progress()
    result = await hass.config_entries.flow.async_configure(flow["flow_id"], {})
    assert result["step_id"] == "octoeverywhere"
    relay.heal()
    await wait(hass, freezer, HALF_AN_HOUR + 1)
    await wait(hass, freezer, 61)
    assert state(hass, loaded, "tunnel_status").state == "ok"
    assert reauth_flows(hass) == ["Kitchen"]


async def test_sign_in_for_the_key_stays_while_the_tunnel_works(
    hass: HomeAssistant, relay: Relay, entry: MockConfigEntry, octoprint: OctoPrintServer
) -> None:
    """The same dialog, as long as what it is for has not passed."""
    entry.add_to_hass(hass)
    hass.config_entries.async_update_entry(entry, data={**entry.data, "api_key": "removed"})
    assert await hass.config_entries.async_setup(entry.entry_id)
    await settle(hass)
    [before] = hass.config_entries.flow.async_progress()
    for _ in range(3):
        await entry.runtime_data.tunnel.async_refresh()
        await entry.runtime_data.printer.async_refresh()
    [after] = hass.config_entries.flow.async_progress()
    assert after["flow_id"] == before["flow_id"]
    await hass.config_entries.async_unload(entry.entry_id)


async def test_fault_of_the_website_is_not_octoprints(
    hass: HomeAssistant, freezer: FrozenDateTimeFactory, relay: Relay, loaded: MockConfigEntry
) -> None:
    """A gateway's answer from the service itself says nothing of OctoPrint."""
    relay.fail("octoeverywhere_api", 502)
    relay.drop("octoeverywhere_tunnel")
    await wait(hass, freezer, 61)
    assert states(hass, loaded, "tunnel_status", "octoprint_online") == ("service_error", "unknown")


async def test_revoked_at_start(
    hass: HomeAssistant, relay: Relay, entry: MockConfigEntry, connection: AppConnection
) -> None:
    """A printer whose connection was revoked meanwhile is set up all the same, to say so."""
    connection.revoked = True
    entry.add_to_hass(hass)
    assert await hass.config_entries.async_setup(entry.entry_id)
    await settle(hass)
    assert states(hass, entry, "tunnel_status", "octoprint_online") == ("revoked", "unknown")
    assert reauth_flows(hass) == ["Kitchen"]
    await hass.config_entries.async_unload(entry.entry_id)


# new API key, permission


async def test_key_removed_in_octoprint(
    hass: HomeAssistant, freezer: FrozenDateTimeFactory, relay: Relay, entry: MockConfigEntry
) -> None:
    """A key that is no longer accepted leads to a sign-in for the key, with one more request to find that out."""
    entry.add_to_hass(hass)
    hass.config_entries.async_update_entry(entry, data={**entry.data, "api_key": "removed"})
    assert await hass.config_entries.async_setup(entry.entry_id)
    await settle(hass)
    assert [request.path for request in relay.seen("tunnel")] == ["/api/connection", "/api/currentuser"]
    assert states(hass, entry, "tunnel_status", "octoprint_online") == ("ok", "on")
    assert state(hass, entry, "printer_state").state == "unavailable"
    assert reauth_flows(hass) == ["Kitchen"]
    [flow] = hass.config_entries.flow.async_progress()
    result = await hass.config_entries.flow.async_configure(flow["flow_id"], {})
    assert result["step_id"] == "api_key"
    assert result["menu_options"] == ["request_key", "enter_key"]
    await hass.config_entries.async_unload(entry.entry_id)


async def test_key_without_permission_names_it(
    hass: HomeAssistant, relay: Relay, entry: MockConfigEntry, octoprint: OctoPrintServer
) -> None:
    """A user who may look but not touch sees the printer, and is told which permission a button needs."""
    entry.add_to_hass(hass)
    hass.config_entries.async_update_entry(entry, data={**entry.data, "api_key": octoprint.limited_api_key})
    assert await hass.config_entries.async_setup(entry.entry_id)
    await settle(hass)
    assert state(hass, entry, "printer_state").state == "offline"
    with pytest.raises(HomeAssistantError) as raised:
        await press(hass, entry, "connect")
    assert raised.value.translation_key == "permission_missing"
    assert "CONNECTION" in str(raised.value)
    assert not reauth_flows(hass)
    assert state(hass, entry, "printer_state").state == "offline"
    await hass.config_entries.async_unload(entry.entry_id)


# What an action answers


@pytest.mark.parametrize(
    ("code", "key", "text", "reauth"),
    [
        (400, "rejected", "the moon is in the way", False),
        (409, "rejected", "the moon is in the way", False),
        (412, "rejected", "the moon is in the way", False),
        (600, "service_error", "600", False),
        (601, "octoprint_offline", "not connected", False),
        (602, "timed_out", "in time", False),
        (604, "revoked", "Create a new one", True),
        (605, "not_supporter", "supporter", False),
        (606, "credentials_rejected", "Create a new", True),
        (607, "download_too_large", "may download", False),
        (608, "upload_too_large", "account allows", False),
        (609, "webcam_limit", "webcam time", False),
        (610, "plugin_outdated", "Update it", False),
        (611, "beta_only", "no access", False),
        (612, "service_error", "612", False),
        (613, "nothing_printing", "nothing is printing", False),
        (502, "bad_gateway", "behind it", False),
        (418, "unexpected_status", "418", False),
        (677, "service_error", "677", False),
    ],
)
async def test_button_says_what_went_wrong(
    hass: HomeAssistant,
    caplog: pytest.LogCaptureFixture,
    relay: Relay,
    loaded: MockConfigEntry,
    code: int,
    key: str,
    text: str,
    reauth: bool,
) -> None:
    """The message of a failed action says what helps, with OctoPrint's own words where it sent some."""
    body = '{"error": "the moon is in the way"}'
    relay.fail("octoeverywhere_tunnel", code, body, content_type="application/json", path="/api/connection", times=1)
    with pytest.raises(HomeAssistantError) as raised:
        await press(hass, loaded, "disconnect")
    assert raised.value.translation_key == key
    assert text in str(raised.value)
    assert isinstance(raised.value, ServiceValidationError) is (key == "rejected")
    assert bool(reauth_flows(hass)) is reauth
    # What closes the tunnel is an outage; anything else was about this request.
    closes = code in (604, 605, 606, 610)
    assert len(log_lines(caplog)) == closes
    await settle(hass)  # what became of it is read in the background
    loaded.runtime_data.printer.async_update_listeners()
    assert state(hass, loaded, "active_route").state == ("none" if closes else "tunnel")


async def test_octoprints_own_words(
    hass: HomeAssistant, relay: Relay, loaded: MockConfigEntry, octoprint: OctoPrintServer
) -> None:
    """A real refusal of OctoPrint reaches the user."""
    client = loaded.runtime_data.printer.octoprint
    from custom_components.octoprint_tunnel.api.errors import Rejected

    with pytest.raises(Rejected) as raised:
        await client.connect(loaded.runtime_data.printer.data.connection, printer_profile="nobody")
    assert raised.value.detail == "printerProfile is invalid"
