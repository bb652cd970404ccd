"""What a service declares about its steps in Home Assistant's set-up dialog."""

from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum, auto
from typing import Final

SERVER_IS_HTTP: Final = "server_is_http"
"""The key of an AuthorizationError: the tunnel is http, but the address of its server was taken as https."""


@dataclass(frozen=True, kw_only=True, slots=True)
class OwnServer:
    """The steps that ask a user for the address of a server of their own, by their ids."""

    form: str
    menu: str
    """Follows the form, with the steps of `Setup` in it."""
    read: Callable[[str], str]
    """Return an address that a user typed in its shortest form. Raises AuthorizationError."""


class FieldKind(Enum):
    """What a user enters in a field of a form."""

    TEXT = auto()
    SECRET = auto()
    SWITCH = auto()


@dataclass(frozen=True, kw_only=True, slots=True)
class Field:
    """A field of a form. A switch is on at first."""

    name: str
    kind: FieldKind = FieldKind.TEXT
    required: bool = True


@dataclass(frozen=True, kw_only=True, slots=True)
class Setup:
    """The steps in which a user connects a service, by their ids.

    A service with a page has a menu before them, which has the provider's name. Without a page, the form has it.
    """

    form: str
    """Asks for what `Tunnel.from_form` reads, for example for a link that the user copied from the page."""
    fields: tuple[Field, ...]
    """The fields of `form`."""
    page: str | None = None
    """Opens the service's authorization page, which sends the browser back."""
    sign_up: str | None = None
    """The page where a user without an account begins."""
    server: OwnServer | None = None
    """None where the service has one server for all users."""
