"""Ids are no secrets: showing one gives neither a stored API key nor a known printer, and printers may share one."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import pytest
from pytest_homeassistant_custom_component.common import MockConfigEntry
from yarl import URL

from custom_components.octoprint_tunnel.const import DOMAIN
from homeassistant.config_entries import SOURCE_ZEROCONF, ConfigEntry, ConfigFlowResult
from homeassistant.core import HomeAssistant
from homeassistant.data_entry_flow import FlowResultType
from homeassistant.helpers import device_registry as dr, entity_registry as er

from .dialogs import (
    choices_of,
    choose,
    created,
    decide,
    ended,
    enter_key,
    error_of,
    is_menu,
    paste,
    paste_link,
    placeholders_of,
    reauth,
    reconfigure,
    start,
    start_reauth,
    step,
)
from .home import press, settle
from .octoprint.server import OctoPrintServer
from .relay.octoeverywhere import AppConnection
from .relay.printer import Printer
from .relay.server import Relay
from .test_config_flow import BOTH_VERSIONS
from .test_local_access import seen_on_the_network

SERVICE_ADDRESS = "http://192.168.1.9"
"""The local address that the service has for the printer."""


@dataclass(frozen=True, kw_only=True)
class Clone:
    """Another real OctoPrint that shows the id of the first one, as one from a copied SD card does."""

    connection: AppConnection
    octoprint: OctoPrintServer


@pytest.fixture
def clone(
    relay: Relay, octoprint: OctoPrintServer, octoprint_version: str, octoprints: Callable[[str], OctoPrintServer]
) -> Clone:
    """Return one that the services know as "Workshop"."""
    other = octoprints("1.11" if octoprint_version == "2.0" else "2.0")
    other.request("POST", "/api/connection", {"command": "disconnect"})
    printer = Printer(url=other.url, name="Workshop", api_key=other.api_key)
    connection = relay.octoeverywhere.add_connection(printer)
    show(relay, connection, octoprint.uuid)
    return Clone(connection=connection, octoprint=other)


def show(relay: Relay, connection: AppConnection, uuid: str | None) -> None:
    """Let the OctoPrint behind a connection show an instance id, or none."""
    body = f"<root><UDN>uuid:{uuid}</UDN></root>"
    status = 200 if uuid else 404
    relay.fail(connection.host, status, body, content_type="text/xml", path="/plugin/discovery/")


def keys_at(relay: Relay, connection: AppConnection) -> set[str]:
    """Return the API keys that went through a connection."""
    seen = relay.seen("octoeverywhere_tunnel", host=connection.host)
    return {key for request in seen if (key := request.headers.get("X-Api-Key"))}


async def add(hass: HomeAssistant, relay: Relay, clone: Clone) -> ConfigEntry:
    """Set the clone up as a printer of its own."""
    entry = await created(hass, await decide(hass, await paste_link(hass, paste(relay, clone.connection)), "add"))
    hass.config_entries.async_update_entry(entry, options={"live_updates": False})
    return entry


def addresses(entry: ConfigEntry) -> list[str]:
    """Return the local addresses that a printer would be tried at."""
    return [str(url) for url in entry.runtime_data.printer.router._addresses()]


# In a set-up


@pytest.mark.parametrize("shown", ["its instance id", "nothing, and the link has its id", "nothing, at its address"])
@pytest.mark.parametrize(
    ("choice", "next_step"), [("replace", "api_key"), ("add", "api_key"), ("discard", "octoeverywhere")]
)
async def test_set_up_never_sends_the_stored_key(
    hass: HomeAssistant,
    relay: Relay,
    loaded: MockConfigEntry,
    octoprint: OctoPrintServer,
    clone: Clone,
    shown: str,
    choice: str,
    next_step: str,
) -> None:
    """With each choice of the user, another key is asked for, and the printer stays as it was until then."""
    before = loaded.as_dict()
    link = paste(relay, clone.connection, with_api_key=False)
    if shown != "its instance id":
        relay.heal()
        show(relay, clone.connection, None)
        taken = {"id": octoprint.uuid} if "link" in shown else {"id": loaded.data["connection_id"]}
        link = {"completion_url": str(URL(link["completion_url"]).update_query(taken))}
    result = await paste_link(hass, link)
    assert choices_of(result) == ["replace", "add", "discard"]
    assert is_menu(await decide(hass, result, choice), next_step)
    await settle(hass)
    assert keys_at(relay, clone.connection) == set()
    assert loaded.as_dict() == before


async def test_link_with_a_key_changes_nothing_before_the_choice(
    hass: HomeAssistant, relay: Relay, loaded: MockConfigEntry, clone: Clone
) -> None:
    """The form says which printer is known and where the connection leads; it can be loaded again."""
    before = loaded.as_dict()
    result = await paste_link(hass, paste(relay, clone.connection))
    for shown in (result, await step(hass, result)):
        assert placeholders_of(shown)["connection"].replace("\\", "") == f"Workshop ({clone.connection.host})"
    assert loaded.as_dict() == before
    assert keys_at(relay, clone.connection) == set()
    assert await ended(hass, await decide(hass, result, "replace")) == "already_configured"
    assert loaded.data["url"] == clone.connection.url
    assert loaded.data["api_key"] == clone.octoprint.api_key


async def test_known_connection_is_not_set_up_twice(
    hass: HomeAssistant, relay: Relay, loaded: MockConfigEntry, connection: AppConnection
) -> None:
    """One connection leads to one printer, so there is nothing to add."""
    result = await paste_link(hass, paste(relay, connection, with_api_key=False))
    assert choices_of(result) == ["replace", "discard"]
    relay.clear()
    assert is_menu(await decide(hass, result, "replace"), "api_key")
    assert keys_at(relay, connection) == set()


# Two printers with one instance id


@BOTH_VERSIONS
async def test_printers_with_one_instance_id_stay_two(
    hass: HomeAssistant, relay: Relay, loaded: MockConfigEntry, octoprint: OctoPrintServer, clone: Clone
) -> None:
    """Each has a device, entities and buttons of its own, and commands go to its own OctoPrint."""
    second = await add(hass, relay, clone)
    assert (loaded.unique_id, second.unique_id) == (octoprint.uuid, clone.connection.id)
    assert second.title == "Workshop"
    devices = [dr.async_entries_for_config_entry(dr.async_get(hass), entry.entry_id) for entry in (loaded, second)]
    assert [[device.name for device in own] for own in devices] == [["Kitchen"], ["Workshop"]]
    registry = er.async_get(hass)
    for entry in (loaded, second):
        assert len(er.async_entries_for_config_entry(registry, entry.entry_id)) > 10
        relay.clear()
        await press(hass, entry, "connect")  # type: ignore[arg-type]
        [command] = [request for request in relay.requests if request.method == "POST"]
        assert command.host == URL(entry.data["url"]).host
        assert command.headers["X-Api-Key"] == entry.data["api_key"]
    await hass.config_entries.async_unload(second.entry_id)


async def test_shared_id_proves_no_local_address(
    hass: HomeAssistant,
    relay: Relay,
    loaded: MockConfigEntry,
    octoprint: OctoPrintServer,
    clone: Clone,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Only addresses that were typed are used while there are two; when one is removed the other has its own again."""
    monkeypatch.setattr(
        "custom_components.octoprint_tunnel.coordinator.private_addresses", lambda _: [URL(SERVICE_ADDRESS)]
    )
    hass.config_entries.async_update_entry(loaded, data={**loaded.data, "discovered_url": "http://192.168.1.8"})
    assert addresses(loaded) == [SERVICE_ADDRESS, "http://192.168.1.8"]
    second = await add(hass, relay, clone)
    assert addresses(loaded) == addresses(second) == []

    info = seen_on_the_network(octoprint.uuid, "192.168.9.9")
    await hass.config_entries.flow.async_init(DOMAIN, context={"source": SOURCE_ZEROCONF}, data=info)
    assert loaded.data["discovered_url"] == "http://192.168.1.8"
    assert "discovered_url" not in second.data

    hass.config_entries.async_update_entry(second, options={**second.options, "local_url": "http://192.168.1.7"})
    assert (addresses(loaded), addresses(second)) == ([], ["http://192.168.1.7"])
    await hass.config_entries.async_remove(second.entry_id)
    assert addresses(loaded) == [SERVICE_ADDRESS, "http://192.168.1.8"]


