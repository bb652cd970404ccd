"""What the printer asks its user, and the emergency stop, on the virtual printer."""

import asyncio
from itertools import product
import json
import time

import pytest

from homeassistant.exceptions import ServiceValidationError

from .home import Home, entities, log_lines, settle, until
from .octoprint import printing
from .octoprint.server import OctoPrintServer

BOTH_VERSIONS = pytest.mark.parametrize("octoprint_version", ["1.11", "2.0"])
BOTH_TUNNELS = pytest.mark.parametrize("provider", ["octoeverywhere", "obico"])
MODES = [
    pytest.param(version, "obico" if way == "obico" else "octoeverywhere", way == "local", id=f"{version}-{way}")
    for version, way in product(("1.11", "2.0"), ("octoeverywhere", "obico", "local"))
]
PATH = "/api/plugin/action_command_prompt"
CHOICES = ["Continue", "Unload"]

pytestmark = [pytest.mark.usefixtures("all_enabled")]


def ask(server: OctoPrintServer, text: str = "Load filament?", *choices: str) -> None:
    """Let the printer ask its user."""
    actions = [f"prompt_begin {text}", *(f"prompt_button {choice}" for choice in choices or CHOICES), "prompt_show"]
    printing.command(server, *(f"!!DEBUG:action_custom {action}" for action in actions))


def asked(server: OctoPrintServer) -> object:
    """Return what OctoPrint shows, None if it is nothing."""
    return json.loads(server.request("GET", PATH)[1])


@pytest.mark.parametrize(("octoprint_version", "provider", "is_local"), MODES)
async def test_live_prompt(new_live_home: Home, octoprint_version: str, is_local: bool) -> None:
    """It is shown when the printer asks it, with buttons for the first two choices, until it is answered."""
    home = new_live_home
    await home.listen(**({"local_url": home.relay.local.url} if is_local else {}))
    await home.in_octoprint(printing.connect)
    await home.until_state("operational")
    assert home.states("prompt", "prompt_choice_1", "prompt_choice_2") == ("unknown", "unavailable", "unavailable")
    home.relay.clear()
    await home.in_octoprint(ask)
    await home.until_state("Load filament?", "prompt")
    assert home.state("prompt").attributes["choices"] == CHOICES
    assert home.states("prompt_choice_1", "prompt_choice_2") == ("unknown", "unknown")
    assert home.state("prompt_choice_2").attributes["choice"] == "Unload"
    assert not home.relay.seen(path=PATH)  # it came with the event
    await home.press("prompt_choice_2")
    assert home.relay.seen(method="POST", path=PATH)[0].json() == {"command": "select", "choice": 1}
    await home.until_state("unknown", "prompt")
    assert home.states("prompt_choice_1") == ("unavailable",)
    await home.in_octoprint(ask)
    await home.until_state("Load filament?", "prompt")
    await home.in_octoprint(printing.command, "M876 S0")
    await home.in_octoprint(lambda server: server.request("POST", PATH, {"command": "select", "choice": 0}))
    await home.until_state("unknown", "prompt")


@BOTH_VERSIONS
async def test_prompt_from_before(new_live_home: Home) -> None:
    """What was asked before live updates began is read once."""
    await new_live_home.in_octoprint(printing.connect)
    await new_live_home.in_octoprint(ask, "Ready?", "Yes")
    await new_live_home.listen()
    await new_live_home.until_state("Ready?", "prompt")
    assert new_live_home.states("prompt_choice_1", "prompt_choice_2") == ("unknown", "unavailable")
    reads = len(new_live_home.relay.seen(path=PATH))
    for _ in range(3):
        await new_live_home.refresh()
    assert len(new_live_home.relay.seen(path=PATH)) == reads


@BOTH_VERSIONS
@BOTH_TUNNELS
async def test_polled_prompt(new_home: Home, octoprint_version: str) -> None:
    """Without live updates it is read while the print is paused, and until it is closed; the action answers it."""
    home = new_home
    await home.in_octoprint(printing.connect)
    await home.set_up()
    await home.refresh()
    assert not home.relay.seen(path=PATH)
    await home.in_octoprint(printing.start)
    await home.refresh()
    assert not home.relay.seen(path=PATH)
    await home.in_octoprint(pause)
    await home.in_octoprint(ask)
    await home.in_octoprint(until_asks, "Load filament?")
    await home.refresh()
    assert home.state("prompt").state == "Load filament?"
    for choice, key in (("Nothing", "no_such_choice"), ("3", "no_such_choice"), ("0", "no_such_choice")):
        with pytest.raises(ServiceValidationError) as caught:
            await home.call("answer_prompt", choice=choice)
        assert caught.value.translation_key == key
        assert caught.value.translation_placeholders == {"choice": choice, "choices": "Continue, Unload"}
    await home.call("answer_prompt", choice=" unload ")
    assert await home.hass.async_add_executor_job(asked, home.octoprint) is None or octoprint_version == "1.11"
    await home.refresh()
    assert home.state("prompt").state == "unknown"
    with pytest.raises(ServiceValidationError) as caught:
        await home.call("answer_prompt", choice="1")
    assert caught.value.translation_key == "nothing_asked"
    await settle(home.hass)  # it was read once more
    await home.in_octoprint(ask, "Again?", "1", "Yes")
    await home.in_octoprint(until_asks, "Again?", "Yes")
    await home.call("answer_prompt", choice="2")
    await home.in_octoprint(lambda server: server.request("POST", "/api/job", {"command": "cancel"}))


