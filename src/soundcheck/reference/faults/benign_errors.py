"""Legal differences between the refusals of deployments: no check may flag any of them."""

import json
from dataclasses import replace

from soundcheck.reference.faults.errors import with_embedding_model
from soundcheck.reference.faults.hooks import Benign, Call, Registry, Reply
from soundcheck.reference.refusal import Kind

VARIATIONS = Registry(Benign)

_LINKS = (
    "See https://docs.example.com/usr/errors/v1/audio/transcriptions#home, "
    "POST /v1/audio/transcriptions, and /v1/models. Formats are audio/wav, audio/mpeg and "
    "application/ogg; run the client with --help. Request task-c0ffee00c0ffee00c0ffee failed "
    "at 10:23:45.123, version 0.33.1."
)

VARIATIONS.add(
    "embedding-model-listed",
    "A model for embeddings is listed, and refused as unknown.",
    body=with_embedding_model,
)


@VARIATIONS.error("error-documentation", "Errors point to the documentation.")
def _(reply: Reply, call: Call) -> Reply:
    body = json.loads(reply.body)
    if isinstance(body["error"], dict):
        body["error"]["message"] += f" {_LINKS}"
    return reply.with_text(json.dumps(body))


@VARIATIONS.error("error-extra-members", "Errors have members that no document names.")
def _(reply: Reply, call: Call) -> Reply:
    body = json.loads(reply.body)
    if isinstance(body["error"], dict):
        body["error"] |= {"details": [None], "docs_url": "https://docs.example.com/errors"}
    return reply.with_text(json.dumps(body | {"request_id": "req_0", "usage": None}))


@VARIATIONS.error("error-param-null", "Errors name the parameter in the message alone.")
def _(reply: Reply, call: Call) -> Reply:
    body = json.loads(reply.body)
    if isinstance(body["error"], dict):
        body["error"]["param"] = None
    return reply.with_text(json.dumps(body))


@VARIATIONS.error("error-with-charset", "Errors are labelled with their charset.")
def _(reply: Reply, call: Call) -> Reply:
    return replace(reply, media_type="Application/JSON; charset=UTF-8")


@VARIATIONS.error("error-statuses", "Errors have other statuses of 4xx.")
def _(reply: Reply, call: Call) -> Reply:
    others = {Kind.MALFORMED: 415, Kind.UNDECODABLE: 422, Kind.MISSING: 422}
    status = others.get(call.refused, reply.status) if call.refused else reply.status
    body = json.loads(reply.body)
    if call.dialect == "vllm" and isinstance(body["error"], dict):
        body["error"]["code"] = status
    return replace(reply.with_text(json.dumps(body)), status=status)


@VARIATIONS.error("refusal-closes", "After a refusal the connection is closed, as it says.")
def _(reply: Reply, call: Call) -> Reply:
    if call.form is None:  # what was not read must be read on, or the answer is lost
        return reply
    return replace(reply, headers=(*reply.headers, ("connection", "close")))


@VARIATIONS.error("method-404", "A wrong method gives status 404.")
def _(reply: Reply, call: Call) -> Reply:
    if call.refused is not Kind.WRONG_METHOD:
        return reply
    body = json.loads(reply.body)
    if call.dialect == "vllm" and isinstance(body["error"], dict):
        body["error"]["code"] = 404
    return replace(reply.with_text(json.dumps(body)), status=404)
