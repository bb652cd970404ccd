"""Bodies that are no JSON objects, and fields that are not what was documented."""

import json
from typing import Any

import pytest

from custom_components.octoprint_tunnel.api.errors import InvalidResponse, Remedy
from custom_components.octoprint_tunnel.api.json_object import (
    MAX_DEPTH,
    MAX_ITEMS,
    MAX_NUMBER,
    MAX_PARTS,
    MAX_TEXT,
    JsonObject,
)

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
        b'{"total": nan}',
        b'{"total": 0x10}',
        b'{"total": 1e}',
        b'{"state": "\xff"}',
        b'{"state": "' + b"\x00" + b'"}',
        b"[" * 20_000,
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


@pytest.mark.parametrize("part", ["[", '{"a":'])
def test_what_is_nested_without_end_is_an_invalid_response(part: str) -> None:
    """Whether or not the parser itself gives up."""
    end = {"[": "]", '{"a":': "}"}[part]
    with pytest.raises(InvalidResponse):
        JsonObject.parse(('{"a":' + part * 25_000 + "1" + end * 25_000 + "}").encode())


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
        assert anything.object(name).object("deeper").exacts("list") == ()


def test_a_list_yields_the_elements_of_the_type_that_was_asked_for(anything: JsonObject) -> None:
    """What does not belong in the list is passed over; what is no list is an empty one."""
    assert anything.exacts("list") == ("a", "b")
    assert anything.integers("list") == (1, 7)
    assert [item.integer("id") for item in anything.objects("list")] == [1]
    for name in EVERY_TYPE.keys() - {"list"} | {"missing"}:
        assert (anything.exacts(name), anything.integers(name), anything.objects(name)) == ((), (), [])


NO_NUMBERS = [
    "NaN",
    "Infinity",
    "-Infinity",
    "1e999",
    "-1e999",
    "1e308",
    str(MAX_NUMBER + 1),
    str(-MAX_NUMBER - 1),
    "9" * 20,
    "9" * 21,
    "-" + "9" * 5000,
    "9" * 900_000,
    "9" * 900_000 + ".5",
]


@pytest.mark.parametrize("number", NO_NUMBERS, ids=lambda number: number[:24])
def test_a_number_that_is_none_reads_as_missing(number: str) -> None:
    """Python's servers send NaN and Infinity, and Home Assistant cannot write more than 64 bits; the rest is read."""
    body = '{"total": #, "list": [1, #, 2], "own": {"total": #}, "cap": 5}'
    response = JsonObject.parse(body.replace("#", number).encode())
    assert (response.number("total"), response.integer("total"), response.object("own").number("total")) == (
        None,
        None,
        None,
    )
    assert (response.integers("list"), response.integer("cap"), "total" in response) == ((1, 2), 5, True)
    assert response.plain() == {"total": None, "list": [1, None, 2], "own": {"total": None}, "cap": 5}


@pytest.mark.parametrize("number", [MAX_NUMBER, -MAX_NUMBER, 0, -1])
def test_whole_numbers_that_json_holds_exactly_are_read(number: int) -> None:
    """As they are, whichever way they are written."""
    for written in (str(number), f"{number}.0"):
        response = JsonObject.parse(f'{{"total": {written}}}'.encode())
        assert (response.integer("total"), response.number("total")) == (number, float(number))


@pytest.mark.parametrize(
    ("number", "read"), [(0, None), (0.9, None), (1, 1), (1.5, 1), (10, 10), (10.1, None), (-3, None), (2**53, None)]
)
def test_a_number_outside_its_range_reads_as_missing(number: float, read: int | None) -> None:
    """Each field says what it can be."""
    response = JsonObject({"rating": number})
    assert response.integer("rating", 1, 10) == read
    assert (response.number("rating", 1, 10) is None) == (read is None)


def test_a_text_for_people_is_cut_and_a_text_to_be_sent_back_is_not() -> None:
    """A part of an id is another id."""
    response = JsonObject({"short": "x" * 10, "long": "x" * 11, "longest": "x" * (MAX_TEXT + 1)})
    assert (response.text("short", 10), response.exact("short", 10)) == ("x" * 10, "x" * 10)
    assert (response.text("long", 10), response.exact("long", 10)) == ("x" * 10, None)
    assert (response.text("longest"), response.exact("longest")) == ("x" * MAX_TEXT, None)


