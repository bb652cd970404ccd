"""The steps of the set-up dialog in which a service hands over a connection to a printer.

They are the same for all services. `Tunnel.setup` names them, and says which of them a service has.
"""

from abc import abstractmethod
from collections.abc import Awaitable, Callable
from functools import partial
from typing import Any, override

import voluptuous as vol
from yarl import URL

from homeassistant.config_entries import ConfigFlow, ConfigFlowResult
from homeassistant.core import callback
from homeassistant.helpers.selector import TextSelector, TextSelectorConfig, TextSelectorType

from .api.remote_text import in_markdown, link_in_markdown
from .api.tunnels import TUNNELS
from .api.tunnels.base import AuthorizationError, Authorized, Tunnel
from .api.tunnels.setup import SERVER_IS_HTTP, OwnServer
from .authorize import AUTHORIZED, async_await_redirect, async_forget_redirect

CONF_SERVER_URL = "server_url"
REFUSED = "refused"

# Links hold credentials, but a user who cannot see what was pasted cannot see that it was cut off.
LINK = TextSelector(TextSelectorConfig(type=TextSelectorType.TEXT, autocomplete="off"))

type UserInput = dict[str, Any] | None


class ConnectionFlow(ConfigFlow):
    """Lead the user to a service, and take the connection that comes back."""

    _authorized: Authorized

    def __init__(self) -> None:
        """Begin without a connection."""
        self._service = next(iter(TUNNELS.values()))  # until a step of another one is called
        self._server_url = self._service.default_server
        self._typed_server = ""
        self._known_tunnel: Tunnel | None = None
        self._return_url: str | None = None
        self._is_pasted = False
        self._pasted = ""
        self._refusal: str | None = None

    @override
    @callback
    def async_remove(self) -> None:
        """Stop waiting for the browser."""
        async_forget_redirect(self.hass, self.flow_id)

    @abstractmethod
    async def _async_use(self, authorized: Authorized) -> ConfigFlowResult:
        """Go on with a new connection."""

    @classmethod
    def add_steps(cls, service: type[Tunnel]) -> None:
        """Add the steps of a service; Home Assistant looks for them as `async_step_<id>`."""
        setup = service.setup
        steps = {service.provider: cls._async_menu, setup.page: cls._async_page, setup.paste: cls._async_paste}
        if server := setup.server:
            steps[server.form] = partial(cls._async_server, server=server)
            steps[server.menu] = partial(cls._async_server_menu, server=server)
        for step_id, step in steps.items():
            setattr(cls, f"async_step_{step_id}", _step_of(service, step))

    def _begin_with(self, tunnel: Tunnel) -> None:
        """Offer the service and the server that a printer uses."""
        self._known_tunnel = tunnel
        self._choose(type(tunnel))
        if tunnel.server != tunnel.default_server:
            self._server_url = self._typed_server = tunnel.server

    def _choose(self, service: type[Tunnel]) -> None:
        if service is not self._service:
            self._service, self._server_url, self._typed_server = service, service.default_server, ""

    # The ways to a connection

    async def _async_menu(self, user_input: UserInput) -> ConfigFlowResult:
        """Choose how the connection gets here."""
        setup = self._service.setup
        servers = [setup.server.form] if setup.server else []
        return self._show_menu(self._service.provider, setup.page, setup.paste, *servers)

    async def _async_server(self, user_input: UserInput, *, server: OwnServer) -> ConfigFlowResult:
        """Ask for the address of a server of the user's own."""
        if user_input is None:
            return self._ask_for_server(server)
        self._typed_server, self._refusal = user_input[CONF_SERVER_URL], None
        try:
            self._server_url = server.read(self._typed_server)
        except AuthorizationError as error:
            self._refusal = error.key
            return self._ask_for_server(server)
        return await self._async_server_menu(None, server=server)

    async def _async_server_menu(self, user_input: UserInput, *, server: OwnServer) -> ConfigFlowResult:
        """Choose how the connection gets here from a server of the user's own."""
        return self._show_menu(server.menu, self._service.setup.page, self._service.setup.paste)

    async def _async_page(self, completion: UserInput) -> ConfigFlowResult:
        """Send the browser to the service's page, and wait until it comes back with a completion."""
        if completion:
            return self._read_completion(completion)
        # A browser that is reloaded asks for the step again, while the service's page holds the first address.
        self._return_url = self._return_url or async_await_redirect(self.hass, self.flow_id)
        if self._return_url is None:
            return self._ask_for_link()
        url = self._service_page(self._return_url)
        return self.async_external_step(step_id=self._service.setup.page, url=str(url))

    def _service_page(self, return_url: str | None = None) -> URL:
        """Return the service's page, which opens on the printer that this dialog is for, if its id there is known."""
        tunnel = self._known_tunnel
        is_there = tunnel is not None and (tunnel.provider, tunnel.server) == (self._service.provider, self._server_url)
        printer_id = tunnel.printer_id if tunnel and is_there else None
        return self._service.authorize_url(self._server_url, return_url, printer_id)

    def _read_completion(self, completion: dict[str, str]) -> ConfigFlowResult:
        # The dialog itself may have sent it, and then the address still waits. It is for this step only.
        async_forget_redirect(self.hass, self.flow_id)
        self._return_url, self._is_pasted = None, False
        try:
            self._authorized = self._service.from_completion(completion, self._server_url)
        except AuthorizationError as error:
            self._refusal = error.key
            return self.async_external_step_done(next_step_id=REFUSED)
        return self.async_external_step_done(next_step_id=AUTHORIZED)

    async def async_step_authorized(self, user_input: UserInput = None) -> ConfigFlowResult:
        """Use what the service sent back."""
        return await self._async_use(self._authorized)

    async def _async_paste(self, user_input: UserInput) -> ConfigFlowResult:
        """Take a link that the user copied."""
        if user_input is None:
            return self._ask_for_link()
        self._pasted, self._is_pasted, self._refusal = user_input[self._service.setup.link], True, None
        try:
            authorized = self._service.from_link(self._pasted, self._server_url)
        except AuthorizationError as error:
            return self._refuse(error.key)
        return await self._async_use(authorized)

    # Where a connection is refused

    def _refuse(self, key: str) -> ConfigFlowResult:
        """Show why a connection cannot be used, in the form where the user can enter another one."""
        self._refusal = key
        if key == SERVER_IS_HTTP and (server := self._service.setup.server):
            if "://" not in self._typed_server:  # it was taken as https
                self._typed_server = f"http://{self._typed_server}"
            return self._ask_for_server(server)
        if self._is_pasted:
            return self._ask_for_link()
        schema = vol.Schema({})
        return self.async_show_form(step_id=REFUSED, data_schema=schema, errors={"base": key}, last_step=False)

    async def async_step_refused(self, user_input: UserInput = None) -> ConfigFlowResult:
        """Show why the service's page brought no connection, then offer its menu again."""
        if user_input is None and self._refusal:
            return self._refuse(self._refusal)
        self._refusal = None
        return await self._async_menu(None)

    # What is shown

    def _show_menu(self, step_id: str, *options: str) -> ConfigFlowResult:
        return self.async_show_menu(
            step_id=step_id,
            menu_options=list(options),
            description_placeholders={"server": in_markdown(self._server_url)},
        )

    def _ask_for_server(self, server: OwnServer) -> ConfigFlowResult:
        return self._ask(server.form, CONF_SERVER_URL, self._typed_server)

    def _ask_for_link(self) -> ConfigFlowResult:
        portal = link_in_markdown(str(self._service_page()))
        return self._ask(self._service.setup.paste, self._service.setup.link, self._pasted, portal=portal)

    def _ask(self, step_id: str, field: str, entered: str, **placeholders: str) -> ConfigFlowResult:
        """Show a form with one field, with what the user entered before and what is wrong with it."""
        return self.async_show_form(
            step_id=step_id,
            data_schema=self.add_suggested_values_to_schema(vol.Schema({vol.Required(field): LINK}), {field: entered}),
            errors={field: self._refusal} if self._refusal else {},
            description_placeholders=placeholders,
        )


type _Step = Callable[[ConnectionFlow, UserInput], Awaitable[ConfigFlowResult]]


def _step_of(service: type[Tunnel], step: _Step) -> _Step:
    async def choose_and_run(self: ConnectionFlow, user_input: UserInput = None) -> ConfigFlowResult:
        self._choose(service)
        return await step(self, user_input)

    return choose_and_run


for _service in TUNNELS.values():
    ConnectionFlow.add_steps(_service)
