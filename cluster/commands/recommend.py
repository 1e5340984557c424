"""`reeltune recommend`: the items that a model rates best for each user, among those the user has not seen."""

import os
from collections.abc import Callable, Generator, Sequence
from contextlib import closing
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from functools import partial
from pathlib import Path

import pandas as pd

from reeltune.cluster.commands.counted import Counted, Step
from reeltune.cluster.commands.fold_in import folded_in
from reeltune.cluster.commands.predict import refuse_own
from reeltune.cluster.commands.seen import seen_places
from reeltune.cluster.runs.stored import Stored
from reeltune.trainables.architectures.kept_source import NO_SOURCE, OwnSource
from reeltune.trainables.best_items import Best, best_items
from reeltune.trainables.bundle import Predictor, load_own
from reeltune.trainables.data import Ratings, Reading, read_users
from reeltune.trainables.data.ids import WAY_OUT
from reeltune.trainables.data.reading.frames import FRAME, Source
from reeltune.trainables.data.strangers import refuse_strangers
from reeltune.trainables.errors import InputError
from reeltune.trainables.folding.newcomers import KnownIds

COLUMNS = ("user", "rank", "item", "rating")
TABLES = (".csv", ".tsv", ".parquet", ".pq", ".gz")


@dataclass(frozen=True, kw_only=True)
class RecommendOptions:
    users: Source | Sequence[str | int] | None  # a table, ids, also separated by commas; None: the new ones, else all
    seen: Source | Ratings | None  # the pairs to leave out: a table of pairs, a data set, also by name, or "none"
    top: int
    at: str | None  # the date of the ratings, for a model fitted with time
    reading: Reading  # how the tables of users and of seen pairs are read
    ratings: Source | None = None  # by new users, or of new items, which the model then knows
    known_ids: KnownIds = "error"


@dataclass(frozen=True, kw_only=True)
class Recommended:
    """A frame with the columns user, rank, item and rating (empty if they went elsewhere), and what was counted.

    `notes` say what was guessed in reading the tables.
    """

    frame: pd.DataFrame
    rows: int
    users: int
    unknown_users: int
    seen_pairs: int
    notes: tuple[str, ...] = ()

    def described(self, output: Path | None) -> "RecommendedDescription":
        rows = [Recommendation.model_validate(row) for row in self.frame.to_dict("records")] if output is None else None
        return RecommendedDescription(
            users=self.users,
            unknown_users=self.unknown_users,
            seen_pairs=self.seen_pairs,
            rows=self.rows,
            output=None if output is None else str(output),
            notes=list(self.notes),
            recommendations=rows,
        )


class Recommendation(Stored):
    user: str
    rank: int
    item: str
    rating: float


class RecommendedDescription(Stored):
    """What `recommend --json` prints: with the rows, unless they are in a file."""

    users: int
    unknown_users: int
    seen_pairs: int
    rows: int
    output: str | None
    notes: list[str]
    recommendations: list[Recommendation] | None


def recommend(
    model: Path,
    options: RecommendOptions,
    *,
    own: OwnSource = NO_SOURCE,
    address: str | None = None,
    progress: Callable[[Step], None] = lambda step: None,
    write: Callable[[pd.DataFrame], None] | None = None,
    say: Callable[[str], None] = lambda line: None,
) -> Recommended:
    """Rate all items for each user, some users at a time; `write` takes their rows, which else make up the frame.

    With `address` the nodes of that cluster do, for many users. Raises InputError if the options do not fit the model,
    or there is no such cluster.
    """
    if address is None:
        return recommended(load_own(model, own), options, progress=progress, write=write)
    from reeltune.cluster.commands.lists_on_nodes import best_on_nodes  # late: Ray takes seconds to load
    from reeltune.cluster.session.address import check_address

    check_address(address, takes_client=False)
    refuse_own(address, own)
    by_nodes = partial(best_on_nodes, address, say=say)
    return recommended(load_own(model, own), options, progress=progress, write=write, lists=by_nodes)


