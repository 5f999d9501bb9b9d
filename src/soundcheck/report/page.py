"""What every HTML page has in common: templates, safe text, and style known by its digest.

A page loads nothing, and its content security policy allows only the style and the script that
stand in it, by their digests: should a server's text ever slip through the escaping, it would still
not run.
"""

import base64
import hashlib
import re
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from soundcheck.report.printable import one_line, pieces, printable

if TYPE_CHECKING:
    from jinja2 import Environment
    from markupsafe import Markup

TEMPLATES = Path(__file__).with_name("templates")
_UNIT = re.compile(r"(?<=\d) (?=(?:%|[kMG]?B|[mµ]?s|min|h|W|kJ)(?:\W|$))")
_MESSAGE_SHOWN = 4000  # characters of one message


@cache
def environment() -> "Environment":
    """Return the templates' environment: everything is escaped, and printable before that."""
    from jinja2 import Environment, FileSystemLoader, StrictUndefined

    found = Environment(
        loader=FileSystemLoader(TEMPLATES),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        finalize=_finalized,
    )
    found.filters |= {"marked": marked, "line": one_line, "message": message, "unbroken": unbroken}
    return found


@cache
def asset(*names: str) -> "Markup":
    """Return our own style or script, of one or more files, which may not close its element."""
    from markupsafe import Markup

    texts = [(TEMPLATES / name).read_text(encoding="utf-8").strip() for name in names]
    return Markup("\n".join(texts))  # noqa: S704  # ours


def digest(*names: str) -> str:
    """Return the digest of an asset as a content security policy wants it."""
    return base64.b64encode(hashlib.sha256(asset(*names).encode()).digest()).decode()


def marked(text: str) -> "Markup":
    """Return ``text`` escaped for HTML, its replaced characters marked as replacements."""
    from markupsafe import Markup, escape

    return Markup("").join(
        Markup('<span class="esc">{}</span>').format(piece) if replaced else escape(piece)
        for piece, replaced in pieces(text)
    )


def message(text: str, limit: int = _MESSAGE_SHOWN) -> "Markup":
    """Return a message marked like any server text, and cut where it is no message any more."""
    if len(text) <= limit:
        return marked(text)
    return marked(text[:limit] + f"… ({len(text):,} characters)")


def unbroken(text: str) -> str:
    """Return ``text`` with its figures and their units kept on one line."""
    return _UNIT.sub("\u00a0", text)


def _finalized(value: Any) -> Any:
    """Make every plain string of a template printable before it is escaped."""
    return printable(value) if type(value) is str else value
