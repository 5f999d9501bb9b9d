"""``soundcheck check``: judge one deployment, or the bundled reference when none is named."""

import contextlib
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from soundcheck import __version__
from soundcheck.cli.judging import judge
from soundcheck.cli.own_key import VARIABLE, own_key
from soundcheck.errors import Interrupted, SoundcheckError

if TYPE_CHECKING:
    from soundcheck.contract.profile import Profile
    from soundcheck.plugin.options import Options
    from soundcheck.plugin.tapping import Arrangement

REFERENCE_MODEL = "whisper-large-v3"
OURS = "the bundled reference"
API = "api.privatemode.ai:443"
"""What a user of a proxy most likely has behind it, for an example to copy."""

EXAMPLES = """
**Examples**

`soundcheck check`

judges the bundled reference deployment

`soundcheck check http://localhost:8000/v1 --profile vllm`

`soundcheck check https://api.openai.com/v1 --model whisper-1 --api-key-env OPENAI_API_KEY`

`soundcheck check http://localhost:8000/v1 --only formats --out reports/formats`

`soundcheck check staging --max-requests 100`

judges a target of soundcheck.toml (`soundcheck init` writes one), which may cost no more than this

`soundcheck check http://localhost:8000/v1 --suite my_requirements`

judges your own requirements with the bundled ones

`soundcheck check --resume reports/20260101-120000`

goes on with a run that was interrupted, or ended by a cap

`soundcheck check --replay reports/20260101-120000`

judges a recorded run again, without a deployment

`soundcheck check http://localhost:8080/v1 --profile privatemode --tap 127.0.0.1:8443
--upstream api.privatemode.ai:443`

looks at what leaves an encrypting proxy; says what to type, and waits for the proxy

`soundcheck check http://localhost:8000/v1 --waivers waivers.toml --baseline baseline.json`

a gate: what is waived, or was no better before, does not fail

**Exit codes**: 0 everything required holds · 1 a MUST fails (with a baseline: got worse), or a
waiver is stale, expired or unknown · 2 bad usage or configuration ·
3 no connection, no transcription API there, or the key is refused · 4 no verdict possible, a cap
was reached, or interrupted, unless a MUST had failed already · 5 fault of soundcheck itself, or of
a requirement of your own
"""


