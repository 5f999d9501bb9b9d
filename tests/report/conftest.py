"""A realistic run of the vllm profile: passes, failures, warnings, cases, notes and exchanges."""

import hashlib
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from soundcheck.report.run import (
    Cost,
    Costs,
    Dialect,
    Result,
    Run,
    Selection,
    Target,
    Tool,
    count_requirements,
    save_run,
)

BASE = "http://127.0.0.1:41234/v1"
NINE = ("flac", "mp3", "mp4", "mpeg", "mpga", "m4a", "ogg", "wav", "webm")
CLAIMS = {
    "name": "vllm",
    "title": "vLLM's transcription server",
    "requirements": "vllm",
    "dialect": "vllm",
    "limits": {"accepted_bytes": 25_000_000, "refused_bytes": 26_214_401},
    "levels": {"formats/eight-khz": "MUST"},
    "models": [{"pattern": "*whisper*", "capabilities": ["streaming", "text"]}],
}


def digest(name: str) -> str:
    return hashlib.sha256(name.encode()).hexdigest()[:16]


def exchange(name: str, *, clip: str = "sentence.wav", **changes: Any) -> dict[str, Any]:
    """Return an exchange document; ``changes`` replace members of request, response or others."""
    text = json.dumps({"text": "She put the kettle on.", "usage": {"seconds": 4}})
    document: dict[str, Any] = {
        "schema": "soundcheck/exchange/1",
        "digest": digest(name),
        "lane": "shared",
        "attempts": 1,
        "started": "2026-11-22T11:49:50Z",
        "request": {
            "method": "POST",
            "url": f"{BASE}/audio/transcriptions",
            "headers": [
                ["host", "127.0.0.1:41234"],
                ["accept", "application/json"],
                ["authorization", "[redacted]"],
                ["content-type", "multipart/form-data; boundary=soundcheck-5b1f"],
                ["content-length", "120455"],
            ],
            "parts": [
                {"name": "model", "value": "whisper-large-v3"},
                {"name": "response_format", "value": "verbose_json"},
                {
                    "name": "file",
                    "filename": clip,
                    "content_type": "audio/wav",
                    "clip": clip,
                    "sha256": hashlib.sha256(clip.encode()).hexdigest(),
                    "size": 120044,
                    "duration_s": 3.75,
                },
            ],
            "body_bytes": 120455,
        },
        "response": {
            "status": 200,
            "reason": "OK",
            "headers": [
                ["date", "Sun, 22 Nov 2026 11:49:50 GMT"],
                ["server", "uvicorn"],
                ["content-type", "application/json"],
                ["content-length", str(len(text))],
            ],
            "body": {"text": text},
            "chunks": [[0.0213, len(text)]],
        },
        "timing": {"sent_s": 0.0011, "headers_s": 0.0209, "done_s": 0.0213},
        "error": None,
    }
    for key in changes.keys() & {"response", "error", "attempts"}:
        document[key] = changes.pop(key)
    body = changes.pop("body", None)
    if body is not None:
        document["response"]["body"] = {"text": body} if isinstance(body, str) else body
    if changes:
        document["response"].update(changes)
    return document


def verbose(duration: object) -> str:
    return json.dumps(
        {
            "task": "transcribe",
            "language": "en",
            "duration": duration,
            "text": "She put the kettle on and waited by the window.",
            "segments": [{"id": 0, "start": 0.0, "end": 3.7, "text": "She put the kettle on"}],
        }
    )


EXCHANGES: dict[str, dict[str, Any]] = {
    "verbose": exchange("verbose", body=verbose("3.75")),
    "json": exchange("json"),
    "models": exchange("models", body='{"object": "list", "data": [{"id": "whisper-large-v3"}]}'),
    "webm": exchange(
        "webm",
        clip="sentence.webm",
        status=500,
        reason="Internal Server Error",
        body='{"error": {"message": "Internal Server Error", "type": "InternalServerError"}}',
    ),
    "m4a": exchange(
        "m4a",
        clip="sentence.m4a",
        response=None,
        attempts=3,
        error={"kind": "reset", "message": "the server closed the connection after 65,536 bytes"},
    ),
    **{extension: exchange(extension, clip=f"sentence.{extension}") for extension in NINE[:5]},
}


