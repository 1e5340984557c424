"""The kinds of failure that reeltune expects; everything else is a bug and keeps its traceback."""


class InputError(Exception):
    """What a person typed, or a file of theirs, cannot be used. The message is for them; exit code 2."""


class FitFailed(RuntimeError):
    """One fit cannot go on (its loss is no number): the fit is lost, the search is not."""


class StorageFailed(RuntimeError):
    """A run's storage took or gave no file after several tries. What was written stays; exit code 1."""


LONGEST = 300  # characters of a reason


def one_line(text: str) -> str:
    """A text as a reason in the ledger: on one line, and not longer than LONGEST."""
    line = " ".join(text.split())
    return line if len(line) <= LONGEST else f"{line[: LONGEST - 1]}…"
