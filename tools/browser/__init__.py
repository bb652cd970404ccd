"""A tour through Home Assistant's frontend in a real browser, for scripts/screenshots and for a test."""
