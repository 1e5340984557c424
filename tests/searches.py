"""A real search on a small world: what `reeltune tune` does, less the refits and the verdict."""

from cluster.dealer import Dealer
from cluster.run_folder import Ledger, RunFolder
from cluster.search import Slots, search, studies
from cluster.trial import TrialData
from search_spaces import read_spaces
from trainables.architectures import ARCHITECTURES


def searched(small, folder, *, space, trials, taken=None, halve=True, before=lambda: None):
    """Run a search in a folder; the ledger of it."""
    _, parts, shape = small
    run = RunFolder(folder)
    (folder / "space.toml").write_text(space)
    names = [name for name in ARCHITECTURES if f"[{name}]" in space]
    spaces = read_spaces(folder / "space.toml", {name: ARCHITECTURES[name] for name in names})
    ledger = Ledger(run.ledger)
    made, cut_off = studies(run, ledger, spaces, shape, seed=3)
    dealer = Dealer(made, ledger, trials=trials, seed=3, unfinished=cut_off)
    data = TrialData(
        train=parts.train,
        validation=parts.validation,
        split="random",
        shape=shape,
        decoder="argmax",
        held_out=run.held_out.absolute(),
    )
    before()
    search(dealer, data, run, taken or Slots(count=2, cpus=1, gpus=0), halve=halve)
    return Ledger(run.ledger)
