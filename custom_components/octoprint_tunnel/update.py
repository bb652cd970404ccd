"""Updates of OctoPrint and of the service's plugin."""

from dataclasses import dataclass
from typing import Any, override

from homeassistant.components.update import UpdateEntity, UpdateEntityDescription, UpdateEntityFeature
from homeassistant.const import EntityCategory
from homeassistant.core import HomeAssistant
from homeassistant.helpers.entity_platform import AddConfigEntryEntitiesCallback

from .api.octoprint.updates import OCTOPRINT, Update
from .entity import OctoPrintTunnelEntity
from .exceptions import translated_errors
from .runtime import OctoPrintTunnelConfigEntry
from .updates import UpdatesCoordinator

PARALLEL_UPDATES = 1


@dataclass(frozen=True, kw_only=True)
class SoftwareDescription(UpdateEntityDescription):
    """Describes the update of one component."""

    is_plugin: bool


DESCRIPTIONS = (
    SoftwareDescription(
        key="octoprint_update",
        translation_key="octoprint_update",
        entity_category=EntityCategory.CONFIG,
        is_plugin=False,
    ),
    SoftwareDescription(
        key="plugin_update",
        translation_key="plugin_update",
        entity_category=EntityCategory.CONFIG,
        is_plugin=True,
    ),
)


async def async_setup_entry(
    hass: HomeAssistant, entry: OctoPrintTunnelConfigEntry, async_add_entities: AddConfigEntryEntitiesCallback
) -> None:
    """Add the updates of one printer."""
    updates = entry.runtime_data.updates
    async_add_entities(
        SoftwareUpdate(entry, updates, description)
        for description in DESCRIPTIONS
        if updates.plugin or not description.is_plugin
    )


class SoftwareUpdate(OctoPrintTunnelEntity[UpdatesCoordinator], UpdateEntity):
    """The update of one component. It stays available while OctoPrint restarts after the installation."""

    entity_description: SoftwareDescription

    @property
    def _target(self) -> str:
        return self.coordinator.plugin if self.entity_description.is_plugin else OCTOPRINT

    @property
    def _update(self) -> Update:
        return self.coordinator.data.updates.get(self._target, Update())

    @property
    @override
    def available(self) -> bool:
        is_known = self._target in self.coordinator.data.updates
        return is_known and (self.coordinator.is_current or self.in_progress)

    @property
    @override
    def supported_features(self) -> UpdateEntityFeature:
        features = UpdateEntityFeature.PROGRESS
        return features | UpdateEntityFeature.INSTALL if self._update.is_possible else features

    @property
    @override
    def title(self) -> str | None:
        return self._update.name

    @property
    @override
    def installed_version(self) -> str | None:
        return self._update.installed

    @property
    @override
    def latest_version(self) -> str | None:
        return self._update.latest

    @property
    @override
    def release_url(self) -> str | None:
        return self._update.release_notes

    @property
    @override
    def in_progress(self) -> bool:
        return self.coordinator.is_installing(self._target)

    @override
    def version_is_newer(self, latest_version: str, installed_version: str) -> bool:
        return True  # OctoPrint decides; the one of a release channel may have a lower number

    @override
    async def async_install(self, version: str | None, backup: bool, **kwargs: Any) -> None:
        with translated_errors(self.hass, self.coordinator.config_entry):
            await self.coordinator.async_install(self._target)
