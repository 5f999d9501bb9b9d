"""The pytest plugin: ``pytest conformance --stt-url URL`` judges a deployment.

Without ``--stt-url`` (or ``--stt-replay``) it does nothing but keep the suites' own fixtures known.
"""

from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from collections.abc import Callable

    from soundcheck.contract import Answer, Answers, Case, Deployment, Probe

SESSION = "soundcheck-session"
"""The name under which a running :class:`~soundcheck.plugin.session.Session` is registered."""


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add the ``--stt-`` options."""
    group = parser.getgroup("soundcheck", "speech-to-text conformance (soundcheck)")
    add = group.addoption
    add(
        "--stt-url",
        metavar="URL|TARGET",
        help="base URL of the deployment, normally ending in /v1, or a target of soundcheck.toml",
    )
    add("--stt-config", metavar="FILE", help="where targets are named (default: soundcheck.toml)")
    add("--stt-model", metavar="NAME", help="model under test (default: chosen from /models)")
    add(
        "--stt-profile",
        metavar="NAME|FILE",
        default="",
        help="what the deployment claims: openai (default), vllm, privatemode, another of those "
        "that `soundcheck check --help` lists, or a .toml file",
    )
    add("--stt-api-key-env", metavar="VARIABLE", help="environment variable that holds the key")
    add("--stt-out", metavar="DIR", help="run folder for run.json, exchanges and reports")
    add("--stt-jobs", metavar="N", type=int, help="requests at a time (default 4)")
    add("--stt-max-rate", metavar="N", type=float, help="requests per second at most")
    add("--stt-max-requests", metavar="N", type=int, help="requests at most")
    add("--stt-max-audio-minutes", metavar="N", type=float, help="audio minutes at most")
    add("--stt-max-upload-mb", metavar="N", type=float, help="megabytes to upload at most")
    add("--stt-yes", action="store_true", help="begin a plan that exceeds a cap")
    add("--stt-effort", choices=["quick", "full", "deep"], default="")
    add("--stt-replay", metavar="RUN", help="judge this run folder again; nothing is sent")
    add("--stt-resume", metavar="RUN", help="go on with this run in its folder")
    add("--stt-only", metavar="ID|AREA", action="append", default=[])
    add("--stt-without", metavar="ID|AREA", action="append", default=[])
    add("--stt-timeout", metavar="S", type=float, help="seconds per exchange (default 120)")
    add("--stt-speech", metavar="DIR", help="folder of recordings with their transcripts")
    add("--stt-tap", metavar="HOST:PORT", default="", help="put a tap behind the proxy here")
    add("--stt-upstream", metavar="HOST:PORT", default="", help="the API behind the proxy")
    add("--stt-tap-wait", metavar="S", type=float, default=120.0, help="wait so long for the proxy")
    add("--stt-waivers", metavar="FILE", help="failures that are lived with for a while (TOML)")
    add("--stt-baseline", metavar="RUN", help="only what got worse since this run fails")
    add("--stt-tls-roots", metavar="PEM", help="certificates to trust beside the system's")


def pytest_configure(config: pytest.Config) -> None:
    """Start a session when a target is given."""
    url, replay = config.getoption("--stt-url"), config.getoption("--stt-replay")
    resume = config.getoption("--stt-resume")
    if url is not None and not url.strip():
        # Taken for not given, everything would be skipped, which pytest counts as success.
        raise pytest.UsageError("--stt-url is empty: is the variable set that it is taken from?")
    if not (url or replay or resume) or config.pluginmanager.has_plugin(SESSION):
        return
    if resume and replay:
        raise pytest.UsageError("--stt-replay sends nothing: leave out --stt-resume")
    if url and replay:
        raise pytest.UsageError("--stt-replay judges a recorded run; leave out --stt-url")
    from soundcheck.contract.traffic import Caps, Manners
    from soundcheck.errors import SoundcheckError
    from soundcheck.plugin.named import settled
    from soundcheck.plugin.observer import Aloud
    from soundcheck.plugin.options import Options
    from soundcheck.plugin.resume import asked_of, options_of
    from soundcheck.plugin.session import WORKER_INPUT, WORKER_TODAY, Session

    try:
        asked = asked_of(Path(resume)) if resume and not url else url
        options = Options(
            base_url=asked or "",
            model=config.getoption("--stt-model"),
            profile=config.getoption("--stt-profile"),
            api_key_env=config.getoption("--stt-api-key-env"),
            out=Path(out) if (out := config.getoption("--stt-out")) else None,
            effort=config.getoption("--stt-effort"),
            only=tuple(config.getoption("--stt-only")),
            without=tuple(config.getoption("--stt-without")),
            replay=Path(replay) if replay else None,
            tap=config.getoption("--stt-tap"),
            upstream=config.getoption("--stt-upstream"),
            tap_wait=config.getoption("--stt-tap-wait"),
            tls_roots=Path(roots) if (roots := config.getoption("--stt-tls-roots")) else None,
            manners=Manners(
                Caps(
                    config.getoption("--stt-max-requests"),
                    config.getoption("--stt-max-audio-minutes"),
                    config.getoption("--stt-max-upload-mb"),
                ),
                config.getoption("--stt-max-rate"),
            ),
            agreed=config.getoption("--stt-yes"),
            speech=Path(speech) if (speech := config.getoption("--stt-speech")) else None,
            waivers=Path(file) if (file := config.getoption("--stt-waivers")) else None,
            baseline=Path(run) if (run := config.getoption("--stt-baseline")) else None,
        )
        options = settled(
            options,
            Path(named) if (named := config.getoption("--stt-config")) else None,
            jobs=config.getoption("--stt-jobs"),
            timeout=config.getoption("--stt-timeout"),
        )
        if resume:
            options = options_of(Path(resume), options)
        worker: dict[str, Any] | None = getattr(config, "workerinput", None)
        if options.tap and (worker is not None or config.getoption("dist", "no") != "no"):
            raise SoundcheckError("--stt-tap needs all tests in one process: leave out -n")
        if worker is not None:
            session = Session.joining(options, Path(worker[WORKER_INPUT]), worker[WORKER_TODAY])
        else:
            session = Session.starting(options, Aloud(config))
    except SoundcheckError as error:
        raise pytest.UsageError(str(error)) from None
    config.pluginmanager.register(session, SESSION)
    config.add_cleanup(session.close)


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Give each case of a requirement its own test."""
    from soundcheck.contract.requirement import requirement_of

    rule = requirement_of(metafunc.function)
    if rule is not None and rule.cases:
        metafunc.parametrize("case", rule.cases, ids=[case.id for case in rule.cases])


