"""A plugin of OctoPrint 1.11 that adds to files what Slicer Thumbnails adds; OctoPrint's own Python runs this file.

It takes the largest picture that a slicer put into a file, in any format, and tells its path in the file's
metadata.
"""

from base64 import b64decode
from pathlib import Path
import re
from typing import Any
from urllib.parse import quote

from octoprint.access.permissions import Permissions  # type: ignore[import-not-found]
from octoprint.plugin import EventHandlerPlugin  # type: ignore[import-not-found]
import octoprint.server  # type: ignore[import-not-found]
from octoprint.server.util.flask import permission_validator  # type: ignore[import-not-found]
from octoprint.server.util.tornado import LargeResponseHandler, access_validation_factory  # type: ignore[import-not-found]

ID = "prusaslicerthumbnails"
_BLOCK = re.compile(r"^; thumbnail begin .*?$(.*?)^; thumbnail end", re.MULTILINE | re.DOTALL)


class ThumbnailPlugin(EventHandlerPlugin):  # type: ignore[misc]
    """Finds the picture of each file that is added."""

    def on_event(self, event: str, payload: dict[str, Any]) -> None:
        """Keep the picture of a new file, and tell where it is."""
        if event != "FileAdded":
            return
        path = payload["path"]
        found = _BLOCK.findall(Path(self._file_manager.path_on_disk("local", path)).read_text())
        if not found:
            return
        picture = Path(self.get_plugin_data_folder(), path).with_suffix(".png")
        picture.parent.mkdir(parents=True, exist_ok=True)
        picture.write_bytes(b64decode(max(found, key=len).replace("; ", "")))
        address = f"plugin/{ID}/thumbnail/{quote(str(Path(path).with_suffix('.png')))}?20261126120000"
        for name, value in (("thumbnail", address), ("thumbnail_src", ID)):
            self._file_manager.set_additional_metadata("local", path, name, value, overwrite=True)

    def routes(self, *_args: object, **_options: object) -> list[tuple[str, type, dict[str, object]]]:
        """Return the route of the pictures, which needs a permission."""
        allowed = access_validation_factory(octoprint.server.app, permission_validator, Permissions.FILES_LIST)
        options = {"path": self.get_plugin_data_folder(), "as_attachment": False, "access_validation": allowed}
        return [(r"thumbnail/(.*)", LargeResponseHandler, options)]


__plugin_name__ = "Slicer Thumbnails"
__plugin_pythoncompat__ = ">=3.7,<4"
__plugin_implementation__ = ThumbnailPlugin()
__plugin_hooks__ = {"octoprint.server.http.routes": __plugin_implementation__.routes}
