"""Validation of bodies against the JSON Schemas in ``conformance/schemas/``."""

import json
from functools import cache
from itertools import islice
from typing import Any

from soundcheck import suites
from soundcheck.contract.answer import Answer, shown

TOLD = 5
"""How many violations one message names."""


def enveloped(answer: Answer) -> None:
    """Assert that an answer is an error in the envelope; a failure shows what was sent instead."""
    try:
        conforms(answer.object(), "error#envelope")
    except AssertionError as error:
        told = str(error)
        raise AssertionError(
            told if answer.excerpt in told else f"{told}; {answer.excerpt}"
        ) from None


def conforms(value: object, name: str) -> None:
    """Assert that ``value`` keeps the schema ``name``, as in ``"transcription#segment"``.

    The part before ``#`` is a file, the part after it one of its definitions. Raises
    ``AssertionError`` that names the first violated places.
    """
    try:
        errors = list(islice(_validator(name).iter_errors(value), TOLD + 1))
    except RecursionError:
        raise AssertionError(f"a value is nested too deeply: {shown(value)}") from None
    told = sorted(map(_told, errors[:TOLD]))
    if len(errors) > TOLD:
        told.append("and more")
    if errors:
        raise AssertionError("; ".join(told))


@cache
def _validator(name: str) -> Any:  # the validator classes of jsonschema are made at run time
    from jsonschema import Draft202012Validator

    file, _, definition = name.partition("#")
    path = suites.folder("conformance") / "schemas" / f"{file}.json"
    document = json.loads(path.read_text(encoding="utf-8"))
    if definition:
        document = {"$ref": f"#/$defs/{definition}", "$defs": document["$defs"]}
    return Draft202012Validator(document)


def _told(error: Any) -> str:
    """Return one violation in the terms of JSON: the validator's own words are Python's."""
    place, rule, value = _place(error.absolute_path), error.validator_value, shown(error.instance)
    match error.validator:
        case "required":
            missing = next(name for name in rule if name not in error.instance)
            return f"{missing} is missing" + (f" in {place}" if error.absolute_path else "")
        case "type":
            kinds = rule if isinstance(rule, str) else " or ".join(rule)
            return f"{place} is {value}, not of type {kinds}"
        case "const":
            return f"{place} is {value}, not {shown(rule)}"
        case "minimum":
            return f"{place} is {value}, less than {shown(rule)}"
        case "maximum":
            return f"{place} is {value}, more than {shown(rule)}"
        case "minLength" | "minItems":
            return f"{place} is empty"
        case "multipleOf":
            return f"{place} is {value}, not a whole number"
    return f"{place} is {value}, which breaks the rule {error.validator}"


def _place(path: Any) -> str:
    steps = [f"[{step}]" if isinstance(step, int) else f".{step}" for step in path]
    return "".join(steps).lstrip(".") or "the value"
