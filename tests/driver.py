"""A small search in a process of its own, which can be killed: `python -m tests.driver FOLDER [ADDRESS]`.

Its trials keep their state often. With REELTUNE_SLOWLY those of the search take their time; one that is named in
REELTUNE_HANGS hangs. With REELTUNE_LANES they run in a lane of one worker. A cluster is lost that gives no answer for
8 s.
"""

import os
import sys
from collections.abc import Callable
from pathlib import Path

from reeltune.cluster.cli.watched import watched
from reeltune.cluster.search import experiment as search
from reeltune.cluster.search import lane_trial
from reeltune.cluster.search.lane_trial import LaneFit
from reeltune.cluster.session import watchdog as lifeline
from reeltune.cluster.session.interrupt import interruptible
from reeltune.cluster.session.session import session
from reeltune.cluster.session.slots import Slots
from reeltune.trainables.fitting.fit import Fit
from tests import faulty
from tests.searches import searched
from tests.worlds import small_parts

TRIALS = 3
EVERY = 0.2  # seconds between two states of a trial
SPACE = "[pmf]\nonly = true\nbatch_size = 32\nepochs = 4\n[pmf.learning_rate]\nlow = 1e-3\nhigh = 1e-2\n"


def noted(folder: Path, *, pause: float = 0.0) -> dict[str, Callable[[Fit], None]]:
    """Trials that note in a file each at which step they begin, and sleep so many seconds in each step."""
    names = [f"pmf-{number:03}" for number in range(TRIALS)]
    return {name: faulty.both(faulty.noting(folder / name), faulty.sleeping(pause)) for name in names}


def kept_often(faults: dict[str, Callable[[Fit], None]]) -> tuple[type, type]:
    """The classes of trials with these faults, in a process of their own and in a lane, that keep their state often."""
    return faulty.saving(EVERY, faults), faulty.saving(EVERY, faults, of=LaneFit)


def main(folder: Path, address: str | None) -> int:
    hangs = {name: faulty.hanging(folder / "begun") for name in os.environ.get("REELTUNE_HANGS", "").split()}
    lifeline.LOST_AFTER = 8.0
    in_lanes = "REELTUNE_LANES" in os.environ
    faults = noted(folder, pause=0.03 if "REELTUNE_SLOWLY" in os.environ else 0.0) | hangs
    search.Trial, lane_trial.LaneFit = kept_often(faults)

    def job(watch):
        with session(address) as resources, interruptible():
            lanes = resources if in_lanes else None
            searched(small_parts(), folder, space=SPACE, trials=TRIALS, taken=Slots(count=1), lanes=lanes)
        return {}

    return watched(job, folder.name)[0]


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1]), *sys.argv[2:3] or [None]))
