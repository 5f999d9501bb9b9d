"""The command line: one module per command.

Nothing heavy is imported here: ``soundcheck --version`` and the first line of any command must
come at once, so each command imports what it needs when it runs.
"""

import errno
import os
import sys
import traceback
from typing import Annotated

import typer

from soundcheck import __version__
from soundcheck.cli import (
    bench,
    check,
    compare,
    doctor,
    fixtures,
    init,
    report,
    requirements,
    serve,
    tap,
)
from soundcheck.errors import ExitCode, SoundcheckError

FULL = (errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EFBIG)
"""What the system says where nothing more can be written: no fault of ours, and no verdict."""

app = typer.Typer(
    name="soundcheck",
    help="Check and measure speech-to-text deployments that claim OpenAI's transcription API.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode="markdown",
)
app.command(name="check")(check.check)
app.command(name="init")(init.init)
app.command(name="doctor")(doctor.doctor)
app.command(name="serve")(serve.serve)
app.command(name="tap")(tap.tap)
app.command(name="bench")(bench.bench)
app.command(name="compare")(compare.compare)
app.command(name="report")(report.report)
app.command(name="requirements")(requirements.requirements)
app.add_typer(fixtures.app, name="fixtures")


def _version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"soundcheck {__version__}")
        raise typer.Exit


@app.callback()
def _root(
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Show the version.")
    ] = False,
) -> None:
    pass


def main() -> None:
    """Run the command line; problems a user can solve are told in one message."""
    try:
        app()
    except SoundcheckError as error:
        typer.echo(f"soundcheck: {error}", err=True)
        sys.exit(error.exit_code)
    except KeyboardInterrupt:
        typer.echo("soundcheck: interrupted", err=True)
        sys.exit(ExitCode.NO_VERDICT)
    except Exception as error:
        if isinstance(error, OSError) and error.errno == errno.ENAMETOOLONG:
            typer.echo(f"soundcheck: {str(error.filename)[:80]}…: {error.strerror}", err=True)
            sys.exit(ExitCode.USAGE)
        if isinstance(error, OSError) and error.errno in FULL:
            what = error.filename or "what is to be written"
            typer.echo(f"soundcheck: {what}: {error.strerror}", err=True)
            sys.exit(ExitCode.USAGE)
        # A traceback would end in exit code 1, which says that a deployment failed.
        if os.environ.get("SOUNDCHECK_DEBUG"):
            traceback.print_exc()
        typer.echo(
            f"soundcheck: a fault of soundcheck itself: {type(error).__name__}: {error} "
            "(SOUNDCHECK_DEBUG=1 shows where; please report it)",
            err=True,
        )
        sys.exit(ExitCode.INTERNAL)
