"""Which of a table's columns holds users, items, ratings and times."""

from collections.abc import Mapping
from dataclasses import dataclass, field

import pandas as pd

from reeltune.trainables.data.reading.hints import way_out
from reeltune.trainables.data.reading.tables import Table
from reeltune.trainables.data.reading.usual_names import ROW_IDS, USUAL_NAMES, WEAK_NAMES, plain_name
from reeltune.trainables.data.times import looks_like_times
from reeltune.trainables.errors import InputError
from reeltune.trainables.near_matches import did_you_mean

COLUMN_OPTIONS = {
    "user": "--user-column",
    "item": "--item-column",
    "rating": "--rating-column",
    "timestamp": "--time-column",
    "weight": "--weight-column",
}
GIVEN_FOLDS = "--split folds:"  # and the name of a column: what asks for the kind "fold"
NEVER_GUESSED = ("fold", "weight")  # kinds of columns that are read only if they are asked for by name
WORDS = {"timestamp": "time"}  # what a kind is called where its field's name is another


@dataclass(frozen=True, kw_only=True)
class Columns:
    """The names of a file's columns; None finds one by its usual names."""

    user: str | None = None
    item: str | None = None
    rating: str | None = None
    timestamp: str | None = None
    fold: str | None = None  # never guessed: each row's fold, for `split.py`
    weight: str | None = None  # never guessed: how often each row counts


@dataclass(frozen=True, kw_only=True)
class Found:
    """The table's column for each kind, others that could have been meant, and unused ones that hold dates."""

    names: Mapping[str, str]
    others: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    dates: tuple[str, ...] = ()
    of_model: tuple[str, ...] = ()  # kinds whose column was found by the name that a model's data had

    def only(self, *kinds: str) -> "Found":
        """The columns of these kinds alone, where no more is read."""
        names = {kind: name for kind, name in self.names.items() if kind in kinds}
        of_model = tuple(kind for kind in self.of_model if kind in kinds)
        dates = self.dates if "timestamp" in kinds else ()
        return Found(names=names, others=self.others, dates=dates, of_model=of_model)

    def line(self) -> str:
        """`columns: user = 'user_id' (not 'u'), item = 'recipe_id'`, and which column of dates was not used."""
        read = []
        for kind, name in self.names.items():
            left = " or ".join(repr(other.strip()) for other in self.others.get(kind, ()))
            read.append(f"{WORDS.get(kind, kind)} = {name.strip()!r}" + (f" (not {left})" if left else ""))
        said = f"columns: {', '.join(read)}"
        if self.of_model:
            kinds = ", ".join(WORDS.get(kind, kind) for kind in self.of_model)
            said += f" ({kinds}: named as in the data that the model was fitted on)"
        if self.dates:
            unused = ", ".join(repr(name.strip()) for name in self.dates)
            said += f"; not used, and looks like times: {unused} (--time-column NAME reads it)"
        return said


def find_columns(
    table: Table,
    columns: Columns,
    *,
    needed: tuple[str, ...],
    of_model: Columns | None = None,
    timed: bool = True,
    takes_matrix: bool = True,
) -> Found:
    """Find the columns of a table, those `needed` and one of times, by the names asked for, or else by usual ones.

    Beside a model the names that its data had, `of_model`, come before usual ones. Those of NEVER_GUESSED are found if
    they are asked for, and so are times that are not `timed`. `takes_matrix` is whether a hint may name --matrix.
    Raises InputError where a needed one is not there, or where two columns could as well be it.
    """
    names, source = list(table.frame.columns), table.source
    _refuse_twins(names, source)
    found: dict[str, str] = {}
    others: dict[str, tuple[str, ...]] = {}
    named = [kind for kind in ("timestamp", *NEVER_GUESSED) if getattr(columns, kind) is not None]
    kinds = dict.fromkeys((*needed, *(["timestamp"] if timed else []), *named))
    asked = {kind: _asked(kind, table.numbered(getattr(columns, kind)), names, source) for kind in kinds}
    as_model = {} if of_model is None or table.headerless else _as_model(of_model, asked, names)
    asked |= as_model
    free = [name for name in names if name not in asked.values()]
    for kind, name in asked.items():
        if name is not None:
            found[kind] = name
            continue
        candidates = _candidates(kind, free, source)
        if candidates:
            _refuse_renamed_twin(candidates[0], names, kind, source)
            found[kind], others[kind] = candidates[0], tuple(candidates[1:])
    _refuse_one_for_two(found, source)
    missing = [kind for kind in needed if kind not in found]
    for kind in missing:
        for given in NEVER_GUESSED:
            if given in found and _candidates(kind, [found[given]], source):
                _refuse_one_for_two({kind: found[given], **found}, source)
    if missing:
        hint = way_out(table, missing, taken=found.values(), takes_matrix=takes_matrix)
        raise InputError(f"{source}: no column for {' and '.join(missing)}; {hint}")
    dates = _unused_dates(table.frame, names, found)
    return Found(names=found, others=others, dates=dates, of_model=tuple(as_model))


