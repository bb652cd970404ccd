"""Go through Home Assistant's dialogs, and the services' pages between them, as a user does."""

from http import HTTPStatus
from typing import Any

from aiohttp import ClientSession, DummyCookieJar
from pytest_homeassistant_custom_component.typing import ClientSessionGenerator
import voluptuous as vol
from yarl import URL

from custom_components.octoprint_tunnel.const import DOMAIN
from homeassistant.config_entries import SOURCE_USER, ConfigFlowResult
from homeassistant.core import HomeAssistant
from homeassistant.data_entry_flow import FlowResultType

from .relay.octoeverywhere import AppConnection
from .relay.server import Relay


async def start(hass: HomeAssistant, *choices: str) -> ConfigFlowResult:
    """Begin the set-up and choose from its menus."""
    result = await hass.config_entries.flow.async_init(DOMAIN, context={"source": SOURCE_USER})
    return await choose(hass, result, *choices)


async def choose(hass: HomeAssistant, result: ConfigFlowResult, *choices: str) -> ConfigFlowResult:
    """Choose from one menu after the other."""
    for choice in choices:
        assert result["type"] is FlowResultType.MENU, result
        result = await step(hass, result, {"next_step_id": choice})
    return result


async def step(
    hass: HomeAssistant, result: ConfigFlowResult, user_input: dict[str, Any] | None = None
) -> ConfigFlowResult:
    """Go on with what the user entered."""
    return await hass.config_entries.flow.async_configure(result["flow_id"], user_input)


async def visit(url: str) -> URL:
    """Open a service's page as the user's browser, allow what it asks, and return where it sends the browser."""
    async with ClientSession(cookie_jar=DummyCookieJar()) as browser:
        answer = await browser.get(URL(url, encoded=True), allow_redirects=False)
        return URL(answer.headers["Location"], encoded=True)


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
    assert (result["type"], result["step_id"]) == (FlowResultType.FORM, "replace_known"), result
    assert result["description_placeholders"] is not None
    assert result["description_placeholders"]["printer"] == printer
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


def paste(relay: Relay, connection: AppConnection, *, with_api_key: bool = True) -> dict[str, str]:
    """Return what a user pastes who has been through the portal by hand."""
    return {"completion_url": relay.octoeverywhere.completion_url(connection, with_api_key=with_api_key)}


def refusal_of(result: ConfigFlowResult, menu: str) -> str:
    """Return what a service's menu says of the connection before."""
    assert (result["type"], result["step_id"]) == (FlowResultType.MENU, menu), result
    assert result["description_placeholders"] is not None
    return result["description_placeholders"]["refusal"]


def error_of(result: ConfigFlowResult) -> str:
    """Return the one error that a form shows."""
    assert result["type"] is FlowResultType.FORM, result
    [error] = (result["errors"] or {}).values()
    return error