async def test_open_local_connections_end_when_an_id_becomes_shared(
    hass: HomeAssistant, relay: Relay, loaded: MockConfigEntry, clone: Clone
) -> None:
    """The printer that was there is loaded again: what it has open on the local network may lead to the other."""
    runtime = loaded.runtime_data
    second = await add(hass, relay, clone)
    assert loaded.runtime_data is not runtime
    await hass.config_entries.async_unload(second.entry_id)


async def test_printer_that_turns_out_to_share_an_id(
    hass: HomeAssistant,
    relay: Relay,
    entry: MockConfigEntry,
    connection: AppConnection,
    octoprint: OctoPrintServer,
    clone: Clone,
) -> None:
    """One that was set up without its id gets it together with the second, so that both know that they share it."""
    data = {name: value for name, value in entry.data.items() if name != "instance_uuid"}
    first = MockConfigEntry(domain=DOMAIN, title="Kitchen", unique_id=connection.id, data=data, options=entry.options)
    first.add_to_hass(hass)
    assert await hass.config_entries.async_setup(first.entry_id)
    result = await paste_link(hass, paste(relay, clone.connection))
    assert "instance_uuid" not in first.data
    second = await created(hass, await decide(hass, result, "add"))
    assert first.data["instance_uuid"] == second.data["instance_uuid"] == octoprint.uuid
    assert addresses(first) == addresses(second) == []
    for one in (first, second):
        await hass.config_entries.async_unload(one.entry_id)


