"""The options of a load run: added to Locust's parser, and read from what it parsed.

The parser keeps every value as the text that was typed (it is shown again in the web UI, and sent
to workers in a message), and has it checked at once, so that a wrong one ends in one message.
"""

import re
from argparse import ArgumentTypeError
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import unquote

from soundcheck.errors import SoundcheckError
from soundcheck.http.secrets import read_variable
from soundcheck.load.arrivals import SEED, Arrivals
from soundcheck.load.slo import Slo

USERS = 64
"""How many requests can be under way where ``-u`` is not given."""
SPAWN_RATE = 100
"""How many users begin per second: Locust warns above it, and they cost nothing until they send."""
VERIFY = ("text", "length", "none")
TRANSPORTS = ("socket", "fast-http")

_SPAN = re.compile(r"([0-9]*\.?[0-9]+)\s*(ms|s|m|h)?")
_UNITS = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0, None: 1.0}
_PREFIX = "stt_"


def seconds(text: str) -> float:
    """Return the length of a time like ``30``, ``30s``, ``2m`` or ``500ms`` in seconds."""
    found = _SPAN.fullmatch(text.strip())
    if found is None or not 0 <= (length := float(found[1]) * _UNITS[found[2]]) <= 30 * 86_400:
        raise SoundcheckError(f"{text!r} is not a time: write 30s, 2m or 500ms")
    return length


def _some_seconds(text: str) -> float:
    length = seconds(text)
    if not length:
        raise SoundcheckError("nothing can be measured in no time: write 30s or 2m")
    return length


def _number(low: float, high: float, what: str) -> Callable[[str], float]:
    def read(text: str) -> float:
        try:
            number = float(text)
        except ValueError:
            number = float("nan")
        if not low <= number <= high:
            raise SoundcheckError(f"{text!r} is not {what}")
        return number

    return read


def _whole(low: int, high: int, what: str) -> Callable[[str], int]:
    def read(text: str) -> int:
        if not re.fullmatch(r"[0-9]{1,18}", text) or not low <= int(text) <= high:
            raise SoundcheckError(f"{text!r} is not {what}")
        return int(text)

    return read


def _one_of(known: tuple[str, ...]) -> Callable[[str], str]:
    def read(text: str) -> str:
        if text not in known:
            raise SoundcheckError(f"{text!r} is not known: write {' or '.join(known)}")
        return text

    return read


@dataclass(frozen=True, slots=True)
class _Field:
    """A header, or a field of a query: its value, or the variable that holds it."""

    name: str
    value: str
    variable: str = ""

    @classmethod
    def read(cls, text: str) -> "_Field":
        """Return what a text like ``NAME=VALUE`` says, both percent-encoded."""
        name, equals, value = text.partition("=")
        if not name or not equals:
            raise SoundcheckError("write NAME=VALUE, or NAME=env:VARIABLE for a secret")
        if value.startswith("env:"):
            return cls(unquote(name), "", value.removeprefix("env:"))
        return cls(unquote(name), unquote(value))


def _file(text: str) -> Path:
    if not Path(text).is_file():
        raise SoundcheckError(f"there is no file {text}")
    return Path(text)


def _rate(text: str) -> float | None:
    if text == "auto":
        return None
    return _number(1e-6, 1e6, "a rate: write requests per second, or auto")(text)


@dataclass(frozen=True, slots=True)
class _Option:
    """One option: how its text is read, and how it is told of."""

    name: str
    help: str
    read: Callable[[str], Any] = str
    default: str = ""
    metavar: str = ""
    in_web_ui: bool = True
    repeatable: bool = False
    choices: tuple[str, ...] = ()

    @property
    def member(self) -> str:
        return _PREFIX + self.name.replace("-", "_")


