"""A real search on a small world: what `reeltune tune` does, less the refits and the verdict. And a made-up one."""

import time
from contextlib import ExitStack

from reeltune.cluster.runs.folder import Ledger, RunFolder
from reeltune.cluster.search.experiment import search, studies
from reeltune.cluster.search.lane_trial import trial_lanes
from reeltune.cluster.search.searcher import Dealer
from reeltune.cluster.search.trial_fit import TrialData
from reeltune.cluster.session.slots import Slots
from reeltune.search_spaces import read_spaces
from reeltune.trainables.architectures.table import ARCHITECTURES
from reeltune.trainables.scoring.decoder_table import DECODERS
from reeltune.trainables.scoring.metrics import Metrics


def searched(
    small,
    folder,
    *,
    space,
    trials,
    taken=None,
    halve=True,
    before=lambda: None,
    limit=None,
    seconds=None,
    lanes=None,
):
    """Run a search in a folder, in lanes if resources for them are given; the ledger of it."""
    _, parts, shape = small
    run = RunFolder(folder)
    (folder / "space.toml").write_text(space)
    names = [name for name in ARCHITECTURES if f"[{name}]" in space]
    spaces = read_spaces(folder / "space.toml", {name: ARCHITECTURES[name] for name in names})
    ledger = Ledger(run.ledger)
    made, cut_off = studies(run, ledger, spaces, shape, seed=3)
    deadline = None if seconds is None else time.monotonic() + seconds
    dealer = Dealer(made, ledger, trials=trials, seed=3, unfinished=cut_off, deadline=deadline)
    data = TrialData(
        train=parts.train,
        validation=parts.validation,
        split="random",
        shape=shape,
        decoder="argmax",
        store=run.store,
    )
    before()
    taken = taken or Slots(count=2, cpus=1, gpus=0)
    with ExitStack() as stack:
        started = []
        if lanes is not None:
            started = stack.enter_context(trial_lanes(data, taken.count, workers=taken.workers, resources=lanes))
        search(dealer, data, run, taken, halve=halve, limit=limit, lanes=started)
    return Ledger(run.ledger)


def metrics(value):
    return Metrics(mse=dict.fromkeys(DECODERS, value), rmse=value, mae=value, accuracy=value, log_loss=value)


def end(dealer, key, value):
    dealer.on_trial_complete(
        key, {"state": "done", "progress": 1.0, "value": value, "metrics": metrics(value), "epochs": 3, "seconds": 0.1}
    )


def drain(dealer, value=lambda config: config["learning_rate"]):
    """Run every trial that is dealt, one at a time, as a worker whose error is a formula."""
    dealt = []
    while (order := dealer.suggest(str(len(dealt)))) != "FINISHED":
        end(dealer, str(len(dealt)), value(order["config"]))
        dealt.append(order)
    return dealt
