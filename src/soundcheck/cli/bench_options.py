"""What ``soundcheck bench`` is told, checked before anything is started for it."""

import re
from collections.abc import Mapping
from difflib import get_close_matches
from pathlib import Path
from typing import Any

from soundcheck import suites
from soundcheck.contract.target import Target
from soundcheck.errors import SoundcheckError
from soundcheck.load.mix import weights
from soundcheck.load.options import Settings


def checked(given: Mapping[str, Any]) -> Settings:
    """Return what the options say; raises SoundcheckError that names the option as it was typed."""
    fields = (*(given.get("--header") or ()), *(given.get("--query") or ()))
    for variable in (given["--api-key-env"], *(one.partition("=env:")[2] for one in fields)):
        if variable and variable.startswith("LOCUST_"):
            raise SoundcheckError(
                f"{variable}: variables that begin with LOCUST_ are options of Locust, and taken "
                "out of its way; give the variable another name"
            )
    values = {_member(name): value for name, value in given.items()}
    values["stt_no_selftest"] = given["--no-selftest"] is not None
    try:
        return Settings.read(values)
    except SoundcheckError as error:
        raise typed(error) from None


def _member(name: str) -> str:
    return "stt_" + name.removeprefix("--").replace("-", "_")


def typed(error: SoundcheckError) -> SoundcheckError:
    """Return ``error`` in the words of this command, whose options have shorter names."""
    text = str(error).replace("--stt-window", "--duration").replace("--stt-", "--")
    told = SoundcheckError(text)
    told.exit_code = error.exit_code
    return told


def locustfile(scenario: str) -> Path:
    """Return the locustfile of a scenario; raises SoundcheckError where there is none."""
    if scenario.endswith(".py"):
        own = Path(scenario)
        if not own.is_file():
            raise SoundcheckError(f"there is no file {scenario}")
        try:
            compile(own.read_bytes(), scenario, "exec", dont_inherit=True)
        except (SyntaxError, ValueError) as error:
            line = getattr(error, "lineno", None)
            place = f"{scenario}:{line}" if line else scenario
            raise SoundcheckError(f"{place}: {getattr(error, 'msg', error)}") from None
        return own.resolve()
    folder = suites.folder("loadtests")
    known = sorted(path.stem for path in folder.glob("[a-z]*.py"))
    if scenario not in known:
        close = get_close_matches(scenario, known, n=1)
        hint = f"did you mean {close[0]}?" if close else f"there are {', '.join(known)}"
        raise SoundcheckError(f"no scenario is called {scenario!r}: {hint}")
    return folder / f"{scenario}.py"


def mistake(file: Path, last_lines: str) -> str:
    """Return what is wrong with a locustfile by the last words of Locust, empty if nothing is."""
    if "unrecognized arguments: --stt-" in last_lines:
        return (
            f"{file.name} has no user of Soundcheck's: begin it with `from soundcheck.load import "
            "TranscriptionUser`, and subclass that"
        )
    _, _, place = last_lines.rpartition(f'File "{file}", line ')
    line = re.match(r"\d+", place)
    told = re.search(r"^\w[\w.]*(?:Error|Exception|Warning|Exit)\b.*$", place, re.MULTILINE)
    return f"{file.name}:{line[0]}: {told[0]}" if line and told else ""


def check_mix(settings: Settings, url: str | None) -> None:
    """Refuse weights and a URL that are wrong before anything is started for them."""
    for name in ("durations", "formats", "languages"):
        text = getattr(settings, name)
        if text and text != "all":
            weights(text, name)
    if settings.slo.needs_stream and settings.stream == 0:
        raise SoundcheckError("the SLO speaks of TTFD, which only streams have: raise --stream")
    if url is not None:
        Target(url, settings.model, settings.api_key_env)
