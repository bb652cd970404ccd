"""The parts of the demo: a real OctoPrint with a webcam, the relay or a real proxy, and a real Home Assistant."""

import asyncio
from contextlib import AsyncExitStack
from http import HTTPStatus
import json
from pathlib import Path
import secrets
from types import TracebackType
from typing import Self

from tests.octoprint.server import OctoPrintServer
from tests.proxies import Proxy
from tests.relay import Printer, Relay

from . import DemoError, say
from .client import HomeAssistantClient
from .frontend import check_frontend, confirm_address
from .scene import a_print_under_way
from .server import HomeAssistantServer

_NAME = "Demo printer"
_OCTOPRINT_CONFIG = {
    "appearance": {"name": _NAME},
    # OctoPrint looks for printers on all serial ports; real printers of this machine are excluded.
    "serial": {"blacklistedPorts": ["/dev/*"]},
}


class Stage:
    """All processes; entering it takes until Home Assistant shows its user the empty dashboard."""

    def __init__(self, octoprint: str, folder: Path, proxy: str | None = None) -> None:
        """Prepare everything for this version of OctoPrint, in an empty folder, with this kind of proxy if any."""
        self.octoprint = OctoPrintServer(octoprint, config=_OCTOPRINT_CONFIG)
        self._printer = Printer(url=self.octoprint.url, name=_NAME)
        self.relay = Relay(self._printer)
        self.proxy = proxy and Proxy(
            kind=proxy,
            octoprint=self.octoprint.url,
            login=("demo", secrets.token_urlsafe(9)),
            headers={"CF-Access-Client-Id": "demo.access", "CF-Access-Client-Secret": secrets.token_hex(32)},
        )
        self.server = HomeAssistantServer(self.relay, folder)
        self.client = HomeAssistantClient(self.server.url)
        self._stack = AsyncExitStack()

    async def __aenter__(self) -> Self:
        """Start everything. Raises DemoError or OctoPrintError if something does not start."""
        async with AsyncExitStack() as stack:
            stack.push_async_callback(asyncio.to_thread, self.octoprint.close)
            await stack.enter_async_context(self.client)
            await stack.enter_async_context(self.relay)
            say("starting Home Assistant")
            await stack.enter_async_context(self.server)
            say(f"starting OctoPrint {self.octoprint.version}")
            await asyncio.to_thread(self.octoprint.start)
            self._printer.api_key = self.octoprint.api_key
            if self.proxy:
                self.proxy.webcam = self.relay.webcam.url
                await asyncio.to_thread(stack.enter_context, self.proxy)
            await asyncio.to_thread(self._point_a_webcam_at_it)
            await asyncio.to_thread(self._finish_wizards)
            await self._open()
            self._stack = stack.pop_all()
        return self

    async def __aexit__(
        self, exc_type: type[BaseException] | None, exc: BaseException | None, traceback: TracebackType | None
    ) -> None:
        """End everything."""
        await self._stack.aclose()

    def _point_a_webcam_at_it(self) -> None:
        """Set a webcam up in OctoPrint as OctoPi does; for Obico, as if it was watched just now."""
        addresses = {"snapshot": f"{self.relay.webcam.url}/?action=snapshot", "stream": "/webcam/?action=stream"}
        status, _ = self.octoprint.request("POST", "/api/settings", {"plugins": {"classicwebcam": addresses}})
        if status != HTTPStatus.OK:
            raise DemoError(f"OctoPrint does not take a webcam: {status}")
        self.relay.webcam.draw = a_print_under_way
        self.relay.obico.watched = True

    def _finish_wizards(self) -> None:
        """Answer what OctoPrint asks in its first start, so that its pages show the printer."""
        _, body = self.octoprint.request("GET", "/api/setup/wizard")
        handled = [name for name, wizard in json.loads(body).items() if wizard["required"]]
        status, _ = self.octoprint.request("POST", "/api/setup/wizard", {"handled": handled})
        if status != HTTPStatus.NO_CONTENT:
            raise DemoError(f"OctoPrint does not end its wizards: {status}")

    async def _open(self) -> None:
        """Set Home Assistant up until its user sees the empty dashboard."""
        await self.server.wait_until_it_serves()
        await self.client.onboard()
        await confirm_address(self.client)
        version = await self.server.wait_until_it_has_started(self.client)
        await check_frontend(self.client)
        say(f"Home Assistant {version} runs at {self.server.url}")
