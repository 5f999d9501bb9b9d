"""Reading SubRip and WebVTT strictly, as players do that were not written to be kind."""

import re
from dataclasses import dataclass

from soundcheck.contract.answer import shown

_CLOCK = {
    "srt": r"([0-9]{2,6}):([0-5][0-9]):([0-5][0-9]),([0-9]{3})",
    "vtt": r"(?:([0-9]{2,6}):)?([0-5][0-9]):([0-5][0-9])\.([0-9]{3})",
}
_VTT_SETTINGS = r"(?:[ \t]+\S.*)?"


@dataclass(frozen=True, slots=True)
class Cue:
    """One subtitle: its times in seconds and its text, lines joined by a space."""

    start: float
    end: float
    text: str


def parse_subtitles(document: str, kind: str) -> list[Cue]:
    """Return the cues of ``document``, whose ``kind`` is ``srt`` or ``vtt``.

    SubRip: blocks of a counter from 1, ``HH:MM:SS,mmm --> HH:MM:SS,mmm`` and text, apart by blank
    lines. WebVTT (W3C): the line ``WEBVTT``, then cues with ``.`` before the milliseconds; hours,
    identifiers, settings and NOTE blocks are optional. Raises ``ValueError`` that names the block.
    """
    text = document.removeprefix("\N{ZERO WIDTH NO-BREAK SPACE}").replace("\r\n", "\n")
    blocks = [block.split("\n") for block in re.split(r"\n{2,}", text.strip("\n")) if block]
    if kind == "vtt":
        if not blocks or not re.fullmatch(r"WEBVTT(?:[ \t].*)?", blocks[0][0]):
            raise ValueError("the first line is not WEBVTT")
        blocks = [b for b in blocks[1:] if not b[0].startswith(("NOTE", "STYLE", "REGION"))]
    return [_cue(block, number, kind) for number, block in enumerate(blocks, start=1)]


def _cue(lines: list[str], number: int, kind: str) -> Cue:
    if kind == "srt":
        if lines[0].strip() != str(number):
            raise ValueError(f"block {number} begins with {shown(lines[0])}, not with its number")
        lines = lines[1:]
    elif "-->" not in lines[0]:
        lines = lines[1:]  # an identifier
    clock = _CLOCK[kind]
    pattern = rf"{clock}[ \t]+-->[ \t]+{clock}" + (_VTT_SETTINGS if kind == "vtt" else "")
    timing = re.fullmatch(pattern, lines[0].rstrip()) if lines else None
    if timing is None:
        found = shown(lines[0]) if lines else "nothing"
        raise ValueError(f"block {number} has {found} where its times should be")
    if any("-->" in line for line in lines[1:]):
        raise ValueError(f"block {number} holds the times of another: a blank line is missing")
    fields = timing.groups()
    return Cue(_seconds(*fields[:4]), _seconds(*fields[4:]), " ".join(lines[1:]).strip())


def _seconds(hours: str | None, minutes: str, seconds: str, milliseconds: str) -> float:
    return int(hours or 0) * 3600 + int(minutes) * 60 + int(seconds) + int(milliseconds) / 1000
