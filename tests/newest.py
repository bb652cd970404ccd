"""Let the plugin for tests, made for an older Home Assistant, run on the newest: `pytest -p tests.newest`.

Goes before the plugin: Home Assistant has to be imported before httpx, and the plugin imports a name that has moved.
"""

from homeassistant.components import logger
from homeassistant.components.logger import helpers

vars(logger).setdefault("_clear_logger_overwrites", helpers._clear_logger_overwrites)
