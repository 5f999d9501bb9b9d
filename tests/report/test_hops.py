"""What a tap recorded is laid out hop by hop, bounded, whatever a proxy or an API sent."""

import base64
import json
from typing import Any

import pytest

from soundcheck.report.hops import laid_out

SECRET_ID = "A" * 43 + "="
ENVELOPE = f'"{SECRET_ID}:{"0b" * 12}:{"1c" * 12}:{"2d" * 21}"'
FORM = "multipart/form-data; boundary=xyz"


def message(start: str, body: bytes | str, kind: str, **changes: Any) -> dict[str, Any]:
    data = body.encode() if isinstance(body, str) else body
    return {
        "start": start,
        "headers": [["content-type", kind], ["authorization", "[redacted]"]],
        "body": base64.b64encode(data).decode(),
        "size": len(data),
        "complete": True,
    } | changes


def hop(**changes: Any) -> dict[str, Any]:
    return {
        "connection": 3,
        "at": 0.25,
        "tls": {"version": "TLSv1.3", "cipher": "TLS_AES_128_GCM_SHA256", "server_name": "api.x"},
        "request": None,
        "response": None,
        "changed": "",
        "problem": "",
        "leaks": [],
        "sealed": [],
    } | changes


def part(name: str, value: str) -> str:
    return f'--xyz\r\nContent-Disposition: form-data; name="{name}"\r\n\r\n{value}\r\n'


def test_each_value_of_a_form_is_sealed_or_clear() -> None:
    """Fields have their name, size and what can be read: text, or an envelope's public parts."""
    file = 'Content-Disposition: form-data; filename="file"; name="file"\r\n\r\n'
    body = part("model", "whisper") + part("prompt", ENVELOPE) + f"--xyz\r\n{file}{ENVELOPE}\r\n"
    request = message("POST /v1/audio/transcriptions HTTP/1.1", body + "--xyz--\r\n", FORM)
    [shown] = laid_out({"hops": [hop(request=request)]}).shown
    assert shown.request is not None
    assert [(one.name, one.state, one.size) for one in shown.request.values] == [
        ("model", "clear", "7 B"),
        ("prompt", "sealed", "21 B"),
        ("file", "sealed", "21 B"),
    ]
    assert shown.request.values[0].told == "whisper"
    assert shown.request.values[1].told == "IV 1c1c1c1c…, nonce 0b0b0b0b…, secret AAAAAAAA…"
    assert shown.request.start == "POST /v1/audio/transcriptions HTTP/1.1"
    assert ("authorization", "[redacted]") in shown.request.headers
    assert (
        shown.connection
        == "after 250 ms, connection 3, TLSv1.3 with TLS_AES_128_GCM_SHA256, for api.x"
    )


def test_members_of_json_and_of_events_are_told_apart() -> None:
    """A sealed member is known with or without its event; the end marker is clear."""
    sealed = json.loads(ENVELOPE)
    answer = message(
        "HTTP/1.1 200 OK", json.dumps({"text": sealed, "usage": {"n": 1}}), "application/json"
    )
    stream = message(
        "HTTP/1.1 200 OK",
        f"data: {json.dumps({'delta': sealed})}\n\ndata: [DONE]\n\n",
        "text/event-stream; charset=utf-8",
    )
    whole, events = laid_out({"hops": [hop(response=answer), hop(response=stream)]}).shown
    assert whole.response is not None
    assert events.response is not None
    assert [(one.name, one.state) for one in whole.response.values] == [
        ("text", "sealed"),
        ("usage", "clear"),
    ]
    assert whole.response.values[1].told == '{"n": 1}'
    assert [(one.name, one.state, one.told[:6]) for one in events.response.values] == [
        ("event 0: delta", "sealed", "IV 1c1"),
        ("event 1", "clear", "[DONE]"),
    ]


