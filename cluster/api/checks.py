"""Checks of options' values, before anything starts."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from numbers import Integral, Real
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeGuard, TypeVar

from reeltune.trainables.errors import InputError
from reeltune.trainables.near_matches import did_you_mean
from reeltune.trainables.scoring.decoder_table import DECODERS as TABLE
from reeltune.trainables.scoring.metric_table import METRICS as MEASURES

if TYPE_CHECKING:
    from reeltune.cluster.commands.ask import Sample
    from reeltune.trainables.data import Shares, SplitKind

Number = TypeVar("Number", int, float)


class SentFile:
    """Marks an option of a small file, which `submit` sends along with the job."""


class SentSource:
    """Marks words for architectures: of an own one `submit` sends the source along with the job."""


class SeenData:
    """Marks an option of data, which a job reads where it runs: `submit` sends none of it."""


@dataclass(frozen=True)
class Expected:
    """Marks an option of a number with what it takes, where that is no plain range."""

    words: str


SHARE = "a share of the rows from 0 to below 1, such as 0.1"
SHARE_OF_NEW = "a share of the new ratings above 0 and below 1, such as 0.5"
DECODERS = tuple(TABLE)
METRICS = tuple(MEASURES)
SPLITS = ("random", "user", "time")
SHARDS = ("users",)
DUPLICATES = ("keep", "last", "error")
MISSING_IDS = ("error", "drop")
KNOWN_IDS = ("error", "drop", "again")
UNKNOWN_IDS = ("error", "allow")
CHANGED_SOURCE = ("error", "allow")
EXPORTS = ("torch", "onnx")
FEWEST_SAMPLED = 1000  # ratings of a sample


def one_of(option: str, value: str, allowed: tuple[str, ...]) -> Any:
    """The value, if it is allowed. Raises InputError that lists the allowed ones."""
    if value not in allowed:
        raise InputError(f"{option} {value!r}: expected {either(allowed)}{did_you_mean(str(value), allowed)}")
    return value


def split_of(value: str, *, takes_folds: bool = True) -> tuple["SplitKind", str | None]:
    """How rows are split, and the column of folds of `folds:COLUMN`, beside which validation rows are random.

    Where the verb does not take folds, no error offers them.
    """
    word, sign, column = value.partition(":")
    if word != "folds" or not sign:
        return one_of("--split", value, (*SPLITS, "folds:COLUMN") if takes_folds else SPLITS), None
    if not column:
        raise InputError(f"--split {value!r}: expected the column of folds behind the colon, such as folds:part")
    return "random", column


def scheduler_of(scheduler: str | None, *, asha: bool | None) -> str:
    """The scheduler that is asked for by its name, or by --asha or --no-asha. Raises InputError where they differ."""
    if scheduler is not None:
        from reeltune.cluster.search.schedulers import SCHEDULERS

        one_of("--scheduler", scheduler, tuple(SCHEDULERS))
    if asha is None:
        return scheduler or "asha"
    meant = "asha" if asha else "none"
    if scheduler not in (None, meant):
        flag = "--asha" if asha else "--no-asha"
        raise InputError(f"{flag} means --scheduler {meant}, and --scheduler is {scheduler}: give one of them")
    return meant


def sample_of(value: int | str | None) -> "Sample":
    """How many rows search trials are to fit on, "all" of them, or None for what is usual. Raises InputError."""
    if value is None or value == "all":
        return value  # type: ignore[return-value]  # mypy does not narrow str to the literal
    if isinstance(value, str) and value.isdecimal():
        value = int(value)
    if not isinstance(value, Integral) or isinstance(value, bool) or value < FEWEST_SAMPLED:
        raise InputError(f"--sample {value}: expected a number of ratings from {FEWEST_SAMPLED:,} on, or all")
    return int(value)


def whole_number(option: str, value: int, least: int) -> int:
    """The value, if it is a whole number and no less. Raises InputError."""
    if not _is_a(Integral, value):
        raise InputError(f"{option} {value!r}: expected a whole number, {least} or more")
    return int(at_least(option, value, least))


def at_least(option: str, value: Number, least: float) -> Number:
    """The value, if it is a number and no less. Raises InputError."""
    if not _is_a(Real, value):
        raise InputError(f"{option} {value!r}: expected a number, {least:g} or more")
    if not value >= least:
        raise InputError(f"{option} {value}: expected {least:g} or more")
    return value


def here(option: str, given: str | Path) -> Path:
    """The path of what is written on this machine. Raises InputError at a URI, of which `Path` would make a folder."""
    if "://" in str(given):
        raise InputError(f"{option} {given}: expected a path on this machine; copy it there afterwards")
    return Path(given)


def share_of(option: str, value: float, expected: str, *, may_be_0: bool = True) -> float:
    """The value, if it is a number from 0 to below 1. Raises InputError that says what is expected."""
    if not _is_a(Real, value):
        raise InputError(f"{option} {value!r}: expected {expected}")
    if not 0 <= value < 1 or (value == 0 and not may_be_0):
        raise InputError(f"{option} {value:g}: expected {expected}")
    return value


def _is_a(kind: type, value: object) -> bool:
    """Whether a value is a number of this kind, which those of NumPy are too. From Python anything may come."""
    return isinstance(value, kind) and not isinstance(value, bool)


def shares_of(validation: float | None, test_share: float | None, *, test: str | None) -> "Shares":
    """How much is held out; None is the default. Raises InputError at no share, and at a test share beside a file."""
    from reeltune.trainables.data.split import DEFAULT_SHARES, Shares

    for option, share in {"--validation": validation, "--test-share": test_share}.items():
        if share is not None:
            share_of(option, share, SHARE)
    if test is not None and test_share is not None:
        raise InputError(
            f"--test-share {test_share:g}: --test {test} brings the test rows, and no others are held out; "
            "leave one of the two out"
        )
    return Shares(
        validation=DEFAULT_SHARES.validation if validation is None else validation,
        test=DEFAULT_SHARES.test if test_share is None else test_share,
    )


def settings_of(given: Sequence[str] | Mapping[str, Any] | None) -> Mapping[str, Any]:
    """Hyperparameters by name, from `name=value` lines if they are not so given. Raises InputError at another line."""
    if isinstance(given, Mapping):
        return dict(given)
    parted = [(setting, setting.partition("=")) for setting in given or ()]
    for setting, (_, sign, _) in parted:
        if not sign:
            raise InputError(f"--set {setting}: expected name=value")
    return {name.strip(): value.strip() for _, (name, _, value) in parted}


def either(names: tuple[str, ...]) -> str:
    """`a, b or c`."""
    return f"{', '.join(names[:-1])} or {names[-1]}" if len(names) > 1 else names[0]


def seconds(option: str, text: str | float) -> float:
    """Seconds from `90`, `90s`, `15m` or `2h`. Raises InputError at anything else."""
    match = re.fullmatch(r"(\d+(?:\.\d+)?)([smh]?)", str(text))
    if match is None or float(match[1]) == 0:
        raise InputError(f"{option} {text!r}: expected a number of seconds, or 90s, 15m, 2h")
    return float(match[1]) * {"": 1, "s": 1, "m": 60, "h": 3600}[match[2]]


def through_client(address: str | None) -> TypeGuard[str]:
    """Whether the address is one of Ray's client (`ray://`): then the whole command runs on the cluster."""
    return address is not None and address.startswith("ray://")
