"""The reasons with which failed trials are recorded."""

import re

from reeltune.cluster.session import deaths
from reeltune.trainables.errors import one_line

DIED = "the trial's process died"
GRACE = 5.0  # seconds beyond --trial-timeout after which a trial that has not ended itself hangs


def too_long(limit: float) -> str:
    units = ((3600, "h"), (60, "m"), (1, "s"))
    size, unit = next(((size, unit) for size, unit in units if limit % size == 0), (1, "s"))
    return f"took longer than {limit / size:g}{unit} (--trial-timeout)"


def of_death(text: str) -> str:
    """Why a trial's process died, from Tune's error file of the trial, which has Ray's message for each try."""
    times, _, last = text.rpartition("Failure # ")[2].partition(" ")
    died = DIED if times == "1" else f"{DIED} {times} times"
    if "low on memory" in last:
        return f"{died}: {deaths.cause(last)}"
    if "creation task" in last:
        return one_line(f"the trial's process could not start: {last.strip().splitlines()[-1]}")
    cause = re.search(r"^The actor (?:is dead|died) because (.+?)(?:\.|$)", last, re.MULTILINE)
    if cause is None or cause[1] == "its worker process has died":
        return f"{died} (it {deaths.KILLED})"
    return one_line(f"{died}: {cause[1]}")
