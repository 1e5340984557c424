"""A real search on a small world: what `reeltune tune` does, less the refits and the verdict. And a made-up one."""

import time
from contextlib import ExitStack

from reeltune.cluster.runs.disk import Disk
from reeltune.cluster.runs.folder import Ledger, RunFolder
from reeltune.cluster.search.experiment import Plan, search, studies
from reeltune.cluster.search.lane_trial import trial_lanes
from reeltune.cluster.search.messages import Point, Update, tune_result
from reeltune.cluster.search.recorder import Recorder
from reeltune.cluster.search.searcher import TrialSearcher
from reeltune.cluster.search.trial_fit import TrialData
from reeltune.cluster.session.slots import Slots
from reeltune.cluster.tensorboard.event_files import TensorBoard
from reeltune.cluster.tensorboard.hparams import Drawn
from reeltune.search_spaces import read_spaces
from reeltune.trainables.architectures.table import ARCHITECTURES
from reeltune.trainables.scoring.decoder_table import DECODERS
from reeltune.trainables.scoring.metrics import Metrics

# With 12 trials, halving surely stops some; a learning rate of 10 makes the loss no number.
EVERY_END = """
[pmf]
only = true
factors = 8
[pmf.batch_size]
choices = [32, 48]
[pmf.epochs]
low = 3
high = 9

[classifier]
only = true
batch_size = 32
weight_decay = 100.0
[classifier.learning_rate]
choices = [0.0001, 10.0]
[classifier.loss]
choices = ["cross_entropy", "spread_cross_entropy"]
[classifier.label_width]
low = 0.5
high = 1.0
when = { loss = "spread_cross_entropy" }
"""


def searched(
    small,
    folder,
    *,
    space,
    trials,
    taken=None,
    sampler="tpe",
    scheduler="asha",
    before=lambda: None,
    limit=None,
    seconds=None,
    lanes=None,
    shard=None,
):
    """Run a search in a folder, in lanes if resources for them are given; the ledger of it."""
    _, parts, shape = small
    run = RunFolder(folder)
    (folder / "space.toml").write_text(space)
    names = [name for name in ARCHITECTURES if f"[{name}]" in space]
    spaces = read_spaces(folder / "space.toml", {name: ARCHITECTURES[name] for name in names})
    ledger = Ledger(run.ledger)
    made, cut_off = studies(run, ledger, spaces, shape, seed=3, sampler=sampler)
    deadline = None if seconds is None else time.monotonic() + seconds
    plan = Plan(trials=trials, seed=3, scheduler=scheduler, deadline=deadline, limit=limit, unfinished=cut_off)
    data = TrialData(
        train=parts.train,
        validation=parts.validation,
        split="random",
        shape=shape,
        decoder="argmax",
        store=run.store,
        shard=shard,
    )
    before()
    taken = taken or Slots(count=2, cpus=1, gpus=0)
    with ExitStack() as stack:
        started = []
        if lanes is not None:
            started = stack.enter_context(
                trial_lanes(data, taken.count, workers=taken.workers, resources=lanes, progress=print)
            )
        drawn = {name: Drawn.by(study) for name, study in made.items()}
        board = TensorBoard(run.tensorboard, drawn, ended=ledger.entries)
        search(plan, made, ledger, data, run, taken, lanes=started, trackers=[board])
    return Ledger(run.ledger)


def new_searcher(made, ledger, *, seed, **options):
    """The searcher of these studies and this ledger, without Ray Tune around it."""
    disk = Disk()
    return TrialSearcher(made, ledger, Recorder(ledger, made, disk), disk, seed=seed, **options)


def metrics(value):
    return Metrics(mse=dict.fromkeys(DECODERS, value), rmse=value, mae=value, accuracy=value, log_loss=value, rps=value)


def point(progress, value):
    """A point of a trial's curve, at the end of an epoch."""
    return Point(
        value=value,
        epoch=1,
        whole=True,
        progress=progress,
        learning_rate=0.1,
        train_loss=1.0,
        mse=value,
        argmax_mse=value,
    )


def done(value):
    """The last update of a trial of this value, as Tune passes it on."""
    return tune_result(
        Update(done=True, state="done", progress=1.0, epochs=3, value=value, metrics=metrics(value), seconds=0.1)
    )


def end(searcher, key, value):
    searcher.on_trial_complete(key, done(value))


def drain(searcher, value=lambda config: config["learning_rate"]):
    """Run every trial that is suggested, one at a time, as a worker whose error is a formula."""
    suggested = []
    while (order := searcher.suggest(str(len(suggested)))) != "FINISHED":
        end(searcher, str(len(suggested)), value(order["config"]))
        suggested.append(order)
    return suggested
