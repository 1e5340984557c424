"""The folds of `tune`, for the command line and for Python: random, of a column, or pairs of files."""

from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from reeltune.cluster.api.checks import whole_number
from reeltune.trainables.errors import InputError

if TYPE_CHECKING:
    from reeltune.trainables.data.prepared import DataOptions


def folds_within(data: "DataOptions", folds: int | None) -> tuple["DataOptions", ...]:
    """The data of each fold of --folds, or of --split folds:COLUMN; none without. Raises InputError at wrong ones."""
    return _random_folds(data, folds) if data.given_folds is None else _given_folds(data, folds)


def _given_folds(data: "DataOptions", folds: int | None) -> tuple["DataOptions", ...]:
    """The data of each fold that a column names. Reads the data."""
    from reeltune.trainables.data import Fold
    from reeltune.trainables.data.split import DEFAULT_SHARES

    if folds is not None:
        refuse_given_folds(data, f"the column says which and how many folds there are; leave out --folds {folds}")
    if data.test is not None:
        refuse_given_folds(data, f"each fold's rows are its test rows; leave out --test {data.test}")
    if data.shares.test != DEFAULT_SHARES.test:
        refuse_given_folds(data, "each fold's rows are its test rows; leave out --test-share")
    loaded = data.load()
    assert loaded.folds is not None, "the column was asked for"
    values = loaded.folds.values
    return tuple(
        replace(data, loaded=loaded, fold=Fold(number=number, of=len(values), value=value))
        for number, value in enumerate(values, start=1)
    )


def refuse_given_folds(data: "DataOptions", why: str) -> None:
    """Raise InputError if a column of folds is asked for."""
    if data.given_folds is not None:
        raise InputError(f"--split {data.split_word}: {why}")


def _random_folds(data: "DataOptions", folds: int | None) -> tuple["DataOptions", ...]:
    """The data of each of K folds; none without --folds. Raises InputError where there can be none."""
    from reeltune.trainables.data import Fold
    from reeltune.trainables.data.split import DEFAULT_SHARES

    if folds is None:
        return ()
    whole_number("--folds", folds, 2)
    if data.test is not None:
        raise InputError(
            f"--folds {folds}: splits test rows off the data, and --test {data.test} names them; leave out one of the "
            "two (official folds are pairs of --data and --test)"
        )
    if data.split == "time":
        raise InputError(f"--folds {folds}: with --split time the test rows are the latest; use --split random or user")
    if data.shares.test != DEFAULT_SHARES.test:
        raise InputError(f"--folds {folds}: each fold has 1/{folds} of the rows for the test; leave out --test-share")
    return tuple(replace(data, fold=Fold(number=1 + place, of=folds)) for place in range(folds))


def folds_of(
    first: "DataOptions", data: Sequence[str], tests: Sequence[str], folds: int | None
) -> tuple["DataOptions", ...]:
    """The data of each fold, read as the first one's; none without folds. Raises InputError where there can be none."""
    from reeltune.cluster.runs.storage import refuse_credentials

    if len(data) < 2 and len(tests) < 2:
        return folds_within(first, folds)
    for option, files in {"--data": data, "--test": tests}.items():
        for file in files:
            refuse_credentials(file, option)
    return tuple(
        replace(first, data=each, test=test) for each, test in zip(data, paired(data, tests, folds), strict=True)
    )


def paired(data: Sequence[object], tests: Sequence[Any], folds: int | None) -> Sequence[Any]:
    """The test file of each data file, None for a single one without. Raises InputError unless they are pairs."""
    if len(data) < 2 and len(tests) < 2:
        return tests or [None]
    if folds is not None:
        raise InputError(f"--folds {folds}: several --data and --test files are the folds already; leave out --folds")
    if len(data) != len(tests):
        raise InputError(
            f"there are {len(data)} of --data and {len(tests)} of --test: official folds are pairs, the first "
            "--data with the first --test (--data u1.base --test u1.test --data u2.base --test u2.test)"
        )
    return tests


def for_one_fit(option: str, given: Sequence[str] | None) -> str | None:
    """The value of an option of files, of a verb that fits once; None without. Raises InputError at several."""
    if given and len(given) > 1:
        raise InputError(
            f"{' '.join(f'{option} {file}' for file in given)}: a fit takes one, and reeltune tune several, as folds; "
            "leave out all but one (parts of one data set are a folder)"
        )
    return given[0] if given else None


def checked_folds(folds: Sequence["DataOptions"], earlier: str | None) -> tuple["DataOptions", ...]:
    """The folds. Raises InputError at --from with folds: what the earlier run was fitted on is tested here."""
    for each in folds:
        if each.fold is None:
            refuse_given_folds(each, "several --data and --test files are the folds already; leave out --split")
    if folds and earlier is not None:
        raise InputError(
            f"--from {earlier}: with folds nothing may be learnt from an earlier run, since what it was fitted on is "
            "tested here; leave out --from"
        )
    return tuple(folds)
