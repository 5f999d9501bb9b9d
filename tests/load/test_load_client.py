"""The client: what a deployment does, well or badly, ends in what was measured of it."""

import json
import socket
import struct
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from urllib.parse import quote, quote_plus

import pytest

from soundcheck.errors import SoundcheckError
from soundcheck.http.certificates import Authority
from soundcheck.load.client import TranscriptionClient
from soundcheck.load.form import Form
from soundcheck.load.measured import Measured
from soundcheck.load.sample import CAUSES, NEVER

pytestmark = pytest.mark.usefixtures("_own_loop")

JSON = b'{"text": "Hello World."}'
ANSWER = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 24\r\n\r\n" + JSON
STREAM = b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n"
MakeForm = Callable[..., Form]
Serve = Callable[[socket.socket], None]


def chunk(event: object) -> bytes:
    text = event if isinstance(event, str) else json.dumps(event)
    frame = f"data: {text}\n\n".encode()
    return b"%x\r\n%s\r\n" % (len(frame), frame)


HELLO = chunk({"type": "transcript.text.delta", "delta": "Hello"})
WORLD = chunk({"type": "transcript.text.delta", "delta": " World."})
DONE = chunk({"type": "transcript.text.done", "text": "Hello World."})
LAST = b"0\r\n\r\n"


