"""Finds the layers of a G-code file: by the comments of its slicer, else by the heights at which it extrudes.

The comments were read in files of the slicers. A file may be hostile: its lines, its layers and their text are bounded.
"""

from bisect import bisect_left
from collections.abc import Mapping
from dataclasses import dataclass, replace
from itertools import accumulate
import re
from typing import Any, Final, Self

MAX_FILE: Final = 100_000_000  # bytes; a larger file has no layers here
MAX_LINES: Final = 6_000_000  # of a file; files have about 30 bytes in a line
MAX_LINE: Final = 500  # bytes of a line that are read
MAX_LAYERS: Final = 10_000  # a print of a meter with layers of 0.1 mm
MAX_HEIGHT: Final = 10_000.0  # mm
TOLERANCE: Final = 0.03  # mm; heights that are closer are the same layer
PIECE: Final = 65_536  # bytes that are split into lines at once

_COMMENTS: Final = tuple(
    re.compile(pattern)
    for pattern in (
        rb";\s*LAYER:\s*(?P<number>-?[0-9]{1,6})\b",  # Cura, ideaMaker, MatterControl
        rb"; layer (?P<number>[0-9]{1,6}), Z ?=",  # Simplify3D
        rb";+ --- layer (?P<number>[0-9]{1,6}) \(",  # Kiri:Moto
        rb"; ?(?:LAYER_CHANGE|CHANGE_LAYER)\b",  # PrusaSlicer, SuperSlicer, OrcaSlicer; Bambu Studio
        rb"; BEGIN_LAYER_OBJECT z=(?P<height>[0-9.]{1,12})",  # KISSlicer
    )
)
"""How each kind of slicer marks the begin of a layer, some with its number. One with a height marks objects, too."""

_COMMAND: Final = re.compile(rb"([GM])0*([0-9]{1,3})(?![0-9.])")
_WORD: Final = re.compile(rb"([XYZE]) *([-+]?(?:[0-9]{1,9}(?:\.[0-9]{0,9})?|\.[0-9]{1,9}))")
_MOVES: Final = (b"G0", b"G1", b"G2", b"G3")
_PLAIN_MOVES: Final = (b"G1 ", b"G0 ")


@dataclass(frozen=True, kw_only=True, slots=True)
class Layer:
    """A layer of a print: its number from 1, of how many, and its height in mm. Number 0 is before the first layer."""

    number: int
    count: int
    height: float


@dataclass(frozen=True, kw_only=True, slots=True)
class LayerMap:
    """Where the layers of a file begin, in bytes. A file without layers has an empty map.

    Objects that are printed one after another may have layers of the same numbers.
    """

    starts: tuple[int, ...] = ()
    numbers: tuple[int, ...] = ()
    heights: tuple[float, ...] = ()

    def layer_at(self, position: int) -> Layer | None:
        """Return the layer of a file that was read up to a position; None if the file has no layers."""
        if not self.starts:
            return None
        count = max(self.numbers)
        index = bisect_left(self.starts, position) - 1
        if index < 0:
            return Layer(number=0, count=count, height=0.0)
        return Layer(number=self.numbers[index], count=count, height=self.heights[index])

    def scaled(self, factor: float) -> Self:
        """Return the layers of a longer or shorter file with the same moves."""
        return replace(self, starts=tuple(round(start * factor) for start in self.starts))

    def to_data(self) -> dict[str, Any]:
        """Return what has to be stored to make this map again."""
        return {"starts": list(self.starts), "numbers": list(self.numbers), "heights": list(self.heights)}

    @classmethod
    def from_data(cls, data: Mapping[str, Any]) -> Self:
        """Return the map that `to_data` described."""
        return cls(starts=tuple(data["starts"]), numbers=tuple(data["numbers"]), heights=tuple(data["heights"]))


class _Layers:
    """The layers that one kind of sign shows. A layer has no height until something is extruded in it."""

    def __init__(self) -> None:
        self.starts: list[int] = []
        self._numbers: list[int] = []
        self._heights: list[float | None] = []
        self._key: object = None

    def begin(self, start: int, number: int | None, key: object) -> None:
        """Begin a layer, by default with the next number, unless `key` is that of the layer that has begun before."""
        if key is None or key != self._key:
            self._key = key
            self.starts.append(start)
            self._numbers.append(len(self.starts) if number is None else number)
            self._heights.append(None)

    def extrude(self, height: float) -> None:
        """Record the height at which something is extruded."""
        if self._heights and self._heights[-1] is None:
            self._heights[-1] = round(height, 3)

    def map(self) -> LayerMap:
        """Return the map, with numbers from 1. A layer without extrusion has the height of the one before."""
        first = min(self._numbers, default=1)
        numbers = tuple(number - first + 1 for number in self._numbers)
        heights = accumulate(self._heights, lambda before, height: before if height is None else height, initial=0.0)
        return LayerMap(starts=tuple(self.starts), numbers=numbers, heights=tuple(heights)[1:])


