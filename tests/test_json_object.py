"""Bodies that are no JSON objects, and fields that are not what was documented."""

from typing import Any

import pytest

from custom_components.octoprint_tunnel.errors import InvalidResponse, Remedy
from custom_components.octoprint_tunnel.json_object import MAX_DEPTH, JsonObject

EVERY_TYPE: dict[str, Any] = {
    "null": None,
    "true": True,
    "false": False,
    "zero": 0,
    "whole": 115200,
    "negative": -1,
    "fraction": 2.75,
    "huge": 10**400,
    "endless": float("inf"),
    "text": "VIRTUAL",
    "digits": "115200",
    "empty": "",
    "list": [1, "a", None, True, 2.5, {"id": 1}, [2], "b", 7],
    "object": {"id": "_default"},
}


@pytest.fixture
def anything() -> JsonObject:
    """Return an object with a field of every type."""
    return JsonObject(EVERY_TYPE)


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b" ",
        b"<html><body>502 Bad Gateway</body></html>",
        b'{"state": "Operational"',
        b"{'state': 'Operational'}",
        b'{"state": "Operational"} and more',
        b'{"total": NaN}',
        b'{"total": Infinity}',
        b'{"total": -Infinity}',
        b'{"total": ' + b"1" * 5000 + b"}",
        b'{"state": "\xff"}',
        b'{"state": "' + b"\x00" + b'"}',
        b"[" * 100_000,
        b'{"a":' * 100_000 + b"1" + b"}" * 100_000,
    ],
    ids=lambda body: repr(body[:24]),
)
def test_what_is_not_json_is_an_invalid_response(body: bytes) -> None:
    """Whatever a proxy or a half-broken server sends, one error comes of it, and it passes by itself."""
    with pytest.raises(InvalidResponse, match="not JSON") as caught:
        JsonObject.parse(body)
    assert caught.value.remedy is Remedy.RETRY


@pytest.mark.parametrize("body", [b"[]", b'[{"state": "Operational"}]', b'"text"', b"7", b"1.5", b"null", b"true"])
def test_json_that_is_not_an_object_is_an_invalid_response(body: bytes) -> None:
    """There is nothing to read from it by name."""
    with pytest.raises(InvalidResponse, match="not a JSON object"):
        JsonObject.parse(body)


@pytest.mark.parametrize(("part", "levels"), [('{"a": %s}', 1), ('{"a": [%s]}', 2)])
def test_what_is_nested_too_deeply_is_an_invalid_response(part: str, levels: int) -> None:
    """The parser goes deeper than what copies and shows the answer later on."""
    text = "1"
    for _ in range(MAX_DEPTH // levels):
        text = part % text
    JsonObject.parse(text.encode())
    with pytest.raises(InvalidResponse, match="nested too deeply"):
        JsonObject.parse((part % text).encode())


@pytest.mark.parametrize("body", [b"{}", b' \n{"a": 1}\n', '\ufeff{"a": 1}'.encode(), '{"a": "\u00fc"}'.encode()])
def test_an_object_is_read_with_its_white_space_and_its_encoding(body: bytes) -> None:
    """A byte order mark, line ends and letters beyond ASCII are as good as any."""
    JsonObject.parse(body)


@pytest.mark.parametrize(
    ("reader", "readable"),
    [
        (JsonObject.text, {"text": "VIRTUAL", "digits": "115200"}),
        (JsonObject.number, {"zero": 0.0, "whole": 115200.0, "negative": -1.0, "fraction": 2.75}),
        (JsonObject.integer, {"zero": 0, "whole": 115200, "negative": -1, "fraction": 2}),
        (JsonObject.boolean, {"true": True, "false": False}),
    ],
)
def test_a_field_of_another_type_reads_as_if_it_were_missing(
    anything: JsonObject, reader: Any, readable: dict[str, object]
) -> None:
    """Each way of reading takes its own type only; null and missing are the same."""
    for name in [*EVERY_TYPE, "missing"]:
        value = reader(anything, name)
        assert (name, value) == (name, readable.get(name))
        assert type(value) is type(readable.get(name))


def test_an_object_that_is_none_reads_as_an_empty_one(anything: JsonObject) -> None:
    """So that reading goes on without looking: what is in nothing is missing."""
    for name in [*EVERY_TYPE, "missing"]:
        assert anything.object(name).text("id") == ("_default" if name == "object" else None)
        assert anything.object(name).object("deeper").texts("list") == ()


def test_a_list_yields_the_elements_of_the_type_that_was_asked_for(anything: JsonObject) -> None:
    """What does not belong in the list is passed over; what is no list is an empty one."""
    assert anything.texts("list") == ("a", "b")
    assert anything.integers("list") == (1, 7)
    assert [item.integer("id") for item in anything.objects("list")] == [1]
    for name in EVERY_TYPE.keys() - {"list"} | {"missing"}:
        assert (anything.texts(name), anything.integers(name), anything.objects(name)) == ((), (), [])


def test_a_number_too_large_for_json_is_no_number() -> None:
    """`1e999` is well-formed JSON and not a number that anything could be done with."""
    answer = JsonObject.parse(b'{"total": 1e999, "cap": -1e999}')
    assert (answer.number("total"), answer.integer("cap")) == (None, None)


def test_a_field_that_is_null_is_there(anything: JsonObject) -> None:
    """The shape of an answer is told by its keys, whatever their values."""
    assert "null" in anything
    assert "missing" not in anything


def test_fields_are_handed_back_as_they_came(anything: JsonObject) -> None:
    """In a copy: what is done to it does not reach the answer."""
    fields = anything.plain()
    assert fields == EVERY_TYPE
    fields.clear()
    assert anything.text("text") == "VIRTUAL"


def test_half_a_character_is_replaced() -> None:
    """JSON can spell what nothing can encode."""
    answer = JsonObject.parse(b'{"name": "Kitchen \\ud83d", "names": ["\\ud83d"]}')
    assert answer.text("name") == "Kitchen ?"
    assert answer.texts("names") == ("?",)


def test_only_utf_8_is_read() -> None:
    """What is in another encoding is not JSON."""
    with pytest.raises(InvalidResponse):
        JsonObject.parse('{"a": 1}'.encode("utf-16"))
