"""Hostile input does Home Assistant no harm: its API, storage, log and event loop work as before.

Each test sends the worst values in every field, and then bodies in which some values are hostile.
"""

import asyncio
from collections import Counter
from collections.abc import AsyncGenerator, Iterator, Mapping
from contextlib import asynccontextmanager, suppress
from datetime import timedelta
from http import HTTPStatus
import json
import re
from typing import Any
from unittest.mock import patch

from aiohttp.test_utils import TestClient
from freezegun.api import FrozenDateTimeFactory
from hypothesis import strategies as st
import pytest
from pytest_homeassistant_custom_component.common import MockConfigEntry, MockUser
from pytest_homeassistant_custom_component.typing import ClientSessionGenerator
from yarl import URL

from custom_components.octoprint_tunnel.api.remote_text import MAX_NAME
from custom_components.octoprint_tunnel.const import DOMAIN
from homeassistant.components.image import async_get_image
from homeassistant.config_entries import ConfigEntryState
from homeassistant.const import EVENT_STATE_CHANGED
from homeassistant.core import HomeAssistant
from homeassistant.data_entry_flow import FlowResultType
from homeassistant.exceptions import HomeAssistantError
from homeassistant.setup import async_setup_component

from .bodies import (
    COMMANDS,
    COMPLETION,
    EVENT,
    FRAMES,
    GADGET,
    INFO,
    JOB,
    NOTIFICATION,
    PREDICTION,
    READING,
    STORED,
    UPDATES,
    USAGE,
    recorded,
)
from .dialogs import start, step
from .faults import SITE
from .harm import MAX_LAG, Lag, assert_unharmed, lag_of_the_loop
from .home import entities, listening, settle, state, unload, until, until_state, wait
from .hostile import HOSTILE_TEXTS, WORST, WORST_TEXTS, drawn, everywhere, hostile, written
from .relay.server import Relay

pytestmark = [pytest.mark.long, pytest.mark.usefixtures("_all_entities_enabled")]

OCTOPRINT: dict[str, list[Any]] = {
    "/api/connection": recorded("connection_1.11_connected") + recorded("connection_2.0_connected"),
    "/api/printer": [READING],
    "/api/job": [JOB],
    "/api/files/local/": [STORED],
    "/api/settings": recorded("settings_"),
    "/api/system/commands": [COMMANDS],
    "/api/version": recorded("version_"),
    "/plugin/softwareupdate/check": [UPDATES],
}
SERVICES: dict[str, dict[str, list[Any]]] = {
    "octoeverywhere": {"/api/appconnection/info": [INFO, {"Status": 200, "Result": INFO}], "/api/gadget": [GADGET]},
    "obico": {"/_tsd_/tunnelusage": [USAGE], "/_tsd_/prediction": [PREDICTION]},
}


class Watch:
    """Checks Home Assistant after each hostile input."""

    def __init__(
        self, hass: HomeAssistant, api: TestClient[Any, Any], caplog: pytest.LogCaptureFixture, lag: Lag
    ) -> None:
        """Check over this client of the API."""
        self._hass = hass
        self._api = api
        self._caplog = caplog
        self._lag = lag

    @asynccontextmanager
    async def unharmed_by(self, what: object) -> AsyncGenerator[None]:
        """Fail if what happens inside harms Home Assistant, and name the input."""
        self._caplog.clear()
        self._lag.reset()
        yield
        assert self._lag.worst < MAX_LAG, what
        await assert_unharmed(self._hass, self._api, self._caplog)


@pytest.fixture
def _all_entities_enabled() -> Iterator[None]:
    """Give each entity a state, also those that are disabled by default."""
    with patch("homeassistant.helpers.entity.Entity.entity_registry_enabled_default", True):
        yield


@pytest.fixture
async def watch(
    hass: HomeAssistant,
    caplog: pytest.LogCaptureFixture,
    hass_admin_user: MockUser,
    hass_access_token: str,
    hass_client: ClientSessionGenerator,
) -> AsyncGenerator[Watch]:
    """Set up everything that serves requests, and log in for the years that the tests let pass."""
    for component in ("api", "webhook", "camera", "image", DOMAIN):
        assert await async_setup_component(hass, component, {})
    [token] = hass_admin_user.refresh_tokens.values()
    token.access_token_expiration = timedelta(days=3650)
    api = await hass_client(hass.auth.async_create_access_token(token))
    async with lag_of_the_loop() as lag:
        yield Watch(hass, api, caplog, lag)


