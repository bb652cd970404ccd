"""The sessions that the integration makes."""

from aiohttp import WSServerHandshakeError, web
from aiohttp.test_utils import RawTestServer
import pytest
from yarl import URL

from custom_components.octoprint_tunnel.session import async_create_session
from homeassistant.core import HomeAssistant


async def test_a_session_keeps_no_cookies(hass: HomeAssistant) -> None:
    """They would mix up printers."""
    session, url = async_create_session(hass), URL("https://octopi.local")
    session.cookie_jar.update_cookies({"session": "1"}, url)
    assert not session.cookie_jar.filter_cookies(url)


@pytest.mark.usefixtures("socket_enabled")
async def test_a_websocket_is_not_redirected(hass: HomeAssistant) -> None:
    """The redirect would take credentials to another host."""
    paths: list[str] = []

    async def redirect(request: web.BaseRequest) -> web.Response:
        paths.append(request.path)
        return web.Response(status=302, headers={"Location": "/elsewhere"})

    async with RawTestServer(redirect) as server:
        with pytest.raises(WSServerHandshakeError):
            await async_create_session(hass).ws_connect(server.make_url("/sockjs/websocket"))
    assert paths == ["/sockjs/websocket"]