def test_of_a_body_that_was_not_kept_the_envelopes_are_shown() -> None:
    """Name, size, IV and nonce are there for both directions, each under its message."""
    envelope = {"secret_id": SECRET_ID, "nonce": "0b" * 12, "iv": "1c" * 12, "size": 50_000_000}
    sealed = [
        envelope | {"direction": "request", "name": "file"},
        envelope | {"direction": "response", "name": "text", "size": 40},
    ]
    request = message("POST /x HTTP/1.1", b"", FORM, size=100_000_000)
    response = message("HTTP/1.1 200 OK", b"", "application/json", size=99, complete=False)
    [shown] = laid_out({"hops": [hop(request=request, response=response, sealed=sealed)]}).shown
    assert shown.request is not None
    assert shown.response is not None
    assert [(one.name, one.size) for one in shown.request.values] == [("file", "47.7 MiB")]
    assert [(one.name, one.size) for one in shown.response.values] == [("text", "40 B")]
    assert shown.request.note == "95.4 MiB, of the body only the envelopes were kept"
    assert shown.response.note.startswith("99 B, broken off")


def test_a_leak_is_shown_with_its_bytes() -> None:
    """What leaked, how it was written and where stand above the dump, which is bounded."""
    leak = {
        "canary": "prompt",
        "encoding": "base64",
        "place": "request head",
        "offset": 1234,
        "dump": "00000000  7365 6372\n" * 500,
    }
    found = laid_out({"hops": [hop(leaks=[leak] * 50)]})
    assert found.summary == "1 hop, 0 sealed values, 50 leaks"
    [shown] = found.shown
    assert shown.leaks[0].sentence == "prompt readable (base64) in the request head, at byte 1,234"
    assert shown.leaks[0].dump.startswith("00000000  7365 6372\n")
    assert len(shown.leaks) == 6
    assert shown.more == "and 44 more leaks in the file"
    assert sum(len(one.dump) for one in shown.leaks) < 10_000


def test_hops_in_which_something_happened_have_room_first() -> None:
    """Of many hops those with a change, a problem, a leak or no TLS are shown, in their order."""
    dull = [hop() for _ in range(100)]
    dull[40] = hop(changed="flip a bit of the file's tag")
    dull[70] = hop(tls=None, problem="the proxy refused TLS: unknown ca")
    found = laid_out({"hops": dull})
    assert found.summary == "100 hops, 0 sealed values, no canary readable"
    assert found.more == "and 94 more hops in the file"
    assert found.shown[-2].changed == "flip a bit of the file's tag"
    assert found.shown[-1].problem == "the proxy refused TLS: unknown ca"
    assert found.shown[-1].connection.endswith("no TLS was agreed")
    plain = hop(tls=None, request=message("POST / HTTP/1.1", "", ""))
    [shown] = laid_out({"hops": [plain]}).shown
    assert shown.connection.endswith("connection 3, without TLS")


@pytest.mark.parametrize(
    ("kind", "body"),
    [
        (FORM, b"--xyz"),
        (FORM, b"\xff" * 4000),
        ("multipart/form-data", b"--xyz\r\n\r\nx"),
        ("application/json", b"[" * 100_000),
        ("application/json", b'{"\\ud800": "\\ud800"}'),
        ("text/event-stream", b"data: {\n\ndata:\n\n: x\n"),
        ("", b"\0\x1b[31m\xe2\x80\xae" * 999),
        ("text/event-stream", b'data: {"a": 1}\n\n' * 9999),
    ],
)
def test_odd_bodies_are_shown_in_bounds(kind: str, body: bytes) -> None:
    """Whatever a body holds, some lines tell of it, and nothing in them acts on a display."""
    [shown] = laid_out({"hops": [hop(request=message("POST / HTTP/1.1", body, kind))]}).shown
    assert shown.request is not None
    values = shown.request.values
    assert len(values) <= 16
    assert all(len(one.name) + len(one.told) <= 200 for one in values)
    assert not any(character in one.told for one in values for character in "\x1b\0\u202e")
