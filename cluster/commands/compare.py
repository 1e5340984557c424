"""`reeltune compare`: the architectures of several runs in one table, where all were judged on the same test rows."""

from typing import Any

from rich.box import SIMPLE_HEAD
from rich.markup import escape
from rich.table import Table

from reeltune.cluster.report.words import baseline_error, error_of
from reeltune.cluster.runs.finished import Run, read_run
from reeltune.cluster.runs.folder import RunFolder
from reeltune.trainables.errors import InputError


def compare(folders: list[RunFolder]) -> dict[str, Any]:
    """What `--json` prints. Raises InputError where a run has no verdict, or other test rows."""
    runs = [read_run(folder) for folder in folders]
    hashes = {run.folder.place: _rows(run) for run in runs}
    first = next(iter(hashes))
    for path, rows in hashes.items():
        if rows != hashes[first]:
            raise InputError(
                f"{path} was judged on other test rows ({rows[:12]}…) than {first} ({hashes[first][:12]}…): figures "
                "differ more between test rows than between models; use the same --data, --split and --split-seed"
            )
    return {"test_rows": hashes[first], "runs": [_described(run) for run in runs]}


def _rows(run: Run) -> str:
    """The content hash of the test rows that a run was judged on."""
    found = run.detail("test_rows")
    if found is None:
        raise InputError(f"{run.folder.place}: this run has no verdict to compare")
    return found["hash"]


def _described(run: Run) -> dict[str, Any]:
    verdict = run.verdict or {}
    return {
        "run": run.folder.place,
        "decoder": run.decoder,
        "look": verdict["look"],
        "winner": verdict["winner"],
        "seconds": verdict["seconds"],
        "baseline": {
            "name": verdict["baseline"].get("name") or verdict["baseline"]["architecture"],
            "test_mse": baseline_error(verdict["baseline"], run.decoder),
        },
        "architectures": [_architecture(run, name, found) for name, found in verdict["architectures"].items()],
    }


def _architecture(run: Run, name: str, found: dict[str, Any]) -> dict[str, Any]:
    mine = [entry for entry in run.ledger if entry["architecture"] == name]
    return {
        "architecture": name,
        "test_mse": error_of(found["test"], run.decoder) if found["test"] else None,
        **{key: found[key] for key in ("gain", "ci95", "p_holm", "gain_over_tuned_pmf", "verdict")},
        "trials": sum(entry["stage"] == "search" for entry in mine),
        "seconds": round(sum(entry["seconds"] for entry in mine), 1),
    }


def comparison_table(compared: dict[str, Any]) -> Table:
    """For a terminal: each run's baseline, then its architectures."""
    title = (
        f"the same test rows ({compared['test_rows'][:12]}…); * the winner by validation error; core-seconds of trials"
    )
    table = Table(title=title, title_justify="left", box=SIMPLE_HEAD, pad_edge=False, collapse_padding=True)
    for heading in ("run", "architecture", "test MSE", "gain", "95% CI", "verdict", "trials", "seconds"):
        words = heading in ("run", "architecture", "verdict")
        table.add_column(heading, justify="left" if words else "right", no_wrap=True)
    for run in compared["runs"]:
        decoder = "" if run["decoder"] == "argmax" else f" ({run['decoder']})"
        baseline = run["baseline"]
        table.add_row(escape(f"{run['run']}{decoder}"), f"baseline ({baseline['name']})", _number(baseline["test_mse"]))
        for found in run["architectures"]:
            star = " *" if found["architecture"] == run["winner"] else ""
            table.add_row("", f"{found['architecture']}{star}", *_cells(found))
    return table


def _cells(found: dict[str, Any]) -> list[str]:
    judged = found["verdict"] is not None
    return [
        _number(found["test_mse"]),
        f"{found['gain']:+.4f}" if judged else "",
        "{:+.4f} to {:+.4f}".format(*found["ci95"]) if judged else "",
        found["verdict"] or "",
        str(found["trials"]),
        f"{found['seconds']:.0f}",
    ]


def _number(value: float | None) -> str:
    return "" if value is None else f"{value:.4f}"
