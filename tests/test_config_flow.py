"""The set-up as a user goes through it, in Home Assistant's dialogs and in the services' pages."""

from collections.abc import Callable
from dataclasses import replace
import re
from typing import Any

import pytest
from pytest_homeassistant_custom_component.common import MockConfigEntry
from pytest_homeassistant_custom_component.typing import ClientSessionGenerator
from yarl import URL

from custom_components.octoprint_tunnel.const import DOMAIN
from homeassistant.config_entries import SOURCE_RECONFIGURE, ConfigEntryState, ConfigFlowResult
from homeassistant.core import HomeAssistant
from homeassistant.data_entry_flow import FlowResultType, InvalidData
from homeassistant.helpers import device_registry as dr, issue_registry as ir
from homeassistant.helpers.translation import async_get_translations

from .dialogs import choices_of, choose, decide, error_of, paste, refusal_of, start, step, through_page
from .home import log_lines, settle
from .octoprint.server import OctoPrintServer
from .relay.octoeverywhere import AppConnection
from .relay.server import Relay

BOTH_VERSIONS = pytest.mark.parametrize("octoprint_version", ["1.11", "2.0"])


@pytest.fixture(autouse=True)
async def _address(hass: HomeAssistant) -> None:
    """Give Home Assistant an address that a browser could come back to."""
    await hass.config.async_update(internal_url="http://127.0.0.1:8123")


# OctoEverywhere


@BOTH_VERSIONS
async def test_portal_brings_everything(
    hass: HomeAssistant, relay: Relay, octoprint: OctoPrintServer, hass_client_no_auth: ClientSessionGenerator
) -> None:
    """One visit to the portal sets the printer up, with at most six requests."""
    result = await start(hass, "octoeverywhere", "octoeverywhere_portal")
    query = URL(result["url"]).query
    assert query["octoPrintApiKeyAppName"] == "Home Assistant"
    assert query["returnUrl"].startswith("http://127.0.0.1:8123/api/octoprint_tunnel/authorize/")
    assert query["appid"]
    assert query["appLogoUrl"].startswith("https://")
    assert "authType" not in query

    result = await through_page(hass, result, hass_client_no_auth)
    await settle(hass)

    assert result["type"] is FlowResultType.CREATE_ENTRY
    assert result["title"] == "Kitchen"
    entry = result["result"]
    [connection] = relay.octoeverywhere.connections
    assert entry.unique_id == octoprint.uuid
    assert entry.data == {
        "provider": "octoeverywhere",
        "url": connection.url,
        "username": connection.user,
        "password": connection.password,
        "app_token": connection.app_token,
        "connection_id": connection.id,
        "printer_name": "Kitchen",
        "printer_url": "https://octoeverywhere.com/view/Kitchen",
        "local_ip": "203.0.113.20",
        "api_key": octoprint.api_key,
        "instance_uuid": octoprint.uuid,
    }
    assert entry.state is ConfigEntryState.LOADED
    # The dialog: who is there, and whose key it is. The printer: the tunnel, connection, job, version and webcams.
    assert len(relay.requests) - len(relay.seen("octoeverywhere_portal")) <= 7
    # The dialog's own session is gone with it; the next refresh finds no leftovers.
    assert not hass.config_entries.flow.async_progress()


@pytest.mark.parametrize(("auth", "kept"), [("basic", "username"), ("bearer", "bearer_token"), ("both", "username")])
async def test_portal_of_any_kind(hass: HomeAssistant, relay: Relay, auth: Any, kept: str) -> None:
    """Both kinds of credentials work, Basic is preferred, and older portals' names are understood."""
    relay.octoeverywhere.portal.auth = auth
    relay.octoeverywhere.portal.old_keys = True
    result = await start(hass, "octoeverywhere", "octoeverywhere_paste")
    result = await step(hass, result, paste(relay, relay.octoeverywhere.add_connection()))
    assert result["type"] is FlowResultType.CREATE_ENTRY
    assert {"username", "bearer_token"} & set(result["data"]) == {kept}


@BOTH_VERSIONS
async def test_pasted_link_works_like_the_redirect(
    hass: HomeAssistant, relay: Relay, connection: AppConnection, octoprint: OctoPrintServer
) -> None:
    """A user whose browser cannot come back pastes the link."""
    result = await start(hass, "octoeverywhere", "octoeverywhere_paste")
    assert result["description_placeholders"] is not None
    assert "returnUrl" not in result["description_placeholders"]["portal"]
    link = paste(relay, connection)
    result = await step(hass, result, {"completion_url": f"  {link['completion_url']}\n"})
    assert result["type"] is FlowResultType.CREATE_ENTRY
    assert result["data"]["password"] == connection.password


@pytest.mark.parametrize(
    ("link", "error"),
    [
        ("hello", "invalid_link"),
        ("https://[", "invalid_link"),
        ("ftp://octoeverywhere.com/appportal/v1/complete?success=true", "invalid_link"),
        ("http://octoeverywhere.com/appportal/v1/complete?success=true", "not_https"),
        ("https://example.com/appportal/v1/complete?success=true", "foreign_host"),
        ("https://octoeverywhere.com.example.com/complete?success=true", "foreign_host"),
        ("https://octoeverywhere.com/appportal/v1/complete?success=false", "denied"),
        ("https://octoeverywhere.com/appportal/v1/complete", "incomplete_link"),
        ("https://octoeverywhere.com/appportal/v1/complete?success=true&id=1", "incomplete_link"),
    ],
)
async def test_bad_link_is_explained_and_kept(hass: HomeAssistant, link: str, error: str) -> None:
    """The form says what is wrong with the link and still shows it."""
    result = await start(hass, "octoeverywhere", "octoeverywhere_paste")
    result = await step(hass, result, {"completion_url": link})
    assert error_of(result) == error
    schema = result["data_schema"]
    assert schema is not None
    [field] = schema.schema
    assert field.description == {"suggested_value": link}


async def test_truncated_link_never_gets_through(hass: HomeAssistant, relay: Relay, connection: AppConnection) -> None:
    """Wherever the link is cut off, the form comes back, and the whole link then works."""
    relay.octoeverywhere.portal.auth = "basic"
    link = paste(relay, connection)["completion_url"]
    result = await start(hass, "octoeverywhere", "octoeverywhere_paste")
    for length in range(len("https://octoeverywhere.com/"), len(link) - 1, 37):
        result = await step(hass, result, {"completion_url": link[:length]})
        assert error_of(result) in {"incomplete_link", "foreign_host", "credentials_rejected", "revoked"}, link[:length]
    result = await step(hass, result, {"completion_url": link})
    assert result["type"] is FlowResultType.CREATE_ENTRY


