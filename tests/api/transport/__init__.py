"""Tests of how a request travels."""
