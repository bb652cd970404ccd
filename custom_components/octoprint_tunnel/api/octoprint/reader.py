"""The cheapest complete reading of a printer: what to ask now, from what is known, as one snapshot."""

from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime
import time

from ..errors import DownloadTooLarge, InvalidResponse, Rejected, UnexpectedStatus
from .client import OctoPrint
from .connection import Connection, PrinterState
from .heaters import Heater
from .job import Job
from .status import PrinterStatus

_PART_FAILED = (DownloadTooLarge, InvalidResponse, Rejected, UnexpectedStatus)
"""What OctoPrint, or one of its plugins, answers where one request does not work; others may."""


class Reader:
    """Reads state, job and temperatures so that they belong together.

    The state is that of the last response that has one, and the job's progress is read with its state. A part that
    cannot be read takes no other part with it.
    """

    def __init__(self, octoprint: OctoPrint) -> None:
        """Prepare to ask `octoprint`; the first reading asks for everything."""
        self.heaters_left_out = 0
        """How many heaters were more than are read."""
        self._octoprint = octoprint
        self._connection_read_at: float | None = None
        self._is_first = True
        self._expects_change = False
        self._error: str | None = None

    def forget_connection(self) -> None:
        """Read the connection as a whole next time."""
        self._connection_read_at = None

    def forget(self) -> None:
        """Read everything next time: OctoPrint was away, and there may have been a print."""
        self._connection_read_at = None
        self._is_first = True

    def expect_change(self, error: str | None = None) -> None:
        """Read the printer's state with the job next time; `error` is what OctoPrint said of one."""
        self._expects_change = True
        self._error = error or self._error

    def knows_connection(self, seconds: float) -> bool:
        """Tell whether the connection was read as a whole within the last seconds."""
        return self._connection_read_at is not None and time.monotonic() - self._connection_read_at < seconds

    async def read(self, known: PrinterStatus | None, *, whole: bool) -> PrinterStatus:
        """Return the printer as it is now; `whole` reads the connection, too. Raises what `OctoPrint` raises."""
        status = await self._glance(known) if known is not None and not whole else None
        if status is None:
            status, agrees = await self._whole(known)
            if not agrees:  # what changed in the middle of the reading is settled in the next
                status, _ = await self._whole(known)
        self._is_first = False
        if not status.state.is_lost:
            self._error = None
        return status

    async def _glance(self, known: PrinterStatus) -> PrinterStatus | None:
        """Read what can have changed; None where the connection may be another one."""
        expects_change, self._expects_change = self._expects_change, False
        job = await self._job() if known.state.is_active or (expects_change and known.state.is_connected) else None
        state_text = job.state_text if job else None
        try:
            reading = await self._octoprint.reading(heaters=known.state.is_connected, state=state_text is None)
        except _PART_FAILED:
            if state_text is None or not PrinterState.from_text(state_text).is_connected:
                return None
            return self._put_together(known, known.connection.with_state(state_text), {}, job)
        if (reading is not None) is not known.state.is_connected:
            return None
        if reading is None:
            return known
        self.heaters_left_out = reading.left_out
        if (state_text := state_text or reading.state_text) is None:
            return None
        connection = known.connection.with_state(state_text)
        if not connection.state.is_connected:
            return None
        if job is None and connection.state.is_active:
            job = await self._job()
        return self._put_together(known, connection, reading.heaters, job)

    async def _whole(self, known: PrinterStatus | None) -> tuple[PrinterStatus, bool]:
        """Read the connection as well; tells whether connection and job agree on whether there is one."""
        job = None
        try:
            connection = await self._octoprint.connection()
            self._connection_read_at = time.monotonic()
        except _PART_FAILED:
            job = await self._job() if known is not None else None
            if known is None or job is None or job.state_text is None:
                raise
            connection = known.connection.with_state(job.state_text)
        heaters = await self._heaters() if connection.state.is_connected else {}
        # Who was connected may have printed since: all of a short print, or to its end.
        was_connected = known is not None and known.state.is_connected
        if job is None and (self._is_first or connection.state.is_active or was_connected):
            job = await self._job()
        agrees = _says_connected(job) in (None, connection.state.is_connected)
        if job and not agrees:
            self._connection_read_at = None
            job = replace(job, state_text=None)
        return self._put_together(known, connection, heaters, job), agrees

    def _put_together(
        self, known: PrinterStatus | None, connection: Connection, heaters: Mapping[str, Heater], job: Job | None
    ) -> PrinterStatus:
        """Return one snapshot, with what is to be remembered of the one before."""
        connection = self._with_error(connection, known.connection if known else None, job)
        shown = known.job if known else None
        if job is not None:
            shown = job.after(shown, connection.state, datetime.now(UTC))
        elif shown is not None and shown.is_over is connection.state.is_active:
            # That of the print before is not the one of this print, and a print that is over has no time left.
            shown = None if shown.is_over else shown.stopped()
        return PrinterStatus(connection=connection, job=shown, heaters=heaters)

    def _with_error(self, connection: Connection, earlier: Connection | None, job: Job | None) -> Connection:
        """Return the connection with the error that ended it.

        `/api/connection` says of an error for a moment only; `/api/job` does until the printer is connected again.
        """
        if job is None or job.state_text is None:
            connection = connection.after(earlier)
            return connection.lost_by(self._error) if connection.state.is_lost and self._error else connection
        state = PrinterState.from_text(job.state_text)
        if state is PrinterState.UNKNOWN_STATE:
            return connection.after(earlier)
        if state is not connection.state:
            connection = replace(connection, state=state, state_text=job.state_text)
        if state is PrinterState.OFFLINE:
            self._error = None
        elif state.is_lost:
            return connection.lost_by(
                connection.error or self._error or job.error or (earlier.error if earlier else None)
            )
        return connection

    async def _job(self) -> Job | None:
        try:
            return await self._octoprint.job()
        except _PART_FAILED:
            return None

    async def _heaters(self) -> Mapping[str, Heater]:
        try:
            reading = await self._octoprint.reading(state=False)
        except _PART_FAILED:
            return {}
        self.heaters_left_out = reading.left_out if reading else 0
        return reading.heaters if reading else {}


def _says_connected(job: Job | None) -> bool | None:
    """Return whether the printer is connected by what the job says of its state, None where it says nothing."""
    return PrinterState.from_text(job.state_text).is_connected if job and job.state_text else None
