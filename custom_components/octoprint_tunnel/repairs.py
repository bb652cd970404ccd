"""Repair issues for conditions of a tunnel that only the owner of the account or of the printer can end."""

from abc import abstractmethod
from typing import Any, Final, override

import voluptuous as vol

from homeassistant.components.repairs import RepairsFlow, RepairsFlowResult
from homeassistant.config_entries import ConfigEntry, ConfigEntryState
from homeassistant.core import HomeAssistant, callback
from homeassistant.exceptions import ServiceValidationError
from homeassistant.helpers import issue_registry as ir
from homeassistant.util import dt as dt_util

from .api.errors import Condition, OctoPrintTunnelError, PluginOutdated, Remedy
from .api.octoprint.updates import Update
from .api.remote_text import as_name
from .api.sizes import format_size
from .api.tunnels.monthly_usage import DataMode
from .api.tunnels.snapshot import TunnelSnapshot
from .const import DOMAIN
from .coordinator import PrinterCoordinator, TunnelCoordinator
from .runtime import OctoPrintTunnelConfigEntry
from .saving import UNTIL, async_save_data
from .updates import UpdatesCoordinator

CONDITIONS = (Condition.NOT_SUPPORTER, Condition.OVER_CAP, Condition.PLUGIN_OUTDATED)
INCONCLUSIVE = (Condition.SERVICE_ERROR, Condition.TIMED_OUT, Condition.OFFLINE)
"""Conditions in which another one may still hold."""

RUNS_OUT: Final = "data_runs_out"
FIXABLE = "plugin_outdated_fixable"
"""The texts of the issue that Home Assistant can fix. Its id is that of the condition."""
FIX_ERRORS = {Remedy.PERMISSION: "permission_missing", Remedy.REJECTED: "rejected"}
"""The error of the dialog for the remedy of an error. For any other, OctoPrint cannot be reached."""


@callback
def async_update_issues(
    hass: HomeAssistant,
    entry: ConfigEntry,
    tunnel: TunnelCoordinator,
    printer: PrinterCoordinator,
    updates: UpdatesCoordinator,
) -> None:
    """Create the issue for the tunnel's condition, and delete those that are over.

    An issue that the user ignored would be shown again if it were deleted and created again.
    """
    for condition in CONDITIONS:
        if condition is Condition.PLUGIN_OUTDATED and updates.is_installing(updates.plugin):
            continue
        if tunnel.data.condition is condition:
            can_fix = condition is Condition.PLUGIN_OUTDATED and _may_reach_octoprint(tunnel, printer)
            _create_issue(hass, entry, tunnel, condition, is_fixable=can_fix)
        elif _is_over(tunnel, condition):
            ir.async_delete_issue(hass, DOMAIN, _issue_id(entry, condition))
    _update_forecast(hass, entry, tunnel.data)


@callback
def _update_forecast(hass: HomeAssistant, entry: ConfigEntry, tunnel: TunnelSnapshot) -> None:
    """Create the issue of a month whose data will not last, and delete it when it does, or when nothing can be done."""
    month, issue_id = tunnel.month, _issue_id(entry, RUNS_OUT)
    if month is None or month.is_calm or month.mode is DataMode.SAVING or tunnel.is_used_up:
        ir.async_delete_issue(hass, DOMAIN, issue_id)
    elif (runs_out := month.runs_out) is not None and month.forecast is not None:
        ir.async_create_issue(
            hass,
            DOMAIN,
            issue_id,
            data={"entry_id": entry.entry_id, UNTIL: month.reset.isoformat()},
            is_fixable=True,
            severity=ir.IssueSeverity.WARNING,
            translation_key=RUNS_OUT,
            translation_placeholders={
                "printer": as_name(entry.title),
                "cap": format_size(month.cap, digits=0),
                "date": f"{runs_out:%Y-%m-%d}",
                "reset": f"{month.reset:%Y-%m-%d}",
            },
        )


def _may_reach_octoprint(tunnel: TunnelCoordinator, printer: PrinterCoordinator) -> bool:
    """Tell whether the plugin can be updated from here: over the local network, or through a tunnel that still works.

    The service may refuse its own requests, for example for the status, and still carry those for OctoPrint.
    """
    problem = tunnel.data.service_problem
    only_service = problem is not None and problem.kind is PluginOutdated and tunnel.data.route_problem is None
    return printer.last_update_success or only_service


