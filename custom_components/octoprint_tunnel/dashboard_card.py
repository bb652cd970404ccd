"""Serves the dashboard card, and loads it with Home Assistant's user interface."""

from pathlib import Path
from typing import Final

from homeassistant.components.frontend import add_extra_js_url
from homeassistant.components.http import StaticPathConfig
from homeassistant.core import HomeAssistant
from homeassistant.loader import async_get_integration

from .const import DOMAIN

FILE: Final = Path(__file__).parent / "frontend" / "printer-card.js"
URL: Final = f"/{DOMAIN}/{FILE.name}"


async def async_serve_card(hass: HomeAssistant) -> None:
    """Add the card to the card picker of every dashboard. Without a user interface there is nothing to do."""
    if "frontend" not in hass.config.components:
        return
    await hass.http.async_register_static_paths([StaticPathConfig(URL, str(FILE), cache_headers=True)])
    # Browsers keep the file for a month; another version has another address.
    integration = await async_get_integration(hass, DOMAIN)
    add_extra_js_url(hass, f"{URL}?version={integration.version}")
