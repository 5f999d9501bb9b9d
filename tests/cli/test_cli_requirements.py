"""``soundcheck requirements`` lists the catalogue for people and programs."""

import json
import re
from pathlib import Path

import pytest
from jsonschema import Draft202012Validator
from typer.testing import CliRunner

from soundcheck.cli import app
from soundcheck.contract.coverage import load_coverage
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
        CliRunner().invoke(
            app, ["requirements", "models/list", "--level", "may"], catch_exceptions=False
        )


def test_a_typing_error_is_answered_by_the_name_that_is_meant() -> None:
    """A name that selects nothing is told with one like it, also beside names that are right."""
    with pytest.raises(SoundcheckError, match=r"'schema/json-tex': did you mean schema/json-text"):
        CliRunner().invoke(
            app, ["requirements", "models", "schema/json-tex"], catch_exceptions=False
        )


def test_coverage_is_complete() -> None:
    """Every fact of the contract is checked or excluded: the table says so, and exit code 0."""
    output = _run("--coverage")
    assert re.search(r"\d{3} facts: \d{3} checked, \d+ excluded, 0 open", output)
    assert "4.2 The verbose_json answer" in output


def test_coverage_in_json_keeps_its_published_schema() -> None:
    """The JSON coverage is valid by its schema."""
    document = json.loads(_run("--coverage", "--json"))
    schema = json.loads((SCHEMAS / "coverage-1.json").read_bytes())
    Draft202012Validator.check_schema(schema)
    Draft202012Validator(schema).validate(document)
    assert document["problems"] == []
    assert len(document["facts"]) == sum(document["summary"].values()) >= 230


def test_the_coverage_in_the_documentation_is_current() -> None:
    """The coverage in the documentation is what the command prints."""
    written = (DOCS / "reference" / "coverage.md").read_text(encoding="utf-8")
    assert _run("--coverage", "--markdown") == written, (
        "run: soundcheck requirements --coverage --markdown > docs/reference/coverage.md"
    )


def test_what_is_open_ends_in_exit_code_1(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """An open fact, and a name that is no requirement's, are told and are a failure."""
    section = 'title = "x"\n[facts.a]\nfact = "It is."\nsource = "OAS"\n[facts.b]\nfact = "b"\n'
    section += 'source = "s"\nrequirements = ["schema/nothing"]\n'
    (tmp_path / "1-x.toml").write_text(section, encoding="utf-8")
    (tmp_path / "beyond.toml").write_text("[areas]\n", encoding="utf-8")
    found = load_coverage(tmp_path)
    monkeypatch.setattr("soundcheck.contract.coverage.load_coverage", lambda: found)
    result = CliRunner().invoke(app, ["requirements", "--coverage"], catch_exceptions=False)
    assert result.exit_code == 1
    assert "2 facts: 1 checked, 0 excluded, 1 open" in result.output
    assert "open: 1 a: It is." in result.output
    assert "no such requirement: schema/nothing" in result.output


def test_coverage_takes_no_filters() -> None:
    """Coverage is of the whole contract."""
    with pytest.raises(SoundcheckError, match="leave out the filters"):
        CliRunner().invoke(app, ["requirements", "--coverage", "models"], catch_exceptions=False)
