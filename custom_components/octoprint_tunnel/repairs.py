"""Repair issues: what only the owner of the account or of the printer can fix."""

from homeassistant.config_entries import ConfigEntry
from homeassistant.core import HomeAssistant, callback
from homeassistant.helpers import issue_registry as ir

from .api.errors import Condition
from .api.remote_text import as_name
from .const import DOMAIN
from .coordinator import TunnelCoordinator

CONDITIONS = (Condition.NOT_SUPPORTER, Condition.OVER_CAP, Condition.PLUGIN_OUTDATED)
UNTOLD = (Condition.SERVICE_ERROR, Condition.TIMED_OUT, Condition.OFFLINE)
"""Conditions that do not show whether another one has passed."""


@callback
def async_update_issues(hass: HomeAssistant, entry: ConfigEntry, coordinator: TunnelCoordinator) -> None:
    """Raise the issue for the tunnel's condition, and delete those that have passed.

    One that is deleted and raised again is shown again to a user who chose to ignore it.
    """
    tunnel = coordinator.service.tunnel
    for condition in CONDITIONS:
        if coordinator.data.condition is not condition:
            if _has_passed(coordinator, condition):
                ir.async_delete_issue(hass, DOMAIN, _issue_id(entry, condition))
            continue
        ir.async_create_issue(
            hass,
            DOMAIN,
            _issue_id(entry, condition),
            is_fixable=False,
            severity=ir.IssueSeverity.WARNING,
            learn_more_url=tunnel.help_url(condition),
            translation_key=condition.value,
            # Shown as plain text in the title, and in Markdown below it.
            translation_placeholders={
                "printer": as_name(entry.title),
                **tunnel.issue_placeholders(coordinator.data.status),
            },
        )


def _has_passed(coordinator: TunnelCoordinator, condition: Condition) -> bool:
    """Tell whether a condition that the tunnel is not in has passed, or only does not show."""
    usage = coordinator.data.status.usage if coordinator.problem is None else None
    if condition is Condition.OVER_CAP and usage is not None and usage.is_used_up is False:
        return True
    return coordinator.data.condition not in UNTOLD


@callback
def async_clear_issues(hass: HomeAssistant, entry: ConfigEntry) -> None:
    """Delete every issue of a printer that is removed."""
    for condition in CONDITIONS:
        ir.async_delete_issue(hass, DOMAIN, _issue_id(entry, condition))


def _issue_id(entry: ConfigEntry, condition: Condition) -> str:
    return f"{condition}_{entry.entry_id}"
