"""What the tap says by itself: answers of its own making, and leave to go on."""

import asyncio
import contextlib
import json
from collections.abc import Sequence
from http import HTTPStatus

import h11

from soundcheck.wiretap.attacks import Answer
from soundcheck.wiretap.recorder import Recording
from soundcheck.wiretap.streams import Line

LINGER, QUIET = 5.0, 0.5
"""Seconds that a request is read for after it was answered (else the answer may be lost), and that
the sender may be silent meanwhile."""


async def answer(
    line: Line, recording: Recording, what: Answer, more: Sequence[tuple[str, str]] = ()
) -> None:
    """Send an answer and record it as the tap's own."""
    headers = (*what.headers, ("content-length", str(len(what.body))), *more)
    reason = HTTPStatus(what.status).phrase
    side = recording.answered(f"HTTP/1.1 {what.status} {reason}", headers, own=False)
    side.body.take(what.body)
    side.body.complete = True
    await line.send(
        h11.Response(status_code=what.status, headers=list(headers), reason=reason.encode())
    )
    await line.send(h11.Data(data=what.body))
    await line.send(h11.EndOfMessage())


async def refuse(line: Line, recording: Recording, status: int, message: str) -> None:
    """Answer with an error, after which the connection is closed; nothing if it is too late."""
    if line.http.our_state not in (h11.IDLE, h11.SEND_RESPONSE):
        line.wire.break_off()
        return
    body = json.dumps({"error": {"message": message, "type": "tap_error"}}).encode()
    what = Answer(status, (("content-type", "application/json"),), body)
    line.unheard = is_unheard(line)
    with contextlib.suppress(OSError):
        await answer(line, recording, what, (("connection", "close"),))


def is_unheard(line: Line) -> bool:
    """Tell whether more of the request is on its way."""
    http = line.http
    return http.their_state is not h11.DONE and not http.they_are_waiting_for_100_continue


async def let_come(line: Line) -> None:
    """Let a body come whose sender waits for leave."""
    if line.http.they_are_waiting_for_100_continue:
        await line.send(h11.InformationalResponse(status_code=100, headers=[], reason=b"Continue"))


async def hear_out(line: Line) -> None:
    """Read on for a while what was not wanted: closing at once could destroy the answer."""
    if line.unheard and not line.ended:
        with contextlib.suppress(TimeoutError, OSError):
            async with asyncio.timeout(LINGER):
                while await asyncio.wait_for(line.wire.read(), QUIET):
                    pass
