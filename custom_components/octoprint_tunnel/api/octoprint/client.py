"""The requests of OctoPrint's REST API that are in use."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from http import HTTPStatus
import logging
from typing import Any, BinaryIO

from aiohttp import ClientTimeout, FormData, hdrs

from ..errors import ApiKeyRejected, InvalidResponse, NotOctoPrint, PermissionMissing, Rejected, UnexpectedStatus
from ..json_object import MAX_ITEMS, JsonObject
from ..transport.message import Request, Requester, Response
from ..transport.route import TIMEOUT, Download, Route, StatusCodes
from .connection import Connection
from .custom_controls import CustomControl, controls_from_json
from .files import LocalFile, UploadedFile
from .gcode import Layer
from .heaters import MAX_HEATERS, PrinterReading, heater_kind
from .job import Job
from .layer_plugin import VALUES, layer_from_values
from .printer_error import PrinterError
from .prompt import INTERACT, PLUGIN as PROMPT_PLUGIN, Prompt
from .server import (
    CONNECTION,
    CONTROL,
    FILES_LIST,
    FILES_SELECT,
    FILES_UPLOAD,
    PRINT,
    STATUS,
    SYSTEM,
    TIMELAPSE_LIST,
    Instance,
    User,
)
from .stored import Listing
from .thumbnails import Picture, StoredFile, Thumbnail, thumbnails_from_json
from .timelapses import Timelapse, timelapses_from_json
from .updates import UPDATE_CHECK, UPDATE_INSTALL, Updates
from .webcam import SETTINGS_READ

LOGGER = logging.getLogger(__name__)

# Without it, OctoPrint 2.0 responds as 1.11 does, without connectors; 1.11 ignores it.
API_VERSION = "2.0.0"
CHECK_TAKES = 60  # seconds to ask the internet for updates, which has time limits of its own
MAX_VERSION = 50  # characters of OctoPrint's own version
DOWNLOAD_TAKES = 900  # seconds for a whole file or video
DOWNLOAD_READ_TIMEOUT = 30  # seconds without a byte of it

CODES = StatusCodes(
    errors=dict.fromkeys(
        (
            HTTPStatus.BAD_REQUEST,
            HTTPStatus.CONFLICT,
            HTTPStatus.PRECONDITION_FAILED,
            HTTPStatus.UNSUPPORTED_MEDIA_TYPE,  # an uploaded file that cannot be printed
            HTTPStatus.TOO_MANY_REQUESTS,  # OctoPrint allows three requests for a key in a minute
        ),
        Rejected,
    )
)
"""OctoPrint's own status codes. 403 has two meanings, which `OctoPrint.send` tells apart."""


