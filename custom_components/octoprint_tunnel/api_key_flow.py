"""The steps of the set-up dialog that need OctoPrint: reach it through the connection, and get an API key for it."""

from abc import abstractmethod
import asyncio
from collections.abc import Awaitable, Callable
from typing import override

from aiohttp import ClientSession
import voluptuous as vol

from homeassistant.config_entries import ConfigFlowResult
from homeassistant.const import CONF_API_KEY
from homeassistant.core import callback
from homeassistant.helpers.selector import TextSelector, TextSelectorConfig, TextSelectorType

from .api.errors import ApiKeyRejected, OctoPrintTunnelError, PermissionMissing, Problem, Remedy
from .api.octoprint.app_keys import KeyRequest
from .api.octoprint.client import OctoPrint
from .api.remote_text import link_in_markdown
from .api.tunnels.base import APP_NAME, Tunnel, is_header_text
from .connection_flow import ConnectionFlow, UserInput
from .session import async_create_session

SECRET = TextSelector(TextSelectorConfig(type=TextSelectorType.PASSWORD, autocomplete="off"))
API_KEY = vol.Schema({vol.Required(CONF_API_KEY): SECRET})

type Attempt = Callable[[], Awaitable[ConfigFlowResult]]


class ApiKeyFlow(ConnectionFlow):
    """Get an API key that OctoPrint accepts: a known one, one that OctoPrint makes, or one that the user enters."""

    _tunnel: Tunnel
    _retry: Attempt

    def __init__(self) -> None:
        """Begin without a key."""
        super().__init__()
        self._api_key: str | None = None
        self._key_task: asyncio.Task[str | None] | None = None
        self._problem: Problem | None = None
        self._session: ClientSession | None = None

    @override
    @callback
    def async_remove(self) -> None:
        """Release what outlives the dialog."""
        super().async_remove()
        if self._session:
            self._session.detach()

    @abstractmethod
    def _stored_key(self) -> str | None:
        """Return the printer's stored API key, if it may go through this connection."""

    @abstractmethod
    async def _async_finish(self, api_key: str) -> ConfigFlowResult:
        """End the dialog with a key that OctoPrint accepts."""

    async def _async_find_api_key(self) -> ConfigFlowResult:
        """Use the key that came with the connection, or else the stored one, where OctoPrint accepts it."""
        self._problem = None
        for key in filter(None, (self._api_key, self._stored_key())):
            try:
                await self._octoprint(key).check_key()
            except ApiKeyRejected:
                continue
            except PermissionMissing as error:
                self._problem = error.problem
            except OctoPrintTunnelError as error:
                return self._recover(error, self._async_find_api_key)
            else:
                return await self._async_finish(key)
        return await (self.async_step_enter_key() if self._problem else self.async_step_api_key())

    async def async_step_api_key(self, user_input: UserInput = None) -> ConfigFlowResult:
        """Choose how the API key gets here."""
        return self._show_ways_to_a_key("api_key")

    async def async_step_api_key_again(self, user_input: UserInput = None) -> ConfigFlowResult:
        """Choose again, after a request that was denied or not answered."""
        return self._show_ways_to_a_key("api_key_again")

    def _show_ways_to_a_key(self, step_id: str) -> ConfigFlowResult:
        self._problem = None
        return self.async_show_menu(step_id=step_id, menu_options=["request_key", "enter_key"])

    async def async_step_request_key(self, user_input: UserInput = None) -> ConfigFlowResult:
        """Let OctoPrint ask its user for a key, and wait for the decision."""
        if self._key_task is None:
            try:
                request = await KeyRequest.start(self._octoprint(), APP_NAME)
            except OctoPrintTunnelError as error:
                return await self._async_recover_request(error)
            self._key_task = self.hass.async_create_task(request.wait(self._octoprint()), eager_start=False)
        if self._key_task.done():
            return self.async_show_progress_done(next_step_id="requested_key")
        return self.async_show_progress(
            step_id="request_key",
            progress_action="wait_for_decision",
            description_placeholders={"octoprint": self._octoprint_page},
            progress_task=self._key_task,
        )

    async def async_step_requested_key(self, user_input: UserInput = None) -> ConfigFlowResult:
        """Use the key that OctoPrint's user allowed."""
        task, self._key_task = self._key_task, None
        try:
            if task is None or (key := task.result()) is None:
                return await self.async_step_api_key_again()
            await self._octoprint(key).check_key()
        except OctoPrintTunnelError as error:
            return await self._async_recover_request(error)
        return await self._async_finish(key)

    async def _async_recover_request(self, error: OctoPrintTunnelError) -> ConfigFlowResult:
        """Ask for a key where OctoPrint gave none, unless the tunnel is what failed."""
        if error.condition is None:
            self._problem = error.problem
            return await self.async_step_enter_key()
        return self._recover(error, self.async_step_request_key)

    async def async_step_enter_key(self, user_input: UserInput = None) -> ConfigFlowResult:
        """Take an API key that the user made."""
        if user_input is not None:
            key = user_input[CONF_API_KEY].strip()
            try:
                if not key or not is_header_text(key):
                    raise ApiKeyRejected
                await self._octoprint(key).check_key()
            except OctoPrintTunnelError as error:
                if error.remedy is Remedy.REAUTHORIZE:
                    return self._refuse(error.key)
                self._problem = error.problem
            else:
                return await self._async_finish(key)
        placeholders = (self._problem or Problem(OctoPrintTunnelError)).placeholders
        return self.async_show_form(
            step_id="enter_key",
            data_schema=self.add_suggested_values_to_schema(
                vol.Schema({vol.Required(CONF_API_KEY): SECRET}), user_input
            ),
            errors={"base": self._problem.key} if self._problem else {},
            description_placeholders={"octoprint": self._octoprint_page, **placeholders},
        )

    # Where OctoPrint does not answer

    def _recover(self, error: OctoPrintTunnelError, attempt: Attempt) -> ConfigFlowResult:
        """Ask for another connection where this one is not accepted, or else for another attempt."""
        if error.remedy is Remedy.REAUTHORIZE:
            return self._refuse(error.key)
        self._problem, self._retry = error.problem, attempt
        return self._show_offline(self._problem)

    async def async_step_printer_offline(self, user_input: UserInput = None) -> ConfigFlowResult:
        """Try again what OctoPrint could not be reached for."""
        if user_input is None and self._problem:
            return self._show_offline(self._problem)
        return await self._retry()

    def _show_offline(self, problem: Problem) -> ConfigFlowResult:
        return self.async_show_form(
            step_id="printer_offline",
            data_schema=vol.Schema({}),
            errors={"base": problem.key},
            description_placeholders=problem.placeholders,
        )

    @property
    def _octoprint_page(self) -> str:
        return link_in_markdown(self._tunnel.printer_page or self._tunnel.url)

    def _octoprint(self, api_key: str | None = None) -> OctoPrint:
        return OctoPrint(self._tunnel.route(self._client_session()), api_key)

    def _client_session(self) -> ClientSession:
        if self._session is None:
            self._session = async_create_session(self.hass, auto_cleanup=False)
        return self._session
