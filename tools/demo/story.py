"""The steps of the demo, in their order."""

import asyncio
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.octoprint import printing
from tests.relay import Relay

from . import DOMAIN, DemoError, say
from .client import HomeAssistantClient
from .entities import Shown, a_number, deviations, expected_entities, shown_entities
from .log import Log
from .setup_dialog import SetupDialog
from .stage import Stage
from .table import print_table
from .waiting import until

_SETTLE_TIMEOUT = 60.0  # seconds
_FILE = "Boat.gcode"
_MOVES = 6000  # of 0.1 s each
_DASHBOARD = "a-printer"
PROVIDERS = {"octoeverywhere": "OctoEverywhere", "obico": "Obico", "own_address": "a proxy"}


@dataclass(frozen=True, kw_only=True)
class Choices:
    """The options of the demo."""

    provider: str
    proxy: str | None
    octoprint: str
    once: bool


class Story:
    """One run of the demo."""

    def __init__(self, choices: Choices, folder: Path) -> None:
        """Prepare in the event loop, with an empty folder."""
        self._choices = choices
        self._stage = Stage(choices.octoprint, folder, choices.proxy)
        self._octoprint = self._stage.octoprint
        self.log = self._stage.server.log
        """The log of Home Assistant."""
        self.told = False
        """Whether all steps are done, and the demo only waits for its user."""

    async def tell(self) -> None:
        """Run all steps; raises DemoError or OctoPrintError if one fails."""
        async with self._stage as stage:
            client, relay, server = stage.client, stage.relay, stage.server
            await self._set_up(client, relay)
            await self._connect(client)
            await self._print(client)
            await self._watch(client)
            await self._cut_local_network(client, relay)
            if not self._choices.once:
                _check_log(self.log)
                self.told = True
                await self._create_dashboard(client)
                self._say_where(client)
                await server.wait_until_it_ends()
        _check_log(self.log)
        say("everything is as it should be")

    async def _set_up(self, client: HomeAssistantClient, relay: Relay) -> None:
        """Set the printer up, and print its entities."""
        say(f"setting the printer up through {PROVIDERS[self._choices.provider]}, as a browser does")
        form = self._stage.proxy.form if self._stage.proxy else None
        outcome = await SetupDialog(client, relay, self._octoprint).go_through(self._choices.provider, form)
        say(f"{' → '.join(outcome.steps)}: “{outcome.title}”")
        shown = await self._settled(client, connected=False)
        _print_entities(shown)

    async def _connect(self, client: HomeAssistantClient) -> None:
        """Press Connect, and print the changes."""
        changes = await client.events("state_changed")
        before = await self._settled(client, connected=False)
        button = before["button.connect"].entity_id
        say(f"pressing Connect ({button})")
        await client.command("call_service", domain="button", service="press", target={"entity_id": button})
        await self._settled(client, connected=True)
        _print_changes(before, changes)

    async def _print(self, client: HomeAssistantClient) -> None:
        """Start a print of ten minutes in OctoPrint, and print what shows of it."""
        before = await shown_entities(client, self._octoprint.uuid)
        say(f"printing {_FILE} in OctoPrint")
        await asyncio.to_thread(printing.start, self._octoprint, _MOVES, _FILE)

        async def ask() -> dict[str, Shown] | None:
            shown = await shown_entities(client, self._octoprint.uuid)
            progress = shown["sensor.print_progress"].state or ""
            return shown if a_number(progress) and float(progress) > 0 else None

        shown = await until(ask, seconds=_SETTLE_TIMEOUT, otherwise="The print does not show")
        _print_entities({key: item for key, item in shown.items() if item.text != before[key].text})

    async def _create_dashboard(self, client: HomeAssistantClient) -> None:
        """Create a dashboard with the integration's card."""
        await client.command("lovelace/dashboards/create", url_path=_DASHBOARD, title="Printer")
        sections = [{"type": "grid", "cards": [{"type": "custom:octoprint-tunnel-card"}]}]
        view = {"type": "sections", "title": "Printer", "path": "printer", "sections": sections}
        await client.command("lovelace/config/save", url_path=_DASHBOARD, config={"views": [view]})

    async def _watch(self, client: HomeAssistantClient) -> None:
        """Watch the webcam until its picture has changed."""
        camera = (await shown_entities(client, self._octoprint.uuid))["camera.webcam"].entity_id
        first = await client.picture(camera)

        async def ask() -> bytes | None:
            picture = await client.picture(camera)
            return picture if picture != first else None

        second = await until(ask, seconds=_SETTLE_TIMEOUT, otherwise="The webcam's picture does not move")
        say(f"{camera} shows a picture that moves ({len(first)} and {len(second)} bytes)")

    async def _cut_local_network(self, client: HomeAssistantClient, relay: Relay) -> None:
        """Let Home Assistant find the printer on the local network, cut that, and print the active route."""
        say(f"entering the local address {relay.local.url} in the options")
        [entry] = await client.command("config_entries/get", domain=DOMAIN)
        options = "/api/config/config_entries/options/flow"
        dialog = await client.rest("POST", options, {"handler": entry["entry_id"]})
        answers = {"poll_interval": 60, "local_access": True, "local_url": relay.local.url, "verify_ssl": True}
        await client.rest("POST", f"{options}/{dialog['flow_id']}", answers)
        route = await self._route(client, "local")
        before = relay.traffic("tunnel").requests
        await self._poll(client, route)
        if relay.traffic("tunnel").requests != before:
            raise DemoError("The tunnel was used although the local network works")
        say(f"{route} is local; cutting the local network")
        relay.drop("local")
        await self._poll(client, route)
        await self._route(client, "tunnel")
        relay.heal()
        say(f"{route} is tunnel: the next reading went there, and the local network is back now")

    async def _poll(self, client: HomeAssistantClient, entity_id: str) -> None:
        """Request an update."""
        target = {"entity_id": entity_id}
        await client.command("call_service", domain="homeassistant", service="update_entity", service_data=target)

    async def _route(self, client: HomeAssistantClient, expected: str) -> str:
        """Return the entity of the active route, when it has the expected state."""

        async def ask() -> str | None:
            shown = (await shown_entities(client, self._octoprint.uuid))["sensor.active_route"]
            return shown.entity_id if shown.state == expected else None

        return await until(ask, seconds=_SETTLE_TIMEOUT, otherwise=f"The route in use did not become {expected}")

    async def _settled(self, client: HomeAssistantClient, *, connected: bool) -> dict[str, Shown]:
        """Return the entities when all have the expected states, which takes some seconds."""
        expected = expected_entities(self._choices.provider)
        shown: dict[str, Shown] = {}

        async def ask() -> bool | None:
            nonlocal shown
            shown = await shown_entities(client, self._octoprint.uuid)
            return None if deviations(expected, shown, connected=connected) else True

        try:
            await until(ask, seconds=_SETTLE_TIMEOUT, otherwise="The entities did not settle")
        except DemoError as error:
            _print_entities(shown)
            lines = deviations(expected, shown, connected=connected)
            raise DemoError("\n  ".join([f"{error}:", *lines])) from None
        return shown

    def _say_where(self, client: HomeAssistantClient) -> None:
        """Print the addresses and passwords that the user needs."""
        name = PROVIDERS[self._choices.provider]
        say("all of it stays up until you press Ctrl-C")
        print(f"\n  Home Assistant  {client.url}{_DASHBOARD} (the dashboard card)")
        print(f"                  {client.url}config/integrations/integration/{DOMAIN}")
        print(f"                  user {client.username}, password {client.password}")
        print(f"  OctoPrint       {self._octoprint.url}")
        print(f"                  user {self._octoprint.username}, password {self._octoprint.password}")
        if proxy := self._stage.proxy:
            print(f"\n  {proxy.kind} stands before OctoPrint at {proxy.url}. It demands:")
            print("".join(f"    {field}: {value}\n" for field, value in proxy.form.items()), flush=True)
            return
        print(f"\n  {name} is a stand-in that only this Home Assistant reaches: a link to it in your browser leads to")
        print("  the real service, which does not know this printer.\n", flush=True)


def _check_log(log: Log) -> None:
    """Raise DemoError for errors in Home Assistant's log, and print the warnings."""
    if log.errors():
        raise DemoError("Home Assistant's log has errors")
    for warning in log.warnings():
        say(f"note: {warning}")


def _print_entities(shown: dict[str, Shown]) -> None:
    """Print every entity with its state."""
    rows = sorted((item.name, item.entity_id, item.text) for item in shown.values())
    print_table(("Name", "Entity", "State"), *rows)


def _print_changes(before: dict[str, Shown], changes: asyncio.Queue[dict[str, Any]]) -> None:
    """Print the states that each entity had since `before`."""
    known = {item.entity_id: item for item in before.values()}
    states = {entity_id: [item.text] for entity_id, item in known.items()}
    while not changes.empty():
        data = changes.get_nowait()["data"]
        if (item := known.get(data["entity_id"])) and data["new_state"]:
            text = item.text_of(data["new_state"]["state"])
            if text != states[item.entity_id][-1]:
                states[item.entity_id].append(text)
    rows = sorted(
        (item.name, item.entity_id, " → ".join(states[item.entity_id]))
        for item in before.values()
        if len(states[item.entity_id]) > 1
    )
    print_table(("Name", "Entity", "Change"), *rows)
