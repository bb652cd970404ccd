"""Wait for a result, with a limit."""

import asyncio
from collections.abc import Awaitable, Callable

from . import DemoError

_PAUSE = 0.25  # seconds


async def until[AnswerT](ask: Callable[[], Awaitable[AnswerT | None]], *, seconds: float, otherwise: str) -> AnswerT:
    """Return the first result that is not None; raises DemoError with `otherwise` if there is none in time."""
    try:
        async with asyncio.timeout(seconds):
            while True:
                if (answer := await ask()) is not None:
                    return answer
                await asyncio.sleep(_PAUSE)
    except TimeoutError:
        raise DemoError(f"{otherwise} within {seconds:.0f} s") from None
