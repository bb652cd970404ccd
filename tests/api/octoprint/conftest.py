"""Clients of a real OctoPrint, over each route to it."""

from collections.abc import AsyncGenerator

from aiohttp import ClientSession, DummyCookieJar
import pytest
from yarl import URL

from custom_components.octoprint_tunnel.api.octoprint.client import OctoPrint
from custom_components.octoprint_tunnel.api.transport.route import Route
from custom_components.octoprint_tunnel.api.tunnels.obico import Obico
from custom_components.octoprint_tunnel.api.tunnels.octoeverywhere import OctoEverywhere

from ...octoprint.server import OctoPrintServer
from ...relay.octoeverywhere import AppConnection
from ...relay.server import Relay


@pytest.fixture
async def session(socket_enabled: None) -> AsyncGenerator[ClientSession]:
    """Return a session without cookies."""
    async with ClientSession(cookie_jar=DummyCookieJar()) as session:
        yield session


@pytest.fixture
def app_connection(relay: Relay, connection: AppConnection) -> OctoEverywhere:
    """Return the tunnel that the portal issued."""
    tunnel = OctoEverywhere.from_link(relay.octoeverywhere.completion_url(connection), "").tunnel
    assert isinstance(tunnel, OctoEverywhere)
    return tunnel


@pytest.fixture
def tunnelled(session: ClientSession, app_connection: OctoEverywhere) -> Route:
    """Return the route through OctoEverywhere."""
    return app_connection.route(session)


@pytest.fixture(params=["directly", "through OctoEverywhere", "through Obico"])
async def route(
    request: pytest.FixtureRequest,
    session: ClientSession,
    octoprint: OctoPrintServer,
    relay: Relay,
    app_connection: OctoEverywhere,
) -> Route:
    """Return each route to OctoPrint."""
    match request.param:
        case "directly":
            return Route(session=session, base_url=URL(octoprint.url))
        case "through OctoEverywhere":
            return app_connection.route(session)
        case _:
            tunnel = await relay.obico.add_tunnel()
            return Obico.from_link(tunnel.endpoint, Obico.default_server).tunnel.route(session)


@pytest.fixture
def client(tunnelled: Route, octoprint: OctoPrintServer) -> OctoPrint:
    """Return a client with its owner's key, through OctoEverywhere."""
    return OctoPrint(tunnelled, octoprint.api_key)
