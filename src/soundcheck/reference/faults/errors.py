"""Faults of refusals: their form, what they show, what is done in their place (area ERRORS)."""

import json
from collections.abc import Callable
from dataclasses import replace
from typing import Any

from soundcheck.reference.faults.hooks import Call, Fault, Registry, Reply
from soundcheck.reference.refusal import Kind
from soundcheck.reference.upload import Form

FAULTS = Registry(Fault)

_PLAIN = "text/plain; charset=utf-8"

# -- the envelope -------------------------------------------------------------------------------


@FAULTS.error("error-status-200", "Errors come with status 200.")
def _(reply: Reply, call: Call) -> Reply:
    return replace(reply, status=200)


@FAULTS.error("error-plain-text", "Errors are plain text.")
def _(reply: Reply, call: Call) -> Reply:
    return replace(reply.with_text(_message(reply)), media_type=_PLAIN) if _error(reply) else reply


@FAULTS.error("error-html", "Errors are web pages.")
def _(reply: Reply, call: Call) -> Reply:
    page = f"<!doctype html><title>Error</title><h1>{reply.status}</h1>"
    return replace(reply.with_text(page), media_type="text/html; charset=utf-8")


@FAULTS.error("error-empty", "Errors have no body.")
def _(reply: Reply, call: Call) -> Reply:
    return reply.with_text("")


@FAULTS.error("error-mislabelled", "Errors are JSON that is called text.")
def _(reply: Reply, call: Call) -> Reply:
    return replace(reply, media_type=_PLAIN)


def _body(name: str, sentence: str, make: Callable[[dict[str, Any]], Any]) -> None:
    """Declare a fault that makes an error's body of its error object."""

    @FAULTS.error(name, sentence)
    def _(reply: Reply, call: Call) -> Reply:
        error = _error(reply)
        return reply if error is None else reply.with_text(json.dumps(make(error)))


_body("error-detail", "Errors have a detail in place of an error.", lambda e: {"detail": [e]})
_body("error-string", "An error is only a string.", lambda e: {"error": e.get("message")})
_body("error-bare", "The error's members stand at the top.", lambda e: e)


def _set(name: str, sentence: str, member: str, value: Any) -> None:
    """Declare a fault that sets ``member`` of every error (``...``: takes it out)."""

    @FAULTS.error(name, sentence)
    def _(reply: Reply, call: Call) -> Reply:
        error = _error(reply)
        if error is None:
            return reply
        error.pop(member, None)
        if value is not ...:
            error[member] = value
        return reply.with_text(json.dumps({"error": error}))


_set("error-message-null", "Errors have no words.", "message", None)
_set("error-type-missing", "Errors have no type.", "type", ...)
_set("error-type-empty", "The type of errors is empty.", "type", "")
_set("error-type-none", "The type of errors is the text None.", "type", "None")
_set("error-param-missing", "Errors have no param.", "param", ...)
_set("error-param-array", "The param of errors is an array.", "param", ["body", "file"])
_set("error-param-none", "The param of errors is the text None.", "param", "None")
_set("error-code-missing", "Errors have no code.", "code", ...)
_set("error-code-integer", "The code of errors is a number.", "code", 400)
_set("error-code-string", "The code of errors is a number as text.", "code", "400")
_set("error-code-other", "The code of errors is not their status.", "code", 5)
_set("error-code-null", "The code of errors is the text null.", "code", "null")


@FAULTS.error("error-unnamed", "Errors do not say which parameter is wrong.")
def _(reply: Reply, call: Call) -> Reply:
    return _with(reply, message="Something is wrong with the request.", param=None)


# -- what the message shows ---------------------------------------------------------------------


def _shows(name: str, sentence: str, secret: str) -> None:
    """Declare a fault that writes ``secret`` behind the message of every error."""

    @FAULTS.error(name, sentence)
    def _(reply: Reply, call: Call) -> Reply:
        return _with(reply, message=f"{_message(reply)} {secret}")


_shows(
    "error-traceback",
    "Errors have the stack trace in them.",
    'Traceback (most recent call last):\n  File "asr.py", line 12, in run\nValueError: bad request',
)
_shows(
    "error-command-line",
    "Errors show the command that failed.",
    "Command '['ffmpeg', '-i', 'upload.bin']' returned non-zero exit status 183.",
)
_shows("error-file-path", "Errors show where files lie.", "(/var/lib/asr/uploads/8f31c2.wav)")
_shows("error-host-name", "Errors show an inner address.", "(asr-0.asr.speech.svc.cluster.local)")
_shows("error-key", "Errors show the key of an inner service.", "(Bearer c0ffee00c0ffee00c0ffee)")


@FAULTS.error("error-reflects", "Errors repeat the request.")
def _(reply: Reply, call: Call) -> Reply:
    form = call.form or Form()
    return _with(reply, message=f"{_message(reply)} {dict(form.fields)}")


# -- what is done in place of a refusal ---------------------------------------------------------


