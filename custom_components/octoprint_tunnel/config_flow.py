"""Set-up, reauthentication and reconfiguration of a printer, in the user's browser.

First a connection (`connection_flow.py`), then which printer it leads to, then OctoPrint's API key (`api_key_flow.py`).
"""

from collections.abc import Mapping
from typing import Any, override

import voluptuous as vol
from yarl import URL

from homeassistant.config_entries import (
    SOURCE_REAUTH,
    SOURCE_RECONFIGURE,
    ConfigEntry,
    ConfigEntryState,
    ConfigFlowResult,
    OptionsFlow,
    UnknownEntry,
)
from homeassistant.const import CONF_API_KEY
from homeassistant.core import callback
from homeassistant.data_entry_flow import AbortFlow
from homeassistant.helpers.selector import SelectSelector, SelectSelectorConfig, SelectSelectorMode
from homeassistant.helpers.service_info.zeroconf import ZeroconfServiceInfo
from homeassistant.helpers.typing import UNDEFINED

from .api.errors import OctoPrintTunnelError, Problem, Remedy
from .api.octoprint.server import Instance
from .api.remote_text import in_markdown
from .api.tunnels import TUNNELS, tunnel_from_data
from .api.tunnels.base import Authorized
from .api_key_flow import ApiKeyFlow
from .connection_flow import UserInput
from .const import CONF_INSTANCE_UUID, DEFAULT_NAME, DOMAIN
from .discovery import async_store_announced_address
from .identity import (
    async_find_recognized,
    async_free_title,
    async_free_unique_id,
    async_look_alikes,
    async_reload_sharing,
    is_same_connection,
    kept_data,
)
from .options_flow import OctoPrintTunnelOptionsFlow
from .runtime import OctoPrintTunnelConfigEntry

CONF_CHOICE = "choice"

REPLACE = "replace"
ADD = "add"
DISCARD = "discard"
"""What to do with a new connection that seems to lead to a known printer."""


