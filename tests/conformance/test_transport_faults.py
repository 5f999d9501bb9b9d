"""Each fault of the gateway's TLS turns the rows about transport red that name it, and only those.

The gateways run in this process, one at a time; their backend only answers what a check asks first.
"""

import asyncio
import json
import re
import sys
import threading
import tomllib
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from dataclasses import replace
from inspect import signature
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from soundcheck.contract import Answer, Answers, NotObserved, Untestable
from soundcheck.contract.catalogue import load_catalogue
from soundcheck.http.exchange import Exchange, SentRequest, Timing
from soundcheck.http.inspect import inspect
from soundcheck.http.inspection import Certificate, Inspection, PlainAnswer, VersionSeen
from soundcheck.reference.private import front
from soundcheck.reference.private.faults import PRIVATE_FAULTS, conduct
from soundcheck.reference.private.gateway import Gateway, GatewaySettings
from soundcheck.reference.private.serving import Serving
from soundcheck.reference.server import listen

HERE = Path(__file__).parent
REASONS: dict[str, str] = tomllib.loads((HERE / "reasons.toml").read_text("utf-8"))["transport"]
TRANSPORT = {rule.id: rule for rule in load_catalogue() if rule.area == "transport"}
MODEL = "whisper-large-v3"
RED = {"MUST": "fail", "SHOULD": "warn"}
TIMEOUT = 10.0

Check = Callable[..., dict[str, SimpleNamespace]]

RIGHT = Inspection(
    scheme="https",
    host="api.example",
    port=443,
    loopback=False,
    at="2026-06-01T00:00:00+00:00",
    server_name="api.example",
    secure=True,
    version="TLS 1.3",
    versions=(
        *(VersionSeen(name, True) for name in ("TLS 1.3", "TLS 1.2")),
        *(VersionSeen(name, False) for name in ("TLS 1.1", "TLS 1.0", "SSL 3.0")),
    ),
    weak_suites=(),
    static_suites=(),
    groups=("x25519",),
    groups_version="TLS 1.3",
    weak_groups=(),
    compression="null",
    renegotiation_info=True,
    chain=(
        Certificate(
            subject="CN=api.example",
            not_before="2026-05-01T00:00:00+00:00",
            not_after="2026-07-01T00:00:00+00:00",
            names=("api.example",),
            key="EC",
            key_bits=256,
            signature="sha256",
        ),
    ),
    trusted=True,
    in_time=True,
    name_matches=True,
    status=200,
    hsts="max-age=1",
    plain=(PlainAnswer(443, "closed"), PlainAnswer(80, "refused")),
)
"""What a right endpoint on the internet shows."""

ONLY_13 = tuple(VersionSeen(one.name, one.name == "TLS 1.3") for one in RIGHT.versions)


class Background:
    """An event loop in a thread of its own."""

    def __init__(self) -> None:
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever)
        self._thread.start()

    def run(self, work: Any) -> Any:
        """Return what a coroutine returns."""
        done: Future[Any] = asyncio.run_coroutine_threadsafe(work, self._loop)
        return done.result()

    def close(self) -> None:
        """End the loop."""
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()


async def models(request: Request) -> Response:
    entry = {"id": MODEL, "object": "model", "created": 1, "owned_by": "us"}
    return JSONResponse({"object": "list", "data": [entry]})


async def refuse(request: Request) -> Response:
    error = {"message": "There is no file.", "type": "BadRequestError", "param": None, "code": 400}
    return JSONResponse({"error": error}, 400)


@pytest.fixture(scope="module")
def background() -> Iterator[Background]:
    loop = Background()
    yield loop
    loop.close()


@pytest.fixture(scope="module")
def backend(background: Background) -> Iterator[str]:
    """Return the base URL of a backend that answers what the preflight asks."""
    routes = [
        Route("/v1/models", models),
        Route("/v1/audio/transcriptions", refuse, methods=["POST"]),
    ]
    with listen("127.0.0.1", 0) as listener:
        serving = Serving(Starlette(routes=routes), listener)
        background.run(serving.start())
        yield f"http://127.0.0.1:{listener.getsockname()[1]}/v1"
        background.run(serving.close())


@pytest.fixture
def gateway(
    background: Background, backend: str, tmp_path: Path
) -> Iterator[Callable[..., tuple[str, Path]]]:
    """Return a function that starts a gateway with faults: its address, and its root's file."""
    started: list[Gateway] = []

    def start(*faults: str) -> tuple[str, Path]:
        running = Gateway(GatewaySettings(backend, conduct(faults)))
        background.run(running.__aenter__())
        started.append(running)
        roots = tmp_path / "gateway.pem"
        roots.write_bytes(running.roots_pem)
        return running.address, roots

    yield start
    for running in started:
        background.run(running.__aexit__(None, None, None))


