"""Faults that a test switches on: statuses, delays, truncated responses, connections that drop or hang, lost names."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, Literal

from aiohttp import hdrs
from multidict import CIMultiDict

from .answer import Answer
from .record import Service

type Certificate = Literal["expired", "foreign"]


@dataclass(kw_only=True)
class Fault:
    """One fault, until it is switched off."""

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
    hang: bool = False
    pause: float = 0.0
    mute: bool = False
    nameless: bool = False
    certificate: Certificate | None = None

    def concerns(self, service: Service, host: str, path: str) -> bool:
        """Return whether a request has this fault."""
        if self.times == 0 or self.nameless or self.certificate:
            return False
        return self.is_at(service, host) and (self.path is None or path.startswith(self.path))

    def is_at(self, service: Service, host: str) -> bool:
        """Return whether the fault is in this place."""
        return service.matches(self.where) or host == self.where


@dataclass(kw_only=True)
class Treatment:
    """The sum of all faults of one request."""

    delay: float = 0.0
    answer: Answer | None = None
    truncate: int | None = None
    drop: bool = False
    hang: bool = False
    pause: float = 0.0


class Faults:
    """The faults that are switched on, oldest first."""

    def __init__(self) -> None:
        """Start without faults."""
        self._faults: list[Fault] = []

    def add(self, where: str, *, times: int | None = None, path: str | None = None, **effect: Any) -> None:
        """Switch a fault on for requests whose path starts like this, for so many of them or until `heal`."""
        if where != "tunnel" and "." not in where and where not in list(Service):
            raise ValueError(f"No such part of a service: {where}")
        self._faults.append(Fault(where=where, times=times, path=path, **effect))

    def heal(self) -> None:
        """Switch all faults off."""
        self._faults.clear()

    def meet(self, service: Service, host: str, path: str) -> Treatment:
        """Return what happens to this request, and count it; of several statuses, the oldest is used."""
        treatment = Treatment()
        for fault in self._faults:
            if fault.mute or not fault.concerns(service, host, path):
                continue
            if fault.status is not None and treatment.answer is not None:
                continue
            if fault.times is not None:
                fault.times -= 1
            treatment.delay += fault.delay
            treatment.drop |= fault.drop
            treatment.hang |= fault.hang
            treatment.pause += fault.pause
            if fault.truncate is not None:
                treatment.truncate = fault.truncate
            if fault.status is not None:
                headers = CIMultiDict({hdrs.CONTENT_TYPE: fault.content_type})
                if fault.location:
                    headers[hdrs.LOCATION] = fault.location
                treatment.answer = Answer(fault.status, headers, fault.body.encode())
        return treatment

    def muted(self, service: Service, host: str, path: str) -> bool:
        """Return whether WebSocket messages are dropped."""
        return any(fault.mute and fault.concerns(service, host, path) for fault in self._faults)

    def nameless(self, services: Iterable[Service], host: str) -> bool:
        """Return whether the name of a host with these parts of a service cannot be resolved."""
        return any(fault.nameless and fault.is_at(service, host) for fault in self._faults for service in services)

    def certificate(self, services: Iterable[Service], host: str) -> Certificate | None:
        """Return what is wrong with the certificate of a host with these parts of a service."""
        found = (fault.certificate for fault in self._faults for service in services if fault.is_at(service, host))
        return next((certificate for certificate in found if certificate), None)
