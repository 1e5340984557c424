"""What was run: data, split, seeds, versions, machine, cost."""

from collections.abc import Mapping

from reeltune.cluster.runs.finished import Run


def facts(run: Run) -> list[tuple[str, str]]:
    """Pairs of heading and text. What an older run did not record is left out."""
    asked, record = run.asked, run.record
    found = {
        "Run": run.folder.name,
        "Data": (run.answer and run.answer.data) or asked.data,
        "Side tables": _sides(run),
        "Split": _split(run),
        "Test rows": _test_rows(run),
        "Search": _search(run),
        "Refits": _refits(run),
        "Precision": "bfloat16 autocast in trials and refits" if asked.bf16 else "",
        "Sharding": "in trials and refits a worker held the rows and vectors of its own users alone"
        if asked.shard
        else "",
        "Cost": _cost(run),
        "Versions": ", ".join(f"{name} {version}" for name, version in record.versions.items()),
        "Commit": record.commit,
        "Machine": _machine(record.machine),
        "Started": record.started,
    }
    return [(what, str(how)) for what, how in found.items() if how]


def _sides(run: Run) -> str:
    sides = {"users": run.asked.users, "items": run.asked.items}
    return ", ".join(f"{kind}: {source}" for kind, source in sides.items() if source)


def _split(run: Run) -> str:
    asked = run.asked
    own = f"; test rows of {asked.test}" if asked.test else ""
    data = asked.options()
    shares = "".join(f", {option} {share:g}" for option, share in data.shares.options().items())
    folds = f", {data.fold.name}" if data.fold else ""
    folds = f", {asked.folds} folds" if asked.folds else folds
    return f"{data.split_word}, seed {asked.split_seed}{shares}{folds}{own}"


def _test_rows(run: Run) -> str | None:
    test = run.answer.test_rows if run.answer else None
    return f"{test.count:,} of {test.users:,} users, content hash {test.hash[:16]}" if test else None


def _search(run: Run) -> str:
    asked, counts = run.asked, run.counts()
    states = f"{counts['done']} done, {counts['stopped']} stopped early, {counts['failed']} failed"
    each = f"{asked.trials} trials for each of {len(asked.architectures)} architectures"
    each += f" in each of {asked.folds} folds" if asked.folds else ""
    on = f", fitted on users with about {asked.sample:,} ratings" if asked.sample else ""
    seen = " (which saw rows that are test rows here: the verdict may be too good)" if run.earlier_saw_test_rows else ""
    after = f", started from run {asked.source}{seen}" if asked.source else ""
    return f"{each}, seed {asked.seed}{on}{after}: {states}"


def _refits(run: Run) -> str | None:
    seeds, first = run.answer.refit_seeds if run.answer else None, run.asked.seed
    return f"{seeds} of each architecture, seeds {first} to {first + seeds - 1}" if seeds else None


def _cost(run: Run) -> str:
    """Core-seconds: a fit counts as all its workers."""
    search, again, answer = run.seconds_of("search"), run.seconds_of("confirm"), run.answer
    known = answer is not None and answer.refit_seconds is not None
    refits = answer.refit_seconds * answer.refit_workers if answer and answer.refit_seconds is not None else 0.0
    parts = f"trials {search:.0f}, the best tried again {again:.0f}"
    parts += f", refits {refits:.0f}" if known else ", refits not known"
    taken = answer.seconds if answer else 0.0
    return f"{search + again + refits:.0f} core-seconds ({parts})" + (f"; {taken:.0f} s in all" if taken else "")


def _machine(machine: Mapping[str, object]) -> str:
    words = {"cpus": "CPUs", "memory_gib": "GiB of memory"}
    plain = [str(value) for key, value in machine.items() if key not in words and key != "python" and value]
    counted = [f"{machine[key]} {word}" for key, word in words.items() if machine.get(key)]
    python = [f"Python {machine['python']}"] if machine.get("python") else []
    return ", ".join([*plain, *counted, *python])
