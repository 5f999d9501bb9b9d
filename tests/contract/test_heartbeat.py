"""A deployment that died is found at once, once, and not mistaken for one that misbehaves."""

from dataclasses import replace
from pathlib import Path

import pytest

from soundcheck.contract import Lane, Probe, transcription
from soundcheck.contract.heartbeat import EVERY, PAUSES, Heartbeat
from soundcheck.http.exchange import (
    ErrorKind,
    Exchange,
    Response,
    SentRequest,
    Timing,
    TransportError,
)

LARGE = transcription("sized-60000000.wav", lane=Lane.EXCLUSIVE, mistake="a file of 60 MB")
HOSTILE = transcription("random.wav", lane=Lane.HOSTILE)


def _exchange(status: int | None, error: ErrorKind | None = None) -> Exchange:
    return Exchange(
        digest="0123456789abcdef",
        lane="exclusive",
        attempts=1,
        started="",
        request=SentRequest("POST", "http://127.0.0.1/v1", (), (), 0),
        response=None if status is None else Response(status, "", (), b"", ()),
        timing=Timing(None, None, 0.0),
        error=error and TransportError(error, "gone"),
    )


class Deployment:
    """Answers heartbeats as told, the last way for ever, and counts them."""

    def __init__(self, *alive: bool) -> None:
        self._alive = list(alive)
        self.beats: list[Probe] = []
        self.waited: list[float] = []

    def send(self, probe: Probe) -> Exchange:
        """Answer a heartbeat."""
        self.beats.append(probe)
        alive = self._alive.pop(0) if len(self._alive) > 1 else self._alive[0]
        return _exchange(200) if alive else _exchange(None, "reset")

    def wait(self, seconds: float) -> bool:
        """Take note of a pause; the run goes on."""
        self.waited.append(seconds)
        return False

    def heart(self, folder: Path) -> Heartbeat:
        """Return the heartbeat that watches this deployment."""
        return Heartbeat(self.send, self.wait, folder / "stopped")


@pytest.mark.parametrize("kind", ["reset", "timeout", "refused", "protocol", "tls", "too-large"])
def test_a_survivor_goes_on(tmp_path: Path, kind: ErrorKind) -> None:
    """After a broken exchange one heartbeat is sent; a deployment that answers is not given up."""
    there = Deployment(True)
    heart = there.heart(tmp_path)
    heart.after(LARGE, _exchange(None, kind))
    assert len(there.beats) == 1
    assert heart.stopped_after == ""


def test_a_dead_deployment_is_told_once(tmp_path: Path) -> None:
    """A deployment that answers no heartbeat is told with what it stopped after, and left alone."""
    gone = Deployment(False)
    heart = gone.heart(tmp_path)
    heart.after(LARGE, _exchange(None, "reset"))
    assert "stopped answering after a file of 60 MB" in heart.stopped_after
    assert gone.waited == list(PAUSES)
    beats = len(gone.beats)
    heart.after(LARGE, _exchange(None, "reset"))
    assert len(gone.beats) == beats


def test_a_restart_is_waited_for(tmp_path: Path) -> None:
    """A deployment that is back a moment later was not dead."""
    back = Deployment(False, True)
    heart = back.heart(tmp_path)
    heart.after(LARGE, _exchange(None, "refused"))
    assert heart.stopped_after == ""
    assert back.waited == [PAUSES[0]]


def test_a_run_that_ends_stops_waiting(tmp_path: Path) -> None:
    """When the run is being ended nobody waits for a heartbeat."""
    gone = Deployment(False)
    heart = Heartbeat(gone.send, lambda seconds: True, tmp_path / "stopped")
    heart.after(LARGE, _exchange(None, "reset"))
    assert len(gone.beats) == 1


def test_hostile_probes_are_watched_closely(tmp_path: Path) -> None:
    """Between hostile probes a heartbeat follows every tenth, and every 5xx."""
    there = Deployment(True)
    heart = there.heart(tmp_path)
    for _ in range(EVERY):
        heart.after(HOSTILE, _exchange(400))
    assert len(there.beats) == 1
    heart.after(HOSTILE, _exchange(500))
    assert len(there.beats) == 2
    heart.after(replace(HOSTILE, lane=Lane.SHARED), _exchange(500))
    assert len(there.beats) == 2


def test_heartbeats_are_plain_requests_of_their_own(tmp_path: Path) -> None:
    """Each heartbeat is a request that was not sent before, to the model under test."""
    there = Deployment(True)
    heart = there.heart(tmp_path)
    heart.model = "whisper-9"
    for _ in range(3):
        heart.after(LARGE, _exchange(None, "reset"))
    assert len({beat.digest for beat in there.beats}) == 3
    assert all("whisper-9" in {getattr(p, "value", "") for p in beat.parts} for beat in there.beats)


def test_who_finds_the_door_closed_did_not_close_it(tmp_path: Path) -> None:
    """A deployment that dies after an answer is told with that request, not with the next one."""
    gone = Deployment(False)
    heart = gone.heart(tmp_path)
    heart.after(LARGE, _exchange(413))
    heart.after(transcription("hello.wav"), _exchange(None, "refused"))
    assert "stopped answering after a file of 60 MB" in heart.stopped_after


def test_all_processes_of_a_run_know(tmp_path: Path) -> None:
    """What one process finds out is known to the others that share the run folder."""
    Deployment(False).heart(tmp_path).after(LARGE, _exchange(None, "reset"))
    other = Deployment(True)
    heart = other.heart(tmp_path)
    assert "a file of 60 MB" in heart.stopped_after
    heart.after(LARGE, _exchange(None, "reset"))
    assert other.beats == []
