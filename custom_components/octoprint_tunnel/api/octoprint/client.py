"""OctoPrint's REST API, as far as it is in use."""

from collections.abc import Mapping, Sequence
from http import HTTPStatus
import logging
from typing import Any, BinaryIO

from aiohttp import FormData

from ..errors import ApiKeyRejected, InvalidResponse, PermissionMissing, Rejected, UnexpectedStatus
from ..json_object import MAX_ITEMS, JsonObject
from ..transport.route import Requester, Response, StatusCodes
from .connection import Connection
from .files import UploadedFile
from .heaters import MAX_HEATERS, PrinterReading, heater_kind
from .job import Job
from .server import CONNECTION, CONTROL, FILES_UPLOAD, PRINT, STATUS, SYSTEM, Instance, User
from .webcam import SETTINGS_READ

LOGGER = logging.getLogger(__name__)

# The gate to the connection API with connectors; versions that do not know the header ignore it.
API_VERSION = "2.0.0"
MAX_VERSION = 50  # characters of OctoPrint's own version

CODES = StatusCodes(
    errors=dict.fromkeys(
        (
            HTTPStatus.BAD_REQUEST,
            HTTPStatus.CONFLICT,
            HTTPStatus.PRECONDITION_FAILED,
            HTTPStatus.UNSUPPORTED_MEDIA_TYPE,  # a file that is none to print
            HTTPStatus.TOO_MANY_REQUESTS,  # OctoPrint takes three requests for a key a minute
        ),
        Rejected,
    ),
    reserved=range(300, 1000),
    reserved_error=UnexpectedStatus,
)
"""What OctoPrint's own status codes mean; 403 is told apart by asking who the key belongs to."""


