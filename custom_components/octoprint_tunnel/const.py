"""Names and figures that several modules share."""

from datetime import timedelta
import logging
from typing import Final

DOMAIN: Final = "octoprint_tunnel"
LOGGER = logging.getLogger(__package__)

DEFAULT_NAME: Final = "OctoPrint"  # of a printer whose name neither the service nor OctoPrint tells

CONF_ACCOUNT_WEBHOOK_ID: Final = "account_webhook_id"
CONF_DATA_AUTOPILOT: Final = "data_autopilot"
CONF_DISCOVERED_URL: Final = "discovered_url"
CONF_INSTANCE_UUID: Final = "instance_uuid"
CONF_LIVE_UPDATES: Final = "live_updates"
CONF_LOCAL_ACCESS: Final = "local_access"
CONF_LOCAL_URL: Final = "local_url"
CONF_POLL_INTERVAL: Final = "poll_interval"
CONF_PRINTER_ID: Final = "printer_id"
CONF_SAVING: Final = "saving"

MAX_SHOWN: Final = 1000  # characters of a value in a message

MIN_POLL_INTERVAL: Final = 30  # seconds
MAX_POLL_INTERVAL: Final = 3600

SETTLED_DELAY: Final = timedelta(minutes=20)
"""From the set-up to what can wait: it is asked once, and not while Home Assistant starts."""

WAIT_INTERVAL: Final = timedelta(minutes=30)
"""How often to look whether a condition that only the account's owner can end has ended."""