@BOTH_VERSIONS
@pytest.mark.parametrize("by", ["button", "action"])
async def test_another_prompt(new_home: Home, by: str) -> None:
    """What the user has not read yet is not answered, although it has the same choices."""
    home = new_home

    async def answer() -> None:
        await (home.press("prompt_choice_1") if by == "button" else home.call("answer_prompt", choice="1"))

    await home.in_octoprint(printing.connect)
    await home.set_up()
    await home.in_octoprint(printing.start)
    await home.in_octoprint(pause)
    await home.in_octoprint(ask)
    await home.in_octoprint(until_asks, "Load filament?")
    await home.refresh()
    assert home.state("prompt").state == "Load filament?"
    await home.in_octoprint(printing.command, "!!DEBUG:action_custom prompt_end")
    await home.in_octoprint(ask, "Erase the card?")
    await home.in_octoprint(until_asks, "Erase the card?")
    with pytest.raises(ServiceValidationError) as caught:
        await answer()
    assert caught.value.translation_key == "another_prompt"
    assert caught.value.translation_placeholders == {"prompt": "Erase the card?"}
    await settle(home.hass)
    assert home.state("prompt").state == "Erase the card?"
    assert not home.relay.seen("tunnel", method="POST", path=PATH)
    await answer()
    assert home.relay.seen("tunnel", method="POST", path=PATH)
    await home.in_octoprint(lambda server: server.request("POST", "/api/job", {"command": "cancel"}))


def until_asks(server: OctoPrintServer, text: str, last_choice: str = CHOICES[-1]) -> None:
    """Wait until OctoPrint shows this prompt with all of its choices."""
    while text not in (shown := str(asked(server))) or last_choice not in shown:
        time.sleep(0.05)


def pause(server: OctoPrintServer) -> None:
    """Pause the print once it is under way, and wait until it is paused."""
    printing.wait_for(server, "Printing")
    server.request("POST", "/api/job", {"command": "pause", "action": "pause"})
    printing.wait_for(server, "Paused")


@pytest.mark.parametrize("code", [403, 404, 500])
@BOTH_TUNNELS
async def test_prompt_that_cannot_be_read(new_home: Home, code: int, caplog: pytest.LogCaptureFixture) -> None:
    """Without the plugin or its permission it is unknown, without a log line."""
    home = new_home
    home.relay.fail("tunnel", code, path=PATH)
    await home.in_octoprint(printing.connect)
    await home.set_up()
    await home.in_octoprint(printing.start)
    await home.in_octoprint(pause)
    for _ in range(3):
        await home.refresh()
    assert home.states("prompt", "printer_state") == ("unknown", "paused")
    assert len(home.relay.seen(path=PATH)) == (3 if code == 500 else 1)
    assert not log_lines(caplog)
    await home.in_octoprint(lambda server: server.request("POST", "/api/job", {"command": "cancel"}))


@BOTH_VERSIONS
@BOTH_TUNNELS
async def test_emergency_stop(live_home: Home) -> None:
    """It does not wait for another button whose request hangs, and the printer is stopped."""
    home = live_home
    assert home.state("emergency_stop").state == "unavailable"
    await home.in_octoprint(printing.connect)
    await home.until_state("operational")
    await home.in_octoprint(printing.start)
    await home.until_state("printing")
    home.relay.hang("tunnel", path="/api/job")
    services, ids = home.hass.services, entities(home.hass, home.entry)
    pausing = asyncio.create_task(
        services.async_call("button", "press", {"entity_id": ids["pause"]}, blocking=True), name="pause"
    )
    await until(lambda: [request for request in home.relay.seen(path="/api/job") if request.method == "POST"])
    await services.async_call("button", "press", {"entity_id": ids["emergency_stop"]}, blocking=True)
    assert not pausing.done()
    [sent] = home.relay.seen(path="/api/printer/command")
    assert sent.json() == {"commands": ["M112"]}
    home.relay.heal()
    await asyncio.wait([pausing])
    pausing.exception()
    await until(lambda: home.state("printing").state == "off")
    await settle(home.hass)
    await home.in_octoprint(printing.connect)  # OctoPrint shows the error until then
