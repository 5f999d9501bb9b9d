"""The curl command repeats the recorded request, whatever its values hold, without a secret."""

import shutil
import subprocess
import threading
from collections.abc import Callable
from email import message_from_bytes
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from soundcheck.report.curl import CANARY_HINT, CLIPS_HINT, OWN_HINT, curl_arguments, curl_command

MakeExchange = Callable[..., dict[str, Any]]
URL = "http://127.0.0.1:1/v1/audio/transcriptions"
# Everything but NUL, which no argument can hold, and surrogates, which no recorded text has.
VALUES = st.text(st.characters(exclude_categories=("Cs",), exclude_characters="\0"))


def request(**changes: Any) -> dict[str, Any]:
    return {"method": "POST", "url": URL, "headers": [], "parts": [], "body_bytes": 0} | changes


def file_part(**changes: Any) -> dict[str, Any]:
    return {
        "name": "file",
        "filename": "hello.mp3",
        "content_type": "audio/mpeg",
        "clip": "hello.mp3",
        "sha256": "0" * 64,
        "size": 3,
        "duration_s": 1.0,
    } | changes


def words_seen_by_curl(command: str) -> list[str]:
    """Let a shell run ``command`` with a function in curl's place that prints its arguments."""
    script = f"curl() {{ printf '%s\\0' \"$@\"; }}\nexport KEY=the-key\n{command}\n"
    done = subprocess.run(
        ["bash", "--norc", "-c", script],
        capture_output=True,
        check=True,
        env={"LC_ALL": "C.UTF-8"},
    )
    assert done.stderr == b""
    return done.stdout.decode("utf-8", "surrogatepass").split("\0")[:-1]


def test_the_command_reads_well_and_takes_the_key_from_the_environment(
    make_exchange: MakeExchange,
) -> None:
    """One line per header and part, in order, and the hint where the clips come from."""
    command = curl_command(make_exchange("json")["request"], "STAGING_KEY")
    assert command == "\n".join(
        (
            f"# {CLIPS_HINT}",
            "curl --include http://127.0.0.1:41234/v1/audio/transcriptions \\",
            "  --header 'accept: application/json' \\",
            '  --header "Authorization: Bearer $STAGING_KEY" \\',
            "  --form-string model=whisper-large-v3 \\",
            "  --form-string response_format=verbose_json \\",
            "  --form 'file=@sentence.wav;filename=sentence.wav;type=audio/wav'",
        )
    )


def test_a_clip_that_was_made_for_the_run_is_found_there() -> None:
    """The canary is no fixture: the hint names the folder of the run in which it lies."""
    part = file_part(clip="canary.wav", filename="secret.wav")
    command = curl_command(request(parts=[part]), None)
    assert command.startswith(f"# {CANARY_HINT}\n")
    assert CLIPS_HINT not in command


def test_a_recording_of_the_users_own_is_no_clip_to_export() -> None:
    """The hint says which folder it lies in."""
    part = file_part(clip="own/de/call.wav", filename="recording.wav")
    command = curl_command(request(parts=[part]), None)
    assert command.startswith(f"# {OWN_HINT}\n")
    assert CLIPS_HINT not in command
    assert "file=@own/de/call.wav;filename=recording.wav" in command


def test_the_shell_fills_the_key_in_and_nothing_else() -> None:
    """Only the word with the key is expanded by the shell."""
    sent = request(
        headers=[["authorization", "[redacted]"]],
        parts=[{"name": "prompt", "value": "Authorization: Bearer $KEY $(id) `id`"}],
    )
    seen = words_seen_by_curl(curl_command(sent, "KEY"))
    assert seen[2:4] == ["--header", "Authorization: Bearer the-key"]
    assert seen[4:] == ["--form-string", "prompt=Authorization: Bearer $KEY $(id) `id`"]


@pytest.mark.parametrize("variable", [None, "no name", "X;id", ""])
def test_without_a_variable_there_is_no_key(variable: str | None) -> None:
    """A redacted header is left out when no variable (or no proper name) is known."""
    command = curl_command(request(headers=[["Authorization", "[redacted]"]]), variable)
    assert "uthorization" not in command
    assert "redacted" not in command


def test_a_request_sent_without_a_key_stays_without() -> None:
    """The key is added only where the recorded request had one."""
    assert "KEY" not in curl_command(request(), "KEY")


def test_a_key_that_was_made_up_is_shown() -> None:
    """What a deployment was to refuse is repeated as it was, not with the right key."""
    sent = request(headers=[["authorization", "Bearer made-up"]])
    command = curl_command(sent, "KEY")
    assert "'Authorization: Bearer made-up'" in command
    assert "$KEY" not in command