class OctoPrint:
    """A client of one OctoPrint, over any route.

    Every method raises what `Route.request` raises for the way, and for OctoPrint's own answers Rejected (with its
    text), ApiKeyRejected or PermissionMissing (403), UnexpectedStatus or InvalidResponse.
    """

    def __init__(self, route: Requester, api_key: str | None = None, *, title: str = "OctoPrint") -> None:
        """Speak over `route` with `api_key`; without a key only `instance` and the key workflow answer.

        `title` is what log lines call this OctoPrint.
        """
        self._route = route
        self._title = title
        self._headers = {"X-OctoPrint-Api-Version": API_VERSION, "X-Locale": "en"}
        if api_key:
            self._headers["X-Api-Key"] = api_key
        self._capped: set[str] = set()

    async def instance(self) -> Instance | None:
        """Return who answers, without a key; None where the Discovery plugin is off."""
        response = await self.request("GET", "/plugin/discovery/discovery.xml", expected=HTTPStatus.NOT_FOUND)
        return None if response.status == HTTPStatus.NOT_FOUND else Instance.from_xml(response.body)

    async def version(self) -> str | None:
        """Return OctoPrint's version, as in `1.11.8`."""
        return (await self.request("GET", "/api/version", permission=STATUS)).json().text("server", MAX_VERSION)

    async def user(self) -> User:
        """Return whom OctoPrint takes the bearer of the key for; never fails for a bad key."""
        return User.from_json((await self.request("GET", "/api/currentuser")).json())

    async def check_key(self) -> None:
        """Check that the key is accepted and may read and command the connection.

        Raises ApiKeyRejected, or PermissionMissing with the permissions that are missing.
        """
        user = await self.user()
        if not user.is_known:
            raise ApiKeyRejected
        if lacking := user.lacks(STATUS, CONNECTION):
            raise PermissionMissing(detail=", ".join(lacking))

    async def login(self) -> str:
        """Log in with the key and return what the push socket takes as proof of it, a secret."""
        response = await self.request("POST", "/api/login", json={"passive": True}, permission=STATUS)
        session = response.json()
        name, key = session.exact("name"), session.exact("session")
        if name is None or key is None:
            raise ApiKeyRejected
        return f"{name}:{key}"

    async def connection(self) -> Connection:
        """Return the state of the connection to the printer, and what it can be connected with."""
        response = (await self.request("GET", "/api/connection", permission=STATUS)).json()
        self._tell_capped(response.object("options"), "ports", "baudrates", "connectors", "printerProfiles", "profiles")
        return Connection.from_json(response)

    async def job(self) -> Job:
        """Return what is printed, or was last."""
        return Job.from_json((await self.request("GET", "/api/job", permission=STATUS)).json())

    async def settings(self) -> JsonObject:
        """Return OctoPrint's settings; some 20 kB, not something to poll."""
        return (await self.request("GET", "/api/settings", permission=SETTINGS_READ)).json()

    async def reading(self, *, heaters: bool = True, state: bool = True) -> PrinterReading | None:
        """Return the printer's state and its heaters, None while the printer is not connected.

        The least that can be asked: 45 bytes without a printer, some 400 for the state and 100 for each heater, where
        `connection` has up to several kilobytes; what OctoPrint does until a connection stands is not told apart.
        """
        # What 1.11 calls `sd` is `storage` to 2.0, once it is asked for the API of that version.
        excluded = ["sd", "storage", *([] if heaters else ["temperature"]), *([] if state else ["state"])]
        response = await self.request(
            "GET",
            "/api/printer",
            query={"exclude": ",".join(excluded)},
            permission=STATUS,
            expected=HTTPStatus.CONFLICT,
        )
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
        """Connect to the printer; what is not given is as OctoPrint prefers it.

        `known` is the connection as last read: it tells which form of the command this OctoPrint takes. `baudrate` is
        in bit/s. `save` makes the values the preference, with OctoPrint's own for those that are not given.
        `autoconnect` connects at start-up; OctoPrint 2.0 stores it only with `save`.
        """
        # A value of its own goes before the same one among the parameters.
        given = dict(parameters or {}) | {
            name: value for name, value in (("port", port), ("baudrate", baudrate)) if value is not None
        }
        if save:
            # OctoPrint stores what the command leaves out as none.
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
        """Get a stuck communication going by pretending that the printer acknowledged the last line.

        OctoPrint 2.0 calls that `repair`, versions before only know it as `fake_ack`.
        """
        await self._command("repair" if known.has_connectors else "fake_ack")

    async def pause(self) -> None:
        """Pause the print."""
        await self._job_command("pause", action="pause")

    async def resume(self) -> None:
        """Go on with a paused print."""
        await self._job_command("pause", action="resume")

    async def cancel(self) -> None:
        """Cancel the print."""
        await self._job_command("cancel")

    async def set_target(self, heater: str, celsius: float) -> None:
        """Set the target temperature of a heater, in °C; 0 switches it off."""
        kind = heater_kind(heater)
        target = {"targets": {heater: celsius}} if kind == "tool" else {"target": celsius}
        await self.request("POST", f"/api/printer/{kind}", json={"command": "target", **target}, permission=CONTROL)

    async def send_commands(self, lines: Sequence[str]) -> None:
        """Send lines of G-code to the printer."""
        await self.request("POST", "/api/printer/command", json={"commands": list(lines)}, permission=CONTROL)

    async def system_commands(self) -> frozenset[str]:
        """Return what can be done to OctoPrint and its machine: `restart`, `reboot`, `shutdown` where they are set up.

        Nothing where the key may not do it.
        """
        response = await self.request("GET", "/api/system/commands", expected=HTTPStatus.FORBIDDEN)
        if response.status == HTTPStatus.FORBIDDEN:
            return frozenset()
        commands = response.json()
        self._tell_capped(commands, "core")
        return frozenset(action for command in commands.objects("core") if (action := command.exact("action")))

    async def run_system_command(self, action: str) -> None:
        """Do one of `system_commands`."""
        await self.request("POST", f"/api/system/commands/core/{action}", permission=SYSTEM)

    async def upload(
        self, name: str, file: BinaryIO, *, folder: str | None = None, select: bool = False, print_: bool = False
    ) -> UploadedFile:
        """Send a file to OctoPrint's own storage, and return what became of it there.

        `name` and `folder` are as `is_file_name` and `is_folder` take them. The file is read as it is sent.
        `select` makes it the next job, `print_` prints it at once.
        """
        form = FormData(quote_fields=False)  # names in UTF-8, as browsers send them; OctoPrint decodes no others
        for field, value in (("path", folder), ("select", select and "true"), ("print", print_ and "true")):
            if value:
                form.add_field(field, value)
        form.add_field("file", file, filename=name, content_type="application/octet-stream")
        response = await self.request("POST", "/api/files/local", form=form, permission=FILES_UPLOAD)
        return UploadedFile.from_json(response.json())

    def _tell_capped(self, response: JsonObject, *lists: str) -> None:
        """Log once for each of these lists that only a part of it is read."""
        for name in lists:
            if name not in self._capped and (length := response.length(name)) > MAX_ITEMS:
                self._capped.add(name)
                LOGGER.warning("%s: of %d %s only the first %d are used", self._title, length, name, MAX_ITEMS)

    async def _job_command(self, command: str, **values: object) -> None:
        await self.request("POST", "/api/job", json={"command": command, **values}, permission=PRINT)

    async def _command(self, command: str, **values: object) -> None:
        await self.request("POST", "/api/connection", json={"command": command, **values}, permission=CONNECTION)

    async def request(
        self,
        method: str,
        path: str,
        *,
        query: Mapping[str, str] | None = None,
        json: object = None,
        form: FormData | None = None,
        permission: str | None = None,
        expected: HTTPStatus | None = None,
    ) -> Response:
        """Send one request to OctoPrint; `expected` is a status above 299 that the caller deals with.

        `permission` is the one that OctoPrint asks for, to be named where it is missing; 403 needs a look at the user
        only for requests that ask for one.
        """
        response = await self._route.request(method, path, query=query, headers=self._headers, json=json, form=form)
        if response.status == expected:
            return response
        words = "" if response.status < HTTPStatus.BAD_REQUEST else _words(response)
        # A command with a key that is not accepted meets the check for forged requests first.
        if permission and (response.status == HTTPStatus.FORBIDDEN or "CSRF" in words):
            if (await self.user()).is_known:
                raise PermissionMissing(code=response.status, detail=permission)
            raise ApiKeyRejected(code=response.status)
        if error := CODES.error(response.status):
            raise type(error)(code=response.status, detail=words)
        return response


def _preferred_connector(known: Connection) -> str:
    """Return the connector that OctoPrint prefers, or else the first that it has."""
    offered = (connector.connector for connector in known.options.connectors or ())
    return known.options.preferred_connector or next(offered, "serial")


def _preferred(known: Connection, connector: str | None) -> dict[str, Any]:
    """Return the parameters that OctoPrint prefers for a connector; None stands for the preferred one."""
    options = known.options
    if options.connectors is None:
        return {"port": options.preferred_port, "baudrate": options.preferred_baudrate}
    if (connector or _preferred_connector(known)) != options.preferred_connector:
        return {}
    return dict(options.preferred_parameters)


def _words(response: Response) -> str:
    """Return OctoPrint's own words for an error, where it sent some."""
    try:
        return response.json().text("error") or ""
    except InvalidResponse:
        return ""
