"""Rules about requests with a mistake, on deployments that do more than answer wrongly."""

import itertools
import json
import socket
from pathlib import Path

from soundcheck.cli import app
from soundcheck.report.run import load_run

MODEL = "whisper-1"
MODELS = {"object": "list", "data": [{"id": MODEL, "object": "model", "created": 0}]}
ERROR = {"error": {"message": "No such thing as this file.", "type": "x", "param": None}}


def _http(status: str, media_type: str, body: str, *headers: str) -> bytes:
    named = (f"Content-Type: {media_type}", f"Content-Length: {len(body)}", "Connection: close")
    return "\r\n".join((f"HTTP/1.1 {status}", *named, *headers, "", body)).encode()


LAST_BUSY = 8
BUSY = _http("429 Too Many", "text/html", "<p>Slow down</p>", "Retry-After: soon")


def test_rate_limiting_is_judged_where_a_request_got_through_later(
    raw_server, tmp_path: Path
) -> None:
    """At first every second request gets a page, and comes through later: that is warned about."""
    count = itertools.count(1)

    def reply(connection: socket.socket, request: bytes) -> None:
        number = next(count)
        if number % 2 == 0 and number <= LAST_BUSY:
            connection.sendall(BUSY)
        elif request.startswith(b"GET /v1/models "):
            connection.sendall(_http("200 OK", "application/json", json.dumps(MODELS)))
        else:
            connection.sendall(_http("400 Bad", "application/json", json.dumps(ERROR)))

    arguments = ["check", raw_server(reply).base_url, "--model", MODEL, "--jobs", "16", "--quiet"]
    arguments += ["--out", str(tmp_path), "--only", "errors/rate-limit"]
    app(arguments, standalone_mode=False)
    [result] = [one for one in load_run(tmp_path).results if one.id == "errors/rate-limit"]
    assert result.verdict == "warn"
    assert "the body is not strict JSON" in result.message
    assert "Slow down" in result.message
