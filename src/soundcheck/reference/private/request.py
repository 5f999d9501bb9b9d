"""A request's body on the wire: a form sealed value by value, anything else sealed whole."""

from collections.abc import Callable, Container, Sequence

from soundcheck.reference.private import form
from soundcheck.reference.private.cipher import Opener, Sealer, Tampered
from soundcheck.reference.private.form import NotAForm, Part

_USAGE = ("stream_include_usage", "stream_continuous_usage_stats")


def seal(
    parts: Sequence[Part] | None,
    body: bytes,
    content_type: str,
    sealer: Sealer,
    clear: Container[str],
    filename: Callable[[str], str],
) -> tuple[bytes, str]:
    """Return body and content type of a request, given its ``parts`` in their order.

    Without parts (no form), or when none of them would be encrypted, the ``body`` is sealed whole:
    what is no secret by itself may be one where nobody expects it.
    """
    if parts is None or all(part.filename is None and part.name in clear for part in parts):
        return sealer.seal(body), content_type
    return form.write([_sealed(part, sealer, clear, filename) for part in parts])


def _sealed(
    part: Part, sealer: Sealer, clear: Container[str], filename: Callable[[str], str]
) -> Part:
    if part.filename is None:
        return part if part.name in clear else Part(part.name, sealer.seal(part.data))
    return Part(part.name, sealer.seal(part.data), filename(part.filename))


def unseal(
    body: bytes,
    content_type: str,
    opener: Opener,
    clear: Container[str],
    *,
    stream_usage: bool = False,
) -> tuple[bytes, str]:
    """Return body and content type as the client meant them; raises Tampered.

    With ``stream_usage`` vLLM's options for it are added to a form that asks for a stream.
    """
    if not body.startswith(b"--"):
        return opener.open(body), content_type
    try:
        parts = form.read(body, content_type)
    except NotAForm as error:
        raise Tampered(str(error)) from None
    opened = [_opened(part, opener, clear) for part in parts]
    if stream_usage and any(part.name == "stream" and _is_true(part.data) for part in opened):
        given = {part.name for part in opened}
        opened += [Part(name, b"true") for name in _USAGE if name not in given]
    return form.write(opened)


def _is_true(text: bytes) -> bool:
    return text.lower() == b"true"


def _opened(part: Part, opener: Opener, clear: Container[str]) -> Part:
    if part.filename is None and part.name in clear:
        return part
    return Part(part.name, opener.open(part.data), part.filename)