class OctoPrint:
    """A client of one OctoPrint, over any route.

    Every method raises the errors of `Route.send`, and for OctoPrint's own responses Rejected (with its text),
    ApiKeyRejected or PermissionMissing (403), UnexpectedStatus or InvalidResponse.
    """

    def __init__(self, route: Requester, api_key: str | None = None, *, title: str = "OctoPrint") -> None:
        """Send requests over `route` with `api_key`; without a key only `instance` and the key workflow work.

        `title` is the name of this OctoPrint in log lines.
        """
        self._route = route
        self._title = title
        self._headers = {"X-OctoPrint-Api-Version": API_VERSION, "X-Locale": "en"}
        if api_key:
            self._headers["X-Api-Key"] = api_key
        self._capped: set[str] = set()

    async def instance(self) -> Instance | None:
        """Return the id and name of this OctoPrint, without a key; None if its Discovery plugin is disabled.

        Raises NotOctoPrint if there is no API either: the address is another server's, or has a wrong path.
        """
        if instance := await self.discovered():
            return instance
        response = await self._get("/api/currentuser", expected=HTTPStatus.NOT_FOUND)
        if response.status == HTTPStatus.NOT_FOUND:
            raise NotOctoPrint(code=response.status)
        return None

    async def discovered(self) -> Instance | None:
        """Return what the Discovery plugin shows without a key; None if there is no such page."""
        response = await self._get("/plugin/discovery/discovery.xml", expected=HTTPStatus.NOT_FOUND)
        return None if response.status == HTTPStatus.NOT_FOUND else Instance.from_xml(response.body)

    async def version(self) -> str | None:
        """Return OctoPrint's version, as in `1.11.8`."""
        return (await self._get("/api/version", permission=STATUS)).json().text("server", MAX_VERSION)

    async def user(self) -> User:
        """Return the user that the key belongs to; a key that is not accepted is no error."""
        return User.from_json((await self._get("/api/currentuser")).json())

    async def check_key(self) -> None:
        """Check that the key is accepted and has the permissions to read and to command the connection.

        Raises ApiKeyRejected, or PermissionMissing with the permissions that are missing.
        """
        user = await self.user()
        if not user.is_known:
            raise ApiKeyRejected
        if lacking := user.lacks(STATUS, CONNECTION):
            raise PermissionMissing(detail=", ".join(lacking))

    async def login(self) -> str:
        """Log in with the key and return the credential for the push socket."""
        response = await self._post("/api/login", {"passive": True}, permission=STATUS)
        session = response.json()
        name, key = session.exact("name"), session.exact("session")
        if name is None or key is None:
            raise ApiKeyRejected
        return f"{name}:{key}"

    async def connection(self) -> Connection:
        """Return the state of the connection to the printer, and the options to connect with."""
        response = (await self._get("/api/connection", permission=STATUS)).json()
        self._log_capped(response.object("options"), "ports", "baudrates", "connectors", "printerProfiles", "profiles")
        return Connection.from_json(response)

    async def job(self) -> Job:
        """Return the job in progress, or the last one."""
        return Job.from_json((await self._get("/api/job", permission=STATUS)).json())

    async def printer_error(self) -> PrinterError | None:
        """Return the last error of the printer; OctoPrint keeps it until it connects or starts a print."""
        return PrinterError.from_json((await self._get("/api/printer/error", permission=STATUS)).json())

    async def thumbnails(self, file: StoredFile) -> tuple[Thumbnail, ...]:
        """Return where the pictures of the model in a file are, the best first."""
        response = await self._get(f"/api/files/{file.storage}/{file.path}")
        return thumbnails_from_json(response.json(), file)

    async def picture(self, thumbnail: Thumbnail) -> Picture:
        """Return a picture. Raises InvalidResponse for anything but PNG or JPEG, also for more than MAX_BODY bytes."""
        return Picture.of((await self.send(Request("GET", thumbnail.path, query=thumbnail.query))).body)

    async def plugin(self, plugin: str) -> JsonObject:
        """Return what a plugin says of itself, nothing if there is no such plugin."""
        response = await self._get(f"/api/plugin/{plugin}", expected=HTTPStatus.NOT_FOUND)
        return JsonObject() if response.status == HTTPStatus.NOT_FOUND else response.json()

    async def prompt(self) -> Prompt | None:
        """Return what the printer asks its user; None if it asks nothing.

        Raises UnexpectedStatus with 404 if the plugin is disabled, and PermissionMissing.
        """
        path = f"/api/plugin/{PROMPT_PLUGIN}"
        response = await self._get(path, permission=INTERACT, expected=HTTPStatus.NOT_FOUND)
        if response.status == HTTPStatus.NOT_FOUND:
            raise UnexpectedStatus(code=response.status, detail=path)
        return None if response.is_null else Prompt.from_json(response.json())

    async def answer_prompt(self, choice: int) -> None:
        """Answer what the printer asks with one of the choices, which are numbered from 0."""
        await self._post(f"/api/plugin/{PROMPT_PLUGIN}", {"command": "select", "choice": choice}, permission=INTERACT)

    async def stop_at_once(self) -> None:
        """Send the emergency stop, M112. OctoPrint sends it before everything else, and disconnects."""
        await self.send_commands(["M112"])

    async def settings(self) -> JsonObject:
        """Return OctoPrint's settings: some 20 kB, too much to poll."""
        return (await self._get("/api/settings", permission=SETTINGS_READ)).json()

    async def reading(self, *, heaters: bool = True, state: bool = True) -> PrinterReading | None:
        """Return the printer's state and its heaters, None while the printer is not connected.

        This is the smallest response there is: 45 bytes without a printer, some 400 for the state and 100 for each
        heater, while `connection` has up to several kilobytes. It does not show a connection that is being made.
        """
        # The field `sd` of 1.11 is `storage` in 2.0 with this API version.
        excluded = ["sd", "storage", *([] if heaters else ["temperature"]), *([] if state else ["state"])]
        request = Request("GET", "/api/printer", query={"exclude": ",".join(excluded)})
        response = await self.send(request, permission=STATUS, expected=HTTPStatus.CONFLICT)
        if response.status == HTTPStatus.CONFLICT:
            return None
        reading = PrinterReading.from_json(response.json())
        if reading.left_out and "heaters" not in self._capped:
            self._capped.add("heaters")
            LOGGER.warning("%s: more than %d heaters, the others are left out", self._title, MAX_HEATERS)
        if state and reading.state_text is None:
            raise InvalidResponse(detail="no state in it")
        return reading

    async def connect(
        self,
        known: Connection,
        *,
        connector: str | None = None,
        parameters: Mapping[str, Any] | None = None,
        port: str | None = None,
        baudrate: int | None = None,
        printer_profile: str | None = None,
        save: bool | None = None,
        autoconnect: bool | None = None,
    ) -> None:
        """Connect to the printer; OctoPrint's preferences are used for values that are not given.

        `known` is the connection as last read: it shows which form of the command this OctoPrint accepts. `baudrate` is
        in bit/s. `save` stores the values as the preferences, and keeps the preference for values that are not given.
        `autoconnect` connects at start-up; OctoPrint 2.0 stores it only with `save`.
        """
        # `port` and `baudrate` win over the same names in `parameters`.
        given = dict(parameters or {}) | {
            name: value for name, value in (("port", port), ("baudrate", baudrate)) if value is not None
        }
        if save:
            # OctoPrint clears every preference that the command leaves out.
            printer_profile = printer_profile or known.options.preferred_profile
            given = {**_preferred(known, connector), **given}
        command: dict[str, Any] = {
            "port": given.get("port"),
            "baudrate": given.get("baudrate"),
            "printerProfile": printer_profile,
            "save": save,
            "autoconnect": autoconnect,
        }
        options = known.options
        if options.connectors is not None:
            command["connector"] = connector or _preferred_connector(known)
            chosen = {name: value for name, value in given.items() if value is not None}
            command["parameters"] = chosen or _preferred(known, connector)
        await self._command("connect", **{name: value for name, value in command.items() if value is not None})

    async def disconnect(self) -> None:
        """Disconnect from the printer."""
        await self._command("disconnect")

    async def repair(self, known: Connection) -> None:
        """Continue a stuck communication as if the printer had acknowledged the last line.

        The command is `repair` in OctoPrint 2.0 and `fake_ack` before.
        """
        await self._command("repair" if known.has_connectors else "fake_ack")

    async def pause(self) -> None:
        """Pause the print."""
        await self._job_command("pause", action="pause")

    async def resume(self) -> None:
        """Resume a paused print."""
        await self._job_command("pause", action="resume")

    async def cancel(self) -> None:
        """Cancel the print."""
        await self._job_command("cancel")

    async def set_target(self, heater: str, celsius: float) -> None:
        """Set the target temperature of a heater, in °C; 0 switches it off."""
        kind = heater_kind(heater)
        target = {"targets": {heater: celsius}} if kind == "tool" else {"target": celsius}
        await self._post(f"/api/printer/{kind}", {"command": "target", **target}, permission=CONTROL)

    async def set_speed(self, percent: int) -> None:
        """Set the factor of the speed of all moves, from 50 to 200 %."""
        await self._post("/api/printer/printhead", {"command": "feedrate", "factor": percent}, permission=CONTROL)

    async def set_flow(self, percent: int) -> None:
        """Set the factor of the extruded amount, from 75 to 125 %."""
        await self._post("/api/printer/tool", {"command": "flowrate", "factor": percent}, permission=CONTROL)

    async def custom_controls(self) -> tuple[CustomControl, ...]:
        """Return the custom controls that need no input. OctoPrint 2.0 has those of its connector while connected."""
        response = await self._get("/api/printer/command/custom", permission=CONTROL)
        return controls_from_json(response.json())

    async def send_commands(self, lines: Sequence[str]) -> None:
        """Send lines of G-code to the printer."""
        await self._post("/api/printer/command", {"commands": list(lines)}, permission=CONTROL)

    async def system_commands(self) -> frozenset[str]:
        """Return the system commands that are set up, of `restart`, `reboot` and `shutdown`.

        There are none if the key lacks the permission.
        """
        response = await self._get("/api/system/commands", expected=HTTPStatus.FORBIDDEN)
        if response.status == HTTPStatus.FORBIDDEN:
            return frozenset()
        commands = response.json()
        self._log_capped(commands, "core")
        return frozenset(action for command in commands.objects("core") if (action := command.exact("action")))

    async def run_system_command(self, action: str) -> None:
        """Run one of `system_commands`."""
        await self._post(f"/api/system/commands/core/{action}", None, permission=SYSTEM)

    async def updates(self, *targets: str, force: bool = False) -> Updates:
        """Return what is installed of these targets, and what there is: some 900 bytes, and 600 for each.

        OctoPrint asks the internet once a day, or with `force` now, which takes seconds. A target that OctoPrint does
        not know is left out.
        """
        query = {"targets": ",".join(targets), **({"force": "true"} if force else {})}
        request = Request("GET", "/plugin/softwareupdate/check", query=query, may_take=CHECK_TAKES)
        return Updates.from_json((await self.send(request, permission=UPDATE_CHECK)).json(), targets)

    async def install_update(self, target: str) -> bool:
        """Begin to install the update of a target, after which OctoPrint restarts; False while it prints.

        Raises Rejected if OctoPrint does not know the target.
        """
        response = await self._update("", targets=[target])
        if response.status == HTTPStatus.ACCEPTED:
            # OctoPrint would install it when the print is done, which would be a surprise then.
            await self._update("/queued", command="cancel", targets=[target])
            return False
        if target not in response.json().exacts("order"):
            raise Rejected(detail=f"no update of {target}")
        return True

    async def upload(
        self, name: str, file: BinaryIO, *, folder: str | None = None, select: bool = False, print_: bool = False
    ) -> UploadedFile:
        """Upload a file to OctoPrint's local storage, and return where it is and what OctoPrint did with it.

        `name` and `folder` have to be what `is_file_name` and `is_folder` accept. The file is read while it is sent.
        `select` makes it the next job, `print_` prints it at once.
        """
        form = FormData(quote_fields=False)  # names in UTF-8, as browsers send them and OctoPrint expects them
        for field, value in (("path", folder), ("select", select and "true"), ("print", print_ and "true")):
            if value:
                form.add_field(field, value)
        form.add_field("file", file, filename=name, content_type="application/octet-stream")
        response = await self.send(Request("POST", "/api/files/local", form=form), permission=FILES_UPLOAD)
        return UploadedFile.from_json(response.json())

    async def stored(self, folder: str | None = None, *, recursive: bool = False) -> Listing | None:
        """Return what is in the local storage, or in one folder of it; None if there is no such folder.

        A file takes some 1.7 kB, and more than MAX_BODY bytes are not read. `folder` has to be what `is_stored_path`
        accepts.
        """
        path = f"/api/files/local/{folder}" if folder else "/api/files/local"
        request = Request("GET", path, query={"recursive": str(recursive).lower()})
        response = await self.send(request, permission=FILES_LIST, expected=HTTPStatus.NOT_FOUND)
        if response.status == HTTPStatus.NOT_FOUND:
            return None
        found = response.json()
        is_file = folder is not None and found.exact("type") not in (None, "folder")
        return None if is_file else Listing.from_json(found)

    async def print_file(self, path: str) -> bool:
        """Select a file of the local storage and print it; False if there is no such file.

        `path` has to be what `is_stored_path` accepts. OctoPrint refuses it while it prints.
        """
        request = Request("POST", f"/api/files/local/{path}", json={"command": "select", "print": True})
        response = await self.send(request, permission=f"{FILES_SELECT}, {PRINT}", expected=HTTPStatus.NOT_FOUND)
        return response.status != HTTPStatus.NOT_FOUND

    async def start(self) -> None:
        """Print the selected file, from its beginning."""
        await self._job_command("start")

    async def file(self, path: str) -> LocalFile:
        """Return the version of a file that is in the local storage."""
        address = f"/api/files/local/{path}"
        response = await self._get(address, permission=FILES_LIST, expected=HTTPStatus.NOT_FOUND)
        file = LocalFile.from_json(response.json())
        if file is None:
            raise InvalidResponse(detail="no file in it")
        return file

    async def plugin_layer(self, route: Route) -> Layer | None:
        """Return the layer that the plugin DisplayLayerProgress counts; None if it knows no layers of the file.

        `route` has to be one that was just verified to lead to this OctoPrint. What is wrong with the plugin says
        nothing about the route. Raises the errors of `Route.send`, and UnexpectedStatus if it is not installed.
        """
        response = await route.send(Request("GET", VALUES, headers=self._headers))
        if response.status != HTTPStatus.OK:
            raise UnexpectedStatus(code=response.status)
        return layer_from_values(response.json())

    async def download(self, route: Route, path: str) -> Download:
        """Start to read a file of the local storage, uncompressed. It has to be closed.

        `route` has to be one that was just verified to lead to this OctoPrint. Raises the errors of `Route.download`.
        """
        headers = {**route.headers, **self._headers, hdrs.ACCEPT_ENCODING: "identity"}
        url = route.base_url / f"downloads/files/local/{path}"
        return await replace(route, headers=headers).download(url, _download_timeout(route))

    async def timelapses(self) -> tuple[Timelapse, ...]:
        """Return the videos of prints."""
        return timelapses_from_json((await self._get("/api/timelapse", permission=TIMELAPSE_LIST)).json())

    async def download_timelapse(self, route: Route, name: str, byte_range: str | None = None) -> Download:
        """Start to read a video, or a part of it as `is_byte_range` accepts it. It has to be closed.

        `name` has to be what `is_timelapse_name` accepts, `route` one that was just verified to lead to this OctoPrint.
        Raises the errors of `Route.download`.
        """
        headers = {**route.headers, **self._headers, hdrs.ACCEPT_ENCODING: "identity"}
        if byte_range:
            headers[hdrs.RANGE] = byte_range
        url = route.base_url / "downloads" / "timelapse" / name
        return await replace(route, headers=headers).download(url, _download_timeout(route))

    def _log_capped(self, response: JsonObject, *lists: str) -> None:
        """Log once for each of these lists that it is longer than what is read."""
        for name in lists:
            if name not in self._capped and (length := response.length(name)) > MAX_ITEMS:
                self._capped.add(name)
                LOGGER.warning("%s: of %d %s only the first %d are used", self._title, length, name, MAX_ITEMS)

    async def _job_command(self, command: str, **values: object) -> None:
        await self._post("/api/job", {"command": command, **values}, permission=PRINT)

    async def _update(self, path: str, **values: object) -> Response:
        return await self._post(f"/plugin/softwareupdate/update{path}", values, permission=UPDATE_INSTALL)

    async def _command(self, command: str, **values: object) -> None:
        await self._post("/api/connection", {"command": command, **values}, permission=CONNECTION)

    async def _get(self, path: str, *, permission: str | None = None, expected: HTTPStatus | None = None) -> Response:
        return await self.send(Request("GET", path), permission=permission, expected=expected)

    async def _post(self, path: str, json: object, *, permission: str) -> Response:
        return await self.send(Request("POST", path, json=json), permission=permission)

    async def send(
        self, request: Request, *, permission: str | None = None, expected: HTTPStatus | None = None
    ) -> Response:
        """Send a request with the API key, and return its response if the status is a success or `expected`.

        `permission` is the one that the request needs: for its error, it is found out whether the key lacks that
        permission or is not accepted at all.
        """
        response = await self._route.send(replace(request, headers=self._headers, expected=expected))
        if response.status == expected or response.status < HTTPStatus.MULTIPLE_CHOICES:
            return response
        text = _error_text(response)
        # OctoPrint checks a command with an unknown key for cross-site request forgery first.
        if permission and (response.status == HTTPStatus.FORBIDDEN or "CSRF" in text):
            if (await self.user()).is_known:
                raise PermissionMissing(code=response.status, detail=permission)
            raise ApiKeyRejected(code=response.status)
        raise CODES.error(response.status, text) or UnexpectedStatus(code=response.status, detail=text)