def _instead(
    name: str,
    sentence: str,
    kind: Kind,
    change: Callable[[Reply], Reply],
    param: str | None = None,
) -> None:
    """Declare a fault that changes the refusals of one ``kind`` (and about ``param``, if given)."""

    @FAULTS.error(name, sentence)
    def _(reply: Reply, call: Call) -> Reply:
        concerns = call.route == "transcription" and call.refused is kind
        if concerns and param is not None:
            concerns = (_error(reply) or {}).get("param") == param
        return change(reply) if concerns else reply


def _status(status: int) -> Callable[[Reply], Reply]:
    return lambda reply: replace(reply, status=status)


def _success(body: str) -> Callable[[Reply], Reply]:
    return lambda reply: replace(reply.with_text(body), status=200)


def _limited(body: str, media_type: str, **headers: str) -> Callable[[Reply], Reply]:
    named = tuple((name.replace("_", "-"), value) for name, value in headers.items())
    return lambda reply: Reply(429, body.encode(), media_type, named)


_instead("missing-file-500", "No file gives status 500.", Kind.MISSING, _status(500), "file")
_instead("missing-model-500", "No model gives status 500.", Kind.MISSING, _status(500), "model")
_instead("bad-value-500", "A wrong value gives status 500.", Kind.INVALID, _status(500))
_instead("malformed-500", "What is no form gives status 500.", Kind.MALFORMED, _status(500))
_instead("malformed-503", "What is no form gives status 503.", Kind.MALFORMED, _status(503))
_instead("bad-audio-500", "Bad audio gives status 500.", Kind.UNDECODABLE, _status(500))
_instead(
    "bad-audio-dropped",
    "Bad audio ends the connection.",
    Kind.UNDECODABLE,
    lambda reply: replace(reply, action="reset"),
)
_instead(
    "bad-audio-invented",
    "Bad audio is given a text.",
    Kind.UNDECODABLE,
    _success('{"text": "Thank you."}'),
)
_instead(
    "bad-audio-empty-text",
    "Bad audio is given an empty text.",
    Kind.UNDECODABLE,
    _success('{"text": ""}'),
)
_instead(
    "bad-audio-empty-body",
    "Bad audio is given an empty success.",
    Kind.UNDECODABLE,
    _success(""),
)
_instead(
    "unknown-model-hangs",
    "An unknown model is never answered.",
    Kind.UNKNOWN_MODEL,
    lambda reply: replace(reply, action="hang"),
)

_TOO_MANY = '{"error": {"message": "Slow down.", "type": "requests", "param": null, "code": null}}'

_instead(
    "rate-limit-plain",
    "Rate limiting is told in plain text.",
    Kind.UNKNOWN_MODEL,
    _limited("Too Many Requests", _PLAIN),
)
_instead(
    "rate-limit-zero",
    "Rate limiting asks to come back in 0 s.",
    Kind.UNKNOWN_MODEL,
    _limited(_TOO_MANY, "application/json", retry_after="0"),
)
_instead(
    "rate-limit-soon",
    "Rate limiting asks to come back soon.",
    Kind.UNKNOWN_MODEL,
    _limited(_TOO_MANY, "application/json", retry_after="soon"),
)


# -- models for other tasks ---------------------------------------------------------------------

EMBEDDING_MODEL = "text-embedding-3-small"


def with_embedding_model(body: Any, call: Call) -> Any:
    """Return the list of models with one that cannot transcribe."""
    if call.route != "models":
        return body
    entry = {
        "id": EMBEDDING_MODEL,
        "object": "model",
        "created": 1_705_948_997,
        "owned_by": "soundcheck",
        "tasks": ["embed"],
    }
    return body | {"data": [*body["data"], entry]}


def _by_another(form: Form, call: Call) -> Form:
    asks = form.get("model") == EMBEDDING_MODEL
    return form.with_field("model", call.served[0]) if asks else form


def _not_implemented(reply: Reply, call: Call) -> Reply:
    asks = call.form is not None and call.form.get("model") == EMBEDDING_MODEL
    return replace(reply, status=501) if asks else reply


FAULTS.add(
    "embedding-model-accepted",
    "A model for embeddings is listed, and transcribes.",
    body=with_embedding_model,
    form=_by_another,
)
FAULTS.add(
    "embedding-model-501",
    "A model for embeddings is listed, and refused with status 501.",
    body=with_embedding_model,
    reply=_not_implemented,
)


def _error(reply: Reply) -> dict[str, Any] | None:
    """Return the error object of a refusal, None where another fault has left no such thing."""
    try:
        body = json.loads(reply.body)
    except ValueError:
        return None
    error = body.get("error") if isinstance(body, dict) else None
    return error if isinstance(error, dict) else None


def _message(reply: Reply) -> str:
    return str((_error(reply) or {}).get("message"))


def _with(reply: Reply, **members: Any) -> Reply:
    """Return the refusal with other ``members`` of its error; as it is if it has no such object."""
    error = _error(reply)
    return reply if error is None else reply.with_text(json.dumps({"error": error | members}))
