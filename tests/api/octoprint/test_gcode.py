"""The layers of G-code files, as slicers write them, and as none should."""

from time import process_time
import tracemalloc

from hypothesis import given, strategies as st
import pytest

from custom_components.octoprint_tunnel.api.octoprint import gcode
from custom_components.octoprint_tunnel.api.octoprint.gcode import Layer, LayerIndexer, LayerMap
from tests.slicers import HEIGHT, STYLES, sliced
from tests.test_properties import REPEATABLE

MOVES = b"G1 X1 Y1 E1\nG1 X2 Y1 E2\n"


def layers_of(data: bytes, piece: int = 1000) -> LayerMap | None:
    """Return the layers of a file that arrives in pieces."""
    indexer = LayerIndexer()
    for start in range(0, len(data), piece):
        indexer.feed(data[start : start + piece])
    assert indexer.size == len(data) or indexer.is_too_large
    return indexer.finish()


def numbers(data: bytes) -> list[tuple[int, float]]:
    """Return number and height of each layer of a file."""
    found = layers_of(data)
    assert found is not None
    return list(zip(found.numbers, found.heights, strict=True))


@pytest.mark.parametrize("style", STYLES)
@pytest.mark.parametrize("end_of_line", [b"\n", b"\r\n"])
def test_every_tenth_of_a_print(style: str, end_of_line: bytes) -> None:
    """The layer is within one of the file's, and the height is that of the layer."""
    print_ = sliced(style, layers=50)
    data = print_.data.replace(b"\n", end_of_line)
    found = layers_of(data)
    assert found is not None
    for tenth in range(1, 11):
        at = len(print_.data) * tenth // 10
        layer = found.layer_at(at + print_.data.count(b"\n", 0, at) * (len(end_of_line) - 1))
        assert layer is not None
        assert abs(layer.number - print_.layer_at(at)) <= 1
        assert layer.count == 50
        assert layer.height == pytest.approx(layer.number * HEIGHT)


@pytest.mark.parametrize("style", [style for style in STYLES if "slic3r" not in style])
@pytest.mark.parametrize("piece", [1, 7, 100_000])
def test_layers_begin_at_their_comments(style: str, piece: int) -> None:
    """To the byte, however the file arrives."""
    print_ = sliced(style)
    found = layers_of(print_.data, piece)
    assert found is not None
    assert list(found.starts) == print_.starts
    assert found.numbers == tuple(range(1, 21))


def test_before_the_first_layer_and_at_the_end() -> None:
    """Layer 0 has the height 0, and the last layer lasts to the end."""
    print_ = sliced("cura")
    found = layers_of(print_.data)
    assert found is not None
    assert found.layer_at(0) == Layer(number=0, count=20, height=0.0)
    assert found.layer_at(len(print_.data)) == Layer(number=20, count=20, height=4.0)


@pytest.mark.parametrize(
    "data", [b"", b"\n", b"solid cube\nfacet normal 0 0 1\n", b"G28\nM104 S200\nG1 X1 Y1\n", b"\x00\xff" * 9]
)
def test_a_file_without_layers(data: bytes) -> None:
    """It has an empty map, which knows no layer."""
    found = layers_of(data)
    assert found == LayerMap()
    assert found.layer_at(5) is None


def test_height_without_comments() -> None:
    """Relative positions, moves without spaces, small letters, arcs and a height of its own are read."""
    relative = b"G91\nM83\ng1z.2\nG1X1Y1E1\nG1 Z0.2\nG2 X1 Y1 I1 E.5\n"
    absolute = b"G90\nG92 Z5\nG1 Z5.2 ; Z99\nG01 X1 E1 Z5.2\nG1 Z9 E1\nG1 X5\n"
    assert numbers(relative + absolute) == [(1, 0.2), (2, 0.4), (3, 5.2)]


def test_what_only_cleans_the_nozzle_is_no_layer() -> None:
    """A line above the first layer counts as this layer; a retraction and a move in the air count as nothing."""
    purge = b"M82\nG1 Z0.3\nG1 X9 E9\nG92 E0\n"
    first = b"G1 Z0.2\nG1 X1 E1\nG1 Z0.4\nG1 X2 E2\nG1 Z5\nG1 X3 E1.5\nG1 X1\n"
    second = b"G1 Z0.41\nG1 E2\nG1 X3 E2.5\nG1 Z0.6\nG1 Y1 E3\n"
    assert numbers(purge + first + second) == [(1, 0.3), (1, 0.2), (2, 0.4), (3, 0.6)]


def test_objects_one_after_another() -> None:
    """Their layers begin again, with comments and without."""
    heights = [0.2, 0.4, 0.6, 0.2, 0.4]
    moves = [b"G1 Z%.1f\nM83\nG1 X1 E1\n" % height for height in heights]
    expected = [(1, 0.2), (2, 0.4), (3, 0.6), (1, 0.2), (2, 0.4)]
    assert numbers(b"".join(moves)) == expected
    commented = [b";LAYER:%d\n" % number + move for number, move in zip([0, 1, 2, 0, 1], moves, strict=True)]
    assert numbers(b"".join(commented)) == expected


