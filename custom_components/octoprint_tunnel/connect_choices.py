"""What the user chose to connect the printer with. What was not chosen is left to OctoPrint's preference."""

from collections import Counter
from collections.abc import Iterable, Mapping
from itertools import islice
from typing import Any, Final

from .api.octoprint.connection import Connection
from .connect_options import ATTR_BAUDRATE, ATTR_CONNECTOR, ATTR_PARAMETERS, ATTR_PORT, ATTR_PRINTER_PROFILE

MAX_CHOICES: Final = 50
MAX_TEXT: Final = 100  # characters
PREFERRED: Final = "preferred"
"""The option that leaves the choice to OctoPrint."""
KEYS: Final = (ATTR_CONNECTOR, ATTR_PORT, ATTR_BAUDRATE, ATTR_PRINTER_PROFILE)


def offered(connection: Connection, key: str, connector: str | None = None) -> Mapping[str, Any]:
    """Return what OctoPrint offers for one of KEYS: the values by what the user reads.

    Ports and baud rates are those of a connector, by default of the preferred one.
    """
    options = connection.options
    if key == ATTR_CONNECTOR:
        return _bounded((each.name, each.connector) for each in options.connectors or ())
    if key == ATTR_PRINTER_PROFILE:
        return _bounded((name, profile) for profile, name in options.profiles.items())
    if options.connectors is None:
        values: Any = options.ports if key == ATTR_PORT else options.baudrates
    else:
        of = {each.connector: each for each in options.connectors}.get(connector or options.preferred_connector or "")
        values = of.parameters.get(key) if of else None
    return _bounded((str(value), value) for value in values) if isinstance(values, list | tuple) else {}


def _bounded(choices: Iterable[tuple[str, Any]]) -> dict[str, Any]:
    """Return the first choices whose text is short enough for a state; where several have one text, with their ids."""
    listed = list(islice(choices, MAX_CHOICES))
    counts = Counter((PREFERRED, *(text for text, _ in listed)))
    alike = {text for text, count in counts.items() if count > 1}
    named = ((f"{text} ({value})" if text in alike - {str(value)} else text, value) for text, value in listed)
    return {text: value for text, value in named if 0 < len(text) <= MAX_TEXT}


class ConnectChoices:
    """The choices for one printer. A choice that OctoPrint does not offer now is kept, and not used."""

    def __init__(self) -> None:
        """Begin without a choice."""
        self._chosen: dict[str, str] = {}

    def choose(self, key: str, choice: str | None) -> None:
        """Choose what the user reads; None leaves it to OctoPrint."""
        self._chosen.pop(key, None)
        if choice is not None:
            self._chosen[key] = choice

    def chosen(self, key: str) -> str | None:
        """Return the choice, also one that is not offered now."""
        return self._chosen.get(key)

    def offered(self, connection: Connection, key: str) -> Mapping[str, Any]:
        """Return what OctoPrint offers for a key, with the chosen connector."""
        connectors = offered(connection, ATTR_CONNECTOR)
        return offered(connection, key, connectors.get(self._chosen.get(ATTR_CONNECTOR, "")))

    def missing(self, connection: Connection) -> list[str]:
        """Return the choices that OctoPrint does not offer now."""
        return [choice for key, choice in self._chosen.items() if choice not in self.offered(connection, key)]

    def for_connect(self, connection: Connection) -> dict[str, Any]:
        """Return what to pass to `OctoPrint.connect`."""
        chosen = {}
        for key, choice in self._chosen.items():
            choices = self.offered(connection, key)
            if choice in choices:
                chosen[key] = choices[choice]
        options = connection.options
        is_preferred = chosen.get(ATTR_CONNECTOR) in (None, options.preferred_connector)
        if connection.has_connectors and is_preferred and {ATTR_PORT, ATTR_BAUDRATE} & set(chosen):
            # OctoPrint 2.0 takes either all parameters or its preference.
            chosen[ATTR_PARAMETERS] = dict(options.preferred_parameters)
        return chosen
