"""The options of a printer, in the user's browser."""

from typing import Any, Final

import voluptuous as vol

from homeassistant.config_entries import ConfigFlowResult, OptionsFlowWithReload
from homeassistant.const import CONF_VERIFY_SSL
from homeassistant.helpers.aiohttp_client import async_get_clientsession
from homeassistant.helpers.selector import (
    BooleanSelector,
    NumberSelector,
    NumberSelectorConfig,
    NumberSelectorMode,
    TextSelector,
    TextSelectorConfig,
)

from .account_webhook import async_account_webhook_address
from .api.remote_text import as_name
from .api.transport.addresses import typed_address
from .api.tunnels import tunnel_from_data
from .api.tunnels.base import AccountNotifications
from .connection_flow import UserInput
from .const import (
    CONF_DATA_AUTOPILOT,
    CONF_LIVE_UPDATES,
    CONF_LOCAL_ACCESS,
    CONF_LOCAL_URL,
    CONF_POLL_INTERVAL,
    MAX_POLL_INTERVAL,
    MIN_POLL_INTERVAL,
)
from .options import DEFAULTS

SHOW_WEBHOOK: Final = "show_webhook"
INTERVAL = NumberSelectorConfig(
    min=MIN_POLL_INTERVAL, max=MAX_POLL_INTERVAL, unit_of_measurement="s", mode=NumberSelectorMode.BOX
)
OPTIONS = vol.Schema(
    {
        vol.Required(CONF_POLL_INTERVAL, default=DEFAULTS[CONF_POLL_INTERVAL]): NumberSelector(INTERVAL),
        vol.Required(CONF_LIVE_UPDATES, default=DEFAULTS[CONF_LIVE_UPDATES]): BooleanSelector(),
        vol.Required(CONF_LOCAL_ACCESS, default=DEFAULTS[CONF_LOCAL_ACCESS]): BooleanSelector(),
        vol.Optional(CONF_LOCAL_URL): TextSelector(TextSelectorConfig(autocomplete="off")),
        vol.Required(CONF_VERIFY_SSL, default=DEFAULTS[CONF_VERIFY_SSL]): BooleanSelector(),
    }
)
METERED = vol.Schema({vol.Required(CONF_DATA_AUTOPILOT, default=DEFAULTS[CONF_DATA_AUTOPILOT]): BooleanSelector()})
"""The options of a tunnel with a limited amount of data."""
NOTIFYING = vol.Schema({vol.Required(SHOW_WEBHOOK, default=False): BooleanSelector()})
"""What a service needs whose users enter the address for notifications themselves. It is not stored."""


class OctoPrintTunnelOptionsFlow(OptionsFlowWithReload):
    """How often a printer is polled, over which network, and where the service sends its notifications."""

    _notifications: AccountNotifications | None
    _options: dict[str, Any]

    async def async_step_init(self, user_input: UserInput = None) -> ConfigFlowResult:
        """Ask for the options."""
        errors = {}
        tunnel = tunnel_from_data(self.config_entry.data)
        self._notifications = tunnel.connect(async_get_clientsession(self.hass)).account_notifications
        schema = OPTIONS.extend(METERED.schema) if tunnel.metered else OPTIONS
        if self._notifications:
            schema = schema.extend(NOTIFYING.schema)
        if user_input is not None:
            options = {**user_input, CONF_POLL_INTERVAL: int(user_input[CONF_POLL_INTERVAL])}
            shows_webhook = options.pop(SHOW_WEBHOOK, False)
            typed = options.pop(CONF_LOCAL_URL, "").strip()
            local_url = typed_address(typed, "http")
            if local_url:
                options[CONF_LOCAL_URL] = str(local_url)
            if local_url or not typed:
                self._options = options
                return await (self.async_step_webhook() if shows_webhook else self.async_step_save())
            errors[CONF_LOCAL_URL] = "invalid_url"
        return self.async_show_form(
            step_id="init",
            data_schema=self.add_suggested_values_to_schema(schema, user_input or self.config_entry.options),
            errors=errors,
        )

    async def async_step_webhook(self, user_input: UserInput = None) -> ConfigFlowResult:
        """Show the address to enter at the service, then save the options."""
        if user_input is not None or self._notifications is None:
            return await self.async_step_save()
        address = await async_account_webhook_address(self.hass, self.config_entry, self._notifications)
        return self.async_show_form(
            step_id="webhook",
            data_schema=vol.Schema({}),
            errors={} if address else {"base": "no_webhook_address"},
            description_placeholders={"address": address or "-", "printer": as_name(self.config_entry.title)},
            last_step=True,
        )

    async def async_step_save(self, user_input: UserInput = None) -> ConfigFlowResult:
        """Save the options."""
        return self.async_create_entry(data=self._options)
