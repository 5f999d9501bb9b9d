"""Records are bounded, and hold no secret."""

from pathlib import Path

import pytest

from soundcheck.contract.canary import Canary
from soundcheck.http.tapped import Hop
from soundcheck.wiretap import recorder as module
from soundcheck.wiretap.heads import Head
from soundcheck.wiretap.recorder import Recorder

WORD = b"abcdefghijklmnopqrstuvwx"


def _hop(recorder: Recorder, body: bytes = b"", problem: str = "") -> None:
    recording = recorder.begin(1, None, None)
    message = recording.requested("POST /x HTTP/1.1", ())
    message.body.take(body)
    recording.problem = problem
    recorder.end(recording)


@pytest.mark.parametrize("place", range(-30, 60, 6))
def test_no_dump_holds_a_secret(tmp_path: Path, place: int) -> None:
    """Not even in part, where the dump begins or ends in the middle of it."""
    secret = b"sk-0123456789ABCDEFGHIJ"
    recorder = Recorder(tmp_path, [secret.decode()])
    recorder.search_for([Canary("prompt", WORD)])
    before, after = (b"", b"." * place) if place >= 0 else (b"." * -place, b"")
    body = secret + before + WORD + after + secret
    _hop(recorder, body)
    (hop,) = recorder.everything().hops
    recorder.close()
    (leak,) = hop.leaks
    shown = bytes.fromhex("".join(line[10:45] for line in leak.dump.splitlines()))
    assert WORD in shown
    for size in range(6, len(secret) + 1):
        assert secret[:size] not in shown
        assert secret[-size:] not in shown


def test_long_runs_are_bounded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The oldest hops go, which is told; problems stop at a number."""
    monkeypatch.setattr(module, "MOST_HOPS", 5)
    monkeypatch.setattr(module, "MOST_PROBLEMS", 3)
    recorder = Recorder(tmp_path, ())
    for number in range(8):
        _hop(recorder, problem=f"problem {number}")
    kept = recorder.everything().hops
    recorder.close()
    assert [hop.problem for hop in kept] == [f"problem {number}" for number in range(3, 8)]
    assert recorder.problems[:3] == ("problem 0", "problem 1", "problem 2")
    assert "no longer kept" in recorder.problems[-1]


def test_leaks_outlive_their_exchanges(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of the hops that go, the first with a leak of each kind stays, without its envelopes."""
    monkeypatch.setattr(module, "MOST_HOPS", 2)
    recorder = Recorder(tmp_path, ())
    recorder.search_for([Canary("prompt", WORD)])
    bodies = [b"", WORD, WORD, b" " + WORD.hex().encode() + WORD, b"", b""]
    for body in bodies:
        _hop(recorder, body)
    kept = recorder.everything().hops
    recorder.close()
    leaks = [[leak.encoding for leak in hop.leaks] for hop in kept]
    assert leaks == [["raw"], ["hex"], [], []]
    sizes = [hop.request.size for hop in kept if hop.request]
    assert sizes == [len(bodies[place]) for place in (1, 3, 4, 5)]
    assert all(hop.sealed == () for hop in kept)


def test_leaks_that_are_found_late(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A transcript is known after its answer: a leak of it stays even if the hop went meanwhile."""
    monkeypatch.setattr(module, "MOST_HOPS", 1)
    recorder = Recorder(tmp_path, ())
    block = module.Block()
    recording = recorder.begin(1, None, block)
    recording.requested("POST /x HTTP/1.1", ()).body.take(WORD)
    recorder.end(recording)
    _hop(recorder)
    assert [hop.leaks for hop in recorder.everything().hops] == [()]
    (hop,) = recorder.tapped(block, [Canary("transcript", WORD)]).hops
    first, last = recorder.everything().hops
    recorder.close()
    assert first.leaks == hop.leaks != ()
    assert last.leaks == ()


def test_keys_are_learned(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The latest are known, the given ones for ever; what is too short is no secret."""
    monkeypatch.setattr(module, "MOST_SECRETS", 2)
    recorder = Recorder(tmp_path, ["given-key"])
    for key in ("number-1", "number-2", "number-2", "number-3", "short", "number-3456"):
        recorder.learn(Head.of("GET / HTTP/1.1", [(b"api-key", key.encode())]))
    recorder.close()
    text = "given-key number-2 number-3 number-3456 short"
    assert recorder.clean(text) == "[redacted] number-2 [redacted] [redacted] short"


def test_a_dump_from_the_middle_of_a_secret(tmp_path: Path) -> None:
    """A key longer than the dump is as little shown as its ends."""
    secret = b"k" * 200 + WORD + b"k" * 200
    recorder = Recorder(tmp_path, [secret.decode()])
    recorder.search_for([Canary("prompt", WORD)])
    _hop(recorder, secret)
    ((leak,),) = (hop.leaks for hop in recorder.everything().hops)
    recorder.close()
    assert set(bytes.fromhex("".join(line[10:45] for line in leak.dump.splitlines()))) == {0x2A}


def test_a_fault_while_examining(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """An exchange that cannot be examined is kept, and the fault is told."""
    told: list[Hop] = []

    def broken(*_: object) -> None:
        raise ZeroDivisionError("x")

    monkeypatch.setattr(module.contents, "values", broken)
    recorder = Recorder(tmp_path, (), lambda hop, _: told.append(hop))
    _hop(recorder)
    assert len(recorder.everything().hops) == 1
    recorder.close()
    assert len(told) == 1
    assert "ZeroDivisionError" in recorder.problems[0]


def test_what_ends_after_the_end(tmp_path: Path) -> None:
    """A hop that ends when all is closed is let go of."""
    recorder = Recorder(tmp_path, ())
    recorder.close()
    _hop(recorder)
    assert recorder.everything().hops == ()
