r"""Streaming: how soon and how evenly the text of a stream comes.

All requests ask for a stream, at a steady rate. The result has the time to the first text, from
when the request was to begin (what a caller waits) and from the last byte of the upload (what the
deployment takes), the gaps between texts, and how far the text lags behind audio in real time.

    locust -f loadtests/streaming.py --headless --host http://localhost:8000/v1 --stt-rate 5 \
        --stt-slo 'ttfd_p95<600ms'
"""

from soundcheck.load import TranscriptionUser
from soundcheck.load.scenarios import Streaming as Scenario


class Streaming(TranscriptionUser):
    """A caller who reads along."""

    scenario = Scenario()