_OPTIONS = (
    _Option("model", "Model to ask.", default="whisper-large-v3", metavar="NAME"),
    _Option(
        "api-key-env",
        "Environment variable (of every worker) that holds the key.",
        metavar="NAME",
        in_web_ui=False,
    ),
    _Option(
        "header",
        "Header of every request: NAME=VALUE (percent-encoded where need be), or for a secret "
        "NAME=env:VARIABLE (of every worker). Repeatable.",
        _Field.read,
        metavar="NAME=VALUE",
        in_web_ui=False,
        repeatable=True,
    ),
    _Option(
        "query",
        "Field of every request's query, as a header is given. Repeatable.",
        _Field.read,
        metavar="NAME=VALUE",
        in_web_ui=False,
        repeatable=True,
    ),
    _Option("out", "Folder for bench.json and samples.csv.gz.", Path, metavar="DIR"),
    _Option(
        "rate",
        "Requests per second; auto: as many as keep two under way, at most 50 and a fifth of what "
        "this client can send.",
        _rate,
        "auto",
        "RATE",
    ),
    _Option(
        "arrivals",
        "Arrivals: constant:RATE, poisson:RATE, gamma:RATE,SHAPE, ramp:FROM..TO, "
        "burst:BASE,PEAK,EVERY,FOR, trace:FILE or closed:N. Default: the scenario's.",
        metavar="MODEL",
    ),
    _Option(
        "window",
        "Length of the measured window, like 30s or 5m; -t means the same. "
        "Default: the scenario's.",
        _some_seconds,
        metavar="TIME",
    ),
    _Option("warm-up", "Load before the window, not judged.", seconds, metavar="TIME"),
    _Option(
        "seed",
        "Seed of the schedule and of the choice of clips.",
        _whole(0, 2**31, "a seed: write a whole number"),
        str(SEED),
        "N",
    ),
    _Option("slo", "Limits to keep, like p95<2s,ttfd_p95<600ms.", Slo.parse, "", "SLO"),
    _Option(
        "verify",
        "Compare transcripts with what was said: text (words), length, or none.",
        _one_of(VERIFY),
        "text",
        choices=VERIFY,
    ),
    _Option(
        "verify-share",
        "Share of the answers to verify.",
        _number(0, 1, "a share from 0 to 1"),
        "0.1",
        "SHARE",
    ),
    _Option(
        "stream",
        "Share of the requests that ask for a stream. Default: the scenario's.",
        _number(0, 1, "a share from 0 to 1"),
        metavar="SHARE",
    ),
    _Option("formats", "Formats by weight, like wav=3,mp3=1.", metavar="MIX"),
    _Option("durations", "Durations of the clips by weight, like 3=2,30=1.", metavar="MIX"),
    _Option("languages", "Languages by weight, like en=3,de=1.", metavar="MIX"),
    _Option(
        "max-requests",
        "Send at most so many requests.",
        _whole(1, 10**12, "a number of requests"),
        metavar="N",
    ),
    _Option("max-duration", "End the run after this time.", seconds, metavar="TIME"),
    _Option(
        "metrics-url",
        "Prometheus metrics of the deployment (repeatable).",
        metavar="URL",
        in_web_ui=False,
        repeatable=True,
    ),
    _Option(
        "metrics-match",
        "Record the metrics whose names match this expression, too (repeatable).",
        metavar="REGEX",
        in_web_ui=False,
        repeatable=True,
    ),
    _Option(
        "gpu-price",
        "Price of a GPU per hour, for the cost per hour of audio.",
        _number(0, 1e6, "a price: write a number"),
        metavar="PRICE",
        in_web_ui=False,
    ),
    _Option(
        "gpus",
        "Number of GPUs behind the deployment, where no metric tells it.",
        _whole(1, 1_000_000, "a number of GPUs"),
        metavar="N",
        in_web_ui=False,
    ),
    _Option(
        "tls-roots",
        "PEM file of the roots to trust for https.",
        _file,
        metavar="FILE",
        in_web_ui=False,
    ),
    _Option(
        "ceiling",
        "Most requests per second that this client can send, in place of the self-test's result.",
        _number(1e-6, 1e9, "a rate: write requests per second"),
        metavar="RATE",
        in_web_ui=False,
    ),
    _Option(
        "progress-fd",
        "Write lines of JSON on the progress to this file descriptor.",
        _whole(0, 1_000_000, "a file descriptor"),
        metavar="FD",
        in_web_ui=False,
    ),
    _Option(
        "transport",
        "socket (exact times) or fast-http (Locust's FastHttpSession, for proxies and odd TLS).",
        _one_of(TRANSPORTS),
        choices=("", *TRANSPORTS),
        in_web_ui=False,
    ),
    _Option(
        "timeout", "Longest wait for an answer.", seconds, "120s", metavar="TIME", in_web_ui=False
    ),
)
_NO_SELFTEST = "stt_no_selftest"
_IN_REQUESTS = ("header", "query")