def check(
    url: Annotated[
        str | None,
        typer.Argument(
            metavar="[URL|TARGET]",
            help="Base URL of the API, normally ending in /v1, or a target's name in "
            "soundcheck.toml. Default: the reference.",
        ),
    ] = None,
    profile: Annotated[
        str | None,
        typer.Option(
            help="What is claimed: openai (default), vllm, privatemode, encrypting-proxy; azure, "
            "groq, litellm, localai, speaches, whisper-cpp; or a .toml file."
        ),
    ] = None,
    model: Annotated[
        str | None, typer.Option(help="Model under test. Default: chosen from /models.")
    ] = None,
    api_key_env: Annotated[
        str | None, typer.Option(metavar="NAME", help="Environment variable that holds the key.")
    ] = None,
    out: Annotated[
        Path | None,
        typer.Option(
            metavar="DIR",
            help="Run folder; replaces an earlier run there (default: a new one in reports).",
        ),
    ] = None,
    only: Annotated[
        list[str] | None, typer.Option(metavar="ID|AREA", help="Judge only these (repeatable).")
    ] = None,
    without: Annotated[
        list[str] | None, typer.Option(metavar="ID|AREA", help="Leave these out (repeatable).")
    ] = None,
    suite: Annotated[
        list[Path] | None,
        typer.Option(metavar="DIR", help="Judge requirements of your own, too (repeatable)."),
    ] = None,
    effort: Annotated[
        str | None, typer.Option(help="How much may be asked: quick (default), full or deep.")
    ] = None,
    config: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="Where targets are named (default: soundcheck.toml)."),
    ] = None,
    jobs: Annotated[
        int | None, typer.Option(min=1, max=64, help="Requests at a time (default 4).")
    ] = None,
    timeout: Annotated[
        float | None, typer.Option(min=1, metavar="S", help="Seconds per exchange (default 120).")
    ] = None,
    max_rate: Annotated[
        float | None, typer.Option(metavar="N", help="Requests per second at most.")
    ] = None,
    max_requests: Annotated[
        int | None, typer.Option(min=1, metavar="N", help="Requests at most, all tries counted.")
    ] = None,
    max_audio_minutes: Annotated[
        float | None, typer.Option(metavar="N", help="Audio minutes uploaded at most.")
    ] = None,
    max_upload_mb: Annotated[
        float | None, typer.Option(metavar="N", help="Megabytes uploaded at most.")
    ] = None,
    yes: Annotated[
        bool, typer.Option("--yes", "-y", help="Send a costly plan, and one beyond a cap, unasked.")
    ] = False,
    replay: Annotated[
        Path | None,
        typer.Option(metavar="RUN", help="Judge this run folder again; nothing is sent."),
    ] = None,
    resume: Annotated[
        Path | None,
        typer.Option(metavar="RUN", help="Go on with this run: what it has is not sent again."),
    ] = None,
    speech: Annotated[
        Path | None,
        typer.Option(
            metavar="DIR", help="Recordings of your own, each with what is said in it (NAME.txt)."
        ),
    ] = None,
    waivers: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="Failures that are lived with for a while (TOML)."),
    ] = None,
    baseline: Annotated[
        Path | None,
        typer.Option(metavar="RUN", help="Only what got worse since this run fails."),
    ] = None,
    tap: Annotated[
        str | None,
        typer.Option(
            metavar="HOST:PORT", help="Listen here in the place of the API behind the proxy."
        ),
    ] = None,
    upstream: Annotated[
        str | None, typer.Option(metavar="HOST:PORT", help="The API behind the proxy.")
    ] = None,
    tap_wait: Annotated[
        float,
        typer.Option(min=0, metavar="S", help="Seconds until the proxy must reach the tap."),
    ] = 120,
    allow_remote: Annotated[
        bool, typer.Option("--allow-remote", help="Let the tap listen off this machine.")
    ] = False,
    tls_roots: Annotated[
        Path | None,
        typer.Option(metavar="PEM", help="Certificates to trust beside the system's."),
    ] = None,
    fault: Annotated[
        list[str] | None,
        typer.Option(metavar="NAME", help="Give the reference a defect (serve --list-faults)."),
    ] = None,
    dialect: Annotated[
        str | None, typer.Option(help="Dialect of the reference: openai or vllm.")
    ] = None,
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help="Print the summary alone.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print run.json on stdout.")] = False,
) -> None:
    """Check a deployment against everything that its profile claims."""
    _refuse_empty(
        {
            "the URL": url,
            "--profile": profile,
            "--model": model,
            "--api-key-env": api_key_env,
            "--effort": effort,
            "--tap": tap,
            "--upstream": upstream,
            "--dialect": dialect,
        }
    )
    if effort not in (None, "quick", "full", "deep"):
        raise SoundcheckError(f"--effort is quick, full or deep, not {effort!r}")
    if dialect not in (None, "openai", "vllm"):
        raise SoundcheckError(f"--dialect is openai or vllm, not {dialect!r}")
    if url is not None and (fault or dialect):
        raise SoundcheckError("--fault and --dialect shape the reference; leave out the URL")
    if replay is not None and (url or fault or dialect or model or api_key_env):
        raise SoundcheckError(
            "--replay judges what was recorded: leave out the URL, --model, --api-key-env, --fault "
            "and --dialect"
        )
    if url is None and resume is None and (tap or upstream or tls_roots or api_key_env):
        raise SoundcheckError(
            "--tap, --upstream, --tls-roots and --api-key-env are for a deployment of yours: give "
            "its URL. The bundled one has a tap and a key by itself"
        )
    from soundcheck.http.access import is_loopback

    if tap and ":" in tap and not allow_remote and not is_loopback(f"http://{tap}"):
        raise SoundcheckError(
            f"{tap} can be reached from other machines: --tap listens on loopback "
            "(127.0.0.1:PORT) unless --allow-remote is given"
        )
    if resume is not None and (replay or fault or dialect or tap or upstream):
        raise SoundcheckError(
            "--resume goes on with a run of a deployment: leave out --replay, --fault, --dialect, "
            "--tap and --upstream"
        )
    from soundcheck.contract.traffic import Caps, Manners
    from soundcheck.plugin import resume as resuming
    from soundcheck.plugin.named import settled
    from soundcheck.plugin.options import PROFILE, Options

    url = url or (resuming.asked_of(resume) if resume else None)
    options = settled(
        Options(
            base_url=url or "",
            model=model,
            profile=profile or "",
            api_key_env=api_key_env,
            out=out,
            effort=effort or "",
            only=tuple(only or ()),
            without=tuple(without or ()),
            tap=tap or "",
            upstream=upstream or "",
            tap_wait=tap_wait,
            tls_roots=tls_roots,
            reference=url is None,
            replay=replay,
            manners=Manners(Caps(max_requests, max_audio_minutes, max_upload_mb), max_rate),
            agreed=yes,
            speech=speech,
            waivers=waivers,
            baseline=baseline,
        ),
        config,
        jobs=jobs,
        timeout=timeout,
    )
    if resume is not None:
        options = resuming.options_of(resume, options)
    if url is not None:
        options.target()  # a mistake in it is told before the URL is repeated anywhere
    if not (quiet or as_json):
        what = f"judging {replay} again, nothing is sent" if replay else f"checking {url or OURS}"
        typer.echo(f"soundcheck {__version__}: {what}", err=True)
    own = tuple(suite or ())
    _check_names([*(only or ()), *(without or ())], own)
    from soundcheck.contract.contracts import ENCRYPTION
    from soundcheck.contract.plan import Selection

    wider = [("--suite", str(folder)) for folder in own]
    wider += [("--waivers", str(waivers))] if waivers else []
    wider += [("--baseline", str(baseline))] if baseline else []
    wider += [("--effort", effort)] if effort else []  # without it a finding may be left out
    if replay is not None:
        _check_recorded_names(replay, options, own)
        again: list[tuple[str, ...]] = [
            ("--replay", str(replay)),
            *([("--profile", profile)] if profile else []),
            *wider,
        ]
        raise typer.Exit(judge(options, again, None, own, quiet=quiet or as_json, as_json=as_json))
    options = replace(options, profile=options.profile or dialect or PROFILE)
    judged = Selection(options.only, options.without)
    claimed = options.claimed()
    lacks_tap = url is not None and claimed.is_private and not tap and judged.touches("wire")
    spoken = dialect or claimed.dialect
    bounds = {
        "--jobs": jobs,
        "--timeout": timeout,
        "--max-rate": max_rate,
        "--max-requests": max_requests,
        "--max-audio-minutes": max_audio_minutes,
        "--max-upload-mb": max_upload_mb,
    }
    manner = [
        *([("--config", str(config))] if config and options.way.name else []),
        *([("--api-key-env", api_key_env)] if api_key_env else []),
        *([("--tls-roots", str(tls_roots))] if tls_roots else []),
        *([("--speech", str(speech))] if speech else []),
        *((name, str(value).removesuffix(".0")) for name, value in bounds.items() if value),
        *([("--yes",)] if yes else []),
    ]
    again = [
        *([(url,)] if url else []),
        *([("--dialect", dialect)] if dialect else []),
        *(("--fault", name) for name in fault or ()),
        *([("--model", model)] if model else []),
        *([("--tap", tap)] if tap else []),
        *([("--upstream", upstream)] if upstream else []),
        *([("--tap", "127.0.0.1:8443")] if lacks_tap else []),
        *([("--upstream", API)] if lacks_tap and not upstream else []),
        *([("--profile", options.profile)] if profile or not options.way.name else []),
        *manner,
        *wider,
    ]
    resumed = [*manner, *wider]
    try:
        private = claimed.is_private or any(map(judged.touches, ENCRYPTION))
        named = options.base_url or None
        with (
            own_key() as key,
            _deployment(named, spoken, tuple(fault or ()), claimed if private else None, key) as (
                base_url,
                beside,
            ),
        ):
            options = replace(
                options,
                base_url=base_url,
                model=options.model or (None if url else REFERENCE_MODEL),
            )
            # The proxy of the private stack has the key: its clients need none.
            if named is None and not claimed.is_private:
                options = replace(options, api_key_env=VARIABLE)
            code = judge(
                options,
                again,
                beside,
                own,
                resumed=resumed,
                quiet=quiet or as_json,
                as_json=as_json,
            )
    except KeyboardInterrupt:
        raise Interrupted("interrupted before anything was judged") from None
    raise typer.Exit(code)


