"""Faults of authentication: who is let in, and what others are told (area AUTH)."""

import json
from collections.abc import Callable
from dataclasses import replace

from soundcheck.reference.faults.hooks import Call, Fault, Registry, Reply
from soundcheck.reference.refusal import Kind, Refusal
from soundcheck.reference.upload import Form

FAULTS = Registry(Fault)

_TEXT = '{"text": "Hello World."}'


def _stranger(name: str, sentence: str, change: Callable[[Reply, Call], Reply]) -> None:
    """Declare a fault that changes what is answered to who has no right key."""

    @FAULTS.error(name, sentence)
    def _(reply: Reply, call: Call) -> Reply:
        return change(reply, call) if call.refused is Kind.UNAUTHORIZED else reply


def _lets_in(name: str, sentence: str, whom: Callable[[str], bool]) -> None:
    """Declare a fault that serves those whose header (Authorization) is as ``whom`` says."""
    served = Reply(200, _TEXT.encode(), "application/json")

    def change(reply: Reply, call: Call) -> Reply:
        asks = call.route == "transcription" and not call.expects
        return served if asks and whom(call.authorization) else reply

    _stranger(name, sentence, change)


_lets_in("auth-missing-accepted", "Without a header nobody is refused.", lambda told: not told)
_lets_in("auth-any-key", "Any key is taken.", lambda told: told.startswith("Bearer "))
_lets_in("auth-any-scheme", "Any scheme but Bearer is taken.", lambda told: told[:5] == "Basic")
_stranger(
    "auth-refused-500",
    "No right key gives status 500.",
    lambda reply, call: replace(reply, status=500),
)
_stranger(
    "auth-refused-403",
    "No right key gives status 403.",
    lambda reply, call: replace(reply, status=403),
)
_stranger(
    "auth-no-challenge",
    "A 401 does not name the scheme.",
    lambda reply, call: replace(reply, headers=()),
)
_stranger(
    "auth-after-size",
    "An upload that is too large is refused for that before the key is looked at.",
    lambda reply, call: replace(reply, status=413) if call.expects else reply,
)


@FAULTS.error("auth-models-open", "The list of models needs no key.")
def _(reply: Reply, call: Call) -> Reply:
    if call.route != "models":
        return reply
    return replace(reply.with_text('{"object": "list", "data": []}'), status=200)


@FAULTS.error("auth-echoes-key", "The refusal of a key repeats it.")
def _(reply: Reply, call: Call) -> Reply:
    body = json.loads(reply.body)
    if call.refused is not Kind.UNAUTHORIZED or not isinstance(body["error"], dict):
        return reply
    given = call.authorization.rpartition(" ")[2]
    body["error"]["message"] = f"Incorrect API key provided: {given}."
    return reply.with_text(json.dumps(body))


@FAULTS.form("auth-scheme-exact", "The scheme must be written Bearer.")
def _(form: Form, call: Call) -> Form:
    if call.authorization.startswith("bearer"):
        raise Refusal(Kind.UNAUTHORIZED, "Unknown scheme.")
    return form


@FAULTS.form("proxy-key-unused", "Who sends no key is refused although the proxy has one.")
def _(form: Form, call: Call) -> Form:
    if not call.authorization and form.file is not None:
        raise Refusal(Kind.UNAUTHORIZED, "No API key.")
    return form
