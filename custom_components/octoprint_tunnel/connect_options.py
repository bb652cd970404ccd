"""Checks the options of the `connect` action against what OctoPrint offers, before anything is sent."""

from collections.abc import Collection, Mapping
from typing import Any, Final

from homeassistant.exceptions import ServiceValidationError

from .api.octoprint.connection import Connection
from .api.remote_text import one_line
from .const import MAX_SHOWN
from .exceptions import validation_error

ATTR_AUTOCONNECT: Final = "autoconnect"
ATTR_BAUDRATE: Final = "baudrate"
ATTR_CONNECTOR: Final = "connector"
ATTR_PARAMETERS: Final = "parameters"
ATTR_PORT: Final = "port"
ATTR_PRINTER_PROFILE: Final = "printer_profile"
ATTR_SAVE: Final = "save"

AUTOMATIC: Final = ((ATTR_PORT, "AUTO"), (ATTR_BAUDRATE, 0))
"""Values with which OctoPrint detects the port or the baud rate. It does not list them."""


def checked_options(offered: Connection, options: Mapping[str, Any]) -> dict[str, Any]:
    """Return the options to send. Raises ServiceValidationError for what OctoPrint does not offer."""
    checked = dict(options)
    if offered.has_connectors and options.get(ATTR_AUTOCONNECT) is not None and not options.get(ATTR_SAVE):
        # OctoPrint 2.0 would ignore it. Alone, it can be saved with the preferences as they are.
        if options.keys() != {ATTR_AUTOCONNECT}:
            raise validation_error("autoconnect_needs_save")
        checked[ATTR_SAVE] = True
    if profile := options.get(ATTR_PRINTER_PROFILE):
        checked[ATTR_PRINTER_PROFILE] = _profile_id(offered, profile)
    _check_parameters(_offered_parameters(offered, options.get(ATTR_CONNECTOR)), options)
    return checked


def _profile_id(offered: Connection, profile: str) -> str:
    """Return the id of a printer profile that is given by its id or its name."""
    profiles = offered.options.profiles
    if profile in profiles:
        return profile
    by_name = {name.casefold(): profile_id for profile_id, name in profiles.items()}
    if profile.casefold() not in by_name:
        raise _not_offered(ATTR_PRINTER_PROFILE, profile, [*profiles, *profiles.values()])
    return by_name[profile.casefold()]


def _offered_parameters(offered: Connection, connector: str | None) -> dict[str, Any]:
    """Return the parameters that a connector takes, each with its choices. OctoPrint 1.11 has no connectors."""
    options = offered.options
    if options.connectors is None:
        if connector is not None:
            raise validation_error("no_connectors")
        return {ATTR_PORT: list(options.ports), ATTR_BAUDRATE: list(options.baudrates)}
    connectors = {each.connector: each for each in options.connectors}
    chosen = connector or options.preferred_connector or next(iter(connectors), None)
    if chosen not in connectors:
        raise _not_offered(ATTR_CONNECTOR, chosen, connectors)
    return dict(connectors[chosen].parameters)


def _check_parameters(offered: Mapping[str, Any], options: Mapping[str, Any]) -> None:
    parameters = {**options.get(ATTR_PARAMETERS, {})}
    parameters |= {name: options[name] for name in (ATTR_PORT, ATTR_BAUDRATE) if name in options}
    for name, value in parameters.items():
        if name not in offered:
            raise _not_offered(ATTR_PARAMETERS, name, offered)
        choices = offered[name]
        # A parameter without choices takes any value: a host name, an access code.
        if isinstance(choices, list) and choices and value not in choices and (name, value) not in AUTOMATIC:
            raise _not_offered(name, value, choices)


def _not_offered(what: str, value: object, offered: Collection[object]) -> ServiceValidationError:
    choices = ", ".join(str(choice) for choice in offered) or "-"
    return validation_error(
        "not_offered", what=what, value=one_line(str(value), MAX_SHOWN), offered=one_line(choices, MAX_SHOWN)
    )
