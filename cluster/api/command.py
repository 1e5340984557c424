"""The command line that does the same as a call from Python: a run keeps it, and its report shows it."""

import shlex
from collections.abc import Mapping, Sequence
from dataclasses import asdict

from reeltune.cluster.commands.ask import TuneOptions
from reeltune.cluster.commands.train_options import TrainOptions
from reeltune.search_spaces import text_of
from reeltune.trainables.data import Columns
from reeltune.trainables.data.columns import COLUMN_OPTIONS
from reeltune.trainables.data.prepared import DataOptions

Value = str | float | bool | Sequence[str] | None


def tune_command(options: TuneOptions) -> str:
    """`reeltune tune` with these options. A table in memory is named by the file that the run keeps it in."""
    baseline = options.baseline
    given: dict[str, Value] = {
        **_of_data(options.data),
        **_of_folds(options.folds),
        "--trials": options.trials,
        "--time": _seconds(options.seconds),
        "--trial-timeout": _seconds(options.trial_seconds),
        "--workers-per-trial": options.workers_per_trial,
        "--workers": options.workers,
        "--shard": options.shard,
        "--concurrent": options.concurrent,
        "--gpus-per-trial": options.gpus_per_trial,
        "--bf16": options.bfloat16,
        "--decoder": options.decoder,
        "--metric": options.metric,
        "--sampler": text_of(options.sampler),
        "--sample": None if options.sample is None else str(options.sample),
        "--scheduler": options.scheduler,
        "--no-ensemble": not options.ensemble,
        "--baseline": str(baseline.number) if baseline.kind == "published" else baseline.name,
        "--space": None if options.space is None else str(options.space),
        "--from": options.earlier,
        **_of_run(options),
    }
    return _command("tune", options.architectures, given)


def train_command(options: TrainOptions) -> str:
    """`reeltune train` with these options, and with the settings that were given as a mapping."""
    settings = {**(options.config if isinstance(options.config, Mapping) else {}), **options.settings}
    given: dict[str, Value] = {
        **_of_data(options.data),
        "--score-test": options.score_test,
        "--refit": options.refit,
        "--config": None if options.config is None or isinstance(options.config, Mapping) else str(options.config),
        "--set": [f"{name}={value}" for name, value in settings.items()],
        "--decoder": options.decoder,
        "--metric": options.metric,
        "--workers": options.workers,
        "--shard": options.shard,
        "--stream": options.stream,
        "--bf16": options.bfloat16,
        "--checkpoint-every": options.checkpoint_every,
        **_of_run(options),
    }
    return _command("train", [options.architecture], given)


def _of_data(data: DataOptions) -> dict[str, Value]:
    columns = asdict(data.columns or Columns())
    return {
        "--data": data.data,
        "--test": data.test,
        "--split": data.split_word,
        "--split-seed": data.split_seed,
        **data.shares.options(),
        "--users": data.users,
        "--items": data.items,
        "--duplicates": data.duplicates,
        "--matrix": data.matrix,
        **{option: columns[kind] for kind, option in COLUMN_OPTIONS.items()},
        "--not-rated": data.not_rated,
        "--missing-ids": data.missing_ids,
        "--unknown-ids": data.unknown_ids,
    }


def _of_folds(folds: Sequence[DataOptions]) -> dict[str, Value]:
    """Random folds by their number, official ones by their files; those of a column are the split."""
    if folds and folds[0].given_folds is not None:
        return {}
    if not folds or folds[0].fold is not None:
        return {"--folds": len(folds) or None}
    return {"--data": [each.data for each in folds], "--test": [str(each.test) for each in folds]}


def _of_run(options: TuneOptions | TrainOptions) -> dict[str, Value]:
    return {
        "--seed": options.seed,
        "--address": options.address,
        "--storage": options.storage,
        "--name": options.name,
        "--tracker": [tracker.word for tracker in options.trackers],
    }


def _seconds(seconds: float | None) -> str | None:
    return None if seconds is None else f"{seconds:.15g}"


def _command(verb: str, words: Sequence[str], given: Mapping[str, Value]) -> str:
    line = ["reeltune", verb, *words]
    for option, value in given.items():
        if value is True:
            line.append(option)
        elif isinstance(value, Sequence) and not isinstance(value, str):
            line += [word for each in value for word in (option, each)]
        elif value is not None and value is not False:
            line += [option, str(value)]
    return shlex.join(line)