async def test_declined_portal_can_be_opened_again(
    hass: HomeAssistant, relay: Relay, hass_client_no_auth: ClientSessionGenerator
) -> None:
    """What was declined in the portal is not set up; the menu says so, also when it is loaded again, and goes on."""
    await hass.config.async_update(language="tr")  # which there are no texts in: English then
    relay.octoeverywhere.portal.outcome = "denied"
    result = await start(hass, "octoeverywhere")
    assert refusal_of(result, "octoeverywhere") == ""
    result = await choose(hass, result, "octoeverywhere_portal")
    result = await through_page(hass, result, hass_client_no_auth)
    assert "declined" in refusal_of(result, "octoeverywhere")
    assert "declined" in refusal_of(await step(hass, result), "octoeverywhere")
    relay.octoeverywhere.portal.outcome = "success"
    result = await choose(hass, result, "octoeverywhere_portal")
    result = await through_page(hass, result, hass_client_no_auth)
    assert result["type"] is FlowResultType.CREATE_ENTRY


async def test_revoked_between_portal_and_home_assistant(
    hass: HomeAssistant, relay: Relay, hass_client_no_auth: ClientSessionGenerator
) -> None:
    """A connection that does not work although the portal just made it is not set up."""
    relay.fail("octoeverywhere_tunnel", 604)
    result = await start(hass, "octoeverywhere", "octoeverywhere_portal")
    result = await through_page(hass, result, hass_client_no_auth)
    assert "was revoked" in refusal_of(result, "octoeverywhere")


async def test_same_printer_again_takes_over_the_credentials(
    hass: HomeAssistant, relay: Relay, loaded: MockConfigEntry, octoprint: OctoPrintServer
) -> None:
    """A second set-up of a printer makes no second device where the user says that it is the same one."""
    second = relay.octoeverywhere.add_connection()
    result = await start(hass, "octoeverywhere", "octoeverywhere_paste")
    result = await step(hass, result, paste(relay, second))
    assert choices_of(result) == ["replace", "add", "discard"]
    result = await decide(hass, result, "replace")
    await settle(hass)
    assert (result["type"], result["reason"]) == (FlowResultType.ABORT, "already_configured")
    assert loaded.data["url"] == second.url
    assert loaded.data["api_key"] == octoprint.api_key
    assert loaded.state is ConfigEntryState.LOADED
    assert len(hass.config_entries.async_entries(DOMAIN)) == 1
    assert relay.seen("octoeverywhere_tunnel", host=second.host, path="/api/connection")


async def test_two_dialogs_for_one_printer(
    hass: HomeAssistant, relay: Relay, connection: AppConnection, octoprint: OctoPrintServer
) -> None:
    """The dialog that ends last is not closed by the first, and asks what to do with the printer that there is now."""
    first = await at_the_api_key(hass, relay, connection)
    other = relay.octoeverywhere.add_connection()
    second = await at_the_api_key(hass, relay, other)
    first = await step(hass, await choose(hass, first, "enter_key"), {"api_key": octoprint.api_key})
    await settle(hass)
    assert first["type"] is FlowResultType.CREATE_ENTRY
    second = await step(hass, await choose(hass, second, "enter_key"), {"api_key": octoprint.api_key})
    second = await decide(hass, second, "replace")  # with the key that was entered already
    await settle(hass)
    assert (second["type"], second["reason"]) == (FlowResultType.ABORT, "already_configured")
    [entry] = hass.config_entries.async_entries(DOMAIN)
    assert (entry.unique_id, entry.data["url"]) == (octoprint.uuid, other.url)


async def test_printer_is_removed_while_the_dialog_is_open(
    hass: HomeAssistant, relay: Relay, entry: MockConfigEntry, octoprint: OctoPrintServer
) -> None:
    """A dialog that would have replaced a printer's connection sets the printer up."""
    entry.add_to_hass(hass)
    result = await start(hass, "octoeverywhere", "octoeverywhere_paste")
    new = relay.octoeverywhere.add_connection()
    result = await step(hass, result, paste(relay, new, with_api_key=False))
    result = await decide(hass, result, "replace")
    await hass.config_entries.async_remove(entry.entry_id)
    result = await step(hass, await choose(hass, result, "enter_key"), {"api_key": octoprint.api_key})
    await settle(hass)
    assert result["type"] is FlowResultType.CREATE_ENTRY
    assert result["result"].unique_id == octoprint.uuid


@pytest.mark.parametrize("through", ["the same tunnel", "another tunnel"])
async def test_printer_that_says_who_it_is_by_now(
    hass: HomeAssistant, relay: Relay, connection: AppConnection, octoprint: OctoPrintServer, through: str
) -> None:
    """A printer that was set up while OctoPrint's Discovery plugin was off is still the same once it is on."""
    relay.fail("octoeverywhere_tunnel", 404, path="/plugin/discovery/")
    result = await start(hass, "octoeverywhere", "octoeverywhere_paste")
    entry = (await step(hass, result, paste(relay, connection)))["result"]
    await settle(hass)
    relay.heal()
    if through == "another tunnel":
        connection = relay.octoeverywhere.add_connection()
    result = await start(hass, "octoeverywhere", "octoeverywhere_paste")
    result = await step(hass, result, paste(relay, connection))
    assert "instance_uuid" not in entry.data
    result = await decide(hass, result, "replace")
    await settle(hass)
    assert (result["type"], result["reason"]) == (FlowResultType.ABORT, "already_configured")
    assert hass.config_entries.async_entries(DOMAIN) == [entry]
    assert (entry.data["instance_uuid"], entry.data["url"]) == (octoprint.uuid, connection.url)


@pytest.mark.parametrize("known", ["silent", "out of reach", "another"])
async def test_printers_that_may_be_two_stay_apart(
    hass: HomeAssistant,
    relay: Relay,
    connection: AppConnection,
    octoprints: Callable[[str], OctoPrintServer],
    known: str,
) -> None:
    """Only what both say of themselves shows that they are one."""
    if known == "another":
        other = octoprints("1.11")
        connection.printer = replace(connection.printer, url=other.url, api_key=other.api_key)
    relay.fail("octoeverywhere_tunnel", 404, path="/plugin/discovery/", times=2 if known == "silent" else 1)
    result = await start(hass, "octoeverywhere", "octoeverywhere_paste")
    assert (await step(hass, result, paste(relay, connection)))["type"] is FlowResultType.CREATE_ENTRY
    await settle(hass)
    connection.revoked = known == "out of reach"
    result = await start(hass, "octoeverywhere", "octoeverywhere_paste")
    result = await step(hass, result, paste(relay, relay.octoeverywhere.add_connection()))
    assert result["type"] is FlowResultType.CREATE_ENTRY


async def test_another_printer_at_an_address_of_before(
    hass: HomeAssistant, relay: Relay, entry: MockConfigEntry, connection: AppConnection, octoprint: OctoPrintServer
) -> None:
    """A service may give an address that was freed to another printer, which says that it is another."""
    entry.add_to_hass(hass)
    gone = "00000000-0000-4000-8000-000000000000"
    hass.config_entries.async_update_entry(entry, unique_id=gone, data={**entry.data, "instance_uuid": gone})
    result = await start(hass, "octoeverywhere", "octoeverywhere_paste")
    result = await step(hass, result, paste(relay, connection))
    assert result["type"] is FlowResultType.CREATE_ENTRY
    assert result["result"].unique_id == octoprint.uuid
    assert entry.data["instance_uuid"] == gone


