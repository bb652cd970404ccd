"""JSON that is broken, hostile, or not as documented."""

import json
import traceback
from typing import Any

import pytest

from custom_components.octoprint_tunnel.api import json_object
from custom_components.octoprint_tunnel.api.errors import InvalidResponse
from custom_components.octoprint_tunnel.api.json_object import MAX_DEPTH, MAX_ITEMS, MAX_NUMBER, MAX_TEXT, JsonObject

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
    "string": "VIRTUAL",
    "digits": "115200",
    "empty": "",
    "list": [1, "a", None, True, 2.5, {"id": 1}, [2], "b", 7, "two\nlines", MAX_NUMBER + 1],
    "object": {"id": "_default"},
}


@pytest.fixture
def anything() -> JsonObject:
    """Return an object with a field of every type."""
    return JsonObject(EVERY_TYPE)


def refused(body: bytes) -> str:
    """Return why a body cannot be parsed."""
    with pytest.raises(InvalidResponse) as caught:
        JsonObject.parse(body)
    return caught.value.detail


def test_the_limits() -> None:
    """No service sends more; Home Assistant and its log can hold this much."""
    assert (MAX_DEPTH, json_object.MAX_PARTS, MAX_NUMBER) == (50, 30_000, 9_007_199_254_740_992)
    assert (MAX_TEXT, MAX_ITEMS) == (1000, 100)


# bodies


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b" ",
        b"<html><body>502 Bad Gateway</body></html>",
        b'{"state": "Operational"',
        b"{'state': 'Operational'}",
        b'{"state": "Operational"} and more',
        b'{"total": nan}',
        b'{"total": 1e}',
        b'{"state": "\xff"}',
        b'{"state": "\x00"}',
        '{"a": 1}'.encode("utf-16"),
        b"[" * 20_000,
    ],
    ids=lambda body: repr(body[:24]),
)
def test_a_body_that_is_not_json_is_refused(body: bytes) -> None:
    """As a proxy or a broken server sends it. The body is not repeated in the error."""
    assert refused(body) == "not JSON"


def test_the_body_is_not_in_the_traceback() -> None:
    """It may hold a key."""
    with pytest.raises(InvalidResponse) as caught:
        JsonObject.parse(b'{"api_key": "secret", }')
    assert "JSONDecodeError" not in "".join(traceback.format_exception(caught.value))


@pytest.mark.parametrize("body", [b"[]", b'[{"state": "Operational"}]', b'"text"', b"7", b"1.5", b"null", b"true"])
def test_json_that_is_not_an_object_is_refused(body: bytes) -> None:
    """It has no fields."""
    assert refused(body) == "not a JSON object"


@pytest.mark.parametrize("body", [b"{}", b' \n{"a": 1}\n', '\ufeff{"a": 1}'.encode(), '{"a": "\u00fc"}'.encode()])
def test_white_space_and_a_byte_order_mark_are_accepted(body: bytes) -> None:
    """Some servers send them."""
    assert JsonObject.parse(body).plain() in ({}, {"a": 1}, {"a": "\u00fc"})


