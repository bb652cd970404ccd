"""The address that a service's page sends the browser back to: whoever calls it, and however."""

import asyncio
from collections.abc import Mapping
from http import HTTPStatus
import logging
import re
from typing import Any

from aiohttp.test_utils import TestClient
import pytest
from pytest_homeassistant_custom_component.common import MockConfigEntry
from pytest_homeassistant_custom_component.typing import ClientSessionGenerator
from yarl import URL

from custom_components.octoprint_tunnel.authorize import PATH, WAITING
from custom_components.octoprint_tunnel.const import DOMAIN
from homeassistant.config_entries import ConfigFlowResult
from homeassistant.core import HomeAssistant
from homeassistant.data_entry_flow import FlowResultType
from homeassistant.setup import async_setup_component

from .dialogs import choose, error_of, reauth, reconfigure, start, step, through_page, visit
from .home import settle
from .relay.octoeverywhere import AppConnection
from .relay.server import Relay

PORTAL = ("octoeverywhere", "octoeverywhere_portal")
LONGEST_LINE = 8190  # bytes; aiohttp's own limit, Home Assistant may take longer ones

type Browser = TestClient[Any, Any]


@pytest.fixture(autouse=True)
async def _address(hass: HomeAssistant) -> None:
    """Give Home Assistant an address that a browser could come back to."""
    await hass.config.async_update(internal_url="http://127.0.0.1:8123")


@pytest.fixture
async def dialog(hass: HomeAssistant, relay: Relay) -> ConfigFlowResult:
    """Return a dialog that waits for the browser to come back from the portal."""
    return await start(hass, *PORTAL)


@pytest.fixture
async def back(dialog: ConfigFlowResult) -> URL:
    """Return where the portal sends that browser."""
    return await visit(dialog["url"])


@pytest.fixture
async def browser(dialog: ConfigFlowResult, hass_client_no_auth: ClientSessionGenerator) -> Browser:
    """Return anybody's browser; the page has to be there before it."""
    return await hass_client_no_auth()


async def call(browser: Browser, address: URL | str, method: str = "GET") -> tuple[int, str]:
    """Call the address as it is written, and return status and text of a page that keeps its own address to itself."""
    written = address if isinstance(address, str) else address.raw_path_qs
    async with browser.request(method, URL(written, encoded=True)) as answer:
        text = await answer.text()
        if answer.content_type == "text/html":  # else Home Assistant refused it before
            _check_page(answer.headers, text)
        return answer.status, text


def _check_page(headers: Mapping[str, str], text: str) -> None:
    """See that the page is kept nowhere, cleans the address bar first, and runs and loads nothing but its own."""
    assert headers["Cache-Control"] == "no-store"
    assert headers["Referrer-Policy"] == "no-referrer"
    assert headers["X-Content-Type-Options"] == "nosniff"
    [nonce] = set(re.findall(r'nonce="([\w-]+)"', text))
    policy = headers["Content-Security-Policy"]
    assert policy.startswith("default-src 'none'; base-uri 'none'; form-action 'none'; frame-ancestors 'none';")
    assert f"script-src 'nonce-{nonce}'" in policy
    assert text.count("<script") == 1
    assert f'<script nonce="{nonce}">history.replaceState(null, "", location.pathname);' in text


async def finishes(hass: HomeAssistant, dialog: ConfigFlowResult) -> bool:
    """Return whether the dialog got what it waits for, and go on with it."""
    result = await step(hass, dialog)
    await settle(hass)
    return result["type"] is FlowResultType.CREATE_ENTRY


def waiting(hass: HomeAssistant) -> int:
    """Return how many addresses are good for something."""
    return len(hass.data[WAITING])


async def test_each_state_is_taken_once(
    hass: HomeAssistant, relay: Relay, dialog: ConfigFlowResult, back: URL, browser: Browser
) -> None:
    """A guess gets 400 and changes nothing, so does one that was used; the page gives nothing away."""
    assert (await call(browser, f"{PATH}/guess?success=true"))[0] == HTTPStatus.BAD_REQUEST
    status, text = await call(browser, back)
    assert status == HTTPStatus.OK
    [connection] = relay.octoeverywhere.connections
    assert connection.password not in text
    assert connection.app_token not in text
    assert (await call(browser, back))[0] == HTTPStatus.BAD_REQUEST
    assert not waiting(hass)
    assert await finishes(hass, dialog)
    assert (await call(browser, back))[0] == HTTPStatus.BAD_REQUEST