async def test_no_address_to_come_back_to(hass: HomeAssistant) -> None:
    """Where Home Assistant knows no address of its own, the link is pasted."""
    result = await start(hass, "octoeverywhere")
    await hass.config.async_update(internal_url=None)
    hass.config.api = None
    result = await choose(hass, result, "octoeverywhere_portal")
    assert (result["type"], result["step_id"]) == (FlowResultType.FORM, "octoeverywhere_paste")


# OctoPrint cannot be reached


async def test_octoprint_off_loses_nothing(hass: HomeAssistant, relay: Relay, connection: AppConnection) -> None:
    """The dialog waits for OctoPrint, and goes on from there."""
    relay.fail("octoeverywhere_tunnel", 601)
    result = await start(hass, "octoeverywhere", "octoeverywhere_paste")
    result = await step(hass, result, paste(relay, connection))
    assert result["step_id"] == "printer_offline"
    assert error_of(result) == "octoprint_offline"
    result = await step(hass, result, {})
    assert error_of(result) == "octoprint_offline"
    relay.heal()
    relay.clear()
    # The frontend asks for the dialog's current form now and then; that alone tries nothing.
    assert error_of(await step(hass, result)) == "octoprint_offline"
    assert not relay.requests
    result = await step(hass, result, {})
    assert result["type"] is FlowResultType.CREATE_ENTRY
    assert result["data"]["app_token"] == connection.app_token


async def test_octoprint_goes_off_before_the_key_is_checked(
    hass: HomeAssistant, relay: Relay, connection: AppConnection
) -> None:
    """The second half of the dialog waits as well."""
    relay.drop("octoeverywhere_tunnel", path="/api/currentuser")
    result = await start(hass, "octoeverywhere", "octoeverywhere_paste")
    result = await step(hass, result, paste(relay, connection))
    assert result["step_id"] == "printer_offline"
    assert error_of(result) == "cannot_connect"
    relay.heal()
    result = await step(hass, result, {})
    assert result["type"] is FlowResultType.CREATE_ENTRY


@pytest.mark.parametrize(
    ("code", "error"),
    [(600, "service_error"), (605, "not_supporter"), (610, "plugin_outdated"), (699, "service_error")],
)
async def test_trouble_of_the_service_is_named(
    hass: HomeAssistant, relay: Relay, connection: AppConnection, code: int, error: str
) -> None:
    """What the service says is what the dialog says, and nothing is lost by it."""
    relay.fail("octoeverywhere_tunnel", code, times=1)
    result = await start(hass, "octoeverywhere", "octoeverywhere_paste")
    result = await step(hass, result, paste(relay, connection))
    assert (result["step_id"], error_of(result)) == ("printer_offline", error)
    assert result["description_placeholders"] == {"code": str(code), "detail": "-"}
    assert (await step(hass, result, {}))["type"] is FlowResultType.CREATE_ENTRY


async def test_printer_without_an_identity_of_its_own(
    hass: HomeAssistant, relay: Relay, connection: AppConnection
) -> None:
    """With OctoPrint's Discovery plugin off, the App Connection's id stands for the printer."""
    relay.fail("octoeverywhere_tunnel", 404, path="/plugin/discovery/")
    result = await start(hass, "octoeverywhere", "octoeverywhere_paste")
    result = await step(hass, result, paste(relay, connection))
    assert result["type"] is FlowResultType.CREATE_ENTRY
    assert result["result"].unique_id == connection.id
    assert "instance_uuid" not in result["data"]


# The API key


async def at_the_api_key(hass: HomeAssistant, relay: Relay, connection: AppConnection) -> ConfigFlowResult:
    """Go on to where the API key is asked for."""
    result = await start(hass, "octoeverywhere", "octoeverywhere_paste")
    result = await step(hass, result, paste(relay, connection, with_api_key=False))
    assert (result["type"], result["step_id"]) == (FlowResultType.MENU, "api_key")
    return result


async def test_key_of_the_portal_that_does_not_work(
    hass: HomeAssistant, relay: Relay, connection: AppConnection
) -> None:
    """A key that OctoPrint does not accept is asked for again."""
    connection.printer.api_key = "made-by-the-portal"
    result = await start(hass, "octoeverywhere", "octoeverywhere_paste")
    result = await step(hass, result, paste(relay, connection))
    assert (result["type"], result["step_id"]) == (FlowResultType.MENU, "api_key")


async def test_key_of_the_portal_that_may_not_do_enough(
    hass: HomeAssistant, relay: Relay, connection: AppConnection, octoprint: OctoPrintServer
) -> None:
    """Which permission is missing is said, before another key is asked for."""
    connection.printer.api_key = octoprint.limited_api_key
    result = await start(hass, "octoeverywhere", "octoeverywhere_paste")
    result = await step(hass, result, paste(relay, connection))
    assert (result["step_id"], error_of(result)) == ("enter_key", "permission_missing")
    assert result["description_placeholders"] is not None
    assert result["description_placeholders"]["detail"] == "CONNECTION"
    assert (await step(hass, result, {"api_key": octoprint.api_key}))["type"] is FlowResultType.CREATE_ENTRY


@pytest.mark.parametrize("where", ["portal's key", "request", "decision", "typed key"])
async def test_connection_is_revoked_while_the_key_is_asked_for(
    hass: HomeAssistant, relay: Relay, connection: AppConnection, octoprint: OctoPrintServer, where: str
) -> None:
    """A connection that will never work again is replaced in the same dialog."""
    if where == "portal's key":
        relay.fail("octoeverywhere_tunnel", 604, path="/api/currentuser")
        result = await start(hass, "octoeverywhere", "octoeverywhere_paste")
        result = await step(hass, result, paste(relay, connection))
    elif where == "typed key":
        result = await choose(hass, await at_the_api_key(hass, relay, connection), "enter_key")
        connection.revoked = True
        result = await step(hass, result, {"api_key": octoprint.api_key})
    else:
        result = await at_the_api_key(hass, relay, connection)
        path = "/plugin/appkeys/" + ("probe" if where == "request" else "request/")
        relay.fail("octoeverywhere_tunnel", 604, path=path)
        result = await choose(hass, result, "request_key")
        if where == "decision":
            await hass.async_block_till_done()
            result = await step(hass, result)
    assert "was revoked" in refusal_of(result, "octoeverywhere")
    relay.heal()
    result = await choose(hass, result, "octoeverywhere_paste")
    result = await step(hass, result, paste(relay, relay.octoeverywhere.add_connection()))
    assert result["type"] is FlowResultType.CREATE_ENTRY