@contextmanager
def listening(*turns: Serve, host: str = "127.0.0.1") -> Iterator[int]:
    """Yield the port of a server that gives each connection, in turn, to one of ``turns``."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.create_server((host, 0), family=family) as listener:
        listener.settimeout(20)

        def serve() -> None:
            for turn in turns:
                try:
                    connection, _ = listener.accept()
                except OSError:
                    return
                with connection:
                    connection.settimeout(20)
                    with suppress(OSError):  # the client may go away
                        turn(connection)

        thread = threading.Thread(target=serve, daemon=True)
        thread.start()
        yield listener.getsockname()[1]
        listener.close()
        thread.join(20)


def read_request(connection: socket.socket) -> bytes:
    data = b""
    while b"\r\n\r\n" not in data:
        piece = connection.recv(65536)
        if not piece:
            raise ConnectionResetError
        data += piece
    head, _, body = data.partition(b"\r\n\r\n")
    length = int(head.lower().partition(b"content-length: ")[2].partition(b"\r\n")[0])
    received = bytearray(body)
    while len(received) < length:
        received += connection.recv(2**18)
    return head + b"\r\n\r\n" + bytes(received)


def answering(*answers: bytes) -> Serve:
    """Return a turn that reads a request for each answer, gives it, and then closes."""

    def turn(connection: socket.socket) -> None:
        for answer in answers:
            read_request(connection)
            connection.sendall(answer)

    return turn


def closed_by_client(connection: socket.socket) -> None:
    while connection.recv(65536):
        pass


def reset(connection: socket.socket) -> None:
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))


def ask(port: int, form: Form, times: int = 1, **settings: object) -> list[Measured]:
    client = TranscriptionClient(f"http://127.0.0.1:{port}/v1", **settings)  # type: ignore[arg-type]
    try:
        return [client.transcribe(form) for _ in range(times)]
    finally:
        client.close()


def cause(measured: Measured) -> str:
    return CAUSES[measured.cause]


def in_order(measured: Measured, *names: str) -> bool:
    times: Sequence[int] = [getattr(measured, name) for name in names]
    return NEVER not in times and list(times) == sorted(times)


def test_requests_follow_each_other_on_one_connection(small_form: MakeForm) -> None:
    """The request is complete and has the key; its times are in order; the connection is kept."""
    seen: list[bytes] = []

    def turn(connection: socket.socket) -> None:
        for _ in range(2):
            seen.append(read_request(connection))
            connection.sendall(ANSWER)

    form = small_form()
    with listening(turn) as port:
        first, second = ask(port, form, 2, key="sk-1", headers={"X-Extra": "é"})
    assert (first.text, first.status, cause(first)) == ("Hello World.", 200, "")
    assert in_order(first, "begun", "sent", "headers", "done")
    assert in_order(second, "begun", "sent", "headers", "done")
    assert (first.first_text, first.deltas, list(first.gaps)) == (NEVER, 0, [])
    assert first.received == len(ANSWER)
    assert first.reconnects == second.reconnects == 0
    head, _, body = seen[0].partition(b"\r\n\r\n")
    assert body == form.body
    assert head.startswith(b"POST /v1/audio/transcriptions HTTP/1.1\r\n")
    for line in (
        f"Host: 127.0.0.1:{port}",
        "Authorization: Bearer sk-1",
        "X-Extra: é",
        "Accept-Encoding: identity",
        f"Content-Type: {form.content_type}",
        f"Content-Length: {len(body)}",
    ):
        assert line.encode("latin-1") in head.split(b"\r\n")
    assert seen[0] == seen[1]


@pytest.mark.parametrize("dialect", ["openai", "vllm"])
def test_streams_are_timed_by_their_events(small_form: MakeForm, dialect: str) -> None:
    """TTFD is the first event with text, gaps are between reads, the end is the last event."""
    observed: list[tuple[str, int, int | None]] = []
    if dialect == "openai":
        role, hello, world, end = chunk({"type": "ping"}), HELLO, WORLD, DONE
    else:
        texts = [{"role": "assistant"}, {"content": "Hello"}, {"content": " World."}]
        role, hello, world = (chunk({"choices": [{"delta": text}]}) for text in texts)
        end = chunk("[DONE]")
    seen = threading.Event()

    def observe(data: str, user_ns: int, kernel_ns: int | None) -> None:
        observed.append((data, user_ns, kernel_ns))
        seen.set()

    def turn(connection: socket.socket) -> None:
        read_request(connection)
        for piece in (STREAM, role, hello, world + world, end + LAST):
            if piece is not STREAM:
                connection.sendall(piece)
                seen.wait(10)
            else:
                connection.sendall(piece)
            seen.clear()
        read_request(connection)
        connection.sendall(STREAM + role + hello + world + end + LAST)

    with listening(turn) as port:
        first, second = ask(port, small_form(stream=True), 2, observe=observe)
    assert (cause(first), first.text) == ("", "Hello World. World.")
    assert (first.deltas, first.coalesced, len(first.gaps)) == (3, 1, 1)
    assert first.gaps[0] == pytest.approx(first.last_text - first.first_text, rel=1e-6)
    assert first.gaps[0] > 0
    assert in_order(first, "begun", "sent", "headers", "first_text", "last_text", "done")
    assert (cause(second), second.text) == ("", "Hello World.")
    assert second.first_text == second.last_text == second.done
    assert (second.deltas, second.coalesced, len(second.gaps)) == (2, 1, 0)
    assert len(observed) == 5 + 4
    assert all(kernel is None or kernel <= user for _, user, kernel in observed)


def test_a_stream_may_be_answered_at_once(small_form: MakeForm) -> None:
    """A deployment that ignores the wish for a stream brings all of its text at the end."""
    with listening(answering(ANSWER)) as port:
        (measured,) = ask(port, small_form(stream=True))
    assert (cause(measured), measured.text, measured.deltas) == ("", "Hello World.", 0)
    assert measured.first_text == measured.last_text == measured.done > 0


def test_a_stream_that_goes_on_after_its_end_is_done(
    small_form: MakeForm, monkeypatch: pytest.MonkeyPatch
) -> None:
    """After the last event nothing counts: the transcript is there, the connection is dropped."""
    monkeypatch.setattr("soundcheck.load.exchange.LINGER_NS", 10_000_000)

    def turn(connection: socket.socket) -> None:
        read_request(connection)
        connection.sendall(STREAM + HELLO + DONE)
        closed_by_client(connection)

    with listening(turn, answering(ANSWER)) as port:
        first, second = ask(port, small_form(stream=True), 2)
    assert (cause(first), first.text) == ("", "Hello")
    assert cause(second) == ""


BAD = {
    "redirect": b"HTTP/1.1 301 Moved\r\nLocation: /v2\r\nContent-Length: 0\r\n\r\n",
    "overload": b"HTTP/1.1 429 Too Many Requests\r\nContent-Length: 0\r\n\r\n",
    "http-4xx": b"HTTP/1.1 401 Unauthorized\r\nContent-Length: 2\r\n\r\n{}",
    "http-5xx": b"HTTP/1.1 500 Oops\r\n\r\n<h1>Oops</h1>",
    "not-http": b"+OK POP3 server ready\r\n",
    "not-json": b"HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nContent-Length: 4\r\n\r\n<h1>",
    "no-text": b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 2\r\n\r\n{}",
    "reset": ANSWER[:-1],
    "stream-error": STREAM + HELLO + chunk({"error": {"message": "out of memory"}}),
    "stream-cut": STREAM + HELLO + LAST,
    "too-long": b"HTTP/1.1 200 OK\r\nContent-Length: 99999999999\r\n\r\n",
}


@pytest.mark.parametrize("expected", BAD)
def test_bad_answers_are_counted_by_cause(small_form: MakeForm, expected: str) -> None:
    """Each way of answering badly has its cause, and the next request works."""
    with listening(answering(BAD[expected]), answering(ANSWER)) as port:
        client = TranscriptionClient(f"http://127.0.0.1:{port}/v1")
        measured = client.transcribe(small_form(stream=expected.startswith("stream")))
        client.close()
        assert cause(measured) == expected
        assert cause(client.transcribe(small_form())) == ""
        client.close()


def test_compressed_answers_are_refused(small_form: MakeForm) -> None:
    """An answer in a coding that was not allowed is told as what it is."""
    head = b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: 2\r\n\r\n\x1f\x8b"
    with listening(answering(head)) as port:
        (measured,) = ask(port, small_form())
    assert cause(measured) == "not-json"
    assert "gzip" in measured.detail


def test_a_refusal_keeps_the_connection(small_form: MakeForm) -> None:
    """A complete answer that says no is no reason to make a new connection."""
    with listening(answering(BAD["overload"], BAD["not-json"], ANSWER)) as port:
        causes = [cause(one) for one in ask(port, small_form(), 3)]
    assert causes == ["overload", "not-json", ""]


@pytest.mark.parametrize("size", [100, 30_000_000], ids=["sent", "being-sent"])
def test_an_early_refusal_is_told_though_the_connection_breaks(
    small_form: MakeForm, size: int
) -> None:
    """A server may refuse an upload before it has all of it, and reset the connection."""

    def turn(connection: socket.socket) -> None:
        connection.recv(100)
        connection.sendall(b"HTTP/1.1 413 Too Large\r\nContent-Length: 9\r\n\r\ntoo large")

    with listening(turn) as port:
        (measured,) = ask(port, small_form(size))
    assert (cause(measured), measured.status) == ("http-4xx", 413)
    assert (measured.sent == NEVER) == (size > 100)


def test_other_early_answers_do_not_stop_an_upload(small_form: MakeForm) -> None:
    """Interim answers, and the head of a stream, may come while the upload goes on."""

    def turn(connection: socket.socket) -> None:
        connection.sendall(b"HTTP/1.1 102 Processing\r\n\r\n" + STREAM)
        read_request(connection)
        connection.sendall(HELLO + DONE + LAST)

    with listening(turn) as port:
        (measured,) = ask(port, small_form(30_000_000, stream=True))
    assert (cause(measured), measured.text) == ("", "Hello")
    assert in_order(measured, "headers", "sent", "first_text", "done")


def test_a_connection_closed_meanwhile_is_made_anew(
    small_form: MakeForm, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A kept connection that the server has closed is noticed before, or after, it is used."""
    for idle, module in ((0, "transport"), (10**12, "transport")):
        monkeypatch.setattr(f"soundcheck.load.{module}.IDLE_NS", idle)
        closed = threading.Event()

        def turn(connection: socket.socket, closed: threading.Event = closed) -> None:
            answering(ANSWER)(connection)
            connection.shutdown(socket.SHUT_RDWR)
            closed.set()

        with listening(turn, answering(ANSWER, ANSWER)) as port:
            client = TranscriptionClient(f"http://127.0.0.1:{port}/v1")
            first = client.transcribe(small_form())
            assert closed.wait(10)
            rest = [client.transcribe(small_form()) for _ in range(2)]
            client.close()
        assert [cause(one) for one in (first, *rest)] == ["", "", ""]
        assert [one.reconnects for one in (first, *rest)] == [0, 1, 0]


