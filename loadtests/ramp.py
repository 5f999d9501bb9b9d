"""Ramp: how latency grows with load, and where the knee is.

The rate rises in steps; each is held for a window of its own, and answered before the next begins.
The result is latency and RTFx by offered load. Where latency bends upwards and RTFx no longer
follows the load, the deployment is full. Without a rate to go up to, the ramp begins gently and
ends when two steps in a row were not kept up with.

    locust -f loadtests/ramp.py --headless --host http://localhost:8000/v1 --stt-rate 40
"""

from soundcheck.load import TranscriptionUser
from soundcheck.load.scenarios import Ramp as Scenario


class Ramp(TranscriptionUser):
    """A caller among more and more."""

    scenario = Scenario()
