"""What a reader needs to see of an exchange: the request, the answer's beginning, a curl line.

An event stream is laid out as its frames besides, and what a tap saw meanwhile hop by hop. Two
kinds of exchange were no request of ours: an inspection of the target's TLS, and all that the tap
saw in the run.
"""

import base64
import codecs
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from soundcheck.errors import SoundcheckError
from soundcheck.report.curl import curl_command
from soundcheck.report.frames import Frames, split_frames
from soundcheck.report.headers import VALUE_SHOWN, limited
from soundcheck.report.hops import Hops, laid_out
from soundcheck.report.printable import one_line
from soundcheck.report.run import EXCHANGES, Target
from soundcheck.report.transport import agreed, endpoint, facts
from soundcheck.report.validation import read_document
from soundcheck.report.wording import duration, plural, size

BODY_SHOWN = 2000  # characters of a response body
_GIST_SHOWN = 120  # characters of what tells one form from another
_INTERIM_SHOWN = 8
_STEPS_SHOWN = 8
_INTERIM = {100: "Continue", 101: "Switching Protocols", 102: "Processing", 103: "Early Hints"}
_SERVER_ERROR = 500
_OBSERVED = {"TLS": "TLS of", "TAP": "all that the tap saw"}
"""What stands in the line of a request where there was none, by the method recorded."""


@dataclass(frozen=True, slots=True)
class Evidence:
    """One exchange, ready to be shown; ``problem`` says why it cannot be, and the rest is empty.

    ``body`` is the beginning of the answer's body; ``body_note`` says how much, if not all, it is.
    ``content`` and ``content_note`` are the same of a request's content that is no form.
    ``trouble`` names what no single rule is about: an answer of 500 or more, or a connection that
    failed. ``inspection`` are the facts of a TLS inspection. ``curl`` is empty without a request.
    ``sender`` says how the request was sent, where that is not usual, and ``earlier`` are the
    requests before it on its connection, a line each, with their answers.
    """

    digest: str
    file: str
    problem: str | None = None
    line: str = ""
    gist: str = ""
    answer: str = ""
    headers: tuple[tuple[str, str], ...] = ()
    parts: tuple[tuple[str, str], ...] = ()
    content: str = ""
    content_note: str = ""
    progress: str = ""
    interim: tuple[str, ...] = ()
    status: str = ""
    answer_headers: tuple[tuple[str, str], ...] = ()
    body: str = ""
    body_note: str = ""
    times: str = ""
    frames: Frames | None = None
    hops: Hops | None = None
    inspection: tuple[tuple[str, str], ...] = ()
    trouble: str = ""
    curl: str = ""
    sender: str = ""
    earlier: tuple[str, ...] = ()


def load_evidence(folder: Path, digest: str, target: Target) -> Evidence:
    """Return the exchange ``digest`` with ``target``, of the run in ``folder``.

    One that cannot be read says so.
    """
    file = f"{EXCHANGES}/{digest}.json"
    try:
        # Not held against its schema: that would cost seconds where every rule fails. Whatever a
        # foreign file holds is shown as text or ends in the second problem here.
        document = read_document(folder / file, "exchange")
        if document["request"]["method"] in _OBSERVED:
            return _observed(document, digest, file)
        return _evidence(document, digest, file, target)
    except SoundcheckError as error:
        return Evidence(digest, file, problem=str(error).replace(f"{folder}/", ""))
    except (ArithmeticError, AttributeError, LookupError, TypeError, ValueError):
        return Evidence(digest, file, problem=f"{file}: is damaged: it breaks the schema")


