"""OctoPrint asks its user for a key: allowed, denied, or not asked at all."""

import asyncio
import json

import pytest

from custom_components.octoprint_tunnel.api.errors import InvalidResponse, KeyWorkflowMissing, OctoPrintOffline, Remedy
from custom_components.octoprint_tunnel.api.octoprint import app_keys
from custom_components.octoprint_tunnel.api.octoprint.app_keys import POLL_INTERVAL, KeyRequest
from custom_components.octoprint_tunnel.api.octoprint.client import OctoPrint
from custom_components.octoprint_tunnel.api.transport.route import Route

from ...octoprint.server import OctoPrintServer
from ...relay.server import Relay

APP = "Home Assistant"
REQUEST = "/plugin/appkeys/request"

both_versions = pytest.mark.parametrize("octoprint_version", ["1.11", "2.0"])


@pytest.fixture(autouse=True)
def _poll_fast(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(app_keys, "POLL_INTERVAL", 0.02)


def _answer(relay: Relay, status: int, body: object, path: str = REQUEST) -> None:
    """Let the relay answer for OctoPrint."""
    relay.fail("tunnel", status, json.dumps(body), content_type="application/json", path=path)


def test_a_request_is_polled_before_octoprint_forgets_it() -> None:
    """Which it does after 5 seconds; an answer may take its time as well."""
    assert 0 < POLL_INTERVAL < 5


@both_versions
async def test_a_key_that_the_user_allows_works(route: Route, octoprint: OctoPrintServer) -> None:
    """On every way; the user sees who asks."""
    client = OctoPrint(route)
    request = await KeyRequest.start(client, APP)
    key, app = await asyncio.gather(request.wait(client), asyncio.to_thread(octoprint.decide_key_request, True))
    assert app == APP
    assert key
    user = await OctoPrint(route, key).user()
    assert user.name == octoprint.username
    await OctoPrint(route, key).check_key()


@both_versions
async def test_a_key_that_the_user_denies_is_none(tunnelled: Route, octoprint: OctoPrintServer) -> None:
    """So there is nothing to try."""
    client = OctoPrint(tunnelled)
    request = await KeyRequest.start(client, APP)
    key, _ = await asyncio.gather(request.wait(client), asyncio.to_thread(octoprint.decide_key_request, False))
    assert key is None


@both_versions
async def test_a_request_that_octoprint_forgot_is_none(tunnelled: Route) -> None:
    """After 5 seconds without a poll, or a restart; OctoPrint does not tell that from a denial."""
    assert await KeyRequest(token="forgotten").wait(OctoPrint(tunnelled)) is None


async def test_the_answer_is_looked_for_on_the_same_way(
    tunnelled: Route, octoprint: OctoPrintServer, relay: Relay
) -> None:
    """OctoPrint names an address as it sees itself, which leads nowhere from here."""
    client = OctoPrint(tunnelled)
    request = await KeyRequest.start(client, APP)
    await asyncio.gather(request.wait(client), asyncio.to_thread(octoprint.decide_key_request, True))
    probe, ask, *polls = relay.seen("tunnel")
    assert (probe.method, probe.path, probe.status) == ("GET", "/plugin/appkeys/probe", 204)
    assert (ask.method, ask.path, ask.status, ask.json()) == ("POST", REQUEST, 201, {"app": APP})
    assert {(poll.method, poll.path) for poll in polls} == {("GET", f"{REQUEST}/{request.token}")}
    assert {poll.status for poll in polls[:-1]} <= {202}
    assert polls[-1].status == 200


async def test_waiting_goes_on_until_there_is_an_answer(tunnelled: Route, relay: Relay) -> None:
    """OctoPrint keeps a request for as long as it is polled."""
    relay.fail("tunnel", 202, path=REQUEST, times=5)
    _answer(relay, 200, {"api_key": "A1B2"})
    assert await KeyRequest(token="token").wait(OctoPrint(tunnelled)) == "A1B2"
    assert [poll.status for poll in relay.seen(path=f"{REQUEST}/token")] == [202] * 5 + [200]


@pytest.mark.parametrize("token", ["a/b", "a b", "a+b", "\u00fc"])
async def test_a_token_is_polled_as_octoprint_gave_it(tunnelled: Route, relay: Relay, token: str) -> None:
    """Encoded for an address once, not twice."""
    relay.fail("tunnel", 404)
    assert await KeyRequest(token=token).wait(OctoPrint(tunnelled)) is None
    assert [poll.path for poll in relay.requests] == [f"{REQUEST}/{token}"]


async def test_without_its_plugin_octoprint_cannot_ask(tunnelled: Route, relay: Relay) -> None:
    """The user has to enter a key; nothing is asked for."""
    _answer(relay, 404, {}, "/plugin/appkeys/probe")
    with pytest.raises(KeyWorkflowMissing) as caught:
        await KeyRequest.start(OctoPrint(tunnelled), APP)
    assert caught.value.remedy is Remedy.NEW_API_KEY
    assert relay.seen(path=REQUEST) == []


async def test_a_probe_that_is_answered_by_something_else_is_no_plugin(tunnelled: Route, relay: Relay) -> None:
    """204 is what the plugin answers, and nothing else."""
    _answer(relay, 200, {}, "/plugin/appkeys/probe")
    with pytest.raises(KeyWorkflowMissing):
        await KeyRequest.start(OctoPrint(tunnelled), APP)


@pytest.mark.parametrize("body", [{}, {"app_token": None}, {"app_token": ""}, {"app_token": 7}, []])
async def test_a_request_without_a_token_is_an_invalid_response(tunnelled: Route, relay: Relay, body: object) -> None:
    """There would be nothing to poll."""
    _answer(relay, 201, body)
    with pytest.raises(InvalidResponse):
        await KeyRequest.start(OctoPrint(tunnelled), APP)


@pytest.mark.parametrize("body", [{}, {"api_key": None}, {"api_key": ""}, {"api_key": 7}, []])
async def test_an_answer_without_a_key_is_an_invalid_response(tunnelled: Route, relay: Relay, body: object) -> None:
    """It is not taken for a key, and not waited on."""
    _answer(relay, 200, body)
    with pytest.raises(InvalidResponse):
        await KeyRequest(token="token").wait(OctoPrint(tunnelled))


async def test_an_octoprint_that_goes_while_it_is_polled_is_offline(tunnelled: Route, relay: Relay) -> None:
    """As in any other request; whoever waits may go on waiting."""
    request = KeyRequest(token="token")
    relay.fail("tunnel", 601, times=1)
    _answer(relay, 200, {"api_key": "A1B2"})
    with pytest.raises(OctoPrintOffline):
        await request.wait(OctoPrint(tunnelled))
    assert await request.wait(OctoPrint(tunnelled)) == "A1B2"


def test_a_request_does_not_show_its_token() -> None:
    """Who knows it can fetch the key."""
    assert "secret" not in repr(KeyRequest(token="secret"))


async def test_nobody_is_waited_for_without_end(
    tunnelled: Route, relay: Relay, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A dialog may be left open, and every look costs."""
    monkeypatch.setattr(app_keys, "POLL_INTERVAL", 0)
    monkeypatch.setattr(app_keys, "MAX_POLLS", 3)
    relay.fail("tunnel", 202)
    assert await KeyRequest(token="token").wait(OctoPrint(tunnelled)) is None
    assert len(relay.requests) == 3
