"""An error of the printer, with what OctoPrint did about it.

Source: OctoPrint's documentation, "Events" and "Printer operations", and what 1.11 and 2.0 send.
"""

from dataclasses import dataclass
import re
from typing import Final, Self

from ..json_object import JsonObject

MAX_REASON: Final = 100  # characters
_FAQ: Final = "https://faq.octoprint.org/"
_ENTRY: Final = re.compile(r"[a-z0-9-]{1,60}")


@dataclass(frozen=True, kw_only=True, slots=True)
class PrinterError:
    """An error. `reason` and `consequence` are OctoPrint's own words, as in `firmware` and `disconnect`."""

    text: str | None
    reason: str | None = None
    consequence: str | None = None
    faq_url: str | None = None

    @classmethod
    def from_json(cls, response: JsonObject) -> Self | None:
        """Read `GET /api/printer/error`, or an `Error` event; None if there is no error in it."""
        text = response.text("error")
        if text is None:
            return None
        entry = response.exact("faq")
        return cls(
            text=text,
            reason=response.text("reason", MAX_REASON),
            consequence=response.text("consequence", MAX_REASON),
            faq_url=_FAQ + entry if entry and _ENTRY.fullmatch(entry) else None,
        )
