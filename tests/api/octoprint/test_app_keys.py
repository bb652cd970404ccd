"""OctoPrint asks its user for an API key."""

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


def _respond(relay: Relay, status: int, body: object, path: str = REQUEST) -> None:
    """Respond in place of OctoPrint."""
    relay.fail("tunnel", status, json.dumps(body), content_type="application/json", path=path)


def test_a_request_is_polled_before_octoprint_drops_it() -> None:
    """Which it does after 5 seconds without a poll."""
    assert 0 < POLL_INTERVAL < 5


@both_versions
async def test_a_key_that_the_user_allows_works(route: Route, octoprint: OctoPrintServer) -> None:
    """Over every route; the user sees the name of the app."""
    client = OctoPrint(route)
    request = await KeyRequest.start(client, APP)
    key, app = await asyncio.gather(request.wait(client), asyncio.to_thread(octoprint.decide_key_request, True))
    assert app == APP
    assert key
    user = await OctoPrint(route, key).user()
    assert user.name == octoprint.username
    await OctoPrint(route, key).check_key()


@both_versions
async def test_a_denied_request_gives_no_key(tunnelled: Route, octoprint: OctoPrintServer) -> None:
    """OctoPrint responds with 404."""
    client = OctoPrint(tunnelled)
    request = await KeyRequest.start(client, APP)
    key, _ = await asyncio.gather(request.wait(client), asyncio.to_thread(octoprint.decide_key_request, False))
    assert key is None


async def test_a_request_is_polled_through_the_tunnel(
    tunnelled: Route, octoprint: OctoPrintServer, relay: Relay
) -> None:
    """The address in OctoPrint's response leads nowhere from here."""
    client = OctoPrint(tunnelled)
    request = await KeyRequest.start(client, APP)
    await asyncio.gather(request.wait(client), asyncio.to_thread(octoprint.decide_key_request, True))
    probe, ask, *polls = relay.seen("tunnel")
    assert (probe.method, probe.path, probe.status) == ("GET", "/plugin/appkeys/probe", 204)
    assert (ask.method, ask.path, ask.status, ask.json()) == ("POST", REQUEST, 201, {"app": APP})
    assert {(poll.method, poll.path) for poll in polls} == {("GET", f"{REQUEST}/{request.token}")}
    assert {poll.status for poll in polls[:-1]} <= {202}
    assert polls[-1].status == 200


async def test_a_request_is_polled_until_the_user_decides(tunnelled: Route, relay: Relay) -> None:
    """Every poll keeps it alive."""
    relay.fail("tunnel", 202, path=REQUEST, times=5)
    _respond(relay, 200, {"api_key": "A1B2"})
    assert await KeyRequest(token="token").wait(OctoPrint(tunnelled)) == "A1B2"
    assert [poll.status for poll in relay.seen(path=f"{REQUEST}/token")] == [202] * 5 + [200]


@pytest.mark.parametrize("token", ["a/b", "a b", "a+b", "\u00fc"])
async def test_a_token_is_quoted_once(tunnelled: Route, relay: Relay, token: str) -> None:
    """In the path of the poll."""
    relay.fail("tunnel", 404)
    assert await KeyRequest(token=token).wait(OctoPrint(tunnelled)) is None
    assert [poll.path for poll in relay.requests] == [f"{REQUEST}/{token}"]


@pytest.mark.parametrize("status", [404, 200])
async def test_without_its_plugin_octoprint_cannot_ask(tunnelled: Route, relay: Relay, status: int) -> None:
    """The plugin responds with 204; 200 is from something else. The user has to enter a key."""
    _respond(relay, status, {}, "/plugin/appkeys/probe")
    with pytest.raises(KeyWorkflowMissing) as caught:
        await KeyRequest.start(OctoPrint(tunnelled), APP)
    assert caught.value.remedy is Remedy.NEW_API_KEY
    assert relay.seen(path=REQUEST) == []


@pytest.mark.parametrize("body", [{}, {"app_token": ""}, {"app_token": "../x"}, {"app_token": 7}, []])
async def test_a_response_without_a_token_is_invalid(tunnelled: Route, relay: Relay, body: object) -> None:
    """The request could not be polled."""
    _respond(relay, 201, body)
    with pytest.raises(InvalidResponse):
        await KeyRequest.start(OctoPrint(tunnelled), APP)


@pytest.mark.parametrize("body", [{}, {"api_key": ""}, {"api_key": "\u00fc"}, {"api_key": 7}, []])
async def test_a_response_without_a_key_is_invalid(tunnelled: Route, relay: Relay, body: object) -> None:
    """It is not polled again."""
    _respond(relay, 200, body)
    with pytest.raises(InvalidResponse):
        await KeyRequest(token="token").wait(OctoPrint(tunnelled))


async def test_octoprint_may_go_offline_while_it_is_polled(tunnelled: Route, relay: Relay) -> None:
    """The caller may wait again."""
    request = KeyRequest(token="token")
    relay.fail("tunnel", 601, times=1)
    _respond(relay, 200, {"api_key": "A1B2"})
    with pytest.raises(OctoPrintOffline):
        await request.wait(OctoPrint(tunnelled))
    assert await request.wait(OctoPrint(tunnelled)) == "A1B2"


def test_a_request_does_not_show_its_token() -> None:
    """It gives access to the key."""
    assert "secret" not in repr(KeyRequest(token="secret"))


async def test_the_number_of_polls_is_limited(tunnelled: Route, relay: Relay, monkeypatch: pytest.MonkeyPatch) -> None:
    """A dialog may stay open."""
    monkeypatch.setattr(app_keys, "POLL_INTERVAL", 0)
    monkeypatch.setattr(app_keys, "MAX_POLLS", 3)
    relay.fail("tunnel", 202)
    assert await KeyRequest(token="token").wait(OctoPrint(tunnelled)) is None
    assert len(relay.requests) == 3