@pytest.fixture
def check(gateway: Callable[..., tuple[str, Path]], backend: str, tmp_path: Path) -> Check:
    """Return a function that judges the transport of a gateway by the command line's own entry."""
    from soundcheck.cli import app

    def run(*faults: str) -> dict[str, SimpleNamespace]:
        address, roots = gateway(*faults)
        arguments = ["check", backend, "--profile", "privatemode", "--model", MODEL]
        arguments += ["--only", "transport", "--upstream", address, "--tls-roots", str(roots)]
        app([*arguments, "--quiet", "--out", str(tmp_path / "run")], standalone_mode=False)
        text = (tmp_path / "run" / "run.json").read_text("utf-8")
        document = json.loads(text, object_hook=lambda members: SimpleNamespace(**members))
        return {one.id: one for one in document.results if one.id in TRANSPORT}

    return run


@pytest.mark.parametrize("fault", sorted(REASONS))
def test_each_fault_turns_its_rows_red(
    gateway: Callable[..., tuple[str, Path]], fault: str
) -> None:
    """A fault turns the rows red that name it, for its own reason, and no others."""
    address, roots = gateway(fault)
    seen = inspect(address, roots=roots, timeout=TIMEOUT)
    results = {identifier: judged(identifier, seen) for identifier in TRANSPORT}
    named = {rule.id for rule in TRANSPORT.values() if fault in rule.killed_by}
    assert {identifier for identifier, result in results.items() if result[0] == "red"} == named
    for identifier in named:
        assert re.search(REASONS[fault], results[identifier][1]), results[identifier]
    # Where no TLS is spoken there is nothing more to be seen.
    rest = {results[identifier][0] for identifier in TRANSPORT if identifier not in named}
    assert rest == {"untestable" if fault == "no-tls" else "green"}


@pytest.mark.parametrize(
    ("fault", "rest"),
    [("tls-null-cipher", "pass"), ("tls-1.2-at-most", "pass"), ("no-tls", "untestable")],
)
def test_a_check_tells_of_a_fault(check: Check, fault: str, rest: str) -> None:
    """A check of the transport fails, or warns, at the row that the fault is about."""
    results = check(fault)
    named = {rule.id for rule in TRANSPORT.values() if fault in rule.killed_by}
    for result in results.values():
        if result.id in named:
            assert result.verdict == RED[result.level]
            assert re.search(REASONS[fault], result.message), result.message
        else:
            assert (result.id, result.verdict) == (result.id, rest)


@pytest.mark.parametrize("variation", ["", "tls-hybrid-group"])
def test_a_right_gateway_is_green(check: Check, variation: str) -> None:
    """Nothing is red without a fault, nor where the hybrid group is chosen, which is told."""
    results = check(*filter(None, [variation]))
    assert len(results) == len(TRANSPORT) == 13
    assert {one.verdict for one in results.values()} == {"pass"}
    told = results["transport/key-exchange-strong"].found
    assert ("hybrid post-quantum: X25519MLKEM768" in told) == bool(variation)
    assert "x25519, secp256r1" in told


def test_every_fault_is_named() -> None:
    """What can be wrong with the gateway's TLS is what the rows name, and has a reason here."""
    named = {fault for rule in TRANSPORT.values() for fault in rule.killed_by}
    assert named == set(REASONS) == {one.name for one in front.FAULTS}
    assert {*named, *(one.name for one in front.BENIGN)} <= set(PRIVATE_FAULTS)
    assert all(TRANSPORT[identifier].killed_by for identifier in TRANSPORT)


def judged(identifier: str, seen: Inspection) -> tuple[str, str]:
    """Return how a rule judges what was seen: the verdict, and the message or what was found."""
    name = TRANSPORT[identifier].test.partition("::")[2]
    judge = getattr(sys.modules["soundcheck_catalogue.test_transport"], name)
    request = SentRequest("TLS", "", (), (), 0)
    timing = Timing(None, None, 0.0)
    exchange = Exchange("", "", 1, "", request, None, timing, None, inspection=seen)
    told: list[str] = []
    offered = {"answers": Answers({"tls": Answer(exchange)}), "found": told.append}
    try:
        judge(**{name: offered[name] for name in signature(judge).parameters})
    except AssertionError as failed:
        return "red", str(failed)
    except NotObserved as reason:
        return "not observed", str(reason)
    except Untestable as reason:
        return "untestable", str(reason)
    return "green", "; ".join(told)


