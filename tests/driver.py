"""A small search in a process of its own, which can be killed: `python -m tests.driver FOLDER [ADDRESS]`.

Its trials keep their state often. With REELTUNE_SLOWLY those of the search take their time; one that is named in
REELTUNE_HANGS hangs. With REELTUNE_LANES they run in a lane of one worker. A cluster is lost that gives no answer for
8 s.
"""

import os
import sys
from pathlib import Path

from reeltune.cluster.cli.watched import watched
from reeltune.cluster.search import experiment as search
from reeltune.cluster.search import lane_trial
from reeltune.cluster.session import watchdog as lifeline
from reeltune.cluster.session.interrupt import interruptible
from reeltune.cluster.session.session import session
from reeltune.cluster.session.slots import Slots
from tests import faulty
from tests.searches import searched
from tests.worlds import small_parts

TRIALS = 3
SPACE = "[pmf]\nonly = true\nbatch_size = 32\nepochs = 4\n[pmf.learning_rate]\nlow = 1e-3\nhigh = 1e-2\n"


def main(folder: Path, address: str | None) -> int:
    names = [f"pmf-{number:03}" for number in range(TRIALS)]
    pause = faulty.sleeping(0.03 if "REELTUNE_SLOWLY" in os.environ else 0.0)
    noted = {name: faulty.both(faulty.noting(folder / name), pause) for name in names}
    hangs = {name: faulty.hanging(folder / "begun") for name in os.environ.get("REELTUNE_HANGS", "").split()}
    lifeline.LOST_AFTER = 8.0
    in_lanes = "REELTUNE_LANES" in os.environ
    search.Trial = faulty.saving(0.2, noted | hangs)
    lane_trial.LaneFit = faulty.saving(0.2, noted | hangs, of=lane_trial.LaneFit)

    def job(watch):
        with session(address) as resources, interruptible():
            lanes = resources if in_lanes else None
            searched(small_parts(), folder, space=SPACE, trials=TRIALS, taken=Slots(count=1), lanes=lanes)
        return {}

    return watched(job, folder.name)[0]


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1]), *sys.argv[2:3] or [None]))