@pytest.mark.parametrize(
    ("known", "link_id", "unique_id"),
    [
        ("taken", "taken", "octoeverywhere_taken"),
        ("taken", "taken_webcam", "octoeverywhere_taken_webcam"),
        ("taken_webcam", "taken", "octoeverywhere_taken"),
        ("taken", "takenaway", "takenaway"),
    ],
)
async def test_ids_of_entities_never_collide(
    hass: HomeAssistant, relay: Relay, entry: MockConfigEntry, known: str, link_id: str, unique_id: str
) -> None:
    """The service's id comes with a link, so it is not used where it begins like the id of another printer."""
    entry.add_to_hass(hass)
    hass.config_entries.async_update_entry(entry, unique_id=known)
    connection = relay.octoeverywhere.add_connection()
    show(relay, connection, None)
    link = URL(paste(relay, connection)["completion_url"]).update_query(id=link_id)
    result = await paste_link(hass, {"completion_url": str(link)})
    if result["type"] is FlowResultType.FORM:
        result = await decide(hass, result, "add")
    added = await created(hass, result)
    assert (added.unique_id, entry.unique_id) == (unique_id, known)
    await hass.config_entries.async_unload(added.entry_id)


async def test_connection_that_another_dialog_added_meanwhile(
    hass: HomeAssistant, relay: Relay, loaded: MockConfigEntry, clone: Clone
) -> None:
    """A choice about one printer does not hold for a printer that was added after the question."""
    waiting = await paste_link(hass, paste(relay, clone.connection))
    second = await add(hass, relay, clone)
    result = await decide(hass, waiting, "add")
    assert choices_of(result) == ["replace", "discard"]
    await decide(hass, result, "replace", printer="Workshop")
    await settle(hass)
    assert hass.config_entries.async_entries(DOMAIN) == [loaded, second]
    await hass.config_entries.async_unload(second.entry_id)


# For one printer: a new sign-in, and another connection


async def at_the_link(
    hass: HomeAssistant, entry: MockConfigEntry, connection: AppConnection, source: str
) -> ConfigFlowResult:
    """Go on to where the link of another connection is pasted."""
    if source == "reconfigure":
        return await reconfigure(hass, entry, "octoeverywhere", "octoeverywhere_paste")
    connection.revoked = True
    return await reauth(hass, entry, "octoeverywhere_paste")