INSPECTION: dict[str, Any] = {
    "scheme": "https",
    "host": "api.example",
    "port": 443,
    "loopback": False,
    "at": "2026-11-22T19:04:58+00:00",
    "server_name": "api.example",
    "connections": 25,
    "secure": True,
    "problem": "",
    "version": "TLS 1.3",
    "suite": "TLS_AES_256_GCM_SHA384",
    "versions": [
        {"name": "TLS 1.3", "accepted": True, "suite": "AES_256_GCM_SHA384"},
        {"name": "TLS 1.0", "accepted": False, "suite": ""},
        {"name": "SSL 3.0", "accepted": None, "suite": ""},
    ],
    "weak_suites": [],
    "static_suites": None,
    "groups": ["x25519", "secp256r1"],
    "groups_version": "TLS 1.3",
    "weak_groups": [],
    "dh_bits": 1024,
    "compression": "null",
    "renegotiation_info": True,
    "chain": [
        {
            "subject": "CN=api.example",
            "issuer": "CN=Root",
            "not_before": "2026-10-23T19:04:57+00:00",
            "not_after": "2026-12-22T19:04:57+00:00",
            "names": ["api.example"],
            "key": "EC",
            "key_bits": 256,
            "curve": "secp256r1",
            "signature": "sha256",
            "self_signed": False,
            "problem": "",
        },
    ],
    "trusted": True,
    "in_time": False,
    "chain_problem": "certificate has expired",
    "name_matches": None,
    "status": 200,
    "hsts": None,
    "plain": [{"port": 80, "kind": "http", "status": 301, "location": "https://api.example/"}],
}
"""What a look at an endpoint's TLS found."""

TAPPED: dict[str, Any] = {
    "hops": [
        {
            "connection": 1,
            "at": 0.01,
            "tls": {"version": "TLSv1.2", "cipher": "ECDHE-RSA-X", "server_name": None},
            "request": {
                "start": "POST /v1/audio/transcriptions HTTP/1.1",
                "headers": [["x-note", "<b>markup</b>"]],
                "body": "",
                "size": 70_000,
                "complete": True,
            },
            "response": None,
            "changed": "flip a bit of the file's tag",
            "problem": "",
            "leaks": [
                {
                    "canary": "prompt",
                    "encoding": "raw",
                    "place": "request head",
                    "offset": 20,
                    "dump": "00000000  3c736372 6970743e  <script>",
                }
            ],
            "sealed": [
                {
                    "direction": "request",
                    "name": "file",
                    "secret_id": "A" * 43 + "=",
                    "nonce": "0b" * 12,
                    "iv": "1c" * 12,
                    "size": 34_000,
                }
            ],
        }
    ]
}
"""What a tap saw: one hop with a sealed file, and a prompt that leaked."""


def _result(identity: str, verdict: Any, rule: str, source: str, **more: Any) -> Result:
    more.setdefault("level", {"warn": "SHOULD", "info": "MAY"}.get(verdict, "MUST"))
    area = identity.split("/")[0]
    names = more.pop("exchanges", ("json",))
    return Result(
        id=identity,
        area=area,
        verdict=verdict,
        rule=rule,
        source=source,
        test=f"conformance/test_{area}.py::test_{identity.split('/')[1].replace('-', '_')}",
        exchanges=tuple(digest(name) for name in names),
        duration_s=0.0042,
        **more,
    )


