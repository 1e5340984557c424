"""Top lists of the refits for the users of the opened test rows. They are reported; nothing is chosen by them.

Each fit rates all items for each of these users, some users at a time, so that memory is bounded; and time by the
number of users, who are drawn at random if there are many. Fits are rated side by side, each on one thread.
"""

import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field

import numpy as np
import pandas as pd
import torch

from reeltune.cluster.data_parallel.orders import FitOrder, Fitted
from reeltune.cluster.judging.baseline import KEY, groups
from reeltune.cluster.judging.outcome import Searched
from reeltune.cluster.judging.predictions import people
from reeltune.cluster.judging.ranking_size import MOST_PAIRS, MOST_USERS, at_once
from reeltune.cluster.judging.scores import crossed_output, restored_fit
from reeltune.cluster.runs.answer import MOST_RATED, Listed, ListScore, Ranking
from reeltune.cluster.runs.folder import RunFolder
from reeltune.trainables.architectures import ENSEMBLE
from reeltune.trainables.data import Rows
from reeltune.trainables.data.prepared import Prepared
from reeltune.trainables.model import RatingModel
from reeltune.trainables.scoring.comparison import compare
from reeltune.trainables.scoring.decoders import decode, order
from reeltune.trainables.scoring.levels import FEWEST
from reeltune.trainables.scoring.ranking import TOP, Lists, Ranked, lists, ranked

PAIRS = 1 << 18  # rated in one call of a fit: bounds memory
CHUNK = 1 << 12  # of these in one step of a model: layers stay in a processor's cache, which halves their time


@dataclass(frozen=True, kw_only=True)
class Rankings:
    """How good the lists of each predictor are, by user. `people` are the users' ids, None for an unknown one."""

    by_name: dict[str, Ranked]
    people: np.ndarray
    of_users: int  # of whom these were drawn
    items: int
    liked: float


