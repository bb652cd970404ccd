"""Lists and prints what is stored in OctoPrint."""

from collections.abc import Iterable
from fnmatch import fnmatchcase
from typing import Any, Final

from homeassistant.core import ServiceResponse

from .api.octoprint.connection import PrinterState
from .api.octoprint.files import is_stored_path
from .api.octoprint.stored import Stored
from .api.remote_text import one_line
from .const import MAX_SHOWN
from .coordinator import PrinterCoordinator
from .exceptions import validation_error

SORTS: Final = ("name", "date", "size")
DEFAULT_LIMIT: Final = 100
MAX_LIMIT: Final = 1000


async def async_list(
    printer: PrinterCoordinator,
    *,
    folder: str | None = None,
    recursive: bool = False,
    search: str | None = None,
    sort: str = "name",
    limit: int = DEFAULT_LIMIT,
) -> ServiceResponse:
    """Return the files and folders of a folder, by default those at the top.

    `search` is a part of the name, or a pattern with `*` and `?`. Names are in alphabetical order, the newest date and
    the largest size come first. Raises ServiceValidationError and OctoPrintTunnelError.
    """
    folder = (folder or "").strip("/") or None
    if folder and not is_stored_path(folder):
        raise validation_error("no_such_folder", path=one_line(folder, MAX_SHOWN))
    stored = await printer.octoprint.stored(folder, recursive=recursive)
    if stored is None:
        raise validation_error("no_such_folder", path=one_line(folder or "/", MAX_SHOWN))
    found = [item for item in stored.items if _fits(item, search)]
    return {
        "total": len(found),
        "items": [_shown(item) for item in _sorted(found, sort)[:limit]],
        "truncated": stored.truncated,
    }


def _fits(item: Stored, search: str | None) -> bool:
    if not search:
        return True
    name, wanted = item.name.casefold(), search.casefold()
    # In names, brackets are more common than sets of characters in patterns.
    return fnmatchcase(name, wanted.replace("[", "[[]")) if set(wanted) & set("*?") else wanted in name


def _sorted(items: Iterable[Stored], sort: str) -> list[Stored]:
    by_name = sorted(items, key=lambda item: (item.path.casefold(), item.path))
    if sort == "date":
        return sorted(by_name, key=lambda item: item.changed_at.timestamp() if item.changed_at else 0, reverse=True)
    return sorted(by_name, key=lambda item: item.size or 0, reverse=True) if sort == "size" else by_name


def _shown(item: Stored) -> dict[str, Any]:
    return {
        "name": item.name,
        "path": item.path,
        "type": "folder" if item.is_folder else "file",
        "size": item.size,
        "date": item.changed_at.isoformat() if item.changed_at else None,
        "estimated_time": item.estimated_time,
    }


async def async_print(printer: PrinterCoordinator, path: str) -> None:
    """Print a file. Raises ServiceValidationError if that is not possible now, and OctoPrintTunnelError."""
    path = path.strip("/")
    shown = one_line(path, MAX_SHOWN)
    if not is_stored_path(path):
        raise validation_error("no_such_file", path=shown)
    await async_check_ready(printer)
    if not await printer.octoprint.print_file(path):
        raise validation_error("no_such_file", path=shown)
    printer.async_expect_change()


async def async_print_again(printer: PrinterCoordinator) -> None:
    """Print the selected file, if it is the one that is shown. Raises as `async_print` does."""
    selected = await async_check_ready(printer)
    shown = printer.data.job.path if printer.data and printer.data.job else None
    if selected != shown:
        printer.async_expect_change()
        raise validation_error("another_file_selected", path=one_line(selected or "-", MAX_SHOWN))
    await printer.async_command(lambda octoprint, _: octoprint.start())


async def async_check_ready(printer: PrinterCoordinator) -> str | None:
    """Return the path of the selected file. Raises ServiceValidationError unless the printer is ready to print."""
    job = await printer.octoprint.job()
    state = PrinterState.from_text(job.state_text)
    if state is PrinterState.OPERATIONAL:
        return job.path
    printer.async_refresh_soon()
    if state.is_active:
        raise validation_error("already_printing")
    raise validation_error("printer_not_connected")
