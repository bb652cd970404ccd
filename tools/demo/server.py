"""A real Home Assistant in a process of its own, with a new configuration."""

import asyncio
from asyncio.subprocess import PIPE, STDOUT, Process
import contextlib
import json
import os
from pathlib import Path
import signal
import socket
from types import TracebackType
from typing import Self

from aiohttp import ClientError, ClientSession
from yarl import URL

from tests.relay import Relay

from . import DOMAIN, HOME_ASSISTANT, ROOT, DemoError, say
from .client import HomeAssistantClient
from .environment import home_assistant_environment
from .log import Log
from .waiting import until

_START_TIMEOUT = 600.0  # seconds; the first start downloads some 60 MB
_STOP_TIMEOUT = 20.0
_RESTART = 100
"""The exit status of Home Assistant that requests a restart."""

_CONFIGURATION = """\
# Home Assistant sets up the other integrations that the frontend needs.
homeassistant:
  name: Demo
  country: GB
http:
  server_host: 127.0.0.1
  server_port: {port}
"""

# The other steps are done as a user does. This one would set up a weather service, a speech service and a radio
# directory, which use the internet.
_ONBOARDING = {"version": 4, "key": "onboarding", "data": {"done": ["core_config"]}}


class HomeAssistantServer:
    """Home Assistant with this checkout's integration, which reaches the services at a relay."""

    def __init__(self, relay: Relay, folder: Path) -> None:
        """Make its folders inside the folder of the demo, which must be new."""
        self.url = URL.build(scheme="http", host="127.0.0.1", port=_free_port(), path="/")
        self.log = Log(folder / "home-assistant.log")
        self._config, self._home = folder / "config", folder / "home"
        self._relay = relay
        self._process: Process | None = None
        self._make_folders()

    async def __aenter__(self) -> Self:
        """Start, without waiting."""
        await self._start()
        return self

    async def __aexit__(
        self, exc_type: type[BaseException] | None, exc: BaseException | None, traceback: TracebackType | None
    ) -> None:
        """Stop."""
        await self._stop()

    async def wait_until_it_serves(self) -> None:
        """Wait for the first HTTP response, which comes before everything is set up."""
        async with ClientSession() as session:

            async def ask() -> bool | None:
                self._look_at_start()
                with contextlib.suppress(ClientError, OSError):
                    async with session.get(self.url / "api" / "onboarding") as answer:
                        return answer.ok or None
                return None

            await until(ask, seconds=_START_TIMEOUT, otherwise="Home Assistant did not serve its API")

    async def wait_until_it_has_started(self, client: HomeAssistantClient) -> str:
        """Wait until everything is set up, and return Home Assistant's version."""

        async def ask() -> str | None:
            self._look_at_start()
            config = await client.command("get_config")
            return str(config["version"]) if config["state"] == "RUNNING" else None

        version = await until(ask, seconds=_START_TIMEOUT, otherwise="Home Assistant did not finish its start")
        self.log.mark_start_finished()
        return version

    async def wait_until_it_ends(self) -> None:
        """Wait, and start it again when its user restarts it. Raises DemoError if it ends otherwise."""
        while self._process is not None and await self._process.wait() == _RESTART:
            await self._start()
        self._check_alive()

    def _look_at_start(self) -> None:
        """Print what it has started to install since the last call, which takes most of the first start."""
        for package in self.log.new_installs():
            say(f"Home Assistant installs {package}")
        if self.log.tells_of_recovery():
            raise DemoError("Home Assistant started in recovery mode")
        self._check_alive()

    def _check_alive(self) -> None:
        if self._process is None or self._process.returncode is not None:
            raise DemoError("Home Assistant ended by itself")

    def _make_folders(self) -> None:
        """Write the configuration, and link to the integration."""
        self._home.mkdir()
        (self._config / ".storage").mkdir(parents=True)
        (self._config / ".storage" / "onboarding").write_text(json.dumps(_ONBOARDING))
        (self._config / "configuration.yaml").write_text(_CONFIGURATION.format(port=self.url.port))
        integrations = self._config / "custom_components"
        integrations.mkdir()
        (integrations / DOMAIN).symlink_to(ROOT / "custom_components" / DOMAIN)

    async def _start(self) -> None:
        """Start the process in a group of its own, so that Ctrl-C reaches only the demo, which then stops it."""
        environment = await asyncio.to_thread(home_assistant_environment, self._home, self._relay.bundle_file)
        relay_port = str(self._relay.port)
        with self.log.path.open("ab") as output:
            self._process = await asyncio.create_subprocess_exec(
                *(str(HOME_ASSISTANT / "bin" / "python"), "-m", "tools.demo.launch", "--relay-port", relay_port, "--"),
                *("--config", str(self._config), "--verbose", "--log-no-color"),
                stdin=PIPE,
                stdout=output,
                stderr=STDOUT,
                cwd=ROOT,
                env=environment,
                start_new_session=True,
            )

    async def _stop(self) -> None:
        """End the process and everything it started."""
        if (process := self._process) is None:
            return
        with contextlib.suppress(ProcessLookupError):
            process.terminate()
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(_STOP_TIMEOUT):
                await process.wait()
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        await process.wait()


def _free_port() -> int:
    """Return a free port."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return int(listener.getsockname()[1])
