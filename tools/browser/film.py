"""An animated picture of a few pages, one after the other."""

from collections.abc import Iterable
import io
from pathlib import Path
from typing import Final

from PIL import Image

_SIZE: Final = (640, 450)
_COLORS: Final = 128
_MILLISECONDS: Final = 2500


def save_film(path: Path, pages: Iterable[bytes]) -> None:
    """Save pages, given as PNG, as a GIF that shows each for 2.5 s and then begins again."""
    first, *others = (_frame(page) for page in pages)
    first.save(path, save_all=True, append_images=others, duration=_MILLISECONDS, loop=0, optimize=True)


def _frame(page: bytes) -> Image.Image:
    picture = Image.open(io.BytesIO(page)).convert("RGB").resize(_SIZE, Image.Resampling.LANCZOS)
    return picture.quantize(_COLORS, dither=Image.Dither.NONE)
