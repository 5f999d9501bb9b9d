"""What a request asks for, and the readers that turn a form's text into checked values.

An optional parameter that is sent empty counts as not sent: it is a frequent client default.
"""

import json
import math
from collections.abc import Collection
from dataclasses import dataclass
from typing import Any

from soundcheck.reference.languages import LANGUAGES
from soundcheck.reference.models import Models, SpeechModel
from soundcheck.reference.refusal import Kind, Refusal, quoted
from soundcheck.reference.upload import Form, Upload

_TRUE = {"true", "1", "on", "yes", "t", "y"}
_FALSE = {"false", "0", "off", "no", "f", "n"}


@dataclass(frozen=True, slots=True)
class Request:
    """A checked request: every parameter that shapes the answer.

    ``known_speakers`` pairs names with the bytes of their voice samples; ``stream_usage`` asks
    for usage at the end of a stream, ``continuous_usage`` in each of its chunks (vLLM);
    ``max_tokens`` ends the text early (vLLM).
    """

    model: SpeechModel
    file: Upload
    response_format: str = "json"
    language: str | None = None
    prompt: str = ""
    temperature: float = 0.0
    granularities: frozenset[str] = frozenset({"segment"})
    logprobs: bool = False
    stream: bool = False
    chunking: bool = False
    known_speakers: tuple[tuple[str, bytes], ...] = ()
    stream_usage: bool = False
    continuous_usage: bool = False
    max_tokens: int | None = None


def find_model(models: Models, model_id: str) -> SpeechModel:
    """Return the served model of exactly this id; raises Refusal naming it otherwise."""
    model = models.find(model_id)
    if model is None:
        raise Refusal(Kind.UNKNOWN_MODEL, f"The model {quoted(model_id)} does not exist.", "model")
    return model


def audio_file(form: Form) -> Upload:
    """Return the form's file; raises Refusal when there is none, or it has no file name."""
    if form.file is not None:
        return form.file
    if form.get("file") is not None:
        raise Refusal(
            Kind.NOT_A_FILE, "'file' must be a file: its part of the form has no filename.", "file"
        )
    raise Refusal(Kind.MISSING, "Missing required parameter: 'file'.", "file")


def text(form: Form, name: str) -> str | None:
    """Return the field, None when it is absent or empty."""
    return form.get(name) or None


def choice(form: Form, name: str, allowed: Collection[str], default: str) -> str:
    """Return a value out of ``allowed``; raises Refusal for any other."""
    value = text(form, name)
    if value is None:
        return default
    if value not in allowed:
        raise _invalid(name, value, f"one of {_listed(allowed)}")
    return value


def choices(form: Form, name: str, allowed: Collection[str]) -> frozenset[str]:
    """Return the values of a repeated field, each out of ``allowed``."""
    values = [value for value in form.all(name) if value]
    for value in values:
        if value not in allowed:
            raise _invalid(name, value, f"one of {_listed(allowed)}")
    return frozenset(values)


def number(
    form: Form,
    name: str,
    *,
    low: float = -math.inf,
    high: float = math.inf,
    default: float | None = None,
) -> float | None:
    """Return a finite number within ``low`` and ``high`` (both included)."""
    value = text(form, name)
    if value is None:
        return default
    try:
        parsed = float(value)
    except ValueError:
        parsed = math.nan
    if not (math.isfinite(parsed) and low <= parsed <= high):
        raise _invalid(name, value, f"a number{_range(low, high)}")
    return parsed


def integer(form: Form, name: str, *, low: int, high: int = 2**63 - 1) -> int | None:
    """Return a whole number within ``low`` and ``high`` (both included), or None."""
    value = text(form, name)
    if value is None:
        return None
    try:
        # A bound on the length keeps the conversion cheap.
        parsed = int(value) if len(value) <= 20 else high + 1
    except ValueError:
        parsed = high + 1
    if not low <= parsed <= high:
        raise _invalid(name, value, f"a whole number{_range(low, high)}")
    return parsed


def boolean(form: Form, name: str) -> bool:
    """Return a truth value in any spelling that is usual in forms; absent means false."""
    value = text(form, name)
    if value is None or value.lower() in _FALSE:
        return False
    if value.lower() in _TRUE:
        return True
    raise _invalid(name, value, "true or false")


def language(form: Form, name: str = "language") -> str | None:
    """Return a language code that the models know, or None; raises Refusal for others."""
    value = text(form, name)
    if value is not None and value not in LANGUAGES:
        raise Refusal(
            Kind.INVALID,
            f"Unsupported {name}: {quoted(value)}. Use an ISO-639-1 code out of "
            f"{', '.join(LANGUAGES)}.",
            name,
        )
    return value


def json_object(name: str, value: str) -> dict[str, Any]:
    """Return the JSON object that a field holds as text; raises Refusal for anything else."""
    try:
        parsed = json.loads(value)
    except (ValueError, RecursionError):
        parsed = None
    if not isinstance(parsed, dict):
        raise _invalid(name, value, "a JSON object")
    return parsed


def _invalid(name: str, value: str, expected: str) -> Refusal:
    message = f"Invalid value for '{name}': {quoted(value)}. Expected {expected}."
    return Refusal(Kind.INVALID, message, name)


def _listed(allowed: Collection[str]) -> str:
    return ", ".join(f"'{one}'" for one in sorted(allowed))


def _range(low: float, high: float) -> str:
    if low == -math.inf and high == math.inf:
        return ""
    if high == math.inf or high == 2**63 - 1:
        return f" of at least {low:g}"
    if low == -math.inf:
        return f" of at most {high:g}"
    return f" from {low:g} to {high:g}"