async def test_hostile_responses_do_no_harm(
    hass: HomeAssistant, freezer: FrozenDateTimeFactory, relay: Relay, chosen: MockConfigEntry, watch: Watch
) -> None:
    """Responses of OctoPrint and of the service, at set-up and at later polls."""
    chosen.add_to_hass(hass)
    site = SITE.get(chosen.data["provider"], "tunnel")
    bodies = OCTOPRINT | SERVICES.get(chosen.data["provider"], {})
    some = st.fixed_dictionaries({path: st.none() | hostile(usual) for path, usual in bodies.items()})
    tried: list[Mapping[str, str | None]] = [
        *({path: written(everywhere(usual[-1], value)) for path, usual in bodies.items()} for value in WORST),
        *drawn(some, 80),
    ]
    assert await hass.config_entries.async_setup(chosen.entry_id)
    await settle(hass)
    for number, responses in enumerate(tried):
        relay.heal()
        for path, body in responses.items():
            where = "tunnel" if path in OCTOPRINT else site
            relay.fail(where, 200, body or written(bodies[path][0]), path=path, content_type="application/json")
        async with watch.unharmed_by(responses):
            if number % 4 == 0:
                await hass.config_entries.async_reload(chosen.entry_id)
                await settle(hass)
            else:
                await wait(hass, freezer, 3700)
            with suppress(HomeAssistantError):
                await async_get_image(hass, entities(hass, chosen)["print_preview"])
    relay.heal()
    await wait(hass, freezer, 3700)
    assert chosen.state is ConfigEntryState.LOADED
    assert state(hass, chosen, "printer_state").state == "offline"
    await unload(hass, chosen)


async def test_hostile_deliveries_do_no_harm(
    hass: HomeAssistant,
    freezer: FrozenDateTimeFactory,
    entry: MockConfigEntry,
    watch: Watch,
    hass_client_no_auth: ClientSessionGenerator,
) -> None:
    """Requests to the webhook from anyone who knows its address."""
    hass.config.external_url = "https://home.example.com"
    entry.add_to_hass(hass)
    assert await hass.config_entries.async_setup(entry.entry_id)
    await settle(hass)
    await wait(hass, freezer, 31)
    service = await hass_client_no_auth()
    worst = [written(everywhere(NOTIFICATION, value)) for value in WORST]
    for body in [*worst, *drawn(hostile([NOTIFICATION]), 150)]:
        async with watch.unharmed_by(body):
            async with service.post(f"/api/webhook/{entry.data['webhook_id']}", data=body.encode()) as response:
                assert response.status < HTTPStatus.INTERNAL_SERVER_ERROR
            await wait(hass, freezer, 5)
    await unload(hass, entry)


async def test_hostile_completion_links_do_no_harm(
    hass: HomeAssistant, relay: Relay, watch: Watch, hass_client_no_auth: ClientSessionGenerator
) -> None:
    """Parameters that anyone may append to the return address of a portal, and the dialog that waits for them."""
    await hass.config.async_update(internal_url="http://127.0.0.1:8123")
    browser = await hass_client_no_auth()
    others = COMPLETION.keys() - {"success", "url", "id", "appApiToken"}
    worst = [change for text in WORST_TEXTS for change in ({"url": text}, {"id": text}, dict.fromkeys(others, text))]
    changes = st.dictionaries(st.sampled_from(list(COMPLETION)), HOSTILE_TEXTS, min_size=1, max_size=4)
    for changed in [*worst, *drawn(changes, 150)]:
        # Browsers send no lone surrogate, and Home Assistant's server limits the length.
        query = {name: text[:150].encode(errors="replace").decode() for name, text in (COMPLETION | changed).items()}
        dialog = await start(hass, "octoeverywhere", "octoeverywhere_portal")
        address = URL(URL(dialog["url"]).query["returnUrl"]).with_query(query).relative()
        async with watch.unharmed_by(query):
            async with browser.get(address) as response:
                assert response.status in (HTTPStatus.OK, HTTPStatus.BAD_REQUEST), query
                assert "<a href" not in await response.text()
            result = await step(hass, dialog) if response.status == HTTPStatus.OK else dialog
            await settle(hass)
        for text in (result.get("description_placeholders") or {}).values():
            assert not re.search(r"\]\(|\) \[", text)
        if result["type"] not in (FlowResultType.ABORT, FlowResultType.CREATE_ENTRY):
            hass.config_entries.flow.async_abort(result["flow_id"])


