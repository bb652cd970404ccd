"""The cost of a day of polling: a simulated day with a real OctoPrint, counted by the relay."""

from collections.abc import Iterator
from dataclasses import dataclass

from freezegun.api import FrozenDateTimeFactory
import pytest
from pytest_homeassistant_custom_component.common import MockConfigEntry

from custom_components.octoprint_tunnel.const import CONF_POLL_INTERVAL
from custom_components.octoprint_tunnel.options import DEFAULTS
from homeassistant.core import HomeAssistant
from tests.home import press, settle, state, wait
from tests.octoprint.server import OctoPrintServer
from tests.relay.server import Relay

from .documents import DAYS, SERVICES, Documents
from .report import Report

SECONDS = 24 * 3600
POLL_INTERVAL = DEFAULTS[CONF_POLL_INTERVAL]
FREE_CAP = 300 * 1024 * 1024  # bytes a month, of Obico's free plan


@dataclass(frozen=True)
class Row:
    """One line of the table; bytes are bodies, as Obico counts them."""

    provider: str
    situation: str
    service_requests: int
    tunnel_requests: int
    tunnel_bytes: int

    @property
    def share_of_cap(self) -> float:
        """Return the share of Obico's free monthly data that 31 such days use."""
        return self.tunnel_bytes * 31 / FREE_CAP


@pytest.fixture(scope="module")
def rows(report: Report, documents: Documents) -> Iterator[list[Row]]:
    """Collect the lines, and report on them."""
    rows: list[Row] = []
    yield rows
    table = report.table(
        f"One day, one printer, polled every {POLL_INTERVAL} s (bytes: bodies through the tunnel)",
        *("", *documents.day.columns),
    )
    for row in rows:
        share = f"{row.share_of_cap * 100:.1f} %" if row.provider == "obico" else ""
        cells = (f"{row.service_requests}", f"{row.tunnel_requests}", f"{row.tunnel_bytes / 1e6:.2f}", share)
        name = f"{SERVICES[row.provider]}, {row.situation}"
        table.rows.append((name, *cells))
        documents.day.note(name, dict(zip(documents.day.columns, cells, strict=True)))


@pytest.mark.timeout(900)
@pytest.mark.parametrize("situation", DAYS)
@pytest.mark.parametrize("provider", SERVICES)
async def bench_day(
    hass: HomeAssistant,
    freezer: FrozenDateTimeFactory,
    relay: Relay,
    octoprint: OctoPrintServer,
    entry: MockConfigEntry,
    obico_entry: MockConfigEntry,
    rows: list[Row],
    provider: str,
    situation: str,
) -> None:
    """Let a day pass, and count its traffic."""
    chosen = entry if provider == "octoeverywhere" else obico_entry
    local = "local" in situation
    chosen.add_to_hass(hass)
    hass.config_entries.async_update_entry(
        chosen, options={**chosen.options, "local_url": relay.local.url, "local_access": local}
    )
    assert await hass.config_entries.async_setup(chosen.entry_id)
    await settle(hass)
    if situation == "connected":
        await press(hass, chosen, "connect")
        for _ in range(20):
            await wait(hass, freezer, POLL_INTERVAL)
        assert state(hass, chosen, "printer_connected").state == "on"
    if situation == "off":
        relay.printer.online = False
    relay.clear()
    for _ in range(SECONDS // POLL_INTERVAL):
        await wait(hass, freezer, POLL_INTERVAL)
    tunnel = relay.traffic("tunnel")
    service = len(relay.requests) - tunnel.requests - len(relay.seen("local"))
    row = Row(provider, situation, service, tunnel.requests, tunnel.sent_bytes + tunnel.received_bytes)
    rows.append(row)
    assert not (local and row.tunnel_bytes)
    assert provider != "obico" or row.share_of_cap < 0.1
