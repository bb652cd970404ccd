"""Keeps the layers of the files that were read last."""

from collections.abc import Mapping
from dataclasses import asdict
from typing import Any, Final, Self

from .files import LocalFile
from .gcode import Layer, LayerMap
from .job import Job

MAX_MAPS: Final = 8


class LayerMaps:
    """The layers of a few files of OctoPrint's local storage, by their paths."""

    def __init__(self) -> None:
        """Begin with no file."""
        self._maps: dict[str, tuple[LocalFile, LayerMap]] = {}

    def add(self, file: LocalFile, layers: LayerMap) -> None:
        """Keep the layers of a file, and forget those of the oldest one if there are too many."""
        self._maps.pop(file.path, None)
        self._maps[file.path] = (file, layers)
        if len(self._maps) > MAX_MAPS:
            del self._maps[next(iter(self._maps))]

    def find(self, file: LocalFile) -> LayerMap | None:
        """Return the layers of a file; None if they are not known, or are those of another file at this path."""
        known, layers = self._maps.get(file.path, (None, None))
        return layers if known == file else None

    def layer_of(self, job: Job | None) -> Layer | None:
        """Return the layer that a job has reached; None if it is not known."""
        if job is None or job.local_file is None or job.position is None:
            return None
        layers = self.find(job.local_file)
        return layers.layer_at(job.position) if layers else None

    def to_data(self) -> dict[str, Any]:
        """Return what has to be stored to know these files again."""
        return {"files": [asdict(file) | layers.to_data() for file, layers in self._maps.values()]}

    @classmethod
    def from_data(cls, data: Mapping[str, Any]) -> Self:
        """Return the files that `to_data` described."""
        maps = cls()
        for item in data["files"]:
            file = LocalFile(path=item["path"], size=item["size"], date=item["date"])
            maps.add(file, LayerMap.from_data(item))
        return maps