def test_a_data_url_is_told_and_left_out() -> None:
    """A clip within a text field is no value for a command line."""
    quoted = {"name": "voice[]", "value": "[a.mp3 as a data URL]", "quoted": "a.mp3"}
    command = curl_command(request(parts=[quoted]), None)
    assert "# the part 'voice[]' carries a.mp3 as a data URL; it is left out here" in command


def test_other_secrets_are_left_out_and_named() -> None:
    """A redacted header of another name is a remark, not a header."""
    command = curl_command(request(headers=[["x-api-key", "[redacted]"]]), None)
    assert "# the header x-api-key carried a secret and is left out here\n" in command
    assert "--header" not in command


def test_what_curl_sets_itself_is_left_to_it() -> None:
    """Host, length and multipart type are curl's business; other headers are repeated."""
    headers = [
        ["host", "x"],
        ["content-length", "9"],
        ["content-type", "multipart/form-data; boundary=x"],
        ["x-trace", "1"],
        ["x-empty", ""],
    ]
    arguments, _ = curl_arguments(request(headers=headers, parts=[file_part()]), None)
    assert arguments[2:-2] == ["--header", "x-trace: 1", "--header", "x-empty;"]


def test_methods_and_addresses_are_kept() -> None:
    """Another method, a glob and dots in the path reach the server as recorded."""
    url = "http://127.0.0.1:1/v1/../v1/models/{a}[1]"
    assert words_seen_by_curl(curl_command(request(method="DELETE", url=url), None)) == [
        *("--include", url, "--globoff", "--path-as-is", "--request", "DELETE")
    ]
    assert words_seen_by_curl(curl_command(request(method="GET"), None)) == ["--include", URL]


def test_a_body_that_is_no_form_is_named() -> None:
    """What curl cannot repeat is said, not dropped in silence."""
    assert "# the body of 7 bytes is no form" in curl_command(request(body_bytes=7), None)
    parts = [{"name": "a=b\nid", "value": "x"}]
    assert "# curl cannot write the part 'a=b id'; it" in curl_command(request(parts=parts), None)
    long = [{"name": "prompt", "value": "x" * 1_000_000}]
    assert "# the part 'prompt' of 1,000,000" in curl_command(request(parts=long), None)


@settings(max_examples=40)
@given(VALUES.filter(bool), st.booleans())
def test_a_content_that_is_no_form_is_repeated(content: str, typed: bool) -> None:
    """A body that is text comes through a shell unchanged and is not called a form."""
    headers = [["content-type", "application/json"]] if typed else []
    sent = request(body=content, body_bytes=len(content.encode()), headers=headers)
    words = words_seen_by_curl(curl_command(sent, None))
    kind = "content-type: application/json" if typed else "Content-Type:"
    assert words == ["--include", URL, "--header", kind, "--data-raw", content]


@pytest.mark.parametrize("content", ["x" * 5000, "a\0b"])
def test_a_content_that_no_command_holds_is_named(content: str) -> None:
    """A long one, or one with a NUL, is said to be left out."""
    command = curl_command(request(body=content, body_bytes=len(content)), None)
    assert f"# the body of {len(content)} bytes is no form" in command


def test_an_option_in_place_of_the_address_is_refused() -> None:
    """A foreign file cannot smuggle an option of curl's in as the address."""
    with pytest.raises(ValueError, match="address"):
        curl_command(request(url="-o/etc/passwd"), None)


@settings(max_examples=60)
@given(st.lists(VALUES, max_size=4), VALUES)
def test_every_value_comes_through_a_shell_unchanged(values: list[str], header: str) -> None:
    """Quotes, newlines, control characters, @, < and $ reach curl as they were recorded."""
    sent = request(
        headers=[["x-header", header or "-"]],
        parts=[{"name": f"field{n}[]", "value": value} for n, value in enumerate(values)],
    )
    expected = ["--header", f"x-header: {header or '-'}"]
    for number, value in enumerate(values):
        expected += ["--form-string", f"field{number}[]={value}"]
    seen = words_seen_by_curl(curl_command(sent, "KEY"))
    assert seen[seen.index("--header") :] == expected


class _Recorder(BaseHTTPRequestHandler):
    """Keeps the last request's body, with the header that says how to read it."""

    seen: bytes = b""

    def do_POST(self) -> None:
        head = f"Content-Type: {self.headers['Content-Type']}\r\n\r\n".encode()
        type(self).seen = head + self.rfile.read(int(self.headers["Content-Length"]))
        self.send_response(204)
        self.end_headers()

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002  # the base class's
        """Say nothing."""


