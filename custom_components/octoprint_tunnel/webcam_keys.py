"""Which camera entity shows which webcam: entities keep their webcams when OctoPrint changes their order."""

from collections.abc import Container
from typing import Final

from homeassistant.config_entries import ConfigEntry
from homeassistant.const import Platform
from homeassistant.core import HomeAssistant, callback
from homeassistant.helpers import entity_registry as er
from homeassistant.util import slugify

from .api.octoprint.webcam import MAX_WEBCAMS, Webcam
from .api.remote_text import MAX_NAME
from .const import DOMAIN

FIRST_WEBCAM: Final = "webcam"
OPTION_NAME: Final = "webcam_name"  # in the entity registry


class WebcamKeys:
    """The keys of a printer's cameras. A webcam is known by its name, which is kept in the entity registry."""

    def __init__(self, hass: HomeAssistant, entry: ConfigEntry) -> None:
        """Read the names from the entity registry."""
        self._hass = hass
        self._entry = entry
        cameras = [(self._key(entity), entity.options.get(DOMAIN)) for entity in self._cameras()]
        self._names = {key: str(options[OPTION_NAME]) for key, options in cameras if options and OPTION_NAME in options}

    @callback
    def async_save(self) -> None:
        """Keep with each camera entity the name of its webcam."""
        registry = er.async_get(self._hass)
        for entity in self._cameras():
            name = self._names.get(self._key(entity))
            if name is not None and entity.options.get(DOMAIN) != {OPTION_NAME: name}:
                registry.async_update_entity_options(entity.entity_id, DOMAIN, {OPTION_NAME: name})

    def assign(self, webcams: tuple[Webcam, ...]) -> dict[str, Webcam]:
        """Return the webcams by their keys, in their order: a webcam that is known keeps its key."""
        named = _with_names(webcams)
        known = {name: key for key, name in self._names.items()}
        keys = {known[name]: name for name in named if name in known}
        cameras = {self._key(entity) for entity in self._cameras()}
        # Version 0.1.0 made the key from the webcam's name, except for the first webcam.
        for name in named:
            if name not in known and (key := _key_of(name)) in cameras and key not in {*keys, *self._names}:
                keys[key] = name
        for name in named:
            if name not in keys.values():
                keys[self._free_key(name, keys)] = name
        self._names = {**self._names, **keys}
        self._forget_oldest(keys)
        order = list(named)
        return {key: named[name] for key, name in sorted(keys.items(), key=lambda item: order.index(item[1]))}

    def _free_key(self, name: str, taken: Container[str]) -> str:
        """Return a key for a new webcam: the first webcam's, if no present webcam has that."""
        if FIRST_WEBCAM not in taken:
            return FIRST_WEBCAM
        key, number = _key_of(name), 2
        while key in taken or key in self._names:
            key, number = f"{_key_of(name)}_{number}", number + 1
        return key

    def _forget_oldest(self, present: Container[str]) -> None:
        """Forget the webcams that were removed first, once there are more than MAX_WEBCAMS of them."""
        gone = [key for key in self._names if key not in present]
        for key in gone[: max(0, len(gone) - MAX_WEBCAMS)]:
            del self._names[key]

    def _cameras(self) -> list[er.RegistryEntry]:
        entities = er.async_entries_for_config_entry(er.async_get(self._hass), self._entry.entry_id)
        return [entity for entity in entities if entity.domain == Platform.CAMERA]

    def _key(self, entity: er.RegistryEntry) -> str:
        return entity.unique_id.removeprefix(f"{self._entry.unique_id}_")


def _with_names(webcams: tuple[Webcam, ...]) -> dict[str, Webcam]:
    """Return the webcams by names that differ. Names that are too long are cut, so they may be equal."""
    named: dict[str, Webcam] = {}
    for webcam in webcams:
        number = sum(other.name == webcam.name for other in named.values())
        named[f"{webcam.name} {number + 1}" if number else webcam.name] = webcam
    return named


def _key_of(name: str) -> str:
    return f"{FIRST_WEBCAM}_{slugify(name)[:MAX_NAME]}"
