"""Render the images that Home Assistant shows for the integration, from logo.svg in this folder."""

from pathlib import Path
from typing import Final

from resvg_py import svg_to_bytes

SOURCE: Final = Path(__file__).with_name("logo.svg")
TARGET: Final = SOURCE.parents[1] / "custom_components" / "octoprint_tunnel" / "brand"

LOGO_BOX: Final = 'viewBox="0 0 1830 512" class="light"'
ICON_HEIGHT: Final = 256  # pixels, at single density
LOGO_HEIGHT: Final = 128


def images() -> dict[str, bytes]:
    """Return the PNG of each file name; the bytes are reproducible on the same platform."""
    drawing = SOURCE.read_text(encoding="utf-8")
    if LOGO_BOX not in drawing:
        raise ValueError(f"{SOURCE.name} does not begin as expected: {LOGO_BOX}")
    found = {}
    for theme, prefix in (("light", ""), ("dark", "dark_")):
        for name, box, height in (("icon", "0 0 512 512", ICON_HEIGHT), ("logo", "0 0 1830 512", LOGO_HEIGHT)):
            svg = drawing.replace(LOGO_BOX, f'viewBox="{box}" class="{theme}"')
            for density, suffix in ((1, ""), (2, "@2x")):
                found[f"{prefix}{name}{suffix}.png"] = svg_to_bytes(
                    svg_string=svg, height=height * density, skip_system_fonts=True
                )
    return found


def main() -> None:
    """Write the images into the package."""
    TARGET.mkdir(exist_ok=True)
    for name, png in images().items():
        (TARGET / name).write_bytes(png)
        print(f"{name}: {len(png)} bytes")


if __name__ == "__main__":
    main()
