"""An exchange is shown as far as it helps: beginnings with sizes, and problems as sentences."""

import base64
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from soundcheck.report.evidence import BODY_SHOWN, Evidence, load_evidence
from soundcheck.report.run import Target

TARGET = Target(base_url="http://x/v1", model="whisper-large-v3", profile="p", api_key_env="KEY")
MakeExchange = Callable[..., dict[str, Any]]


def evidence(folder: Path, document: object) -> Evidence:
    (folder / "exchanges").mkdir(exist_ok=True)
    (folder / "exchanges" / f"{'0' * 16}.json").write_text(json.dumps(document))
    return load_evidence(folder, "0" * 16, TARGET)


def test_an_exchange_says_what_was_asked_and_answered(
    tmp_path: Path, make_exchange: MakeExchange
) -> None:
    """Request line, parts, status, size, type and times are told."""
    shown = evidence(tmp_path, make_exchange("json"))
    assert shown.line == "POST /v1/audio/transcriptions"
    assert shown.gist == "response_format=verbose_json, sentence.wav"
    assert shown.answer == "200 OK, 59 B application/json"
    assert shown.status == "200 OK"
    assert shown.times == "sent 1.1 ms, headers 21 ms, done 21 ms"
    assert ("authorization", "[redacted]") in shown.headers
    assert ("response_format", "verbose_json") in shown.parts
    assert shown.parts[-1][1].startswith("sentence.wav, audio/wav, 117.2 KiB, 3.8 s, sha256 ")
    assert shown.body.startswith('{"text"')
    assert shown.body_note == ""
    assert "$KEY" in shown.curl


def test_forms_are_told_apart_by_what_they_hold(
    tmp_path: Path, make_exchange: MakeExchange
) -> None:
    """Another model, blanks at an end and another file name are seen at a glance."""
    document = make_exchange("json")
    document["request"]["parts"][0]["value"] = "whisper-large-v3 "
    document["request"]["parts"][2]["filename"] = "audio.bin"
    shown = evidence(tmp_path, document)
    assert shown.gist == (
        "model='whisper-large-v3 ', response_format=verbose_json, sentence.wav as audio.bin"
    )


def test_a_large_body_is_cut_and_its_size_stated(
    tmp_path: Path, make_exchange: MakeExchange
) -> None:
    """A megabyte shows its beginning and says how much that is."""
    shown = evidence(tmp_path, make_exchange("json", body="ä" * 2**19))
    assert shown.body == "ä" * BODY_SHOWN
    assert shown.body_note == "the first 3.9 KiB of 1.0 MiB"
    assert "1.0 MiB" in shown.answer


def test_bytes_that_are_no_text_show_as_escapes(
    tmp_path: Path, make_exchange: MakeExchange
) -> None:
    """A body that is not UTF-8 is legible where it can be, and exact where it cannot."""
    body = b'{"text": "\xff\xc3"}'
    shown = evidence(
        tmp_path, make_exchange("json", body={"base64": base64.b64encode(body).decode()})
    )
    assert shown.body == '{"text": "\\xff\\xc3"}'


def test_a_cut_inside_a_character_invents_no_bad_byte(
    tmp_path: Path, make_exchange: MakeExchange
) -> None:
    """The excerpt of a body in bytes ends before a character that the cut divides."""
    body = b"\xff" + "ä".encode() * BODY_SHOWN
    shown = evidence(
        tmp_path, make_exchange("json", body={"base64": base64.b64encode(body).decode()})
    )
    assert shown.body.count("\\x") == 1
    assert shown.body.endswith("ä")


def test_a_failed_connection_says_how_it_failed(
    tmp_path: Path, make_exchange: MakeExchange
) -> None:
    """Without an answer the error stands in the answer's place, with the attempts made."""
    error = {"kind": "reset", "message": "closed after 3 bytes"}
    shown = evidence(tmp_path, make_exchange("json", response=None, error=error, attempts=3))
    assert shown.status == "no answer; reset: closed after 3 bytes"
    assert shown.times.endswith("3 attempts")