def test_a_request_is_sent_again_once_only(small_form: MakeForm) -> None:
    """A server that closes again, or closes a fresh connection, has failed."""

    def drop(connection: socket.socket) -> None:
        read_request(connection)
        reset(connection)

    with listening(answering(ANSWER), drop, drop) as port:
        first, second, third = ask(port, small_form(), 3)
    assert [cause(one) for one in (first, second, third)] == ["", "reset", "reset"]
    assert (second.reconnects, third.reconnects) == (1, 0)


@pytest.mark.parametrize(
    "drip",
    [b"", b"HTTP/1.1 200 OK\r\nX: y", STREAM + HELLO],
    ids=["silence", "head", "stream"],
)
def test_time_is_bounded(small_form: MakeForm, drip: bytes) -> None:
    """Silence, and an answer that comes a byte at a time without end, end at the time limit."""

    def turn(connection: socket.socket) -> None:
        read_request(connection)
        connection.sendall(drip)
        connection.settimeout(0.02)
        while True:
            try:
                if not connection.recv(1):
                    return
            except TimeoutError:
                if drip:
                    connection.sendall(b"6\r\n: hm\n\n\r\n" if drip.startswith(STREAM) else b"y")

    with listening(turn) as port:
        begin = time.monotonic()
        (measured,) = ask(port, small_form(stream=True), timeout_s=0.2)
    assert cause(measured) == "timeout"
    assert measured.done == NEVER
    assert time.monotonic() - begin >= 0.2


