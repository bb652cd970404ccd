"""Updates of OctoPrint and its plugins.

Source: OctoPrint's bundled Software Update plugin, and what it sends in 1.11 and 2.0.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Final, Self

from ..json_object import JsonObject
from ..remote_text import MAX_NAME, as_name
from ..transport.addresses import has_credentials, web_address

OCTOPRINT: Final = "octoprint"  # as the plugin names OctoPrint itself; plugins have their own id
UPDATE_CHECK = "PLUGIN_SOFTWAREUPDATE_CHECK"
UPDATE_INSTALL = "PLUGIN_SOFTWAREUPDATE_UPDATE"

MAX_VERSION: Final = 50  # characters; a version, or the hash of a commit
UNKNOWN: Final = "?"


@dataclass(frozen=True, kw_only=True, slots=True)
class Update:
    """What is installed of one component, and what there is.

    `latest` is the installed version if there is no update, and None if OctoPrint could not find out. `is_possible`
    tells whether OctoPrint can install an update itself.
    """

    name: str | None = None
    installed: str | None = None
    latest: str | None = None
    is_available: bool = False
    is_possible: bool = False
    release_notes: str | None = None

    @classmethod
    def from_json(cls, component: JsonObject) -> Self:
        """Read one component of `GET /plugin/softwareupdate/check`."""
        remote = component.object("information").object("remote")
        installed = component.text("displayVersion", MAX_VERSION)
        latest = remote.text("value", MAX_VERSION) or remote.text("name", MAX_VERSION)
        # OctoPrint's own page hides the updates of a component for which its user disabled them.
        is_available = bool(component.boolean("updateAvailable")) and not component.boolean("disabled")
        if latest == UNKNOWN:
            latest = None
        elif latest and not is_available:
            latest = installed  # a prerelease may be newer than what there is
        return cls(
            name=as_name(component.text("displayName", MAX_NAME) or "") or None,
            installed=installed,
            latest=latest,
            is_available=is_available and latest is not None,
            is_possible=bool(component.boolean("updatePossible")),
            release_notes=_page(component.exact("releaseNotes")),
        )


@dataclass(frozen=True, kw_only=True, slots=True)
class Updates:
    """The components that OctoPrint knows, and whether it installs an update now."""

    components: Mapping[str, Update] = field(default_factory=dict)
    is_running: bool = False

    @classmethod
    def from_json(cls, response: JsonObject, targets: Iterable[str]) -> Self:
        """Read these targets of `GET /plugin/softwareupdate/check`, which may report others, too."""
        found = response.object("information")
        return cls(
            components={name: Update.from_json(found.object(name)) for name in targets if found.has_object(name)},
            is_running=response.text("status") == "inProgress",
        )


def _page(text: str | None) -> str | None:
    """Return the address of a page to show, None if it is not one."""
    url = web_address(text)
    return None if url is None or has_credentials(url) else str(url)