async def test_request_that_octoprint_cannot_answer(
    hass: HomeAssistant, relay: Relay, connection: AppConnection, octoprint: OctoPrintServer
) -> None:
    """Where asking fails in OctoPrint itself, a key can still be typed."""
    result = await at_the_api_key(hass, relay, connection)
    relay.fail("octoeverywhere_tunnel", 500, path="/plugin/appkeys/request")
    result = await choose(hass, result, "request_key")
    assert (result["step_id"], error_of(result)) == ("enter_key", "unexpected_status")
    assert (await step(hass, result, {"api_key": octoprint.api_key}))["type"] is FlowResultType.CREATE_ENTRY


@BOTH_VERSIONS
async def test_typed_key(
    hass: HomeAssistant, relay: Relay, connection: AppConnection, octoprint: OctoPrintServer
) -> None:
    """Wrong keys are explained one by one, and the right one ends the dialog."""
    result = await choose(hass, await at_the_api_key(hass, relay, connection), "enter_key")
    for key, error in (
        ("   ", "api_key_rejected"),
        ("two words", "api_key_rejected"),
        ("schlüssel", "api_key_rejected"),
        ("0123456789ABCDEF", "api_key_rejected"),
        (octoprint.limited_api_key, "permission_missing"),
    ):
        result = await step(hass, result, {"api_key": key})
        assert (result["step_id"], error_of(result)) == ("enter_key", error), key
    assert result["description_placeholders"] is not None
    assert result["description_placeholders"]["detail"] == "CONNECTION"
    result = await step(hass, result, {"api_key": f" {octoprint.api_key} "})
    assert result["type"] is FlowResultType.CREATE_ENTRY
    assert result["data"]["api_key"] == octoprint.api_key


async def test_tunnel_fails_while_the_key_is_typed(
    hass: HomeAssistant, relay: Relay, connection: AppConnection, octoprint: OctoPrintServer
) -> None:
    """The typed key is kept while the tunnel is away."""
    result = await choose(hass, await at_the_api_key(hass, relay, connection), "enter_key")
    relay.fail("octoeverywhere_tunnel", 602, times=1)
    result = await step(hass, result, {"api_key": octoprint.api_key})
    assert error_of(result) == "timed_out"
    schema = result["data_schema"]
    assert schema is not None
    [field] = schema.schema
    assert field.description == {"suggested_value": octoprint.api_key}
    assert (await step(hass, result, {"api_key": octoprint.api_key}))["type"] is FlowResultType.CREATE_ENTRY


async def test_api_key_field_cannot_be_left_out(hass: HomeAssistant, relay: Relay, connection: AppConnection) -> None:
    """An empty form is Home Assistant's own business."""
    result = await choose(hass, await at_the_api_key(hass, relay, connection), "enter_key")
    with pytest.raises(InvalidData):
        await step(hass, result, {})


@BOTH_VERSIONS
@pytest.mark.parametrize("allow", [True, False])
async def test_requested_key(
    hass: HomeAssistant, relay: Relay, connection: AppConnection, octoprint: OctoPrintServer, allow: bool
) -> None:
    """OctoPrint's user allows the request, or denies it and is asked again how to go on."""
    result = await choose(hass, await at_the_api_key(hass, relay, connection), "request_key")
    assert result["type"] is FlowResultType.SHOW_PROGRESS
    assert result["description_placeholders"] == {"octoprint": "https://octoeverywhere.com/view/Kitchen"}
    assert (await step(hass, result))["type"] is FlowResultType.SHOW_PROGRESS
    app = await hass.async_add_executor_job(octoprint.decide_key_request, allow)
    assert app == "Home Assistant"
    await hass.async_block_till_done()
    result = await step(hass, result)
    if allow:
        assert result["type"] is FlowResultType.CREATE_ENTRY
        assert result["data"]["api_key"] not in ("", octoprint.api_key)
    else:
        assert (result["type"], result["step_id"]) == (FlowResultType.MENU, "api_key")
        result = await choose(hass, result, "enter_key")
        result = await step(hass, result, {"api_key": octoprint.api_key})
        assert result["type"] is FlowResultType.CREATE_ENTRY


async def test_key_workflow_switched_off(
    hass: HomeAssistant, relay: Relay, connection: AppConnection, octoprint: OctoPrintServer
) -> None:
    """Without the plugin the key is typed."""
    relay.fail("octoeverywhere_tunnel", 404, path="/plugin/appkeys/probe")
    result = await choose(hass, await at_the_api_key(hass, relay, connection), "request_key")
    assert (result["step_id"], error_of(result)) == ("enter_key", "key_workflow_missing")
    assert (await step(hass, result, {"api_key": octoprint.api_key}))["type"] is FlowResultType.CREATE_ENTRY


async def test_tunnel_fails_before_the_request(hass: HomeAssistant, relay: Relay, connection: AppConnection) -> None:
    """The request is made once OctoPrint can be reached."""
    result = await at_the_api_key(hass, relay, connection)
    relay.fail("octoeverywhere_tunnel", 601, times=1)
    result = await choose(hass, result, "request_key")
    assert (result["step_id"], error_of(result)) == ("printer_offline", "octoprint_offline")
    result = await step(hass, result, {})
    assert result["type"] is FlowResultType.SHOW_PROGRESS
    hass.config_entries.flow.async_abort(result["flow_id"])


async def test_tunnel_fails_during_the_request(hass: HomeAssistant, relay: Relay, connection: AppConnection) -> None:
    """A request that was lost on the way is made again."""
    result = await at_the_api_key(hass, relay, connection)
    relay.fail("octoeverywhere_tunnel", 602, path="/plugin/appkeys/request/")
    result = await choose(hass, result, "request_key")
    await hass.async_block_till_done()
    result = await step(hass, result)
    assert (result["step_id"], error_of(result)) == ("printer_offline", "timed_out")
    relay.heal()
    result = await step(hass, result, {})
    assert result["type"] is FlowResultType.SHOW_PROGRESS
    hass.config_entries.flow.async_abort(result["flow_id"])


async def test_requested_key_of_a_user_who_may_not(
    hass: HomeAssistant, relay: Relay, connection: AppConnection, octoprint: OctoPrintServer
) -> None:
    """A key that was allowed by somebody without the permissions is explained."""
    result = await at_the_api_key(hass, relay, connection)
    relay.fail(
        "octoeverywhere_tunnel",
        200,
        '{"name": "guest", "permissions": ["STATUS"]}',
        content_type="application/json",
        path="/api/currentuser",
        times=1,
    )
    result = await choose(hass, result, "request_key")
    await hass.async_add_executor_job(octoprint.decide_key_request, True)
    await hass.async_block_till_done()
    result = await step(hass, result)
    assert (result["step_id"], error_of(result)) == ("enter_key", "permission_missing")


# Obico