class OctoPrintTunnelConfigFlow(ApiKeyFlow, domain=DOMAIN):
    """Connect one printer."""

    VERSION = 1

    _known: ConfigEntry

    def __init__(self) -> None:
        """Begin with nothing known about the printer."""
        super().__init__()
        self._instance: Instance | None = None
        self._asked_about: set[str] = set()
        self._asking_about: set[str] = set()
        self._replaces: str | None = None
        self._recognized: ConfigEntry | None = None

    @staticmethod
    @callback
    @override
    def async_get_options_flow(config_entry: ConfigEntry) -> OptionsFlow:
        """Return the options dialog."""
        return OctoPrintTunnelOptionsFlow()

    # Where it begins

    @override
    async def async_step_user(self, user_input: UserInput = None) -> ConfigFlowResult:
        """Choose the service."""
        pages = {f"{name}_account": page for name, service in TUNNELS.items() if (page := service.setup.sign_up)}
        return self.async_show_menu(step_id="user", menu_options=list(TUNNELS), description_placeholders=pages)

    async def async_step_reconfigure(self, user_input: UserInput = None) -> ConfigFlowResult:
        """Choose the service to use from now on, or renew the API key alone."""
        self._begin_with_entry(self._get_reconfigure_entry())
        return self.async_show_menu(step_id="reconfigure", menu_options=[*TUNNELS, "api_key"])

    async def async_step_reauth(self, entry_data: Mapping[str, Any]) -> ConfigFlowResult:
        """Begin with a printer whose tunnel or API key is no longer accepted."""
        self._begin_with_entry(self._get_reauth_entry())
        return await self.async_step_reauth_confirm()

    def _begin_with_entry(self, entry: ConfigEntry) -> None:
        self._tunnel = tunnel_from_data(entry.data)
        self._begin_with(self._tunnel)

    async def async_step_reauth_confirm(self, user_input: UserInput = None) -> ConfigFlowResult:
        """Say what this is about, then find out what is not accepted."""
        if user_input is None:
            return self._show_reason(self._get_reauth_entry())
        return await self._async_find_refused()

    def _show_reason(self, entry: OctoPrintTunnelConfigEntry) -> ConfigFlowResult:
        """Show which printer this is about, and what the last requests met."""
        problem = _refusal_of(entry) if entry.state is ConfigEntryState.LOADED else None
        return self.async_show_form(
            step_id="reauth_confirm",
            errors={"base": problem.key} if problem else {},
            description_placeholders={"printer": in_markdown(entry.title), **(problem.placeholders if problem else {})},
        )

    async def _async_find_refused(self) -> ConfigFlowResult:
        try:
            # The service may have revoked what still opens the tunnel, so both are asked.
            await self._tunnel.connect(self._client_session()).status()
            self._instance = await self._octoprint().instance()
        except OctoPrintTunnelError as error:
            if error.remedy is Remedy.REAUTHORIZE:
                return await self._async_begin(None)
            return self._recover(error, self._async_find_refused)
        return await self._async_find_api_key()

    @override
    async def async_step_zeroconf(self, discovery_info: ZeroconfServiceInfo) -> ConfigFlowResult:
        """Store where a printer that is set up is on the local network; others are not offered."""
        await async_store_announced_address(self.hass, discovery_info)
        return self.async_abort(reason="nothing_to_set_up")

    # The printer that it is for

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

    # The printer that a connection leads to

    @override
    async def _async_use(self, authorized: Authorized) -> ConfigFlowResult:
        """Go on with a new connection; what the user decided about another one does not hold for it."""
        self._tunnel, self._api_key = authorized.tunnel, authorized.api_key
        self._asked_about, self._replaces, self._recognized = set(), None, None
        return await self._async_identify()

    async def _async_identify(self) -> ConfigFlowResult:
        """Find out which OctoPrint the tunnel leads to, and ask before a known printer gets the connection."""
        try:
            self._instance = await self._octoprint().instance()
        except OctoPrintTunnelError as error:
            if self._service.setup.page is None:  # the user may have mistyped the address
                return self._refuse(error.key, **error.problem.placeholders)
            return self._recover(error, self._async_identify)
        if own := self._own_entry:
            return await self._async_check_own(own)
        if known := self._look_alike():
            return self._ask_about(known)
        self._recognized = await async_find_recognized(self.hass, self._client_session(), self._instance)
        if self._recognized:
            return self._ask_about(self._recognized)
        return await self._async_find_api_key()

    async def _async_check_own(self, entry: ConfigEntry) -> ConfigFlowResult:
        """Check that the new connection leads to the printer that this dialog was opened for."""
        if self._is_another(entry):
            if self.source == SOURCE_RECONFIGURE:
                return self.async_abort(reason="wrong_printer")
            return self._refuse("wrong_printer")
        if not is_same_connection(entry, self._tunnel):
            return self._ask_about(entry)
        return await self._async_find_api_key()

    def _is_another(self, entry: ConfigEntry) -> bool:
        known = entry.data.get(CONF_INSTANCE_UUID)
        if known and (self._instance is None or self._instance.uuid != known):
            return True
        alike = async_look_alikes(self.hass, self._tunnel, self._instance)
        return any(other is not entry and is_same_connection(other, self._tunnel) for other in alike)

    def _look_alike(self) -> ConfigEntry | None:
        """Return a printer that is set up and may be this one, unless the user was asked about it."""
        alike = async_look_alikes(self.hass, self._tunnel, self._instance)
        return next((entry for entry in alike if entry.entry_id not in self._asked_about), None)

    def _ask_about(self, entry: ConfigEntry) -> ConfigFlowResult:
        """Ask whether a new connection is for this printer, by name and with where the connection leads."""
        self._known = entry
        # The choice holds for all of one instance id: the user can tell them apart, the id cannot.
        alike = async_look_alikes(self.hass, self._tunnel, self._instance)
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

    async def async_step_replace_known(self, user_input: UserInput = None) -> ConfigFlowResult:
        """Do with the new connection what the user decided."""
        if user_input is None:
            return self._ask_about(self._known)
        if user_input[CONF_CHOICE] == DISCARD:
            return await self._async_begin(None)
        if user_input[CONF_CHOICE] == REPLACE:
            self._replaces = self._known.entry_id
        self._asked_about |= self._asking_about
        return await self._async_find_api_key()

    @override
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

    # The end

    @override
    async def _async_finish(self, api_key: str) -> ConfigFlowResult:
        # The dialog may have been open for long: another one may have set the printer up, or changed its connection.
        if changed := self._unconfirmed():
            self._api_key = api_key
            return self._ask_about(changed)
        entry = self._entry
        data = {**self._tunnel.to_data(), CONF_API_KEY: api_key}
        if self._instance:
            data[CONF_INSTANCE_UUID] = self._instance.uuid
            async_reload_sharing(self.hass, self._instance.uuid, entry, self._recognized)
        if entry:
            reason = UNDEFINED if self._own_entry else "already_configured"
            data = kept_data(entry, data, self._tunnel) | data
            return self.async_update_reload_and_abort(entry, data=data, reason=reason)
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


def _refusal_of(entry: OctoPrintTunnelConfigEntry) -> Problem | None:
    """Return why a printer needs the user: the service or OctoPrint does not accept the stored access."""
    problems = (entry.runtime_data.tunnel.data.problem, entry.runtime_data.printer.problem)
    return next((problem for problem in problems if problem and problem.needs_user), None)
