"""`Ratings`: data of one's own or by name, read and checked, with what was guessed or left out in reading it."""

import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, replace
from functools import cached_property
from pathlib import Path
from typing import Any

import pyarrow as pa

from reeltune.cluster.api import html
from reeltune.cluster.api.checks import UNKNOWN_IDS, one_of, shares_of, split_of, whole_number
from reeltune.cluster.api.options import data_options
from reeltune.cluster.commands.data import DataDescription, describe_data, described_lines
from reeltune.cluster.runs.find import folder_of
from reeltune.cluster.runs.kept_tables import place_of_table
from reeltune.cluster.runs.storage import refuse_credentials
from reeltune.trainables.data import Columns, load_data
from reeltune.trainables.data.prepared import DataOptions
from reeltune.trainables.data.reading.frames import FRAME, Source, arrow_of, in_code, table_of
from reeltune.trainables.data.unrated import NotRated, values_of
from reeltune.trainables.errors import InputError


class Ratings:
    """Ratings that can be trained on: a data set's name, a path or URI, a DataFrame, or a table of pyarrow or polars.

    `user`, `item`, `rating` and `time` name columns that have no usual name, and `weight` one that says how often each
    row counts (docs/data.md). `users` and `items` are side tables: more columns by user or item id, again a path or a
    table; "none" leaves MovieLens' own out. `duplicates` is what becomes of a pair that is rated twice ("keep", "last"
    or "error"), `not_rated` is a rating that means 'not rated', or several,
    `missing_ids` is "error" or "drop", and `matrix` says that there is a row for each user and a column for each item.

    The data is read at once. Raises InputError where it cannot be, in words that say what to give.
    """

    def __init__(
        self,
        data: Source,
        *,
        user: str | None = None,
        item: str | None = None,
        rating: str | None = None,
        time: str | None = None,
        weight: str | None = None,
        users: Source | None = None,
        items: Source | None = None,
        duplicates: str | None = None,
        matrix: bool = False,
        not_rated: NotRated | None = None,
        missing_ids: str | None = None,
    ) -> None:
        given = {"ratings": data, "users": users, "items": items}
        named = {table: None if source is None else _name(source) for table, source in given.items()}
        asked = data_options(
            str(named["ratings"]),
            user=user,
            item=item,
            rating=rating,
            timestamp=time,
            weight=weight,
            users=named["users"],
            items=named["items"],
            duplicates=duplicates,
            matrix=matrix,
            not_rated=() if not_rated is None else values_of(not_rated),
            missing_ids=missing_ids,
        )
        self._given = given
        self.options, self.tables = _loaded(asked, given)

    def __repr__(self) -> str:
        return "\n".join(described_lines(self.description))

    def __len__(self) -> int:
        return self.description.ratings

    def _repr_html_(self) -> str:
        first, *others = described_lines(self.description)
        return html.heading(first) + html.preformatted(others)

    def with_folds(self, column: str | None) -> tuple[DataOptions, dict[str, pa.Table]]:
        """The options and tables as they are; with a column that names each row's fold, read again."""
        if column is None:
            return self.options, self.tables
        columns = replace(self.options.columns or Columns(), fold=column)
        return _loaded(replace(self.options, columns=columns, loaded=None), self._given)

    @cached_property
    def description(self) -> DataDescription:
        """What `reeltune data --json` prints."""
        found = describe_data(self.options)
        return found.model_copy(
            update={"columns_line": in_python(found.columns_line), "notes": [in_python(note) for note in found.notes]}
        )


Data = Ratings | Source


def several(data: Any) -> list[Any]:
    """The data of official folds, which are files, or the one that is given. Raises InputError at a list of tables."""
    if not isinstance(data, (list, tuple)):
        return [data]
    for each in data:
        if in_memory(each) and not (isinstance(each, Ratings) and not each.tables):
            raise InputError("data, test: official folds are lists of files; write each table to one, such as Parquet")
    return list(data)


