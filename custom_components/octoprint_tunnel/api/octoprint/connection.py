"""OctoPrint's connection to the printer, in the shapes of 1.11 and of 2.0.

Source: OctoPrint's REST API, "Connection handling", and the states that 1.11 and 2.0 send.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Any

from ..errors import InvalidResponse
from ..json_object import JsonObject
from ..remote_text import MAX_NAME

MAX_STATE_TEXT = 255  # characters
MAX_ID = 255  # characters of a port, a connector or a printer profile
MAX_BAUDRATE = 100_000_000  # bit/s


class PrinterState(StrEnum):
    """The state of the printer as OctoPrint reports it."""

    OFFLINE = "offline"
    OFFLINE_AFTER_ERROR = "offline_after_error"
    ERROR = "error"
    DETECTING = "detecting"
    CONNECTING = "connecting"
    OPERATIONAL = "operational"
    STARTING = "starting"
    PRINTING = "printing"
    PAUSING = "pausing"
    PAUSED = "paused"
    RESUMING = "resuming"
    CANCELLING = "cancelling"
    FINISHING = "finishing"
    TRANSFERRING = "transferring"
    UNKNOWN_STATE = "unknown_state"

    @classmethod
    def from_text(cls, text: str | None) -> PrinterState:
        """Return the state for a state string of OctoPrint, which is in English."""
        text = (text or "").strip().lower()
        for beginning, state in _BEGINNINGS:
            if text.startswith(beginning):
                return state
        return cls.UNKNOWN_STATE

    @property
    def is_connected(self) -> bool:
        """Tell whether OctoPrint holds a working connection to the printer."""
        return self not in _NOT_CONNECTED

    @property
    def is_active(self) -> bool:
        """Tell whether the printer is working on a job, or paused in one."""
        return self.is_connected and self is not PrinterState.OPERATIONAL

    @property
    def is_idle(self) -> bool:
        """Tell whether there is certainly no print."""
        return not self.is_active and self is not PrinterState.UNKNOWN_STATE

    @property
    def is_lost(self) -> bool:
        """Tell whether there is no connection and none is being made."""
        return self in (PrinterState.OFFLINE, PrinterState.OFFLINE_AFTER_ERROR, PrinterState.ERROR)

    @property
    def is_settling(self) -> bool:
        """Tell whether the connection is being made."""
        return self in (PrinterState.DETECTING, PrinterState.CONNECTING)


_NOT_CONNECTED = frozenset(
    {
        PrinterState.OFFLINE,
        PrinterState.OFFLINE_AFTER_ERROR,
        PrinterState.ERROR,
        PrinterState.DETECTING,
        PrinterState.CONNECTING,
        PrinterState.UNKNOWN_STATE,
    }
)

ERRORS = (PrinterState.ERROR, PrinterState.OFFLINE_AFTER_ERROR)

# The first match counts. OctoPrint appends details ("Error: …", "Detecting serial connection").
_BEGINNINGS = (
    ("offline after error", PrinterState.OFFLINE_AFTER_ERROR),
    ("offline (error", PrinterState.OFFLINE_AFTER_ERROR),
    ("offline", PrinterState.OFFLINE),
    ("closed", PrinterState.OFFLINE),
    ("error", PrinterState.ERROR),
    ("detecting", PrinterState.DETECTING),
    ("opening", PrinterState.CONNECTING),
    ("connecting", PrinterState.CONNECTING),
    ("operational", PrinterState.OPERATIONAL),
    ("starting", PrinterState.STARTING),
    ("printing", PrinterState.PRINTING),
    ("pausing", PrinterState.PAUSING),
    ("paused", PrinterState.PAUSED),
    ("resuming", PrinterState.RESUMING),
    ("cancelling", PrinterState.CANCELLING),
    ("finishing", PrinterState.FINISHING),
    ("sending file", PrinterState.TRANSFERRING),
    ("transferring", PrinterState.TRANSFERRING),
)


def error_in(state_text: str | None) -> str | None:
    """Return the error that older versions of OctoPrint append to the state string."""
    text = (state_text or "").strip()
    if text.startswith("Offline (Error:") and text.endswith(")"):
        text = text[len("Offline (") : -1]
    return text.removeprefix("Error:").strip() or None if text.startswith("Error:") else None


@dataclass(frozen=True, kw_only=True, slots=True)
class Connector:
    """A connector of OctoPrint 2.0, with the choices for each of its parameters."""

    connector: str
    name: str
    parameters: Mapping[str, Any]


@dataclass(frozen=True, kw_only=True, slots=True)
class ConnectionOptions:
    """The options to connect with. `connectors` is None before OctoPrint 2.0."""

    ports: tuple[str, ...] = ()
    baudrates: tuple[int, ...] = ()
    profiles: Mapping[str, str]
    connectors: tuple[Connector, ...] | None = None
    preferred_port: str | None = None
    preferred_baudrate: int | None = None
    preferred_profile: str | None = None
    preferred_connector: str | None = None
    preferred_parameters: Mapping[str, Any]
    autoconnect: bool | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class Connection:
    """The printer's state and OctoPrint's connection to it.

    `baudrate` is in bit/s, `profile` is an id. `last_error` is why the connection was lost: OctoPrint's state shows it
    only for a moment, so it is kept until the printer is connected again.
    """

    state: PrinterState
    state_text: str | None
    port: str | None = None
    baudrate: int | None = None
    connector: str | None = None
    profile: str | None = None
    last_error: str | None = None
    options: ConnectionOptions

    @property
    def has_connectors(self) -> bool:
        """Tell whether this OctoPrint has connectors (2.0 and later)."""
        return self.options.connectors is not None

    @property
    def error(self) -> str | None:
        """Return the error in the state string, else the last one."""
        return error_in(self.state_text) or self.last_error

    @property
    def profile_name(self) -> str | None:
        """Return the name of the printer profile in use, its id if the name is unknown."""
        return None if self.profile is None else self.options.profiles.get(self.profile, self.profile)

    def with_state(self, state_text: str) -> Connection:
        """Return this connection in another state."""
        state = PrinterState.from_text(state_text)
        return replace(self, state=state, state_text=state_text, last_error=None).after(self)

    def after(self, earlier: Connection | None) -> Connection:
        """Return this connection with the error of an earlier reading, if it is still lost."""
        if earlier is None or not self.state.is_lost or not (earlier.state in ERRORS or earlier.error):
            return self
        return self.lost_by(self.error or earlier.error)

    def lost_by(self, error: str | None) -> Connection:
        """Return this connection as lost by an error; None if the error is unknown."""
        state = PrinterState.OFFLINE_AFTER_ERROR if self.state is PrinterState.OFFLINE else self.state
        return replace(self, state=state, last_error=error)

    @classmethod
    def from_json(cls, response: JsonObject) -> Connection:
        """Read `GET /api/connection`; its fields show the shape.

        Raises InvalidResponse if there is no `current` object in it.
        """
        if not response.has_object("current"):
            raise InvalidResponse(detail="no current connection in it")
        current = response.object("current")
        options = response.object("options")
        state_text = current.text("state", MAX_STATE_TEXT)
        if "connectors" in options or "connector" in current:
            parameters = current.object("parameters")
            preferred = options.object("preferredConnector")
            return cls(
                state=PrinterState.from_text(state_text),
                state_text=state_text,
                port=parameters.exact("port", MAX_ID),
                baudrate=parameters.integer("baudrate", 0, MAX_BAUDRATE) or None,
                connector=current.exact("connector", MAX_ID),
                profile=current.exact("profile", MAX_ID),
                options=ConnectionOptions(
                    profiles=_profiles(options.objects("profiles")),
                    connectors=_connectors(options.objects("connectors")),
                    preferred_profile=options.exact("preferredProfile", MAX_ID),
                    preferred_connector=preferred.exact("connector", MAX_ID),
                    preferred_parameters=preferred.object("parameters").plain(),
                ),
            )
        return cls(
            state=PrinterState.from_text(state_text),
            state_text=state_text,
            port=current.exact("port", MAX_ID),
            baudrate=current.integer("baudrate", 0, MAX_BAUDRATE) or None,  # 0 means that it is being detected
            profile=current.exact("printerProfile", MAX_ID),
            options=ConnectionOptions(
                ports=options.exacts("ports"),
                baudrates=options.integers("baudrates"),
                profiles=_profiles(options.objects("printerProfiles")),
                preferred_port=options.exact("portPreference", MAX_ID),
                preferred_baudrate=options.integer("baudratePreference", 0, MAX_BAUDRATE),
                preferred_profile=options.exact("printerProfilePreference", MAX_ID),
                preferred_parameters={},
                autoconnect=options.boolean("autoconnect"),
            ),
        )


def _profiles(profiles: list[JsonObject]) -> dict[str, str]:
    return {key: profile.text("name", MAX_NAME) or key for profile in profiles if (key := profile.exact("id", MAX_ID))}


def _connectors(connectors: list[JsonObject]) -> tuple[Connector, ...]:
    return tuple(
        Connector(connector=key, name=item.text("name", MAX_NAME) or key, parameters=item.object("parameters").plain())
        for item in connectors
        if (key := item.exact("connector", MAX_ID))
    )
