"""Odd requests for searches, as strategies of Hypothesis: each is the usual one with some quirks.

A quirk changes a probe and says how. Few and simple quirks come first in Hypothesis's order, so the
simplest request that fails has only those that matter. Import this where a search is made.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace

from hypothesis import strategies as st

from soundcheck.audio.edits import Edit, name_of
from soundcheck.audio.formats import FORMATS
from soundcheck.contract.probe import Lane, Probe, transcription
from soundcheck.contract.strict_json import shown
from soundcheck.http.multipart import Crafted, Field, File, Part, escaped

PATIENCE = 30.0
"""Seconds in which any request is answered, however odd it is."""

MOST_QUIRKS = 3

USUAL = transcription("hello.wav", language="en")

_CONTAINERS = ("wav", "mp3", "m4a", "flac", "ogg", "webm")
_SHOWN = 80


@dataclass(frozen=True, slots=True)
class Quirk:
    """A change to a request, and what to call it."""

    told: str
    change: Callable[[Probe], Probe]


Quirks = st.SearchStrategy[Quirk]


def forms() -> st.SearchStrategy[Probe]:
    """Return requests whose multipart form is put together oddly."""
    return _with(st.one_of(*_FRAMES, _types, _odd_parts, _headers, _moves, _repeats))


def values() -> st.SearchStrategy[Probe]:
    """Return requests with odd values of fields."""
    anything = st.builds(_field, st.sampled_from(_NAMES), _VALUES)
    return _with(st.one_of(anything, st.builds(_field, st.just("temperature"), _NUMBERS)), most=2)


def filenames() -> st.SearchStrategy[Probe]:
    """Return requests whose file has an odd name, written in several ways."""
    return _with(st.builds(_named, st.sampled_from(list(_WAYS)), _FILENAMES), most=1)


def containers() -> st.SearchStrategy[Probe]:
    """Return uploads of a small file in which some bytes or lengths were changed."""
    edits = st.lists(_EDITS, min_size=1, max_size=2).map(tuple)
    return st.builds(_edited, st.sampled_from(_CONTAINERS), edits)


def _with(quirks: Quirks, most: int = MOST_QUIRKS) -> st.SearchStrategy[Probe]:
    return st.lists(quirks, min_size=1, max_size=most).map(_changed)


def _changed(quirks: list[Quirk]) -> Probe:
    probe = USUAL
    for quirk in quirks:
        probe = quirk.change(probe)
    told = "; ".join(dict.fromkeys(quirk.told for quirk in quirks))
    return replace(probe, lane=Lane.HOSTILE, patience=PATIENCE, mistake=told)


# -- the form -----------------------------------------------------------------------------------


def _framed(told: str, **members: object) -> Quirk:
    def change(probe: Probe) -> Probe:
        return replace(probe, frame=replace(probe.frame, **members))  # type: ignore[arg-type]

    return Quirk(told, change)


_few_bytes = st.binary(min_size=1, max_size=20)

_FRAMES: list[Quirks] = [
    _few_bytes.map(lambda data: _framed(f"{_told(data)} before the form", preamble=data)),
    _few_bytes.map(lambda data: _framed(f"{_told(data)} behind the form", epilogue=data)),
    st.sampled_from([b"\n", b"\r", b"\n\r", b" \r\n"]).map(
        lambda data: _framed(f"lines that end in {_told(data)}", line=data)
    ),
    st.sampled_from([b"", b"-", b"---"]).map(
        lambda data: _framed(f"{_told(data)} in place of the dashes before boundaries", dashes=data)
    ),
    st.just(_framed("no empty line after the heads of parts", blank=False)),
    st.just(_framed("no last boundary", final=False)),
    st.just(_framed("another boundary than declared", boundary="soundcheck-another")),
    st.integers(1, 3000).map(lambda n: _framed(f"the last {n} bytes are missing", missing=n)),
]

_types: Quirks = st.sampled_from(
    [
        'multipart/form-data; boundary="soundcheck boundary"',
        "multipart/form-data; boundary=soundcheck; boundary=other",
        "multipart/form-data; charset=utf-16; boundary=soundcheck",
        "MULTIPART/FORM-DATA; BOUNDARY=soundcheck",
        "multipart/form-data;boundary=soundcheck;",
        f"multipart/form-data; boundary={'x' * 200}",
        "multipart/form-data; boundary=-",
        "multipart/form-data; boundary=",
        "multipart/mixed; boundary=soundcheck",
        "multipart/form-data",
    ]
).map(lambda text: Quirk(f"the type {shown(text)}", lambda one: replace(one, form_type=text)))


def _inserted(told: str, at: int, part: Part) -> Quirk:
    def change(probe: Probe) -> Probe:
        place = at % (len(probe.parts) + 1)
        return replace(probe, parts=(*probe.parts[:place], part, *probe.parts[place:]))

    return Quirk(told, change)


_HEADS = (
    b"",
    b"Content-Disposition",
    b"Content-Disposition: form-data",
    b'Content-Disposition: form-data; name=""',
    b"Content-Disposition: form-data; name=prompt",
    b'Content-Disposition: form-data; name="prompt',
    b"Content-Disposition: form-data; name*=utf-8''prompt",
    b'Content-Disposition: attachment; name="prompt"',
    b'content-disposition:form-data;name="prompt"',
    b'Content-Disposition: form-data; name="prompt"; name="language"',
    b'Content-Disposition: form-data; name="prompt"\r\nContent-Transfer-Encoding: base64',
    b'Content-Disposition: form-data; name="prompt"\r\nContent-Type: text/plain; charset=utf-16',
    b'Content-Disposition: form-data; name="prompt"\r\nContent-Length: 5',
    b'Content-Disposition: form-data;\r\n name="prompt"',
    b'Content-Disposition: form-data; name="prompt"\r\n: none',
    b'Content-Disposition: form-data; name="pro\xffmpt"',
    b'Content-Disposition: form-data; name="prompt"\r\nX-\xff: \x00',
)

_odd_parts: Quirks = st.builds(
    lambda at, head, data: _inserted(
        f"a part {_told(head)} of {_told(data)}", at, Crafted("odd", head, data)
    ),
    st.integers(0, 9),
    st.sampled_from(_HEADS),
    st.binary(max_size=20),
)

_headers: Quirks = st.builds(
    lambda at, size: _inserted(
        f"a part with a header of {size} bytes",
        at,
        Crafted(
            "prompt",
            b'Content-Disposition: form-data; name="prompt"\r\nX-Note: ' + b"x" * (size - 8),
        ),
    ),
    st.integers(0, 9),
    st.integers(8, 20_000),
)


def _moved(by: int) -> Quirk:
    def change(probe: Probe) -> Probe:
        turn = by % max(1, len(probe.parts))
        return replace(probe, parts=(*probe.parts[turn:], *probe.parts[:turn]))

    return Quirk(f"the parts turned by {by}", change)


_moves: Quirks = st.integers(1, 2).map(_moved)


def _repeated(at: int, times: int) -> Quirk:
    """Return the quirk that leaves a part of the usual form out, or sends it several times."""
    part = USUAL.parts[at]
    told = f"the part {part.name!r} {times} times" if times else f"no part {part.name!r}"

    def change(probe: Probe) -> Probe:
        rest = tuple(one for one in probe.parts if one != part)
        return replace(probe, parts=(*rest, *[part] * times))

    return Quirk(told, change)


_repeats: Quirks = st.builds(
    _repeated, st.integers(0, len(USUAL.parts) - 1), st.sampled_from([0, 2])
)

# -- values of fields ---------------------------------------------------------------------------

_NAMES = (
    "prompt",
    "temperature",
    "language",
    "response_format",
    "timestamp_granularities[]",
    "include[]",
    "model",
    "a field that there is not",
)

_NUMBERS = st.builds(
    lambda text, times: text * times,
    st.text("0123456789+-.eE", min_size=1, max_size=5),
    st.integers(1, 50),
)

_VALUES: st.SearchStrategy[str | bytes] = st.one_of(
    st.text(max_size=20),
    st.text(" \t\r\n\f\v\N{NO-BREAK SPACE}", min_size=1, max_size=5),
    st.sampled_from(
        ["null", "None", "NaN", "Infinity", "-0", "1e999", "0x10", "[]", "{}", "[" * 99]
    ),
    st.binary(max_size=20),
    st.builds(
        lambda text, times: text * times, st.text(min_size=1, max_size=3), st.integers(1, 5000)
    ),
)


def _field(name: str, value: str | bytes) -> Quirk:
    part = Field(name, value)

    def change(probe: Probe) -> Probe:
        return replace(probe, parts=(*(one for one in probe.parts if one.name != name), part))

    return Quirk(f"{name} of {_told(value)}", change)


# -- file names ---------------------------------------------------------------------------------

_FILENAMES = st.lists(
    st.one_of(
        st.text(max_size=4),
        st.sampled_from(["..", "/", "\\", "%0d%0a", "\r\n", '"', ";", "\0", "%", "~", ".wav", "."]),
        st.builds(lambda times: "x" * times, st.integers(1, 6000)),
    ),
    min_size=1,
    max_size=4,
).map("".join)

_DISPOSITION = b'Content-Disposition: form-data; name="file"; '
_WAYS: dict[str, Callable[[str], bytes]] = {
    "": lambda name: b'filename="' + _escaped_name(name) + b'"',
    "in quotes as it is": lambda name: b'filename="' + name.encode() + b'"',
    "without quotes": lambda name: b"filename=" + name.encode(),
    "without a closing quote": lambda name: b'filename="' + name.encode(),
    "as RFC 5987 says": lambda name: b"filename*=UTF-8''" + _percent(name),
    "in Latin-1": lambda name: b'filename="' + name.encode("latin-1", "replace") + b'"',
}


def _escaped_name(name: str) -> bytes:
    escapes = {'"': "%22", "\r": "%0D", "\n": "%0A"}
    return "".join(escapes.get(one, one) for one in name).encode()


def _percent(name: str) -> bytes:
    return "".join(f"%{byte:02X}" for byte in name.encode()).encode()


def _named(way: str, name: str) -> Quirk:
    head = _DISPOSITION + _WAYS[way](name) + b"\r\nContent-Type: audio/wav"
    part = Crafted("file", head, clip="hello.wav")

    def change(probe: Probe) -> Probe:
        return replace(probe, parts=(*(one for one in probe.parts if one.name != "file"), part))

    return Quirk(f"a file called {_told(name)}" + (f", {way}" if way else ""), change)


# -- containers ---------------------------------------------------------------------------------

_places = st.one_of(st.integers(0, 63), st.integers(0, 40_000))
# On both sides of what a head takes, and of what 31 and 32 bits hold.
_SIZES = (0, 1, 2, 4, 7, 8, 0x7FFF_FFFF, 0x8000_0000, 0xFFFF_FFFF)
_lengths: st.SearchStrategy[Edit] = st.builds(
    lambda at, value: Edit("length", at, value.to_bytes(4, "big")),
    st.one_of(st.integers(0, 3), st.integers(0, 30)),
    st.sampled_from(_SIZES),
)
_bytes: st.SearchStrategy[Edit] = st.one_of(
    st.builds(lambda at, data: Edit("set", at, data), _places, st.binary(min_size=1, max_size=8)),
    st.builds(lambda at: Edit("cut", at), _places),
    st.builds(lambda at, count: Edit("drop", at, count=count), _places, st.integers(1, 2000)),
    st.builds(lambda at, data: Edit("add", at, data), _places, st.binary(min_size=1, max_size=40)),
)
_EDITS = st.integers(0, 2).flatmap(lambda kind: _bytes if kind == 2 else _lengths)


def _edited(extension: str, edits: tuple[Edit, ...]) -> Probe:
    clip = f"hello.{extension}"
    file = File("file", name_of(clip, edits), clip, FORMATS[extension].media_type)
    told = "; ".join(map(_change, edits))
    return replace(
        USUAL,
        parts=(*USUAL.parts[:-1], file),
        lane=Lane.HOSTILE,
        patience=PATIENCE,
        mistake=f"{clip}, {told} ({file.clip})",
    )


def _change(edit: Edit) -> str:
    match edit.kind:
        case "length":
            value = int.from_bytes(edit.data, "big")
            return f"the length no. {edit.at} in it given as {value:,}"
        case "cut":
            return f"cut to {edit.at} bytes"
        case "drop":
            return f"{edit.count} bytes missing at {edit.at}"
        case "add":
            return f"{len(edit.data)} bytes more at {edit.at}"
    return f"{len(edit.data)} bytes changed at {edit.at}"


def _told(value: str | bytes) -> str:
    """Return a value that is cut and escaped, for a sentence."""
    readable = f'"{escaped(value[:_SHOWN])}"' if isinstance(value, bytes) else None
    text = readable or shown(value, _SHOWN)
    return text if len(value) <= _SHOWN else f"{text}… ({len(value):,} long)"
