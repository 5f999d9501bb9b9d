"""``soundcheck serve``: the bundled reference deployment, for people and other programs."""

import os
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Annotated, cast

import typer

from soundcheck.errors import SoundcheckError

EXAMPLES = """
**Examples**

`soundcheck serve --port 8080`: then copy the curl line that it prints

`soundcheck serve --dialect vllm --api-key-env STT_KEY`: as vLLM speaks, with a key

`soundcheck serve --fault refuses-webm --fault no-usage`: with two defects

`soundcheck serve --max-file 1000000`: refuses larger uploads

`soundcheck serve --recognizer lookup --latency servers=4,mean=0.1,exponential`: for load runs

`soundcheck serve --private`: an encrypting proxy on port 8080 before its gateway and a backend

`soundcheck serve --private --fault iv-constant`: the same with a defect of its encryption

`soundcheck serve --list-faults`: every defect and every harmless variation

Ctrl-C ends it. **Exit codes**: 0 ended by Ctrl-C · 2 bad usage, or the port is taken
"""


class MissingKey(SoundcheckError):
    """The environment variable that should hold the key is not there."""


class WrongUse(SoundcheckError):
    """Options that do not go together."""


def serve(
    host: Annotated[str, typer.Option(help="Address to listen on.")] = "127.0.0.1",
    port: Annotated[
        int | None,
        typer.Option(
            min=0,
            max=65535,
            help="Port to listen on; 0 takes a free one. Default: 8000, with --private 8080.",
        ),
    ] = None,
    dialect: Annotated[
        str | None, typer.Option(help="openai or vllm. Default: openai, with --private vllm.")
    ] = None,
    api_key_env: Annotated[
        str | None,
        typer.Option(
            metavar="NAME",
            help="Environment variable whose value clients must send; with --private the proxy "
            "sends it for them.",
        ),
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
    recognizer: Annotated[
        str,
        typer.Option(
            metavar="speech|lookup",
            help="speech listens; lookup knows soundcheck's own clips by their content and takes "
            "the time that --latency says, for load runs.",
        ),
    ] = "speech",
    latency: Annotated[
        str | None,
        typer.Option(
            metavar="MODEL",
            help="With --recognizer lookup: servers=N, mean=SECONDS of service and its "
            "distribution (constant, exponential, lognormal:CV), tokens=N per second of streamed "
            "text, per_audio_s=SECONDS more per second of audio, seed=N; with commas. "
            "Default: servers=4,mean=0.1,exponential,tokens=50.",
        ),
    ] = None,
    private: Annotated[
        bool,
        typer.Option(
            "--private", help="Serve an encrypting proxy, its gateway and the backend behind them."
        ),
    ] = False,
    client_key: Annotated[
        bool,
        typer.Option("--client-key", help="With --private: clients send the key themselves."),
    ] = False,
    gateway_port: Annotated[
        int | None,
        typer.Option(
            min=0, max=65535, help="With --private: the gateway's port. Default: a free one."
        ),
    ] = None,
    gateway_roots: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE",
            help="With --private: have the gateway's test root (PEM) here while it runs.",
        ),
    ] = None,
    via: Annotated[
        str | None,
        typer.Option(
            metavar="HOST:PORT",
            help="With --private: the proxy connects to this (a tap) in place of the gateway, and "
            "trusts the roots in SSL_CERT_FILE.",
        ),
    ] = None,
) -> None:
    """Serve the reference deployment: an OpenAI-compatible speech-to-text API on this machine."""
    if list_faults:
        _list_faults()
        return
    from soundcheck.reference.settings import LOOKUP_NOTE, Counts, Settings

    only_private = {
        "--client-key": client_key,
        "--gateway-port": gateway_port is not None,
        "--gateway-roots": gateway_roots is not None,
        "--via": via is not None,
    }
    _check_options(private, only_private, client_key and api_key_env is None)
    from soundcheck.reference.private import by_side

    backend_faults, private_faults = by_side(fault or ())
    if private_faults and not private:
        raise WrongUse(f"{private_faults[0]} is a fault of the private stack: add --private.")
    settings = Settings(
        dialect or ("vllm" if private else "openai"),
        _key(api_key_env),
        backend_faults,
        workers,
        max_file,
        cast(Counts | None, limit_counts),  # checked by Settings
        recognizer,
        latency,
    )
    if private:
        from soundcheck.cli.private_stack import StackSettings, serve_private

        serve_private(
            StackSettings(
                settings,
                private_faults,
                host,
                8080 if port is None else port,
                gateway_port or 0,
                api_key_env,
                client_key,
                via,
                gateway_roots,
            )
        )
        return
    from soundcheck.reference import server

    listener = server.listen(host, 8000 if port is None else port)
    url = server.base_url(listener)

    def ready() -> None:
        typer.echo(f"Reference deployment, dialect {settings.dialect}: {url}")
        if settings.faults:
            typer.echo(f"with {', '.join(settings.faults)}")
        if settings.service is not None:
            typer.echo(f"{LOOKUP_NOTE} Service model: {settings.service}.")
            typer.echo(f"Metrics: {url.removesuffix('/v1')}/metrics")
        typer.echo(f"\n{_curl(url, api_key_env)}\n")
        typer.echo("`soundcheck fixtures export .` writes hello.mp3 and the other clips.")
        typer.echo("Ctrl-C ends it.")

    try:
        server.serve(settings, listener, ready)
    except KeyboardInterrupt:  # before the server had its own way to end
        return


serve.__doc__ = f"{serve.__doc__}\n{EXAMPLES}"


def _check_options(private: bool, only_private: Mapping[str, bool], keyless: bool) -> None:
    given = [name for name, is_given in only_private.items() if is_given]
    if given and not private:
        raise WrongUse(f"{' and '.join(given)} can only be used with --private.")
    if keyless:
        raise WrongUse("--client-key needs the key that clients have to send: --api-key-env.")


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
    from soundcheck.reference.private import PRIVATE_FAULTS

    catalogue = load_catalogue()
    width = max(map(len, (*FAULTS, *BENIGN, *PRIVATE_FAULTS)))

    def tell(heading: str, defects: Iterable[tuple[str, str]]) -> None:
        typer.echo(heading)
        for name, sentence in defects:
            finders = ", ".join(rule.id for rule in catalogue if name in rule.killed_by)
            typer.echo(f"  {name:{width}}  {sentence}{f' [{finders}]' if finders else ''}")

    harmless = [one for one in PRIVATE_FAULTS.values() if one.benign]
    tell(
        "Defects (the requirements that must find them in brackets):",
        ((fault.name, fault.sentence) for fault in FAULTS.values()),
    )
    tell(
        "\nDefects of the private stack, with --private:",
        ((one.name, one.sentence) for one in PRIVATE_FAULTS.values() if not one.benign),
    )
    tell(
        "\nHarmless variations (no check may flag them):",
        [
            *((one.name, one.sentence) for one in BENIGN.values()),
            *((one.name, one.sentence) for one in harmless),
        ],
    )
