"""What can go wrong between Home Assistant and OctoPrint, as the relay brings it about."""

from collections.abc import Callable
from dataclasses import dataclass

from .relay.server import Relay

OWNERS_TURN = (481, 605, 610)  # what only the owner can end is looked at less often

CODES = {
    "octoeverywhere": (600, 601, 602, 605, 607, 608, 609, 610, 612, 655, 400, 404, 409, 429, 500, 502, 503, 504),
    "obico": (481, 482, 483, 489, 400, 404, 409, 429, 500, 502, 503, 504),
}
SITE = {"octoeverywhere": "octoeverywhere_api", "obico": "obico_tsd"}

type Cause = Callable[[Relay, str], None]


@dataclass(frozen=True, kw_only=True)
class Fault:
    """Something that goes wrong in one place."""

    where: str
    cause: Cause
    passes: bool = True
    """Whether it passes without the owner."""


GARBAGE = (
    ("text/html", "<html><body>Sign in to the hotel's network</body></html>"),
    ("application/json", '{"current": null, "total": "x", "IsOnline": 7}'),
    ("application/json", '{"a":' * 500),
    ("application/json", "\x00" * 50),
)

ANSWERS: tuple[Cause, ...] = (
    lambda relay, where: relay.lose_name(where),
    lambda relay, where: relay.spoil_certificate(where, "expired"),
    lambda relay, where: relay.spoil_certificate(where, "foreign"),
    lambda relay, where: relay.drop(where),
    lambda relay, where: relay.truncate(where, 7),
    lambda relay, where: relay.truncate(where, 0),
    lambda relay, where: relay.redirect(where, "https://elsewhere.example/"),
    lambda relay, where: relay.redirect(where, "http://127.0.0.1:5000/"),
    *(
        lambda relay, where, kind=kind, body=body: relay.fail(where, 200, body, content_type=kind)
        for kind, body in GARBAGE
    ),
)


SLOW: tuple[tuple[Cause, bool], ...] = (
    (lambda relay, where: relay.delay(where, 0.1), False),
    (lambda relay, where: relay.delay(where, 30), True),
    (lambda relay, where: relay.hang(where), True),
    (lambda relay, where: relay.drip(where, 0.0001), False),
    (lambda relay, where: relay.drip(where, 1), True),
)
"""What makes answers late, and whether they come too late."""


def faults_of(provider: str) -> list[Fault]:
    """Return what can go wrong, and where: in the tunnel or on the service's website."""
    causes: list[tuple[Cause, bool]] = [
        (lambda relay, where, code=code: relay.fail(where, code), code not in OWNERS_TURN)  # type: ignore[misc]
        for code in CODES[provider]
    ]
    causes += [(cause, True) for cause in ANSWERS]
    places = ("tunnel", SITE[provider])
    return [Fault(where=where, cause=cause, passes=passes) for cause, passes in causes for where in places]
