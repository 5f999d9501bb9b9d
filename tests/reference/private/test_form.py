"""Forms in memory."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from soundcheck.http.sealed import values_of
from soundcheck.reference.private.form import NotAForm, Part, read, write

NAMES = st.text(
    st.characters(codec="utf-8", exclude_characters='"\r\n\\\0'), min_size=1, max_size=9
)
PARTS = st.builds(Part, NAMES, st.binary(max_size=60), st.none() | NAMES)


@given(st.lists(PARTS, min_size=1, max_size=5))
def test_what_was_written_is_read(parts: list[Part]) -> None:
    """Names, file names and bytes of any kind come back in their order."""
    assert read(*write(parts)) == parts


def test_the_tap_reads_the_same_form() -> None:
    """A tap's own reader finds the values that were written."""
    body, content_type = write([Part("model", b"m"), Part("file", b"\r\n--x", "file")])
    found = values_of(body, content_type)
    assert [(one.name, one.data, one.filename) for one in found] == [
        ("model", b"m", None),
        ("file", b"\r\n--x", "file"),
    ]


@pytest.mark.parametrize(
    ("body", "content_type"),
    [
        (b"", "multipart/form-data; boundary=b"),
        (b"{}", "application/json"),
        (b"{}", ""),
        (b"--b--\r\n", "multipart/form-data"),
        (
            b"--b\r\nContent-Disposition: form-data\r\n\r\n\r\n--b--\r\n",
            "multipart/form-data; boundary=b",
        ),
        (
            b"--b\r\nContent-Disposition: form-data; name=a\r\n\r\nx",
            "multipart/form-data; boundary=b",
        ),
        (b"--b\r\nno header\r\n\r\nx\r\n--b--\r\n", "multipart/form-data; boundary=b"),
        (b"--b--\r\n", "multipart/form-data; boundary=\xff"),
    ],
)
def test_what_is_no_form_is_told(body: bytes, content_type: str) -> None:
    """Other types, missing boundaries, parts without names or ends."""
    with pytest.raises(NotAForm):
        read(body, content_type)