@pytest.mark.parametrize("source", ["reauth", "reconfigure"])
async def test_stored_key_waits_for_the_choice(
    hass: HomeAssistant,
    relay: Relay,
    loaded: MockConfigEntry,
    connection: AppConnection,
    clone: Clone,
    source: str,
) -> None:
    """The id alone sends no stored key through a new connection."""
    before = dict(loaded.data)
    result = await at_the_link(hass, loaded, connection, source)
    result = await step(hass, result, paste(relay, clone.connection, with_api_key=False))
    assert choices_of(result) == ["replace", "discard"]
    assert keys_at(relay, clone.connection) == set()
    refused = await decide(hass, result, "discard")
    assert is_menu(refused, "octoeverywhere")
    assert keys_at(relay, clone.connection) == set()
    assert loaded.data == before

    result = await choose(hass, refused, "octoeverywhere_paste")
    new = relay.octoeverywhere.add_connection()
    result = await step(hass, result, paste(relay, new, with_api_key=False))
    assert keys_at(relay, new) == set()
    assert await ended(hass, await decide(hass, result, "replace")) == f"{source}_successful"
    assert keys_at(relay, new) == {before["api_key"]}
    assert loaded.data == {**before, "url": new.url, "connection_id": new.id, **new_parts(loaded)}


def new_parts(entry: ConfigEntry) -> dict[str, Any]:
    """Return what a new connection brings along."""
    names = ("username", "password", "app_token", "printer_name", "printer_url", "local_ip")
    return {name: entry.data[name] for name in names}


@pytest.mark.parametrize("source", ["reauth", "reconfigure"])
async def test_printer_without_an_id_gets_its_key_again(
    hass: HomeAssistant,
    relay: Relay,
    entry: MockConfigEntry,
    connection: AppConnection,
    octoprint: OctoPrintServer,
    source: str,
) -> None:
    """Nothing proves that it is the same printer, so the user is asked, and the stored key stays where it is."""
    data = {name: value for name, value in entry.data.items() if name != "instance_uuid"}
    without = MockConfigEntry(domain=DOMAIN, title="Kitchen", unique_id=connection.id, data=data, options=entry.options)
    without.add_to_hass(hass)
    assert await hass.config_entries.async_setup(without.entry_id)
    new = relay.octoeverywhere.add_connection()
    result = await at_the_link(hass, without, connection, source)
    result = await step(hass, result, paste(relay, new, with_api_key=False))
    result = await decide(hass, result, "replace")
    assert is_menu(result, "api_key")
    assert keys_at(relay, new) == set()
    assert without.data == data
    assert await ended(hass, await enter_key(hass, result, octoprint.api_key)) == f"{source}_successful"
    assert (without.data["instance_uuid"], without.unique_id) == (octoprint.uuid, connection.id)
    await hass.config_entries.async_unload(without.entry_id)


async def test_same_connection_needs_no_question(
    hass: HomeAssistant, relay: Relay, loaded: MockConfigEntry, connection: AppConnection
) -> None:
    """The portal's link of the connection in use, which is copied again, renews the credentials alone."""
    hass.config_entries.async_update_entry(loaded, data={**loaded.data, "password": "of before"})
    result = await reconfigure(hass, loaded, "octoeverywhere", "octoeverywhere_paste")
    result = await step(hass, result, paste(relay, connection, with_api_key=False))
    assert await ended(hass, result) == "reconfigure_successful"
    assert loaded.data["password"] == connection.password


@pytest.mark.parametrize("source", ["reauth", "reconfigure"])
async def test_connection_of_another_printer_is_refused(
    hass: HomeAssistant, relay: Relay, loaded: MockConfigEntry, connection: AppConnection, clone: Clone, source: str
) -> None:
    """Of two printers with one instance id, neither takes the other's connection."""
    second = await add(hass, relay, clone)
    before = dict(loaded.data)
    relay.clear()
    result = await at_the_link(hass, loaded, connection, source)
    result = await step(hass, result, paste(relay, clone.connection))
    if source == "reconfigure":
        assert await ended(hass, result) == "wrong_printer"
    else:
        assert error_of(result, "octoeverywhere_paste") == "wrong_printer"
    assert loaded.data == before
    assert before["api_key"] not in keys_at(relay, clone.connection)
    await hass.config_entries.async_unload(second.entry_id)


