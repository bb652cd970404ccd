"""The integration's entities, their expected states and their current states."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from . import DOMAIN
from .client import HomeAssistantClient


def a_timestamp(state: str) -> bool:
    """Return whether a state is a point in time."""
    try:
        return datetime.fromisoformat(state).tzinfo is not None
    except ValueError:
        return False


def a_number(state: str) -> bool:
    """Return whether a state is a number."""
    try:
        float(state)
    except ValueError:
        return False
    return True


type State = str | Callable[[str], bool]
"""A state, or a function that accepts states; its name describes them."""


@dataclass(frozen=True)
class Expected:
    """One entity, and its state before and after Connect (by default the same); None if it does not exist yet."""

    domain: str
    key: str
    before: State | None
    after: State | None = None
    provider: str | None = None

    def state(self, *, connected: bool) -> State | None:
        """Return the expected state."""
        return self.before if self.after is None or not connected else self.after


ENTITIES = (
    Expected("binary_sensor", "octoprint_online", "on"),
    Expected("sensor", "tunnel_status", "ok"),
    Expected("sensor", "active_route", "tunnel"),
    Expected("sensor", "tunnel_usage", a_number, provider="obico"),
    Expected("sensor", "tunnel_usage_cap", "300.0", provider="obico"),  # MiB
    Expected("sensor", "tunnel_usage_reset", a_timestamp, provider="obico"),
    Expected("sensor", "tunnel_usage_left", a_number, provider="obico"),
    Expected("sensor", "tunnel_usage_forecast", None, provider="obico"),  # unknown on the first of a month
    Expected("binary_sensor", "printer_connected", "off", after="on"),
    Expected("event", "print_event", "unknown"),
    Expected("sensor", "total_prints", "0"),
    Expected("sensor", "total_successful_prints", "0"),
    Expected("sensor", "total_print_time", a_number),
    Expected("sensor", "total_filament", a_number),
    Expected("sensor", "printer_state", "offline", after="operational"),
    Expected("camera", "webcam", "idle"),
    Expected("update", "octoprint_update", "unavailable"),  # no Software Update plugin
    Expected("update", "plugin_update", "unavailable", provider="octoeverywhere"),
    Expected("update", "plugin_update", "unavailable", provider="obico"),
    Expected("sensor", "tool0_actual_temperature", None, after=a_number),
    Expected("sensor", "bed_actual_temperature", None, after=a_number),
    Expected("binary_sensor", "printing", "off"),
    Expected("binary_sensor", "paused", "off"),
    Expected("binary_sensor", "error", "off"),
    Expected("binary_sensor", "print_failing", "unknown", provider="octoeverywhere"),  # not printing
    Expected("binary_sensor", "print_failing", "unknown", provider="obico"),
    Expected("sensor", "gadget_state", "unknown", provider="octoeverywhere"),
    Expected("sensor", "gadget_status", "unknown", provider="octoeverywhere"),
    Expected("sensor", "failure_probability", "unknown", provider="obico"),
    Expected("event", "notification", "unavailable", provider="octoeverywhere"),  # no https address
    Expected("event", "notification", "unavailable", provider="obico"),  # not set up
    Expected("number", "tool0_target", None, after=a_number),
    Expected("number", "bed_target", None, after=a_number),
    Expected("button", "pause", "unavailable"),
    Expected("button", "print_again", "unavailable"),
    Expected("button", "resume", "unavailable"),
    Expected("button", "cancel", "unavailable"),
    Expected("button", "system_restart", "unknown"),  # a second after the rest
    Expected("button", "system_reboot", "unknown"),
    Expected("sensor", "print_progress", "unknown"),
    Expected("sensor", "print_file", "unknown"),
    Expected("sensor", "prompt", "unknown"),
    Expected("sensor", "print_time_elapsed", "unknown"),
    Expected("sensor", "print_time_left", "unknown"),
    Expected("sensor", "print_finish", "unknown"),
    Expected("sensor", "print_started", "unknown"),
    Expected("sensor", "layer", "unknown"),
    Expected("sensor", "layers", "unknown"),
    Expected("sensor", "height", "unknown"),
    Expected("image", "print_preview", "unavailable"),  # no file is selected
    Expected("sensor", "filament_length", "unknown"),
    Expected("button", "connect", "unknown", after="unavailable"),
    Expected("button", "disconnect", "unavailable", after="unknown"),
    Expected("button", "repair", "unavailable", after="unknown"),
)
"""Every entity that is enabled by default, with the provider if not all have it."""


def expected_entities(provider: str) -> list[Expected]:
    """Return the expected entities with this provider."""
    return [entity for entity in ENTITIES if entity.provider in (None, provider)]


@dataclass(frozen=True, kw_only=True)
class Shown:
    """One entity in Home Assistant."""

    entity_id: str
    name: str
    state: str | None
    unit: str | None

    @property
    def text(self) -> str:
        """Return the state with its unit; of a button, whether it can be pressed."""
        return self.text_of(self.state)

    def text_of(self, state: str | None) -> str:
        """Return a state that this entity has, or had, as text."""
        if self.entity_id.startswith("button."):  # whose state is when it was pressed last
            return "unavailable" if state == "unavailable" else "available"
        return f"{state} {self.unit}" if state and self.unit and a_number(state) else str(state)


async def shown_entities(client: HomeAssistantClient, entry_unique_id: str) -> dict[str, Shown]:
    """Return the integration's entities by domain and key, for example "sensor.port"."""
    states: dict[str, dict[str, Any]] = {state["entity_id"]: state for state in await client.command("get_states")}
    shown = {}
    for item in await client.command("config/entity_registry/list"):
        if item["platform"] != DOMAIN or item["disabled_by"]:
            continue
        entity_id = item["entity_id"]
        state = states.get(entity_id, {})
        key = item["unique_id"].removeprefix(f"{entry_unique_id}_")
        shown[f"{entity_id.partition('.')[0]}.{key}"] = Shown(
            entity_id=entity_id,
            name=item["name"] or item["original_name"] or "",
            state=state.get("state"),
            unit=state.get("attributes", {}).get("unit_of_measurement"),
        )
    return shown


def deviations(expected: Iterable[Expected], shown: dict[str, Shown], *, connected: bool) -> list[str]:
    """Return a line for each entity that is missing, has another state, or is not in the table."""
    unknown = dict(shown)
    lines = []
    for entity in expected:
        wanted = entity.state(connected=connected)
        if wanted is None:
            continue
        found = unknown.pop(f"{entity.domain}.{entity.key}", None)
        if found is None or found.state is None:
            lines.append(f"{entity.domain} {entity.key} is missing")
        elif not (found.state == wanted if isinstance(wanted, str) else wanted(found.state)):
            name = wanted if isinstance(wanted, str) else wanted.__name__.replace("_", " ")
            lines.append(f"{found.entity_id} is {found.state}, expected {name}")
    lines += [f"{found.entity_id} is not in the demo's table of entities ({key})" for key, found in unknown.items()]
    return lines
