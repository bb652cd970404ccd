"""What the printer is connected with, to choose from."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final, override

from homeassistant.components.select import SelectEntity, SelectEntityDescription
from homeassistant.const import EntityCategory, Platform
from homeassistant.core import HomeAssistant
from homeassistant.helpers import entity_registry as er
from homeassistant.helpers.entity_platform import AddConfigEntryEntitiesCallback
from homeassistant.helpers.restore_state import ExtraStoredData, RestoreEntity

from .connect_choices import PREFERRED, ConnectChoices
from .connect_options import ATTR_BAUDRATE, ATTR_CONNECTOR, ATTR_PORT, ATTR_PRINTER_PROFILE
from .const import DOMAIN
from .coordinator import PrinterCoordinator
from .entity import OctoPrintTunnelEntity, async_add_when_available
from .runtime import OctoPrintTunnelConfigEntry

PARALLEL_UPDATES = 0

ATTR_MISSING: Final = "missing"


@dataclass(frozen=True, kw_only=True)
class ChoiceDescription(SelectEntityDescription):
    """Describes a choice; `field` is one of connect_choices.KEYS."""

    field: str
    entity_category: EntityCategory | None = EntityCategory.CONFIG
    entity_registry_enabled_default: bool = False


DESCRIPTIONS = (
    ChoiceDescription(key="connector_choice", translation_key="connector_choice", field=ATTR_CONNECTOR),
    ChoiceDescription(key="port_choice", translation_key="port_choice", field=ATTR_PORT),
    ChoiceDescription(key="baudrate_choice", translation_key="baudrate_choice", field=ATTR_BAUDRATE),
    ChoiceDescription(
        key="printer_profile_choice", translation_key="printer_profile_choice", field=ATTR_PRINTER_PROFILE
    ),
)


def available_descriptions(printer: PrinterCoordinator) -> list[ChoiceDescription]:
    """Return the descriptions of what this OctoPrint lets its user choose: connectors from 2.0.

    Before OctoPrint is read, these are the ones of earlier: Home Assistant forgets the choice of an entity that is not
    there for a week.
    """
    is_read = printer.data is not None
    has_connectors = is_read and printer.data.connection.has_connectors
    registry, unique_id = er.async_get(printer.hass), printer.config_entry.unique_id

    def is_offered(each: ChoiceDescription) -> bool:
        if is_read:
            return each.field != ATTR_CONNECTOR or has_connectors
        return registry.async_get_entity_id(Platform.SELECT, DOMAIN, f"{unique_id}_{each.key}") is not None

    return list(filter(is_offered, DESCRIPTIONS))


async def async_setup_entry(
    hass: HomeAssistant, entry: OctoPrintTunnelConfigEntry, async_add_entities: AddConfigEntryEntitiesCallback
) -> None:
    """Add the choices of one printer."""
    printer = entry.runtime_data.printer
    async_add_when_available(entry, async_add_entities, printer, available_descriptions, ConnectChoice)


@dataclass(frozen=True, kw_only=True)
class ChoiceData(ExtraStoredData):
    """What is stored of a choice."""

    choice: str | None

    @override
    def as_dict(self) -> dict[str, Any]:
        return {"choice": self.choice}


class ConnectChoice(OctoPrintTunnelEntity[PrinterCoordinator], SelectEntity, RestoreEntity):
    """One choice, which *Connect* uses. It is kept over restarts."""

    entity_description: ChoiceDescription

    def __init__(
        self, entry: OctoPrintTunnelConfigEntry, printer: PrinterCoordinator, description: ChoiceDescription
    ) -> None:
        """Keep the choice where *Connect* finds it."""
        super().__init__(entry, printer, description)
        self._choices: ConnectChoices = entry.runtime_data.connect_choices

    @override
    async def async_added_to_hass(self) -> None:
        if (stored := await self.async_get_last_extra_data()) and (choice := stored.as_dict().get("choice")):
            self._choices.choose(self.entity_description.field, str(choice))
        await super().async_added_to_hass()

    @property
    @override
    def extra_restore_state_data(self) -> ChoiceData:
        return ChoiceData(choice=self._chosen)

    @property
    def _chosen(self) -> str | None:
        return self._choices.chosen(self.entity_description.field)

    @property
    def _offered(self) -> Mapping[str, Any]:
        status = self.coordinator.data
        return self._choices.offered(status.connection, self.entity_description.field) if status else {}

    @property
    @override
    def options(self) -> list[str]:
        return [PREFERRED, *self._offered]

    @property
    @override
    def current_option(self) -> str:
        return self._chosen if self._chosen is not None and self._chosen in self._offered else PREFERRED

    @property
    @override
    def extra_state_attributes(self) -> Mapping[str, Any] | None:
        is_missing = self._chosen is not None and self._chosen not in self._offered
        return {ATTR_MISSING: self._chosen} if is_missing else None

    @override
    async def async_select_option(self, option: str) -> None:
        self._choices.choose(self.entity_description.field, None if option == PREFERRED else option)
        self.coordinator.async_update_listeners()  # the connector decides on the others
