"""Data-parallel fits under Ray Train: one group of workers, started once, does a list of fits one after another."""

import contextlib
import hashlib
import json
import shutil
import tempfile
import time
from collections.abc import Callable, Iterable
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal

import ray
import ray.train
import torch
from ray.train import Checkpoint, CheckpointConfig, FailureConfig, RunConfig, ScalingConfig
from ray.train.torch import TorchTrainer, get_device
from ray.train.v2.api.exceptions import TrainingFailedError
from ray.util.queue import Empty, Queue
from safetensors.torch import load_file, save_file

from cluster.resources import Resources, check
from trainables import FitFailed, InputError
from trainables.allocator import keep_memory
from trainables.architectures import ARCHITECTURES
from trainables.data import Rows
from trainables.decoders import Decoder
from trainables.fit import Fit, on_device
from trainables.loop import calibrate, evaluate, run
from trainables.model import Shape

RESTARTS = 3  # of the group, when a worker dies
POSITION, STATE, WEIGHTS = "position.json", "state.pt", "model.safetensors"


@dataclass(frozen=True, kw_only=True)
class FitOrder:
    """A fit that the group is asked for; its key tells it from the others."""

    key: str
    architecture: str
    config: dict[str, Any]
    seed: int
    rows: Literal["training", "fitting"] = "training"  # "fitting": validation rows too, and nothing to validate on


@dataclass(frozen=True, kw_only=True)
class GroupData:
    """What every worker sees. There are no test rows in it."""

    train: Rows
    validation: Rows
    shape: Shape
    decoder: Decoder

    def rows(self, order: FitOrder) -> Rows:
        """Those to fit on."""
        return self.train if order.rows == "training" else self.train.joined(self.validation)

    def held_out(self, order: FitOrder) -> Rows | None:
        """Those to validate on."""
        return self.validation if order.rows == "training" else None


@dataclass(frozen=True, kw_only=True)
class Fitted:
    """What came of a fit. `metrics` is None where it was on validation rows too."""

    key: str
    weights: dict[str, torch.Tensor]
    seconds: float  # in the loop: validation and checkpoints included
    epochs: int
    train_loss: float
    metrics: dict[str, float | None] | None
    temperature: float


@dataclass(frozen=True, kw_only=True)
class Lost:
    """A fit that could not go on, and why. The others are not touched by it."""

    key: str
    reason: str


def fit_all(
    orders: list[FitOrder],
    data: GroupData,
    *,
    workers: int,
    resources: Resources,
    storage: Path,
    save_every: float = 10.0,
    bfloat16: bool = False,
    progress: Callable[[str], None] = lambda line: None,
) -> dict[str, Fitted | Lost]:
    """Do all of the fits, in order, and give what came of each by its key.

    A group that lost a worker starts again from its last checkpoint, and so does a call with the same
    storage after this process died; the storage is removed at the end.
    Raises InputError where the cluster is too small, FitFailed where the group itself cannot go on.
    """
    check(workers, resources, bfloat16=bfloat16)
    check_batches([order.config.get("batch_size", len(data.train)) for order in orders], data.train, workers=workers)
    queue = Queue(actor_options={"num_cpus": 0})
    settings = {
        "orders": orders,
        "data": [ray.put(data)],  # in a list: by reference, so that workers map it and none copies it
        "queue": queue,
        "save_every": save_every,
        "bfloat16": bfloat16,
    }
    trainer = _trainer(settings, workers=workers, use_gpu=resources.on_gpus, storage=storage)
    # In a thread of its own: Ray Train takes Ctrl-C for itself when it runs in the main one.
    pool = ThreadPoolExecutor(1)
    try:
        group = pool.submit(trainer.fit)
        _hand_on(queue, progress, until=group)
        result = group.result()
    except TrainingFailedError as error:
        raise FitFailed(_reason(error)) from None
    finally:
        pool.shutdown(wait=False)  # an interrupt must not wait for the fits
    queue.shutdown(force=True)
    fitted = dict(_collect(checkpoint, metrics) for checkpoint, metrics in result.best_checkpoints if metrics["done"])
    shutil.rmtree(storage, ignore_errors=True)
    return fitted


def _trainer(settings: dict[str, Any], *, workers: int, use_gpu: bool, storage: Path) -> TorchTrainer:
    share = {"CPU": 1, "GPU": 1} if use_gpu else {"CPU": 1}
    return TorchTrainer(
        _serve,
        train_loop_config=settings,
        scaling_config=ScalingConfig(num_workers=workers, use_gpu=use_gpu, resources_per_worker=share),
        run_config=RunConfig(
            # Named by what is asked: the checkpoints of another list of fits are not taken for this one's.
            name=hashlib.sha256(repr(settings["orders"]).encode()).hexdigest()[:16],
            storage_path=str(storage.absolute()),
            # What finished fits left is kept, and of what running ones left the latest: the disk stays small.
            checkpoint_config=CheckpointConfig(
                num_to_keep=len(settings["orders"]) + 1, checkpoint_score_attribute="done", checkpoint_score_order="max"
            ),
            failure_config=FailureConfig(max_failures=RESTARTS),
        ),
    )