async def test_one_of_many_wins(hass: HomeAssistant, dialog: ConfigFlowResult, back: URL, browser: Browser) -> None:
    """However many come at once with the same state."""
    answers = await asyncio.gather(*(call(browser, back) for _ in range(20)))
    assert sorted(status for status, _ in answers) == [HTTPStatus.OK, *[HTTPStatus.BAD_REQUEST] * 19]
    assert await finishes(hass, dialog)
    assert len(hass.config_entries.async_entries(DOMAIN)) == 1


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "PATCH", "HEAD", "OPTIONS"])
async def test_other_methods(
    hass: HomeAssistant, dialog: ConfigFlowResult, back: URL, browser: Browser, method: str
) -> None:
    """They are refused, and use nothing up."""
    status, _ = await call(browser, back, method)
    assert status in (HTTPStatus.METHOD_NOT_ALLOWED, HTTPStatus.FORBIDDEN)  # 403: OPTIONS is a question of CORS
    assert (await call(browser, back))[0] == HTTPStatus.OK
    assert await finishes(hass, dialog)


async def test_nothing_but_the_address_is_not_the_end(
    hass: HomeAssistant, dialog: ConfigFlowResult, back: URL, browser: Browser
) -> None:
    """Whoever opens the bare address, a link preview perhaps, does not use it up."""
    assert (await call(browser, back.raw_path))[0] == HTTPStatus.BAD_REQUEST
    assert (await step(hass, dialog, {}))["type"] is FlowResultType.EXTERNAL_STEP
    assert (await call(browser, back))[0] == HTTPStatus.OK
    assert await finishes(hass, dialog)


@pytest.mark.parametrize("slash", ["", "/"])
async def test_with_and_without_slash(
    hass: HomeAssistant, dialog: ConfigFlowResult, back: URL, browser: Browser, slash: str
) -> None:
    """Both forms of the address are served."""
    status, _ = await call(browser, f"{back.raw_path}{slash}?{back.raw_query_string}")
    assert status == HTTPStatus.OK
    assert await finishes(hass, dialog)


@pytest.mark.parametrize(("outcome", "words"), [("success", "Done"), ("denied", "No connection was created")])
async def test_it_says_what_happened(
    relay: Relay, dialog: ConfigFlowResult, browser: Browser, outcome: Any, words: str
) -> None:
    """A window that stays open tells the truth."""
    relay.octoeverywhere.portal.outcome = outcome
    assert words in (await call(browser, await visit(dialog["url"])))[1]


GARBAGE = {
    "longest": "success=true&id=" + "x" * (LONGEST_LINE - 200),
    "longer than lines may be": "success=true&id=" + "x" * 100_000,
    "many": "&".join(f"p{number}=" for number in range(1_000)),
    "one name very often": "a&" * 3_000,
    "duplicates": "success=true&success=false&url=https://a.octoeverywhere.com&url=https://b.octoeverywhere.com",
    "control characters": "success=true&id=%00%01%1b%7f&url=https://%00.octoeverywhere.com&%0b=%0c",
    "line breaks": "success=true&id=a%0d%0aSet-Cookie:%20b",
    "halves of characters": "success=true&id=%ed%a0%80&printername=%ff%fe",
    "right to left": "success=true&printername=%e2%80%ae%f0%9f%96%a8",
    "no percentages": "success=true&id=%&url=%zz&%=%%%",
    "markup": "success=true&id=%22%3E%3Cb%3E&printername={text}{nonce}",
    "a step of the dialog": "next_step_id=enter_key&api_key=x&success=true",
    "nothing": "&",
}


