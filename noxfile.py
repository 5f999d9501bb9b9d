"""The project's chores: ``nox -l`` lists them, ``nox -s NAME`` runs one."""

import pathlib
import shutil

import nox

ROOT = pathlib.Path(__file__).parent
CONSTRAINTS = ROOT / "constraints.txt"
PYTHONS = ["3.11", "3.12", "3.13"]

nox.needs_version = ">=2025.2"
nox.options.sessions = ["lint", "typecheck", "tests"]
nox.options.error_on_missing_interpreters = False
nox.options.stop_on_first_error = True


def _install(session: nox.Session, *what: str) -> None:
    session.install("--quiet", "-c", str(CONSTRAINTS), *what)


@nox.session(python=PYTHONS)
def tests(session: nox.Session) -> None:
    """Run the toolkit's own tests."""
    _install(session, "-e", ".[dev]")
    session.run("pytest", "-n", "2", *session.posargs)


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
    session.run("mypy")


@nox.session
def build(session: nox.Session) -> None:
    """Build the wheel, check its contents, and use it from an empty environment."""
    _install(session, "build", "hatchling")
    dist = pathlib.Path(session.create_tmp()) / "dist"
    shutil.rmtree(dist, ignore_errors=True)
    session.run("python", "-m", "build", "--no-isolation", "--outdir", str(dist), str(ROOT))
    (wheel,) = dist.glob("*.whl")
    session.run("python", str(ROOT / "tests" / "check_wheel.py"), str(wheel))
    _install(session, "--force-reinstall", "--no-deps", str(wheel))
    _install(session, str(wheel))
    with session.chdir(session.create_tmp()):
        session.run("soundcheck", "--version")
        session.run("soundcheck", "check", "--out", "run")


@nox.session
def bench(session: nox.Session) -> None:
    """Measure speed and memory: ratios gate, absolute figures stand beside a calibration loop."""
    _install(session, "-e", ".[dev]")
    session.run("python", str(ROOT / "tests" / "bench" / "run.py"), *session.posargs)


if __name__ == "__main__":
    nox.main()
