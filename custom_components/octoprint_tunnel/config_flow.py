"""Set-up, reauthentication, reconfiguration and options, in the user's browser."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from typing import Any, override

from aiohttp import ClientSession
import voluptuous as vol
from yarl import URL

from homeassistant.config_entries import (
    SOURCE_REAUTH,
    SOURCE_RECONFIGURE,
    ConfigEntry,
    ConfigEntryState,
    ConfigFlow,
    ConfigFlowResult,
    OptionsFlowWithReload,
    UnknownEntry,
)
from homeassistant.const import CONF_API_KEY, CONF_VERIFY_SSL, CONF_WEBHOOK_ID
from homeassistant.core import callback
from homeassistant.data_entry_flow import AbortFlow
from homeassistant.helpers.selector import (
    BooleanSelector,
    NumberSelector,
    NumberSelectorConfig,
    NumberSelectorMode,
    SelectSelector,
    SelectSelectorConfig,
    SelectSelectorMode,
    TextSelector,
    TextSelectorConfig,
    TextSelectorType,
)
from homeassistant.helpers.service_info.zeroconf import ZeroconfServiceInfo
from homeassistant.helpers.translation import async_get_translations
from homeassistant.helpers.typing import UNDEFINED

from .api.errors import ApiKeyRejected, OctoPrintTunnelError, PermissionMissing, Problem, Remedy
from .api.octoprint.app_keys import KeyRequest
from .api.octoprint.client import OctoPrint
from .api.octoprint.server import Instance
from .api.remote_text import in_markdown, link_in_markdown
from .api.transport.addresses import private_addresses, typed_address
from .api.tunnels import TUNNELS, tunnel_from_data
from .api.tunnels.base import APP_NAME, AuthorizationError, Authorized, Tunnel, is_header_text
from .api.tunnels.obico import Obico
from .api.tunnels.octoeverywhere import OctoEverywhere
from .authorize import NOT_AUTHORIZED, async_await_redirect, async_forget_redirect
from .const import (
    CONF_DISCOVERED_URL,
    CONF_INSTANCE_UUID,
    CONF_LIVE_UPDATES,
    CONF_LOCAL_ACCESS,
    CONF_LOCAL_URL,
    CONF_POLL_INTERVAL,
    DEFAULT_NAME,
    DOMAIN,
    MAX_POLL_INTERVAL,
    MIN_POLL_INTERVAL,
)
from .identity import (
    async_free_title,
    async_free_unique_id,
    async_is_shared,
    async_printers,
    is_same_connection,
    looks_like,
)
from .options import DEFAULTS
from .runtime import RuntimeData
from .session import async_create_session

CONF_CHOICE = "choice"
CONF_COMPLETION_URL = "completion_url"
CONF_SERVER_URL = "server_url"
CONF_TUNNEL_ENDPOINT = "tunnel_endpoint"

REPLACE = "replace"
ADD = "add"
DISCARD = "discard"
"""What to do with a new connection that seems to lead to a known printer."""

SERVER_IS_HTTP = "server_is_http"

# Credentials are part of these links, but a user who cannot see what was pasted cannot see that it was cut off.
LINK = TextSelector(TextSelectorConfig(type=TextSelectorType.TEXT, autocomplete="off"))
SECRET = TextSelector(TextSelectorConfig(type=TextSelectorType.PASSWORD, autocomplete="off"))


OPTIONS = vol.Schema(
    {
        vol.Required(CONF_POLL_INTERVAL, default=DEFAULTS[CONF_POLL_INTERVAL]): NumberSelector(
            NumberSelectorConfig(
                min=MIN_POLL_INTERVAL, max=MAX_POLL_INTERVAL, unit_of_measurement="s", mode=NumberSelectorMode.BOX
            )
        ),
        vol.Required(CONF_LIVE_UPDATES, default=DEFAULTS[CONF_LIVE_UPDATES]): BooleanSelector(),
        vol.Required(CONF_LOCAL_ACCESS, default=DEFAULTS[CONF_LOCAL_ACCESS]): BooleanSelector(),
        vol.Optional(CONF_LOCAL_URL): LINK,
        vol.Required(CONF_VERIFY_SSL, default=DEFAULTS[CONF_VERIFY_SSL]): BooleanSelector(),
    }
)

PASTE_STEPS: dict[str, tuple[type[Tunnel], str]] = {
    "octoeverywhere_paste": (OctoEverywhere, CONF_COMPLETION_URL),
    "obico_paste": (Obico, CONF_TUNNEL_ENDPOINT),
}
"""The service of each form that takes a copied link, and the form's field."""


