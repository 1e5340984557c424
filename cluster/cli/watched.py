"""Runs a command and shows its progress, here or on the head node of a cluster."""

import errno
import sys
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

import typer

from reeltune.trainables.errors import Unavailable

if TYPE_CHECKING:
    from reeltune.cluster.commands.progress import Watch

Outcome = TypeVar("Outcome")
FULL = (errno.ENOSPC, errno.EDQUOT)  # numbers of errors: the disk is full, or one's share of it


def on_cluster(context: typer.Context, address: str) -> int:
    """Run the typed command on the cluster's head node, through Ray's client, and return its exit code."""
    from reeltune.cluster.cli.job_command import job_command, of_verb, without_address
    from reeltune.cluster.jobs.client import run

    return run(address, job_command(context.find_root().command, without_address(of_verb(sys.argv[1:])), None))


def watched(job: Callable[["Watch"], Outcome], name: str) -> tuple[int, Outcome | None]:
    """Run a job and show its progress. Returns the exit code, and the result, or None if the job was cut off."""
    from reeltune.cluster.commands.progress import Watch
    from reeltune.cluster.session.interrupt import Interrupted, how_to_go_on, interruptible
    from reeltune.cluster.session.watchdog import GONE, ClusterLost

    try:
        with interruptible(), Watch() as watch:
            return 0, job(watch)
    except Interrupted as interrupted:
        print(f"interrupted; everything so far is kept; go on with: {how_to_go_on(name)}", file=sys.stderr)
        return interrupted.exit_code, None
    except ClusterLost:
        print(f"error: {GONE}; everything so far is kept; go on with: {how_to_go_on(name)}", file=sys.stderr)
        return 1, None
    except Unavailable as error:
        print(f"error: {error}; everything so far is kept; go on with: {how_to_go_on(name)}", file=sys.stderr)
        return 1, None
    except OSError as error:
        if error.errno not in FULL:
            raise
        print(f"error: {error}; what was written stays; go on with: {how_to_go_on(name)}", file=sys.stderr)
        return 1, None


def whole(job: Callable[["Watch"], Outcome], output: Path | None, *, kept: str = "") -> tuple[int, Outcome | None]:
    """As `watched`, for a job that leaves its output whole or not at all.

    At an early end a line says that the output is not written; where there is none it ends in `kept`.
    """
    from reeltune.cluster.commands.progress import Watch
    from reeltune.cluster.session.interrupt import Interrupted, interruptible
    from reeltune.cluster.session.watchdog import GONE, ClusterLost

    left = kept if output is None else f"{output} is not written"
    unwritten = f"; {left}" if left else ""
    try:
        with interruptible(), Watch() as watch:
            return 0, job(watch)
    except ClusterLost:
        print(f"error: {GONE}{unwritten}", file=sys.stderr)
        return 1, None
    except Unavailable as error:
        print(f"error: {error}{unwritten}", file=sys.stderr)
        return 1, None
    except Interrupted as interrupted:
        print(f"interrupted{unwritten}", file=sys.stderr)
        return interrupted.exit_code, None
    except OSError as error:
        if error.errno not in FULL:
            raise
        print(f"error: {error}{unwritten}", file=sys.stderr)
        return 1, None
