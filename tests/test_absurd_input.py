"""Malformed input: every form says what is wrong, keeps what was typed, and takes better input."""

import logging
from typing import Any
from urllib.parse import parse_qsl, urlencode

import pytest
from pytest_homeassistant_custom_component.common import MockConfigEntry

from custom_components.octoprint_tunnel.api.transport.addresses import MAX_LINK
from custom_components.octoprint_tunnel.const import DOMAIN
from homeassistant.core import HomeAssistant
from homeassistant.data_entry_flow import FlowResultType, InvalidData
from homeassistant.helpers.translation import async_get_translations

from .dialogs import PASTE_STEPS, at_the_api_key, enter_key, error_of, paste, paste_link, start, step
from .home import log_lines
from .relay.octoeverywhere import AppConnection
from .relay.server import Relay

ADDRESSES = {
    "very long": "http://192.168.1.20/" + "x" * 100_000,
    "long name": f"http://{'a.' * 200}example",
    "control characters": "http://192.168.1.20\x00\x1b:5000",
    "line break": "http://octopi.local\r\nX-Api-Key: x",
    "emoji": "http://🖨️.local",
    "emoji alone": "🖨️",
    "port 0": "http://octopi.local:0",
    "port 99999": "http://octopi.local:99999",
    "negative port": "http://octopi.local:-1",
    "no port": "http://octopi.local:x",
    "user and password": "http://owner:PLANTED@octopi.local",
    "user": "http://PLANTED@octopi.local",
    "no host": "http://",
    "no scheme": "://octopi.local",
    "another scheme": "javascript:alert(1)",
    "a file": "file:///etc/passwd",
    "a bracket": "http://[::1",
    "a number too much": "http://192.168.1.20.1",
    "spaces": "http://octo pi.local",
    "right to left": "http://\u202eipotco.local",
    "a template": "{{ states('sensor.x') }}",
    "half of a character": "http://\ud83d.local",
}
"""Strings that are no web address, by what is wrong with them."""

each = pytest.mark.parametrize("typed", ADDRESSES.values(), ids=ADDRESSES)


async def refused(hass: HomeAssistant, result: Any, step_id: str, field: str, typed: str) -> None:
    """Check that the form is shown again, with what was typed and with the text of an error."""
    assert (result["type"], result["step_id"]) == (FlowResultType.FORM, step_id), result
    [(where, key)] = result["errors"].items()
    assert where in (field, "base")
    kind = "options" if step_id == "init" else "config"
    texts = await async_get_translations(hass, "en", kind, {DOMAIN})
    assert texts[f"component.{DOMAIN}.{kind}.error.{key}"]
    [suggested] = [name.description["suggested_value"] for name in result["data_schema"].schema if name == field]
    assert suggested == typed
    assert not typed.strip() or typed not in str(result["description_placeholders"])


@each
async def test_local_address(
    hass: HomeAssistant, loaded: MockConfigEntry, caplog: pytest.LogCaptureFixture, typed: str
) -> None:
    """A malformed local address is refused, and the options stay as they were."""
    caplog.set_level(logging.DEBUG)
    before = dict(loaded.options)
    result = await hass.config_entries.options.async_init(loaded.entry_id)
    result = await hass.config_entries.options.async_configure(
        result["flow_id"], {"poll_interval": 90, "local_url": typed, "verify_ssl": False}
    )
    await refused(hass, result, "init", "local_url", typed)
    assert result["data_schema"] is not None
    [interval] = [name for name in result["data_schema"].schema if name == "poll_interval"]
    assert interval.description["suggested_value"] == 90
    assert loaded.options == before
    assert "PLANTED" not in "".join(record.getMessage() for record in caplog.records)
    assert not log_lines(caplog)
    hass.config_entries.options.async_abort(result["flow_id"])


@each
async def test_obico_server(hass: HomeAssistant, caplog: pytest.LogCaptureFixture, typed: str) -> None:
    """A malformed server address is refused."""
    caplog.set_level(logging.DEBUG)
    result = await step(hass, await start(hass, "obico", "obico_server"), {"server_url": typed})
    await refused(hass, result, "obico_server", "server_url", typed)
    assert "PLANTED" not in "".join(record.getMessage() for record in caplog.records)