def rankings(
    searched: Searched, rows: Rows, prepared: Prepared, *, say: Callable[[str], None] = lambda line: None
) -> Rankings | None:
    """The lists of each architecture with all its refits, of the baseline and of the ensemble.

    None, and a line that says why, if there are too many items to rate them for FEWEST users, or no new pair.
    """
    parts, shape, names = prepared.split, prepared.shape, people(rows, prepared)
    found = lists(rows, groups(pd.Series(names)), parts.fitting, shape.scale, items=shape.items)
    most = min(MOST_USERS, MOST_PAIRS // max(1, shape.items - 1))
    if len(found) == 0 or most < FEWEST:
        many = f"{shape.items - 1:,} items are too many to rate them all for {FEWEST} users"
        say(f"no top lists are judged: {many if len(found) else 'every pair of the test rows is fitted too'}")
        return None
    asked = found.drawn(most, seed=searched.seed)
    return Rankings(
        by_name=_ranked(searched, asked, prepared),
        people=names[asked.row],
        of_users=len(found),
        items=shape.items - 1,
        liked=shape.scale.liked,
    )


def _batches(asked: Lists) -> Iterator[Lists]:
    step = max(1, PAIRS // max(1, asked.items - 1))
    for start in range(0, len(asked), step):
        yield asked.take(np.arange(start, min(start + step, len(asked))))


def _ranked(searched: Searched, asked: Lists, prepared: Prepared) -> dict[str, Ranked]:
    """The lists of each predictor: the mean over the seeds of its refits."""
    weights = searched.choices[ENSEMBLE].config["weights"] if ENSEMBLE in searched.choices else {}
    batches = list(_batches(asked))
    rater = _Rater(searched=searched, prepared=prepared, batches=batches, members=frozenset(weights))
    refits = searched.complete()
    each: dict[str, list[Ranked]] = {name: [] for name in refits}
    combined = torch.zeros(len(asked) * (asked.items - 1), dtype=torch.float64)
    with ThreadPoolExecutor(at_once()) as pool:
        fits = [(name, fit) for name, some in refits.items() for fit in some]
        for (name, _), (lists, ratings) in zip(fits, pool.map(rater.rated, fits), strict=True):
            each[name].append(lists)
            if ratings is not None:
                combined += weights[name] / len(refits[name]) * ratings.double()
    found = {name: _mean(some) for name, some in each.items()}
    if weights:
        rounded = combined.float().double()  # with the ties that its bundle has
        scores = rounded.split([len(some) * (some.items - 1) for some in batches])
        found[ENSEMBLE] = _joined([_judged(some, part) for some, part in zip(batches, scores, strict=True)])
    counts = np.bincount(prepared.split.fitting.items, minlength=asked.items)[1:].astype(float)
    found[MOST_RATED] = _joined([ranked(some, np.tile(counts, (len(some), 1))) for some in batches])
    return found


@dataclass(frozen=True, kw_only=True)
class _Rater:
    """Makes the lists of one fit after another, in any thread."""

    searched: Searched
    prepared: Prepared
    batches: list[Lists]
    members: frozenset[str]  # of the ensemble
    restoring: threading.Lock = field(default_factory=threading.Lock)  # torch's one generator is saved and put back

    def rated(self, fit: tuple[str, tuple[FitOrder, Fitted]]) -> tuple[Ranked, torch.Tensor | None]:
        """The lists of an architecture's refit, and if the ensemble has it the ratings that it averages, (pairs,)."""
        name, (ordered, fitted) = fit
        with self.restoring:
            model = restored_fit(ordered, fitted, self.prepared.shape, self.searched.registry)
        lists, ratings = zip(*(self._batch(name, model, some) for some in self.batches), strict=True)
        return _joined(lists), torch.cat(ratings) if name in self.members else None

    def _batch(self, name: str, model: RatingModel, some: Lists) -> tuple[Ranked, torch.Tensor | None]:
        searched, scale, temperature = self.searched, self.prepared.shape.scale, self.searched.temperature(name)
        times = None if some.times is None else torch.tensor(some.times)
        output = crossed_output(model, torch.tensor(some.users).long(), torch.arange(1, some.items), times, chunk=CHUNK)
        lists = _judged(some, order(output, model.grid, scale, decoder=searched.decoder, temperature=temperature))
        if name not in self.members:
            return lists, None
        return lists, decode(output, model.grid, scale, decoder=searched.averaged(name), temperature=temperature)


def _judged(some: Lists, scores: torch.Tensor) -> Ranked:
    return ranked(some, scores.reshape(len(some), -1).numpy())


def _mean(each: list[Ranked]) -> Ranked:
    return Ranked(
        ndcg=np.mean([one.ndcg for one in each], axis=0), recall=np.mean([one.recall for one in each], axis=0)
    )


def _joined(each: Sequence[Ranked]) -> Ranked:
    return Ranked(ndcg=np.concatenate([one.ndcg for one in each]), recall=np.concatenate([one.recall for one in each]))


def described(found: Rankings, *, against: str) -> Ranking:
    """What `verdict.json` says of the lists; `against` names the baseline among them, if it is there."""
    users = groups(pd.Series(found.people))
    other = found.by_name.get(against)
    liking = ~np.isnan(found.by_name[MOST_RATED].recall)
    return Ranking(
        top=TOP,
        users=len(np.unique(users)),
        of_users=found.of_users,
        liking_users=len(np.unique(users[liking])),
        items=found.items,
        liked=found.liked,
        by_name={
            name: Listed(
                ndcg=_score(each.ndcg, None if other is None else other.ndcg, users),
                recall=_score(each.recall[liking], None if other is None else other.recall[liking], users[liking]),
            )
            for name, each in found.by_name.items()
        },
    )


def _score(values: np.ndarray, baseline: np.ndarray | None, users: np.ndarray) -> ListScore | None:
    """The mean over users with its interval, and the gain over the baseline with its own, by the verdict's method.

    Lists count by what they lack of 1, as errors do. A mean counts as the gain over lists that hold nothing, for which
    nobody unseen can lose.
    """
    if len(values) == 0:
        return None
    alone = compare(np.zeros(len(values)), -values, users)
    paired = None if baseline is None else compare(1 - baseline, 1 - values, users)
    return ListScore(
        value=alone.gain,
        ci95=alone.ci95,
        gain=paired and paired.gain,
        gain_ci95=paired and paired.ci95,
    )


def against(searched: Searched, best_simple: str) -> str:
    """The name of the baseline among the lists: of the best simple predictor, its own."""
    return best_simple if searched.baseline.kind == "simple" else KEY


def write_rankings(folder: RunFolder, found: Rankings) -> None:
    """Write `ranking.parquet`: a row for each user, with the NDCG and the recall of each predictor."""
    columns = {"user": found.people}
    for name, each in found.by_name.items():
        columns |= {f"{name}.ndcg": each.ndcg, f"{name}.recall": each.recall}
    temporary = folder.ranking.with_suffix(".tmp")
    pd.DataFrame(columns).to_parquet(temporary, index=False)
    temporary.replace(folder.ranking)


def read_rankings(folder: RunFolder, about: Ranking) -> Rankings:
    """The lists of a finished run, of which its answer says `about`."""
    frame = pd.read_parquet(folder.ranking)
    return Rankings(
        by_name={
            name: Ranked(ndcg=frame[f"{name}.ndcg"].to_numpy(), recall=frame[f"{name}.recall"].to_numpy())
            for name in about.by_name
        },
        people=frame["user"].to_numpy(),
        of_users=about.of_users,
        items=about.items,
        liked=about.liked,
    )
