"""What users that the sample does not have may do to a gain.

Of a kind of users that none of n was, at most 1 − 0.05^(1/n), about 3/n, are of it in 95% of samples: the rule of three
(Hanley & Lippman-Hand 1983). On that kind the gain may be minus the baseline's whole error, or all of it. Without such
a bound no interval of a mean holds (Bahadur & Savage 1956): a sample without the rare kind shows no sign of it.
"""

from dataclasses import dataclass

from reeltune.trainables.scoring.gains import Gains
from reeltune.trainables.scoring.satterthwaite import Side


@dataclass(frozen=True, kw_only=True)
class Unseen:
    """Limits at which the unseen kind is as bad, or as good, as it may be."""

    users: int
    below: float  # how much lower the gain of the unseen kind may be, as far as no user seen was
    above: float

    def p(self, beyond: float, side: Side) -> float:
        """The chance that nobody is of a kind which is frequent enough to move the gain by `beyond` to this side."""
        worst = self._worst(side)
        return (1 - beyond / worst) ** self.users if beyond < worst else 0.0

    def reach(self, level: float, side: Side, times: float = 1.0) -> float:
        """How far the most frequent kind that may be unseen moves the gain, were there `times` as many users."""
        return (1 - level ** (1 / (self.users * times))) * self._worst(side)

    def _worst(self, side: Side) -> float:
        return self.below if side < 0 else self.above


def unseen(gains: Gains) -> Unseen:
    """The bound for these gains. What is no farther out than the farthest user is in the standard error already."""
    if gains.differ == 0:  # one predictor twice
        return Unseen(users=gains.users, below=0.0, above=0.0)
    rows = gains.rows / gains.users
    return Unseen(
        users=gains.users,
        below=max(0.0, gains.error + gains.mean + float(gains.off.min()) / rows),
        above=max(0.0, gains.error - gains.mean - float(gains.off.max()) / rows),
    )
