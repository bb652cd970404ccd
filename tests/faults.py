"""Faults between Home Assistant and OctoPrint, caused by the relay."""

from collections.abc import Callable
from dataclasses import dataclass
import json

from .relay.server import Relay

OWNERS_TURN = (481, 605, 610)  # only the owner can fix these, so they are polled less often

CODES = {
    "octoeverywhere": (600, 601, 602, 605, 607, 608, 609, 610, 612, 655, 400, 404, 409, 429, 500, 502, 503, 504),
    "obico": (481, 482, 483, 489, 400, 404, 409, 429, 500, 502, 503, 504),
    "own_address": (400, 404, 409, 429, 500, 502, 503, 504, 521, 530),
}
SITE = {"octoeverywhere": "octoeverywhere_api", "obico": "obico_tsd"}
"""Where a service itself responds, if it does."""

type Cause = Callable[[Relay, str], None]


@dataclass(frozen=True, kw_only=True)
class Fault:
    """One fault in one place."""

    where: str
    cause: Cause
    passes: bool = True
    """Whether it ends without the owner."""


LOGIN_PAGES: tuple[Cause, ...] = (
    lambda relay, where: relay.redirect(where, "https://elsewhere.example/"),
    lambda relay, where: relay.redirect(where, "http://127.0.0.1:5000/"),
    lambda relay, where: relay.fail(where, 200, "<html><body>Sign in to the hotel's network</body></html>"),
)
"""Faults that look like the log-in page of a proxy, which only the user can pass."""

GARBAGE = (
    ("application/json", '{"current": null, "total": "x", "IsOnline": 7}'),
    ("application/json", '{"a":' * 500),
    ("application/json", "\x00" * 50),
)

_NAME = "![x](https://elsewhere.example/x.png)\n2026-11-26 ERROR \x1b[31m\u202e" * 30
_NUMBER = 7e77  # a placeholder for 1e400, which is valid JSON and too large for a float
_BODY = {
    "current": {"state": f"Printing {_NAME}", "port": _NAME, "baudrate": _NUMBER, "printerProfile": {"id": _NAME}},
    "options": {"ports": [_NAME] * 5, "baudrates": [_NUMBER] * 500, "printerProfiles": [{"id": _NAME}] * 20},
    "state": {"text": f"Operational {_NAME}"},
    "temperature": {f"tool\N{ARABIC-INDIC DIGIT ONE}{n}": {"actual": _NUMBER} for n in range(500)},
    "job": {"file": {"path": _NAME, "name": [_NAME], "size": -1}},
    "progress": {"completion": _NUMBER, "printTime": 1e20, "printTimeLeft": -_NUMBER},
    "webcam": {"webcams": [{"name": _NAME, "displayName": _NAME, "compat": {"snapshot": "https://[::1]@"}}]},
    "core": [{"action": f"x{n}"} for n in range(500)],
    "IsOnline": True,
    "PrinterName": _NAME,
    "PrinterLocalIp": "fd00::1%]@[2001:db8::7",
    "UserFacingPrinterUrl": "https://[::1]@",
    "LastConnectionTimeUtc": _NAME,
    "PrinterLimits": {"MaxDownloadFileSizeBytes": _NUMBER, "MaxSingleWebcamStreamLengthSeconds": 1e308},
    "total": -5,
    "monthly_cap": _NUMBER,
    "normalized_p": _NUMBER,
    "State": 1e20,
}
HOSTILE = json.dumps(_BODY).replace(str(_NUMBER), "1e400")
"""A body with every field that is read, each with a hostile value."""
HOSTILE_EVENT = json.dumps({"event": {"type": "PrinterStateChanged", "payload": {"state_string": f"Printing {_NAME}"}}})
"""A frame of the push socket."""

ANSWERS: tuple[Cause, ...] = (
    lambda relay, where: relay.lose_name(where),
    lambda relay, where: relay.spoil_certificate(where, "expired"),
    lambda relay, where: relay.spoil_certificate(where, "foreign"),
    lambda relay, where: relay.drop(where),
    lambda relay, where: relay.truncate(where, 7),
    lambda relay, where: relay.truncate(where, 0),
    *(
        lambda relay, where, kind=kind, body=body: relay.fail(where, 200, body, content_type=kind)
        for kind, body in (*GARBAGE, ("application/json", HOSTILE))
    ),
)


SLOW: tuple[tuple[Cause, bool], ...] = (
    (lambda relay, where: relay.delay(where, 0.1), False),
    (lambda relay, where: relay.delay(where, 30), True),
    (lambda relay, where: relay.hang(where), True),
    (lambda relay, where: relay.drip(where, 0.0001), False),
    (lambda relay, where: relay.drip(where, 1), True),
)
"""Faults that delay responses, and whether they cause a time-out."""


def faults_of(provider: str) -> list[Fault]:
    """Return all faults, in the tunnel and on the service's website."""
    causes: list[tuple[Cause, bool]] = [
        (lambda relay, where, code=code: relay.fail(where, code), code not in OWNERS_TURN)  # type: ignore[misc]
        for code in CODES[provider]
    ]
    causes += [(cause, True) for cause in ANSWERS]
    causes += [(cause, provider != "own_address") for cause in LOGIN_PAGES]
    places = ["tunnel", *([SITE[provider]] if provider in SITE else [])]
    return [Fault(where=where, cause=cause, passes=passes) for cause, passes in causes for where in places]
