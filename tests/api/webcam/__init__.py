"""Tests of a webcam's pictures."""
