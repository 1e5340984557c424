"""The command that a Ray job runs."""

from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, kw_only=True)
class JobCommand:
    """A verb with its options, as a job runs it."""

    name: str  # of the job, and of the run where the verb makes one
    entrypoint: str
    files: tuple[Path, ...]  # of this machine, sent along
    results: str | None  # where its run is kept, if the verb makes one
    shared: bool  # whether that is a --storage of the user's own
