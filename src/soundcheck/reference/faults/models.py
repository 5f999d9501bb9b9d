"""Faults of the list of models and of the choice of one (area MODELS)."""

import json
from dataclasses import replace
from typing import Any

from soundcheck.reference.faults.hooks import Call, Fault, Registry, Reply
from soundcheck.reference.upload import Form

FAULTS = Registry(Fault)

_LIST = ("models",)
_LISTED = ("models", "model")


@FAULTS.reply("models-missing", "GET /models is not found.", on=_LIST)
def _(reply: Reply, call: Call) -> Reply:
    error = {"message": "Not Found", "type": "invalid_request_error", "param": None, "code": None}
    return replace(reply.with_text(json.dumps({"error": error})), status=404)


@FAULTS.reply("models-html", "GET /models answers a web page.", on=_LIST)
def _(reply: Reply, call: Call) -> Reply:
    page = "<!doctype html><title>Models</title><h1>Models</h1>"
    return replace(reply.with_text(page), media_type="text/html; charset=utf-8")


@FAULTS.body("models-not-list", "The list of models is a bare array.", on=_LIST)
def _(body: Any, call: Call) -> Any:
    return body["data"]


@FAULTS.body("models-object-wrong", "The list says it is a model.", on=_LIST)
def _(body: Any, call: Call) -> Any:
    return body | {"object": "models"}


def _entries(name: str, sentence: str, member: str, value: Any) -> None:
    """Declare a fault that sets ``member`` in every entry (``...``: takes it out)."""

    @FAULTS.body(name, sentence, on=_LIST)
    def _(body: Any, call: Call) -> Any:
        for entry in body["data"]:
            if value is ...:
                del entry[member]
            else:
                entry[member] = value
        return body


_entries("model-created-string", "created is a date in text.", "created", "2025-03-15T12:00:00Z")
_entries("model-created-fraction", "created has a fraction.", "created", 1_700_000_000.5)
_entries("model-object-wrong", "An entry's object is not model.", "object", "engine")
_entries("model-owner-missing", "Entries have no owned_by.", "owned_by", ...)
_entries("shutdown-date-a-number", "Models end at a Unix time.", "shutdown_date", 1_893_456_000)


@FAULTS.body("model-id-duplicate", "A model is listed twice.", on=_LIST)
def _(body: Any, call: Call) -> Any:
    return body | {"data": [*body["data"], dict(body["data"][0])]}


@FAULTS.body("model-not-listed", "The first model served is not listed.", on=_LIST)
def _(body: Any, call: Call) -> Any:
    return body | {"data": [one for one in body["data"] if one["id"] != call.served[0]]}


@FAULTS.body("no-tasks", "Models do not say what they are for.", on=_LISTED)
def _(body: Any, call: Call) -> Any:
    for entry in body.get("data", [body]):
        entry.pop("tasks", None)
    return body


@FAULTS.reply("listed-model-fails", "The last model listed answers with status 500.")
def _(reply: Reply, call: Call) -> Reply:
    if call.request is None or call.request.model.id != call.served[-1]:
        return reply
    error = {"message": "The model is not loaded.", "type": "server_error"}
    error_body = json.dumps({"error": error | {"param": None, "code": None}})
    return replace(reply.with_text(error_body), status=500, media_type="application/json")


@FAULTS.body("counts-tokens", "usage counts tokens, whatever the model.", on=("json",))
def _(body: Any, call: Call) -> Any:
    usage = {"type": "tokens", "input_tokens": 20, "output_tokens": 4, "total_tokens": 24}
    return body | {"usage": usage}


@FAULTS.error("diarizes-unasked", "A model that tells no speakers apart answers as if it did.")
def _(reply: Reply, call: Call) -> Reply:
    if call.form is None or call.form.get("response_format") != "diarized_json":
        return reply
    said = {"id": "0", "start": 0.0, "end": 1.0, "text": "Hello World.", "speaker": "A"}
    segments = [{"type": "transcript.text.segment"} | said]
    body = {"task": "transcribe", "duration": 1.0, "text": "Hello World.", "segments": segments}
    return replace(reply.with_text(json.dumps(body)), status=200)


@FAULTS.form("accepts-any-model", "The name of the model is ignored.")
def _(form: Form, call: Call) -> Form:
    if form.get("model") and form.get("model") not in call.served:
        return form.with_field("model", call.served[0])
    return form


@FAULTS.error("unknown-model-500", "An unknown model gives status 500.")
def _(reply: Reply, call: Call) -> Reply:
    unknown = call.route == "transcription" and reply.status == 404
    return replace(reply, status=500) if unknown else reply


@FAULTS.error("unknown-model-unnamed", "A refusal does not name the model.")
def _(reply: Reply, call: Call) -> Reply:
    if call.route != "transcription" or reply.status != 404:
        return reply
    body = json.loads(reply.body)
    body["error"] |= {"message": "Something is wrong with the request.", "param": None}
    return reply.with_text(json.dumps(body))


@FAULTS.reply("retrieve-model-missing", "GET /models/{id} is not found.", on=("model",))
def _(reply: Reply, call: Call) -> Reply:
    error = {"message": "Not Found", "type": "invalid_request_error", "param": None, "code": None}
    return replace(reply.with_text(json.dumps({"error": error})), status=404)


@FAULTS.body("retrieve-other-model", "GET /models/{id} gives another id.", on=("model",))
def _(body: Any, call: Call) -> Any:
    return body | {"id": body["id"] + "-2"}


@FAULTS.error("retrieve-unknown-200", "GET /models/{id} knows every id.")
def _(reply: Reply, call: Call) -> Reply:
    if call.route != "model":
        return reply
    entry = {"id": "unknown", "object": "model", "created": 0, "owned_by": "soundcheck"}
    return replace(reply.with_text(json.dumps(entry)), status=200)


@FAULTS.form("model-case-insensitive", "A model's name may differ in case.")
def _(form: Form, call: Call) -> Form:
    asked = (form.get("model") or "").lower()
    same = next((one for one in call.served if one.lower() == asked), None)
    return form if same is None else form.with_field("model", same)


@FAULTS.form("model-name-trimmed", "Blanks around a model's name are ignored.")
def _(form: Form, call: Call) -> Form:
    return form.with_field("model", (form.get("model") or "").strip() or None)