@pytest.fixture
def case(request: pytest.FixtureRequest) -> "Case":
    """Return the sub-case being judged."""
    raise LookupError(f"{request.node.name} asks for a case but declares none")


@pytest.fixture
def answers(request: pytest.FixtureRequest) -> "Answers":
    """Return the deployment's answers to the probes of the requirement."""
    found: Answers = _session(request).answers(request.node)
    return found


@pytest.fixture
def ask(request: pytest.FixtureRequest) -> "Callable[[Probe], Answer]":
    """Return the function by which a search asks on."""
    session = _session(request)
    return lambda probe: session.ask(request.node, probe)


@pytest.fixture
def found(request: pytest.FixtureRequest) -> "Callable[[str], None]":
    """Return the function that takes a judge's finding, a sentence for the report."""
    session = _session(request)
    return lambda sentence: session.found(request.node, sentence)


@pytest.fixture
def deployment(request: pytest.FixtureRequest) -> "Deployment":
    """Return the deployment as the preflight found it."""
    found: Deployment = _session(request).deployment_of(request.node)
    return found


def _session(request: pytest.FixtureRequest) -> Any:
    session = request.config.pluginmanager.get_plugin(SESSION)
    if session is None:
        pytest.skip("no deployment to judge: give --stt-url URL")
    return session