@each
@pytest.mark.parametrize("field", PASTE_STEPS)
async def test_link(
    hass: HomeAssistant, relay: Relay, caplog: pytest.LogCaptureFixture, field: str, typed: str
) -> None:
    """A malformed link is refused before any request is sent."""
    caplog.set_level(logging.DEBUG)
    await refused(hass, await paste_link(hass, {field: typed}), PASTE_STEPS[field][-1], field, typed)
    assert not relay.requests
    assert "PLANTED" not in "".join(record.getMessage() for record in caplog.records)


@pytest.mark.parametrize(
    ("parameter", "value"),
    [
        ("id", "x" * 201),
        ("id", "\ud83d"),
        ("id", "a b"),
        ("id", "a\r\nb"),
        ("authBasicHttpUser", "a:b"),
        ("appApiToken", "ключ"),
        ("printername", "x" * MAX_LINK),
    ],
    ids=["long id", "half of a character", "space", "line break", "colon", "Cyrillic", "longer than any link"],
)
async def test_hostile_part_of_a_link_is_refused(
    hass: HomeAssistant, relay: Relay, connection: AppConnection, parameter: str, value: str
) -> None:
    """An id becomes a part of the ids of entities, and a credential goes into a header."""
    address, _, query = paste(relay, connection)["completion_url"].partition("?")
    parts = dict(parse_qsl(query)) | {parameter: value}
    link = f"{address}?{urlencode(parts, errors='surrogatepass')}"
    result = await paste_link(hass, {"completion_url": link})
    await refused(hass, result, "octoeverywhere_paste", "completion_url", link)
    assert error_of(result) == "invalid_link"
    assert not relay.requests


@pytest.mark.parametrize("address", ["x" * 201, "192.168.1.5\n", "\ud83d", "ü"])
async def test_local_address_in_a_link(
    hass: HomeAssistant, relay: Relay, connection: AppConnection, address: str
) -> None:
    """A malformed local address is left out, and the connection works without it."""
    link, _, query = paste(relay, connection)["completion_url"].partition("?")
    parts = dict(parse_qsl(query)) | {"printerLastKnownLocalIp": address}
    link = f"{link}?{urlencode(parts, errors='surrogatepass')}"
    result = await paste_link(hass, {"completion_url": link})
    assert result["type"] is FlowResultType.CREATE_ENTRY
    assert "local_ip" not in result["data"]


@pytest.mark.parametrize("choice", ["", "Replace", "replace ", "reconfigure", ["replace"], None, 1])
async def test_choice_that_is_not_offered(
    hass: HomeAssistant, relay: Relay, loaded: MockConfigEntry, choice: Any
) -> None:
    """Only one of the offered choices replaces a connection."""
    before = loaded.as_dict()
    result = await paste_link(hass, paste(relay, relay.octoeverywhere.add_connection()))
    for entered in ({"choice": choice}, {}):
        with pytest.raises(InvalidData):
            await step(hass, result, entered)
    assert loaded.as_dict() == before


@pytest.mark.parametrize(
    "typed",
    [" ", "\x00", "a\r\nX-Other: b", "🖨️", "ключ", "a b", "x" * 20_000, "\u202ekey", "\ud83d"],
    ids=["empty", "NUL", "line break", "emoji", "Cyrillic", "space", "long", "right to left", "half of a character"],
)
async def test_api_key(
    hass: HomeAssistant, relay: Relay, connection: AppConnection, caplog: pytest.LogCaptureFixture, typed: str
) -> None:
    """OctoPrint accepts none of them, and only what fits in a header is sent."""
    result = await enter_key(hass, await at_the_api_key(hass, relay, connection), typed)
    await refused(hass, result, "enter_key", "api_key", typed)
    assert error_of(result) == "api_key_rejected" or len(typed) > 8190  # more than servers take in a header
    sent = [key for request in relay.seen("tunnel") if (key := request.headers.get("X-Api-Key"))]
    assert sent in ([], [typed])
    assert not [record for record in caplog.records if record.exc_info and DOMAIN in record.name]
