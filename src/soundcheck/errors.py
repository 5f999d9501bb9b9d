"""The errors a user can cause, each with the exit code it ends in."""

from enum import IntEnum


class ExitCode(IntEnum):
    """What the command's exit status means (README, *Exit codes*)."""

    OK = 0
    FAILED = 1
    USAGE = 2
    UNREACHABLE = 3
    NO_VERDICT = 4
    INTERNAL = 5


class SoundcheckError(Exception):
    """A problem to be told in one message, without a traceback."""

    exit_code: ExitCode = ExitCode.USAGE


class Unreachable(SoundcheckError):
    """The target gave no connection, no HTTP answer or refused the key."""

    exit_code = ExitCode.UNREACHABLE


class Interrupted(SoundcheckError):
    """The user ended the run; what was done is saved."""

    exit_code = ExitCode.NO_VERDICT
