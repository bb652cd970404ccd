"""The set-up as a user goes through it, in Home Assistant's dialogs and in the services' pages."""

from collections.abc import Callable
from dataclasses import replace
import re
from typing import Any, ClassVar

from freezegun.api import FrozenDateTimeFactory
import pytest
from pytest_homeassistant_custom_component.common import MockConfigEntry
from pytest_homeassistant_custom_component.typing import ClientSessionGenerator
from yarl import URL

from custom_components.octoprint_tunnel.api.tunnels import TUNNELS
from custom_components.octoprint_tunnel.api.tunnels.obico import Obico
from custom_components.octoprint_tunnel.api.tunnels.setup import Field, Setup
from custom_components.octoprint_tunnel.connection_flow import ConnectionFlow
from custom_components.octoprint_tunnel.const import DOMAIN
from homeassistant.config_entries import SOURCE_REAUTH, ConfigEntryState, ConfigFlowResult
from homeassistant.core import HomeAssistant
from homeassistant.data_entry_flow import FlowResultType, InvalidData
from homeassistant.helpers import device_registry as dr, entity_registry as er, issue_registry as ir
from homeassistant.helpers.translation import async_get_translations

from .dialogs import (
    at_the_api_key,
    choices_of,
    choose,
    created,
    decide,
    ended,
    enter_key,
    error_of,
    is_menu,
    paste,
    paste_link,
    placeholders_of,
    reauth,
    reconfigure,
    start,
    start_reauth,
    step,
    suggestion_of,
    suggestions_of,
    through_page,
)
from .home import log_lines, settle, wait
from .octoprint.server import OctoPrintServer
from .relay.octoeverywhere import AppConnection
from .relay.server import Relay

BOTH_VERSIONS = pytest.mark.parametrize("octoprint_version", ["1.11", "2.0"])

CLOUD = "https://app.obico.io"
OTHER = "<root><UDN>uuid:00000000-0000-4000-8000-000000000000</UDN></root>"


@pytest.fixture(autouse=True)
async def _address(hass: HomeAssistant) -> None:
    """Give Home Assistant an address that a browser could come back to."""
    await hass.config.async_update(internal_url="http://127.0.0.1:8123")


# A connection from a service's page


@BOTH_VERSIONS
async def test_portal_brings_everything(
    hass: HomeAssistant, relay: Relay, octoprint: OctoPrintServer, hass_client_no_auth: ClientSessionGenerator
) -> None:
    """One visit to the portal sets the printer up, with few requests."""
    result = await start(hass, "octoeverywhere", "octoeverywhere_portal")
    query = URL(result["url"]).query
    assert query["octoPrintApiKeyAppName"] == "Home Assistant"
    assert query["returnUrl"].startswith("http://127.0.0.1:8123/api/octoprint_tunnel/authorize/")
    assert query["appid"]
    assert query["appLogoUrl"].startswith("https://")
    assert "authType" not in query

    entry = await created(hass, await through_page(hass, result, hass_client_no_auth))
    [connection] = relay.octoeverywhere.connections
    assert (entry.title, entry.unique_id) == ("Kitchen", octoprint.uuid)
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
    # The dialog: the instance id and the key's user. The printer: tunnel, connection, job, version and webcams.
    assert len(relay.requests) - len(relay.seen("octoeverywhere_portal")) <= 7
    assert not hass.config_entries.flow.async_progress()


@BOTH_VERSIONS
@pytest.mark.parametrize("slash", [False, True])
async def test_obico_page(
    hass: HomeAssistant,
    relay: Relay,
    octoprint: OctoPrintServer,
    hass_client_no_auth: ClientSessionGenerator,
    slash: bool,
) -> None:
    """One visit to the page of Obico's cloud, then the API key; both forms of its redirect are understood."""
    relay.obico.slash_redirect = slash
    result = await start(hass, "obico", "obico_authorize")
    assert str(URL(result["url"]).origin()) == CLOUD
    query = URL(result["url"]).query
    assert query["app"] == "Home Assistant"
    assert not URL(query["success_redirect_url"]).query_string

    result = await through_page(hass, result, hass_client_no_auth)
    assert is_menu(result, "api_key")
    entry = await created(hass, await enter_key(hass, result, octoprint.api_key))
    assert (entry.data["provider"], entry.data["server_url"]) == ("obico", CLOUD)
    assert entry.unique_id == octoprint.uuid
    assert entry.state is ConfigEntryState.LOADED


@pytest.mark.parametrize(
    ("service", "page", "clicks"), [("octoeverywhere", "octoeverywhere_portal", 2), ("obico", "obico_authorize", 3)]
)
async def test_clicks_to_a_working_printer(
    hass: HomeAssistant,
    relay: Relay,
    octoprint: OctoPrintServer,
    hass_client_no_auth: ClientSessionGenerator,
    service: str,
    page: str,
    clicks: int,
) -> None:
    """With the one that confirms the badge, at most four, beside those on the service's and OctoPrint's pages."""
    result = await start(hass)
    assert result["description_placeholders"] == {
        "octoeverywhere_account": "https://octoeverywhere.com",
        "obico_account": "https://www.obico.io",
    }
    taken = 0
    while result["type"] is not FlowResultType.CREATE_ENTRY:
        if result["type"] is FlowResultType.MENU:
            recommended = {"user": service, service: page, "api_key": "request_key"}[result["step_id"]]
            result, taken = await choose(hass, result, recommended), taken + 1
        elif result["type"] is FlowResultType.EXTERNAL_STEP:
            result = await through_page(hass, result, hass_client_no_auth)
        else:
            await hass.async_add_executor_job(octoprint.decide_key_request, True)
            await hass.async_block_till_done()
            result = await step(hass, result)
    assert taken == clicks
    assert (await created(hass, result)).state is ConfigEntryState.LOADED
    [state] = [state.state for state in hass.states.async_all("sensor") if state.entity_id.endswith("_printer_state")]
    assert state == "offline"  # as OctoPrint reports it, whose printer is not connected yet


