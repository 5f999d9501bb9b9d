"""The official client for Node: what its callers see of recorded answers.

A program for Node asks a server on loopback that gives back what was recorded. Nothing is ever
downloaded: the client is used where ``node`` is, and its package ``openai`` is found from the
working folder (or by ``NODE_PATH``).
"""

import json
import os
import shutil
import socketserver
import subprocess
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cache
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from typing import Any

from soundcheck.contract.answer import Answer, shown
from soundcheck.contract.verdict import NotObserved, Untestable
from soundcheck.http.exchange import Exchange, Response

PROGRAM = Path(__file__).with_name("official_node.mjs")
PATIENCE = 60.0
"""Seconds in which the client has read an answer that is there already."""

_LOOK = "require('module').createRequire(process.cwd() + '/soundcheck.js').resolve('openai')"


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a call of the client came to, and how many requests it sent for that.

    ``raised`` has the members name, status, message, code, param and type of what was thrown.
    """

    value: Any = None
    events: tuple[Any, ...] = ()
    raised: dict[str, Any] = field(default_factory=dict)
    requests: int = 0

    def check(self) -> None:
        """Fail where the client threw something."""
        if self.raised:
            told = shown(str(self.raised.get("message")))
            raise AssertionError(f"the client throws {self.raised['name']}: {told}")


@cache
def missing() -> str:
    """Return what is not there, and what to type; ``""`` where the client can be used."""
    node = shutil.which("node")
    if node is None:
        return "there is no node on the path"
    try:
        looked = subprocess.run(  # noqa: S603  # a fixed program, without a shell
            [node, "--eval", _LOOK], capture_output=True, timeout=PATIENCE, check=False
        )
    except (OSError, subprocess.TimeoutExpired):
        return "node does not run here"
    if looked.returncode:
        return "node finds no package openai here: npm install openai in the working folder"
    return ""


def transcribed(answer: Answer, *, retries: int = 0) -> Outcome:
    """Return what a call sees whose request and answer are those recorded.

    Raises ``NotObserved`` where the client is not there, and where the exchange has no answer.
    """
    if absent := missing():
        raise NotObserved(absent)
    if answer.exchange.response is None:
        raise NotObserved("there is no answer")
    parts = answer.exchange.request.parts
    given = {part["name"]: part["value"] for part in parts if "clip" not in part}
    arguments: dict[str, Any] = {"model": given.get("model", "")}
    if "response_format" in given:
        arguments["response_format"] = given["response_format"]
    if given.get("stream") == "true":
        arguments["stream"] = True
    with _server(answer.exchange, answer.exchange.response) as (url, requests):
        asked = {"baseURL": url, "arguments": arguments, "maxRetries": retries}
        told = _run(json.dumps(asked))
        return Outcome(told["value"], tuple(told["events"]), told["raised"] or {}, len(requests))


def _run(asked: str) -> dict[str, Any]:
    node = shutil.which("node") or "node"
    try:
        done = subprocess.run(  # noqa: S603  # our own program, without a shell
            [node, str(PROGRAM)],
            input=asked,
            capture_output=True,
            text=True,
            encoding="utf-8",
            timeout=PATIENCE,
            check=True,
            # What a user sets for another API is not to change what is read here.
            env={name: value for name, value in os.environ.items() if "OPENAI" not in name},
        )
        told: dict[str, Any] = json.loads(done.stdout)
    except subprocess.TimeoutExpired:
        raise AssertionError(
            f"the client has not read the answer in {PATIENCE:.0f} s, though it is complete"
        ) from None
    except (subprocess.CalledProcessError, ValueError) as error:
        last = str(getattr(error, "stderr", "") or error).strip()[-200:]
        raise Untestable(f"the client for Node does not run here: {last}") from None
    return told


class _Loopback(socketserver.ThreadingTCPServer):
    daemon_threads = True


@contextmanager
def _server(exchange: Exchange, response: Response) -> Iterator[tuple[str, list[str]]]:
    """Yield the base URL of a server that gives the recorded answer, and the paths asked for."""
    requests: list[str] = []

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            requests.append(self.path)
            length = int(self.headers.get("content-length") or 0)
            self.rfile.read(length)
            self.send_response(response.status)
            for name, value in response.headers:
                if name not in ("connection", "content-length", "transfer-encoding"):
                    self.send_header(name, value)
            # Where the client will send it again, it need not wait for that here.
            self.send_header("retry-after-ms", "1")
            self.send_header("connection", "close")
            missing_bytes = 1 if exchange.error is not None else 0
            self.send_header("content-length", str(len(response.body) + missing_bytes))
            self.end_headers()
            self.wfile.write(response.body)
            self.close_connection = True

        def log_message(self, *_: object) -> None:
            """Say nothing."""

    with _Loopback(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True)
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_address[1]}/v1", requests
        finally:
            server.shutdown()
            thread.join()
