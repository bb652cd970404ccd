"""The HTTP sessions of the integration."""

from aiohttp import ClientSession, DummyCookieJar

from homeassistant.core import HomeAssistant, callback
from homeassistant.helpers.aiohttp_client import async_create_clientsession

from .api.transport.verified_connection import ObservedRequest
from .api.transport.websocket import refuse_redirects


@callback
def async_create_session(hass: HomeAssistant, *, verify_ssl: bool = True, auto_cleanup: bool = True) -> ClientSession:
    """Return a session that keeps no cookies, whose WebSockets follow no redirects, and that can refuse connections.

    OctoPrint and Obico set session cookies. If they were kept, printers would be mixed up, and OctoPrint would refuse
    requests as forged. Without `auto_cleanup` the caller has to detach the session.
    """
    return async_create_clientsession(
        hass,
        verify_ssl,
        auto_cleanup,
        cookie_jar=DummyCookieJar(),
        middlewares=(refuse_redirects,),
        request_class=ObservedRequest,
    )