async def test_refusal_of_the_portal(
    hass: HomeAssistant, relay: Relay, hass_client_no_auth: ClientSessionGenerator
) -> None:
    """A form says why there is no connection, also when it is loaded again; then the menu offers another try."""
    relay.octoeverywhere.portal.outcome = "denied"
    result = await start(hass, "octoeverywhere", "octoeverywhere_portal")
    result = await through_page(hass, result, hass_client_no_auth)
    assert error_of(result, "refused") == "denied"
    assert error_of(await step(hass, result), "refused") == "denied"
    result = await step(hass, result, {})
    assert is_menu(result, "octoeverywhere")
    assert result["menu_options"] == ["octoeverywhere_portal", "octoeverywhere_paste"]
    pasting = await choose(hass, result, "octoeverywhere_paste")
    assert pasting["errors"] == {}
    relay.octoeverywhere.portal.outcome = "success"
    result = await start(hass, "octoeverywhere", "octoeverywhere_portal")
    await created(hass, await through_page(hass, result, hass_client_no_auth))


async def test_refusal_of_the_portal_after_a_link(
    hass: HomeAssistant, relay: Relay, loaded: MockConfigEntry, hass_client_no_auth: ClientSessionGenerator
) -> None:
    """A link that was pasted before is not what the portal refuses."""
    result = await decide(hass, await paste_link(hass, paste(relay, relay.octoeverywhere.add_connection())), "discard")
    relay.octoeverywhere.portal.outcome = "denied"
    result = await choose(hass, result, "octoeverywhere_portal")
    assert error_of(await through_page(hass, result, hass_client_no_auth), "refused") == "denied"


@pytest.mark.parametrize(
    ("menus", "query", "error"),
    [
        (("octoeverywhere", "octoeverywhere_portal"), {"success": "true"}, "incomplete_link"),
        (("octoeverywhere", "octoeverywhere_portal"), {"state": "x"}, "incomplete_link"),
        (("obico", "obico_authorize"), {"tunnel_endpoint": "nothing"}, "invalid_endpoint"),
        (("obico", "obico_authorize"), {"tunnel_endpoint": "https://user:password@example.com"}, "foreign_host"),
    ],
)
async def test_page_brings_something_else(
    hass: HomeAssistant,
    hass_client_no_auth: ClientSessionGenerator,
    menus: tuple[str, str],
    query: dict[str, str],
    error: str,
) -> None:
    """What is no connection is not set up, and the page can be opened again."""
    result = await start(hass, *menus)
    asked = URL(result["url"]).query
    back = URL(asked.get("returnUrl") or asked["success_redirect_url"]).with_query(query)
    page = await (await hass_client_no_auth()).get(back.raw_path_qs)
    assert "No connection was created" in await page.text()
    result = await step(hass, result)
    assert error_of(result, "refused") == error
    result = await choose(hass, await step(hass, result, {}), menus[1])
    assert result["type"] is FlowResultType.EXTERNAL_STEP


@pytest.mark.parametrize("menus", [("octoeverywhere", "octoeverywhere_portal"), ("obico", "obico_authorize")])
async def test_no_address_to_come_back_to(hass: HomeAssistant, menus: tuple[str, str]) -> None:
    """Where Home Assistant knows no address of its own, the link is pasted."""
    result = await start(hass, menus[0])
    await hass.config.async_update(internal_url=None)
    hass.config.api = None
    result = await choose(hass, result, menus[1])
    assert (result["type"], result["step_id"]) == (FlowResultType.FORM, f"{menus[0]}_paste")


# A connection from a link


@pytest.mark.parametrize(("auth", "kept"), [("basic", "username"), ("bearer", "bearer_token"), ("both", "username")])
async def test_completion_link(
    hass: HomeAssistant, relay: Relay, connection: AppConnection, auth: Any, kept: str
) -> None:
    """Both kinds of credentials work, Basic is preferred, and older portals' names are understood."""
    relay.octoeverywhere.portal.auth = auth
    relay.octoeverywhere.portal.old_keys = True
    result = await start(hass, "octoeverywhere", "octoeverywhere_paste")
    assert "returnUrl" not in placeholders_of(result)["portal"]
    link = paste(relay, connection)["completion_url"]
    entry = await created(hass, await step(hass, result, {"completion_url": f"  {link}\n"}))
    assert {"username", "bearer_token"} & set(entry.data) == {kept}


PORTAL_END = "octoeverywhere.com/appportal/v1/complete"
TUNNEL = "host.tunnels.app.obico.io"