@pytest.mark.parametrize("choice", ["replace", "add"])
@pytest.mark.parametrize("source", ["user", "reconfigure"])
async def test_choice_holds_for_one_connection(
    hass: HomeAssistant, relay: Relay, loaded: MockConfigEntry, clone: Clone, source: str, choice: str
) -> None:
    """A connection that fails after the user confirmed it does not confirm the next."""
    new = relay.octoeverywhere.add_connection()
    relay.fail(new.host, 604, path="/api/currentuser")
    if source == "user":
        result = await start(hass, "octoeverywhere", "octoeverywhere_paste")
    else:
        choice = "replace"
        result = await reconfigure(hass, loaded, "octoeverywhere", "octoeverywhere_paste")
    result = await decide(hass, await step(hass, result, paste(relay, new)), choice)
    assert error_of(result, "octoeverywhere_paste") == "revoked"
    result = await step(hass, result, paste(relay, clone.connection, with_api_key=False))
    assert "replace" in choices_of(result)
    assert keys_at(relay, clone.connection) == set()
    # Nor does it make the next replace anything where the user does not say so.
    if source == "user":
        result = await decide(hass, result, "add")
        added = await created(hass, await enter_key(hass, result, clone.octoprint.api_key))
        assert loaded.data["url"] not in (new.url, clone.connection.url)
        await hass.config_entries.async_unload(added.entry_id)


async def test_connection_that_changed_meanwhile_is_not_changed_back(
    hass: HomeAssistant, relay: Relay, loaded: MockConfigEntry, octoprint: OctoPrintServer
) -> None:
    """A dialog for the key alone asks before it restores the connection that the printer had when it was opened."""
    keys = await reconfigure(hass, loaded, "api_key", "enter_key")
    new = relay.octoeverywhere.add_connection()
    hass.config_entries.async_update_entry(loaded, data={**loaded.data, "url": new.url, "connection_id": new.id})
    keys = await enter_key(hass, keys, octoprint.api_key)
    assert choices_of(keys) == ["replace", "discard"]
    assert loaded.data["url"] == new.url


async def test_printer_is_removed_in_any_step(
    hass: HomeAssistant, relay: Relay, entry: MockConfigEntry, octoprint: OctoPrintServer
) -> None:
    """A dialog for a printer that was removed ends with a text in every step."""
    new = relay.octoeverywhere.add_connection()
    link = paste(relay, new, with_api_key=False)

    async def at_the_question() -> ConfigFlowResult:
        return await step(hass, await reconfigure(hass, entry, "octoeverywhere", "octoeverywhere_paste"), link)

    async def while_off() -> ConfigFlowResult:
        relay.fail(new.host, 601, times=1)
        return await at_the_question()

    async def at_the_key() -> ConfigFlowResult:
        return await reconfigure(hass, entry, "api_key", "enter_key")

    entry.add_to_hass(hass)
    for begin, entered in (
        (at_the_question, {"choice": "replace"}),
        (at_the_question, None),
        (while_off, {}),
        (at_the_key, {"api_key": octoprint.api_key}),
        (lambda: reconfigure(hass, entry, "octoeverywhere", "octoeverywhere_paste"), link),
        (lambda: start_reauth(hass, entry), {}),
    ):
        result = await begin()
        # As while it is removed: Home Assistant closes a new sign-in only after that.
        kept = hass.config_entries._entries.pop(entry.entry_id)
        result = await step(hass, result, entered)
        assert await ended(hass, result) == "printer_removed"
        hass.config_entries._entries[kept.entry_id] = kept


async def test_known_printer_is_removed_before_the_choice(
    hass: HomeAssistant, relay: Relay, entry: MockConfigEntry, octoprint: OctoPrintServer
) -> None:
    """Then there is nothing to replace, and the printer is set up."""
    entry.add_to_hass(hass)
    result = await paste_link(hass, paste(relay, relay.octoeverywhere.add_connection()))
    await hass.config_entries.async_remove(entry.entry_id)
    added = await created(hass, await decide(hass, result, "replace"))
    assert added.unique_id == octoprint.uuid
    await hass.config_entries.async_unload(added.entry_id)
