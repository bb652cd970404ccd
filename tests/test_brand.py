"""The icons and logos are made from the drawing, have the sizes that Home Assistant requires, and are served by it."""

from http import HTTPStatus
from io import BytesIO

from PIL import Image, ImageChops
import pytest
from pytest_homeassistant_custom_component.typing import ClientSessionGenerator

from brand.render import TARGET, images
from custom_components.octoprint_tunnel.const import DOMAIN
from homeassistant.components.brands.const import ALLOWED_IMAGES
from homeassistant.core import HomeAssistant
from homeassistant.setup import async_setup_component


@pytest.fixture(scope="module")
def rendered() -> dict[str, bytes]:
    """Return the images that the drawing gives now."""
    return images()


def test_the_folder_has_exactly_the_images_that_home_assistant_requests() -> None:
    """Each image is there, and nothing else."""
    assert {path.name for path in TARGET.iterdir()} == ALLOWED_IMAGES


@pytest.mark.parametrize("name", sorted(ALLOWED_IMAGES))
def test_an_image_is_up_to_date_with_the_drawing(rendered: dict[str, bytes], name: str) -> None:
    """scripts/brand makes the images; another processor may round a color differently."""
    kept, now = Image.open(TARGET / name), Image.open(BytesIO(rendered[name]))
    assert (kept.mode, kept.size) == (now.mode, now.size)
    assert max(ImageChops.difference(kept, now).tobytes()) <= 8


@pytest.mark.parametrize("name", sorted(ALLOWED_IMAGES))
def test_an_image_has_the_size_of_a_brand_image(name: str) -> None:
    """256 pixels square for an icon, 128 to 256 on the shorter side of a logo; twice that at double density."""
    image = Image.open(TARGET / name)
    density = 2 if "@2x" in name else 1
    if "icon" in name:
        assert image.size == (256 * density, 256 * density)
    else:
        width, height = image.size
        assert width > height
        assert 128 * density <= height <= 256 * density
    # There is no empty border, and the background is transparent.
    assert image.mode == "RGBA"
    assert image.getbbox() == (0, 0, *image.size)
    assert image.getpixel((0, 0)) == (0, 0, 0, 0)


async def test_home_assistant_serves_the_images(hass: HomeAssistant, hass_client: ClientSessionGenerator) -> None:
    """The frontend gets them from the package and not from another server."""
    assert await async_setup_component(hass, "brands", {})
    client = await hass_client()
    for name in sorted(ALLOWED_IMAGES):
        response = await client.get(f"/api/brands/integration/{DOMAIN}/{name}")
        assert response.status == HTTPStatus.OK
        assert response.content_type == "image/png"
        assert await response.read() == (TARGET / name).read_bytes()
