"""Errors, and the problems that they are made of."""

import pytest

from custom_components.octoprint_tunnel.api import errors
from custom_components.octoprint_tunnel.api.errors import (
    MAX_DETAIL,
    ApiKeyRejected,
    CannotConnect,
    OctoPrintOffline,
    OctoPrintTunnelError,
    OverCap,
    PluginOutdated,
    Problem,
    Rejected,
    Remedy,
    RequestTimeout,
    TunnelRevoked,
)

EVERY_ERROR = [
    kind
    for kind in vars(errors).values()
    if isinstance(kind, type) and issubclass(kind, OctoPrintTunnelError) and kind is not OctoPrintTunnelError
]


def test_every_error_has_its_own_key_and_names_its_remedy() -> None:
    """No two errors read alike, and no remedy is left without an error."""
    assert len({OctoPrintTunnelError.key, *(kind.key for kind in EVERY_ERROR)}) == len(EVERY_ERROR) + 1
    assert all("remedy" in vars(kind) for kind in EVERY_ERROR)
    assert {kind.remedy for kind in EVERY_ERROR} == set(Remedy)


def test_an_error_is_made_of_a_problem() -> None:
    """A problem is kept, and a new exception is raised each time."""
    problem = Problem(Rejected, code=409, detail="Printer is busy")
    error = problem.error()
    assert (type(error), str(error)) == (Rejected, "rejected 409 Printer is busy")
    assert (error.code, error.detail, error.problem) == (409, "Printer is busy", problem)
    assert problem.error() is not error


@pytest.mark.parametrize(
    ("problem", "summary"),
    [
        (Problem(Rejected, code=409, detail="anna.gcode is in use"), "rejected 409"),
        (Problem(CannotConnect, detail="ClientOSError"), "cannot_connect ClientOSError"),
        (Problem(RequestTimeout), "timed_out"),
    ],
)
def test_a_summary_holds_no_text_from_the_other_side(problem: Problem, summary: str) -> None:
    """It goes into diagnostics, which users share."""
    assert problem.summary == summary


def test_a_detail_is_one_line_of_limited_length() -> None:
    """It can come from any server."""
    problem = Problem(Rejected, detail="two\nlines" + "x" * MAX_DETAIL)
    assert problem.detail == f"two lines{'x' * MAX_DETAIL}"[:MAX_DETAIL]
    assert Rejected(detail="two\nlines").detail == "two lines"


def test_placeholders_hold_no_link() -> None:
    """Some of the texts are shown as Markdown."""
    assert Problem(Rejected).placeholders == {"code": "-", "detail": "-"}
    shown = Problem(Rejected, code=400, detail="see [this](https://evil.example)").placeholders
    assert shown == {"code": "400", "detail": "see (this)(https: evil.example)"}


@pytest.mark.parametrize(
    ("kind", "true"),
    [
        (CannotConnect, set()),
        (OctoPrintOffline, {"concerns_all"}),
        (OverCap, {"waits", "closes", "concerns_all"}),
        (PluginOutdated, {"waits", "closes", "concerns_all"}),
        (TunnelRevoked, {"needs_user", "closes", "concerns_all"}),
        (ApiKeyRejected, {"needs_user"}),
        (Rejected, set()),
    ],
)
def test_what_follows_from_the_remedy(kind: type[OctoPrintTunnelError], true: set[str]) -> None:
    """Whether to wait, to ask the user, or to send nothing more."""
    problem = Problem(kind)
    assert {name for name in ("waits", "needs_user", "closes", "concerns_all") if getattr(problem, name)} == true
