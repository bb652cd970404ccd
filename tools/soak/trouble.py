"""Random faults, in an order that a seed fixes."""

import asyncio
from collections.abc import Sequence
from random import Random

from tests.faults import HOSTILE_EVENT, SITE, SLOW, Fault, faults_of
from tests.octoprint.server import OctoPrintServer
from tests.relay.server import Relay

from .house import Home


class Trouble:
    """Causes faults, and ends them."""

    def __init__(self, relay: Relay, homes: Sequence[Home], seed: int) -> None:
        """Prepare faults for these printers."""
        self._relay = relay
        self._homes = homes
        self._octoprints = list(dict.fromkeys(home.octoprint for home in homes))
        self._random = Random(seed)
        self._faults = [*faults_of("octoeverywhere"), *faults_of("obico")]
        self._faults += [Fault(where=where, cause=cause) for cause, _ in SLOW for where in ("tunnel", *SITE.values())]
        self._away = False
        self._killed: list[OctoPrintServer] = []

    async def begin(self) -> int:
        """Cause up to three faults, and perhaps a change of a printer; return the number of faults."""
        number = self._random.randint(1, 3)
        for _ in range(number):
            await self._one()
        if self._random.random() < 0.3:
            await self._change()
        await asyncio.sleep(self._random.uniform(0.5, 6))
        return number

    async def end(self) -> None:
        """End all faults."""
        self._relay.heal()
        if self._away:
            await self._relay.start()
            self._away = False
        while self._killed:
            await asyncio.to_thread(self._killed.pop().start)

    def requests(self) -> int:
        """Return the number of requests since the last call."""
        number = len(self._relay.requests)
        self._relay.clear()
        return number

    async def _one(self) -> None:
        match self._random.choices(("fault", "sockets", "service", "octoprint"), (80, 12, 5, 3))[0]:
            case "fault":
                fault = self._random.choice(self._faults)
                one = self._random.random() < 0.5
                fault.cause(self._relay, self._random.choice(self._homes).host if one else fault.where)
            case "sockets":
                await self._sockets()
            case "service":
                self._away = True
                await self._relay.stop()
            case "octoprint":
                octoprint = self._random.choice(self._octoprints)
                self._killed.append(octoprint)
                await asyncio.to_thread(octoprint.stop)

    async def _sockets(self) -> None:
        match self._random.choice(("break", "close", "freeze", "mute", "hostile")):
            case "break":
                self._relay.break_sockets()
            case "close":
                await self._relay.close_sockets(self._random.choice((1001, 1011, 3000)))
            case "freeze":
                self._relay.freeze_sockets()
            case "mute":
                self._relay.mute(self._random.choice(self._homes).host)
            case "hostile":
                await self._relay.say_on_sockets(HOSTILE_EVENT, times=300)

    async def _change(self) -> None:
        """Connect or disconnect a printer, as a user does in OctoPrint."""
        octoprint = self._random.choice(self._octoprints)
        command = {"command": self._random.choice(("connect", "disconnect"))}
        if octoprint.running:
            await asyncio.to_thread(octoprint.request, "POST", "/api/connection", command)