def _evidence(exchange: Mapping[str, Any], digest: str, file: str, target: Target) -> Evidence:
    request, response, error = exchange["request"], exchange["response"], exchange["error"]
    status, answer, body, note, trouble = "no answer", "no answer", "", "", ""
    answer_headers: tuple[tuple[str, str], ...] = ()
    frames = None
    if response is not None:
        status = f"{response['status']} {response['reason']}".strip()
        body, note, total = _excerpt(response["body"])
        answer_headers = limited(response["headers"])
        kind = next((v for name, v in response["headers"] if name.lower() == "content-type"), "")
        answer = ", ".join(filter(None, (status, f"{size(total)} {one_line(kind, 60)}".strip())))
        trouble = one_line(status, 80) if response["status"] >= _SERVER_ERROR else ""
        if kind.partition(";")[0].strip().lower() == "text/event-stream":
            frames = split_frames(_bytes(response["body"]), response["chunks"])
    steps = exchange.get("earlier") or ()
    if response is None and error is None and steps:
        status = answer = "not sent: the answer before it ended the connection"
    if left := exchange.get("left"):
        status = answer = f"left while {left}{'' if response is None else f', at {status}'}"
    if error is not None:
        problem = f"{error['kind']}: {error['message']}"
        status = f"{status}; {problem}"
        answer = f"{answer}; {one_line(problem, VALUE_SHOWN)}"
        trouble = one_line(problem, 80)
    if visits := exchange.get("visits"):
        visited = f"the place that the file names was asked: {one_line(visits[0], VALUE_SHOWN)}"
        status, answer = f"{status}; {visited}", f"{answer}; {visited}"
    content, content_note, _ = _excerpt({"text": str(request.get("body") or "")})
    address = urlsplit(request["url"])
    path = address.path + (f"?{address.query}" if address.query else "")
    return Evidence(
        digest=digest,
        file=file,
        line=f"{request['method']} {one_line(path, 120)}",
        gist=one_line(_gist(request["parts"], target.model), _GIST_SHOWN),
        answer=answer,
        headers=(("", f"{request['method']} {request['url']}"), *limited(request["headers"])),
        parts=limited(_form(request)),
        content=content,
        content_note=content_note,
        progress=_progress(request, answered=response is not None),
        interim=_interim(response),
        status=status,
        answer_headers=answer_headers,
        body=body,
        body_note=note,
        times=_times(exchange),
        frames=frames,
        hops=_hops(exchange),
        trouble=trouble,
        curl=curl_command(request, target.api_key_env, [step["request"] for step in steps]),
        sender=one_line(str(request.get("sender") or ""), VALUE_SHOWN),
        earlier=tuple(_step(step, target.model) for step in steps[:_STEPS_SHOWN]),
    )


def _step(step: Mapping[str, Any], model: str) -> str:
    """Return an earlier request on the connection and its answer, in a line."""
    request, response = step["request"], step["response"]
    asked = f"{request['method']} {urlsplit(request['url']).path}"
    told = _gist(request["parts"], model) or str(request.get("body") or "")
    answer = f"{response['status']} {response['reason']}".strip() if response else "no answer"
    return one_line(f"{' '.join(filter(None, (asked, told)))} → {answer}", VALUE_SHOWN)


def _observed(exchange: Mapping[str, Any], digest: str, file: str) -> Evidence:
    """Return what was looked at without a request: the target's TLS, or all that a tap saw."""
    inspection, hops, error = exchange.get("inspection"), _hops(exchange), exchange["error"]
    if error is not None:
        answer = f"{error['kind']}: {error['message']}"
    elif inspection is not None:
        answer = agreed(inspection)
    else:
        answer = hops.summary if hops else "nothing was seen"
    line = _OBSERVED[exchange["request"]["method"]]
    return Evidence(
        digest=digest,
        file=file,
        line=f"{line} {one_line(endpoint(inspection), 120)}" if inspection else line,
        answer=one_line(answer, VALUE_SHOWN),
        hops=hops,
        inspection=facts(inspection) if inspection else (),
    )


def _hops(exchange: Mapping[str, Any]) -> Hops | None:
    tapped = exchange.get("tapped")
    return laid_out(tapped) if tapped and tapped["hops"] else None


