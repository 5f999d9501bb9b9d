r"""Make text that a server chose safe to show: nothing in it may act on the reader's display.

Control characters (terminal escapes among them), bidirectional overrides, invisible characters
and code points that are no characters become visible escapes such as ``\x1b`` and ``\u202e``.
"""

import re

_UNPRINTABLE = re.compile(
    "["
    "\x00-\x08\x0b-\x1f\x7f-\x9f"  # controls other than tab and newline
    "\u00ad\u034f\u061c\u180e\u200b\u200e\u200f"  # invisible, or turning the direction of text
    "\u2028\u2029\u202a-\u202e\u2060-\u206f\ufeff"
    "\ud800-\udfff"  # lone surrogates: no encoding can carry them
    "\ufdd0-\ufdef\ufff9-\ufffb\ufffe\uffff"
    "\U000e0000-\U000e0fff"  # tags and other default-ignorables
    "]"
)
_INLINE = re.compile("[\t\n]")
_CONTROL_LIMIT, _PLANE_LIMIT = 0x100, 0x10000


def printable(text: str) -> str:
    """Return ``text`` with escapes for whatever does not simply print; keeps tabs and newlines."""
    return _UNPRINTABLE.sub(_escape, text.replace("\r\n", "\n"))


def one_line(text: str, limit: int | None = None) -> str:
    """Return ``text`` printable, on one line and, with ``limit``, at most that many characters."""
    line = _INLINE.sub(" ", printable(text)).strip()
    return line if limit is None or len(line) <= limit else line[: limit - 1].rstrip() + "…"


def pieces(text: str) -> list[tuple[str, bool]]:
    """Return ``text`` printable, in pieces that are each wholly an escape (true) or not."""
    text = text.replace("\r\n", "\n")
    found: list[tuple[str, bool]] = []
    position = 0
    for match in _UNPRINTABLE.finditer(text):
        if match.start() > position:
            found.append((text[position : match.start()], False))
        found.append((_escape(match), True))
        position = match.end()
    if position < len(text):
        found.append((text[position:], False))
    return found


def _escape(match: re.Match[str]) -> str:
    point = ord(match[0])
    if point < _CONTROL_LIMIT:
        return f"\\x{point:02x}"
    return f"\\u{point:04x}" if point < _PLANE_LIMIT else f"\\U{point:08x}"
