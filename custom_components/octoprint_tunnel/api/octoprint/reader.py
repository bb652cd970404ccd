"""Reads a printer with as few requests as possible: decides from what is known which parts have to be read now."""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import replace
from datetime import UTC, datetime
from http import HTTPStatus
import time
from typing import Final

from ..errors import (
    DownloadTooLarge,
    InvalidResponse,
    OctoPrintTunnelError,
    PermissionMissing,
    Rejected,
    UnexpectedStatus,
)
from ..transport.router import Way
from .client import OctoPrint
from .connection import ERRORS, Connection, PrinterState, error_in
from .custom_controls import CustomControl
from .heaters import Heater
from .job import DONE, Job
from .printer_error import PrinterError
from .prompt import Prompt
from .status import PrinterStatus

CONNECTION_MAX_AGE: Final = 15 * 60  # seconds
LIVE_CONNECTION_MAX_AGE: Final = 4 * 3600  # seconds; the push socket reports another connection

_PART_FAILED = (DownloadTooLarge, InvalidResponse, Rejected, UnexpectedStatus)
"""Errors of one request to OctoPrint or to one of its plugins; other requests may succeed."""


class Reader:
    """Reads connection, job and temperatures so that they belong together.

    The state is that of the last response that has one, and the job's progress is read with its state. A part that
    cannot be read does not prevent the others from being read.
    """

    def __init__(self, octoprint: OctoPrint, way: Callable[[], Way], *, metered: bool) -> None:
        """Prepare to read; the first reading asks for everything.

        `way` returns how the last request reached OctoPrint. `metered` tells that each byte through the tunnel counts.
        """
        self._octoprint = octoprint
        self._way = way
        self._metered = metered
        self._connection_read_at: float | None = None
        self._controls_failed_with: float | None = -1.0
        self._is_first = True
        self._expects_state = False
        self._error: PrinterError | None = None
        self._prompt: Prompt | None = None
        self._can_prompt = True
        self._expects_prompt = False
        self._prompt_reports = 0

    def invalidate_connection(self) -> None:
        """Read the whole connection next time."""
        self._connection_read_at = None

    def expect_state(self, error: PrinterError | None = None) -> None:
        """Read the printer's state with the job next time; `error` is what OctoPrint reported of one."""
        self._expects_state = True
        self._error = error or self._error

    def expect_prompt(self) -> None:
        """Read what the printer asks next time."""
        self._expects_prompt = True

    def set_prompt(self, prompt: Prompt | None) -> None:
        """Take what the printer asks from OctoPrint's report of it."""
        self._prompt = prompt
        self._prompt_reports += 1

    async def read(self, known: PrinterStatus | None, *, live: bool, after_command: bool) -> PrinterStatus:
        """Return the printer as it is now.

        `known` is the reading before, `live` tells whether OctoPrint reports changes, `after_command` whether a command
        may have changed the connection. Raises what the methods of `OctoPrint` raise; the next reading then asks for
        everything, because OctoPrint may be updated or set up again while it is away.
        """
        try:
            status = None
            if known is not None and not after_command and self._is_connection_known(known, live=live):
                status = await self._read_changes(known, live=live)
            status = await self._add_server(status or await self._read_all(known), is_set_up=known is not None)
            status = replace(status, error=await self._printer_error(known, status))
            if known is not None:
                await self._read_prompt(status, live=live)
        except OctoPrintTunnelError:
            self._connection_read_at, self._is_first, self._can_prompt = None, True, True
            raise
        self._is_first = False
        if not status.state.is_lost:
            self._error = None
        return replace(status, way=self._way(), prompt=self._prompt)

    def _is_connection_known(self, known: PrinterStatus, *, live: bool) -> bool:
        if self._connection_read_at is None or known.state.is_settling:
            return False
        max_age = LIVE_CONNECTION_MAX_AGE if live else CONNECTION_MAX_AGE
        return time.monotonic() - self._connection_read_at < max_age

    async def _read_changes(self, known: PrinterStatus, *, live: bool) -> PrinterStatus | None:
        """Read state, job and temperatures; None where the connection may be another one."""
        expects_state, self._expects_state = self._expects_state, False
        if not known.state.is_connected:
            return await self._read_disconnected(known, live=live)
        job = await self._job() if known.state.is_active or expects_state else None
        state_text = job.state_text if job else None
        try:
            reading = await self._octoprint.reading(state=state_text is None)
        except _PART_FAILED:
            if state_text is None or not PrinterState.from_text(state_text).is_connected:
                return None
            return self._put_together(known, known.connection.with_state(state_text), {}, job)
        state_text = state_text or (reading.state_text if reading else None)
        if reading is None or state_text is None:
            return None
        connection = known.connection.with_state(state_text)
        if not connection.state.is_connected:
            return None
        if job is None and connection.state.is_active:
            job = await self._job()
        return self._put_together(known, connection, reading.heaters, job)

    async def _read_disconnected(self, known: PrinterStatus, *, live: bool) -> PrinterStatus | None:
        """Return what is known while there is no printer and none is being connected, None where there may be.

        Only the job's state shows an attempt to connect. A smaller response does where OctoPrint reports attempts, or
        where each byte counts.
        """
        if live or (self._metered and known.way is Way.TUNNEL):
            try:
                return known if await self._octoprint.reading(heaters=False) is None else None
            except _PART_FAILED:
                return None
        job = await self._job()
        if job is None or job.state_text is None:
            return None
        state = PrinterState.from_text(job.state_text)
        is_same = state is known.state and error_in(job.state_text) in (None, known.connection.error)
        if is_same or (state is PrinterState.OFFLINE and known.state.is_lost):
            return known
        return await self._read_all(known, with_job=True)

    async def _read_all(self, known: PrinterStatus | None, *, with_job: bool = False) -> PrinterStatus:
        """Read the whole connection, too; once more where it changed between two requests."""
        status, agrees = await self._read_connection(known, with_job=with_job)
        if not agrees:
            status, _ = await self._read_connection(known, with_job=with_job)
        return status

    async def _read_connection(self, known: PrinterStatus | None, *, with_job: bool) -> tuple[PrinterStatus, bool]:
        """Read connection, temperatures and job; tells whether connection and job agree on whether there is one."""
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
        if job is None and (with_job or self._needs_job(known, connection.state)):
            job = await self._job()
        agrees = _is_connected(job) in (None, connection.state.is_connected)
        if job and not agrees:
            self._connection_read_at = None
            job = replace(job, state_text=None)
        return self._put_together(known, connection, heaters, job), agrees

    def _needs_job(self, known: PrinterStatus | None, state: PrinterState) -> bool:
        """Tell whether to read the job with a connection in `state`."""
        if known is None or self._is_first or state.is_active or known.state.is_connected:
            # A printer that was connected may have printed since: a whole short print, or the rest of a longer one.
            return True
        # Only the job's state still shows that an attempt to connect has failed.
        return state.is_lost and (known.state.is_settling or known.state is PrinterState.ERROR)

    async def _add_server(self, status: PrinterStatus, *, is_set_up: bool) -> PrinterStatus:
        """Add what is read once while OctoPrint runs. Set-up waits for the first reading, so that has less of it."""
        if self._is_first:
            status = replace(
                status, version=await _or_none(self._octoprint.version()), system_commands=None, custom_controls=None
            )
        if is_set_up and status.system_commands is None:
            commands = await _or_none(self._octoprint.system_commands())
            status = replace(status, system_commands=commands or frozenset())
        # What failed is read again when the whole connection was.
        is_due = status.custom_controls is None and self._controls_failed_with != self._connection_read_at
        if is_set_up and status.state.is_connected and is_due:
            status = replace(status, custom_controls=await self._custom_controls())
        return status

    async def _custom_controls(self) -> tuple[CustomControl, ...] | None:
        try:
            return await self._octoprint.custom_controls()
        except PermissionMissing, DownloadTooLarge:
            return ()
        except _PART_FAILED as error:
            self._controls_failed_with = self._connection_read_at
            return () if error.code == HTTPStatus.NOT_FOUND else None

    async def _read_prompt(self, status: PrinterStatus, *, live: bool) -> None:
        """Read what the printer asks: with live updates once, because OctoPrint reports it then.

        Without, it is read while a print is paused or a prompt is shown, and on the local network during each print.
        """
        if not status.state.is_connected:
            self._prompt = None
            return
        is_likely = self._prompt or status.state is PrinterState.PAUSED
        is_due = not live and (is_likely or (status.state.is_active and self._way() is Way.LOCAL))
        if self._can_prompt and (self._expects_prompt or is_due):
            self._expects_prompt = False
            reports = self._prompt_reports
            prompt = await self._asked()
            if reports == self._prompt_reports:  # else a report is newer
                self._prompt = prompt

    async def _asked(self) -> Prompt | None:
        try:
            return await self._octoprint.prompt()
        except PermissionMissing:
            self._can_prompt = False
        except UnexpectedStatus as error:
            self._can_prompt = error.code != HTTPStatus.NOT_FOUND
        except _PART_FAILED:
            pass
        return None

    async def _printer_error(self, known: PrinterStatus | None, status: PrinterStatus) -> PrinterError | None:
        """Return the error that disconnected the printer or ended its print. It is read once, if at all."""
        is_error, was_error = (each is not None and each.state in ERRORS for each in (status, known))
        ended = known is not None and known.state.is_active and not status.state.is_active
        if not ended and is_error is was_error:
            is_current = not (status.state.is_active or status.state.is_settling)
            return known.error if known and is_current else None
        if not is_error and (not ended or (status.job and status.job.progress == DONE)):
            return None
        error = self._error or await _or_none(self._octoprint.printer_error())
        text = status.connection.error
        if is_error and (error is None or (text and text != error.text)):
            return PrinterError(text=text)  # OctoPrint keeps an earlier error, or none
        return error

    def _put_together(
        self, known: PrinterStatus | None, connection: Connection, heaters: Mapping[str, Heater], job: Job | None
    ) -> PrinterStatus:
        """Return one snapshot, with what is remembered of the one before."""
        connection = self._with_error(connection, known.connection if known else None, job)
        shown = known.job if known else None
        if job is not None:
            shown = job.after(shown, connection.state, datetime.now(UTC))
        elif shown is not None and shown.is_over is connection.state.is_active:
            # The print before is not this print, and a print that has ended has no time left.
            shown = None if shown.is_over else shown.stopped()
        file = job.file if job else None
        if known is None:
            return PrinterStatus(connection=connection, job=shown, heaters=heaters, file=file)
        return replace(known, connection=connection, job=shown, heaters=heaters, file=file or known.file)

    def _with_error(self, connection: Connection, earlier: Connection | None, job: Job | None) -> Connection:
        """Return the connection with the error that ended it.

        `/api/connection` reports an error for a moment only; `/api/job` does until the printer is connected again.
        """
        if job is None or job.state_text is None:
            connection = connection.after(earlier)
            return connection.lost_by(self._error.text) if connection.state.is_lost and self._error else connection
        state = PrinterState.from_text(job.state_text)
        if state is PrinterState.UNKNOWN_STATE:
            return connection.after(earlier)
        if state is not connection.state:
            connection = replace(connection, state=state, state_text=job.state_text)
        if state is PrinterState.OFFLINE:
            self._error = None
        elif state.is_lost:
            reported = self._error.text if self._error else None
            return connection.lost_by(connection.error or reported or job.error or (earlier.error if earlier else None))
        return connection

    async def _job(self) -> Job | None:
        return await _or_none(self._octoprint.job())

    async def _heaters(self) -> Mapping[str, Heater]:
        reading = await _or_none(self._octoprint.reading(state=False))
        return reading.heaters if reading else {}


async def _or_none[T](request: Awaitable[T]) -> T | None:
    """Return the response to a request, None where this part of OctoPrint cannot be read."""
    try:
        return await request
    except _PART_FAILED:
        return None


def _is_connected(job: Job | None) -> bool | None:
    """Return whether the printer is connected by the job's state, None where the job has none."""
    return PrinterState.from_text(job.state_text).is_connected if job and job.state_text else None