class OctoPrintTunnelConfigFlow(ConfigFlow, domain=DOMAIN):
    """Connect one printer: first its tunnel, then OctoPrint's API key."""

    VERSION = 1

    _tunnel: Tunnel
    _authorized: Authorized
    _known: ConfigEntry
    _again: Callable[[], Awaitable[ConfigFlowResult]]

    def __init__(self) -> None:
        """Begin with nothing known."""
        self._server_url = Obico.default_server
        self._server_typed: str | None = None
        self._server_error: str | None = None
        self._service: type[Tunnel] = OctoEverywhere
        self._return_url: str | None = None
        self._refusal: str | None = None
        self._paste_step: str | None = None
        self._pasted = ""
        self._instance: Instance | None = None
        self._asked_about: set[str] = set()
        self._asking_about: set[str] = set()
        self._replaces: str | None = None
        self._recognized: str | None = None
        self._api_key: str | None = None
        self._key_task: asyncio.Task[str | None] | None = None
        self._problem: Problem | None = None
        self._session: ClientSession | None = None

    @override
    @callback
    def async_remove(self) -> None:
        """Let go of what outlives the dialog."""
        async_forget_redirect(self.hass, self.flow_id)
        if self._session:
            self._session.detach()

    @staticmethod
    @callback
    @override
    def async_get_options_flow(config_entry: ConfigEntry) -> OctoPrintTunnelOptionsFlow:
        """Return the options dialog."""
        return OctoPrintTunnelOptionsFlow()

    # Where it begins

    @override
    async def async_step_user(self, user_input: dict[str, Any] | None = None) -> ConfigFlowResult:
        """Choose the service."""
        return self.async_show_menu(step_id="user", menu_options=list(TUNNELS))

    async def async_step_reconfigure(self, user_input: dict[str, Any] | None = None) -> ConfigFlowResult:
        """Choose the service to use from now on, or renew the API key alone."""
        self._begin_with(self._get_reconfigure_entry())
        return self.async_show_menu(step_id="reconfigure", menu_options=[*TUNNELS, "api_key"])

    async def async_step_reauth(self, entry_data: Mapping[str, Any]) -> ConfigFlowResult:
        """Begin with a printer whose tunnel or API key is no longer accepted."""
        self._begin_with(self._get_reauth_entry())
        return await self.async_step_reauth_confirm()

    def _begin_with(self, entry: ConfigEntry) -> None:
        self._tunnel = tunnel_from_data(entry.data)
        self._service = type(self._tunnel)
        if isinstance(self._tunnel, Obico):
            self._server_url = self._tunnel.server_url

    @override
    @callback
    def _get_reauth_entry(self) -> ConfigEntry:
        """Return the printer to sign in to; Home Assistant asks for it with every form."""
        try:
            return super()._get_reauth_entry()
        except UnknownEntry:
            raise AbortFlow("printer_removed") from None

    @override
    @callback
    def _get_reconfigure_entry(self) -> ConfigEntry:
        """Return the printer to reconfigure; Home Assistant leaves the dialog open when the printer is removed."""
        try:
            return super()._get_reconfigure_entry()
        except UnknownEntry:
            raise AbortFlow("printer_removed") from None

    @property
    def _own_entry(self) -> ConfigEntry | None:
        """Return the printer that this dialog was opened for, None in a set-up; ends a dialog whose printer is gone."""
        if self.source == SOURCE_REAUTH:
            return self._get_reauth_entry()
        return self._get_reconfigure_entry() if self.source == SOURCE_RECONFIGURE else None

    @property
    def _entry(self) -> ConfigEntry | None:
        """Return the printer that gets the new connection or key, None where one is set up."""
        if own := self._own_entry:
            return own
        return self.hass.config_entries.async_get_entry(self._replaces) if self._replaces else None

    async def async_step_reauth_confirm(self, user_input: dict[str, Any] | None = None) -> ConfigFlowResult:
        """Say what this is about, then find out what is not accepted."""
        if user_input is None:
            placeholders = {"printer": in_markdown(self._get_reauth_entry().title)}
            return self.async_show_form(step_id="reauth_confirm", description_placeholders=placeholders)
        return await self._async_find_refused()

    async def _async_find_refused(self) -> ConfigFlowResult:
        try:
            # The service may have revoked what still opens the tunnel, so both are asked.
            await self._tunnel.status(self._tunnel.service(self._client_session()))
            self._instance = await self._octoprint().instance()
        except OctoPrintTunnelError as error:
            return await self._async_recover(error, self._async_find_refused)
        return await self._async_find_api_key()

    @override
    async def async_step_zeroconf(self, discovery_info: ZeroconfServiceInfo) -> ConfigFlowResult:
        """Remember where a printer that is set up is on the local network; others are not offered."""
        uuid = discovery_info.properties.get("uuid")
        addresses = private_addresses(discovery_info.host, [discovery_info.port or 80])
        for entry in async_printers(self.hass, uuid.lower()) if uuid else []:
            if addresses and not async_is_shared(self.hass, entry):
                url = addresses[0].with_path(discovery_info.properties.get("path") or "/")
                await self._async_note(entry, str(url).rstrip("/"))
        return self.async_abort(reason="nothing_to_set_up")

    async def _async_note(self, entry: ConfigEntry, announced: str) -> None:
        """Note an address that was announced, unless the one noted before works: any device can announce another."""
        noted = entry.data.get(CONF_DISCOVERED_URL)
        if noted not in (None, announced) and entry.state is ConfigEntryState.LOADED:
            runtime_data: RuntimeData = entry.runtime_data
            if await runtime_data.printer.router.local_address() == URL(noted):
                return
            if self.hass.config_entries.async_get_entry(entry.entry_id) is None:  # removed meanwhile
                return
        self.hass.config_entries.async_update_entry(entry, data={**entry.data, CONF_DISCOVERED_URL: announced})

    # The tunnel

    async def async_step_octoeverywhere(self, user_input: dict[str, Any] | None = None) -> ConfigFlowResult:
        """Choose how the App Connection gets here."""
        return self.async_show_menu(
            step_id="octoeverywhere",
            menu_options=["octoeverywhere_portal", "octoeverywhere_paste"],
            description_placeholders={"refusal": await self._async_refusal_text()},
        )

    async def async_step_octoeverywhere_portal(self, user_input: dict[str, Any] | None = None) -> ConfigFlowResult:
        """Send the browser to OctoEverywhere's portal."""
        return await self._async_authorize("octoeverywhere_portal", "octoeverywhere_paste", user_input)

    async def async_step_octoeverywhere_paste(self, user_input: dict[str, Any] | None = None) -> ConfigFlowResult:
        """Take the address of the portal's last page."""
        return await self._async_paste("octoeverywhere_paste", user_input)

    async def async_step_obico(self, user_input: dict[str, Any] | None = None) -> ConfigFlowResult:
        """Ask for the Obico server."""
        if user_input is None:
            return self._show_server()
        self._server_typed, self._server_error = user_input[CONF_SERVER_URL], None
        try:
            self._server_url = Obico.server_address(self._server_typed)
        except AuthorizationError as error:
            self._server_error = error.key
            return self._show_server()
        return await self.async_step_obico_method()

    def _show_server(self) -> ConfigFlowResult:
        return self.async_show_form(
            step_id="obico",
            data_schema=self.add_suggested_values_to_schema(
                vol.Schema({vol.Required(CONF_SERVER_URL, default=self._server_url): LINK}),
                {} if self._server_typed is None else {CONF_SERVER_URL: self._server_typed},
            ),
            errors={CONF_SERVER_URL: self._server_error} if self._server_error else {},
        )

    def _ask_for_http_server(self) -> ConfigFlowResult:
        """Ask for the server again, whose tunnel is http; an address without a scheme was taken as https."""
        self._server_error = SERVER_IS_HTTP
        if self._server_typed and "://" not in self._server_typed:
            self._server_typed = str(URL(self._server_url).with_scheme("http")).rstrip("/")
        return self._show_server()

    async def async_step_obico_method(self, user_input: dict[str, Any] | None = None) -> ConfigFlowResult:
        """Choose how the tunnel's endpoint gets here."""
        return self.async_show_menu(
            step_id="obico_method",
            menu_options=["obico_authorize", "obico_paste"],
            description_placeholders={
                "server": in_markdown(self._server_url),
                "refusal": await self._async_refusal_text(),
            },
        )

    async def async_step_obico_authorize(self, user_input: dict[str, Any] | None = None) -> ConfigFlowResult:
        """Send the browser to Obico's authorise page."""
        return await self._async_authorize("obico_authorize", "obico_paste", user_input)

    async def async_step_obico_paste(self, user_input: dict[str, Any] | None = None) -> ConfigFlowResult:
        """Take the tunnel's endpoint."""
        return await self._async_paste("obico_paste", user_input)

    async def _async_authorize(
        self, step_id: str, paste_step: str, completion: Mapping[str, str] | None
    ) -> ConfigFlowResult:
        """Send the browser to the service's own page, and wait until it comes back with a completion."""
        self._service, _ = PASTE_STEPS[paste_step]
        if completion:
            return self._read_completion(completion)
        # A browser that is reloaded asks for the step again, while the service's page holds the address of before.
        self._return_url = self._return_url or async_await_redirect(self.hass, self.flow_id)
        if self._return_url is None:
            return await self._async_paste(paste_step, None)
        return self.async_external_step(
            step_id=step_id, url=str(self._service.authorize_url(self._server_url, self._return_url))
        )

    def _read_completion(self, completion: Mapping[str, str]) -> ConfigFlowResult:
        # It may have come from the dialog itself; the address is for this step only.
        async_forget_redirect(self.hass, self.flow_id)
        self._return_url = self._paste_step = None
        try:
            self._authorized = self._service.from_completion(completion, self._server_url)
        except AuthorizationError as error:
            self._refusal = error.key
            return self.async_external_step_done(next_step_id=NOT_AUTHORIZED)
        return self.async_external_step_done(next_step_id="authorized")

    async def async_step_authorized(self, user_input: dict[str, Any] | None = None) -> ConfigFlowResult:
        """Use what the service sent back."""
        return await self._async_use(self._authorized)

    async def async_step_not_authorized(self, user_input: dict[str, Any] | None = None) -> ConfigFlowResult:
        """Begin again with the service, which sent back something else than a connection."""
        if self._refusal == SERVER_IS_HTTP:
            return self._ask_for_http_server()
        return await self._async_choose_method(self._refusal)

    async def _async_choose_method(self, refusal: str | None) -> ConfigFlowResult:
        """Show the service's menu, with the reason why a new connection is needed."""
        self._refusal = refusal
        if self._service is Obico:
            return await self.async_step_obico_method()
        return await self.async_step_octoeverywhere()

    async def _async_refusal_text(self) -> str:
        # A menu shows no errors, so its description has to say it.
        if self._refusal is None:
            return ""
        texts = await async_get_translations(self.hass, self.hass.config.language, "config", {DOMAIN})
        return texts[f"component.{DOMAIN}.config.error.{self._refusal}"]

    async def _async_paste(self, step_id: str, user_input: dict[str, Any] | None) -> ConfigFlowResult:
        """Take a link that the user copied."""
        self._paste_step = step_id
        self._service, field = PASTE_STEPS[step_id]
        if user_input is None:
            return self._show_paste(step_id)
        self._pasted = user_input[field]
        try:
            authorized = self._service.from_link(self._pasted, self._server_url)
        except AuthorizationError as error:
            if error.key == SERVER_IS_HTTP:
                return self._ask_for_http_server()
            return self._show_paste(step_id, error.key)
        return await self._async_use(authorized)

    def _show_paste(self, step_id: str, error: str | None = None) -> ConfigFlowResult:
        service, field = PASTE_STEPS[step_id]
        return self.async_show_form(
            step_id=step_id,
            data_schema=self.add_suggested_values_to_schema(
                vol.Schema({vol.Required(field): LINK}), {field: self._pasted}
            ),
            errors={field: error} if error else {},
            description_placeholders={"portal": link_in_markdown(str(service.authorize_url(self._server_url)))},
        )

    # Which printer it is

    async def _async_use(self, authorized: Authorized) -> ConfigFlowResult:
        """Go on with a new connection; what the user decided about another one does not hold for it."""
        self._tunnel, self._api_key = authorized.tunnel, authorized.api_key
        self._asked_about, self._replaces, self._recognized = set(), None, None
        return await self._async_identify()

    async def _async_identify(self) -> ConfigFlowResult:
        """Find out which OctoPrint is at the tunnel's other end, and ask before a known printer gets the connection."""
        try:
            self._instance = await self._octoprint().instance()
        except OctoPrintTunnelError as error:
            if error.remedy is Remedy.REAUTHORIZE:
                return await self._async_refuse(error.key)
            return self._show_offline(error.problem, self._async_identify)
        if own := self._own_entry:
            return await self._async_check_own(own)
        if known := self._look_alike() or await self._async_recognized_entry():
            return self._ask_about(known)
        return await self._async_find_api_key()

    async def _async_check_own(self, entry: ConfigEntry) -> ConfigFlowResult:
        """See that the new connection leads to the printer that this dialog was opened for."""
        if self._is_another(entry):
            if self.source == SOURCE_RECONFIGURE:
                return self.async_abort(reason="wrong_printer")
            return await self._async_refuse("wrong_printer")
        if not is_same_connection(entry, self._tunnel):
            return self._ask_about(entry)
        return await self._async_find_api_key()

    def _is_another(self, entry: ConfigEntry) -> bool:
        known = entry.data.get(CONF_INSTANCE_UUID)
        if known and (self._instance is None or self._instance.uuid != known):
            return True
        others = (other for other in async_printers(self.hass) if other.entry_id != entry.entry_id)
        return any(
            is_same_connection(other, self._tunnel) and looks_like(other, self._tunnel, self._instance)
            for other in others
        )

    def _look_alike(self) -> ConfigEntry | None:
        """Return a printer that is set up and may be this one, unless the user was asked about it."""
        printers = [
            entry
            for entry in async_printers(self.hass)
            if entry.entry_id not in self._asked_about and looks_like(entry, self._tunnel, self._instance)
        ]
        # Of printers with one instance id, the one that uses this connection already.
        same = (entry for entry in printers if is_same_connection(entry, self._tunnel))
        return next(same, printers[0] if printers else None)

    async def _async_recognized_entry(self) -> ConfigEntry | None:
        """Return the printer whose OctoPrint did not say who it is at set-up, and says now that it is this one."""
        for entry in async_printers(self.hass):
            if self._instance is None or CONF_INSTANCE_UUID in entry.data:
                continue
            try:
                instance = await OctoPrint(tunnel_from_data(entry.data).route(self._client_session())).instance()
            except OctoPrintTunnelError:
                continue
            if instance and instance.uuid == self._instance.uuid:
                self._recognized = entry.entry_id
                return entry
        return None

    def _ask_about(self, entry: ConfigEntry) -> ConfigFlowResult:
        """Ask whether a new connection is for this printer, by name and with where the connection leads."""
        self._known = entry
        # The answer holds for all of one instance id: the user can tell them apart, the id cannot.
        alike = (other for other in async_printers(self.hass) if looks_like(other, self._tunnel, self._instance))
        self._asking_about = {entry.entry_id, *(other.entry_id for other in alike)}
        choices = [REPLACE, ADD, DISCARD]
        if self._own_entry or is_same_connection(entry, self._tunnel):  # one connection leads to one printer
            choices.remove(ADD)
        selector = SelectSelector(
            SelectSelectorConfig(options=choices, mode=SelectSelectorMode.LIST, translation_key="replace_known")
        )
        return self.async_show_form(
            step_id="replace_known",
            data_schema=vol.Schema({vol.Required(CONF_CHOICE): selector}),
            description_placeholders={"printer": in_markdown(entry.title), "connection": self._connection_text},
        )

    @property
    def _connection_text(self) -> str:
        """Return where the new connection leads: the service's name of the printer, and the host, which proves more."""
        host = URL(self._tunnel.url).host_port_subcomponent or ""
        return in_markdown(f"{self._tunnel.name} ({host})" if self._tunnel.name else host)

    async def async_step_replace_known(self, user_input: dict[str, Any] | None = None) -> ConfigFlowResult:
        """Do with the new connection what the user decided."""
        if user_input is None:
            return self._ask_about(self._known)
        if user_input[CONF_CHOICE] == DISCARD:
            return await self._async_choose_method(None)
        if user_input[CONF_CHOICE] == REPLACE:
            self._replaces = self._known.entry_id
        self._asked_about |= self._asking_about
        return await self._async_find_api_key()

    async def _async_refuse(self, refusal: str) -> ConfigFlowResult:
        """Ask for another connection the way this one came, with what is wrong with this one."""
        if self._paste_step:
            return self._show_paste(self._paste_step, refusal)
        return await self._async_choose_method(refusal)

    async def _async_recover(
        self, error: OctoPrintTunnelError, again: Callable[[], Awaitable[ConfigFlowResult]]
    ) -> ConfigFlowResult:
        """Lead to what helps: a new connection, or another try."""
        if error.remedy is Remedy.REAUTHORIZE:
            return await self._async_choose_method(error.key)
        return self._show_offline(error.problem, again)

    def _show_offline(self, problem: Problem, again: Callable[[], Awaitable[ConfigFlowResult]]) -> ConfigFlowResult:
        self._problem, self._again = problem, again
        return self.async_show_form(
            step_id="printer_offline",
            data_schema=vol.Schema({}),
            errors={"base": problem.key},
            description_placeholders=problem.placeholders,
        )

    async def async_step_printer_offline(self, user_input: dict[str, Any] | None = None) -> ConfigFlowResult:
        """Try again what OctoPrint could not be reached for."""
        if user_input is None and self._problem:
            return self._show_offline(self._problem, self._again)
        return await self._again()

    # The API key

    async def _async_find_api_key(self) -> ConfigFlowResult:
        """Use the key that came with the connection, or else the stored one, where OctoPrint accepts it."""
        self._problem = None
        for key in (self._api_key, self._stored_key()):
            if not key:
                continue
            try:
                await self._octoprint(key).check_key()
            except ApiKeyRejected:
                continue
            except PermissionMissing as error:
                self._problem = error.problem
            except OctoPrintTunnelError as error:
                return await self._async_recover(error, self._async_find_api_key)
            else:
                return await self._async_finish(key)
        return await (self.async_step_enter_key() if self._problem else self.async_step_api_key())

    def _stored_key(self) -> str | None:
        """Return the printer's stored API key, if it may go through this connection.

        Through a new one only in a dialog that the user opened for the printer, once OctoPrint has shown its instance
        id, which anyone can, and the user has confirmed the connection.
        """
        if (entry := self._own_entry) is None:
            return None
        known = entry.data.get(CONF_INSTANCE_UUID)
        is_proved = known is not None and self._instance is not None and self._instance.uuid == known
        if is_same_connection(entry, self._tunnel) or (is_proved and self._replaces == entry.entry_id):
            return str(entry.data[CONF_API_KEY])
        return None

    async def async_step_api_key(self, user_input: dict[str, Any] | None = None) -> ConfigFlowResult:
        """Choose how the API key gets here."""
        self._problem = None
        return self.async_show_menu(step_id="api_key", menu_options=["request_key", "enter_key"])

    async def async_step_request_key(self, user_input: dict[str, Any] | None = None) -> ConfigFlowResult:
        """Let OctoPrint ask its user for a key, and wait for the decision."""
        if self._key_task is None:
            try:
                request = await KeyRequest.start(self._octoprint(), APP_NAME)
            except OctoPrintTunnelError as error:
                return await self._async_recover_request(error)
            self._key_task = self.hass.async_create_task(request.wait(self._octoprint()), eager_start=False)
        if not self._key_task.done():
            return self.async_show_progress(
                step_id="request_key",
                progress_action="wait_for_decision",
                description_placeholders={"octoprint": self._octoprint_page},
                progress_task=self._key_task,
            )
        return self.async_show_progress_done(next_step_id="requested_key")

    async def async_step_requested_key(self, user_input: dict[str, Any] | None = None) -> ConfigFlowResult:
        """Use the key that OctoPrint's user allowed."""
        task, self._key_task = self._key_task, None
        try:
            if task is None or (key := task.result()) is None:
                return await self.async_step_api_key()
            await self._octoprint(key).check_key()
        except OctoPrintTunnelError as error:
            return await self._async_recover_request(error)
        return await self._async_finish(key)

    async def _async_recover_request(self, error: OctoPrintTunnelError) -> ConfigFlowResult:
        """Lead to what helps where no key came of a request: one that is typed, unless the tunnel is what failed."""
        if error.condition is None:
            self._problem = error.problem
            return await self.async_step_enter_key()
        return await self._async_recover(error, self.async_step_request_key)

    async def async_step_enter_key(self, user_input: dict[str, Any] | None = None) -> ConfigFlowResult:
        """Take an API key that the user made in OctoPrint."""
        if user_input is not None:
            key = user_input[CONF_API_KEY].strip()
            try:
                if not key or not is_header_text(key):
                    raise ApiKeyRejected
                await self._octoprint(key).check_key()
            except OctoPrintTunnelError as error:
                if error.remedy is Remedy.REAUTHORIZE:
                    return await self._async_choose_method(error.key)
                self._problem = error.problem
            else:
                return await self._async_finish(key)
        return self.async_show_form(
            step_id="enter_key",
            data_schema=self.add_suggested_values_to_schema(
                vol.Schema({vol.Required(CONF_API_KEY): SECRET}), user_input
            ),
            errors={"base": self._problem.key} if self._problem else {},
            description_placeholders={
                "octoprint": self._octoprint_page,
                **(self._problem or Problem(OctoPrintTunnelError)).placeholders,
            },
        )

    # The end

    async def _async_finish(self, api_key: str) -> ConfigFlowResult:
        # The dialog may have been open for long: another one may have set the printer up, or changed its connection.
        if changed := self._unconfirmed():
            self._api_key = api_key
            return self._ask_about(changed)
        entry = self._entry
        data = {**self._tunnel.to_data(), CONF_API_KEY: api_key}
        if self._instance:
            data[CONF_INSTANCE_UUID] = self._instance.uuid
            self._reload_sharing(self._instance.uuid, entry)
        if entry:
            reason = UNDEFINED if self._own_entry else "already_configured"
            return self.async_update_reload_and_abort(entry, data=self._kept(entry, data) | data, reason=reason)
        # Not before: Home Assistant closes the other dialogs with the same id as soon as one of them ends.
        unique_id = async_free_unique_id(self.hass, self._tunnel, self._instance)
        await self.async_set_unique_id(unique_id, raise_on_progress=False)
        name = self._tunnel.name or (self._instance and self._instance.name) or DEFAULT_NAME
        return self.async_create_entry(title=async_free_title(self.hass, name), data=data)

    def _unconfirmed(self) -> ConfigEntry | None:
        """Return the printer that the user has yet to be asked about before it gets this connection."""
        if (own := self._own_entry) is None:
            return None if self._entry else self._look_alike()
        is_confirmed = self._replaces == own.entry_id or is_same_connection(own, self._tunnel)
        return None if is_confirmed else own

    def _kept(self, entry: ConfigEntry, data: Mapping[str, Any]) -> dict[str, Any]:
        """Return what stays of a printer's data: of who and where it is, only what still holds."""
        kept = [CONF_WEBHOOK_ID]
        uuid = data.get(CONF_INSTANCE_UUID)
        if uuid == entry.data.get(CONF_INSTANCE_UUID) or (uuid is None and is_same_connection(entry, self._tunnel)):
            kept += [CONF_INSTANCE_UUID, CONF_DISCOVERED_URL]
        return {name: entry.data[name] for name in kept if name in entry.data}

    def _reload_sharing(self, uuid: str, entry: ConfigEntry | None) -> None:
        """Reload the others with the instance id that a printer gets: it no longer proves their local addresses."""
        if entry and entry.data.get(CONF_INSTANCE_UUID) == uuid:
            return
        for other in async_printers(self.hass):
            if other is entry:
                continue
            if other.entry_id == self._recognized and CONF_INSTANCE_UUID not in other.data:
                # Only with its id can it be told that they share one.
                data = {**other.data, CONF_INSTANCE_UUID: uuid}
                self.hass.config_entries.async_update_entry(other, data=data)
            if other.data.get(CONF_INSTANCE_UUID) == uuid and other.state is ConfigEntryState.LOADED:
                self.hass.config_entries.async_schedule_reload(other.entry_id)

    @property
    def _octoprint_page(self) -> str:
        return link_in_markdown(self._tunnel.printer_page or self._tunnel.url)

    def _octoprint(self, api_key: str | None = None) -> OctoPrint:
        return OctoPrint(self._tunnel.route(self._client_session()), api_key)

    def _client_session(self) -> ClientSession:
        if self._session is None:
            self._session = async_create_session(self.hass, auto_cleanup=False)
        return self._session


class OctoPrintTunnelOptionsFlow(OptionsFlowWithReload):
    """How a printer is watched, and which way."""

    async def async_step_init(self, user_input: dict[str, Any] | None = None) -> ConfigFlowResult:
        """Ask for the options."""
        errors = {}
        if user_input is not None:
            options = {**user_input, CONF_POLL_INTERVAL: int(user_input[CONF_POLL_INTERVAL])}
            typed = options.pop(CONF_LOCAL_URL, "").strip()
            local_url = typed_address(typed, "http")
            if local_url:
                options[CONF_LOCAL_URL] = str(local_url)
            if local_url or not typed:
                return self.async_create_entry(data=options)
            errors[CONF_LOCAL_URL] = "invalid_url"
        return self.async_show_form(
            step_id="init",
            data_schema=self.add_suggested_values_to_schema(OPTIONS, user_input or self.config_entry.options),
            errors=errors,
        )
