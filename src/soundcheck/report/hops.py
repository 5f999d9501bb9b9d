"""What a tap recorded between a proxy and its API, laid out to be read, hop by hop.

For display only. Nothing is judged by the split of bodies that is made here: the judging one is
:mod:`soundcheck.http`'s.
"""

import base64
import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from soundcheck.report.headers import limited
from soundcheck.report.printable import one_line
from soundcheck.report.wording import duration, plural, size

_HOPS_SHOWN = 6  # of one exchange; those in which something happened come first
_VALUES_SHOWN = 16  # of one message
_LEAKS_SHOWN = 6  # of one hop
_DUMP_SHOWN = 1200  # characters of one hex dump
_TEXT_SHOWN = 60  # characters of a value in the clear
_NAME_SHOWN = 60
_PROBLEM_SHOWN = 240
_HEX_SHOWN = 8  # digits of an IV or a nonce

_ENVELOPE = re.compile(
    rb'"?([A-Za-z0-9+/]{43}=):([0-9a-f]{24}):([0-9a-f]{24}):((?:[0-9a-f]{2}){16,})"?'
)
_BOUNDARY = re.compile(r'boundary="?([^\s;"]+)', re.IGNORECASE)
_PART_NAME = re.compile(rb'(?i)[;\s]name="([^"\r\n]*)"')


@dataclass(frozen=True, slots=True)
class WireValue:
    """One value of a body as it went over the wire: ``state`` is ``sealed`` or ``clear``.

    ``told`` is the beginning of what is clear; of an envelope, its public parts.
    """

    name: str
    state: str
    size: str
    told: str


@dataclass(frozen=True, slots=True)
class WireMessage:
    """A request or an answer; ``more`` tells what of its values is left out."""

    start: str
    headers: tuple[tuple[str, str], ...]
    note: str
    values: tuple[WireValue, ...]
    more: str


@dataclass(frozen=True, slots=True)
class WireLeak:
    """What was readable and must not be: a sentence, and the bytes around it as a hex dump."""

    sentence: str
    dump: str


@dataclass(frozen=True, slots=True)
class WireHop:
    """One exchange through the tap, or an attempt at a connection that came to none."""

    connection: str
    changed: str
    problem: str
    request: WireMessage | None
    response: WireMessage | None
    leaks: tuple[WireLeak, ...]
    more: str


@dataclass(frozen=True, slots=True)
class Hops:
    """The hops that are shown, what there was of them all, and how many are left out."""

    summary: str
    shown: tuple[WireHop, ...]
    more: str


def laid_out(tapped: Mapping[str, Any]) -> Hops:
    """Return what is shown of ``tapped``, as the exchange's document has it."""
    hops = tapped["hops"]
    sealed = sum(len(hop["sealed"]) for hop in hops)
    leaks = sum(len(hop["leaks"]) for hop in hops)
    told = [plural(len(hops), "hop"), plural(sealed, "sealed value")]
    told.append(plural(leaks, "leak") if leaks else "no canary readable")
    # The sort keeps the order of what is alike: what shows something goes first into the room.
    eventful = sorted(range(len(hops)), key=lambda index: not _is_eventful(hops[index]))
    chosen = sorted(eventful[:_HOPS_SHOWN])
    left_out = len(hops) - len(chosen)
    return Hops(
        summary=", ".join(told),
        shown=tuple(_hop(hops[index]) for index in chosen),
        more=f"and {plural(left_out, 'more hop')} in the file" if left_out else "",
    )


def _is_eventful(hop: Mapping[str, Any]) -> bool:
    return bool(hop["leaks"] or hop["changed"] or hop["problem"] or hop["tls"] is None)


def _hop(hop: Mapping[str, Any]) -> WireHop:
    left_out = len(hop["leaks"]) - _LEAKS_SHOWN
    return WireHop(
        connection=_connection(hop),
        changed=one_line(hop["changed"], _PROBLEM_SHOWN),
        problem=one_line(hop["problem"], _PROBLEM_SHOWN),
        request=hop["request"] and _message(hop["request"], hop["sealed"], "request"),
        response=hop["response"] and _message(hop["response"], hop["sealed"], "response"),
        leaks=tuple(map(_leak, hop["leaks"][:_LEAKS_SHOWN])),
        more=f"and {plural(left_out, 'more leak')} in the file" if left_out > 0 else "",
    )


