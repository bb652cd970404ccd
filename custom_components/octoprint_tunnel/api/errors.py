"""Everything that can go wrong between Home Assistant and OctoPrint, each with its one remedy."""

from enum import StrEnum
from typing import ClassVar

from .remote_text import one_line, without_links

MAX_DETAIL = 300  # characters


class Remedy(StrEnum):
    """What has to happen for things to work again."""

    RETRY = "retry"
    WAIT = "wait"
    REAUTHORISE = "reauthorise"
    NEW_API_KEY = "new_api_key"
    PERMISSION = "permission"
    LIMIT = "limit"
    UPDATE_PLUGIN = "update_plugin"
    REJECTED = "rejected"


class Condition(StrEnum):
    """The condition that a tunnel is in."""

    OK = "ok"
    OFFLINE = "offline"
    TIMED_OUT = "timed_out"
    SERVICE_ERROR = "service_error"
    NOT_SUPPORTER = "not_supporter"
    OVER_CAP = "over_cap"
    REVOKED = "revoked"
    PLUGIN_OUTDATED = "plugin_outdated"


class OctoPrintTunnelError(Exception):
    """Base of all errors of the client library.

    `key` names the text for people in the translations; `remedy` says what helps; `condition` is the condition that
    the error shows the tunnel to be in, None where it says nothing about the tunnel. `code` is the status that was
    answered, `detail` the other side's own words. Neither ever holds a credential.
    """

    key: ClassVar[str] = "unknown"
    remedy: ClassVar[Remedy] = Remedy.RETRY
    condition: ClassVar[Condition | None] = None
    has_own_detail: ClassVar[bool] = False
    """Whether `detail` is always in this integration's own words."""

    def __init__(self, *, code: int | None = None, detail: str = "") -> None:
        """Keep what the other side said."""
        self.code = code
        self.detail = one_line(detail, MAX_DETAIL)
        super().__init__(" ".join(str(part) for part in (self.key, code, self.detail) if part))

    @property
    def summary(self) -> str:
        """Return the error without the other side's words, which may tell of the user."""
        detail = self.detail if self.has_own_detail else None
        return " ".join(str(part) for part in (self.key, self.code, detail) if part)

    @property
    def waits(self) -> bool:
        """Tell whether only the owner of the account or of the printer can end it."""
        return self.remedy in (Remedy.WAIT, Remedy.UPDATE_PLUGIN)

    @property
    def needs_user(self) -> bool:
        """Tell whether the user has to sign in again, to the service or to OctoPrint."""
        return self.remedy in (Remedy.REAUTHORISE, Remedy.NEW_API_KEY)

    @property
    def closes(self) -> bool:
        """Tell whether the tunnel stays closed to every request until the user has done something."""
        return self.waits or self.remedy is Remedy.REAUTHORISE

    @property
    def concerns_all(self) -> bool:
        """Tell whether any other request through the tunnel would meet it too."""
        return self.closes or self.condition is Condition.OFFLINE

    @property
    def placeholders(self) -> dict[str, str]:
        """Return what the translated text may mention."""
        # Some of these texts are shown as Markdown.
        return {"code": str(self.code or "-"), "detail": without_links(self.detail, MAX_DETAIL) or "-"}


# retry: passes without the user


class CannotConnect(OctoPrintTunnelError):
    """The network gave no connection to the host, or lost it."""

    key = "cannot_connect"
    has_own_detail = True
    remedy = Remedy.RETRY
    condition = Condition.SERVICE_ERROR


class RequestTimeout(OctoPrintTunnelError):
    """No answer came in time."""

    key = "timed_out"
    remedy = Remedy.RETRY
    condition = Condition.TIMED_OUT


class BadGateway(OctoPrintTunnelError):
    """The service's plugin, or a proxy before OctoPrint, got no answer from OctoPrint."""

    key = "bad_gateway"
    remedy = Remedy.RETRY
    condition = Condition.TIMED_OUT


class ServiceError(OctoPrintTunnelError):
    """The service had a fault of its own, or answered a code that is not known yet."""

    key = "service_error"
    remedy = Remedy.RETRY
    condition = Condition.SERVICE_ERROR


class OctoPrintOffline(OctoPrintTunnelError):
    """OctoPrint is not connected to the service."""

    key = "octoprint_offline"
    remedy = Remedy.RETRY
    condition = Condition.OFFLINE


class InvalidResponse(OctoPrintTunnelError):
    """The answer could not be understood, or was larger than it may be."""

    key = "invalid_response"
    has_own_detail = True
    remedy = Remedy.RETRY


class UnexpectedStatus(OctoPrintTunnelError):
    """OctoPrint answered a status that its documentation does not have for this request."""

    key = "unexpected_status"
    remedy = Remedy.RETRY


# wait: passes when the account changes


class NotSupporter(OctoPrintTunnelError):
    """The owner is no longer a supporter of OctoEverywhere."""

    key = "not_supporter"
    remedy = Remedy.WAIT
    condition = Condition.NOT_SUPPORTER


class OverCap(OctoPrintTunnelError):
    """The month's data is used up."""

    key = "over_cap"
    remedy = Remedy.WAIT
    condition = Condition.OVER_CAP


# reauthorise: needs a new connection


class TunnelRevoked(OctoPrintTunnelError):
    """The tunnel is unknown to the service, was revoked or has expired."""

    key = "revoked"
    remedy = Remedy.REAUTHORISE
    condition = Condition.REVOKED


class CredentialsRejected(OctoPrintTunnelError):
    """The tunnel's credentials were not accepted."""

    key = "credentials_rejected"
    remedy = Remedy.REAUTHORISE
    condition = Condition.REVOKED


# what OctoPrint says of the API key


class ApiKeyRejected(OctoPrintTunnelError):
    """OctoPrint does not know the API key."""

    key = "api_key_rejected"
    remedy = Remedy.NEW_API_KEY


class PermissionMissing(OctoPrintTunnelError):
    """OctoPrint knows the API key, but its user may not do this; `detail` names the permission."""

    key = "permission_missing"
    has_own_detail = True
    remedy = Remedy.PERMISSION


class KeyWorkflowMissing(OctoPrintTunnelError):
    """OctoPrint cannot ask its user for a key: its Application Keys plugin is off."""

    key = "key_workflow_missing"
    remedy = Remedy.NEW_API_KEY


# this request only


class DownloadTooLarge(OctoPrintTunnelError):
    """The answer is larger than the account may download at once."""

    key = "download_too_large"
    remedy = Remedy.LIMIT


class UploadTooLarge(OctoPrintTunnelError):
    """The request is larger than the account may upload at once."""

    key = "upload_too_large"
    remedy = Remedy.LIMIT


class WebcamLimit(OctoPrintTunnelError):
    """The account's webcam time is used up for the moment."""

    key = "webcam_limit"
    remedy = Remedy.LIMIT


class BetaOnly(OctoPrintTunnelError):
    """The account has no access to this part of the service."""

    key = "beta_only"
    remedy = Remedy.LIMIT


class NothingPrinting(OctoPrintTunnelError):
    """The request needs a print in progress, and there is none."""

    key = "nothing_printing"
    remedy = Remedy.LIMIT


class Rejected(OctoPrintTunnelError):
    """OctoPrint refused the request as it stands; `detail` holds OctoPrint's own words."""

    key = "rejected"
    remedy = Remedy.REJECTED


# until updated


class PluginOutdated(OctoPrintTunnelError):
    """The service's plugin in OctoPrint is too old."""

    key = "plugin_outdated"
    remedy = Remedy.UPDATE_PLUGIN
    condition = Condition.PLUGIN_OUTDATED
