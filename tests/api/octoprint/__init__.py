"""Tests of what OctoPrint says."""
