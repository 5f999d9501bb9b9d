"""Soak: whether latency, or the share of errors, drifts over a long time.

A steady rate for ten minutes, or as long as -t says. The timeline of a healthy deployment is flat
from the first minute to the last; one that leaks memory or fills a queue or a disk is not.

    locust -f loadtests/soak.py --headless --host http://localhost:8000/v1 --stt-rate 5 -t 1h
"""

from soundcheck.load import TranscriptionUser
from soundcheck.load.scenarios import Soak as Scenario


class Soak(TranscriptionUser):
    """A caller among many, all night long."""

    scenario = Scenario()
