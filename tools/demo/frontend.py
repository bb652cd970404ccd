"""What a browser has to get before Home Assistant's user interface shows anything but "Loading…"."""

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
    """Confirm the address that Home Assistant serves at, and the notice of where it was configured.

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
    """Fetch what the frontend fetches first. Raises DemoError where any of it is not there."""
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
