"""`update`, tomorrow's ratings, from a program or a notebook."""

import os
from pathlib import Path

from reeltune.cluster.api.load import Files, named
from reeltune.cluster.api.options import own_source, update_options
from reeltune.cluster.api.ratings import said_in_python
from reeltune.cluster.commands.progress import Watch
from reeltune.cluster.commands.update import Updated
from reeltune.cluster.commands.update import update as job
from reeltune.trainables.data.reading.frames import Source
from reeltune.trainables.data.unrated import NotRated, values_of
from reeltune.trainables.fitting.seeds import random_numbers_as_before


def update(
    model: str | Path,
    data: Source,
    output: str | Path,
    *,
    with_: Source | None = None,
    test_share: float = 0.5,
    users: Source | None = None,
    items: Source | None = None,
    duplicates: str | None = None,
    user: str | None = None,
    item: str | None = None,
    rating: str | None = None,
    time: str | None = None,
    weight: str | None = None,
    not_rated: NotRated | None = None,
    missing_ids: str | None = None,
    architecture: Files | None = None,
    changed_source: str | None = None,
) -> Updated:
    """Fit a bundle's configuration on newer ratings, judge it against the bundle, and write it to the folder `output`.

    `data` are a table's ratings, new and old, or the new ones alone with the old ones in `with_`; `user` and its like
    name columns, `users` and `items` are side tables, as of `Ratings`. Of the new ratings the latest `test_share`
    (without times: as many at random) are held out from the fit that is judged; what is written is fitted on all.

    The result has the `verdict`, and `swap`: whether that is not "worse". Raises InputError where nothing is new,
    `output` is there already, ratings leave the model's scale or the model is an ensemble; FitFailed if a fit fails.
    """
    options = update_options(
        os.fspath(model),
        data,
        output,
        old=with_,
        test_share=test_share,
        users=users,
        items=items,
        duplicates=duplicates,
        user=user,
        item=item,
        rating=rating,
        timestamp=time,
        weight=weight,
        not_rated=() if not_rated is None else values_of(not_rated),
        missing_ids=missing_ids,
        own=own_source(named(architecture), changed_source),
    )
    with said_in_python(), random_numbers_as_before(), Watch() as watch:
        return job(options, watch.status)