@pytest.mark.parametrize("identifier", sorted(TRANSPORT))
def test_what_was_not_seen_is_not_judged(identifier: str) -> None:
    """A right endpoint is green; an unreachable one, and plain HTTP on loopback, are undecided."""
    assert judged(identifier, RIGHT)[0] == "green"
    unreachable = inspect("https://[::1", timeout=1)
    assert judged(identifier, unreachable)[0] == "untestable"
    local = inspect("http://127.0.0.1:8080/v1")
    assert judged(identifier, local)[0] == "not observed"
    other = inspect("http://api.example/v1")
    expected = "red" if identifier == "transport/encrypted" else "not observed"
    assert judged(identifier, other)[0] == expected


@pytest.mark.parametrize(
    ("identifier", "changes", "verdict", "told"),
    [
        (
            "versions",
            {"versions": (VersionSeen("TLS 1.2", True), VersionSeen("SSL 3.0", None))},
            "untestable",
            "SSL 3.0",
        ),
        (
            "tls13",
            {"versions": (VersionSeen("TLS 1.2", True), VersionSeen("TLS 1.3", None))},
            "untestable",
            "TLS 1.3",
        ),
        ("suites-strong", {"weak_suites": ("RSA_WITH_3DES_EDE_CBC_SHA",)}, "green", "112 bits"),
        ("suites-strong", {"weak_suites": ("RSA_WITH_RC4_128_SHA",)}, "red", "(RC4)"),
        ("suites-strong", {"weak_suites": None}, "untestable", "not seen"),
        ("forward-secrecy", {"static_suites": None}, "untestable", "not seen"),
        ("key-exchange-strong", {"dh_bits": 1024}, "red", "1024 bits"),
        ("key-exchange-strong", {"dh_bits": 2048}, "green", "2048 bits"),
        ("key-exchange-strong", {"groups": ()}, "not observed", "no key exchange"),
        (
            "key-exchange-strong",
            {"groups": ("SecP256r1MLKEM768",)},
            "green",
            "hybrid post-quantum: SecP",
        ),
        ("chain-valid", {"trusted": None, "chain_problem": "reset"}, "untestable", "reset"),
        (
            "chain-valid",
            {"chain": (replace(RIGHT.chain[0], key="RSA", key_bits=1024),)},
            "red",
            "1024 bits",
        ),
        (
            "chain-valid",
            {"chain": (replace(RIGHT.chain[0], signature="sha1"),)},
            "red",
            "signed by sha1",
        ),
        (
            "chain-valid",
            {"chain": (*RIGHT.chain, Certificate(signature="sha1", self_signed=True))},
            "green",
            "",
        ),
        ("chain-valid", {"chain": (Certificate(problem="cut short"),)}, "red", "cut short"),
        ("not-expired", {"at": "2026-07-01T00:00:01+00:00"}, "red", "expired at 2026-07-01"),
        ("not-expired", {"at": "2026-04-01T00:00:01+00:00"}, "red", "not valid before"),
        ("not-expired", {"in_time": False, "chain_problem": "over"}, "red", "over"),
        ("not-expired", {"in_time": None}, "green", "30 days"),
        ("name-valid", {"chain": ()}, "untestable", "not seen"),
        ("hsts", {"hsts": "max-age=0"}, "red", "max-age above 0"),
        ("hsts", {"hsts": 'includeSubDomains; Max-Age="31536000"'}, "green", ""),
        ("hsts", {"status": None}, "untestable", "no HTTP answer"),
        (
            "plain-refused",
            {"plain": (PlainAnswer(80, "http", 301, "https://api.example/"),)},
            "green",
            "answers 301",
        ),
        (
            "plain-refused",
            {"plain": (PlainAnswer(80, "http", 301, "http://api.example/"),)},
            "red",
            "redirects",
        ),
        ("plain-refused", {"plain": (PlainAnswer(80, "http", 401),)}, "red", "with 401"),
        ("plain-refused", {"plain": (PlainAnswer(443, "http", 400),)}, "green", "answers 400"),
        (
            "no-compression",
            {"compression": "", "versions": ONLY_13},
            "not observed",
            "only TLS 1.3",
        ),
        ("no-compression", {"compression": ""}, "untestable", "no answer"),
        (
            "secure-renegotiation",
            {"renegotiation_info": None, "versions": ONLY_13},
            "not observed",
            "only",
        ),
        ("encrypted", {"secure": False, "problem": "refused"}, "untestable", "refused"),
    ],
)
def test_odd_facts_are_judged_by_the_rule(
    identifier: str, changes: dict[str, Any], verdict: str, told: str
) -> None:
    """What no gateway here shows is judged too, with a message that says what it was."""
    result = judged(f"transport/{identifier}", replace(RIGHT, **changes))
    assert result[0] == verdict, result
    assert told in result[1]