@pytest.mark.parametrize("query", GARBAGE.values(), ids=GARBAGE)
async def test_garbage(
    hass: HomeAssistant,
    dialog: ConfigFlowResult,
    back: URL,
    browser: Browser,
    caplog: pytest.LogCaptureFixture,
    query: str,
) -> None:
    """With the right state it is a connection that came to nothing; the dialog says so, and goes on."""
    status, text = await call(browser, f"{back.raw_path}?{query}")
    assert status < HTTPStatus.INTERNAL_SERVER_ERROR
    assert "<b>" not in text
    assert not [record for record in caplog.records if record.exc_info and record.name != "aiohttp.server"]
    if waiting(hass):  # refused before it got as far as the page
        assert status == HTTPStatus.BAD_REQUEST
        assert (await call(browser, back))[0] == HTTPStatus.OK
        assert await finishes(hass, dialog)
        return
    assert "No connection was created" in text
    result = await step(hass, dialog)
    assert error_of(result, "refused") in ("denied", "incomplete_link", "invalid_link", "not_https", "foreign_host")


async def test_garbage_without_a_state(hass: HomeAssistant, dialog: ConfigFlowResult, browser: Browser) -> None:
    """The path is no better a place for it, and the dialog waits on."""
    states = ["", "%00", "%ff", "%", "..%2f..", "a/b", "x" * 8_000, "{state}", "%f0%9f%96%a8", "None"]
    for state in states:
        status, _ = await call(browser, f"{PATH}/{state}?success=true")
        assert status in (HTTPStatus.BAD_REQUEST, HTTPStatus.NOT_FOUND), state
    assert waiting(hass) == 1


async def test_foreign_page_that_guesses(
    hass: HomeAssistant, dialog: ConfigFlowResult, back: URL, browser: Browser, caplog: pytest.LogCaptureFixture
) -> None:
    """Not one of a thousand guesses is kept, logged or a hindrance to the browser that is waited for."""
    caplog.set_level(logging.INFO)
    caplog.clear()
    before = hass.data[WAITING].copy()
    [state] = before
    assert len(state) * 6 >= 256  # bits
    for chunk in range(20):
        guesses = [f"{PATH}/{state[:-1]}{chunk}-{number}?success=true" for number in range(50)]
        answers = await asyncio.gather(*(call(browser, guess) for guess in guesses))
        assert {status for status, _ in answers} == {HTTPStatus.BAD_REQUEST}
    assert hass.data[WAITING] == before
    assert not [record for record in caplog.records if record.name.startswith(("homeassistant", "custom_components"))]
    assert (await call(browser, back))[0] == HTTPStatus.OK
    assert await finishes(hass, dialog)


async def test_closed_dialog(hass: HomeAssistant, dialog: ConfigFlowResult, back: URL, browser: Browser) -> None:
    """A browser that comes back after the dialog was closed is told so."""
    hass.config_entries.flow.async_abort(dialog["flow_id"])
    assert not waiting(hass)
    status, text = await call(browser, back)
    assert status == HTTPStatus.BAD_REQUEST
    assert "its dialog is closed" in text


async def test_dialog_that_is_gone_without_a_word(hass: HomeAssistant, back: URL, browser: Browser) -> None:
    """A browser whose dialog is not there any more gets the page as well."""
    [state] = hass.data[WAITING]
    hass.data[WAITING][state] = "gone"
    status, text = await call(browser, back)
    assert status == HTTPStatus.BAD_REQUEST
    assert "its dialog is closed" in text


@pytest.mark.parametrize("source", ["reauth", "reconfigure"])
async def test_printer_that_is_removed_while_the_portal_is_open(
    hass: HomeAssistant,
    relay: Relay,
    entry: MockConfigEntry,
    connection: AppConnection,
    hass_client_no_auth: ClientSessionGenerator,
    source: str,
) -> None:
    """The browser gets a page, and a dialog that Home Assistant has left open ends with a text."""
    entry.add_to_hass(hass)
    if source == "reconfigure":
        result = await reconfigure(hass, entry, *PORTAL)
    else:
        connection.revoked = True
        result = await reauth(hass, entry, "octoeverywhere_portal")
    back = await visit(result["url"])
    await hass.config_entries.async_remove(entry.entry_id)
    status, text = await call(await hass_client_no_auth(), back)
    if source == "reauth":
        assert status == HTTPStatus.BAD_REQUEST
        assert "its dialog is closed" in text
    else:
        assert status == HTTPStatus.OK
        result = await step(hass, result)
        assert (result["type"], result["reason"]) == (FlowResultType.ABORT, "printer_removed")
    assert not hass.config_entries.flow.async_progress()
    assert not hass.config_entries.async_entries(DOMAIN)


