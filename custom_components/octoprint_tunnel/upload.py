"""Uploads a file of Home Assistant to OctoPrint."""

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from errno import EPERM
from pathlib import Path

from homeassistant.core import HomeAssistant

from .api.octoprint.file_progress import FileInProgress
from .api.octoprint.files import MAX_FORM, UploadedFile, is_file_name, is_folder
from .api.octoprint.gcode import LayerIndexer
from .api.remote_text import one_line
from .api.sizes import format_size
from .api.transport.router import Way
from .const import LOGGER, MAX_SHOWN
from .coordinator import PrinterCoordinator, TunnelCoordinator
from .exceptions import validation_error
from .layers import Layers


async def async_upload(
    hass: HomeAssistant,
    tunnel: TunnelCoordinator,
    printer: PrinterCoordinator,
    layers: Layers,
    path: Path,
    *,
    folder: str | None,
    select: bool,
    print_: bool,
) -> UploadedFile:
    """Upload a file, and tell OctoPrint to select or to print it.

    Raises ServiceValidationError before anything is sent, and OctoPrintTunnelError.
    """
    await _async_check_path(hass, path, folder)
    title, indexer = printer.config_entry.title, LayerIndexer()
    async with _open(hass, path, title, indexer) as file:
        await _async_check_size(tunnel, printer, file.size)
        LOGGER.info("%s: uploading %s (%d bytes)", title, path.name, file.size)
        uploaded = await printer.octoprint.upload(path.name, file, folder=folder, select=select, print_=print_)
        LOGGER.info("%s: uploaded %s", title, path.name)
    layers.async_add_uploaded(uploaded.path, indexer)
    printer.async_expect_change()
    return uploaded


async def _async_check_path(hass: HomeAssistant, path: Path, folder: str | None) -> None:
    if "\0" in str(path) or not await hass.async_add_executor_job(hass.config.is_allowed_path, str(path)):
        raise validation_error("path_not_allowed", path=str(path))
    if not is_file_name(path.name):
        raise validation_error("name_not_usable", name=one_line(path.name, MAX_SHOWN))
    if folder and not is_folder(folder):
        raise validation_error("name_not_usable", name=one_line(folder, MAX_SHOWN))


@asynccontextmanager
async def _open(hass: HomeAssistant, path: Path, title: str, indexer: LayerIndexer) -> AsyncGenerator[FileInProgress]:
    """Open a file whose progress is logged, and whose layers are found while it is read."""

    def log_percent(percent: int) -> None:
        LOGGER.info("%s: %d %% of %s sent", title, percent, path.name)

    try:
        file = await hass.async_add_executor_job(
            FileInProgress, path, hass.config.is_allowed_path, indexer.feed, log_percent
        )
    except OSError as error:
        if error.errno == EPERM:
            raise validation_error("path_not_allowed", path=str(path)) from error
        raise validation_error("file_not_readable", path=str(path), reason=error.strerror or "-") from error
    try:
        yield file
    finally:
        await hass.async_add_executor_job(file.close)


async def _async_check_size(tunnel: TunnelCoordinator, printer: PrinterCoordinator, size: int) -> None:
    """Refuse a file that is too large for the tunnel, if that is the way in use."""
    way, _ = await printer.router.choose()
    limit = _max_upload(tunnel)
    if way is Way.TUNNEL and limit is not None and size > limit:
        raise validation_error(
            "file_too_large",
            size=format_size(size),
            limit=format_size(limit),
        )


def _max_upload(tunnel: TunnelCoordinator) -> int | None:
    """Return the largest file in bytes that the account allows and the tunnel carries."""
    max_body = tunnel.service.tunnel.max_body
    limits = [tunnel.data.status.limits.max_upload, max_body and max_body - MAX_FORM]
    return min((limit for limit in limits if limit is not None), default=None)
