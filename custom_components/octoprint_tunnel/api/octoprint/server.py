"""The OctoPrint instance, and the user that an API key belongs to.

Source: OctoPrint's REST API ("Version information", "Current User") and its bundled Discovery plugin.
"""

from dataclasses import dataclass
from html import unescape
import re

from ..errors import InvalidResponse
from ..json_object import JsonObject
from ..remote_text import as_name, one_line

STATUS = "STATUS"
CONNECTION = "CONNECTION"
PRINT = "PRINT"
CONTROL = "CONTROL"
SYSTEM = "SYSTEM"
TIMELAPSE_LIST = "TIMELAPSE_LIST"
FILES_LIST = "FILES_LIST"
FILES_SELECT = "FILES_SELECT"
FILES_UPLOAD = "FILES_UPLOAD"
ADMIN = "ADMIN"

MAX_PERMISSIONS = 1000  # OctoPrint has some 60, and plugins add others


@dataclass(frozen=True, kw_only=True, slots=True)
class Instance:
    """The stable id and the name of an OctoPrint, which its Discovery plugin shows without a key."""

    uuid: str
    name: str | None

    @classmethod
    def from_xml(cls, body: bytes) -> Instance:
        """Read `discovery.xml`. It is not parsed as XML, so that no entity in it is expanded.

        Raises InvalidResponse if there is no UDN in it.
        """
        text = body.decode(errors="replace")
        uuid = re.search(r"<UDN>\s*uuid:([\w.-]{1,64})\s*</UDN>", text, re.ASCII)
        if not uuid:
            raise InvalidResponse(detail="no UDN in it")
        # An instance without a name has another text here, with the name of its machine.
        title = re.search(r"<friendlyName>([^<]{1,200})</friendlyName>", text)
        name = re.fullmatch(r'OctoPrint instance "(.+)"', one_line(unescape(title[1]), 300)) if title else None
        return cls(uuid=uuid[1].lower(), name=(as_name(name[1]) or None) if name else None)


@dataclass(frozen=True, kw_only=True, slots=True)
class User:
    """The user that the API key belongs to."""

    name: str | None
    permissions: frozenset[str]

    @classmethod
    def from_json(cls, response: JsonObject) -> User:
        """Read `GET /api/currentuser`."""
        return cls(name=response.exact("name"), permissions=frozenset(response.exacts("permissions", MAX_PERMISSIONS)))

    @property
    def is_known(self) -> bool:
        """Tell whether the API key was accepted."""
        return self.name is not None

    def lacks(self, *permissions: str) -> tuple[str, ...]:
        """Return the permissions among these that the user does not have."""
        if ADMIN in self.permissions:
            return ()
        return tuple(permission for permission in permissions if permission not in self.permissions)
