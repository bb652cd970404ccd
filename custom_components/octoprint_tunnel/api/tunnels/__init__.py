"""Who carries requests to OctoPrint: one file per service, one shared shape.

A third service is one more file and one more line in TUNNELS.
"""

from collections.abc import Mapping
from typing import Any

from .base import Tunnel
from .obico import Obico
from .octoeverywhere import OctoEverywhere

TUNNELS: dict[str, type[Tunnel]] = {tunnel.provider: tunnel for tunnel in (OctoEverywhere, Obico)}


def tunnel_from_data(data: Mapping[str, Any]) -> Tunnel:
    """Return the tunnel that `Tunnel.to_data` made `data` of."""
    return TUNNELS[data["provider"]].from_data(data)
