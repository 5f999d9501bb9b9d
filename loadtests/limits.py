"""Limits: whether uploads as large as documented are taken in parallel, and how fast.

Files of 25 MB, the documented limit, in four formats, four at once (a closed loop: the next one
begins when one is answered, so latency is not that under a fixed rate). The result shows whether
any is refused, reset or timed out, and how long the largest uploads take.

    locust -f loadtests/limits.py --headless --host http://localhost:8000/v1
"""

from soundcheck.load import TranscriptionUser
from soundcheck.load.scenarios import Limits as Scenario


class Limits(TranscriptionUser):
    """A caller with a long recording."""

    scenario = Scenario()
