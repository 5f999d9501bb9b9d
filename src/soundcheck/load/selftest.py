"""What this machine's client can send, and how exact its times are: measured against a stub.

``python -m soundcheck.load.selftest`` is a process of its own: told by a line of JSON, it makes the
forms of the run (and so the clips that are missing), says so, and waits for a second line. Then it
uploads them in a closed loop to a stub that answers at once, and has the stub send streams whose
events carry the time at which they were sent. Locust is not there, its statistics cost nothing.
"""

import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, TypeAlias

from soundcheck.errors import ExitCode, SoundcheckError
from soundcheck.load.form import Form, encode_form
from soundcheck.load.mix import Mix
from soundcheck.load.mixing import make_mix

UPLOADS_S = 2.0
CONNECTIONS = 16
STREAMS = 32
DELTAS = 50
WORDS_PER_S = 3.0
"""Words, and so deltas at least, in a second of speech, roughly."""
GAP_S = 0.02
"""Time between the deltas of a stream: 50 a second, as fast as tokens come."""

Observer: TypeAlias = Callable[[str, int, int | None], None]
MakeClient: TypeAlias = Callable[[Observer | None], Any]

_WARM_UP_S = 0.3
_SECOND = 1_000_000_000


class Errors:
    """Differences between our stamps and the times at which the stub sent, in nanoseconds.

    Kernel stamps come from another clock, whose calibration may overshoot: they can be negative.
    """

    def __init__(self) -> None:
        self.values: list[int] = []

    def microseconds(self) -> dict[str, float] | None:
        """Return percentiles in microseconds; None where there is no value."""
        if not self.values:
            return None
        ordered = sorted(self.values)
        last = len(ordered) - 1
        picked = {"p50": ordered[last // 2], "p99": ordered[round(last * 0.99)]}
        return {name: value / 1000 for name, value in {**picked, "max": ordered[-1]}.items()}


def ceiling(uploaded: Mapping[str, Any], mix: Mix, delta_us: float) -> float:
    """Return how many requests per second of the mix can be sent, streams among them.

    The self-test uploads without asking for streams, whose pace is the stub's. What reading one
    costs beside is the CPU time ``delta_us`` of an event times about as many as there are words.
    """
    upload_us = uploaded["cpu_us_per_request"]
    streamed = sum(one.weight * one.audio_s for one in mix.forms if one.stream) * WORDS_PER_S
    return float(uploaded["ceiling_rps"] * upload_us / (upload_us + streamed * delta_us))


def uploads(make: MakeClient, forms: Sequence[Form], connections: int) -> dict[str, Any]:
    """Return how many requests per second a closed loop gets done, and the CPU time of one."""
    import gevent

    begin = time.monotonic_ns() + round(_WARM_UP_S * _SECOND)
    end = begin + round(UPLOADS_S * _SECOND)
    counts = {"done": 0, "failed": 0}
    used = [0, 0]

    def send(number: int) -> None:
        client = make(None)
        arrival = number
        while time.monotonic_ns() < end:
            measured = client.transcribe(forms[arrival % len(forms)])
            arrival += connections
            if measured.cause:
                counts["failed"] += 1
                if counts["failed"] > 10:
                    break
            elif begin <= measured.done < end:
                counts["done"] += 1
            if not used[0] and measured.done >= begin:
                used[0] = time.process_time_ns()
        used[1] = time.process_time_ns()
        client.close()

    gevent.joinall([gevent.spawn(send, number) for number in range(connections)])
    if not counts["done"]:
        raise SoundcheckError("the self-test's stub answered nothing")
    return {
        "ceiling_rps": counts["done"] / UPLOADS_S,
        "cpu_us_per_request": (used[1] - used[0]) / counts["done"] / 1000,
    }


def streams(make: MakeClient, form: Form, count: int) -> dict[str, Any]:
    """Return how late we and the kernel stamp the events of ``count`` streams.

    ``delta_us`` is the CPU time of an event, what its stream's upload took included.
    """
    import gevent

    user, kernel = Errors(), Errors()

    def observe(data: str, ours: int, theirs: int | None) -> None:
        try:
            sent = json.loads(data).get("sent_ns")
        except (ValueError, AttributeError):
            return
        if isinstance(sent, int):
            user.values.append(ours - sent)
            if theirs is not None:
                kernel.values.append(theirs - sent)

    def read(place: int) -> None:
        # Streams that begin together would send all their deltas at the same moments.
        gevent.sleep(place * GAP_S / count)
        client = make(observe)
        client.transcribe(form)
        client.close()

    used = time.process_time_ns()
    gevent.joinall([gevent.spawn(read, place) for place in range(count)])
    used = time.process_time_ns() - used
    return {
        "delta_us": used / max(len(user.values), 1) / 1000,
        "user": user.microseconds(),
        "kernel": kernel.microseconds(),
        "events": len(user.values),
        "real_time": os.sched_getscheduler(0) in (os.SCHED_FIFO, os.SCHED_RR),
    }


@contextmanager
def stub(secure: bool) -> Iterator[tuple[str, Path | None]]:
    """Run a stub and yield its base URL and the file of its root certificate (None: no TLS)."""
    process = subprocess.Popen(
        [sys.executable, "-m", "soundcheck.reference.stub"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    )
    try:
        if process.stdin is None or process.stdout is None:
            raise LookupError("the stub has no pipes")
        told = {"deltas": DELTAS, "delta_gap_s": GAP_S, "tls": secure}
        with suppress(BrokenPipeError):
            process.stdin.write(json.dumps(told).encode() + b"\n")
            process.stdin.flush()
        line = process.stdout.readline()
        if not line:
            raise SoundcheckError("the self-test's stub did not start")
        answer = json.loads(line)
        if "error" in answer:
            raise SoundcheckError(answer["error"])
        with tempfile.NamedTemporaryFile(suffix=".pem") as file:
            if secure:
                file.write(answer["root_pem"].encode())
                file.flush()
            yield answer["base_url"], Path(file.name) if secure else None
    finally:
        for pipe in (process.stdin, process.stdout):
            if pipe is not None:
                with suppress(OSError):
                    pipe.close()
        try:
            process.wait(5)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def client_class(transport: str) -> Any:
    """Return the class of the clients of a transport."""
    if transport == "fast-http":
        from soundcheck.load.agent import FastClient

        return FastClient
    from soundcheck.load.client import TranscriptionClient

    return TranscriptionClient


def measure(mix: Mix, secure: bool, users: int, transport: str) -> dict[str, Any]:
    """Return the self-test's result, as bench.json has it without ``workers``."""
    from soundcheck.load.vitals import quiet_garbage

    client = client_class(transport)
    quiet_garbage()
    with stub(secure) as (base_url, roots):

        def make(observe: Observer | None) -> Any:
            return client(base_url, roots=roots, timeout_s=10, observe=observe)

        forms = [_asking(one, stream=False) for one in mix.forms]
        told = uploads(make, forms, max(1, min(users, CONNECTIONS)))
        small = _asking(min(mix.forms, key=lambda one: len(one.body)), stream=True)
        timing = streams(make, small, max(1, min(users, STREAMS)))
    told["ceiling_rps"] = ceiling(told, mix, timing.pop("delta_us"))
    told["upload_bytes"] = round(mix.mean_upload_bytes)
    told["timing_error_us"] = timing if timing["user"] is not None else None
    return told


def _asking(form: Form, *, stream: bool) -> Form:
    """Return the same request, for a stream or not."""
    from soundcheck.audio import Library

    if form.stream == stream:
        return form
    fields = [(name, value) for name, value in form.fields if name != "stream"]
    return encode_form(form.number, Library().clip(form.clip), fields, stream=stream)


def main() -> int:
    """Do what the lines on standard input say; answer on standard output."""
    try:
        told: Mapping[str, Any] = json.loads(sys.stdin.readline())
        mix = make_mix(told["mix"])
        _answer({"ready": True})
        if sys.stdin.readline().strip() == "go":
            _answer(measure(mix, told["secure"], told["users"], told["transport"]))
    except SoundcheckError as error:
        _answer({"error": str(error), "exit_code": int(error.exit_code)})
        return int(error.exit_code)
    return int(ExitCode.OK)


def _answer(told: Mapping[str, Any]) -> None:
    sys.stdout.write(json.dumps(told) + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main())
