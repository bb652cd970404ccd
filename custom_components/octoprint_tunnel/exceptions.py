"""Translates errors of the client library into errors that Home Assistant shows to the user."""

from collections.abc import Callable, Coroutine, Generator
from contextlib import contextmanager
from typing import Any, Concatenate, Protocol

from homeassistant.config_entries import ConfigEntry
from homeassistant.core import HomeAssistant
from homeassistant.exceptions import HomeAssistantError, ServiceValidationError

from .api.errors import OctoPrintTunnelError, Problem, Remedy
from .const import DOMAIN


def to_home_assistant_error(problem: Problem) -> HomeAssistantError:
    """Return the error to raise in Home Assistant, with the user's text."""
    kind = ServiceValidationError if problem.remedy is Remedy.REJECTED else HomeAssistantError
    return kind(translation_domain=DOMAIN, translation_key=problem.key, translation_placeholders=problem.placeholders)


def validation_error(key: str, **placeholders: str) -> ServiceValidationError:
    """Return an error for an action that is called with values that it cannot use."""
    return ServiceValidationError(translation_domain=DOMAIN, translation_key=key, translation_placeholders=placeholders)


@contextmanager
def translated_errors(hass: HomeAssistant, entry: ConfigEntry) -> Generator[None]:
    """Raise the errors of an action as Home Assistant's, and start a reauthentication if one needs it."""
    try:
        yield
    except OctoPrintTunnelError as error:
        if error.problem.needs_user:
            entry.async_start_reauth(hass)
        raise to_home_assistant_error(error.problem) from error


class _Coordinator(Protocol):
    @property
    def config_entry(self) -> ConfigEntry: ...


class _Entity(Protocol):
    hass: HomeAssistant

    @property
    def coordinator(self) -> _Coordinator: ...


def raise_translated[EntityT: _Entity, **P](
    action: Callable[Concatenate[EntityT, P], Coroutine[Any, Any, None]],
) -> Callable[Concatenate[EntityT, P], Coroutine[Any, Any, None]]:
    """Decorate an entity's action with `translated_errors`."""

    async def translated(self: EntityT, /, *args: P.args, **kwargs: P.kwargs) -> None:
        with translated_errors(self.hass, self.coordinator.config_entry):
            await action(self, *args, **kwargs)

    return translated