@BOTH_VERSIONS
@pytest.mark.parametrize("slash", [False, True])
async def test_obico_by_authorise_page(
    hass: HomeAssistant,
    relay: Relay,
    octoprint: OctoPrintServer,
    hass_client_no_auth: ClientSessionGenerator,
    slash: bool,
) -> None:
    """One visit to Obico's page, then the API key; both forms of its redirect are understood."""
    relay.obico.slash_redirect = slash
    result = await start(hass, "obico")
    assert result["step_id"] == "obico"
    result = await step(hass, result, {"server_url": "https://app.obico.io"})
    result = await choose(hass, result, "obico_authorize")
    query = URL(result["url"]).query
    assert query["app"] == "Home Assistant"
    assert not URL(query["success_redirect_url"]).query_string

    result = await through_page(hass, result, hass_client_no_auth)
    assert (result["type"], result["step_id"]) == (FlowResultType.MENU, "api_key")
    result = await choose(hass, result, "enter_key")
    result = await step(hass, result, {"api_key": octoprint.api_key})
    await settle(hass)
    assert result["type"] is FlowResultType.CREATE_ENTRY
    assert result["data"]["provider"] == "obico"
    assert result["data"]["server_url"] == "https://app.obico.io"
    assert result["result"].unique_id == octoprint.uuid
    assert result["result"].state is ConfigEntryState.LOADED


@pytest.mark.parametrize(
    ("server", "error"),
    [
        ("", "invalid_url"),
        ("http://app.obico.io", "not_https"),
        ("ftp://x", "invalid_url"),
        ("https://[", "invalid_url"),
        ("not a url at all", "invalid_url"),
    ],
)
async def test_bad_obico_server(hass: HomeAssistant, server: str, error: str) -> None:
    """The form says what is wrong with the address."""
    result = await step(hass, await start(hass, "obico"), {"server_url": server})
    assert (result["step_id"], error_of(result)) == ("obico", error)


async def test_obico_on_a_server_of_ones_own(hass: HomeAssistant, relay: Relay, octoprint: OctoPrintServer) -> None:
    """A self-hosted server may be http, and its endpoint may carry a port."""
    tunnel = await relay.obico.add_tunnel(self_hosted=True)
    result = await step(hass, await start(hass, "obico"), {"server_url": relay.obico.self_hosted_url})
    result = await choose(hass, result, "obico_paste")
    result = await step(hass, result, {"tunnel_endpoint": tunnel.endpoint})
    result = await choose(hass, result, "enter_key")
    result = await step(hass, result, {"api_key": octoprint.api_key})
    assert result["type"] is FlowResultType.CREATE_ENTRY
    assert URL(result["data"]["url"]).scheme == "http"
    assert URL(result["data"]["url"]).port not in (None, 80)


async def test_obico_page_that_brings_no_endpoint(
    hass: HomeAssistant, relay: Relay, hass_client_no_auth: ClientSessionGenerator
) -> None:
    """What is no endpoint is not set up, and the page can be opened again."""
    result = await step(hass, await start(hass, "obico"), {"server_url": "https://app.obico.io"})
    result = await choose(hass, result, "obico_authorize")
    client = await hass_client_no_auth()
    await client.get(URL(URL(result["url"]).query["success_redirect_url"]).path + "?tunnel_endpoint=nothing")
    result = await step(hass, result)
    assert "not a tunnel endpoint" in refusal_of(result, "obico_method")
    result = await choose(hass, result, "obico_authorize")
    result = await through_page(hass, result, hass_client_no_auth)
    assert (result["type"], result["step_id"]) == (FlowResultType.MENU, "api_key")


@pytest.mark.parametrize(
    ("endpoint", "error"),
    [
        ("https://", "invalid_endpoint"),
        ("https://[", "invalid_endpoint"),
        ("https://host.tunnels.app.obico.io", "invalid_endpoint"),
        ("https://user@host.tunnels.app.obico.io", "invalid_endpoint"),
        ("http://user:password@host.tunnels.app.obico.io", "not_https"),
        ("https://user:password@example.com", "foreign_host"),
        ("https://0:0@0.tunnels.app.obico.io", "credentials_rejected"),
    ],
)
async def test_bad_endpoint_is_explained_and_kept(hass: HomeAssistant, relay: Relay, endpoint: str, error: str) -> None:
    """The form says what is wrong with the endpoint, and the right one then works."""
    result = await step(hass, await start(hass, "obico"), {"server_url": "app.obico.io"})
    result = await choose(hass, result, "obico_paste")
    result = await step(hass, result, {"tunnel_endpoint": endpoint})
    assert (result["step_id"], error_of(result)) == ("obico_paste", error)
    # The address of the page that follows carries the endpoint as well.
    tunnel = await relay.obico.add_tunnel()
    link = f"https://app.obico.io/tunnels/succeeded/?tunnel_endpoint={tunnel.endpoint}"
    result = await step(hass, result, {"tunnel_endpoint": link})
    assert (result["type"], result["step_id"]) == (FlowResultType.MENU, "api_key")


@pytest.mark.parametrize("typed", ["127.0.0.1:{port}", "https://127.0.0.1:{port}"])
@pytest.mark.parametrize("through", ["page", "paste"])
async def test_server_without_https_that_was_taken_for_one(
    hass: HomeAssistant, relay: Relay, octoprint: OctoPrintServer, typed: str, through: str
) -> None:
    """The dialog says that the server has to be entered as http, and suggests that where no scheme was entered."""
    server = typed.format(port=URL(relay.obico.self_hosted_url).port)
    tunnel = await relay.obico.add_tunnel(self_hosted=True)
    result = await step(hass, await start(hass, "obico"), {"server_url": server})
    result = await choose(hass, result, "obico_paste" if through == "paste" else "obico_authorize")
    result = await step(hass, result, {"tunnel_endpoint": tunnel.endpoint})
    if through == "page":
        result = await step(hass, result)
    for shown in (result, await step(hass, result)):  # also when it is loaded again
        assert (shown["step_id"], error_of(shown)) == ("obico", "server_is_http")
        suggested = server if "://" in server else relay.obico.self_hosted_url
        assert suggestion_of(shown, "server_url") == suggested

    result = await step(hass, result, {"server_url": relay.obico.self_hosted_url})
    result = await choose(hass, result, "obico_paste")
    if through == "paste":  # nothing that was entered is lost
        assert suggestion_of(result, "tunnel_endpoint") == tunnel.endpoint
    result = await step(hass, result, {"tunnel_endpoint": tunnel.endpoint})
    assert (result["type"], result["step_id"]) == (FlowResultType.MENU, "api_key")


async def test_endpoint_without_https_elsewhere(hass: HomeAssistant, relay: Relay) -> None:
    """It is not the server's, so the server's address is not what is wrong."""
    result = await step(hass, await start(hass, "obico"), {"server_url": "obico.home.example"})
    result = await choose(hass, result, "obico_paste")
    result = await step(hass, result, {"tunnel_endpoint": "http://user:password@home.example"})
    assert (result["step_id"], error_of(result)) == ("obico_paste", "not_https")


