"""Everything that can go wrong between Home Assistant and OctoPrint, each with one remedy."""

from dataclasses import KW_ONLY, dataclass
from enum import StrEnum
from typing import ClassVar, override

from .remote_text import one_line, without_links

MAX_DETAIL = 300  # characters


class Remedy(StrEnum):
    """What ends a problem."""

    RETRY = "retry"
    WAIT = "wait"
    REAUTHORIZE = "reauthorize"
    NEW_API_KEY = "new_api_key"
    PERMISSION = "permission"
    LIMIT = "limit"
    UPDATE_PLUGIN = "update_plugin"
    REJECTED = "rejected"


class Condition(StrEnum):
    """The condition of a tunnel."""

    OK = "ok"
    OFFLINE = "offline"
    TIMED_OUT = "timed_out"
    SERVICE_ERROR = "service_error"
    NOT_SUPPORTER = "not_supporter"
    OVER_CAP = "over_cap"
    REVOKED = "revoked"
    PLUGIN_OUTDATED = "plugin_outdated"


@dataclass(frozen=True, slots=True)
class Problem:
    """What went wrong, as a value: it can be kept and compared, and an error that is raised is made of it.

    `code` is the status code that was received; `detail` is text from the other side, cut to MAX_DETAIL. Neither ever
    holds a credential.
    """

    kind: type[OctoPrintTunnelError]
    _: KW_ONLY
    code: int | None = None
    detail: str = ""

    def __post_init__(self) -> None:
        """Bound the text from the other side."""
        object.__setattr__(self, "detail", one_line(self.detail, MAX_DETAIL))

    @override
    def __str__(self) -> str:
        """Return all of it, for exceptions and the log."""
        return _joined(self.key, self.code, self.detail)

    def error(self) -> OctoPrintTunnelError:
        """Return a new exception to raise."""
        return self.kind(code=self.code, detail=self.detail)

    @property
    def key(self) -> str:
        """Return the key of its text in the translations."""
        return self.kind.key

    @property
    def remedy(self) -> Remedy:
        """Return what ends it."""
        return self.kind.remedy

    @property
    def condition(self) -> Condition | None:
        """Return the condition of the tunnel that it shows, None where it shows nothing about the tunnel."""
        return self.kind.condition

    @property
    def summary(self) -> str:
        """Return it without text from the other side, which may hold personal data."""
        return _joined(self.key, self.code, self.detail if self.kind.has_own_detail else "")

    @property
    def waits(self) -> bool:
        """Tell whether only the owner of the account or of the printer can end it."""
        return self.remedy in (Remedy.WAIT, Remedy.UPDATE_PLUGIN)

    @property
    def needs_user(self) -> bool:
        """Tell whether the user has to sign in again, to the service or to OctoPrint."""
        return self.remedy in (Remedy.REAUTHORIZE, Remedy.NEW_API_KEY)

    @property
    def closes(self) -> bool:
        """Tell whether every request through the tunnel fails until the user has done something."""
        return self.waits or self.remedy is Remedy.REAUTHORIZE

    @property
    def concerns_all(self) -> bool:
        """Tell whether other requests through the tunnel fail in the same way."""
        return self.closes or self.condition is Condition.OFFLINE

    @property
    def placeholders(self) -> dict[str, str]:
        """Return the placeholders of its translated text."""
        # Some of these texts are shown as Markdown.
        return {"code": str(self.code or "-"), "detail": without_links(self.detail, MAX_DETAIL) or "-"}


def _joined(*parts: object) -> str:
    return " ".join(str(part) for part in parts if part)


class OctoPrintTunnelError(Exception):
    """Base of all errors of the client library; `problem` says what is known of one, as a value that can be kept."""

    key: ClassVar[str] = "unknown"
    remedy: ClassVar[Remedy] = Remedy.RETRY
    condition: ClassVar[Condition | None] = None
    has_own_detail: ClassVar[bool] = False
    """Whether `detail` is always this integration's own text."""

    def __init__(self, *, code: int | None = None, detail: str = "") -> None:
        """Take the status code and the text that the other side sent."""
        self.problem = Problem(type(self), code=code, detail=detail)
        super().__init__(str(self.problem))

    @property
    def code(self) -> int | None:
        """Return the status code that was received."""
        return self.problem.code

    @property
    def detail(self) -> str:
        """Return the text that the other side sent."""
        return self.problem.detail


# retry: ends without the user


class CannotConnect(OctoPrintTunnelError):
    """The host could not be connected to, or the connection was lost."""

    key = "cannot_connect"
    has_own_detail = True
    remedy = Remedy.RETRY
    condition = Condition.SERVICE_ERROR


