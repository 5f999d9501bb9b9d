"""Asks servers of all kinds over Locust's agent and tells what came of it: see test_load_fast."""

import locust  # isort: skip  # first of all: it patches what the others import

import json
import os
import pickle
import ssl
import sys
from typing import Any

import gevent
import gevent.socket
from gevent.server import StreamServer

from soundcheck.errors import SoundcheckError
from soundcheck.load import agent
from soundcheck.load.agent import FastClient
from soundcheck.load.form import Form
from soundcheck.load.measured import Measured
from soundcheck.load.sample import CAUSES

PATH = "/audio/transcriptions"
ELSEWHERE = "http://elsewhere.invalid"
STREAM = b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n"
LAST = b"0\r\n\r\n"


def plain(status: str, more: str, body: str) -> list[bytes]:
    length = f"Content-Length: {len(body)}\r\n"
    return [f"HTTP/1.1 {status}\r\n{more}{length}\r\n".encode(), body.encode()]


def chunk(event: object) -> bytes:
    frame = b"data: " + json.dumps(event).encode() + b"\n\n"
    return b"%x\r\n%s\r\n" % (len(frame), frame)


HELLO = chunk({"type": "transcript.text.delta", "delta": "Hello"})
DONE = chunk({"type": "transcript.text.done", "text": "Hello"})
ANSWERS = {
    "json": plain("200 OK", "Content-Type: application/json\r\n", '{"text": "Hello"}'),
    "stream": [STREAM, HELLO, HELLO, HELLO + HELLO, DONE + LAST],
    "endless": [STREAM + HELLO + DONE],
    "busy": plain("429 No", "", "busy"),
    "moved": plain("308 No", f"Location: /json{PATH}\r\n", ""),
    "turning": plain("307 No", f"Location: /turning{PATH}\r\n", ""),
    "cut": [STREAM + HELLO + b"5\r\n"],
    "short": [STREAM + HELLO + LAST],
    "html": plain("200 OK", "Content-Type: text/html\r\n", "<h1>"),
    "garbage": [b"+OK POP3 server ready\r\n"],
    "gone": [b""],
    "silent": None,
}
CLOSING = ("cut", "garbage", "gone")
STREAMED = ("stream", "endless", "cut", "short")
seen: list[str] = []


def serve(connection: Any, address: object) -> None:
    """Answer requests by the first part of their path; be a proxy to those who ask for one."""
    file = connection.makefile("rb")
    while line := file.readline().decode():
        length = 0
        while (field := file.readline()).strip():
            if field.lower().startswith(b"content-length:"):
                length = int(field.split(b":")[1])
        method, target, _ = line.split()
        seen.append(target)
        if method == "CONNECT":
            upstream = gevent.socket.create_connection(tuple(target.split(":")))
            connection.sendall(b"HTTP/1.1 200 OK\r\n\r\n")
            back = gevent.spawn(pipe, upstream, connection)
            pipe(connection, upstream)
            back.kill()
            return
        file.read(length)
        name = target.removeprefix(ELSEWHERE).split("/")[1]
        answer = ANSWERS[name]
        if answer is None:
            gevent.sleep(5)
            return
        for piece in answer:
            connection.sendall(piece)
            gevent.sleep(0.002)  # so that the client reads it before the next
        if name in CLOSING:
            return


def pipe(source: Any, target: Any) -> None:
    while data := source.recv(65536):
        target.sendall(data)


def told(measured: Measured) -> dict[str, object]:
    first, *later = (measured.begun, measured.headers, measured.first_text, measured.done)
    return {
        "cause": CAUSES[measured.cause],
        "text": measured.text,
        "detail": measured.detail,
        "deltas": measured.deltas,
        "coalesced": measured.coalesced,
        "gaps": len(measured.gaps),
        "ordered": first > 0 and sorted(later) == later,
        "done": measured.done > 0,
    }


def ask(url: str, form: Form, **settings: Any) -> dict[str, object]:
    return told(FastClient(url, **settings).transcribe(form))


def main() -> None:
    """Read two forms, the server's certificate and its root; write the results as JSON."""
    whole, streamed, chain, roots = pickle.load(sys.stdin.buffer)
    agent.LINGER_NS = 10_000_000
    server = StreamServer(("127.0.0.1", 0), serve)
    server.start()
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(chain)
    secure = StreamServer(("127.0.0.1", 0), serve, ssl_context=context)
    secure.start()
    base = f"http://127.0.0.1:{server.server_port}"
    https = f"https://127.0.0.1:{secure.server_port}/json"
    results: dict[str, Any] = {}
    for name in ANSWERS:
        timeout = 0.3 if name == "silent" else 10
        form = streamed if name in STREAMED else whole
        results[name] = ask(f"{base}/{name}", form, key="sk-1", timeout_s=timeout)
    client = FastClient(f"{base}/json")
    results["again"] = [client.transcribe(whole).text for _ in range(3)]
    observed: list[object] = []
    ask(f"{base}/stream", streamed, observe=lambda *event: observed.append(event))
    results["observed"] = len(observed)
    free = gevent.socket.create_server(("127.0.0.1", 0))
    port = free.getsockname()[1]
    free.close()
    results["refused"] = ask(f"http://127.0.0.1:{port}/v1", whole)
    results["unresolved"] = ask("http://nowhere.invalid/v1", whole)
    results["tls"] = ask(https, whole, roots=roots)
    results["distrusted"] = ask(https, whole)
    seen.clear()
    results["proxied"] = ask(f"{ELSEWHERE}/json", whole, proxy=base)
    results["tunnelled"] = ask(https, whole, roots=roots, proxy=base)
    results["seen"] = seen[0], seen[1]
    results["https"] = f"127.0.0.1:{secure.server_port}"
    os.environ["http_proxy"] = base
    results["environment"] = ask(f"{ELSEWHERE}/json", whole)
    try:
        FastClient(base, proxy="socks5://127.0.0.1:9")
    except SoundcheckError as error:
        results["socks"] = str(error)
    request = gevent.spawn(FastClient(f"{base}/silent").transcribe, whole)
    gevent.sleep(0.01)
    request.kill()
    results["killed"] = isinstance(request.value, gevent.GreenletExit)
    json.dump(results, sys.stdout)


if __name__ == "__main__":
    assert locust
    main()
