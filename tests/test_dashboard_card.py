"""The dashboard card reaches the browser."""

from http import HTTPStatus
from pathlib import Path

from pytest_homeassistant_custom_component.common import MockConfigEntry
from pytest_homeassistant_custom_component.typing import ClientSessionGenerator

from custom_components.octoprint_tunnel.const import DOMAIN
from custom_components.octoprint_tunnel.dashboard_card import FILE, URL
from homeassistant.components.frontend import DATA_EXTRA_MODULE_URL
from homeassistant.core import HomeAssistant
from homeassistant.loader import async_get_integration
from homeassistant.setup import async_setup_component


async def test_card(
    hass: HomeAssistant, hass_client_no_auth: ClientSessionGenerator, tmp_path: Path, entry: MockConfigEntry
) -> None:
    """It is loaded with the user interface, once for all printers, at an address that changes with the version."""
    (tmp_path / "hass_frontend").mkdir()
    assert await async_setup_component(hass, "frontend", {"frontend": {"development_repo": str(tmp_path)}})
    assert await async_setup_component(hass, DOMAIN, {})
    version = (await async_get_integration(hass, DOMAIN)).version
    ours = [url for url in hass.data[DATA_EXTRA_MODULE_URL].urls if DOMAIN in url]
    assert ours == [f"{URL}?version={version}"]
    client = await hass_client_no_auth()
    async with client.get(ours[0]) as response:
        assert response.status == HTTPStatus.OK
        assert response.content_type in ("text/javascript", "application/javascript")
        assert "max-age" in response.headers["Cache-Control"]
        assert await response.text() == FILE.read_text(encoding="utf-8")


async def test_without_user_interface(hass: HomeAssistant) -> None:
    """Everything else is set up."""
    assert await async_setup_component(hass, DOMAIN, {})
    assert hass.services.has_service(DOMAIN, "connect")
    assert DATA_EXTRA_MODULE_URL not in hass.data
