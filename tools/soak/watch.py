"""Watch the log and the delay of the event loop during the soak."""

import asyncio
from collections.abc import AsyncGenerator, Iterator
import contextlib
import logging
from typing import override

from custom_components.octoprint_tunnel.const import LOGGER

_BEAT = 0.05  # seconds


class Log(logging.Handler):
    """The errors in the log, and the number of lines of the integration."""

    def __init__(self) -> None:
        """Start without lines."""
        super().__init__(logging.INFO)
        self.lines = 0
        """Lines of the integration above debug."""
        self.errors: list[str] = []
        """All errors, and all records with a traceback."""

    @override
    def emit(self, record: logging.LogRecord) -> None:
        if record.name.startswith(LOGGER.name):
            self.lines += 1
        if record.levelno >= logging.ERROR or record.exc_info:
            self.errors.append(logging.Formatter().format(record))

    @classmethod
    @contextlib.contextmanager
    def watched(cls) -> Iterator[Log]:
        """Watch without debug records, which are slow, and without pytest's copy of each record."""
        root, log = logging.getLogger(), cls()
        levels = {root: logging.WARNING, LOGGER: logging.INFO}
        before = {logger: logger.level for logger in levels}
        LOGGER.propagate = False
        for logger, level in levels.items():
            logger.setLevel(level)
            logger.addHandler(log)
        try:
            yield log
        finally:
            LOGGER.propagate = True
            for logger, level in before.items():
                logger.removeHandler(log)
                logger.setLevel(level)


class Lag:
    """The delay of the event loop."""

    def __init__(self) -> None:
        """Start at zero."""
        self.largest = 0.0
        """Seconds."""

    async def _beat(self) -> None:
        loop = asyncio.get_running_loop()
        while True:
            started = loop.time()
            await asyncio.sleep(_BEAT)
            self.largest = max(self.largest, loop.time() - started - _BEAT)

    @classmethod
    @contextlib.asynccontextmanager
    async def watched(cls) -> AsyncGenerator[Lag]:
        """Watch the running loop, without the debug mode of tests."""
        asyncio.get_running_loop().set_debug(False)
        lag = cls()
        task = asyncio.create_task(lag._beat())
        try:
            yield lag
        finally:
            task.cancel()
