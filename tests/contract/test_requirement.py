"""A requirement is a test with its rule, source, cases and probes beside it."""

import pytest

from soundcheck.contract import MUST, Case, cases, get, probes, requirement
from soundcheck.contract.catalogue import load_catalogue
from soundcheck.contract.requirement import requirement_of


def test_the_docstring_is_the_rule() -> None:
    """The first paragraph of the docstring, on one line, is the rule that reports state."""

    @requirement("models/list", MUST, source="OAS", killed_by=["models-html"])
    @cases("one", Case("two", clip="a.wav"))
    @probes(models=get("/models"))
    def test_something() -> None:
        """Models are
        listed.

        More about why.
        """

    rule = requirement_of(test_something)
    assert rule is not None
    assert rule.rule == "Models are listed."
    assert rule.area == "models"
    assert [case.id for case in rule.cases] == ["one", "two"]
    assert rule.test == "contract/test_requirement.py::test_something"


@pytest.mark.parametrize("identifier", ["models", "Models/list", "models/", "models/two words"])
def test_identifiers_have_one_form(identifier: str) -> None:
    """An identifier that is not area/words is refused."""
    with pytest.raises(ValueError, match="area/words"):
        requirement(identifier, MUST, source="OAS", killed_by=[])(_documented)


def test_a_rule_must_be_stated() -> None:
    """A test without a docstring cannot be a requirement."""

    def test_silent() -> None:
        pass

    with pytest.raises(ValueError, match="docstring"):
        requirement("models/list", MUST, source="OAS", killed_by=[])(test_silent)


def test_the_catalogue_is_sound() -> None:
    """Every requirement has a rule, a source and a fault, in a module of its area."""
    catalogue = load_catalogue()
    assert len(catalogue) >= 46
    for rule in catalogue:
        assert rule.rule.endswith("."), rule.id
        assert rule.source, rule.id
        assert rule.killed_by, rule.id
        module = rule.test.partition(".py::")[0]
        assert f"{module}_".startswith(f"conformance/test_{rule.area}_"), rule.id


def test_two_tests_cannot_claim_one_id(tmp_path) -> None:
    """The catalogue refuses a second test for an id."""
    source = (
        "from soundcheck.contract import MUST, requirement\n"
        "@requirement('models/list', MUST, source='s', killed_by=['f'])\n"
        "def test_{name}():\n    '''A rule.'''\n"
    )
    for name in ("a", "b"):
        (tmp_path / f"test_{name}.py").write_text(source.replace("{name}", name))
    with pytest.raises(ValueError, match="claimed by"):
        load_catalogue(tmp_path)


def _documented() -> None:
    """A rule."""
