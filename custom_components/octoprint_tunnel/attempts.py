"""Attempts that are repeated after any failure: no error ends them for good."""

import asyncio
from collections.abc import Awaitable

from .api.errors import OctoPrintTunnelError
from .const import LOGGER


async def result_or_error[T](awaitable: Awaitable[T]) -> T | BaseException:
    """Return what an awaitable returns or raises; only the cancellation of the caller is raised."""
    [result] = await asyncio.gather(awaitable, return_exceptions=True)
    return result


class Attempts:
    """Logs an unexpected error once, until another kind of error comes or an attempt succeeds."""

    def __init__(self, what: str) -> None:
        """Begin with no error; `what` is what the log says of a failed attempt."""
        self._what = what
        self._logged: type[BaseException] | None = None

    def note(self, error: BaseException | None) -> None:
        """Record the result of an attempt; None is success."""
        if error is None or isinstance(error, OctoPrintTunnelError):
            self._logged = None
        elif type(error) is not self._logged:
            self._logged = type(error)
            LOGGER.error("%s: unexpected error, tried again later", self._what, exc_info=error)