@pytest.mark.parametrize(
    ("value", "text"),
    [
        ("two\nlines", "two lines"),
        ("two\r\nlines", "two lines"),
        ("two\u2028lines\u2029", "two lines"),
        ("two\x0blines\x85", "two lines"),
        ("a\ttab", "a tab"),
        ("\x1b[31mred", "[31mred"),
        ("a\x00b", "a b"),
        ("\u202egpj.exe", "gpj.exe"),
        ("left\u200eright\u2069", "left right"),
        ("half \ud83d", "half"),
    ],
)
def test_control_characters_and_marks_of_direction_are_read_by_nobody(value: str, text: str) -> None:
    """They are blanks in a text for people; a text to be sent back is none with them."""
    response = JsonObject.parse(json.dumps({"name": value, "names": [value, "b"], "plain": {value: value}}).encode())
    assert (response.text("name"), response.exact("name"), response.exacts("names")) == (text, None, ("b",))
    assert response.plain() == {"name": None, "names": [None, "b"], "plain": {}}


@pytest.mark.parametrize(
    "value",
    ["Kitchen", "\u65e5\u672c", " two  blanks ", "\u0645\u06cc\u200c\u062e", "\U0001f469\u200d\U0001f52c", "a\xa0b"],
)
def test_texts_in_any_script_are_sent_back_as_they_came(value: str) -> None:
    """With every blank in them, and the characters that join others."""
    assert JsonObject({"name": value}).exact("name") == value


def test_lists_and_objects_are_read_up_to_a_count() -> None:
    """So that nothing is made without number of what one response holds."""
    count = MAX_ITEMS + 1
    response = JsonObject.parse(
        json.dumps(
            {
                "texts": ["x"] * count,
                "numbers": [1] * count,
                "objects": [{"id": 1}] * count,
                "fields": {f"f{number}": 1 for number in range(count)},
            }
        ).encode()
    )
    read = (response.exacts("texts"), response.integers("numbers"), response.objects("objects"))
    assert [len(items) for items in read] == [MAX_ITEMS] * 3
    assert [
        len(response.exacts("texts", 3)),
        len(response.integers("numbers", 3)),
        len(response.objects("objects", 3)),
    ] == [3] * 3
    assert len(response.object("fields").names()) == MAX_ITEMS
    assert {name: len(part) for name, part in response.plain().items()} == dict.fromkeys(response.names(), MAX_ITEMS)


def _list_of(parts: list[str]) -> bytes:
    return b'{"a":[' + ",".join(parts).encode() + b"]}"


@pytest.mark.parametrize("part", ["1", "NaN", "0.5", '""', "[]", "{}", "[[[1]]]", '{"a":[]}'])
def test_a_body_of_more_parts_than_is_real_is_an_invalid_response(part: str) -> None:
    """They are counted before they are parsed, which takes a slow machine a second for a megabyte of them."""
    each = 1 + sum(part.count(sign) for sign in "[{")
    for count in (1, (MAX_PARTS - 2) // each):
        JsonObject.parse(_list_of([part] * count))
    with pytest.raises(InvalidResponse, match="too many parts"):
        JsonObject.parse(_list_of([part] * (MAX_PARTS // each + 1)))


def test_of_fields_of_one_name_the_last_counts() -> None:
    """However many there are."""
    body = b'{"total": 1, "total": {"a": 2}, ' + b'"total": NaN, ' * 1000 + b'"total": 7}'
    assert JsonObject.parse(body).plain() == {"total": 7}


def test_a_field_that_is_null_is_there(anything: JsonObject) -> None:
    """The shape of an answer is told by its keys, whatever their values."""
    assert "null" in anything
    assert "missing" not in anything


def test_fields_are_handed_back_as_they_came() -> None:
    """In a copy: what is done to it does not reach the answer."""
    came = {"port": "VIRTUAL", "baudrate": 115200, "options": [True, None, 2.5, {"id": "_default"}], "empty": ""}
    response = JsonObject.parse(json.dumps(came).encode())
    fields = response.plain()
    assert fields == came
    fields["options"].clear()
    fields.clear()
    assert response.plain() == came


def test_what_could_not_be_parsed_is_not_kept() -> None:
    """Errors are remembered and logged; the parser's own hold the whole body."""
    with pytest.raises(InvalidResponse) as caught:
        JsonObject.parse(b'{"api_key": "secret", }')
    assert (caught.value.__cause__, caught.value.__context__) == (None, None)


def test_only_utf_8_is_read() -> None:
    """What is in another encoding is not JSON."""
    with pytest.raises(InvalidResponse):
        JsonObject.parse('{"a": 1}'.encode("utf-16"))