async def instance_uuid(route: Route) -> str | None:
    """Return the instance id of the OctoPrint behind a route; None if nothing there shows one.

    Raises the errors of `OctoPrint.discovered`.
    """
    instance = await OctoPrint(route).discovered()
    return instance.uuid if instance else None


def _download_timeout(route: Route) -> ClientTimeout:
    """Return the time limits of a download; to connect takes as long as for other requests."""
    connect = (route.timeout or TIMEOUT).connect
    return ClientTimeout(total=DOWNLOAD_TAKES, connect=connect, sock_read=DOWNLOAD_READ_TIMEOUT)


def _preferred_connector(known: Connection) -> str:
    """Return the connector that OctoPrint prefers, else its first one."""
    offered = (connector.connector for connector in known.options.connectors or ())
    return known.options.preferred_connector or next(offered, "serial")


def _preferred(known: Connection, connector: str | None) -> dict[str, Any]:
    """Return the preferred parameters of a connector; None stands for the preferred connector."""
    options = known.options
    if options.connectors is None:
        return {"port": options.preferred_port, "baudrate": options.preferred_baudrate}
    if (connector or _preferred_connector(known)) != options.preferred_connector:
        return {}
    return dict(options.preferred_parameters)


def _error_text(response: Response) -> str:
    """Return the text of OctoPrint's error, empty if it sent none."""
    try:
        return response.json().text("error") or ""
    except InvalidResponse:
        return ""
