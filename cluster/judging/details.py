"""What `verdict.json` and the reports hold beside the answer: the look, and errors by decoder and by slice."""

from dataclasses import asdict

import numpy as np

from reeltune.cluster.judging.scores import Scored, by_value, judged_errors, mean_decoders, squared_errors
from reeltune.cluster.runs.answer import Details, JudgedRows, ProbabilityScores, Seeds, SliceGroup, SplitKind
from reeltune.cluster.search.choice import SEEDS
from reeltune.trainables.data import Rows
from reeltune.trainables.data.prepared import Prepared
from reeltune.trainables.scoring.metric_table import Objective
from reeltune.trainables.scoring.slices import Groups, slices
from reeltune.trainables.scoring.verdict import spread


def details(
    scores: dict[str, list[Scored]], rows: Rows, prepared: Prepared, *, objective: Objective, look: int
) -> Details:
    """The details for the scores of each architecture's refits on these rows."""
    shape, asked = prepared.shape, prepared.asked
    errors = {name: judged_errors(each) for name, each in scores.items()}
    groups = slices(rows, prepared.split.fitting, shape.scale)
    probabilities = {name: each[0].probabilities for name, each in scores.items()}
    return Details(
        decoder=objective.decoder,
        look=look,
        data=prepared.summary(),
        split=SplitKind(kind=asked.split_word, seed=asked.split_seed),
        test_rows=_test_rows(rows, prepared),
        seeds={
            name: Seeds(
                metrics=[scored.metrics.by_name() for scored in each], spread=spread(errors[name], rows.weights)
            )
            for name, each in scores.items()
        },
        by_value={name: by_value(each[0], rows, shape) for name, each in scores.items()},
        decoders={name: mean_decoders(each) for name, each in scores.items()},
        probabilities={n: ProbabilityScores.model_validate(asdict(p)) for n, p in probabilities.items() if p},
        slices={
            name: {by: _slice(group, each, rows, objective) for by, group in groups.items()}
            for name, each in scores.items()
        },
        refit_seeds=SEEDS,
    )


def _slice(group: Groups, scores: list[Scored], rows: Rows, objective: Objective) -> list[SliceGroup]:
    """Each group's squared error and, where another metric is judged, that."""
    squared = group.errors(squared_errors(scores, rows).mean(0), rows.weights)
    if objective.metric == "mse":
        return [SliceGroup.model_validate(each) for each in squared]
    judged = group.errors(judged_errors(scores).mean(0), rows.weights)
    return [
        SliceGroup.model_validate({**each, "error": other["mse"]}) for each, other in zip(squared, judged, strict=True)
    ]


def _test_rows(rows: Rows, prepared: Prepared) -> JudgedRows:
    scale, fitting = prepared.shape.scale, prepared.split.fitting
    return JudgedRows(
        count=len(rows),
        users=_users(rows),
        outside_the_scale=int(scale.outside(rows.ratings).sum()),
        unknown_users=int((~np.isin(rows.users, fitting.users)).sum()),
        unknown_items=int((~np.isin(rows.items, fitting.items)).sum()),
        also_trained_on=prepared.split.test.shared_pairs(fitting),
        hash=rows.fingerprint(),
    )


def _users(rows: Rows) -> int:
    """The number of users, including those that only the test file has."""
    strangers = set() if rows.strangers is None else set(rows.strangers[rows.users == 0])
    return len(np.unique(rows.users[rows.users > 0])) + len(strangers)
