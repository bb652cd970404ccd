"""Diagnostics that a user can attach to a report.

They contain only named values, which hold no secret and do not identify the user: no names, paths, addresses or texts
that come from outside.
"""

from collections.abc import Iterable, Mapping
from dataclasses import asdict
import re
from typing import Any, Final

from homeassistant.components.diagnostics import REDACTED
from homeassistant.config_entries import ConfigEntryState
from homeassistant.const import CONF_VERIFY_SSL
from homeassistant.core import HomeAssistant

from .account_webhook import AccountPrinter
from .api.octoprint.connection import Connection
from .api.octoprint.heaters import Heater
from .api.octoprint.job import Job
from .api.octoprint.updates import OCTOPRINT, Update
from .api.transport.router import Candidate
from .api.tunnels.models import TunnelStatus
from .api.tunnels.monthly_usage import MonthlyUsage
from .api.webcam.feed import WebcamFeed
from .const import CONF_DATA_AUTOPILOT, CONF_LIVE_UPDATES, CONF_LOCAL_ACCESS, CONF_POLL_INTERVAL, CONF_SAVING
from .notifications import Notifications
from .polling import RemedyCoordinator
from .runtime import OctoPrintTunnelConfigEntry, RuntimeData
from .updates import UpdatesCoordinator

SHOWN_DATA: Final = ("provider",)
SHOWN_OPTIONS: Final = (
    CONF_DATA_AUTOPILOT,
    CONF_LIVE_UPDATES,
    CONF_LOCAL_ACCESS,
    CONF_POLL_INTERVAL,
    CONF_SAVING,
    CONF_VERIFY_SSL,
)
CONNECTORS: Final = ("serial", "moonraker", "bambu")
SYSTEM_COMMANDS: Final = ("restart", "reboot", "shutdown")
VERSION: Final = re.compile(r"[0-9]{1,4}(\.[0-9]{1,4}){1,3}((rc|b|a|\.dev|\.post)[0-9]{1,4})*", re.ASCII)


async def async_get_config_entry_diagnostics(hass: HomeAssistant, entry: OctoPrintTunnelConfigEntry) -> dict[str, Any]:
    """Return the diagnostics of one printer. While it is not loaded, they contain its entry only."""
    diagnostics: dict[str, Any] = {
        "entry": {
            "state": entry.state.value,
            "data": _shown(entry.data, SHOWN_DATA),
            "options": _shown(entry.options, SHOWN_OPTIONS),
        }
    }
    if entry.state is ConfigEntryState.LOADED:
        diagnostics |= _runtime(entry.runtime_data)
    return diagnostics


def _shown(values: Mapping[str, Any], names: Iterable[str]) -> dict[str, Any]:
    return {name: value if name in names else REDACTED for name, value in values.items()}


def _if_known(value: str | None, known: Iterable[str]) -> str | None:
    return value if value is None or value in known else REDACTED


def _if_version(version: str | None) -> str | None:
    return version if version and VERSION.fullmatch(version) else None


def _runtime(runtime: RuntimeData) -> dict[str, Any]:
    tunnel, printer, live, data = runtime.tunnel, runtime.printer, runtime.live, runtime.printer.data
    notifications = runtime.notifications
    return {
        "tunnel": {
            **_poll(tunnel),
            "condition": tunnel.data.condition,
            "online": tunnel.data.online,
            "data": _tunnel_status(tunnel.data.status),
            "month": _month(tunnel.data.month) if tunnel.data.month else None,
        },
        "printer": {
            **_poll(printer),
            "version": _if_version(data.version) if data else None,
            "system_commands": [name for name in SYSTEM_COMMANDS if data and name in (data.system_commands or ())],
            "way": printer.router.way,
            "local": [_candidate(candidate) for candidate in printer.router.candidates],
            "data": {
                "connection": _connection(data.connection),
                "job": _job(data.job) if data.job else None,
                "heaters": _heaters(data.heaters),
            }
            if data
            else None,
        },
        "traffic": {
            "service": asdict(tunnel.service.api.traffic),
            **{str(way): asdict(traffic) for way, traffic in printer.router.traffic.items()},
        },
        "updates": _updates(runtime.updates),
        "live_updates": {"since": live.since, "failure": live.failure},
        "notifications": _notifications(notifications) if notifications else None,
        "webcams": {
            "webcam" if number == 1 else f"webcam_{number}": _webcam(feed)
            for number, feed in enumerate(runtime.webcams.data.feeds.values(), 1)
        },
    }