def check_batches(sizes: Iterable[int], rows: Rows, *, workers: int) -> None:
    """Refuse batches that leave a worker less than two rows: one has no spread to normalise. Raises InputError."""
    smallest = min(len(rows), *sizes)
    if smallest < 2 * workers:
        raise InputError(f"{workers} workers need batches of {2 * workers} rows at least, and one has {smallest}")


def _reason(error: TrainingFailedError) -> str:
    failures = getattr(error, "worker_failures", None) or {}
    first = next(iter(failures.values()), error.__cause__ or error)
    return str(first).strip().splitlines()[-1]


def _collect(checkpoint: Checkpoint, metrics: dict[str, Any]) -> tuple[str, Fitted | Lost]:
    if metrics["lost"] is not None:
        return metrics["key"], Lost(key=metrics["key"], reason=metrics["lost"])
    with checkpoint.as_directory() as folder:
        weights = load_file(Path(folder) / WEIGHTS)
    return metrics["key"], Fitted(
        key=metrics["key"],
        weights=weights,
        seconds=metrics["seconds"],
        epochs=metrics["epochs"],
        train_loss=metrics["train_loss"],
        metrics=metrics["metrics"],
        temperature=metrics["temperature"],
    )


def _hand_on(queue: Queue, progress: Callable[[str], None], *, until: Future[Any]) -> None:
    """Hand on the workers' lines of progress until the group has ended."""
    while not until.done():
        with contextlib.suppress(Empty):
            progress(queue.get(timeout=0.2))


# In the workers


def _serve(settings: dict[str, Any]) -> None:
    """What each worker runs: every fit that is not done yet, from where the last checkpoint left it."""
    device = get_device()
    if device.type == "cpu":
        torch.set_num_threads(1)
        keep_memory()
    data: GroupData = ray.get(settings["data"][0])
    orders: list[FitOrder] = settings["orders"]
    first, state = _position()
    for place in range(first, len(orders)):
        order = orders[place]
        architecture = ARCHITECTURES[order.architecture]
        config = architecture.Config.model_validate(order.config)
        fit = Fit(
            architecture,
            config,
            data.shape,
            data.rows(order),
            seed=order.seed,
            device=device,
            bfloat16=settings["bfloat16"],
        )
        seconds = 0.0
        if state is not None:
            fit.load_state(state["fit"])
            seconds = state["seconds"]
        state = None
        try:
            done = _run_one(fit, data, place, order, settings, earlier=seconds)
        except FitFailed as error:  # on every worker alike: the loss is that of all of them
            _report({"done": True, "key": order.key, "lost": str(error)}, fit, place, {})
        else:
            _report(
                {"done": True, "key": order.key, "lost": None, **done},
                fit,
                place,
                {WEIGHTS: fit.model.served().state_dict()},
            )


def _run_one(
    fit: Fit, data: GroupData, place: int, order: FitOrder, settings: dict[str, Any], *, earlier: float
) -> dict[str, Any]:
    """Train to the end, with checkpoints on the way; the metrics of the trained model."""
    start = time.monotonic()
    loss, validation = float("nan"), data.held_out(order)
    reports = run(fit, validation=validation, decoder=data.decoder, save_every=settings["save_every"])
    for report in reports:
        seconds = earlier + time.monotonic() - start
        loss = report.train_loss
        if fit.rank == 0 and report.whole:
            error = "" if report.validation is None else f", validation MSE {report.validation.of(data.decoder):.4f}"
            line = f"{order.key}: epoch {report.epoch} of {fit.epochs}, training loss {loss:.4f}{error}"
            settings["queue"].put(line)
        if report.save and fit.step < fit.steps:
            _report({"done": False}, fit, place, {STATE: {"fit": fit.state(), "seconds": seconds}})
    seconds = earlier + time.monotonic() - start
    temperature, metrics = 1.0, None
    if validation is not None:
        held_out = on_device(validation, fit.device)
        temperature = calibrate(fit, held_out)
        metrics = asdict(evaluate(fit, held_out, decoder=data.decoder, temperature=temperature))
    return {
        "seconds": seconds,
        "epochs": fit.epoch,
        "train_loss": loss,
        "metrics": metrics,
        "temperature": temperature,
    }


def _report(metrics: dict[str, Any], fit: Fit, place: int, files: dict[str, Any]) -> None:
    """Report on every worker; the first one's checkpoint is kept. All workers' weights are the same."""
    if fit.rank != 0:
        ray.train.report(metrics)
        return
    with tempfile.TemporaryDirectory() as folder:
        for name, content in files.items():
            if name == WEIGHTS:
                save_file({key: tensor.contiguous().cpu() for key, tensor in content.items()}, Path(folder) / name)
            else:
                torch.save(content, Path(folder) / name)
        (Path(folder) / POSITION).write_text(json.dumps({"place": place, "done": metrics["done"]}))
        ray.train.report(metrics, checkpoint=Checkpoint.from_directory(folder))


def _position() -> tuple[int, dict[str, Any] | None]:
    """The fit to start with, and the state to start it from, by the last checkpoint."""
    checkpoint = ray.train.get_checkpoint()
    if checkpoint is None:
        return 0, None
    with checkpoint.as_directory() as folder:
        position = json.loads((Path(folder) / POSITION).read_text())
        if position["done"]:
            return position["place"] + 1, None
        return position["place"], torch.load(Path(folder) / STATE, weights_only=True)
