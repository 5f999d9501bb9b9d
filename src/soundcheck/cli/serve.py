"""``soundcheck serve``: the bundled reference deployment, for people and other programs."""

import os
from typing import Annotated, cast

import typer

from soundcheck.errors import SoundcheckError

EXAMPLES = """
**Examples**

`soundcheck serve --port 8080`: then copy the curl line that it prints

`soundcheck serve --dialect vllm --api-key-env STT_KEY`: as vLLM speaks, with a key

`soundcheck serve --fault refuses-webm --fault no-usage`: with two defects

`soundcheck serve --max-file 1000000`: refuses larger uploads

`soundcheck serve --list-faults`: every defect and every harmless variation

Ctrl-C ends it. **Exit codes**: 0 ended by Ctrl-C · 2 bad usage, or the port is taken
"""


class MissingKey(SoundcheckError):
    """The environment variable that should hold the key is not there."""


def serve(
    host: Annotated[str, typer.Option(help="Address to listen on.")] = "127.0.0.1",
    port: Annotated[
        int, typer.Option(min=0, max=65535, help="Port to listen on; 0 takes a free one.")
    ] = 8000,
    dialect: Annotated[str, typer.Option(help="openai or vllm.")] = "openai",
    api_key_env: Annotated[
        str | None,
        typer.Option(metavar="NAME", help="Environment variable whose value clients must send."),
    ] = None,
    fault: Annotated[
        list[str] | None, typer.Option(metavar="NAME", help="Have this defect (repeatable).")
    ] = None,
    list_faults: Annotated[
        bool, typer.Option("--list-faults", help="List the defects and end.")
    ] = False,
    workers: Annotated[
        int | None, typer.Option(min=1, max=64, help="Recognizer processes. Default: cores.")
    ] = None,
    max_file: Annotated[
        int | None,
        typer.Option(min=0, metavar="BYTES", help="Size limit of an upload. Default: 26214400."),
    ] = None,
    limit_counts: Annotated[
        str | None,
        typer.Option(
            metavar="WHAT",
            help="What the limit counts: file, part (the file with its headers) or request "
            "(the whole body). Default: as the dialect has it.",
        ),
    ] = None,
) -> None:
    """Serve the reference deployment: an OpenAI-compatible speech-to-text API on this machine."""
    if list_faults:
        _list_faults()
        return
    from soundcheck.reference.settings import Counts, Settings

    settings = Settings(
        dialect,
        _key(api_key_env),
        tuple(fault or ()),
        workers,
        max_file,
        cast(Counts | None, limit_counts),  # checked by Settings
    )
    from soundcheck.reference import server

    listener = server.listen(host, port)
    url = server.base_url(listener)

    def ready() -> None:
        typer.echo(f"Reference deployment, dialect {settings.dialect}: {url}")
        if settings.faults:
            typer.echo(f"with {', '.join(settings.faults)}")
        typer.echo(f"\n{_curl(url, api_key_env)}\n")
        typer.echo("`soundcheck fixtures export .` writes hello.mp3 and the other clips.")
        typer.echo("Ctrl-C ends it.")

    try:
        server.serve(settings, listener, ready)
    except KeyboardInterrupt:  # before the server had its own way to end
        return


serve.__doc__ = f"{serve.__doc__}\n{EXAMPLES}"


def _key(variable: str | None) -> str | None:
    if variable is None:
        return None
    key = os.environ.get(variable)
    if not key:
        raise MissingKey(
            f"The environment variable {variable} is not set: it must hold the key that clients "
            "have to send."
        )
    return key


def _curl(url: str, variable: str | None) -> str:
    key = f' -H "Authorization: Bearer ${variable}"' if variable else ""
    return f"curl {url}/audio/transcriptions{key} -F model=whisper-large-v3 -F file=@hello.mp3"


def _list_faults() -> None:
    from soundcheck.contract.catalogue import load_catalogue
    from soundcheck.reference.faults import BENIGN, FAULTS

    catalogue = load_catalogue()
    width = max(len(name) for name in (*FAULTS, *BENIGN))
    typer.echo("Defects (the requirements that must find them in brackets):")
    for fault in FAULTS.values():
        finders = ", ".join(rule.id for rule in catalogue if fault.name in rule.killed_by)
        typer.echo(f"  {fault.name:{width}}  {fault.sentence} [{finders}]")
    typer.echo("\nHarmless variations (no check may flag them):")
    for variation in BENIGN.values():
        typer.echo(f"  {variation.name:{width}}  {variation.sentence}")