check.__doc__ = f"{check.__doc__}\n{EXAMPLES}"


def _refuse_empty(given: dict[str, str | None]) -> None:
    """Refuse what was given without a word in it, most likely by a variable that is not set.

    Taken for not given, an empty URL would have the reference judged, and a gate hold.
    """
    for name, value in given.items():
        if value is not None and not value.strip():
            raise SoundcheckError(f"{name} is empty: is the variable set that it is taken from?")


def _check_names(names: list[str], own: tuple[Path, ...]) -> None:
    """Refuse names that select nothing: a typing error must not empty a gate."""
    if not (names or own):
        return
    from soundcheck.contract.catalogue import load_catalogue, load_own
    from soundcheck.contract.plan import check_names

    rules = [*load_catalogue(), *(rule for folder in own for rule in load_own(folder))]
    check_names(names, rules)


def _check_recorded_names(recorded: Path, options: "Options", own: tuple[Path, ...]) -> None:
    """Refuse to judge a run again whose selection names what this version does not know."""
    from soundcheck.plugin import replay

    judged = replay.options_of(recorded, options)
    try:
        _check_names([*judged.only, *judged.without], own)
    except SoundcheckError as error:
        raise SoundcheckError(
            f"{recorded} was made with another selection of rules than there are now ({error}); "
            "choose with --only or --without"
        ) from None


