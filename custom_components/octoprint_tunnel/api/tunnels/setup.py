"""What a service declares about its steps in Home Assistant's set-up dialog."""

from collections.abc import Callable
from dataclasses import dataclass
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


@dataclass(frozen=True, kw_only=True, slots=True)
class Setup:
    """The steps in which a user connects a service, by their ids; the menu before them has the provider's name."""

    page: str
    """Opens the service's authorization page, which sends the browser back."""
    paste: str
    """Asks for a link that the user copied from that page."""
    link: str
    """The field of the form `paste`."""
    sign_up: str
    """The page where a user without an account begins."""
    server: OwnServer | None = None
    """None where the service has one server for all users."""
