"""What Obico sends to the webhook that a user enters in its preferences.

Source: Obico's server, notification plugin "webhook".
"""

from typing import Final, override

from yarl import URL

from ..errors import InvalidResponse
from ..json_object import JsonObject
from ..transport.addresses import MAX_ADDRESS, has_credentials, is_loopback, web_address
from .base import AccountDelivery, AccountNotifications
from .models import MAX_TEXT, Notification, NotificationType

TEST: Final = "TestEvent"
FAILURE: Final = "PrintFailure"
TYPES: Final = {
    "PrintStarted": NotificationType.STARTED,
    "PrintDone": NotificationType.COMPLETE,
    "PrintCancelled": NotificationType.CANCELED,
    "PrintPaused": NotificationType.PAUSED,
    "PrintResumed": NotificationType.RESUMED,
    "FilamentChange": NotificationType.FILAMENT_CHANGE_REQUIRED,
    "HeaterCooledDown": NotificationType.HEATER_COOLED_DOWN,
    "HeaterTargetReached": NotificationType.HEATER_TARGET_REACHED,
}
MAX_ID: Final = 2**63 - 1


class ObicoNotifications(AccountNotifications):
    """The webhook of an account on one server."""

    def __init__(self, server: URL, *, is_cloud: bool) -> None:
        """Read what this server sends."""
        self._server = server
        self._is_cloud = is_cloud

    @property
    @override
    def is_self_hosted(self) -> bool:
        return not self._is_cloud

    @override
    def read(self, delivery: JsonObject) -> AccountDelivery:
        if delivery.text("event") == TEST:
            return AccountDelivery(notification=Notification(type=NotificationType.TEST))
        printer, job = delivery.object("printer"), delivery.object("print")
        printer_id, print_id = (each.integer("id", 0, MAX_ID) for each in (printer, job))
        return AccountDelivery(
            printer_id=None if printer_id is None else str(printer_id),
            printer_name=printer.text("name", MAX_TEXT),
            notification=Notification(
                type=_type(delivery.object("event")),
                print_id=None if print_id is None else str(print_id),
                file=job.text("filename", MAX_TEXT),
                snapshot_url=self._picture(delivery.exact("img_url", MAX_ADDRESS)),
            ),
        )

    def _picture(self, text: str | None) -> str | None:
        """Return the address of a picture: an https one, else the same path on this server.

        A self-hosted server may not know its own address (`http://localhost:3334` after an installation).
        """
        url = web_address(text)
        if url is None or has_credentials(url):
            return None
        if url.scheme == "https" and not is_loopback(url):
            return str(url)
        url = web_address(f"{self._server.origin()}{url.raw_path_qs}")
        return str(url) if url and url.origin() == self._server.origin() else None


def _type(event: JsonObject) -> NotificationType:
    name = event.text("type", MAX_TEXT)
    if name is None:
        raise InvalidResponse(detail="no event type in it")
    if name == FAILURE:
        is_paused = event.boolean("print_paused") is True
        return NotificationType.FAILURE_PAUSED if is_paused else NotificationType.POSSIBLE_FAILURE
    return TYPES.get(name, NotificationType.UNKNOWN)
