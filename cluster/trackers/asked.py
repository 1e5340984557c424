"""Reads `--tracker`. To add a tracker: its line in TRACKERS, and how it is opened in `opened.py`."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from importlib.util import find_spec
from urllib.parse import unquote

from reeltune.trainables.errors import InputError


@dataclass(frozen=True, kw_only=True)
class Kind:
    title: str
    place: str  # what may stand behind `=`
    credentials: str  # where secrets belong


TRACKERS = {
    "mlflow": Kind(title="MLflow", place="URI", credentials="MLFLOW_TRACKING_USERNAME and MLFLOW_TRACKING_PASSWORD"),
    "wandb": Kind(title="Weights & Biases", place="PROJECT", credentials="WANDB_API_KEY"),
}


@dataclass(frozen=True, kw_only=True)
class AskedTracker:
    """A tracker that is asked for: a key of TRACKERS, and where it is to write, if that is said."""

    kind: str
    where: str | None = None

    @property
    def word(self) -> str:
        return self.kind if self.where is None else f"{self.kind}={self.where}"


def asked_trackers(words: str | Sequence[str] | None) -> tuple[AskedTracker, ...]:
    """The trackers of these words, such as `mlflow=http://127.0.0.1:5000`.

    Raises InputError at an unknown one, one that is not installed, one that is named twice, or a URI with credentials.
    """
    listed = [words] if isinstance(words, str) else list(words or ())
    asked = tuple(_asked(word) for word in listed)
    for kind in TRACKERS:
        if sum(tracker.kind == kind for tracker in asked) > 1:
            raise InputError(f"--tracker {kind}: it is given twice; give it once")
    return asked


def _asked(word: str) -> AskedTracker:
    kind, sign, where = word.partition("=")
    if kind not in TRACKERS:
        forms = " or ".join(f"{name}[={each.place}]" for name, each in TRACKERS.items())
        raise InputError(f"--tracker {masked(word)!r}: expected {forms}")
    if sign and not where.strip():
        raise InputError(f"--tracker {word}: expected {TRACKERS[kind].place} after '=', or {kind} alone")
    if masked(where) != where:
        raise InputError(
            f"--tracker {kind}={masked(where)}: a URI with credentials would be written down with the run; leave them "
            f"out, and set {TRACKERS[kind].credentials}"
        )
    if not _installed(kind):
        raise InputError(
            f"--tracker {kind}: {TRACKERS[kind].title} is not installed; pip install 'reeltune[{kind}]', or from a "
            f"checkout: pip install '.[{kind}]'"
        )
    return AskedTracker(kind=kind, where=where if sign else None)


def _installed(kind: str) -> bool:
    """Whether there is a package of this name, and not just a folder, such as the `wandb/` of offline runs."""
    found = find_spec(kind)
    return found is not None and found.origin is not None


def masked(uri: str) -> str:
    """A URI without its user name and password, to be shown and kept."""
    secret = _credentials(uri)
    return uri.replace(f"://{secret}@", "://***@", 1) if secret else uri


def safe(text: str, secret_uri: str | None) -> str:
    """A text in which a URI's user name and password are masked, wherever a library repeats them."""
    credentials = _credentials(secret_uri or "")
    secrets = [credentials, credentials.partition(":")[2]]
    for secret in filter(None, [*secrets, *map(unquote, secrets)]):  # libraries repeat them as written, or decoded
        text = text.replace(secret, "***")
    return text


def _credentials(uri: str) -> str:
    """USER:PASSWORD of a URI as written, whatever signs the password has; "" if there are none."""
    _, sign, rest = uri.partition("://")
    found = rest.rpartition("@")[0]
    first = re.split("[/?#]", found)[0]
    behind_the_host = found != first and ":" not in first  # where the @ stands
    return found if sign and first and not behind_the_host else ""
