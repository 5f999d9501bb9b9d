"""Forms made ready beforehand."""

import io
from collections.abc import Callable

from multipart import MultipartParser, parse_options_header

from soundcheck.load.form import Form


def test_a_form_is_what_a_server_reads(small_form: Callable[..., Form]) -> None:
    """The fields come in their order and then the file, labelled with its name and type."""
    form = small_form(1000, stream=True, language="de")
    _, options = parse_options_header(form.content_type)
    parts = list(MultipartParser(io.BytesIO(form.body), options["boundary"]))
    assert [(part.name, part.value) for part in parts[:3]] == [
        ("model", "m"),
        ("language", "de"),
        ("stream", "true"),
    ]
    file = parts[3]
    assert (file.name, file.filename, file.content_type) == ("file", "hello.wav", "audio/wav")
    assert file.raw == bytes(1000)
    assert (form.format, form.audio_s, form.transcript) == ("wav", 1.5, "Hello World.")


def test_its_head_describes_its_body(small_form: Callable[..., Form]) -> None:
    """The header lines give the type and the length of the body, and end the head."""
    form = small_form()
    expected = f"Content-Type: {form.content_type}\r\nContent-Length: {len(form.body)}\r\n\r\n"
    assert form.head == expected.encode()


def test_equal_requests_have_equal_bytes(small_form: Callable[..., Form]) -> None:
    """A form depends on nothing but its clip and its fields; a given stream field stays."""
    assert small_form().body == small_form().body
    assert small_form(stream=True, language="de").body.count(b'"stream"') == 1
    assert small_form(100, stream=True).fields == (("model", "m"), ("stream", "true"))


def test_plain_text_is_known(small_form: Callable[..., Form]) -> None:
    """Answers in formats other than JSON are expected where they were asked for."""
    assert small_form(response_format="srt").is_plain_text
    assert not small_form(response_format="verbose_json").is_plain_text
    assert not small_form().is_plain_text
