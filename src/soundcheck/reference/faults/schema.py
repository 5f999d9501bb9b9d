"""Faults of json, diarized_json and log probabilities (area SCHEMA)."""

import json
import math
from dataclasses import replace
from typing import Any

from soundcheck.reference.faults.hooks import Call, Fault, Registry, Reply
from soundcheck.reference.upload import Form

FAULTS = Registry(Fault)

_JSON = ("json",)
_TRANSCRIPTS = ("json", "verbose_json", "diarized_json")
_DIARIZED = ("diarized_json",)


@FAULTS.body("text-missing", "json has no member text.", on=_JSON)
def _(body: Any, call: Call) -> Any:
    del body["text"]
    return body


@FAULTS.body("text-not-string", "text is a list of words.", on=_JSON)
def _(body: Any, call: Call) -> Any:
    return body | {"text": body["text"].split()}


@FAULTS.body("json-not-object", "The answer is a list around the object.", on=_JSON)
def _(body: Any, call: Call) -> Any:
    return [body]


@FAULTS.reply("json-mislabelled", "json is sent as text/plain.", on=_JSON)
def _(reply: Reply, call: Call) -> Reply:
    return replace(reply, media_type="text/plain; charset=utf-8")


@FAULTS.body("nan-literal", "A number is written as NaN.", on=_TRANSCRIPTS)
def _(body: Any, call: Call) -> Any:
    if "seconds" in body.get("usage", {}):
        body["usage"]["seconds"] = math.nan
    elif call.kind == "verbose_json":
        for segment in body["segments"]:
            segment["avg_logprob"] = math.nan
    else:
        body["confidence"] = math.nan
    return body


@FAULTS.reply("duplicate-keys", "The member text is written twice.", on=_TRANSCRIPTS)
def _(reply: Reply, call: Call) -> Reply:
    text = json.dumps(json.loads(reply.body)["text"], ensure_ascii=False)
    return reply.with_text(reply.text[:-1] + f', "text": {text}}}')


@FAULTS.reply("invalid-utf8", "JSON holds a byte that is not UTF-8.", on=_TRANSCRIPTS)
def _(reply: Reply, call: Call) -> Reply:
    marker = b'"text": "'
    return replace(reply, body=reply.body.replace(marker, marker + b"\xff", 1))


@FAULTS.reply("trailing-comma", "JSON ends with a comma too many.", on=_TRANSCRIPTS)
def _(reply: Reply, call: Call) -> Reply:
    return replace(reply, body=reply.body[:-1] + b",}")


@FAULTS.form("verbose-by-default", "verbose_json is the default of response_format.")
def _(form: Form, call: Call) -> Form:
    return _default_format(form, "verbose_json")


@FAULTS.form("text-by-default", "text is the default of response_format.")
def _(form: Form, call: Call) -> Form:
    return _default_format(form, "text")


def _default_format(form: Form, value: str) -> Form:
    return form if form.get("response_format") else form.with_field("response_format", value)


@FAULTS.body("no-usage", "json has no usage.", on=_JSON)
def _(body: Any, call: Call) -> Any:
    body.pop("usage", None)
    return body


@FAULTS.body("usage-null", "The usage of json is null.", on=_JSON)
def _(body: Any, call: Call) -> Any:
    return body | {"usage": None}


@FAULTS.body("usage-without-type", "usage does not say its type.", on=_TRANSCRIPTS)
def _(body: Any, call: Call) -> Any:
    body.get("usage", {}).pop("type", None)
    return body


@FAULTS.body("usage-seconds-string", "usage.seconds is a string.", on=_TRANSCRIPTS)
def _(body: Any, call: Call) -> Any:
    return _seconds(body, str)


@FAULTS.body("usage-seconds-negative", "usage.seconds is negative.", on=_TRANSCRIPTS)
def _(body: Any, call: Call) -> Any:
    return _seconds(body, lambda value: -value - 1)


@FAULTS.body("usage-seconds-missing", "usage has no seconds.", on=_TRANSCRIPTS)
def _(body: Any, call: Call) -> Any:
    body.get("usage", {}).pop("seconds", None)
    return body


@FAULTS.body("usage-seconds-wrong", "usage.seconds counts milliseconds.", on=_TRANSCRIPTS)
def _(body: Any, call: Call) -> Any:
    return _seconds(body, lambda value: value * 1000)


def _seconds(body: Any, change: Any) -> Any:
    if "seconds" in body.get("usage", {}):
        body["usage"]["seconds"] = change(body["usage"]["seconds"])
    return body


@FAULTS.body("token-total-wrong", "total_tokens is no sum.", on=_TRANSCRIPTS)
def _(body: Any, call: Call) -> Any:
    if "total_tokens" in body.get("usage", {}):
        body["usage"]["total_tokens"] += 7
    return body


@FAULTS.body("token-details-wrong", "Input details do not add up.", on=_TRANSCRIPTS)
def _(body: Any, call: Call) -> Any:
    if "input_token_details" in body.get("usage", {}):
        body["usage"]["input_token_details"]["audio_tokens"] += 1
    return body


@FAULTS.body("token-counts-strings", "Token counts are strings.", on=_TRANSCRIPTS)
def _(body: Any, call: Call) -> Any:
    if "input_tokens" in body.get("usage", {}):
        body["usage"]["input_tokens"] = str(body["usage"]["input_tokens"])
    return body


@FAULTS.body("speaker-missing", "A segment has no speaker.", on=_DIARIZED)
def _(body: Any, call: Call) -> Any:
    for segment in body["segments"]:
        del segment["speaker"]
    return body


@FAULTS.body("speaker-labels-lowercase", "Speakers are a, b, ....", on=_DIARIZED)
def _(body: Any, call: Call) -> Any:
    for segment in body["segments"]:
        segment["speaker"] = segment["speaker"].lower()
    return body


@FAULTS.body("speakers-begin-at-b", "The first speaker is called B.", on=_DIARIZED)
def _(body: Any, call: Call) -> Any:
    for segment in body["segments"]:
        segment["speaker"] = chr(ord(segment["speaker"][0]) + 1)
    return body


@FAULTS.body("diarized-ids-numbers", "Ids of diarized segments are numbers.", on=_DIARIZED)
def _(body: Any, call: Call) -> Any:
    for index, segment in enumerate(body["segments"]):
        segment["id"] = index
    return body


@FAULTS.body("logprob-positive", "A log probability is above 0.", on=_JSON)
def _(body: Any, call: Call) -> Any:
    for entry in body.get("logprobs", []):
        entry["logprob"] = 1 - entry["logprob"]
    return body


@FAULTS.body("logprob-bytes-wrong", "bytes are not the token's.", on=_JSON)
def _(body: Any, call: Call) -> Any:
    for entry in body.get("logprobs", []):
        entry["bytes"] = [*entry["bytes"][::-1], 33]
    return body


@FAULTS.body("logprobs-dont-join", "The last token is left out.", on=_JSON)
def _(body: Any, call: Call) -> Any:
    if body.get("logprobs"):
        body["logprobs"].pop()
    return body