@pytest.mark.usefixtures("hurried")
async def test_hostile_push_frames_do_no_harm(
    hass: HomeAssistant, relay: Relay, entry: MockConfigEntry, watch: Watch
) -> None:
    """Messages of OctoPrint or its plugins on the push socket; live updates go on after them."""
    updates = await listening(hass, entry)
    worst = [written(everywhere(frame, value)) for value in WORST for frame in FRAMES[:2]]
    cut_off = [json.dumps(frame)[:-length] for frame in FRAMES for length in (1, 10)]
    for frame in [*worst, *cut_off, *drawn(hostile(FRAMES), 150)]:
        async with watch.unharmed_by(frame):
            await relay.say_on_sockets(frame)
            await asyncio.sleep(0.01)
            await settle(hass)
    await relay.say_on_sockets(written(EVENT))
    await until(lambda: updates.since)
    await settle(hass)
    # OctoPrint's API does not keep errors, so an event may set this state.
    assert state(hass, entry, "printer_state").state in ("offline", "offline_after_error")
    await unload(hass, entry)


@pytest.mark.usefixtures("hurried")
async def test_a_flood_of_push_frames_does_no_harm(
    hass: HomeAssistant, relay: Relay, entry: MockConfigEntry, watch: Watch
) -> None:
    """The state is read from OctoPrint and not from the frames, however fast they come."""
    await listening(hass, entry)
    relay.clear()
    changes: Counter[str] = Counter()
    hass.bus.async_listen(EVENT_STATE_CHANGED, lambda event: changes.update([event.data["entity_id"]]))
    async with watch.unharmed_by("a flood"):
        for number in range(1000):
            payload = {"state_id": "PRINTING", "state_string": f"Printing {number}" + "x" * 2000}
            await relay.say_on_sockets(written({"event": {"type": "PrinterStateChanged", "payload": payload}}))
        await until(lambda: relay.seen("tunnel", path="/api/connection"))
        await settle(hass)
    assert not changes
    await until_state(hass, entry, "offline")
    await unload(hass, entry)


async def test_hostile_words_in_dialogs_do_no_harm(hass: HomeAssistant, watch: Watch, loaded: MockConfigEntry) -> None:
    """Each form that a user fills in with them shows an error."""
    unsafe = "https://octoeverywhere.com/?success=true&id=1&appApiToken=x&authBearerToken=y&url="
    options = {"poll_interval": 60, "verify_ssl": True}
    for text in [*WORST_TEXTS, *drawn(HOSTILE_TEXTS, 100)]:
        async with watch.unharmed_by(text):
            dialog = await start(hass, "octoeverywhere", "octoeverywhere_paste")
            for typed in (text, unsafe + text):
                dialog = await step(hass, dialog, {"completion_url": typed})
                if dialog["type"] is FlowResultType.MENU:  # the address is one of an App Connection
                    break
                assert dialog["errors"], typed
            hass.config_entries.flow.async_abort(dialog["flow_id"])
            dialog = await hass.config_entries.options.async_init(loaded.entry_id)
            dialog = await hass.config_entries.options.async_configure(
                dialog["flow_id"], {**options, "local_url": f"http://[::]{text}"}
            )
            assert dialog["errors"] == {"local_url": "invalid_url"}, text
            hass.config_entries.options.async_abort(dialog["flow_id"])


async def test_long_names_in_any_script_do_no_harm(
    hass: HomeAssistant, relay: Relay, entry: MockConfigEntry, watch: Watch
) -> None:
    """Home Assistant writes one character of this name as fifteen in an entity id."""
    name = "\u337f" * 500
    webcams = {"webcams": [{"name": name, "displayName": name, "compat": {"snapshot": "/s"}}] * 3}
    relay.fail("tunnel", 200, json.dumps({"webcam": webcams}), path="/api/settings", content_type="application/json")
    relay.fail("octoeverywhere_api", 200, json.dumps(INFO | {"PrinterName": name}), content_type="application/json")
    entry.add_to_hass(hass)
    hass.config_entries.async_update_entry(entry, title="\u337f" * MAX_NAME)
    assert await hass.config_entries.async_setup(entry.entry_id)
    async with watch.unharmed_by(name):
        await settle(hass)
    assert hass.states.async_entity_ids("camera")
    await unload(hass, entry)
