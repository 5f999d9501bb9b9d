"""``soundcheck requirements --coverage``: what becomes of every fact of the contract."""

import json
from typing import TYPE_CHECKING, Any

import typer

from soundcheck.errors import ExitCode

if TYPE_CHECKING:
    from soundcheck.contract.coverage import Coverage, Fact


def tell_coverage(*, markdown: bool, as_json: bool) -> None:
    """Print the coverage; end with exit code 1 where a fact is open or a name leads nowhere."""
    from soundcheck.contract.catalogue import load_catalogue
    from soundcheck.contract.coverage import load_coverage

    coverage = load_coverage()
    known = [rule.id for rule in load_catalogue()]
    problems = [
        *(f"open: {fact.section} {fact.name}: {fact.fact}" for fact in coverage.of("open")),
        *(f"no such requirement: {name}" for name in coverage.unknown(known)),
        *(
            f"asked for by no fact, and not said by whom: {name}"
            for name in coverage.unasked(known)
        ),
    ]
    if as_json:
        typer.echo(json.dumps(_document(coverage, problems), indent=1))
    elif markdown:
        typer.echo(_markdown(coverage), nl=False)
    else:
        _print(coverage, problems)
    if problems:
        raise typer.Exit(ExitCode.FAILED)


def _summary(coverage: "Coverage") -> str:
    checked, excluded, unsettled = (
        len(coverage.of(state)) for state in ("checked", "excluded", "open")
    )
    total = len(coverage.facts)
    return f"{total} facts: {checked} checked, {excluded} excluded, {unsettled} open"


def _document(coverage: "Coverage", problems: list[str]) -> dict[str, Any]:
    from soundcheck.contract.coverage import SCHEMA

    return {
        "schema": SCHEMA,
        "summary": {state: len(coverage.of(state)) for state in ("checked", "excluded", "open")},
        "problems": problems,
        "facts": [
            {
                "section": fact.section,
                "name": fact.name,
                "fact": fact.fact,
                "source": fact.source,
                "state": fact.state,
                "requirements": list(fact.requirements),
                "excluded": fact.excluded or None,
            }
            for fact in coverage.facts
        ],
        "beyond": dict(coverage.beyond),
    }


def _markdown(coverage: "Coverage") -> str:
    lines = ["# Coverage of the contract", "", f"{_summary(coverage)}.", ""]
    for section, title in coverage.titles.items():
        lines += [
            f"## {section} {title}",
            "",
            "| Fact | Source | Checked by, or excluded because |",
        ]
        lines.append("|---|---|---|")
        for fact in coverage.in_section(section):
            cells = (fact.fact, fact.source, _outcome(fact))
            lines.append("| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |")
        lines.append("")
    lines += ["## Beyond the contract", "", "| Requirements | Asked for by |", "|---|---|"]
    lines += [f"| `{name}` | {source} |" for name, source in coverage.beyond.items()]
    return "\n".join(lines) + "\n"


def _outcome(fact: "Fact") -> str:
    if fact.requirements:
        return ", ".join(f"`{name}`" for name in fact.requirements)
    return f"*excluded*: {fact.excluded}" if fact.excluded else "**open**"


def _print(coverage: "Coverage", problems: list[str]) -> None:
    from rich.console import Console
    from rich.table import Table

    table = Table(box=None, pad_edge=False, header_style="bold")
    table.add_column("section", no_wrap=True)
    for column in ("facts", "checked", "excluded", "open"):
        table.add_column(column, justify="right")
    for section, title in coverage.titles.items():
        states = [fact.state for fact in coverage.in_section(section)]
        counts = [len(states), *(states.count(s) for s in ("checked", "excluded", "open"))]
        table.add_row(f"{section} {title}", *map(str, counts))
    console = Console(highlight=False)
    console.print(table)
    console.print(f"\n{_summary(coverage)}")
    for problem in problems:
        console.print(problem, markup=False)
