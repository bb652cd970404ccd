"""The page that a service's authorization page sends the browser back to."""

from http import HTTPStatus
from secrets import token_urlsafe
from typing import Final

from aiohttp import web

from homeassistant.components.http import HomeAssistantView
from homeassistant.config_entries import UnknownEntry
from homeassistant.core import HomeAssistant, callback
from homeassistant.data_entry_flow import UnknownFlow
from homeassistant.helpers.http import KEY_HASS, current_request
from homeassistant.helpers.network import NoURLAvailableError, get_url
from homeassistant.util.hass_dict import HassKey

from .const import DOMAIN

PATH: Final = f"/api/{DOMAIN}/authorize"
HEADER_FRONTEND_BASE: Final = "HA-Frontend-Base"

AUTHORIZED: Final = "authorized"
"""The step that follows where the browser brought a connection."""

WAITING: HassKey[dict[str, str]] = HassKey(f"{DOMAIN}_waiting")
"""The flow that waits for each state."""

# The address bar and the history keep no credentials, and the page loads nothing that could read them.
PAGE = """<!doctype html>
<html lang="en">
<meta charset="utf-8">
<meta name="viewport" content="width=device-width">
<title>Home Assistant</title>
<style nonce="{nonce}">
body {{ font: 1.2em/1.5 sans-serif; margin: 4em auto; max-width: 30em; padding: 0 1em; text-align: center }}
</style>
<p>{text}</p>
<script nonce="{nonce}">history.replaceState(null, "", location.pathname); {script}</script>
</html>
"""
INCOMPLETE: Final = "This link is incomplete. Go back to the service's page and finish there."
GONE: Final = "This link was already used, or the dialog was closed. Start again in Home Assistant."
DONE: Final = "Done. You can close this window and continue in Home Assistant."
NO_CONNECTION: Final = "No connection was created. You can close this window. Home Assistant shows how to continue."
HEADERS: Final = {"Cache-Control": "no-store", "Referrer-Policy": "no-referrer"}
POLICY: Final = (
    "default-src 'none'; base-uri 'none'; form-action 'none'; frame-ancestors 'none';"
    " script-src 'nonce-{nonce}'; style-src 'nonce-{nonce}'"
)


@callback
def async_serve_redirects(hass: HomeAssistant) -> None:
    """Serve the page from now on, also to a browser whose dialog was lost in a restart of Home Assistant."""
    if WAITING not in hass.data:
        hass.data[WAITING] = {}
        hass.http.register_view(AuthorizeView)


@callback
def async_await_redirect(hass: HomeAssistant, flow_id: str) -> str | None:
    """Return the address to which the service sends the browser of this flow; None where no address is known.

    It works once, and a flow has one at a time. `async_forget_redirect` has to be called when the flow goes on or ends.
    """
    request = current_request.get()
    base = request.headers.get(HEADER_FRONTEND_BASE) if request else None
    if base is None:
        try:
            base = get_url(hass)
        except NoURLAvailableError:
            return None
    async_serve_redirects(hass)
    async_forget_redirect(hass, flow_id)
    state = token_urlsafe(32)
    hass.data[WAITING][state] = flow_id
    return f"{base.rstrip('/')}{PATH}/{state}"


@callback
def async_forget_redirect(hass: HomeAssistant, flow_id: str) -> None:
    """Stop waiting for the browser of a flow."""
    waiting = hass.data.get(WAITING, {})
    for state in [state for state, waiting_flow in waiting.items() if waiting_flow == flow_id]:
        del waiting[state]


class AuthorizeView(HomeAssistantView):
    """Hands what the service appended to the address to the flow that waits for it."""

    url = f"{PATH}/{{state}}"
    extra_urls = [f"{PATH}/{{state}}/"]  # noqa: RUF012
    name = f"api:{DOMAIN}:authorize"
    requires_auth = False  # the state, known only to the browser that began the flow, is the authorization

    async def get(self, request: web.Request, state: str) -> web.Response:
        """Take what the service sent with the browser."""
        hass: HomeAssistant = request.app[KEY_HASS]
        if not request.query:
            return _page(INCOMPLETE)
        flow_id = hass.data[WAITING].pop(state, None)
        if flow_id is None:
            return _page(GONE)
        try:
            result = await hass.config_entries.flow.async_configure(flow_id, dict(request.query))
        except UnknownFlow, UnknownEntry:
            return _page(GONE)
        text = DONE if result["step_id"] == AUTHORIZED else NO_CONNECTION
        return _page(text, HTTPStatus.OK, "window.close();")


def _page(text: str, status: HTTPStatus = HTTPStatus.BAD_REQUEST, script: str = "") -> web.Response:
    nonce = token_urlsafe(16)
    return web.Response(
        text=PAGE.format(text=text, script=script, nonce=nonce),
        content_type="text/html",
        status=status,
        headers={**HEADERS, "Content-Security-Policy": POLICY.format(nonce=nonce)},
    )
