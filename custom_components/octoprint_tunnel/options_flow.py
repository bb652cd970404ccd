"""The options of a printer, in the user's browser."""

import voluptuous as vol

from homeassistant.config_entries import ConfigFlowResult, OptionsFlowWithReload
from homeassistant.const import CONF_VERIFY_SSL
from homeassistant.helpers.selector import (
    BooleanSelector,
    NumberSelector,
    NumberSelectorConfig,
    NumberSelectorMode,
    TextSelector,
    TextSelectorConfig,
)

from .api.transport.addresses import typed_address
from .api.tunnels import TUNNELS
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


class OctoPrintTunnelOptionsFlow(OptionsFlowWithReload):
    """How often a printer is polled, and over which network."""

    async def async_step_init(self, user_input: UserInput = None) -> ConfigFlowResult:
        """Ask for the options."""
        errors = {}
        is_metered = TUNNELS[self.config_entry.data["provider"]].metered
        schema = OPTIONS.extend(METERED.schema) if is_metered else OPTIONS
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
            data_schema=self.add_suggested_values_to_schema(schema, user_input or self.config_entry.options),
            errors=errors,
        )