def _as_model(of_model: Columns, asked: dict[str, str | None], names: list[str]) -> dict[str, str]:
    """The columns of a table that have the names of the model's data, where its usual names would not find them."""
    found = {}
    for kind in (kind for kind, name in asked.items() if name is None):
        name = getattr(of_model, kind)
        if name in names and name not in asked.values() and not _is_found_first(kind, name, names):
            found[kind] = name
    return found


def _is_found_first(kind: str, name: str, names: list[str]) -> bool:
    """Whether usual names find this column before any other."""
    usual = next((name for word in USUAL_NAMES[kind] for name in names if plain_name(name) == word), None)
    return usual == name and plain_name(name) not in WEAK_NAMES


def _asked(kind: str, name: str | None, names: list[str], source: str) -> str | None:
    if name is None or name in names:
        return name
    padded = [other for other in names if other.strip() == name.strip()]
    if len(padded) != 1:
        by = {"fold": f" ({GIVEN_FOLDS}{name})", "weight": f" ({COLUMN_OPTIONS['weight']} {name})"}.get(kind, "")
        raise InputError(f"{source}: no column {name!r}{by}; found {', '.join(names)}{did_you_mean(name, names)}")
    return padded[0]


def _candidates(kind: str, names: list[str], source: str) -> list[str]:
    """The columns that could be of this kind, the likeliest first.

    Raises InputError where only weak names are usual ones and several columns of unknown ids are beside them.
    """
    usual = USUAL_NAMES[kind]
    known = [name for word in usual for name in names if plain_name(name) == word]
    if kind != "item" or (known and plain_name(known[0]) not in WEAK_NAMES):
        return known
    ids = [name for name in names if _names_ids(name)]
    if len(ids) > 1:
        listed = " or ".join(repr(name) for name in ids)
        raise InputError(f"{source}: the item may be {listed}; name it: {COLUMN_OPTIONS[kind]} NAME")
    return [*ids, *known]


def _names_ids(name: str) -> bool:
    """Whether a column of no usual name has ids by its name: `podcast_id`, `podcastId`; no `paid`, no `review_id`."""
    bare = name.split(":")[0].strip()
    plain = plain_name(name)
    if plain in ROW_IDS or any(plain in usual for usual in USUAL_NAMES.values()):
        return False
    return bare.lower().endswith(("_id", "-id", " id", ".id")) or bare.endswith(("Id", "ID"))


def _refuse_twins(names: list[str], source: str) -> None:
    twins = sorted({name for name in names if name.strip() and names.count(name) > 1})
    if twins:
        raise InputError(f"{source}: two columns are called {twins[0]!r}; rename one of them")


def _refuse_renamed_twin(name: str, names: list[str], kind: str, source: str) -> None:
    if f"{name}.1" in names:  # as pandas renames the second of two
        raise InputError(
            f"{source}: the {WORDS.get(kind, kind)} may be {name!r} or {f'{name}.1'!r}, of which pandas makes a second "
            f"column {name!r}; name it: {COLUMN_OPTIONS[kind]} NAME"
        )


def _refuse_one_for_two(found: dict[str, str], source: str) -> None:
    for name in found.values():
        kinds = " and ".join(WORDS.get(kind, kind) for kind in found if found[kind] == name)
        if " and " in kinds:
            raise InputError(f"{source}: column {name!r} cannot be {kinds} at once")


def _unused_dates(frame: pd.DataFrame, names: list[str], found: dict[str, str]) -> tuple[str, ...]:
    taken = set(found.values())
    return tuple(
        name for place, name in enumerate(names) if name not in taken and looks_like_times(name, frame.iloc[:, place])
    )
