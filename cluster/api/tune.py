"""`tune`, the main job, from a program or a notebook."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from reeltune.cluster.api.call import address_of, call
from reeltune.cluster.api.command import tune_command
from reeltune.cluster.api.folds import folds_within, paired
from reeltune.cluster.api.load import Files, named
from reeltune.cluster.api.options import DATA, SMOKE_DATA, SMOKE_TRIALS, tune_options
from reeltune.cluster.api.ratings import Data, asked_of, several
from reeltune.cluster.api.run import Run
from reeltune.cluster.commands.folds import tune_folds as job
from reeltune.cluster.runs.find import folder_of, name_of_run
from reeltune.search_spaces import Sampling
from reeltune.trainables.data.reading.frames import Source
from reeltune.trainables.errors import InputError


def tune(
    data: Data | Sequence[Data] = DATA,
    architectures: Files | None = None,
    *,
    test: Source | Sequence[Source] | None = None,
    folds: int | None = None,
    split: str = "random",
    split_seed: int | None = None,
    validation: float | None = None,
    test_share: float | None = None,
    trials: int | None = None,
    time: str | float | None = None,
    trial_timeout: str | float | None = None,
    workers_per_trial: int = 1,
    workers: int = 1,
    shard: str | None = None,
    concurrent: int | None = None,
    gpus_per_trial: float | None = None,
    bf16: bool = False,
    decoder: str = "argmax",
    metric: str = "mse",
    sampler: Sampling = "tpe",
    sample: int | str | None = None,
    scheduler: str | None = None,
    asha: bool | None = None,
    ensemble: bool = True,
    baseline: str | float = "pmf",
    space: str | Path | None = None,
    from_: Run | str | Path | None = None,
    seed: int = 42,
    address: str | None = None,
    name: str | None = None,
    storage: str | None = None,
    resume: bool = False,
    smoke_test: bool = False,
    unknown_ids: str | None = None,
    tracker: str | Sequence[str] | None = None,
) -> Run:
    """Find the architecture that predicts these ratings best, and whether it beats the baseline.

    The options are those of `reeltune tune`, which `reeltune tune --help` explains: `trials` for each architecture
    (20), `time`, the limit of the search in seconds or as "15m", `workers_per_trial` and `workers`, the data-parallel
    workers of trials and refits, `shard`, "users" for workers that hold their own users alone, `test`, rows of your
    own to judge on, `baseline`, an architecture, "best-simple" or a published error, `sampler`, a name or an object of
    `optuna.samplers`, `sample`, on how many ratings search trials fit (a number, or "all"). `from_` is an earlier run
    whose findings the search starts from (`--from`). `tracker`, such as "mlflow=http://127.0.0.1:5000" or "wandb",
    shows the run there too. `folds` is how many times to search, so that each row is a test row once; lists of files,
    `data` and `test`, are official folds, and `split="folds:part"` has one for each value of the column `part`.

    The run is kept below `runs/` (or `storage`) under `name`, with data that was in memory as Parquet. An interrupt
    keeps everything and raises KeyboardInterrupt: the same call with that `name` and `resume=True` goes on. Raises
    InputError at wrong options or data.
    """
    if smoke_test:
        data = _smoke_data(data, given={"test": test, "unknown_ids": unknown_ids})
    name = name_of_run(name, resume=resume)
    every, tests = several(data), [] if test is None else several(test)
    asked = [
        asked_of(
            each,
            test=own,
            split=split,
            split_seed=seed if split_seed is None else split_seed,
            validation=validation,
            test_share=test_share,
            unknown_ids=unknown_ids,
            name=name,
            storage=storage,
        )
        for each, own in zip(every, paired(every, tests, folds), strict=True)
    ]
    options = tune_options(
        asked[0],
        named(architectures),
        folds=asked if len(asked) > 1 else folds_within(asked[0], folds),
        trials=trials,
        time=time,
        trial_timeout=trial_timeout,
        workers_per_trial=workers_per_trial,
        workers=workers,
        shard=shard,
        concurrent=concurrent,
        gpus_per_trial=gpus_per_trial,
        bfloat16=bf16,
        decoder=decoder,
        metric=metric,
        sampler=sampler,
        sample=sample,
        scheduler=scheduler,
        asha=asha,
        ensemble=ensemble,
        baseline=str(baseline),
        space=None if space is None else Path(space),
        earlier=from_.place if isinstance(from_, Run) else None if from_ is None else str(from_),
        seed=seed,
        address=address_of(address),
        name=name,
        storage=storage,
        resume=resume,
        smoke_test=smoke_test,
        tracker=tracker,
    )
    options = replace(options, keep_ray=True, command=tune_command(options))
    call(
        lambda watch: job(options, watch),
        kept=f"everything so far is kept in {folder_of(name, storage).place}; go on with the same call, "
        f"name={name!r} and resume=True",
    )
    return Run(folder_of(name, storage), data=options.data, files=options.architectures)


def _smoke_data(data: object, *, given: Mapping[str, object]) -> str:
    own = {} if isinstance(data, str) and data == DATA else {"data": data}
    for name in (name for name, value in {**own, **given}.items() if value is not None):
        raise InputError(
            f"--smoke-test {name}: a smoke test runs on made-up ratings; leave out {name}, or smoke_test "
            f"(a small search of one's own ratings is trials={SMOKE_TRIALS})"
        )
    return SMOKE_DATA