@pytest.mark.parametrize(
    ("field", "link", "error"),
    [
        ("completion_url", "hello", "invalid_link"),
        ("completion_url", f"ftp://{PORTAL_END}?success=true", "invalid_link"),
        ("completion_url", f"http://{PORTAL_END}?success=true", "not_https"),
        ("completion_url", "https://example.com/appportal/v1/complete?success=true", "foreign_host"),
        ("completion_url", "https://octoeverywhere.com.example.com/complete?success=true", "foreign_host"),
        ("completion_url", f"https://{PORTAL_END}?success=false", "denied"),
        ("completion_url", f"https://{PORTAL_END}", "incomplete_link"),
        ("completion_url", f"https://{PORTAL_END}?success=true&id=1", "incomplete_link"),
        ("tunnel_endpoint", f"https://{TUNNEL}", "invalid_endpoint"),
        ("tunnel_endpoint", f"https://user@{TUNNEL}", "invalid_endpoint"),
        ("tunnel_endpoint", f"http://user:password@{TUNNEL}", "not_https"),
        ("tunnel_endpoint", "https://user:password@example.com", "foreign_host"),
        ("tunnel_endpoint", "https://0:0@0.tunnels.app.obico.io", "credentials_rejected"),
    ],
)
async def test_bad_link_is_explained_and_kept(
    hass: HomeAssistant, relay: Relay, field: str, link: str, error: str
) -> None:
    """The form says what is wrong with the link and still shows it; the right one then works."""
    result = await paste_link(hass, {field: link})
    for shown in (result, await step(hass, result)):  # also when it is loaded again
        assert error_of(shown) == error
        assert suggestion_of(shown) == link
    if field == "completion_url":
        right = paste(relay, relay.octoeverywhere.add_connection(), with_api_key=False)
    else:  # the address of the page that follows carries the endpoint as well
        endpoint = (await relay.obico.add_tunnel()).endpoint
        right = {field: f"{CLOUD}/tunnels/succeeded/?tunnel_endpoint={endpoint}"}
    assert is_menu(await step(hass, result, right), "api_key")


# A server of the user's own


async def at_the_server(hass: HomeAssistant, server: str, *choices: str) -> ConfigFlowResult:
    """Enter the address of an Obico server, and choose how the connection gets here."""
    result = await start(hass, "obico", "obico_server")
    return await choose(hass, await step(hass, result, {"server_url": server}), *choices)


async def test_own_server(hass: HomeAssistant, relay: Relay, octoprint: OctoPrintServer) -> None:
    """It may be http, and its endpoint may carry a port; users of the cloud see no address field."""
    menu = await start(hass, "obico")
    assert (menu["type"], menu["menu_options"]) == (
        FlowResultType.MENU,
        ["obico_authorize", "obico_paste", "obico_server"],
    )
    assert suggestion_of(await choose(hass, menu, "obico_server")) == ""

    server = relay.obico.self_hosted_url
    result = await at_the_server(hass, server)
    assert is_menu(result, "obico_method")
    assert result["menu_options"] == ["obico_authorize", "obico_paste"]
    assert placeholders_of(result)["server"].replace("\\", "") == server
    tunnel = await relay.obico.add_tunnel(self_hosted=True)
    result = await step(hass, await choose(hass, result, "obico_paste"), {"tunnel_endpoint": tunnel.endpoint})
    entry = await created(hass, await enter_key(hass, result, octoprint.api_key))
    assert entry.data["server_url"] == server
    assert entry.data["url"] == tunnel.url


@pytest.mark.parametrize(("server", "error"), [("", "invalid_url"), ("http://app.obico.io", "not_https")])
async def test_bad_server(hass: HomeAssistant, server: str, error: str) -> None:
    """The form says what is wrong with the address, also when it is loaded again, and takes a better one."""
    result = await at_the_server(hass, server)
    assert error_of(await step(hass, result), "obico_server") == error
    assert is_menu(await step(hass, result, {"server_url": "obico.home.example"}), "obico_method")


@pytest.mark.parametrize("typed", ["127.0.0.1:{port}", "https://127.0.0.1:{port}"])
@pytest.mark.parametrize("through", ["obico_authorize", "obico_paste"])
async def test_server_without_https_that_was_taken_for_one(
    hass: HomeAssistant, relay: Relay, typed: str, through: str
) -> None:
    """The dialog says that the server has to be entered as http, and suggests that where no scheme was entered."""
    server = typed.format(port=URL(relay.obico.self_hosted_url).port)
    tunnel = await relay.obico.add_tunnel(self_hosted=True)
    result = await at_the_server(hass, server, through)
    result = await step(hass, result, {"tunnel_endpoint": tunnel.endpoint})
    if through == "obico_authorize":
        result = await step(hass, result)
    for shown in (result, await step(hass, result)):  # also when it is loaded again
        assert error_of(shown, "obico_server") == "server_is_http"
        assert suggestion_of(shown) == (server if "://" in server else relay.obico.self_hosted_url)

    result = await step(hass, result, {"server_url": relay.obico.self_hosted_url})
    result = await choose(hass, result, "obico_paste")
    assert result["errors"] == {}
    if through == "obico_paste":  # nothing that was entered is lost
        assert suggestion_of(result) == tunnel.endpoint
    assert is_menu(await step(hass, result, {"tunnel_endpoint": tunnel.endpoint}), "api_key")


