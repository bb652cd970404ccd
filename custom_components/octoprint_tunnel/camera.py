"""Cameras for the webcams that OctoPrint has."""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import aclosing
from dataclasses import dataclass
import time
from typing import Final, override

from aiohttp import web

from homeassistant.components.camera import Camera, CameraEntityDescription, Image
from homeassistant.components.camera.img_util import scale_jpeg_camera_image
from homeassistant.const import Platform
from homeassistant.core import HomeAssistant, callback
from homeassistant.helpers import entity_registry as er
from homeassistant.helpers.entity_platform import AddConfigEntryEntitiesCallback
from homeassistant.util import dt as dt_util

from .api.errors import OctoPrintTunnelError
from .api.picture import JPEG_TYPE
from .api.webcam.feed import Still, WebcamFeed
from .api.webcam.jpeg import with_orientation
from .api.webcam.mjpeg import Multipart
from .coordinator import PrinterCoordinator
from .entity import OctoPrintTunnelEntity, async_add_when_available
from .exceptions import to_home_assistant_error
from .polling import Outage
from .runtime import OctoPrintTunnelConfigEntry
from .webcam_keys import FIRST_WEBCAM
from .webcams import Webcams

PARALLEL_UPDATES = 0

WRITE_TIMEOUT: Final = 60  # seconds; a viewer who receives nothing for so long is gone
OLD: Final = 5  # seconds; the age of an older picture is shown


@dataclass(frozen=True, kw_only=True)
class WebcamDescription(CameraEntityDescription):
    """Describes the camera of one webcam; `webcam_name` is its name in OctoPrint."""

    webcam_name: str


def webcam_descriptions(webcams: Webcams) -> list[WebcamDescription]:
    """Return a description for each webcam that OctoPrint has now."""
    return [
        WebcamDescription(
            key=key,
            translation_key="webcam" if key == FIRST_WEBCAM else "further_webcam",
            webcam_name=feed.webcam.display_name,
        )
        for key, feed in webcams.data.feeds.items()
    ]


async def async_setup_entry(
    hass: HomeAssistant, entry: OctoPrintTunnelConfigEntry, async_add_entities: AddConfigEntryEntitiesCallback
) -> None:
    """Add the cameras of one printer, and remove those whose webcam is gone."""
    webcams = entry.runtime_data.webcams
    registry = er.async_get(hass)
    kept = {f"{entry.unique_id}_{key}" for key in webcams.data.feeds}
    for known in er.async_entries_for_config_entry(registry, entry.entry_id):
        if webcams.data.is_current and known.domain == Platform.CAMERA and known.unique_id not in kept:
            registry.async_remove(known.entity_id)
    async_add_when_available(entry, async_add_entities, webcams, webcam_descriptions, WebcamCamera)


