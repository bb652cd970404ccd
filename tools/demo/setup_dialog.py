"""Set a printer up as a user does: the dialog, the service's page, and back."""

import asyncio
from dataclasses import dataclass
import ssl
from typing import Any

from aiohttp import ClientSession, DummyCookieJar, TCPConnector
from yarl import URL

from tests.octoprint.server import OctoPrintServer
from tests.relay import Relay
from tests.relay.network import point_services_at

from . import DOMAIN, DemoError
from .client import HomeAssistantClient

_FLOWS = "/api/config/config_entries/flow"
_PROGRESS_TIMEOUT = 60.0  # seconds
_WAITING_TYPES = ("external", "external_done", "progress", "progress_done")

CHOICES: dict[str, list[tuple[str, dict[str, object]]]] = {
    "octoeverywhere": [
        ("user", {"next_step_id": "octoeverywhere"}),
        ("octoeverywhere", {"next_step_id": "octoeverywhere_portal"}),
    ],
    "obico": [
        ("user", {"next_step_id": "obico"}),
        ("obico", {"next_step_id": "obico_authorize"}),
    ],
}
"""By provider, what the user enters at each step until the service's page opens."""


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """The result of the dialog, and its steps."""

    entry_id: str
    title: str
    steps: list[str]


class SetupDialog:
    """The dialog in the browser of a user who is logged in to the service and to OctoPrint."""

    def __init__(self, client: HomeAssistantClient, relay: Relay, octoprint: OctoPrintServer) -> None:
        """Prepare; the dialog is not open yet."""
        self._client = client
        self._relay = relay
        self._octoprint = octoprint
        self._steps: list[str] = []

    async def go_through(self, provider: str, form: dict[str, object] | None = None) -> Outcome:
        """Set the printer up, with what the user enters for an address. Raises DemoError if there is another step."""
        progress = await self._client.events("data_entry_flow_progressed")
        step = await self._client.rest("POST", _FLOWS, {"handler": DOMAIN, "show_advanced_options": False})
        address = [("user", {"next_step_id": provider}), (provider, form or {})]
        for step_id, entered in CHOICES.get(provider, address):
            self._expect(step, step_id=step_id)
            step = await self._client.rest("POST", f"{_FLOWS}/{step['flow_id']}", entered)
        if provider in CHOICES:
            self._expect(step, type="external")
            await self._visit(URL(step["url"]))
            step = await self._next(step, progress)
        if step["type"] == "menu":  # the portal made no key
            self._expect(step, step_id="api_key")
            step = await self._client.rest("POST", f"{_FLOWS}/{step['flow_id']}", {"next_step_id": "request_key"})
            self._expect(step, type="progress")
            await asyncio.to_thread(self._octoprint.decide_key_request, allow=True)
            self._steps.append("allowed in OctoPrint")
            step = await self._next(step, progress)
        self._expect(step, type="create_entry")
        return Outcome(entry_id=step["result"]["entry_id"], title=step["title"], steps=self._steps)

    def _expect(self, step: dict[str, Any], **expected: str) -> None:
        """Record a step; raises DemoError if it is not the expected one."""
        name = step.get("step_id") or step["type"]
        self._steps.append(name)
        if step.items() >= expected.items():
            return
        why = step.get("errors") or step.get("reason") or ""
        raise DemoError(f"The set-up went {' → '.join(self._steps)} {why}, expected {expected}")

    async def _next(self, step: dict[str, Any], progress: asyncio.Queue[dict[str, Any]]) -> dict[str, Any]:
        """Return the step after one that waits for an external page, as the frontend gets it."""
        try:
            async with asyncio.timeout(_PROGRESS_TIMEOUT):
                while step["type"] in _WAITING_TYPES:
                    event = await progress.get()
                    if event["data"]["flow_id"] == step["flow_id"]:
                        step = await self._client.rest("GET", f"{_FLOWS}/{step['flow_id']}")
        except TimeoutError:
            raise DemoError(f"The set-up stopped at {step['step_id']}") from None
        return step

    async def _visit(self, page: URL) -> None:
        """Open the service's page, allow access, and follow its redirect to Home Assistant."""
        context = ssl.create_default_context(cafile=self._relay.ca_file)
        connector = TCPConnector(ssl=context)
        with point_services_at(self._relay.port):
            async with ClientSession(connector=connector, cookie_jar=DummyCookieJar()) as browser:
                async with browser.get(page, allow_redirects=False) as answer:
                    target = answer.headers.get("Location", "")
                self._steps.append(f"{page.host}")
                own = f"{self._client.url}api/{DOMAIN}/authorize/"
                if not target.startswith(own):
                    raise DemoError(f"{page.host} answered {answer.status} and leads to {target[:80]!r}, not {own}…")
                async with browser.get(URL(target, encoded=True)) as answer:
                    if not answer.ok:
                        raise DemoError(f"Home Assistant answered {answer.status} to the browser that came back")