@callback
def _create_issue(
    hass: HomeAssistant, entry: ConfigEntry, coordinator: TunnelCoordinator, condition: Condition, *, is_fixable: bool
) -> None:
    tunnel = coordinator.service.tunnel
    ir.async_create_issue(
        hass,
        DOMAIN,
        _issue_id(entry, condition),
        data={"entry_id": entry.entry_id},
        is_fixable=is_fixable,
        severity=ir.IssueSeverity.WARNING,
        learn_more_url=tunnel.help_url(condition),
        translation_key=FIXABLE if is_fixable else condition.value,
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
    for kind in (*CONDITIONS, RUNS_OUT):
        ir.async_delete_issue(hass, DOMAIN, _issue_id(entry, kind))


def _issue_id(entry: ConfigEntry, kind: str) -> str:
    return f"{kind}_{entry.entry_id}"


async def async_create_fix_flow(
    hass: HomeAssistant, issue_id: str, data: dict[str, str | int | float | None] | None
) -> RepairsFlow:
    """Return the dialog of an issue that can be fixed."""
    return SaveDataFlow() if issue_id.startswith(RUNS_OUT) else UpdatePluginFlow()


class _ConfirmFlow(RepairsFlow):
    """A dialog that asks for a confirmation."""

    async def async_step_init(self, user_input: dict[str, Any] | None = None) -> RepairsFlowResult:
        """Ask first."""
        return await self.async_step_confirm()

    @abstractmethod
    async def async_step_confirm(self, user_input: dict[str, Any] | None = None) -> RepairsFlowResult:
        """Do it after the user has confirmed it."""

    @property
    def _entry(self) -> OctoPrintTunnelConfigEntry | None:
        return self.hass.config_entries.async_get_entry(str((self.data or {}).get("entry_id")))

    def _show_confirm(self, error: str | None = None, **placeholders: str) -> RepairsFlowResult:
        issue = ir.async_get(self.hass).async_get_issue(DOMAIN, self.issue_id)
        known = (issue.translation_placeholders if issue else None) or {}
        return self.async_show_form(
            step_id="confirm",
            data_schema=vol.Schema({}),
            errors={"base": error} if error else None,
            description_placeholders={**known, **placeholders},
        )


class SaveDataFlow(_ConfirmFlow):
    """Uses as little data as possible until the end of the month, after the user has confirmed it."""

    @override
    async def async_step_confirm(self, user_input: dict[str, Any] | None = None) -> RepairsFlowResult:
        """Change the options."""
        if user_input is None:
            return self._show_confirm()
        until = dt_util.parse_datetime(str((self.data or {}).get(UNTIL)))
        if (entry := self._entry) is not None and until is not None:
            async_save_data(self.hass, entry, until)
        return self.async_create_entry(data={})


class UpdatePluginFlow(_ConfirmFlow):
    """Installs the update of the service's plugin after the user has confirmed it."""

    @override
    async def async_step_confirm(self, user_input: dict[str, Any] | None = None) -> RepairsFlowResult:
        """Install the update; an error is shown, and the user can try again."""
        error, detail = (None, "") if user_input is None else await self._async_install()
        if user_input is not None and error is None:
            return self.async_create_entry(data={})
        return self._show_confirm(error, detail=detail)

    async def _async_install(self) -> tuple[str | None, str]:
        """Begin the installation, and return the error with its detail if it cannot begin."""
        entry = self._entry
        if entry is None or entry.state is not ConfigEntryState.LOADED:
            return "unreachable", ""
        updates = entry.runtime_data.updates
        if updates.is_installing(updates.plugin):
            return None, ""
        try:
            update = (await updates.async_check()).get(updates.plugin, Update())
            if not (update.is_available and update.is_possible):
                return "no_update", ""
            await updates.async_install(updates.plugin)
        except ServiceValidationError as error:
            return error.translation_key, ""
        except OctoPrintTunnelError as error:
            return FIX_ERRORS.get(error.remedy, "unreachable"), error.problem.placeholders["detail"]
        return None, ""
