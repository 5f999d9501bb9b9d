"""Soundcheck: conformance and load testing for speech-to-text APIs."""

__version__ = "0.1.0"