@pytest.mark.parametrize(("part", "levels"), [('{"a": %s}', 1), ('{"a": [%s]}', 2)])
def test_a_body_may_be_nested_to_a_limit(part: str, levels: int) -> None:
    """To copy it recursively is safe up to there."""
    text = "1"
    for _ in range(MAX_DEPTH // levels):
        text = part % text
    JsonObject.parse(text.encode())
    assert refused((part % text).encode()) == "nested too deeply"


def test_of_several_branches_the_deepest_counts() -> None:
    """Wherever it is."""
    deep = "[" * MAX_DEPTH + "]" * MAX_DEPTH
    assert refused(f'{{"a": 1, "b": [2, {{}}], "c": {deep}, "d": []}}'.encode()) == "nested too deeply"


def test_a_body_may_have_parts_to_a_limit(monkeypatch: pytest.MonkeyPatch) -> None:
    """Commas, brackets and braces count. It is checked before the body is parsed."""
    monkeypatch.setattr(json_object, "MAX_PARTS", 4)
    JsonObject.parse(b'{"a":[1,{}]}')
    for body in (b'{"a":[1,{},2]}', b"[[[[[", b"{{{{{", b",,,,,"):
        assert refused(body) == "too many parts in it"


def test_of_fields_with_one_name_the_last_counts() -> None:
    """As everywhere in Python."""
    assert JsonObject.parse(b'{"total": 1, "total": {"a": 2}, "total": NaN, "total": 7}').plain() == {"total": 7}


# fields


@pytest.mark.parametrize(
    ("reader", "readable"),
    [
        (JsonObject.text, {"string": "VIRTUAL", "digits": "115200"}),
        (JsonObject.exact, {"string": "VIRTUAL", "digits": "115200"}),
        (JsonObject.number, {"zero": 0.0, "whole": 115200.0, "negative": -1.0, "fraction": 2.75}),
        (JsonObject.integer, {"zero": 0, "whole": 115200, "negative": -1, "fraction": 2}),
        (JsonObject.boolean, {"true": True, "false": False}),
    ],
)
def test_a_field_of_another_type_reads_as_none(anything: JsonObject, reader: Any, readable: dict[str, object]) -> None:
    """As if it were missing."""
    for name in [*EVERY_TYPE, "missing"]:
        value = reader(anything, name)
        assert (name, value, type(value)) == (name, readable.get(name), type(readable.get(name)))


def test_a_field_of_another_type_reads_as_empty(anything: JsonObject) -> None:
    """So that reading can continue in an object or a list that is missing."""
    for name in [*EVERY_TYPE.keys() - {"list", "object"}, "missing"]:
        assert (anything.exacts(name), anything.integers(name), anything.objects(name)) == ((), (), [])
        assert (anything.length(name), anything.has_object(name)) == (0, False)
        assert not anything.object(name)
    assert anything.object("object").exact("id") == "_default"
    assert anything.has_object("object")
    assert not anything.has_object("list")


def test_items_of_another_type_are_skipped(anything: JsonObject) -> None:
    """And so are items beyond a limit."""
    assert anything.exacts("list") == ("a", "b")
    assert [text for text in anything.texts("list", 9) if text] == ["a", "b", "two lines"]
    assert len(anything.texts("list", 9)) == 11
    assert anything.integers("list") == (1, 7)
    assert [item.integer("id") for item in anything.objects("list")] == [1]
    assert anything.length("list") == 11


def test_a_field_that_is_null_is_present(anything: JsonObject) -> None:
    """The shape of a response is recognized by its fields."""
    assert ("null" in anything, "missing" in anything) == (True, False)
    assert [anything.is_null(name) for name in ("null", "missing", "zero", "empty")] == [True, True, False, False]
    assert bool(anything)
    assert not JsonObject()
    assert not JsonObject({})


# numbers


@pytest.mark.parametrize(
    "number",
    [
        *("NaN", "Infinity", "-Infinity", "1e999", "-1e999", "1e308", "9007199254740993", "-9007199254740993"),
        *("9007199254740994.0", "9" * 20, "9" * 21, "-" + "9" * 5000, "9" * 900_000, "9" * 900_000 + ".5"),
    ],
    ids=lambda number: number[:24],
)
def test_a_number_beyond_the_limit_reads_as_null(number: str) -> None:
    """The rest of the body is read."""
    body = '{"total": #, "list": [1, #, 2], "own": {"total": #}, "cap": 5}'
    response = JsonObject.parse(body.replace("#", number).encode())
    assert response.plain() == {"total": None, "list": [1, None, 2], "own": {"total": None}, "cap": 5}


@pytest.mark.parametrize("number", [MAX_NUMBER, -MAX_NUMBER, 0, -1])
def test_a_number_within_the_limit_is_read(number: int) -> None:
    """Written as an integer or as a fraction."""
    for written in (str(number), f"{number}.0"):
        response = JsonObject.parse(f'{{"total": {written}}}'.encode())
        assert (response.integer("total"), response.number("total")) == (number, float(number))


def test_an_integer_may_have_leading_digits_to_a_limit() -> None:
    """The sign counts, too."""
    assert json_object._integer("0" * 19 + "7") == 7
    assert json_object._integer("0" * 20 + "7") is None


@pytest.mark.parametrize(
    ("number", "integer"),
    [(0, None), (0.9, None), (1, 1), (1.5, 1), (10, 10), (10.1, None), (-3, None), (MAX_NUMBER, None)],
)
def test_a_number_outside_its_range_reads_as_none(number: float, integer: int | None) -> None:
    """The range includes both ends."""
    response = JsonObject({"rating": number})
    assert response.integer("rating", 1, 10) == integer
    assert response.number("rating", 1, 10) == (None if integer is None else float(number))
    assert JsonObject({"list": [MAX_NUMBER, -MAX_NUMBER, -MAX_NUMBER - 1]}).integers("list") == (
        MAX_NUMBER,
        -MAX_NUMBER,
    )


# strings


def test_a_string_to_show_is_cut_and_a_string_to_send_back_is_not() -> None:
    """A part of an id would be another id."""
    response = JsonObject(
        {"short": "x" * 10, "long": "x" * 11, "most": "x" * MAX_TEXT, "longest": "x" * (MAX_TEXT + 1)}
    )
    assert (response.text("short", 10), response.exact("short", 10)) == ("x" * 10, "x" * 10)
    assert (response.text("long", 10), response.exact("long", 10)) == ("x" * 10, None)
    assert (response.text("most"), response.exact("most")) == ("x" * MAX_TEXT, "x" * MAX_TEXT)
    assert (response.text("longest"), response.exact("longest")) == ("x" * MAX_TEXT, None)


@pytest.mark.parametrize(
    ("value", "text"),
    [
        ("two\r\nlines", "two lines"),
        ("two\u2028lines\u2029", "two lines"),
        ("\x1b[31mred", "[31mred"),
        ("a\x00b", "a b"),
        ("\u202egpj.exe", "gpj.exe"),
        ("half \ud83d", "half"),
    ],
)
def test_control_characters_are_not_read(value: str, text: str) -> None:
    """They are spaces in a string to show; a string with them is not sent back."""
    response = JsonObject.parse(json.dumps({"name": value, "names": [value, "b"], "plain": {value: value}}).encode())
    assert (response.text("name"), response.exact("name"), response.exacts("names")) == (text, None, ("b",))
    assert response.plain() == {"name": None, "names": [None, "b"], "plain": {}}


@pytest.mark.parametrize("value", [" two  spaces ", "\u65e5\u672c", "\u0645\u06cc\u200c\u062e", "\U0001f469\u200d"])
def test_strings_in_any_script_are_sent_back_unchanged(value: str) -> None:
    """With all their spaces and joiners."""
    assert JsonObject({"name": value}).exact("name") == value


# lists and objects


def test_lists_and_objects_are_read_to_a_limit() -> None:
    """So that no response creates more than that of anything."""
    count = MAX_ITEMS + 1
    fields = {f"f{number}": 1 for number in range(count)}
    response = JsonObject(
        {"strings": ["x"] * count, "numbers": [1] * count, "objects": [{"id": 1}] * count, "fields": fields}
    )
    for most in (MAX_ITEMS, 3):
        limit = {} if most == MAX_ITEMS else {"most": most}
        read = (
            response.exacts("strings", **limit),
            response.integers("numbers", **limit),
            response.objects("objects", **limit),
        )
        assert [len(items) for items in read] == [most] * 3
    assert response.length("strings") == count
    assert response.object("fields").names() == tuple(fields)[:MAX_ITEMS]
    assert {name: len(part) for name, part in response.plain().items()} == dict.fromkeys(response.names(), MAX_ITEMS)


def test_long_strings_are_not_copied() -> None:
    """Neither are fields with long names."""
    most, longer = "x" * MAX_TEXT, "x" * (MAX_TEXT + 1)
    assert JsonObject({most: most, longer: 1, "a": longer}).plain() == {most: most, "a": None}
    assert JsonObject({"list": [most, longer]}).exacts("list") == (most,)


def test_plain_is_a_copy() -> None:
    """To change it does not change the response."""
    fields = {"port": "VIRTUAL", "baudrate": 115200, "options": [True, None, 2.5, {"id": "_default"}], "empty": ""}
    response = JsonObject.parse(json.dumps(fields).encode())
    copy = response.plain()
    assert copy == fields
    copy["options"].clear()
    copy.clear()
    assert response.plain() == fields
