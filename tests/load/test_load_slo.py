"""Service level objectives: what their texts mean, and what is said of wrong ones."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from soundcheck.errors import SoundcheckError
from soundcheck.load.slo import Slo

RANKS = st.one_of(
    st.integers(50, 99).map(str), st.integers(500, 999).map(lambda rank: f"{rank / 10:g}")
)
LIMITS = st.one_of(
    st.tuples(
        st.sampled_from(["", "ttfd_", "latency_", "TTFD_"]),
        RANKS,
        st.integers(1, 9999),
        st.sampled_from(["ms", "s", " s"]),
    ).map(lambda parts: "{}p{}<{}{}".format(*parts)),
    st.integers(1, 99).map(lambda percent: f"errors<{percent}%"),
)


@given(texts=st.lists(LIMITS, min_size=1, max_size=3))
def test_an_slo_reads_its_own_text(texts: list[str]) -> None:
    """The text of an SLO is read as the same SLO."""
    try:
        slo = Slo.parse(" , ".join(texts))
    except SoundcheckError as error:
        assert "keep one of them" in str(error)  # noqa: PT017 - two of one kind may be drawn
        return
    assert Slo.parse(str(slo)) == slo


def test_what_a_text_means() -> None:
    """Percentiles become shares, milliseconds seconds, and errors a share that succeeds."""
    slo = Slo.parse("P95 < 2s, ttfd_p99.9<600ms,errors<1.50%")
    assert [(one.metric, one.share, one.limit_s) for one in slo.limits] == [
        ("latency", 0.95, 2.0),
        ("ttfd", 0.999, 0.6),
        ("errors", 0.985, None),
    ]
    assert str(slo) == "p95<2s,ttfd_p99.9<600ms,errors<1.5%"
    assert slo.needs_stream
    assert (slo.shortest_s, slo.longest_s) == (0.6, 2.0)


def test_no_text_is_no_slo() -> None:
    """An empty text has no limits, and is false."""
    assert not Slo.parse("  ")


@pytest.mark.parametrize(
    ("latency", "ttfd", "kept"),
    [
        (1.9, 0.5, [True, True, True]),
        (2.0, 0.6, [False, False, True]),
        (1.0, None, [True, False, True]),
        (None, 0.1, [False, False, False]),
    ],
)
def test_an_arrival_keeps_a_limit_only_if_it_succeeds_in_time(
    latency: float | None, ttfd: float | None, kept: list[bool]
) -> None:
    """Limits are strict, and an answer that failed keeps none of them."""
    slo = Slo.parse("p95<2s,ttfd_p95<600ms,errors<1%")
    assert [one.kept(latency, ttfd) for one in slo.limits] == kept


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("p95<2", "the unit is missing"),
        ("p95>2s", "with <"),
        ("p95<=2s", "instead of <="),
        ("p95<2s,", "missing between commas"),
        ("errors<1", "needs its %"),
        ("errors<0%", "between 0 % and 100 %"),
        ("p49<2s", "from p50 to p99.9"),
        ("p99.99<2s", "from p50 to p99.9"),
        ("p95.55<2s", "at most one decimal"),
        ("p95<0s", "more than 0"),
        ("p95<9999999s", "at most a day"),
        ("ttft_p95<1s", "'ttft' is not measured"),
        ("p95<2s,latency_p95<3s", "keep one of them"),
        ("errors<1%,errors<2%", "keep one of them"),
        ("fast", "write limits as"),
        ("p95<2s;errors<1%", "write limits as"),
    ],
)
def test_a_wrong_text_is_refused_with_what_would_be_right(text: str, said: str) -> None:
    """Every wrong text ends in one message, exit code 2."""
    with pytest.raises(SoundcheckError) as caught:
        Slo.parse(text)
    assert said in str(caught.value)
    assert caught.value.exit_code == 2
