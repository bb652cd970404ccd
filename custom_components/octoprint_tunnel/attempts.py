"""Keeps background work going: an unexpected error ends one attempt, and is logged once."""

import asyncio
from collections.abc import Awaitable

from .api.errors import OctoPrintTunnelError
from .const import LOGGER


async def result_or_error[T](awaitable: Awaitable[T]) -> T | BaseException:
    """Return the result of an awaitable, or the exception that it raises. Only the caller's cancellation is raised."""
    [result] = await asyncio.gather(awaitable, return_exceptions=True)
    return result


class Attempts:
    """Logs an unexpected error once, until an attempt succeeds or fails in another way."""

    def __init__(self, what: str) -> None:
        """Begin without an error; `what` begins each log line."""
        self._what = what
        self._logged: type[BaseException] | None = None

    def note(self, error: BaseException | None) -> None:
        """Record the result of an attempt; None is success."""
        if error is None or isinstance(error, OctoPrintTunnelError):
            self._logged = None
        elif type(error) is not self._logged:
            self._logged = type(error)
            LOGGER.error("%s: unexpected error, retried later", self._what, exc_info=error)
