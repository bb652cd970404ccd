"""OctoEverywhere's App APIs beyond the state of a tunnel: Gadget, live links, notifications."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
import secrets
from typing import Any

from aiohttp import web

from .answer import Answer
from .record import Exchange


@dataclass(kw_only=True)
class AppApis:
    """What one App Connection has requested, and what the service reports to it."""

    gadget: dict[str, Any] = field(
        default_factory=lambda: {"State": 3, "Status": "All good", "StatusColor": "g", "Rating": 10}
    )
    printing: bool = False
    """Whether the service sees a print, so that a live link can end with it."""
    webhook_url: str | None = None
    deliver: Callable[[str, dict[str, Any]], Awaitable[None]] | None = None
    """Sends a delivery to a webhook's address; None loses it."""
    live_links: list[dict[str, Any]] = field(default_factory=list)

    def disable_webhook(self) -> None:
        """Deliver nothing any more, as after too many failures, without saying so."""
        self.webhook_url = None

    async def answer(self, request: web.BaseRequest, exchange: Exchange) -> dict[str, Any] | int | None:
        """Return the response, or an error code; None for another path."""
        exchange.add_request_body(await request.read())
        wish = exchange.json() if exchange.body else {}
        match (request.method, request.path.rstrip("/").lower()):
            case ("POST", "/api/gadget/getstatusfromappconnection"):
                return self.gadget
            case ("POST", "/api/live/createfromappconnection"):
                return self._live_link(wish)
            case ("POST", "/api/appconnection/setnotificationwebhook"):
                if not str(wish.get("WebhookUrl", "")).startswith("https://"):
                    return 400
                self.webhook_url = wish["WebhookUrl"]
                return {}
            case ("GET", "/api/appconnection/testwebhook"):
                if self.webhook_url and self.deliver:
                    await self.deliver(self.webhook_url, {"EventType": 16, "PrinterName": "Test printer"})
                return {}
            case ("POST", "/api/appconnection/deletenotificationwebhook"):
                self.webhook_url = None
                return {}
        return None

    def _live_link(self, wish: dict[str, Any]) -> dict[str, Any] | int:
        """Make a link; it is an error if the link is to end with a print and there is none."""
        if wish.get("EndWhenCurrentPrintIsComplete") and not self.printing:
            return 613
        link = {"LiveId": secrets.token_hex(8)}
        link |= {
            "Url": f"https://octoeverywhere.com/live/{link['LiveId']}",
            "ShortUrl": f"https://oe.sh/{link['LiveId']}",
        }
        self.live_links.append({**wish, **link})
        return link


def answer_of(said: dict[str, Any] | int, *, envelope: bool) -> Answer:
    """Return a response, in an envelope if the service uses one."""
    if isinstance(said, int):
        if envelope:
            return Answer.json({"Status": said, "Error": "error", "IsUserError": True, "Result": None}, said)
        return Answer.page(said)
    return Answer.json({"Status": 200, "Error": "", "IsUserError": False, "Result": said} if envelope else said)
