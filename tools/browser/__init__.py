"""A tour through Home Assistant's own frontend in a real browser; run by scripts/screenshots and by a test."""
