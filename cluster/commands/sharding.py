"""Fits with sharded users: what cannot be one is refused before anything starts, and what to know of one."""

from collections.abc import Iterable, Sequence

from reeltune.trainables.architectures.registry import SHIPPED
from reeltune.trainables.architectures.source import file_of
from reeltune.trainables.config import FitConfig, Shard, TrainingConfig
from reeltune.trainables.errors import InputError
from reeltune.trainables.fitting.buckets import buckets_of
from reeltune.trainables.fitting.sharded import why_not_sharded
from reeltune.trainables.model import Architecture

SMALL = 2048  # rows of a batch, below which sharded workers of pmf took longer than one, for all the waiting

AskedFit = tuple[Architecture, FitConfig]


def check_sharded(shard: Shard | None, fits: Iterable[AskedFit], *, option: str = "") -> None:
    """Raise InputError if users are to be sharded, and one of these cannot. `option` is what asks for these."""
    if shard is None:
        return
    for architecture, config in fits:
        why = why_not_sharded(architecture, config)
        if why is not None:
            *most, last = (other for other, each in SHIPPED.items() if why_not_sharded(each, each.Config()) is None)
            raise InputError(
                f"{option and f'{option}: '}--shard {shard}: {_name(architecture)} {why}; {', '.join(most)} and {last} "
                "can be sharded: leave the option out, or choose another"
            )


def unsharded(names: Iterable[str]) -> tuple[str, ...]:
    """Those of reeltune's architectures that cannot be fitted with sharded users."""
    return tuple(name for name in names if why_not_sharded(SHIPPED[name], SHIPPED[name].Config()) is not None)


def check_buckets(shard: Shard | None, workers: int, rows: int, *, option: str = "--workers") -> None:
    """Raise InputError if there are more workers than buckets of users in so many rows."""
    buckets = buckets_of(rows)
    if shard is not None and workers > buckets:
        raise InputError(
            f"{option} {workers}: --shard {shard} deals the users of {rows:,} ratings to {buckets} buckets, and "
            f"a worker needs one; use {buckets} workers or fewer"
        )


def about_sharded(shard: Shard | None, config: FitConfig, *, workers: int) -> list[str]:
    """What a person should know of a fit with sharded users."""
    if shard is None or workers == 1:
        return []
    word, lines = f"note: --shard {shard}", []
    if isinstance(config, TrainingConfig) and config.batch_size < SMALL:
        lines.append(
            f"{word}: with batches of {config.batch_size:,} rows workers mostly wait for each other's messages in each "
            "step, and one worker may be faster"
        )
    if dropping := _dropping(config):
        lines.append(
            f"{word}: {dropping[0]} draws other masks on another number of workers; without, the fit is the same"
        )
    return lines


def about_search(shard: Shard | None, fits: Sequence[AskedFit], *, workers: int, left_out: Sequence[str]) -> list[str]:
    """The same of a search that may have these fits, on so many workers at most.

    `left_out` are the architectures that it leaves out because they cannot be sharded.
    """
    if shard is None:
        return []
    word, lines = f"note: --shard {shard}", []
    if left_out:
        need = "needs" if len(left_out) == 1 else "need"
        lines.append(f"{word}: the search is without {' and '.join(left_out)}, which {need} all users on each worker")
    if workers == 1:
        return lines
    small = {_name(of): None for of, each in fits if isinstance(each, TrainingConfig) and each.batch_size < SMALL}
    if small:
        lines.append(
            f"{word}: with batches below {SMALL:,} rows ({', '.join(small)}) workers mostly wait for each other's "
            "messages in each step, and one worker may be faster"
        )
    if dropping := list(dict.fromkeys(name for _, each in fits for name in _dropping(each))):
        lines.append(
            f"{word}: {' and '.join(dropping)} draw{'s' if len(dropping) == 1 else ''} other masks on another number "
            "of workers; without, fits are the same"
        )
    return lines


def _name(architecture: Architecture) -> str:
    return file_of(architecture) or architecture.__name__.rpartition(".")[2]


def _dropping(config: FitConfig) -> list[str]:
    """The settings of a configuration that drop something in training."""
    return [name for name, value in config.model_dump().items() if name.endswith("dropout") and value]