@dataclass(frozen=True, slots=True)
class Settings:
    """What the options say. Times are in seconds, rates in requests per second.

    None stands for what was not given. ``key`` is the value of the variable ``api_key_env``;
    ``header`` and ``query`` hold those of every request by name, with the values of variables,
    which are in ``secrets``.
    """

    model: str = "whisper-large-v3"
    api_key_env: str | None = None
    key: str | None = field(default=None, repr=False)
    header: Mapping[str, str] = field(default_factory=dict, repr=False)
    query: Mapping[str, str] = field(default_factory=dict, repr=False)
    secrets: tuple[str, ...] = field(default=(), repr=False)
    out: Path | None = None
    rate: float | None = None
    arrivals: str | None = None
    window: float | None = None
    warm_up: float | None = None
    seed: int = SEED
    slo: Slo = field(default_factory=lambda: Slo(()))
    verify: str = "text"
    verify_share: float = 0.1
    stream: float | None = None
    formats: str | None = None
    durations: str | None = None
    languages: str | None = None
    max_requests: int | None = None
    max_duration: float | None = None
    metrics_url: tuple[str, ...] = ()
    metrics_match: tuple[str, ...] = ()
    gpu_price: float | None = None
    gpus: int | None = None
    tls_roots: Path | None = None
    ceiling: float | None = None
    selftest: bool = True
    progress_fd: int | None = None
    transport: str | None = None
    timeout: float = 120.0

    @classmethod
    def read(cls, values: Mapping[str, Any], *, with_key: bool = True) -> "Settings":
        """Return what the parsed options ``values`` say; raises SoundcheckError for a wrong one.

        ``with_key`` is false where no request is sent: a master needs no key and no header.
        """
        told: dict[str, Any] = {"selftest": not values.get(_NO_SELFTEST)}
        secrets: list[str] = []
        for option in _OPTIONS:
            member = option.member.removeprefix(_PREFIX)
            value = values.get(option.member)
            if option.name in _IN_REQUESTS:
                if with_key:
                    fields = [_told(option, one) for one in value or ()]
                    told[member] = {one.name: _value(option, one) for one in fields}
                    secrets += [told[member][one.name] for one in fields if one.variable]
                continue
            if option.repeatable:
                told[member] = tuple(value or ())
                continue
            text = str(value if value is not None else "").strip() or option.default
            if text:
                told[member] = _told(option, text)
        if with_key and told.get("api_key_env"):
            told["key"] = read_variable(told["api_key_env"])
        told["secrets"] = tuple(secrets)
        if "arrivals" in told:
            Arrivals.parse(told["arrivals"])
        if "arrivals" in told and told.get("rate") is not None:
            raise SoundcheckError("--stt-arrivals has the rate in it: leave --stt-rate out")
        return cls(**told)


def plain(values: Mapping[str, Any]) -> dict[str, Any]:
    """Return the values that ``Settings.read`` reads, for a message: as typed, so without keys."""
    names = {option.member for option in _OPTIONS} | {_NO_SELFTEST}
    return {name: value for name, value in values.items() if name in names}


def add_options(parser: Any) -> None:
    """Add the options to Locust's ``parser``, and its defaults for users and spawn rate."""
    group = parser.add_argument_group(
        "Soundcheck options",
        "Load on a speech-to-text API. -u is the pool: the most requests under way. When requests "
        "begin is the schedule's business, see --stt-arrivals.",
    )
    for option in _OPTIONS:
        more: dict[str, Any] = {"action": "append"} if option.repeatable else {}
        if option.choices:
            more["choices"] = list(option.choices)
        elif option.metavar:
            more["metavar"] = option.metavar
        group.add_argument(
            f"--stt-{option.name}",
            default=None if option.repeatable else option.default,
            type=_checked(option),
            help=option.help,
            **more,
        ).include_in_web_ui = option.in_web_ui
    group.add_argument(
        "--stt-no-selftest",
        action="store_true",
        default=False,
        help="Do not measure first what this client can send, and do not refuse what is too much.",
    ).include_in_web_ui = False
    parser.set_defaults(num_users=USERS, spawn_rate=SPAWN_RATE)


def _told(option: _Option, text: str) -> Any:
    try:
        return option.read(text)
    except SoundcheckError as error:
        raise SoundcheckError(f"--stt-{option.name}: {error}") from None


def _value(option: _Option, one: _Field) -> str:
    if not one.variable:
        return one.value
    try:
        return read_variable(one.variable)
    except SoundcheckError as error:
        raise SoundcheckError(f"--stt-{option.name} {one.name}: {error}") from None


def _checked(option: _Option) -> Callable[[str], str]:
    """Return a type for argparse that checks a text and keeps it."""

    def check(text: str) -> str:
        if text:
            try:
                option.read(text)
                if option.name == "arrivals":
                    Arrivals.parse(text)
            except SoundcheckError as error:
                raise ArgumentTypeError(str(error)) from None
        return text

    return check
