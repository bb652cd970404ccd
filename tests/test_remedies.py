"""Each error leads to its remedy, and the remedy ends with the error."""

from typing import Any

import pytest

from custom_components.octoprint_tunnel.const import DOMAIN
from homeassistant.config_entries import SOURCE_REAUTH
from homeassistant.core import HomeAssistant
from homeassistant.exceptions import HomeAssistantError, ServiceValidationError
from homeassistant.helpers import issue_registry as ir
from homeassistant.util import dt as dt_util

from .home import Home, log_lines
from .relay.octoeverywhere import AppConnection

HALF_AN_HOUR = 1800
OBICO = pytest.mark.parametrize("provider", ["obico"])
WORKS, REVOKED = ("ok", "offline"), ("revoked", "unavailable")


def cases(names: str, *rows: tuple[Any, ...]) -> pytest.MarkDecorator:
    """Parametrize with a place and a code of each service, which is the one to go through."""
    parameters = [pytest.param(row[0].partition("_")[0], *row, id=f"{row[0]}-{row[1]}") for row in rows]
    return pytest.mark.parametrize(f"provider, where, code, {names}", parameters)


def reauth_flows(hass: HomeAssistant) -> list[str]:
    """Return the ids of the dialogs that ask for a new sign-in."""
    flows = hass.config_entries.flow.async_progress()
    return [flow["flow_id"] for flow in flows if flow["context"]["source"] == SOURCE_REAUTH]


def issues(hass: HomeAssistant) -> dict[str, ir.IssueEntry]:
    """Return the repair issues by their kind."""
    found = ir.async_get(hass).issues.values()
    return {issue.issue_id.rpartition("_")[0]: issue for issue in found if issue.domain == DOMAIN}


def shown(home: Home) -> tuple[str, ...]:
    """Return the condition of the tunnel and the state of the printer."""
    return home.states("tunnel_status", "printer_state")


