"""`reeltune check`: whether an architecture keeps the contract, clause by clause."""

from collections.abc import Callable

from reeltune.cluster.runs.stored import Stored
from reeltune.search_spaces import declared
from reeltune.trainables.architectures.registry import resolve
from reeltune.trainables.contract.suite import Checked, check


class CheckedClause(Stored):
    clause: str
    wrong: str | None  # None: it holds
    seconds: float


class CheckedArchitecture(Stored):
    """What `check --json` prints."""

    architecture: str
    formula: str
    clauses: list[CheckedClause]
    varies: list[str]  # what a search may vary; nothing: it can be trained alone

    @property
    def holds(self) -> bool:
        return all(clause.wrong is None for clause in self.clauses)


def check_architecture(word: str, *, told: Callable[[Checked], None] = lambda checked: None) -> CheckedArchitecture:
    """Check an architecture, and tell of each clause as it is checked. Raises InputError if there is none to run."""
    [name], registry = resolve([word])
    architecture, clauses = registry[name], []
    space = declared(registry, [name])[name]  # a slip in it is found before the fits
    for checked in check(registry, name):
        told(checked)
        seconds = round(checked.seconds, 2)
        clauses.append(CheckedClause(clause=checked.clause, wrong=checked.wrong, seconds=seconds))
    return CheckedArchitecture(
        architecture=name,
        formula=(architecture.__doc__ or "").strip().splitlines()[0],
        clauses=clauses,
        varies=list(space.parameters),
    )