async def test_dialog_that_went_on_by_itself(
    hass: HomeAssistant, dialog: ConfigFlowResult, back: URL, browser: Browser
) -> None:
    """The address is good for the step that waits for it and for no other, whoever ended that step."""
    await step(hass, dialog, {"success": "false"})
    assert (await call(browser, f"{back.raw_path}?next_step_id=octoeverywhere_paste"))[0] == HTTPStatus.BAD_REQUEST
    assert not waiting(hass)
    assert (await step(hass, dialog))["step_id"] == "refused"


async def test_two_dialogs(hass: HomeAssistant, relay: Relay, dialog: ConfigFlowResult, browser: Browser) -> None:
    """Each gets what was sent to its own address, in whatever order they end."""
    other = await start(hass, *PORTAL)
    assert waiting(hass) == 2
    relay.octoeverywhere.portal.outcome = "denied"
    denied = await visit(dialog["url"])
    relay.octoeverywhere.portal.outcome = "success"
    allowed = await visit(other["url"])
    assert "Done" in (await call(browser, allowed))[1]
    assert "No connection" in (await call(browser, denied))[1]
    assert (await step(hass, dialog))["step_id"] == "refused"
    assert await finishes(hass, other)
    assert not waiting(hass)


async def test_no_more_wait_than_dialogs_are_open(
    hass: HomeAssistant, dialog: ConfigFlowResult, browser: Browser
) -> None:
    """Beginning again with a service leaves no address behind; only who is signed in can open a dialog."""
    for _ in range(5):
        address = URL(URL(dialog["url"]).query["returnUrl"])
        await call(browser, f"{address.path}?success=false")
        await step(hass, dialog)
        dialog = await choose(hass, await step(hass, dialog, {}), "octoeverywhere_portal")
        assert waiting(hass) == 1
    others = [await start(hass, *PORTAL) for _ in range(10)]
    assert waiting(hass) == len(hass.config_entries.flow.async_progress()) == 11
    for other in others:
        hass.config_entries.flow.async_abort(other["flow_id"])
    assert waiting(hass) == 1


async def test_reloaded_dialog_keeps_the_open_portal_page(
    hass: HomeAssistant, dialog: ConfigFlowResult, hass_client_no_auth: ClientSessionGenerator
) -> None:
    """The address that the portal already has stays good, also where no other could be made."""
    await hass.config.async_update(internal_url=None)
    hass.config.api = None
    assert (await step(hass, dialog))["url"] == dialog["url"]
    result = await through_page(hass, dialog, hass_client_no_auth)
    assert result["type"] is FlowResultType.CREATE_ENTRY


async def test_the_address_of_the_browser(
    hass: HomeAssistant, dialog: ConfigFlowResult, hass_client: ClientSessionGenerator
) -> None:
    """The address in the browser's header is the one that the portal gets."""
    assert await async_setup_component(hass, "config", {})
    client = await hass_client()
    headers = {"HA-Frontend-Base": "https://home.example.com"}
    answer = await client.post("/api/config/config_entries/flow", json={"handler": DOMAIN}, headers=headers)
    address = f"/api/config/config_entries/flow/{(await answer.json())['flow_id']}"
    await client.post(address, json={"next_step_id": "octoeverywhere"}, headers=headers)
    answer = await client.post(address, json={"next_step_id": "octoeverywhere_portal"}, headers=headers)
    query = URL((await answer.json())["url"]).query
    assert query["returnUrl"].startswith("https://home.example.com/api/octoprint_tunnel/authorize/")