def recommended(
    predictor: Predictor,
    options: RecommendOptions,
    *,
    progress: Callable[[Step], None] = lambda step: None,
    write: Callable[[pd.DataFrame], None] | None = None,
    lists: Callable[..., Generator[Best]] = best_items,
) -> Recommended:
    """As `recommend`, with a model that is loaded; `lists` makes the lists, as `best_items` does."""
    said = tuple[str, ...]()
    if options.ratings is not None:
        predictor, said = folded_in(predictor, options.ratings, reading=options.reading, known_ids=options.known_ids)
    options = replace(options, reading=options.reading.beside(predictor.column_names))
    seconds = _seconds(options.at, predictor)
    wanted, of_users = _users(options, predictor)
    users, items = predictor.users.encode(wanted), predictor.items.text
    seen, of_seen = seen_places(options.seen, wanted, predictor, options.reading)
    shown = Counted("users", len(users), progress)
    shown.add(0)
    parts: list[pd.DataFrame] = []
    rows = 0
    with closing(lists(predictor, users, seen=seen, top=options.top, seconds=seconds)) as found:
        for best in found:
            ratings = best.ratings.astype(float).round(predictor.scale.decimals)
            columns = dict(zip(COLUMNS, (wanted[best.users], best.ranks, items[best.items], ratings), strict=True))
            (parts.append if write is None else write)(pd.DataFrame(columns))
            rows += len(ratings)
            shown.add(best.done - shown.done)
    unknown, _ = predictor.unknown_indices(users, users[:0])
    notes = (*said, *of_users, *of_seen)
    return Recommended(
        frame=pd.concat(parts, ignore_index=True) if parts else pd.DataFrame(columns=COLUMNS),
        rows=rows,
        users=len(users),
        unknown_users=unknown,
        seen_pairs=len(seen),
        notes=notes,
    )


def _users(options: RecommendOptions, predictor: Predictor) -> tuple[pd.Index, tuple[str, ...]]:
    """The wanted users' ids, each once, and notes on their table.

    Raises InputError at an empty id, or if none in the table is known.
    """
    asked = options.users
    if asked is None:
        new = None if predictor.newcomers is None else predictor.newcomers.text("user")
        return (predictor.users.text if new is None or new.empty else new), ()
    if isinstance(asked, str) and not _is_table(asked):
        one = predictor.users.encode([asked])[0] > 0  # an id of the model's may have a comma in it
        ids = [asked] if one else [each.strip() for each in asked.split(",")]
        if "" in ids:
            raise InputError(f"--users {asked!r}: expected a file, or ids with a comma between them")
        return predictor.users.plain(pd.Index(ids, dtype="str")).unique(), ()
    if isinstance(asked, Sequence) and not isinstance(asked, str):
        given, said = _whole(pd.Index(asked), options.reading)
        return predictor.users.plain(given.astype("str")).unique(), said
    read, notes = read_users(asked, options.reading)
    known, allowed = predictor.users, options.reading.unknown_ids
    refuse_strangers("user", _place(asked), known.encode(read), read.iloc[0], known.text[0], allowed)
    return pd.Index(read).unique(), notes


def _whole(ids: pd.Index, reading: Reading) -> tuple[pd.Index, tuple[str, ...]]:
    """The ids without missing ones, and a note on these. Raises InputError at one, unless they are to be left out."""
    there = ids.dropna()
    if len(there) == len(ids):
        return ids, ()
    if reading.missing_ids == "error":
        raise InputError(f"users: the id at place {int(ids.isna().argmax()) + 1} is missing; {WAY_OUT}")
    return there, (f"users without an id, who are left out: {len(ids) - len(there):,}",)


def _is_table(users: str) -> bool:
    return os.path.exists(users) or "://" in users or users.endswith(TABLES)


def _place(source: Source) -> str:
    return str(source) if isinstance(source, (str, Path)) else FRAME


def _seconds(at: str | None, predictor: Predictor) -> int | None:
    """`--at` in seconds since 1970; None for a model without time. Raises InputError if it does not fit the model."""
    if at is None and predictor.timed:
        raise InputError("this model was fitted with time: say when the items are to be rated, such as --at 2026-11-26")
    if at is None:
        return None
    if not predictor.timed:
        raise InputError(f"--at {at}: this model takes no time; leave it out")
    try:
        when = datetime.fromisoformat(at)
    except ValueError:
        raise InputError(f"--at {at!r}: expected a date, such as 2026-11-26 or 2026-11-26T18:30") from None
    return int((when if when.tzinfo else when.replace(tzinfo=UTC)).timestamp())


def about_recommended(done: Recommended | RecommendedDescription, rows: int, *, output: str | None = None) -> list[str]:
    """What is said of the recommendations, which are that many rows: what was left out, unknown or guessed."""
    where = f" in {output}" if output else ""
    lines = [f"{rows:,} rows, users: {done.users:,}{where}; {done.seen_pairs:,} seen pairs left out"]
    if done.unknown_users:
        lines.append(
            f"users of whom the model knows no rating: {done.unknown_users:,}; theirs is the list of a new user"
        )
    return [*lines, *done.notes]