def test_an_early_answer_says_how_much_was_sent(
    tmp_path: Path, make_exchange: MakeExchange
) -> None:
    """Bytes sent by the time of the answer, and interim answers, are told where recorded."""
    document = make_exchange("json", interim=[[100, 0.0103], [199, 2]])
    document["request"] |= {"sent_bytes": 1_048_576, "body_bytes": 60_000_000}
    shown = evidence(tmp_path, document)
    assert shown.progress == "answered after 1,048,576 of 60,000,000 bytes"
    assert shown.interim == ("100 Continue after 10 ms", "199 after 2.0 s")
    document["request"]["sent_bytes"] = 60_000_000
    assert evidence(tmp_path, document).progress == "answered after all 60,000,000 bytes"
    document["response"] = None
    assert evidence(tmp_path, document).progress == "no answer after all 60,000,000 bytes"
    document["request"]["sent_bytes"] = None
    assert evidence(tmp_path, document).progress == ""


def test_a_content_that_is_no_form_is_shown(tmp_path: Path, make_exchange: MakeExchange) -> None:
    """A body of JSON stands under the request, cut like any body."""
    document = make_exchange("json")
    document["request"] |= {"parts": [], "body": '{"model": 1}' + " " * 5000}
    shown = evidence(tmp_path, document)
    assert shown.content.startswith('{"model": 1}')
    assert shown.content_note == "the first 2.0 KiB of 4.9 KiB"


def test_a_form_that_is_wrong_on_purpose_is_shown_so(
    tmp_path: Path, make_exchange: MakeExchange
) -> None:
    """How it was put together stands first, and crafted parts show their heads."""
    document = make_exchange("json")
    file = next(part for part in document["request"]["parts"] if "clip" in part)
    head = 'Content-Disposition: form-data; name="file"'
    crafted = file | {"head": head, "before": "<", "after": "", "filename": None}
    odd = {"name": "odd", "value": "\\x00", "head": "X: 1"}
    document["request"] |= {"parts": [odd, crafted], "frame": {"line": "\\n", "final": "False"}}
    shown = evidence(tmp_path, document).parts
    assert shown[0] == ("put together with", r'line "\n", final "False"')
    assert shown[1] == ("odd", r"X: 1: \x00")
    assert shown[2][1].startswith(f"{head}: clip {file['clip']}, ")
    assert shown[2][1].endswith(", before it <")


def test_an_event_stream_is_laid_out_as_frames(tmp_path: Path, make_exchange: MakeExchange) -> None:
    """By its media type, whatever its case and parameters; other answers have no frames."""
    stream = {"body": "data: a\n\n", "chunks": [[0.5, 9]]}
    headers = [["Content-Type", "Text/Event-Stream; charset=utf-8"]]
    shown = evidence(tmp_path, make_exchange("json", headers=headers, **stream))
    assert shown.frames is not None
    assert [frame.data for frame in shown.frames.first] == ["a"]
    assert evidence(tmp_path, make_exchange("json", **stream)).frames is None


def test_only_a_broken_deployment_is_trouble(tmp_path: Path, make_exchange: MakeExchange) -> None:
    """An answer of 5xx or a failed connection is trouble, a refusal is none."""
    assert evidence(tmp_path, make_exchange("json", status=404)).trouble == ""
    assert evidence(tmp_path, make_exchange("json", status=503)).trouble == "503 OK"
    error = {"kind": "timeout", "message": "after 30 s"}
    assert evidence(tmp_path, make_exchange("json", error=error)).trouble == "timeout: after 30 s"


def test_headers_without_end_are_limited(tmp_path: Path, make_exchange: MakeExchange) -> None:
    """Many or very long headers do not fill the page; what is left out is counted."""
    headers = [[f"x-{number}", "v" * 10_000] for number in range(500)]
    shown = evidence(tmp_path, make_exchange("json", headers=headers))
    assert sum(len(value) for _, value in shown.answer_headers) < 10_000
    assert shown.answer_headers[0][1].endswith("(10,000 characters)")
    assert shown.answer_headers[-1] == ("…", "and 476 more")


@pytest.mark.parametrize(
    "damage",
    [
        {"request": None},
        {"request": {}},
        {"response": {"status": 200}},
        {
            "response": {
                "status": 200,
                "reason": "OK",
                "headers": [["content-type", "text/event-stream"]],
                "body": {"text": "data: x"},
                "chunks": [[1]],
            }
        },
        {"timing": {"sent_s": "x", "headers_s": 1, "done_s": 1}},
    ],
)
def test_a_damaged_exchange_is_a_sentence(
    tmp_path: Path, make_exchange: MakeExchange, damage: dict[str, Any]
) -> None:
    """A file that breaks the schema is named and does not stop the report."""
    shown = evidence(tmp_path, make_exchange("json") | damage)
    assert shown.problem == f"exchanges/{'0' * 16}.json: is damaged: it breaks the schema"


