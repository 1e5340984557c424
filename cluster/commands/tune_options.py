"""What `reeltune tune` is asked for, and what follows from it before anything runs."""

import shlex
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from reeltune.cluster.judging.baseline import REFERENCE, Baseline
from reeltune.cluster.search.warm_start import named
from reeltune.search_spaces import Space, has_space, read_spaces, shipped
from reeltune.trainables.architectures.table import ARCHITECTURES
from reeltune.trainables.config import TrainingConfig
from reeltune.trainables.data.prepared import DataOptions, Prepared, asked_of
from reeltune.trainables.errors import InputError
from reeltune.trainables.scoring.decoders import Decoder


@dataclass(frozen=True, kw_only=True)
class TuneOptions:
    architectures: list[str]
    data: DataOptions
    trials: int
    seconds: float | None  # for the search alone
    workers: int  # of a refit
    concurrent: int | None
    decoder: Decoder
    ensemble: bool
    space: Path | None
    seed: int
    address: str | None
    name: str
    resume: bool
    storage: str | None = None
    sampler: str = "tpe"
    scheduler: str = "asha"
    baseline: Baseline = REFERENCE
    gpus_per_trial: float | None = None
    earlier: str | None = None  # the run to start from
    trial_seconds: float | None = None  # for each trial
    workers_per_trial: int = 1


def searchable(names: list[str]) -> list[str]:
    """The architectures asked for, or all that can be searched. Raises InputError at an unknown name."""
    for name in names:
        if name not in ARCHITECTURES or not has_space(name):
            known = ", ".join(name for name in ARCHITECTURES if has_space(name))
            raise InputError(f"no architecture {name!r} to search; there are {known}")
    return list(dict.fromkeys(names)) or [name for name in ARCHITECTURES if has_space(name)]


def spaces_for(options: TuneOptions) -> dict[str, Space]:
    chosen = {name: ARCHITECTURES[name] for name in options.architectures}
    if options.space is not None:
        return read_spaces(options.space, chosen)
    return {name: shipped(name, architecture) for name, architecture in chosen.items()}


def batch_sizes(spaces: dict[str, Space], prepared: Prepared, baseline: Baseline) -> list[int]:
    """The batch sizes that refits may have: those of the spaces, the references and the baseline."""
    names = [name for name in (baseline.name, *spaces) if name in ARCHITECTURES]
    references = [ARCHITECTURES[name].reference(prepared.shape) for name in names]
    sizes = [reference.batch_size for reference in references if isinstance(reference, TrainingConfig)]
    for space in spaces.values():
        sizes += [int(size) for size in space.values("batch_size")]
    return sizes


def asked_for(options: TuneOptions, prepared: Prepared, spaces: dict[str, Space]) -> dict[str, Any]:
    return {
        "verb": "tune",
        "architectures": list(spaces),
        **asked_of(options.data, prepared),
        "seed": options.seed,
        "decoder": options.decoder,
        "baseline": options.baseline.name,
        "ensemble": options.ensemble,
        "trials": options.trials,
        "sampler": options.sampler,
        "scheduler": options.scheduler,
        "workers_per_trial": options.workers_per_trial,
        "from": named(options.earlier),
        "space": {name: space.model_dump(mode="json") for name, space in spaces.items()},
    }


def unsaid(record: dict[str, Any]) -> dict[str, Any]:
    """What a `run.json` of an earlier version does not say among what was asked for, and meant all the same."""
    halving = "--no-asha" not in shlex.split(record["command"])
    return {"sampler": "tpe", "scheduler": "asha" if halving else "none"}