def test_an_upload_that_nobody_reads_is_bounded(small_form: MakeForm) -> None:
    """A server that accepts a connection and reads nothing costs the time limit."""
    held = threading.Event()
    with listening(lambda connection: held.wait(20) and None) as port:
        (measured,) = ask(port, small_form(30_000_000), timeout_s=0.2)
        held.set()
    assert (cause(measured), measured.sent) == ("timeout", NEVER)


def test_endless_answers_are_given_up(small_form: MakeForm) -> None:
    """An answer that never ends is given up for its size, long before the time limit."""

    def turn(connection: socket.socket) -> None:
        read_request(connection)
        connection.sendall(b"HTTP/1.1 200 OK\r\n\r\n")
        while True:
            connection.sendall(bytes(2**18))

    with listening(turn) as port:
        (measured,) = ask(port, small_form())
    assert cause(measured) == "too-long"


def test_nobody_there() -> None:
    """No listener, and a host that is not known, are told apart."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
    form = Form(0, "a.wav", "wav", "en", 1.0, "", False, (), b"", "text/plain", "")
    for url, expected in (
        (f"http://127.0.0.1:{port}/v1", "refused"),
        ("http://nowhere.invalid/v1", "unresolved"),
    ):
        assert cause(TranscriptionClient(url).transcribe(form)) == expected


def test_the_clients_own_limits_are_not_the_deployments(
    small_form: MakeForm, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Without descriptors nothing is sent, and that is told as a miss of the client."""

    def fail(*_: object) -> None:
        raise OSError(24, "Too many open files")

    monkeypatch.setattr("soundcheck.load.transport._Socket", fail)
    (measured,) = ask(1, small_form())
    assert cause(measured) == "unsent"
    assert "Too many open files" in measured.detail


def test_what_is_told_has_no_secrets(small_form: MakeForm) -> None:
    """Keys and header values that a server repeats are not told; nor is what does not print."""
    told = b"no key sk-12345 and \x1b[31m my-token-1" + b"!" * 300
    answer = b"HTTP/1.1 401 No\r\nContent-Length: %d\r\n\r\n%s" % (len(told), told)
    with listening(answering(answer)) as port:
        (measured,) = ask(port, small_form(), key="sk-12345", headers={"X-Token": "my-token-1"})
    assert measured.detail.startswith("401: no key … and \\x1b[31m …!!!")
    assert len(measured.detail) <= 200


