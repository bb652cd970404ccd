"""The services' side of the tunnels, on loopback: a real HTTPS server under the services' own names."""

from .printer import Printer
from .record import Exchange, Service
from .server import Relay

__all__ = ["Exchange", "Printer", "Relay", "Service"]