def _gist(parts: list[Mapping[str, Any]], model: str) -> str:
    """Return what tells a form from the other forms of the run: not the model that is checked."""
    told = []
    for part in parts:
        if "clip" in part:
            name = part.get("head", part["filename"])
            told.append(
                part["clip"] if name in (None, part["clip"]) else f"{part['clip']} as {name}"
            )
        elif (part["name"], part["value"]) != ("model", model):
            value = part["value"]
            told.append(f"{part['name']}={value if value == value.strip() else repr(value)}")
    return ", ".join(told)


def _form(request: Mapping[str, Any]) -> list[list[str]]:
    """Return the parts of a form by name, and first how they were put together if that is odd."""
    frame = [f'{name} "{value}"' for name, value in (request.get("frame") or {}).items()]
    odd = [["put together with", ", ".join(frame)]] if frame else []
    return odd + [[part["name"], _part(part)] for part in request["parts"]]


def _part(part: Mapping[str, Any]) -> str:
    if "clip" not in part:
        value = str(part["value"])
        return f"{part['head']}: {value}" if "head" in part else value
    if "head" in part:
        around = "".join(f", {side} it {part[side]}" for side in ("before", "after") if part[side])
        return f"{part['head']}: clip {part['clip']}, {size(part['size'])}{around}"
    name = part["filename"]
    label = "no file name" if name is None else name
    facts = (
        label if label == part["clip"] else f"{label} (clip {part['clip']})",
        part["content_type"] or "no content type",
        size(part["size"]),
        duration(part["duration_s"]),
        f"sha256 {part['sha256'][:16]}…",
    )
    return ", ".join(facts)


def _progress(request: Mapping[str, Any], *, answered: bool) -> str:
    """Return how much of the request's body was sent by the time of the answer, where counted."""
    sent, total = request.get("sent_bytes"), request["body_bytes"]
    if sent is None or not total:
        return ""
    told = plural(total, "byte") if sent >= total else f"{sent:,} of {plural(total, 'byte')}"
    if answered:
        return f"answered after {'all ' if sent >= total else ''}{told}"
    return f"no answer after {'all ' if sent >= total else ''}{told}"


def _interim(response: Mapping[str, Any] | None) -> tuple[str, ...]:
    """Return the interim answers that came before this one, with their times."""
    told = [
        f"{' '.join(filter(None, (str(status), _INTERIM.get(status, ''))))} after {duration(at)}"
        for status, at in (response or {}).get("interim") or ()
    ]
    more = len(told) - _INTERIM_SHOWN
    return tuple(told if more <= 0 else [*told[:_INTERIM_SHOWN], f"and {more} more"])


def _times(exchange: Mapping[str, Any]) -> str:
    timing, response = exchange["timing"], exchange["response"]
    labels = (("sent", "sent_s"), ("headers", "headers_s"), ("done", "done_s"))
    told = [f"{word} {duration(timing[key])}" for word, key in labels if timing[key] is not None]
    if response is not None and len(response["chunks"]) > 1:
        told.append(f"body in {plural(len(response['chunks']), 'chunk')}")
    if exchange["attempts"] > 1:
        told.append(f"{exchange['attempts']} attempts")
    return ", ".join(told)


def _excerpt(body: Mapping[str, str]) -> tuple[str, str, int]:
    """Return the body's beginning as text, how much that is if not all, and its size in bytes."""
    data = _bytes(body)
    if "text" in body:
        text = body["text"][:BODY_SHOWN]
        shown = len(text.encode("utf-8", "surrogatepass"))
    else:
        shown = min(len(data), BODY_SHOWN)
        decoder = codecs.getincrementaldecoder("utf-8")("backslashreplace")
        text = decoder.decode(data[:shown], final=shown == len(data))
    whole = shown == len(data)
    return text, "" if whole else f"the first {size(shown)} of {size(len(data))}", len(data)


def _bytes(body: Mapping[str, str]) -> bytes:
    if "text" in body:
        return body["text"].encode("utf-8", "surrogatepass")
    return base64.b64decode(body["base64"], validate=True)