def asked_of(
    data: Data,
    *,
    test: Source | None = None,
    split: str = "random",
    takes_folds: bool = True,
    split_seed: int = 0,
    validation: float | None = None,
    test_share: float | None = None,
    unknown_ids: str | None = None,
    name: str | None = None,
    storage: str | None = None,
    stream: bool = False,
) -> DataOptions:
    """The options of a job's data. With the name of a run, tables in memory get their places in the run's folder.

    With `stream` the data, a path, is not read here.
    """
    kind, column = split_of(split, takes_folds=takes_folds)
    if test is not None and not in_memory(test):
        refuse_credentials(str(test), "--test")
    if unknown_ids is not None and test is None:
        raise InputError(f"--unknown-ids {unknown_ids}: is about the ids of a test file; add --test, or leave it out")
    options, tables = _unread(data) if stream else _ratings_of(data).with_folds(column)
    asked = replace(
        options,
        test=None if test is None else _name(test),
        split=kind,
        split_seed=whole_number("--split-seed", split_seed, 0),
        shares=shares_of(validation, test_share, test=None if test is None else _name(test)),
        unknown_ids=None if unknown_ids is None else one_of("--unknown-ids", unknown_ids, UNKNOWN_IDS),
    )
    tables = {**tables, **({"test": arrow_of(_table(test))} if in_memory(test) else {})}
    return asked if name is None else _placed(asked, tables, name, storage)


def _ratings_of(data: Data) -> Ratings:
    return data if isinstance(data, Ratings) else Ratings(data)


def _unread(data: Data) -> tuple[DataOptions, dict[str, pa.Table]]:
    if isinstance(data, Ratings) or in_memory(data):
        raise InputError("--stream: the ratings are in memory already; give the path of Parquet, or leave stream out")
    return data_options(str(data)), {}


def _placed(asked: DataOptions, tables: Mapping[str, pa.Table], name: str, storage: str | None) -> DataOptions:
    folder = folder_of(name, storage)
    places = {table: place_of_table(folder, table) for table in tables}
    return replace(
        asked,
        data=places.get("ratings", asked.data),
        test=places.get("test", asked.test),
        users=places.get("users", asked.users),
        items=places.get("items", asked.items),
        tables={places[table]: content for table, content in tables.items()},
    )


def in_memory(source: Source | None) -> bool:
    return source is not None and not isinstance(source, (str, Path))


def _name(source: Source) -> str:
    return FRAME if in_memory(source) else str(source)


def _table(source: Any) -> Source:
    """The table itself; of a Ray Dataset its rows, which come to this process."""
    if type(source).__module__.startswith("ray.data"):
        return source.to_pandas(limit=None)
    return source


def _loaded(asked: DataOptions, given: Mapping[str, Source | None]) -> tuple[DataOptions, dict[str, pa.Table]]:
    """The options with the ratings read, and the tables that were in memory, as far as they are read."""
    tables = {table: arrow_of(_table(source)) for table, source in given.items() if in_memory(source)}
    options = _read(asked, tables)
    return options, _used(tables, options)


def _read(asked: DataOptions, tables: Mapping[str, pa.Table]) -> DataOptions:
    """The options with the ratings read. Raises InputError with this module's arguments in place of options."""
    with said_in_python():
        loaded = load_data(
            tables.get("ratings", asked.data),
            columns=asked.columns,
            duplicates=asked.duplicates,
            users=tables.get("users", asked.users),
            items=tables.get("items", asked.items),
            not_rated=asked.not_rated,
            missing_ids=asked.missing_ids,
            matrix=asked.matrix,
        )
    return replace(asked, loaded=loaded)


def _used(tables: Mapping[str, pa.Table], asked: DataOptions) -> dict[str, pa.Table]:
    """The tables with the columns that are read, which are what a run keeps."""
    loaded = asked.loaded
    if "ratings" not in tables or loaded is None or asked.matrix:
        return dict(tables)
    return {**tables, "ratings": tables["ratings"].select(list(dict.fromkeys(loaded.columns.values())))}


def columns_of(data: DataOptions | None, source: Source) -> dict[str, str]:
    """The names that data has for users, items and times, as far as a table in memory has columns of these names."""
    if data is None or data.columns is None or not in_memory(source):
        return {}
    there = set(table_of(_table(source)).frame.columns)
    return {kind: name for kind, name in asdict(data.columns).items() if name in there}


@contextmanager
def said_in_python() -> Iterator[None]:
    """Raise the body's InputError in the words of `in_python`."""
    try:
        yield
    except InputError as error:
        raise InputError(in_python(str(error))) from None


def in_python(line: str) -> str:
    """A line of the readers, and of jobs beside a model, with `user='NAME'` for `--user-column NAME` and its like."""
    line = re.sub(r"""columns=Columns\(((?:'[^']*'|"[^"]*"|[^)'"])*)\)""", r"\1", in_code(line))
    line = line.replace("timestamp=", "time=")
    line = re.sub(r"--at (\d\S*\d)", r"at='\1'", line)
    line = re.sub(r"^--with:", "with_:", line.replace("--with OLD", "with_=OLD"))
    return re.sub(r"^--(seen|intervals):", r"\1:", line)