def test_a_key_that_comes_back_is_not_told(small_form: MakeForm) -> None:
    """Not as a transcript, which is told where it is wrong, nor cut in its middle."""
    key = "sk-12345678901234567890"
    text = json.dumps({"text": f"Bearer {key}"}).encode()
    refused = json.dumps({"error": "x" * 140 + key}).encode()
    answer = b"HTTP/1.1 %s\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n%s"
    with listening(
        answering(
            answer % (b"200 OK", len(text), text), answer % (b"500 No", len(refused), refused)
        )
    ) as port:
        heard, failed = ask(port, small_form(), 2, key=key)
    assert heard.text == "Bearer …"
    assert failed.detail == "500: " + "x" * 140 + "…"


def test_the_key_of_a_header_is_told_neither(small_form: MakeForm) -> None:
    """A server may repeat it without the scheme, and what stands in a query as well."""
    told = b"wrong: supersecret9876 or plainvaluelong"
    answer = b"HTTP/1.1 429 No\r\nContent-Length: %d\r\n\r\n%s" % (len(told), told)
    with listening(answering(answer)) as port:
        (measured,) = ask(
            port,
            small_form(),
            query={"api": "plainvaluelong"},
            secrets=("Bearer supersecret9876",),
        )
    assert measured.detail == "429: wrong: … or …"


@pytest.mark.parametrize("secret", ["s3cr3t", 'a"b/c+é'])
def test_a_secret_is_told_in_no_spelling(small_form: MakeForm, secret: str) -> None:
    """However short it is, and as it stands in a URL or in JSON."""
    spelled = [secret, quote(secret, safe=""), quote_plus(secret), json.dumps(secret)[1:-1]]
    for one in spelled:
        told = f"got {one}, sorry".encode()
        answer = b"HTTP/1.1 400 No\r\nContent-Length: %d\r\n\r\n%s" % (len(told), told)
        with listening(answering(answer)) as port:
            (measured,) = ask(port, small_form(), secrets=(secret,))
        assert measured.detail == "400: got …, sorry"


def test_what_was_said_is_no_secret(small_form: MakeForm) -> None:
    """A header that holds a word of the audio does not make a right answer wrong."""
    form = small_form()
    word = form.transcript
    answer = json.dumps({"text": word}).encode()
    head = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n"
    with listening(answering(head % len(answer) + answer)) as port:
        (measured,) = ask(port, form, headers={"X-Greeting": word}, secrets=(word,))
    assert measured.text == word


def test_headers_and_query_go_with_every_request(small_form: MakeForm) -> None:
    """A header replaces the one of the same name, in whatever case; a query is percent-encoded."""
    seen: list[bytes] = []

    def turn(connection: socket.socket) -> None:
        seen.append(read_request(connection))
        connection.sendall(ANSWER)

    with listening(turn) as port:
        headers = {"authorization": "Key mine", "X-Team": "blue"}
        ask(port, small_form(), key="sk-1", headers=headers, query={"a=b": "2 4", "v": "1"})
    line, *lines = seen[0].partition(b"\r\n\r\n")[0].decode().split("\r\n")
    assert line == "POST /v1/audio/transcriptions?a%3Db=2%204&v=1 HTTP/1.1"
    named = [one for one in lines if one.lower().startswith("authorization")]
    assert named == ["authorization: Key mine"]
    assert "X-Team: blue" in lines


def test_hosts_of_all_kinds(small_form: MakeForm) -> None:
    """IPv6 addresses are connected to and named as they should be; base URLs may have a path."""
    seen: list[bytes] = []

    def turn(connection: socket.socket) -> None:
        seen.append(read_request(connection))
        connection.sendall(ANSWER)

    with listening(turn, host="::1") as port:
        client = TranscriptionClient(f"http://[::1]:{port}/team a/v1/")
        assert cause(client.transcribe(small_form())) == ""
        client.close()
    assert seen[0].startswith(b"POST /team%20a/v1/audio/transcriptions HTTP/1.1\r\n")
    assert f"\r\nHost: [::1]:{port}\r\n".encode() in seen[0]


