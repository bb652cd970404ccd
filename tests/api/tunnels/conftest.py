"""A session for what the tunnels' services are asked."""

from collections.abc import AsyncGenerator

from aiohttp import ClientSession, DummyCookieJar
import pytest


@pytest.fixture
async def session(socket_enabled: None) -> AsyncGenerator[ClientSession]:
    """Return a session as the integration makes them: without cookies."""
    async with ClientSession(cookie_jar=DummyCookieJar()) as session:
        yield session
