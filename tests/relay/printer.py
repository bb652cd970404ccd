"""The printer that the services know: the address of its OctoPrint, and what they report about it."""

from dataclasses import dataclass, field
import secrets


@dataclass(kw_only=True)
class Printer:
    """One OctoPrint with a service's plugin in it."""

    url: str
    """Address of OctoPrint, without a trailing slash."""
    name: str = "Test printer"
    has_plugin: bool = True
    """Whether OctoEverywhere's plugin tells the printer's id."""
    id: str = field(default_factory=lambda: secrets.token_hex(20))
    api_key: str | None = None
    """OctoPrint API key that the OctoEverywhere portal can return."""
    local_ip: str | None = None
    """Address on the local network that OctoEverywhere last saw."""
    online: bool | None = None
    """Whether the plugin is connected to the service; None = whether OctoPrint's port is open."""
