"""The files that a browser needs to show Home Assistant's user interface."""

import re

from . import DOMAIN, DemoError
from .client import CommandError, HomeAssistantClient

_COMMANDS = (
    "get_config",
    "get_panels",
    "get_states",
    "config/area_registry/list",
    "config/device_registry/list",
    "config/entity_registry/list_for_display",
    "frontend/get_themes",
    "lovelace/info",
)


async def confirm_address(client: HomeAssistantClient) -> None:
    """Confirm Home Assistant's address, and the notice about its configuration.

    Unconfirmed, Home Assistant goes back to its usual one and restarts after five minutes. Versions that put no
    address on trial do not know the command.
    """
    try:
        await client.command("http/config/promote")
        await client.command("repairs/ignore_issue", domain="http", issue_id="deprecated_yaml", ignore=True)
    except CommandError as error:
        if error.code not in ("unknown_command", "unknown_issue"):
            raise


async def check_frontend(client: HomeAssistantClient) -> None:
    """Fetch the files that the frontend fetches first. Raises DemoError if one is missing."""
    page = await client.page("/")
    scripts = re.findall(r'href="(/frontend_latest/[^"]+\.js)"', page)
    if "<home-assistant>" not in page or not scripts:
        raise DemoError("/ is not the frontend's page")
    for script in scripts:
        await client.page(script)
    for command in _COMMANDS:
        await client.command(command)
    if "press" not in (await client.command("get_services")).get("button", {}):
        raise DemoError("Home Assistant's list of actions lacks button.press")
    for category in ("config", "entity"):
        texts = await client.command(
            "frontend/get_translations", language="en", category=category, integration=[DOMAIN]
        )
        if not texts["resources"]:
            raise DemoError(f"Home Assistant has no texts of the integration ({category})")
