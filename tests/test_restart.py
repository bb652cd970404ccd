"""Home Assistant is restarted in the middle of a dialog: nothing half-made stays, and what was there is as before."""

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import asynccontextmanager
from http import HTTPStatus
from typing import Any
from urllib.parse import urlencode

import pytest
from pytest_homeassistant_custom_component.common import MockConfigEntry, async_test_home_assistant

from custom_components.octoprint_tunnel.authorize import WAITING
from custom_components.octoprint_tunnel.const import DOMAIN
from homeassistant.config_entries import ConfigFlowResult
from homeassistant.core import HomeAssistant
from homeassistant.data_entry_flow import FlowResultType
from homeassistant.helpers import frame
from homeassistant.loader import DATA_CUSTOM_COMPONENTS

from .dialogs import at_the_api_key, choose, paste, paste_link, reauth, reconfigure, start, start_reauth, step, visit
from .home import settle, states, until
from .leftovers import PACKAGE
from .relay.octoeverywhere import AppConnection
from .relay.server import Relay

ADDRESS = "http://127.0.0.1:8123"

type Walk = Callable[[HomeAssistant, Relay, AppConnection], Awaitable[ConfigFlowResult]]
type WalkOfEntry = Callable[[HomeAssistant, MockConfigEntry], Awaitable[ConfigFlowResult]]


@pytest.fixture(autouse=True)
async def _address(hass: HomeAssistant) -> None:
    """Give Home Assistant an address that a browser could come back to."""
    await hass.config.async_update(internal_url=ADDRESS)


@asynccontextmanager
async def restarted(hass: HomeAssistant, relay: Relay) -> AsyncGenerator[HomeAssistant]:
    """End Home Assistant, with no task and no connection left, and start it again with what it has written down."""
    hass.config_entries._async_schedule_save()
    await hass.async_stop(force=True)
    tasks = [task for task in asyncio.all_tasks() if PACKAGE in repr(task)]
    assert not tasks
    await until(lambda: not relay.open_connections)
    async with async_test_home_assistant() as again:
        frame.async_setup(again)
        again.data.pop(DATA_CUSTOM_COMPONENTS)
        await again.config.async_update(internal_url=ADDRESS)
        await again.config_entries.async_initialize()
        yield again
        for entry in again.config_entries.async_entries(DOMAIN):
            await again.config_entries.async_unload(entry.entry_id)
        await again.async_stop(force=True)


async def at_own_server(hass: HomeAssistant) -> ConfigFlowResult:
    """Enter the address of an Obico server of the user's own."""
    return await step(hass, await start(hass, "obico", "obico_server"), {"server_url": "http://192.168.1.20"})


async def while_octoprint_is_off(hass: HomeAssistant, relay: Relay, connection: AppConnection) -> ConfigFlowResult:
    """Go on to where OctoPrint is waited for."""
    relay.fail("octoeverywhere_tunnel", 601, times=1)
    return await paste_link(hass, paste(relay, connection))


async def at_a_key(hass: HomeAssistant, relay: Relay, connection: AppConnection, kind: str) -> ConfigFlowResult:
    """Go on to one of the ways to a key."""
    return await choose(hass, await at_the_api_key(hass, relay, connection), kind)


WALKS: dict[str, Walk] = {
    "user": lambda hass, relay, connection: start(hass),
    "octoeverywhere": lambda hass, relay, connection: start(hass, "octoeverywhere"),
    "octoeverywhere_portal": lambda hass, relay, connection: start(hass, "octoeverywhere", "octoeverywhere_portal"),
    "octoeverywhere_paste": lambda hass, relay, connection: start(hass, "octoeverywhere", "octoeverywhere_paste"),
    "obico": lambda hass, relay, connection: start(hass, "obico"),
    "obico_server": lambda hass, relay, connection: start(hass, "obico", "obico_server"),
    "obico_method": lambda hass, relay, connection: at_own_server(hass),
    "obico_authorize": lambda hass, relay, connection: start(hass, "obico", "obico_authorize"),
    "obico_paste": lambda hass, relay, connection: start(hass, "obico", "obico_paste"),
    "own_address": lambda hass, relay, connection: start(hass, "own_address"),
    "printer_offline": while_octoprint_is_off,
    "api_key": at_the_api_key,
    "request_key": lambda hass, relay, connection: at_a_key(hass, relay, connection, "request_key"),
    "enter_key": lambda hass, relay, connection: at_a_key(hass, relay, connection, "enter_key"),
}


