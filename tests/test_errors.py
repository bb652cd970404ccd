"""What every error of the library tells."""

import pytest

from custom_components.octoprint_tunnel.api import errors
from custom_components.octoprint_tunnel.api.errors import OctoPrintTunnelError, Remedy

EVERY_ERROR = [
    kind
    for kind in vars(errors).values()
    if isinstance(kind, type) and issubclass(kind, OctoPrintTunnelError) and kind is not OctoPrintTunnelError
]


def test_every_error_has_a_text_of_its_own() -> None:
    """Two errors that read alike would have one remedy too many."""
    keys = [kind.key for kind in EVERY_ERROR]
    assert len(set(keys)) == len(keys) > 20
    assert OctoPrintTunnelError.key not in keys


def test_every_remedy_is_the_remedy_of_something() -> None:
    """And each error says which one."""
    assert {kind.remedy for kind in EVERY_ERROR} == set(Remedy)
    assert all("remedy" in vars(kind) for kind in EVERY_ERROR)


@pytest.mark.parametrize("kind", EVERY_ERROR)
def test_an_error_waits_where_only_an_owner_can_end_it(kind: type[OctoPrintTunnelError]) -> None:
    """Supporters, data caps and plugins: asking often changes nothing."""
    assert kind().waits is (kind.remedy in (Remedy.WAIT, Remedy.UPDATE_PLUGIN))


@pytest.mark.parametrize("kind", EVERY_ERROR)
def test_an_error_holds_what_a_text_for_people_may_mention(kind: type[OctoPrintTunnelError]) -> None:
    """A code and the other side's own words, or a dash."""
    assert kind().placeholders == {"code": "-", "detail": "-"}
    assert str(kind()) == kind.key
    told = kind(code=699, detail="words")
    assert told.placeholders == {"code": "699", "detail": "words"}
    assert str(told) == f"{kind.key} 699 words"
