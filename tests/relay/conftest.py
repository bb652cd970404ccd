"""A client that finds the relay under the services' names."""

from collections.abc import AsyncGenerator

import aiohttp
import pytest

from .server import Relay


@pytest.fixture
async def client(relay: Relay) -> AsyncGenerator[aiohttp.ClientSession]:
    """Return a client without cookies."""
    async with aiohttp.ClientSession(cookie_jar=aiohttp.DummyCookieJar()) as session:
        yield session