class LayerIndexer:
    """Reads a file piece by piece, and finds its layers. It keeps the layers and one line."""

    def __init__(self) -> None:
        """Begin at the start of a file."""
        self.size = 0
        """Bytes that were read."""
        self.is_too_large = False
        """Whether a limit is exceeded; the rest of the file is not looked at."""
        self._rest = b""
        self._rest_start = 0
        self._lines = 0
        self._by_comment = tuple(_Layers() for _ in _COMMENTS)
        self._by_height = _Layers()
        self._heights: list[float] = []
        self._is_relative = False
        self._is_extruder_relative = False
        self._height = 0.0
        self._extruder = 0.0
        self._awaits_extrusion = False

    def feed(self, data: bytes) -> None:
        """Read the next part of the file, of any size."""
        for start in range(0, len(data), PIECE):
            if not self.is_too_large:
                self._feed_piece(data[start : start + PIECE])

    def finish(self) -> LayerMap | None:
        """Return the layers of the file; None if it is too large."""
        self._read_line(self._rest, self._rest_start)
        self._check_limits()
        if self.is_too_large:
            return None
        # One comment may be there by accident, and a single layer is found by its height as well.
        marked = [layers for layers in self._by_comment if len(layers.starts) > 1]
        return max(marked, key=lambda layers: len(layers.starts), default=self._by_height).map()

    def _feed_piece(self, piece: bytes) -> None:
        lines = (self._rest + piece).splitlines(keepends=True)
        line_end = self.size - len(self._rest)
        self.size += len(piece)
        self._rest = b"" if lines[-1].endswith((b"\n", b"\r")) else lines.pop()
        self._lines += len(lines)
        for line in lines:
            # Most lines are moves within a layer.
            if self._awaits_extrusion or b"Z" in line or not line.startswith(_PLAIN_MOVES):
                self._read_line(line[:MAX_LINE], self._rest_start)
            line_end += len(line)
            self._rest_start = line_end
        self._rest = self._rest[:MAX_LINE]
        self._check_limits()

    def _check_limits(self) -> None:
        layers = max(len(layers.starts) for layers in (*self._by_comment, self._by_height))
        self.is_too_large = self.size > MAX_FILE or self._lines > MAX_LINES or layers > MAX_LAYERS

    def _read_line(self, line: bytes, start: int) -> None:
        if line.startswith(b";"):
            self._read_comment(line, start)
            return
        code = line.partition(b";")[0].strip().upper()
        if command := _COMMAND.match(code):
            self._run(b"".join(command.groups()), code[command.end() :], start)

    def _read_comment(self, line: bytes, start: int) -> None:
        for layers, pattern in zip(self._by_comment, _COMMENTS, strict=True):
            if found := pattern.match(line):
                groups = found.groupdict()
                number = groups.get("number")
                layers.begin(start, None if number is None else int(number), number or groups.get("height"))
                self._awaits_extrusion = True

    def _run(self, command: bytes, parameters: bytes, start: int) -> None:
        if command in _MOVES:
            self._move(_words(parameters), start)
        elif command in (b"G90", b"G91"):
            self._is_relative = command == b"G91"
        elif command in (b"M82", b"M83"):
            self._is_extruder_relative = command == b"M83"
        elif command == b"G92":
            words = _words(parameters)
            self._set_height(words.get(b"Z", self._height))
            self._extruder = words.get(b"E", self._extruder)

    def _move(self, words: Mapping[bytes, float], start: int) -> None:
        if (height := words.get(b"Z")) is not None:
            self._set_height(self._height + height if self._is_relative else height)
            self._awaits_extrusion = True
        if self._extrudes(words):
            self._extrude(start)

    def _set_height(self, height: float) -> None:
        self._height = min(max(height, 0.0), MAX_HEIGHT)

    def _extrudes(self, words: Mapping[bytes, float]) -> bool:
        """Tell whether a move extrudes, and is not only the end of a retraction."""
        amount = words.get(b"E", 0.0)
        if b"E" in words and not self._is_extruder_relative:
            amount, self._extruder = amount - self._extruder, amount
        return amount > 0 and (b"X" in words or b"Y" in words)

    def _extrude(self, start: int) -> None:
        self._awaits_extrusion = False
        for layers in self._by_comment:
            layers.extrude(self._height)
        number = self._number_of(self._height)
        self._by_height.begin(start, number, self._heights[number - 1])
        self._by_height.extrude(self._height)

    def _number_of(self, height: float) -> int:
        """Return the number of the layer at a height.

        A height between two layers belongs to the lower one. Below all layers the first one begins: what was before
        has only cleaned the nozzle.
        """
        index = bisect_left(self._heights, height - TOLERANCE)
        if index == len(self._heights):
            self._heights.append(height)
        elif self._heights[index] > height + TOLERANCE and index > 0:
            index -= 1
        elif self._heights[index] > height + TOLERANCE:
            self._heights = [height]
        return index + 1


def _words(parameters: bytes) -> dict[bytes, float]:
    """Return the numbers that follow each letter."""
    return {letter: float(number) for letter, number in _WORD.findall(parameters)}