@contextlib.contextmanager
def _deployment(
    url: str | None, dialect: str, faults: tuple[str, ...], private: "Profile | None", key: str
) -> "Iterator[tuple[str, Arrangement | None]]":
    """Yield the base URL to judge, of a reference started for this run when there is none.

    The reference serves who has the ``key``. With ``private``, the profile of the run, its private
    stack stands before it: for all areas where the profile is one of such a stack, else for those
    of encryption.
    """
    if url is not None:
        yield url, None
        return
    from soundcheck.contract.profile import load_profile
    from soundcheck.plugin.tapping import Arrangement
    from soundcheck.reference.deployment import start_reference
    from soundcheck.reference.private import by_side, start_gateway, start_proxy

    plain, hidden = by_side(faults)
    if hidden and private is None:
        raise SoundcheckError(
            f"the fault {hidden[0]} is one of the private stack, but nothing of encryption is "
            "selected"
        )
    with contextlib.ExitStack() as stack:
        backend = stack.enter_context(start_reference(dialect, plain, key))
        if private is None:
            yield backend.base_url, None
            return
        of_vllm = dialect == "vllm"
        gateway = stack.enter_context(
            start_gateway(backend.base_url, faults=hidden, api_key=key, stream_usage=of_vllm)
        )

        def connect(endpoint: str, roots: Path) -> str:
            proxy = start_proxy(
                endpoint, roots=roots, authority=gateway.authority, faults=hidden, api_key=key
            )
            return stack.enter_context(proxy).base_url

        seen_as = private if private.is_private else load_profile("privatemode")
        behind = (REFERENCE_MODEL, gateway.address, gateway.roots, connect)
        yield backend.base_url, Arrangement(seen_as, *behind, whole=private.is_private)
