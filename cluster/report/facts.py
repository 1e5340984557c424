"""What was run: data, split, seeds, versions, machine, cost."""

import re

from reeltune.cluster.runs.finished import Run


def facts(run: Run) -> list[tuple[str, str]]:
    """Pairs of what and how; those that an older run did not keep are left out."""
    asked, record = run.asked, run.record
    found = {
        "Run": run.folder.name,
        "Data": run.detail("data") or asked["data"],
        "Side tables": _sides(asked),
        "Split": _split(run),
        "Test rows": _test_rows(run),
        "Search": _search(run),
        "Refits": _refits(run),
        "Cost": _cost(run),
        "Versions": ", ".join(f"{name} {version}" for name, version in record.get("versions", {}).items()),
        "Commit": record.get("commit"),
        "Machine": _machine(record.get("machine") or {}),
        "Started": record.get("started"),
    }
    return [(what, str(how)) for what, how in found.items() if how]


def _sides(asked: dict[str, object]) -> str:
    return ", ".join(f"{key}: {asked[key]}" for key in ("users", "items") if asked.get(key))


def _split(run: Run) -> str:
    asked = run.asked
    own = f"; test rows of {asked['test']}" if asked.get("test") else ""
    return f"{asked['split']}, seed {asked['split_seed']}{own}"


def _test_rows(run: Run) -> str | None:
    test = run.detail("test_rows")
    return test and f"{test['count']:,} of {test['users']:,} users, content hash {test['hash'][:16]}"


def _search(run: Run) -> str:
    asked, counts = run.asked, run.counts()
    states = f"{counts['done']} done, {counts['stopped']} stopped early, {counts['failed']} failed"
    each = f"{asked['trials']} trials for each of {len(asked['architectures'])} architectures"
    after = f", started from run {asked['from']}" if asked.get("from") else ""
    return f"{each}, seed {asked['seed']}{after}: {states}"


def _refits(run: Run) -> str | None:
    seeds, first = run.detail("refit_seeds"), run.asked["seed"]
    return seeds and f"{seeds} of each architecture, seeds {first} to {first + seeds - 1}"


def _cost(run: Run) -> str:
    """Core-seconds: a trial is one core's work, a refit that of all its workers."""
    search, again, refits = run.seconds_of("search"), run.seconds_of("confirm"), run.detail("refit_seconds")
    refits = None if refits is None else refits * _workers(run)
    parts = f"trials {search:.0f}, the best tried again {again:.0f}"
    parts += ", refits not known" if refits is None else f", refits {refits:.0f}"
    taken = run.detail("seconds")
    return f"{search + again + (refits or 0):.0f} core-seconds ({parts})" + (f"; {taken:.0f} s in all" if taken else "")


def _workers(run: Run) -> int:
    """Of a refit, as the run's command has it."""
    found = re.findall(r"--workers[= ](\d+)", run.record["command"])
    return int(found[-1]) if found else 1


def _machine(machine: dict[str, object]) -> str:
    words = {"cpus": "CPUs", "memory_gib": "GiB of memory"}
    plain = [str(value) for key, value in machine.items() if key not in words and key != "python" and value]
    counted = [f"{machine[key]} {word}" for key, word in words.items() if machine.get(key)]
    python = [f"Python {machine['python']}"] if machine.get("python") else []
    return ", ".join([*plain, *counted, *python])
