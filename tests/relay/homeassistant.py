"""Home Assistant that reaches the services at a relay: `python -m tests.relay.homeassistant --relay-port N -- …`.

What follows `--` goes to Home Assistant. REQUESTS_CA_BUNDLE has to name the relay's `bundle_file`.
"""

import argparse
import sys

from homeassistant.__main__ import main

from .network import point_services_at


def run() -> int:
    """Run Home Assistant and return its exit code."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--relay-port", type=int, required=True)
    parser.add_argument("arguments", nargs="*", help="arguments for Home Assistant")
    options = parser.parse_args()
    sys.argv = ["hass", *options.arguments]
    with point_services_at(options.relay_port):
        return main()


if __name__ == "__main__":
    sys.exit(run())