@pytest.mark.parametrize("where", WALKS)
async def test_set_up(hass: HomeAssistant, relay: Relay, connection: AppConnection, where: str) -> None:
    """Nothing is left of a dialog that was in the middle, and another one sets the printer up."""
    result = await WALKS[where](hass, relay, connection)
    assert result["step_id"] == where
    async with restarted(hass, relay) as again:
        assert not again.config_entries.async_entries(DOMAIN)
        assert not again.config_entries.flow.async_progress(include_uninitialized=True)
        assert not again.data.get(WAITING)
        result = await paste_link(again, paste(relay, connection))
        await settle(again)
        assert result["type"] is FlowResultType.CREATE_ENTRY
        assert len(again.config_entries.async_entries(DOMAIN)) == 1


async def at_the_question(hass: HomeAssistant, entry: MockConfigEntry) -> ConfigFlowResult:
    """Go on to the question whether a connection that is pasted is for this printer."""
    result = await reconfigure(hass, entry, "octoeverywhere", "octoeverywhere_paste")
    link = f"https://octoeverywhere.com/appportal/v1/complete?success=true&{urlencode(_of_another_id(entry))}"
    return await step(hass, result, {"completion_url": link})


def _of_another_id(entry: MockConfigEntry) -> dict[str, str]:
    names = {"url": "url", "authBasicHttpUser": "username", "authBasicHttpPassword": "password"}
    return {"id": "another", "appApiToken": "token", **{key: entry.data[name] for key, name in names.items()}}


WALKS_OF_ENTRY: dict[str, WalkOfEntry] = {
    "reauth_confirm": start_reauth,
    "reauth in the portal": lambda hass, entry: reauth(hass, entry, "octoeverywhere_portal"),
    "reauth by a link": lambda hass, entry: reauth(hass, entry, "octoeverywhere_paste"),
    "reconfigure": reconfigure,
    "reconfigure in the portal": lambda hass, entry: reconfigure(
        hass, entry, "octoeverywhere", "octoeverywhere_portal"
    ),
    "reconfigure at Obico": lambda hass, entry: reconfigure(hass, entry, "obico", "obico_authorize"),
    "reconfigure at an own address": lambda hass, entry: reconfigure(hass, entry, "own_address"),
    "replace_known": at_the_question,
}


@pytest.mark.parametrize("where", WALKS_OF_ENTRY)
async def test_printer_that_is_there(
    hass: HomeAssistant,
    relay: Relay,
    loaded: MockConfigEntry,
    connection: AppConnection,
    aiohttp_client: Any,
    where: str,
) -> None:
    """It is as before; a browser that comes back late is told so; a sign-in that is still due is asked for again."""
    before = loaded.as_dict()
    connection.revoked = where.startswith("reauth")
    result = await WALKS_OF_ENTRY[where](hass, loaded)
    back = await visit(result["url"]) if result["type"] is FlowResultType.EXTERNAL_STEP else None
    async with restarted(hass, relay) as again:
        [entry] = again.config_entries.async_entries(DOMAIN)
        assert await again.config_entries.async_setup(entry.entry_id)
        await settle(again)
        if back:
            client = await aiohttp_client(again.http.app)
            page = await client.get(back.raw_path_qs)
            assert page.status == HTTPStatus.BAD_REQUEST
            assert "Start again" in await page.text()
        assert entry.as_dict() == before
        flows = again.config_entries.flow.async_progress()
        assert [flow["context"]["source"] for flow in flows] == ["reauth"] * connection.revoked
        if not connection.revoked:
            assert states(again, entry, "printer_state", "tunnel_status") == ("offline", "ok")  # type: ignore[arg-type]
