"""Faults of refusals leave alone what another fault has made of them."""

import pytest

from soundcheck.reference.faults import Call, choose
from soundcheck.reference.faults.errors import FAULTS
from soundcheck.reference.faults.hooks import Reply
from soundcheck.reference.refusal import Kind

ODD = (b"", b"<h1>413</h1>", b'"no"', b"[]", b'{"detail": []}', b'{"error": "no"}', b"\xff")


@pytest.mark.parametrize("name", [one.name for one in FAULTS.declared])
def test_what_is_no_error_in_json_is_left_alone(name: str) -> None:
    """No fault of errors breaks on a refusal whose form another one has changed."""
    chosen = choose([name])
    for kind in Kind:
        for body in ODD:
            call = Call("transcription", (), refused=kind)
            assert chosen.reply(Reply(400, body, "text/html"), call).status >= 200


def test_faults_of_errors_can_be_combined(deployment) -> None:
    """A refusal that is a web page stays one, whatever is written into errors."""
    client = deployment("openai", "error-html", "error-traceback", "error-bare", "error-code-null")
    got = client.post("/audio/transcriptions", data={"model": "whisper-1"})
    assert (got.status_code, got.headers["content-type"]) == (400, "text/html; charset=utf-8")
