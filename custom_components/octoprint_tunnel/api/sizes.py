"""Formats sizes for people."""

from enum import Enum


class SizeUnit(Enum):
    """A unit with its name and its bytes."""

    KILOBYTES = ("kB", 10**3)
    MEBIBYTES = ("MiB", 1024**2)  # in which the services set their limits


def format_size(size: float, unit: SizeUnit = SizeUnit.MEBIBYTES, digits: int = 1) -> str:
    """Return a size in bytes as text, with so many digits behind the point."""
    name, unit_bytes = unit.value
    return f"{size / unit_bytes:.{digits}f} {name}"
