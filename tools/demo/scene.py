"""What there is to see: the webcam's picture of a print under way, and the picture of its model."""

from functools import cache
import io

from PIL import Image, ImageDraw

_SIZE = (960, 720)
_ROOM, _BED, _METAL, _LIGHT = (36, 41, 48), (58, 66, 77), (140, 150, 160), (206, 214, 222)
_LAYERS = ((244, 150, 60), (232, 138, 48))


@cache
def a_print_under_way(time: float = 0.5) -> bytes:
    """Return a JPEG of a nozzle above half a boat; from time 0 to 1 it moves there and back."""
    moved = round(120 * abs(2 * time - 1)) - 60
    picture = Image.new("RGB", _SIZE, _ROOM)
    draw = ImageDraw.Draw(picture)
    for x in (90, 830):
        draw.rectangle((x, 0, x + 40, 720), fill=(26, 30, 36))
    draw.rectangle((60, 120, 900, 150), fill=_METAL)
    draw.rectangle((60, 126, 900, 131), fill=_LIGHT)
    draw.polygon(((150, 600), (810, 600), (880, 690), (80, 690)), fill=_BED)
    _draw_hull(draw)
    x = 540 + moved
    draw.rounded_rectangle((x - 70, 90, x + 70, 300), 12, fill=(52, 60, 70))
    draw.ellipse((x - 35, 150, x + 35, 220), fill=(26, 30, 36))
    draw.rectangle((x - 25, 300, x + 25, 340), fill=_METAL)
    draw.polygon(((x - 20, 340), (x + 20, 340), (x + 5, 386), (x - 5, 386)), fill=(214, 170, 70))
    return _encode(picture, "JPEG")


@cache
def the_model() -> bytes:
    """Return a PNG of the boat, as slicers put it into their files."""
    picture = Image.new("RGBA", _SIZE)
    _draw_hull(ImageDraw.Draw(picture))
    return _encode(picture.crop((240, 280, 760, 700)).resize((260, 210)), "PNG")


def _draw_hull(draw: ImageDraw.ImageDraw) -> None:
    for number in range(23):  # layers, widening as they rise
        y, overhang = 590 - number * 9, number * 6
        draw.rounded_rectangle((330 - overhang // 2, y, 600 + overhang, y + 8), 4, fill=_LAYERS[number % 2])


def _encode(picture: Image.Image, kind: str) -> bytes:
    body = io.BytesIO()
    picture.save(body, kind, quality=90)
    return body.getvalue()