def suggestion_of(result: ConfigFlowResult, name: str) -> str:
    """Return what a form has in a field already."""
    assert result["data_schema"] is not None
    [field] = [field for field in result["data_schema"].schema if field == name]
    suggested: str = field.description["suggested_value"]
    return suggested


async def test_printers_without_a_name(
    hass: HomeAssistant, relay: Relay, octoprint: OctoPrintServer, octoprints: Callable[[str], OctoPrintServer]
) -> None:
    """Where neither the service nor OctoPrint tells a name, a number tells the printers apart, devices too."""
    titles = []
    for server in (octoprint, octoprints("1.11")):
        tunnel = await relay.obico.add_tunnel(replace(relay.printer, url=server.url))
        unnamed = f"<root><UDN>uuid:{server.uuid}</UDN></root>"
        relay.fail(tunnel.host, 200, unnamed, content_type="text/xml", path="/plugin/discovery/")
        result = await step(hass, await start(hass, "obico"), {"server_url": "https://app.obico.io"})
        result = await choose(hass, result, "obico_paste")
        result = await step(hass, result, {"tunnel_endpoint": tunnel.endpoint})
        result = await step(hass, await choose(hass, result, "enter_key"), {"api_key": server.api_key})
        await settle(hass)
        assert result["type"] is FlowResultType.CREATE_ENTRY
        entry = result["result"]
        devices = dr.async_entries_for_config_entry(dr.async_get(hass), entry.entry_id)
        titles.append((entry.title, [device.name for device in devices]))
        await hass.config_entries.async_unload(entry.entry_id)
    assert titles == [("OctoPrint", ["OctoPrint"]), ("OctoPrint 2", ["OctoPrint 2"])]


async def test_name_that_another_printer_has(hass: HomeAssistant, relay: Relay, entry: MockConfigEntry) -> None:
    """As when the whole SD card was copied, name and all."""
    entry.add_to_hass(hass)
    result = await start(hass, "octoeverywhere", "octoeverywhere_paste")
    result = await step(hass, result, paste(relay, relay.octoeverywhere.add_connection()))
    result = await decide(hass, result, "add")
    await settle(hass)
    assert (result["type"], result["title"]) == (FlowResultType.CREATE_ENTRY, "Kitchen 2")
    await hass.config_entries.async_unload(result["result"].entry_id)


# Words from outside

TRAP = "![x](https://evil.example/track.png) [Renew it](https://evil.example/pay)\n# Urgent <a href='//evil.example'>"


async def shown(hass: HomeAssistant, result: ConfigFlowResult, *, of: str = "step") -> str:
    """Return the Markdown of a dialog, as Home Assistant's frontend fills it in."""
    texts = await async_get_translations(hass, "en", "config", {DOMAIN})
    key = f"step.{result['step_id']}.description" if of == "step" else of
    return texts[f"component.{DOMAIN}.config.{key}"].format(**(result["description_placeholders"] or {}))


def links(markdown: str) -> list[str]:
    """Return where a text in Markdown leads to, pictures included; HTML is what it must not have."""
    assert not re.search(r"(?<!\\)<", markdown)
    plain = re.sub(r"\\[!-/:-@\[-`{-~]", "", markdown)
    targets = re.compile(r"\]\(([^)]*)\)")
    return targets.findall(plain) + re.findall(r"(?:https?://|www\.)\S+", targets.sub("", plain))


async def test_names_from_outside_make_no_links(
    hass: HomeAssistant, relay: Relay, entry: MockConfigEntry, octoprint: OctoPrintServer
) -> None:
    """Titles that were stored before names were cleaned, and names that come with a link."""
    entry.add_to_hass(hass)
    hass.config_entries.async_update_entry(entry, title=TRAP)
    result = await entry.start_reauth_flow(hass)
    assert links(await shown(hass, result)) == []
    hass.config_entries.flow.async_abort(result["flow_id"])
    connection = relay.octoeverywhere.add_connection()
    link = URL(paste(relay, connection, with_api_key=False)["completion_url"])
    page = "https://octoeverywhere.com/view/) is old. [Log in](https://evil.example/login"
    link = link.update_query(printername=TRAP, userPrinterAccessUrl=page)
    result = await start(hass, "octoeverywhere", "octoeverywhere_paste")
    result = await step(hass, result, {"completion_url": str(link)})
    assert links(await shown(hass, result)) == []
    result = await step(hass, result, {"choice": "add"})
    result = await choose(hass, result, "enter_key")
    [target] = links(await shown(hass, result))
    assert URL(target).host == "octoeverywhere.com"
    result = await step(hass, result, {"api_key": octoprint.api_key})
    await settle(hass)
    assert links(result["title"]) == []
    await hass.config_entries.async_unload(result["result"].entry_id)


@pytest.mark.parametrize("where", ["enter_key", "request_key"])
async def test_page_that_was_stored_before_it_was_checked(
    hass: HomeAssistant, relay: Relay, entry: MockConfigEntry, where: str
) -> None:
    """The printer's page leads to the service, or the link leads to the tunnel."""
    entry.add_to_hass(hass)
    for page in ("https://octoeverywhere.com/) [Log in](https://evil.example/", "https://evil.example/", "https://[]@"):
        hass.config_entries.async_update_entry(entry, data={**entry.data, "printer_url": page})
        result = await reconfigure(hass, entry, "api_key", where)
        text = "progress.wait_for_decision" if where == "request_key" else "step"
        [target] = links(await shown(hass, result, of=text))
        assert (URL(target).host or "").endswith("octoeverywhere.com")
        hass.config_entries.flow.async_abort(result["flow_id"])


async def test_name_of_a_server_makes_no_link(hass: HomeAssistant) -> None:
    """With any address, entered or stored."""
    result = await step(
        hass, await start(hass, "obico"), {"server_url": "https://home.example/x](https://evil.example)"}
    )
    assert links(await shown(hass, result)) == []
    [target] = links(await shown(hass, await choose(hass, result, "obico_paste")))
    assert URL(target).host == "home.example"


@pytest.mark.parametrize(
    ("title", "kept"),
    [
        (
            "Kitchen\n2026-11-26 WARNING [homeassistant] \x1b[31mforged",
            "Kitchen 2026-11-26 WARNING [homeassistant] [31mforged",
        ),
        ("K" * 6000, "K" * 255),
        ("![x](https://evil.example)", "!(x)(https: evil.example)"),
        ("\n", "OctoPrint"),
        ("Printer [left] *1*", "Printer [left] *1*"),
    ],
    ids=["lines", "long", "picture", "blank", "brackets"],
)
async def test_stored_title_with_markdown_becomes_a_plain_line(
    hass: HomeAssistant,
    relay: Relay,
    entry: MockConfigEntry,
    caplog: pytest.LogCaptureFixture,
    title: str,
    kept: str,
) -> None:
    """A title that was stored as it came is one line from the next start on; what users write themselves stays."""
    entry.add_to_hass(hass)
    hass.config_entries.async_update_entry(entry, title=title)
    relay.fail("octoeverywhere_tunnel", 601)
    caplog.clear()
    assert await hass.config_entries.async_setup(entry.entry_id)
    await settle(hass)
    assert entry.title == kept
    assert log_lines(caplog)
    assert not [line for line in log_lines(caplog) if "\n" in line or "\x1b" in line or len(line) > 500]
    await hass.config_entries.async_unload(entry.entry_id)