@pytest.mark.parametrize(
    ("url", "settings"),
    [
        ("ftp://host/v1", {}),
        ("host:8000", {}),
        ("http://", {}),
        ("http://user:secret@host/v1", {}),
        ("http://host/v1?key=secret", {}),
        ("http://host:99999999/v1", {}),
        ("http://host/v1", {"key": "secret\nX: y"}),
        ("http://host/v1", {"key": "secr€t"}),
        ("http://host/v1", {"headers": {"Content-Length": "1"}}),
        ("http://host/v1", {"headers": {"X Y": "1"}}),
        ("http://host:0/v1", {"query": {"code": "secret"}}),
        ("http://host/v1", {"query": {"code": "secr\udcff"}}),
        ("https://host/v1", {"roots": Path("/nowhere.pem")}),
    ],
)
def test_impossible_settings_are_refused(url: str, settings: dict[str, object]) -> None:
    """What no request can be sent with is told once, before any, and without secrets."""
    with pytest.raises(SoundcheckError) as caught:
        TranscriptionClient(url, **settings)  # type: ignore[arg-type]
    assert "secr" not in str(caught.value)


class Tls:
    """A server's side of TLS for one connection, and the root that its certificate is under."""

    def __init__(self, folder: Path, name: str) -> None:
        authority = Authority.new("The tests' own root")
        self.roots = folder / "roots.pem"
        self.roots.write_bytes(authority.certificate_pem)
        self._context = authority.issue(name).server_context()

    def turn(self, turn: Serve) -> Serve:
        """Return ``turn`` behind a handshake."""

        def secured(connection: socket.socket) -> None:
            with self._context.wrap_socket(connection, server_side=True) as wrapped:
                turn(wrapped)

        return secured


def test_tls_is_as_plain(small_form: MakeForm, tmp_path: Path) -> None:
    """Uploads of any size, streams, refusals and kept connections work under TLS alike."""
    tls = Tls(tmp_path, "127.0.0.1")
    large, stream = small_form(3_000_000), small_form(stream=True)
    seen: list[bytes] = []

    def turn(connection: socket.socket) -> None:
        seen.append(read_request(connection))
        connection.sendall(ANSWER)
        read_request(connection)
        connection.sendall(STREAM + HELLO + WORLD + DONE + LAST)
        answering(BAD["overload"])(connection)

    with listening(tls.turn(turn), tls.turn(answering(ANSWER))) as port:
        client = TranscriptionClient(f"https://127.0.0.1:{port}/v1", roots=tls.roots)
        forms = (large, stream, small_form(), small_form())
        measured = [client.transcribe(form) for form in forms]
        client.close()
    assert [cause(one) for one in measured] == ["", "", "overload", ""]
    assert [one.text for one in measured] == ["Hello World.", "Hello World.", "", "Hello World."]
    assert measured[-1].reconnects == 1
    assert seen[0].endswith(large.body)
    assert in_order(measured[0], "begun", "sent", "headers", "done")


@pytest.mark.parametrize("wrong", ["root", "name", "plain"])
def test_tls_checks_whom_it_talks_to(small_form: MakeForm, tmp_path: Path, wrong: str) -> None:
    """An unknown root, another host's certificate, and a server without TLS are refused."""
    tls = Tls(tmp_path, "example.org" if wrong == "name" else "127.0.0.1")
    roots = None if wrong == "root" else tls.roots
    turn = tls.turn(answering(ANSWER))
    if wrong == "plain":
        turn = lambda connection: connection.sendall(ANSWER)  # noqa: E731
    with listening(turn) as port:
        client = TranscriptionClient(f"https://127.0.0.1:{port}/v1", roots=roots)
        measured = client.transcribe(small_form())
        client.close()
    assert cause(measured) == "tls"
    assert measured.detail


def test_a_killed_request_drops_its_connection(small_form: MakeForm) -> None:
    """A greenlet that is killed within a request ends at once, and the server sees the end."""
    import gevent

    closed = threading.Event()
    asked = threading.Event()

    def turn(connection: socket.socket) -> None:
        read_request(connection)
        asked.set()
        closed_by_client(connection)
        closed.set()

    with listening(turn) as port:
        client = TranscriptionClient(f"http://127.0.0.1:{port}/v1")
        request = gevent.spawn(client.transcribe, small_form())
        while not asked.is_set():
            gevent.sleep(0.001)
        request.kill()
        assert closed.wait(10)
        assert isinstance(request.value, gevent.GreenletExit)
