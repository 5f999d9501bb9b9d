"""A worker answers part by part."""

import json
import socket
import threading
from collections.abc import Iterator
from typing import Any

from soundcheck.audio import Library
from soundcheck.reference import worker
from soundcheck.reference.transcript import Segment

SEGMENT = Segment(0.0, 1.0, "Hello", "en", (), 200.0, 0.9)


class Slow:
    """A recognizer that waits before its second segment."""

    def __init__(self) -> None:
        self.read = threading.Event()

    def segments(self, samples: Any) -> Iterator[Segment]:
        """Say the same twice."""
        yield SEGMENT
        assert self.read.wait(30)
        yield SEGMENT


def test_each_segment_is_told_at_once(library: Library) -> None:
    """The duration and the first segment arrive while the second is not yet recognised."""
    ours, theirs = socket.socketpair()
    recognizer = Slow()
    thread = threading.Thread(target=worker.serve, args=(recognizer, theirs))
    thread.start()
    with ours, ours.makefile("rw") as stream:
        assert "pid" in json.loads(stream.readline())
        path = str(library.clip("hello.wav").path)
        stream.write(json.dumps({"path": path, "limit": 60.0}) + "\n")
        stream.flush()
        assert 1 < json.loads(stream.readline())["duration"] < 2
        assert json.loads(stream.readline())["segment"]["text"] == "Hello"
        recognizer.read.set()
        assert json.loads(stream.readline())["segment"]["text"] == "Hello"
        assert json.loads(stream.readline()) == {"end": True}
        stream.write(json.dumps({"path": path, "limit": 0.1}) + "\n")
        stream.flush()
        assert json.loads(stream.readline()) == {"too_long": 0.1}
    thread.join()
