r"""Saturation: what the highest rate of arrivals is that keeps the SLO.

The search finds out what one request at a time takes and what a closed loop comes to, brackets the
capacity, and measures around it until it is known. It says first about how long it will take. The
result is a bracket, two rates 4 % apart between which the share of requests that keep the SLO falls
below what is asked for; how often each of them kept it, measured three times more in turn; and how
precisely the place between them is known.

    locust -f loadtests/saturation.py --headless --host http://localhost:8000/v1 \
        --stt-slo 'p95<2s,errors<1%'
"""

from soundcheck.load import TranscriptionUser
from soundcheck.load.scenarios import Saturation as Scenario


class Saturation(TranscriptionUser):
    """A caller among as many as keep the SLO."""

    scenario = Scenario()
