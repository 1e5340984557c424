"""A search's folder as `tune` leaves it, with made-up figures: two architectures, the ensemble, Optuna's journal."""

import json

import numpy as np
import pandas as pd

from reeltune.cluster.runs.folder import RunFolder, write_json
from reeltune.search_spaces import shipped
from reeltune.search_spaces.study import Outcome, Study, journal
from reeltune.trainables.architectures.table import ARCHITECTURES
from reeltune.trainables.data.scale import Scale
from reeltune.trainables.data.shape import Shape

NAMES = ("pmf", "classifier")
SHAPE = Shape(users=5, items=5, scale=Scale.of(np.arange(1.0, 6.0)), ratings=100)
CONFIG = {"pmf": {"factors": 3, "learning_rate": 0.012345678}, "classifier": {"loss": "cross_entropy", "epochs": 2}}
METRICS = {
    "argmax_mse": 0.8,
    "mean_mse": 0.78,
    "median_mse": None,
    "rounded_mse": 0.85,
    "grid_mse": 0.801,
    "rmse": 0.9,
    "mae": 0.7,
    "accuracy": 0.4,
    "log_loss": None,
    "rps": None,
}


def found(**changes):
    """What a verdict says of an architecture."""
    return {
        "config": {"factors": 3, "rate": 0.12345678},
        "timed": None,
        "validation": METRICS,
        "test": METRICS,
        "gain": 0.029,
        "ci95": [0.02, 0.04],
        "p": 0.001,
        "p_holm": 0.002,
        "gain_over_simple": 0.02,
        "gain_over_tuned_pmf": 0.01,
        "verdict": "beats",
        "needed_users": None,
        "needed_ratings": None,
        "missing": None,
        "on_bounds": {},
        "dropped": [],
        **changes,
    }


def baseline(**changes):
    return {
        "name": "pmf",
        "kind": "reference",
        "architecture": "pmf",
        "config": {"factors": 50},
        "test": {**METRICS, "argmax_mse": 0.829},
        "published": 0.829,
        **changes,
    }


def simple(**changes):
    """What a verdict says of the simple predictors: damped means are the best, and worse than the baseline."""
    errors = {"mean": 1.2, "bias": 0.84, "pmf": 0.85}
    compared = {
        name: {"config": {}, "validation": error, "test": {**METRICS, "argmax_mse": error}}
        for name, error in errors.items()
    }
    return {"best": "bias", "compared": compared, **changes}


def result(**changes):
    """The answer of a verdict."""
    worse = {"gain": -0.01, "gain_over_simple": -0.019, "ci95": [-0.03, 0.01], "verdict": "undecided"}
    worse |= {"needed_users": 900, "needed_ratings": 4321, "missing": "about 900 users would be needed to see it"}
    return {
        "metric": "mse",
        "trials": {"done": 8, "stopped": 2, "failed": 0},
        "seconds": 12.0,
        "baseline": baseline(),
        "simple": simple(),
        "architectures": {
            "pmf": found(config=CONFIG["pmf"], **worse),
            "classifier": found(config=CONFIG["classifier"]),
        },
        "winner": "classifier",
        **changes,
    }


