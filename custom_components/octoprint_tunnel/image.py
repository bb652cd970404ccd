"""The picture of the model that is printed."""

from datetime import datetime
from typing import Final, override

from homeassistant.components.image import ImageEntity, ImageEntityDescription
from homeassistant.core import HomeAssistant
from homeassistant.helpers.entity_platform import AddConfigEntryEntitiesCallback

from .coordinator import PrinterCoordinator
from .entity import OctoPrintTunnelEntity
from .runtime import OctoPrintTunnelConfigEntry

PARALLEL_UPDATES = 0

DESCRIPTIONS: Final = (ImageEntityDescription(key="print_preview", translation_key="print_preview"),)


async def async_setup_entry(
    hass: HomeAssistant, entry: OctoPrintTunnelConfigEntry, async_add_entities: AddConfigEntryEntitiesCallback
) -> None:
    """Add the picture of one printer."""
    printer = entry.runtime_data.printer
    async_add_entities(PrintPreview(entry, printer, description) for description in DESCRIPTIONS)


class PrintPreview(OctoPrintTunnelEntity[PrinterCoordinator], ImageEntity):
    """The picture of the model in the file that is printed or selected."""

    def __init__(
        self, entry: OctoPrintTunnelConfigEntry, coordinator: PrinterCoordinator, description: ImageEntityDescription
    ) -> None:
        """Show the picture that the coordinator's preview fetches."""
        OctoPrintTunnelEntity.__init__(self, entry, coordinator, description)
        ImageEntity.__init__(self, coordinator.hass)

    @property
    @override
    def available(self) -> bool:
        return super().available and self.coordinator.preview.is_available

    @property
    @override
    def image_last_updated(self) -> datetime | None:
        return self.coordinator.preview.since

    @override
    async def async_image(self) -> bytes | None:
        if not self.available:
            return None
        picture = await self.coordinator.preview.picture()
        if picture is None:
            self.async_write_ha_state()  # that there is none may be known only now
            return None
        self._attr_content_type = picture.content_type
        return picture.body
