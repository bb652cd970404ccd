"""Hostile numbers, strings and long lists, in place of documented values."""

from collections.abc import Iterable
import copy
import json
from typing import Any

from hypothesis import Phase, given, settings, strategies as st

from .figures import FIGURES

SENT = "hostile bodies and links sent into Home Assistant"

TRAP = "[Log in again](https://evil.example/login)"
NO_FLOAT = 10**399  # a placeholder for 1e400, which is too large for a float
WORST_NUMBERS: list[Any] = [
    *(NO_FLOAT, -NO_FLOAT, 10**400, -(10**400), 1e308, -1e308, float("inf"), float("-inf"), float("nan"), 5e-324, -0.0),
    *(2**53, 2**53 + 1, -(2**53) - 1, 2**63, 2**64, 1e20, 10**20, 101, 0, -1, -5, True, None, [], {}, [None], {"": {}}),
]
WORST_TEXTS = [
    # lines and marks
    "a\n2026-11-26 00:00:00.000 ERROR (MainThread) [homeassistant.core] Forged",
    *("\x1b[31mred", "\r\n", "\x00", "\t", " ", "", "\u202eexe.gpj", "\u2028", "\u200b\u200d", "\ud83d"),
    # markup
    *(TRAP, f"https://octoeverywhere.com/) {TRAP}", f"![x](https://evil.example/x.png)\n# {TRAP}"),
    *("{{ states('x') }}", "{detail}", "%s%n", "<script>alert(1)</script>"),
    # addresses
    *("http://[]@", "https://[::1]@/x", "https://xn--a", "https://xn--a.octoeverywhere.com/", "http://a:0"),
    *("\xa0https://octoeverywhere.com/x", "https://octoeverywhere.com/\xa0x", "https://octoeverywhere\uff0ecom/x"),
    *("https://m\u00fcnchen.example/", "https://octoeverywhere.com\\@evil.example", "https://[fd00::1%25eth0]/"),
    "https://octoeverywhere.com/" + "\U0001f5a8" * 1000,
    *("fd00::1%eth0", "fd00::1%25", "fd00::1%]@[2001:db8::7", "fd00::1%@x:80", "fd00::1%\r\n", "0.0.0.0", "::"),
    # digits
    *("\u0661\u0669\u0662.168.1.5", "\uff11\uff10.0.0.1", "\u0663", "\u0665\u0665", "\u00b2", "1e400", "NaN", "0x10"),
    *("9999-12-31T23:59:59-23:59", "2026-07-01T12:00:00\n", "0001-01-01T00:00:00+23:59"),
    # lengths
    *("x" * 256, "/" * 5000, "e\u0301" * 200, "\ufdfa" * 150, "\U0001f5a8" * 300),
    *("Error: " + "x" * 70_000, "Printing " + "y" * 70_000, "Printing " + "\n" * 70_000),
]
WORST: list[Any] = [*WORST_TEXTS, *WORST_NUMBERS]

HOSTILE_TEXTS = st.one_of(
    st.sampled_from(WORST_TEXTS),
    st.text(max_size=20),
    st.text("\x00\x1b\r\n\u2028\u202e\u0663\uff11%[]@:/.x", max_size=12),
)
HOSTILE = st.one_of(HOSTILE_TEXTS, st.sampled_from(WORST_NUMBERS), st.integers(), st.floats())

CROWDS: dict[str, Any] = {
    "temperature": {f"tool{chr(0x660 + n % 10)}{n}": {"actual": 20, "target": 0} for n in range(3000)}
    | {f"tool{n}": {"actual": 20, "target": 0} for n in range(300)},
    "webcams": [{"name": f"w{n}", "displayName": "W" * n, "compat": {"snapshot": "/s"}} for n in range(800)],
    "core": [{"action": f"a{n}", "name": "\n"} for n in range(3000)],
    "ports": [f"/dev/tty{n}" + "x" * 200 for n in range(1500)],
    "baudrates": list(range(10_000)),
    "profiles": [{"id": f"p{n}", "name": "P" * 90} for n in range(3000)],
    "printerProfiles": [{"id": f"p{n}", "name": "P" * 90} for n in range(3000)],
    "connectors": [{"connector": f"c{n}", "name": "C", "parameters": {"port": ["x" * 90] * 20}} for n in range(400)],
    "parameters": {f"p{n}": ["x" * 500] * 20 for n in range(80)},
    "permissions": ["STATUS"] * 10_000,
    "filament": {f"tool{n}": {"length": 10**400, "volume": "x"} for n in range(3000)},
}
"""Too many items of each kind, by the name of the field."""

KINDS = frozenset({"EventType", "State", "type", "success", "Status"})
"""The fields without which a body is refused."""


def written(body: object) -> str:
    """Return JSON as servers in Python write it, also with numbers that are too large for a float."""
    return json.dumps(body).replace(str(NO_FLOAT), "1e400")


def everywhere(body: Any, value: Any, kept: Iterable[str] = KINDS) -> Any:
    """Return a body in which every value is this one, except in the fields to keep."""
    if isinstance(body, dict):
        return {name: part if name in kept else everywhere(part, value, kept) for name, part in body.items()}
    return [everywhere(part, value, kept) for part in body] if isinstance(body, list) else value


def places(value: Any) -> list[tuple[Any, Any]]:
    """Return each list or object in a body with each of its indexes or names."""
    found: list[tuple[Any, Any]] = []
    held = list(value.items()) if isinstance(value, dict) else list(enumerate(value)) if isinstance(value, list) else []
    for key, part in held:
        found += [(value, key), *places(part)]
    return found


@st.composite
def hostile(draw: st.DrawFn, bodies: list[Any]) -> str:
    """Return a documented body with some hostile values."""
    body = copy.deepcopy(draw(st.sampled_from(bodies)))
    for holder, key in draw(st.lists(st.sampled_from(places(body)), min_size=1, max_size=4)):
        crowd = CROWDS.get(key)
        holder[key] = copy.deepcopy(crowd if crowd is not None and draw(st.booleans()) else draw(HOSTILE))
    return written(body)


def drawn[T](strategy: st.SearchStrategy[T], count: int) -> list[T]:
    """Return examples, the same in each run, for tests that await: Hypothesis runs no async tests."""
    examples: list[T] = []

    @settings(derandomize=True, database=None, deadline=None, max_examples=count, phases=[Phase.generate])
    @given(strategy)
    def collect(value: T) -> None:
        examples.append(value)

    collect()
    FIGURES[SENT] += len(examples)
    return examples
