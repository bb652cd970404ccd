"""Repair issues for conditions of a tunnel that only the owner of the account or of the printer can end."""

from homeassistant.config_entries import ConfigEntry
from homeassistant.core import HomeAssistant, callback
from homeassistant.helpers import issue_registry as ir

from .api.errors import Condition
from .api.remote_text import as_name
from .const import DOMAIN
from .coordinator import TunnelCoordinator

CONDITIONS = (Condition.NOT_SUPPORTER, Condition.OVER_CAP, Condition.PLUGIN_OUTDATED)
INCONCLUSIVE = (Condition.SERVICE_ERROR, Condition.TIMED_OUT, Condition.OFFLINE)
"""Conditions in which another one may still hold."""


@callback
def async_update_issues(hass: HomeAssistant, entry: ConfigEntry, coordinator: TunnelCoordinator) -> None:
    """Create the issue for the tunnel's condition, and delete those that are over.

    An issue that the user ignored would be shown again if it were deleted and created again.
    """
    for condition in CONDITIONS:
        if coordinator.data.condition is condition:
            _create_issue(hass, entry, coordinator, condition)
        elif _is_over(coordinator, condition):
            ir.async_delete_issue(hass, DOMAIN, _issue_id(entry, condition))


@callback
def _create_issue(
    hass: HomeAssistant, entry: ConfigEntry, coordinator: TunnelCoordinator, condition: Condition
) -> None:
    tunnel = coordinator.service.tunnel
    ir.async_create_issue(
        hass,
        DOMAIN,
        _issue_id(entry, condition),
        is_fixable=False,
        severity=ir.IssueSeverity.WARNING,
        learn_more_url=tunnel.help_url(condition),
        translation_key=condition.value,
        # The title shows them as plain text, the description as Markdown.
        translation_placeholders={
            "printer": as_name(entry.title),
            **tunnel.issue_placeholders(coordinator.data.status),
        },
    )


def _is_over(coordinator: TunnelCoordinator, condition: Condition) -> bool:
    """Return whether a condition that is not the tunnel's present one is known to be over."""
    usage = coordinator.data.status.usage if coordinator.problem is None else None
    if condition is Condition.OVER_CAP and usage is not None and usage.is_used_up is False:
        return True
    return coordinator.data.condition not in INCONCLUSIVE


@callback
def async_clear_issues(hass: HomeAssistant, entry: ConfigEntry) -> None:
    """Delete every issue of a printer that is removed."""
    for condition in CONDITIONS:
        ir.async_delete_issue(hass, DOMAIN, _issue_id(entry, condition))


def _issue_id(entry: ConfigEntry, condition: Condition) -> str:
    return f"{condition}_{entry.entry_id}"
