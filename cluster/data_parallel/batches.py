"""Whether batches are large enough for the workers that share them."""

from collections.abc import Iterable, Sized

from reeltune.trainables.errors import InputError


def check_batches(sizes: Iterable[int], rows: Sized, *, workers: int) -> None:
    """Refuse batches that leave a worker less than two rows: batch norm needs two. Raises InputError."""
    smallest = min([len(rows), *sizes])
    if smallest < 2 * workers:
        raise InputError(f"{workers} workers need batches of {2 * workers} rows at least, and one has {smallest}")
