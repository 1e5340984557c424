"""`reeltune` in a process that takes who holds a run for dead after 5 s: `python -m tests.hasty VERB ...`."""

from reeltune.cluster.cli.app import main
from reeltune.cluster.runs import lease

lease.STALE = 5.0

if __name__ == "__main__":
    main()
