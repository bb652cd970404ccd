"""Tests of OctoPrint Tunnel."""
