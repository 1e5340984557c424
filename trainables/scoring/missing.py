"""What is missing for a verdict: how many users would be needed, and a sentence that says why there is none yet."""

import math

from scipy.optimize import brentq
from scipy.stats import norm

from reeltune.trainables.scoring.comparison import Comparison
from reeltune.trainables.scoring.levels import FEWEST, LEVEL, NOTHING
from reeltune.trainables.scoring.unseen import Unseen

POWER = 0.8
MOST = 1e9  # times as many users: more is no advice


def needed_users(comparison: Comparison, *, judged: int = 1) -> int | None:
    """How many users would show this gain, if it is the true one, in a share POWER of samples; None: cannot be told.

    The fewest of whom z(POWER) standard errors and the widest criterion's reach, at the strictest of Holm's levels for
    `judged` architectures, are together no more than the gain, if new users have as many ratings each and differ as
    these do. For Student's t and many users that is the normal sample size (Miller 2024).
    """
    error, beyond, side = comparison.standard_error, comparison.beyond, comparison.side
    told = beyond > 0 and comparison.error > 0 and min(effective(comparison), comparison.differ) >= FEWEST
    if not told or error is None:
        return None

    def lacking(logarithm: float) -> float:
        times = math.exp(logarithm)
        widest = max(each.reach(LEVEL / judged, side, times) for each in comparison.criteria)
        return widest + float(norm.ppf(POWER)) * error / math.sqrt(times) - beyond

    if lacking(math.log(MOST)) > 0:
        return None
    times = math.exp(brentq(lacking, 0.0, math.log(MOST))) if lacking(0.0) > 0 else 1.0
    return math.ceil(comparison.users * times)


def effective(comparison: Comparison) -> int:
    """The users that these are worth by their numbers of rows, to the nearest whole one below."""
    return math.floor(comparison.effective_users + 1e-6)  # equal users are worth their number, up to rounding


def missing(comparison: Comparison, needed: int | None) -> str:
    """Why there is no verdict; `needed` is what `needed_users` says."""
    few = _too_few(comparison)
    if few is not None:
        return few
    if comparison.beyond <= 0:
        return f"so small a gain counts as none (under {NOTHING:.1%} of the baseline's error)"
    if effective(comparison) < FEWEST:
        return (
            f"these {comparison.users:,} users count like {effective(comparison)}: "
            f"one user has {_percent(comparison.largest_share)} of the {'weight' if comparison.weighted else 'rows'}"
        )
    enough = "more than can be told" if needed is None else f"about {_of(comparison, needed)}"
    if isinstance(max(comparison.criteria, key=lambda each: each.p(comparison.beyond, comparison.side)), Unseen):
        return f"of {comparison.users:,} users a rare kind may be missing that undoes it; {enough} would be needed"
    return f"{enough} would be needed to see it"


def _too_few(comparison: Comparison) -> str | None:
    users, differ = comparison.users, comparison.differ
    if differ == 0:
        return "no test row is rated differently"
    if users < FEWEST:
        return f"the test rows are of {_users(users)}; fewer than {FEWEST} are too few for a verdict"
    if differ < FEWEST:
        return f"the two differ for {differ} of {users:,} users; fewer than {FEWEST} are too few for a verdict"
    if comparison.error == 0:
        return "the baseline makes no error, so that there is nothing to beat"
    return None


def _of(comparison: Comparison, needed: int) -> str:
    """The users, and the ratings that so many would give, in two digits."""
    return f"{_round(needed)} users with {_round(needed * comparison.ratings / comparison.users)} test ratings"


def _round(number: float) -> str:
    return f"{float(f'{number:.1e}'):,.0f}"


def _percent(share: float) -> str:
    return f"{share:.0%}" if share < 0.995 else "over 99%"


def _users(number: int) -> str:
    return "one user" if number == 1 else f"{number} users"
