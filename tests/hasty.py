"""`reeltune` in a process that takes who holds a run for dead after 5 s: `python -m tests.hasty VERB ...`."""

from cluster import lease
from cluster.cli import main

lease.STALE = 5.0

if __name__ == "__main__":
    main()