def _results() -> tuple[Result, ...]:
    absent = "the profile does not claim the capability word-times for whisper-large-v3"
    return (
        _result(
            "schema/json-text",
            "pass",
            "A successful json answer is a JSON object with a string text.",
            "OAS CreateTranscriptionResponseJson",
            draft=("STT-SCHEMA-001",),
        ),
        _result(
            "schema/json-is-default",
            "pass",
            "Without response_format the answer is the same as with json.",
            "OAS AudioResponseFormat",
            draft=("STT-SCHEMA-003",),
        ),
        _result(
            "schema/verbose-duration-number",
            "fail",
            "The duration in a verbose_json answer is a JSON number, not quoted text.",
            "OAS CreateTranscriptionResponseVerboseJson; vllm-project/vllm#49068",
            exchanges=("verbose", "json"),
            draft=("STT-SCHEMA-009",),
            message='"duration" is the string "3.75"; expected a JSON number.\n'
            "Typed clients reject the whole answer.",
        ),
        _result(
            "schema/segments-inside-audio",
            "warn",
            "The last segment ends no later than half a second after the audio.",
            "OAS TranscriptionSegment",
            exchanges=("verbose",),
            draft=("STT-SCHEMA-016",),
            message="the last segment ends at 30.0 s; the audio is 3.75 s long",
        ),
        _result(
            "schema/extra-members",
            "info",
            "Members beyond the schema are tolerated and reported.",
            "tolerant reader",
            message="one member beyond the schema: x_request_id",
        ),
        _result(
            "schema/words-complete",
            "not-applicable",
            "Each word has its text and times, in order, and the words rebuild the text.",
            "OAS TranscriptionWord",
            exchanges=(),
            message=absent,
        ),
        _result(
            "schema/word-times-inside",
            "not-applicable",
            "Word times lie inside the audio.",
            "OAS TranscriptionWord",
            exchanges=(),
            message=absent,
        ),
        *(
            _result(
                "formats/accepted-by-content",
                {"webm": "fail", "m4a": "error"}.get(extension, "pass"),
                "Each of the nine documented formats is recognised from its content "
                "and transcribed.",
                "OAS CreateTranscriptionRequest.file",
                case=extension,
                level="MUST",
                exchanges=(extension,) if extension in EXCHANGES else ("json",),
                message={
                    "webm": "status 500 for sentence.webm, 200 for the same speech as "
                    "sentence.wav; expected 200 and text",
                    "m4a": "no answer in 3 attempts: connection reset",
                }.get(extension, ""),
            )
            for extension in NINE
        ),
        _result(
            "formats/long-name",
            "not-selected",
            "A file name of 255 characters changes nothing.",
            "RFC 7578",
            exchanges=(),
            effort="full",
            message="needs --effort full",
        ),
        _result(
            "formats/eight-khz",
            "waived",
            "Speech sampled at 8 kHz is transcribed.",
            "OAS CreateTranscriptionRequest.file",
            message="empty text; waived until 2027-01-31: telephone audio is resampled upstream",
        ),
        _result(
            "models/listed",
            "pass",
            "The model that is checked is in the list of models.",
            "OAS listModels",
            exchanges=("models",),
        ),
        _result(
            "models/unknown-is-404",
            "untestable",
            "A model that does not exist is refused with 404 and the error envelope.",
            "V33 serving models",
            exchanges=(),
            message="needs an exchange that was not made: the cap of 40 requests was reached",
        ),
    )


def build_run(**changes: Any) -> Run:
    """Return the sample run, with ``changes`` to its members; counts follow the results."""
    results = changes.pop("results", None)
    results = _results() if results is None else tuple(results)
    members: dict[str, Any] = {
        "tool": Tool(version="0.1.0", python="3.11.7"),
        "target": Target(
            base_url=BASE,
            model="whisper-large-v3",
            profile="vllm",
            name="staging",
            api_key_env="STAGING_KEY",
        ),
        "profile": "vllm",
        "effort": "quick",
        "dialect": Dialect("vllm", "vllm"),
        "started": "2026-11-22T11:49:48Z",
        "duration_s": 12.34,
        "verdict": "nonconformant",
        "counts": count_requirements(results),
        "cost": Costs(Cost(44, 3.4, 9123456), Cost(41, 3.1, 8123456)),
        "results": results,
        "notes": ("2 of 41 requests needed another attempt",),
        "claims": CLAIMS,
        "selection": Selection(),
    }
    return Run(**members | changes)


def write_folder(folder: Path, run: Run) -> Path:
    """Write ``run`` and the sample exchanges to ``folder``."""
    save_run(folder, run)
    (folder / "exchanges").mkdir(exist_ok=True)
    for document in EXCHANGES.values():
        path = folder / "exchanges" / f"{document['digest']}.json"
        path.write_text(json.dumps(document), encoding="utf-8")
    return folder


@pytest.fixture(scope="session")
def make_run() -> Callable[..., Run]:
    """Return the function that builds the sample run and runs that differ from it."""
    return build_run


@pytest.fixture(scope="session")
def make_exchange() -> Callable[..., dict[str, Any]]:
    """Return the function that builds exchange documents."""
    return exchange


@pytest.fixture(scope="session")
def tapped() -> dict[str, Any]:
    """Return what a tap saw, as an exchange holds it: not to be changed."""
    return TAPPED


@pytest.fixture(scope="session")
def inspection() -> dict[str, Any]:
    """Return what a look at an endpoint's TLS found, as an exchange holds it: not to be changed."""
    return INSPECTION


@pytest.fixture(scope="session")
def make_result() -> Callable[..., Result]:
    """Return the function that builds a passed requirement and results that differ from it."""

    def build(**changes: Any) -> Result:
        plain = {"id": "a/b", "area": "a", "level": "MUST", "verdict": "pass", "source": "OAS"}
        return Result(**{**plain, "rule": "A rule.", **changes})

    return build


@pytest.fixture
def run_folder(tmp_path: Path) -> Path:
    """Return a folder with the sample run and its exchanges, without reports."""
    return write_folder(tmp_path / "run", build_run())