async def test_title_in_a_repair_issue(
    hass: HomeAssistant, relay: Relay, loaded: MockConfigEntry, connection: AppConnection
) -> None:
    """It is shown as plain text and in Markdown, so it is as it can be in both."""
    hass.config_entries.async_update_entry(loaded, title="Kitchen [new](//evil.example) *1*")
    connection.supporter = False
    await loaded.runtime_data.tunnel.async_refresh()
    await settle(hass)
    [issue] = [issue for issue in ir.async_get(hass).issues.values() if issue.domain == DOMAIN]
    assert issue.translation_placeholders is not None
    assert issue.translation_placeholders["printer"] == "Kitchen (new)(//evil.example) *1*"


@pytest.mark.parametrize("name", ["K" * 6000, "名" * 2000], ids=["ASCII", "percent-encoded"])
async def test_link_with_a_long_name(hass: HomeAssistant, relay: Relay, connection: AppConnection, name: str) -> None:
    """The name is cut, and the link is as good as any."""
    link = URL(paste(relay, connection)["completion_url"]).update_query(printername=name)
    result = await start(hass, "octoeverywhere", "octoeverywhere_paste")
    result = await step(hass, result, {"completion_url": str(link)})
    assert (result["type"], result["title"]) == (FlowResultType.CREATE_ENTRY, name[:100])


# Sign in again


async def reauth(hass: HomeAssistant, entry: MockConfigEntry) -> ConfigFlowResult:
    """Begin the reauthentication of a printer."""
    result = await entry.start_reauth_flow(hass)
    assert (result["type"], result["step_id"]) == (FlowResultType.FORM, "reauth_confirm")
    assert result["description_placeholders"] is not None
    assert result["description_placeholders"]["printer"] == entry.title
    return result


@pytest.mark.parametrize("through", ["portal", "paste"])
async def test_reauth_with_a_new_app_connection(
    hass: HomeAssistant,
    relay: Relay,
    loaded: MockConfigEntry,
    connection: AppConnection,
    hass_client_no_auth: ClientSessionGenerator,
    through: str,
) -> None:
    """A revoked App Connection is replaced; the API key, options and entities stay."""
    hass.config_entries.async_update_entry(loaded, options={"poll_interval": 90, "live_updates": False})
    connection.revoked = True
    result = await step(hass, await reauth(hass, loaded), {})
    assert (result["type"], result["step_id"]) == (FlowResultType.MENU, "octoeverywhere")
    if through == "portal":
        result = await choose(hass, result, "octoeverywhere_portal")
        result = await through_page(hass, result, hass_client_no_auth)
    else:
        result = await choose(hass, result, "octoeverywhere_paste")
        new = relay.octoeverywhere.add_connection()
        result = await step(hass, result, paste(relay, new, with_api_key=False))
    assert choices_of(result) == ["replace", "discard"]
    result = await decide(hass, result, "replace")
    await settle(hass)
    assert (result["type"], result["reason"]) == (FlowResultType.ABORT, "reauth_successful")
    assert loaded.data["url"] == relay.octoeverywhere.connections[-1].url
    assert loaded.options == {"poll_interval": 90, "live_updates": False}
    assert loaded.state is ConfigEntryState.LOADED


OTHER = "<root><UDN>uuid:00000000-0000-4000-8000-000000000000</UDN></root>"


@pytest.mark.parametrize(("status", "body"), [(200, OTHER), (404, "")], ids=["another", "unknown"])
@pytest.mark.parametrize("through", ["portal", "paste"])
async def test_reauth_refuses_another_printer(
    hass: HomeAssistant,
    relay: Relay,
    loaded: MockConfigEntry,
    connection: AppConnection,
    hass_client_no_auth: ClientSessionGenerator,
    through: str,
    status: int,
    body: str,
) -> None:
    """A printer that is another, or does not show that it is the same, changes nothing; the right one can follow."""
    before = dict(loaded.data)
    connection.revoked = True
    result = await step(hass, await reauth(hass, loaded), {})
    assert "was revoked" in refusal_of(result, "octoeverywhere")
    relay.fail("octoeverywhere_tunnel", status, body, content_type="text/xml", path="/plugin/discovery/")
    result = await choose(hass, result, f"octoeverywhere_{through}")
    if through == "portal":
        result = await through_page(hass, result, hass_client_no_auth)
        assert "another printer" in refusal_of(result, "octoeverywhere")
        result = await choose(hass, result, "octoeverywhere_paste")
    else:
        result = await step(hass, result, paste(relay, relay.octoeverywhere.add_connection()))
        assert (result["step_id"], error_of(result)) == ("octoeverywhere_paste", "wrong_printer")
    assert loaded.data == before
    relay.heal()
    result = await step(hass, result, paste(relay, relay.octoeverywhere.add_connection()))
    result = await decide(hass, result, "replace")
    await hass.async_block_till_done(wait_background_tasks=True)
    assert (result["type"], result["reason"]) == (FlowResultType.ABORT, "reauth_successful")
    assert result["translation_domain"] == "homeassistant"


async def test_reauth_after_a_declined_portal(
    hass: HomeAssistant,
    relay: Relay,
    loaded: MockConfigEntry,
    connection: AppConnection,
    hass_client_no_auth: ClientSessionGenerator,
) -> None:
    """The sign-in stays open until it is done."""
    connection.revoked = True
    relay.octoeverywhere.portal.outcome = "denied"
    result = await step(hass, await reauth(hass, loaded), {})
    result = await choose(hass, result, "octoeverywhere_portal")
    result = await through_page(hass, result, hass_client_no_auth)
    assert "declined" in refusal_of(result, "octoeverywhere")


async def test_reauth_of_a_printer_that_never_had_an_identity(
    hass: HomeAssistant, relay: Relay, entry: MockConfigEntry, connection: AppConnection, octoprint: OctoPrintServer
) -> None:
    """A printer that was set up without an identity gets the one it shows now."""
    data = {name: value for name, value in entry.data.items() if name != "instance_uuid"}
    without = MockConfigEntry(domain=DOMAIN, title="Kitchen", unique_id=connection.id, data=data)
    without.add_to_hass(hass)
    connection.revoked = True
    result = await step(hass, await reauth(hass, without), {})
    result = await choose(hass, result, "octoeverywhere_paste")
    result = await step(hass, result, paste(relay, relay.octoeverywhere.add_connection()))
    result = await decide(hass, result, "replace")
    assert (result["type"], result["reason"]) == (FlowResultType.ABORT, "reauth_successful")
    assert without.data["instance_uuid"] == octoprint.uuid
    assert without.unique_id == connection.id
    await settle(hass)
    await hass.config_entries.async_unload(without.entry_id)