def _notifications(notifications: Notifications | AccountPrinter) -> dict[str, Any]:
    shown = {
        "unreachable": notifications.unreachable,
        **asdict(notifications.registration),
        "last_delivery_at": notifications.last_delivery_at,
    }
    if isinstance(notifications, AccountPrinter):
        shown["unknown_printers"] = notifications.unknown_printers
    return shown


def _poll(coordinator: RemedyCoordinator[Any]) -> dict[str, Any]:
    problem = coordinator.problem
    return {
        "last_update_success": coordinator.last_update_success,
        "error": problem.summary if problem else None,
        "remedy": problem.remedy if problem else None,
        "update_interval": coordinator.update_interval,
    }


def _updates(updates: UpdatesCoordinator) -> dict[str, Any]:
    names = {OCTOPRINT: "octoprint", updates.plugin: "plugin"}
    return {
        "error": updates.problem.summary if updates.problem else None,
        "update_interval": updates.update_interval,
        "installing": names[updates.data.installation.target] if updates.data.installation else None,
        **{names[target]: _update(update) for target, update in updates.data.updates.items()},
    }


def _update(update: Update) -> dict[str, Any]:
    return {
        "installed": _if_version(update.installed),
        "latest": _if_version(update.latest),
        "is_available": update.is_available,
        "is_possible": update.is_possible,
    }


def _tunnel_status(status: TunnelStatus) -> dict[str, Any]:
    return {
        "online": status.online,
        "last_connected": status.last_connected,
        "last_disconnected": status.last_disconnected,
        "limits": asdict(status.limits),
        "usage": asdict(status.usage) if status.usage else None,
        "tells_local_ip": status.local_ip is not None,
    }


def _month(month: MonthlyUsage) -> dict[str, Any]:
    return {
        **asdict(month),
        "allowance": month.allowance,
        "slowdown": month.slowdown,
        "forecast": month.forecast,
        "runs_out": month.runs_out,
        "is_held_back": month.is_held_back,
    }


def _candidate(candidate: Candidate) -> dict[str, Any]:
    return {
        "scheme": candidate.url.scheme,
        "failures": candidate.failures,
        "good_probes": candidate.good_probes,
        "reason": candidate.reason,
    }


def _connection(connection: Connection) -> dict[str, Any]:
    options = connection.options
    return {
        "state": connection.state,
        "has_error": connection.error is not None,
        "has_port": connection.port is not None,
        "baudrate": connection.baudrate,
        "connector": _if_known(connection.connector, CONNECTORS),
        "options": {
            "ports": len(options.ports),
            "baudrates": options.baudrates,
            "profiles": len(options.profiles),
            "connectors": None
            if options.connectors is None
            else [_if_known(offered.connector, CONNECTORS) for offered in options.connectors],
            "has_preferred_port": options.preferred_port is not None,
            "preferred_baudrate": options.preferred_baudrate,
            "preferred_connector": _if_known(options.preferred_connector, CONNECTORS),
            "autoconnect": options.autoconnect,
        },
    }


def _job(job: Job) -> dict[str, Any]:
    return {
        "has_file": job.path is not None,
        "size": job.size,
        "progress": job.progress,
        "elapsed": job.elapsed,
        "left": job.left,
        "started_at": job.started_at,
        "finishes_at": job.finishes_at,
    }


def _heaters(heaters: Mapping[str, Heater]) -> dict[str, Any]:
    # Only OctoPrint's own names of heaters are read.
    return {name: {"actual": heater.actual, "target": heater.target} for name, heater in heaters.items()}


def _webcam(feed: WebcamFeed) -> dict[str, Any]:
    return {
        "has_snapshot": feed.webcam.snapshot_url is not None,
        "has_stream": feed.webcam.stream_url is not None,
        "orientation": feed.webcam.orientation,
        "limit": feed.limit.summary if feed.limit else None,
    }
