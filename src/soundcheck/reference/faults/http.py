"""Faults of HTTP itself: how requests are framed and labelled, connections, headers (area HTTP)."""

import gzip
import json
import re
from dataclasses import replace

from soundcheck.reference.faults.hooks import Call, Fault, Registry, Reply
from soundcheck.reference.refusal import Kind, Refusal
from soundcheck.reference.upload import Form

FAULTS = Registry(Fault)


def _error(reply: Reply, status: int, message: str) -> Reply:
    """Return a refusal in the place of ``reply``, with the error's members that it may have."""
    error = {"message": message, "type": "invalid_request_error", "param": None, "code": None}
    body = json.dumps({"error": error})
    return replace(reply.with_text(body), status=status, media_type="application/json")


# -- how a body is framed -----------------------------------------------------------------------


def _refuses_length(reply: Reply, call: Call) -> Reply:
    if call.form is None or call.chunked:
        return reply
    return _error(reply, 400, "The body must be chunked.")


FAULTS.add("length-refused", "Only chunked bodies are read.", reply=_refuses_length)


def _wants_length(reply: Reply, call: Call) -> Reply:
    return _error(reply, 411, "Content-Length is missing.") if call.chunked else reply


FAULTS.add("chunked-411", "A body that tells no length is refused.", reply=_wants_length)


@FAULTS.form("chunked-empty", "A chunked body is taken for an empty one.")
def _(form: Form, call: Call) -> Form:
    return Form() if call.chunked else form


FAULTS.add(
    "expect-unanswered",
    "Who asks for leave to send a body (Expect: 100-continue) waits for it in vain.",
    withholds_leave=True,
)


# -- how a form is labelled ---------------------------------------------------------------------


@FAULTS.refuse("octet-stream-refused", "A file of type application/octet-stream is refused.")
def _(call: Call) -> bool:
    return call.upload.content_type == "application/octet-stream"


@FAULTS.refuse("untyped-part-refused", "A file part without a Content-Type is refused.")
def _(call: Call) -> bool:
    return call.upload.content_type is None


def _unread(name: str, sentence: str, pattern: str) -> None:
    """Declare that a form whose Content-Type matches ``pattern`` cannot be read."""
    matching = re.compile(pattern)

    @FAULTS.form(name, sentence)
    def _(form: Form, call: Call) -> Form:
        if matching.search(call.content_type):
            raise Refusal(Kind.MALFORMED, "The form cannot be read: no boundary was found.")
        return form


_unread("boundary-long", "A boundary of more than 60 characters is cut.", r"boundary=.{61}")
_unread("boundary-quotes-kept", "The quotes of a boundary are taken as part of it.", r'="')
_unread("boundary-of-letters", "A boundary holds letters and dashes only.", r'=.*[^\w";-].*')
_unread("form-type-by-case", "Content-Type is compared letter by letter.", r"^(?!multipart/form-d)")
_unread("form-type-whole", "Content-Type may have no parameter beside the boundary.", r"charset=")


@FAULTS.error("malformed-accepted", "What is no form is answered as if it had been silence.")
def _(reply: Reply, call: Call) -> Reply:
    if call.refused is not Kind.MALFORMED:
        return reply
    return replace(reply.with_text('{"text": ""}'), status=200)


def _wrong_method(name: str, sentence: str, status: int, body: str) -> None:
    @FAULTS.error(name, sentence)
    def _(reply: Reply, call: Call) -> Reply:
        if call.refused is not Kind.WRONG_METHOD:
            return reply
        return replace(reply.with_text(body or reply.text), status=status)


_wrong_method("method-200", "Every method is answered with 200.", 200, '{"status": "ok"}')
_wrong_method("method-400", "Every method reaches the parser of forms.", 400, "")
_wrong_method("method-500", "A method that is not meant gives status 500.", 500, "")


@FAULTS.error("method-unexplained", "A wrong method is refused without a word of the right one.")
def _(reply: Reply, call: Call) -> Reply:
    wrong = call.refused is Kind.WRONG_METHOD
    return replace(reply, headers=(("allow", ""),)) if wrong else reply


# -- connections --------------------------------------------------------------------------------


@FAULTS.error("refusal-ends-connection", "After a refusal the connection is closed unannounced.")
def _(reply: Reply, call: Call) -> Reply:
    return replace(reply, action="end")


def _read_as_request(reply: Reply, call: Call) -> Reply:
    left_unread = call.memory.setdefault("left unread", set())
    if call.connection in left_unread:
        left_unread.discard(call.connection)
        return _error(reply, 400, "Invalid HTTP request received.")
    if call.form is None and call.refused in (Kind.MALFORMED, Kind.WRONG_METHOD):
        left_unread.add(call.connection)
    return reply


FAULTS.add(
    "refused-body-read-as-request",
    "The unread body of a refused request is read as the next request.",
    reply=_read_as_request,
)


# -- headers of answers -------------------------------------------------------------------------


def _header(name: str, sentence: str, header: str, value: str) -> None:
    @FAULTS.reply(name, sentence)
    def _(reply: Reply, call: Call) -> Reply:
        return replace(reply, headers=(*reply.headers, (header, value)))


_header("cache-public", "Caches may share transcripts.", "cache-control", "public, max-age=3600")
_header("cache-shared-age", "Caches may keep transcripts.", "cache-control", "s-maxage=60")
_header("cache-expires", "Transcripts expire in years.", "expires", "Fri, 31 Dec 2049 23:59:59 GMT")
_header("request-id-empty", "Answers name no request.", "x-request-id", "")
_header("request-id-constant", "All requests have one id.", "x-request-id", "req_1")
_header("processing-time-in-words", "The time is in words.", "openai-processing-ms", "a while")
_header("rate-limit-in-words", "Limits are in words.", "x-ratelimit-limit-requests", "plenty")


@FAULTS.reply("gzip-unasked", "Answers are compressed, though no client asked for that.")
def _(reply: Reply, call: Call) -> Reply:
    headers = (*reply.headers, ("content-encoding", "gzip"))
    return replace(reply, body=gzip.compress(reply.body), headers=headers)
