"""The kinds of failure that reeltune expects; everything else is a bug and keeps its traceback."""

from importlib.util import find_spec


class InputError(Exception):
    """What a person typed, or a file of theirs, cannot be used. The message is for them; exit code 2."""


class FitFailed(RuntimeError):
    """One fit cannot go on (its loss is no number): the fit is lost, the search is not."""


class Unavailable(RuntimeError):
    """What a run works with has failed, and not the run; exit code 1."""


class StorageFailed(Unavailable):
    """A run's storage took or gave no file after several tries. What was written stays."""


class RayNotStarted(Unavailable):
    """Ray did not start on this machine, and says why in its logs, which the message names."""


# What reeltune needs besides where it does more than predict and recommend, by the names of their imports
# (docs/using-the-model.md has what these two need).
MORE = ("jinja2", "matplotlib", "optuna", "plotly", "pooch", "psutil", "ray", "scipy", "sklearn", "tensorboard", "yaml")


def lacking(error: BaseException) -> str | None:
    """What to say where a package of reeltune's is not installed; None of any other error."""
    if not isinstance(error, ModuleNotFoundError) or error.name is None:
        return None
    name, *within = error.name.split(".")
    # A module of it is not found where a folder of its name, such as Ray's own /tmp/ray, is taken for the package.
    if name not in MORE or (within and _is_installed(name)):
        return None
    return (
        f"this needs {name}, which is not installed, as where reeltune is to predict and recommend alone: "
        "install it again without --no-deps"
    )


def _is_installed(package: str) -> bool:
    found = find_spec(package)
    return found is not None and found.origin is not None


LONGEST = 300  # characters of a reason


def one_line(text: str) -> str:
    """A text as a reason in the ledger: on one line, and not longer than LONGEST."""
    line = " ".join(text.split())
    return line if len(line) <= LONGEST else f"{line[: LONGEST - 1]}…"