async def test_reauth_for_the_key_alone(
    hass: HomeAssistant, relay: Relay, loaded: MockConfigEntry, octoprint: OctoPrintServer
) -> None:
    """A key that OctoPrint no longer accepts is replaced, and the tunnel is left alone."""
    hass.config_entries.async_update_entry(loaded, data={**loaded.data, "api_key": "removed-in-octoprint"})
    url = loaded.data["url"]
    result = await step(hass, await reauth(hass, loaded), {})
    assert (result["type"], result["step_id"]) == (FlowResultType.MENU, "api_key")
    result = await choose(hass, result, "enter_key")
    result = await step(hass, result, {"api_key": octoprint.api_key})
    await settle(hass)
    assert (result["type"], result["reason"]) == (FlowResultType.ABORT, "reauth_successful")
    assert loaded.data["api_key"] == octoprint.api_key
    assert loaded.data["url"] == url


async def test_reauth_waits_for_octoprint(
    hass: HomeAssistant, relay: Relay, loaded: MockConfigEntry, connection: AppConnection
) -> None:
    """What is refused can only be found out while OctoPrint answers."""
    relay.fail("octoeverywhere_tunnel", 601)
    result = await step(hass, await reauth(hass, loaded), {})
    assert (result["step_id"], error_of(result)) == ("printer_offline", "octoprint_offline")
    relay.heal()
    result = await step(hass, result, {})
    await settle(hass)
    # By now everything is accepted again.
    assert (result["type"], result["reason"]) == (FlowResultType.ABORT, "reauth_successful")


async def test_reauth_of_an_obico_tunnel(hass: HomeAssistant, relay: Relay, obico_entry: MockConfigEntry) -> None:
    """A revoked tunnel is replaced on the same server."""
    obico_entry.add_to_hass(hass)
    relay.obico.tunnels[0].revoked = True
    result = await step(hass, await reauth(hass, obico_entry), {})
    assert "not accepted" in refusal_of(result, "obico_method")
    result = await choose(hass, result, "obico_paste")
    new = await relay.obico.add_tunnel()
    result = await decide(hass, await step(hass, result, {"tunnel_endpoint": new.endpoint}), "replace")
    await settle(hass)
    assert (result["type"], result["reason"]) == (FlowResultType.ABORT, "reauth_successful")
    assert obico_entry.data["password"] == new.password
    await hass.config_entries.async_unload(obico_entry.entry_id)


# Reconfigure


async def reconfigure(hass: HomeAssistant, entry: MockConfigEntry, *choices: str) -> ConfigFlowResult:
    """Begin the reconfiguration of a printer."""
    result = await hass.config_entries.flow.async_init(
        DOMAIN, context={"source": SOURCE_RECONFIGURE, "entry_id": entry.entry_id}
    )
    assert (result["type"], result["step_id"]) == (FlowResultType.MENU, "reconfigure")
    return await choose(hass, result, *choices)


async def test_change_to_obico_and_back(
    hass: HomeAssistant, relay: Relay, loaded: MockConfigEntry, octoprint: OctoPrintServer
) -> None:
    """The printer changes its service, and the entities that both have stay the same."""
    from homeassistant.helpers import entity_registry as er

    registry = er.async_get(hass)
    before = {item.unique_id: item.entity_id for item in er.async_entries_for_config_entry(registry, loaded.entry_id)}

    result = await reconfigure(hass, loaded, "obico")
    result = await step(hass, result, {"server_url": "https://app.obico.io"})
    result = await choose(hass, result, "obico_paste")
    result = await step(hass, result, {"tunnel_endpoint": (await relay.obico.add_tunnel()).endpoint})
    result = await decide(hass, result, "replace")
    await settle(hass)
    assert (result["type"], result["reason"]) == (FlowResultType.ABORT, "reconfigure_successful")
    assert loaded.data["provider"] == "obico"
    assert "app_token" not in loaded.data
    assert hass.states.get("sensor.kitchen_tunnel_usage") is not None
    state = hass.states.get(before[f"{octoprint.uuid}_printer_state"])
    assert state is not None
    assert state.state == "offline"

    result = await reconfigure(hass, loaded, "octoeverywhere", "octoeverywhere_paste")
    result = await step(hass, result, paste(relay, relay.octoeverywhere.add_connection()))
    result = await decide(hass, result, "replace")
    await settle(hass)
    assert (result["type"], result["reason"]) == (FlowResultType.ABORT, "reconfigure_successful")
    after = {item.unique_id: item.entity_id for item in er.async_entries_for_config_entry(registry, loaded.entry_id)}
    assert before.items() <= after.items()


async def test_reconfigure_refuses_another_printer(hass: HomeAssistant, relay: Relay, loaded: MockConfigEntry) -> None:
    """A connection to another printer changes nothing."""
    before = dict(loaded.data)
    result = await reconfigure(hass, loaded, "octoeverywhere", "octoeverywhere_paste")
    relay.fail("octoeverywhere_tunnel", 200, OTHER, content_type="text/xml", path="/plugin/discovery/")
    result = await step(hass, result, paste(relay, relay.octoeverywhere.add_connection()))
    assert (result["type"], result["reason"]) == (FlowResultType.ABORT, "wrong_printer")
    assert loaded.data == before


async def test_renew_the_key_alone(
    hass: HomeAssistant, relay: Relay, loaded: MockConfigEntry, octoprint: OctoPrintServer
) -> None:
    """The API key is replaced at the user's wish."""
    hass.config_entries.async_update_entry(loaded, data={**loaded.data, "api_key": "old"})
    result = await reconfigure(hass, loaded, "api_key", "enter_key")
    result = await step(hass, result, {"api_key": octoprint.api_key})
    await settle(hass)
    assert (result["type"], result["reason"]) == (FlowResultType.ABORT, "reconfigure_successful")
    assert loaded.data["api_key"] == octoprint.api_key
    assert loaded.data["instance_uuid"] == octoprint.uuid


# Options


async def test_poll_interval(hass: HomeAssistant, loaded: MockConfigEntry) -> None:
    """The poll interval takes effect at once, and stays within its bounds."""
    result = await hass.config_entries.options.async_init(loaded.entry_id)
    for wrong in (29, 3601):
        with pytest.raises(InvalidData):
            await hass.config_entries.options.async_configure(result["flow_id"], {"poll_interval": wrong})
    done = await hass.config_entries.options.async_configure(result["flow_id"], {"poll_interval": 120})
    await settle(hass)
    assert done["type"] is FlowResultType.CREATE_ENTRY
    assert loaded.options == {
        "poll_interval": 120,
        "live_updates": True,
        "local_access": True,
        "verify_ssl": True,
    }
    assert loaded.runtime_data.tunnel.update_interval.total_seconds() == 120
