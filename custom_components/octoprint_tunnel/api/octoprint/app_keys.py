"""Ask OctoPrint's user for an API key, with the workflow of the bundled Application Keys plugin."""

import asyncio
from dataclasses import dataclass, field
from http import HTTPStatus
import re

from ..errors import InvalidResponse, KeyWorkflowMissing
from ..transport.message import Request
from .client import OctoPrint

POLL_INTERVAL = 2  # seconds; OctoPrint drops a request that is not polled for 5 seconds
MAX_POLLS = 300  # ten minutes; a dialog may stay open, and its polls use metered data
_TOKEN = re.compile(r"[\w.-]{1,200}", re.ASCII)  # it becomes a part of a URL


@dataclass(frozen=True, kw_only=True, slots=True)
class KeyRequest:
    """A request that OctoPrint shows to its user."""

    token: str = field(repr=False)

    @classmethod
    async def start(cls, octoprint: OctoPrint, app: str) -> KeyRequest:
        """Ask for a key for `app`. Raises KeyWorkflowMissing if the plugin is disabled."""
        probe = await octoprint.send(Request("GET", "/plugin/appkeys/probe"), expected=HTTPStatus.NOT_FOUND)
        if probe.status != HTTPStatus.NO_CONTENT:
            raise KeyWorkflowMissing
        response = await octoprint.send(Request("POST", "/plugin/appkeys/request", json={"app": app}))
        token = response.json().exact("app_token")
        if token is None or not _TOKEN.fullmatch(token):
            raise InvalidResponse(detail="no app_token in it")
        return cls(token=token)

    async def wait(self, octoprint: OctoPrint) -> str | None:
        """Wait for the user's decision and return the key, None if the request was denied or timed out."""
        # The Location of the response is OctoPrint's own view of its address, of no use through a tunnel.
        poll = Request("GET", f"/plugin/appkeys/request/{self.token}")
        for _ in range(MAX_POLLS):
            response = await octoprint.send(poll, expected=HTTPStatus.NOT_FOUND)
            if response.status == HTTPStatus.NOT_FOUND:
                return None
            if response.status == HTTPStatus.OK:
                if (key := response.json().exact("api_key")) and key.isascii() and key.isprintable():
                    return key
                raise InvalidResponse(detail="no api_key in it")
            await asyncio.sleep(POLL_INTERVAL)
        return None
