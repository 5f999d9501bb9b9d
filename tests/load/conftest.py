"""What tests of the load half share: small forms, and an event loop that ends with its tests."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from soundcheck.audio import Clip
from soundcheck.load.form import Form, encode_form


@pytest.fixture
def small_form(tmp_path: Path) -> Callable[..., Form]:
    """Return a function that makes a form with a file of ``size`` bytes, sent with ``fields``."""

    def make(size: int = 100, *, stream: bool = False, **fields: str) -> Form:
        path = tmp_path / f"{size}.wav"
        path.write_bytes(bytes(size))
        clip = Clip(
            name="hello.wav",
            path=path,
            media_type="audio/wav",
            size=size,
            sha256="5" * 64,
            duration=1.5,
            sample_rate=16_000,
            channels=1,
            language="en",
            transcript="Hello World.",
            words=(),
        )
        return encode_form(3, clip, [("model", "m"), *fields.items()], stream=stream)

    return make


@pytest.fixture
def _own_loop() -> Iterator[None]:
    """Give a test an event loop of gevent's, whose threads end with it."""
    import gevent

    yield
    gevent.get_hub().destroy(destroy_loop=True)
