"""The client for Node reads a record over loopback; where it is not there, that is said."""

import shutil

import pytest

from soundcheck.contract import Answer, NotObserved, official_node
from soundcheck.http.exchange import Exchange, Response, SentRequest, Timing


def _answer(status: int, media_type: str, body: bytes, **fields: str) -> Answer:
    parts = tuple({"name": name, "value": value} for name, value in fields.items())
    response = Response(status, "", (("content-type", media_type),), body, ((0.1, len(body)),))
    request = SentRequest("POST", "http://x/v1/audio/transcriptions", (), parts, 0)
    return Answer(
        Exchange("d", "shared", 1, "2026-01-01T00:00:00Z", request, response, Timing(0, 0, 1), None)
    )


REFUSAL = _answer(400, "application/json", b'{"error": {"message": "no", "type": "t"}}')


def test_without_node_nothing_is_judged(monkeypatch: pytest.MonkeyPatch) -> None:
    """What is not installed is named, and nothing is downloaded."""
    monkeypatch.setattr(shutil, "which", lambda _: None)
    official_node.missing.cache_clear()
    with pytest.raises(NotObserved, match="there is no node"):
        official_node.transcribed(REFUSAL)
    official_node.missing.cache_clear()


@pytest.mark.skipif(bool(official_node.missing()), reason=official_node.missing() or "-")
def test_the_client_for_node_reads_the_record() -> None:
    """A refusal is thrown with its members; a failure of the server is asked for again."""
    refused = official_node.transcribed(REFUSAL, retries=2)
    assert (refused.raised["name"], refused.raised["status"]) == ("BadRequestError", 400)
    assert refused.requests == 1
    failed = _answer(500, "application/json", b'{"error": {"message": "no"}}')
    assert official_node.transcribed(failed, retries=2).requests == 3
