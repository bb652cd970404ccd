# Inside Home Assistant `voluptuous` is an alias of `probatio`; type checkers see the original otherwise.
from probatio import *  # noqa: F403
