"""Where the time went: core seconds by phase and architecture, and how many were there to be used."""

from reeltune.cluster.runs.spent import FitSeconds, Phase, Spent

HEADINGS = ("", "trials", "confirmations", "refits", "all")
RESUMED = "the search was resumed, and how long its earlier processes ran is not known"


def line(spent: Spent | None) -> str:
    """`core seconds: search 319, confirmations 158, refits 58; 535 of 620 available`; "" of an older run."""
    if spent is None:
        return ""
    fits = spent.all_fits
    parts = (
        f"search {_seconds(fits.trials)}, confirmations {_seconds(fits.confirmations)}, refits {_seconds(fits.refits)}"
    )
    total = _seconds(fits.total)
    if spent.available is not None:
        return f"core seconds: {parts}; {total} of {_seconds(spent.available)} available"
    return f"core seconds: {parts}; {total} in all{f' ({RESUMED})' if spent.resumed else ''}"


def table(spent: Spent) -> list[list[str]]:
    """A row of HEADINGS' cells for each architecture and the baseline, and one for all."""
    return [_row(name, fits) for name, fits in {**spent.fits, "all": spent.all_fits}.items()]


def notes(spent: Spent) -> list[str]:
    """The phases by the clock, in sentences."""
    fits = spent.all_fits
    said = [
        _phase("Trials and confirmations", spent.search, fits.trials + fits.confirmations, resumed=spent.resumed),
        _phase("Refits", spent.refits, fits.refits, resumed=spent.resumed),
    ]
    if spent.resumed:
        return [*said, f"By the clock of the last process: {RESUMED}. The fits are those of all processes."]
    return [*said, "The rest went into starting processes, waiting for the last fits, and fits that were cut off."]


def _phase(what: str, phase: Phase, used: float, *, resumed: bool) -> str:
    took = f"{what} took {_seconds(phase.wall)} s by the clock"
    if phase.available is None:
        return f"{took}."
    share = "" if resumed or not phase.available else f", of which fits used {used / phase.available:.0%}"
    return f"{took}, in which {_seconds(phase.available)} core seconds were available{share}."


def _row(name: str, fits: FitSeconds) -> list[str]:
    return [name, *map(_seconds, (fits.trials, fits.confirmations, fits.refits, fits.total))]


def _seconds(seconds: float) -> str:
    return f"{seconds:,.1f}" if 0 < seconds < 10 else f"{seconds:,.0f}"
