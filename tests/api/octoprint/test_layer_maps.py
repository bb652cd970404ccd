"""The layers of the files that were read last."""

from custom_components.octoprint_tunnel.api.octoprint.files import LocalFile
from custom_components.octoprint_tunnel.api.octoprint.gcode import LayerMap
from custom_components.octoprint_tunnel.api.octoprint.layer_maps import MAX_MAPS, LayerMaps

LAYERS = LayerMap(starts=(10,), numbers=(1,), heights=(0.2,))


def file(number: int, size: int = 100) -> LocalFile:
    """Return one of many files."""
    return LocalFile(path=f"{number}.gcode", size=size, date=1)


def test_only_a_few_files_are_kept() -> None:
    """The oldest one is forgotten; one that was read again is not the oldest."""
    maps = LayerMaps()
    for number in (*range(MAX_MAPS), 0, MAX_MAPS):
        maps.add(file(number), LAYERS)
    kept = [number for number in range(MAX_MAPS + 1) if maps.find(file(number))]
    assert kept == [0, *range(2, MAX_MAPS + 1)]


def test_another_version_of_a_file() -> None:
    """It replaces the one before at its path."""
    maps = LayerMaps()
    maps.add(file(1), LAYERS)
    assert maps.find(file(1, size=101)) is None
    maps.add(file(1, size=101), LAYERS)
    assert maps.find(file(1)) is None


def test_stored_files() -> None:
    """They are the same again."""
    maps = LayerMaps()
    maps.add(file(1), LAYERS)
    data = maps.to_data()
    assert LayerMaps.from_data(data).to_data() == data
    assert LayerMaps.from_data(data).find(file(1)) == LAYERS