def test_a_height_between_two_layers_is_no_new_layer() -> None:
    """Supports have such heights."""
    moves = b"".join(b"G1 Z%b\nM83\nG1 X1 E1\n" % height for height in (b".2", b".4", b".3", b".4", b".6"))
    assert [number for number, _ in numbers(moves)] == [1, 2, 1, 2, 3]


def test_the_comments_that_mark_more_layers_are_used() -> None:
    """Others may be there by accident, and one of each object marks one layer."""
    layer = b";LAYER_CHANGE\nG1 Z%d\nM83\n" + MOVES
    accident = b"; layer 7, Z = 1\n;LAYER:3\n"
    assert numbers(accident + b"".join(layer % n for n in (1, 2, 3))) == [(1, 1.0), (2, 2.0), (3, 3.0)]
    assert numbers(accident + b"G1 Z1\nM83\n" + MOVES) == [(1, 1.0)]
    twice = b"; BEGIN_LAYER_OBJECT z=%d.0\nG1 Z%d\nM83\n" + MOVES
    assert numbers(b"".join(twice % (n, n) for n in (1, 1, 2, 2))) == [(1, 1.0), (2, 2.0)]


def test_a_layer_in_which_nothing_is_extruded() -> None:
    """It has the height of the one before."""
    assert numbers(b";LAYER:0\n;LAYER:1\nG1 Z1\nM83\n" + MOVES + b";LAYER:2\n") == [(1, 0.0), (2, 1.0), (3, 1.0)]


def test_a_map_is_stored() -> None:
    """And is the same again."""
    found = layers_of(sliced("prusaslicer").data)
    assert found is not None
    assert LayerMap.from_data(found.to_data()) == found


# Hostile and huge files

WORDS = [
    b"G1",
    b"G0",
    b"G92",
    b"G91",
    b"G90",
    b"M82",
    b"M83",
    b" X1",
    b" E1",
    b"E9",
    b" Z",
    b"Z-1",
    b"9" * 30,
    b".",
    b";LAYER:",
]
MORE = [
    b";LAYER_CHANGE",
    b"; layer 1, Z = ",
    b"; BEGIN_LAYER_OBJECT z=",
    b"-",
    b"\n",
    b"\n",
    b"\r",
    b"\x00",
    b"\xff",
    b"; ",
]
HOSTILE = st.lists(st.sampled_from(WORDS + MORE) | st.binary(max_size=5), max_size=200).map(b"".join)


@pytest.mark.long
@REPEATABLE
@given(HOSTILE, st.integers(1, 300))
def test_any_file(data: bytes, piece: int) -> None:
    """Its layers are in order, bounded, and the same however it arrives."""
    found = layers_of(data, piece)
    assert found == layers_of(data, len(data) or 1)
    assert found is not None
    assert list(found.starts) == sorted(set(found.starts))
    assert all(0 <= start <= len(data) for start in found.starts)
    assert len(found.starts) == len(found.numbers) == len(found.heights)
    assert all(0 < number <= 2_000_000 for number in found.numbers)
    assert all(0 <= height <= gcode.MAX_HEIGHT for height in found.heights)


LONG = 4_000_000  # bytes
WORST = [
    b"\n",
    b"\r\n",
    b"Z\n",
    b"G1 Z1 E1\nG1 X1 Z1 E1\n",
    b";\n",
    b";LAYER:1\n;LAYER:2\n",
    b";LAYER_CHANGE\n",
    b"G1 X1 E1\nG1 Z1\nG1 X1 E2\nG1 Z2\n",
    b"x",
    b";",
    b" ",
    b"G1 ",
    b"X1" * 100 + b"Z",
    b"9",
    b";LAYER:" + b"9" * 300,
    b"\xff\xfe\x00",
]


@pytest.mark.long
@pytest.mark.parametrize("text", WORST, ids=lambda text: str(text[:20]))
def test_a_hostile_file_is_read_quickly_and_in_little_memory(text: bytes) -> None:
    """Each line is read once, only its begin, and what is kept has limits."""
    data = text * (LONG // len(text))
    tracemalloc.start()
    try:
        started = process_time()
        indexer = LayerIndexer()
        for start in range(0, len(data), gcode.PIECE):
            indexer.feed(data[start : start + gcode.PIECE])
        indexer.finish()
        assert process_time() - started < 60  # tracing memory makes it ten times slower
        assert tracemalloc.get_traced_memory()[1] < 20_000_000
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize(("limit", "value"), [("MAX_FILE", 5000), ("MAX_LINES", 100), ("MAX_LAYERS", 10)])
def test_a_file_that_is_too_large(monkeypatch: pytest.MonkeyPatch, limit: str, value: int) -> None:
    """It has no layers, and its rest is not looked at."""
    monkeypatch.setattr(gcode, limit, value)
    monkeypatch.setattr(gcode, "PIECE", 1000)
    indexer = LayerIndexer()
    indexer.feed(sliced("cura", layers=200).data)
    assert indexer.is_too_large
    size = indexer.size
    indexer.feed(b";LAYER:500\n")
    assert (indexer.size, indexer.finish()) == (size, None)
