"""Top lists of the refits for the users of the opened test rows. They are reported; nothing is chosen by them.

Each fit rates all items for each of these users, some users at a time, so that memory is bounded; and time by the
number of users, who are drawn at random if there are many.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
import pandas as pd
import torch

from reeltune.cluster.judging.baseline import KEY, groups
from reeltune.cluster.judging.outcome import Searched
from reeltune.cluster.judging.predictions import people
from reeltune.cluster.judging.scores import crossed_output
from reeltune.cluster.runs.answer import MOST_RATED, Listed, ListScore, Ranking
from reeltune.cluster.runs.folder import RunFolder
from reeltune.trainables.architectures import ENSEMBLE
from reeltune.trainables.data import Rows
from reeltune.trainables.data.prepared import Prepared
from reeltune.trainables.scoring.comparison import compare
from reeltune.trainables.scoring.decoders import decode, order
from reeltune.trainables.scoring.levels import FEWEST
from reeltune.trainables.scoring.ranking import TOP, Lists, Ranked, lists, ranked

MOST_USERS = 2000
MOST_PAIRS = 1 << 21  # for each fit to rate: seconds, for those that need one forward pass a pair
PAIRS = 1 << 18  # rated in one call: bounds memory
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
    batches = [_ranked(searched, some, prepared) for some in _batches(asked)]
    return Rankings(
        by_name={name: _joined([batch[name] for batch in batches]) for name in batches[0]},
        people=names[asked.row],
        of_users=len(found),
        items=shape.items - 1,
        liked=shape.scale.liked,
    )


def _batches(asked: Lists) -> Iterator[Lists]:
    step = max(1, PAIRS // max(1, asked.items - 1))
    for start in range(0, len(asked), step):
        yield asked.take(np.arange(start, min(start + step, len(asked))))


def _ranked(searched: Searched, some: Lists, prepared: Prepared) -> dict[str, Ranked]:
    """The lists of each predictor for a few users: the mean over the seeds of its refits."""
    shape = prepared.shape
    items = torch.arange(1, some.items)
    asked = torch.tensor(some.users).long(), items, None if some.times is None else torch.tensor(some.times)
    weights = searched.choices[ENSEMBLE].config["weights"] if ENSEMBLE in searched.choices else {}
    combined, found = torch.zeros(len(some) * len(items), dtype=torch.float64), {}
    for name, refits in searched.complete().items():
        each, temperature = [], searched.temperature(name)
        for ordered, came in refits:
            output, grid = crossed_output(ordered, came, asked, shape, searched.registry, chunk=CHUNK)
            scores = order(output, grid, shape.scale, decoder=searched.decoder, temperature=temperature)
            each.append(_judged(some, scores))
            if name in weights:
                value = decode(output, grid, shape.scale, decoder=searched.averaged(name), temperature=temperature)
                combined += weights[name] / len(refits) * value.double()
        found[name] = _mean(each)
    if weights:
        found[ENSEMBLE] = _judged(some, combined.float().double())  # with the ties that its bundle has
    counts = np.bincount(prepared.split.fitting.items, minlength=shape.items)[1:]
    found[MOST_RATED] = ranked(some, np.tile(counts.astype(float), (len(some), 1)))
    return found


def _judged(some: Lists, scores: torch.Tensor) -> Ranked:
    return ranked(some, scores.reshape(len(some), -1).numpy())


def _mean(each: list[Ranked]) -> Ranked:
    return Ranked(
        ndcg=np.mean([one.ndcg for one in each], axis=0), recall=np.mean([one.recall for one in each], axis=0)
    )


def _joined(each: list[Ranked]) -> Ranked:
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
