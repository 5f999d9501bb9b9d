"""The project's chores: ``nox -l`` lists them, ``nox -s NAME`` runs one."""

import pathlib
import shutil
import sys

import nox

ROOT = pathlib.Path(__file__).parent
CONSTRAINTS = ROOT / "constraints.txt"
CURRENT = f"{sys.version_info.major}.{sys.version_info.minor}"
PYTHONS = sorted({"3.11", "3.12", "3.13", CURRENT})  # one of them is there: no run tests nothing

nox.needs_version = ">=2025.2"
nox.options.sessions = ["lint", "tests"]
nox.options.error_on_missing_interpreters = False
nox.options.stop_on_first_error = True


def _install(session: nox.Session, *what: str) -> None:
    session.install("--quiet", "-c", str(CONSTRAINTS), *what)


@nox.session(python=PYTHONS)
def tests(session: nox.Session) -> None:
    """Run the toolkit's own tests; on the running Python, check types first."""
    _install(session, "-e", ".[dev]")
    if session.python == CURRENT:  # another environment for it alone would cost a minute
        session.run("mypy", "-n", "2")
    # Hundreds of short processes would each compile the toolkit again where this is set.
    session.env["PYTHONDONTWRITEBYTECODE"] = ""
    # Tests of one group share what is costly to set up, so one worker takes them all. Much of the
    # time is waiting for what hangs or is slow, so there are more workers than cores.
    session.run("pytest", "-n", "4", "--dist", "loadgroup", *session.posargs)


@nox.session
def lint(session: nox.Session) -> None:
    """Check style and formatting with ruff."""
    _install(session, "ruff")
    session.run("ruff", "check", ".")
    session.run("ruff", "format", "--check", ".")


@nox.session
def typecheck(session: nox.Session) -> None:
    """Check types with mypy, strictly."""
    _install(session, "-e", ".[dev]")
    session.run("mypy", "-n", "2")


@nox.session
def build(session: nox.Session) -> None:
    """Build the wheel, check its contents, and use it from an empty environment."""
    _install(session, "build", "hatchling")
    dist = pathlib.Path(session.create_tmp()) / "dist"
    shutil.rmtree(dist, ignore_errors=True)
    session.run("python", "-m", "build", "--no-isolation", "--outdir", str(dist), str(ROOT))
    (wheel,) = dist.glob("*.whl")
    session.run("python", str(ROOT / "tests" / "check_wheel.py"), str(wheel))
    empty = pathlib.Path(session.create_tmp()).resolve() / "empty"
    shutil.rmtree(empty, ignore_errors=True)
    session.run("python", "-m", "venv", str(empty))
    pip = [str(empty / "bin" / "python"), "-m", "pip", "install", "--quiet"]
    session.run(*pip, "-c", str(CONSTRAINTS), str(wheel), external=True)
    soundcheck = str(empty / "bin" / "soundcheck")
    with session.chdir(empty):
        session.run(soundcheck, "--version", external=True)
        session.run(soundcheck, "check", "--out", "run", external=True)


@nox.session
def bench(session: nox.Session) -> None:
    """Measure speed and memory: ratios gate, absolute figures stand beside a calibration loop."""
    _install(session, "-e", ".[dev]", "aiohttp")  # a peer to be compared with
    session.run("python", str(ROOT / "tests" / "bench" / "run.py"), *session.posargs)


@nox.session
def stability(session: nox.Session) -> None:
    """Judge an unchanged reference twenty times in random order: no verdict may differ."""
    _install(session, "-e", ".[dev]")
    session.run("python", str(ROOT / "tests" / "stability.py"), *session.posargs)


@nox.session
def sslyze(session: nox.Session) -> None:
    """Compare what is found of TLS servers with what sslyze finds, which is installed apart."""
    _install(session, "-e", ".[dev]")
    apart = pathlib.Path(session.create_tmp()).resolve() / "sslyze"
    shutil.rmtree(apart, ignore_errors=True)
    session.run("python", "-m", "venv", str(apart))
    # It wants an older cryptography than the toolkit: the constraints are not for it.
    pip = [str(apart / "bin" / "python"), "-m", "pip", "install", "--quiet", "sslyze>=6.1"]
    session.run(*pip, external=True)
    program = str(apart / "bin" / "sslyze")
    session.run("python", str(ROOT / "tests" / "sslyze_check.py"), program)


if __name__ == "__main__":
    nox.main()