def test_an_exchange_that_is_missing_or_foreign_is_a_sentence(tmp_path: Path) -> None:
    """A missing or foreign file is named, relative to the run's folder."""
    missing = load_evidence(tmp_path, "1" * 16, TARGET)
    assert missing.problem == f"exchanges/{'1' * 16}.json: there is no such file"
    assert "is no Soundcheck exchange" in (evidence(tmp_path, []).problem or "")


def test_what_was_no_request_has_no_curl_line(
    tmp_path: Path,
    make_exchange: MakeExchange,
    tapped: dict[str, Any],
    inspection: dict[str, Any],
) -> None:
    """A look at the target's TLS, and at all that a tap saw, say what they are, and what it was."""
    document = make_exchange("json", response=None) | {"tapped": tapped}
    document["request"] |= {"method": "TAP", "parts": [], "headers": []}
    shown = evidence(tmp_path, document)
    assert (shown.problem, shown.curl, shown.headers) == (None, "", ())
    assert shown.line == "all that the tap saw"
    assert shown.answer == "1 hop, 1 sealed value, 1 leak"
    document = make_exchange("json", response=None)
    document["request"] |= {"method": "TLS", "parts": [], "headers": []}
    document["inspection"] = inspection
    shown = evidence(tmp_path, document)
    assert (shown.line, shown.curl) == ("TLS of api.example:443", "")
    assert shown.answer == "TLS 1.3 with TLS_AES_256_GCM_SHA384"
    assert ("Strict-Transport-Security", "none") in shown.inspection
    error = {"kind": "refused", "message": "nobody listens"}
    shown = evidence(tmp_path, document | {"inspection": None, "error": error})
    assert shown.answer == "refused: nobody listens"


def test_what_a_tap_saw_meanwhile_stands_beside_the_answer(
    tmp_path: Path, make_exchange: MakeExchange, tapped: dict[str, Any]
) -> None:
    """An exchange through a tap has its hops; one without a tap has none."""
    shown = evidence(tmp_path, make_exchange("json") | {"tapped": tapped})
    assert shown.answer == "200 OK, 59 B application/json"
    assert shown.hops is not None
    assert shown.hops.summary == "1 hop, 1 sealed value, 1 leak"
    assert evidence(tmp_path, make_exchange("json") | {"tapped": None}).hops is None
    damaged = evidence(tmp_path, make_exchange("json") | {"tapped": {"hops": [{}]}})
    assert damaged.problem is not None
    assert "is damaged" in damaged.problem


def test_what_was_sent_before_on_the_connection_is_told(
    tmp_path: Path, make_exchange: MakeExchange
) -> None:
    """Earlier steps are a line each, and an announced end is not held against the deployment."""
    document = make_exchange("kept")
    step = {name: document[name] for name in ("request", "response", "timing")}
    document["earlier"] = [step]
    document["request"] = document["request"] | {"sender": "the raw sender, one connection"}
    shown = evidence(tmp_path, document)
    assert shown.sender == "the raw sender, one connection"
    told = "response_format=verbose_json, sentence.wav → 200 OK"
    assert shown.earlier == (f"POST /v1/audio/transcriptions {told}",)
    assert "--next" in shown.curl
    ended = evidence(tmp_path, document | {"response": None})
    assert ended.answer == "not sent: the answer before it ended the connection"


def test_a_client_that_left_is_no_failure_of_the_deployment(
    tmp_path: Path, make_exchange: MakeExchange
) -> None:
    """It is told what the client was doing, in the place of a missing answer."""
    document = make_exchange("json") | {"left": "waiting", "response": None}
    shown = evidence(tmp_path, document)
    assert (shown.answer, shown.trouble) == ("left while waiting", "")
    reading = evidence(tmp_path, make_exchange("json") | {"left": "reading"})
    assert reading.answer == "left while reading, at 200 OK"


def test_who_came_to_a_place_is_told(tmp_path: Path, make_exchange: MakeExchange) -> None:
    """A visit to the place that a file names stands with the answer, on one line."""
    document = make_exchange("json") | {"visits": ["GET /a HTTP/1.1\nby Lavf/61"]}
    told = "the place that the file names was asked: GET /a HTTP/1.1"
    assert told in evidence(tmp_path, document).answer
    assert told not in evidence(tmp_path, document | {"visits": []}).answer
