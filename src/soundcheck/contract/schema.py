"""Validation of bodies against the JSON Schemas in ``conformance/schemas/``."""

import json
from functools import cache
from typing import Any

from soundcheck import suites


def conforms(value: object, name: str) -> None:
    """Assert that ``value`` keeps the schema ``name``, as in ``"transcription#segment"``.

    The part before ``#`` is a file, the part after it one of its definitions. Raises
    ``AssertionError`` that names every violated place.
    """
    errors = sorted(
        _validator(name).iter_errors(value), key=lambda error: list(map(str, error.path))
    )
    told = [f"{_place(error.absolute_path)}: {_short(error.message)}" for error in errors[:5]]
    if len(errors) > len(told):
        told.append(f"and {len(errors) - len(told)} more")
    assert not errors, "; ".join(told)


@cache
def _validator(name: str) -> Any:  # the validator classes of jsonschema are made at run time
    from jsonschema import Draft202012Validator

    file, _, definition = name.partition("#")
    path = suites.folder("conformance") / "schemas" / f"{file}.json"
    document = json.loads(path.read_text(encoding="utf-8"))
    if definition:
        document = {"$ref": f"#/$defs/{definition}", "$defs": document["$defs"]}
    return Draft202012Validator(document)


def _place(path: Any) -> str:
    steps = [f"[{step}]" if isinstance(step, int) else f".{step}" for step in path]
    return "".join(steps).lstrip(".") or "the value"


def _short(message: str, limit: int = 200) -> str:
    return message if len(message) <= limit else message[: limit - 1] + "…"
