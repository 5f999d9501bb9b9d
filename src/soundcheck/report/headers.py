"""Headers and form fields as far as they are shown: a hostile server may send them without end."""

from collections.abc import Sequence

from soundcheck.report.printable import one_line

VALUE_SHOWN = 300  # characters of a header or of a form field
_NAME_SHOWN = 80
_LINES_SHOWN = 24


def limited(pairs: Sequence[Sequence[str]]) -> tuple[tuple[str, str], ...]:
    """Return the first of the (name, value) ``pairs``, long values cut, and how many more."""
    kept = [
        (one_line(name, _NAME_SHOWN), value if len(value) <= VALUE_SHOWN else _cut(value))
        for name, value in pairs[:_LINES_SHOWN]
    ]
    if len(pairs) > _LINES_SHOWN:
        kept.append(("…", f"and {len(pairs) - _LINES_SHOWN} more"))
    return tuple(kept)


def _cut(value: str) -> str:
    return f"{value[:VALUE_SHOWN]}… ({len(value):,} characters)"