class WebcamCamera(OctoPrintTunnelEntity[PrinterCoordinator], Camera):
    """The camera of one webcam."""

    entity_description: WebcamDescription
    _unrecorded_attributes = frozenset({"image_age", "image_taken"})

    def __init__(
        self, entry: OctoPrintTunnelConfigEntry, coordinator: PrinterCoordinator, description: WebcamDescription
    ) -> None:
        """Show the webcam whose feed has the key of the description."""
        OctoPrintTunnelEntity.__init__(self, entry, coordinator, description)
        Camera.__init__(self)
        self._runtime = entry.runtime_data
        self._is_old = False
        self._rename(description.webcam_name)

    @property
    @override
    def available(self) -> bool:
        return super().available and self._feed is not None

    @property
    def _feed(self) -> WebcamFeed | None:
        return self._runtime.webcams.data.feeds.get(self.entity_description.key)

    @override
    async def async_added_to_hass(self) -> None:
        await super().async_added_to_hass()
        webcams = self._runtime.webcams
        self.async_on_remove(webcams.async_add_listener(self._handle_coordinator_update))
        webcams.async_save_names()

    @callback
    @override
    def _handle_coordinator_update(self) -> None:
        if self._feed is not None and self._feed.webcam.display_name != self._webcam_name:
            self._rename(self._feed.webcam.display_name)
        super()._handle_coordinator_update()

    def _rename(self, webcam_name: str) -> None:
        self._webcam_name = webcam_name
        self._attr_translation_placeholders = {"name": webcam_name}
        self.__dict__.pop("name", None)  # Home Assistant caches it
        name = f"{self.coordinator.config_entry.title} {webcam_name}"
        self._outage = Outage(name)
        self._limits = Outage(f"{name}, no live view")

    @override
    async def async_camera_image(self, width: int | None = None, height: int | None = None) -> bytes | None:
        still = await self._still()
        if still is None:
            return None
        self.content_type = still.content_type
        if width and height and still.content_type == JPEG_TYPE:
            return await self.hass.async_add_executor_job(_scaled, still.body, width, height, still.orientation)
        return still.body

    async def _still(self) -> Still | None:
        """Return a picture, None if there is none."""
        feed = self._feed
        if feed is None or not self.available:
            return None
        try:
            still = await feed.still()
        except OctoPrintTunnelError as error:
            self._log(error)
            return None
        self._log(None)
        self._log_limit(feed)
        if still is not None:
            self._show_age(still)
        return still

    @override
    async def handle_async_mjpeg_stream(self, request: web.Request) -> web.StreamResponse | None:
        feed = self._feed
        if feed is None or not self.available:
            return None
        try:
            stream = await feed.stream()
        except OctoPrintTunnelError as error:
            self._log(error)
            return None
        self._log_limit(feed)
        if stream is None:
            return await self._send(self._stills(feed.still_interval), request)
        try:
            return await self._send(stream.pictures(), request, stream.seconds)
        finally:
            feed.end_stream(stream)

    @override
    async def handle_async_still_stream(self, request: web.Request, interval: float) -> web.StreamResponse:
        """Send stills, but not with Home Assistant's writer: a picture could contain its boundary."""
        response = await self._send(self._stills(interval), request)
        if response is None:
            raise web.HTTPBadGateway
        return response

    async def _stills(self, interval: float) -> AsyncGenerator[Still]:
        """Yield each new still until there is none, at most one per interval in seconds."""
        last: Still | None = None
        asked_at = time.monotonic()
        while (still := await self._still()) is not None:
            if last is None or still.body != last.body:
                last = still
                yield still
            await asyncio.sleep(max(0, asked_at + interval - time.monotonic()))
            asked_at = time.monotonic()

    async def _send(
        self, pictures: AsyncGenerator[Still], request: web.Request, seconds: float | None = None
    ) -> web.StreamResponse | None:
        """Send pictures until they end or `seconds` are over. Returns None if there was no picture."""
        writer = Multipart()
        response: web.StreamResponse | None = None
        try:
            async with asyncio.timeout(seconds), aclosing(pictures):
                async for picture in pictures:
                    self._log(None)
                    part = writer.part(picture.body, picture.content_type)
                    if response is None:
                        headers = {"Content-Type": writer.content_type, "X-Content-Type-Options": "nosniff"}
                        response = web.StreamResponse(headers=headers)
                        await response.prepare(request)
                        part = writer.beginning + part
                    async with asyncio.timeout(WRITE_TIMEOUT):
                        await response.write(part)
        except TimeoutError:
            pass
        except OctoPrintTunnelError as error:
            self._log(error)
        return response

    def _log(self, error: OctoPrintTunnelError | None) -> None:
        """Log once that there are no pictures. Errors that concern the whole tunnel are logged by the coordinators."""
        if error is None:
            self._outage.note("pictures", None)
        elif self.available and not error.problem.concerns_all:
            self._outage.note("pictures", to_home_assistant_error(error.problem))

    def _log_limit(self, feed: WebcamFeed) -> None:
        self._limits.note("live view", to_home_assistant_error(feed.limit) if feed.limit else None)

    def _show_age(self, still: Still) -> None:
        """Show the age of the picture. The state is written only if the picture is or was old."""
        age = round((dt_util.utcnow() - still.taken).total_seconds())
        self._attr_extra_state_attributes = {"image_taken": still.taken.isoformat(timespec="seconds"), "image_age": age}
        if self._is_old or age >= OLD:
            self.async_write_ha_state()
        self._is_old = age >= OLD


def _scaled(body: bytes, width: int, height: int, orientation: int) -> bytes:
    """Scale a picture as Home Assistant does, and set its orientation again, which scaling removes."""
    while (scaled := scale_jpeg_camera_image(Image(JPEG_TYPE, body), width, height)) != body:
        body = scaled
    return with_orientation(body, orientation)
