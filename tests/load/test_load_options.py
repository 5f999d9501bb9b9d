"""Options: what was typed is kept as text, a wrong one ends in a message that names it."""

import argparse
from collections.abc import Mapping
from pathlib import Path

import pytest

from soundcheck.errors import SoundcheckError
from soundcheck.load.options import USERS, Settings, add_options, plain, seconds

ROOT = Path(__file__).parents[2]


def parsed(*words: str) -> argparse.Namespace:
    parser = argparse.ArgumentParser()
    parser.add_argument("-u", dest="num_users", type=int)
    parser.add_argument("-r", dest="spawn_rate", type=float)
    add_options(parser)
    return parser.parse_args(words)


def test_without_options_everything_has_a_default() -> None:
    """Nothing given: 64 users, one seed, verification of a tenth, no limits."""
    told = parsed()
    assert told.num_users == USERS
    assert Settings.read(vars(told)) == Settings()


def test_options_are_read_into_settings() -> None:
    """Times have units, rates are numbers, an SLO is parsed, and texts stay texts."""
    settings = Settings.read(
        vars(
            parsed(
                "--stt-rate=12.5",
                "--stt-window=2m",
                "--stt-slo=p95<2s",
                "--stt-formats=wav=3,mp3=1",
                "--stt-metrics-url=http://a/metrics",
                "--stt-metrics-url=http://b/metrics",
                "--stt-no-selftest",
            )
        )
    )
    assert (settings.rate, settings.window, str(settings.slo)) == (12.5, 120.0, "p95<2s")
    assert settings.formats == "wav=3,mp3=1"
    assert settings.metrics_url == ("http://a/metrics", "http://b/metrics")
    assert not settings.selftest


def test_headers_and_queries_are_read(monkeypatch: pytest.MonkeyPatch) -> None:
    """What is typed is decoded; values of variables are secrets, and not in messages."""
    monkeypatch.setenv("GATE", "my=key")
    words = ["--stt-header=X-Team=blue", "--stt-header=X-Key=env:GATE"]
    words += ["--stt-query=a%3Db=env%3AGATE", "--stt-query=empty="]
    told = vars(parsed(*words))
    settings = Settings.read(told)
    assert settings.header == {"X-Team": "blue", "X-Key": "my=key"}
    assert settings.query == {"a=b": "env:GATE", "empty": ""}
    assert settings.secrets == ("my=key",)
    assert "my=key" not in repr(settings) + str(plain(told))
    assert Settings.read(told, with_key=False).header == {}


@pytest.mark.parametrize(
    ("field", "message"),
    [
        ("X-Key=env:GATE", "--stt-header X-Key: the environment variable GATE is not set"),
        ("X-Key=env:sk-live-1234", "sk-… is no name of an environment variable"),
    ],
)
def test_a_variable_that_is_not_there_is_told(
    monkeypatch: pytest.MonkeyPatch, field: str, message: str
) -> None:
    """By the header that it is for; what is no name may be the secret, and is not repeated."""
    monkeypatch.delenv("GATE", raising=False)
    with pytest.raises(SoundcheckError) as caught:
        Settings.read(vars(parsed(f"--stt-header={field}")))
    assert message in str(caught.value)
    assert "live" not in str(caught.value)


def test_every_option_is_documented() -> None:
    """Locust's own help shows none of them."""
    page = (ROOT / "docs" / "how-to" / "load-scenarios.md").read_text(encoding="utf-8")
    parser = argparse.ArgumentParser(add_help=False)
    add_options(parser)
    options = [name for action in parser._actions for name in action.option_strings]
    assert options
    assert [name for name in options if f"`{name}" not in page] == []


WRONG = {
    "rate": "fast",
    "window": "10 minutes",
    "seed": "-1",
    "slo": "p95<2",
    "arrivals": "uniform:3",
    "verify": "sometimes",
    "verify-share": "20",
    "stream": "2",
    "max-requests": "0",
    "progress-fd": "stdout",
    "tls-roots": "/no/such/file.pem",
}


@pytest.mark.parametrize(("name", "text"), WRONG.items())
def test_a_wrong_text_is_refused_at_the_command_line_and_in_a_form(
    name: str, text: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """The parser ends with exit code 2 and a message; the web UI's form gets the same one."""
    with pytest.raises(SystemExit) as ended:
        parsed(f"--stt-{name}={text}")
    assert ended.value.code == 2
    assert f"--stt-{name}" in capsys.readouterr().err
    with pytest.raises(SoundcheckError, match=f"--stt-{name}|arrivals"):
        Settings.read({f"stt_{name.replace('-', '_')}": text})


def test_a_rate_beside_arrivals_is_refused() -> None:
    """Arrivals have the rate in them: two rates would leave open which counts."""
    with pytest.raises(SoundcheckError, match="--stt-rate"):
        Settings.read({"stt_arrivals": "constant:5", "stt_rate": "7"})


def test_the_key_is_read_from_the_environment_and_never_told(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A worker reads the variable itself; messages and what is printed have its name alone."""
    monkeypatch.setenv("STT_TEST_KEY", "sesame-opens")
    values: Mapping[str, object] = {"stt_api_key_env": "STT_TEST_KEY", "host": "x"}
    settings = Settings.read(values)
    assert settings.key == "sesame-opens"
    assert "sesame" not in repr(settings)
    assert plain(values) == {"stt_api_key_env": "STT_TEST_KEY"}
    monkeypatch.delenv("STT_TEST_KEY")
    with pytest.raises(SoundcheckError, match="STT_TEST_KEY is not set, or empty"):
        Settings.read(values)
    assert Settings.read(values, with_key=False).key is None


@pytest.mark.parametrize(
    ("text", "length"), [("30", 30), ("30s", 30), ("1.5m", 90), ("500ms", 0.5), ("2h", 7200)]
)
def test_times_have_units(text: str, length: float) -> None:
    """A number alone is in seconds."""
    assert seconds(text) == length