@pytest.mark.parametrize("begin", [reauth, reconfigure])
@pytest.mark.parametrize("own", [True, False])
async def test_server_of_a_printer_is_offered_again(
    hass: HomeAssistant, relay: Relay, obico_entry: MockConfigEntry, begin: Any, own: bool
) -> None:
    """A printer on the user's own server stays there, unless the user enters another one."""
    server = relay.obico.self_hosted_url if own else CLOUD
    tunnel = await relay.obico.add_tunnel(self_hosted=own)
    data = {**obico_entry.data, "url": tunnel.url, "password": "revoked", "server_url": server}
    obico_entry.add_to_hass(hass)
    hass.config_entries.async_update_entry(obico_entry, data=data)
    result = await begin(hass, obico_entry, *(["obico"] if begin is reconfigure else []))
    assert is_menu(result, "obico")
    assert placeholders_of(result)["server"].replace("\\", "") == server
    asked = await choose(hass, result, "obico_server")
    assert suggestion_of(asked) == (server if own else "")
    result = await choose(hass, await step(hass, asked, {"server_url": server}), "obico_authorize")
    assert result["url"].startswith(f"{server}/tunnels/new/")


# A third service


class Third(Obico):
    """A service that brings its steps and nothing else of its own."""

    provider: ClassVar[str] = "third"
    setup: ClassVar[Setup] = Setup(
        page="third_page", form="third_paste", fields=(Field(name="third_link"),), sign_up=""
    )


