"""``soundcheck requirements`` lists the catalogue for people and programs."""

import json
from pathlib import Path

import pytest
from jsonschema import Draft202012Validator
from typer.testing import CliRunner

from soundcheck.cli import app
from soundcheck.errors import SoundcheckError
from soundcheck.report.validation import SCHEMAS

DOCS = Path(__file__).parents[2] / "docs"


def _run(*arguments: str) -> str:
    result = CliRunner().invoke(app, ["requirements", *arguments], catch_exceptions=False)
    assert result.exit_code == 0
    return result.output


def _ids(*arguments: str) -> list[str]:
    return [rule["id"] for rule in json.loads(_run("--json", *arguments))["requirements"]]


def test_json_keeps_its_published_schema() -> None:
    """The JSON catalogue is valid by its schema, and ids occur once."""
    document = json.loads(_run("--json"))
    schema = json.loads((SCHEMAS / "requirements-1.json").read_bytes())
    Draft202012Validator.check_schema(schema)
    Draft202012Validator(schema).validate(document)
    ids = _ids()
    assert len(ids) == len(set(ids)) >= 46


@pytest.mark.parametrize(
    ("arguments", "only"),
    [
        (("schema/json-text",), ["schema/json-text"]),
        (("STT-MODELS-003",), ["models/tested-model-listed"]),
        (("models", "--level", "must", "--profile", "openai"), None),
    ],
)
def test_filters_narrow_the_list(arguments: tuple[str, ...], only: list[str] | None) -> None:
    """Ids, draft numbers, areas, levels and profiles narrow the list."""
    found = _ids(*arguments)
    if only is not None:
        assert found == only
    else:
        assert set(found) == {"models/list", "models/entries-complete", *found}
        assert len(found) == 3
        assert all(identifier.startswith("models/") for identifier in found)


def test_table_and_markdown_name_every_rule() -> None:
    """The table and the Markdown list hold each requirement of an area."""
    for arguments in (("models",), ("models", "--markdown")):
        output = _run(*arguments)
        for identifier in _ids("models"):
            assert identifier in output


def test_the_documentation_is_current() -> None:
    """The list of requirements in the documentation is what the command prints."""
    written = (DOCS / "reference" / "requirements.md").read_text(encoding="utf-8")
    assert _run("--markdown") == written, (
        "run: soundcheck requirements --markdown > docs/reference/requirements.md"
    )


def test_one_requirement_is_told_in_full() -> None:
    """A single requirement is shown with its source and the faults that it catches."""
    output = _run("models/list")
    assert "OAS ListModelsResponse" in output
    assert "models-html" in output


@pytest.mark.parametrize("wrong", [("--level", "can"), ("--profile", "x"), ("--effort", "some")])
def test_a_wrong_choice_names_the_choices(wrong: tuple[str, str]) -> None:
    """A level, profile or effort that there is not is told with those that there are."""
    with pytest.raises(SoundcheckError, match="is one of"):
        CliRunner().invoke(app, ["requirements", *wrong], catch_exceptions=False)


def test_nothing_found_is_told() -> None:
    """A filter that matches nothing is an error, not an empty list."""
    with pytest.raises(SoundcheckError, match="no requirement matches"):
        CliRunner().invoke(app, ["requirements", "nonsense"], catch_exceptions=False)
