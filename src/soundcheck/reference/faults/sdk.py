"""Faults of what the official client needs, and of what it takes from answers (area SDK)."""

from dataclasses import replace
from typing import Any

from soundcheck.reference.faults.hooks import Call, Fault, Registry, Reply
from soundcheck.reference.refusal import Kind, Refusal
from soundcheck.reference.upload import Form

FAULTS = Registry(Fault)


@FAULTS.refuse("wav-by-one-name", "A WAV file is refused unless its type is audio/wav.")
def _(call: Call) -> bool:
    return call.upload.content_type != "audio/wav"


@FAULTS.stream_reply("stream-by-accept", "Only who accepts text/event-stream gets a stream.")
def _(reply: Reply, call: Call) -> Reply:
    if "text/event-stream" in call.accept:
        return reply
    return replace(reply.with_text('{"text": "Hello."}'), media_type="application/json")


def _refuses_fields(name: str, sentence: str, ending: str) -> None:
    """Declare that fields with a bracket in their names are refused, by how these end."""

    @FAULTS.form(name, sentence)
    def _(form: Form, call: Call) -> Form:
        for field, _ in form.fields:
            if "[" in field and field.endswith("[]") is (ending == "[]"):
                raise Refusal(Kind.UNKNOWN_PARAMETER, f"Unknown parameter: {field}.", field)
        return form


_refuses_fields("list-refused", "Fields called NAME[] are refused.", "[]")
_refuses_fields("object-refused", "Fields called NAME[KEY] are refused.", "[KEY]")


@FAULTS.error("error-asks-again", "A refusal asks the official client to try again.")
def _(reply: Reply, call: Call) -> Reply:
    return replace(reply, headers=(*reply.headers, ("x-should-retry", "true")))


@FAULTS.body("logprobs-missing", "Log probabilities are left out.", on=("json",))
def _(body: Any, call: Call) -> Any:
    body.pop("logprobs", None)
    return body


@FAULTS.body("logprob-in-words", "A log probability is a text.", on=("json",))
def _(body: Any, call: Call) -> Any:
    for entry in body.get("logprobs", []):
        entry["logprob"] = "likely"
    return body
