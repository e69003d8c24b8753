"""The two kinds of failure a user can meet, each with its exit status."""


class ThalwegError(Exception):
    """The work could not be done. The message is one sentence for the user; exit status 1."""

    exit_status = 1


class InputError(ThalwegError, ValueError):
    """What was asked is wrong. The message names key, value and what is allowed; exit status 2."""

    exit_status = 2


class TrustError(InputError):
    """A study names code that is not Thalweg's, and nobody has said that it may be imported."""
