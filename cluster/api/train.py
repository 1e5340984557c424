"""`train`, one fit, from a program or a notebook."""

import os
from collections.abc import Mapping, Sequence
from contextlib import nullcontext
from dataclasses import replace
from pathlib import Path
from typing import Any

from reeltune.cluster.api.call import address_of, call
from reeltune.cluster.api.command import train_command
from reeltune.cluster.api.keywords import check_hyperparameters
from reeltune.cluster.api.model import Model
from reeltune.cluster.api.options import train_options
from reeltune.cluster.api.ratings import Data, asked_of
from reeltune.cluster.commands.train import needs_no_ray
from reeltune.cluster.commands.train import train as job
from reeltune.cluster.runs.find import folder_of, name_of_run
from reeltune.trainables.architectures.kept_source import OwnSource
from reeltune.trainables.architectures.registry import is_own
from reeltune.trainables.data.reading.frames import Source
from reeltune.trainables.fitting.allocator import memory_as_before


def train(
    data: Data,
    architecture: str | os.PathLike[str],
    *,
    test: Source | None = None,
    score_test: bool = False,
    refit: bool = False,
    split: str = "random",
    split_seed: int | None = None,
    validation: float | None = None,
    test_share: float | None = None,
    config: str | Path | Mapping[str, Any] | None = None,
    decoder: str = "argmax",
    metric: str = "mse",
    workers: int = 1,
    shard: str | None = None,
    stream: bool = False,
    bf16: bool = False,
    checkpoint_every: float = 10.0,
    seed: int = 42,
    address: str | None = None,
    name: str | None = None,
    storage: str | None = None,
    resume: bool = False,
    unknown_ids: str | None = None,
    tracker: str | Sequence[str] | None = None,
    **hyperparameters: Any,
) -> Model:
    """Fit one architecture on the training rows, data-parallel, and return the fitted model.

    The options are those of `reeltune train`, which `reeltune train --help` explains. Any other keyword is a
    hyperparameter (`--set`): `train(ratings, "svdpp", epochs=12)`. `config` is a file, a bundle's folder or a mapping
    of them. `score_test` scores the test rows too, which is one more look; rows of your own (`test`) always are.
    `tracker`, such as "mlflow=http://127.0.0.1:5000" or "wandb", shows the fit there too.
    `validation` and `test_share` are how much is held out; 0 and 0 is a fit on every row. `refit` fits once more, on
    training and validation rows together: that is the model then, and `model.validation` is of the fit before.
    With `shard="users"` and `stream` no process of several workers ever holds all rows of `data`, a path of Parquet.

    The run is kept below `runs/` (or `storage`) under `name`, with data that was in memory as Parquet. Raises
    InputError at wrong options or data, and FitFailed if the fit fails.
    """
    check_hyperparameters(train, hyperparameters, architecture)
    name = name_of_run(name, resume=resume)
    options = train_options(
        os.fspath(architecture),
        asked_of(
            data,
            test=test,
            split=split,
            takes_folds=False,
            split_seed=seed if split_seed is None else split_seed,
            validation=validation,
            test_share=test_share,
            unknown_ids=unknown_ids,
            name=name,
            storage=storage,
            stream=stream,
        ),
        config=Path(config) if isinstance(config, str) else config,
        settings=hyperparameters,
        seed=seed,
        decoder=decoder,
        metric=metric,
        workers=workers,
        shard=shard,
        stream=stream,
        score_test=score_test,
        refit=refit,
        checkpoint_every=checkpoint_every,
        bfloat16=bf16,
        address=address_of(address),
        name=name,
        storage=storage,
        resume=resume,
        tracker=tracker,
    )
    options = replace(options, keep_ray=True, command=train_command(options))
    folder = folder_of(name, storage)
    kept = f"everything so far is kept in {folder.place}; go on with the same call, name={name!r} and resume=True"
    with memory_as_before() if needs_no_ray(options) else nullcontext():
        trained = call(lambda watch: job(options, watch), kept=kept)
    own = OwnSource(files=tuple(file for file in [options.architecture] if is_own(file)))
    return Model.at(folder.model(trained.architecture), own=own, fitted_on=options.data, streamed=stream)