class RequestTimeout(OctoPrintTunnelError):
    """No response came in time."""

    key = "timed_out"
    remedy = Remedy.RETRY
    condition = Condition.TIMED_OUT


class BadGateway(OctoPrintTunnelError):
    """The service's plugin, or a proxy before OctoPrint, got no response from OctoPrint."""

    key = "bad_gateway"
    remedy = Remedy.RETRY
    condition = Condition.TIMED_OUT


class ServiceError(OctoPrintTunnelError):
    """The service failed, or responded with a status code that is not documented."""

    key = "service_error"
    remedy = Remedy.RETRY
    condition = Condition.SERVICE_ERROR


class OctoPrintOffline(OctoPrintTunnelError):
    """OctoPrint is not connected to the service."""

    key = "octoprint_offline"
    remedy = Remedy.RETRY
    condition = Condition.OFFLINE


class InvalidResponse(OctoPrintTunnelError):
    """The response cannot be read, or is larger than the limit."""

    key = "invalid_response"
    has_own_detail = True
    remedy = Remedy.RETRY


class UnexpectedStatus(OctoPrintTunnelError):
    """OctoPrint responded with a status code that its documentation does not have for this request."""

    key = "unexpected_status"
    remedy = Remedy.RETRY


class NotOctoPrint(OctoPrintTunnelError):
    """There is no OctoPrint at the address, or it is starting."""

    key = "not_octoprint"
    remedy = Remedy.RETRY
    condition = Condition.OFFLINE


# wait: ends when the account changes


class NotSupporter(OctoPrintTunnelError):
    """The owner is no longer a supporter of OctoEverywhere."""

    key = "not_supporter"
    remedy = Remedy.WAIT
    condition = Condition.NOT_SUPPORTER


class OverCap(OctoPrintTunnelError):
    """The data of this month is used up."""

    key = "over_cap"
    remedy = Remedy.WAIT
    condition = Condition.OVER_CAP


# reauthorize: needs a new connection


class TunnelRevoked(OctoPrintTunnelError):
    """The tunnel is unknown to the service, was revoked or has expired."""

    key = "revoked"
    remedy = Remedy.REAUTHORIZE
    condition = Condition.REVOKED


class CredentialsRejected(OctoPrintTunnelError):
    """The tunnel's credentials were not accepted."""

    key = "credentials_rejected"
    remedy = Remedy.REAUTHORIZE
    condition = Condition.REVOKED


# the API key


class ApiKeyRejected(OctoPrintTunnelError):
    """OctoPrint does not accept the API key."""

    key = "api_key_rejected"
    remedy = Remedy.NEW_API_KEY


class PermissionMissing(OctoPrintTunnelError):
    """OctoPrint accepts the API key, but its user lacks a permission, which `detail` names."""

    key = "permission_missing"
    has_own_detail = True
    remedy = Remedy.PERMISSION


class KeyWorkflowMissing(OctoPrintTunnelError):
    """OctoPrint cannot ask its user for a key: the Application Keys plugin is disabled."""

    key = "key_workflow_missing"
    remedy = Remedy.NEW_API_KEY


# this request only


class DownloadTooLarge(OctoPrintTunnelError):
    """The response is larger than the download limit of the account, which `detail` names if it is known."""

    key = "download_too_large"
    has_own_detail = True
    remedy = Remedy.LIMIT


class UploadTooLarge(OctoPrintTunnelError):
    """The request is larger than the upload limit of the account, which `detail` names if it is known."""

    key = "upload_too_large"
    has_own_detail = True
    remedy = Remedy.LIMIT


class WebcamLimit(OctoPrintTunnelError):
    """The webcam time of the account is used up for now; `detail` names it if it is known."""

    key = "webcam_limit"
    has_own_detail = True
    remedy = Remedy.LIMIT


class BetaOnly(OctoPrintTunnelError):
    """The account has no access to this part of the service."""

    key = "beta_only"
    remedy = Remedy.LIMIT


class NothingPrinting(OctoPrintTunnelError):
    """The request needs a print in progress, but nothing prints."""

    key = "nothing_printing"
    remedy = Remedy.LIMIT


class Rejected(OctoPrintTunnelError):
    """OctoPrint refused the request; `detail` is the text of OctoPrint's error."""

    key = "rejected"
    remedy = Remedy.REJECTED


# update plugin


class PluginOutdated(OctoPrintTunnelError):
    """The service's plugin in OctoPrint is too old."""

    key = "plugin_outdated"
    remedy = Remedy.UPDATE_PLUGIN
    condition = Condition.PLUGIN_OUTDATED
