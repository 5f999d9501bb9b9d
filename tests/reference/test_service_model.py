"""A service model says how long the lookup recognizer takes: as text, and as random times."""

from itertools import islice
from statistics import fmean, pstdev

import pytest

from soundcheck.errors import ExitCode
from soundcheck.reference.service_model import DEFAULT_LATENCY, ServiceModel, WrongLatency


def test_a_model_is_written_in_any_order() -> None:
    """Each item has its name; the distribution has none."""
    model = ServiceModel.parse(
        "tokens=50, lognormal:0.5,mean=0.1,servers=4,per_audio_s=0.01,seed=7"
    )
    assert model == ServiceModel(4, 0.1, "lognormal", 0.5, 50.0, 0.01, 7)
    assert model.gap_s == 0.02


@pytest.mark.parametrize("text", [DEFAULT_LATENCY, "mean=0.1", "per_audio_s=0.02,servers=2,seed=3"])
def test_a_model_can_be_written_down_and_read_again(text: str) -> None:
    """The text of a model is one that means the same."""
    model = ServiceModel.parse(text)
    assert ServiceModel.parse(str(model)) == model


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("", "mean"),
        ("servers=4", "mean"),
        ("mean=fast", "needs a number"),
        ("mean=nan", "finite"),
        ("mean=-1", "between 0"),
        ("mean=1,mean=2", "twice"),
        ("mean=1,constant,exponential", "twice"),
        ("mean=1,normal", "'normal' is not known"),
        ("mean=1,server=4", "'server=4' is not known"),
        ("mean=1,servers=0", "from 1"),
        ("mean=1,servers=1.5", "whole number"),
        ("mean=1,tokens=0", "above 0"),
        ("mean=1,lognormal", "coefficient of variation"),
        ("mean=1,constant:2", "takes no number"),
    ],
)
def test_a_wrong_model_says_what_is_wrong(text: str, why: str) -> None:
    """A model that cannot be read or meant is a usage error with an example."""
    with pytest.raises(WrongLatency, match=why) as caught:
        ServiceModel.parse(text)
    assert "servers=4,mean=0.1" in str(caught.value)
    assert caught.value.exit_code == ExitCode.USAGE


@pytest.mark.parametrize(
    ("kind", "deviation"), [("constant", 0.0), ("exponential", 0.2), ("lognormal:0.5", 0.1)]
)
def test_random_times_have_the_stated_distribution(kind: str, deviation: float) -> None:
    """Mean and deviation are those of the model; a seed gives the same times again."""
    model = ServiceModel.parse(f"mean=0.2,{kind}")
    times = list(islice(model.times(), 20_000))
    assert fmean(times) == pytest.approx(0.2, rel=0.03)
    assert pstdev(times) == pytest.approx(deviation, rel=0.05, abs=1e-9)
    assert times[:100] == list(islice(model.times(), 100))
