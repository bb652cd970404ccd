"""The address that a service's page sends the browser back to: who may call it, how often, and with what."""

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
    """Return a browser that is not logged in; the view has to be registered before it connects."""
    return await hass_client_no_auth()


async def call(browser: Browser, address: URL | str, method: str = "GET") -> tuple[int, str]:
    """Call the address as it is written, and return the status and the text of the page."""
    written = address if isinstance(address, str) else address.raw_path_qs
    async with browser.request(method, URL(written, encoded=True)) as response:
        text = await response.text()
        if response.content_type == "text/html":  # otherwise Home Assistant has refused the request
            _check_page(response.headers, text)
        return response.status, text


def _check_page(headers: Mapping[str, str], text: str) -> None:
    """Check that the page is not cached, cleans the address bar first, and runs and loads only its own script."""
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
    """Go on with the dialog, and tell whether it sets the printer up."""
    result = await step(hass, dialog)
    await settle(hass)
    return result["type"] is FlowResultType.CREATE_ENTRY


def waiting(hass: HomeAssistant) -> int:
    """Return how many addresses are still accepted."""
    return len(hass.data[WAITING])


async def test_each_state_is_taken_once(
    hass: HomeAssistant, relay: Relay, dialog: ConfigFlowResult, back: URL, browser: Browser
) -> None:
    """A guessed or used state gets 400 and changes nothing; the page shows no credentials."""
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


async def test_one_of_many_requests_wins(
    hass: HomeAssistant, dialog: ConfigFlowResult, back: URL, browser: Browser
) -> None:
    """Of requests that come at once with the same state, one is taken."""
    responses = await asyncio.gather(*(call(browser, back) for _ in range(20)))
    assert sorted(status for status, _ in responses) == [HTTPStatus.OK, *[HTTPStatus.BAD_REQUEST] * 19]
    assert await finishes(hass, dialog)
    assert len(hass.config_entries.async_entries(DOMAIN)) == 1


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "PATCH", "HEAD", "OPTIONS"])
async def test_other_methods(
    hass: HomeAssistant, dialog: ConfigFlowResult, back: URL, browser: Browser, method: str
) -> None:
    """They are refused, and the state stays valid."""
    status, _ = await call(browser, back, method)
    assert status in (HTTPStatus.METHOD_NOT_ALLOWED, HTTPStatus.FORBIDDEN)  # 403: OPTIONS is a question of CORS
    assert (await call(browser, back))[0] == HTTPStatus.OK
    assert await finishes(hass, dialog)


async def test_address_without_a_query(
    hass: HomeAssistant, dialog: ConfigFlowResult, back: URL, browser: Browser
) -> None:
    """A request for the bare address, by a link preview for example, does not use the state up."""
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
async def test_page_says_what_happened(
    relay: Relay, dialog: ConfigFlowResult, browser: Browser, outcome: Any, words: str
) -> None:
    """The text is for a window that the browser does not let the page close."""
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
    """With the right state, the dialog says that there is no connection, and offers another try."""
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
    """Garbage in the path is refused, and the dialog still waits."""
    states = ["", "%00", "%ff", "%", "..%2f..", "a/b", "x" * 8_000, "{state}", "%f0%9f%96%a8", "None"]
    for state in states:
        status, _ = await call(browser, f"{PATH}/{state}?success=true")
        assert status in (HTTPStatus.BAD_REQUEST, HTTPStatus.NOT_FOUND), state
    assert waiting(hass) == 1


async def test_guessed_states(
    hass: HomeAssistant, dialog: ConfigFlowResult, back: URL, browser: Browser, caplog: pytest.LogCaptureFixture
) -> None:
    """A thousand guesses are neither stored nor logged, and the right browser is still served."""
    caplog.set_level(logging.INFO)
    caplog.clear()
    before = hass.data[WAITING].copy()
    [state] = before
    assert len(state) * 6 >= 256  # bits
    for chunk in range(20):
        guesses = [f"{PATH}/{state[:-1]}{chunk}-{number}?success=true" for number in range(50)]
        responses = await asyncio.gather(*(call(browser, guess) for guess in guesses))
        assert {status for status, _ in responses} == {HTTPStatus.BAD_REQUEST}
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
    assert "the dialog was closed" in text


async def test_lost_dialog(hass: HomeAssistant, back: URL, browser: Browser) -> None:
    """A browser whose dialog no longer exists gets the same page."""
    [state] = hass.data[WAITING]
    hass.data[WAITING][state] = "gone"
    status, text = await call(browser, back)
    assert status == HTTPStatus.BAD_REQUEST
    assert "the dialog was closed" in text


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
        assert "the dialog was closed" in text
    else:
        assert status == HTTPStatus.OK
        result = await step(hass, result)
        assert (result["type"], result["reason"]) == (FlowResultType.ABORT, "printer_removed")
    assert not hass.config_entries.flow.async_progress()
    assert not hass.config_entries.async_entries(DOMAIN)


async def test_dialog_that_went_on_before_the_browser(
    hass: HomeAssistant, dialog: ConfigFlowResult, back: URL, browser: Browser
) -> None:
    """The address is only accepted for the step that waits for it."""
    await step(hass, dialog, {"success": "false"})
    assert (await call(browser, f"{back.raw_path}?next_step_id=octoeverywhere_paste"))[0] == HTTPStatus.BAD_REQUEST
    assert not waiting(hass)
    assert (await step(hass, dialog))["step_id"] == "refused"


async def test_two_dialogs(hass: HomeAssistant, relay: Relay, dialog: ConfigFlowResult, browser: Browser) -> None:
    """Each gets what was sent to its own address, in any order."""
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


async def test_no_address_is_left_over(hass: HomeAssistant, dialog: ConfigFlowResult, browser: Browser) -> None:
    """Each open dialog has one address, also after several tries."""
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
    """The address that the portal already has stays valid, also where no other can be made."""
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
    response = await client.post("/api/config/config_entries/flow", json={"handler": DOMAIN}, headers=headers)
    address = f"/api/config/config_entries/flow/{(await response.json())['flow_id']}"
    await client.post(address, json={"next_step_id": "octoeverywhere"}, headers=headers)
    response = await client.post(address, json={"next_step_id": "octoeverywhere_portal"}, headers=headers)
    query = URL((await response.json())["url"]).query
    assert query["returnUrl"].startswith("https://home.example.com/api/octoprint_tunnel/authorize/")