async def assert_retries_after(home: Home, where: str, *delays: int) -> None:
    """Let time pass, and see that the next requests come after these seconds."""
    for nominal in delays:
        home.relay.clear()
        step, passed = max(1, nominal // 30), 0
        while not home.relay.seen(where):
            await home.wait(step)
            passed += step
            assert passed < 2 * nominal
        assert 0.85 * nominal <= passed <= 1.15 * nominal + nominal // 30 + 1, nominal


async def polls_in_five_minutes(home: Home, where: str) -> int:
    """Return how often the service is asked in five minutes."""
    home.relay.clear()
    await home.wait(61, times=5)
    return len(home.relay.seen(where))


# retry


@cases(
    "status, online, text",
    ("octoeverywhere_tunnel", 600, "service_error", "on", "(code 600)"),
    ("octoeverywhere_tunnel", 601, "offline", "off", "not connected"),
    ("octoeverywhere_tunnel", 602, "timed_out", "on", "in time"),
    ("octoeverywhere_tunnel", 502, "timed_out", "on", "behind it"),
    ("octoeverywhere_tunnel", 500, "ok", "on", "status 500"),
    ("obico_tunnel", 482, "offline", "off", "not connected"),
    ("obico_tunnel", 483, "timed_out", "unknown", "in time"),
    ("obico_tunnel", 489, "service_error", "unknown", "(code 489)"),
    ("obico_tunnel", 502, "timed_out", "on", "behind it"),
    # Limits and refusals are about one request.
    ("octoeverywhere_tunnel", 607, "ok", "on", "may download"),
    ("octoeverywhere_tunnel", 409, "ok", "on", "OctoPrint refused"),
)
async def test_retry(
    home: Home, caplog: pytest.LogCaptureFixture, where: str, code: int, status: str, online: str, text: str
) -> None:
    """The entities show it, polling backs off to the poll interval, and everything comes back."""
    caplog.clear()
    home.relay.fail(where, code)
    await home.wait(61)
    assert home.states("tunnel_status", "octoprint_online") == (status, online)
    assert home.states("printer_state", "connect", "active_route") == ("unavailable", "unavailable", "none")
    await assert_retries_after(home, where, 30, 60, 60, 60)
    [line] = log_lines(caplog)
    assert line.startswith("Kitchen: ")
    assert text in line
    assert not issues(home.hass)
    assert not reauth_flows(home.hass)

    home.relay.heal()
    await home.wait(120)
    assert home.states("tunnel_status", "octoprint_online", "printer_state") == ("ok", "on", "offline")
    assert log_lines(caplog)[1:] == ["Kitchen: works again"]
    home.relay.clear()
    await home.wait(62)
    assert len(home.relay.seen(where)) == 1


async def test_back_off_where_polls_are_rare(new_home: Home) -> None:
    """A failure is retried sooner than the next poll, and after ten minutes at the latest."""
    new_home.relay.drop("octoeverywhere_tunnel")
    await new_home.set_up(poll_interval=3600)
    await assert_retries_after(new_home, "octoeverywhere_tunnel", 30, 60, 120, 240, 480, 600, 600)


@pytest.mark.parametrize("fault", [600, 502])
@pytest.mark.usefixtures("all_enabled")
async def test_service_fails_but_not_the_tunnel(home: Home, fault: int) -> None:
    """The printer is read on; a gateway error of the service's site says nothing about OctoPrint."""
    home.relay.fail("octoeverywhere_api", fault)
    await home.wait(61)
    assert home.states("tunnel_status", "octoprint_online") == ("service_error", "on")
    assert home.states("printer_state", "active_route", "last_connected") == ("offline", "tunnel", "unavailable")
    home.relay.drop("octoeverywhere_tunnel")
    await home.wait(61)
    assert home.states("tunnel_status", "octoprint_online") == ("service_error", "unknown")


@pytest.mark.parametrize("body", ["", "null", "<html>", '{"current": ' * 5000], ids=lambda body: body[:12])
async def test_nonsense_from_the_service(home: Home, caplog: pytest.LogCaptureFixture, body: str) -> None:
    """A body that cannot be parsed is an error of the service, logged without a traceback."""
    for where in ("octoeverywhere_api", "octoeverywhere_tunnel"):
        home.relay.fail(where, 200, body, content_type="application/json")
    await home.wait(61)
    assert shown(home) == ("service_error", "unavailable")
    assert len(log_lines(caplog)) == 1
    home.relay.heal()
    await home.wait(61)
    assert shown(home) == WORKS


async def test_one_error_follows_another(home: Home) -> None:
    """The second one gets its own remedy."""
    home.relay.fail("octoeverywhere_api", 600)
    await home.wait(61)
    home.relay.heal()
    home.relay.fail("octoeverywhere_api", 605)
    await home.wait(61)
    assert home.state("tunnel_status").state == "not_supporter"
    assert set(issues(home.hass)) == {"not_supporter"}


# wait


@cases(
    "status, online",
    ("octoeverywhere_api", 605, "not_supporter", "unknown"),
    ("octoeverywhere_tunnel", 605, "not_supporter", "on"),
    ("octoeverywhere_api", 610, "plugin_outdated", "unknown"),
    ("octoeverywhere_tunnel", 610, "plugin_outdated", "on"),
    ("obico_tunnel", 481, "over_cap", "unknown"),
)
async def test_wait(
    home: Home, caplog: pytest.LogCaptureFixture, where: str, code: int, status: str, online: str
) -> None:
    """What only the owner can end is a repair issue and is polled every half hour; the issue ends by itself."""
    assert home.freezer
    next_year = dt_util.utcnow().year + 1
    home.freezer.move_to(f"{next_year}-11-21T12:00:00+00:00")
    caplog.clear()
    home.relay.fail(where, code)
    await home.wait(61)
    assert home.states("tunnel_status", "octoprint_online", "printer_state") == (status, online, "unavailable")
    [(kind, issue)] = issues(home.hass).items()
    assert (kind, issue.issue_id) == (status, f"{status}_{home.entry.entry_id}")
    assert issue.translation_placeholders is not None
    assert issue.translation_placeholders["printer"] == "Kitchen"
    if status == "not_supporter":
        assert issue.learn_more_url == "https://octoeverywhere.com/appportal/v1/nosupporterperks?appid=devtest"
    if status == "over_cap":
        placeholders = issue.translation_placeholders
        assert (placeholders["cap"], placeholders["reset"]) == ("300 MiB", f"{next_year}-12-01")
    home.relay.clear()
    await home.wait(60, times=28)
    assert not home.relay.seen(where)
    assert len(home.relay.requests) <= 1  # the other status call had been due already
    await home.wait(120)
    assert len(home.relay.seen(where)) == 1
    assert len(log_lines(caplog)) == 1
    assert not reauth_flows(home.hass)

    home.relay.heal()
    await home.wait(HALF_AN_HOUR + 1)
    assert shown(home) == WORKS
    assert not issues(home.hass)
    assert len(log_lines(caplog)) == 2


async def test_issue_is_deleted_with_the_printer(new_home: Home, connection: AppConnection) -> None:
    """A printer that is removed leaves no issue behind."""
    connection.supporter = False
    await new_home.set_up()
    assert set(issues(new_home.hass)) == {"not_supporter"}
    await new_home.hass.config_entries.async_remove(new_home.entry.entry_id)
    assert not issues(new_home.hass)


@pytest.mark.parametrize(
    ("where", "code", "then", "stays"),
    [
        ("octoeverywhere_api", 605, 605, True),
        ("octoeverywhere_api", 605, 600, True),
        ("octoeverywhere_api", 605, None, False),
        ("octoeverywhere_tunnel", 605, 601, True),
        ("octoeverywhere_tunnel", 610, 601, True),
        ("octoeverywhere_tunnel", 610, None, False),
    ],
)
async def test_ignored_issue(home: Home, where: str, code: int, then: int | None, stays: bool) -> None:
    """It stays ignored over reloads, also while something else hides its cause, and is deleted when that has passed."""
    home.relay.fail(where, code)
    await home.wait(61)
    [issue] = issues(home.hass).values()
    ir.async_ignore_issue(home.hass, DOMAIN, issue.issue_id, True)
    home.relay.heal()
    if then:
        home.relay.fail(where, then)
    for _ in range(2):
        await home.reload()
    assert [each.dismissed_version is not None for each in issues(home.hass).values()] == [True] * stays


@OBICO
@pytest.mark.parametrize("usage_is_known", [True, False])
async def test_cap_has_passed_while_octoprint_is_off(new_home: Home, usage_is_known: bool) -> None:
    """The usage shows it whether or not OctoPrint can be reached."""
    new_home.relay.fail("obico_tunnel", 481)
    await new_home.set_up()
    assert set(issues(new_home.hass)) == {"over_cap"}
    new_home.relay.heal()
    new_home.relay.fail("obico_tunnel", 482, path="/api/")
    if not usage_is_known:
        new_home.relay.fail("obico_tsd", 500)
    await new_home.reload()
    assert bool(issues(new_home.hass)) is not usage_is_known


@pytest.mark.parametrize("code", [605, 610])
async def test_service_is_polled_as_before_when_a_request_succeeds(home: Home, code: int) -> None:
    """The tunnel reported the problem, and a request through the tunnel shows its end."""
    home.relay.fail("octoeverywhere_tunnel", code)
    await home.wait(61, times=11)  # the service's next poll is half an hour away by now
    home.relay.heal()
    home.runtime.tunnel.async_report(None)
    await home.wait(0)
    assert home.state("tunnel_status").state == "ok"
    assert await polls_in_five_minutes(home, "octoeverywhere_api") >= 4


async def test_service_is_polled_as_before_when_requests_go_another_way(home: Home) -> None:
    """Every five minutes: the tunnel's last error says nothing about the local network."""
    home.relay.fail("octoeverywhere_tunnel", 605)
    await home.wait(61, times=10)
    options = {**home.entry.options, "local_url": home.relay.local.url}
    home.hass.config_entries.async_update_entry(home.entry, options=options)
    await home.refresh()
    assert home.states("tunnel_status", "active_route") == ("ok", "local")
    assert await polls_in_five_minutes(home, "octoeverywhere_api") == 1


@OBICO
async def test_usage_shows_at_once_that_the_cap_is_used_up(home: Home) -> None:
    """Asking for it is free and goes on; the end shows as fast, in the usage or in a higher cap."""
    obico = home.relay.obico
    cap = obico.monthly_cap
    for used, new_cap in ((0, cap), (cap, 2 * cap)):
        obico.used_bytes, obico.monthly_cap = int(cap * 1.05), cap
        await home.wait(61)
        assert home.state("tunnel_status").state == "ok"
        obico.used_bytes = int(cap * 1.11)
        home.relay.clear()
        await home.runtime.tunnel.async_refresh()
        await home.wait(0)
        assert shown(home) == ("over_cap", "unavailable")
        assert set(issues(home.hass)) == {"over_cap"}
        assert not home.relay.seen("obico_tunnel")
        assert await polls_in_five_minutes(home, "obico_tsd") >= 4
        assert not home.relay.seen("obico_tunnel")
        obico.used_bytes, obico.monthly_cap = int(used), new_cap
        await home.wait(61)
        assert shown(home) == WORKS
        assert not issues(home.hass)


@OBICO
@pytest.mark.parametrize("poll_interval", [60, 3600])
async def test_cap_that_the_tunnel_reports_ends_with_the_month(new_home: Home, poll_interval: int) -> None:
    """The month ends at midnight in UTC."""
    assert new_home.freezer
    obico = new_home.relay.obico
    new_home.freezer.move_to(f"{dt_util.utcnow().year + 1}-03-31T23:30:00+00:00")
    await new_home.set_up(poll_interval=poll_interval)
    obico.used_bytes = int(obico.monthly_cap * 1.2)
    await new_home.refresh()
    assert new_home.relay.seen("obico_tunnel")[-1].status == 481
    assert new_home.state("tunnel_status").state == "over_cap"
    await new_home.wait(29 * 60)
    obico.used_bytes = 0
    await new_home.wait(120)
    assert shown(new_home) == WORKS
    assert not issues(new_home.hass)


# reauthorize


@cases(
    "online, text",
    ("octoeverywhere_api", 603, "unknown", "no longer knows"),
    ("octoeverywhere_tunnel", 604, "on", "no longer knows"),
    ("octoeverywhere_tunnel", 606, "on", "not accepted"),
    ("obico_tunnel", 401, "unknown", "not accepted"),
    ("obico_tsd", 401, "unknown", "not accepted"),
)
async def test_reauthorize(
    home: Home, caplog: pytest.LogCaptureFixture, where: str, code: int, online: str, text: str
) -> None:
    """A sign-in is asked for once, the service is asked every half hour, and everything works after the sign-in."""
    caplog.clear()
    home.relay.fail(where, code)
    await home.wait(61)
    assert home.states("tunnel_status", "octoprint_online") == ("revoked", online)
    [flow] = reauth_flows(home.hass)
    assert not issues(home.hass)
    home.relay.clear()
    await home.wait(70, times=50)
    assert len(home.relay.seen(where)) <= 2
    assert reauth_flows(home.hass) == [flow]
    [line] = log_lines(caplog)
    assert text in line

    home.relay.heal()
    result = await home.hass.config_entries.flow.async_configure(flow, {})
    await home.wait(0)
    assert result["reason"] == "reauth_successful"
    assert shown(home) == WORKS


@pytest.mark.parametrize("where", ["octoeverywhere_api", "octoeverywhere_tunnel"])
@pytest.mark.parametrize("user", ["waits", "closes the dialog", "begins"])
async def test_revoked_connection_that_works_again(home: Home, where: str, user: str) -> None:
    """Readings go on without a sign-in. Its dialog is closed, unless the user is past the first step."""
    home.relay.fail(where, 604)
    await home.wait(61)
    [flow] = reauth_flows(home.hass)
    if user == "closes the dialog":
        home.hass.config_entries.flow.async_abort(flow)
    elif user == "begins":
        await home.hass.config_entries.flow.async_configure(flow, {})
    await home.wait(600)
    assert reauth_flows(home.hass) == ([] if user == "closes the dialog" else [flow])
    home.relay.heal()
    await home.wait(HALF_AN_HOUR + 1)
    await home.wait(61)
    assert shown(home) == WORKS
    assert reauth_flows(home.hass) == ([flow] if user == "begins" else [])


async def test_revoked_at_start(new_home: Home, connection: AppConnection) -> None:
    """The printer is set up all the same, to show it."""
    connection.revoked = True
    await new_home.set_up()
    assert shown(new_home) == REVOKED
    assert len(reauth_flows(new_home.hass)) == 1


# new API key, permission


async def with_key(home: Home, api_key: str) -> None:
    """Set the printer up with another API key."""
    home.entry.add_to_hass(home.hass)
    home.hass.config_entries.async_update_entry(home.entry, data={**home.entry.data, "api_key": api_key})
    await home.set_up()


async def test_key_removed_in_octoprint(new_home: Home) -> None:
    """One more request finds that out. The sign-in asks for a key alone, and stays while the tunnel works."""
    await with_key(new_home, "removed")
    assert [request.path for request in new_home.relay.seen("tunnel")] == ["/api/connection", "/api/currentuser"]
    assert new_home.states("tunnel_status", "octoprint_online", "printer_state") == ("ok", "on", "unavailable")
    [flow] = reauth_flows(new_home.hass)
    for _ in range(3):
        await new_home.runtime.tunnel.async_refresh()
        await new_home.refresh()
    assert reauth_flows(new_home.hass) == [flow]
    result = await new_home.hass.config_entries.flow.async_configure(flow, {})
    assert (result["step_id"], result["menu_options"]) == ("api_key", ["request_key", "enter_key"])


async def test_key_without_permission(new_home: Home) -> None:
    """The printer is shown, and a button names the permission that it needs."""
    await with_key(new_home, new_home.octoprint.limited_api_key)
    with pytest.raises(HomeAssistantError, match="CONNECTION") as raised:
        await new_home.press("connect")
    assert raised.value.translation_key == "permission_missing"
    assert not reauth_flows(new_home.hass)
    assert new_home.state("printer_state").state == "offline"


# What an action shows


@pytest.mark.parametrize(
    ("code", "key", "text"),
    [
        (409, "rejected", "the moon is in the way"),
        (601, "octoprint_offline", "not connected"),
        (604, "revoked", "Create a new one"),
        (605, "not_supporter", "supporter"),
        (608, "upload_too_large", "account allows"),
        (610, "plugin_outdated", "Update it"),
        (612, "service_error", "612"),
        (502, "bad_gateway", "behind it"),
        (418, "unexpected_status", "418"),
    ],
)
async def test_button_shows_what_went_wrong(
    home: Home, caplog: pytest.LogCaptureFixture, code: int, key: str, text: str
) -> None:
    """With OctoPrint's own text where it sent some. Only what closes the tunnel concerns more than this button."""
    body = '{"error": "the moon is in the way"}'
    home.relay.fail(
        "octoeverywhere_tunnel", code, body, content_type="application/json", path="/api/connection", times=1
    )
    with pytest.raises(HomeAssistantError, match=text) as raised:
        await home.press("connect")
    assert raised.value.translation_key == key
    assert isinstance(raised.value, ServiceValidationError) is (key == "rejected")
    assert bool(reauth_flows(home.hass)) is (code == 604)
    closes = code in (604, 605, 610)
    assert len(log_lines(caplog)) == closes
    await home.wait(0)
    assert home.state("active_route").state == ("none" if closes else "tunnel")
