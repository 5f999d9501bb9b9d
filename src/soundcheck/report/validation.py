"""Read a JSON document of a run folder and hold it against its published schema."""

import json
from functools import cache
from pathlib import Path
from typing import Any, NoReturn

from soundcheck.errors import SoundcheckError
from soundcheck.report.printable import one_line

SCHEMAS = Path(__file__).with_name("schemas")
_SHOWN = 160


def load_document(path: Path, kind: str) -> dict[str, Any]:
    """Return the document at ``path``, of ``kind`` ``"run"`` or ``"exchange"``, version 1.

    Raises:
        SoundcheckError: the file is missing, unreadable, cut off, foreign, of another version, or
            breaks its schema; the message names the file and the first problem.

    """
    document = read_document(path, kind)
    problem = first_problem(document, kind)
    if problem:
        raise SoundcheckError(f"{path}: {problem}")
    return document


def read_document(path: Path, kind: str) -> dict[str, Any]:
    """Return the document at ``path`` as :func:`load_document` does, but without its schema.

    Raises:
        SoundcheckError: the file is missing, unreadable, cut off, foreign or of another version.

    """
    try:
        document = json.loads(path.read_bytes(), parse_constant=_refuse_constant)
    except FileNotFoundError:
        raise SoundcheckError(f"{path}: there is no such file") from None
    except OSError as error:
        raise SoundcheckError(f"{path}: cannot be read: {error.strerror}") from None
    except json.JSONDecodeError as error:
        where = f"line {error.lineno}, column {error.colno}"
        raise SoundcheckError(
            f"{path}: is not complete JSON ({error.msg}, {where}); was it cut off?"
        ) from None
    except (UnicodeDecodeError, ValueError, RecursionError) as error:
        raise SoundcheckError(f"{path}: is not JSON: {one_line(str(error), _SHOWN)}") from None
    _check_schema_name(path, document, kind)
    return dict(document)


def first_problem(document: object, kind: str) -> str | None:
    """Return where and how ``document`` breaks the schema of ``kind``, or ``None``."""
    from jsonschema.exceptions import best_match

    error = best_match(_validator(kind).iter_errors(document))
    if error is None:
        return None
    where = "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in error.path)
    return f"{where.lstrip('.') or 'the document'}: {one_line(error.message, _SHOWN)}"


def _check_schema_name(path: Path, document: object, kind: str) -> None:
    family = f"soundcheck/{kind}/"
    name = document.get("schema") if isinstance(document, dict) else None
    if not isinstance(name, str) or not name.startswith(family):
        raise SoundcheckError(f'{path}: is no Soundcheck {kind} ("schema": "{family}1" is missing)')
    if name != f"{family}1":
        raise SoundcheckError(
            f"{path}: is written as {one_line(name, 60)}, this Soundcheck reads {family}1; "
            "use the version that wrote it"
        )


def _refuse_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is no JSON number")


@cache
def _validator(
    kind: str,
) -> Any:  # jsonschema is imported on first use: it costs a tenth of a second
    from jsonschema import Draft202012Validator

    schema = json.loads((SCHEMAS / f"{kind}-1.json").read_bytes())
    return Draft202012Validator(schema)
