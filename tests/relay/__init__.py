"""Stand-ins for the services: a real HTTPS server on loopback, under the services' own names."""

from .printer import Printer
from .record import Exchange, Service
from .server import Relay

__all__ = ["Exchange", "Printer", "Relay", "Service"]
