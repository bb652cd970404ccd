"""Ask OctoPrint's user for an API key, by the workflow of the bundled Application Keys plugin."""

import asyncio
from dataclasses import dataclass, field
from http import HTTPStatus
import re

from ..errors import InvalidResponse, KeyWorkflowMissing
from .client import OctoPrint

POLL_INTERVAL = 2  # seconds; OctoPrint forgets a request that nobody polls for 5 seconds
_TOKEN = re.compile(r"[\w.-]{1,200}", re.ASCII)  # it becomes a part of an address
MOST_POLLS = 300  # ten minutes; a dialog may be left open, and its polls go over a metered line


@dataclass(frozen=True, kw_only=True, slots=True)
class KeyRequest:
    """A request that OctoPrint shows to its user."""

    token: str = field(repr=False)

    @classmethod
    async def start(cls, octoprint: OctoPrint, app: str) -> KeyRequest:
        """Ask for a key in the name of `app`. Raises KeyWorkflowMissing where the plugin is off."""
        probe = await octoprint.request("GET", "/plugin/appkeys/probe", expected=HTTPStatus.NOT_FOUND)
        if probe.status != HTTPStatus.NO_CONTENT:
            raise KeyWorkflowMissing
        response = await octoprint.request("POST", "/plugin/appkeys/request", json={"app": app})
        token = response.json().exact("app_token")
        if token is None or not _TOKEN.fullmatch(token):
            raise InvalidResponse(detail="no app_token in it")
        return cls(token=token)

    async def wait(self, octoprint: OctoPrint) -> str | None:
        """Wait for the user's decision and return the key; None where it was denied or nobody decided in time."""
        # The answer's Location is an address as OctoPrint sees itself, so the path is made here.
        path = f"/plugin/appkeys/request/{self.token}"
        for _ in range(MOST_POLLS):
            response = await octoprint.request("GET", path, expected=HTTPStatus.NOT_FOUND)
            if response.status == HTTPStatus.NOT_FOUND:
                return None
            if response.status == HTTPStatus.OK:
                if (key := response.json().exact("api_key")) and key.isascii() and key.isprintable():
                    return key
                raise InvalidResponse(detail="no api_key in it")
            await asyncio.sleep(POLL_INTERVAL)
        return None