@pytest.mark.skipif(shutil.which("curl") is None, reason="curl is not installed")
def test_curl_itself_sends_the_recorded_form(tmp_path: Path) -> None:
    """The real curl sends each part with the recorded name, value, file name and type."""
    (tmp_path / "hello.mp3").write_bytes(b"\x00\xff\x0d\x0a-")
    named = file_part(filename='od;d, "name"\\.mp3', content_type="audio/webm;codecs=opus")
    parts = [
        {"name": "prompt", "value": "@/etc/passwd;type=x"},
        {"name": "prompt", "value": "</etc/passwd"},
        named,
        file_part(name="bare", filename=None, content_type=None),
    ]
    with HTTPServer(("127.0.0.1", 0), _Recorder) as server:
        server.timeout = 20  # seconds until the thread ends by itself, should curl not come
        thread = threading.Thread(target=server.handle_request)
        thread.start()
        url = f"http://127.0.0.1:{server.server_port}/v1"
        command = curl_command(request(url=url, parts=parts, body_bytes=1), None)
        subprocess.run(["bash", "-c", command], cwd=tmp_path, check=True, capture_output=True)
        thread.join()
    sent = message_from_bytes(_Recorder.seen).get_payload()
    assert isinstance(sent, list)
    first, second, third, fourth = sent
    assert first.get_payload() == "@/etc/passwd;type=x"
    assert second.get_payload() == "</etc/passwd"
    assert third["Content-Type"] == "audio/webm;codecs=opus"
    assert third["Content-Disposition"].startswith('form-data; name="file"; filename="od;d, ')
    assert _Recorder.seen.count(b"\r\n\r\n\x00\xff\x0d\x0a-\r\n--") == 2
    assert "filename" not in fourth["Content-Disposition"]


def test_what_curl_cannot_put_together_is_told() -> None:
    """A form that is wrong on purpose is told so, and its crafted parts are left out."""
    head = 'Content-Disposition: form-data; name="file"'
    crafted = {"name": "prompt", "value": "\\xff", "head": head}
    parts = [
        {"name": "model", "value": "m"},
        crafted,
        {"name": "language", "value": "\ufffd", "hex": "ff"},
        file_part() | {"head": head, "before": "", "after": ""},
    ]
    arguments, remarks = curl_arguments(request(parts=parts, frame={"final": "False"}), None)
    assert [word for word in arguments if "=" in word] == ["model=m"]
    assert 'curl cannot send this form as it was put together (final "False")' in remarks
    for name in ("prompt", "language", "file"):
        assert f"curl cannot send the bytes of the part '{name}'; it is left out here" in remarks


def test_a_form_of_very_many_parts_is_cut() -> None:
    """As many parts as can be read stand in the command, and how many do not."""
    parts = [{"name": f"n{number}", "value": ""} for number in range(1001)]
    arguments, remarks = curl_arguments(request(parts=parts), None)
    assert arguments.count("--form-string") == 200
    assert remarks == ["the last 801 parts are left out here"]


def test_a_clip_with_edits_is_named_in_the_hint() -> None:
    """No export of all clips has it, so the command that makes it is told."""
    _, remarks = curl_arguments(request(parts=[file_part(clip="hello~cut-900.wav")]), None)
    told = "clips: soundcheck fixtures export --clip 'hello~cut-900.wav' DIR, then run this in DIR"
    assert remarks == [told]


def test_requests_of_one_connection_stay_on_one() -> None:
    """Each request before it is one command's, in order; what is said of them is said once."""
    first = request(method="PUT", parts=[file_part()])
    words = words_seen_by_curl(curl_command(request(parts=[file_part()]), None, [first, first]))
    form = ["--form", "file=@hello.mp3;filename=hello.mp3;type=audio/mpeg"]
    put = ["--include", URL, "--request", "PUT", *form]
    assert words == [*put, "--next", *put, "--next", "--include", URL, *form]


def test_a_boundary_that_curl_does_not_choose_is_told() -> None:
    """Curl makes boundaries of its own: one that a check is about is named."""
    asked = request(
        headers=[["content-type", 'multipart/form-data; boundary="a b"']], parts=[file_part()]
    )
    _, remarks = curl_arguments(asked, None)
    assert remarks[1:] == [
        'curl chooses a boundary of its own; it was: multipart/form-data; boundary="a b"'
    ]