def details(names):
    """What stands beside the answer."""
    report = "   precision  recall\n1  0.5  0.4\n"
    value = {"values": ["1", "2"], "confusion": [[3, 4], [5, 6]], "report": report, "weighted": False}
    seeds = {"metrics": [METRICS] * 3, "spread": 0.0012}
    bins = [{"low": 0.2, "high": 0.4, "count": 8, "confidence": 0.3, "frequency": 0.25}]
    bins += [{"low": 0.4, "high": 0.6, "count": 9, "confidence": 0.5, "frequency": 0.55}]
    slices = {
        kind: [
            {"label": f"{kind} one", "count": 11, "mse": 0.9, "error": None},
            {"label": "none", "count": 0, "mse": None, "error": None},
        ]
        for kind in ("rating", "user_activity", "item_popularity", "cold")
    }
    return {
        "decoder": "argmax",
        "look": 2,
        "data": "films.csv: 90 ratings by 4 users of 4 items",
        "split": {"kind": "random", "seed": 7},
        "refit_seeds": 3,
        "test_rows": {
            "count": 18,
            "users": 3,
            "outside_the_scale": 0,
            "unknown_users": 0,
            "unknown_items": 1,
            "also_trained_on": 0,
            "hash": "abcdef0123456789",
        },
        "by_value": dict.fromkeys(names, value),
        "seeds": dict.fromkeys(names, seeds),
        "decoders": {name: {"argmax": {"mse": 0.8, "mae": 0.7}, "mean": {"mse": 0.9, "mae": 0.71}} for name in names},
        "probabilities": {
            "classifier": {"log_loss": 1.2, "rps": 0.11, "ece": 0.02, "temperature": 0.5, "reliability": bins}
        },
        "slices": dict.fromkeys(names, slices),
    }


def write_run(path, *, verdict=None, asked=None, titles=("Heat (1995)", "Alien (1979)"), error=None):
    """A finished run; `verdict` replaces the whole of `verdict.json`, None for the one above."""
    folder = RunFolder(path)
    answer = result()
    write_json(folder.record, _record(asked or {}))
    counts = {"done": 8, "stopped": 0 if error else 2, "failed": 2 if error else 0}
    kept = verdict or {**answer, **details(["baseline", *answer["architectures"]])}
    write_json(folder.verdict, {**kept, "trials": counts})
    _search(folder, error)
    rows = range(40)
    frame = pd.DataFrame(
        {"item": [titles[row % len(titles)] for row in rows], "rating": [row % 5 + 1.0 for row in rows]}
    )
    for shift, name in enumerate(("baseline", *NAMES)):
        frame[name] = 3.0 + shift / 10
    frame.to_parquet(folder.predictions, index=False)
    return folder


def _record(asked):
    return {
        "command": "reeltune tune pmf classifier --data films.csv --trials 5 --name one --json",
        "asked": {
            "verb": "tune",
            "architectures": list(NAMES),
            "data": "films.csv",
            "users": None,
            "items": None,
            "test": None,
            "split": "random",
            "split_seed": 7,
            "seed": 42,
            "decoder": "argmax",
            "trials": 5,
            **asked,
        },
        "versions": {"reeltune": "0.1.0", "optuna": "5.0.0"},
        "commit": "0123abcd",
        "machine": {"system": "Linux", "architecture": "x86_64", "python": "3.11.7", "cpus": 2, "memory_gib": 8.0},
        "started": "2026-11-24T15:49:00+0000",
        "finished": "2026-11-24T15:50:00+0000",
    }


def _search(folder, error):
    """A ledger and a journal of five trials of each architecture: the last stopped, or failed for `error`."""
    lines, storage = [], journal(str(folder.journal))
    for name in NAMES:
        study = Study(name, ARCHITECTURES[name], shipped(name, ARCHITECTURES[name]), SHAPE, seed=1, storage=storage)
        for number in range(5):
            trial, value = f"{name}-{number:03}", 0.9 - number / 100
            last = "failed" if error else "stopped"
            state = "done" if number < 4 else last
            curve = {50: value + 0.1, 100: value} if state == "done" else {50: value + 0.2}
            config = study.ask(trial, number)
            study.tell(trial, Outcome(state=state, value=value if state == "done" else None, curve=curve), {})
            entry = {
                "trial": trial,
                "architecture": name,
                "number": number,
                "stage": "search",
                "state": state,
                "config": config,
                "value": value if state == "done" else None,
                "metrics": None,
                "temperature": 1.0,
                "curve": curve,
                "epochs": 2,
                "seconds": 1.5,
                "seed": 42,
                "error": error if state == "failed" else None,
            }
            lines.append(json.dumps(entry))
    folder.ledger.write_text("\n".join(lines) + "\n")
