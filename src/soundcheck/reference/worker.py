"""The recognizer's processes: one nursery that loads once, and workers forked from it.

``python -m soundcheck.reference.worker FD`` is the nursery. Over the socket ``FD`` it takes
``fork`` with a socket attached (the new worker serves that) and ``kill PID``; when the socket
closes, it ends its workers and itself. It never decodes anything, so it has no threads and its
memory is shared by all workers until they write to it.

A worker's lines are JSON. It tells its process id when it begins. It takes ``{"path", "limit"}``
and answers with the ``duration`` once the file is decoded, a ``segment`` for each phrase as it is
recognised, and ``end``; ``undecodable``, ``too_long`` or ``failure`` end an answer early.
"""

from __future__ import annotations

import contextlib
import gc
import json
import os
import signal
import socket
import sys
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path
from typing import Any

from soundcheck.reference.decoding import SAMPLE_RATE, decode
from soundcheck.reference.recognizer import Recognizer, TooLong, Undecodable

FORK = b"fork"
KILL = b"kill"


def nurse(control: socket.socket) -> None:
    """Fork and kill workers as told, until ``control`` closes."""
    recognizer = Recognizer()
    gc.freeze()
    children: set[int] = set()
    try:
        while True:
            message, descriptors, _, _ = socket.recv_fds(control, 64, 1)
            _bury(children)
            if not message:
                return
            if message == FORK:
                children.add(_fork(recognizer, control, descriptors[0]))
            elif (pid := int(message.removeprefix(KILL))) in children:
                os.kill(pid, signal.SIGKILL)
    finally:
        for pid in children:
            os.kill(pid, signal.SIGKILL)  # not yet waited for, so the id is still the child's


def serve(recognizer: Recognizer, requests: socket.socket) -> None:
    """Answer requests until the socket closes."""
    with requests, requests.makefile("rwb") as stream:
        _send(stream, {"pid": os.getpid()})
        for line in stream:
            request = json.loads(line)
            for part in _answer(recognizer, Path(request["path"]), request["limit"]):
                _send(stream, part)


def _answer(recognizer: Recognizer, path: Path, limit: float) -> Iterator[dict[str, Any]]:
    try:
        samples = decode(path, limit)
        yield {"duration": len(samples) / SAMPLE_RATE}
        for segment in recognizer.segments(samples):
            yield {"segment": asdict(segment)}
        yield {"end": True}
    except Undecodable as error:
        yield {"undecodable": str(error)}
    except TooLong as error:
        yield {"too_long": error.limit_seconds}
    except Exception as error:  # one request's failure is told to that request
        yield {"failure": f"{type(error).__name__}: {error}"}


def _send(stream: Any, answer: dict[str, Any]) -> None:
    stream.write(json.dumps(answer).encode() + b"\n")
    stream.flush()


def _fork(recognizer: Recognizer, control: socket.socket, descriptor: int) -> int:
    pid = os.fork()
    if pid:
        os.close(descriptor)
        return pid
    status = 1
    try:
        control.close()
        with contextlib.suppress(BrokenPipeError, ConnectionResetError):
            serve(recognizer, socket.socket(fileno=descriptor))
        status = 0
    finally:
        os._exit(status)


def _bury(children: set[int]) -> None:
    """Forget the children that ended."""
    for pid in list(children):
        if os.waitpid(pid, os.WNOHANG)[0]:
            children.remove(pid)


def main() -> None:
    """Run the nursery on the socket whose descriptor is the first argument."""
    # Ctrl-C in a terminal reaches the whole group; the server decides when its workers end.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    with socket.socket(fileno=int(sys.argv[1])) as control:
        nurse(control)


if __name__ == "__main__":
    main()
