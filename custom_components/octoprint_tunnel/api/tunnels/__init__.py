"""The services that tunnel requests to OctoPrint, one file each.

A new service is one more file and one more line in TUNNELS.
"""

from collections.abc import Mapping
from typing import Any

from .base import Tunnel
from .obico import Obico
from .octoeverywhere import OctoEverywhere
from .own_address import OwnAddress

TUNNELS: dict[str, type[Tunnel]] = {tunnel.provider: tunnel for tunnel in (OctoEverywhere, Obico, OwnAddress)}


def tunnel_from_data(data: Mapping[str, Any]) -> Tunnel:
    """Return the tunnel that `Tunnel.to_data` described."""
    return TUNNELS[data["provider"]].from_data(data)
