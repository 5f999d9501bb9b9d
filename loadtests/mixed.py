r"""Mixed: which kinds of requests are slow when all kinds come together.

Short and long audio, six formats, four languages, streams and whole answers, at a steady rate. The
result has a table by format, by duration and by language: a kind that is slow for its length, or
that fails, stands out there. The shares are options: write those of your own callers.

    locust -f loadtests/mixed.py --headless --host http://localhost:8000/v1 --stt-rate 5 \
        --stt-formats wav=3,mp3=1 --stt-durations short=3,long=1 --stt-stream 0.5
"""

from soundcheck.load import TranscriptionUser
from soundcheck.load.scenarios import Mixed as Scenario


class Mixed(TranscriptionUser):
    """A caller of any kind."""

    scenario = Scenario()
