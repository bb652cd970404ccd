"""Faults that a test switches on: statuses, delays, cut answers, dropped connections, silent sockets."""

from dataclasses import dataclass
from typing import Any

from aiohttp import hdrs
from multidict import CIMultiDict

from .answer import Answer
from .record import Service


@dataclass(kw_only=True)
class Fault:
    """One thing that goes wrong, for as long as it is switched on."""

    where: str
    path: str | None
    times: int | None
    status: int | None = None
    body: str = ""
    content_type: str = "text/html"
    location: str | None = None
    delay: float = 0.0
    truncate: int | None = None
    drop: bool = False
    mute: bool = False

    def concerns(self, service: Service, path: str) -> bool:
        """Return whether a request meets this fault."""
        return self.times != 0 and service.matches(self.where) and (self.path is None or path.startswith(self.path))


@dataclass(kw_only=True)
class Treatment:
    """What the faults together do to one request."""

    delay: float = 0.0
    answer: Answer | None = None
    truncate: int | None = None
    drop: bool = False


class Faults:
    """The faults that are switched on, oldest first."""

    def __init__(self) -> None:
        """Start with everything working."""
        self._faults: list[Fault] = []

    def add(self, where: str, *, times: int | None = None, path: str | None = None, **effect: Any) -> None:
        """Switch a fault on, for the next so many requests whose path starts like this, or for good."""
        if where != "tunnel" and where not in list(Service):
            raise ValueError(f"No such part of a service: {where}")
        self._faults.append(Fault(where=where, times=times, path=path, **effect))

    def heal(self) -> None:
        """Switch all faults off."""
        self._faults.clear()

    def meet(self, service: Service, path: str) -> Treatment:
        """Return what happens to this request, and count it; of several statuses the oldest wins."""
        treatment = Treatment()
        for fault in self._faults:
            if fault.mute or not fault.concerns(service, path):
                continue
            if fault.status is not None and treatment.answer is not None:
                continue
            if fault.times is not None:
                fault.times -= 1
            treatment.delay += fault.delay
            treatment.drop |= fault.drop
            if fault.truncate is not None:
                treatment.truncate = fault.truncate
            if fault.status is not None:
                headers = CIMultiDict({hdrs.CONTENT_TYPE: fault.content_type})
                if fault.location:
                    headers[hdrs.LOCATION] = fault.location
                treatment.answer = Answer(fault.status, headers, fault.body.encode())
        return treatment

    def muted(self, service: Service, path: str) -> bool:
        """Return whether WebSocket messages vanish."""
        return any(fault.mute and fault.concerns(service, path) for fault in self._faults)
