"""The reference that looks answers up is known by what it says of itself."""

import pytest

from soundcheck.load.origin import HEADER, recognizer_of
from soundcheck.reference.backend import RECOGNIZER_HEADER
from soundcheck.reference.deployment import start_reference
from soundcheck.reference.stub import StubSettings, start_stub


def test_the_lookup_reference_is_known_with_its_service_model() -> None:
    """A report about it names it, by whatever URL it was reached."""
    assert HEADER == RECOGNIZER_HEADER
    model = "servers=4,mean=0,constant"
    with start_reference(recognizer="lookup", latency=model) as running:
        said = recognizer_of(running.base_url, None, None)
    assert said is not None
    assert said.startswith("lookup servers=4,mean=0,constant")


@pytest.mark.parametrize("address", ["http://127.0.0.1:9/v1", "http://[/v1"])
def test_what_does_not_answer_is_not_the_reference(address: str) -> None:
    """No connection, and no URL, are nothing that is known."""
    assert recognizer_of(address, "key", None) is None


def test_another_deployment_is_not_the_reference() -> None:
    """A deployment that says nothing is another."""
    with start_stub(StubSettings()) as stub:
        assert recognizer_of(stub.base_url, None, None) is None
