"""What the stub reads of a request: its head, and whether its form asks for a stream."""

import re
from dataclasses import dataclass

_STREAMS = re.compile(
    rb'name="stream"(?:;[^\r\n]*)?\r\n(?:[^\r\n]+\r\n)*\r\n(?:true|1)\r\n', re.IGNORECASE
)
_LENGTH = re.compile(rb"\r\ncontent-length:[ \t]*(\d{1,15})[ \t]*\r\n", re.IGNORECASE)
_BOUNDARY = re.compile(
    rb'\r\ncontent-type:[^\r\n]*boundary=(?:"([^"\r\n]+)"|([^\s;\r\n]+))', re.IGNORECASE
)
_CLOSES = re.compile(rb"\r\nconnection:[^\r\n]*close|\A[^\r\n]* HTTP/1\.0\r\n", re.IGNORECASE)
_EXPECTS = re.compile(rb"\r\nexpect:[ \t]*100-continue", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Head:
    """What the head of a request says. ``end`` is how its body has to end."""

    transcribes: bool
    lists: bool
    length: int
    end: bytes
    closes: bool
    expects: bool


def parse(head: bytes) -> Head | None:
    """Return what a head says; None where the body cannot be delimited or the form's end told."""
    line = head.partition(b"\r\n")[0].split(b" ")
    if len(line) != 3 or b"\r\ntransfer-encoding:" in head.lower():
        return None
    length = _LENGTH.search(head)
    boundary = _BOUNDARY.search(head)
    path = line[1].partition(b"?")[0]
    transcribes = line[0] == b"POST" and path.endswith(b"/audio/transcriptions")
    if transcribes and (length is None or boundary is None):
        return None
    end = b"\r\n--" + (boundary[1] or boundary[2]) + b"--" if boundary else b""
    return Head(
        transcribes,
        line[0] == b"GET" and path.endswith(b"/models"),
        int(length[1]) if length else 0,
        end,
        bool(_CLOSES.search(head)),
        bool(_EXPECTS.search(head)),
    )


def asks_for_stream(edge: bytes) -> bool:
    """Tell whether the form's field ``stream`` is true in this part of a body."""
    return b'name="stream"' in edge and _STREAMS.search(edge) is not None