async def test_third_service(
    hass: HomeAssistant, relay: Relay, octoprint: OctoPrintServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A class and its line in the registry give it a menu, a page and a form, under the names that it declares."""
    for name in (Third.provider, "third_page", "third_paste"):
        monkeypatch.setattr(ConnectionFlow, f"async_step_{name}", None, raising=False)
    monkeypatch.setitem(TUNNELS, Third.provider, Third)
    ConnectionFlow.add_steps(Third)

    result = await start(hass, "third")
    assert result["menu_options"] == ["third_page", "third_paste"]
    result = await choose(hass, result, "third_paste")
    assert error_of(await step(hass, result, {"third_link": "nothing"}), "third_paste") == "invalid_endpoint"
    result = await step(hass, result, {"third_link": (await relay.obico.add_tunnel()).endpoint})
    entry = await created(hass, await enter_key(hass, result, octoprint.api_key))
    assert (entry.data["provider"], entry.state) == ("third", ConfigEntryState.LOADED)
    assert is_menu(await reconfigure(hass, entry, "third"), "third")  # type: ignore[arg-type]
    page = await start(hass, "third", "third_page")
    assert (page["type"], page["step_id"]) == (FlowResultType.EXTERNAL_STEP, "third_page")


# An address of the user's own


async def test_own_address(hass: HomeAssistant, relay: Relay, octoprint: OctoPrintServer) -> None:
    """One form asks for all of it, and says what is refused without losing what was entered."""
    form = relay.own_address.form
    result = await start(hass, "own_address")
    for change, error in (
        ({"header_2": "CF-Access-Client-Secret: old"}, "login_redirect"),
        ({"username": "", "password": ""}, "password_needed"),
        ({"bearer_token": "abc"}, "invalid_login"),
        ({"address": "https://nowhere.example"}, "cannot_connect"),
    ):
        result = await step(hass, result, {**form, **change})
        for shown in (result, await step(hass, result)):  # also when it is loaded again
            assert error_of(shown, "own_address") == error
            assert suggestions_of(shown).items() >= {**form, **change}.items()
    entry = await created(hass, await enter_key(hass, await step(hass, result, form), octoprint.api_key))
    assert (entry.data["provider"], entry.data["url"]) == ("own_address", relay.own_address.url)
    assert (entry.unique_id, entry.state) == (octoprint.uuid, ConfigEntryState.LOADED)


async def test_own_address_that_is_no_longer_open(
    hass: HomeAssistant, relay: Relay, own_entry: MockConfigEntry
) -> None:
    """Signing in again asks for its credentials, which are not shown, and keeps OctoPrint's API key."""
    own_entry.add_to_hass(hass)
    key = own_entry.data["api_key"]
    relay.own_address.password = "changed"
    result = await reauth(hass, own_entry)
    assert suggestions_of(result) == {"address": relay.own_address.url, "verify_ssl": True}
    assert await ended(hass, await step(hass, result, relay.own_address.form)) == "reauth_successful"
    assert (own_entry.data["password"], own_entry.data["api_key"]) == ("changed", key)


async def test_from_a_service_to_an_own_address(hass: HomeAssistant, relay: Relay, loaded: MockConfigEntry) -> None:
    """It is asked about as any new connection, and nothing of the service is left."""
    result = await step(hass, await reconfigure(hass, loaded, "own_address"), relay.own_address.form)
    assert choices_of(result) == ["replace", "discard"]
    again = await step(hass, result, {"choice": "discard"})
    assert again["step_id"] == "own_address"
    result = await step(hass, again, relay.own_address.form)
    assert await ended(hass, await decide(hass, result, "replace")) == "reconfigure_successful"
    assert loaded.data["provider"] == "own_address"
    assert not loaded.data.keys() & {"app_token", "connection_id"}


# A printer that is known


async def test_same_printer_again_takes_over_the_credentials(
    hass: HomeAssistant, relay: Relay, loaded: MockConfigEntry, octoprint: OctoPrintServer
) -> None:
    """A second set-up of a printer makes no second device where the user says that it is the same one."""
    second = relay.octoeverywhere.add_connection()
    result = await paste_link(hass, paste(relay, second))
    assert choices_of(result) == ["replace", "add", "discard"]
    assert await ended(hass, await decide(hass, result, "replace")) == "already_configured"
    assert (loaded.data["url"], loaded.data["api_key"]) == (second.url, octoprint.api_key)
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
    entry = await created(hass, await enter_key(hass, first, octoprint.api_key))
    second = await enter_key(hass, second, octoprint.api_key)
    second = await decide(hass, second, "replace")  # with the key that was entered already
    assert await ended(hass, second) == "already_configured"
    assert hass.config_entries.async_entries(DOMAIN) == [entry]
    assert (entry.unique_id, entry.data["url"]) == (octoprint.uuid, other.url)


async def test_printer_is_removed_while_the_dialog_is_open(
    hass: HomeAssistant, relay: Relay, entry: MockConfigEntry, octoprint: OctoPrintServer
) -> None:
    """A dialog that would have replaced a printer's connection sets the printer up."""
    entry.add_to_hass(hass)
    result = await paste_link(hass, paste(relay, relay.octoeverywhere.add_connection(), with_api_key=False))
    result = await decide(hass, result, "replace")
    await hass.config_entries.async_remove(entry.entry_id)
    assert (await created(hass, await enter_key(hass, result, octoprint.api_key))).unique_id == octoprint.uuid


@pytest.mark.parametrize("through", ["the same tunnel", "another tunnel"])
async def test_printer_shows_its_instance_id_later(
    hass: HomeAssistant, relay: Relay, connection: AppConnection, octoprint: OctoPrintServer, through: str
) -> None:
    """A printer that was set up while OctoPrint's Discovery plugin was off is still the same once it is on."""
    relay.fail("octoeverywhere_tunnel", 404, path="/plugin/discovery/")
    entry = await created(hass, await paste_link(hass, paste(relay, connection)))
    assert entry.unique_id == connection.id  # which stands for the printer meanwhile
    relay.heal()
    if through == "another tunnel":
        connection = relay.octoeverywhere.add_connection()
    result = await paste_link(hass, paste(relay, connection))
    assert "instance_uuid" not in entry.data
    assert await ended(hass, await decide(hass, result, "replace")) == "already_configured"
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
    """Only the instance ids of both show that they are one."""
    if known == "another":
        other = octoprints("1.11")
        connection.printer = replace(connection.printer, url=other.url, api_key=other.api_key)
    relay.fail("octoeverywhere_tunnel", 404, path="/plugin/discovery/", times=2 if known == "silent" else 1)
    await created(hass, await paste_link(hass, paste(relay, connection)))
    connection.revoked = known == "out of reach"
    await created(hass, await paste_link(hass, paste(relay, relay.octoeverywhere.add_connection())))


async def test_another_printer_at_an_address_of_before(
    hass: HomeAssistant, relay: Relay, entry: MockConfigEntry, connection: AppConnection, octoprint: OctoPrintServer
) -> None:
    """A service may give an address that was freed to another printer, whose instance id is another one."""
    entry.add_to_hass(hass)
    gone = "00000000-0000-4000-8000-000000000000"
    hass.config_entries.async_update_entry(entry, unique_id=gone, data={**entry.data, "instance_uuid": gone})
    assert (await created(hass, await paste_link(hass, paste(relay, connection)))).unique_id == octoprint.uuid
    assert entry.data["instance_uuid"] == gone


# OctoPrint cannot be reached


@pytest.mark.parametrize(
    ("status", "path", "error"),
    [
        (601, "/plugin/discovery/", "octoprint_offline"),
        (600, "/plugin/discovery/", "service_error"),
        (605, "/plugin/discovery/", "not_supporter"),
        (610, "/plugin/discovery/", "plugin_outdated"),
        (699, "/plugin/discovery/", "service_error"),
        (602, "/api/currentuser", "timed_out"),
    ],
)
async def test_octoprint_cannot_be_reached(
    hass: HomeAssistant, relay: Relay, connection: AppConnection, status: int, path: str, error: str
) -> None:
    """The dialog names the trouble, waits, and goes on from there with all that was entered."""
    relay.fail("octoeverywhere_tunnel", status, path=path)
    result = await paste_link(hass, paste(relay, connection))
    assert error_of(result, "printer_offline") == error
    result = await step(hass, result, {})
    assert error_of(result, "printer_offline") == error
    assert placeholders_of(result) == {"code": str(status), "detail": "-"}
    relay.heal()
    relay.clear()
    # The frontend asks for the dialog's current form now and then; that alone tries nothing.
    assert error_of(await step(hass, result)) == error
    assert not relay.requests
    entry = await created(hass, await step(hass, result, {}))
    assert entry.data["app_token"] == connection.app_token


# The API key


@pytest.mark.parametrize("is_limited", [False, True])
async def test_key_of_the_portal_that_does_not_work(
    hass: HomeAssistant, relay: Relay, connection: AppConnection, octoprint: OctoPrintServer, is_limited: bool
) -> None:
    """Another key is asked for; where a permission is missing, the form names it."""
    connection.printer.api_key = octoprint.limited_api_key if is_limited else "made-by-the-portal"
    result = await paste_link(hass, paste(relay, connection))
    if is_limited:
        assert error_of(result, "enter_key") == "permission_missing"
        assert placeholders_of(result)["detail"] == "CONNECTION"
    else:
        assert is_menu(result, "api_key")
    await created(hass, await enter_key(hass, result, octoprint.api_key))


@pytest.mark.parametrize("where", ["portal's key", "request", "decision", "typed key"])
async def test_connection_is_revoked_while_the_key_is_asked_for(
    hass: HomeAssistant, relay: Relay, connection: AppConnection, octoprint: OctoPrintServer, where: str
) -> None:
    """A connection that will never work again is replaced in the same dialog."""
    if where == "portal's key":
        relay.fail("octoeverywhere_tunnel", 604, path="/api/currentuser")
        result = await paste_link(hass, paste(relay, connection))
    elif where == "typed key":
        result = await choose(hass, await at_the_api_key(hass, relay, connection), "enter_key")
        connection.revoked = True
        result = await enter_key(hass, result, octoprint.api_key)
    else:
        result = await at_the_api_key(hass, relay, connection)
        path = "/plugin/appkeys/" + ("probe" if where == "request" else "request/")
        relay.fail("octoeverywhere_tunnel", 604, path=path)
        result = await choose(hass, result, "request_key")
        if where == "decision":
            await hass.async_block_till_done()
            result = await step(hass, result)
    assert error_of(result, "octoeverywhere_paste") == "revoked"
    relay.heal()
    await created(hass, await step(hass, result, paste(relay, relay.octoeverywhere.add_connection())))


@BOTH_VERSIONS
async def test_typed_key(
    hass: HomeAssistant, relay: Relay, connection: AppConnection, octoprint: OctoPrintServer
) -> None:
    """Wrong keys are explained one by one, and the right one ends the dialog."""
    result = await at_the_api_key(hass, relay, connection)
    for key, error in (
        ("   ", "api_key_rejected"),
        ("two words", "api_key_rejected"),
        ("schlüssel", "api_key_rejected"),
        ("0123456789ABCDEF", "api_key_rejected"),
        (octoprint.limited_api_key, "permission_missing"),
    ):
        result = await enter_key(hass, result, key)
        assert error_of(result, "enter_key") == error, key
    assert placeholders_of(result)["detail"] == "CONNECTION"
    entry = await created(hass, await enter_key(hass, result, f" {octoprint.api_key} "))
    assert entry.data["api_key"] == octoprint.api_key


async def test_tunnel_fails_while_the_key_is_typed(
    hass: HomeAssistant, relay: Relay, connection: AppConnection, octoprint: OctoPrintServer
) -> None:
    """The typed key is kept while the tunnel is away."""
    result = await at_the_api_key(hass, relay, connection)
    relay.fail("octoeverywhere_tunnel", 602, times=1)
    result = await enter_key(hass, result, octoprint.api_key)
    assert error_of(result) == "timed_out"
    assert suggestion_of(result) == octoprint.api_key
    await created(hass, await enter_key(hass, result, octoprint.api_key))


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
    assert await hass.async_add_executor_job(octoprint.decide_key_request, allow) == "Home Assistant"
    await hass.async_block_till_done()
    result = await step(hass, result)
    if allow:
        assert (await created(hass, result)).data["api_key"] not in ("", octoprint.api_key)
    else:
        assert is_menu(result, "api_key_again")
        assert is_menu(await step(hass, result), "api_key_again")
        assert (await choose(hass, result, "request_key"))["type"] is FlowResultType.SHOW_PROGRESS
        assert await hass.async_add_executor_job(octoprint.decide_key_request, True) == "Home Assistant"
        await hass.async_block_till_done()
        await created(hass, await step(hass, result))


@pytest.mark.parametrize(
    ("status", "path", "error"),
    [
        (404, "/plugin/appkeys/probe", "key_workflow_missing"),
        (500, "/plugin/appkeys/request", "unexpected_status"),
    ],
)
async def test_key_cannot_be_requested(
    hass: HomeAssistant,
    relay: Relay,
    connection: AppConnection,
    octoprint: OctoPrintServer,
    status: int,
    path: str,
    error: str,
) -> None:
    """Where OctoPrint cannot ask its user, a key can still be typed."""
    relay.fail("octoeverywhere_tunnel", status, path=path)
    result = await choose(hass, await at_the_api_key(hass, relay, connection), "request_key")
    assert error_of(result, "enter_key") == error
    await created(hass, await enter_key(hass, result, octoprint.api_key))


@pytest.mark.parametrize(("status", "path"), [(601, "/plugin/appkeys/probe"), (602, "/plugin/appkeys/request/")])
async def test_tunnel_fails_while_a_key_is_requested(
    hass: HomeAssistant, relay: Relay, connection: AppConnection, status: int, path: str
) -> None:
    """The request is made again once OctoPrint can be reached."""
    result = await at_the_api_key(hass, relay, connection)
    relay.fail("octoeverywhere_tunnel", status, path=path)
    result = await choose(hass, result, "request_key")
    await hass.async_block_till_done()
    result = await step(hass, result)
    assert error_of(result, "printer_offline") in ("octoprint_offline", "timed_out")
    relay.heal()
    result = await step(hass, result, {})
    assert result["type"] is FlowResultType.SHOW_PROGRESS
    hass.config_entries.flow.async_abort(result["flow_id"])


async def test_requested_key_without_a_permission(
    hass: HomeAssistant, relay: Relay, connection: AppConnection, octoprint: OctoPrintServer
) -> None:
    """A key that a user without the permissions allowed is explained."""
    result = await at_the_api_key(hass, relay, connection)
    guest = '{"name": "guest", "permissions": ["STATUS"]}'
    path = "/api/currentuser"
    relay.fail("octoeverywhere_tunnel", 200, guest, content_type="application/json", path=path, times=1)
    result = await choose(hass, result, "request_key")
    await hass.async_add_executor_job(octoprint.decide_key_request, True)
    await hass.async_block_till_done()
    assert error_of(await step(hass, result), "enter_key") == "permission_missing"


# Names


async def test_printers_without_a_name(
    hass: HomeAssistant, relay: Relay, octoprint: OctoPrintServer, octoprints: Callable[[str], OctoPrintServer]
) -> None:
    """Where neither the service nor OctoPrint has a name, a number tells the printers apart, devices too."""
    titles = []
    for server in (octoprint, octoprints("1.11")):
        tunnel = await relay.obico.add_tunnel(replace(relay.printer, url=server.url))
        unnamed = f"<root><UDN>uuid:{server.uuid}</UDN></root>"
        relay.fail(tunnel.host, 200, unnamed, content_type="text/xml", path="/plugin/discovery/")
        result = await paste_link(hass, {"tunnel_endpoint": tunnel.endpoint})
        entry = await created(hass, await enter_key(hass, result, server.api_key))
        devices = dr.async_entries_for_config_entry(dr.async_get(hass), entry.entry_id)
        titles.append((entry.title, [device.name for device in devices]))
        await hass.config_entries.async_unload(entry.entry_id)
    assert titles == [("OctoPrint", ["OctoPrint"]), ("OctoPrint 2", ["OctoPrint 2"])]


async def test_name_that_another_printer_has(hass: HomeAssistant, relay: Relay, entry: MockConfigEntry) -> None:
    """As when the whole SD card was copied, name and all."""
    entry.add_to_hass(hass)
    result = await paste_link(hass, paste(relay, relay.octoeverywhere.add_connection()))
    added = await created(hass, await decide(hass, result, "add"))
    assert added.title == "Kitchen 2"
    await hass.config_entries.async_unload(added.entry_id)


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
    result = await paste_link(hass, {"completion_url": str(link)})
    assert links(await shown(hass, result)) == []
    result = await choose(hass, await step(hass, result, {"choice": "add"}), "enter_key")
    [target] = links(await shown(hass, result))
    assert URL(target).host == "octoeverywhere.com"
    added = await created(hass, await enter_key(hass, result, octoprint.api_key))
    assert links(added.title) == []
    await hass.config_entries.async_unload(added.entry_id)


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


async def test_address_of_a_server_makes_no_link(hass: HomeAssistant) -> None:
    """The menu shows it as text, and the form links to that server alone."""
    result = await at_the_server(hass, "https://home.example/x](https://evil.example)")
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
    hass: HomeAssistant, relay: Relay, entry: MockConfigEntry, caplog: pytest.LogCaptureFixture, title: str, kept: str
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


async def test_title_in_a_repair_issue(hass: HomeAssistant, loaded: MockConfigEntry, connection: AppConnection) -> None:
    """It is shown as plain text and in Markdown, so it is as it can be in both."""
    hass.config_entries.async_update_entry(loaded, title="Kitchen [new](//evil.example) *1*")
    connection.supporter = False
    await loaded.runtime_data.tunnel.async_refresh()
    await settle(hass)
    [issue] = [issue for issue in ir.async_get(hass).issues.values() if issue.domain == DOMAIN]
    assert issue.translation_placeholders is not None
    assert issue.translation_placeholders["printer"] == "Kitchen (new)(//evil.example) *1*"


# Sign in again, or change the connection


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
    result = await reauth(hass, loaded, f"octoeverywhere_{through}")
    if through == "portal":
        result = await through_page(hass, result, hass_client_no_auth)
    else:
        result = await step(hass, result, paste(relay, relay.octoeverywhere.add_connection(), with_api_key=False))
    assert choices_of(result) == ["replace", "discard"]
    result = await decide(hass, result, "replace")
    assert await ended(hass, result) == "reauth_successful"
    assert result["translation_domain"] == "homeassistant"
    assert loaded.data["url"] == relay.octoeverywhere.connections[-1].url
    assert loaded.options == {"poll_interval": 90, "live_updates": False}
    assert loaded.state is ConfigEntryState.LOADED


@pytest.mark.parametrize("open_dialog", [reauth, reconfigure])
async def test_page_opens_on_the_printer(
    hass: HomeAssistant,
    freezer: FrozenDateTimeFactory,
    relay: Relay,
    loaded: MockConfigEntry,
    connection: AppConnection,
    open_dialog: Any,
) -> None:
    """OctoPrint is asked once for the printer's id; a page of another service does not get it."""
    for _ in range(2):
        await wait(hass, freezer, 1201)
        assert loaded.data["printer_id"] == relay.printer.id
        assert await hass.config_entries.async_reload(loaded.entry_id)
    assert len(relay.seen(path="/api/plugin/octoeverywhere")) == 1
    connection.revoked = True
    choices = () if open_dialog is reauth else ("octoeverywhere",)
    result = await open_dialog(hass, loaded, *choices, "octoeverywhere_portal")
    assert URL(result["url"]).query["printerId"] == relay.printer.id
    if open_dialog is reconfigure:
        other = await reconfigure(hass, loaded, "obico", "obico_authorize")
        assert "printer_id" not in URL(other["url"]).query


@pytest.mark.parametrize("has_plugin", [False, True])
async def test_printer_id_that_is_not_known(
    hass: HomeAssistant, freezer: FrozenDateTimeFactory, relay: Relay, chosen: MockConfigEntry, has_plugin: bool
) -> None:
    """Nothing is stored without the plugin, and none is asked for through Obico; no line is logged."""
    relay.printer.has_plugin, relay.printer.id = has_plugin, "with space"
    chosen.add_to_hass(hass)
    assert await hass.config_entries.async_setup(chosen.entry_id)
    await wait(hass, freezer, 1201)
    assert "printer_id" not in chosen.data
    await hass.config_entries.async_unload(chosen.entry_id)


async def test_reauth_of_an_obico_tunnel(hass: HomeAssistant, relay: Relay, obico_entry: MockConfigEntry) -> None:
    """A revoked tunnel is replaced on the same server."""
    obico_entry.add_to_hass(hass)
    relay.obico.tunnels[0].revoked = True
    result = await reauth(hass, obico_entry, "obico_paste")
    new = await relay.obico.add_tunnel()
    result = await decide(hass, await step(hass, result, {"tunnel_endpoint": new.endpoint}), "replace")
    assert await ended(hass, result) == "reauth_successful"
    assert obico_entry.data["password"] == new.password
    await hass.config_entries.async_unload(obico_entry.entry_id)


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
    relay.fail("octoeverywhere_tunnel", status, body, content_type="text/xml", path="/plugin/discovery/")
    result = await reauth(hass, loaded, f"octoeverywhere_{through}")
    if through == "portal":
        result = await through_page(hass, result, hass_client_no_auth)
        assert error_of(result, "refused") == "wrong_printer"
        result = await choose(hass, await step(hass, result, {}), "octoeverywhere_paste")
    else:
        result = await step(hass, result, paste(relay, relay.octoeverywhere.add_connection()))
        assert error_of(result, "octoeverywhere_paste") == "wrong_printer"
    assert loaded.data == before
    relay.heal()
    result = await step(hass, result, paste(relay, relay.octoeverywhere.add_connection()))
    assert await ended(hass, await decide(hass, result, "replace")) == "reauth_successful"


async def test_reauth_says_what_is_refused(
    hass: HomeAssistant, loaded: MockConfigEntry, connection: AppConnection
) -> None:
    """The form shows why Home Assistant asks; where nothing is known to be refused, it shows no error."""
    assert (await start_reauth(hass, loaded))["errors"] == {}
    connection.revoked = True
    await loaded.runtime_data.tunnel.async_refresh()
    [flow] = loaded.async_get_active_flows(hass, {SOURCE_REAUTH})
    result = await hass.config_entries.flow.async_configure(flow["flow_id"])
    assert error_of(result, "reauth_confirm") == "revoked"


async def test_reauth_waits_for_octoprint(hass: HomeAssistant, relay: Relay, loaded: MockConfigEntry) -> None:
    """What is refused can only be found out while OctoPrint answers."""
    relay.fail("octoeverywhere_tunnel", 601)
    result = await step(hass, await start_reauth(hass, loaded), {})
    assert error_of(result, "printer_offline") == "octoprint_offline"
    relay.heal()
    # By now everything is accepted again.
    assert await ended(hass, await step(hass, result, {})) == "reauth_successful"


@pytest.mark.parametrize("source", ["reauth", "reconfigure"])
async def test_new_key_alone(
    hass: HomeAssistant, loaded: MockConfigEntry, octoprint: OctoPrintServer, source: str
) -> None:
    """The API key is replaced, and the connection is left alone."""
    before = dict(loaded.data)
    hass.config_entries.async_update_entry(loaded, data={**before, "api_key": "removed-in-octoprint"})
    result = await (reauth(hass, loaded) if source == "reauth" else reconfigure(hass, loaded, "api_key"))
    assert is_menu(result, "api_key")
    assert await ended(hass, await enter_key(hass, result, octoprint.api_key)) == f"{source}_successful"
    assert loaded.data == before


async def test_change_to_obico_and_back(
    hass: HomeAssistant, relay: Relay, loaded: MockConfigEntry, octoprint: OctoPrintServer
) -> None:
    """The printer changes its service, and the entities that both have stay the same."""

    def entity_ids() -> dict[str, str]:
        entries = er.async_entries_for_config_entry(er.async_get(hass), loaded.entry_id)
        return {item.unique_id: item.entity_id for item in entries}

    before = entity_ids()
    result = await reconfigure(hass, loaded, "obico", "obico_paste")
    result = await step(hass, result, {"tunnel_endpoint": (await relay.obico.add_tunnel()).endpoint})
    assert await ended(hass, await decide(hass, result, "replace")) == "reconfigure_successful"
    assert loaded.data["provider"] == "obico"
    assert "app_token" not in loaded.data
    assert hass.states.get("sensor.kitchen_tunnel_usage") is not None
    state = hass.states.get(before[f"{octoprint.uuid}_printer_state"])
    assert state is not None
    assert state.state == "offline"

    result = await reconfigure(hass, loaded, "octoeverywhere", "octoeverywhere_paste")
    result = await step(hass, result, paste(relay, relay.octoeverywhere.add_connection()))
    assert await ended(hass, await decide(hass, result, "replace")) == "reconfigure_successful"
    assert before.items() <= entity_ids().items()


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
    assert loaded.options == {"poll_interval": 120, "live_updates": True, "local_access": True, "verify_ssl": True}
    assert loaded.runtime_data.tunnel.update_interval.total_seconds() == 120
