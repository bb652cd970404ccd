"""Go through Home Assistant's dialogs, and the services' pages between them, as a user does."""

from http import HTTPStatus
from typing import Any

from aiohttp import ClientSession, DummyCookieJar
from pytest_homeassistant_custom_component.common import MockConfigEntry
from pytest_homeassistant_custom_component.typing import ClientSessionGenerator
import voluptuous as vol
from yarl import URL

from custom_components.octoprint_tunnel.const import DOMAIN
from homeassistant.config_entries import SOURCE_RECONFIGURE, SOURCE_USER, ConfigEntry, ConfigFlowResult
from homeassistant.core import HomeAssistant
from homeassistant.data_entry_flow import FlowResultType

from .home import settle
from .relay.octoeverywhere import AppConnection
from .relay.server import Relay

PASTE_STEPS = {
    "completion_url": ("octoeverywhere", "octoeverywhere_paste"),
    "tunnel_endpoint": ("obico", "obico_paste"),
}
"""By the field of the form, the choices that lead to it."""


# Steps


async def start(hass: HomeAssistant, *choices: str) -> ConfigFlowResult:
    """Begin the set-up and choose from its menus."""
    result = await hass.config_entries.flow.async_init(DOMAIN, context={"source": SOURCE_USER})
    return await choose(hass, result, *choices)


async def start_reauth(hass: HomeAssistant, entry: MockConfigEntry) -> ConfigFlowResult:
    """Begin the reauthentication of a printer."""
    result = await entry.start_reauth_flow(hass)
    assert (result["type"], result["step_id"]) == (FlowResultType.FORM, "reauth_confirm")
    assert placeholders_of(result)["printer"] == entry.title
    return result


async def reauth(hass: HomeAssistant, entry: MockConfigEntry, *choices: str) -> ConfigFlowResult:
    """Confirm the reauthentication of a printer and choose from the menus."""
    return await choose(hass, await step(hass, await start_reauth(hass, entry), {}), *choices)


async def reconfigure(hass: HomeAssistant, entry: MockConfigEntry, *choices: str) -> ConfigFlowResult:
    """Begin the reconfiguration of a printer and choose from its menus."""
    context = {"source": SOURCE_RECONFIGURE, "entry_id": entry.entry_id}
    result = await hass.config_entries.flow.async_init(DOMAIN, context=context)  # type: ignore[arg-type]
    assert is_menu(result, "reconfigure")
    return await choose(hass, result, *choices)


async def choose(hass: HomeAssistant, result: ConfigFlowResult, *choices: str) -> ConfigFlowResult:
    """Choose from one menu after the other."""
    for choice in choices:
        assert result["type"] is FlowResultType.MENU, result
        assert choice in result["menu_options"]
        result = await step(hass, result, {"next_step_id": choice})
    return result


async def step(
    hass: HomeAssistant, result: ConfigFlowResult, user_input: dict[str, Any] | None = None
) -> ConfigFlowResult:
    """Go on with what the user entered; with nothing, as a browser that is reloaded."""
    return await hass.config_entries.flow.async_configure(result["flow_id"], user_input)


# A connection


def paste(relay: Relay, connection: AppConnection, *, with_api_key: bool = True) -> dict[str, str]:
    """Return what a user pastes who has been through the portal by hand."""
    return {"completion_url": relay.octoeverywhere.completion_url(connection, with_api_key=with_api_key)}


async def paste_link(hass: HomeAssistant, link: dict[str, str]) -> ConfigFlowResult:
    """Set a printer up with a link, by the name of its field."""
    [field] = link
    return await step(hass, await start(hass, *PASTE_STEPS[field]), link)


async def visit(url: str) -> URL:
    """Open a service's page as the user's browser, allow what it asks, and return where it sends the browser."""
    async with ClientSession(cookie_jar=DummyCookieJar()) as browser:
        response = await browser.get(URL(url, encoded=True), allow_redirects=False)
        return URL(response.headers["Location"], encoded=True)


async def through_page(
    hass: HomeAssistant, result: ConfigFlowResult, hass_client_no_auth: ClientSessionGenerator
) -> ConfigFlowResult:
    """Go through an external step as a browser does, and go on with the flow."""
    assert result["type"] is FlowResultType.EXTERNAL_STEP, result
    back = await visit(result["url"])
    client = await hass_client_no_auth()
    page = await client.get(back.raw_path_qs)
    assert page.status == HTTPStatus.OK, await page.text()
    return await step(hass, result)


async def decide(
    hass: HomeAssistant, result: ConfigFlowResult, choice: str, printer: str = "Kitchen"
) -> ConfigFlowResult:
    """Decide what to do with a new connection, in the form that names the known printer."""
    assert choice in choices_of(result)
    assert placeholders_of(result)["printer"] == printer
    return await step(hass, result, {"choice": choice})


def choices_of(result: ConfigFlowResult) -> list[str]:
    """Return what the form about a known printer offers, none of which is chosen beforehand."""
    assert (result["type"], result["step_id"]) == (FlowResultType.FORM, "replace_known"), result
    assert result["data_schema"] is not None
    [(field, selector)] = result["data_schema"].schema.items()
    assert field.default is vol.UNDEFINED
    assert field.description is None
    options: list[str] = selector.config["options"]
    return options


# An API key


async def at_the_api_key(hass: HomeAssistant, relay: Relay, connection: AppConnection) -> ConfigFlowResult:
    """Go on to where the API key is asked for."""
    result = await paste_link(hass, paste(relay, connection, with_api_key=False))
    assert is_menu(result, "api_key")
    return result


async def enter_key(hass: HomeAssistant, result: ConfigFlowResult, key: str) -> ConfigFlowResult:
    """Enter an API key, from the menu or in the form."""
    if result["type"] is FlowResultType.MENU:
        result = await choose(hass, result, "enter_key")
    return await step(hass, result, {"api_key": key})


# What is shown, and what came of it


def is_menu(result: ConfigFlowResult, step_id: str) -> bool:
    """Tell whether this menu is shown."""
    return (result["type"], result["step_id"]) == (FlowResultType.MENU, step_id)


def placeholders_of(result: ConfigFlowResult) -> dict[str, str]:
    """Return what is filled into the texts of a dialog."""
    assert result["description_placeholders"] is not None
    return dict(result["description_placeholders"])


def error_of(result: ConfigFlowResult, step_id: str | None = None) -> str:
    """Return the one error that a form shows."""
    assert result["type"] is FlowResultType.FORM, result
    assert step_id in (None, result["step_id"]), result
    [error] = (result["errors"] or {}).values()
    return error


def suggestion_of(result: ConfigFlowResult) -> str:
    """Return what the field of a form holds already."""
    assert result["data_schema"] is not None
    [field] = result["data_schema"].schema
    suggested: str = field.description["suggested_value"]
    return suggested


def suggestions_of(result: ConfigFlowResult) -> dict[str, Any]:
    """Return what the fields of a form hold already, by their names."""
    assert result["data_schema"] is not None
    fields = result["data_schema"].schema
    return {str(field): field.description["suggested_value"] for field in fields if field.description}


async def created(hass: HomeAssistant, result: ConfigFlowResult) -> ConfigEntry:
    """Return the printer that a dialog has set up, once it is loaded."""
    await settle(hass)
    assert result["type"] is FlowResultType.CREATE_ENTRY, result
    entry: ConfigEntry = result["result"]
    return entry


async def ended(hass: HomeAssistant, result: ConfigFlowResult) -> str:
    """Return the reason with which a dialog has ended, once the printer is loaded again."""
    await settle(hass)
    assert result["type"] is FlowResultType.ABORT, result
    return result["reason"]