def _connection(hop: Mapping[str, Any]) -> str:
    tls = hop["tls"]
    if tls is None:
        how = "without TLS" if hop["request"] else "no TLS was agreed"
    else:
        name = f", for {tls['server_name']}" if tls["server_name"] else ""
        how = f"{tls['version']} with {tls['cipher']}{name}"
    at = duration(max(0.0, hop["at"]))
    return one_line(f"after {at}, connection {hop['connection']}, {how}", _PROBLEM_SHOWN)


def _leak(leak: Mapping[str, Any]) -> WireLeak:
    dump = leak["dump"]
    return WireLeak(
        one_line(
            f"{leak['canary']} readable ({leak['encoding']}) in the {leak['place']}, "
            f"at byte {leak['offset']:,}",
            _PROBLEM_SHOWN,
        ),
        dump if len(dump) <= _DUMP_SHOWN else f"{dump[:_DUMP_SHOWN]}…",
    )


def _message(
    message: Mapping[str, Any], sealed: Sequence[Mapping[str, Any]], direction: str
) -> WireMessage:
    body = base64.b64decode(message["body"], validate=True)
    kind = next((v for name, v in message["headers"] if name.lower() == "content-type"), "")
    whole = len(body) == message["size"]
    notes = [size(message["size"])] if message["size"] else []
    if not message["complete"]:
        notes.append("broken off")
    if whole:
        values = [_value(name, data) for name, data in _values(body, kind)]
    else:
        # Of a body that was not kept, the envelopes are.
        values = [_sealed(one) for one in sealed if one["direction"] == direction]
        notes.append("of the body only the envelopes were kept")
    left_out = len(values) - _VALUES_SHOWN
    return WireMessage(
        start=one_line(message["start"], _PROBLEM_SHOWN),
        headers=limited(message["headers"]),
        note=", ".join(notes),
        values=tuple(values[:_VALUES_SHOWN]),
        more=f"and {plural(left_out, 'more value')}" if left_out > 0 else "",
    )


def _value(name: str, data: bytes) -> WireValue:
    name = one_line(name, _NAME_SHOWN)
    found = _ENVELOPE.fullmatch(data)
    if found is None:
        told = data[: 4 * _TEXT_SHOWN].decode("utf-8", "backslashreplace")
        return WireValue(name, "clear", size(len(data)), one_line(told, _TEXT_SHOWN))
    secret, nonce, iv = (found[number].decode("ascii") for number in (1, 2, 3))
    return WireValue(name, "sealed", size(len(found[4]) // 2), _public(secret, nonce, iv))


def _sealed(one: Mapping[str, Any]) -> WireValue:
    told = _public(one["secret_id"], one["nonce"], one["iv"])
    return WireValue(one_line(one["name"], _NAME_SHOWN), "sealed", size(one["size"]), told)


def _public(secret: str, nonce: str, iv: str) -> str:
    parts = (("IV", iv), ("nonce", nonce), ("secret", secret))
    return ", ".join(f"{name} {one_line(value[:_HEX_SHOWN])}…" for name, value in parts)


def _values(body: bytes, kind: str) -> Iterator[tuple[str, bytes]]:
    """Yield the name and bytes of each field, member or event's member; else the whole body."""
    media_type = kind.partition(";")[0].strip().lower()
    boundary = _BOUNDARY.search(kind)
    if media_type == "multipart/form-data" and boundary:
        yield from _form(body, boundary[1].encode("latin-1", "replace"))
    elif media_type == "text/event-stream":
        events = [line[5:].strip() for line in body.splitlines() if line.startswith(b"data:")]
        for number, event in enumerate(events):
            yield from _members(event, f"event {number}")
    elif body:
        yield from _members(body, "")


def _form(body: bytes, boundary: bytes) -> Iterator[tuple[str, bytes]]:
    for part in body.split(b"--" + boundary)[1:]:
        head, found, data = part.partition(b"\r\n\r\n")
        name = _PART_NAME.search(head)
        if found:
            label = name[1].decode("utf-8", "replace") if name else ""
            yield label, data.removesuffix(b"\r\n")


def _members(data: bytes, prefix: str) -> Iterator[tuple[str, bytes]]:
    try:
        members = json.loads(data)
    except (ValueError, RecursionError):
        members = None
    if not isinstance(members, dict):
        yield prefix, data
        return
    for name, value in members.items():
        text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
        yield ": ".join(filter(None, (prefix, name))), text.encode("utf-8", "surrogatepass")
