"""Many printers, many faults, minutes of real time."""
