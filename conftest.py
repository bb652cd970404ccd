"""Fixtures for the tests and the tools."""

pytest_plugins = ["pytest_homeassistant_custom_component", "tests.figures", "tests.fixtures"]
