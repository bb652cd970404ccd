"""The webcams in OctoPrint's settings: the addresses of their pictures, and their orientation.

Source: OctoPrint's REST API, "Retrieve current settings", and the responses of 1.11 and 2.0.
"""

from dataclasses import dataclass, replace

from ..errors import InvalidResponse, PermissionMissing
from ..json_object import JsonObject
from ..remote_text import MAX_NAME, as_name
from ..transport.addresses import MAX_ADDRESS

SETTINGS_READ = "SETTINGS_READ"
WEBCAM = "WEBCAM"

MAX_WEBCAMS = 16


@dataclass(frozen=True, kw_only=True, slots=True)
class Webcam:
    """One webcam. The snapshot's address is meant for OctoPrint itself, the stream's for a browser of the user."""

    position: int
    """Its position among all webcams of OctoPrint, from 0."""
    name: str
    display_name: str
    snapshot_url: str | None
    stream_url: str | None
    flip_h: bool = False
    flip_v: bool = False
    rotate_90: bool = False
    """Counter-clockwise, after the flips."""
    is_primary: bool | None = None
    """Whether it is the primary webcam of Obico's plugin; None if the plugin has none."""

    @property
    def is_obicos(self) -> bool:
        """Tell whether Obico's plugin uploads pictures of this webcam."""
        return self.position == 0 if self.is_primary is None else self.is_primary

    @property
    def orientation(self) -> int:
        """Return the Exif orientation of its pictures; 1 is unrotated."""
        if self.rotate_90:
            return {(False, False): 8, (True, False): 5, (False, True): 7, (True, True): 6}[self.flip_h, self.flip_v]
        return {(False, False): 1, (True, False): 2, (False, True): 4, (True, True): 3}[self.flip_h, self.flip_v]


def webcams_from_json(settings: JsonObject) -> tuple[Webcam, ...]:
    """Read `GET /api/settings`; webcams without any address are skipped.

    Raises PermissionMissing if the key may not see webcams, and InvalidResponse if these are not settings.
    """
    if not settings.has_object("webcam"):
        raise InvalidResponse(detail="no webcam settings in it")
    webcam = settings.object("webcam")
    if not webcam:  # this is how OctoPrint hides them
        raise PermissionMissing(detail=WEBCAM)
    if webcam.boolean("webcamEnabled") is False:
        return ()
    if "webcams" in webcam:
        found = [_webcam(position, item) for position, item in enumerate(webcam.objects("webcams", MAX_WEBCAMS))]
    else:
        found = [_classic_webcam(webcam)]
    primary = _obicos_primary(settings)
    if any(item.name == primary for item in found):
        found = [replace(item, is_primary=item.name == primary) for item in found]
    return tuple(item for item in found if item.snapshot_url or item.stream_url)


def left_out(settings: JsonObject) -> int:
    """Return the number of webcams beyond MAX_WEBCAMS, of those that are read."""
    return max(0, len(settings.object("webcam").objects("webcams")) - MAX_WEBCAMS)


def _obicos_primary(settings: JsonObject) -> str | None:
    """Return the name of the primary webcam of Obico's plugin, None if it has none."""
    webcams = settings.object("plugins").object("obico").objects("webcams")
    return next((item.text("name", MAX_NAME) for item in webcams if item.boolean("is_primary_camera")), None)


def _webcam(position: int, webcam: JsonObject) -> Webcam:
    addresses = webcam.object("compat")
    name = webcam.text("name", MAX_NAME) or str(position)
    return Webcam(
        position=position,
        name=name,
        display_name=as_name(webcam.text("displayName") or name) or name,
        snapshot_url=_address(addresses, "snapshot"),
        stream_url=_address(addresses, "stream"),
        flip_h=webcam.boolean("flipH") or False,
        flip_v=webcam.boolean("flipV") or False,
        rotate_90=webcam.boolean("rotate90") or False,
    )


def _classic_webcam(webcam: JsonObject) -> Webcam:
    """Read the only webcam of OctoPrint before 1.9."""
    return Webcam(
        position=0,
        name="classic",
        display_name="Classic Webcam",
        snapshot_url=_address(webcam, "snapshotUrl"),
        stream_url=_address(webcam, "streamUrl"),
        flip_h=webcam.boolean("flipH") or False,
        flip_v=webcam.boolean("flipV") or False,
        rotate_90=webcam.boolean("rotate90") or False,
    )


def _address(fields: JsonObject, name: str) -> str | None:
    return (fields.exact(name, MAX_ADDRESS) or "").strip() or None
