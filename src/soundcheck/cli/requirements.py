"""``soundcheck requirements``: the catalogue as a table, Markdown or JSON."""

import json
from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated, Any

import typer

from soundcheck.errors import SoundcheckError

if TYPE_CHECKING:
    from soundcheck.contract.requirement import Requirement

EXAMPLES = """
**Examples**

`soundcheck requirements`

`soundcheck requirements formats --profile vllm --level must`

`soundcheck requirements schema/json-text`

tells all about one: its source, the profiles that hold it, and the faults that it catches

`soundcheck requirements --markdown > requirements.md`

`soundcheck requirements --coverage`

tells which facts of the contract are checked, and why the others cannot be; exit code 1 where one
is open
"""


def requirements(
    names: Annotated[
        list[str] | None,
        typer.Argument(metavar="[ID|AREA]...", help="Ids, areas, numbers of the draft."),
    ] = None,
    profile: Annotated[
        str | None, typer.Option(help="Only those of this built-in contract.")
    ] = None,
    level: Annotated[str | None, typer.Option(help="must, should or may.")] = None,
    effort: Annotated[str | None, typer.Option(help="quick, full or deep.")] = None,
    markdown: Annotated[bool, typer.Option("--markdown", help="Print Markdown.")] = False,
    coverage: Annotated[
        bool, typer.Option("--coverage", help="What becomes of every fact of the contract.")
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """List what deployments are checked for."""
    if coverage:
        from soundcheck.cli.coverage import tell_coverage

        if names or profile or level or effort:
            raise SoundcheckError("--coverage tells of the whole contract: leave out the filters")
        tell_coverage(markdown=markdown, as_json=as_json)
        return
    from soundcheck.contract.catalogue import load_catalogue
    from soundcheck.contract.contracts import CONTRACTS
    from soundcheck.contract.plan import check_names, names_of
    from soundcheck.contract.requirement import EFFORTS

    _check_choice("--profile", profile, CONTRACTS)
    _check_choice("--level", level and level.lower(), ("must", "should", "may"))
    _check_choice("--effort", effort, EFFORTS)
    rules = load_catalogue()
    check_names(names or (), rules)
    chosen = [
        rule
        for rule in rules
        if (not names or not set(names).isdisjoint(names_of(rule)))
        and (profile is None or profile in rule.profiles)
        and (level is None or rule.level == level.upper())
        and (effort is None or rule.effort == effort)
    ]
    if not chosen:
        raise SoundcheckError(
            "no requirement matches all of that; `soundcheck requirements` lists the ids and areas"
        )
    if as_json:
        typer.echo(json.dumps(_document(chosen), indent=1))
    elif markdown:
        typer.echo(_markdown(chosen), nl=False)
    elif len(chosen) == 1:
        _print_one(chosen[0])
    else:
        _print_table(chosen)


requirements.__doc__ = f"{requirements.__doc__}\n{EXAMPLES}"


def _document(chosen: "list[Requirement]") -> dict[str, Any]:
    from soundcheck.contract.catalogue import SCHEMA

    return {
        "schema": SCHEMA,
        "requirements": [
            {
                "id": rule.id,
                "draft": list(rule.draft),
                "area": rule.area,
                "level": rule.level,
                "rule": rule.rule,
                "source": rule.source,
                "profiles": list(rule.profiles),
                "needs": list(rule.needs),
                "effort": rule.effort,
                "killed_by": list(rule.killed_by),
                "test": rule.test,
                "cases": [case.id for case in rule.cases],
            }
            for rule in chosen
        ],
    }


def _markdown(chosen: "list[Requirement]") -> str:
    lines = ["# Requirements", ""]
    area = ""
    for rule in chosen:
        if rule.area != area:
            area = rule.area
            lines += [
                f"## {area}",
                "",
                "| Requirement | Level | Rule | Source | Profiles |",
                "|---|---|---|---|---|",
            ]
        cells = (f"`{rule.id}`", rule.level, rule.rule, rule.source, ", ".join(rule.profiles))
        lines.append("| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |")
    return "\n".join(lines) + "\n"


def _print_table(chosen: "list[Requirement]") -> None:
    from rich.console import Console
    from rich.table import Table

    table = Table(box=None, pad_edge=False, header_style="bold")
    table.add_column("requirement", no_wrap=True, overflow="fold")
    table.add_column("level")
    table.add_column("rule")
    for rule in chosen:
        table.add_row(rule.id, rule.level, rule.rule)
    console = Console()
    console.print(table)
    console.print(f"\n{len(chosen)} requirements", highlight=False)


def _print_one(rule: "Requirement") -> None:
    rows = {
        "requirement": rule.id,
        "level": rule.level,
        "rule": rule.rule,
        "source": rule.source,
        "profiles": ", ".join(rule.profiles),
        "needs": ", ".join(rule.needs) or "nothing",
        "effort": rule.effort,
        "caught": ", ".join(rule.killed_by),
        "cases": ", ".join(case.id for case in rule.cases) or "none",
        "test": rule.test,
    }
    for name, value in rows.items():
        typer.echo(f"{name:12} {value}")


def _check_choice(option: str, value: str | None, choices: Sequence[str]) -> None:
    if value is not None and value not in choices:
        raise SoundcheckError(f"{option} is one of {', '.join(choices)}, not {value!r}")
