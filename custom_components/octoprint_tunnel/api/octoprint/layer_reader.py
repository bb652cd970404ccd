"""Tells which layer a print has reached: by the layers of its file, else by the plugin DisplayLayerProgress."""

from ..errors import OctoPrintTunnelError
from ..transport.router import Router
from .client import OctoPrint
from .files import LocalFile
from .gcode import Layer
from .layer_maps import LayerMaps
from .status import PrinterStatus


class LayerReader:
    """Knows the layers of a few files, and for which file the plugin is asked."""

    def __init__(self, octoprint: OctoPrint, router: Router) -> None:
        """Begin without any file. `router` leads to the plugin, over the local network only."""
        self.maps = LayerMaps()
        self.plugin_file: LocalFile | None = None
        """The file whose layer the plugin is asked for with each reading over the local network."""
        self._octoprint = octoprint
        self._router = router

    def knows(self, file: LocalFile) -> bool:
        """Tell whether the layer of a print of this file is known."""
        return file == self.plugin_file or self.maps.find(file) is not None

    async def read(self, status: PrinterStatus) -> Layer | None:
        """Return the layer that a print has reached, or the last one had; None if it is not known."""
        file = status.job.local_file if status.job else None
        if file is None or file != self.plugin_file:
            return self.maps.layer_of(status.job)
        if not status.state.is_active:
            return status.layer
        try:
            return await self.ask_plugin()
        except OctoPrintTunnelError:
            self.plugin_file = None
            return None

    async def ask_plugin(self) -> Layer | None:
        """Return the layer that the plugin counts; None if it knows no layers of the file.

        Raises CannotConnect without the local network, and the errors of `OctoPrint.plugin_layer`.
        """
        return await self._octoprint.plugin_layer(await self._router.local_route())
